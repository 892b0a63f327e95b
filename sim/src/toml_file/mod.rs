//! TOML files by tables of keys: [`keys`] says which keys there are and what they take, [`reader`] reads values with their
//! places, [`error`] shows what is wrong with them, [`writer`] writes them.

pub mod error;
mod excerpt;
pub mod kafka_keys;
pub mod keys;
pub mod reader;
pub mod settings;
pub mod writer;

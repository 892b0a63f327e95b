//! Client cores: what a producer and a consumer library do between the application and the sockets.
//!
//! Both stand on a private pair of rooms: `network` (what is unanswered on each connection, timeouts, back-off) and
//! `metadata` (who leads what, and when to ask again).

#[cfg(test)]
mod any_response;
pub mod consumer;
mod metadata;
mod network;
pub mod producer;

pub use consumer::Consumer;
pub use producer::Producer;

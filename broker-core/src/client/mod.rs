//! Client cores: what a producer and a consumer library do between the application and the sockets.

pub mod consumer;
mod metadata;
mod network;
pub mod producer;

pub use consumer::Consumer;
pub use producer::Producer;

//! Client cores: what a producer and a consumer library do between the application and the sockets.
//!
//! Both stand on a private pair of modules: `network` (what is unanswered on each connection, timeouts, back-off) and
//! `metadata` (who leads what, and when to ask again).

/// Lends time, randomness and the way out of a client, field by field.
macro_rules! context {
    ($client:ident, $now:ident) => {
        $crate::machine::Context {
            now: $now,
            wall: $client.wall,
            rng: &mut $client.rng,
            out: &mut $client.out,
        }
    };
}

#[cfg(test)]
mod any_response;
pub mod consumer;
mod metadata;
mod network;
pub mod producer;

pub use consumer::Consumer;
pub use producer::Producer;

/// For tests: the brokers 1 and 2, and where they listen.
#[cfg(test)]
fn two_brokers() -> alloc::vec::Vec<(crate::types::NodeId, crate::types::Endpoint)> {
    use crate::types::{Endpoint, Listener, NodeId};

    let at = |node| (node, Endpoint::of(node, Listener::Broker));
    [NodeId(1), NodeId(2)].map(at).into()
}

//! Programs: the code that produces and consumes.
//!
//! A program is an ordinary async task on a node of its own. It talks to the cluster through handles that
//! read like the client libraries people know ([`ProducerClient`], [`ConsumerClient`]), sleeps on the
//! simulated [`Clock`], and draws from its own [`Random`]. When its process is killed it ends at the await
//! where it stands, and starts anew, from the beginning, when the process is started again.

mod admin;
mod cast;
mod clock;
mod consumer;
#[cfg(test)]
pub(crate) mod custom;
mod load;
mod probe;
mod producer;
mod reader;
pub(crate) mod station;

pub use broker_core::client::consumer::ConsumerRecord;
pub use broker_core::client::producer::ProducerRecord;
pub use broker_core::random::Random;

pub(crate) use cast::{Member, Role, cast, play};
pub use clock::Clock;
pub use consumer::ConsumerClient;
pub use producer::{Delivery, ProducerClient, RecordMetadata, SendError};

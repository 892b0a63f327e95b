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
mod env;
mod guard;
pub mod hop;
mod lag;
mod load;
mod own;
mod partition;
mod probe;
mod producer;
mod reader;
mod received;
mod service;
pub(crate) mod station;
mod work;
mod workers;

pub use broker_core::config::{AcksSetting, AutoOffsetReset, ConsumerConfig, GroupProtocol, ProducerConfig};
pub use broker_core::protocol::Header;
pub use broker_core::random::Random;
pub use broker_core::types::{Offset, PartitionIndex, Timestamp, TopicName};

pub use cast::MOST_CLIENTS;
pub(crate) use cast::{Cast, Role, cast, play};
pub use clock::Clock;
pub use consumer::{CommitError, ConsumerClient, PollError, RebalanceListener};
pub use env::Env;
pub use own::Instances;
pub(crate) use own::OwnProgram;
pub use partition::TopicPartition;
pub use producer::{Delivery, ProducerClient, ProducerRecord, RecordMetadata, SendError};
pub use received::{ConsumerRecord, TimestampType};
pub use service::{ServiceClient, ServiceError};
pub use work::Work;

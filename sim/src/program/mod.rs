//! Programs: the code that produces and consumes.
//!
//! A program is an ordinary async task on a node of its own. It talks to the cluster through handles that
//! read like the client libraries people know ([`ProducerClient`], [`ConsumerClient`]), sleeps on the
//! simulated [`Clock`], and draws from its own [`Random`]. When its process is killed it ends at the await
//! where it stands, and starts from the beginning when the process is restarted.
//!
//! # What is guarded
//! A trial must be decided by its seed alone. Every trial runs on a thread that has done nothing before; inside of it:
//!
//! | what a program uses | what it gets |
//! |---|---|
//! | `std::time`, `tokio::time` of madsim-tokio (with `--cfg madsim`), `madsim::time` | simulated time: never early, at most some microseconds late; a sleep takes at least 1 ms |
//! | `HashMap`, `HashSet`, `RandomState`, `rand::rng()`, `uuid` v4, `getrandom` 0.2 to 0.4, `ahash` | chance that the seed decides |
//! | thread-locals | new ones in each trial |
//! | sockets, names of hosts, processes, threads | refused: the call fails with `EPERM`, and the trial ends with a message that names the way out |
//! | files and folders | refused likewise, except reading what [`Trial::reads`](crate::trial::Trial::reads) allows |
//! | `tokio::time` and `tokio::spawn` of the real tokio | panic: they need its runtime |
//! | tasks (`tokio::spawn` of madsim-tokio, [`Env::spawn`]), `tokio::sync`, `futures`, `select!` | work, and die with the program's node |
//!
//! What a program and the tasks of [`Env::spawn`] say through `tracing` comes in a span `program` with the fields `node`
//! (`checkout/1`) and `time` (since the trial began).
//!
//! The refusals and `getrandom` 0.2 are there on Linux only. What cannot be guarded, and shows itself in
//! [`Trial::verify`](crate::trial::Trial::verify) at best: statics, addresses, ids of threads and of madsim's tasks; the
//! order in which `select!` without `biased;` looks at its branches (tokio and futures count its users in a static); `hashbrown`'s
//! own hasher (`foldhash` mixes in addresses); `ahash` if the process used it before its first trial; environment variables;
//! metadata of files; descriptors opened before the trial; raw system calls (`rustix`); threads of a pool that ran before.
//! `std::thread::sleep` and other blocking calls stop the whole trial, whose time stands still meanwhile.

// In layers: `cast`, who plays → `workers`, `own`, `driver` → `env` and the handles that programs call → `station`, what they
// share with the world → `client`, the libraries, and below these what programs name: partitions, records, outcomes.
mod cast;
pub(crate) mod client;
mod clock;
mod consumer;
pub(crate) mod driver;
mod env;
mod guard;
pub mod hop;
mod outcome;
mod own;
mod partition;
mod producer;
mod received;
mod service;
pub(crate) mod station;
mod work;
mod workers;

pub use broker_core::config::{AcksSetting, AutoOffsetReset, ConsumerConfig, GroupProtocol, ProducerConfig};
pub use broker_core::protocol::Header;
pub use broker_core::random::Random;
pub use broker_core::topic_pattern::InvalidPattern;
pub use broker_core::types::{Offset, PartitionIndex, Timestamp, TopicName};

pub use cast::MOST_CLIENTS;
pub(crate) use cast::{Cast, Role, cast, play};
pub use clock::Clock;
pub use consumer::{ConsumerClient, RebalanceListener};
pub use env::Env;
pub use outcome::{CommitError, PollError, RecordMetadata, SendError};
pub use own::Instances;
pub(crate) use own::OwnProgram;
pub use partition::TopicPartition;
pub use producer::{Delivery, ProducerClient, ProducerRecord};
pub use received::{ConsumerRecord, TimestampType};
pub use service::{ServiceClient, ServiceError};
pub use work::Work;

//! A Kafka-like broker, controller and clients as pure state machines.
//!
//! # The boundary
//! A [`machine::Machine`] takes an [`machine::Input`] with the time of its node's clock and gives
//! [`machine::Output`]s: requests, responses, disk operations, trace events. It knows no socket, no
//! file, no clock, no thread, and draws randomness only from the [`random::Random`] that it was made
//! with. Whoever drives it decides everything that is not logic, and the same inputs give the same outputs.
//!
//! # The modules
//! [`broker`] is the dispatcher; below it are [`controller`] and [`group`], which keep their state in a log by way of
//! [`replicated`], then [`replica`] and [`quorum`], both over [`log`]; [`client`] holds the producer and the consumer.
//! [`protocol`], [`types`], [`config`], [`disk`] and [`trace`] are the words that all of them share.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod backoff;
pub mod broker;
pub mod client;
pub mod config;
pub mod controller;
pub mod digest;
pub mod disk;
mod fetch_session;
pub mod group;
mod idle;
pub mod log;
pub mod machine;
pub mod protocol;
pub mod quorum;
pub mod random;
pub mod replica;
pub mod replicated;
pub mod topic_pattern;
pub mod trace;
pub mod types;

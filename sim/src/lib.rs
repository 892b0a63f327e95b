//! The simulated world of Trial: network, disks, clocks, hardware and programs around the machines of
//! `broker-core`, with faults, a history, checkers, and the `trial` command.
//!
//! A run goes scenario file + seed → [`scenario::Scenario`] → fault plan ([`faults`], [`nemesis`]) → [`world`] →
//! [`history`] → [`check`] → record. [`trial`] is one such run, [`sweep`] many of them;
//! `command` is what a person types.
//!
//! The feature `command` (on by default) is the `trial` program, `plots` draws; a crate with programs of its own needs
//! neither.
#![forbid(unsafe_code)]

mod address;
pub mod check;
mod clocks;
#[cfg(feature = "command")]
pub mod command;
pub mod faults;
pub mod gauge;
pub mod history;
pub mod journey;
mod mark;
pub mod metrics;
pub mod nearest;
pub mod nemesis;
pub mod outcome;
pub mod panics;
pub mod program;
mod running;
mod scaled;
pub mod scenario;
pub mod sweep;
pub mod toml_file;
mod traced;
pub mod trial;
pub mod units;
pub mod verdict;
mod words;
pub mod world;

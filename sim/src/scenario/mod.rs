//! A scenario: a cluster, a load, faults, and what is expected of them. All that a trial needs besides its seed.
//!
//! [`files`] finds and reads files, [`parse`] turns their text into a [`Scenario`] with the help of [`reader`] and the
//! table of [`keys`], [`validate`] refuses what is impossible, [`lint`] doubts what is probably not meant.
//! [`mod@write`] makes a file of a scenario.

pub mod error;
mod faults;
pub mod files;
pub mod keys;
pub mod lint;
pub mod nearest;
pub mod parse;
pub mod reader;
mod settings;
pub mod units;
pub mod validate;
pub mod write;

#[cfg(test)]
mod tests;

use core::ops::Range;
use core::time::Duration;

use broker_core::config::{BrokerConfig, ConsumerConfig, ProducerConfig, Quirks, TopicConfig};

use crate::fault::PlannedFault;
use crate::nemesis::NemesisSpec;

pub use faults::{KINDS as FAULT_KINDS, parse_target};
pub use settings::{SettingsSection, kind_of, settings_sections};

/// A validated scenario: every name resolves, every topology is possible.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// The file's path below the scenario root, without the ending: `durability/leader-killed-acks-all`.
    pub name: String,
    /// One sentence: what it teaches.
    pub teaches: String,
    /// How long load and faults last, in simulated time.
    pub duration: Duration,
    /// How long the healed cluster may take to recover and drain.
    pub settle: Duration,
    /// The seeds of a plain `trial run`.
    pub seeds: Range<u64>,
    /// The cluster.
    pub cluster: Cluster,
    /// Topics, created before the load begins.
    pub topics: Vec<Topic>,
    /// Groups of equal producers.
    pub producers: Vec<ProducerGroup>,
    /// Groups of equal consumers.
    pub consumers: Vec<ConsumerGroup>,
    /// Faults at fixed times.
    pub faults: Vec<PlannedFault>,
    /// Faults drawn from the seed.
    pub nemesis: Option<NemesisSpec>,
    /// Planted defects by name.
    pub quirks: Vec<String>,
    /// The same, as the core wants them.
    pub quirk_set: Quirks,
    /// What must come out.
    pub expect: Expectation,
    /// Where a trial is cut off.
    pub limits: Limits,
}

/// The nodes and what they run on.
#[derive(Clone, PartialEq, Debug)]
pub struct Cluster {
    /// How many brokers.
    pub brokers: u32,
    /// How many dedicated controllers; 0 makes the first `combined_controllers` brokers controllers too.
    pub dedicated_controllers: u32,
    /// How many brokers are voters when there are no dedicated controllers.
    pub combined_controllers: u32,
    /// Settings of every node.
    pub config: BrokerConfig,
    /// What work costs.
    pub hardware: Hardware,
    /// What messages suffer even on a good day.
    pub network: Network,
}

/// Costs of one node's hardware.
#[derive(Clone, PartialEq, Debug)]
pub struct Hardware {
    /// CPU time of one request or response.
    pub cpu_per_request: Duration,
    /// CPU time of each byte in it, in nanoseconds.
    pub cpu_per_byte_ns: f64,
    /// NIC bandwidth in bytes a second, each way.
    pub nic_bytes_per_sec: u64,
    /// Disk bandwidth in bytes a second.
    pub disk_bytes_per_sec: u64,
    /// The time of one fsync besides the bytes it has to write.
    pub fsync: Duration,
}

impl Default for Hardware {
    /// A small server with one flash disk and a 1 Gbit/s network card.
    fn default() -> Hardware {
        Hardware {
            cpu_per_request: Duration::from_micros(20),
            cpu_per_byte_ns: 1.0,
            nic_bytes_per_sec: 125_000_000,
            disk_bytes_per_sec: 200_000_000,
            fsync: Duration::from_millis(2),
        }
    }
}

/// The network between nodes.
#[derive(Clone, PartialEq, Debug)]
pub struct Network {
    /// The shortest one-way latency.
    pub latency_min: Duration,
    /// The mean one-way latency; what exceeds the minimum is exponentially distributed.
    pub latency_mean: Duration,
}

impl Default for Network {
    /// One data centre.
    fn default() -> Network {
        Network {
            latency_min: Duration::from_micros(200),
            latency_mean: Duration::from_micros(500),
        }
    }
}

/// A topic.
#[derive(Clone, PartialEq, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// How many replicas of each.
    pub replication_factor: u16,
    /// Its settings.
    pub config: TopicConfig,
}

/// Equal producers.
#[derive(Clone, PartialEq, Debug)]
pub struct ProducerGroup {
    /// Their name; the programs are `<name>/1`, `<name>/2`, …
    pub name: String,
    /// How many.
    pub count: u32,
    /// Where they send to.
    pub topic: String,
    /// Records a second, each.
    pub rate: f64,
    /// Bytes of a value, at least 8.
    pub record_size: u32,
    /// The keys.
    pub keys: Keys,
    /// When they begin.
    pub start: Duration,
    /// When they stop; `None` with the end of the safety phase.
    pub stop: Option<Duration>,
    /// Settings.
    pub config: ProducerConfig,
}

/// How keys are drawn.
#[derive(Clone, PartialEq, Debug)]
pub enum Keys {
    /// No keys: the sticky partitioner.
    None,
    /// Each of `count` keys equally often.
    Uniform {
        /// How many keys.
        count: u64,
    },
    /// Key number k with weight 1/k^exponent.
    Zipf {
        /// How many keys.
        count: u64,
        /// The exponent.
        exponent: f64,
    },
    /// One key with a share of all records, the rest even.
    Hot {
        /// How many keys.
        count: u64,
        /// The share of the hot one, 0 to 1.
        share: f64,
    },
}

/// Equal consumers, each with assigned partitions.
#[derive(Clone, PartialEq, Debug)]
pub struct ConsumerGroup {
    /// Their name; the programs are `<name>/1`, `<name>/2`, …
    pub name: String,
    /// How many; the partitions are dealt out to them in turn.
    pub count: u32,
    /// What they read.
    pub topic: String,
    /// How long a program works on each record.
    pub processing: Duration,
    /// When they begin.
    pub start: Duration,
    /// Settings.
    pub config: ConsumerConfig,
}

/// What must come out of every trial of the scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expectation {
    /// No violation; anomalies that the contract allows are counted.
    Pass,
    /// The named checks must each be found (as a violation or as allowed) in at least one of the scenario's trials,
    /// and no other check may be violated in any.
    Finds(Vec<String>),
}

/// Where a trial is cut off: beyond any of these it is inconclusive.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// Delivered events.
    pub events: u64,
    /// Records sent.
    pub records: u64,
    /// Simulated time altogether.
    pub sim_time: Duration,
    /// Bytes of logs and history.
    pub memory: u64,
}

impl Limits {
    /// The limits of trials that are planned to last this long: generous, but a run that stands still ends.
    #[must_use]
    pub fn for_trials_of(planned: Duration) -> Limits {
        Limits {
            events: 50_000_000,
            records: 5_000_000,
            sim_time: planned.saturating_mul(2),
            memory: 1 << 30,
        }
    }
}

//! A scenario: a cluster, a load, faults, and what is expected of them. All that a trial needs besides its seed.
//!
//! [`files`] finds and reads files, [`parse`] turns their text into a [`Scenario`] with the tables of [`keys`], [`validate`] refuses what is impossible, [`lint`] doubts what is probably not meant.
//! [`mod@write`] makes a file of a scenario.

pub mod cost;
pub mod examples;
mod expectation;
mod faults;
pub mod files;
pub mod keys;
pub mod lint;
pub mod measures;
mod nemesis;
pub mod parse;
mod schedule;
pub mod schema;
pub mod shipped;
mod surroundings;
pub mod validate;
mod workers;
pub mod write;

#[cfg(test)]
mod tests;

use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::config::{BrokerConfig, ConsumerConfig, ProducerConfig, Quirks, TopicConfig};

use crate::faults::PlannedFault;
use crate::verdict::Check;

pub use measures::Measure;
pub use nemesis::{NemesisSpec, Weights};
pub use schedule::{ConsumerStep, ScheduledStep, SeekTarget};

/// A validated scenario: every name resolves, every topology is possible.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// The file's path below the scenario root, without the ending: `durability/leader-killed-acks-all`.
    pub name: String,
    /// One sentence: what it teaches.
    pub teaches: String,
    /// Scenarios with the same word are drawn side by side.
    pub compare: Option<String>,
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
    /// Groups of equal application programs, each group a consumer group.
    pub workers: Vec<WorkerGroup>,
    /// What programs call besides the cluster.
    pub services: Vec<Service>,
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
    /// The checks that must find nothing, also where the contract allows it.
    pub forbid: Vec<String>,
    /// How often checks may find something in one trial.
    pub at_most: Bounds,
    /// How often checks must find something in each trial.
    pub at_least: Bounds,
    /// What must be within bounds besides.
    pub measures: Vec<Measure>,
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
    /// Where they send to, in turn; at least one.
    pub topics: Vec<String>,
    /// Records a second, each.
    pub rate: f64,
    /// Bytes of a value, at least 8.
    pub record_size: u32,
    /// The keys.
    pub keys: Keys,
    /// What is made of a key before it is sent.
    pub key_strategy: KeyStrategy,
    /// How many headers each record has: `header-1`, `header-2`, …, with the number of the record.
    pub headers: u32,
    /// Timestamps are drawn evenly from the time of the send back to so long before.
    pub behind: Duration,
    /// The share of records that are tombstones.
    pub tombstones: f64,
    /// What slows them down.
    pub backpressure: Option<Backpressure>,
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

/// What a producer makes of a drawn key: how it spreads, or does not spread, what belongs together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyStrategy {
    /// The key as it is: all records of a key go to one partition, in order.
    Plain,
    /// The key and a random number below this: a hot key spreads, and loses its order.
    Salted(u32),
    /// The key and a second field of the record that has so many values: a hot key spreads, and each pair keeps its
    /// order.
    Compound(u32),
}

/// A producer that looks at the lag of its readers and sends less while they are behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backpressure {
    /// The group whose committed positions count.
    pub group: String,
    /// The records that a partition may be behind. At n times as many the rate is an n-th.
    pub lag: u64,
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
    /// What they do by the clock, in the order of times.
    pub schedule: Vec<ScheduledStep>,
    /// Settings.
    pub config: ConsumerConfig,
}

/// Equal application programs that share the partitions of some topics as one consumer group.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkerGroup {
    /// Their name; the programs are `<name>/1`, `<name>/2`, …
    pub name: String,
    /// How many.
    pub count: u32,
    /// The consumer group; their name, if a file does not say.
    pub group: String,
    /// What they subscribe to. A retry topic is added by itself.
    pub topics: Vec<String>,
    /// The regular expression that they subscribe by: then `topics` are those of the scenario that match.
    pub pattern: Option<String>,
    /// What they do with a record.
    pub program: WorkerProgram,
    /// When the position behind a record is committed.
    pub commit: CommitMode,
    /// How long a program works on each record.
    pub processing: Duration,
    /// The probability that an attempt fails, 0 to 1; the next may do better.
    pub failure: f64,
    /// The share of records that fail at each attempt, 0 to 1; decided by the record.
    pub poison: f64,
    /// The service that is called for each record; it may fail.
    pub service: Option<String>,
    /// When they begin.
    pub start: Duration,
    /// The time between the starts of two of them.
    pub stagger: Duration,
    /// When they close their consumers and end; `None` with the trial.
    pub stop: Option<Duration>,
    /// Settings of their consumers, besides those that [`WorkerGroup::consumer_of`] adds.
    pub consumer: ConsumerConfig,
    /// Settings of their producers.
    pub producer: ProducerConfig,
}

impl WorkerGroup {
    /// The settings of the consumer of program `number`, from 1: with the group, an instance id of its own if they are
    /// static members, and auto-commit if that is how they commit.
    #[must_use]
    pub fn consumer_of(&self, number: u32) -> ConsumerConfig {
        let instance = self.consumer.group_instance_id.as_ref();
        ConsumerConfig {
            group_id: Some(self.group.clone()),
            group_instance_id: instance.map(|instance| format!("{instance}-{number}")),
            enable_auto_commit: self.commit == CommitMode::Auto,
            ..self.consumer.clone()
        }
    }

    /// The topics that they subscribe to: theirs, and a retry topic.
    pub fn subscription(&self) -> impl Iterator<Item = &str> {
        let retry = match &self.program {
            WorkerProgram::RetryTopic { retry_topic, .. } => Some(retry_topic),
            _ => None,
        };
        self.topics.iter().chain(retry).map(String::as_str)
    }

    /// The topics that they send to.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.program.output_topics().into_iter()
    }

    /// When program `number`, from 1, begins.
    #[must_use]
    pub fn start_of(&self, number: u32) -> Duration {
        self.start + self.stagger * (number - 1)
    }
}

/// What a program does with a record, besides processing it.
#[derive(Clone, PartialEq, Debug)]
pub enum WorkerProgram {
    /// Processes it; a failure is logged and skipped over.
    Plain,
    /// Hands a failed record to a retry topic, to be tried again not before its time, and to a dead-letter topic when
    /// its attempts are used up.
    RetryTopic {
        /// How many attempts altogether, at least 1.
        attempts: u32,
        /// How long after a failure the next attempt may begin.
        backoff: Duration,
        /// Where failed records wait.
        retry_topic: String,
        /// Where they end.
        dead_letter_topic: String,
        /// Whether the copy is acknowledged before the position is committed; the other order may lose records.
        copy_first: bool,
    },
    /// Tries a failed record again and again before it goes on, which keeps the order of keys.
    BlockingRetry {
        /// How many attempts altogether; 0 tries for ever, which a poison pill never survives.
        attempts: u32,
        /// The pause before each further attempt.
        backoff: Duration,
        /// Where a record ends whose attempts are used up; without it the record is skipped over.
        dead_letter_topic: Option<String>,
    },
    /// Processes whole batches: a failure fails all of them, and they are tried again.
    Batch {
        /// The most records of a batch.
        size: u32,
    },
    /// Counts records by key and sends each new count to an output topic.
    Aggregator {
        /// Where to.
        output_topic: String,
    },
}

impl WorkerProgram {
    /// The topics that it sends to.
    #[must_use]
    pub fn output_topics(&self) -> Vec<&str> {
        match self {
            WorkerProgram::Plain | WorkerProgram::Batch { .. } => Vec::new(),
            WorkerProgram::RetryTopic {
                retry_topic,
                dead_letter_topic,
                ..
            } => vec![retry_topic, dead_letter_topic],
            WorkerProgram::BlockingRetry { dead_letter_topic, .. } => {
                dead_letter_topic.as_deref().into_iter().collect()
            }
            WorkerProgram::Aggregator { output_topic } => vec![output_topic],
        }
    }
}

/// When a program commits the position behind a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitMode {
    /// Before it processes what it polled: at most once.
    Before,
    /// After it: at least once.
    After,
    /// The consumer does, by the way (`enable.auto.commit`).
    Auto,
    /// A pool of tasks processes records side by side, and the highest position that was polled is committed on a timer.
    AsyncPool {
        /// How many tasks.
        tasks: u32,
    },
    /// Never.
    None,
}

/// Something outside the cluster that programs call: an object store, a web site.
#[derive(Clone, PartialEq, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How long a call takes on the average.
    pub latency: Duration,
    /// The probability that a call fails, 0 to 1.
    pub failure: f64,
    /// The probability that a call that fails, as far as its caller knows, took effect all the same.
    pub ambiguous: f64,
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

/// Numbers of findings of one trial, by check: violations, and what the contract allows.
pub type Bounds = BTreeMap<Check, u64>;

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

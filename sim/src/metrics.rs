//! Series for the plots: records a second, lag, and when which fault held, gathered while a trial runs.
//!
//! [`Metrics`] watches as an [`Observer`]. Each event costs a count or one look-up, and memory is bounded by
//! [`Metrics::MAX_BUCKETS`], however long the run: when the buckets run out, each two become one of twice the width.

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use broker_core::trace::{self, Event, ReplicaRole};
use broker_core::types::{NodeId, Offset, PartitionIndex, TopicId, TopicName, TopicPartition};
use reports::record::{FaultBand, GroupSeries, LagSeries, Throughput};

use crate::history::{
    At, Entry, Environment, Observer, PolledRecord, ProcessEnded, SendFailed, SendOk, SendUnknown, SimTime, Sought,
    Uid, What,
};
use crate::scenario::measures::Quantity;

mod groups;
mod measured;
mod progress;
mod work;

use groups::Groups;
pub use measured::Length;
use progress::{Position, Progress, Steps};
use work::Work;

/// Gathers the series of one trial. Feed it every fact and every entry in order, then take [`Metrics::finish`].
pub struct Metrics {
    clock: Buckets,
    /// The names of the client groups, in order.
    groups: Vec<String>,
    /// Index into `groups`.
    clients: BTreeMap<NodeId, usize>,
    names: BTreeMap<NodeId, String>,
    topics: BTreeMap<TopicId, TopicName>,
    work: Work,
    /// What is committed in each data partition.
    committed: BTreeMap<TopicPartition, Progress>,
    /// The names of records that only probe: they are nobody's work, and count nowhere.
    probes: BTreeSet<Uid>,
    /// Where each consumer group stands: the offset that it wants next.
    positions: BTreeMap<(usize, TopicPartition), Position>,
    consumer_groups: Groups,
    open: BTreeMap<(NodeId, Held), SimTime>,
    bands: Vec<FaultBand>,
    healed: Option<SimTime>,
}

/// What [`Metrics`] gathered, in the units of the run record.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// The width of a bucket in seconds.
    pub bucket_seconds: f64,
    /// When every fault was over, in seconds.
    pub healed_at: Option<f64>,
    /// When which fault held, in order of their beginnings.
    pub faults: Vec<FaultBand>,
    /// Records a second, per bucket. The last bucket counts as whole, so that rate times width is always a count.
    pub throughput: Throughput,
    /// Lag of each consumer group in each partition that it read or meant to read.
    pub lag: Vec<LagSeries>,
    /// What each consumer group did.
    pub groups: Vec<GroupSeries>,
    /// How many per bucket, by the name of the programs or of the topic; buckets at the end may be absent.
    pub counts: BTreeMap<(Quantity, String), Vec<u64>>,
}

/// What holds a node, or the network and disks around it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Held {
    Killed,
    PowerLost,
    Halted,
    Panicked,
    Paused,
    Fault(String),
}

impl Metrics {
    /// The usual width of a bucket.
    pub const BUCKET: Duration = Duration::from_millis(500);
    /// More buckets than a plot has room for are never kept.
    pub const MAX_BUCKETS: usize = 400;

    /// Begins with buckets of this width; `clients` maps the client nodes to the groups of the scenario.
    ///
    /// # Panics
    /// If `bucket` is zero.
    #[must_use]
    pub fn new(bucket: Duration, clients: BTreeMap<NodeId, String>) -> Metrics {
        assert!(!bucket.is_zero(), "a bucket of no width");
        let groups: BTreeSet<&String> = clients.values().collect();
        let groups: Vec<String> = groups.into_iter().cloned().collect();
        let index = |name: String| groups.binary_search(&name).expect("every name is among its own set");
        Metrics {
            clock: Buckets {
                width: bucket.as_nanos() as u64,
            },
            clients: clients.into_iter().map(|(node, name)| (node, index(name))).collect(),
            groups,
            names: BTreeMap::new(),
            topics: BTreeMap::new(),
            work: Work::default(),
            committed: BTreeMap::new(),
            probes: BTreeSet::new(),
            positions: BTreeMap::new(),
            consumer_groups: Groups::default(),
            open: BTreeMap::new(),
            bands: Vec::new(),
            healed: None,
        }
    }

    /// Calls nodes by these names in fault bands. A node without one goes by its group, or as `node <id>`.
    #[must_use]
    pub fn with_names(mut self, names: BTreeMap<NodeId, String>) -> Metrics {
        self.names = names;
        self
    }

    /// The series of a trial that ended at `end`, which is not before its last event.
    #[must_use]
    pub fn finish(mut self, end: SimTime) -> Series {
        // An end beyond the last event may still need wider buckets.
        self.bucket_at(end);
        self.release(end, |_, _| true);
        self.bands
            .sort_by(|a, b| a.from.total_cmp(&b.from).then_with(|| a.name.cmp(&b.name)));
        let buckets = end.0.div_ceil(self.clock.width) as usize;
        let bucket_seconds = self.clock.width as f64 / 1e9;
        let positions = self.positions.iter();
        let named = positions
            .map(|((group, partition), position)| ((*group, self.partition_name(*partition)), (partition, position)));
        let by_name: BTreeMap<_, _> = named.collect();
        let lag = by_name
            .into_iter()
            .map(|((group, name), (partition, position))| LagSeries {
                consumer: self.groups[group].clone(),
                partition: name.to_string(),
                records: progress::lag(self.committed.get(partition), position, buckets),
            });
        let lag: Vec<LagSeries> = lag.collect();
        let gathered = core::mem::take(&mut self.consumer_groups);
        let (partition, owner) = (|id| self.partition_name(id), |node| self.program_name(node));
        let groups = gathered.finish(end, buckets, bucket_seconds, &self.committed, partition, owner);
        let mut committed = Counts::default();
        let mut of_topics: BTreeMap<(Quantity, String), Counts> = BTreeMap::new();
        for (partition, progress) in &self.committed {
            let topic = self
                .topics
                .get(&partition.topic)
                .map_or_else(String::new, ToString::to_string);
            let of_topic = of_topics.entry((Quantity::Committed, topic)).or_default();
            progress.advances(|bucket, count| {
                committed.add(bucket, count);
                of_topic.add(bucket, count);
            });
        }
        let (produced, consumed) = (self.work.total(Quantity::Sent), self.work.total(Quantity::Consumed));
        let mut counts = self.work.by_name(&self.groups);
        counts.extend(of_topics.into_iter().map(|(of, counts)| (of, counts.0)));
        Series {
            lag,
            groups,
            counts,
            bucket_seconds,
            healed_at: self.healed.map(SimTime::seconds),
            throughput: Throughput {
                produced: produced.rates(buckets, bucket_seconds),
                committed: committed.rates(buckets, bucket_seconds),
                consumed: consumed.rates(buckets, bucket_seconds),
            },
            faults: self.bands,
        }
    }
}

/// What people call a partition, in the order in which they expect it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct PartitionName {
    topic: String,
    index: PartitionIndex,
}

impl fmt::Display for PartitionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.index)
    }
}

impl Observer for Metrics {
    fn fact(&mut self, at: At, node: NodeId, event: &Event) {
        match event {
            Event::HighWatermarkChanged(trace::HighWatermarkChanged {
                partition,
                role: ReplicaRole::Leader,
                to,
                ..
            }) => {
                self.high_watermark(at.time, *partition, *to);
            }
            Event::TopicCreated(trace::TopicCreated { name, topic, .. }) => {
                self.topics.entry(*topic).or_insert_with(|| name.clone());
            }
            // A consumer that has a position is behind from then on, even if it never gets a record.
            Event::PositionReset(trace::PositionReset { partition, to, .. }) => {
                self.position(at.time, node, *partition, *to, *to);
                self.group_fact(at.time, node, event);
            }
            Event::GroupChanged(_)
            | Event::OffsetCommitted(_)
            | Event::PartitionsAssigned(_)
            | Event::PartitionsRevoked(_)
            | Event::PartitionsLost(_)
            | Event::MemberChanged(_)
            | Event::MemberRemoved(_) => self.group_fact(at.time, node, event),
            _ => {}
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let time = entry.at.time;
        match &entry.what {
            What::SendInvoked(record) if record.is_probe => {
                self.probes.insert(record.uid);
            }
            What::SendInvoked(_) => self.did(time, entry.process, Quantity::Sent, 1),
            What::SendOk(SendOk {
                uid, partition, offset, ..
            }) => {
                if !self.probes.contains(uid) {
                    self.did(time, entry.process, Quantity::Acked, 1);
                } else if let Some(offset) = offset {
                    self.committed.entry(*partition).or_default().has_probe(*offset);
                }
            }
            What::SendFailed(SendFailed { uid, .. }) if !self.probes.contains(uid) => {
                self.did(time, entry.process, Quantity::Failed, 1);
            }
            What::SendUnknown(SendUnknown { uid, .. }) if !self.probes.contains(uid) => {
                self.did(time, entry.process, Quantity::Unknown, 1);
            }
            What::Polled(records) => self.polled(time, entry.process, records),
            What::Sought(Sought { partition, to }) => self.position(time, entry.process, *partition, *to, *to),
            What::ProcessEnded(ProcessEnded { processing, outcome }) => {
                let bucket = self.bucket_at(time);
                if let Some(group) = &processing.group {
                    self.consumer_groups.ended(bucket, group, *outcome);
                }
            }
            What::Environment(event) => self.environment(time, entry.process, event),
            What::ProducerOpened(_)
            | What::ConsumerFailed(_)
            | What::SendFailed(_)
            | What::SendUnknown(_)
            | What::ProcessBegun(_)
            | What::CommitInvoked(_)
            | What::CommitEnded(_)
            | What::ServiceCalled(_) => {}
        }
    }
}

impl Metrics {
    fn high_watermark(&mut self, time: SimTime, partition: TopicPartition, to: Offset) {
        let topic = self.topics.get(&partition.topic);
        let is_internal = topic.is_some_and(|topic| &*topic.0 == TopicName::CONSUMER_OFFSETS);
        if partition == TopicPartition::CLUSTER_METADATA || is_internal {
            return;
        }
        let bucket = self.bucket_at(time);
        self.committed.entry(partition).or_default().reach(bucket, to);
    }

    fn group_fact(&mut self, time: SimTime, node: NodeId, event: &Event) {
        let bucket = self.bucket_at(time);
        self.consumer_groups.fact(time, bucket, node, event);
    }

    fn did(&mut self, time: SimTime, process: NodeId, what: Quantity, count: u64) {
        let bucket = self.bucket_at(time);
        let group = self.clients.get(&process).copied();
        self.work.add(what, group, bucket, count);
    }

    fn polled(&mut self, time: SimTime, process: NodeId, records: &[PolledRecord]) {
        let mut count = records.len() as u64;
        for probe in records.iter().filter(|record| record.is_probe) {
            count -= 1;
            self.committed
                .entry(probe.partition)
                .or_default()
                .has_probe(probe.offset);
        }
        self.did(time, process, Quantity::Consumed, count);
        for run in records.chunk_by(|a, b| a.partition == b.partition) {
            let (first, last) = (run[0], run[run.len() - 1]);
            self.position(time, process, first.partition, first.offset, last.offset.next());
        }
    }

    fn position(&mut self, time: SimTime, process: NodeId, partition: TopicPartition, from: Offset, to: Offset) {
        let bucket = self.bucket_at(time);
        if let Some(group) = self.clients.get(&process) {
            let begin = || Position {
                begin: from.0,
                steps: Steps::default(),
            };
            self.positions
                .entry((*group, partition))
                .or_insert_with(begin)
                .steps
                .set(bucket, to.0);
        }
    }

    fn environment(&mut self, time: SimTime, node: NodeId, event: &Environment) {
        if matches!(
            event,
            Environment::Killed
                | Environment::PowerLost { .. }
                | Environment::Halted
                | Environment::Ended
                | Environment::Panicked { .. }
        ) {
            self.consumer_groups.died(time, node);
        }
        match event {
            Environment::Killed => self.hold(time, node, Held::Killed),
            Environment::PowerLost { .. } => self.hold(time, node, Held::PowerLost),
            Environment::Halted => self.hold(time, node, Held::Halted),
            Environment::Panicked { .. } => self.hold(time, node, Held::Panicked),
            Environment::Paused => self.hold(time, node, Held::Paused),
            // A program that has done its work is no trouble.
            Environment::Ended => {}
            Environment::FaultBegan(what) => self.hold(time, node, Held::Fault(what.clone())),
            // Whatever stopped a process, it is over once the process runs; faults around it are not.
            Environment::Started => self.release(time, |held_node, held| {
                held_node == node && !matches!(held, Held::Fault(_))
            }),
            Environment::Resumed => self.release(time, |held_node, held| held_node == node && *held == Held::Paused),
            Environment::FaultEnded(what) => {
                let over = Held::Fault(what.clone());
                self.release(time, |held_node, held| held_node == node && *held == over);
            }
            Environment::Healed => {
                self.healed = Some(time);
                self.release(time, |_, _| true);
            }
        }
    }

    fn hold(&mut self, time: SimTime, node: NodeId, held: Held) {
        // A second event of the same kind changes nothing: the first one still holds.
        self.open.entry((node, held)).or_insert(time);
    }

    fn release(&mut self, time: SimTime, over: impl Fn(NodeId, &Held) -> bool) {
        let ended: Vec<_> = self
            .open
            .keys()
            .filter(|(node, held)| over(*node, held))
            .cloned()
            .collect();
        for key in ended {
            let from = self.open.remove(&key).expect("it was found there");
            let (node, held) = key;
            let name = match held {
                Held::Killed => format!("kill {}", self.node_name(node)),
                Held::PowerLost => format!("power loss {}", self.node_name(node)),
                Held::Halted => format!("{} halted", self.node_name(node)),
                Held::Panicked => format!("{} panicked", self.node_name(node)),
                Held::Paused => format!("pause {}", self.node_name(node)),
                Held::Fault(what) => what,
            };
            self.bands.push(FaultBand {
                name,
                from: from.seconds(),
                to: time.seconds(),
            });
        }
    }

    fn node_name(&self, node: NodeId) -> String {
        let group = || self.clients.get(&node).map(|group| &self.groups[*group]);
        let known = self.names.get(&node).or_else(group);
        known.cloned().unwrap_or_else(|| format!("node {node}"))
    }

    /// The program that the node is a part of.
    fn program_name(&self, node: NodeId) -> String {
        match self.names.get(&node) {
            Some(name) => name.split(' ').next().unwrap_or(name).to_owned(),
            None => self.node_name(node),
        }
    }

    fn partition_name(&self, partition: TopicPartition) -> PartitionName {
        let topic = self.topics.get(&partition.topic);
        PartitionName {
            topic: topic.map_or_else(|| partition.topic.to_string(), ToString::to_string),
            index: partition.partition,
        }
    }

    /// The bucket of this time, after making room for it.
    fn bucket_at(&mut self, time: SimTime) -> usize {
        while time.0.div_ceil(self.clock.width) > Metrics::MAX_BUCKETS as u64 {
            self.clock.width *= 2;
            self.work.halve();
            self.consumer_groups.halve();
            let positions = self.positions.values_mut().map(|position| &mut position.steps);
            positions.for_each(Steps::halve);
            self.committed.values_mut().for_each(Progress::halve);
        }
        self.clock.of(time)
    }
}

/// Cuts time into buckets: number i holds the times above `i * width` up to and with `(i + 1) * width`, so that an
/// event at the very end of a trial falls into its last bucket.
struct Buckets {
    width: u64,
}

impl Buckets {
    fn of(&self, time: SimTime) -> usize {
        time.0.div_ceil(self.width).saturating_sub(1) as usize
    }
}

/// How many, per bucket.
#[derive(Default)]
struct Counts(Vec<u64>);

impl Counts {
    fn add(&mut self, bucket: usize, count: u64) {
        if bucket >= self.0.len() {
            self.0.resize(bucket + 1, 0);
        }
        self.0[bucket] += count;
    }

    fn halve(&mut self) {
        self.0 = self.0.chunks(2).map(|pair| pair.iter().sum()).collect();
    }

    fn rates(mut self, buckets: usize, bucket_seconds: f64) -> Vec<f64> {
        self.0.resize(buckets, 0);
        self.0.iter().map(|count| *count as f64 / bucket_seconds).collect()
    }
}

#[cfg(test)]
mod tests;

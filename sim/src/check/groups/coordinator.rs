//! Who coordinates a partition of the offsets topic, and since when. G1.

use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::config::BrokerConfig;
use broker_core::protocol::{Compacted, RecordBatch};
use broker_core::trace::{Appended, CoordinatorLoaded};
use broker_core::types::{GroupId, LeaderEpoch, NodeId, Offset, PartitionIndex, TopicName, TopicPartition};

use super::super::mirror::count_below;
use super::super::model::{Model, Scene};
use super::super::witness::Notes;
use crate::verdict::Check;

/// The coordinators of all partitions of the offsets topic.
pub(super) struct Coordinators {
    partitions: u32,
    /// How long positions are kept that nobody uses.
    pub retention: Duration,
    /// The coordinator of each epoch, as the first fact stated it.
    of_epoch: BTreeMap<(PartitionIndex, LeaderEpoch), NodeId>,
    running: BTreeMap<(NodeId, PartitionIndex), Running>,
    /// The newest epoch of each partition that a coordinator has loaded.
    newest: BTreeMap<PartitionIndex, LeaderEpoch>,
    /// What leaders wrote, by partition, first offset and content.
    written: BTreeMap<(PartitionIndex, Offset, u32), RecordBatch>,
    sessions: u32,
}

/// A coordinator's time between loading a partition and losing it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Session {
    /// Counts all sessions; a later one has a larger number.
    pub number: u32,
    /// The coordinator.
    pub node: NodeId,
    /// The epoch in which it leads.
    pub leader_epoch: LeaderEpoch,
    /// Nobody has loaded the partition in a later epoch.
    pub newest: bool,
}

struct Running {
    number: u32,
    leader_epoch: LeaderEpoch,
    loaded: bool,
    life: usize,
}

impl Coordinators {
    pub fn new(config: &BrokerConfig) -> Coordinators {
        Coordinators {
            partitions: config.offsets_topic_num_partitions.max(1),
            retention: Duration::from_secs(config.offsets_retention_minutes.saturating_mul(60)),
            of_epoch: BTreeMap::new(),
            running: BTreeMap::new(),
            newest: BTreeMap::new(),
            written: BTreeMap::new(),
            sessions: 0,
        }
    }

    /// The session in which the speaking node coordinates the group, if it has loaded its partition.
    pub fn session(&self, scene: &Scene<'_>, group: &GroupId) -> Option<Session> {
        let partition = self.partition_of(group);
        let running = self.running(scene, partition).filter(|running| running.loaded)?;
        Some(Session {
            number: running.number,
            node: scene.node,
            leader_epoch: running.leader_epoch,
            newest: self
                .newest
                .get(&partition)
                .is_none_or(|newest| *newest <= running.leader_epoch),
        })
    }

    /// The partition of the offsets topic that a group belongs to: the absolute value of Java's hash of its id, modulo
    /// their number.
    pub fn partition_of(&self, group: &GroupId) -> PartitionIndex {
        let units = group.0.encode_utf16();
        let hash = units.fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        let hash = if hash == i32::MIN { 0 } else { hash.unsigned_abs() };
        PartitionIndex((hash % self.partitions) as i32)
    }

    fn running(&self, scene: &Scene<'_>, partition: PartitionIndex) -> Option<&Running> {
        let running = self.running.get(&(scene.node, partition))?;
        (running.life == scene.nodes.life(scene.node)).then_some(running)
    }

    /// A coordinator began to load.
    pub fn loading(&mut self, scene: &mut Scene<'_>, index: PartitionIndex, leader_epoch: LeaderEpoch) {
        let node = scene.node;
        let first = *self.of_epoch.entry((index, leader_epoch)).or_insert(node);
        if first != node {
            scene.violation(Check::G1, "two coordinators of one epoch", &Notes::default(), || {
                let (first, node) = (scene.nodes.named(first), scene.nodes.named(node));
                let topic = TopicName::CONSUMER_OFFSETS;
                format!("{first} and {node} both coordinate {topic}-{index} in epoch {leader_epoch}")
            });
        }
        self.sessions += 1;
        let running = Running {
            number: self.sessions,
            leader_epoch,
            loaded: false,
            life: scene.nodes.life(node),
        };
        self.running.insert((node, index), running);
    }

    /// It has loaded.
    pub fn loaded(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &CoordinatorLoaded) {
        let &CoordinatorLoaded {
            partition,
            leader_epoch,
            end,
            digest,
        } = fact;
        let (node, name, index) = (scene.node, scene.name(), partition.partition);
        if self
            .running(scene, index)
            .is_none_or(|running| running.leader_epoch != leader_epoch)
        {
            self.loading(scene, index, leader_epoch);
        }
        if let Some(running) = self.running.get_mut(&(node, index)) {
            running.loaded = true;
        }
        let newest = self.newest.entry(index).or_insert(leader_epoch);
        *newest = leader_epoch.max(*newest);
        let replay = self.replay(model, partition, node, end);
        if let Some(expected) = replay.filter(|expected| *expected != digest) {
            let shape = "a coordinator loaded something else than its log";
            scene.violation(Check::G1, shape, &Notes::default(), || {
                format!(
                    "{name} loaded {}-{index} up to {end} with digest {digest:016x}, but its log comes to {expected:016x}",
                    TopicName::CONSUMER_OFFSETS
                )
            });
        }
    }

    /// A leader wrote to the offsets topic.
    pub fn written(&mut self, Appended { partition, batch, .. }: &Appended) {
        let key = (partition.partition, batch.base_offset(), batch.crc());
        self.written.insert(key, batch.clone());
    }

    /// The digest of what the log of `node` says up to `end`, if all of it is known.
    fn replay(&self, model: &Model, partition: TopicPartition, node: NodeId, end: Offset) -> Option<u64> {
        let replicas = model.find(partition).map_or(&[][..], |partition| &partition.replicas);
        let replica = replicas.iter().find(|replica| replica.node == node);
        let batches = replica.map_or(&[][..], |replica| replica.mirror.batches());
        let count = count_below(batches, end);
        let mut said = Compacted::default();
        for batch in &batches[..count] {
            said.take_in(self.written.get(&(partition.partition, batch.base, batch.crc))?)
                .ok()?;
        }
        let reached = batches[..count].last().map_or(Offset::ZERO, |last| last.next);
        (reached == end).then(|| said.digest())
    }

    /// It does not coordinate the partition any more.
    pub fn unloaded(&mut self, scene: &Scene<'_>, index: PartitionIndex) {
        self.running.remove(&(scene.node, index));
    }

    /// A node answered with the positions of a group: only a coordinator that has loaded may.
    pub fn check_answer(&self, scene: &mut Scene<'_>, group: &GroupId) {
        if self.session(scene, group).is_some() {
            return;
        }
        let (node, index) = (scene.name(), self.partition_of(group));
        let (shape, why) = match self.running(scene, index) {
            Some(_) => ("a coordinator answered while it was loading", "is still loading"),
            None => ("a node answered that coordinates nothing", "does not coordinate"),
        };
        scene.violation(Check::G1, shape, &Notes::default(), || {
            format!(
                "{node} answered with the positions of group {group} although it {why} {}-{index}",
                TopicName::CONSUMER_OFFSETS
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_belong_to_the_partitions_of_kafka() {
        let coordinators = Coordinators::new(&BrokerConfig::default());
        for (group, partition) in [
            ("group", 47),
            ("my-group", 12),
            ("console-consumer-1", 24),
            ("test", 48),
            ("benchGroup", 29),
        ] {
            assert_eq!(
                coordinators.partition_of(&group.into()),
                PartitionIndex(partition),
                "{group}"
            );
        }
    }
}

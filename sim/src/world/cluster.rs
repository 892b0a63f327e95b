//! What the nodes have stated about the cluster, as far as faults need it to find their targets.

use std::collections::BTreeMap;

use broker_core::trace::{self, Event, QuorumRole};
use broker_core::types::{LeaderEpoch, MemberId, NodeId, Offset, PartitionIndex, TopicId, TopicName, TopicPartition};

/// The newest known state of topics, partitions and the controller.
#[derive(Default)]
pub(super) struct Cluster {
    topics: BTreeMap<TopicName, TopicId>,
    partitions: BTreeMap<TopicPartition, Partition>,
    controller: Option<(LeaderEpoch, NodeId)>,
    /// Whose each member id of a group is.
    members: BTreeMap<MemberId, NodeId>,
}

struct Partition {
    offset: Offset,
    leader: Option<NodeId>,
    replicas: Vec<NodeId>,
    in_sync: usize,
}

impl Cluster {
    /// Takes note of a fact.
    pub(super) fn observe(&mut self, node: NodeId, event: &Event) {
        match event {
            Event::TopicCreated(trace::TopicCreated { name, topic, .. }) => {
                self.topics.insert(name.clone(), *topic);
            }
            Event::PartitionChanged(trace::PartitionChanged {
                offset,
                partition,
                replicas,
                isr,
                leader,
                ..
            }) => {
                let known = self.partitions.get(partition);
                if known.is_none_or(|known| known.offset < *offset) {
                    let state = Partition {
                        offset: *offset,
                        leader: *leader,
                        replicas: replicas.clone(),
                        in_sync: isr.len(),
                    };
                    self.partitions.insert(*partition, state);
                }
            }
            Event::QuorumRoleChanged(trace::QuorumRoleChanged {
                role: QuorumRole::Leader,
                epoch,
                ..
            }) if self.controller.is_none_or(|(known, _)| known < *epoch) => {
                self.controller = Some((*epoch, node));
            }
            Event::PartitionsAssigned(trace::PartitionsAssigned { member, .. })
                if self.members.get(member) != Some(&node) =>
            {
                self.members.insert(member.clone(), node);
            }
            _ => {}
        }
    }

    /// The node of a member of a group, if it has said who it is.
    pub(super) fn member(&self, member: &MemberId) -> Option<NodeId> {
        self.members.get(member).copied()
    }

    /// The known topics.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&TopicName, &TopicId)> {
        self.topics.iter()
    }

    /// The leader of a partition, if it has one.
    pub(super) fn leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        self.partition(topic, partition)?.leader
    }

    /// The replicas of a partition without its leader, by number.
    pub(super) fn followers(&self, topic: &str, partition: i32) -> Vec<NodeId> {
        let Some(partition) = self.partition(topic, partition) else {
            return Vec::new();
        };
        let mut followers = partition.replicas.clone();
        followers.retain(|replica| Some(*replica) != partition.leader);
        followers.sort();
        followers
    }

    /// Whether every partition has a leader, and all of its replicas in its ISR.
    pub(super) fn is_in_sync(&self) -> bool {
        let mut partitions = self.partitions.values();
        partitions.all(|partition| partition.leader.is_some() && partition.in_sync == partition.replicas.len())
    }

    /// The active controller, if there ever was one.
    pub(super) fn controller(&self) -> Option<NodeId> {
        self.controller.map(|(_, node)| node)
    }

    fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        let topic = *self.topics.get(&TopicName::from(topic))?;
        self.partitions.get(&TopicPartition {
            topic,
            partition: PartitionIndex(partition),
        })
    }
}

#[cfg(test)]
mod tests {
    use broker_core::types::PartitionEpoch;

    use super::*;

    #[test]
    fn the_newest_state_counts_whoever_states_it() {
        let mut cluster = Cluster::default();
        let partition = TopicPartition::new(TopicId(100), 0);
        let in_sync = |count: usize| [NodeId(3), NodeId(1), NodeId(2)][..count].to_vec();
        let with_isr = |offset: i64, leader: Option<u32>, isr: usize| {
            Event::PartitionChanged(trace::PartitionChanged {
                offset: Offset(offset),
                partition,
                replicas: in_sync(3),
                isr: in_sync(isr),
                leader: leader.map(NodeId),
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
            })
        };
        let changed = |offset, leader| with_isr(offset, leader, 1);
        let created = Event::TopicCreated(trace::TopicCreated {
            offset: Offset(4),
            name: "orders".into(),
            topic: TopicId(100),
        });
        for (node, event) in [
            (2, created),
            (2, changed(5, Some(3))),
            (1, changed(9, Some(2))),
            (3, changed(5, Some(3))),
        ] {
            cluster.observe(NodeId(node), &event);
        }
        assert_eq!(cluster.leader("orders", 0), Some(NodeId(2)));
        assert_eq!(cluster.followers("orders", 0), [NodeId(1), NodeId(3)]);
        assert_eq!(cluster.leader("orders", 1), None);
        assert_eq!(cluster.leader("others", 0), None);
        let leads = |epoch| {
            Event::QuorumRoleChanged(trace::QuorumRoleChanged {
                role: QuorumRole::Leader,
                epoch: LeaderEpoch(epoch),
                leader: None,
            })
        };
        assert_eq!(cluster.controller(), None);
        cluster.observe(NodeId(1), &leads(4));
        cluster.observe(NodeId(2), &leads(3));
        assert_eq!(cluster.controller(), Some(NodeId(1)));
        for (offset, leader, isr, is_in_sync) in [(10, Some(1), 2, false), (11, Some(1), 3, true), (12, None, 3, false)]
        {
            cluster.observe(NodeId(1), &with_isr(offset, leader, isr));
            assert_eq!(cluster.is_in_sync(), is_in_sync, "at {offset}");
        }
    }
}

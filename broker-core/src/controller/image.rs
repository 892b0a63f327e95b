//! The state of the cluster as the metadata log up to some offset gives it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::TopicConfig;
use crate::controller::records::MetadataRecord;
use crate::digest::digest_of;
use crate::types::{
    BrokerEpoch, LeaderEpoch, Listeners, NodeId, Offset, PartitionEpoch, ProducerId, TopicId, TopicName, TopicPartition,
};

/// Brokers, topics and partitions. Brokers and the controller replay the same records into it.
#[derive(Clone, PartialEq, Debug, Default, Hash)]
pub struct ClusterImage {
    /// Registered brokers.
    pub brokers: BTreeMap<NodeId, BrokerImage>,
    /// Topics by id.
    pub topics: BTreeMap<TopicId, TopicImage>,
    /// Topic ids by name.
    pub topic_ids: BTreeMap<TopicName, TopicId>,
    /// The next producer id to give away.
    pub next_producer_id: ProducerId,
}

/// A registered broker.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct BrokerImage {
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// The run of its process.
    pub incarnation: u64,
    /// Where it listens.
    pub listeners: Listeners,
    /// It may not lead or join ISRs.
    pub fenced: bool,
}

/// A topic.
#[derive(Clone, PartialEq, Debug, Hash)]
pub struct TopicImage {
    /// Its name.
    pub name: TopicName,
    /// Its settings.
    pub config: TopicConfig,
    /// Its partitions by index.
    pub partitions: Vec<PartitionImage>,
}

/// A partition.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct PartitionImage {
    /// Its replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Those in sync.
    pub isr: Vec<NodeId>,
    /// Its leader.
    pub leader: Option<NodeId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The state's epoch.
    pub partition_epoch: PartitionEpoch,
}

impl PartitionImage {
    /// The record that sets this state.
    #[must_use]
    pub fn to_record(&self, partition: TopicPartition) -> MetadataRecord {
        MetadataRecord::Partition {
            partition,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            leader: self.leader,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
        }
    }
}

impl ClusterImage {
    /// Applies the record at `offset`.
    ///
    /// # Panics
    /// When the record does not fit the state: metadata is applied in the order of the log, without gaps.
    pub fn replay(&mut self, offset: Offset, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBroker {
                broker,
                incarnation,
                broker_epoch,
                listeners,
            } => {
                assert_eq!(broker_epoch.0, offset.0, "a registration is named by its offset");
                let registered = BrokerImage {
                    broker_epoch: *broker_epoch,
                    incarnation: *incarnation,
                    listeners: listeners.clone(),
                    fenced: true,
                };
                self.brokers.insert(*broker, registered);
            }
            MetadataRecord::BrokerRegistrationChange {
                broker,
                broker_epoch,
                fenced,
            } => {
                let registered = self.brokers.get_mut(broker).expect("a broker registers first");
                assert_eq!(registered.broker_epoch, *broker_epoch, "broker {broker} at {offset}");
                registered.fenced = *fenced;
            }
            MetadataRecord::Topic { name, id, config } => {
                let topic = TopicImage {
                    name: name.clone(),
                    config: config.clone(),
                    partitions: Vec::new(),
                };
                self.topics.insert(*id, topic);
                self.topic_ids.insert(name.clone(), *id);
            }
            MetadataRecord::Partition {
                partition,
                replicas,
                isr,
                leader,
                leader_epoch,
                partition_epoch,
            } => {
                let topic = self.topics.get_mut(&partition.topic);
                let topic = topic.expect("a topic comes before its partitions");
                let state = PartitionImage {
                    replicas: replicas.clone(),
                    isr: isr.clone(),
                    leader: *leader,
                    leader_epoch: *leader_epoch,
                    partition_epoch: *partition_epoch,
                };
                let index = usize::try_from(partition.partition.0).expect("partitions count from 0");
                if index == topic.partitions.len() {
                    topic.partitions.push(state);
                } else {
                    topic.partitions[index] = state;
                }
            }
            MetadataRecord::ProducerIds { next_producer_id } => self.next_producer_id = *next_producer_id,
            MetadataRecord::NoOp => {}
        }
    }

    /// A partition's state.
    #[must_use]
    pub fn partition(&self, partition: TopicPartition) -> Option<&PartitionImage> {
        let topic = self.topics.get(&partition.topic)?;
        topic.partitions.get(usize::try_from(partition.partition.0).ok()?)
    }

    /// Every partition with its state, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicPartition, &PartitionImage)> {
        self.topics.iter().flat_map(|(id, topic)| {
            let of_topic = topic.partitions.iter().enumerate();
            of_topic.map(|(index, state)| (TopicPartition::new(*id, index as i32), state))
        })
    }

    /// A digest of the whole image, the same on every machine.
    #[must_use]
    pub fn digest(&self) -> u64 {
        digest_of(self)
    }
}

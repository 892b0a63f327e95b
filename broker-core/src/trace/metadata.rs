//! The controller's state, stated by every node as it applies it.

use alloc::vec::Vec;

use crate::types::{BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicId, TopicName, TopicPartition};

/// A topic was created.
#[derive(Clone, Debug, Hash)]
pub struct TopicCreated {
    /// Of the metadata record.
    pub offset: Offset,
    /// Its name.
    pub name: TopicName,
    /// Its id.
    pub topic: TopicId,
}

/// A partition's state was set.
#[derive(Clone, Debug, Hash)]
pub struct PartitionChanged {
    /// Of the metadata record.
    pub offset: Offset,
    /// The partition.
    pub partition: TopicPartition,
    /// Its replicas.
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

/// A broker was registered, fenced or unfenced.
#[derive(Clone, Debug, Hash)]
pub struct BrokerChanged {
    /// Of the metadata record.
    pub offset: Offset,
    /// The broker.
    pub broker: NodeId,
    /// Its registration.
    pub broker_epoch: BrokerEpoch,
    /// Whether it may lead and join ISRs.
    pub fenced: bool,
}

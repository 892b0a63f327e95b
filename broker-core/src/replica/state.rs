//! From where a partition takes its part: its committed state, and what is known of the other brokers.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::types::{BrokerEpoch, LeaderEpoch, NodeId, PartitionEpoch};

/// A partition's state as the controller committed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionState {
    /// Its replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// Those in sync.
    pub isr: Vec<NodeId>,
    /// Its leader, if it has one.
    pub leader: Option<NodeId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// Counts the changes of this state.
    pub partition_epoch: PartitionEpoch,
}

/// What decides about ISRs besides the partition itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// This broker.
    pub id: NodeId,
    /// `replica.lag.time.max.ms`.
    pub lag_time_max: Duration,
    /// Registered brokers that are not fenced, with their registrations.
    pub unfenced: &'a BTreeMap<NodeId, BrokerEpoch>,
}

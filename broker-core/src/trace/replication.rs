//! Facts about a replica of a partition, as its leader and its followers state them.

use alloc::vec::Vec;

use super::ReplicaRole;
use crate::protocol::{Acks, ErrorCode};
use crate::types::{BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicPartition};

/// The replica leads from now on.
#[derive(Clone, Debug, Hash)]
pub struct BecameLeader {
    /// The partition.
    pub partition: TopicPartition,
    /// In this epoch.
    pub leader_epoch: LeaderEpoch,
    /// By this controller state.
    pub partition_epoch: PartitionEpoch,
    /// Its log's end then: the start of the epoch.
    pub epoch_start_offset: Offset,
    /// Its high watermark then.
    pub high_watermark: Offset,
    /// The committed ISR.
    pub isr: Vec<NodeId>,
}

/// The replica follows from now on (or waits, without a leader).
#[derive(Clone, Debug, Hash)]
pub struct BecameFollower {
    /// The partition.
    pub partition: TopicPartition,
    /// The leader.
    pub leader: Option<NodeId>,
    /// In this epoch.
    pub leader_epoch: LeaderEpoch,
    /// Its log's end then.
    pub log_end_offset: Offset,
    /// Its high watermark then.
    pub high_watermark: Offset,
}

/// The replica's high watermark changed.
#[derive(Clone, Debug, Hash)]
pub struct HighWatermarkChanged {
    /// The partition.
    pub partition: TopicPartition,
    /// As what.
    pub role: ReplicaRole,
    /// In which epoch.
    pub leader_epoch: LeaderEpoch,
    /// Before.
    pub from: Offset,
    /// After.
    pub to: Offset,
}

/// A leader learnt a follower's log end from its fetch.
#[derive(Clone, Debug, Hash)]
pub struct FollowerFetched {
    /// The partition.
    pub partition: TopicPartition,
    /// The follower.
    pub follower: NodeId,
    /// Its registration, as its fetch says.
    pub broker_epoch: Option<BrokerEpoch>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The follower has everything below.
    pub fetch_offset: Offset,
}

/// A leader asked the controller for another ISR; until the answer its maximal ISR is the union of both.
#[derive(Clone, Debug, Hash)]
pub struct IsrProposed {
    /// The partition.
    pub partition: TopicPartition,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The state on which the proposal is based.
    pub partition_epoch: PartitionEpoch,
    /// The proposal.
    pub isr: Vec<NodeId>,
    /// ISR and proposal together.
    pub maximal_isr: Vec<NodeId>,
}

/// A leader took over an ISR that the controller committed; nothing is pending any more.
#[derive(Clone, Debug, Hash)]
pub struct IsrChanged {
    /// The partition.
    pub partition: TopicPartition,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The committed state.
    pub partition_epoch: PartitionEpoch,
    /// The committed ISR.
    pub isr: Vec<NodeId>,
}

/// A leader gave a proposal up and returned to the committed ISR.
#[derive(Clone, Debug, Hash)]
pub struct IsrProposalRejected {
    /// The partition.
    pub partition: TopicPartition,
    /// The controller's word.
    pub error: ErrorCode,
}

/// A leader answered a producer.
#[derive(Clone, Debug, Hash)]
pub struct ProduceAnswered {
    /// The partition.
    pub partition: TopicPartition,
    /// What the producer asked for.
    pub acks: Acks,
    /// Success, or why not.
    pub error: ErrorCode,
    /// First and last offset, where the batch is in the log.
    pub offsets: Option<(Offset, Offset)>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The leader's high watermark at the answer.
    pub high_watermark: Offset,
    /// The size of the committed ISR at the append.
    pub isr_at_append: u32,
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
}

/// A leader gave records to a consumer: all in `from..to`.
#[derive(Clone, Debug, Hash)]
pub struct FetchServed {
    /// The partition.
    pub partition: TopicPartition,
    /// The consumer.
    pub reader: NodeId,
    /// The offset asked for.
    pub from: Offset,
    /// One past the last record given.
    pub to: Offset,
    /// The leader's high watermark.
    pub high_watermark: Offset,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
}

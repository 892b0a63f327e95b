//! Facts about producers and consumers, stated by themselves.

use alloc::vec::Vec;

use crate::protocol::ErrorCode;
use crate::types::{
    GroupEpoch, GroupId, MemberId, NodeId, Offset, ProducerEpoch, ProducerId, Sequence, TopicPartition,
};

/// Why a consumer's position moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ResetCause {
    /// It had none.
    NoPosition,
    /// The leader's log does not reach it.
    OutOfRange,
    /// The log was cut below it (KIP-320).
    Truncated,
    /// The application asked for it.
    Seek,
    /// The group's stored position.
    Committed,
}

/// A consumer owns these from now on, besides what it had.
#[derive(Clone, Debug, Hash)]
pub struct PartitionsAssigned {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// Its generation or member epoch.
    pub epoch: GroupEpoch,
    /// The new ones.
    pub partitions: Vec<TopicPartition>,
}

/// A consumer gave these up in good order.
#[derive(Clone, Debug, Hash)]
pub struct PartitionsRevoked {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// Its generation or member epoch.
    pub epoch: GroupEpoch,
    /// What it gave up.
    pub partitions: Vec<TopicPartition>,
}

/// A consumer learnt that it has lost these: it was fenced, or left by not polling.
#[derive(Clone, Debug, Hash)]
pub struct PartitionsLost {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// The partitions.
    pub partitions: Vec<TopicPartition>,
}

/// A consumer's position moved without a record being read.
#[derive(Clone, Debug, Hash)]
pub struct PositionReset {
    /// The partition.
    pub partition: TopicPartition,
    /// Before, if it had one.
    pub from: Option<Offset>,
    /// After.
    pub to: Offset,
    /// Why.
    pub cause: ResetCause,
}

/// A producer got an id.
#[derive(Clone, Debug, Hash)]
pub struct ProducerIdAssigned {
    /// The id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
}

/// A producer put a batch into a request.
#[derive(Clone, Debug, Hash)]
pub struct BatchSent {
    /// The partition.
    pub partition: TopicPartition,
    /// The receiver.
    pub to: NodeId,
    /// Counts from 1.
    pub attempt: u32,
    /// The producer's first sequence number, or `NONE`.
    pub base_sequence: Sequence,
    /// How many records.
    pub records: u32,
}

/// A producer's batch ended.
#[derive(Clone, Debug, Hash)]
pub struct BatchCompleted {
    /// The partition.
    pub partition: TopicPartition,
    /// Success, or why not.
    pub error: ErrorCode,
    /// Its first offset, if known.
    pub base_offset: Option<Offset>,
    /// After so many attempts.
    pub attempts: u32,
}

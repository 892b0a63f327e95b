//! Facts about a log, also that of the metadata partition.

use alloc::vec::Vec;

use crate::disk::DiskError;
use crate::protocol::RecordBatch;
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// Whether a log was written as the leader or as a copy of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ReplicaRole {
    /// It decides offsets.
    Leader,
    /// It copies the leader.
    Follower,
}

/// Why a log was cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum TruncationCause {
    /// The leader answered that the logs part here (KIP-595 diverging epoch).
    DivergingEpoch,
    /// The leader's log begins later or ends earlier than this one could follow; everything was dropped.
    OutOfRange,
    /// The quirk `truncate-to-high-watermark`.
    HighWatermark,
}

/// A log was rebuilt from its files at the node's start.
#[derive(Clone, Debug, Hash)]
pub struct LogRecovered {
    /// Whose log.
    pub partition: TopicPartition,
    /// Its first offset.
    pub log_start_offset: Offset,
    /// The offset after its last intact batch.
    pub log_end_offset: Offset,
    /// Bytes behind the last intact batch that were cut.
    pub cut_bytes: u64,
    /// The batches that it has, oldest first.
    pub batches: Vec<RecordBatch>,
}

/// A batch was appended.
#[derive(Clone, Debug, Hash)]
pub struct Appended {
    /// Whose log.
    pub partition: TopicPartition,
    /// As what.
    pub role: ReplicaRole,
    /// The batch, with offset and leader epoch as stored.
    pub batch: RecordBatch,
}

/// A log was cut: `to` is its new end.
#[derive(Clone, Debug, Hash)]
pub struct Truncated {
    /// Whose log.
    pub partition: TopicPartition,
    /// The new end.
    pub to: Offset,
    /// The leader epoch in which the replica follows.
    pub leader_epoch: LeaderEpoch,
    /// Why.
    pub cause: TruncationCause,
}

/// Everything below `end` is durable.
#[derive(Clone, Debug, Hash)]
pub struct Flushed {
    /// Whose log.
    pub partition: TopicPartition,
    /// The durable end.
    pub end: Offset,
}

/// A disk operation failed and the log takes no part any more.
#[derive(Clone, Debug, Hash)]
pub struct LogWentOffline {
    /// Whose log.
    pub partition: TopicPartition,
    /// The failure.
    pub error: DiskError,
}

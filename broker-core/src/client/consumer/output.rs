//! What the application gets from a consumer: records, notices, and rebalances.

use alloc::vec::Vec;

use crate::protocol::{ErrorCode, Record};
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// A record as the application gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerRecord {
    /// Where from.
    pub partition: TopicPartition,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// Offset, timestamp, key, value, headers.
    pub record: Record,
}

/// Names one commit among all that a consumer was asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct CommitId(pub u64);

/// What a rebalance listener is notified of (Kafka `ConsumerRebalanceListener`). Until the application says
/// [`Consumer::rebalance_done`](super::Consumer::rebalance_done) the consumer does not go on with the rebalance.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Rebalance {
    /// These are being taken away in good order; their positions can still be committed.
    Revoked(Vec<TopicPartition>),
    /// These are gone already: somebody else may own them.
    Lost(Vec<TopicPartition>),
    /// These have come.
    Assigned(Vec<TopicPartition>),
}

/// Something that the application may want to know.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum ConsumerNotice {
    /// A commit was sent: asked for by the application, or by the consumer itself (`enable.auto.commit`).
    CommitSent {
        /// Which.
        id: CommitId,
        /// The positions.
        offsets: Vec<(TopicPartition, Offset)>,
    },
    /// A commit ended.
    CommitCompleted {
        /// Which.
        id: CommitId,
        /// The positions.
        offsets: Vec<(TopicPartition, Offset)>,
        /// Success, or why not.
        error: ErrorCode,
    },
    /// The consumer cannot stay in its group, and will not come back by itself (FENCED_INSTANCE_ID,
    /// GROUP_MAX_SIZE_REACHED, UNSUPPORTED_ASSIGNOR, INCONSISTENT_GROUP_PROTOCOL, …).
    GroupFailed(ErrorCode),
    /// No position and `auto.offset.reset=none`: the partition stands still until a seek.
    NoOffset(TopicPartition),
    /// The log was cut below the position and `auto.offset.reset=none`: it stands still until a seek.
    LogTruncated {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        position: Offset,
        /// Where the logs part, if known.
        diverging: Option<Offset>,
    },
}

//! What comes of what programs ask for: where a record went, and why it did not go there.

use broker_core::client::producer::{SendFailed, SendRefused};
use broker_core::protocol::ErrorCode;
use broker_core::types::Offset;

use super::partition::TopicPartition;

/// Where a record went.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct RecordMetadata {
    /// Its partition.
    pub partition: TopicPartition,
    /// Its offset, if the ack has one.
    pub offset: Option<Offset>,
}

/// Why a record was not sent, or not for certain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum SendError {
    /// The producer did not take it.
    #[error("the record was not taken: {0}")]
    Refused(#[from] SendRefused),
    /// The producer took it, and gave it up.
    #[error("the send failed with {:?}", .0.error)]
    Failed(SendFailed),
}

/// Why a commit failed, by Kafka's error. The position may have been stored if the error can be tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
#[error("the commit failed with {0:?}")]
pub struct CommitError(pub ErrorCode);

/// Why a poll ended without records, by Kafka's exceptions. Unless its group has failed the consumer goes on: the
/// partition stands still until a seek, and the next poll reads the others.
#[derive(Clone, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum PollError {
    /// No position, and `auto.offset.reset=none` (NoOffsetForPartitionException, OffsetOutOfRangeException).
    #[error("{partition} has no position, and auto.offset.reset=none names none: seek")]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// The log was cut below the position, and `auto.offset.reset=none` (LogTruncationException).
    #[error("the log of {partition} was cut below the position {position}, and auto.offset.reset=none: seek")]
    LogTruncated {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        position: Offset,
        /// Where the logs part, if known.
        diverging: Option<Offset>,
    },
    /// It cannot stay in its group, and will not come back by itself: FENCED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED and
    /// the like. Every further poll ends so.
    #[error("the consumer has no place in its group: {0:?}")]
    Group(ErrorCode),
}

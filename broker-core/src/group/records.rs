//! What the offsets topic holds.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::protocol::OffsetAndMetadata;
use crate::types::{GroupId, Timestamp, TopicPartition};

/// One record of the offsets topic. Without a value it is a tombstone: what its key names is gone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum GroupRecord {
    /// The position of a group in a partition.
    OffsetCommit {
        /// The group.
        group: GroupId,
        /// The partition.
        partition: TopicPartition,
        /// The position, and when it was committed.
        value: Option<(OffsetAndMetadata, Timestamp)>,
    },
    /// A placeholder until the records of groups are here.
    Group(String),
}

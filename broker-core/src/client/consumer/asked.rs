//! What a consumer remembers of its unanswered requests.

use alloc::vec::Vec;

use super::CommitId;
use crate::types::{NodeId, TopicPartition};

/// What a consumer remembers of an unanswered request.
pub(super) enum Asked {
    /// Metadata.
    Metadata,
    /// Records of all partitions that are fetched from there.
    Fetch { to: NodeId },
    /// An offset to begin at, or the end of an epoch, each for the partitions' turns.
    Partitions {
        kind: Kind,
        turns: Vec<(TopicPartition, u64)>,
    },
    /// Something of the group's coordinator, or who that is.
    Group { to: NodeId, what: GroupAsked },
}

/// What is asked of the leaders of partitions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Offsets,
    EpochEnds,
}

/// What a consumer remembers of an unanswered request about its group. A turn says whether the answer still counts.
pub(super) enum GroupAsked {
    Coordinator,
    Join { turn: u64 },
    Sync { turn: u64 },
    Heartbeat { turn: u64 },
    ConsumerHeartbeat { turn: u64 },
    Leave,
    Commit(CommitId),
    Offsets(Vec<(TopicPartition, u64)>),
}

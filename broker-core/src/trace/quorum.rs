//! Facts about the metadata quorum.

use crate::types::{LeaderEpoch, NodeId, Offset};

/// A voter's or observer's part in the metadata quorum (KIP-595).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs)] // the names are KIP-595's
pub enum QuorumRole {
    Unattached,
    Observer,
    Follower,
    Prospective,
    Candidate,
    Leader,
    Resigned,
}

/// The node's part in the quorum changed.
#[derive(Clone, Debug, Hash)]
pub struct QuorumRoleChanged {
    /// The new part.
    pub role: QuorumRole,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// The leader of that epoch, if known.
    pub leader: Option<NodeId>,
}

/// Epoch and vote are durable.
#[derive(Clone, Debug, Hash)]
pub struct VoteStored {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The candidate, if there is one.
    pub voted_for: Option<NodeId>,
}

/// A vote was given (not a pre-vote); also a candidate's own.
#[derive(Clone, Debug, Hash)]
pub struct VoteGranted {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The candidate that got it.
    pub candidate: NodeId,
}

/// The node applied committed metadata.
#[derive(Clone, Debug, Hash)]
pub struct MetadataApplied {
    /// The end of what it has applied.
    pub end: Offset,
    /// A digest of its whole image: equal ends must give equal digests.
    pub digest: u64,
}

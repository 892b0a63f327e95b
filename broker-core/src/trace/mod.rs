//! Every fact that a checker or a report may rely on, in the past tense.
//!
//! An event is stated by the machine that made it true, at the moment when it became true for that
//! machine. Checkers and reports read only these and the clients' history, never a machine's fields.

mod client;
mod group;
mod log;
mod metadata;
mod quorum;
mod replication;

pub use client::{
    BatchCompleted, BatchSent, PartitionsAssigned, PartitionsLost, PartitionsRevoked, PositionReset,
    ProducerIdAssigned, ResetCause,
};
pub use group::{
    CoordinatorLoaded, CoordinatorLoading, CoordinatorUnloaded, GroupChanged, GroupState, MemberChanged, MemberRemoved,
    OffsetCommitted, OffsetExpired, OffsetsFetched, RemovalCause,
};
pub use log::{Appended, Flushed, LogRecovered, LogWentOffline, ReplicaRole, Truncated, TruncationCause};
pub use metadata::{BrokerChanged, PartitionChanged, TopicCreated};
pub use quorum::{MetadataApplied, QuorumRole, QuorumRoleChanged, VoteGranted, VoteStored};
pub use replication::{
    BecameFollower, BecameLeader, FetchServed, FollowerFetched, HighWatermarkChanged, IsrChanged, IsrProposalRejected,
    IsrProposed, ProduceAnswered,
};

/// A fact about one node. What it says is a struct of the same name.
#[derive(Clone, Debug, Hash)]
#[allow(missing_docs)] // said at the structs
pub enum Event {
    // ---- the log, also of the metadata partition
    LogRecovered(LogRecovered),
    Appended(Appended),
    Truncated(Truncated),
    Flushed(Flushed),
    LogWentOffline(LogWentOffline),

    // ---- replication
    BecameLeader(BecameLeader),
    BecameFollower(BecameFollower),
    HighWatermarkChanged(HighWatermarkChanged),
    FollowerFetched(FollowerFetched),
    IsrProposed(IsrProposed),
    IsrChanged(IsrChanged),
    IsrProposalRejected(IsrProposalRejected),
    ProduceAnswered(ProduceAnswered),
    FetchServed(FetchServed),

    // ---- the metadata quorum
    QuorumRoleChanged(QuorumRoleChanged),
    VoteStored(VoteStored),
    VoteGranted(VoteGranted),
    MetadataApplied(MetadataApplied),

    // ---- the controller's state, as every node applies it
    TopicCreated(TopicCreated),
    PartitionChanged(PartitionChanged),
    BrokerChanged(BrokerChanged),

    // ---- groups, stated by their coordinators
    CoordinatorLoading(CoordinatorLoading),
    CoordinatorLoaded(CoordinatorLoaded),
    CoordinatorUnloaded(CoordinatorUnloaded),
    GroupChanged(GroupChanged),
    MemberChanged(MemberChanged),
    MemberRemoved(MemberRemoved),
    OffsetCommitted(OffsetCommitted),
    OffsetsFetched(OffsetsFetched),
    OffsetExpired(OffsetExpired),

    // ---- producers and consumers, stated by themselves
    PartitionsAssigned(PartitionsAssigned),
    PartitionsRevoked(PartitionsRevoked),
    PartitionsLost(PartitionsLost),
    ProducerIdAssigned(ProducerIdAssigned),
    BatchSent(BatchSent),
    BatchCompleted(BatchCompleted),
    PositionReset(PositionReset),
}

// Facts are moved by value.
const _: () = assert!(size_of::<Event>() <= 104);

//! Facts about groups, stated by their coordinators.

use alloc::vec::Vec;

use crate::types::{GroupEpoch, GroupId, GroupInstanceId, LeaderEpoch, MemberId, NodeId, Offset, TopicPartition};

/// The state of a group, of either protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub enum GroupState {
    /// No members; offsets may be there.
    Empty,
    /// Classic: members are called to join.
    PreparingRebalance,
    /// Classic: members have joined, the leader's assignment is awaited.
    CompletingRebalance,
    /// Consumer protocol: the target assignment is not the group epoch's yet.
    Assigning,
    /// Consumer protocol: members are on their way to the target assignment.
    Reconciling,
    /// Everybody has what it should have.
    Stable,
    /// Gone.
    Dead,
}

/// Why a member is none any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum RemovalCause {
    /// It said so.
    Left,
    /// It was silent for longer than its session timeout.
    SessionTimeout,
    /// It did not join, sync or release its partitions in time.
    RebalanceTimeout,
    /// Another process took over its instance id.
    Replaced,
}

/// A coordinator began to read a partition of the offsets topic, which it leads now.
#[derive(Clone, Debug, Hash)]
pub struct CoordinatorLoading {
    /// The partition of the offsets topic.
    pub partition: TopicPartition,
    /// The epoch in which it leads.
    pub leader_epoch: LeaderEpoch,
}

/// It has read all of it, and answers from now on.
#[derive(Clone, Debug, Hash)]
pub struct CoordinatorLoaded {
    /// The partition.
    pub partition: TopicPartition,
    /// The epoch.
    pub leader_epoch: LeaderEpoch,
    /// The end of what it has read.
    pub end: Offset,
    /// A digest of the state that was read: equal to that of the committed log up to `end`, by
    /// [`Compacted`](crate::protocol::Compacted).
    pub digest: u64,
}

/// It does not lead the partition any more, and has dropped its state.
#[derive(Clone, Debug, Hash)]
pub struct CoordinatorUnloaded {
    /// The partition.
    pub partition: TopicPartition,
    /// The epoch in which it led.
    pub leader_epoch: LeaderEpoch,
}

/// A group's state or epoch changed.
#[derive(Clone, Debug, Hash)]
pub struct GroupChanged {
    /// The group.
    pub group: GroupId,
    /// Its state now.
    pub state: GroupState,
    /// Its generation, or group epoch.
    pub epoch: GroupEpoch,
    /// How many members it has.
    pub members: u32,
}

/// A member joined, reached another epoch, or got another assignment. Stated when it is decided; committed by the
/// time that the member learns it.
#[derive(Clone, Debug, Hash)]
pub struct MemberChanged {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
    /// The generation of a classic member, the member epoch of a consumer's.
    pub epoch: GroupEpoch,
    /// What it may own in that epoch.
    pub assigned: Vec<TopicPartition>,
    /// What it must release first (consumer protocol).
    pub revoking: Vec<TopicPartition>,
}

/// A member is none any more.
#[derive(Clone, Debug, Hash)]
pub struct MemberRemoved {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// Why.
    pub cause: RemovalCause,
}

/// A coordinator took a position of a group and wrote it to its log.
#[derive(Clone, Debug, Hash)]
pub struct OffsetCommitted {
    /// The group.
    pub group: GroupId,
    /// Who committed, if a member.
    pub member: Option<MemberId>,
    /// In which generation or member epoch.
    pub epoch: GroupEpoch,
    /// The partition.
    pub partition: TopicPartition,
    /// The position.
    pub offset: Offset,
    /// Where the record stands in the log of the offsets topic.
    pub at: (TopicPartition, Offset),
}

/// A coordinator answered somebody with the stored positions of a group.
#[derive(Clone, Debug, Hash)]
pub struct OffsetsFetched {
    /// The group.
    pub group: GroupId,
    /// The asker.
    pub client: NodeId,
    /// The positions, for the partitions that were asked for.
    pub partitions: Vec<(TopicPartition, Option<Offset>)>,
}

/// A position was too old and is gone.
#[derive(Clone, Debug, Hash)]
pub struct OffsetExpired {
    /// The group.
    pub group: GroupId,
    /// The partition.
    pub partition: TopicPartition,
}

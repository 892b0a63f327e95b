//! What consumers and group coordinators say to each other.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::protocol::ErrorCode;
use crate::types::{
    AssignorName, Endpoint, GroupEpoch, GroupId, GroupInstanceId, LeaderEpoch, MemberId, NodeId, Offset, TopicName,
    TopicPartition,
};

/// Which broker coordinates this group?
#[derive(Clone, Debug, Hash)]
pub struct FindCoordinatorRequest {
    /// The group.
    pub group: GroupId,
}

/// The answer to a [`FindCoordinatorRequest`].
#[derive(Clone, Debug, Hash)]
pub struct FindCoordinatorResponse {
    /// Success, or COORDINATOR_NOT_AVAILABLE while the offsets topic or its partition's leader is missing.
    pub error: ErrorCode,
    /// The coordinator, on success, and its endpoint of the listener that the request came over.
    pub coordinator: Option<(NodeId, Endpoint)>,
}

/// A member joins a group of the classic protocol.
#[derive(Clone, Debug, Hash)]
pub struct JoinGroupRequest {
    /// The group.
    pub group: GroupId,
    /// A member that is silent for longer is dropped.
    pub session_timeout: Duration,
    /// How long a rebalance waits for this member to join again.
    pub rebalance_timeout: Duration,
    /// Its id; none on its first try (KIP-394).
    pub member: Option<MemberId>,
    /// Its instance id, if it is static (KIP-345).
    pub instance: Option<GroupInstanceId>,
    /// Names what the members agree on: `consumer`.
    pub protocol_type: String,
    /// The assignors that it supports, best first, each with its subscription
    /// ([`consumer_protocol`](crate::protocol::consumer_protocol)).
    pub protocols: Vec<(AssignorName, Bytes)>,
}

/// The answer to a [`JoinGroupRequest`], when the rebalance has gathered its members.
#[derive(Clone, Debug, Hash)]
pub struct JoinGroupResponse {
    /// Success, or why not; MEMBER_ID_REQUIRED brings the id to join with.
    pub error: ErrorCode,
    /// The new generation.
    pub generation: GroupEpoch,
    /// The assignor that all members support.
    pub protocol: Option<AssignorName>,
    /// The member that computes the assignment.
    pub leader: Option<MemberId>,
    /// The id of the asking member.
    pub member: Option<MemberId>,
    /// For the leader: all members.
    pub members: Vec<JoinGroupMember>,
    /// For the leader: the group has its assignment already (KIP-814).
    pub skip_assignment: bool,
}

/// A member as the leader of a classic group sees it.
#[derive(Clone, Debug, Hash)]
pub struct JoinGroupMember {
    /// Its id.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
    /// Its subscription.
    pub metadata: Bytes,
}

/// A member asks for its assignment.
#[derive(Clone, Debug, Hash)]
pub struct SyncGroupRequest {
    /// The group.
    pub group: GroupId,
    /// The generation that it joined.
    pub generation: GroupEpoch,
    /// The member.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
    /// From the leader: the assignment of every member.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// The answer to a [`SyncGroupRequest`], once the leader has brought the assignments.
#[derive(Clone, Debug, Hash)]
pub struct SyncGroupResponse {
    /// Success, or why not.
    pub error: ErrorCode,
    /// The member's assignment.
    pub assignment: Bytes,
}

/// A member is alive.
#[derive(Clone, Debug, Hash)]
pub struct HeartbeatRequest {
    /// The group.
    pub group: GroupId,
    /// The member's generation.
    pub generation: GroupEpoch,
    /// The member.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
}

/// The answer to a [`HeartbeatRequest`].
#[derive(Clone, Debug, Hash)]
pub struct HeartbeatResponse {
    /// Success, or REBALANCE_IN_PROGRESS (join again), or why the member is none.
    pub error: ErrorCode,
}

/// A member leaves.
#[derive(Clone, Debug, Hash)]
pub struct LeaveGroupRequest {
    /// The group.
    pub group: GroupId,
    /// The member; none when an administrator removes a static member by its instance id.
    pub member: Option<MemberId>,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
}

/// The answer to a [`LeaveGroupRequest`].
#[derive(Clone, Debug, Hash)]
pub struct LeaveGroupResponse {
    /// Success, or why not.
    pub error: ErrorCode,
}

/// The one request of the consumer protocol (KIP-848).
#[derive(Clone, Debug, Hash)]
pub struct ConsumerGroupHeartbeatRequest {
    /// The group.
    pub group: GroupId,
    /// The id that the member drew for itself.
    pub member: MemberId,
    /// The epoch that the member has reached; 0 joins, -1 leaves, -2 leaves as a static member that comes back.
    pub member_epoch: GroupEpoch,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
    /// How long it may take to release partitions; none if unchanged since the last heartbeat.
    pub rebalance_timeout: Option<Duration>,
    /// What it subscribes to; none if unchanged.
    pub subscribed_topics: Option<Vec<TopicName>>,
    /// The pattern of the topics that it subscribes to besides ([`TopicPattern`](crate::topic_pattern::TopicPattern)); empty for none
    /// any more, none if unchanged.
    pub subscribed_topic_regex: Option<String>,
    /// The server-side assignor that it wants; none for the group's default or if unchanged.
    pub server_assignor: Option<AssignorName>,
    /// The partitions that it owns; none if unchanged.
    pub owned: Option<Vec<TopicPartition>>,
}

/// The answer to a [`ConsumerGroupHeartbeatRequest`].
#[derive(Clone, Debug, Hash)]
pub struct ConsumerGroupHeartbeatResponse {
    /// Success, or why not.
    pub error: ErrorCode,
    /// The epoch that the member is at now.
    pub member_epoch: GroupEpoch,
    /// How often to send heartbeats.
    pub heartbeat_interval: Duration,
    /// What the member may own now; none if unchanged.
    pub assignment: Option<Vec<TopicPartition>>,
}

/// A position as a group stores it.
#[derive(Clone, PartialEq, Eq, Debug, Hash, serde::Serialize, serde::Deserialize)]
pub struct OffsetAndMetadata {
    /// The next offset to read.
    pub offset: Offset,
    /// The epoch of the last record before it, if known (KIP-320).
    pub leader_epoch: Option<LeaderEpoch>,
    /// A word of the committer's own, at most `offset.metadata.max.bytes` long.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// A position without epoch and word.
    #[must_use]
    pub fn at(offset: Offset) -> OffsetAndMetadata {
        OffsetAndMetadata {
            offset,
            leader_epoch: None,
            metadata: String::new(),
        }
    }
}

/// Store positions of a group.
#[derive(Clone, Debug, Hash)]
pub struct OffsetCommitRequest {
    /// The group.
    pub group: GroupId,
    /// The generation or member epoch of the committer; [`GroupEpoch::NONE`] without a member.
    pub generation_id_or_member_epoch: GroupEpoch,
    /// The member; none for a consumer that manages its partitions itself.
    pub member: Option<MemberId>,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
    /// The positions.
    pub partitions: Vec<(TopicPartition, OffsetAndMetadata)>,
}

/// The answer to an [`OffsetCommitRequest`].
#[derive(Clone, Debug, Hash)]
pub struct OffsetCommitResponse {
    /// One answer per partition of the request.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}

/// The stored positions of a group.
#[derive(Clone, Debug, Hash)]
pub struct OffsetFetchRequest {
    /// The group.
    pub group: GroupId,
    /// The asking member of the consumer protocol, and its epoch; else none and [`GroupEpoch::NONE`].
    pub member: Option<MemberId>,
    /// The member's epoch.
    pub member_epoch: GroupEpoch,
    /// Which partitions; none for all that are stored.
    pub partitions: Option<Vec<TopicPartition>>,
    /// Refuse, rather than answer, while a transaction may still change a position (KIP-447).
    pub require_stable: bool,
}

/// The answer to an [`OffsetFetchRequest`].
#[derive(Clone, Debug, Hash)]
pub struct OffsetFetchResponse {
    /// An error for the request as a whole.
    pub error: ErrorCode,
    /// What is stored; a partition without a position has none.
    pub partitions: Vec<(TopicPartition, Option<OffsetAndMetadata>)>,
}

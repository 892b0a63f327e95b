//! What the offsets topic holds, and its bytes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use core::time::Duration;

use crate::protocol::OffsetAndMetadata;
use crate::types::{
    AssignorName, GroupEpoch, GroupId, GroupInstanceId, MemberId, Timestamp, TopicId, TopicName, TopicPartition,
};

/// One record of the offsets topic. Without a value it is a tombstone: what its key names is gone.
///
/// Every kind of record has its key's fields first and `value: Option<_>` last: that is where its bytes are parted
/// into the key and the value of a log record.
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
    /// A group of the classic protocol, as of the end of its last rebalance.
    ClassicGroup {
        /// The group.
        group: GroupId,
        /// Its generation and members.
        value: Option<StoredClassicGroup>,
    },
    /// A group of the consumer protocol (KIP-848).
    ConsumerGroup {
        /// The group.
        group: GroupId,
        /// Its epoch.
        value: Option<StoredConsumerGroup>,
    },
    /// What a member of a consumer group wants.
    ConsumerMember {
        /// The group.
        group: GroupId,
        /// The member.
        member: MemberId,
        /// Its subscription.
        value: Option<StoredConsumerMember>,
    },
    /// The epoch of a consumer group's target assignment.
    TargetAssignmentEpoch {
        /// The group.
        group: GroupId,
        /// The group epoch that the target assignment was computed for.
        value: Option<GroupEpoch>,
    },
    /// What a member of a consumer group is to own in the end.
    TargetAssignment {
        /// The group.
        group: GroupId,
        /// The member.
        member: MemberId,
        /// The partitions, in order.
        value: Option<Vec<TopicPartition>>,
    },
    /// What a member of a consumer group may own now.
    CurrentAssignment {
        /// The group.
        group: GroupId,
        /// The member.
        member: MemberId,
        /// Its epoch and partitions.
        value: Option<StoredCurrentAssignment>,
    },
}

/// A group of the classic protocol between two rebalances (Kafka `GroupMetadataValue`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredClassicGroup {
    /// Names what the members agree on: `consumer`.
    pub protocol_type: String,
    /// The generation.
    pub generation: GroupEpoch,
    /// The assignor that was chosen; none while the group is empty.
    pub protocol: Option<AssignorName>,
    /// The member that computed the assignment.
    pub leader: Option<MemberId>,
    /// When this was written: since then an empty group is empty.
    pub since: Timestamp,
    /// The members; none for an empty group.
    pub members: Vec<StoredClassicMember>,
}

/// A member of a [`StoredClassicGroup`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredClassicMember {
    /// Its id.
    pub member: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
    /// A silence of this length ends its membership.
    pub session_timeout: Duration,
    /// How long a rebalance waits for it.
    pub rebalance_timeout: Duration,
    /// Its subscription for the chosen assignor, as it came.
    pub subscription: Vec<u8>,
    /// Its assignment, as the leader brought it.
    pub assignment: Vec<u8>,
}

/// The epoch of a consumer group (Kafka `ConsumerGroupMetadataValue`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredConsumerGroup {
    /// Grows with every change that asks for another target assignment.
    pub epoch: GroupEpoch,
    /// The topics that the members subscribe to, as they were in that epoch.
    pub topics: Vec<(TopicName, TopicId, u32)>,
}

/// What a member of a consumer group wants (Kafka `ConsumerGroupMemberMetadataValue`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredConsumerMember {
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
    /// How long it may take to release partitions.
    pub rebalance_timeout: Duration,
    /// What it subscribes to, in order.
    pub subscribed_topics: Vec<TopicName>,
    /// The pattern of the topics that it subscribes to besides.
    pub subscribed_topic_regex: Option<String>,
    /// The assignor that it asks for.
    pub server_assignor: Option<AssignorName>,
    /// What the classic protocol knows of it, if it speaks that.
    pub classic: Option<StoredClassicProtocol>,
}

/// A member of a consumer group that speaks the classic protocol (Kafka `ClassicMemberMetadata`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredClassicProtocol {
    /// A silence of this length ends its membership.
    pub session_timeout: Duration,
    /// Its assignors, best first, each with its subscription as it came.
    pub protocols: Vec<(AssignorName, Vec<u8>)>,
}

/// How far a member of a consumer group is on its way to its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MemberState {
    /// It owns what it should in its epoch.
    Stable,
    /// It has to release partitions before it may go on.
    UnrevokedPartitions,
    /// It waits for partitions that others have still to release.
    UnreleasedPartitions,
}

/// What a member of a consumer group may own (Kafka `ConsumerGroupCurrentMemberAssignmentValue`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StoredCurrentAssignment {
    /// The epoch that the member has reached; [`GroupEpoch::LEAVE_STATIC`] while a static member is away.
    pub epoch: GroupEpoch,
    /// The epoch before: the answer that took the member the step may have been lost.
    pub previous_epoch: GroupEpoch,
    /// How far it is.
    pub state: MemberState,
    /// What it may own, in order.
    pub assigned: Vec<TopicPartition>,
    /// What it has to release, in order: still its own until it says so.
    pub revoking: Vec<TopicPartition>,
}

/// Postcard's byte for `None`.
const NONE: u8 = 0;
/// Postcard's byte for `Some`.
const SOME: u8 = 1;

impl GroupRecord {
    /// The records that remove a member of a group of the consumer protocol.
    pub(super) fn member_tombstones(group: &GroupId, member: &MemberId) -> [GroupRecord; 3] {
        let names = || (group.clone(), member.clone());
        let ((group, member), value) = (names(), None);
        let current = GroupRecord::CurrentAssignment { group, member, value };
        let ((group, member), value) = (names(), None);
        let target = GroupRecord::TargetAssignment { group, member, value };
        let ((group, member), value) = (names(), None);
        let wishes = GroupRecord::ConsumerMember { group, member, value };
        [current, target, wishes]
    }

    /// The group that it is about.
    #[must_use]
    pub fn group(&self) -> &GroupId {
        match self {
            GroupRecord::OffsetCommit { group, .. }
            | GroupRecord::ClassicGroup { group, .. }
            | GroupRecord::ConsumerGroup { group, .. }
            | GroupRecord::ConsumerMember { group, .. }
            | GroupRecord::TargetAssignmentEpoch { group, .. }
            | GroupRecord::TargetAssignment { group, .. }
            | GroupRecord::CurrentAssignment { group, .. } => group,
        }
    }

    /// The record that makes what this one's key names be gone.
    #[must_use]
    pub fn tombstone(&self) -> GroupRecord {
        let mut tombstone = self.clone();
        match &mut tombstone {
            GroupRecord::OffsetCommit { value, .. } => *value = None,
            GroupRecord::ClassicGroup { value, .. } => *value = None,
            GroupRecord::ConsumerGroup { value, .. } => *value = None,
            GroupRecord::ConsumerMember { value, .. } => *value = None,
            GroupRecord::TargetAssignmentEpoch { value, .. } => *value = None,
            GroupRecord::TargetAssignment { value, .. } => *value = None,
            GroupRecord::CurrentAssignment { value, .. } => *value = None,
        }
        tombstone
    }

    /// Key and value of the log record; no value for a tombstone.
    #[must_use]
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        let bytes_of = |record: &GroupRecord| -> Bytes {
            let bytes = postcard::to_allocvec(record).expect("a record is always serialisable into memory");
            bytes.into()
        };
        let mut whole = bytes_of(self);
        let mut key = bytes_of(&self.tombstone());
        key.truncate(key.len() - 1);
        let value = whole.split_off(key.len());
        let value = (value[0] == SOME).then(|| value.slice(1..));
        (key, value)
    }

    /// The record of a key and a value.
    ///
    /// # Errors
    /// When they were not written by [`GroupRecord::encode`].
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<GroupRecord, String> {
        let mut whole: Vec<u8> = key.into();
        match value {
            None => whole.push(NONE),
            Some(value) => {
                whole.push(SOME);
                whole.extend_from_slice(value);
            }
        }
        match postcard::take_from_bytes(&whole) {
            Ok((record, [])) => Ok(record),
            Ok((_, rest)) => Err(format!("{} bytes follow a group record", rest.len())),
            Err(error) => Err(format!("malformed group record: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Offset;

    #[test]
    fn records_read_back() {
        let position = OffsetAndMetadata {
            metadata: "a word".into(),
            ..OffsetAndMetadata::at(Offset(i64::MAX))
        };
        let group = GroupId::from("workers");
        let member = MemberId::from("one");
        let partition = TopicPartition::new(TopicId(100), 2);
        let (instance, assignor) = (Some(GroupInstanceId::from("i")), Some(AssignorName::from("range")));
        let classic = StoredClassicGroup {
            protocol_type: "consumer".into(),
            generation: GroupEpoch(3),
            protocol: assignor.clone(),
            leader: Some(member.clone()),
            since: Timestamp(7),
            members: [StoredClassicMember {
                member: member.clone(),
                instance: instance.clone(),
                session_timeout: Duration::from_secs(45),
                rebalance_timeout: Duration::MAX,
                subscription: [1, 2].into(),
                assignment: Vec::new(),
            }]
            .into(),
        };
        let wishes = StoredConsumerMember {
            instance,
            rebalance_timeout: Duration::from_millis(300_001),
            subscribed_topics: [TopicName::from("t")].into(),
            subscribed_topic_regex: Some("u.*".into()),
            classic: Some(StoredClassicProtocol {
                session_timeout: Duration::from_secs(45),
                protocols: [(AssignorName::from("sticky"), [3, 4].into())].into(),
            }),
            server_assignor: assignor,
        };
        let current = StoredCurrentAssignment {
            epoch: GroupEpoch(2),
            previous_epoch: GroupEpoch::LEAVE_STATIC,
            state: MemberState::UnreleasedPartitions,
            assigned: [partition].into(),
            revoking: Vec::new(),
        };
        let topics = [(TopicName::from("t"), TopicId(100), 3)].into();
        for record in [
            GroupRecord::OffsetCommit {
                group: group.clone(),
                partition,
                value: Some((position, Timestamp(1))),
            },
            GroupRecord::ClassicGroup {
                group: group.clone(),
                value: Some(classic),
            },
            GroupRecord::ConsumerGroup {
                group: group.clone(),
                value: Some(StoredConsumerGroup {
                    epoch: GroupEpoch(9),
                    topics,
                }),
            },
            GroupRecord::ConsumerMember {
                group: group.clone(),
                member: member.clone(),
                value: Some(wishes),
            },
            GroupRecord::TargetAssignmentEpoch {
                group: group.clone(),
                value: Some(GroupEpoch(9)),
            },
            GroupRecord::TargetAssignment {
                group: group.clone(),
                member: member.clone(),
                value: Some([partition].into()),
            },
            GroupRecord::CurrentAssignment {
                group,
                member,
                value: Some(current),
            },
        ] {
            let (key, value) = record.encode();
            let value = value.expect("it has one");
            assert_eq!(GroupRecord::decode(&key, Some(&value)), Ok(record.clone()));
            assert_eq!(GroupRecord::decode(&key, None), Ok(record.tombstone()));
            assert_eq!(record.tombstone().encode(), (key.clone(), None));
            for broken in [&value[..value.len() - 1], &[&value[..], &[0]].concat()] {
                assert!(GroupRecord::decode(&key, Some(broken)).is_err());
            }
            assert!(GroupRecord::decode(&key[..key.len() - 1], None).is_err());
            assert!(GroupRecord::decode(b"garbage", Some(&value)).is_err());
        }
    }
}

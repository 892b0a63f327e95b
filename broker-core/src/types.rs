//! A newtype for every number that has a unit, so that two of them cannot be mixed up.

use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The position of a record in a partition's log; the first record ever has offset 0.
    Offset(i64)
}
number! {
    /// Counts the leaders of one partition (or of the quorum). Every batch carries the epoch it was appended in.
    LeaderEpoch(i32)
}
number! {
    /// Counts the changes of one partition's controller state (leader, ISR). Guards AlterPartition (KIP-497).
    PartitionEpoch(i32)
}
number! {
    /// Names one registration of a broker: the metadata offset of its registration record (KIP-631, KIP-903).
    BrokerEpoch(i64)
}
number! {
    /// Names an idempotent producer, handed out by the controller in blocks (KIP-98).
    ProducerId(i64)
}
number! {
    /// Counts the incarnations of one producer id; a broker refuses lower ones.
    ProducerEpoch(i16)
}
number! {
    /// Names a machine: a broker, a controller, a client.
    NodeId(u32)
}
number! {
    /// Names a computer of the network. It has nothing to do with the ids of the nodes that run on it.
    Host(u32)
}
number! {
    /// Counts the assignments of a group: the generation of the classic protocol; the group, target assignment and
    /// member epochs of the consumer protocol (KIP-848).
    GroupEpoch(i32)
}
number! {
    /// The index of a partition within its topic, from 0.
    PartitionIndex(i32)
}
number! {
    /// Milliseconds since the Unix epoch by the clock of the node that stamped the record; -1 means none.
    Timestamp(i64)
}

impl Offset {
    /// The first offset of every new log.
    pub const ZERO: Offset = Offset(0);

    /// The offset `count` records further on. Saturates at the ends of the range, which no log reaches: a peer may say
    /// what it likes.
    #[must_use]
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0.saturating_add(count))
    }

    /// The next offset.
    #[must_use]
    pub fn next(self) -> Offset {
        self.plus(1)
    }
}

impl LeaderEpoch {
    /// Stamped on batches that no leader has appended yet; also "no epoch known".
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);
}

impl GroupEpoch {
    /// No member of any generation: a commit without a group; in a heartbeat, a member that leaves.
    pub const NONE: GroupEpoch = GroupEpoch(-1);
    /// In a heartbeat, a static member that leaves and means to come back (KIP-848).
    pub const LEAVE_STATIC: GroupEpoch = GroupEpoch(-2);
    /// In a heartbeat, a member that joins; also the epoch of a group that nobody has joined yet.
    pub const ZERO: GroupEpoch = GroupEpoch(0);

    /// The next epoch.
    #[must_use]
    pub fn next(self) -> GroupEpoch {
        GroupEpoch(self.0 + 1)
    }
}

impl ProducerId {
    /// On batches of producers without idempotence.
    pub const NONE: ProducerId = ProducerId(-1);
}

impl ProducerEpoch {
    /// On batches of producers without idempotence.
    pub const NONE: ProducerEpoch = ProducerEpoch(-1);
}

impl Timestamp {
    /// A record without a timestamp.
    pub const NONE: Timestamp = Timestamp(-1);
}

/// The sequence number of an idempotent producer's record within one partition. It wraps from
/// 2147483647 to 0 (Kafka `DefaultRecordBatch.incrementSequence`), so it has no order of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub i32);

impl Sequence {
    /// On batches of producers without idempotence.
    pub const NONE: Sequence = Sequence(-1);

    /// The sequence number `count` (at least 0) records further on, wrapping past `i32::MAX` to 0.
    #[must_use]
    pub fn plus(self, count: i32) -> Sequence {
        match self.0.checked_add(count) {
            Some(sum) => Sequence(sum),
            None => Sequence(count - (i32::MAX - self.0) - 1),
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

mod endpoint;
mod topic_id;

pub use endpoint::{Endpoint, Listener, Listeners};
pub use topic_id::{NoTopicId, TopicId};

/// A partition of a topic, by id. Small and `Copy`: names are resolved once, at the edge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicId,
    /// Which of its partitions.
    pub partition: PartitionIndex,
}

impl TopicPartition {
    /// The one partition of the metadata log, `__cluster_metadata-0`; its topic id is reserved (KIP-595).
    pub const CLUSTER_METADATA: TopicPartition = TopicPartition {
        topic: TopicId::CLUSTER_METADATA,
        partition: PartitionIndex(0),
    };
    /// Partition `partition` of `topic`.
    pub fn new(topic: TopicId, partition: i32) -> TopicPartition {
        TopicPartition {
            topic,
            partition: PartitionIndex(partition),
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == TopicPartition::CLUSTER_METADATA {
            return f.write_str("__cluster_metadata-0");
        }
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Arc<str>);

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                $name(name.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name! {
    /// What a client calls itself (`client.id`); it need not be the only one of that name.
    ClientId
}
name! {
    /// The name of a topic; cheap to clone.
    TopicName
}
name! {
    /// The name of a consumer group; cheap to clone.
    GroupId
}
name! {
    /// Names one member of a group: given by the coordinator (classic protocol) or drawn by the member (KIP-848).
    MemberId
}
name! {
    /// Names a static member through all its restarts (KIP-345).
    GroupInstanceId
}
name! {
    /// The name of an assignor: `range`, `roundrobin`, `sticky`, `cooperative-sticky`, `uniform`.
    AssignorName
}

impl TopicName {
    /// The topic that holds groups and their offsets.
    pub const CONSUMER_OFFSETS: &'static str = "__consumer_offsets";
}

/// A leader epoch and the offset at which it ends, exclusive (KIP-101, KIP-320).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct EpochEndOffset {
    /// The largest epoch in the answering log that is not above the asked one.
    pub leader_epoch: LeaderEpoch,
    /// The offset one past that epoch's last record.
    pub end_offset: Offset,
}

/// Who leads a partition, and since which epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct LeaderIdAndEpoch {
    /// The leader, if there is one.
    pub leader: Option<NodeId>,
    /// The epoch in which it leads.
    pub leader_epoch: LeaderEpoch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_end_at_the_ends_of_their_range() {
        assert_eq!(Offset(i64::MAX).next(), Offset(i64::MAX));
        assert_eq!(Offset(i64::MIN).plus(-1), Offset(i64::MIN));
    }

    #[test]
    fn sequence_wraps_past_the_largest_to_zero() {
        for (from, count, to) in [
            (0, 1, 1),
            (i32::MAX, 1, 0),
            (i32::MAX - 10, 20, 9),
            (i32::MAX, 0, i32::MAX),
        ] {
            assert_eq!(Sequence(from).plus(count), Sequence(to), "{from} + {count}");
        }
    }
}

//! The group coordinator: who is in which consumer group, who owns what, and how far each group is.
//!
//! A broker coordinates the groups of those partitions of `__consumer_offsets` that it leads; a group belongs to
//! partition `abs(hash(group id)) mod count`, with Java's string hash. What a coordinator knows durably is what the
//! records of its partition say ([`GroupRecord`]): it decides, appends, replays, and answers once that is committed.
//!
//! | file | what is in it |
//! |---|---|
//! | `coordinator` | the partitions that this broker leads: loading, requests, time, the end of leadership |
//! | `offsets` | positions: stored, read, expired |
//! | `groups` | all groups of a partition, of both protocols |
//! | `classic` | members that join and sync, and the leader that assigns |
//! | `consumer` | members that send heartbeats, and the coordinator that assigns (KIP-848), with its `assignor`s; the ways from and to `classic` |
//! | `turn` | what a group works with while it decides, and timers |
//! | `records` | what the log holds |

mod assignor;
mod classic;
mod consumer;
mod coordinator;
mod groups;
mod offsets;
mod records;
mod turn;

#[cfg(test)]
mod bench;

pub use coordinator::{GroupCoordinator, partition_for};
pub use groups::{Decision, Groups};
pub use records::{
    GroupRecord, MemberState, StoredClassicGroup, StoredClassicMember, StoredClassicProtocol, StoredConsumerGroup,
    StoredConsumerMember, StoredCurrentAssignment,
};

use alloc::vec::Vec;

use crate::topic_pattern::TopicPattern;
use crate::types::{TopicId, TopicName};

/// What a coordinator must know of the cluster's topics.
pub trait Topics {
    /// Id and number of partitions of the topic of this name.
    fn topic(&self, name: &TopicName) -> Option<(TopicId, u32)>;

    /// The name of the topic of this id.
    fn name(&self, id: TopicId) -> Option<TopicName>;

    /// The names of the topics that match a pattern, in order.
    fn matching(&self, pattern: &TopicPattern) -> Vec<TopicName>;
}

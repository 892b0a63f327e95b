//! The assignors that a coordinator runs for groups of the consumer protocol (KIP-848): `uniform`, the default, and
//! `range`. They are pure functions from members and topics to a target assignment.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::types::{AssignorName, GroupInstanceId, MemberId, PartitionIndex, TopicId, TopicPartition};

mod heterogeneous;
mod homogeneous;
mod range;

#[cfg(test)]
mod tests;

/// The assignor of groups whose members ask for none.
pub(super) const DEFAULT: &str = "uniform";

/// A member as an assignor sees it.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) instance: Option<GroupInstanceId>,
    /// What it subscribes to: topics that exist.
    pub(super) topics: BTreeSet<TopicId>,
    /// Its last target assignment.
    pub(super) target: Vec<TopicPartition>,
}

/// The members by id.
pub(super) type Members = BTreeMap<MemberId, Subscriber>;

/// What every member is to own, in order.
pub(super) type Target = BTreeMap<MemberId, Vec<TopicPartition>>;

pub(super) fn supported(name: &AssignorName) -> bool {
    matches!(&*name.0, "uniform" | "range")
}

/// Runs an assignor over the members and the partition counts of the topics. Every partition of a subscribed topic
/// goes to exactly one of the topic's subscribers.
pub(super) fn assign(name: &AssignorName, members: &Members, topics: &BTreeMap<TopicId, u32>) -> Target {
    let mut target = match &*name.0 {
        "range" => range::assign(members, topics),
        _ if alike(members) => homogeneous::assign(members, topics),
        _ => heterogeneous::assign(members, topics),
    };
    for own in target.values_mut() {
        own.sort();
    }
    target
}

/// Whether all members subscribe to the same topics.
fn alike(members: &Members) -> bool {
    let mut topics = members.values().map(|member| &member.topics);
    let first = topics.next();
    topics.all(|topics| Some(topics) == first)
}

/// Every member, with nothing.
fn nothing(members: &Members) -> Target {
    members.keys().map(|member| (member.clone(), Vec::new())).collect()
}

fn partitions(topic: TopicId, count: u32) -> impl Iterator<Item = TopicPartition> {
    (0..count).map(move |index| TopicPartition {
        topic,
        partition: PartitionIndex(index as i32),
    })
}

/// Whether the partition exists.
fn exists(topics: &BTreeMap<TopicId, u32>, partition: TopicPartition) -> bool {
    topics
        .get(&partition.topic)
        .is_some_and(|&count| (partition.partition.0 as u32) < count)
}

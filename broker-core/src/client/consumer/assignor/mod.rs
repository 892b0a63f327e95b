//! The assignors of the classic protocol, which the leader of a group runs: `range`, `roundrobin`, `sticky` and
//! `cooperative-sticky`. They are pure functions from members and topics to assignments.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::types::{AssignorName, GroupEpoch, GroupInstanceId, MemberId, PartitionIndex, TopicName};

mod range;
mod round_robin;
mod sticky;

#[cfg(test)]
mod tests;

/// A partition by the name of its topic.
pub type NamedPartition = (TopicName, PartitionIndex);

/// What every member is to own; members without partitions are there too.
pub type Assignments = BTreeMap<MemberId, Vec<NamedPartition>>;

/// A member as an assignor sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssignorMember {
    /// Its id.
    pub id: MemberId,
    /// Its instance id, if it is static.
    pub instance: Option<GroupInstanceId>,
    /// The topics that it subscribes to; those that do not exist are left out of the assignment.
    pub topics: Vec<TopicName>,
    /// What it owns by its own word. Only the sticky assignors look at it.
    pub owned: Vec<NamedPartition>,
    /// The generation in which it came to own that; [`GroupEpoch::NONE`] if it does not know.
    pub generation: GroupEpoch,
}

/// Whether there is an assignor of this name.
#[must_use]
pub fn supported(name: &AssignorName) -> bool {
    matches!(&*name.0, "range" | "roundrobin" | "sticky" | "cooperative-sticky")
}

/// Whether members keep what they own during a rebalance, and hand over in two rounds (KIP-429). A member may keep
/// only if all of its assignors allow that.
#[must_use]
pub fn is_cooperative(name: &AssignorName) -> bool {
    &*name.0 == "cooperative-sticky"
}

/// Runs the assignor called `name` over `members` and the partition counts of `topics`. `None` if there is no such
/// assignor.
///
/// Every partition of a subscribed topic goes to exactly one of the topic's subscribers, except that
/// `cooperative-sticky` gives a partition to nobody while its former owner has still to release it.
#[must_use]
pub fn assign(
    name: &AssignorName,
    members: &[AssignorMember],
    topics: &BTreeMap<TopicName, u32>,
) -> Option<Assignments> {
    match &*name.0 {
        "range" => Some(range::assign(members, topics)),
        "roundrobin" => Some(round_robin::assign(members, topics)),
        "sticky" => Some(sticky::assign(members, topics).assignments),
        "cooperative-sticky" => Some(sticky::assign_cooperatively(members, topics)),
        _ => None,
    }
}

/// Every member, with nothing.
fn nothing(members: &[AssignorMember]) -> Assignments {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}

/// The members in the order that `range` and `roundrobin` go by: static ones by instance id, then the others by
/// member id, so that the restart of a static member moves nothing (KIP-345).
fn by_instance(members: &[AssignorMember]) -> Vec<&AssignorMember> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|member| (member.instance.is_none(), &member.instance, &member.id));
    sorted
}

/// The topics that exist and that somebody subscribes to, with their partition counts.
fn subscribed<'a>(members: &[AssignorMember], topics: &'a BTreeMap<TopicName, u32>) -> BTreeMap<&'a TopicName, u32> {
    let wanted: BTreeSet<&TopicName> = members.iter().flat_map(|member| &member.topics).collect();
    let known = topics.iter().filter(|(topic, _)| wanted.contains(topic));
    known.map(|(topic, &count)| (topic, count)).collect()
}

/// The partitions of a topic.
fn partitions(topic: &TopicName, count: u32) -> impl Iterator<Item = NamedPartition> {
    (0..count).map(move |index| (topic.clone(), PartitionIndex(index as i32)))
}

//! What the leader of a classic group knows, and how it assigns.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::client::consumer::assignor::{self, AssignorMember};
use crate::config::ConsumerConfig;
use crate::protocol::consumer_protocol::{Assignment, StickyMemory, Subscription};
use crate::protocol::{JoinGroupMember, JoinGroupResponse};
use crate::types::{AssignorName, GroupEpoch, MemberId, PartitionIndex, TopicName};

/// What the leader of a group knows.
pub(super) struct Leadership {
    strategy: AssignorName,
    members: Vec<AssignorMember>,
    /// The partition counts that the assignment was made from.
    assigned: Option<BTreeMap<TopicName, u32>>,
    /// The group has its assignment already.
    skips: bool,
}

impl Leadership {
    /// What the answer to a join says to the leader; `None` for other members.
    pub fn of(answer: &JoinGroupResponse) -> Option<Leadership> {
        if answer.leader.is_none() || answer.leader != answer.member {
            return None;
        }
        let strategy = answer.protocol.clone()?;
        let members = answer.members.iter().map(|member| assignor_member(member, &strategy));
        Some(Leadership {
            members: members.collect(),
            strategy,
            assigned: None,
            skips: answer.skip_assignment,
        })
    }

    /// The topics that the members subscribe to, each as often as they do.
    pub fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.members.iter().flat_map(|member| &member.topics)
    }

    /// Assigns topics with these counts of partitions, as SyncGroup carries it: nothing if the group has its assignment
    /// already. None if there is no such strategy.
    pub fn assign(&mut self, counts: BTreeMap<TopicName, u32>) -> Option<Vec<(MemberId, Bytes)>> {
        let mut encoded = Vec::new();
        if !self.skips {
            for (member, partitions) in assignor::assign(&self.strategy, &self.members, &counts)? {
                let partitions = by_topic(partitions.into_iter());
                encoded.push((member, Assignment { partitions }.encode()));
            }
        }
        self.assigned = Some(counts);
        Some(encoded)
    }

    /// Whether a topic has another number of partitions than when it was assigned.
    pub fn is_outdated(&self, count: impl Fn(&TopicName) -> Option<u32>) -> bool {
        let Some(assigned) = &self.assigned else { return false };
        self.topics().any(|topic| count(topic) != assigned.get(topic).copied())
    }
}

/// The strategies that a member supports, the one it likes best first.
pub(super) fn strategies(config: &ConsumerConfig) -> Vec<AssignorName> {
    let names = config.partition_assignment_strategy.iter();
    names.map(|name| AssignorName::from(name.as_str())).collect()
}

/// A member whose subscription cannot be read subscribes to nothing.
fn assignor_member(member: &JoinGroupMember, strategy: &AssignorName) -> AssignorMember {
    let subscription = Subscription::decode(&member.metadata).ok();
    let topics = subscription.as_ref().map(|subscription| subscription.topics.clone());
    let claim = subscription.and_then(|subscription| {
        if &*strategy.0 == "sticky" {
            let memory = StickyMemory::decode(subscription.user_data.as_deref()?).ok()?;
            return Some((memory.partitions, memory.generation));
        }
        Some((subscription.owned, subscription.generation))
    });
    let (owned, generation) = claim.unwrap_or((Vec::new(), GroupEpoch::NONE));
    AssignorMember {
        id: member.member.clone(),
        instance: member.instance.clone(),
        topics: topics.unwrap_or_default(),
        owned: owned
            .into_iter()
            .flat_map(|(topic, indexes)| indexes.into_iter().map(move |index| (topic.clone(), index)))
            .collect(),
        generation,
    }
}

/// Partitions, by their topics.
pub(super) fn by_topic(
    partitions: impl Iterator<Item = (TopicName, PartitionIndex)>,
) -> Vec<(TopicName, Vec<PartitionIndex>)> {
    let mut topics: BTreeMap<TopicName, Vec<PartitionIndex>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(partition);
    }
    topics.into_iter().collect()
}

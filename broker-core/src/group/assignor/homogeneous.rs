//! `uniform` when all members subscribe to the same topics.
//!
//! With p partitions and m members, everybody gets floor(p / m) partitions, and p mod m members one more: first those
//! that have more already, then the last ones. Members keep what they have up to that.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Members, Target, exists, partitions};
use crate::types::{MemberId, TopicId, TopicPartition};

pub(super) fn assign(members: &Members, topics: &BTreeMap<TopicId, u32>) -> Target {
    let mut target = Target::new();
    let Some(subscription) = members.values().next().map(|member| &member.topics) else {
        return target;
    };
    let subscribed = topics.iter().filter(|(topic, _)| subscription.contains(topic));
    let all: Vec<TopicPartition> = subscribed
        .flat_map(|(&topic, &count)| partitions(topic, count))
        .collect();
    let quota = all.len() / members.len();
    let mut larger = all.len() % members.len();

    let mut at_quota_or_below: Vec<&MemberId> = Vec::new();
    let mut kept = BTreeSet::new();
    for (id, member) in members {
        let mut own = member.target.clone();
        own.retain(|partition| {
            let valid = subscription.contains(&partition.topic) && exists(topics, *partition);
            valid && !kept.contains(partition)
        });
        own.sort();
        if own.len() > quota && larger > 0 {
            larger -= 1;
            own.truncate(quota + 1);
        } else {
            own.truncate(quota);
            at_quota_or_below.push(id);
        }
        kept.extend(own.iter().copied());
        target.insert(id.clone(), own);
    }

    let mut rest = all.into_iter().filter(|partition| !kept.contains(partition));
    let smaller = at_quota_or_below.len() - larger;
    for (rank, id) in at_quota_or_below.into_iter().enumerate() {
        let own = target.get_mut(id).expect("every member has an entry");
        let missing = quota + usize::from(rank >= smaller) - own.len();
        own.extend(rest.by_ref().take(missing));
    }
    target
}

//! The sticky assignment when all members subscribe to the same topics.
//!
//! With p partitions and m members, everybody gets floor(p / m) partitions, and p mod m members one more. Members keep
//! what they own up to their quota; the rest is dealt out in turn.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::{Assignments, Claims, NamedPartition, Outcome, partitions};
use crate::types::{MemberId, TopicName};

pub(super) fn assign(topics: &BTreeMap<&TopicName, u32>, claims: &Claims) -> Outcome {
    let all: Vec<NamedPartition> = topics
        .iter()
        .flat_map(|(topic, &count)| partitions(topic, count))
        .collect();
    if claims.owned.is_empty() {
        return Outcome {
            assignments: Assignments::new(),
            transferred: BTreeSet::new(),
        };
    }
    let min_quota = all.len() / claims.owned.len();
    let max_quota = all.len().div_ceil(claims.owned.len());
    // How many more members may have more than the lower quota.
    let mut larger = all.len() % claims.owned.len();

    let mut assignments = Assignments::new();
    let mut revoked = claims.disputed.clone();
    let mut below_min: Vec<&MemberId> = Vec::new();
    let mut at_min: VecDeque<&MemberId> = VecDeque::new();
    for (member, owned) in &claims.owned {
        let mut own = owned.clone();
        // In this order partitions of one index stay together, which suits joins of topics.
        own.sort_by(|(topic, index), (other_topic, other)| (index, topic).cmp(&(other, other_topic)));
        if own.len() < min_quota {
            below_min.push(member);
        } else if own.len() >= max_quota && larger > 0 {
            larger -= 1;
            revoked.extend(own.split_off(max_quota));
        } else {
            revoked.extend(own.split_off(min_quota));
            at_min.push_back(member);
        }
        assignments.insert(member.clone(), own);
    }

    let kept: BTreeSet<NamedPartition> = assignments.values().flatten().cloned().collect();
    let mut transferred = BTreeSet::new();
    let mut turn = 0;
    for partition in all.into_iter().filter(|partition| !kept.contains(partition)) {
        if turn >= below_min.len() {
            turn = 0;
        }
        let taker = match below_min.get(turn) {
            Some(member) => *member,
            None => at_min.pop_front().expect("the quotas add up to all partitions"),
        };
        if revoked.contains(&partition) {
            transferred.insert(partition.clone());
        }
        let own = assignments.get_mut(taker).expect("every member has an entry");
        own.push(partition);
        if own.len() < min_quota {
            turn += 1;
        } else if own.len() == min_quota {
            below_min.remove(turn);
            at_min.push_back(taker);
        }
    }
    Outcome {
        assignments,
        transferred,
    }
}

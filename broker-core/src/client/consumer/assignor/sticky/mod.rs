//! `sticky` and `cooperative-sticky`: balanced first, and then as few partitions as possible change hands.
//!
//! If all members subscribe to the same topics the balance is a matter of two quotas ([`constrained`]); otherwise it is
//! approached by moving partitions one at a time ([`general`]).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Assignments, AssignorMember, NamedPartition, partitions, subscribed};
use crate::types::{GroupEpoch, MemberId, TopicName};

mod constrained;
mod general;

/// What a sticky assignor came to.
pub(super) struct Outcome {
    pub(super) assignments: Assignments,
    /// Partitions that one member is to give up and another to get.
    transferred: BTreeSet<NamedPartition>,
}

/// Deals out everything at once; members give up all they own before they learn what they get.
pub(super) fn assign(members: &[AssignorMember], topics: &BTreeMap<TopicName, u32>) -> Outcome {
    let topics = subscribed(members, topics);
    let claims = Claims::of(members, &topics);
    if alike(members) {
        return constrained::assign(&topics, &claims);
    }
    let assignments = general::assign(members, &topics, &claims);
    let transferred = transferred(members, &assignments);
    Outcome {
        assignments,
        transferred,
    }
}

/// Leaves out what still has to be released: its owner sees that it has lost it and joins again, and the next round
/// gives it to its new owner (KIP-429).
pub(super) fn assign_cooperatively(members: &[AssignorMember], topics: &BTreeMap<TopicName, u32>) -> Assignments {
    let Outcome {
        mut assignments,
        transferred,
    } = assign(members, topics);
    for own in assignments.values_mut() {
        own.retain(|partition| !transferred.contains(partition));
    }
    assignments
}

/// What the members own, once their words are made to agree.
struct Claims {
    owned: BTreeMap<MemberId, Vec<NamedPartition>>,
    /// Partitions that two members of the same generation claim: neither is believed.
    disputed: BTreeSet<NamedPartition>,
    /// Who claims a partition from an earlier generation than the newest, and from which.
    earlier: BTreeMap<NamedPartition, (GroupEpoch, MemberId)>,
}

impl Claims {
    /// A claim of a later generation beats one of an earlier; partitions that do not exist are not owned.
    fn of(members: &[AssignorMember], topics: &BTreeMap<&TopicName, u32>) -> Claims {
        let newest = members.iter().map(|member| member.generation).max();
        let mut best: BTreeMap<&NamedPartition, &AssignorMember> = BTreeMap::new();
        let mut disputed = BTreeSet::new();
        let mut earlier: BTreeMap<NamedPartition, (GroupEpoch, MemberId)> = BTreeMap::new();
        for member in members {
            for partition in &member.owned {
                let exists = topics
                    .get(&partition.0)
                    .is_some_and(|&count| (partition.1.0 as u32) < count);
                if !exists {
                    continue;
                }
                if Some(member.generation) < newest {
                    let claim = (member.generation, member.id.clone());
                    let known = earlier.entry(partition.clone()).or_insert_with(|| claim.clone());
                    *known = claim.max(known.clone());
                }
                match best.get(partition) {
                    Some(other) if other.id == member.id || other.generation > member.generation => {}
                    Some(other) if other.generation == member.generation => {
                        disputed.insert(partition.clone());
                    }
                    Some(_) => {
                        disputed.remove(partition);
                        best.insert(partition, member);
                    }
                    None => {
                        best.insert(partition, member);
                    }
                }
            }
        }
        let mut owned: BTreeMap<_, Vec<_>> = members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
        for (partition, member) in best {
            if !disputed.contains(partition) {
                owned.entry(member.id.clone()).or_default().push(partition.clone());
            }
        }
        Claims {
            owned,
            disputed,
            earlier,
        }
    }
}

/// Whether all members subscribe to the same topics.
fn alike(members: &[AssignorMember]) -> bool {
    let mut sets = members
        .iter()
        .map(|member| member.topics.iter().collect::<BTreeSet<_>>());
    let Some(first) = sets.next() else { return true };
    sets.all(|set| set == first)
}

/// What some member owns by its own word and is not to keep, while another is to get it.
fn transferred(members: &[AssignorMember], assignments: &Assignments) -> BTreeSet<NamedPartition> {
    let mut added = BTreeSet::new();
    let mut revoked = BTreeSet::new();
    for member in members {
        let owned: BTreeSet<_> = member.owned.iter().cloned().collect();
        let assigned: BTreeSet<_> = assignments[&member.id].iter().cloned().collect();
        added.extend(assigned.difference(&owned).cloned());
        revoked.extend(owned.difference(&assigned).cloned());
    }
    added.intersection(&revoked).cloned().collect()
}

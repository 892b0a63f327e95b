//! `uniform` when members subscribe to different topics.
//!
//! What members have and still subscribe to stays. The rest goes, topic by topic, to the subscriber with the fewest
//! partitions; topics with many partitions per subscriber come first, because they leave the least choice. Then, topic
//! by topic, partitions move from the subscriber with most to the one with fewest while that makes them more equal.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{Members, Target, exists, nothing, partitions};
use crate::types::{MemberId, TopicId, TopicPartition};

/// How often the topics are gone through. Members with overlapping subscriptions need more than one round, and each
/// about halves what is left to do (a constant of Kafka's `UniformHeterogeneousAssignmentBuilder`).
const MAX_ROUNDS: usize = 16;

pub(super) fn assign(members: &Members, topics: &BTreeMap<TopicId, u32>) -> Target {
    let mut balance = Balance::new(members, topics);
    balance.assign_rest();
    balance.even_out();
    let mut target = nothing(members);
    for (partition, owner) in balance.owners {
        target
            .get_mut(&balance.ids[owner])
            .expect("every member has an entry")
            .push(partition);
    }
    target
}

struct Balance {
    /// Members are indexes here, in the order of their ids.
    ids: Vec<MemberId>,
    /// The subscribed topics with their partition counts and subscribers, in the order in which they are gone through.
    topics: Vec<(TopicId, u32, Vec<usize>)>,
    owners: BTreeMap<TopicPartition, usize>,
    /// How many partitions each member has.
    counts: Vec<usize>,
}

impl Balance {
    fn new(members: &Members, topics: &BTreeMap<TopicId, u32>) -> Balance {
        let subscribers = |topic: TopicId| -> Vec<usize> {
            let all = members.values().enumerate();
            all.filter(|(_, member)| member.topics.contains(&topic))
                .map(|(at, _)| at)
                .collect()
        };
        let all = topics.iter().map(|(&topic, &count)| (topic, count, subscribers(topic)));
        let mut subscribed: Vec<_> = all.filter(|(_, _, subscribers)| !subscribers.is_empty()).collect();
        subscribed.sort_by(|(topic, count, subscribers), (other, other_count, other_subscribers)| {
            // Partitions per subscriber, compared as fractions.
            let here = u64::from(*count) * other_subscribers.len() as u64;
            let there = u64::from(*other_count) * subscribers.len() as u64;
            Reverse(here)
                .cmp(&Reverse(there))
                .then((subscribers.len(), topic).cmp(&(other_subscribers.len(), other)))
        });
        let mut owners = BTreeMap::new();
        let mut counts = Vec::new();
        for (at, member) in members.values().enumerate() {
            for &partition in &member.target {
                if member.topics.contains(&partition.topic) && exists(topics, partition) {
                    owners.entry(partition).or_insert(at);
                }
            }
            counts.push(0);
        }
        for &owner in owners.values() {
            counts[owner] += 1;
        }
        Balance {
            ids: members.keys().cloned().collect(),
            topics: subscribed,
            owners,
            counts,
        }
    }

    fn assign_rest(&mut self) {
        for (topic, count, subscribers) in &self.topics {
            for partition in partitions(*topic, *count) {
                if !self.owners.contains_key(&partition) {
                    let least = subscribers.iter().min_by_key(|&&member| (self.counts[member], member));
                    let least = *least.expect("the topic has subscribers");
                    self.owners.insert(partition, least);
                    self.counts[least] += 1;
                }
            }
        }
    }

    fn even_out(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let mut moved = false;
            for at in 0..self.topics.len() {
                while self.move_one(at) {
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Moves one partition of a topic from the subscriber that has most to the one that has fewest, if that has at
    /// least two fewer.
    fn move_one(&mut self, at: usize) -> bool {
        let (topic, count, subscribers) = &self.topics[at];
        let least = subscribers.iter().min_by_key(|&&member| (self.counts[member], member));
        let least = *least.expect("the topic has subscribers");
        let owned = partitions(*topic, *count).map(|partition| (self.owners[&partition], partition));
        // Of members with equally many, the last gives, and it gives its last partition.
        let Some((most, partition)) = owned.max_by_key(|&(owner, partition)| (self.counts[owner], owner, partition))
        else {
            return false;
        };
        if self.counts[most] < self.counts[least] + 2 {
            return false;
        }
        self.owners.insert(partition, least);
        self.counts[most] -= 1;
        self.counts[least] += 1;
        true
    }
}

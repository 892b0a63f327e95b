//! `uniform` when members subscribe to different topics.
//!
//! What members have and still subscribe to stays. The rest goes, topic by topic, to the subscriber with the fewest
//! partitions; topics with many partitions per subscriber come first, because they leave the least choice. Then, topic
//! by topic, partitions move from the subscriber with most to the one with fewest while that makes them more equal.
//! Among subscribers with equally many, the order that they had at the start of the topic's turn decides (Kafka
//! `UniformHeterogeneousAssignmentBuilder.MemberAssignmentBalancer`): who began with fewer gets first and gives last.

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
            let order = by_count(subscribers, &self.counts);
            for partition in partitions(*topic, *count) {
                if !self.owners.contains_key(&partition) {
                    let least = taker(&order, &self.counts);
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
                moved |= self.even_out_topic(at);
            }
            if !moved {
                return;
            }
        }
    }

    /// A topic's turn: moves its partitions from the subscriber that has most to the one that has fewest, while that
    /// has at least two fewer. Returns whether any moved.
    fn even_out_topic(&mut self, at: usize) -> bool {
        let (topic, count, subscribers) = &self.topics[at];
        let mut order = by_count(subscribers, &self.counts);
        let most = order.last().expect("the topic has subscribers");
        if self.counts[*most] < self.counts[order[0]] + 2 {
            return false;
        }
        // What each subscriber has of this topic as the turn begins, its last partition at the end.
        let mut own: BTreeMap<usize, Vec<TopicPartition>> = BTreeMap::new();
        for partition in partitions(*topic, *count) {
            own.entry(self.owners[&partition]).or_default().push(partition);
        }
        let mut moved = false;
        // Those from here on have nothing of the topic to give.
        let mut end = order.len();
        while let Some(place) = (0..end).max_by_key(|&place| (self.counts[order[place]], place)) {
            let giver = order[place];
            let Some(partition) = own.get_mut(&giver).and_then(Vec::pop) else {
                end -= 1;
                order.swap(place, end);
                continue;
            };
            let taker = taker(&order, &self.counts);
            if self.counts[giver] < self.counts[taker] + 2 {
                break;
            }
            self.owners.insert(partition, taker);
            self.counts[giver] -= 1;
            self.counts[taker] += 1;
            moved = true;
        }
        moved
    }
}

/// A topic's subscribers at the start of its turn: by what they have, then by id.
fn by_count(subscribers: &[usize], counts: &[usize]) -> Vec<usize> {
    let mut order = subscribers.to_vec();
    order.sort_by_key(|&member| (counts[member], member));
    order
}

/// Who gets the next partition: the first in the order of those that have fewest.
fn taker(order: &[usize], counts: &[usize]) -> usize {
    let first_with_fewest = order.iter().min_by_key(|&&member| counts[member]);
    *first_with_fewest.expect("the topic has subscribers")
}

//! The sticky assignment when members subscribe to different topics.
//!
//! What members own and may keep stays; the rest goes, partition by partition, to whoever has least. Then partitions
//! move, one at a time, from a member to one that has at least two fewer, until nothing moves any more. If that was not
//! worth it, it is undone.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Assignments, AssignorMember, Claims, NamedPartition, partitions};
use crate::types::{MemberId, TopicName};

pub(super) fn assign(members: &[AssignorMember], topics: &BTreeMap<&TopicName, u32>, claims: &Claims) -> Assignments {
    Balance::new(members, topics, claims).run()
}

/// A partition on its way to an owner. Members and topics are indexes here.
struct Slot {
    name: NamedPartition,
    topic: usize,
    owner: Option<usize>,
    /// Who owned it in an earlier generation, if that is still a subscriber.
    earlier: Option<usize>,
}

struct Balance {
    /// By id, so that an index decides ties as an id does.
    members: Vec<MemberId>,
    /// The topics of each member.
    topics_of: Vec<Vec<usize>>,
    /// The subscribers of each topic, in their order.
    subscribers: Vec<Vec<usize>>,
    /// Those with the fewest possible owners come first.
    slots: Vec<Slot>,
    /// How many partitions each member has.
    counts: Vec<usize>,
    /// How many it could have.
    most: Vec<usize>,
    /// Members whose partitions can change at all.
    takes_part: Vec<bool>,
    movements: Movements,
}

impl Balance {
    fn new(members: &[AssignorMember], topics: &BTreeMap<&TopicName, u32>, claims: &Claims) -> Balance {
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_by_key(|member| &member.id);
        let subscribers_of = |topic: &TopicName| {
            let all = sorted.iter().enumerate();
            all.filter(|(_, member)| member.topics.contains(topic))
                .map(|(at, _)| at)
                .collect::<Vec<usize>>()
        };
        let mut ordered: Vec<_> = topics
            .iter()
            .map(|(&topic, &count)| (subscribers_of(topic), topic, count))
            .collect();
        ordered.sort_by_key(|(subscribers, topic, _)| (subscribers.len(), *topic));

        let index_of = |id: &MemberId| sorted.binary_search_by_key(&id, |member| &member.id).ok();
        let mut owner_of = BTreeMap::new();
        for (member, owned) in &claims.owned {
            owner_of.extend(owned.iter().map(|partition| (partition, index_of(member))));
        }
        let mut balance = Balance {
            members: sorted.iter().map(|member| member.id.clone()).collect(),
            topics_of: sorted.iter().map(|_| Vec::new()).collect(),
            subscribers: Vec::new(),
            slots: Vec::new(),
            counts: sorted.iter().map(|_| 0).collect(),
            most: sorted.iter().map(|_| 0).collect(),
            takes_part: sorted.iter().map(|_| true).collect(),
            movements: Movements::default(),
        };
        for (at, (subscribers, topic, count)) in ordered.into_iter().enumerate() {
            for &member in &subscribers {
                balance.topics_of[member].push(at);
                balance.most[member] += count as usize;
            }
            for name in partitions(topic, count) {
                let earlier = claims.earlier.get(&name).and_then(|(_, member)| index_of(member));
                balance.slots.push(Slot {
                    owner: owner_of.get(&name).copied().flatten(),
                    earlier: earlier.filter(|member| subscribers.contains(member)),
                    topic: at,
                    name,
                });
            }
            balance.subscribers.push(subscribers);
        }
        balance
    }

    fn run(mut self) -> Assignments {
        // An owner that does not subscribe any more loses the partition.
        let mut revoked = false;
        for slot in &mut self.slots {
            if slot
                .owner
                .is_some_and(|owner| !self.subscribers[slot.topic].contains(&owner))
            {
                slot.owner = None;
                revoked = true;
            }
            if let Some(owner) = slot.owner {
                self.counts[owner] += 1;
            }
        }
        let from_nothing = self.counts.iter().all(|&count| count == 0);
        let mut unassigned = Vec::new();
        for at in 0..self.slots.len() {
            if self.slots[at].owner.is_none() {
                unassigned.push(at);
                let least = self.least_loaded(self.slots[at].topic);
                self.slots[at].owner = Some(least);
                self.counts[least] += 1;
            }
        }
        self.takes_part = (0..self.members.len()).map(|member| self.can_change(member)).collect();

        let movable = |balance: &Balance, at: usize| balance.subscribers[balance.slots[at].topic].len() >= 2;
        let new: Vec<usize> = unassigned.into_iter().filter(|&at| movable(&self, at)).collect();
        let all: Vec<usize> = (0..self.slots.len()).filter(|&at| movable(&self, at)).collect();
        let before: Vec<Option<usize>> = self.slots.iter().map(|slot| slot.owner).collect();
        let score_before = self.score();
        if !revoked {
            // New partitions belong to nobody yet, so moving them costs nothing.
            self.reassign(&new);
        }
        let moved = self.reassign(&all);
        if moved && !from_nothing && self.score() >= score_before {
            for (slot, owner) in self.slots.iter_mut().zip(before) {
                slot.owner = owner;
            }
        }

        let mut assignments: Assignments = self.members.iter().map(|member| (member.clone(), Vec::new())).collect();
        for slot in self.slots {
            let owner = slot.owner.expect("a subscribed topic has a subscriber");
            assignments
                .get_mut(&self.members[owner])
                .expect("every member has an entry")
                .push(slot.name);
        }
        assignments
    }

    /// The subscriber with the fewest partitions, the first by id among equals.
    fn least_loaded(&self, topic: usize) -> usize {
        let taking_part = self.subscribers[topic]
            .iter()
            .filter(|&&member| self.takes_part[member]);
        *taking_part
            .min_by_key(|&&member| (self.counts[member], member))
            .expect("a subscribed topic has a subscriber")
    }

    /// Whether this member could get a partition more, or has one that another could have.
    fn can_change(&self, member: usize) -> bool {
        let own = |slot: &&Slot| slot.owner == Some(member);
        self.counts[member] < self.most[member]
            || self
                .slots
                .iter()
                .filter(own)
                .any(|slot| self.subscribers[slot.topic].len() >= 2)
    }

    /// The sum of the differences of all pairs; 0 is perfect balance.
    fn score(&self) -> usize {
        let counts: Vec<usize> = self.taking_part().map(|member| self.counts[member]).collect();
        let pairs = counts
            .iter()
            .enumerate()
            .flat_map(|(at, one)| counts[at + 1..].iter().map(move |other| (one, other)));
        pairs.map(|(one, other)| one.abs_diff(*other)).sum()
    }

    fn taking_part(&self) -> impl Iterator<Item = usize> {
        (0..self.members.len()).filter(|&member| self.takes_part[member])
    }

    /// Whether nobody can get a partition of a member that has more.
    fn is_balanced(&self) -> bool {
        let counts = || self.taking_part().map(|member| self.counts[member]);
        if counts().max() <= counts().min().map(|least| least + 1) {
            return true;
        }
        let mut largest_owner = alloc::vec![0; self.subscribers.len()];
        for slot in &self.slots {
            let held = slot.owner.map_or(0, |owner| self.counts[owner]);
            largest_owner[slot.topic] = held.max(largest_owner[slot.topic]);
        }
        self.taking_part().all(|member| {
            let count = self.counts[member];
            count == self.most[member]
                || self.topics_of[member]
                    .iter()
                    .all(|&topic| largest_owner[topic] <= count)
        })
    }

    /// Moves `partitions` until nothing moves any more; says whether anything did. Each move makes the sum of the
    /// squares of all counts smaller, so that there is an end.
    fn reassign(&mut self, partitions: &[usize]) -> bool {
        let mut moved = false;
        loop {
            let mut again = false;
            for &at in partitions {
                if self.is_balanced() {
                    break;
                }
                let slot = &self.slots[at];
                let owner = slot.owner.expect("everything is assigned by now");
                let smaller = |member: usize| self.counts[owner] > self.counts[member] + 1;
                let earlier = slot.earlier.filter(|&member| smaller(member));
                let least = self.least_loaded(slot.topic);
                if let Some(taker) = earlier.or(Some(least).filter(|&member| smaller(member))) {
                    self.give(at, owner, taker);
                    again = true;
                }
            }
            moved |= again;
            if !again {
                return moved;
            }
        }
    }

    fn give(&mut self, at: usize, owner: usize, taker: usize) {
        let at = self
            .movements
            .instead_of(at, self.slots[at].topic, owner, taker, &self.slots);
        self.movements.add(at, self.slots[at].topic, owner, taker);
        self.slots[at].owner = Some(taker);
        self.counts[owner] -= 1;
        self.counts[taker] += 1;
    }
}

/// Which partitions moved from whom to whom, so that partitions of a topic do not go back and forth between two members:
/// rather than another one going back, the one that came returns.
#[derive(Default)]
struct Movements {
    of: BTreeMap<usize, (usize, usize)>,
    /// By topic, giver and taker.
    along: BTreeMap<(usize, usize, usize), BTreeSet<usize>>,
}

impl Movements {
    /// The partition to move from `owner` to `taker` in place of `at`.
    fn instead_of(&self, at: usize, topic: usize, owner: usize, taker: usize, slots: &[Slot]) -> usize {
        let giver = self.of.get(&at).map_or(owner, |&(giver, _)| giver);
        let came = self.along.get(&(topic, taker, giver));
        let came = came.and_then(|came| came.iter().find(|&&other| slots[other].owner == Some(owner)));
        came.copied().unwrap_or(at)
    }

    fn add(&mut self, at: usize, topic: usize, owner: usize, taker: usize) {
        let mut giver = owner;
        if let Some((first, last)) = self.of.remove(&at) {
            if let Some(came) = self.along.get_mut(&(topic, first, last)) {
                came.remove(&at);
            }
            giver = first;
        }
        if giver != taker {
            self.of.insert(at, (giver, taker));
            self.along.entry((topic, giver, taker)).or_default().insert(at);
        }
    }
}

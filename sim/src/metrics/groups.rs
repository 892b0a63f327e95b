//! What consumer groups do, for the plots: work, lag of committed positions, owners, rebalances.

use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::trace::{self, Event};
use broker_core::types::{GroupEpoch, GroupId, MemberId, NodeId, TopicPartition};
use reports::record::{GroupSeries, GroupTotals, OwnerBand, PartitionLag};

use super::progress::{Position, Progress, Steps, lag};
use super::{Counts, PartitionName};
use crate::history::{ProcessOutcome, SimTime};

/// At most so many rebalances of a group, and so many bands of owners, are kept. With more bands the shortest go.
const KEPT: usize = 2_000;
/// The first bands to go are shorter than this.
const SHORT: Duration = Duration::from_millis(100);

/// Every consumer group that ever said anything.
#[derive(Default)]
pub(super) struct Groups {
    groups: BTreeMap<GroupId, Gathered>,
    /// The group that each member's node is in.
    of_node: BTreeMap<NodeId, GroupId>,
}

#[derive(Default)]
struct Gathered {
    processed: Counts,
    retried: Counts,
    given_up: Counts,
    totals: GroupTotals,
    epoch: Option<GroupEpoch>,
    rebalances: Vec<SimTime>,
    committed: BTreeMap<TopicPartition, Position>,
    /// Where members first began to read.
    begins: BTreeMap<TopicPartition, i64>,
    owning: BTreeMap<(TopicPartition, NodeId), SimTime>,
    owned: Vec<Owned>,
    /// Shorter bands are not kept.
    least: Duration,
    /// Its members, and whether they may own anything.
    members: BTreeMap<MemberId, bool>,
}

struct Owned {
    partition: TopicPartition,
    node: NodeId,
    from: SimTime,
    to: SimTime,
}

impl Owned {
    fn lasted(&self) -> Duration {
        Duration::from_nanos(self.to.0.saturating_sub(self.from.0))
    }
}

impl Groups {
    /// A fact in this bucket.
    pub fn fact(&mut self, time: SimTime, bucket: usize, node: NodeId, event: &Event) {
        match event {
            Event::GroupChanged(trace::GroupChanged { group, epoch, .. }) => {
                let group = self.groups.entry(group.clone()).or_default();
                if group.epoch.replace(*epoch) != Some(*epoch) {
                    group.totals.rebalances += 1;
                    if group.rebalances.len() < KEPT {
                        group.rebalances.push(time);
                    }
                }
            }
            Event::MemberChanged(trace::MemberChanged {
                group,
                member,
                assigned,
                ..
            }) => {
                let group = self.groups.entry(group.clone()).or_default();
                group.members.insert(member.clone(), !assigned.is_empty());
            }
            Event::MemberRemoved(trace::MemberRemoved { group, member, .. }) => {
                self.groups.entry(group.clone()).or_default().members.remove(member);
            }
            Event::OffsetCommitted(trace::OffsetCommitted {
                group,
                partition,
                offset,
                ..
            }) => {
                let group = self.groups.entry(group.clone()).or_default();
                let begin = group.begins.get(partition).copied().unwrap_or(offset.0);
                let begin = || Position {
                    begin,
                    steps: Steps::default(),
                };
                let position = group.committed.entry(*partition).or_insert_with(begin);
                position.steps.set(bucket, offset.0);
            }
            Event::PositionReset(trace::PositionReset { partition, to, .. }) => {
                let Some(id) = self.of_node.get(&node) else { return };
                if let Some(group) = self.groups.get_mut(id) {
                    group.begins.entry(*partition).or_insert(to.0);
                }
            }
            Event::PartitionsAssigned(trace::PartitionsAssigned { group, partitions, .. }) => {
                self.of_node.insert(node, group.clone());
                let group = self.groups.entry(group.clone()).or_default();
                for partition in partitions {
                    group.owning.entry((*partition, node)).or_insert(time);
                }
            }
            Event::PartitionsRevoked(trace::PartitionsRevoked { group, partitions, .. })
            | Event::PartitionsLost(trace::PartitionsLost { group, partitions, .. }) => {
                let group = self.groups.entry(group.clone()).or_default();
                for partition in partitions {
                    group.release(time, *partition, node);
                }
            }
            _ => {}
        }
    }

    /// Work on a record ended.
    pub fn ended(&mut self, bucket: usize, group: &GroupId, outcome: ProcessOutcome) {
        if !self.groups.contains_key(group) {
            self.groups.insert(group.clone(), Gathered::default());
        }
        let group = self.groups.get_mut(group).expect("it was just put there");
        let (counts, total) = match outcome {
            ProcessOutcome::WillRetry => return,
            ProcessOutcome::Processed => (&mut group.processed, &mut group.totals.processed),
            ProcessOutcome::Retried(_) => (&mut group.retried, &mut group.totals.retried),
            ProcessOutcome::DeadLettered(_) => (&mut group.given_up, &mut group.totals.dead_lettered),
            ProcessOutcome::Skipped => (&mut group.given_up, &mut group.totals.skipped),
        };
        counts.add(bucket, 1);
        *total += 1;
    }

    /// A process ended: it owns nothing any more.
    pub fn died(&mut self, time: SimTime, node: NodeId) {
        let Some(id) = self.of_node.remove(&node) else { return };
        let Some(group) = self.groups.get_mut(&id) else { return };
        let owned: Vec<TopicPartition> = group
            .owning
            .keys()
            .filter(|(_, by)| *by == node)
            .map(|(of, _)| *of)
            .collect();
        for partition in owned {
            group.release(time, partition, node);
        }
    }

    /// Two buckets become one.
    pub fn halve(&mut self) {
        for group in self.groups.values_mut() {
            for counts in [&mut group.processed, &mut group.retried, &mut group.given_up] {
                counts.halve();
            }
            group.committed.values_mut().for_each(|position| position.steps.halve());
        }
    }

    /// The series of all groups. `committed` is what the partitions have, and names are those of people.
    pub fn finish(
        self,
        end: SimTime,
        buckets: usize,
        bucket_seconds: f64,
        committed: &BTreeMap<TopicPartition, Progress>,
        name: impl Fn(TopicPartition) -> PartitionName,
        owner: impl Fn(NodeId) -> String,
    ) -> Vec<GroupSeries> {
        let series = |(id, mut group): (GroupId, Gathered)| {
            let owning: Vec<(TopicPartition, NodeId)> = group.owning.keys().copied().collect();
            for (partition, node) in owning {
                group.release(end, partition, node);
            }
            // What is owned and never committed is behind as well.
            for owned in &group.owned {
                let begin = group.begins.get(&owned.partition).copied().unwrap_or(0);
                group.committed.entry(owned.partition).or_insert_with(|| Position {
                    begin,
                    steps: Steps::default(),
                });
            }
            group
                .owned
                .sort_by_key(|owned| (owned.from, name(owned.partition), owned.node));
            let named = group.committed.iter();
            let named: BTreeMap<_, _> = named
                .map(|(partition, position)| (name(*partition), (partition, position)))
                .collect();
            let lags = named.into_iter().map(|(name, (partition, position))| PartitionLag {
                partition: name.to_string(),
                records: lag(committed.get(partition), position, buckets),
            });
            let bands = group.owned.iter().map(|owned| OwnerBand {
                partition: name(owned.partition).to_string(),
                owner: owner(owned.node),
                from: owned.from.seconds(),
                to: owned.to.seconds(),
            });
            GroupSeries {
                group: id.to_string(),
                lag: lags.collect(),
                owners: bands.collect(),
                totals: group.totals,
                processed: group.processed.rates(buckets, bucket_seconds),
                retried: group.retried.rates(buckets, bucket_seconds),
                dead_lettered: group.given_up.rates(buckets, bucket_seconds),
                rebalances: group.rebalances.iter().map(|time| time.seconds()).collect(),
                owners_from: group.least.as_secs_f64(),
                idle: group.members.values().filter(|owns| !**owns).count() as u64,
            }
        };
        self.groups.into_iter().map(series).collect()
    }
}

impl Gathered {
    fn release(&mut self, time: SimTime, partition: TopicPartition, node: NodeId) {
        let Some(from) = self.owning.remove(&(partition, node)) else {
            return;
        };
        let owned = Owned {
            partition,
            node,
            from,
            to: time,
        };
        if owned.lasted() >= self.least {
            self.owned.push(owned);
        }
        while self.owned.len() > KEPT {
            self.least = (self.least * 2).max(SHORT);
            let least = self.least;
            self.owned.retain(|owned| owned.lasted() >= least);
        }
    }
}

#[cfg(test)]
mod tests {
    use broker_core::types::TopicId;

    use super::*;

    /// Partitions change hands every 50 ms, except one that stays, and one that is taken at the end.
    #[test]
    fn of_many_bands_the_shortest_are_left_out() {
        let partition = |index| TopicPartition::new(TopicId(100), index);
        let at = |ms: u64| SimTime(ms * 1_000_000);
        let mut group = Gathered::default();
        group.owning.insert((partition(0), NodeId(1)), at(0));
        for turn in 0..3_000_u64 {
            let of = partition(1 + (turn % 5) as i32);
            group.owning.insert((of, NodeId(2)), at(turn * 50));
            let length = if turn % 10 == 0 { 500 } else { 50 };
            group.release(at(turn * 50 + length), of, NodeId(2));
        }
        group.release(at(150_000), partition(0), NodeId(1));
        group.owning.insert((partition(9), NodeId(3)), at(150_000));
        group.release(at(160_000), partition(9), NodeId(3));
        assert_eq!(group.least, SHORT);
        assert_eq!(group.owned.len(), 302, "the 300 that lasted, and two more");
        assert_eq!(
            group.owned.last().map(|owned| owned.to),
            Some(at(160_000)),
            "to the end"
        );
    }
}

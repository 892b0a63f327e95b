//! The positions of groups: stored by OffsetCommit, read by OffsetFetch, and gone when nobody has used them for long.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::{GroupRecord, Topics};
use crate::protocol::{ErrorCode, OffsetAndMetadata, OffsetCommitRequest};
use crate::types::{GroupId, Timestamp, TopicPartition};

type OfGroup = BTreeMap<TopicPartition, (OffsetAndMetadata, Timestamp)>;

/// The positions that one partition of the offsets topic holds. They change only by [`Offsets::replay`].
#[derive(Default, PartialEq, Debug)]
pub(super) struct Offsets {
    by_group: BTreeMap<GroupId, OfGroup>,
}

/// Which positions of a commit can be stored.
pub(super) struct Checked {
    /// One for each position that can.
    pub records: Vec<GroupRecord>,
    /// One answer for each partition of the request.
    pub answers: Vec<(TopicPartition, ErrorCode)>,
}

impl Offsets {
    /// Takes over a record of the log; only commits are of interest.
    pub fn replay(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::OffsetCommit {
                group,
                partition,
                value: Some(committed),
            } => {
                let of_group = self.by_group.entry(group.clone()).or_default();
                of_group.insert(*partition, committed.clone());
            }
            GroupRecord::OffsetCommit {
                group,
                partition,
                value: None,
            } => {
                if let Some(of_group) = self.by_group.get_mut(group) {
                    of_group.remove(partition);
                    if of_group.is_empty() {
                        self.by_group.remove(group);
                    }
                }
            }
            _ => {}
        }
    }

    /// Checks a commit position by position; its committer has been looked at before.
    pub fn check(request: &OffsetCommitRequest, topics: &dyn Topics, now: Timestamp, max_metadata: usize) -> Checked {
        let mut checked = Checked {
            records: Vec::new(),
            answers: Vec::new(),
        };
        for (partition, position) in &request.partitions {
            let error = if position.metadata.len() > max_metadata {
                ErrorCode::OffsetMetadataTooLarge
            } else if topics.name(partition.topic).is_none() {
                ErrorCode::UnknownTopicOrPartition
            } else {
                checked.records.push(GroupRecord::OffsetCommit {
                    group: request.group.clone(),
                    partition: *partition,
                    value: Some((position.clone(), now)),
                });
                ErrorCode::None
            };
            checked.answers.push((*partition, error));
        }
        checked
    }

    /// The positions of a group: of the listed partitions, or all that there are.
    pub fn fetch(
        &self,
        group: &GroupId,
        listed: Option<&[TopicPartition]>,
    ) -> Vec<(TopicPartition, Option<OffsetAndMetadata>)> {
        let of_group = self.by_group.get(group);
        match listed {
            Some(listed) => {
                let position = |partition| Some(of_group?.get(partition)?.0.clone());
                listed
                    .iter()
                    .map(|partition| (*partition, position(partition)))
                    .collect()
            }
            None => {
                let all = of_group.into_iter().flatten();
                all.map(|(partition, (position, _))| (*partition, Some(position.clone())))
                    .collect()
            }
        }
    }

    /// The positions that have been of no use for `retention`, group by group. `unused_since` says from when on that
    /// time counts, if it does (KIP-211).
    pub fn expired(
        &self,
        now: Timestamp,
        retention: Duration,
        unused_since: impl Fn(&GroupId, TopicPartition, Timestamp) -> Option<Timestamp>,
    ) -> Vec<(GroupId, Vec<TopicPartition>)> {
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let is_old = |since: Timestamp| since.0.saturating_add(retention) <= now.0;
        let mut expired = Vec::new();
        for (group, of_group) in &self.by_group {
            let old = of_group
                .iter()
                .filter(|(partition, (_, committed))| unused_since(group, **partition, *committed).is_some_and(is_old));
            let old: Vec<TopicPartition> = old.map(|(partition, _)| *partition).collect();
            if !old.is_empty() {
                expired.push((group.clone(), old));
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::types::{Offset, TopicId};

    const GROUP: &str = "workers";

    fn partition(index: i32) -> TopicPartition {
        TopicPartition::new(TopicId(101), index)
    }

    fn commit(index: i32, value: Option<(i64, i64)>) -> GroupRecord {
        GroupRecord::OffsetCommit {
            group: GroupId::from(GROUP),
            partition: partition(index),
            value: value.map(|(offset, at)| (OffsetAndMetadata::at(Offset(offset)), Timestamp(at))),
        }
    }

    #[test]
    fn tombstones_leave_nothing_behind() {
        let mut offsets = Offsets::default();
        offsets.replay(&commit(0, Some((1, 0))));
        offsets.replay(&commit(1, Some((2, 0))));
        offsets.replay(&commit(0, None));
        offsets.replay(&commit(7, None));
        assert_ne!(offsets, Offsets::default());
        offsets.replay(&commit(1, None));
        assert_eq!(offsets, Offsets::default());
    }

    /// Committed at 1000 and 2000, kept for 500; since when the group has not used them is the groups' word.
    #[test]
    fn positions_expire_when_nobody_has_used_them_for_long() {
        type UnusedSince = fn(i32, i64) -> Option<i64>;
        let rows: [(&str, i64, UnusedSince, Vec<i32>); 7] = [
            ("too early", 1499, |_, committed| Some(committed), vec![]),
            ("the first", 1500, |_, committed| Some(committed), vec![0]),
            ("the first still", 2499, |_, committed| Some(committed), vec![0]),
            ("both", 2500, |_, committed| Some(committed), vec![0, 1]),
            ("in use", i64::MAX, |_, _| None, vec![]),
            (
                "empty since later",
                3000,
                |_, committed| Some(committed.max(2501)),
                vec![],
            ),
            (
                "one is subscribed to",
                9000,
                |index, at| (index == 1).then_some(at),
                vec![1],
            ),
        ];
        for (row, now, unused_since, expected) in rows {
            let mut offsets = Offsets::default();
            offsets.replay(&commit(0, Some((1, 1000))));
            offsets.replay(&commit(1, Some((2, 2000))));
            let retention = Duration::from_millis(500);
            let expired = offsets.expired(Timestamp(now), retention, |group, partition, committed| {
                assert_eq!(&*group.0, GROUP);
                unused_since(partition.partition.0, committed.0).map(Timestamp)
            });
            let expired: Vec<TopicPartition> = expired.into_iter().flat_map(|(_, partitions)| partitions).collect();
            let expected: Vec<TopicPartition> = expected.into_iter().map(partition).collect();
            assert_eq!(expired, expected, "{row}");
        }
    }

    #[test]
    fn nothing_expires_that_is_kept_for_ever() {
        let mut offsets = Offsets::default();
        offsets.replay(&commit(0, Some((1, 1000))));
        let expired = offsets.expired(Timestamp(i64::MAX - 1), Duration::MAX, |_, _, committed| {
            Some(committed)
        });
        assert!(expired.is_empty());
    }
}

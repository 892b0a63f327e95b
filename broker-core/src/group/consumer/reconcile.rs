//! One step of a member towards its target assignment (Kafka `CurrentAssignmentBuilder`).
//!
//! ```text
//! Stable ─target drops partitions─▶ UnrevokedPartitions ─member has released them─▶ Stable
//!   │                                                                              ▲  │
//!   └─target adds partitions that others still own─▶ UnreleasedPartitions ─free────┘◀─┘
//! ```
//! A member gives before it gets: it stays in its epoch until it has released what it is to lose. What it is to get it
//! gets as it becomes free, in the epoch of the target.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::group::records::{MemberState, StoredCurrentAssignment};
use crate::types::{GroupEpoch, TopicPartition};

/// Where a member is to go, and what is known about the way.
pub(super) struct Reconciliation<'a> {
    /// The epoch of the target assignment.
    pub(super) target_epoch: GroupEpoch,
    /// What the member is to own.
    pub(super) target: &'a [TopicPartition],
    /// What the member says it owns; none if it says nothing.
    pub(super) owned: Option<&'a [TopicPartition]>,
    /// Whether another member owns this partition, or has still to release it.
    pub(super) taken: &'a dyn Fn(TopicPartition) -> bool,
}

impl Reconciliation<'_> {
    /// Where the member stands now; the same as before if it cannot go on.
    pub(super) fn next(&self, current: &StoredCurrentAssignment) -> StoredCurrentAssignment {
        match current.state {
            MemberState::Stable if current.epoch == self.target_epoch => current.clone(),
            MemberState::Stable | MemberState::UnreleasedPartitions => self.advance(current, current.epoch),
            MemberState::UnrevokedPartitions if self.still_owns(&current.revoking) => current.clone(),
            // It has released everything, so it has reached the next epoch, whatever the target is by now.
            MemberState::UnrevokedPartitions => self.advance(current, current.epoch.next()),
        }
    }

    fn still_owns(&self, revoking: &[TopicPartition]) -> bool {
        self.owned
            .is_none_or(|owned| owned.iter().any(|partition| revoking.contains(partition)))
    }

    fn advance(&self, current: &StoredCurrentAssignment, epoch: GroupEpoch) -> StoredCurrentAssignment {
        let target: BTreeSet<TopicPartition> = self.target.iter().copied().collect();
        let (mut assigned, revoking): (Vec<_>, Vec<_>) = current
            .assigned
            .iter()
            .copied()
            .partition(|partition| target.contains(partition));
        if !revoking.is_empty() && self.still_owns(&revoking) {
            return step(current, epoch, MemberState::UnrevokedPartitions, assigned, revoking);
        }
        let missing = target.iter().copied().filter(|partition| !assigned.contains(partition));
        let (taken, free): (Vec<_>, Vec<_>) = missing.partition(|partition| (self.taken)(*partition));
        assigned.extend(free);
        assigned.sort();
        let state = if taken.is_empty() {
            MemberState::Stable
        } else {
            MemberState::UnreleasedPartitions
        };
        step(current, self.target_epoch, state, assigned, Vec::new())
    }
}

fn step(
    current: &StoredCurrentAssignment,
    epoch: GroupEpoch,
    state: MemberState,
    assigned: Vec<TopicPartition>,
    revoking: Vec<TopicPartition>,
) -> StoredCurrentAssignment {
    let previous_epoch = if epoch == current.epoch {
        current.previous_epoch
    } else {
        current.epoch
    };
    StoredCurrentAssignment {
        epoch,
        previous_epoch,
        state,
        assigned,
        revoking,
    }
}

#[cfg(test)]
mod tests {
    use MemberState::{Stable, UnreleasedPartitions as Unreleased, UnrevokedPartitions as Unrevoked};

    use super::*;
    use crate::types::TopicId;

    /// Partitions of the topics 1 and 2.
    fn partitions(first: &[i32], second: &[i32]) -> Vec<TopicPartition> {
        let of = |topic: u128, all: &[i32]| -> Vec<TopicPartition> {
            all.iter()
                .map(|&index| TopicPartition::new(TopicId(topic), index))
                .collect()
        };
        [of(1, first), of(2, second)].concat()
    }

    /// A state, an epoch, what is assigned and what is being revoked, of both topics.
    type Standing<'a> = (MemberState, i32, (&'a [i32], &'a [i32]), (&'a [i32], &'a [i32]));

    fn current((state, epoch, assigned, revoking): Standing<'_>) -> StoredCurrentAssignment {
        StoredCurrentAssignment {
            epoch: GroupEpoch(epoch),
            previous_epoch: GroupEpoch(epoch - 1),
            state,
            assigned: partitions(assigned.0, assigned.1),
            revoking: partitions(revoking.0, revoking.1),
        }
    }

    /// The rows of Kafka's `CurrentAssignmentBuilderTest`. Its row 14, a state of a later version that this one does
    /// not know, has no counterpart: a record with such a state cannot be read.
    #[test]
    fn steps() {
        const NONE: (&[i32], &[i32]) = (&[], &[]);
        const ALL: (&[i32], &[i32]) = (&[1, 2, 3], &[4, 5, 6]);
        const LESS: (&[i32], &[i32]) = (&[2, 3], &[5, 6]);
        const GONE: (&[i32], &[i32]) = (&[1], &[4]);
        const MORE: (&[i32], &[i32]) = (&[1, 2, 3, 4], &[4, 5, 6, 7]);
        const OTHER: (&[i32], &[i32]) = (&[2, 3, 4], &[5, 6, 7]);
        const NEW: (&[i32], &[i32]) = (&[4], &[7]);
        const FEW: (&[i32], &[i32]) = (&[3], &[6]);
        let stable: Standing<'_> = (Stable, 10, ALL, NONE);
        let unrevoked: Standing<'_> = (Unrevoked, 10, LESS, GONE);
        let unreleased: Standing<'_> = (Unreleased, 11, LESS, NONE);
        for (row, from, (epoch, target), taken, owned, expected) in [
            ("1", stable, (11, ALL), NONE, None, (Stable, 11, ALL, NONE)),
            ("2", stable, (11, MORE), NONE, None, (Stable, 11, MORE, NONE)),
            ("3", stable, (11, OTHER), NONE, None, (Unrevoked, 10, LESS, GONE)),
            ("4", stable, (11, MORE), NEW, None, (Unreleased, 11, ALL, NONE)),
            (
                "5",
                stable,
                (11, (&[1, 2, 3], &[4, 5, 7])),
                (&[], &[7]),
                Some(NONE),
                (Unreleased, 11, (&[1, 2, 3], &[4, 5]), NONE),
            ),
            ("6", unrevoked, (11, LESS), NONE, Some(LESS), (Stable, 11, LESS, NONE)),
            ("7, no owned list", unrevoked, (12, FEW), NONE, None, unrevoked),
            (
                "7, one is still owned",
                unrevoked,
                (12, FEW),
                NONE,
                Some((&[1, 2, 3], &[5, 6])),
                unrevoked,
            ),
            (
                "8",
                unrevoked,
                (12, FEW),
                NONE,
                Some(LESS),
                (Unrevoked, 11, FEW, (&[2], &[5])),
            ),
            (
                "9",
                (Unrevoked, 11, LESS, NONE),
                (11, OTHER),
                NEW,
                Some(LESS),
                (Unreleased, 11, LESS, NONE),
            ),
            ("10", unreleased, (12, LESS), NONE, None, (Stable, 12, LESS, NONE)),
            ("11", unreleased, (11, OTHER), NONE, None, (Stable, 11, OTHER, NONE)),
            ("12", unreleased, (11, OTHER), NEW, None, unreleased),
            (
                "12, half of it free",
                unreleased,
                (11, OTHER),
                (&[4], &[]),
                None,
                (Unreleased, 11, (&[2, 3], &[5, 6, 7]), NONE),
            ),
            (
                "13",
                unreleased,
                (12, FEW),
                NONE,
                None,
                (Unrevoked, 11, FEW, (&[2], &[5])),
            ),
        ] {
            let taken = partitions(taken.0, taken.1);
            let owned = owned.map(|(first, second): (&[i32], &[i32])| partitions(first, second));
            let reconciliation = Reconciliation {
                target_epoch: GroupEpoch(epoch),
                target: &partitions(target.0, target.1),
                owned: owned.as_deref(),
                taken: &|partition| taken.contains(&partition),
            };
            let before = current(from);
            let after = reconciliation.next(&before);
            let previous = if after.epoch == before.epoch {
                before.previous_epoch
            } else {
                before.epoch
            };
            let expected = StoredCurrentAssignment {
                previous_epoch: previous,
                ..current(expected)
            };
            assert_eq!(after, expected, "row {row}");
        }
    }
}

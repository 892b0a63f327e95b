//! Sets of the replicas of one partition.

/// Some replicas of one partition, by their place in [`Partition::replicas`](super::model::Partition::replicas).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ReplicaSet(u64);

impl ReplicaSet {
    /// Adds one.
    pub fn insert(&mut self, slot: usize) {
        assert!(
            slot < 64,
            "a partition has at most 64 replicas over its life, not {slot}"
        );
        self.0 |= 1 << slot;
    }

    /// Whether it is among them.
    pub fn contains(self, slot: usize) -> bool {
        slot < 64 && self.0 & 1 << slot != 0
    }

    /// How many.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Those that are not among `others`.
    pub fn without(self, others: ReplicaSet) -> ReplicaSet {
        ReplicaSet(self.0 & !others.0)
    }

    /// All, in order of their places.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let slot = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(slot)
        })
    }
}

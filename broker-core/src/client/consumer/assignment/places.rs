//! The partitions by their places, and which of them have to be looked at: those that changed, or wait for something. The
//! others are fetched, or stand still, and cost nothing.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};
use core::slice;

use super::Assigned;

/// Partitions by their places.
#[derive(Default)]
pub(super) struct Places {
    all: Vec<Assigned>,
    unsettled: BTreeSet<usize>,
}

impl Places {
    /// All, by their places.
    pub fn iter(&self) -> slice::Iter<'_, Assigned> {
        self.all.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// One more.
    pub fn push(&mut self, partition: Assigned) {
        self.unsettled.insert(self.all.len());
        self.all.push(partition);
    }

    /// The places of those that changed since they were [settled](Places::settle), ascending.
    pub fn unsettled(&self) -> impl Iterator<Item = usize> {
        self.unsettled.iter().copied()
    }

    /// Nothing is to be done about a partition until it changes.
    pub fn settle(&mut self, place: usize) {
        self.unsettled.remove(&place);
    }
}

impl From<Vec<Assigned>> for Places {
    fn from(all: Vec<Assigned>) -> Places {
        let unsettled = (0..all.len()).collect();
        Places { all, unsettled }
    }
}

impl IntoIterator for Places {
    type Item = Assigned;
    type IntoIter = alloc::vec::IntoIter<Assigned>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.into_iter()
    }
}

impl Index<usize> for Places {
    type Output = Assigned;

    fn index(&self, place: usize) -> &Assigned {
        &self.all[place]
    }
}

impl IndexMut<usize> for Places {
    /// Whoever may change a partition makes it one to be looked at.
    fn index_mut(&mut self, place: usize) -> &mut Assigned {
        self.unsettled.insert(place);
        &mut self.all[place]
    }
}

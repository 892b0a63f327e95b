//! From a record's name to its place in a list, in a few nanoseconds and the same on every machine.

use crate::history::Uid;

/// A hash table with linear probing that only grows. Names get the places 0, 1, 2, … in the order in which they come.
#[derive(Default)]
pub(super) struct UidIndex {
    /// One more than a place, or 0; a power of two of them, at most half in use. The names themselves are in
    /// `uids`, so that the table stays small enough for a cache.
    cells: Vec<u32>,
    uids: Vec<Uid>,
}

impl UidIndex {
    /// The place of `uid`.
    pub fn get(&self, uid: Uid) -> Option<usize> {
        if self.cells.is_empty() {
            return None;
        }
        (self.cells[self.cell(uid)] as usize).checked_sub(1)
    }

    /// Gives `uid` the next place; returns false and changes nothing if it has one.
    pub fn insert(&mut self, uid: Uid) -> bool {
        if (self.uids.len() + 1) * 2 > self.cells.len() {
            self.cells = vec![0; (self.cells.len() * 2).max(1024)];
            for place in 0..self.uids.len() {
                let cell = self.cell(self.uids[place]);
                self.cells[cell] = place as u32 + 1;
            }
        }
        let cell = self.cell(uid);
        if self.cells[cell] != 0 {
            return false;
        }
        self.uids.push(uid);
        self.cells[cell] = u32::try_from(self.uids.len()).expect("a trial sends fewer than 2^32 records");
        true
    }

    /// The cell that holds `uid`, or the empty one where it belongs.
    fn cell(&self, uid: Uid) -> usize {
        let mask = self.cells.len() - 1;
        let mut cell = (uid.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.cells[cell] != 0 && self.uids[self.cells[cell] as usize - 1] != uid {
            cell = (cell + 1) & mask;
        }
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uid_keeps_its_first_place() {
        let mut index = UidIndex::default();
        let mut places = 0;
        assert_eq!(index.get(Uid(0)), None);
        for scale in [1, 1 << 32, 0x1000_0000_0000_0001] {
            for number in 1..=5_000_u64 {
                let uid = Uid(number.wrapping_mul(scale));
                let new = index.get(uid).is_none();
                assert_eq!(index.insert(uid), new, "{uid:?}");
                assert!(!index.insert(uid), "{uid:?} again");
                assert!(!new || index.get(uid) == Some(places), "{uid:?}");
                places += usize::from(new);
            }
        }
        assert!(places >= 10_000, "{places}");
        assert_eq!(index.get(Uid(0)), None);
    }
}

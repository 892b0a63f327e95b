//! From a record's name to its place in a list, in a few nanoseconds and the same on every machine.

use crate::history::Uid;

/// A hash table with linear probing that only grows.
#[derive(Default)]
pub(super) struct UidIndex {
    /// Name and place, or `None`; a power of two of them, at most half in use.
    cells: Vec<Option<(Uid, u32)>>,
    used: usize,
}

impl UidIndex {
    /// The place of `uid`.
    pub fn get(&self, uid: Uid) -> Option<usize> {
        if self.cells.is_empty() {
            return None;
        }
        let (_, place) = self.cells[self.cell(uid)]?;
        Some(place as usize)
    }

    /// Gives `uid` a place; returns false and changes nothing if it has one.
    pub fn insert(&mut self, uid: Uid, place: usize) -> bool {
        if (self.used + 1) * 2 > self.cells.len() {
            let larger = vec![None; (self.cells.len() * 2).max(1024)];
            let smaller = core::mem::replace(&mut self.cells, larger);
            for (uid, place) in smaller.into_iter().flatten() {
                let cell = self.cell(uid);
                self.cells[cell] = Some((uid, place));
            }
        }
        let cell = self.cell(uid);
        if self.cells[cell].is_some() {
            return false;
        }
        self.used += 1;
        self.cells[cell] = Some((
            uid,
            u32::try_from(place).expect("a trial sends fewer than 2^32 records"),
        ));
        true
    }

    /// The cell that holds `uid`, or the empty one where it belongs.
    fn cell(&self, uid: Uid) -> usize {
        let mask = self.cells.len() - 1;
        let mut cell = (uid.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.cells[cell].is_some_and(|(other, _)| other != uid) {
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
        assert_eq!(index.get(Uid(0)), None);
        for scale in [1, 1 << 32, 0x1000_0000_0000_0001] {
            for place in 0..5_000_usize {
                let uid = Uid((place as u64 + 1).wrapping_mul(scale));
                let new = index.get(uid).is_none();
                assert_eq!(index.insert(uid, place), new, "{uid:?}");
                assert!(!index.insert(uid, place + 1), "{uid:?} again");
                assert!(!new || index.get(uid) == Some(place), "{uid:?}");
            }
        }
        assert_eq!(index.get(Uid(0)), None);
    }
}

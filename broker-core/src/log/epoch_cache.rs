//! Which leader epoch begins at which offset of a log (KIP-101; `LeaderEpochFileCache.java`).
//!
//! It answers the question on which truncation rests: where does this epoch end in this log? It lies in memory
//! only and is rebuilt from the batches, which all carry their epoch.

use alloc::vec::Vec;

use crate::types::{EpochEndOffset, LeaderEpoch, Offset};

/// A leader epoch and the offset of its first record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEntry {
    /// The epoch.
    pub leader_epoch: LeaderEpoch,
    /// Its first offset.
    pub start_offset: Offset,
}

/// The epochs of a log, in order.
///
/// Invariant: both the epochs and their start offsets grow strictly from entry to entry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EpochCache {
    entries: Vec<EpochEntry>,
}

impl EpochCache {
    /// The entries in order.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The newest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.leader_epoch)
    }

    /// `leader_epoch` starts at `start_offset`. An epoch that is the latest already keeps its earlier start. Entries
    /// that contradict the new one (a later or equal epoch, or a later or equal start) are removed.
    pub fn assign(&mut self, leader_epoch: LeaderEpoch, start_offset: Offset) {
        if let Some(last) = self.entries.last()
            && last.leader_epoch == leader_epoch
            && last.start_offset <= start_offset
        {
            return;
        }
        while let Some(last) = self.entries.last()
            && (last.leader_epoch >= leader_epoch || last.start_offset >= start_offset)
        {
            self.entries.pop();
        }
        self.entries.push(EpochEntry {
            leader_epoch,
            start_offset,
        });
    }

    /// Where `leader_epoch`, or the largest epoch below it that is here, ends in a log that ends at
    /// `log_end_offset`. `None` if the epoch is newer than all that are here. An epoch older than all that are here
    /// ends, empty, where the first of them starts.
    #[must_use]
    pub fn end_offset_for(&self, leader_epoch: LeaderEpoch, log_end_offset: Offset) -> Option<EpochEndOffset> {
        if leader_epoch < LeaderEpoch(0) {
            return None;
        }
        if self.latest() == Some(leader_epoch) {
            return Some(EpochEndOffset {
                leader_epoch,
                end_offset: log_end_offset,
            });
        }
        let higher = self.entries.partition_point(|entry| entry.leader_epoch <= leader_epoch);
        let end_offset = self.entries.get(higher)?.start_offset;
        let floor = higher.checked_sub(1).map(|index| self.entries[index].leader_epoch);
        Some(EpochEndOffset {
            leader_epoch: floor.unwrap_or(leader_epoch),
            end_offset,
        })
    }

    /// The epoch that holds `offset`, if the first one starts at or before it.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        let index = after.checked_sub(1)?;
        Some(self.entries[index].leader_epoch)
    }

    /// The log ends at `end_offset` now: epochs that start there or later are gone.
    pub fn truncate_from_end(&mut self, end_offset: Offset) {
        let kept = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        self.entries.truncate(kept);
    }

    /// The log starts at `start_offset` now: the epoch that holds it starts there, earlier ones are gone.
    pub fn truncate_from_start(&mut self, start_offset: Offset) {
        let after = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        if let Some(holder) = after.checked_sub(1) {
            self.entries.drain(..holder);
            self.entries[0].start_offset = start_offset;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

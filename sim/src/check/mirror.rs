//! The outline of one replica's log, kept from the facts that its node states.

use core::ops::Range;
use std::collections::VecDeque;

use broker_core::protocol::RecordBatch;
use broker_core::types::{LeaderEpoch, Offset};

/// A batch without its records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Batch {
    /// The offset of its first record.
    pub base: Offset,
    /// The offset after its last record.
    pub next: Offset,
    /// The epoch of the leader that appended it.
    pub epoch: LeaderEpoch,
    /// Names its content.
    pub crc: u32,
    /// Names it together with all batches before it: two logs with the same chain at the same index have the same
    /// batches up to there. So whole prefixes are compared in one step.
    pub chain: u64,
}

impl Batch {
    /// `batch` behind a batch with the chain `before`.
    pub fn behind(before: u64, batch: &RecordBatch) -> Batch {
        let (base, next) = (batch.base_offset(), batch.next_offset());
        let (epoch, crc) = (batch.leader_epoch(), batch.crc());
        let mut chain = before;
        for part in [base.0 as u64, next.0 as u64, (epoch.0 as u64) << 32 | u64::from(crc)] {
            chain = mix(chain, part);
        }
        Batch {
            base,
            next,
            epoch,
            crc,
            chain,
        }
    }

    /// The same offsets, epoch and content, whatever came before.
    pub fn same(&self, other: &Batch) -> bool {
        (self.base, self.next, self.epoch, self.crc) == (other.base, other.next, other.epoch, other.crc)
    }
}

/// A batch for people: its offsets and its epoch.
pub(super) fn span(batch: &RecordBatch) -> String {
    let (first, last, epoch) = (batch.base_offset(), batch.last_offset(), batch.leader_epoch());
    format!("offsets {first}..={last} of epoch {epoch}")
}

/// The round of a multiplicative hash, with the high half folded back so that every bit counts.
fn mix(state: u64, part: u64) -> u64 {
    let product = (state.rotate_left(23) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

/// The chain at the end of `batches`.
pub(super) fn chain(batches: &[Batch]) -> u64 {
    batches.last().map_or(0, |batch| batch.chain)
}

/// How many of `batches` lie wholly below `offset`.
pub(super) fn count_below(batches: &[Batch], offset: Offset) -> usize {
    // Nearly always it is a matter of the newest ones, and a search through all of them would be cold in the caches.
    let newest = batches.len().saturating_sub(8);
    match newest.checked_sub(1).map(|older| batches[older].next <= offset) {
        Some(false) => batches.partition_point(|batch| batch.next <= offset),
        None | Some(true) => newest + batches[newest..].partition_point(|batch| batch.next <= offset),
    }
}

/// One replica's log.
#[derive(Default)]
pub(super) struct Mirror {
    batches: Vec<Batch>,
    /// The newest batches with their records, as far as they are not settled elsewhere.
    recent: VecDeque<RecordBatch>,
    outline_only: bool,
    /// Batches that were cut off. The cut is durable only with the next sync, so a power loss may bring them back.
    ghosts: Vec<Batch>,
    /// The node said that everything below is durable.
    pub flushed: Offset,
    /// The run of its node that last said anything about this log.
    pub life: usize,
    /// A disk operation failed: the log takes no part until it is recovered.
    pub offline: bool,
    /// What power losses took from this log and no leader has given back yet.
    pub lost: Option<Range<Offset>>,
}

impl Mirror {
    /// An empty log whose records nobody will ask for.
    pub fn outline(life: usize) -> Mirror {
        Mirror {
            outline_only: true,
            life,
            ..Mirror::default()
        }
    }

    /// Its batches, oldest first.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// The offset after its last record.
    pub fn end(&self) -> Offset {
        self.batches.last().map_or(Offset::ZERO, |batch| batch.next)
    }

    /// Adds a batch. Returns false if it does not begin at the end; the log is then cut to make room.
    pub fn append(&mut self, batch: &RecordBatch) -> bool {
        let contiguous = batch.base_offset() == self.end();
        if batch.base_offset() < self.end() {
            self.truncate(batch.base_offset());
        }
        self.batches.push(Batch::behind(chain(&self.batches), batch));
        if !self.outline_only {
            self.recent.push_back(batch.clone());
        }
        contiguous
    }

    /// Cuts every batch that reaches beyond `to`; returns how many batches stay.
    pub fn truncate(&mut self, to: Offset) -> usize {
        let stay = count_below(&self.batches, to);
        let cut = self.batches.len() - stay;
        self.ghosts.extend(self.batches.drain(stay..));
        self.recent.truncate(self.recent.len().saturating_sub(cut));
        self.flushed = self.flushed.min(to);
        stay
    }

    /// Replaces the whole log by what a restart found.
    pub fn replace(&mut self, found: &[RecordBatch]) {
        self.batches.clear();
        self.recent.clear();
        self.ghosts.clear();
        for batch in found {
            self.append(batch);
        }
    }

    /// Whether a cut batch was this one.
    pub fn was_cut(&self, batch: &Batch) -> bool {
        self.ghosts.iter().any(|ghost| ghost.same(batch))
    }

    /// Whether its first `count` batches are those of `others`.
    pub fn shares(&self, others: &[Batch], count: usize) -> bool {
        let Some(last) = count.checked_sub(1) else { return true };
        match (self.batches.get(last), others.get(last)) {
            (Some(mine), Some(theirs)) => mine.chain == theirs.chain,
            _ => false,
        }
    }

    /// How many first batches it has in common with `others`.
    pub fn common(&self, others: &[Batch]) -> usize {
        let most = self.batches.len().min(others.len());
        if self.shares(others, most) {
            return most;
        }
        let (mut equal, mut different) = (0, most);
        while different - equal > 1 {
            let middle = equal + (different - equal) / 2;
            if self.shares(others, middle) {
                equal = middle;
            } else {
                different = middle;
            }
        }
        equal
    }

    /// The batch at `index` with its records, if they are still kept.
    pub fn records(&self, index: usize) -> Option<&RecordBatch> {
        let first = self.batches.len() - self.recent.len();
        self.recent.get(index.checked_sub(first)?)
    }

    /// Forgets the records of the first batches, as far as they are those of `settled`.
    pub fn forget_records(&mut self, settled: &[Batch]) {
        loop {
            let index = self.batches.len() - self.recent.len();
            let pair = self.batches.get(index).zip(settled.get(index));
            if pair.is_none_or(|(mine, settled)| mine.chain != settled.chain) {
                return;
            }
            self.recent.pop_front();
        }
    }

    /// Takes back from [`Mirror::lost`] what the log has again, judged by `committed`.
    pub fn regain(&mut self, committed: &[Batch]) {
        let Some(lost) = &self.lost else { return };
        let held = self.common(committed);
        let from = committed[..held]
            .last()
            .map_or(Offset::ZERO, |batch| batch.next)
            .max(lost.start);
        self.lost = (from < lost.end).then_some(from..lost.end);
    }

    /// Whether a power loss took the record at `offset`, and nobody has given it back.
    pub fn has_lost(&self, offset: Offset) -> bool {
        self.lost.as_ref().is_some_and(|lost| lost.contains(&offset))
    }
}

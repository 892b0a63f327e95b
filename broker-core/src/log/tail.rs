//! The newest batches of a log, in memory: what consumers and followers that keep up read.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::protocol::RecordBatch;
use crate::types::Offset;

/// How many of the newest batches are tried before the others are searched.
const NEWEST: usize = 4;

/// Consecutive batches, bounded in bytes.
///
/// Invariant: at most `max_bytes`, or a single batch.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    batches: VecDeque<RecordBatch>,
    bytes: u64,
    max_bytes: u64,
}

impl Tail {
    pub(super) fn new(max_bytes: u64) -> Tail {
        Tail {
            batches: VecDeque::new(),
            bytes: 0,
            max_bytes,
        }
    }

    /// Adds the log's newest batch, and lets the oldest ones go that are too much.
    pub(super) fn push(&mut self, batch: RecordBatch) {
        self.bytes += batch.size();
        self.batches.push_back(batch);
        while self.bytes > self.max_bytes && self.batches.len() > 1 {
            let oldest = self.batches.pop_front().expect("there are two or more");
            self.bytes -= oldest.size();
        }
    }

    /// Drops the batches that begin at `to` or later.
    pub(super) fn cut(&mut self, to: Offset) {
        while self.batches.back().is_some_and(|newest| newest.base_offset() >= to) {
            let newest = self.batches.pop_back().expect("there is one");
            self.bytes -= newest.size();
        }
    }

    /// The batches from the one that holds `from` on, wholly below `limit`, up to `max_bytes` but at least one;
    /// `None` if the batch that holds `from` is not here any more.
    pub(super) fn read(&self, from: Offset, limit: Offset, max_bytes: u64) -> Option<Vec<RecordBatch>> {
        if self.batches.front()?.base_offset() > from {
            return None;
        }
        let first = self.index_of(from);
        let mut batches = Vec::new();
        let mut room = max_bytes;
        for batch in self.batches.range(first..) {
            let fits = batch.size() <= room || batches.is_empty();
            if batch.last_offset() >= limit || !fits {
                break;
            }
            room = room.saturating_sub(batch.size());
            batches.push(batch.clone());
        }
        Some(batches)
    }

    /// Last offset and size in bytes of the batches from the one that holds `from` on; `None` if that one is not here any
    /// more.
    pub(super) fn sizes_from(&self, from: Offset) -> Option<impl Iterator<Item = (Offset, u64)>> {
        if self.batches.front()?.base_offset() > from {
            return None;
        }
        let batches = self.batches.range(self.index_of(from)..);
        Some(batches.map(|batch| (batch.last_offset(), batch.size())))
    }

    /// The index of the batch that holds `from`, or of the one behind. Most readers keep up, so the newest batches are
    /// tried first: the way to them through all the others is long, and cold in the processor's caches.
    fn index_of(&self, from: Offset) -> usize {
        let is_before = |batch: &RecordBatch| batch.last_offset() < from;
        let newest = self.batches.len().saturating_sub(NEWEST);
        match newest.checked_sub(1).map(|older| is_before(&self.batches[older])) {
            Some(false) => self.batches.partition_point(is_before),
            None | Some(true) => {
                let newer = self.batches.range(newest..);
                newest + newer.take_while(|batch| is_before(batch)).count()
            }
        }
    }
}

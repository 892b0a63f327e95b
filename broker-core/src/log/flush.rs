//! Making a log durable: which syncs are asked for, and what their answers prove.
//!
//! A sync proves what stood in its file when it was asked, and is still in the log when it is answered. Each segment
//! has at most one sync in flight; what is appended meanwhile is covered by one more (group commit).
//!
//! A cut needs proof, too: if the cut end of a file came back after a power loss, the segments behind it would not
//! continue it, and recovery would drop them. So nothing behind a cut segment counts as flushed before a sync that
//! was asked after the cut, and nothing is appended to its file until then. Removed files do not come back once any
//! later sync has succeeded (journals are written in order).

use super::{DiskProgress, Log};
use crate::disk::{DiskError, DiskOp, DiskReply, OpId};
use crate::machine::Context;
use crate::trace::{self, Event};
use crate::types::Offset;

/// A sync without an answer yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SyncInFlight {
    op: OpId,
    /// The base offset of its segment.
    segment: Offset,
    /// Its success proves the segment's batches below; a cut of the segment takes everything back.
    covers: Offset,
}

impl Log {
    /// Asks the disk to make everything durable, unless it is or is asked already.
    pub fn flush(&mut self, ctx: &mut Context<'_>) {
        let end = self.log_end_offset();
        if self.is_offline() || self.asked_end == end {
            return;
        }
        for index in self.segment_of(self.asked_end)..self.segments.len() {
            let segment = &mut self.segments[index];
            if segment.asked_end < segment.end {
                segment.asked_end = segment.end;
                self.sync(ctx, index);
            }
        }
        self.asked_end = end;
    }

    /// Takes a disk answer about one of its files (not the data of a read).
    pub fn on_disk(&mut self, ctx: &mut Context<'_>, op: OpId, result: &Result<DiskReply, DiskError>) -> DiskProgress {
        if self.is_offline() {
            return DiskProgress::Nothing;
        }
        if let Err(error) = *result {
            self.offline = true;
            self.syncs.clear();
            ctx.out.trace(Event::LogWentOffline(trace::LogWentOffline {
                partition: self.partition,
                error,
            }));
            return DiskProgress::Failed(error);
        }
        // Syncs of segments that were removed meanwhile are not known any more, and prove nothing.
        let Some(position) = self.syncs.iter().position(|sync| sync.op == op) else {
            return DiskProgress::Nothing;
        };
        let sync = self.syncs.swap_remove(position);
        let index = self.segment_of(sync.segment);
        let segment = &mut self.segments[index];
        segment.flushed_end = segment.flushed_end.max(sync.covers);
        if sync.covers > segment.base_offset {
            // It was asked after the last cut.
            segment.may_have_cut_bytes = false;
        }
        self.sync(ctx, index);
        self.advance_flushed_end(ctx)
    }

    /// Records that the host was asked for a sync of the segment at `index`, with all that it has.
    pub(super) fn note_sync(&mut self, op: OpId, index: usize) {
        let segment = &mut self.segments[index];
        segment.asked_end = segment.end;
        self.syncs.push(SyncInFlight {
            op,
            segment: segment.base_offset,
            covers: segment.end,
        });
    }

    /// The log was cut to `end`: nothing behind it is durable, asked for, or proved by a sync in flight.
    pub(super) fn forget_flushes_behind(&mut self, end: Offset) {
        let last = self.active().base_offset;
        self.syncs.retain(|sync| sync.segment <= last);
        self.flushed_end = self.flushed_end.min(end);
        self.asked_end = self.asked_end.min(end);
    }

    /// The active segment's file was cut: whatever was asked of it is to be asked again.
    pub(super) fn flush_cut(&mut self, ctx: &mut Context<'_>) {
        let index = self.segments.len() - 1;
        let segment = &mut self.segments[index];
        segment.flushed_end = segment.base_offset;
        for sync in &mut self.syncs {
            if sync.segment == segment.base_offset {
                sync.covers = segment.base_offset;
            }
        }
        self.sync(ctx, index);
    }

    /// Asks for a sync of a segment if one is needed and none is in flight.
    fn sync(&mut self, ctx: &mut Context<'_>, index: usize) {
        let segment = &self.segments[index];
        let in_flight = self.syncs.iter().any(|sync| sync.segment == segment.base_offset);
        if !in_flight && segment.flushed_end < segment.asked_end {
            let file = segment.file(self.partition);
            let op = ctx.out.disk(DiskOp::Sync { file });
            self.note_sync(op, index);
        }
    }

    fn advance_flushed_end(&mut self, ctx: &mut Context<'_>) -> DiskProgress {
        // With the segment before, if the flushed end is where it ends: it may have been cut and wait for proof.
        let first = self.segment_of(self.flushed_end).saturating_sub(1);
        let mut end = self.flushed_end;
        for segment in &self.segments[first..] {
            end = segment.flushed_end;
            if end < segment.end {
                break;
            }
        }
        if end <= self.flushed_end {
            return DiskProgress::Nothing;
        }
        self.flushed_end = end;
        ctx.out.trace(Event::Flushed(trace::Flushed {
            partition: self.partition,
            end,
        }));
        DiskProgress::Flushed
    }
}

//! Cutting a log at its end.

use alloc::vec::Vec;

use super::Log;
use super::segment::{BatchEntry, Segment};
use crate::disk::DiskOp;
use crate::machine::Context;
use crate::trace::{self, Event, TruncationCause};
use crate::types::{LeaderEpoch, Offset};

impl Log {
    /// Cuts the log so that it ends at `to` or at the start of the batch that holds it; nothing if `to` is not below
    /// the end. States the fact. Epochs and producers are those of the log that remains.
    ///
    /// An epoch that was begun at the log's end, and has no batch yet, is forgotten even if no batch is cut: the
    /// leader says that it is not the log's (as in Kafka's `UnifiedLog.truncateTo`). Below the log's start everything
    /// goes and the log starts at `to`.
    pub fn truncate_to(
        &mut self,
        ctx: &mut Context<'_>,
        to: Offset,
        leader_epoch: LeaderEpoch,
        cause: TruncationCause,
    ) {
        if self.is_offline() {
            return;
        }
        if to >= self.log_end_offset() {
            self.epochs.truncate_from_end(to);
            return;
        }
        if to < self.log_start_offset() {
            self.start_over(ctx, to);
        } else {
            self.cut(ctx, to);
        }
        self.state_truncated(ctx, leader_epoch, cause);
    }

    /// Drops everything; the next record will have `start`.
    pub fn truncate_fully_and_start_at(&mut self, ctx: &mut Context<'_>, start: Offset, leader_epoch: LeaderEpoch) {
        if self.is_offline() {
            return;
        }
        self.start_over(ctx, start);
        self.state_truncated(ctx, leader_epoch, TruncationCause::OutOfRange);
    }

    fn state_truncated(&self, ctx: &mut Context<'_>, leader_epoch: LeaderEpoch, cause: TruncationCause) {
        ctx.out.trace(Event::Truncated(trace::Truncated {
            partition: self.partition,
            to: self.log_end_offset(),
            leader_epoch,
            cause,
        }));
    }

    fn start_over(&mut self, ctx: &mut Context<'_>, start: Offset) {
        for segment in &self.segments {
            ctx.out.disk(DiskOp::Remove {
                file: segment.file(self.partition),
            });
        }
        *self = Log::new(self.partition, self.config, start);
    }

    fn cut(&mut self, ctx: &mut Context<'_>, to: Offset) {
        let mut dropped = Vec::new();
        // The first segment stays, even empty: its base offset is the log's start.
        while self.segments.len() > 1 && self.active().base_offset >= to {
            let segment = self.segments.pop().expect("there are two or more");
            ctx.out.disk(DiskOp::Remove {
                file: segment.file(self.partition),
            });
            dropped.extend(segment.batches);
        }
        let active = self.segments.last_mut().expect("a log has an active segment");
        let cut = active.cut(to);
        let is_cut = !cut.is_empty();
        dropped.extend(cut);
        let end = self.log_end_offset();
        self.forget_flushes_behind(end);
        if is_cut {
            ctx.out.disk(DiskOp::Truncate {
                file: self.active().file(self.partition),
                len: self.active().size,
            });
            self.flush_cut(ctx);
        }

        self.tail.cut(end);
        self.epochs.truncate_from_end(end);
        if dropped.iter().any(|entry| entry.producer_batch().is_some()) {
            self.rebuild_producers();
        }
    }

    fn rebuild_producers(&mut self) {
        self.producers.clear();
        let batches = self.segments.iter().flat_map(|segment: &Segment| &segment.batches);
        for batch in batches.filter_map(BatchEntry::producer_batch) {
            self.producers.update(&batch);
        }
    }
}

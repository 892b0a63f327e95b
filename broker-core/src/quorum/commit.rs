//! What is committed: how the high watermark rises, and how the rest of the node is told.

use alloc::vec::Vec;
use bytes::Bytes;

use super::role::Role;
use super::{PendingRead, Quorum, QuorumFact};
use crate::disk::{DiskError, DiskOp};
use crate::log::Read;
use crate::machine::Context;
use crate::protocol::RecordBatch;
use crate::trace::{self, Event, ReplicaRole};
use crate::types::TopicPartition;

/// The most bytes of log that one `Committed` fact covers, so that a long log is not held in memory at once.
const MAX_DELIVERY_BYTES: u64 = 1024 * 1024;

impl Quorum {
    /// Raises the high watermark as far as a leader's voters, or a follower's leader and disk, allow.
    pub(super) fn advance_high_watermark(&mut self, ctx: &mut Context<'_>) {
        let own_end = self.log.ackable_end();
        let (role, to) = match &self.role {
            Role::Leader(leader) => (ReplicaRole::Leader, leader.high_watermark(own_end)),
            Role::Follower(follower) => {
                let to = follower.leader_high_watermark.min(own_end);
                (ReplicaRole::Follower, Some(to))
            }
            _ => return,
        };
        let from = self.high_watermark;
        let Some(to) = to.filter(|to| *to > from) else {
            return;
        };
        self.high_watermark = to;
        ctx.out.trace(Event::HighWatermarkChanged(trace::HighWatermarkChanged {
            partition: TopicPartition::CLUSTER_METADATA,
            role,
            leader_epoch: self.election.epoch,
            from,
            to,
        }));
    }

    /// Tells what is committed, from memory or by way of the disk.
    pub(super) fn deliver(&mut self, ctx: &mut Context<'_>) {
        let is_reading = |read: &PendingRead| matches!(read, PendingRead::Delivery { .. });
        while self.delivered < self.high_watermark && !self.reads.values().any(is_reading) {
            let limit = self.high_watermark;
            let read = self.log.read(self.delivered, limit, MAX_DELIVERY_BYTES);
            match read.expect("committed entries stay in the log") {
                Read::Batches(batches) => {
                    assert!(!batches.is_empty(), "below the high watermark there are whole batches");
                    self.tell_committed(&batches);
                }
                Read::OnDisk { file, at, len } => {
                    let op = ctx.out.disk(DiskOp::Read { file, at, len });
                    self.reads.insert(op, PendingRead::Delivery { limit });
                }
            }
        }
    }

    fn tell_committed(&mut self, batches: &[RecordBatch]) {
        let mut entries = Vec::new();
        for batch in batches.iter().filter(|batch| !batch.is_control()) {
            for record in batch.records() {
                let record = record.expect("a batch whose CRC is right is well-formed");
                if let Some(value) = record.value {
                    entries.push((record.offset, value));
                }
            }
        }
        if let Some(last) = batches.last() {
            self.delivered = last.next_offset();
        }
        let end = self.delivered;
        self.facts.push_back(QuorumFact::Committed { entries, end });
    }

    pub(super) fn read_done(
        &mut self,
        ctx: &mut Context<'_>,
        read: PendingRead,
        bytes: &Bytes,
    ) -> Result<(), DiskError> {
        match read {
            PendingRead::Fetch(fetch, epoch) => {
                let limit = self.log.ackable_end();
                let batches = self.log.batches_of(bytes, fetch.fetch_offset, limit, fetch.max_bytes);
                if self.is_leader() && self.election.epoch == epoch {
                    self.answer_fetch(ctx, &fetch, batches);
                } else {
                    self.refuse_fetch(ctx, fetch.reply_to);
                }
            }
            PendingRead::Delivery { limit } => {
                let batches = self.log.batches_of(bytes, self.delivered, limit, MAX_DELIVERY_BYTES);
                if batches.is_empty() {
                    // Committed entries are never cut, so the bytes are damaged: to this log that is a failed disk.
                    return Err(DiskError::Io);
                }
                self.tell_committed(&batches);
            }
        }
        Ok(())
    }
}

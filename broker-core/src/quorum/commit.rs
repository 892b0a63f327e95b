//! What is committed: how the high watermark rises, and how the rest of the node learns of it.

use alloc::vec::Vec;

use super::role::Role;
use super::{PendingRead, Quorum, QuorumFact};
use crate::disk::DiskError;
use crate::log::{FileRead, Read};
use crate::machine::Context;
use crate::protocol::{ErrorCode, RecordBatch};
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

    /// Delivers what is committed, from memory or by way of the disk.
    pub(super) fn deliver(&mut self, ctx: &mut Context<'_>) {
        let is_reading = |(_, purpose): &(FileRead, PendingRead)| matches!(purpose, PendingRead::Delivery);
        while self.delivered < self.high_watermark && !self.reads.values().any(is_reading) {
            let limit = self.high_watermark;
            let read = self.log.read(self.delivered, limit, MAX_DELIVERY_BYTES);
            match read.expect("committed entries stay in the log") {
                Read::Batches(batches) => {
                    assert!(!batches.is_empty(), "below the high watermark there are whole batches");
                    self.deliver_committed(&batches);
                }
                Read::OnDisk(read) => {
                    let op = ctx.out.disk(read.op());
                    self.reads.insert(op, (read, PendingRead::Delivery));
                }
            }
        }
    }

    fn deliver_committed(&mut self, batches: &[RecordBatch]) {
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
        purpose: PendingRead,
        batches: Result<Vec<RecordBatch>, ErrorCode>,
    ) -> Result<(), DiskError> {
        match (purpose, batches) {
            (PendingRead::Fetch(fetch, epoch), batches) => match batches {
                Ok(batches) if self.is_leader() && self.election.epoch == epoch => {
                    self.answer_fetch(ctx, &fetch, batches);
                }
                Ok(_) => self.refuse_fetch(ctx, fetch.reply_to, ErrorCode::NotLeaderOrFollower),
                Err(error) => self.refuse_fetch(ctx, fetch.reply_to, error),
            },
            (PendingRead::Delivery, Ok(batches)) => self.deliver_committed(&batches),
            // Committed entries are never cut, so the bytes are damaged: to this log that is a failed disk.
            (PendingRead::Delivery, Err(_)) => return Err(DiskError::Io),
        }
        Ok(())
    }
}

//! Appending: the checks before, and what a batch changes.

use super::producer_state::ProducerBatch;
use super::segment::Segment;
use super::{AppendOutcome, Log};
use crate::disk::DiskOp;
use crate::machine::Context;
use crate::protocol::{ErrorCode, RecordBatch};
use crate::trace::{self, Event, ReplicaRole};
use crate::types::{LeaderEpoch, ProducerEpoch, ProducerId, Sequence};

impl Log {
    /// Stamps and appends a producer's batch, after the checks of idempotence (KIP-98): a duplicate of one of the
    /// producer's last five batches is found, a gap is refused. Control batches are taken; refusing those of clients
    /// is the caller's part, as are the checks of single records.
    ///
    /// # Errors
    /// OUT_OF_ORDER_SEQUENCE_NUMBER and INVALID_PRODUCER_EPOCH by the checks of idempotence; INVALID_RECORD for a batch
    /// that no producer may send (without records, with gaps between them, or with a producer id but no epoch or
    /// sequence); KAFKA_STORAGE_ERROR when the log is offline.
    ///
    /// # Panics
    /// When `epoch` is below the log's latest: a leader's epoch is the largest of all.
    pub fn append_as_leader(
        &mut self,
        ctx: &mut Context<'_>,
        batch: &RecordBatch,
        epoch: LeaderEpoch,
    ) -> Result<AppendOutcome, ErrorCode> {
        if self.is_offline() {
            return Err(ErrorCode::KafkaStorageError);
        }
        assert!(
            self.latest_epoch().is_none_or(|latest| latest <= epoch),
            "{}: appends as leader of epoch {epoch} behind epoch {:?}",
            self.partition,
            self.latest_epoch()
        );
        let count = batch.count();
        if count < 1 || batch.last_offset_delta() != count - 1 {
            return Err(ErrorCode::InvalidRecord);
        }
        if batch.producer_id() >= ProducerId(0) {
            let producer_batch = unstamped_producer_batch(batch)?;
            if let Some(known) = self.producers.check(&producer_batch)? {
                return Ok(AppendOutcome::Duplicate {
                    base_offset: known.base_offset,
                    last_offset: known.last_offset,
                });
            }
        }
        let stamped = batch.stamped(self.log_end_offset(), epoch);
        let outcome = AppendOutcome::Appended {
            base_offset: stamped.base_offset(),
            last_offset: stamped.last_offset(),
        };
        self.append(ctx, stamped, ReplicaRole::Leader);
        Ok(outcome)
    }

    /// Appends a batch as the leader stamped it.
    ///
    /// # Errors
    /// OFFSET_OUT_OF_RANGE when it does not begin at the log's end, INVALID_RECORD when its epoch is below that of the
    /// batch before it, KAFKA_STORAGE_ERROR when the log is offline.
    pub fn append_as_follower(&mut self, ctx: &mut Context<'_>, batch: &RecordBatch) -> Result<(), ErrorCode> {
        if self.is_offline() {
            return Err(ErrorCode::KafkaStorageError);
        }
        if batch.base_offset() != self.log_end_offset() {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        if self
            .last_batch()
            .is_some_and(|before| batch.leader_epoch() < before.leader_epoch)
        {
            return Err(ErrorCode::InvalidRecord);
        }
        self.append(ctx, batch.clone(), ReplicaRole::Follower);
        Ok(())
    }

    fn append(&mut self, ctx: &mut Context<'_>, batch: RecordBatch, role: ReplicaRole) {
        let active = self.active();
        if active.may_have_cut_bytes || active.size + batch.size() > self.config.segment_bytes {
            self.begin_file(ctx);
        }
        ctx.out.disk(DiskOp::Write {
            file: self.active().file(self.partition),
            at: self.active().size,
            bytes: batch.bytes().clone(),
        });
        ctx.out.trace(Event::Appended(trace::Appended {
            partition: self.partition,
            role,
            batch: batch.clone(),
        }));
        self.take_in(batch);
        let unasked = self.log_end_offset().0 - self.asked_end.0;
        if unasked as u64 >= self.config.flush_messages {
            self.flush(ctx);
        }
    }

    /// Lets the next batch stand at the front of a file: that of the next segment, and the active one is closed, or that
    /// of the active one, if it is empty. As in Kafka, a closed segment is flushed then.
    ///
    /// Unlike Kafka, it does so behind a cut that may not be durable. In the same file a power loss could leave a sector
    /// of the new batch beside one of the old: the new base offset and leader epoch, which lie outside the CRC, and the
    /// old records.
    fn begin_file(&mut self, ctx: &mut Context<'_>) {
        let active = self.segments.last_mut().expect("a log has an active segment");
        if active.size > 0 {
            self.flush(ctx);
            self.segments.push(Segment::new(self.log_end_offset()));
        } else if core::mem::take(&mut active.may_have_cut_bytes) {
            let file = active.file(self.partition);
            ctx.out.disk(DiskOp::Remove { file });
        }
    }

    /// A batch stands in the active segment's file: index, epochs, producers and tail learn of it.
    pub(super) fn take_in(&mut self, batch: RecordBatch) {
        let entry = self
            .segments
            .last_mut()
            .expect("a log has an active segment")
            .push(&batch);
        if entry.leader_epoch >= LeaderEpoch(0) && self.epochs.latest() != Some(entry.leader_epoch) {
            // An epoch that was begun here, as leader, has no record: the log goes on without it.
            self.epochs.truncate_from_end(entry.base_offset);
            self.epochs.assign(entry.leader_epoch, entry.base_offset);
        }
        if let Some(producer_batch) = entry.producer_batch() {
            self.producers.update(&producer_batch);
        }
        self.tail.push(batch);
    }
}

/// A batch that a producer sent, for the checks of idempotence; its offsets are not known yet.
fn unstamped_producer_batch(batch: &RecordBatch) -> Result<ProducerBatch, ErrorCode> {
    let is_control = batch.is_control();
    if batch.producer_epoch() < ProducerEpoch(0) || (!is_control && batch.base_sequence().0 < 0) {
        return Err(ErrorCode::InvalidRecord);
    }
    Ok(ProducerBatch {
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        base_sequence: if is_control {
            Sequence::NONE
        } else {
            batch.base_sequence()
        },
        last_sequence: if is_control {
            Sequence::NONE
        } else {
            batch.last_sequence()
        },
        base_offset: batch.base_offset(),
        last_offset: batch.last_offset(),
        is_control,
    })
}

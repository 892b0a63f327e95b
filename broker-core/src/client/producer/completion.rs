//! What becomes of a batch after an attempt to send it, and how sends end (`Sender.completeBatch`, `failBatch`).

use crate::config::millis;
use crate::machine::Instant;
use crate::protocol::ErrorCode;
use crate::trace::{self, Event};
use crate::types::{LeaderIdAndEpoch, Offset};

use super::batch::Batch;
use super::outcome::{Outcome, excludes_append, outcome};
use super::sequence::{OutOfOrder, ProducerIdentity};
use super::{Producer, SendCompletion, SendFailed, SendId, SendOk};

/// What became of one attempt to send a batch.
pub(super) struct Attempt {
    pub error: ErrorCode,
    pub is_answered: bool,
    pub base_offset: Option<Offset>,
    pub current_leader: Option<LeaderIdAndEpoch>,
}

impl Attempt {
    /// An attempt that nobody answered.
    pub fn lost(error: ErrorCode) -> Attempt {
        Attempt {
            error,
            is_answered: false,
            base_offset: None,
            current_leader: None,
        }
    }
}

impl Producer {
    /// An attempt to send a batch has ended.
    pub(super) fn attempted(&mut self, now: Instant, index: usize, position: u64, attempt: Attempt) {
        let id = self.accumulator.partition(index).id;
        if attempt.error.is_stale_metadata() {
            self.metadata.request_update();
        }
        if let Some(leader) = attempt.current_leader
            && self.metadata.learn_leader(id, leader)
        {
            self.accumulator.set_leader(now, index, self.metadata.leader(id));
        }
        if let Some(batch) = self.accumulator.take_in_flight(index, position) {
            self.decide(now, index, batch, attempt);
        }
        self.accumulator.update(now, index);
        self.follow_epoch_need(now);
    }

    /// What becomes of a batch after an attempt (`Sender.completeBatch`).
    fn decide(&mut self, now: Instant, index: usize, mut batch: Batch, attempt: Attempt) {
        let error = attempt.error;
        let outcome = outcome(error, self.identity.is_some());
        if outcome == Outcome::Appended {
            return self.complete(index, batch, attempt.base_offset);
        }
        batch.maybe_appended |= !excludes_append(error);
        batch.is_unanswered |= !attempt.is_answered;
        let is_overdue = batch.created + millis(self.config.delivery_timeout_ms) <= now;
        let may_retry = !is_overdue && batch.attempts <= self.config.retries;
        match outcome {
            Outcome::Retry if may_retry && self.quirks.inflight_accounting && !attempt.is_answered => {
                self.retry_behind(now, index, batch);
            }
            Outcome::Retry if may_retry => self.retry(now, index, batch),
            Outcome::Reorder if may_retry => {
                let (identity, ordinal) = batch.sequence.expect("an idempotent producer numbers what it sends");
                let sequence = &self.accumulator.partition(index).sequence;
                match sequence.out_of_order(identity, ordinal) {
                    OutOfOrder::Early => self.retry(now, index, batch),
                    // Should a late copy of the batch before reach the log, one of this would follow it there, and a
                    // new number would make it a duplicate.
                    OutOfOrder::AfterUnresolved if batch.is_unanswered => self.fail(index, batch, error),
                    OutOfOrder::AfterUnresolved | OutOfOrder::AfterLoss => {
                        self.accumulator.leave_gap(index, ordinal);
                        self.retry(now, index, batch);
                    }
                }
            }
            Outcome::Renumber if may_retry => {
                if let Some((_, ordinal)) = batch.sequence {
                    self.accumulator.leave_gap(index, ordinal);
                }
                self.retry(now, index, batch);
            }
            Outcome::Split if batch.count() > 1 && !batch.maybe_appended => {
                if self.quirks.flush_misses_split_batch {
                    self.report_flushed(index, &mut batch);
                }
                let [first, second] = batch.split();
                self.accumulator.requeue(index, second);
                self.accumulator.requeue(index, first);
            }
            Outcome::FailIdentity => {
                let identity = batch.sequence.map(|(identity, _)| identity);
                self.fail(index, batch, error);
                self.renounce(now, identity);
            }
            Outcome::FailProducer => {
                self.fail(index, batch, error);
                self.stop(now, error);
            }
            _ => self.fail(index, batch, error),
        }
    }

    fn retry(&mut self, now: Instant, index: usize, mut batch: Batch) {
        let leader = self.accumulator.partition(index).leader();
        let has_new_leader = leader.is_some_and(|(_, epoch)| batch.sent_epoch < epoch);
        batch.retry_at = if has_new_leader {
            now
        } else {
            now + self.retry_backoff.after(batch.attempts - 1, &mut self.rng)
        };
        self.accumulator.requeue(index, batch);
    }

    pub(super) fn complete(&mut self, index: usize, batch: Batch, base_offset: Option<Offset>) {
        if let (Some((identity, _)), Some(next)) = (batch.sequence, batch.next_ordinal()) {
            let partition = self.accumulator.partition_mut(index);
            partition.sequence.acknowledge(identity, next);
        }
        let offset = |nth: usize| base_offset.map(|base| base.plus(nth as i64));
        self.end(index, batch, ErrorCode::None, base_offset, |nth| {
            Ok(SendOk { offset: offset(nth) })
        });
    }

    /// Ends a batch with an error. The numbers of an idempotent batch are lost with it: if it is in no log there is a
    /// gap before the batches behind it, else they must show whether there is one.
    pub(super) fn fail(&mut self, index: usize, batch: Batch, error: ErrorCode) {
        if self.quirks.sequence_burned_for_unsent {
            self.burn_sequence(index, &batch);
        } else if let (Some((identity, ordinal)), Some(next)) = (batch.sequence, batch.next_ordinal()) {
            let sequence = &mut self.accumulator.partition_mut(index).sequence;
            if batch.maybe_appended {
                sequence.leave_unresolved(identity, next);
            } else if sequence.identity == Some(identity) {
                self.accumulator.leave_gap(index, ordinal);
            }
        }
        let failed = SendFailed {
            error,
            maybe_appended: batch.maybe_appended,
        };
        self.end(index, batch, error, None, |_| Err(failed));
    }

    fn end(
        &mut self,
        index: usize,
        batch: Batch,
        error: ErrorCode,
        base_offset: Option<Offset>,
        result: impl Fn(usize) -> Result<SendOk, SendFailed>,
    ) {
        let partition = self.accumulator.partition(index).id;
        self.out.trace(Event::BatchCompleted(trace::BatchCompleted {
            partition,
            error,
            base_offset,
            attempts: batch.attempts,
        }));
        self.buffered -= batch.charged;
        if batch.is_reported {
            return;
        }
        self.pending -= batch.sends.len();
        let completion = |(nth, id): (usize, SendId)| SendCompletion {
            id,
            partition: Some(partition),
            result: result(nth),
        };
        self.completions
            .extend(batch.sends.into_iter().enumerate().map(completion));
    }

    /// The broker refuses the producer's epoch for good.
    fn renounce(&mut self, now: Instant, refused: Option<ProducerIdentity>) {
        if let Some(identity) = self.identity.as_mut().filter(|identity| identity.current() == refused) {
            identity.renounce();
            self.accumulator.set_identity(now, None);
        }
    }

    /// A fatal error: everything fails.
    fn stop(&mut self, now: Instant, error: ErrorCode) {
        self.fatal = Some(error);
        for topic in 0..self.topics.len() {
            let (parked, _) = self.topics.take_parked(topic);
            for parked in parked {
                self.buffered -= parked.charged;
                self.pending -= 1;
                self.completions.push_back(SendCompletion {
                    id: parked.id,
                    partition: None,
                    result: Err(SendFailed {
                        error,
                        maybe_appended: false,
                    }),
                });
            }
        }
        for index in 0..self.accumulator.len() {
            for batch in self.accumulator.take_all(now, index) {
                self.fail(index, batch, error);
            }
        }
    }

    /// Goes on to the next epoch if some partition needs one.
    pub(super) fn follow_epoch_need(&mut self, now: Instant) {
        if self.accumulator.take_needs_new_epoch()
            && let Some(identity) = &mut self.identity
        {
            let next = identity.next_epoch();
            self.take_identity(now, next);
        }
    }

    /// Numbers records under this identity from now on.
    pub(super) fn take_identity(&mut self, now: Instant, identity: Option<ProducerIdentity>) {
        if let Some(news) = identity {
            self.out.trace(Event::ProducerIdAssigned(trace::ProducerIdAssigned {
                producer_id: news.id,
                producer_epoch: news.epoch,
            }));
        }
        self.accumulator.set_identity(now, identity);
    }
}

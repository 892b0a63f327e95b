//! The producer's sender: requests out, answers in, and what they mean for batches (Kafka's `Sender`).

use alloc::vec::Vec;

use crate::client::network::{Lost, Reply};
use crate::config::{AcksSetting, millis};
use crate::machine::{Context, Instant};
use crate::protocol::murmur2::partition_for_key;
use crate::protocol::{Acks, ErrorCode, ProducePartitionResponse, ProduceRequest, ProduceResponse, Response};
use crate::trace::Event;
use crate::types::{LeaderIdAndEpoch, NodeId, Offset, Sequence, TopicPartition};

use super::batch::Batch;
use super::outcome::{Outcome, excludes_append, outcome};
use super::sequence::{OutOfOrder, ProducerIdentity};
use super::{Producer, ProducerRecord, SendCompletion, SendFailed, SendId, SendOk};

/// What a producer remembers of an unanswered request.
pub(super) enum Asked {
    /// Batches, by partition and position.
    Produce(Vec<(usize, u64)>),
    /// Metadata.
    Metadata,
    /// A producer id.
    ProducerId,
}

/// What became of one attempt to send a batch.
struct Attempt {
    error: ErrorCode,
    is_answered: bool,
    base_offset: Option<Offset>,
    current_leader: Option<LeaderIdAndEpoch>,
}

impl Attempt {
    fn lost(error: ErrorCode) -> Attempt {
        Attempt {
            error,
            is_answered: false,
            base_offset: None,
            current_leader: None,
        }
    }
}

macro_rules! context {
    ($producer:ident, $now:ident) => {
        Context {
            now: $now,
            rng: &mut $producer.rng,
            out: &mut $producer.out,
        }
    };
}

impl Producer {
    /// Sends whatever may be sent now.
    pub(super) fn pump(&mut self, now: Instant) {
        if self.fatal.is_some() {
            return;
        }
        if self.pending > 0
            && let Some(identity) = &mut self.identity
        {
            identity.want();
        }
        self.ask_metadata(now);
        self.ask_identity(now);
        while let Some(node) = self.accumulator.next_due_node(|node| self.network.is_ready(now, node)) {
            self.send_to(now, node);
        }
    }

    /// Ends what has run out of time.
    pub(super) fn keep_time(&mut self, now: Instant) {
        loop {
            let mut cx = context!(self, now);
            let Some(lost) = self.network.expire(&mut cx) else {
                break;
            };
            self.connection_lost(now, lost);
        }
        while let Some(parked) = self.topics.take_expired(now) {
            self.buffered -= parked.charged;
            self.pending -= 1;
            self.completions.push_back(SendCompletion {
                id: parked.id,
                partition: None,
                result: Err(SendFailed {
                    error: ErrorCode::RequestTimedOut,
                    maybe_appended: false,
                }),
            });
        }
        while let Some(index) = self.accumulator.next_timer(now) {
            for batch in self.accumulator.take_expired(now, index) {
                self.fail(index, batch, ErrorCode::RequestTimedOut);
            }
            self.accumulator.update(now, index);
            self.follow_epoch_need();
        }
        if self.exhausted_at.take().is_some() {
            self.accumulator.close_all(now);
        }
    }

    /// When something happens without input.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        if self.fatal.is_some() {
            return self.network.deadline();
        }
        let metadata = self.metadata.refresh_at();
        let metadata = metadata.and_then(|due| self.metadata.reachable_at(&self.network, due));
        let identity = self.identity.as_ref().and_then(|identity| identity.due());
        let identity = identity.and_then(|due| self.metadata.reachable_at(&self.network, due));
        let due_nodes = self.accumulator.due_nodes();
        let reconnect = due_nodes.filter_map(|node| self.network.ready_at(node)).min();
        [
            self.exhausted_at,
            metadata,
            identity,
            reconnect,
            self.topics.deadline(),
            self.accumulator.deadline(),
            self.network.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
        .filter(|at| *at < Instant(u64::MAX))
    }

    /// A request was answered.
    pub(super) fn replied(&mut self, now: Instant, asked: Asked, reply: Reply) {
        match (asked, reply) {
            (Asked::Produce(batches), Reply::Answer(Response::Produce(answer))) => {
                self.produced(now, &batches, answer);
            }
            (Asked::Produce(batches), reply) => {
                for (index, position) in batches {
                    self.attempted(now, index, position, Attempt::lost(error_of(&reply)));
                }
            }
            (Asked::Metadata, Reply::Answer(Response::Metadata(answer))) => {
                let is_changed = self.metadata.update(&mut context!(self, now), answer);
                if is_changed {
                    self.follow_metadata(now);
                }
            }
            (Asked::Metadata, _) => self.metadata.failed(&mut context!(self, now)),
            (Asked::ProducerId, reply) => self.identity_replied(now, reply),
        }
    }

    /// A connection was lost, and all requests on it.
    pub(super) fn connection_lost(&mut self, now: Instant, lost: Lost<Asked>) {
        self.metadata.request_update();
        for asked in lost.requests {
            self.replied(now, asked, Reply::Lost(lost.error));
        }
    }

    /// The partition of a record, if it can be chosen yet.
    pub(super) fn choose_partition(&mut self, now: Instant, topic: usize, record: &ProducerRecord) -> Option<usize> {
        let partitions = self.topics.partitions(topic);
        let count = partitions.len();
        if let Some(chosen) = record.partition {
            let chosen = usize::try_from(chosen.0).ok()?;
            return partitions.get(chosen).copied();
        }
        if count == 0 {
            return None;
        }
        if let Some(key) = &record.key {
            return Some(partitions[partition_for_key(key, count as u32) as usize]);
        }
        let batch_size = u64::from(self.config.batch_size);
        loop {
            let (sticky, partitions) = self.topics.sticky(topic);
            let is_available = |at: usize| self.accumulator.partition(partitions[at]).leader().is_some();
            let chosen = partitions[sticky.partition(count, is_available, &mut self.rng)];
            // A batch that this record would not fit into is full: the moment to leave the partition. It is sent now,
            // lest it take the batch along that the record will begin.
            if self.accumulator.make_room(chosen, record) {
                self.accumulator.update(now, chosen);
                self.pump(now);
            }
            let is_full = self.accumulator.all_batches_full(chosen);
            let (sticky, _) = self.topics.sticky(topic);
            if !sticky.leave_if_exhausted(batch_size, is_full) {
                return Some(chosen);
            }
        }
    }

    fn ask_metadata(&mut self, now: Instant) {
        if self.metadata.refresh_at().is_some_and(|due| due <= now) {
            let mut cx = context!(self, now);
            if let Some(node) = self.metadata.any_broker(&mut cx, &self.network) {
                let request = self.metadata.request();
                self.network.request(&mut cx, node, request.into(), Asked::Metadata);
            }
        }
    }

    fn ask_identity(&mut self, now: Instant) {
        let Some(identity) = &mut self.identity else {
            return;
        };
        if identity.due().is_some_and(|due| due <= now) {
            let mut cx = context!(self, now);
            if let Some(node) = self.metadata.any_broker(&mut cx, &self.network) {
                let request = identity.request();
                self.network.request(&mut cx, node, request.into(), Asked::ProducerId);
            }
        }
    }

    /// Sends one request with a batch of each partition that the node leads.
    fn send_to(&mut self, now: Instant, node: NodeId) {
        let drained = self.accumulator.drain(now, node);
        if drained.is_empty() {
            return;
        }
        let mut partitions = Vec::with_capacity(drained.len());
        let mut batches = Vec::with_capacity(drained.len());
        for index in drained {
            let partition = self.accumulator.partition(index);
            let batch = partition.last_in_flight().expect("draining puts a batch in flight");
            let base_sequence = batch.sequence.map_or(Sequence::NONE, |_| batch.records.base_sequence());
            self.out.trace(Event::BatchSent {
                partition: partition.id,
                to: node,
                attempt: batch.attempts,
                base_sequence,
                records: batch.count() as u32,
            });
            partitions.push((partition.id, batch.records.clone()));
            batches.push((index, batch.position));
        }
        let acks = match self.config.acks {
            AcksSetting::None => Acks::None,
            AcksSetting::Leader => Acks::Leader,
            AcksSetting::All => Acks::All,
        };
        let request = ProduceRequest {
            acks,
            timeout: millis(self.config.request_timeout_ms),
            partitions,
        };
        if acks == Acks::None {
            // Nobody answers: the send is over with the request.
            self.out.request(node, request.into());
            for (index, position) in batches {
                if let Some(batch) = self.accumulator.take_in_flight(index, position) {
                    self.complete(index, batch, None);
                }
                self.accumulator.update(now, index);
            }
        } else {
            let mut cx = context!(self, now);
            self.network
                .request(&mut cx, node, request.into(), Asked::Produce(batches));
        }
    }

    fn produced(&mut self, now: Instant, batches: &[(usize, u64)], answer: ProduceResponse) {
        let mut answers = answer.partitions;
        for (at, (index, position)) in batches.iter().enumerate() {
            let id = self.accumulator.partition(*index).id;
            let attempt = match take_answer(&mut answers, at, id) {
                Some(answer) => Attempt {
                    error: answer.error,
                    is_answered: true,
                    base_offset: answer.base_offset,
                    current_leader: answer.current_leader,
                },
                // A broker that leaves a partition out has said nothing about it.
                None => Attempt::lost(ErrorCode::UnknownServerError),
            };
            self.attempted(now, *index, *position, attempt);
        }
    }

    /// An attempt to send a batch has ended.
    fn attempted(&mut self, now: Instant, index: usize, position: u64, attempt: Attempt) {
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
        self.follow_epoch_need();
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

    fn complete(&mut self, index: usize, batch: Batch, base_offset: Option<Offset>) {
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
    fn fail(&mut self, index: usize, batch: Batch, error: ErrorCode) {
        if let (Some((identity, ordinal)), Some(next)) = (batch.sequence, batch.next_ordinal()) {
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
        self.out.trace(Event::BatchCompleted {
            partition,
            error,
            base_offset,
            attempts: batch.attempts,
        });
        self.buffered -= batch.charged;
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

    fn identity_replied(&mut self, now: Instant, reply: Reply) {
        let Some(identity) = &mut self.identity else {
            return;
        };
        match reply {
            Reply::Answer(Response::InitProducerId(answer)) if answer.error.is_ok() => {
                let news = ProducerIdentity {
                    id: answer.producer_id,
                    epoch: answer.producer_epoch,
                };
                if identity.answered(news).is_some() {
                    self.out.trace(Event::ProducerIdAssigned {
                        producer_id: news.id,
                        producer_epoch: news.epoch,
                    });
                    self.accumulator.set_identity(now, Some(news));
                    self.follow_epoch_need();
                }
            }
            Reply::Answer(Response::InitProducerId(answer)) => {
                let had = identity.current();
                identity.failed(&mut context!(self, now), answer.error);
                if had.is_some() && identity.current().is_none() {
                    self.accumulator.set_identity(now, None);
                }
            }
            reply => identity.failed(&mut context!(self, now), error_of(&reply)),
        }
    }

    fn follow_epoch_need(&mut self) {
        if self.accumulator.take_needs_new_epoch()
            && let Some(identity) = &mut self.identity
        {
            identity.want_next_epoch();
        }
    }

    /// Takes new metadata over: partitions, leaders, and the records that waited for them.
    fn follow_metadata(&mut self, now: Instant) {
        for topic in 0..self.topics.len() {
            let Some(known) = self.metadata.topic(self.topics.name(topic)) else {
                continue;
            };
            let ids = (0..known.partitions).map(|partition| TopicPartition::new(known.id, partition as i32));
            let partitions: Vec<usize> = ids.map(|id| self.accumulator.index(id)).collect();
            self.topics.set_partitions(topic, partitions);
        }
        for index in 0..self.accumulator.len() {
            let leader = self.metadata.leader(self.accumulator.partition(index).id);
            self.accumulator.set_leader(now, index, leader);
        }
        for topic in 0..self.topics.len() {
            self.release_parked(now, topic);
        }
    }

    fn release_parked(&mut self, now: Instant, topic: usize) {
        let (parked, is_flushed) = self.topics.take_parked(topic);
        for parked in parked {
            match self.choose_partition(now, topic, &parked.record) {
                Some(partition) => {
                    self.buffered -= parked.charged;
                    self.append(now, topic, partition, &parked.record, parked.id);
                }
                None => self.topics.park(topic, parked),
            }
        }
        if is_flushed {
            self.accumulator.close_all(now);
            self.topics.flush_parked();
        }
    }
}

/// The answer for a partition: brokers keep the order of the request, but need not.
fn take_answer(
    answers: &mut [ProducePartitionResponse],
    at: usize,
    id: TopicPartition,
) -> Option<ProducePartitionResponse> {
    let found = match answers.get(at) {
        Some(answer) if answer.partition == id => Some(at),
        _ => answers.iter().position(|answer| answer.partition == id),
    };
    found.map(|found| answers[found].clone())
}

fn error_of(reply: &Reply) -> ErrorCode {
    match reply {
        Reply::Answer(_) => ErrorCode::UnknownServerError,
        Reply::Lost(error) => *error,
    }
}

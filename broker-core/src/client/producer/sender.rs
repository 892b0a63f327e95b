//! The producer's sender: requests out, answers in, and the passing of time (Kafka's `Sender`).

use alloc::vec::Vec;

use crate::client::network::{Lost, Reply};
use crate::config::{AcksSetting, millis};
use crate::machine::{Channel, Instant, earliest};
use crate::protocol::murmur2::partition_for_key;
use crate::protocol::{Acks, ErrorCode, ProducePartitionResponse, ProduceRequest, ProduceResponse, Response};
use crate::trace::{self, Event};
use crate::types::{NodeId, Sequence, TopicPartition};

use super::completion::Attempt;
use super::partition::Partition;
use super::partitioner::Queue;
use super::sequence::ProducerIdentity;
use super::{Producer, ProducerRecord, SendCompletion, SendFailed};

/// What a producer remembers of an unanswered request.
pub(super) enum Asked {
    /// Batches, by partition and position.
    Produce(Vec<(usize, u64)>),
    /// Metadata.
    Metadata,
    /// A producer id.
    ProducerId,
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
        // A node that is not connected is connected to, and not ready until it is.
        while let Some(node) = self
            .accumulator
            .next_due_node(|node| self.network.is_ready(now, (node, Channel::Client)))
        {
            if self.network.ready(&mut context!(self, now), (node, Channel::Client)) {
                self.send_to(now, node);
            }
        }
        if self.config.partitioner_availability_timeout_ms > 0 {
            self.accumulator.note_waiting(now);
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
                if self.quirks.buffer_reused_in_flight {
                    self.free_buffer_early(index, &batch);
                }
                self.fail(index, batch, ErrorCode::RequestTimedOut);
            }
            self.accumulator.update(now, index);
            self.follow_epoch_need(now);
        }
        if self.exhausted_at.take().is_some() {
            self.accumulator.close_all(now);
        }
    }

    /// When something happens without input.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        if self.fatal.is_some() {
            return earliest([self.network.deadline(), self.out.deadline()]);
        }
        let due_nodes = self.accumulator.due_nodes();
        let reconnect = due_nodes
            .filter_map(|node| self.network.ready_at((node, Channel::Client)))
            .min();
        let own = earliest([
            self.exhausted_at,
            reconnect,
            self.topics.deadline(),
            self.accumulator.deadline(),
            self.network.deadline(),
            self.out.deadline(),
        ]);
        let identity = self.identity.as_ref().and_then(|identity| identity.due());
        let due = earliest([self.metadata.refresh_at(), identity]);
        earliest([own, self.metadata.asks_at(&self.network, due, own)])
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
                if self.quirks.sequence_reset_on_metadata_loss {
                    self.forget_lost_topics(&answer);
                }
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
        if let Some(key) = record.key.as_ref().filter(|_| !self.config.partitioner_ignore_keys) {
            return Some(partitions[partition_for_key(key, count as u32) as usize]);
        }
        let batch_size = u64::from(self.config.batch_size);
        let timeout = self.config.partitioner_availability_timeout_ms;
        loop {
            let (sticky, partitions) = self.topics.sticky(topic);
            let (accumulator, network) = (&self.accumulator, &self.network);
            let takes_nothing = |node| {
                let waits_since = accumulator.waits_since(node).filter(|_| timeout > 0);
                waits_since.is_some_and(|since| now > since + millis(timeout))
                    && !network.is_ready(now, (node, Channel::Client))
            };
            let queues = || partitions.iter().map(|index| accumulator.partition(*index));
            let adaptive = self.config.partitioner_adaptive_partitioning_enable && queues().all(Partition::was_used);
            let queues = queues().map(|partition| match (partition.leader(), partition.waiting_batches()) {
                (None, _) => Queue::Leaderless,
                (Some((leader, _)), 1..) if takes_nothing(leader) => Queue::Unavailable,
                (Some(_), waiting) => Queue::Waiting(waiting),
            });
            let chosen = partitions[sticky.partition(queues, adaptive, &mut self.rng)];
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
            if let Some(node) = self.metadata.any_broker(&mut cx, &mut self.network) {
                let request = self.metadata.request();
                let to = (node, Channel::Client);
                self.network.request(&mut cx, to, request.into(), Asked::Metadata);
            }
        }
    }

    fn ask_identity(&mut self, now: Instant) {
        let Some(identity) = &mut self.identity else {
            return;
        };
        if identity.due().is_some_and(|due| due <= now) {
            let mut cx = context!(self, now);
            if let Some(node) = self.metadata.any_broker(&mut cx, &mut self.network) {
                let request = identity.request();
                let to = (node, Channel::Client);
                self.network.request(&mut cx, to, request.into(), Asked::ProducerId);
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
            self.out.trace(Event::BatchSent(trace::BatchSent {
                partition: partition.id,
                to: node,
                attempt: batch.attempts,
                base_sequence,
                records: batch.count() as u32,
            }));
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
        if self.quirks.buffer_reused_in_flight {
            self.reuse_buffer(now, &request);
        }
        if acks == Acks::None {
            // Nobody answers: the send is over with the request.
            let to = (node, Channel::Client);
            self.network.send(&mut context!(self, now), to, request.into());
            for (index, position) in batches {
                if let Some(batch) = self.accumulator.take_in_flight(index, position) {
                    self.complete(index, batch, None);
                }
                self.accumulator.update(now, index);
            }
        } else {
            let mut cx = context!(self, now);
            let to = (node, Channel::Client);
            self.network
                .request(&mut cx, to, request.into(), Asked::Produce(batches));
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
                identity.answered(news);
                self.take_identity(now, Some(news));
            }
            _ => identity.failed(&mut context!(self, now)),
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

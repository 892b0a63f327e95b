//! Mistakes that real producers made ([`crate::config::Quirks`]), each behind one line where the correct code decides.

use alloc::vec::Vec;

use crate::machine::{Channel, Instant};
use crate::protocol::{MetadataResponse, ProduceRequest};
use crate::types::{NodeId, TopicPartition};

use super::batch::Batch;
use super::{Producer, SendCompletion, SendOk};

impl Producer {
    /// `sequence-reset-on-metadata-loss`: what is known of a topic goes with its metadata, the sequence numbers too,
    /// while the producer id stays.
    pub(super) fn forget_lost_topics(&mut self, answer: &MetadataResponse) {
        for topic in 0..self.topics.len() {
            let name = self.topics.name(topic);
            let mut told = answer.topics.iter();
            if told.any(|told| told.name == *name && told.error.is_ok()) {
                continue;
            }
            for index in self.topics.partitions(topic) {
                let partition = self.accumulator.partition_mut(*index);
                if partition.oldest_numbered().is_none()
                    && let Some(identity) = partition.sequence.identity
                {
                    partition.sequence.begin(identity);
                }
            }
        }
    }

    /// `sequence-burned-for-unsent`: a batch that ends takes its numbers with it, sent or not, and nobody notices that
    /// they are missing.
    pub(super) fn burn_sequence(&mut self, index: usize, batch: &Batch) {
        if batch.sequence.is_none() {
            self.accumulator.partition_mut(index).sequence.next += batch.count();
        }
    }

    /// `inflight-accounting`: a batch whose connection broke was never in flight. What comes after it goes first, under
    /// its numbers.
    pub(super) fn retry_behind(&mut self, now: Instant, index: usize, mut batch: Batch) {
        batch.retry_at = now + self.retry_backoff.after(batch.attempts - 1, &mut self.rng);
        let partition = self.accumulator.partition_mut(index);
        if let Some((_, ordinal)) = batch.sequence.take() {
            partition.sequence.next = partition.sequence.next.min(ordinal);
        }
        partition.close();
        partition.queue.push_back(batch);
    }

    /// `buffer-reused-in-flight`: the request of a batch that has expired is still on its way, and its buffer is free.
    pub(super) fn free_buffer_early(&mut self, index: usize, batch: &Batch) {
        let partition = self.accumulator.partition(index);
        if batch.is_unanswered
            && let Some((leader, _)) = partition.leader()
        {
            self.freed_early.push((partition.id, leader));
        }
    }

    /// The next batch is written into such a buffer: the old request brings it to the old place.
    pub(super) fn reuse_buffer(&mut self, now: Instant, request: &ProduceRequest) {
        let Some((_, records)) = request.partitions.first() else {
            return;
        };
        let is_other = |(freed, _): &(TopicPartition, NodeId)| request.partitions.iter().all(|(id, _)| id != freed);
        let Some(at) = self.freed_early.iter().position(is_other) else {
            return;
        };
        let (partition, leader) = self.freed_early.remove(at);
        let to = (leader, Channel::Client);
        if !self.network.ready(&mut context!(self, now), to) {
            return;
        }
        let overwritten = ProduceRequest {
            partitions: Vec::from([(partition, records.clone())]),
            ..request.clone()
        };
        self.network.send(&mut context!(self, now), to, overwritten.into());
    }

    /// `flush-misses-split-batch`: the flush waits for the batch that is no more, and not for its halves.
    pub(super) fn report_flushed(&mut self, index: usize, batch: &mut Batch) {
        let is_flushed = batch.sends.last().is_some_and(|last| last.0 < self.flushed);
        if batch.is_reported || !is_flushed {
            return;
        }
        batch.is_reported = true;
        self.pending -= batch.sends.len();
        let partition = Some(self.accumulator.partition(index).id);
        let completion = |id: &_| SendCompletion {
            id: *id,
            partition,
            result: Ok(SendOk { offset: None }),
        };
        self.completions.extend(batch.sends.iter().map(completion));
    }
}

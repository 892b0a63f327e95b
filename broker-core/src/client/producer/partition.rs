//! One partition's batches and its sequence numbers.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::machine::Instant;
use crate::types::{LeaderEpoch, NodeId, TopicPartition};

use super::batch::{Batch, OpenBatch};
use super::sequence::{Ordinal, PartitionSequence, ProducerIdentity};

/// One partition's batches, in the order in which they will be sent: `in_flight`, then `queue`, then `open`.
pub(super) struct Partition {
    pub id: TopicPartition,
    pub sequence: PartitionSequence,
    pub leader: Option<(NodeId, LeaderEpoch)>,
    /// In a request that has no answer yet.
    pub in_flight: Vec<Batch>,
    /// Closed. Batches that are to be sent again stand in front: in the order of their positions if the producer is
    /// idempotent, else the last one to fail first, as Kafka does it.
    pub queue: VecDeque<Batch>,
    pub open: Option<OpenBatch>,
    /// Unanswered requests with a batch of this partition, also if that batch has expired since.
    pub on_wire: u32,
    /// How many records closed batches have been given.
    pub closed_records: u64,
    /// Under which node it is listed.
    pub listed_at: Option<NodeId>,
    pub timer: Option<Instant>,
}

impl Partition {
    pub fn new(id: TopicPartition) -> Partition {
        Partition {
            id,
            sequence: PartitionSequence::default(),
            leader: None,
            in_flight: Vec::new(),
            queue: VecDeque::new(),
            open: None,
            on_wire: 0,
            closed_records: 0,
            listed_at: None,
            timer: None,
        }
    }

    /// Who leads it.
    pub fn leader(&self) -> Option<(NodeId, LeaderEpoch)> {
        self.leader
    }

    /// How many records have not ended.
    pub fn queued(&self) -> u64 {
        let batches = self.in_flight.iter().chain(&self.queue);
        let open = self.open.as_ref().map_or(0, |open| open.sends.len() as u64);
        batches.map(Batch::count).sum::<u64>() + open
    }

    /// How many batches wait to be sent.
    pub fn waiting_batches(&self) -> u64 {
        self.queue.len() as u64 + u64::from(self.open.is_some())
    }

    /// Whether it ever had a batch.
    pub fn was_used(&self) -> bool {
        self.open.is_some() || self.closed_records > 0
    }

    /// The batch that was put in flight last.
    pub fn last_in_flight(&self) -> Option<&Batch> {
        self.in_flight.last()
    }

    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let batch = open.close(self.closed_records);
            self.closed_records += batch.count();
            self.queue.push_back(batch);
        }
    }

    /// The size of the next batch, unless it is held back by its back-off.
    pub fn next_size(&self, now: Instant) -> Option<u64> {
        match (self.queue.front(), &self.open) {
            (Some(batch), _) => (batch.retry_at <= now).then(|| batch.records.size()),
            (None, Some(open)) => Some(open.builder.size()),
            (None, None) => None,
        }
    }

    pub fn put_in_flight(&mut self, identity: Option<ProducerIdentity>) {
        if self.queue.is_empty() {
            self.close();
        }
        let Some(mut batch) = self.queue.pop_front() else {
            return;
        };
        if identity.is_some() && batch.sequence.is_none() {
            let (identity, ordinal) = self.sequence.take(batch.count());
            batch.set_sequence(identity, ordinal);
        }
        batch.attempts += 1;
        batch.sent_epoch = self.leader.map_or(LeaderEpoch::NONE, |(_, epoch)| epoch);
        self.on_wire += 1;
        self.in_flight.push(batch);
    }

    /// The lowest ordinal of those that have one.
    pub fn oldest_numbered(&self) -> Option<Ordinal> {
        let batches = self.in_flight.iter().chain(self.queue.front());
        batches
            .filter_map(|batch| batch.sequence)
            .map(|(_, ordinal)| ordinal)
            .min()
    }

    /// When the oldest batch began. Batches that wait for their first attempt are in order of age; the others are few.
    pub fn oldest(&self) -> Option<Instant> {
        let retries = self.queue.iter().take_while(|batch| batch.attempts > 0);
        let first_new = self.queue.iter().find(|batch| batch.attempts == 0);
        let batches = self.in_flight.iter().chain(retries).chain(first_new);
        let open = self.open.iter().map(|open| open.created);
        batches.map(|batch| batch.created).chain(open).min()
    }

    /// Takes batches out, oldest position first. Those in flight may be in the log.
    pub fn take_where(&mut self, is_wanted: impl Fn(&Batch) -> bool) -> Vec<Batch> {
        let (mut taken, kept): (Vec<Batch>, Vec<Batch>) = self.in_flight.drain(..).partition(&is_wanted);
        self.in_flight = kept;
        for batch in &mut taken {
            batch.maybe_appended = true;
            batch.is_unanswered = true;
        }
        let (waiting, kept): (VecDeque<Batch>, VecDeque<Batch>) = self.queue.drain(..).partition(&is_wanted);
        self.queue = kept;
        taken.extend(waiting);
        taken.sort_by_key(|batch| batch.position);
        taken
    }
}

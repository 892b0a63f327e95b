//! A closed batch on its way, and the batch that is still being filled.

use alloc::vec::Vec;

use crate::machine::Instant;
use crate::protocol::{BatchBuilder, RecordBatch};
use crate::types::LeaderEpoch;

use super::SendId;
use super::sequence::{Ordinal, ProducerIdentity};

/// A batch that still takes records.
pub(super) struct OpenBatch {
    pub created: Instant,
    pub builder: BatchBuilder,
    pub sends: Vec<SendId>,
}

/// A batch that takes no more records. It keeps its place in the partition by `position` whatever happens to it.
pub(super) struct Batch {
    /// How many records the partition had been given before its first one. Orders the batches of a partition.
    pub position: u64,
    /// When its first record was sent: `delivery.timeout.ms` counts from here.
    pub created: Instant,
    /// The sends in it, in the order of its records.
    pub sends: Vec<SendId>,
    /// Its records, stamped with `sequence` if it has one.
    pub records: RecordBatch,
    /// Its share of `buffer.memory`.
    pub charged: u64,
    /// Its sequence numbers, once it has been sent by an idempotent producer.
    pub sequence: Option<(ProducerIdentity, Ordinal)>,
    /// How often it was put into a request.
    pub attempts: u32,
    /// It is not sent again before.
    pub retry_at: Instant,
    /// The epoch of the leader that the last attempt went to.
    pub sent_epoch: LeaderEpoch,
    /// Some attempt may have been appended: it went unanswered, or the answer does not exclude it. Never taken back.
    pub maybe_appended: bool,
    /// Some attempt went unanswered: a copy of it may still reach a broker.
    pub is_unanswered: bool,
    /// Its sends have ended as far as the application knows (`flush-misses-split-batch`).
    pub is_reported: bool,
}

impl OpenBatch {
    pub fn new(now: Instant) -> OpenBatch {
        OpenBatch {
            created: now,
            builder: BatchBuilder::new(),
            sends: Vec::new(),
        }
    }

    pub fn close(self, position: u64) -> Batch {
        let charged = self.builder.size();
        Batch {
            position,
            created: self.created,
            sends: self.sends,
            records: self.builder.build(),
            charged,
            sequence: None,
            attempts: 0,
            retry_at: Instant(0),
            sent_epoch: LeaderEpoch::NONE,
            maybe_appended: false,
            is_unanswered: false,
            is_reported: false,
        }
    }
}

impl Batch {
    pub fn count(&self) -> u64 {
        self.sends.len() as u64
    }

    /// The ordinal after its last record, if it is sequenced.
    pub fn next_ordinal(&self) -> Option<Ordinal> {
        self.sequence.map(|(_, ordinal)| ordinal + self.count())
    }

    /// Takes the sequence numbers and stamps them on the records.
    pub fn set_sequence(&mut self, identity: ProducerIdentity, ordinal: Ordinal) {
        self.sequence = Some((identity, ordinal));
        self.records = self
            .records
            .with_producer(identity.id, identity.epoch, super::sequence::wrapped(ordinal));
    }

    /// Two batches with half of the records each, for a broker that finds this one too large. They keep the sequence
    /// numbers, so no attempt may have been appended.
    pub fn split(mut self) -> [Batch; 2] {
        assert!(
            !self.maybe_appended,
            "a batch that may be in the log cannot be sent in other shape"
        );
        let half = self.sends.len() / 2;
        let mut builders = [BatchBuilder::new(), BatchBuilder::new()];
        for (index, record) in self.records.records().enumerate() {
            let record = record.expect("the producer can read the batches that it has built");
            let builder = &mut builders[usize::from(index >= half)];
            builder.push(
                record.timestamp,
                record.key.as_deref(),
                record.value.as_deref(),
                &record.headers,
            );
        }
        let second_sends = self.sends.split_off(half);
        let [first, second] = builders.map(BatchBuilder::build);
        let (first_charge, sequence) = (self.charged / 2, self.sequence);
        let mut batches = [
            Batch {
                records: first,
                sequence: None,
                charged: first_charge,
                ..self
            },
            Batch {
                position: self.position + half as u64,
                created: self.created,
                sends: second_sends,
                records: second,
                charged: self.charged - first_charge,
                sequence: None,
                attempts: self.attempts,
                retry_at: self.retry_at,
                sent_epoch: self.sent_epoch,
                maybe_appended: false,
                is_unanswered: false,
                is_reported: self.is_reported,
            },
        ];
        if let Some((identity, ordinal)) = sequence {
            batches[0].set_sequence(identity, ordinal);
            batches[1].set_sequence(identity, ordinal + half as u64);
        }
        batches
    }
}

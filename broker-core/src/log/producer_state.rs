//! What a log knows about its idempotent producers (KIP-98, KIP-360; `ProducerStateManager.java`).
//!
//! A leader checks a producer's batch against it before the append; leader and follower update it after. It is a
//! function of the batches in the log and is rebuilt from them.

use alloc::collections::BTreeMap;

use crate::protocol::ErrorCode;
use crate::types::{Offset, ProducerEpoch, ProducerId, Sequence};

/// How many batches of a producer are remembered: as many as it may have in flight (KIP-98).
pub const BATCHES_TO_RETAIN: usize = 5;

/// A batch of an idempotent producer, by its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerBatch {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its incarnation.
    pub producer_epoch: ProducerEpoch,
    /// The first record's sequence number; `NONE` in a control batch.
    pub base_sequence: Sequence,
    /// The last record's sequence number; `NONE` in a control batch.
    pub last_sequence: Sequence,
    /// The first record's offset; of no account before the append.
    pub base_offset: Offset,
    /// The last record's offset; of no account before the append.
    pub last_offset: Offset,
    /// A transaction's marker, not records of the producer itself.
    pub is_control: bool,
}

/// A batch that the log has already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BatchMetadata {
    /// The first record's sequence number.
    pub base_sequence: Sequence,
    /// The last record's sequence number.
    pub last_sequence: Sequence,
    /// The first record's offset.
    pub base_offset: Offset,
    /// The last record's offset.
    pub last_offset: Offset,
}

/// One producer: its epoch and its last batches in that epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerEntry {
    producer_epoch: ProducerEpoch,
    /// Oldest first; those from `len` on are defaults.
    batches: [BatchMetadata; BATCHES_TO_RETAIN],
    len: usize,
}

/// All producers of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProducerStates {
    producers: BTreeMap<ProducerId, ProducerEntry>,
}

impl ProducerEntry {
    /// The producer's epoch.
    #[must_use]
    pub fn producer_epoch(&self) -> ProducerEpoch {
        self.producer_epoch
    }

    /// Its last batches in that epoch, oldest first; none after a marker that began the epoch.
    #[must_use]
    pub fn batches(&self) -> &[BatchMetadata] {
        &self.batches[..self.len]
    }

    /// The sequence number of its last record in that epoch, or `NONE`.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.batches()
            .last()
            .map_or(Sequence::NONE, |batch| batch.last_sequence)
    }

    fn new(producer_epoch: ProducerEpoch) -> ProducerEntry {
        ProducerEntry {
            producer_epoch,
            batches: [BatchMetadata::default(); BATCHES_TO_RETAIN],
            len: 0,
        }
    }

    fn push(&mut self, batch: BatchMetadata) {
        if self.len == BATCHES_TO_RETAIN {
            self.batches.rotate_left(1);
            self.len -= 1;
        }
        self.batches[self.len] = batch;
        self.len += 1;
    }
}

impl ProducerStates {
    /// What is known about a producer.
    #[must_use]
    pub fn get(&self, producer_id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// Whether a leader may append this batch: `Ok(Some)` if it is one of the producer's last five batches, whose
    /// place in the log is returned.
    ///
    /// Of an unknown producer any sequence number is taken: its state may have been lost with its records (KIP-360).
    ///
    /// # Errors
    /// INVALID_PRODUCER_EPOCH for an epoch below the producer's; OUT_OF_ORDER_SEQUENCE_NUMBER for a first sequence
    /// number that does not follow the last one, or that is not 0 in a new epoch.
    pub fn check(&self, batch: &ProducerBatch) -> Result<Option<BatchMetadata>, ErrorCode> {
        let Some(entry) = self.get(batch.producer_id) else {
            return Ok(None);
        };
        if batch.producer_epoch < entry.producer_epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if batch.is_control {
            return Ok(None);
        }
        let next = if batch.producer_epoch > entry.producer_epoch {
            Sequence(0)
        } else {
            let same = |known: &&BatchMetadata| {
                known.base_sequence == batch.base_sequence && known.last_sequence == batch.last_sequence
            };
            if let Some(known) = entry.batches().iter().find(same) {
                return Ok(Some(*known));
            }
            // After `NONE`, which is -1, follows 0.
            entry.last_sequence().plus(1)
        };
        if batch.base_sequence == next {
            Ok(None)
        } else {
            Err(ErrorCode::OutOfOrderSequenceNumber)
        }
    }

    /// Takes in a batch that is in the log now. Nothing is checked: what a leader appended is true.
    pub fn update(&mut self, batch: &ProducerBatch) {
        let entry = self
            .producers
            .entry(batch.producer_id)
            .or_insert_with(|| ProducerEntry::new(batch.producer_epoch));
        if entry.producer_epoch != batch.producer_epoch {
            *entry = ProducerEntry::new(batch.producer_epoch);
        }
        if !batch.is_control {
            entry.push(BatchMetadata {
                base_sequence: batch.base_sequence,
                last_sequence: batch.last_sequence,
                base_offset: batch.base_offset,
                last_offset: batch.last_offset,
            });
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.producers.clear();
    }
}

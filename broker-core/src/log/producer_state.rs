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

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::*;

    /// Scripts of Kafka's `ProducerStateManagerTest`, one row a case, of one producer. Steps: `C epoch:first[..last]`
    /// a leader checks a batch and appends it if it may · `R ...` a replica appends it unchecked · `C marker epoch`
    /// and `R marker epoch` the same with a control batch · `last` the last sequence number · `kept` the batches.
    const CASES: &[(&str, &str)] = &[
        (
            "a sequence again is a duplicate",
            "C 0:0 = ok; C 0:1 = ok; C 0:1 = duplicate of 1; last 1",
        ),
        ("a gap", "C 0:0 = ok; C 0:1 = ok; C 0:5 = out of order; last 1"),
        (
            "a new epoch fences the old one",
            "C 0:0 = ok; C 1:0 = ok; C 0:1 = fenced; kept 0..0",
        ),
        (
            "only a marker is known",
            "R marker 2; last -1; C 0:0 = fenced; C 2:17 = out of order; C 2:0 = ok; last 0",
        ),
        (
            "wrap",
            "R 0:2147483647; C 0:0 = ok; last 0; kept 2147483647..2147483647 0..0",
        ),
        ("a gap at the wrap", "R 0:2147483647; C 0:1 = out of order"),
        (
            "a batch over the wrap",
            "R 0:2147483637..9; last 9; kept 2147483637..9; C 0:10 = ok; C 0:2147483637..9 = duplicate of 0",
        ),
        (
            "the first that a replica sees may have any sequence",
            "R 5:16; last 16; C 5:17 = ok",
        ),
        ("the first that a leader sees may, too", "C 0:7 = ok; C 0:8 = ok"),
        (
            "a marker begins an epoch",
            "C 0:0 = ok; R marker 1; last -1; kept; C 1:0 = ok; last 0",
        ),
        (
            "after a marker's epoch sequences begin anew",
            "R 0:0; R 0:1; R marker 1; C 1:2 = out of order; C 2:2 = out of order; C 1:0 = ok",
        ),
        (
            "a marker of an old epoch",
            "C 5:0 = ok; C marker 3 = fenced; C marker 5 = ok; last 0",
        ),
        (
            "a marker of the same epoch keeps sequences",
            "C 0:0..4 = ok; C marker 0 = ok; last 4; C 0:5 = ok",
        ),
        (
            "a replica takes gaps",
            "C 0:0 = ok; C 0:3 = out of order; R 0:3; last 3",
        ),
        (
            "a new epoch begins at 0",
            "C 0:0..2 = ok; C 1:5 = out of order; C 1:0 = ok",
        ),
        (
            "five batches are remembered",
            "C 0:0..1 = ok; C 0:2..3 = ok; C 0:4..5 = ok; C 0:6..7 = ok; C 0:8..9 = ok; C 0:10..11 = ok; \
             kept 2..3 4..5 6..7 8..9 10..11; C 0:2..3 = duplicate of 2; C 0:10..11 = duplicate of 10; \
             C 0:0..1 = out of order",
        ),
        (
            "a part of a batch is no duplicate",
            "C 0:0..4 = ok; C 0:0..3 = out of order; C 0:3..7 = out of order",
        ),
        (
            "a duplicate is of the same epoch",
            "C 0:0 = ok; C 1:0 = ok; C 1:0 = duplicate of 1",
        ),
        ("a replica takes an older epoch", "R 3:0; R 2:7; last 7; C 2:8 = ok"),
    ];

    #[test]
    fn behaves_as_in_kafka() {
        for (name, script) in CASES {
            let mut states = ProducerStates::default();
            let mut end = 0;
            for step in script.split(';').map(str::trim) {
                run(&mut states, &mut end, step).unwrap_or_else(|found| panic!("{name}: `{step}`, but it is {found}"));
            }
        }
    }

    #[test]
    fn producers_do_not_mix() {
        let mut states = ProducerStates::default();
        states.update(&batch(7, 0, Some((0, 4)), 0));
        let mut other = batch(7, 0, Some((9, 9)), 5);
        other.producer_id = ProducerId(8);
        assert_eq!(states.check(&other), Ok(None));
        states.update(&other);
        assert_eq!(
            states.get(ProducerId(7)).map(ProducerEntry::last_sequence),
            Some(Sequence(4))
        );
        assert_eq!(
            states.get(ProducerId(8)).map(ProducerEntry::last_sequence),
            Some(Sequence(9))
        );
    }

    fn run(states: &mut ProducerStates, end: &mut i64, step: &str) -> Result<(), String> {
        let (action, expected) = step.split_once(" = ").unwrap_or((step, ""));
        let words: Vec<&str> = action.split(' ').collect();
        let entry = states.get(ProducerId(7));
        let (found, expected) = match words[..] {
            ["last", expected] => (
                entry.expect("it is known").last_sequence().to_string(),
                expected.to_string(),
            ),
            ["kept", ..] => {
                let batches = entry.expect("it is known").batches().iter();
                let shown = |batch: &BatchMetadata| alloc::format!("{}..{}", batch.base_sequence, batch.last_sequence);
                (batches.map(shown).collect::<Vec<_>>().join(" "), words[1..].join(" "))
            }
            [who, .., what] => {
                let batch = match what.split_once(':') {
                    Some((epoch, sequences)) => {
                        let (first, last) = sequences.split_once("..").unwrap_or((sequences, sequences));
                        let sequences = (first.parse().unwrap(), last.parse().unwrap());
                        batch(7, epoch.parse().unwrap(), Some(sequences), *end)
                    }
                    None => batch(7, what.parse().unwrap(), None, *end),
                };
                let checked = if who == "C" { states.check(&batch) } else { Ok(None) };
                if checked == Ok(None) {
                    states.update(&batch);
                    *end = batch.last_offset.0 + 1;
                }
                let found = match checked {
                    _ if who == "R" => String::new(),
                    Ok(None) => "ok".to_string(),
                    Ok(Some(known)) => alloc::format!("duplicate of {}", known.base_offset),
                    Err(ErrorCode::OutOfOrderSequenceNumber) => "out of order".to_string(),
                    Err(ErrorCode::InvalidProducerEpoch) => "fenced".to_string(),
                    Err(other) => alloc::format!("{other:?}"),
                };
                (found, expected.to_string())
            }
            _ => panic!("unknown step `{step}`"),
        };
        if found == expected { Ok(()) } else { Err(found) }
    }

    fn batch(id: i64, epoch: i16, sequences: Option<(i32, i32)>, base_offset: i64) -> ProducerBatch {
        let (base_sequence, last_sequence) = sequences.unwrap_or((-1, -1));
        let count = i64::from(last_sequence.wrapping_sub(base_sequence) & i32::MAX);
        ProducerBatch {
            producer_id: ProducerId(id),
            producer_epoch: ProducerEpoch(epoch),
            base_sequence: Sequence(base_sequence),
            last_sequence: Sequence(last_sequence),
            base_offset: Offset(base_offset),
            last_offset: Offset(base_offset + count),
            is_control: sequences.is_none(),
        }
    }
}

//! What a log says after compaction.

use alloc::collections::BTreeMap;

use bytes::Bytes;

use super::{CorruptBatch, RecordBatch};
use crate::digest::digest_of;

/// The latest value of each key; a tombstone takes its key away. Whoever reads the same log, in whatever pieces, comes
/// to the same digest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Compacted(BTreeMap<Bytes, Bytes>);

impl Compacted {
    /// Takes in the records of the next batch. Control batches and records without a key say nothing.
    ///
    /// # Errors
    /// When the records of the batch are malformed; those before the malformed one are taken in.
    pub fn take_in(&mut self, batch: &RecordBatch) -> Result<(), CorruptBatch> {
        if batch.is_control() {
            return Ok(());
        }
        for record in batch.records() {
            let record = record?;
            match (record.key, record.value) {
                (None, _) => {}
                (Some(key), None) => {
                    self.0.remove(&key);
                }
                (Some(key), Some(value)) => {
                    self.0.insert(key, value);
                }
            }
        }
        Ok(())
    }

    /// A digest of keys and values, the same on every machine.
    #[must_use]
    pub fn digest(&self) -> u64 {
        digest_of(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::protocol::BatchBuilder;
    use crate::types::Timestamp;

    fn batch(records: &[(&str, Option<&str>)]) -> RecordBatch {
        let mut builder = BatchBuilder::new();
        for (key, value) in records {
            builder.push(Timestamp(0), Some(key.as_bytes()), value.map(str::as_bytes), &[]);
        }
        builder.build()
    }

    fn digest(batches: &[RecordBatch]) -> u64 {
        let mut compacted = Compacted::default();
        for batch in batches {
            compacted.take_in(batch).expect("well formed");
        }
        compacted.digest()
    }

    #[test]
    fn only_the_latest_value_of_a_key_counts() {
        let whole = digest(&[batch(&[("a", Some("1")), ("b", Some("2")), ("a", Some("3"))])]);
        for (row, batches, is_same) in [
            (
                "in pieces",
                vec![batch(&[("a", Some("1")), ("b", Some("2"))]), batch(&[("a", Some("3"))])],
                true,
            ),
            (
                "in another order",
                vec![batch(&[("a", Some("3")), ("b", Some("2"))])],
                true,
            ),
            (
                "a tombstone",
                vec![batch(&[
                    ("c", Some("1")),
                    ("a", Some("3")),
                    ("b", Some("2")),
                    ("c", None),
                ])],
                true,
            ),
            (
                "an old value",
                vec![batch(&[("a", Some("1")), ("b", Some("2"))])],
                false,
            ),
            ("a key too few", vec![batch(&[("a", Some("3"))])], false),
            ("moved bytes", vec![batch(&[("a", Some("3")), ("b2", Some(""))])], false),
        ] {
            assert_eq!(digest(&batches) == whole, is_same, "{row}");
        }
    }
}

//! RecordBatch v2: Kafka's record format on the wire and in segment files (KIP-98; `DefaultRecordBatch.java`).
//!
//! A [`RecordBatch`] is a checked handle on shared bytes: cloning it copies nothing, and every field is
//! read where it stands. Offset and leader epoch lie outside the CRC, so a leader stamps them
//! without computing it anew.
//!
//! Bytes of a batch, big-endian: base offset 0..8 · length of the rest 8..12 · leader epoch 12..16 · magic 16 ·
//! CRC-32C 17..21 · attributes 21..23 · last offset delta 23..27 · base timestamp 27..35 · max timestamp 35..43 ·
//! producer id 43..51 · producer epoch 51..53 · base sequence 53..57 · record count 57..61 · records.

mod builder;
mod compacted;
mod records;

use core::fmt;
use core::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

pub use builder::BatchBuilder;
pub use compacted::Compacted;
use records::Records;
pub use records::{Header, Record, RecordView};

/// The bytes before the first record of a batch.
pub const HEADER_SIZE: usize = 61;
/// The bytes of a batch before its length field ends: base offset and length.
pub const LOG_OVERHEAD: usize = 12;

/// Attribute bits 0 to 2: the codec of the records, 0 for none.
pub const COMPRESSION: i16 = 0x07;
/// Attribute bit 3: all records have the batch's max timestamp, which the leader set at the append.
pub const LOG_APPEND_TIME: i16 = 0x08;
/// Attribute bit 4: the records belong to a transaction.
pub const TRANSACTIONAL: i16 = 0x10;
/// Attribute bit 5: the one record is for the protocol, not for applications.
pub const CONTROL: i16 = 0x20;

const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
/// The smallest length field of any format that Kafka ever had (message format 0).
const SMALLEST_LENGTH: i32 = 14;
/// The smallest record: length, attributes, two deltas, null key, null value and no headers, a byte each.
const SMALLEST_RECORD: usize = 7;

/// One well-formed batch whose CRC has been checked, or that was built here.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBatch(Bytes);

/// The bytes are not a record batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CorruptBatch {
    /// Fewer bytes are left than the batch says; at the end of a file this is a torn write.
    #[error("truncated: {have} of {need} bytes")]
    Truncated {
        /// Bytes there.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// The length field is impossible.
    #[error("impossible length {0}")]
    Length(i32),
    /// Not format 2.
    #[error("magic {0} is not 2")]
    Magic(i8),
    /// The CRC-32C of the content is not the one in the header.
    #[error("crc {actual:#010x} instead of {expected:#010x}")]
    Crc {
        /// From the header.
        expected: u32,
        /// Of the content.
        actual: u32,
    },
    /// The offsets leave the range of offsets, or the header counts more records than it has offsets for.
    #[error("impossible offsets or record count")]
    Offsets,
    /// The records are compressed, which this build cannot undo.
    #[error("compressed with codec {0}")]
    Compressed(i16),
    /// The records do not fill the batch as its header says.
    #[error("malformed records")]
    Records,
}

impl RecordBatch {
    /// The first batch of `bytes`, checked (length, magic, CRC, and that offsets and record count are possible),
    /// and without a copy. The records themselves are checked by [`RecordBatch::records`].
    ///
    /// # Errors
    /// When the bytes do not begin with a whole, intact batch.
    pub fn parse(bytes: &Bytes) -> Result<RecordBatch, CorruptBatch> {
        let have = bytes.len();
        if have < LOG_OVERHEAD {
            return Err(CorruptBatch::Truncated {
                have,
                need: HEADER_SIZE,
            });
        }
        let length = i32::from_be_bytes(field(bytes, 8));
        if length < SMALLEST_LENGTH {
            return Err(CorruptBatch::Length(length));
        }
        let need = LOG_OVERHEAD + length as usize;
        // Old formats have their magic at the same place, and shorter lengths.
        if let Some(magic) = bytes.get(MAGIC_AT)
            && *magic != 2
        {
            return Err(CorruptBatch::Magic(*magic as i8));
        }
        if need < HEADER_SIZE {
            return Err(CorruptBatch::Length(length));
        }
        if have < need {
            return Err(CorruptBatch::Truncated { have, need });
        }
        let expected = u32::from_be_bytes(field(bytes, CRC_AT));
        let actual = crc32c::crc32c(&bytes[ATTRIBUTES_AT..need]);
        if expected != actual {
            return Err(CorruptBatch::Crc { expected, actual });
        }
        let batch = RecordBatch(bytes.slice(..need));
        batch.check_counts()?;
        Ok(batch)
    }

    /// Cleaning may leave fewer records than offsets, even none; more are impossible. What other methods add up
    /// stays in range.
    fn check_counts(&self) -> Result<(), CorruptBatch> {
        let (base, delta, count) = (self.base_offset().0, self.last_offset_delta(), self.count());
        let in_range = base >= 0 && base.checked_add(i64::from(delta) + 1).is_some();
        if !in_range || delta < 0 || count < 0 || i64::from(count) > i64::from(delta) + 1 {
            return Err(CorruptBatch::Offsets);
        }
        let room = self.0.len() - HEADER_SIZE;
        if self.compression() == 0 && count as usize > room / SMALLEST_RECORD {
            return Err(CorruptBatch::Records);
        }
        Ok(())
    }

    /// The same records stamped by the leader: base offset and leader epoch. One copy, no new CRC.
    ///
    /// # Panics
    /// When the offsets would be negative or too large.
    #[must_use]
    pub fn stamped(&self, base_offset: Offset, leader_epoch: LeaderEpoch) -> RecordBatch {
        let mut bytes = self.0.to_vec();
        bytes[0..8].copy_from_slice(&base_offset.0.to_be_bytes());
        bytes[12..16].copy_from_slice(&leader_epoch.0.to_be_bytes());
        let stamped = RecordBatch(bytes.into());
        assert!(
            stamped.check_counts().is_ok(),
            "offset {base_offset} cannot begin a batch of {} records",
            self.count()
        );
        stamped
    }

    /// The same records under a producer's id, epoch and first sequence number. One copy, new CRC.
    #[must_use]
    pub fn with_producer(&self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) -> RecordBatch {
        let mut bytes = self.0.to_vec();
        write_producer(&mut bytes, id, epoch, base_sequence);
        seal(&mut bytes);
        RecordBatch(bytes.into())
    }

    /// The bytes, as they go to the wire and to the segment file.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// How many bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.len() as u64
    }

    /// The offset of its first record.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        Offset(i64::from_be_bytes(self.field(0)))
    }

    /// The offset of its last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.base_offset().plus(i64::from(self.last_offset_delta()))
    }

    /// The offset of its last record less that of its first.
    #[must_use]
    pub fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(self.field(23))
    }

    /// The offset after its last record.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// The epoch of the leader that appended it.
    #[must_use]
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(i32::from_be_bytes(self.field(12)))
    }

    /// The CRC-32C of everything behind the CRC field: names the content.
    #[must_use]
    pub fn crc(&self) -> u32 {
        u32::from_be_bytes(self.field(CRC_AT))
    }

    /// True for control batches (transaction markers, quorum leader changes).
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL != 0
    }

    /// True for batches of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & TRANSACTIONAL != 0
    }

    /// The attribute bits.
    #[must_use]
    pub fn attributes(&self) -> i16 {
        i16::from_be_bytes(self.field(ATTRIBUTES_AT))
    }

    /// The codec of its records, 0 for none.
    #[must_use]
    pub fn compression(&self) -> i16 {
        self.attributes() & COMPRESSION
    }

    /// The timestamp from which those of its records are counted.
    #[must_use]
    pub fn base_timestamp(&self) -> Timestamp {
        Timestamp(i64::from_be_bytes(self.field(27)))
    }

    /// The largest timestamp of its records.
    #[must_use]
    pub fn max_timestamp(&self) -> Timestamp {
        Timestamp(i64::from_be_bytes(self.field(35)))
    }

    /// The idempotent producer, or `NONE`.
    #[must_use]
    pub fn producer_id(&self) -> ProducerId {
        ProducerId(i64::from_be_bytes(self.field(43)))
    }

    /// The producer's epoch, or `NONE`.
    #[must_use]
    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(i16::from_be_bytes(self.field(51)))
    }

    /// The sequence number of its first record, or `NONE`.
    #[must_use]
    pub fn base_sequence(&self) -> Sequence {
        Sequence(i32::from_be_bytes(self.field(53)))
    }

    /// The sequence number of its last record, or `NONE`.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        match self.base_sequence() {
            Sequence::NONE => Sequence::NONE,
            base => base.plus(self.last_offset_delta()),
        }
    }

    /// How many records it has.
    #[must_use]
    pub fn count(&self) -> i32 {
        i32::from_be_bytes(self.field(57))
    }

    /// Its records in order. Stops with an error at the first malformed one, or at once if they are compressed.
    pub fn records(&self) -> impl Iterator<Item = Result<Record, CorruptBatch>> + '_ {
        self.views().map(|view| {
            let view = view?;
            Ok(Record {
                offset: view.offset,
                timestamp: view.timestamp,
                key: view.key.map(|key| self.0.slice_ref(key)),
                value: view.value.map(|value| self.0.slice_ref(value)),
                headers: view.headers,
            })
        })
    }

    /// The same as [`RecordBatch::records`], without handles on the batch.
    pub fn views(&self) -> impl Iterator<Item = Result<RecordView<'_>, CorruptBatch>> {
        Records::new(self)
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        field(&self.0, at)
    }
}

fn write_producer(bytes: &mut [u8], id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) {
    bytes[43..51].copy_from_slice(&id.0.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.0.to_be_bytes());
    bytes[53..57].copy_from_slice(&base_sequence.0.to_be_bytes());
}

/// Sets the CRC of a batch whose other bytes are final.
fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a batch has a whole header")
}

impl Hash for RecordBatch {
    /// Base offset, leader epoch, CRC and size stand for the content.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.base_offset().hash(state);
        self.leader_epoch().hash(state);
        self.crc().hash(state);
        self.size().hash(state);
    }
}

impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "[{}..={} epoch {} crc {:08x}]",
            self.base_offset(),
            self.last_offset(),
            self.leader_epoch(),
            self.crc()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of Kafka 4.1.1's own builder; more are in the record format suite.
    #[test]
    fn bytes_of_kafka() {
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(1_700_000_000_000), Some(b"key"), Some(b"value"), &[]);
        let batch = builder.build().stamped(Offset(42), LeaderEpoch(7));
        let expected: &[u8] = &[
            0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2a, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x07, 0x02, 0xdb,
            0x5e, 0x9c, 0xdd, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0x00,
            0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01, 0x1c, 0x00, 0x00, 0x00, 0x06, 0x6b, 0x65, 0x79, 0x0a, 0x76, 0x61,
            0x6c, 0x75, 0x65, 0x00,
        ];
        assert_eq!(batch.bytes(), expected);
        assert_eq!(RecordBatch::parse(batch.bytes()), Ok(batch.clone()));
        let record = batch.records().next().expect("one record").expect("well formed");
        assert_eq!(record.offset, Offset(42));
        assert_eq!(record.value.as_deref(), Some(b"value".as_slice()));
        // Shared with the batch, not copied.
        assert!(
            batch
                .bytes()
                .as_ptr_range()
                .contains(&record.value.expect("it has one").as_ptr())
        );
    }
}

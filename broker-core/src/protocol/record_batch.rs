//! RecordBatch v2: Kafka's record format on the wire and in segment files (KIP-98; `DefaultRecordBatch.java`).
//!
//! A [`RecordBatch`] is a checked handle on shared bytes: cloning it copies nothing, and every field is
//! read where it stands. Offset and leader epoch lie outside the CRC, so a leader stamps them
//! without computing it anew.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// The bytes before the first record of a batch.
pub const HEADER_SIZE: usize = 61;
/// The bytes of a batch before its length field ends: base offset and length.
pub const LOG_OVERHEAD: usize = 12;

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
    /// The records do not fill the batch as its header says.
    #[error("malformed records")]
    Records,
}

/// One record, its key, value and header values shared with the batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its key, if it has one.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers in order.
    pub headers: Vec<Header>,
}

/// A header of a record.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Header {
    /// Its key, UTF-8.
    pub key: Bytes,
    /// Its value.
    pub value: Option<Bytes>,
}

/// Builds one batch, record by record, with offsets from 0.
pub struct BatchBuilder {
    // filled in by the implementation
    _todo: (),
}

impl BatchBuilder {
    /// An empty batch; the producer fields are `NONE` until [`BatchBuilder::producer`].
    #[must_use]
    pub fn new() -> BatchBuilder {
        todo!()
    }

    /// Adds a record.
    pub fn push(&mut self, _timestamp: Timestamp, _key: Option<&[u8]>, _value: Option<&[u8]>, _headers: &[Header]) {
        todo!()
    }

    /// How many records it has.
    #[must_use]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// True without records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size in bytes that the batch would have now.
    #[must_use]
    pub fn size(&self) -> u64 {
        todo!()
    }

    /// The size in bytes that the batch would have with one more record of these parts (an upper bound).
    #[must_use]
    pub fn size_with(&self, _key: Option<&[u8]>, _value: Option<&[u8]>, _headers: &[Header]) -> u64 {
        todo!()
    }

    /// The finished batch, without producer, base offset 0 and leader epoch `NONE`.
    #[must_use]
    pub fn build(self) -> RecordBatch {
        todo!()
    }
}

impl RecordBatch {
    /// The first batch of `bytes`, checked (length, magic, CRC), and without a copy.
    ///
    /// # Errors
    /// When the bytes do not begin with a whole, intact batch.
    pub fn parse(_bytes: &Bytes) -> Result<RecordBatch, CorruptBatch> {
        todo!()
    }

    /// The same records stamped by the leader: base offset and leader epoch. One copy, no new CRC.
    #[must_use]
    pub fn stamped(&self, _base_offset: Offset, _leader_epoch: LeaderEpoch) -> RecordBatch {
        todo!()
    }

    /// The same records under a producer's id, epoch and first sequence number. One copy, new CRC.
    #[must_use]
    pub fn with_producer(&self, _id: ProducerId, _epoch: ProducerEpoch, _base_sequence: Sequence) -> RecordBatch {
        todo!()
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
        self.base_offset().plus(i64::from(i32::from_be_bytes(self.field(23))))
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
        u32::from_be_bytes(self.field(17))
    }

    /// True for control batches (transaction markers, quorum leader changes).
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes() & 0x20 != 0
    }

    /// True for batches of a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes() & 0x10 != 0
    }

    /// The attribute bits.
    #[must_use]
    pub fn attributes(&self) -> i16 {
        i16::from_be_bytes(self.field(21))
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
            base => base.plus(i32::from_be_bytes(self.field(23))),
        }
    }

    /// How many records it has.
    #[must_use]
    pub fn count(&self) -> i32 {
        i32::from_be_bytes(self.field(57))
    }

    /// Its records in order. Stops with an error at the first malformed one.
    pub fn records(&self) -> impl Iterator<Item = Result<Record, CorruptBatch>> + '_ {
        core::iter::from_fn(|| todo!())
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("a batch has a whole header")
    }
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

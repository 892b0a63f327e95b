//! RecordBatch v2: Kafka's record format on the wire and in segment files (KIP-98; `DefaultRecordBatch.java`).
//!
//! A [`RecordBatch`] is a checked handle on shared bytes: cloning it copies nothing, and every field is
//! read where it stands. Offset and leader epoch lie outside the CRC, so a leader stamps them
//! without computing it anew.
//!
//! Bytes of a batch, big-endian: base offset 0..8 · length of the rest 8..12 · leader epoch 12..16 · magic 16 ·
//! CRC-32C 17..21 · attributes 21..23 · last offset delta 23..27 · base timestamp 27..35 · max timestamp 35..43 ·
//! producer id 43..51 · producer epoch 51..53 · base sequence 53..57 · record count 57..61 · records.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::protocol::varint::{self, Reader};
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

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

/// Builds one uncompressed batch, record by record, with offsets from 0.
///
/// ```
/// # use broker_core::protocol::BatchBuilder;
/// # use broker_core::types::Timestamp;
/// let mut builder = BatchBuilder::new();
/// builder.push(Timestamp(1_700_000_000_000), Some(b"key"), Some(b"value"), &[]);
/// let size = builder.size();
/// assert_eq!(builder.build().size(), size);
/// ```
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// A header of zeros, then the records so far.
    bytes: Vec<u8>,
    attributes: i16,
    count: i32,
    /// The first record's timestamp, from which the others are counted.
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl BatchBuilder {
    /// An empty batch. The producer fields are `NONE` until [`RecordBatch::with_producer`].
    #[must_use]
    pub fn new() -> BatchBuilder {
        BatchBuilder::with_attributes(0)
    }

    /// An empty control batch, for the one record of a quorum's leader change (KIP-595) or a transaction's marker.
    #[must_use]
    pub fn control() -> BatchBuilder {
        BatchBuilder::with_attributes(CONTROL)
    }

    /// An empty batch with these of the bits [`TRANSACTIONAL`] and [`CONTROL`].
    ///
    /// # Panics
    /// With any other bit.
    #[must_use]
    pub fn with_attributes(attributes: i16) -> BatchBuilder {
        assert!(
            attributes & !(TRANSACTIONAL | CONTROL) == 0,
            "attributes {attributes:#x} are not for a builder to set"
        );
        BatchBuilder {
            bytes: alloc::vec![0; HEADER_SIZE],
            attributes,
            count: 0,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
        }
    }

    /// Adds a record.
    pub fn push(&mut self, timestamp: Timestamp, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.0.wrapping_sub(self.base_timestamp.0);
        let offset_delta = self.count;
        self.count = self
            .count
            .checked_add(1)
            .expect("a batch of i32::MAX records is too large anyway");

        let length = 1
            + varint::size_of(timestamp_delta)
            + varint::size_of(i64::from(offset_delta))
            + content_size(key, value, headers);
        let out = &mut self.bytes;
        varint::write_varlong(out, length as i64);
        out.push(0); // Record attributes are unused so far.
        varint::write_varlong(out, timestamp_delta);
        varint::write_varint(out, offset_delta);
        write_field(out, key);
        write_field(out, value);
        varint::write_varlong(out, headers.len() as i64);
        for header in headers {
            write_field(out, Some(&header.key));
            write_field(out, header.value.as_deref());
        }
    }

    /// How many records it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// True without records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size in bytes that the batch would have now.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The size in bytes that the batch would have with one more record of these parts (an upper bound).
    #[must_use]
    pub fn size_with(&self, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> u64 {
        // Record length, attributes, and both deltas at their longest.
        let deltas = 5 + 1 + 10 + 5;
        self.size() + (deltas + content_size(key, value, headers)) as u64
    }

    /// The finished batch, without producer, base offset 0 and leader epoch `NONE`.
    ///
    /// # Panics
    /// Without a record (a batch has at least one), or beyond 2 GiB.
    #[must_use]
    pub fn build(self) -> RecordBatch {
        assert!(self.count > 0, "a batch has at least one record");
        let mut bytes = self.bytes;
        let length = i32::try_from(bytes.len() - LOG_OVERHEAD).expect("a batch is smaller than 2 GiB");
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[12..16].copy_from_slice(&LeaderEpoch::NONE.0.to_be_bytes());
        bytes[MAGIC_AT] = 2;
        bytes[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&(self.count - 1).to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.0.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.0.to_be_bytes());
        write_producer(&mut bytes, ProducerId::NONE, ProducerEpoch::NONE, Sequence::NONE);
        bytes[57..61].copy_from_slice(&self.count.to_be_bytes());
        seal(&mut bytes);
        RecordBatch(bytes.into())
    }
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new()
    }
}

/// The bytes of a record behind its offset delta.
fn content_size(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
    let headers_size: usize = headers
        .iter()
        .map(|header| field_size(Some(&header.key)) + field_size(header.value.as_deref()))
        .sum();
    field_size(key) + field_size(value) + varint::size_of(headers.len() as i64) + headers_size
}

fn field_size(field: Option<&[u8]>) -> usize {
    match field {
        Some(bytes) => varint::size_of(bytes.len() as i64) + bytes.len(),
        None => 1,
    }
}

fn write_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        Some(bytes) => {
            varint::write_varlong(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => varint::write_varint(out, -1),
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
        Records {
            batch: self,
            reader: Reader::new(&self.0, HEADER_SIZE),
            left: self.count(),
            next_delta: 0,
            ended: false,
        }
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        field(&self.0, at)
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a batch has a whole header")
}

/// Walks through the records of a batch.
struct Records<'a> {
    batch: &'a RecordBatch,
    reader: Reader<'a>,
    /// How many records are still to come, as the header says.
    left: i32,
    /// The smallest offset delta that the next record may have.
    next_delta: i64,
    ended: bool,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, CorruptBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let compression = self.batch.compression();
        if compression != 0 {
            self.ended = true;
            return Some(Err(CorruptBatch::Compressed(compression)));
        }
        if self.left == 0 {
            self.ended = true;
            return (self.reader.left() > 0).then_some(Err(CorruptBatch::Records));
        }
        self.left -= 1;
        let record = self.record().ok_or(CorruptBatch::Records);
        self.ended = record.is_err();
        Some(record)
    }
}

impl Records<'_> {
    fn record(&mut self) -> Option<Record> {
        let length = usize::try_from(self.reader.varint()?).ok()?;
        let end = self.reader.at().checked_add(length)?;
        let _attributes = self.reader.byte()?;
        let timestamp_delta = self.reader.varlong()?;
        let delta = i64::from(self.reader.varint()?);
        if delta < self.next_delta || delta > i64::from(self.batch.last_offset_delta()) {
            return None;
        }
        self.next_delta = delta + 1;
        let key = self.field()?;
        let value = self.field()?;
        let headers = self.headers()?;
        (self.reader.at() == end).then(|| Record {
            offset: self.batch.base_offset().plus(delta),
            timestamp: if self.batch.attributes() & LOG_APPEND_TIME != 0 {
                self.batch.max_timestamp()
            } else {
                Timestamp(self.batch.base_timestamp().0.wrapping_add(timestamp_delta))
            },
            key,
            value,
            headers,
        })
    }

    fn headers(&mut self) -> Option<Vec<Header>> {
        let count = usize::try_from(self.reader.varint()?).ok()?;
        // Each takes two bytes or more: a count that cannot be true must not reserve memory.
        if count > self.reader.left() / 2 {
            return None;
        }
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push(Header {
                key: self.field()??,
                value: self.field()?,
            });
        }
        Some(headers)
    }

    /// A length and as many bytes, shared with the batch; length -1 means that there is no field.
    fn field(&mut self) -> Option<Option<Bytes>> {
        let length = self.reader.varint()?;
        if length == -1 {
            return Some(None);
        }
        let length = usize::try_from(length).ok()?;
        let from = self.reader.skip(length)?;
        Some(Some(self.batch.0.slice(from..from + length)))
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

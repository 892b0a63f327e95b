//! Writing a batch record by record.

use alloc::vec::Vec;

use super::{
    ATTRIBUTES_AT, CONTROL, HEADER_SIZE, Header, LOG_OVERHEAD, MAGIC_AT, RecordBatch, TRANSACTIONAL, seal,
    write_producer,
};
use crate::protocol::varint;
use crate::types::{LeaderEpoch, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// The bytes for which a batch has room before it must grow: enough for some small records.
const ROOM: usize = 1024;

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
        let mut bytes = Vec::with_capacity(ROOM);
        bytes.resize(HEADER_SIZE, 0);
        BatchBuilder {
            bytes,
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
        bytes[ATTRIBUTES_AT..23].copy_from_slice(&self.attributes.to_be_bytes());
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

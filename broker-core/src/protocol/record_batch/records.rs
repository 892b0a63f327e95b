//! Reading the records of a batch, without copying them.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{CorruptBatch, HEADER_SIZE, LOG_APPEND_TIME, RecordBatch};
use crate::protocol::varint::Reader;
use crate::types::{Offset, Timestamp};

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

/// One record where it lies in its batch, for who only looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordView<'a> {
    /// Its offset in the partition.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
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

/// Walks through the records of a batch.
pub(super) struct Records<'a> {
    batch: &'a RecordBatch,
    reader: Reader<'a>,
    /// How many records are still to come, as the header says.
    left: i32,
    /// The smallest offset delta that the next record may have.
    next_delta: i64,
    ended: bool,
}

impl Records<'_> {
    pub(super) fn new(batch: &RecordBatch) -> Records<'_> {
        Records {
            batch,
            reader: Reader::new(&batch.0, HEADER_SIZE),
            left: batch.count(),
            next_delta: 0,
            ended: false,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, CorruptBatch>;

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

impl<'a> Records<'a> {
    fn record(&mut self) -> Option<RecordView<'a>> {
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
        (self.reader.at() == end).then(|| RecordView {
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
                key: self.batch.0.slice_ref(self.field()??),
                value: self.field()?.map(|value| self.batch.0.slice_ref(value)),
            });
        }
        Some(headers)
    }

    /// A length and as many bytes; length -1 means that there is no field.
    fn field(&mut self) -> Option<Option<&'a [u8]>> {
        let length = self.reader.varint()?;
        if length == -1 {
            return Some(None);
        }
        let length = usize::try_from(length).ok()?;
        let from = self.reader.skip(length)?;
        let batch: &'a RecordBatch = self.batch;
        Some(Some(&batch.0[from..from + length]))
    }
}

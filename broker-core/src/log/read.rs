//! Reading: from the tail in memory, or by telling the caller what to read from which file.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{Log, OffsetOutOfRange, Read};
use crate::protocol::RecordBatch;
use crate::types::{Offset, Timestamp};

impl Log {
    /// Batches from the one that holds `from` on, all wholly below `limit`, up to `max_bytes` but at least one.
    /// `from` equal to the end, or at or above `limit`, reads nothing; so does a log that is offline.
    ///
    /// # Errors
    /// When `from` is below the start or above the end.
    pub fn read(&self, from: Offset, limit: Offset, max_bytes: u64) -> Result<Read, OffsetOutOfRange> {
        if self.has_to_read(from, limit)?
            && let Some(batches) = self.tail.read(from, limit, max_bytes)
        {
            return Ok(Read::Batches(batches));
        }
        self.read_files(from, limit, max_bytes)
    }

    /// Whether there is anything in `from..limit`.
    fn has_to_read(&self, from: Offset, limit: Offset) -> Result<bool, OffsetOutOfRange> {
        if from < self.log_start_offset() || from > self.log_end_offset() {
            return Err(OffsetOutOfRange);
        }
        Ok(from < self.log_end_offset() && from < limit && !self.is_offline())
    }

    /// As [`Log::read`], but from the files even if the tail in memory has it.
    ///
    /// # Errors
    /// When `from` is below the start or above the end.
    pub fn read_files(&self, from: Offset, limit: Offset, max_bytes: u64) -> Result<Read, OffsetOutOfRange> {
        let nothing = Ok(Read::Batches(Vec::new()));
        if !self.has_to_read(from, limit)? {
            return nothing;
        }
        let segment = &self.segments[self.segment_of(from)];
        let wanted = &segment.batches[segment.index_of(from)..];
        let below_limit = &wanted[..wanted.partition_point(|entry| entry.last_offset < limit)];
        let Some(first) = below_limit.first() else {
            return nothing;
        };
        let room = first.position.saturating_add(max_bytes);
        let fitting = below_limit.partition_point(|entry| entry.end_position() <= room).max(1);
        Ok(Read::OnDisk {
            file: segment.file(self.partition),
            at: first.position,
            len: below_limit[fitting - 1].end_position() - first.position,
        })
    }

    /// The batches in bytes that [`Read::OnDisk`] asked for, by the rules of [`Log::read`]. Bytes of a log that was
    /// cut meanwhile, or damaged ones, give fewer or none.
    #[must_use]
    pub fn batches_of(&self, bytes: &Bytes, from: Offset, limit: Offset, max_bytes: u64) -> Vec<RecordBatch> {
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut rest = bytes.clone();
        let mut room = max_bytes;
        while let Ok(batch) = RecordBatch::parse(&rest) {
            let _read = rest.split_to(batch.bytes().len());
            if batch.last_offset() < from {
                continue;
            }
            // The log may have been cut and written again since the read was asked for.
            let begins_right = match batches.last() {
                Some(before) => batch.base_offset() == before.next_offset(),
                None => batch.base_offset() <= from,
            };
            let fits = batch.size() <= room || batches.is_empty();
            if !begins_right || !fits || batch.last_offset() >= limit || !self.has(&batch) {
                break;
            }
            room = room.saturating_sub(batch.size());
            batches.push(batch);
        }
        batches
    }

    /// The first record at or after `timestamp`, below `limit`, as far as batch headers tell: the batch's base offset
    /// and max timestamp.
    #[must_use]
    pub fn offset_for_timestamp(&self, timestamp: Timestamp, limit: Offset) -> Option<(Offset, Timestamp)> {
        let segments = self
            .segments
            .iter()
            .filter(|segment| segment.max_timestamp >= timestamp);
        let found = segments
            .flat_map(|segment| &segment.batches)
            .find(|entry| entry.max_timestamp >= timestamp)?;
        (found.last_offset < limit).then_some((found.base_offset, found.max_timestamp))
    }

    /// Whether this very batch is in the log.
    fn has(&self, batch: &RecordBatch) -> bool {
        let offset = batch.base_offset();
        if offset < self.log_start_offset() {
            return false;
        }
        let segment = &self.segments[self.segment_of(offset)];
        let entry = segment.batches.get(segment.index_of(offset));
        entry.is_some_and(|entry| entry.is(batch))
    }
}

//! Reading: from the tail in memory, or by naming the bytes of a file that the caller has to read.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{FileRead, Log, OffsetOutOfRange, Read};
use crate::disk::{DiskError, DiskReply};
use crate::protocol::{ErrorCode, RecordBatch};
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

    /// How many bytes [`Log::read`] can give, counted until there are `enough`. Limits are where batches end.
    ///
    /// # Errors
    /// When `from` is below the start or above the end.
    pub fn readable_bytes(&self, from: Offset, limit: Offset, enough: u64) -> Result<u64, OffsetOutOfRange> {
        if !self.has_to_read(from, limit)? {
            return Ok(0);
        }
        if enough <= 1 {
            // Whatever there is, it is enough.
            return Ok(1);
        }
        if let Some(newest) = self.tail.sizes_from(from) {
            return Ok(count(newest, limit, enough));
        }
        let (segment, others) = self.segments[self.segment_of(from)..]
            .split_first()
            .expect("a log has a segment");
        let first = segment.batches[segment.index_of(from)..].iter();
        let others = others.iter().flat_map(|segment| &segment.batches);
        let sizes = first
            .chain(others)
            .map(|entry| (entry.last_offset, u64::from(entry.size)));
        Ok(count(sizes, limit, enough))
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
        Ok(Read::OnDisk(FileRead {
            file: segment.file(self.partition),
            at: first.position,
            len: below_limit[fitting - 1].end_position() - first.position,
            from,
            limit,
            max_bytes,
        }))
    }

    /// What the disk gave for [`Read::OnDisk`], by the rules of [`Log::read`]. Of a log that was cut meanwhile it is what
    /// is still there.
    ///
    /// # Errors
    /// KAFKA_STORAGE_ERROR if the disk failed, CORRUPT_MESSAGE if the first batch is damaged. Damage further on only ends
    /// what is returned, and is found when it is read from there.
    pub fn read_done(
        &self,
        read: &FileRead,
        result: &Result<DiskReply, DiskError>,
    ) -> Result<Vec<RecordBatch>, ErrorCode> {
        let Ok(DiskReply::Data(bytes)) = result else {
            return Err(ErrorCode::KafkaStorageError);
        };
        let limit = read.limit.min(self.log_end_offset());
        let batches = self.batches_of(bytes, read.from, limit, read.max_bytes);
        if batches.is_empty() && self.has_to_read(read.from, limit) == Ok(true) {
            return Err(ErrorCode::CorruptMessage);
        }
        Ok(batches)
    }

    /// The batches in bytes of a file.
    pub(super) fn batches_of(&self, bytes: &Bytes, from: Offset, limit: Offset, max_bytes: u64) -> Vec<RecordBatch> {
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

    /// The first record at or after `timestamp`, below `limit`, as far as batch headers say: the batch's base offset
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

/// The bytes of the first batches that are wholly below `limit`, until there are `enough`.
fn count(batches: impl Iterator<Item = (Offset, u64)>, limit: Offset, enough: u64) -> u64 {
    let mut bytes = 0;
    for (last_offset, size) in batches {
        if last_offset >= limit || bytes >= enough {
            break;
        }
        bytes += size;
    }
    bytes
}

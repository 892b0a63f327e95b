//! One replica's log: segments on the disk, a bounded tail in memory, epochs and producers beside it.

pub mod epoch_cache;
pub mod producer_state;
mod recovery;
mod segment;

use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::TopicConfig;
use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::machine::Context;
use crate::protocol::{ErrorCode, RecordBatch};
use crate::trace::TruncationCause;
use crate::types::{EpochEndOffset, LeaderEpoch, Offset, Timestamp, TopicPartition};

/// The settings of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// Kafka's `segment.bytes`.
    pub segment_bytes: u64,
    /// Kafka's `flush.messages`: 1 syncs after every append, a larger number after so many records.
    pub flush_messages: u64,
    /// How many bytes of the newest batches stay in memory (at least one batch does).
    pub tail_cache_bytes: u64,
}

impl LogConfig {
    /// A topic's log.
    #[must_use]
    pub fn of_topic(topic: &TopicConfig, tail_cache_bytes: u64) -> LogConfig {
        LogConfig {
            segment_bytes: topic.segment_bytes,
            flush_messages: topic.flush_messages,
            tail_cache_bytes,
        }
    }
}

/// One replica's log. It assigns offsets to what it appends as leader, and cuts what a leader does not have.
///
/// Drive it with `append_*`, `truncate_to`, `read`, and hand it every disk answer about its files.
///
/// Invariant: `log_start_offset <= flushed_end <= log_end_offset`, and `ackable_end` is one of the last two.
pub struct Log {
    _todo: (),
}

/// What an append as leader came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppendOutcome {
    /// The batch is in the log, at these offsets.
    Appended {
        /// Of its first record.
        base_offset: Offset,
        /// Of its last record.
        last_offset: Offset,
    },
    /// One of the producer's last five batches was this one; it stands at these offsets.
    Duplicate {
        /// Of its first record.
        base_offset: Offset,
        /// Of its last record.
        last_offset: Offset,
    },
}

/// What a read finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Read {
    /// The batches, from memory.
    Batches(Vec<RecordBatch>),
    /// They lie below the tail in memory: read this from the disk and give it to [`Log::batches_of`].
    OnDisk {
        /// The segment.
        file: FileName,
        /// Where its first wanted batch begins, or an earlier one.
        at: u64,
        /// How many bytes to read.
        len: u64,
    },
}

/// The offset is not in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("offset is outside the log")]
pub struct OffsetOutOfRange;

/// What a disk answer meant for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskProgress {
    /// Nothing that its owner would want to know.
    Nothing,
    /// The flushed end moved.
    Flushed,
    /// The log is offline from now on.
    Failed(DiskError),
}

/// A log rebuilt from its files, and what the disk needs to agree with it.
pub struct Recovered {
    /// The log.
    pub log: Log,
    /// Files to cut and remove, in order.
    pub repairs: Vec<DiskOp>,
    /// Bytes behind the last intact batch that the repairs cut.
    pub cut_bytes: u64,
    /// The batches that it has, oldest first.
    pub batches: Vec<RecordBatch>,
}

impl Log {
    /// An empty log whose first record will have `start`.
    #[must_use]
    pub fn new(_partition: TopicPartition, _config: LogConfig, _start: Offset) -> Log {
        todo!()
    }

    /// Rebuilds a log from the bytes of its segments (by base offset, ascending): keeps the longest prefix of
    /// intact, contiguous batches and drops everything behind it. A pure function; the caller carries the repairs
    /// out before anything else and states `LogRecovered`. All that is kept counts as flushed only after the
    /// caller's first sync, so `flushed_end` starts at the log start and a sync is among the repairs.
    #[must_use]
    pub fn recover(_partition: TopicPartition, _config: LogConfig, _segments: Vec<(Offset, Bytes)>) -> Recovered {
        todo!()
    }

    /// Whose log it is.
    #[must_use]
    pub fn partition(&self) -> TopicPartition {
        todo!()
    }

    /// The first offset.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        todo!()
    }

    /// The offset that the next record will get.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        todo!()
    }

    /// Everything below is durable.
    #[must_use]
    pub fn flushed_end(&self) -> Offset {
        todo!()
    }

    /// Everything below may be acknowledged, fetched further and counted into high watermarks: the log end under
    /// lazy flush, the flushed end with `flush.messages=1`.
    #[must_use]
    pub fn ackable_end(&self) -> Offset {
        todo!()
    }

    /// The disk failed; nothing is appended or read any more.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        todo!()
    }

    /// The epoch of the newest entry of the epoch cache.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        todo!()
    }

    /// Where `epoch`, or the largest epoch below it that the log has, ends (KIP-101, KIP-279).
    #[must_use]
    pub fn end_offset_for(&self, _epoch: LeaderEpoch) -> Option<EpochEndOffset> {
        todo!()
    }

    /// The epoch of the record at `offset`.
    #[must_use]
    pub fn epoch_for_offset(&self, _offset: Offset) -> Option<LeaderEpoch> {
        todo!()
    }

    /// A new leader's first act: `epoch` starts at the log's end.
    pub fn begin_epoch(&mut self, _epoch: LeaderEpoch) {
        todo!()
    }

    /// Stamps and appends a producer's batch, after the checks of idempotence (KIP-98): a duplicate of one of the
    /// producer's last five batches is found, a gap is refused.
    ///
    /// # Errors
    /// OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, KAFKA_STORAGE_ERROR.
    pub fn append_as_leader(
        &mut self,
        _ctx: &mut Context<'_>,
        _batch: &RecordBatch,
        _epoch: LeaderEpoch,
    ) -> Result<AppendOutcome, ErrorCode> {
        todo!()
    }

    /// Appends a batch as the leader stamped it.
    ///
    /// # Errors
    /// When it does not begin at the log's end, or the log is offline.
    pub fn append_as_follower(&mut self, _ctx: &mut Context<'_>, _batch: &RecordBatch) -> Result<(), ErrorCode> {
        todo!()
    }

    /// Cuts the log so that it ends at `to` or at the start of the batch that holds it; nothing if `to` is not below
    /// the end. States the fact. Epochs and producers are those of the log that remains.
    pub fn truncate_to(
        &mut self,
        _ctx: &mut Context<'_>,
        _to: Offset,
        _leader_epoch: LeaderEpoch,
        _cause: TruncationCause,
    ) {
        todo!()
    }

    /// Drops everything; the next record will have `start`.
    pub fn truncate_fully_and_start_at(&mut self, _ctx: &mut Context<'_>, _start: Offset, _leader_epoch: LeaderEpoch) {
        todo!()
    }

    /// Batches from the one that holds `from` on, all wholly below `limit`, up to `max_bytes` but at least one.
    /// `from` equal to the end, or at or above `limit`, reads nothing.
    ///
    /// # Errors
    /// When `from` is below the start or above the end.
    pub fn read(&self, _from: Offset, _limit: Offset, _max_bytes: u64) -> Result<Read, OffsetOutOfRange> {
        todo!()
    }

    /// The batches in bytes that [`Read::OnDisk`] asked for, by the rules of [`Log::read`]. Bytes of a log that was
    /// cut meanwhile, or damaged ones, give fewer or none.
    #[must_use]
    pub fn batches_of(&self, _bytes: &Bytes, _from: Offset, _limit: Offset, _max_bytes: u64) -> Vec<RecordBatch> {
        todo!()
    }

    /// The first record at or after `timestamp`, below `limit`, as far as batch headers tell: the batch's base offset
    /// and max timestamp.
    #[must_use]
    pub fn offset_for_timestamp(&self, _timestamp: Timestamp, _limit: Offset) -> Option<(Offset, Timestamp)> {
        todo!()
    }

    /// Asks the disk to make everything durable, unless it is or is asked already.
    pub fn flush(&mut self, _ctx: &mut Context<'_>) {
        todo!()
    }

    /// Takes a disk answer about one of its files (not the data of a read).
    pub fn on_disk(
        &mut self,
        _ctx: &mut Context<'_>,
        _op: OpId,
        _result: &Result<DiskReply, DiskError>,
    ) -> DiskProgress {
        todo!()
    }
}

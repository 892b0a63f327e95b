//! One replica's log: segments on the disk, a bounded tail in memory, epochs and producers beside it.
//!
//! `append`, `truncate`, `read` and `flush` hold the operations of [`Log`], `recovery` its way back from the disk.
//! [`EpochCache`] and [`ProducerStates`] are functions of the batches in the log. The log never asks the disk for
//! data: a read below the tail in memory says what to read, and the caller does.

mod append;
pub mod epoch_cache;
mod flush;
pub mod producer_state;
mod read;
mod recovery;
mod segment;
mod tail;
#[cfg(test)]
mod tests;
mod truncate;

use alloc::vec::Vec;

use crate::config::TopicConfig;
use crate::disk::{DiskError, DiskOp, FileName};
use crate::protocol::RecordBatch;
use crate::types::{EpochEndOffset, LeaderEpoch, Offset, TopicPartition};

pub use epoch_cache::EpochCache;
use flush::SyncInFlight;
pub use producer_state::ProducerStates;
pub use recovery::Recovered;
use segment::{BatchEntry, Segment};
use tail::Tail;

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
/// Begin with [`Log::new`] or [`Log::recover`]; drive it with `append_*`, `truncate_*`, `flush` and `read`, and hand
/// every disk answer about its files to [`Log::on_disk`]. Each append asks the disk for one write at the end of the
/// active segment, or at the front of a new one, and states `Appended`. Nothing waits for a write: only the success of
/// a sync, which moves `flushed_end`, says anything about durability.
///
/// Invariant: `log_start_offset <= flushed_end <= log_end_offset`, and `ackable_end` is one of the last two.
#[derive(Clone, Debug)]
pub struct Log {
    partition: TopicPartition,
    config: LogConfig,
    /// Never empty; each begins where the one before ends. The last one is active.
    segments: Vec<Segment>,
    /// The newest batches. Either empty or it ends at the log's end.
    tail: Tail,
    /// Everything below is durable. Later segments may have a flushed end of their own, behind a gap.
    flushed_end: Offset,
    /// Everything below is durable or was asked to become it.
    asked_end: Offset,
    /// Syncs that have no answer yet, at most one a segment.
    syncs: Vec<SyncInFlight>,
    epochs: EpochCache,
    producers: ProducerStates,
    offline: bool,
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
    /// They lie below the tail in memory: read this from the disk, and give what comes to [`Log::read_done`].
    OnDisk(FileRead),
}

impl Read {
    /// How many bytes it has or asks for.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Read::Batches(batches) => batches.iter().map(RecordBatch::size).sum(),
            Read::OnDisk(read) => read.len,
        }
    }
}

/// What to read from the disk, and which batches are wanted of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRead {
    /// The segment.
    pub file: FileName,
    /// Where its first wanted batch begins, or an earlier one.
    pub at: u64,
    /// How many bytes to read.
    pub len: u64,
    from: Offset,
    limit: Offset,
    max_bytes: u64,
}

impl FileRead {
    /// The read as the disk takes it.
    #[must_use]
    pub fn op(&self) -> DiskOp {
        DiskOp::Read {
            file: self.file,
            at: self.at,
            len: self.len,
        }
    }
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

impl Log {
    /// An empty log whose first record will have `start`.
    #[must_use]
    pub fn new(partition: TopicPartition, config: LogConfig, start: Offset) -> Log {
        Log {
            partition,
            config,
            segments: alloc::vec![Segment::new(start)],
            tail: Tail::new(config.tail_cache_bytes),
            flushed_end: start,
            asked_end: start,
            syncs: Vec::new(),
            epochs: EpochCache::default(),
            producers: ProducerStates::default(),
            offline: false,
        }
    }

    /// Whose log it is.
    #[must_use]
    pub fn partition(&self) -> TopicPartition {
        self.partition
    }

    /// The first offset.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.segments[0].base_offset
    }

    /// The offset that the next record will get.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        self.active().end
    }

    /// Everything below is durable.
    #[must_use]
    pub fn flushed_end(&self) -> Offset {
        self.flushed_end
    }

    /// Everything below may be acknowledged, fetched further and counted into high watermarks: the log end under
    /// lazy flush, the flushed end with `flush.messages=1`.
    #[must_use]
    pub fn ackable_end(&self) -> Offset {
        if self.config.flush_messages == 1 {
            self.flushed_end
        } else {
            self.log_end_offset()
        }
    }

    /// The disk failed; nothing is appended, cut or read any more.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// The epoch of the newest entry of the epoch cache.
    #[must_use]
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// Where `epoch`, or the largest epoch below it that the log has, ends (KIP-101, KIP-279). `None` if `epoch` is
    /// above all that the log has; see [`EpochCache::end_offset_for`].
    #[must_use]
    pub fn end_offset_for(&self, epoch: LeaderEpoch) -> Option<EpochEndOffset> {
        self.epochs.end_offset_for(epoch, self.log_end_offset())
    }

    /// The epoch of the record at `offset`; `None` outside the log.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        if offset < self.log_start_offset() || offset >= self.log_end_offset() {
            return None;
        }
        self.epochs.epoch_for_offset(offset)
    }

    /// A new leader's first act: `epoch` starts at the log's end.
    pub fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        let end = self.log_end_offset();
        self.epochs.assign(epoch, end);
    }

    /// The leader epochs that the log has, and where they begin.
    #[must_use]
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The idempotent producers that the log knows.
    #[must_use]
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    fn active(&self) -> &Segment {
        self.segments.last().expect("a log has an active segment")
    }

    fn last_batch(&self) -> Option<&BatchEntry> {
        self.segments.iter().rev().find_map(|segment| segment.batches.last())
    }

    /// The index of the segment that holds `offset`, which is not below the log's start.
    fn segment_of(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base_offset <= offset) - 1
    }
}

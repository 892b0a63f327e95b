//! One segment of a log: its file's name and length, and where each batch stands in it.
//!
//! The list of batches is this stage's index. It is exact, lies in memory (64 bytes a batch), and everything that
//! a log must know about its older batches comes from it: positions, cuts, timestamps, and producers. Nothing of
//! it is written to the disk; recovery rebuilds it from the batches.

use alloc::vec::Vec;

use super::producer_state::ProducerBatch;
use crate::disk::FileName;
use crate::protocol::RecordBatch;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicPartition};

/// Where a batch stands, and its header as far as the log needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BatchEntry {
    pub(super) base_offset: Offset,
    pub(super) last_offset: Offset,
    /// Of its first byte in the file.
    pub(super) position: u64,
    pub(super) max_timestamp: Timestamp,
    producer_id: ProducerId,
    /// In bytes.
    pub(super) size: u32,
    crc: u32,
    pub(super) leader_epoch: LeaderEpoch,
    base_sequence: Sequence,
    producer_epoch: ProducerEpoch,
    is_control: bool,
}

impl BatchEntry {
    fn new(batch: &RecordBatch, position: u64) -> BatchEntry {
        BatchEntry {
            base_offset: batch.base_offset(),
            last_offset: batch.last_offset(),
            position,
            max_timestamp: batch.max_timestamp(),
            producer_id: batch.producer_id(),
            size: u32::try_from(batch.size()).expect("a batch is smaller than 2 GiB"),
            crc: batch.crc(),
            leader_epoch: batch.leader_epoch(),
            base_sequence: batch.base_sequence(),
            producer_epoch: batch.producer_epoch(),
            is_control: batch.is_control(),
        }
    }

    /// The position behind its last byte.
    pub(super) fn end_position(&self) -> u64 {
        self.position + u64::from(self.size)
    }

    /// Whether `batch` is the one that stands here.
    pub(super) fn is(&self, batch: &RecordBatch) -> bool {
        self.base_offset == batch.base_offset()
            && self.leader_epoch == batch.leader_epoch()
            && self.crc == batch.crc()
            && u64::from(self.size) == batch.size()
    }

    /// The batch as its producer's, if it has an idempotent one.
    pub(super) fn producer_batch(&self) -> Option<ProducerBatch> {
        let delta = self.last_offset.0 - self.base_offset.0;
        (self.producer_id >= ProducerId(0)).then(|| ProducerBatch {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            last_sequence: match self.base_sequence {
                Sequence::NONE => Sequence::NONE,
                base => base.plus(i32::try_from(delta).expect("a batch counts its offsets in 32 bits")),
            },
            base_offset: self.base_offset,
            last_offset: self.last_offset,
            is_control: self.is_control,
        })
    }
}

/// A segment: consecutive batches in one file.
///
/// Invariant: `base_offset <= flushed_end <= asked_end <= end`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub(super) base_offset: Offset,
    /// The offset after its last record.
    pub(super) end: Offset,
    /// The length of the file in bytes.
    pub(super) size: u64,
    pub(super) batches: Vec<BatchEntry>,
    /// The largest timestamp of its batches.
    pub(super) max_timestamp: Timestamp,
    /// Its batches below are durable, and nothing that was cut behind them comes back.
    pub(super) flushed_end: Offset,
    /// Its batches below are durable or shall become it.
    pub(super) asked_end: Offset,
    /// Whether more may stand behind the end of the file on the disk: a cut that no sync has made durable yet, by this
    /// process or one before it. Nothing is written there meanwhile.
    pub(super) may_have_cut_bytes: bool,
}

impl Segment {
    /// An empty segment, whose file need not exist yet.
    pub(super) fn new(base_offset: Offset) -> Segment {
        Segment {
            base_offset,
            end: base_offset,
            size: 0,
            batches: Vec::new(),
            max_timestamp: Timestamp::NONE,
            flushed_end: base_offset,
            asked_end: base_offset,
            may_have_cut_bytes: false,
        }
    }

    pub(super) fn file(&self, partition: TopicPartition) -> FileName {
        FileName::Segment {
            partition,
            base_offset: self.base_offset,
        }
    }

    /// Takes in a batch that stands at the end of the file.
    pub(super) fn push(&mut self, batch: &RecordBatch) -> &BatchEntry {
        let entry = BatchEntry::new(batch, self.size);
        self.size = entry.end_position();
        self.end = entry.last_offset.next();
        self.max_timestamp = self.max_timestamp.max(entry.max_timestamp);
        self.batches.push(entry);
        self.batches.last().expect("one was pushed")
    }

    /// Drops the batches from the one that holds `to` on, and returns them.
    pub(super) fn cut(&mut self, to: Offset) -> Vec<BatchEntry> {
        let cut = self.batches.split_off(self.index_of(to));
        if let Some(first) = cut.first() {
            self.size = first.position;
            self.end = first.base_offset;
            self.flushed_end = self.flushed_end.min(self.end);
            self.asked_end = self.asked_end.min(self.end);
            self.may_have_cut_bytes = true;
            let timestamps = self.batches.iter().map(|entry| entry.max_timestamp);
            self.max_timestamp = timestamps.max().unwrap_or(Timestamp::NONE);
        }
        cut
    }

    /// The index of the first batch that ends at `offset` or later.
    pub(super) fn index_of(&self, offset: Offset) -> usize {
        self.batches.partition_point(|entry| entry.last_offset < offset)
    }
}

//! The consumer with assigned partitions: positions, fetches, resets.

use alloc::vec::Vec;

use crate::config::ConsumerConfig;
use crate::machine::{Input, Instant, Machine, Output};
use crate::protocol::Record;
use crate::random::Random;
use crate::types::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicName, TopicPartition};

/// A record as the application gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerRecord {
    /// Where from.
    pub partition: TopicPartition,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// Offset, timestamp, key, value, headers.
    pub record: Record,
}

/// Something that the application may want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ConsumerNotice {
    /// No position and `auto.offset.reset=none`: the partition stands still until a seek.
    NoOffset(TopicPartition),
    /// The log was cut below the position and `auto.offset.reset=none`: it stands still until a seek.
    LogTruncated {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        position: Offset,
        /// Where the logs part, if known.
        diverging: Option<Offset>,
    },
}

/// A consumer.
pub struct Consumer {
    _todo: (),
}

impl Consumer {
    /// A consumer that knows the cluster by `bootstrap`.
    #[must_use]
    pub fn new(_config: ConsumerConfig, _bootstrap: Vec<NodeId>, _rng: Random) -> Consumer {
        todo!()
    }

    /// Reads these partitions from now on, and no others; a partition that stays keeps its position. Topics that do
    /// not exist yet are waited for.
    pub fn assign(&mut self, _now: Instant, _partitions: Vec<(TopicName, PartitionIndex)>) {
        todo!()
    }

    /// The id of an assigned partition, once its topic is known.
    #[must_use]
    pub fn partition_id(&self, _topic: &TopicName, _partition: PartitionIndex) -> Option<TopicPartition> {
        todo!()
    }

    /// Moves the position; fetched records of the partition are dropped.
    pub fn seek(&mut self, _now: Instant, _partition: TopicPartition, _offset: Offset) {
        todo!()
    }

    /// The offset of the next record that the application gets.
    #[must_use]
    pub fn position(&self, _partition: TopicPartition) -> Option<Offset> {
        todo!()
    }

    /// The leader's high watermark less the position, as of the last fetch.
    #[must_use]
    pub fn lag(&self, _partition: TopicPartition) -> Option<u64> {
        todo!()
    }

    /// The next fetched records, at most `max.poll.records`; moves the positions past them. Fetches ahead. Drain
    /// [`Machine::poll`] afterwards.
    pub fn take_records(&mut self, _now: Instant) -> Vec<ConsumerRecord> {
        todo!()
    }

    /// Whether [`Consumer::take_records`] would give any.
    #[must_use]
    pub fn has_records(&self) -> bool {
        todo!()
    }

    /// The next notice.
    pub fn next_notice(&mut self) -> Option<ConsumerNotice> {
        todo!()
    }
}

impl Machine for Consumer {
    fn handle(&mut self, _now: Instant, _input: Input) {
        todo!()
    }

    fn poll(&mut self) -> Option<Output> {
        todo!()
    }

    fn deadline(&self) -> Option<Instant> {
        todo!()
    }
}

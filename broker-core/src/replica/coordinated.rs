//! Coordinators, which keep their state in the partitions of an internal topic: append for them, read for them, and
//! notify them when this broker begins or stops to lead such a partition.
//!
//! Partitions of other topics pay for this with one look at the list of watched topics, when their high watermark
//! moves.

use alloc::vec::Vec;

use crate::log::{AppendOutcome, Read};
use crate::machine::Context;
use crate::protocol::{Acks, ErrorCode, RecordBatch};
use crate::replica::partition::Partition;
use crate::replica::reads::ReadFor;
use crate::replica::{Replicas, produce};
use crate::types::{LeaderEpoch, Offset, TopicId, TopicPartition};

/// How much of a log is read at once (Kafka's `offsets.load.buffer.size`).
const READ_BYTES: u64 = 5_242_880;

/// A fact about a partition of a watched topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplicaFact {
    /// This broker leads it, in a new epoch; whatever was under way in an earlier one is void.
    BecameLeader {
        /// The partition.
        partition: TopicPartition,
        /// The epoch.
        leader_epoch: LeaderEpoch,
        /// Where its log begins.
        log_start_offset: Offset,
        /// Where its log ends.
        log_end_offset: Offset,
        /// Everything below is known to be committed.
        high_watermark: Offset,
    },
    /// This broker does not lead it any more, or its disk failed.
    StoppedLeading {
        /// The partition.
        partition: TopicPartition,
    },
    /// Everything below `high_watermark` is committed.
    Committed {
        /// The partition.
        partition: TopicPartition,
        /// The new high watermark.
        high_watermark: Offset,
    },
    /// What [`Replicas::read_for_coordinator`] asked for.
    Read {
        /// The partition.
        partition: TopicPartition,
        /// Batches from the asked offset on; none when the disk failed or gave back damaged bytes.
        batches: Vec<RecordBatch>,
    },
}

impl Replicas {
    /// From now on a coordinator keeps its state in this topic: facts about its partitions are reported, and producers may
    /// not write there.
    pub fn watch(&mut self, topic: TopicId) {
        if !self.watched.contains(&topic) {
            self.watched.push(topic);
        }
    }

    /// The next fact about a partition of a watched topic, in the order in which they became true.
    pub fn next_fact(&mut self) -> Option<ReplicaFact> {
        self.facts.pop_front()
    }

    /// Appends a coordinator's batch, under the same checks as a producer's at `acks=all`. Returns the offset of its
    /// first record; [`ReplicaFact::Committed`] says when it is committed.
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR, NOT_ENOUGH_REPLICAS, MESSAGE_TOO_LARGE.
    pub fn append_for_coordinator(
        &mut self,
        ctx: &mut Context<'_>,
        id: TopicPartition,
        batch: &RecordBatch,
    ) -> Result<Offset, ErrorCode> {
        let led = self.partitions.get_mut(&id).filter(|partition| partition.leads());
        let Some(partition) = led else {
            return Err(super::not_led(self.partitions.get(&id)));
        };
        let (outcome, moved) = produce::append(ctx, self.own.view(), partition, Acks::All, batch)?;
        self.moved.push((id, moved));
        self.settle(ctx);
        let (AppendOutcome::Appended { base_offset, .. } | AppendOutcome::Duplicate { base_offset, .. }) = outcome;
        Ok(base_offset)
    }

    /// Asks for batches of a led partition's log from `from` on, committed or not; [`ReplicaFact::Read`] answers,
    /// unless leadership is lost before. They come from the disk even if the tail in memory has them: a coordinator
    /// that loads takes its time in Kafka too.
    pub fn read_for_coordinator(&mut self, ctx: &mut Context<'_>, partition: TopicPartition, from: Offset) {
        let Some(log) = self.partitions.get(&partition).map(Partition::log) else {
            return;
        };
        match log.read_files(from, log.log_end_offset(), READ_BYTES) {
            Ok(Read::OnDisk(read)) => self.reads.begin(ctx, partition, read, ReadFor::Coordinator),
            Ok(Read::Batches(batches)) => self.facts.push_back(ReplicaFact::Read { partition, batches }),
            Err(_) => self.facts.push_back(ReplicaFact::Read {
                partition,
                batches: Vec::new(),
            }),
        }
    }

    /// A watched partition is led here in a new epoch, or not any more.
    pub(super) fn report_leadership(&mut self, id: TopicPartition) {
        if !self.watched.contains(&id.topic) {
            return;
        }
        self.reads.forget_coordinator(id);
        let led = self.partitions.get(&id);
        let fact = match led.filter(|partition| partition.leads()) {
            Some(partition) => ReplicaFact::BecameLeader {
                partition: id,
                leader_epoch: partition.leader_epoch(),
                log_start_offset: partition.log().log_start_offset(),
                log_end_offset: partition.log().log_end_offset(),
                high_watermark: partition.high_watermark(),
            },
            None => ReplicaFact::StoppedLeading { partition: id },
        };
        self.facts.push_back(fact);
    }

    /// The high watermark of a watched partition moved.
    pub(super) fn report_committed(&mut self, id: TopicPartition) {
        if !self.watched.contains(&id.topic) {
            return;
        }
        if let Some(partition) = self.partitions.get(&id).filter(|partition| partition.leads()) {
            self.facts.push_back(ReplicaFact::Committed {
                partition: id,
                high_watermark: partition.high_watermark(),
            });
        }
    }
}

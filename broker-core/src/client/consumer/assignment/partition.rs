//! One assigned partition: where it stands, what it waits for, and the records that were fetched for it.

use alloc::collections::VecDeque;
use alloc::vec::{self, Vec};

use crate::machine::Instant;
use crate::protocol::{OffsetSpec, Record, RecordBatch};
use crate::trace::ResetCause;
use crate::types::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicName, TopicPartition};

use super::super::ConsumerRecord;

/// What a partition needs next (Kafka's `SubscriptionState.FetchStates`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Stage {
    /// The position that its group has stored.
    Committed,
    /// An offset to begin at, for this reason.
    Reset(ResetCause),
    /// The new leader's word that its log agrees with what was read (KIP-320).
    Validate,
    /// Records.
    Fetch,
    /// A seek by the application.
    Halted,
}

/// A position and what it was derived from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Position {
    /// Of the next record that the application gets.
    pub offset: Offset,
    /// The epoch of the record before it, as fetched or stored with it; unknown after a seek or a reset, and then no leader is
    /// asked whether its log agrees.
    pub offset_epoch: Option<LeaderEpoch>,
    /// The leader epoch in which the position is known to be good.
    pub leader_epoch: LeaderEpoch,
}

/// How a partition is held. By hand it is owned at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Tenure {
    /// The application has still to be notified that it has come.
    Coming,
    /// It is fetched and its records are returned.
    Owned,
    /// It is to be released: neither fetched nor returned any more.
    Going,
}

/// An assigned partition. Records are buffered only while it is in [`Stage::Fetch`], and it is fetched only while
/// none is buffered.
pub(in super::super) struct Assigned {
    pub topic: TopicName,
    pub partition: PartitionIndex,
    /// Known once the topic is.
    pub(super) id: Option<TopicPartition>,
    pub(super) leader: Option<(NodeId, LeaderEpoch)>,
    pub(super) tenure: Tenure,
    /// The application wants no records of it for now.
    pub(super) is_paused: bool,
    pub(super) stage: Stage,
    /// Counts what the partition waited for: an answer to a request of an earlier turn means nothing any more.
    pub(super) turn: u64,
    /// A request of this turn is out, other than a fetch.
    pub(super) is_asked: bool,
    /// The broker that it is fetched from, and the turn in which that began.
    pub(super) fetched: Option<(NodeId, u64)>,
    pub(super) position: Option<Position>,
    /// Where the application wants to be, if it does not know the offset.
    pub sought: Option<OffsetSpec>,
    /// The leader's, as of the last fetch.
    pub high_watermark: Option<Offset>,
    /// The leader has no record that is young enough to begin at (KIP-1106).
    pub has_nothing_young: bool,
    /// Nothing is asked before.
    pub retry_at: Instant,
    /// Errors in a row.
    pub failures: u32,
    /// The answer that last had records for it, counted over all partitions: it queues behind the others.
    pub(super) served: u64,
    /// What is left of the batch that is being taken; never empty while anything is buffered.
    current: Option<Current>,
    /// The batches behind it.
    batches: VecDeque<RecordBatch>,
}

struct Current {
    records: vec::IntoIter<Record>,
    leader_epoch: LeaderEpoch,
    next_offset: Offset,
}

impl Assigned {
    /// A partition that begins with `stage`. `assignment` tells it from earlier assignments of the same one.
    pub(super) fn new(topic: TopicName, partition: PartitionIndex, stage: Stage, assignment: u64) -> Assigned {
        Assigned {
            topic,
            partition,
            id: None,
            leader: None,
            tenure: Tenure::Owned,
            is_paused: false,
            stage,
            turn: assignment << 32,
            is_asked: false,
            fetched: None,
            position: None,
            sought: None,
            high_watermark: None,
            has_nothing_young: false,
            retry_at: Instant(0),
            failures: 0,
            served: 0,
            current: None,
            batches: VecDeque::new(),
        }
    }

    /// Its id, once its topic is known.
    pub fn id(&self) -> Option<TopicPartition> {
        self.id
    }

    /// Its leader and the leader's epoch, if known.
    pub fn leader(&self) -> Option<(NodeId, LeaderEpoch)> {
        self.leader
    }

    /// The broker that it is fetched from.
    pub fn fetched_from(&self) -> Option<NodeId> {
        self.fetched.map(|(from, _)| from)
    }

    /// Whether the answer of this broker to a fetch still counts.
    pub fn awaits_records(&self, from: NodeId) -> bool {
        self.fetched == Some((from, self.turn))
    }

    /// What it needs next.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// How it is held.
    pub fn tenure(&self) -> Tenure {
        self.tenure
    }

    /// Its position, valid or to be validated or found anew.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The epoch of its leader, for a position that is good there.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader.map_or(LeaderEpoch::NONE, |(_, epoch)| epoch)
    }

    /// Begins a stage; answers to earlier requests are void.
    pub(super) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.turn += 1;
        self.is_asked = false;
        self.has_nothing_young = false;
        self.retry_at = Instant(0);
        self.failures = 0;
    }

    /// Takes a new leader over. A position whose epoch is known must be validated with a leader of another epoch; true
    /// if that begins now.
    pub(super) fn follow(&mut self, leader: Option<(NodeId, LeaderEpoch)>) -> bool {
        if self.leader == leader {
            return false;
        }
        self.leader = leader;
        // A new leader is asked without back-off.
        self.retry_at = Instant(0);
        let (Some((_, epoch)), Some(position)) = (leader, &mut self.position) else {
            return false;
        };
        let must_validate = position.offset_epoch.is_some() && position.leader_epoch != epoch;
        position.leader_epoch = epoch;
        match self.stage {
            Stage::Fetch | Stage::Validate if must_validate => {
                self.enter(Stage::Validate);
                true
            }
            _ => false,
        }
    }

    /// Whether a request of this turn is to be sent: it is not out, nothing is buffered, and the partition is owned.
    pub fn wants_request(&self) -> bool {
        let is_done = match self.stage {
            Stage::Halted => true,
            Stage::Fetch => self.is_paused,
            Stage::Committed | Stage::Reset(_) | Stage::Validate => false,
        };
        !is_done && !self.is_asked && self.current.is_none() && self.tenure == Tenure::Owned
    }

    /// Whether the application gets its records.
    pub fn is_readable(&self) -> bool {
        self.has_records() && !self.is_paused && self.tenure == Tenure::Owned
    }

    /// The offset of the next record that the application gets, unless that is to be found anew.
    pub fn valid_position(&self) -> Option<Position> {
        match self.stage {
            Stage::Committed | Stage::Reset(_) | Stage::Halted => None,
            Stage::Validate | Stage::Fetch => self.position,
        }
    }

    /// The offset after the last record that was fetched.
    pub fn fetched_end(&self) -> Option<Offset> {
        let buffered = self.batches.back().map(RecordBatch::next_offset);
        let current = self.current.as_ref().map(|current| current.next_offset);
        buffered
            .or(current)
            .or(self.valid_position().map(|position| position.offset))
    }

    pub(super) fn has_records(&self) -> bool {
        self.current.is_some()
    }

    /// Buffers fetched batches.
    pub(super) fn buffer(&mut self, batches: Vec<RecordBatch>) {
        self.batches.extend(batches);
        self.advance();
    }

    /// Moves records to `into` until it has `limit`.
    pub(super) fn take(&mut self, limit: usize, into: &mut Vec<ConsumerRecord>) {
        while into.len() < limit
            && let (Some(partition), Some(position), Some(current)) = (self.id, &mut self.position, &mut self.current)
        {
            let leader_epoch = current.leader_epoch;
            let taken = current.records.by_ref().take(limit - into.len());
            into.extend(taken.map(|record| {
                position.offset = record.offset.next();
                ConsumerRecord {
                    partition,
                    leader_epoch,
                    record,
                }
            }));
            position.offset_epoch = Some(leader_epoch);
            if current.records.len() == 0 {
                position.offset = current.next_offset;
                self.current = None;
                self.advance();
            }
        }
    }

    pub(super) fn drop_records(&mut self) {
        self.current = None;
        self.batches.clear();
    }

    /// Opens the next batch with records for the application, and moves the position past what has none: control
    /// batches, and records that were read already or were compacted away.
    fn advance(&mut self) {
        while self.current.is_none()
            && let (Some(position), Some(batch)) = (&mut self.position, self.batches.pop_front())
        {
            if batch.next_offset() <= position.offset {
                continue;
            }
            let is_wanted = |record: &Record| !batch.is_control() && record.offset >= position.offset;
            let wanted = |record: &Result<Record, _>| record.as_ref().map_or(true, is_wanted);
            let Ok(records) = batch.records().filter(wanted).collect::<Result<Vec<Record>, _>>() else {
                // The CRC says that the producer built it so: no retry makes it readable.
                self.batches.clear();
                return self.enter(Stage::Halted);
            };
            if records.is_empty() {
                position.offset = batch.next_offset();
                position.offset_epoch = Some(batch.leader_epoch());
            } else {
                self.current = Some(Current {
                    records: records.into_iter(),
                    leader_epoch: batch.leader_epoch(),
                    next_offset: batch.next_offset(),
                });
            }
        }
    }
}

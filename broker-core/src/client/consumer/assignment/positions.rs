//! How positions move other than by reading: seeks, stored positions, resets, and truncated logs.

use crate::config::AutoOffsetReset;
use crate::protocol::{ErrorCode, FetchPartitionResponse, ListOffsetsPartitionResponse, OffsetAndMetadata, OffsetSpec};
use crate::trace::{PositionReset, ResetCause};
use crate::types::{EpochEndOffset, Offset};

use super::super::ConsumerNotice;
use super::{Assignment, Position, Stage};

/// What is to be made known of a position.
#[derive(Debug)]
#[must_use]
pub(in super::super) enum Change {
    /// It moved.
    Moved(PositionReset),
    /// It stands still until the application seeks.
    Halted(ConsumerNotice),
}

/// What an answer about a partition calls for.
#[derive(Debug)]
#[must_use]
pub(in super::super) enum Outcome {
    /// It was taken over.
    Done(Option<Change>),
    /// It was an error: every one passes once the leader is known or ready.
    Failed,
    /// The partition is missing in it.
    Unanswered,
}

impl Assignment {
    /// The application wants to go on there.
    pub fn seek(&mut self, place: usize, offset: Offset) -> Option<Change> {
        let to = self.unread(place, offset);
        self.move_to(place, to, ResetCause::Seek)
    }

    /// The application wants to go on at an offset that the leader is asked for.
    pub fn seek_to(&mut self, place: usize, sought: OffsetSpec) {
        self.at_mut(place).sought = Some(sought);
        self.enter(place, Stage::Reset(ResetCause::Seek));
    }

    /// A partition needs an offset to begin at: `auto.offset.reset` names it, or the application must.
    pub fn begin_reset(&mut self, place: usize, policy: AutoOffsetReset) -> Option<Change> {
        if policy != AutoOffsetReset::None {
            return None;
        }
        self.enter(place, Stage::Halted);
        let id = self.at(place).id()?;
        Some(Change::Halted(ConsumerNotice::NoOffset(id)))
    }

    /// The position is of no use, and a new one is needed.
    pub fn reset(&mut self, place: usize, cause: ResetCause, policy: AutoOffsetReset) -> Option<Change> {
        self.enter(place, Stage::Reset(cause));
        self.begin_reset(place, policy)
    }

    /// The group has stored this position for a partition, or none. One that names the epoch before it is validated with
    /// the leader first (KIP-320).
    pub fn begin_at(
        &mut self,
        place: usize,
        stored: Option<OffsetAndMetadata>,
        policy: AutoOffsetReset,
    ) -> Option<Change> {
        let (Some(stored), Some(id)) = (stored, self.at(place).id()) else {
            return self.reset(place, ResetCause::NoPosition, policy);
        };
        let position = Position {
            offset_epoch: stored.leader_epoch,
            ..self.unread(place, stored.offset)
        };
        let stage = match stored.leader_epoch {
            Some(_) => Stage::Validate,
            None => Stage::Fetch,
        };
        self.go_to(place, position, stage);
        Some(Change::Moved(PositionReset {
            partition: id,
            from: None,
            to: stored.offset,
            cause: ResetCause::Committed,
        }))
    }

    /// What a fetch says of a partition.
    pub fn fetched(&mut self, place: usize, answer: FetchPartitionResponse, policy: AutoOffsetReset) -> Outcome {
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                return Outcome::Done(self.reset(place, ResetCause::OutOfRange, policy));
            }
            _ => return Outcome::Failed,
        }
        let partition = self.at_mut(place);
        partition.failures = 0;
        partition.high_watermark = Some(answer.high_watermark);
        self.buffer(place, answer.records);
        Outcome::Done(None)
    }

    /// What the leader says of the offset that it was asked for.
    pub fn offset_found(&mut self, place: usize, answer: &ListOffsetsPartitionResponse) -> Outcome {
        let (Some(offset), ErrorCode::None) = (answer.offset, answer.error) else {
            let partition = self.at_mut(place);
            // No record is young enough: the next one to come will be.
            if answer.error.is_ok() && !partition.has_nothing_young {
                partition.has_nothing_young = true;
                return Outcome::Done(None);
            }
            return Outcome::Failed;
        };
        let Stage::Reset(cause) = self.at(place).stage() else {
            return Outcome::Done(None);
        };
        let to = self.unread(place, offset);
        Outcome::Done(self.move_to(place, to, cause))
    }

    /// Where the leader's log ends in the epoch before the position. Without an end it has no epoch as late as that one.
    pub fn epoch_end_found(
        &mut self,
        place: usize,
        error: ErrorCode,
        end: Option<EpochEndOffset>,
        policy: AutoOffsetReset,
    ) -> Outcome {
        if !error.is_ok() {
            return Outcome::Failed;
        }
        let Some(position) = self.at(place).position() else {
            return Outcome::Done(None);
        };
        if end.is_some_and(|end| end.end_offset >= position.offset) {
            self.enter(place, Stage::Fetch);
            return Outcome::Done(None);
        }
        Outcome::Done(self.truncated(place, position, end, policy))
    }

    /// The leader's log was cut below the position: go on where the logs part, or by `auto.offset.reset` if nobody
    /// knows where that is (Kafka `SubscriptionState.maybeCompleteValidation`).
    fn truncated(
        &mut self,
        place: usize,
        position: Position,
        end: Option<EpochEndOffset>,
        policy: AutoOffsetReset,
    ) -> Option<Change> {
        let id = self.at(place).id()?;
        if policy == AutoOffsetReset::None {
            self.enter(place, Stage::Halted);
            return Some(Change::Halted(ConsumerNotice::LogTruncated {
                partition: id,
                position: position.offset,
                diverging: end.map(|end| end.end_offset),
            }));
        }
        let Some(end) = end else {
            return self.reset(place, ResetCause::Truncated, policy);
        };
        let to = Position {
            offset: end.end_offset,
            offset_epoch: Some(end.leader_epoch),
            leader_epoch: position.leader_epoch,
        };
        self.move_to(place, to, ResetCause::Truncated)
    }

    /// A position of which no record was read yet.
    fn unread(&self, place: usize, offset: Offset) -> Position {
        Position {
            offset,
            offset_epoch: None,
            leader_epoch: self.at(place).leader_epoch(),
        }
    }

    /// Fetches from there on.
    fn move_to(&mut self, place: usize, to: Position, cause: ResetCause) -> Option<Change> {
        let partition = self.at(place);
        let from = partition.position().map(|position| position.offset);
        let id = partition.id();
        self.go_to(place, to, Stage::Fetch);
        Some(Change::Moved(PositionReset {
            partition: id?,
            from,
            to: to.offset,
            cause,
        }))
    }
}

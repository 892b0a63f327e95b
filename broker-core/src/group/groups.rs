//! The groups of one partition of the offsets topic.

use alloc::vec::Vec;

use super::{GroupRecord, Topics};
use crate::config::{BrokerConfig, Quirks};
use crate::machine::{Context, Instant, ReplyTo};
use crate::protocol::{ErrorCode, OffsetCommitRequest, OffsetFetchRequest, Request, Response};
use crate::types::{GroupId, Timestamp, TopicPartition};

/// What a coordinator decided: records for the log, and answers that leave when those, and everything before them, are
/// committed.
#[derive(Default, Debug)]
pub struct Decision {
    /// They are appended as one batch, and replayed at once.
    pub records: Vec<GroupRecord>,
    /// To be sent once the records are committed.
    pub replies: Vec<(ReplyTo, Response)>,
}

/// All groups of one partition of the offsets topic, of both protocols. What is durable changes only by
/// [`Groups::replay`]; sessions, timers and parked requests are in memory alone.
pub struct Groups {}

impl Groups {
    /// No groups.
    #[must_use]
    pub fn new(_config: &BrokerConfig, _quirks: Quirks) -> Groups {
        Groups {}
    }

    /// Takes over a record of the log. Offsets are none of its business.
    pub fn replay(&mut self, _record: &GroupRecord) {}

    /// Everything is replayed: every member gets a fresh session.
    pub fn loaded(&mut self, _now: Instant) {}

    /// Takes a JoinGroup, SyncGroup, Heartbeat, LeaveGroup or ConsumerGroupHeartbeat. A request may be parked, and is
    /// then answered by a later decision.
    pub fn on_request(
        &mut self,
        _ctx: &mut Context<'_>,
        _topics: &dyn Topics,
        _reply_to: ReplyTo,
        _request: Request,
    ) -> Decision {
        Decision::default()
    }

    /// Acts on the next thing that is due; call it until [`Groups::deadline`] lies ahead.
    pub fn on_wake(&mut self, _ctx: &mut Context<'_>, _topics: &dyn Topics) -> Decision {
        Decision::default()
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Topics came, went or grew: groups that subscribe to them get other assignments.
    pub fn topics_changed(&mut self, _ctx: &mut Context<'_>, _topics: &dyn Topics) -> Decision {
        Decision::default()
    }

    /// The records of a decision about `group` could not be appended: they were not replayed, and the replies went out
    /// as errors. What the decision changed in memory is undone, or settled anew.
    pub fn append_failed(&mut self, _ctx: &mut Context<'_>, _group: &GroupId) -> Decision {
        Decision::default()
    }

    /// May this committer commit?
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, STALE_MEMBER_EPOCH, REBALANCE_IN_PROGRESS, FENCED_INSTANCE_ID.
    pub fn validate_commit(&self, _request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        Ok(())
    }

    /// A commit by this member is a sign of life in the classic protocol.
    pub fn committed(&mut self, _now: Instant, _request: &OffsetCommitRequest) {}

    /// May this member be told offsets?
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH.
    pub fn validate_fetch(&self, _request: &OffsetFetchRequest) -> Result<(), ErrorCode> {
        Ok(())
    }

    /// Since when the position that `group` has in `partition` may grow old: `None` while the group uses it.
    /// `committed` is when it was committed.
    #[must_use]
    pub fn unused_since(
        &self,
        _topics: &dyn Topics,
        _group: &GroupId,
        _partition: TopicPartition,
        committed: Timestamp,
    ) -> Option<Timestamp> {
        Some(committed)
    }

    /// Leadership is gone: the parked requests, with NOT_COORDINATOR as their answers.
    #[must_use]
    pub fn abandon(self) -> Vec<(ReplyTo, Response)> {
        Vec::new()
    }
}

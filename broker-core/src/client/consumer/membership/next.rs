//! What an answer of the coordinator leads to. A protocol's state says it, and the consumer does it.

use alloc::vec::Vec;

use super::super::Consumer;
use crate::machine::Instant;
use crate::protocol::ErrorCode;
use crate::types::NodeId;

/// What an answer leads to.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// To nothing by itself.
    Wait,
    /// Classic: it leads its group, all of whose topics matter.
    Lead,
    /// Classic: it follows, and asks for its assignment.
    Sync,
    /// What it is to own has changed.
    Assigned,
    /// Classic: it joins again after a pause; the error may say something of the coordinator.
    JoinLater(Option<ErrorCode>),
    /// Consumer protocol: the next heartbeat goes out after a pause; the error may say something of the coordinator.
    HeartbeatLater(ErrorCode),
    /// It goes on; the error may say something of the coordinator.
    GoOn(ErrorCode),
    /// It is no member any more, and may join again, with its id if it keeps that.
    Lost { keeps_id: bool },
    /// It cannot stay in its group.
    Failed(ErrorCode),
}

impl Consumer {
    /// Does what an answer of `from` leads to.
    pub(super) fn go_on(&mut self, now: Instant, from: NodeId, next: Next) {
        match next {
            Next::Wait => {}
            Next::Lead => self.watch_topics(),
            Next::Sync => self.sync(now, Vec::new()),
            Next::Assigned => self.target_changed(),
            Next::JoinLater(error) => {
                if let Some(error) = error {
                    self.follow_coordinator_error(from, error);
                }
                self.join_later(now);
            }
            Next::HeartbeatLater(error) => {
                self.follow_coordinator_error(from, error);
                self.heartbeat_later(now);
            }
            Next::GoOn(error) => self.follow_coordinator_error(from, error),
            Next::Lost { keeps_id } => self.lose_membership(keeps_id),
            Next::Failed(error) => self.fail_membership(error),
        }
    }
}

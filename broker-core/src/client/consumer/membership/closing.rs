//! How a consumer closes: it commits, gives up its partitions in good order, and leaves its group.

use alloc::vec::Vec;
use core::time::Duration;

use super::super::commits::Occasion;
use super::super::{Closing, Consumer};
use super::Protocol;
use crate::machine::{Instant, Now};

/// How long [`Consumer::close`] takes at most (`ConsumerUtils.DEFAULT_CLOSE_TIMEOUT_MS`).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

impl Consumer {
    /// Commits if it commits by itself, gives up all partitions in good order, and leaves its group. A static member of
    /// the classic protocol does not leave: it may come back within its session timeout. Go on with what
    /// [`Consumer::rebalance`] announces until [`Consumer::is_closed`]; after that nothing comes from it any more.
    pub fn close(&mut self, now: Now) {
        let now = self.note(now);
        if self.closing != Closing::Open {
            return;
        }
        self.closing = Closing::Releasing(now + CLOSE_TIMEOUT);
        // An application that closes is done with what it got.
        self.is_busy = false;
        if self.membership.is_none() && self.group.is_some() && self.config.enable_auto_commit {
            let offsets = self.auto_committed(|_| true);
            if !offsets.is_empty() {
                self.begin_commit(now, offsets, Occasion::Parting);
            }
        }
        self.pump(now);
    }

    /// Whether [`Consumer::close`] has come to its end: answered, or timed out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing == Closing::Closed
    }

    pub(super) fn pump_closing(&mut self, now: Instant) {
        let (Closing::Releasing(until) | Closing::Leaving(until)) = self.closing else {
            return;
        };
        if until <= now {
            return self.closed(now);
        }
        self.wake_at(until);
        if !matches!(self.closing, Closing::Releasing(_)) {
            return;
        }
        let has_commits = self.group.as_ref().is_some_and(|group| !group.commits.is_empty());
        let Some(membership) = &self.membership else {
            if !has_commits {
                self.closed(now);
            }
            return;
        };
        if !membership.is_idle() {
            return;
        }
        let owned: Vec<_> = self.assigned.owned().collect();
        if !owned.is_empty() {
            self.begin_release(owned);
        } else if !has_commits && self.can_leave(now) {
            self.closing = Closing::Leaving(until);
            if !self.leave(now) {
                self.closed(now);
            }
        }
    }

    fn closed(&mut self, now: Instant) {
        self.abandon_commits(now);
        self.closing = Closing::Closed;
        self.membership = None;
        self.assigned.take_all();
        self.wake = None;
    }

    /// The answer to a farewell has come, or never will.
    pub(in super::super) fn left(&mut self, now: Instant) {
        if matches!(self.closing, Closing::Leaving(_)) {
            self.closed(now);
        }
    }

    /// A member waits for a coordinator to take leave of.
    fn can_leave(&mut self, now: Instant) -> bool {
        let is_member = self
            .membership
            .as_ref()
            .is_some_and(|membership| membership.member().is_some());
        !is_member || self.ready_coordinator(now).is_some()
    }

    /// Says farewell, as far as that is the custom; false if there is nobody to say it to.
    pub(super) fn leave(&mut self, now: Instant) -> bool {
        match self.membership.as_ref().map(|membership| &membership.protocol) {
            Some(Protocol::Classic(_)) => self.leave_classic(now),
            Some(Protocol::Consumer(_)) => self.leave_consumer(now),
            None => false,
        }
    }
}

//! What a group works with while it decides, and the timers of all groups.

use alloc::collections::{BTreeMap, BTreeSet};

use super::{Decision, GroupRecord, Topics};
use crate::config::{BrokerConfig, Quirks};
use crate::machine::{Context, Instant, ReplyTo};
use crate::protocol::Response;
use crate::trace::Event;
use crate::types::{ClientId, GroupId, MemberId};
use core::time::Duration;

/// One input to one group: what it may look at, and what it decides.
pub(super) struct Turn<'a, 'c> {
    pub(super) ctx: &'a mut Context<'c>,
    pub(super) topics: &'a dyn Topics,
    pub(super) config: &'a BrokerConfig,
    pub(super) quirks: Quirks,
    pub(super) timers: &'a mut Timers,
    pub(super) group: GroupId,
    /// What the peer calls itself whose request this is.
    pub(super) client: Option<&'a ClientId>,
    pub(super) decision: Decision,
}

impl Turn<'_, '_> {
    pub(super) fn reply(&mut self, to: ReplyTo, response: Response) {
        self.decision.replies.push((to, response));
    }

    pub(super) fn record(&mut self, record: GroupRecord) {
        self.decision.records.push(record);
    }

    /// States what is true by now.
    pub(super) fn trace(&mut self, fact: Event) {
        self.ctx.out.trace(fact);
    }

    /// States what is true once the records are in the log.
    pub(super) fn trace_when_written(&mut self, fact: Event) {
        self.decision.facts.push(fact);
    }

    /// Starts a timer of the group anew.
    pub(super) fn start(&mut self, timer: Timer, after: Duration) {
        self.timers.start(&self.group, timer, self.ctx.now + after);
    }

    /// Starts a timer of the group that is not running.
    pub(super) fn ensure(&mut self, timer: Timer, after: Duration) {
        self.timers.ensure(&self.group, timer, self.ctx.now + after);
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.timers.stop(&self.group, timer);
    }
}

/// What a group waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// A member to give a sign of life.
    Session(MemberId),
    /// A classic member to join with the id that it was given.
    Pending(MemberId),
    /// Classic members to join.
    Join,
    /// Classic members to sync.
    Sync,
    /// A member of a consumer group to release partitions.
    Revocation(MemberId),
    /// A classic member of a consumer group to join again.
    MemberJoin(MemberId),
    /// A classic member of a consumer group to sync.
    MemberSync(MemberId),
    /// A consumer group that has become a classic one to call its members.
    Downgraded,
}

/// When which group is due.
#[derive(Default)]
pub(super) struct Timers {
    at: BTreeMap<(GroupId, Timer), Instant>,
    /// The same, by time.
    due: BTreeSet<(Instant, GroupId, Timer)>,
}

impl Timers {
    pub(super) fn start(&mut self, group: &GroupId, timer: Timer, at: Instant) {
        self.stop(group, timer.clone());
        self.due.insert((at, group.clone(), timer.clone()));
        self.at.insert((group.clone(), timer), at);
    }

    /// Starts a timer that is not running.
    pub(super) fn ensure(&mut self, group: &GroupId, timer: Timer, at: Instant) {
        if !self.at.contains_key(&(group.clone(), timer.clone())) {
            self.start(group, timer, at);
        }
    }

    pub(super) fn stop(&mut self, group: &GroupId, timer: Timer) {
        let key = (group.clone(), timer);
        if let Some(at) = self.at.remove(&key) {
            self.due.remove(&(at, key.0, key.1));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _, _)| *at)
    }

    /// Takes the first timer that has run out by `now`.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(GroupId, Timer)> {
        self.due.first().filter(|(at, _, _)| *at <= now)?;
        let (_, group, timer) = self.due.pop_first()?;
        self.at.remove(&(group.clone(), timer.clone()));
        Some((group, timer))
    }
}

//! The consumer protocol (KIP-848): heartbeats that say what the member owns and are answered with what it is to own
//! (Kafka `ConsumerMembershipManager`, `ConsumerHeartbeatRequestManager`).
//!
//! [`Heartbeating`] knows what the coordinator has been sent, and says what an answer leads to; the consumer does that.

use alloc::collections::BTreeSet;

use super::super::asked::GroupAsked;
use super::super::{Closing, Consumer};
use super::{Membership, Protocol};
use crate::client::network::Reply;
use crate::machine::Instant;
use crate::types::{NodeId, TopicPartition};

mod state;
#[cfg(test)]
mod tests;

pub(super) use state::Heartbeating;
use state::Sent;

impl Consumer {
    fn heartbeating(&mut self) -> Option<&mut Heartbeating> {
        match &mut self.membership.as_mut()?.protocol {
            Protocol::Consumer(heartbeating) => Some(heartbeating),
            Protocol::Classic(_) => None,
        }
    }

    /// Does what is due.
    pub(super) fn pump_consumer(&mut self, now: Instant) {
        let is_open = self.closing == Closing::Open;
        let has_joined = self.heartbeating().is_some_and(|member| member.has_joined());
        if matches!(self.closing, Closing::Leaving(_)) || !is_open && !has_joined {
            return;
        }
        if has_joined && is_open {
            let is_underway = self.reconcile();
            self.advance_release(now);
            let owned = self.claimed();
            if let Some(member) = self.heartbeating() {
                member.report_progress(&owned, is_underway);
            }
        }
        // One that was fenced joins again when its application has been notified of it.
        let Some(membership) = self.membership.as_ref().filter(|m| has_joined || m.is_idle()) else {
            return;
        };
        let Protocol::Consumer(member) = &membership.protocol else {
            return;
        };
        let Some(due) = member.due() else {
            return;
        };
        if due > now {
            return self.wake_at(due);
        }
        if let Some(to) = self.ready_coordinator(now) {
            self.send_heartbeat(now, to);
        }
    }

    /// What the member owns, also if the application is still to be notified, or is given and has not taken over because
    /// metadata does not know the topic yet: the coordinator may not give it away before the member has answered that.
    fn claimed(&self) -> BTreeSet<TopicPartition> {
        let mut claimed: BTreeSet<TopicPartition> = self.assigned.ids().collect();
        if let Some(Protocol::Consumer(member)) = self.membership.as_ref().map(|membership| &membership.protocol) {
            let is_unknown = |id: &&TopicPartition| self.metadata.name(id.topic).is_none();
            claimed.extend(member.target().iter().filter(is_unknown).copied());
        }
        claimed
    }

    fn send_heartbeat(&mut self, now: Instant, to: NodeId) {
        let owned = self.claimed();
        let is_settled = self.membership.as_ref().is_some_and(|m| m.is_idle() && !m.is_dirty);
        let Some(Membership {
            topics,
            pattern,
            protocol: Protocol::Consumer(member),
            ..
        }) = &mut self.membership
        else {
            return;
        };
        let Some(group) = &self.group else {
            return;
        };
        let state = Sent {
            topics: topics.clone(),
            pattern: pattern.clone(),
            owned,
        };
        let request = member.heartbeat(now, group.id.clone(), &self.config, state, is_settled);
        let turn = member.turn();
        self.ask_coordinator(now, to, request.into(), GroupAsked::ConsumerHeartbeat { turn });
    }

    /// A heartbeat was answered, or its connection was lost.
    pub(in super::super) fn consumer_heartbeat_answered(
        &mut self,
        now: Instant,
        from: NodeId,
        turn: u64,
        reply: Reply,
    ) {
        if let Some(member) = self.heartbeating().filter(|member| member.is_at(turn)) {
            let next = member.answered(now, reply);
            self.go_on(now, from, next);
        }
    }

    /// The coordinator could not be asked: the next heartbeat goes out after a pause.
    pub(super) fn heartbeat_later(&mut self, now: Instant) {
        let Some(failures) = self.heartbeating().map(|member| member.failures()) else {
            return;
        };
        let pause = self.retry_backoff.after(failures, &mut self.rng);
        if let Some(member) = self.heartbeating() {
            member.failed(now + pause);
        }
    }

    /// Leaves the group; true if an answer is to be awaited.
    pub(super) fn leave_consumer(&mut self, now: Instant) -> bool {
        let instance = self.instance();
        let Some(group) = self.group.as_ref().map(|group| group.id.clone()) else {
            return false;
        };
        let Some(request) = self.heartbeating().and_then(|member| member.farewell(group, instance)) else {
            return false;
        };
        let Some(to) = self.ready_coordinator(now) else {
            return false;
        };
        self.ask_coordinator(now, to, request.into(), GroupAsked::Leave);
        true
    }
}

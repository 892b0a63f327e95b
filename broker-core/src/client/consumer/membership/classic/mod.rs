//! The classic protocol: members join, one of them assigns, all of them learn their parts (Kafka
//! `AbstractCoordinator`, `ConsumerCoordinator`).
//!
//! With an eager strategy a member gives up everything before it joins again. With `cooperative-sticky` it keeps what
//! it has, releases what the new assignment takes away from it, and then joins once more, so that others can get that
//! (KIP-429). In this way no partition has two owners: the assignor gives nobody what another member still claims.
//!
//! [`Classic`] knows how far the member has come, and says what an answer leads to; the consumer does that here.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::super::asked::GroupAsked;
use super::super::{Closing, Consumer};
use super::{Membership, Protocol};
use crate::client::network::Reply;
use crate::config::millis;
use crate::machine::Instant;
use crate::protocol::{ErrorCode, HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest};
use crate::types::{MemberId, NodeId, TopicName};

mod generation;
mod leadership;
mod state;
#[cfg(test)]
mod tests;

pub(super) use state::Classic;

/// How much longer than `max.poll.interval.ms` a JoinGroup waits for its answer (`JOIN_GROUP_TIMEOUT_LAPSE`).
const JOIN_TIMEOUT_LAPSE: Duration = Duration::from_secs(5);

impl Consumer {
    /// Does what is due.
    pub(super) fn pump_classic(&mut self, now: Instant) {
        if matches!(self.closing, Closing::Leaving(_)) {
            return;
        }
        self.heartbeat(now);
        if self.closing != Closing::Open {
            return;
        }
        self.assign_group(now);
        self.follow_partition_counts();
        let Some(classic) = self.classic().filter(|classic| classic.is_stable()) else {
            return self.join(now);
        };
        if !classic.must_rejoin()
            && !self.reconcile()
            && let Some(classic) = self.classic()
        {
            classic.reconciled();
        }
        let is_idle = self.membership.as_ref().is_some_and(Membership::is_idle);
        let Some(classic) = self.classic().filter(|classic| classic.must_rejoin() && is_idle) else {
            return self.advance_release(now);
        };
        let gives_up_first = !classic.is_cooperative();
        let owned = if gives_up_first {
            self.assigned.owned().collect()
        } else {
            Vec::new()
        };
        if !owned.is_empty() {
            self.begin_release(owned);
            return self.advance_release(now);
        }
        if let Some(classic) = self.classic() {
            classic.join_at(Instant(0));
        }
        self.join(now);
    }

    fn classic(&mut self) -> Option<&mut Classic> {
        match &mut self.membership.as_mut()?.protocol {
            Protocol::Classic(classic) => Some(classic),
            Protocol::Consumer(_) => None,
        }
    }

    // ---- join

    fn join(&mut self, now: Instant) {
        let Some(membership) = self.membership.as_ref().filter(|membership| membership.is_idle()) else {
            return;
        };
        let Protocol::Classic(classic) = &membership.protocol else {
            return;
        };
        let Some(joins_at) = classic.joins_at() else {
            return;
        };
        // First it must know what its pattern matches.
        if membership.pattern.is_some() && self.metadata.matching().is_none() {
            return;
        }
        if joins_at > now {
            return self.wake_at(joins_at);
        }
        let Some(to) = self.ready_coordinator(now) else {
            return;
        };
        let (Some(membership), Some(group)) = (&mut self.membership, &mut self.group) else {
            return;
        };
        let Protocol::Classic(classic) = &mut membership.protocol else {
            return;
        };
        let owned = self.assigned.iter();
        let owned = owned.map(|assigned| (assigned.topic.clone(), assigned.partition));
        let topics = membership.topics.clone();
        let request = classic.join_request(&self.config, group.id.clone(), topics, owned);
        let turn = classic.begin_join();
        group.term += 1;
        let timeout = millis(self.config.max_poll_interval_ms) + JOIN_TIMEOUT_LAPSE;
        let timeout = timeout.max(millis(self.config.request_timeout_ms));
        self.ask_coordinator_within(now, timeout, to, request.into(), GroupAsked::Join { turn });
    }

    /// A JoinGroup was answered, or its connection was lost.
    pub(in super::super) fn joined(&mut self, now: Instant, from: NodeId, turn: u64, reply: Reply) {
        if let Some(Membership {
            protocol: Protocol::Classic(classic),
            ..
        }) = &mut self.membership
            && classic.is_at(turn)
        {
            let next = classic.joined(now, &self.config, reply);
            self.go_on(now, from, next);
        }
    }

    /// It joins again after a pause.
    pub(super) fn join_later(&mut self, now: Instant) {
        let Some(failures) = self.classic().map(|classic| classic.failures()) else {
            return;
        };
        let at = now + self.retry_backoff.after(failures, &mut self.rng);
        if let Some(classic) = self.classic() {
            classic.join_after_failure(at);
        }
    }

    // ---- assign and sync

    /// The leader assigns, once it knows the topics of the group.
    fn assign_group(&mut self, now: Instant) {
        let Some(Membership {
            protocol: Protocol::Classic(classic),
            ..
        }) = &mut self.membership
        else {
            return;
        };
        let Some(leadership) = classic.assigning() else {
            return;
        };
        if !leadership.topics().all(|topic| self.metadata.is_answered(topic)) {
            return;
        }
        let known = |topic: &TopicName| Some((topic.clone(), self.metadata.topic(topic)?.partitions));
        let counts = leadership.topics().filter_map(known).collect();
        match leadership.assign(counts) {
            Some(assignments) => self.sync(now, assignments),
            None => self.fail_membership(ErrorCode::InconsistentGroupProtocol),
        }
    }

    fn follow_partition_counts(&mut self) {
        if let Some(Membership {
            protocol: Protocol::Classic(classic),
            ..
        }) = &mut self.membership
        {
            classic.follow_partition_counts(|topic| self.metadata.topic(topic).map(|topic| topic.partitions));
        }
    }

    /// SyncGroup goes out, with the assignments of a leader.
    pub(super) fn sync(&mut self, now: Instant, assignments: Vec<(MemberId, Bytes)>) {
        let (Some(to), instance) = (self.ready_coordinator(now), self.instance()) else {
            // It was lost since the answer to the join.
            return self.join_later(now);
        };
        let begun = self.classic().and_then(Classic::begin_sync);
        let (Some((turn, member, generation)), Some(group)) = (begun, &self.group) else {
            return;
        };
        let request = SyncGroupRequest {
            group: group.id.clone(),
            generation,
            member,
            instance,
            assignments,
        };
        self.ask_coordinator(now, to, request.into(), GroupAsked::Sync { turn });
    }

    /// A SyncGroup was answered, or its connection was lost.
    pub(in super::super) fn synced(&mut self, now: Instant, from: NodeId, turn: u64, reply: Reply) {
        if let Some(classic) = self.classic().filter(|classic| classic.is_at(turn)) {
            let next = classic.synced(reply);
            self.go_on(now, from, next);
        }
    }

    // ---- heartbeats

    fn heartbeat(&mut self, now: Instant) {
        let session = millis(self.config.session_timeout_ms);
        let Some(heartbeats) = self.classic().and_then(|classic| classic.heartbeats(now, session)) else {
            return;
        };
        if heartbeats.is_silent {
            self.coordinator_silent();
        }
        self.wake_at(heartbeats.session_ends);
        let Some(next) = heartbeats.next else {
            return;
        };
        if next > now {
            return self.wake_at(next);
        }
        let (Some(to), Some(group)) = (self.ready_coordinator(now), &self.group) else {
            return;
        };
        let request = HeartbeatRequest {
            group: group.id.clone(),
            generation: heartbeats.generation,
            member: heartbeats.member,
            instance: self.instance(),
        };
        let turn = heartbeats.turn;
        self.ask_coordinator(now, to, request.into(), GroupAsked::Heartbeat { turn });
        let interval = millis(self.config.heartbeat_interval_ms);
        if let Some(classic) = self.classic() {
            classic.heartbeat_sent(now + interval);
        }
    }

    /// A Heartbeat was answered, or its connection was lost.
    pub(in super::super) fn heartbeat_answered(&mut self, now: Instant, from: NodeId, turn: u64, reply: Reply) {
        let session_ends = now + millis(self.config.session_timeout_ms);
        let soon = now + self.retry_backoff.after(0, &mut self.rng);
        if let Some(classic) = self.classic().filter(|classic| classic.is_at(turn)) {
            let next = classic.heartbeat_answered(session_ends, soon, &reply);
            self.go_on(now, from, next);
        }
    }

    /// The coordinator refused a commit of this generation.
    pub(super) fn classic_commit_refused(&mut self, now: Instant, from: NodeId, error: ErrorCode) {
        if let Some(classic) = self.classic() {
            let next = classic.commit_refused(error);
            self.go_on(now, from, next);
        }
    }

    /// Leaves the group, if it is a dynamic member that the coordinator knows; true if an answer is to be awaited.
    pub(super) fn leave_classic(&mut self, now: Instant) -> bool {
        let is_static = self.config.group_instance_id.is_some();
        let Some(member) = self.classic().and_then(|classic| classic.id().cloned()) else {
            return false;
        };
        let to = self.ready_coordinator(now);
        let (Some(to), Some(group), false) = (to, &self.group, is_static) else {
            return false;
        };
        let request = LeaveGroupRequest {
            group: group.id.clone(),
            member: Some(member),
            instance: None,
        };
        self.ask_coordinator(now, to, request.into(), GroupAsked::Leave);
        true
    }
}

//! The consumer protocol (KIP-848): heartbeats that say what the member owns and are answered with what it is to own
//! (Kafka `ConsumerMembershipManager`, `ConsumerHeartbeatRequestManager`).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::client::network::Reply;
use crate::config::millis;
use crate::machine::Instant;
use crate::protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ErrorCode, Response};
use crate::random::Random;
use crate::types::{AssignorName, GroupEpoch, MemberId, NodeId, TopicName, TopicPartition};

use super::super::asked::GroupAsked;
use super::super::{Closing, Consumer};
use super::{Membership, Protocol};

/// A member's state in the consumer protocol.
pub(super) struct Heartbeating {
    id: MemberId,
    /// Where it stands; 0 until the coordinator has taken it in.
    epoch: GroupEpoch,
    /// What it is to own.
    pub(super) target: Vec<TopicPartition>,
    /// The coordinator's word how often it wants heartbeats.
    interval: Duration,
    /// When the next heartbeat is due.
    due: Instant,
    is_out: bool,
    /// The coordinator may know it: it has been sent a heartbeat in this membership.
    is_known: bool,
    /// Something is to be sent at once.
    is_urgent: bool,
    /// Counts the memberships: answers to an earlier one are void.
    turn: u64,
    failures: u32,
    /// What the coordinator has been sent; all of it is sent again when nobody knows what has arrived.
    sent: Option<Sent>,
    /// The target has changed since it was reported to the coordinator as reached.
    must_acknowledge: bool,
}

struct Sent {
    topics: Vec<TopicName>,
    pattern: Option<String>,
    owned: BTreeSet<TopicPartition>,
}

impl Heartbeating {
    /// A member under an id of its own (KIP-1082).
    pub fn new(rng: &mut Random) -> Heartbeating {
        let (high, low) = (rng.next_u64(), rng.next_u64());
        let id = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        );
        Heartbeating {
            id: MemberId::from(id.as_str()),
            epoch: GroupEpoch::ZERO,
            target: Vec::new(),
            interval: Duration::ZERO,
            due: Instant(0),
            is_out: false,
            is_known: false,
            is_urgent: false,
            turn: 0,
            failures: 0,
            sent: None,
            must_acknowledge: false,
        }
    }

    /// Its id and epoch, once the coordinator has taken it in.
    pub fn member(&self) -> Option<(MemberId, GroupEpoch)> {
        (self.epoch > GroupEpoch::ZERO).then(|| (self.id.clone(), self.epoch))
    }

    pub fn heartbeat_soon(&mut self) {
        self.is_urgent = true;
    }

    /// The next coordinator is sent everything, at once.
    pub fn coordinator_lost(&mut self) {
        self.sent = None;
        self.is_urgent = true;
    }

    /// It is no member any more, and joins anew.
    pub fn reset(&mut self) {
        self.turn += 1;
        self.epoch = GroupEpoch::ZERO;
        self.target.clear();
        self.is_out = false;
        self.is_known = false;
        self.is_urgent = true;
        self.failures = 0;
        self.sent = None;
        self.must_acknowledge = false;
    }
}

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
        let has_joined = self
            .heartbeating()
            .is_some_and(|member| member.epoch > GroupEpoch::ZERO);
        if matches!(self.closing, Closing::Leaving(_)) || !is_open && !has_joined {
            return;
        }
        if has_joined && is_open {
            let is_underway = self.reconcile();
            self.advance_release(now);
            self.report_progress(is_underway);
        }
        // One that was fenced joins again when its application has heard of it.
        let Some(membership) = self.membership.as_ref().filter(|m| has_joined || m.is_idle()) else {
            return;
        };
        let Protocol::Consumer(member) = &membership.protocol else {
            return;
        };
        if member.is_out {
            return;
        }
        let due = if member.is_urgent { Instant(0) } else { member.due };
        if due > now {
            return self.wake_at(due);
        }
        if let Some(to) = self.ready_coordinator(now) {
            self.send_heartbeat(now, to);
        }
    }

    /// What the member owns, also if the application is still to be notified, or is given and has not taken over because metadata does not know the topic yet: the
    /// coordinator may not give it away before the member has answered that.
    fn claimed(&self) -> BTreeSet<TopicPartition> {
        let mut claimed: BTreeSet<TopicPartition> = self.assigned.ids().collect();
        if let Some(Protocol::Consumer(member)) = self.membership.as_ref().map(|membership| &membership.protocol) {
            let is_unknown = |id: &&TopicPartition| self.metadata.name(id.topic).is_none();
            claimed.extend(member.target.iter().filter(is_unknown).copied());
        }
        claimed
    }

    /// What the member owns has become less or more, or it has reached its target: the coordinator hears it at once.
    fn report_progress(&mut self, is_underway: bool) {
        let owned = self.claimed();
        let Some(member) = self.heartbeating() else {
            return;
        };
        let is_news = member.sent.as_ref().is_some_and(|sent| sent.owned != owned);
        if is_news || member.must_acknowledge && !is_underway {
            member.is_urgent = true;
        }
    }

    fn send_heartbeat(&mut self, now: Instant, to: NodeId) {
        let owned = self.claimed();
        let instance = self.instance();
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
        let is_full = member.sent.is_none();
        let sends_topics = member.sent.as_ref().is_none_or(|sent| sent.topics != *topics);
        let sent_pattern = member.sent.as_ref().and_then(|sent| sent.pattern.as_ref());
        let sends_pattern = sent_pattern != pattern.as_ref();
        let sends_owned =
            member.sent.as_ref().is_none_or(|sent| sent.owned != owned) || member.must_acknowledge && is_settled;
        if sends_owned && is_settled {
            member.must_acknowledge = false;
        }
        let assignor = self.config.group_remote_assignor.as_deref().map(AssignorName::from);
        let request = ConsumerGroupHeartbeatRequest {
            group: group.id.clone(),
            member: member.id.clone(),
            member_epoch: member.epoch,
            instance,
            rebalance_timeout: is_full.then(|| millis(self.config.max_poll_interval_ms)),
            subscribed_topics: sends_topics.then(|| topics.clone()),
            subscribed_topic_regex: sends_pattern.then(|| pattern.clone().unwrap_or_default()),
            server_assignor: assignor.filter(|_| is_full),
            owned: sends_owned.then(|| owned.iter().copied().collect()),
        };
        member.sent = Some(Sent {
            topics: topics.clone(),
            pattern: pattern.clone(),
            owned,
        });
        member.is_out = true;
        member.is_known = true;
        member.is_urgent = false;
        member.due = now + member.interval;
        let turn = member.turn;
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
        let Some(member) = self.heartbeating().filter(|member| member.turn == turn) else {
            return;
        };
        member.is_out = false;
        let error = match reply {
            Reply::Answer(Response::ConsumerGroupHeartbeat(answer)) if answer.error.is_ok() => {
                return self.heartbeat_taken(now, answer);
            }
            Reply::Answer(Response::ConsumerGroupHeartbeat(answer)) => answer.error,
            Reply::Answer(_) => ErrorCode::UnknownServerError,
            Reply::Lost(error) => error,
        };
        match error {
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => self.lose_membership(true),
            error if error.is_retriable() => {
                let failures = member.failures;
                member.failures = failures.saturating_add(1);
                member.sent = None;
                let pause = self.retry_backoff.after(failures, &mut self.rng);
                self.follow_coordinator_error(from, error);
                if let Some(member) = self.heartbeating() {
                    member.is_urgent = false;
                    member.due = now + pause;
                }
            }
            error => self.fail_membership(error),
        }
    }

    fn heartbeat_taken(&mut self, now: Instant, answer: ConsumerGroupHeartbeatResponse) {
        let Some(member) = self.heartbeating() else {
            return;
        };
        if member.epoch == GroupEpoch::ZERO {
            // Only now the interval is known.
            member.due = now + answer.heartbeat_interval;
        }
        member.failures = 0;
        member.epoch = answer.member_epoch;
        member.interval = answer.heartbeat_interval;
        let Some(mut target) = answer.assignment else {
            return;
        };
        target.sort();
        if target != member.target {
            member.target = target;
            member.must_acknowledge = true;
            self.target_changed();
        }
    }

    /// Says farewell (epoch -1, or -2 of a static member that may come back); true if an answer is to be awaited.
    pub(super) fn leave_consumer(&mut self, now: Instant) -> bool {
        let instance = self.instance();
        let Some(id) = self
            .heartbeating()
            .filter(|member| member.is_known)
            .map(|member| member.id.clone())
        else {
            return false;
        };
        let (Some(to), Some(group)) = (self.ready_coordinator(now), &self.group) else {
            return false;
        };
        let request = ConsumerGroupHeartbeatRequest {
            group: group.id.clone(),
            member: id,
            member_epoch: match &instance {
                Some(_) => GroupEpoch::LEAVE_STATIC,
                None => GroupEpoch::NONE,
            },
            instance,
            rebalance_timeout: None,
            subscribed_topics: None,
            subscribed_topic_regex: None,
            server_assignor: None,
            owned: None,
        };
        self.ask_coordinator(now, to, request.into(), GroupAsked::Leave);
        true
    }
}

//! A member's state in the consumer protocol: what its coordinator knows of it, and what answers make of that.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::next::Next;
use crate::client::network::Reply;
use crate::config::{ConsumerConfig, millis};
use crate::machine::Instant;
use crate::protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ErrorCode, Response};
use crate::random::Random;
use crate::types::{AssignorName, GroupEpoch, GroupId, GroupInstanceId, MemberId, TopicName, TopicPartition};

/// A member's state in the consumer protocol.
pub(in super::super) struct Heartbeating {
    id: MemberId,
    /// Where it stands; 0 until the coordinator has taken it in.
    epoch: GroupEpoch,
    /// What it is to own.
    target: Vec<TopicPartition>,
    /// How often the coordinator wants heartbeats.
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

/// What a heartbeat says of a member.
pub(super) struct Sent {
    pub topics: Vec<TopicName>,
    pub pattern: Option<String>,
    pub owned: BTreeSet<TopicPartition>,
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

    // ---- what others ask

    /// What it is to own.
    pub fn target(&self) -> &[TopicPartition] {
        &self.target
    }

    /// Its id and epoch, once the coordinator has taken it in.
    pub fn member(&self) -> Option<(MemberId, GroupEpoch)> {
        self.has_joined().then(|| (self.id.clone(), self.epoch))
    }

    /// Whether the coordinator has taken it in.
    pub fn has_joined(&self) -> bool {
        self.epoch > GroupEpoch::ZERO
    }

    /// Whether answers to requests of this turn still count.
    pub fn is_at(&self, turn: u64) -> bool {
        self.turn == turn
    }

    pub fn turn(&self) -> u64 {
        self.turn
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When the next heartbeat is due; none while one is out.
    pub fn due(&self) -> Option<Instant> {
        let due = if self.is_urgent { Instant(0) } else { self.due };
        (!self.is_out).then_some(due)
    }

    // ---- what makes it speak

    /// Sends a heartbeat at once.
    pub fn heartbeat_soon(&mut self) {
        self.is_urgent = true;
    }

    /// The next heartbeat is due then.
    pub fn heartbeat_at(&mut self, due: Instant) {
        self.is_urgent = false;
        self.due = due;
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

    /// What it owns has become less or more, or it has reached its target: the coordinator is notified at once.
    pub fn report_progress(&mut self, owned: &BTreeSet<TopicPartition>, is_underway: bool) {
        let is_news = self.sent.as_ref().is_some_and(|sent| sent.owned != *owned);
        if is_news || self.must_acknowledge && !is_underway {
            self.is_urgent = true;
        }
    }

    // ---- heartbeats

    /// The next heartbeat, which goes out now: what has changed of `state` since the last one, or all of it. A target is
    /// acknowledged once the member `is_settled`.
    pub(super) fn heartbeat(
        &mut self,
        now: Instant,
        group: GroupId,
        config: &ConsumerConfig,
        state: Sent,
        is_settled: bool,
    ) -> ConsumerGroupHeartbeatRequest {
        let sent = self.sent.as_ref();
        let is_full = sent.is_none();
        let sends_topics = sent.is_none_or(|sent| sent.topics != state.topics);
        let sends_pattern = sent.and_then(|sent| sent.pattern.as_ref()) != state.pattern.as_ref();
        let sends_owned = sent.is_none_or(|sent| sent.owned != state.owned) || self.must_acknowledge && is_settled;
        if sends_owned && is_settled {
            self.must_acknowledge = false;
        }
        let assignor = config.group_remote_assignor.as_deref().map(AssignorName::from);
        let request = ConsumerGroupHeartbeatRequest {
            group,
            member: self.id.clone(),
            member_epoch: self.epoch,
            instance: config.group_instance_id.as_deref().map(GroupInstanceId::from),
            rebalance_timeout: is_full.then(|| millis(config.max_poll_interval_ms)),
            subscribed_topics: sends_topics.then(|| state.topics.clone()),
            subscribed_topic_regex: sends_pattern.then(|| state.pattern.clone().unwrap_or_default()),
            server_assignor: assignor.filter(|_| is_full),
            owned: sends_owned.then(|| state.owned.iter().copied().collect()),
        };
        self.sent = Some(state);
        self.is_out = true;
        self.is_known = true;
        self.is_urgent = false;
        self.due = now + self.interval;
        request
    }

    /// A heartbeat was answered, or its connection was lost.
    pub(super) fn answered(&mut self, now: Instant, reply: Reply) -> Next {
        self.is_out = false;
        let error = match reply {
            Reply::Answer(Response::ConsumerGroupHeartbeat(answer)) if answer.error.is_ok() => {
                return self.taken_in(now, answer);
            }
            Reply::Answer(Response::ConsumerGroupHeartbeat(answer)) => answer.error,
            Reply::Answer(_) => ErrorCode::UnknownServerError,
            Reply::Lost(error) => error,
        };
        match error {
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => Next::Lost { keeps_id: true },
            error if error.is_retriable() => {
                self.sent = None;
                Next::HeartbeatLater(error)
            }
            error => Next::Failed(error),
        }
    }

    /// The coordinator could not be asked: the next heartbeat is due then.
    pub fn failed(&mut self, due: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.heartbeat_at(due);
    }

    fn taken_in(&mut self, now: Instant, answer: ConsumerGroupHeartbeatResponse) -> Next {
        if !self.has_joined() {
            // Only now the interval is known.
            self.due = now + answer.heartbeat_interval;
        }
        self.failures = 0;
        self.epoch = answer.member_epoch;
        self.interval = answer.heartbeat_interval;
        let Some(mut target) = answer.assignment else {
            return Next::Wait;
        };
        target.sort();
        if target == self.target {
            return Next::Wait;
        }
        self.target = target;
        self.must_acknowledge = true;
        Next::Assigned
    }

    /// The farewell (epoch -1, or -2 of a static member that may come back), if the coordinator may know it.
    pub fn farewell(&self, group: GroupId, instance: Option<GroupInstanceId>) -> Option<ConsumerGroupHeartbeatRequest> {
        let leaving = match &instance {
            Some(_) => GroupEpoch::LEAVE_STATIC,
            None => GroupEpoch::NONE,
        };
        self.is_known.then(|| ConsumerGroupHeartbeatRequest {
            group,
            member: self.id.clone(),
            member_epoch: leaving,
            instance,
            rebalance_timeout: None,
            subscribed_topics: None,
            subscribed_topic_regex: None,
            server_assignor: None,
            owned: None,
        })
    }
}

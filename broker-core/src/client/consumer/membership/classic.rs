//! The classic protocol: members join, one of them assigns, all of them learn their parts (Kafka
//! `AbstractCoordinator`, `ConsumerCoordinator`).
//!
//! With an eager strategy a member gives up everything before it joins again. With `cooperative-sticky` it keeps what
//! it has, releases what the new assignment takes away from it, and then joins once more, so that others can get that
//! (KIP-429). In this way no partition has two owners: the assignor gives nobody what another member still claims.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::client::consumer::assignor::{self, AssignorMember};
use crate::client::network::Reply;
use crate::config::{ConsumerConfig, millis};
use crate::machine::Instant;
use crate::protocol::consumer_protocol::{Assignment, StickyMemory, Subscription};
use crate::protocol::{
    ErrorCode, HeartbeatRequest, JoinGroupMember, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, Response,
    SyncGroupRequest,
};
use crate::types::{AssignorName, GroupEpoch, MemberId, NodeId, PartitionIndex, TopicName};

use super::super::asked::GroupAsked;
use super::super::{Closing, Consumer};
use super::{Membership, Protocol};

/// How much longer than `max.poll.interval.ms` a JoinGroup waits for its answer (`JOIN_GROUP_TIMEOUT_LAPSE`).
const JOIN_TIMEOUT_LAPSE: Duration = Duration::from_secs(5);

/// A member's state in the classic protocol.
pub(super) struct Classic {
    /// All strategies are cooperative: it keeps its partitions while it joins.
    is_cooperative: bool,
    step: Step,
    member: Option<MemberId>,
    /// The generation that it joined last; [`GroupEpoch::NONE`] while it is in none.
    generation: GroupEpoch,
    /// What it is to own, as its last assignment says.
    pub(super) target: Vec<(TopicName, PartitionIndex)>,
    /// The generation of that assignment.
    assigned_in: GroupEpoch,
    /// It must join again.
    must_rejoin: bool,
    /// It has released what its assignment took away: once it owns the rest it joins again (KIP-429).
    has_released: bool,
    leadership: Option<Leadership>,
    /// Counts the joins: answers to requests of an earlier one are void.
    turn: u64,
    /// It does not join before.
    retry_at: Instant,
    failures: u32,
    heartbeat_at: Instant,
    heartbeat_is_out: bool,
    /// Without an answer until then the coordinator counts as lost.
    session_ends: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// It is to join.
    Unjoined,
    /// JoinGroup is out.
    Joining,
    /// It leads, and waits for the metadata of the group's topics.
    Assigning,
    /// SyncGroup is out.
    Syncing,
    /// It has its assignment.
    Stable,
}

/// What the leader of a group knows.
struct Leadership {
    strategy: AssignorName,
    members: Vec<AssignorMember>,
    /// The partition counts that the assignment was made from.
    assigned: Option<BTreeMap<TopicName, u32>>,
    /// The group has its assignment already.
    skips: bool,
}

impl Leadership {
    fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.members.iter().flat_map(|member| &member.topics)
    }
}

impl Classic {
    pub fn new(config: &ConsumerConfig) -> Classic {
        let strategies = strategies(config);
        Classic {
            is_cooperative: !strategies.is_empty() && strategies.iter().all(assignor::is_cooperative),
            step: Step::Unjoined,
            member: None,
            generation: GroupEpoch::NONE,
            target: Vec::new(),
            assigned_in: GroupEpoch::NONE,
            must_rejoin: false,
            has_released: false,
            leadership: None,
            turn: 0,
            retry_at: Instant(0),
            failures: 0,
            heartbeat_at: Instant(0),
            heartbeat_is_out: false,
            session_ends: Instant(0),
        }
    }

    /// Its id and generation, while it is in one.
    pub fn member(&self) -> Option<(MemberId, GroupEpoch)> {
        let member = self.member.clone()?;
        (self.generation != GroupEpoch::NONE).then_some((member, self.generation))
    }

    /// As whom it may commit.
    pub fn committer(&self) -> Result<(MemberId, GroupEpoch), ErrorCode> {
        match (self.member(), self.step) {
            (Some(member), Step::Stable) => Ok(member),
            (None, Step::Unjoined) => Err(ErrorCode::UnknownMemberId),
            _ => Err(ErrorCode::RebalanceInProgress),
        }
    }

    /// The topics that the group as a whole subscribes to; only its leader knows.
    pub fn group_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.leadership.iter().flat_map(Leadership::topics)
    }

    pub fn rejoin(&mut self) {
        self.must_rejoin = true;
    }

    pub fn released(&mut self) {
        self.has_released = true;
    }

    /// It is in no generation any more. With its id it may join again.
    pub fn reset(&mut self, keeps_id: bool) {
        self.step = Step::Unjoined;
        self.turn += 1;
        if !keeps_id {
            self.member = None;
        }
        self.generation = GroupEpoch::NONE;
        self.assigned_in = GroupEpoch::NONE;
        self.target.clear();
        self.leadership = None;
        self.has_released = false;
    }

    fn retry(&mut self, at: Instant) {
        self.step = Step::Unjoined;
        self.retry_at = at;
    }
}

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
        let Some(Step::Stable) = self.classic().map(|classic| classic.step) else {
            return self.join(now);
        };
        if !self.classic().is_some_and(|classic| classic.must_rejoin) {
            let is_underway = self.reconcile();
            if let Some(classic) = self.classic()
                && !is_underway
            {
                classic.must_rejoin |= classic.is_cooperative && classic.has_released;
            }
        }
        let Some(membership) = &self.membership else {
            return;
        };
        let Protocol::Classic(classic) = &membership.protocol else {
            return;
        };
        if !classic.must_rejoin || !membership.is_idle() {
            return self.advance_release(now);
        }
        let owned = self.owned();
        if !classic.is_cooperative && !owned.is_empty() {
            self.begin_release(owned);
            return self.advance_release(now);
        }
        if let Some(classic) = self.classic() {
            classic.retry(Instant(0));
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
        let Some(membership) = &self.membership else {
            return;
        };
        let Protocol::Classic(classic) = &membership.protocol else {
            return;
        };
        if classic.step != Step::Unjoined || !membership.is_idle() {
            return;
        }
        // First it must know what its pattern matches.
        if membership.pattern.is_some() && self.metadata.matching().is_none() {
            return;
        }
        if classic.retry_at > now {
            let at = classic.retry_at;
            return self.wake_at(at);
        }
        let Some(to) = self.ready_coordinator(now) else {
            return;
        };
        let Some(request) = self.join_request() else {
            return;
        };
        if let Some(group) = &mut self.group {
            group.term += 1;
        }
        let Some(classic) = self.classic() else {
            return;
        };
        classic.step = Step::Joining;
        classic.turn += 1;
        classic.must_rejoin = false;
        classic.has_released = false;
        classic.heartbeat_is_out = false;
        let turn = classic.turn;
        let timeout = millis(self.config.max_poll_interval_ms) + JOIN_TIMEOUT_LAPSE;
        let timeout = timeout.max(millis(self.config.request_timeout_ms));
        self.ask_coordinator_within(now, timeout, to, request.into(), GroupAsked::Join { turn });
    }

    fn join_request(&self) -> Option<JoinGroupRequest> {
        let (membership, group) = (self.membership.as_ref()?, self.group.as_ref()?);
        let Protocol::Classic(classic) = &membership.protocol else {
            return None;
        };
        let owned = self
            .assigned
            .iter()
            .map(|assigned| (assigned.topic.clone(), assigned.partition));
        let subscription = Subscription {
            topics: membership.topics.clone(),
            user_data: None,
            owned: by_topic(owned),
            generation: classic.assigned_in,
        };
        let protocols = strategies(&self.config).into_iter().map(|strategy| {
            let mut subscription = subscription.clone();
            // It is eager, so that what it had is known to itself alone.
            if &*strategy.0 == "sticky" {
                let memory = StickyMemory {
                    partitions: by_topic(classic.target.iter().cloned()),
                    generation: classic.assigned_in,
                };
                subscription.user_data = Some(memory.encode());
            }
            let bytes = subscription.encode();
            (strategy, bytes)
        });
        Some(JoinGroupRequest {
            group: group.id.clone(),
            session_timeout: millis(self.config.session_timeout_ms),
            rebalance_timeout: millis(self.config.max_poll_interval_ms),
            member: classic.member.clone(),
            instance: self.instance(),
            protocol_type: "consumer".to_string(),
            protocols: protocols.collect(),
        })
    }

    /// A JoinGroup was answered, or its connection was lost.
    pub(in super::super) fn joined(&mut self, now: Instant, from: NodeId, turn: u64, reply: Reply) {
        let interval = millis(self.config.heartbeat_interval_ms);
        let session = millis(self.config.session_timeout_ms);
        let Some(classic) = self.classic().filter(|classic| classic.turn == turn) else {
            return;
        };
        let answer = match reply {
            Reply::Answer(Response::JoinGroup(answer)) => answer,
            Reply::Answer(_) | Reply::Lost(_) => return self.join_later(now),
        };
        match answer.error {
            ErrorCode::None => {
                classic.failures = 0;
                classic.generation = answer.generation;
                classic.member = answer.member.clone();
                classic.heartbeat_at = now + interval;
                classic.session_ends = now + session;
                classic.leadership = leadership(&answer);
                if classic.leadership.is_some() {
                    classic.step = Step::Assigning;
                    self.watch_topics();
                } else {
                    self.sync(now, Vec::new());
                }
            }
            ErrorCode::MemberIdRequired => {
                classic.member = answer.member;
                classic.retry(Instant(0));
            }
            ErrorCode::UnknownMemberId => self.lose_membership(false),
            ErrorCode::IllegalGeneration => self.lose_membership(true),
            ErrorCode::RebalanceInProgress => classic.retry(Instant(0)),
            error if error.is_retriable() => {
                self.follow_coordinator_error(from, error);
                self.join_later(now);
            }
            error => self.fail_membership(error),
        }
    }

    fn join_later(&mut self, now: Instant) {
        let Some(failures) = self.classic().map(|classic| classic.failures) else {
            return;
        };
        let at = now + self.retry_backoff.after(failures, &mut self.rng);
        if let Some(classic) = self.classic() {
            classic.failures = failures.saturating_add(1);
            classic.retry(at);
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
        let Some(leadership) = classic.leadership.as_mut().filter(|_| classic.step == Step::Assigning) else {
            return;
        };
        if !leadership.topics().all(|topic| self.metadata.is_answered(topic)) {
            return;
        }
        let known = |topic: &TopicName| Some((topic.clone(), self.metadata.topic(topic)?.partitions));
        let counts: BTreeMap<_, _> = leadership.topics().filter_map(known).collect();
        if leadership.skips {
            leadership.assigned = Some(counts);
            return self.sync(now, Vec::new());
        }
        let Some(assignments) = assignor::assign(&leadership.strategy, &leadership.members, &counts) else {
            return self.fail_membership(ErrorCode::InconsistentGroupProtocol);
        };
        leadership.assigned = Some(counts);
        let encoded = assignments.into_iter().map(|(member, partitions)| {
            let partitions = by_topic(partitions.into_iter());
            (member, Assignment { partitions }.encode())
        });
        let encoded = encoded.collect();
        self.sync(now, encoded);
    }

    /// A leader whose topics have got more partitions since it assigned them calls for a new assignment.
    fn follow_partition_counts(&mut self) {
        let Some(Membership {
            protocol: Protocol::Classic(classic),
            ..
        }) = &mut self.membership
        else {
            return;
        };
        let Some(counts) = classic
            .leadership
            .as_ref()
            .and_then(|leadership| leadership.assigned.as_ref())
        else {
            return;
        };
        let has_changed = |topic: &TopicName| {
            let count = self.metadata.topic(topic).map(|topic| topic.partitions);
            count != counts.get(topic).copied()
        };
        if classic.group_topics().any(has_changed) {
            classic.must_rejoin = true;
        }
    }

    fn sync(&mut self, now: Instant, assignments: Vec<(MemberId, Bytes)>) {
        let (Some(to), instance) = (self.ready_coordinator(now), self.instance()) else {
            // It was lost since the answer to the join.
            return self.join_later(now);
        };
        let Some(group) = self.group.as_ref().map(|group| group.id.clone()) else {
            return;
        };
        let Some(classic) = self.classic() else {
            return;
        };
        let Some((member, generation)) = classic.member() else {
            return;
        };
        classic.step = Step::Syncing;
        let turn = classic.turn;
        let request = SyncGroupRequest {
            group,
            generation,
            member,
            instance,
            assignments,
        };
        self.ask_coordinator(now, to, request.into(), GroupAsked::Sync { turn });
    }

    /// A SyncGroup was answered, or its connection was lost.
    pub(in super::super) fn synced(&mut self, now: Instant, from: NodeId, turn: u64, reply: Reply) {
        let Some(classic) = self.classic().filter(|classic| classic.turn == turn) else {
            return;
        };
        let answer = match reply {
            Reply::Answer(Response::SyncGroup(answer)) => answer,
            Reply::Answer(_) | Reply::Lost(_) => return self.join_later(now),
        };
        match answer.error {
            ErrorCode::None => {
                let Ok(assignment) = Assignment::decode(&answer.assignment) else {
                    return self.fail_membership(ErrorCode::InconsistentGroupProtocol);
                };
                let partitions = assignment.partitions.into_iter();
                classic.target = partitions
                    .flat_map(|(topic, indexes)| indexes.into_iter().map(move |index| (topic.clone(), index)))
                    .collect();
                classic.assigned_in = classic.generation;
                classic.step = Step::Stable;
                classic.failures = 0;
                self.target_changed();
            }
            // It did not get an assignment, so its old one is what it claims (KAFKA-13891).
            ErrorCode::RebalanceInProgress => classic.retry(Instant(0)),
            ErrorCode::UnknownMemberId => self.lose_membership(false),
            ErrorCode::IllegalGeneration => self.lose_membership(true),
            error if error.is_retriable() => {
                self.follow_coordinator_error(from, error);
                self.join_later(now);
            }
            error => self.fail_membership(error),
        }
    }

    // ---- heartbeats

    fn heartbeat(&mut self, now: Instant) {
        let session = millis(self.config.session_timeout_ms);
        let interval = millis(self.config.heartbeat_interval_ms);
        let Some(classic) = self.classic() else {
            return;
        };
        let Some((member, generation)) = classic.member() else {
            return;
        };
        if matches!(classic.step, Step::Unjoined | Step::Joining) {
            return;
        }
        if classic.session_ends <= now {
            classic.session_ends = now + session;
            self.coordinator_silent();
        }
        let Some(classic) = self.classic() else {
            return;
        };
        let (session_ends, heartbeat_at) = (classic.session_ends, classic.heartbeat_at);
        let (is_out, turn) = (classic.heartbeat_is_out, classic.turn);
        self.wake_at(session_ends);
        if is_out {
            return;
        }
        if heartbeat_at > now {
            return self.wake_at(heartbeat_at);
        }
        let (Some(to), Some(group)) = (self.ready_coordinator(now), &self.group) else {
            return;
        };
        let request = HeartbeatRequest {
            group: group.id.clone(),
            generation,
            member,
            instance: self.instance(),
        };
        self.ask_coordinator(now, to, request.into(), GroupAsked::Heartbeat { turn });
        if let Some(classic) = self.classic() {
            classic.heartbeat_is_out = true;
            classic.heartbeat_at = now + interval;
        }
    }

    /// A Heartbeat was answered, or its connection was lost.
    pub(in super::super) fn heartbeat_answered(&mut self, now: Instant, from: NodeId, turn: u64, reply: Reply) {
        let session = millis(self.config.session_timeout_ms);
        let soon = now + self.retry_backoff.after(0, &mut self.rng);
        let Some(classic) = self.classic().filter(|classic| classic.turn == turn) else {
            return;
        };
        classic.heartbeat_is_out = false;
        let error = match reply {
            Reply::Answer(Response::Heartbeat(answer)) => answer.error,
            Reply::Answer(_) => ErrorCode::UnknownServerError,
            Reply::Lost(error) => error,
        };
        match error {
            ErrorCode::None | ErrorCode::CoordinatorLoadInProgress => classic.session_ends = now + session,
            ErrorCode::RebalanceInProgress => {
                classic.session_ends = now + session;
                classic.must_rejoin |= classic.step == Step::Stable;
            }
            ErrorCode::UnknownMemberId => self.lose_membership(false),
            ErrorCode::IllegalGeneration => self.lose_membership(true),
            error if error.is_retriable() => {
                classic.heartbeat_at = soon;
                self.follow_coordinator_error(from, error);
            }
            error => self.fail_membership(error),
        }
    }

    /// The coordinator refused a commit of this generation.
    pub(super) fn classic_commit_refused(&mut self, error: ErrorCode) {
        match error {
            ErrorCode::RebalanceInProgress => {
                if let Some(classic) = self.classic() {
                    classic.must_rejoin = true;
                }
            }
            ErrorCode::UnknownMemberId => self.lose_membership(false),
            ErrorCode::IllegalGeneration => self.lose_membership(true),
            ErrorCode::FencedInstanceId => self.fail_membership(error),
            _ => {}
        }
    }

    /// Leaves the group, if it is a dynamic member that the coordinator knows; true if an answer is to be awaited.
    pub(super) fn leave_classic(&mut self, now: Instant) -> bool {
        let is_static = self.config.group_instance_id.is_some();
        let Some(member) = self.classic().and_then(|classic| classic.member.clone()) else {
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

fn strategies(config: &ConsumerConfig) -> Vec<AssignorName> {
    let names = config.partition_assignment_strategy.iter();
    names.map(|name| AssignorName::from(name.as_str())).collect()
}

/// What the answer to a join says to the leader; `None` for other members.
fn leadership(answer: &JoinGroupResponse) -> Option<Leadership> {
    if answer.leader.is_none() || answer.leader != answer.member {
        return None;
    }
    let strategy = answer.protocol.clone()?;
    let members = answer.members.iter().map(|member| assignor_member(member, &strategy));
    Some(Leadership {
        members: members.collect(),
        strategy,
        assigned: None,
        skips: answer.skip_assignment,
    })
}

/// A member whose subscription cannot be read subscribes to nothing.
fn assignor_member(member: &JoinGroupMember, strategy: &AssignorName) -> AssignorMember {
    let subscription = Subscription::decode(&member.metadata).ok();
    let topics = subscription.as_ref().map(|subscription| subscription.topics.clone());
    let claim = subscription.and_then(|subscription| {
        if &*strategy.0 == "sticky" {
            let memory = StickyMemory::decode(subscription.user_data.as_deref()?).ok()?;
            return Some((memory.partitions, memory.generation));
        }
        Some((subscription.owned, subscription.generation))
    });
    let (owned, generation) = claim.unwrap_or((Vec::new(), GroupEpoch::NONE));
    AssignorMember {
        id: member.member.clone(),
        instance: member.instance.clone(),
        topics: topics.unwrap_or_default(),
        owned: owned
            .into_iter()
            .flat_map(|(topic, indexes)| indexes.into_iter().map(move |index| (topic.clone(), index)))
            .collect(),
        generation,
    }
}

fn by_topic(partitions: impl Iterator<Item = (TopicName, PartitionIndex)>) -> Vec<(TopicName, Vec<PartitionIndex>)> {
    let mut topics: BTreeMap<TopicName, Vec<PartitionIndex>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(partition);
    }
    topics.into_iter().collect()
}

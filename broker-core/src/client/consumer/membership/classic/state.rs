//! A member's state in the classic protocol: what it knows in each step, and what the answers of its coordinator make of it.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use super::super::next::Next;
use super::generation::{Generation, Heartbeats, Identity, Progress, State};
use super::leadership::{Leadership, by_topic, strategies};
use crate::client::consumer::assignor;
use crate::client::network::Reply;
use crate::config::{ConsumerConfig, millis};
use crate::machine::Instant;
use crate::protocol::consumer_protocol::{Assignment, StickyMemory, Subscription};
use crate::protocol::{ErrorCode, JoinGroupRequest, Response};
use crate::types::{GroupEpoch, GroupId, GroupInstanceId, MemberId, PartitionIndex, TopicName};

/// A member's state in the classic protocol.
pub(in super::super) struct Classic {
    /// All strategies are cooperative: it keeps its partitions while it joins.
    is_cooperative: bool,
    state: State,
    /// What it is to own, as its last assignment says.
    target: Vec<(TopicName, PartitionIndex)>,
    /// The generation of that assignment.
    assigned_in: GroupEpoch,
    /// It must join again.
    must_rejoin: bool,
    /// It has released what its assignment took away: once it owns the rest it joins again (KIP-429).
    has_released: bool,
    /// Counts the joins: answers to requests of an earlier one are void.
    turn: u64,
    failures: u32,
}

impl Classic {
    pub fn new(config: &ConsumerConfig) -> Classic {
        let strategies = strategies(config);
        Classic {
            is_cooperative: !strategies.is_empty() && strategies.iter().all(assignor::is_cooperative),
            state: State::UNJOINED,
            target: Vec::new(),
            assigned_in: GroupEpoch::NONE,
            must_rejoin: false,
            has_released: false,
            turn: 0,
            failures: 0,
        }
    }

    // ---- what others ask

    /// What it is to own.
    pub fn target(&self) -> &[(TopicName, PartitionIndex)] {
        &self.target
    }

    /// Its id and generation, while it is in one.
    pub fn member(&self) -> Option<(MemberId, GroupEpoch)> {
        let Generation { member, epoch, .. } = self.state.generation()?;
        Some((member.clone(), *epoch))
    }

    /// Its id, if the coordinator has given it one.
    pub fn id(&self) -> Option<&MemberId> {
        match &self.state {
            State::Unjoined { identity, .. } | State::Joining { identity } => identity.id(),
            State::Joined { generation, .. } => Some(&generation.member),
        }
    }

    /// As whom it may commit.
    pub fn committer(&self) -> Result<(MemberId, GroupEpoch), ErrorCode> {
        match &self.state {
            State::Joined {
                generation,
                progress: Progress::Stable,
            } => Ok((generation.member.clone(), generation.epoch)),
            State::Unjoined {
                identity: Identity::Unknown | Identity::Named(_),
                ..
            } => Err(ErrorCode::UnknownMemberId),
            _ => Err(ErrorCode::RebalanceInProgress),
        }
    }

    /// The topics that the group as a whole subscribes to; only its leader knows.
    pub fn group_topics(&self) -> impl Iterator<Item = &TopicName> {
        let leadership = self.state.generation().and_then(|of| of.leadership.as_ref());
        leadership.into_iter().flat_map(Leadership::topics)
    }

    pub fn is_stable(&self) -> bool {
        matches!(
            self.state,
            State::Joined {
                progress: Progress::Stable,
                ..
            }
        )
    }

    pub fn is_cooperative(&self) -> bool {
        self.is_cooperative
    }

    pub fn must_rejoin(&self) -> bool {
        self.must_rejoin
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether answers to requests of this turn still count.
    pub fn is_at(&self, turn: u64) -> bool {
        self.turn == turn
    }

    // ---- what makes it join

    /// It is to join again, as soon as it may.
    pub fn rejoin(&mut self) {
        self.must_rejoin = true;
    }

    /// The application has given up what the assignment took away.
    pub fn released(&mut self) {
        self.has_released = true;
    }

    /// It owns what it is to own. What it has released others can get when it joins again (KIP-429).
    pub fn reconciled(&mut self) {
        self.must_rejoin |= self.is_cooperative && self.has_released;
    }

    /// It is in no generation any more. With its id it may join again.
    pub fn reset(&mut self, keeps_id: bool) {
        let retry_at = self.joins_at().unwrap_or_default();
        let identity = match self.id() {
            Some(id) if keeps_id => Identity::Named(id.clone()),
            _ => Identity::Unknown,
        };
        self.state = State::Unjoined { retry_at, identity };
        self.turn += 1;
        self.assigned_in = GroupEpoch::NONE;
        self.target.clear();
        self.has_released = false;
    }

    /// It joins (again), but not before `retry_at`.
    pub fn join_at(&mut self, retry_at: Instant) {
        let identity = mem::replace(&mut self.state, State::UNJOINED).into_identity();
        self.state = State::Unjoined { retry_at, identity };
    }

    /// The same after a failure.
    pub fn join_after_failure(&mut self, retry_at: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.join_at(retry_at);
    }

    /// When it may join, if it is to.
    pub fn joins_at(&self) -> Option<Instant> {
        match self.state {
            State::Unjoined { retry_at, .. } => Some(retry_at),
            State::Joining { .. } | State::Joined { .. } => None,
        }
    }

    // ---- join and sync

    /// JoinGroup goes out: in which turn.
    pub fn begin_join(&mut self) -> u64 {
        let identity = mem::replace(&mut self.state, State::UNJOINED).into_identity();
        self.state = State::Joining { identity };
        self.turn += 1;
        self.must_rejoin = false;
        self.has_released = false;
        self.turn
    }

    /// What it joins with: it subscribes to `topics` and owns `owned`.
    pub fn join_request(
        &self,
        config: &ConsumerConfig,
        group: GroupId,
        topics: Vec<TopicName>,
        owned: impl Iterator<Item = (TopicName, PartitionIndex)>,
    ) -> JoinGroupRequest {
        let subscription = Subscription {
            topics,
            user_data: None,
            owned: by_topic(owned),
            generation: self.assigned_in,
        };
        let protocols = strategies(config).into_iter().map(|strategy| {
            let mut subscription = subscription.clone();
            // It is eager, so that what it had is known to itself alone.
            if &*strategy.0 == "sticky" {
                let memory = StickyMemory {
                    partitions: by_topic(self.target.iter().cloned()),
                    generation: self.assigned_in,
                };
                subscription.user_data = Some(memory.encode());
            }
            let bytes = subscription.encode();
            (strategy, bytes)
        });
        JoinGroupRequest {
            group,
            session_timeout: millis(config.session_timeout_ms),
            rebalance_timeout: millis(config.max_poll_interval_ms),
            member: self.id().cloned(),
            instance: config.group_instance_id.as_deref().map(GroupInstanceId::from),
            protocol_type: "consumer".to_string(),
            protocols: protocols.collect(),
        }
    }

    /// A JoinGroup was answered, or its connection was lost.
    pub(super) fn joined(&mut self, now: Instant, config: &ConsumerConfig, reply: Reply) -> Next {
        let Reply::Answer(Response::JoinGroup(answer)) = reply else {
            return Next::JoinLater(None);
        };
        match answer.error {
            ErrorCode::None => {
                let leadership = Leadership::of(&answer);
                let Some(member) = answer.member else {
                    return Next::JoinLater(None);
                };
                let (progress, next) = match &leadership {
                    Some(_) => (Progress::Assigning, Next::Lead),
                    None => (Progress::Syncing, Next::Sync),
                };
                let generation = Generation::new(now, config, member, answer.generation, leadership);
                self.state = State::Joined { generation, progress };
                self.failures = 0;
                next
            }
            ErrorCode::MemberIdRequired => {
                let identity = answer.member.map_or(Identity::Unknown, Identity::Named);
                let retry_at = Instant(0);
                self.state = State::Unjoined { retry_at, identity };
                Next::Wait
            }
            ErrorCode::RebalanceInProgress => self.join_at_once(),
            error => refusal(error).unwrap_or(Next::JoinLater(Some(error))),
        }
    }

    fn join_at_once(&mut self) -> Next {
        self.join_at(Instant(0));
        Next::Wait
    }

    /// What it knows as the leader, while it waits for the metadata of the group's topics.
    pub(super) fn assigning(&mut self) -> Option<&mut Leadership> {
        match &mut self.state {
            State::Joined {
                generation,
                progress: Progress::Assigning,
            } => generation.leadership.as_mut(),
            _ => None,
        }
    }

    /// SyncGroup goes out: in which turn, and as whom.
    pub fn begin_sync(&mut self) -> Option<(u64, MemberId, GroupEpoch)> {
        let State::Joined { generation, progress } = &mut self.state else {
            return None;
        };
        *progress = Progress::Syncing;
        Some((self.turn, generation.member.clone(), generation.epoch))
    }

    /// A SyncGroup was answered, or its connection was lost.
    pub(super) fn synced(&mut self, reply: Reply) -> Next {
        let Reply::Answer(Response::SyncGroup(answer)) = reply else {
            return Next::JoinLater(None);
        };
        match answer.error {
            ErrorCode::None => {
                let Ok(assignment) = Assignment::decode(&answer.assignment) else {
                    return Next::Failed(ErrorCode::InconsistentGroupProtocol);
                };
                let State::Joined { generation, progress } = &mut self.state else {
                    return Next::Wait;
                };
                let partitions = assignment.partitions.into_iter();
                self.target = partitions
                    .flat_map(|(topic, indexes)| indexes.into_iter().map(move |index| (topic.clone(), index)))
                    .collect();
                self.assigned_in = generation.epoch;
                *progress = Progress::Stable;
                self.failures = 0;
                Next::Assigned
            }
            // It did not get an assignment, so its old one is what it claims (KAFKA-13891).
            ErrorCode::RebalanceInProgress => self.join_at_once(),
            error => refusal(error).unwrap_or(Next::JoinLater(Some(error))),
        }
    }

    /// A leader whose topics have got more partitions since it assigned them calls for a new assignment.
    pub fn follow_partition_counts(&mut self, count: impl Fn(&TopicName) -> Option<u32>) {
        let leadership = self.state.generation().and_then(|of| of.leadership.as_ref());
        if leadership.is_some_and(|leadership| leadership.is_outdated(count)) {
            self.must_rejoin = true;
        }
    }

    // ---- heartbeats

    /// What is due about heartbeats; nothing between two generations. A session that is over begins anew.
    pub(super) fn heartbeats(&mut self, now: Instant, session: Duration) -> Option<Heartbeats> {
        let State::Joined { generation, .. } = &mut self.state else {
            return None;
        };
        Some(generation.heartbeats(now, session, self.turn))
    }

    /// A heartbeat goes out; the one behind it is due then.
    pub fn heartbeat_sent(&mut self, next: Instant) {
        if let State::Joined { generation, .. } = &mut self.state {
            generation.heartbeat_sent(next);
        }
    }

    /// A Heartbeat was answered, or its connection was lost. The session ends then if it is one; the next heartbeat is
    /// tried at `soon` if this one failed.
    pub(super) fn heartbeat_answered(&mut self, session_ends: Instant, soon: Instant, reply: &Reply) -> Next {
        let is_stable = self.is_stable();
        let Some(generation) = self.state.generation_mut() else {
            return Next::Wait;
        };
        generation.heartbeat_ended();
        let error = match reply {
            Reply::Answer(Response::Heartbeat(answer)) => answer.error,
            Reply::Answer(_) => ErrorCode::UnknownServerError,
            Reply::Lost(error) => *error,
        };
        match error {
            ErrorCode::None | ErrorCode::CoordinatorLoadInProgress => {
                generation.extend_session(session_ends);
                Next::Wait
            }
            ErrorCode::RebalanceInProgress => {
                generation.extend_session(session_ends);
                self.must_rejoin |= is_stable;
                Next::Wait
            }
            error => refusal(error).unwrap_or_else(|| {
                generation.retry_heartbeat(soon);
                Next::GoOn(error)
            }),
        }
    }

    /// The coordinator refused a commit of this generation.
    pub(super) fn commit_refused(&mut self, error: ErrorCode) -> Next {
        match error {
            ErrorCode::RebalanceInProgress => {
                self.must_rejoin = true;
                Next::Wait
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId => {
                refusal(error).unwrap_or(Next::Wait)
            }
            _ => Next::Wait,
        }
    }
}

/// What an error leads to that cannot be tried again.
fn refusal(error: ErrorCode) -> Option<Next> {
    match error {
        ErrorCode::UnknownMemberId => Some(Next::Lost { keeps_id: false }),
        ErrorCode::IllegalGeneration => Some(Next::Lost { keeps_id: true }),
        error if error.is_retriable() => None,
        error => Some(Next::Failed(error)),
    }
}

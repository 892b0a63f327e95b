//! A group of the classic protocol: members join, the coordinator chooses one of them as the leader, the leader assigns.
//!
//! ```text
//! Empty ─join─▶ PreparingRebalance ─all joined, or time is up─▶ CompletingRebalance ─leader syncs─▶ Stable
//!                 ▲    │ nobody left: Empty                         │                                │
//!                 └────┴────────── a member joins, leaves or dies ──┴────────────────────────────────┘
//! ```
//! A generation that everybody has joined is not durable until the leader's assignment is: then one record holds all
//! of the group. Everything before that is in memory, and after a failover the last complete generation stands. Only
//! the new id of a static member that came back is written before the member learns of it, or the next coordinator
//! would take it for an impostor. (Kafka does so in stable groups alone, KAFKA-10284.)

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::records::{StoredClassicGroup, StoredClassicMember, StoredClassicProtocol, StoredConsumerMember};
use super::turn::{Timer, Timers, Turn};
use super::{GroupRecord, Topics};
use crate::config::BrokerConfig;
use crate::machine::{Instant, ReplyTo};
use crate::protocol::consumer_protocol::{Assignment, Subscription};
use crate::protocol::{
    ErrorCode, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupResponse, OffsetCommitRequest,
    Request, Response, SyncGroupResponse,
};
use crate::trace::{self, Event, GroupState, RemovalCause};
use crate::types::{
    AssignorName, GroupEpoch, GroupId, GroupInstanceId, MemberId, Timestamp, TopicName, TopicPartition,
};

mod join;
mod membership;
mod state;

pub(super) use join::new_id;

#[cfg(test)]
mod tests;

/// A group of the classic protocol.
pub(super) struct ClassicGroup {
    state: GroupState,
    generation: GroupEpoch,
    /// Names what the members agree on; none while nobody ever joined.
    protocol_type: Option<String>,
    /// The assignor of this generation.
    protocol: Option<AssignorName>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    /// Ids that were given out and have not joined yet (KIP-394).
    pending: BTreeSet<MemberId>,
    /// While a group that was empty waits for more members: how long it may still go on waiting, and whether anybody
    /// has come since it last looked.
    first_rebalance: Option<FirstRebalance>,
    /// Since when an empty group is empty.
    since: Timestamp,
    /// What the log says: the last complete generation.
    stored: Option<StoredClassicGroup>,
}

/// A member of a classic group as a consumer group knows it, with its partitions.
pub(super) type UpgradedMember = (MemberId, StoredConsumerMember, Vec<TopicPartition>);

/// What members say to each other is not what consumers say.
#[derive(Debug)]
pub(super) struct Unreadable;

struct FirstRebalance {
    left: Duration,
    grew: bool,
}

struct Member {
    instance: Option<GroupInstanceId>,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    /// Its assignors, best first, each with its subscription.
    protocols: Vec<(AssignorName, Bytes)>,
    assignment: Bytes,
    /// Its JoinGroup, while the rebalance gathers members.
    joining: Option<ReplyTo>,
    /// Its SyncGroup, while the leader's assignment is awaited.
    syncing: Option<ReplyTo>,
    /// It has never got its id with an answer to a join, so it cannot send heartbeats.
    new: bool,
    /// It has not synced in this generation.
    to_sync: bool,
}

impl ClassicGroup {
    /// A group that nobody has joined; generations count on from `generation`.
    pub(super) fn new(generation: GroupEpoch) -> ClassicGroup {
        ClassicGroup {
            state: GroupState::Empty,
            generation,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            pending: BTreeSet::new(),
            first_rebalance: None,
            since: Timestamp::NONE,
            stored: None,
        }
    }

    /// The group as it was written.
    pub(super) fn load(value: &StoredClassicGroup) -> ClassicGroup {
        let member = |stored: &StoredClassicMember| Member {
            instance: stored.instance.clone(),
            session_timeout: stored.session_timeout,
            rebalance_timeout: stored.rebalance_timeout,
            protocols: value
                .protocol
                .iter()
                .map(|name| (name.clone(), stored.subscription.clone().into()))
                .collect(),
            assignment: stored.assignment.clone().into(),
            joining: None,
            syncing: None,
            new: false,
            to_sync: false,
        };
        ClassicGroup {
            state: if value.members.is_empty() {
                GroupState::Empty
            } else {
                GroupState::Stable
            },
            protocol_type: Some(value.protocol_type.clone()),
            protocol: value.protocol.clone(),
            leader: value.leader.clone(),
            members: value
                .members
                .iter()
                .map(|stored| (stored.member.clone(), member(stored)))
                .collect(),
            since: value.since,
            stored: Some(value.clone()),
            ..ClassicGroup::new(value.generation)
        }
    }

    /// Every member without a session gets one.
    pub(super) fn start_sessions(&self, group: &GroupId, timers: &mut Timers, now: Instant) {
        for (id, member) in &self.members {
            timers.ensure(group, Timer::Session(id.clone()), now + member.session_timeout);
        }
        if self.leader.is_none() && !self.members.is_empty() {
            // It was a consumer group until its last record, and nobody has assigned since.
            timers.ensure(group, Timer::Downgraded, now);
        }
    }

    /// What was decided is in the log: the leader's assignment, or the new id of a static member.
    pub(super) fn replay(&mut self, value: &StoredClassicGroup) {
        for stored in &value.members {
            let renamed = stored
                .instance
                .as_ref()
                .and_then(|instance| self.static_member(instance));
            if let Some(old) = renamed.filter(|old| *old != stored.member) {
                self.rename(&old, &stored.member);
            }
            if let Some(member) = self.members.get_mut(&stored.member) {
                member.assignment = stored.assignment.clone().into();
            }
        }
        if self.state == GroupState::CompletingRebalance && value.generation == self.generation {
            self.state = GroupState::Stable;
        }
        self.since = value.since;
        self.stored = Some(value.clone());
    }

    pub(super) fn on_request(&mut self, turn: &mut Turn<'_, '_>, to: ReplyTo, request: Request) {
        match request {
            Request::JoinGroup(request) => self.join(turn, to, *request),
            Request::SyncGroup(request) => self.sync(turn, to, request),
            Request::Heartbeat(request) => {
                let error = self.heartbeat(turn, &request);
                turn.reply(to, Response::Heartbeat(HeartbeatResponse { error }));
            }
            Request::LeaveGroup(request) => {
                let error = self.leave(turn, &request);
                turn.reply(to, Response::LeaveGroup(LeaveGroupResponse { error }));
            }
            _ => {}
        }
    }

    pub(super) fn on_timer(&mut self, turn: &mut Turn<'_, '_>, timer: Timer) {
        match timer {
            Timer::Session(id) => self.session_expired(turn, &id),
            Timer::Pending(id) => {
                self.pending.remove(&id);
                self.complete_join_if_all_are_here(turn);
            }
            Timer::Join => self.join_time_is_up(turn),
            Timer::Sync => self.sync_time_is_up(turn),
            Timer::Downgraded if self.state == GroupState::Stable => self.prepare_rebalance(turn),
            Timer::Downgraded | Timer::Revocation(_) | Timer::MemberJoin(_) | Timer::MemberSync(_) => {}
        }
    }

    /// The leader's assignment did not get into the log, so that nobody knows it: once more from the start. Or a static
    /// member did not get its new id: its former self still is the member.
    pub(super) fn append_failed(&mut self, turn: &mut Turn<'_, '_>) {
        self.start_sessions(&turn.group, turn.timers, turn.ctx.now);
        if self.state == GroupState::CompletingRebalance {
            self.prepare_rebalance(turn);
        }
    }

    /// All parked requests, answered with `error`.
    pub(super) fn abandon(&mut self, error: ErrorCode) -> Vec<(ReplyTo, Response)> {
        let mut replies = Vec::new();
        for (id, member) in &mut self.members {
            replies.extend(
                member
                    .joining
                    .take()
                    .map(|to| (to, JoinGroupResponse::error(error, Some(id.clone())).into())),
            );
            replies.extend(
                member
                    .syncing
                    .take()
                    .map(|to| (to, SyncGroupResponse::error(error).into())),
            );
        }
        replies
    }

    pub(super) fn generation(&self) -> GroupEpoch {
        self.generation
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether the group may become one of the consumer protocol.
    pub(super) fn may_upgrade(&self, config: &BrokerConfig) -> bool {
        config.group_consumer_migration_policy.allows_upgrade()
            && self.protocol_type.as_deref() == Some("consumer")
            && self.members.len() <= config.group_consumer_max_size as usize
    }

    /// The members as a consumer group knows them, each with what it has. Who has joined and never synced has nothing.
    ///
    /// # Errors
    /// When a subscription or an assignment cannot be read.
    pub(super) fn described_for_upgrade(&self, topics: &dyn Topics) -> Result<Vec<UpgradedMember>, Unreadable> {
        let describe = |(id, member): (&MemberId, &Member)| {
            let chosen = member
                .protocols
                .iter()
                .find(|(name, _)| Some(name) == self.protocol.as_ref());
            let (_, bytes) = chosen.or(member.protocols.first()).ok_or(Unreadable)?;
            let mut subscribed_topics = Subscription::decode(bytes).map_err(|_| Unreadable)?.topics;
            subscribed_topics.sort();
            subscribed_topics.dedup();
            Assignment::decode(&member.assignment).map_err(|_| Unreadable)?;
            let protocols = member.protocols.iter();
            let wishes = StoredConsumerMember {
                instance: member.instance.clone(),
                rebalance_timeout: member.rebalance_timeout,
                subscribed_topics,
                subscribed_topic_regex: None,
                server_assignor: None,
                classic: Some(StoredClassicProtocol {
                    session_timeout: member.session_timeout,
                    protocols: protocols.map(|(name, bytes)| (name.clone(), bytes.to_vec())).collect(),
                }),
            };
            Ok((id.clone(), wishes, partitions(topics, &member.assignment)))
        };
        self.members.iter().map(describe).collect()
    }

    /// Whether there is nothing to be known about it: nobody has joined it, or is about to.
    pub(super) fn is_blank(&self) -> bool {
        self.is_empty() && self.pending.is_empty() && self.generation == GroupEpoch::ZERO
    }

    /// See [`Groups::validate_commit`](super::Groups::validate_commit).
    pub(super) fn validate_commit(&self, request: &OffsetCommitRequest, relaxed: bool) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        if generation < GroupEpoch::ZERO && self.state == GroupState::Empty {
            return Ok(());
        }
        let Some(member) = &request.member else {
            return Err(ErrorCode::UnknownMemberId);
        };
        self.check_member(member, request.instance.as_ref())?;
        let earlier = relaxed && generation < self.generation;
        if generation != self.generation && !earlier {
            return Err(ErrorCode::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// A commit is a sign of life.
    pub(super) fn committed(&self, group: &GroupId, timers: &mut Timers, now: Instant, member: &MemberId) {
        if let Some(known) = self.members.get(member) {
            timers.start(group, Timer::Session(member.clone()), now + known.session_timeout);
        }
    }

    /// See [`Groups::unused_since`](super::Groups::unused_since); `topic` is the partition's, if it exists.
    pub(super) fn unused_since(&self, topic: Option<&TopicName>, committed: Timestamp) -> Option<Timestamp> {
        match self.state {
            GroupState::Empty => Some(committed.max(self.since)),
            GroupState::Stable if self.protocol_type.as_deref() == Some("consumer") => {
                let subscriptions = self
                    .members
                    .values()
                    .map(|member| subscription(self.protocol.as_ref(), member));
                // A subscription that cannot be read may name any topic.
                let mut topics = subscriptions.map(|bytes| Subscription::decode(&bytes).map(|decoded| decoded.topics));
                let used = topics.any(|topics| topics.map_or(true, |topics| topic.is_some_and(|t| topics.contains(t))));
                (!used).then_some(committed)
            }
            _ => None,
        }
    }

    /// Is this a member, and the one that goes by its instance id?
    fn check_member(&self, member: &MemberId, instance: Option<&GroupInstanceId>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.static_member(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current != *member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if !self.members.contains_key(member) {
            return Err(ErrorCode::UnknownMemberId);
        }
        Ok(())
    }

    fn static_member(&self, instance: &GroupInstanceId) -> Option<MemberId> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.instance.as_ref() == Some(instance))
            .map(|(id, _)| id.clone())
    }

    /// A static member goes on under another id.
    fn rename(&mut self, old: &MemberId, new: &MemberId) {
        let member = self.members.remove(old).expect("who is renamed is a member");
        self.members.insert(new.clone(), member);
        if self.leader.as_ref() == Some(old) {
            self.leader = Some(new.clone());
        }
    }

    fn become_state(&mut self, turn: &mut Turn<'_, '_>, state: GroupState) {
        assert!(
            state::may_become(self.state, state),
            "a classic group went from {:?} to {state:?}",
            self.state
        );
        self.state = state;
        let fact = self.state_fact(turn, state);
        turn.trace(fact);
    }

    fn state_fact(&self, turn: &Turn<'_, '_>, state: GroupState) -> Event {
        Event::GroupChanged(trace::GroupChanged {
            group: turn.group.clone(),
            state,
            epoch: self.generation,
            members: self.members.len() as u32,
        })
    }

    fn assignment_fact(&self, turn: &Turn<'_, '_>, id: &MemberId, member: &Member, assignment: &[u8]) -> Event {
        Event::MemberChanged(trace::MemberChanged {
            group: turn.group.clone(),
            member: id.clone(),
            instance: member.instance.clone(),
            epoch: self.generation,
            assigned: partitions(turn.topics, assignment),
            revoking: Vec::new(),
        })
    }

    /// What the log says, with the ids that static members have by now; none if it has those already.
    fn stored_with_new_ids(&self) -> Option<StoredClassicGroup> {
        let mut stored = self.stored.clone()?;
        let mut renamed = false;
        for member in &mut stored.members {
            let current = member
                .instance
                .as_ref()
                .and_then(|instance| self.static_member(instance));
            if let Some(current) = current.filter(|current| *current != member.member) {
                let leader = stored.leader.as_mut().filter(|leader| **leader == member.member);
                if let Some(leader) = leader {
                    leader.clone_from(&current);
                }
                member.member = current;
                renamed = true;
            }
        }
        renamed.then_some(stored)
    }

    /// The group as a record.
    fn to_stored(&self, turn: &Turn<'_, '_>) -> StoredClassicGroup {
        let member = |(id, member): (&MemberId, &Member)| StoredClassicMember {
            member: id.clone(),
            instance: member.instance.clone(),
            session_timeout: member.session_timeout,
            rebalance_timeout: member.rebalance_timeout,
            subscription: subscription(self.protocol.as_ref(), member).to_vec(),
            assignment: member.assignment.to_vec(),
        };
        StoredClassicGroup {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since: turn.ctx.wall,
            members: self.members.iter().map(member).collect(),
        }
    }

    fn record(&self, turn: &mut Turn<'_, '_>, value: StoredClassicGroup) {
        let group = turn.group.clone();
        turn.record(GroupRecord::ClassicGroup {
            group,
            value: Some(value),
        });
    }
}

/// A member's subscription for an assignor.
fn subscription(protocol: Option<&AssignorName>, member: &Member) -> Bytes {
    let chosen = member.protocols.iter().find(|(name, _)| Some(name) == protocol);
    chosen.map(|(_, subscription)| subscription.clone()).unwrap_or_default()
}

/// The partitions of an assignment; bytes of another protocol, and topics that are gone, mean none.
fn partitions(topics: &dyn Topics, assignment: &[u8]) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for (name, indexes) in Assignment::decode(assignment).unwrap_or_default().partitions {
        if let Some((topic, _)) = topics.topic(&name) {
            partitions.extend(indexes.into_iter().map(|partition| TopicPartition { topic, partition }));
        }
    }
    partitions.sort();
    partitions
}

//! The groups of one partition of the offsets topic.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::classic::ClassicGroup;
use super::consumer::{self, ConsumerGroup};
use super::turn::{Timers, Turn};
use super::{GroupRecord, Topics};
use crate::config::{BrokerConfig, Quirks};
use crate::machine::{Context, Instant, ReplyTo};
use crate::protocol::{
    ConsumerGroupHeartbeatRequest, ErrorCode, OffsetCommitRequest, OffsetFetchRequest, Request, Response,
};
use crate::trace::Event;
use crate::types::{ClientId, GroupEpoch, GroupId, Timestamp, TopicPartition};

/// What a coordinator decided: records for the log, and answers that leave when those, and everything before them, are
/// committed.
#[derive(Default, Debug)]
pub struct Decision {
    /// They are appended as one batch, and replayed at once.
    pub records: Vec<GroupRecord>,
    /// What is true once they are in the log, to be stated then. If they do not get there it never was.
    pub facts: Vec<Event>,
    /// To be sent once the records are committed.
    pub replies: Vec<(ReplyTo, Response)>,
}

/// All groups of one partition of the offsets topic, of both protocols. What is durable changes only by
/// [`Groups::replay`]; sessions, timers and parked requests are in memory alone.
///
/// Feed it the log with [`Groups::replay`] and say [`Groups::loaded`]; from then on append and replay the records of
/// each [`Decision`] before the next call, or say [`Groups::append_failed`].
///
/// An empty group changes its protocol with the first request of the other; one with members in it may, too
/// (`group.consumer.migration.policy`), and has members of both protocols meanwhile.
pub struct Groups {
    config: BrokerConfig,
    quirks: Quirks,
    groups: BTreeMap<GroupId, Group>,
    timers: Timers,
    loaded: bool,
}

enum Group {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

impl Groups {
    /// No groups.
    #[must_use]
    pub fn new(config: &BrokerConfig, quirks: Quirks) -> Groups {
        Groups {
            config: config.clone(),
            quirks,
            groups: BTreeMap::new(),
            timers: Timers::default(),
            loaded: false,
        }
    }

    /// Takes over a record of the log. Offsets are none of its business.
    pub fn replay(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::OffsetCommit { .. } => {}
            GroupRecord::ClassicGroup {
                group,
                value: Some(value),
            } => match self.groups.get_mut(group) {
                Some(Group::Classic(classic)) if self.loaded => classic.replay(value),
                _ => {
                    self.groups
                        .insert(group.clone(), Group::Classic(ClassicGroup::load(value)));
                }
            },
            GroupRecord::ClassicGroup { group, value: None } => {
                if let Some(Group::Classic(_)) = self.groups.get(group) {
                    self.groups.remove(group);
                }
            }
            GroupRecord::ConsumerGroup { group, value: None } => {
                if let Some(Group::Consumer(_)) = self.groups.get(group) {
                    self.groups.remove(group);
                }
            }
            record => match self.groups.get_mut(record.group()) {
                Some(Group::Consumer(consumer)) => consumer.replay(record),
                // The end of a group that is gone already, or has changed its protocol.
                _ if *record == record.tombstone() => {}
                _ => {
                    let mut consumer = ConsumerGroup::default();
                    consumer.replay(record);
                    self.groups.insert(record.group().clone(), Group::Consumer(consumer));
                }
            },
        }
    }

    /// Everything is replayed: every member gets a fresh session.
    pub fn loaded(&mut self, now: Instant) {
        self.loaded = true;
        for (id, group) in &self.groups {
            match group {
                Group::Classic(group) => group.start_sessions(id, &mut self.timers, now),
                Group::Consumer(group) => group.start_sessions(id, &self.config, &mut self.timers, now),
            }
        }
    }

    /// Takes a JoinGroup, SyncGroup, Heartbeat, LeaveGroup or ConsumerGroupHeartbeat. A request may be parked, and is
    /// then answered by a later decision.
    pub fn on_request(
        &mut self,
        ctx: &mut Context<'_>,
        topics: &dyn Topics,
        reply_to: ReplyTo,
        client: Option<&ClientId>,
        request: Request,
    ) -> Decision {
        let (group, new_member) = match &request {
            Request::JoinGroup(request) => (request.group.clone(), request.member.is_none()),
            Request::SyncGroup(request) => (request.group.clone(), false),
            Request::Heartbeat(request) => (request.group.clone(), false),
            Request::LeaveGroup(request) => (request.group.clone(), false),
            Request::ConsumerGroupHeartbeat(request) => {
                return self.on_consumer_heartbeat(ctx, topics, reply_to, request);
            }
            _ => return Decision::default(),
        };
        let refuse = |error| Decision {
            replies: [(reply_to, request.error_response(error))].into(),
            ..Decision::default()
        };
        if group.0.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let mut records = Vec::new();
        match self.groups.get(&group) {
            Some(Group::Classic(_)) => {}
            Some(Group::Consumer(consumer)) if consumer.is_empty() && new_member => {
                records.extend(consumer.tombstones(&group));
                let classic = ClassicGroup::new(consumer.epoch());
                self.groups.insert(group.clone(), Group::Classic(classic));
            }
            Some(Group::Consumer(consumer)) if !consumer.is_empty() => {
                return self.turn(ctx, topics, group, client, |group, turn| {
                    if let Group::Consumer(consumer) = group {
                        consumer.on_classic_request(turn, reply_to, &request);
                    }
                });
            }
            None if new_member => {
                self.groups
                    .insert(group.clone(), Group::Classic(ClassicGroup::new(GroupEpoch::ZERO)));
            }
            _ => return refuse(ErrorCode::UnknownMemberId),
        }
        let mut decision = self.turn(ctx, topics, group, client, |group, turn| {
            if let Group::Classic(classic) = group {
                classic.on_request(turn, reply_to, request);
            }
        });
        decision.records.splice(0..0, records);
        decision
    }

    fn on_consumer_heartbeat(
        &mut self,
        ctx: &mut Context<'_>,
        topics: &dyn Topics,
        to: ReplyTo,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Decision {
        let Groups {
            config,
            quirks,
            groups,
            timers,
            ..
        } = self;
        let (new, mut change_over) = (ConsumerGroup::default(), Vec::new());
        let (mut facts, mut upgrades) = (Vec::new(), false);
        let end_of_classic = || GroupRecord::ClassicGroup {
            group: request.group.clone(),
            value: None,
        };
        let converted;
        let group = match groups.get(&request.group) {
            Some(Group::Consumer(group)) => group,
            Some(Group::Classic(classic)) if classic.is_empty() && request.member_epoch == GroupEpoch::ZERO => {
                change_over.push(end_of_classic());
                converted = ConsumerGroup::new(classic.generation());
                &converted
            }
            Some(Group::Classic(classic)) => {
                let may = request.member_epoch == GroupEpoch::ZERO && classic.may_upgrade(config);
                let upgraded = may.then(|| ConsumerGroup::upgraded(&request.group, classic, topics).ok());
                let Some((group, records, stated)) = upgraded.flatten() else {
                    return refused_heartbeat(config, to, request, ErrorCode::GroupIdNotFound);
                };
                change_over.push(end_of_classic());
                change_over.extend(records);
                (facts, upgrades, converted) = (stated, true, group);
                &converted
            }
            None => &new,
        };
        let mut turn = Turn {
            ctx,
            topics,
            config,
            quirks: *quirks,
            timers,
            group: request.group.clone(),
            // Members of the consumer protocol name themselves.
            client: None,
            decision: Decision::default(),
        };
        group.heartbeat(&mut turn, to, request);
        let mut decision = turn.decision;
        // A heartbeat that was refused changes nothing.
        if decision.records.is_empty() {
            return decision;
        }
        decision.records.splice(0..0, change_over);
        decision.facts.splice(0..0, facts);
        if upgrades {
            group.restart_sessions(&request.group, config, timers, ctx.now);
            if let Some(Group::Classic(classic)) = groups.get_mut(&request.group) {
                decision.replies.extend(classic.abandon(ErrorCode::RebalanceInProgress));
            }
        }
        decision
    }

    /// Acts on the next thing that is due; call it until [`Groups::deadline`] lies ahead.
    pub fn on_wake(&mut self, ctx: &mut Context<'_>, topics: &dyn Topics) -> Decision {
        let Some((group, timer)) = self.timers.expire(ctx.now) else {
            return Decision::default();
        };
        self.turn(ctx, topics, group, None, |group, turn| match group {
            Group::Classic(group) => group.on_timer(turn, timer),
            Group::Consumer(group) => group.on_timer(turn, timer),
        })
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Topics came, went or grew. Groups need no notice: the leader of a classic group watches its topics itself, and
    /// every heartbeat of the consumer protocol compares the group's topics with those that are there.
    pub fn topics_changed(&mut self, _ctx: &mut Context<'_>, _topics: &dyn Topics) -> Decision {
        Decision::default()
    }

    /// The records of a decision about `group` could not be appended: they were not replayed, and the replies went out
    /// as errors. What the decision changed in memory is undone, or settled anew.
    pub fn append_failed(&mut self, ctx: &mut Context<'_>, group: &GroupId) -> Decision {
        self.turn(ctx, &NoTopics, group.clone(), None, |group, turn| match group {
            Group::Classic(group) => group.append_failed(turn),
            Group::Consumer(group) => group.append_failed(turn),
        })
    }

    /// May this committer commit?
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION, STALE_MEMBER_EPOCH, REBALANCE_IN_PROGRESS, FENCED_INSTANCE_ID.
    pub fn validate_commit(&self, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        match self.groups.get(&request.group) {
            None if request.generation_id_or_member_epoch < GroupEpoch::ZERO => Ok(()),
            None => Err(ErrorCode::IllegalGeneration),
            Some(Group::Classic(group)) => group.validate_commit(request, self.quirks.relaxed_commit_check),
            Some(Group::Consumer(group)) => group.validate_commit(request, self.quirks.relaxed_commit_check),
        }
    }

    /// A commit by this member is a sign of life in the classic protocol.
    pub fn committed(&mut self, now: Instant, request: &OffsetCommitRequest) {
        if let (Some(Group::Classic(group)), Some(member)) = (self.groups.get(&request.group), &request.member) {
            group.committed(&request.group, &mut self.timers, now, member);
        }
    }

    /// May this member read offsets?
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH.
    pub fn validate_fetch(&self, request: &OffsetFetchRequest) -> Result<(), ErrorCode> {
        match self.groups.get(&request.group) {
            Some(Group::Consumer(group)) => group.validate_fetch(request),
            _ => Ok(()),
        }
    }

    /// Since when the position that `group` has in `partition` may grow old: `None` while the group uses it.
    /// `committed` is when it was committed.
    #[must_use]
    pub fn unused_since(
        &self,
        topics: &dyn Topics,
        group: &GroupId,
        partition: TopicPartition,
        committed: Timestamp,
    ) -> Option<Timestamp> {
        let topic = topics.name(partition.topic);
        match self.groups.get(group) {
            None => Some(committed),
            Some(Group::Classic(group)) => group.unused_since(topic.as_ref(), committed),
            Some(Group::Consumer(group)) => group.unused_since(topic.as_ref(), committed),
        }
    }

    /// Leadership is gone: the parked requests, with NOT_COORDINATOR as their answers.
    #[must_use]
    pub fn abandon(self) -> Vec<(ReplyTo, Response)> {
        let parked = |group| match group {
            Group::Classic(mut group) => group.abandon(ErrorCode::NotCoordinator),
            Group::Consumer(_) => Vec::new(),
        };
        self.groups.into_values().flat_map(parked).collect()
    }

    fn turn(
        &mut self,
        ctx: &mut Context<'_>,
        topics: &dyn Topics,
        id: GroupId,
        client: Option<&ClientId>,
        act: impl FnOnce(&mut Group, &mut Turn<'_, '_>),
    ) -> Decision {
        let Some(group) = self.groups.get_mut(&id) else {
            return Decision::default();
        };
        let mut turn = Turn {
            ctx,
            topics,
            config: &self.config,
            quirks: self.quirks,
            timers: &mut self.timers,
            group: id.clone(),
            client,
            decision: Decision::default(),
        };
        act(group, &mut turn);
        let decision = turn.decision;
        if matches!(group, Group::Classic(group) if group.is_blank()) {
            self.groups.remove(&id);
        }
        decision
    }
}

/// For decisions that assign nothing to anybody.
struct NoTopics;

impl Topics for NoTopics {
    fn topic(&self, _name: &crate::types::TopicName) -> Option<(crate::types::TopicId, u32)> {
        None
    }

    fn name(&self, _id: crate::types::TopicId) -> Option<crate::types::TopicName> {
        None
    }

    fn matching(&self, _pattern: &crate::topic_pattern::TopicPattern) -> Vec<crate::types::TopicName> {
        Vec::new()
    }
}

fn refused_heartbeat(
    config: &BrokerConfig,
    to: ReplyTo,
    request: &ConsumerGroupHeartbeatRequest,
    error: ErrorCode,
) -> Decision {
    let response = Response::ConsumerGroupHeartbeat(consumer::refused(config, request, error));
    Decision {
        replies: [(to, response)].into(),
        ..Decision::default()
    }
}

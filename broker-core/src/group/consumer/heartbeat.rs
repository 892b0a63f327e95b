//! ConsumerGroupHeartbeat: the one request of the consumer protocol. It joins, reports and leaves.

use super::*;
use crate::config::millis;
use crate::group::assignor;
use crate::machine::ReplyTo;
use crate::protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, Response};

impl ConsumerGroup {
    /// Takes a heartbeat of a group that is there, or that this heartbeat may create.
    pub(in crate::group) fn heartbeat(
        &self,
        turn: &mut Turn<'_, '_>,
        to: ReplyTo,
        request: &ConsumerGroupHeartbeatRequest,
    ) {
        let response = self
            .answer(turn, request)
            .unwrap_or_else(|error| refused(turn.config, request, error));
        turn.reply(to, Response::ConsumerGroupHeartbeat(response));
    }

    fn answer(
        &self,
        turn: &mut Turn<'_, '_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, ErrorCode> {
        check(request)?;
        if request.member_epoch < GroupEpoch::ZERO {
            return self.leave(turn, request);
        }
        let joins = request.member_epoch == GroupEpoch::ZERO;
        let known = self.members.get(&request.member);
        let max = turn.config.group_consumer_max_size as usize;
        if joins && known.is_none() && self.members.len() >= max {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        let replaced = match &request.instance {
            Some(instance) if joins => self.released_instance(instance, &request.member)?,
            Some(instance) => {
                self.check_instance(instance, &request.member)?;
                None
            }
            None => None,
        };
        if !joins {
            check_epoch(&known.ok_or(ErrorCode::UnknownMemberId)?.current, request)?;
        }

        let mut draft = Draft::new(self, turn);
        if let Some(old) = replaced {
            draft.replace(old, &request.member);
        } else if let Some(known) = known.filter(|_| joins) {
            // It has given up everything, to begin anew.
            if known.current != NEWCOMER {
                draft.set_current(&request.member, NEWCOMER);
            }
        }
        draft.update_wishes(request);
        let before = draft.group.members[&request.member].current.assigned.clone();
        draft.update_target();
        draft.reconcile(&request.member, request.owned.as_deref());
        draft.state_member(&request.member);

        let current = draft.group.members[&request.member].current.clone();
        let full = request.rebalance_timeout.is_some() && names_topics(request);
        let sorted = |owned: &Vec<TopicPartition>| BTreeSet::from_iter(owned.iter().copied());
        let is_known = !joins && current.assigned == before && !(full && request.owned.is_some());
        let agrees = request
            .owned
            .as_ref()
            .is_none_or(|owned| sorted(owned) == sorted(&current.assigned));
        draft.finish();
        turn.start(Timer::Session(request.member.clone()), session_timeout(turn.config));
        Ok(ConsumerGroupHeartbeatResponse {
            error: ErrorCode::None,
            member_epoch: current.epoch,
            heartbeat_interval: millis(turn.config.group_consumer_heartbeat_interval_ms),
            assignment: (!is_known || !agrees).then_some(current.assigned),
        })
    }

    /// A member goes. A static one that means to come back keeps its partitions until its session ends.
    fn leave(
        &self,
        turn: &mut Turn<'_, '_>,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<ConsumerGroupHeartbeatResponse, ErrorCode> {
        let id = &request.member;
        if let Some(instance) = &request.instance {
            self.check_instance(instance, id)?;
        }
        let member = self.members.get(id).ok_or(ErrorCode::UnknownMemberId)?;
        let response = refused(turn.config, request, ErrorCode::None);
        let mut draft = Draft::new(self, turn);
        if request.member_epoch == GroupEpoch::LEAVE_STATIC {
            let (epoch, revoking) = (GroupEpoch::LEAVE_STATIC, Vec::new());
            draft.turn.stop(Timer::Revocation(id.clone()));
            draft.set_current(
                id,
                StoredCurrentAssignment {
                    epoch,
                    revoking,
                    ..member.current.clone()
                },
            );
            draft.state_member(id);
        } else {
            draft.fence(id, RemovalCause::Left);
        }
        draft.finish();
        Ok(response)
    }

    /// The former self of a static member that joins, if it has another id. It must have left, for two processes may
    /// not go by one instance id; but the classic protocol knows no word for that.
    fn released_instance(&self, instance: &GroupInstanceId, member: &MemberId) -> Result<Option<&MemberId>, ErrorCode> {
        match self.static_member(instance) {
            Some(former) if former != member => {
                let known = &self.members[former];
                if known.current.epoch == GroupEpoch::LEAVE_STATIC || known.wishes.classic.is_some() {
                    Ok(Some(former))
                } else {
                    Err(ErrorCode::UnreleasedInstanceId)
                }
            }
            _ => Ok(None),
        }
    }

    pub(super) fn check_instance(&self, instance: &GroupInstanceId, member: &MemberId) -> Result<(), ErrorCode> {
        match self.static_member(instance) {
            None => Err(ErrorCode::UnknownMemberId),
            Some(current) if current != member => Err(ErrorCode::FencedInstanceId),
            Some(_) => Ok(()),
        }
    }
}

impl Draft<'_, '_, '_, '_> {
    /// Takes over what the request says about the member's wishes.
    fn update_wishes(&mut self, request: &ConsumerGroupHeartbeatRequest) {
        let before = self
            .group
            .members
            .get(&request.member)
            .map(|member| member.wishes.clone());
        let mut wishes = before.clone().unwrap_or(StoredConsumerMember {
            instance: request.instance.clone(),
            ..NO_WISHES
        });
        if let Some(timeout) = request.rebalance_timeout {
            wishes.rebalance_timeout = timeout;
        }
        if let Some(topics) = &request.subscribed_topics {
            wishes.subscribed_topics = BTreeSet::from_iter(topics.iter().cloned()).into_iter().collect();
        }
        if let Some(regex) = &request.subscribed_topic_regex {
            wishes.subscribed_topic_regex = Some(regex.clone()).filter(|regex| !regex.is_empty());
        }
        if let Some(assignor) = &request.server_assignor {
            wishes.server_assignor = Some(assignor.clone());
        }
        wishes.classic = None;
        self.take_wishes(&request.member, wishes);
    }

    /// Takes over what a member wants. Another subscription, or topics that are not what they were, call for another
    /// target assignment.
    pub(super) fn take_wishes(&mut self, id: &MemberId, wishes: StoredConsumerMember) {
        let before = self.group.members.get(id).map(|member| &member.wishes);
        let subscribes_anew = before.is_none_or(|before| {
            before.subscribed_topics != wishes.subscribed_topics
                || before.subscribed_topic_regex != wishes.subscribed_topic_regex
        });
        if before != Some(&wishes) {
            self.set_wishes(id, wishes);
        }
        if subscribes_anew || self.group.subscribed_topics(self.turn.topics) != self.group.topics {
            self.bump_epoch();
        }
    }
}

/// Whether it says what the member subscribes to.
fn names_topics(request: &ConsumerGroupHeartbeatRequest) -> bool {
    request.subscribed_topics.is_some() || request.subscribed_topic_regex.is_some()
}

/// Refuses what makes no sense in itself.
fn check(request: &ConsumerGroupHeartbeatRequest) -> Result<(), ErrorCode> {
    let epoch = request.member_epoch;
    let incomplete_join = epoch == GroupEpoch::ZERO
        && (request.rebalance_timeout.is_none()
            || !names_topics(request)
            || request.owned.as_ref().is_some_and(|owned| !owned.is_empty()));
    let nameless_return = epoch == GroupEpoch::LEAVE_STATIC && request.instance.is_none();
    if request.group.0.is_empty()
        || request.member.0.is_empty()
        || epoch < GroupEpoch::LEAVE_STATIC
        || incomplete_join
        || nameless_return
    {
        return Err(ErrorCode::InvalidRequest);
    }
    if request
        .server_assignor
        .as_ref()
        .is_some_and(|name| !assignor::supported(name))
    {
        return Err(ErrorCode::UnsupportedAssignor);
    }
    let regex = request.subscribed_topic_regex.as_ref();
    if regex.is_some_and(|regex| TopicPattern::new(regex).is_err()) {
        return Err(ErrorCode::InvalidRegularExpression);
    }
    Ok(())
}

/// A member must speak from its epoch. It may also speak from the one before, if what it owns is its own: then the
/// answer that named the new epoch was lost.
fn check_epoch(current: &StoredCurrentAssignment, request: &ConsumerGroupHeartbeatRequest) -> Result<(), ErrorCode> {
    if request.member_epoch == current.epoch {
        return Ok(());
    }
    let owned = request.owned.as_ref();
    let within = owned.is_some_and(|owned| owned.iter().all(|partition| current.assigned.contains(partition)));
    if request.member_epoch < current.epoch && request.member_epoch == current.previous_epoch && within {
        return Ok(());
    }
    Err(ErrorCode::FencedMemberEpoch)
}

pub(in crate::group) fn refused(
    config: &BrokerConfig,
    request: &ConsumerGroupHeartbeatRequest,
    error: ErrorCode,
) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        error,
        member_epoch: request.member_epoch,
        heartbeat_interval: millis(config.group_consumer_heartbeat_interval_ms),
        assignment: None,
    }
}

//! Members that speak the classic protocol in a group of the consumer protocol, while the group moves from one to the
//! other (KIP-848, "online migration").
//!
//! Nobody leads and nobody waits for the others: a JoinGroup is a full heartbeat, with the owned partitions of its
//! subscription, and takes the member a step towards its target; SyncGroup says what it may own; a Heartbeat calls it to
//! join again whenever there is a step to take. Its generation is its member epoch. (Kafka
//! `GroupMetadataManager.classicGroupJoinToConsumerGroup` and its siblings.)

use bytes::Bytes;

use super::*;
use crate::config::millis;
use crate::group::classic::new_id;
use crate::group::records::StoredClassicProtocol;
use crate::machine::ReplyTo;
use crate::protocol::consumer_protocol::{Assignment, Subscription};
use crate::protocol::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    Request, Response, SyncGroupRequest, SyncGroupResponse,
};

impl ConsumerGroup {
    /// Takes a JoinGroup, SyncGroup, Heartbeat or LeaveGroup.
    pub(in crate::group) fn on_classic_request(&self, turn: &mut Turn<'_, '_>, to: ReplyTo, request: &Request) {
        let response = match request {
            Request::JoinGroup(request) => match self.join(turn, request) {
                Ok(response) => Response::JoinGroup(response),
                Err(error) => JoinGroupResponse::error(error, request.member.clone()).into(),
            },
            Request::SyncGroup(request) => match self.sync(turn, request) {
                Ok(assignment) => {
                    let error = ErrorCode::None;
                    Response::SyncGroup(SyncGroupResponse { error, assignment })
                }
                Err(error) => SyncGroupResponse::error(error).into(),
            },
            Request::Heartbeat(request) => {
                let error = self.classic_heartbeat(turn, request).err().unwrap_or(ErrorCode::None);
                Response::Heartbeat(HeartbeatResponse { error })
            }
            Request::LeaveGroup(request) => {
                let error = self.leave_group(turn, request).err().unwrap_or(ErrorCode::None);
                Response::LeaveGroup(LeaveGroupResponse { error })
            }
            _ => return,
        };
        turn.reply(to, response);
    }

    fn join(&self, turn: &mut Turn<'_, '_>, request: &JoinGroupRequest) -> Result<JoinGroupResponse, ErrorCode> {
        let session_timeouts =
            millis(turn.config.group_min_session_timeout_ms)..=millis(turn.config.group_max_session_timeout_ms);
        if !session_timeouts.contains(&request.session_timeout) {
            return Err(ErrorCode::InvalidSessionTimeout);
        }
        let is_known = request.member.as_ref().is_some_and(|id| self.members.contains_key(id));
        if !is_known && self.members.len() >= turn.config.group_consumer_max_size as usize {
            return Err(ErrorCode::GroupMaxSizeReached);
        }
        if !self.supports(request) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let id = match (&request.member, &request.instance) {
            (Some(id), _) => id.clone(),
            (None, Some(instance)) => new_id(turn, Some(instance)),
            (None, None) => {
                return Ok(JoinGroupResponse {
                    error: ErrorCode::MemberIdRequired,
                    member: Some(new_id(turn, None)),
                    ..welcome(GroupEpoch::NONE)
                });
            }
        };
        let (protocol, subscription) = &request.protocols[0];
        let subscription = Subscription::decode(subscription).map_err(|_| ErrorCode::UnknownServerError)?;
        let replaced = self.replaced_by(request, &id)?;

        let owned = owned_by(&subscription, turn.topics);
        let mut draft = Draft::new(self, turn);
        if let Some(former) = replaced {
            draft.replace(former, &id);
        }
        let topics: BTreeSet<TopicName> = subscription.topics.into_iter().collect();
        let stored = |(name, subscription): &(_, Bytes)| (AssignorName::clone(name), subscription.to_vec());
        draft.take_wishes(
            &id,
            StoredConsumerMember {
                instance: request.instance.clone(),
                rebalance_timeout: request.rebalance_timeout,
                subscribed_topics: topics.into_iter().collect(),
                subscribed_topic_regex: None,
                server_assignor: None,
                classic: Some(StoredClassicProtocol {
                    session_timeout: request.session_timeout,
                    protocols: request.protocols.iter().map(stored).collect(),
                }),
            },
        );
        draft.update_target();
        draft.reconcile(&id, Some(&owned));
        draft.state_member(&id);
        let generation = draft.group.members[&id].current.epoch;
        if replaced.is_some_and(|former| self.may_downgrade_without(former, draft.turn.config)) {
            draft.downgrade();
        }
        draft.finish();
        turn.stop(Timer::MemberJoin(id.clone()));
        turn.start(Timer::Session(id.clone()), request.session_timeout);
        turn.start(Timer::MemberSync(id.clone()), request.rebalance_timeout);
        Ok(JoinGroupResponse {
            protocol: Some(protocol.clone()),
            member: Some(id),
            ..welcome(generation)
        })
    }

    /// Whether all classic members and this one support some assignor. None of them runs, but a group that moves back
    /// must be able to choose one.
    fn supports(&self, request: &JoinGroupRequest) -> bool {
        let supported_by = |member: &Member, name: &AssignorName| {
            let classic = member.wishes.classic.as_ref();
            classic.is_none_or(|classic| classic.protocols.iter().any(|(other, _)| other == name))
        };
        let mut names = request.protocols.iter().map(|(name, _)| name);
        request.protocol_type == "consumer"
            && names.any(|name| self.members.values().all(|member| supported_by(member, name)))
    }

    /// The former self of a static member that joins without an id. It need not have left: members of the classic
    /// protocol do not say that they will come back.
    fn replaced_by(&self, request: &JoinGroupRequest, id: &MemberId) -> Result<Option<&MemberId>, ErrorCode> {
        let Some(instance) = &request.instance else {
            return Ok(None);
        };
        match self.static_member(instance) {
            Some(former) if former == id => Ok(None),
            Some(former) if request.member.is_none() => Ok(Some(former)),
            Some(_) => Err(ErrorCode::FencedInstanceId),
            None if request.member.is_some() => Err(ErrorCode::UnknownMemberId),
            None => Ok(None),
        }
    }

    fn sync(&self, turn: &mut Turn<'_, '_>, request: &SyncGroupRequest) -> Result<Bytes, ErrorCode> {
        let (id, instance) = (&request.member, request.instance.as_ref());
        let (member, classic) = self.classic_member(id, instance, request.generation)?;
        // Who has to release partitions has joined already, and will again once it has.
        if member.current.epoch < self.epoch && member.current.state != MemberState::UnrevokedPartitions {
            turn.ensure(Timer::MemberJoin(id.clone()), member.wishes.rebalance_timeout);
            return Err(ErrorCode::RebalanceInProgress);
        }
        turn.stop(Timer::MemberSync(id.clone()));
        turn.start(Timer::Session(id.clone()), classic.session_timeout);
        Ok(assignment_of(&member.current.assigned, turn.topics))
    }

    fn classic_heartbeat(&self, turn: &mut Turn<'_, '_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        let (id, instance) = (&request.member, request.instance.as_ref());
        let (member, classic) = self.classic_member(id, instance, request.generation)?;
        turn.start(Timer::Session(id.clone()), classic.session_timeout);
        let current = &member.current;
        let can_go_on = current.epoch < self.epoch
            || current.state == MemberState::UnrevokedPartitions
            || (current.state == MemberState::UnreleasedPartitions && !self.waits_for_others(id, current));
        if can_go_on {
            turn.ensure(Timer::MemberJoin(id.clone()), member.wishes.rebalance_timeout);
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether something that the member is to own belongs to others still.
    fn waits_for_others(&self, id: &MemberId, current: &StoredCurrentAssignment) -> bool {
        let target = self.targets.get(id).map_or(&[][..], Vec::as_slice);
        let mut missing = target.iter().filter(|partition| !current.assigned.contains(partition));
        missing.any(|partition| self.owners.contains_key(partition))
    }

    fn leave_group(&self, turn: &mut Turn<'_, '_>, request: &LeaveGroupRequest) -> Result<(), ErrorCode> {
        let by_instance = match &request.instance {
            Some(instance) => Some(self.static_member(instance).ok_or(ErrorCode::UnknownMemberId)?),
            None => None,
        };
        let id = match (&request.member, by_instance) {
            (Some(id), Some(known)) if id != known => return Err(ErrorCode::FencedInstanceId),
            (Some(id), _) => id,
            (None, known) => known.ok_or(ErrorCode::UnknownMemberId)?,
        };
        let member = self.members.get(id).ok_or(ErrorCode::UnknownMemberId)?;
        if member.wishes.classic.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        let mut draft = Draft::new(self, turn);
        draft.fence(id, RemovalCause::Left);
        draft.finish();
        Ok(())
    }

    /// The member, if it is one that speaks the classic protocol, goes by its instance id, and is in this generation.
    fn classic_member(
        &self,
        id: &MemberId,
        instance: Option<&GroupInstanceId>,
        generation: GroupEpoch,
    ) -> Result<(&Member, &StoredClassicProtocol), ErrorCode> {
        if let Some(instance) = instance {
            self.check_instance(instance, id)?;
        }
        let member = self.members.get(id).ok_or(ErrorCode::UnknownMemberId)?;
        let classic = member.wishes.classic.as_ref().ok_or(ErrorCode::UnknownMemberId)?;
        if member.current.epoch != generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        Ok((member, classic))
    }
}

/// What a member is answered that has joined: it leads nobody.
fn welcome(generation: GroupEpoch) -> JoinGroupResponse {
    JoinGroupResponse {
        error: ErrorCode::None,
        generation,
        protocol: None,
        leader: None,
        member: None,
        members: Vec::new(),
        skip_assignment: false,
    }
}

/// The partitions that a subscription says its member owns, of topics that exist.
fn owned_by(subscription: &Subscription, topics: &dyn Topics) -> Vec<TopicPartition> {
    let of_topic = |(name, indexes): &(TopicName, Vec<PartitionIndex>)| {
        let topic = topics.topic(name).map(|(topic, _)| topic);
        let named = |topic: TopicId| {
            let partitions = indexes
                .iter()
                .map(move |&partition| TopicPartition { topic, partition });
            partitions.collect::<Vec<_>>()
        };
        topic.map(named).unwrap_or_default()
    };
    subscription.owned.iter().flat_map(of_topic).collect()
}

/// An assignment as members of the classic protocol read it.
pub(super) fn assignment_of(assigned: &[TopicPartition], topics: &dyn Topics) -> Bytes {
    let mut by_topic: BTreeMap<TopicName, Vec<PartitionIndex>> = BTreeMap::new();
    for partition in assigned {
        if let Some(name) = topics.name(partition.topic) {
            by_topic.entry(name).or_default().push(partition.partition);
        }
    }
    let partitions = by_topic.into_iter().collect();
    Assignment { partitions }.encode()
}

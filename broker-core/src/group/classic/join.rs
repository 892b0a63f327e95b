//! The first half of a rebalance: members join until all are here, and a generation begins.

use alloc::collections::BTreeSet;
use alloc::format;

use super::*;
use crate::config::millis;
use crate::protocol::JoinGroupMember;

/// How long a new member's JoinGroup is parked at most: as it does not know its id, it cannot send heartbeats, and if
/// it is gone nobody would notice (Kafka `group.classic.new.member.join.timeout.ms`).
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

impl ClassicGroup {
    pub(super) fn join(&mut self, turn: &mut Turn<'_, '_>, to: ReplyTo, request: JoinGroupRequest) {
        let session_timeouts =
            millis(turn.config.group_min_session_timeout_ms)..=millis(turn.config.group_max_session_timeout_ms);
        let refusal = if !session_timeouts.contains(&request.session_timeout) {
            Some(ErrorCode::InvalidSessionTimeout)
        } else if !self.has_room(turn, request.member.as_ref()) {
            Some(ErrorCode::GroupMaxSizeReached)
        } else if !self.can_agree(&request) {
            Some(ErrorCode::InconsistentGroupProtocol)
        } else {
            None
        };
        if let Some(error) = refusal {
            return turn.reply(to, JoinGroupResponse::error(error, request.member).into());
        }
        match (request.member.clone(), &request.instance) {
            (Some(member), _) => self.join_by_id(turn, to, member, request),
            (None, Some(instance)) => {
                let new = new_id(turn, Some(instance));
                match self.static_member(instance) {
                    Some(old) => self.replace_static(turn, to, &old, new, request),
                    None => self.add(turn, to, new, request),
                }
            }
            (None, None) => {
                let id = new_id(turn, None);
                self.pending.insert(id.clone());
                turn.start(Timer::Pending(id.clone()), request.session_timeout);
                turn.reply(
                    to,
                    JoinGroupResponse::error(ErrorCode::MemberIdRequired, Some(id)).into(),
                );
            }
        }
    }

    /// Members stay; others come in while there is room. During a rebalance only those count that have joined.
    fn has_room(&self, turn: &Turn<'_, '_>, member: Option<&MemberId>) -> bool {
        let known = member.and_then(|id| self.members.get(id));
        let max = turn.config.group_max_size as usize;
        match self.state {
            GroupState::PreparingRebalance => {
                let joined = self.members.values().filter(|member| member.joining.is_some()).count();
                known.is_some_and(|member| member.joining.is_some()) || joined < max
            }
            GroupState::CompletingRebalance | GroupState::Stable => known.is_some() || self.members.len() < max,
            _ => true,
        }
    }

    /// Whether there is an assignor that all members and this one support.
    fn can_agree(&self, request: &JoinGroupRequest) -> bool {
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        let by_all = self.supported_by_all();
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|(name, _)| by_all.contains(name))
    }

    fn supported_by_all(&self) -> BTreeSet<AssignorName> {
        let supports = |member: &Member, name: &AssignorName| member.protocols.iter().any(|(other, _)| other == name);
        let all = self
            .members
            .values()
            .flat_map(|member| &member.protocols)
            .map(|(name, _)| name);
        all.filter(|name| self.members.values().all(|member| supports(member, name)))
            .cloned()
            .collect()
    }

    /// Every member votes for the first of its assignors that all support; the most votes win, then the first name.
    fn vote(&self) -> Option<AssignorName> {
        let candidates = self.supported_by_all();
        let mut votes: BTreeMap<&AssignorName, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| candidates.contains(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().max().copied();
        votes
            .into_iter()
            .find(|(_, count)| Some(*count) == most)
            .map(|(name, _)| name.clone())
    }

    fn join_by_id(&mut self, turn: &mut Turn<'_, '_>, to: ReplyTo, id: MemberId, request: JoinGroupRequest) {
        if self.pending.remove(&id) {
            turn.stop(Timer::Pending(id.clone()));
            return self.add(turn, to, id, request);
        }
        if let Err(error) = self.check_member(&id, request.instance.as_ref()) {
            return turn.reply(to, JoinGroupResponse::error(error, Some(id)).into());
        }
        let leads = self.leader.as_ref() == Some(&id);
        let unchanged = self.members[&id].protocols == request.protocols;
        match self.state {
            // The answer to its join was lost.
            GroupState::CompletingRebalance if unchanged => self.welcome(turn, to, &id),
            // Nothing calls for a rebalance; only the leader may ask for one without a reason.
            GroupState::Stable if unchanged && !leads => self.welcome(turn, to, &id),
            _ => {
                self.update(&id, to, request);
                self.rebalance_or_complete(turn);
            }
        }
    }

    fn add(&mut self, turn: &mut Turn<'_, '_>, to: ReplyTo, id: MemberId, request: JoinGroupRequest) {
        if let Some(first) = &mut self.first_rebalance {
            first.grew = true;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type);
            self.leader = Some(id.clone());
        }
        let member = Member {
            instance: request.instance,
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols,
            assignment: Bytes::new(),
            joining: Some(to),
            syncing: None,
            new: true,
            to_sync: false,
        };
        self.members.insert(id.clone(), member);
        turn.start(Timer::Session(id), NEW_MEMBER_JOIN_TIMEOUT);
        self.rebalance_or_complete(turn);
    }

    /// A member joins again.
    fn update(&mut self, id: &MemberId, to: ReplyTo, request: JoinGroupRequest) {
        let member = self.members.get_mut(id).expect("who joins again is a member");
        member.session_timeout = request.session_timeout;
        member.rebalance_timeout = request.rebalance_timeout;
        member.protocols = request.protocols;
        member.joining = Some(to);
    }

    /// A static member that lost its memory comes back (KIP-345): it takes over from its former self under a new id.
    /// In a stable group that is all, if it wants what it wanted before.
    fn replace_static(
        &mut self,
        turn: &mut Turn<'_, '_>,
        to: ReplyTo,
        old: &MemberId,
        new: MemberId,
        request: JoinGroupRequest,
    ) {
        let member = self.members.get_mut(old).expect("a static member is a member");
        let (joining, syncing) = (member.joining.take(), member.syncing.take());
        if let Some(former) = joining {
            turn.reply(
                former,
                JoinGroupResponse::error(ErrorCode::FencedInstanceId, Some(old.clone())).into(),
            );
        }
        if let Some(former) = syncing {
            turn.reply(former, SyncGroupResponse::error(ErrorCode::FencedInstanceId).into());
        }
        let topics = |bytes: &[u8]| Subscription::decode(bytes).map(|decoded| BTreeSet::from_iter(decoded.topics));
        let before = subscription(self.protocol.as_ref(), member);
        member.session_timeout = request.session_timeout;
        member.rebalance_timeout = request.rebalance_timeout;
        member.protocols = request.protocols;
        let after = subscription(self.protocol.as_ref(), member);
        let same_subscription = before == after || topics(&before).is_ok_and(|before| topics(&after) == Ok(before));

        turn.stop(Timer::Session(old.clone()));
        turn.start(Timer::Session(new.clone()), request.session_timeout);
        let replaced = Event::MemberRemoved(trace::MemberRemoved {
            group: turn.group.clone(),
            member: old.clone(),
            cause: RemovalCause::Replaced,
        });
        if self.state == GroupState::Stable && same_subscription && self.vote() == self.protocol {
            turn.trace_when_written(replaced);
            return self.replace_without_rebalance(turn, to, old, new);
        }
        turn.trace(replaced);
        self.rename(old, &new);
        self.members.get_mut(&new).expect("it was renamed to this").joining = Some(to);
        self.rebalance_or_complete(turn);
    }

    fn replace_without_rebalance(&mut self, turn: &mut Turn<'_, '_>, to: ReplyTo, old: &MemberId, new: MemberId) {
        // If its former self led, it leads: it looks after the group's topics, and has nothing to assign (KIP-814).
        let leads = self.leader.as_ref() == Some(old);
        let renamed = |id: &MemberId| if id == old { new.clone() } else { id.clone() };
        let response = JoinGroupResponse {
            error: ErrorCode::None,
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.as_ref().map(renamed),
            member: Some(new.clone()),
            members: self
                .described()
                .filter(|_| leads)
                .map(|described| JoinGroupMember {
                    member: renamed(&described.member),
                    ..described
                })
                .collect(),
            skip_assignment: leads,
        };
        turn.reply(to, Response::JoinGroup(response));
        let member = &self.members[old];
        turn.trace_when_written(self.assignment_fact(turn, &new, member, &member.assignment));
        if turn.quirks.static_member_id_in_memory {
            return self.rename(old, &new);
        }
        let mut stored = self.to_stored(turn);
        for member in stored.members.iter_mut().filter(|member| member.member == *old) {
            member.member = new.clone();
        }
        stored.leader = stored
            .leader
            .map(|leader| if leader == *old { new.clone() } else { leader });
        self.record(turn, stored);
    }

    pub(super) fn rebalance_or_complete(&mut self, turn: &mut Turn<'_, '_>) {
        match self.state {
            GroupState::PreparingRebalance => self.complete_join_if_all_are_here(turn),
            _ => self.prepare_rebalance(turn),
        }
    }

    /// Calls all members to join: their next heartbeats, syncs and commits are answered so.
    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_, '_>) {
        for (id, member) in &mut self.members {
            if let Some(to) = member.syncing.take() {
                turn.reply(to, SyncGroupResponse::error(ErrorCode::RebalanceInProgress).into());
                // Its session may have ended while nothing was expected of it.
                turn.start(Timer::Session(id.clone()), member.session_timeout);
            }
        }
        turn.stop(Timer::Sync);
        let first = self.state == GroupState::Empty;
        self.become_state(turn, GroupState::PreparingRebalance);
        if first {
            // The first member of many: give the others time, or each of them would cost a rebalance.
            let delay = millis(turn.config.group_initial_rebalance_delay_ms);
            let left = self.rebalance_timeout().saturating_sub(delay);
            self.first_rebalance = Some(FirstRebalance { left, grew: false });
            turn.start(Timer::Join, delay);
        } else if self.all_joined() {
            self.complete_join(turn);
        } else {
            turn.start(Timer::Join, self.rebalance_timeout());
        }
    }

    pub(super) fn join_time_is_up(&mut self, turn: &mut Turn<'_, '_>) {
        if self.state != GroupState::PreparingRebalance {
            return;
        }
        if let Some(first) = self
            .first_rebalance
            .as_mut()
            .filter(|first| first.grew && !first.left.is_zero())
        {
            let delay = millis(turn.config.group_initial_rebalance_delay_ms).min(first.left);
            first.left -= delay;
            first.grew = false;
            return turn.start(Timer::Join, delay);
        }
        self.complete_join(turn);
    }

    pub(super) fn complete_join_if_all_are_here(&mut self, turn: &mut Turn<'_, '_>) {
        let gathering = self.state == GroupState::PreparingRebalance && self.first_rebalance.is_none();
        if gathering && self.all_joined() {
            self.complete_join(turn);
        }
    }

    fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    /// How long a rebalance waits: as long as the most patient member.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.members
            .values()
            .map(|member| member.rebalance_timeout)
            .max()
            .unwrap_or_default()
    }

    /// A new generation begins with those that have joined. Static members that have not are waited for until their
    /// sessions end.
    fn complete_join(&mut self, turn: &mut Turn<'_, '_>) {
        turn.stop(Timer::Join);
        let late = |(_, member): &(&MemberId, &Member)| member.joining.is_none() && member.instance.is_none();
        let late: Vec<MemberId> = self.members.iter().filter(late).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.remove(turn, &id, RemovalCause::RebalanceTimeout);
        }
        let mut joined = self
            .members
            .iter()
            .filter(|(_, member)| member.joining.is_some())
            .map(|(id, _)| id);
        match joined
            .clone()
            .find(|id| self.leader.as_ref() == Some(id))
            .or(joined.next())
        {
            Some(leader) => self.leader = Some(leader.clone()),
            None if !self.members.is_empty() => return turn.start(Timer::Join, self.rebalance_timeout()),
            None => self.leader = None,
        }
        self.first_rebalance = None;
        self.generation = self.generation.next();
        if self.members.is_empty() {
            self.protocol = None;
            self.become_state(turn, GroupState::Empty);
            self.since = turn.ctx.wall;
            let stored = self.to_stored(turn);
            return self.record(turn, stored);
        }
        if let Some(stored) = self
            .stored_with_new_ids()
            .filter(|_| !turn.quirks.static_member_id_in_memory)
        {
            self.record(turn, stored);
        }
        self.protocol = self.vote();
        self.become_state(turn, GroupState::CompletingRebalance);
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in &ids {
            let joining = self.members.get_mut(id).and_then(|member| member.joining.take());
            if let Some(to) = joining {
                self.welcome(turn, to, id);
            }
            let member = self.members.get_mut(id).expect("its id was listed");
            member.new = false;
            member.to_sync = true;
            if turn.quirks.rebalance_waits_for_ever {
                turn.stop(Timer::Session(id.clone()));
            } else {
                turn.start(Timer::Session(id.clone()), member.session_timeout);
            }
        }
        if !turn.quirks.rebalance_waits_for_ever {
            turn.start(Timer::Sync, self.rebalance_timeout());
        }
    }

    /// Answers a member with what it has joined. The leader learns who the others are, if there is something to assign.
    fn welcome(&self, turn: &mut Turn<'_, '_>, to: ReplyTo, id: &MemberId) {
        let assigns = self.leader.as_ref() == Some(id) && self.state == GroupState::CompletingRebalance;
        let response = JoinGroupResponse {
            error: ErrorCode::None,
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            member: Some(id.clone()),
            members: self.described().filter(|_| assigns).collect(),
            skip_assignment: false,
        };
        turn.reply(to, Response::JoinGroup(response));
    }

    /// All members, as the leader is to see them.
    fn described(&self) -> impl Iterator<Item = JoinGroupMember> + '_ {
        self.members.iter().map(|(id, member)| JoinGroupMember {
            member: id.clone(),
            instance: member.instance.clone(),
            metadata: subscription(self.protocol.as_ref(), member),
        })
    }
}

/// An id for a new member: the name of its instance or its client, and what no other has
/// (`GroupMetadataManager.classicGroupJoinNewDynamicMember`; Kafka appends a UUID).
pub(in crate::group) fn new_id(turn: &mut Turn<'_, '_>, instance: Option<&GroupInstanceId>) -> MemberId {
    let unique = turn.ctx.rng.next_u64();
    let id = match (instance, turn.client) {
        (Some(instance), _) => format!("{instance}-{unique:016x}"),
        (None, Some(client)) => format!("{client}-{unique:016x}"),
        (None, None) => format!("-{unique:016x}"),
    };
    MemberId::from(&*id)
}

//! The second half of a rebalance, signs of life, and the ends of memberships.

use super::*;
use crate::protocol::{HeartbeatRequest, LeaveGroupRequest, SyncGroupRequest};

impl ClassicGroup {
    pub(super) fn sync(&mut self, turn: &mut Turn<'_, '_>, to: ReplyTo, request: SyncGroupRequest) {
        let checked = self.check_member(&request.member, request.instance.as_ref());
        if let Err(error) = checked.and_then(|()| self.check_generation(request.generation)) {
            return turn.reply(to, SyncGroupResponse::error(error).into());
        }
        if self.state == GroupState::PreparingRebalance {
            return turn.reply(to, SyncGroupResponse::error(ErrorCode::RebalanceInProgress).into());
        }
        let member = self.members.get_mut(&request.member).expect("the member was checked");
        member.to_sync = false;
        if self.state == GroupState::Stable {
            let assignment = member.assignment.clone();
            turn.start(Timer::Session(request.member), member.session_timeout);
            turn.reply(
                to,
                Response::SyncGroup(SyncGroupResponse {
                    error: ErrorCode::None,
                    assignment,
                }),
            );
        } else {
            member.syncing = Some(to);
            if self.leader.as_ref() == Some(&request.member) {
                self.conclude(turn, request.assignments);
            }
        }
        if self.members.values().all(|member| !member.to_sync) {
            turn.stop(Timer::Sync);
        }
    }

    /// The leader has assigned. Members that it forgot get nothing.
    fn conclude(&mut self, turn: &mut Turn<'_, '_>, assignments: Vec<(MemberId, Bytes)>) {
        let assignments: BTreeMap<MemberId, Bytes> = assignments.into_iter().collect();
        let mut stored = self.to_stored(turn);
        turn.trace_when_written(self.state_fact(turn, GroupState::Stable));
        for entry in &mut stored.members {
            let assignment = assignments.get(&entry.member).cloned().unwrap_or_default();
            let member = &self.members[&entry.member];
            turn.trace_when_written(self.assignment_fact(turn, &entry.member, member, &assignment));
            let member = self.members.get_mut(&entry.member).expect("the record lists members");
            if let Some(to) = member.syncing.take() {
                turn.start(Timer::Session(entry.member.clone()), member.session_timeout);
                let assignment = assignment.clone();
                turn.reply(
                    to,
                    Response::SyncGroup(SyncGroupResponse {
                        error: ErrorCode::None,
                        assignment,
                    }),
                );
            }
            entry.assignment = assignment.to_vec();
        }
        self.record(turn, stored);
    }

    /// Members that joined and never synced hold up all others.
    pub(super) fn sync_time_is_up(&mut self, turn: &mut Turn<'_, '_>) {
        if !matches!(self.state, GroupState::CompletingRebalance | GroupState::Stable) {
            return;
        }
        let late = self
            .members
            .iter()
            .filter(|(_, member)| member.to_sync)
            .map(|(id, _)| id.clone());
        let late: Vec<MemberId> = late.collect();
        for id in &late {
            self.remove(turn, id, RemovalCause::RebalanceTimeout);
        }
        if !late.is_empty() {
            self.prepare_rebalance(turn);
        }
    }

    pub(super) fn heartbeat(&mut self, turn: &mut Turn<'_, '_>, request: &HeartbeatRequest) -> ErrorCode {
        let checked = self.check_member(&request.member, request.instance.as_ref());
        if let Err(error) = checked.and_then(|()| self.check_generation(request.generation)) {
            return error;
        }
        let member = &self.members[&request.member];
        if !(turn.quirks.rebalance_waits_for_ever && member.to_sync) {
            turn.start(Timer::Session(request.member.clone()), member.session_timeout);
        }
        match self.state {
            GroupState::PreparingRebalance => ErrorCode::RebalanceInProgress,
            _ => ErrorCode::None,
        }
    }

    pub(super) fn leave(&mut self, turn: &mut Turn<'_, '_>, request: &LeaveGroupRequest) -> ErrorCode {
        let id = match (&request.member, &request.instance) {
            (Some(id), _) => Some(id.clone()),
            (None, instance) => instance.as_ref().and_then(|instance| self.static_member(instance)),
        };
        let Some(id) = id else {
            return ErrorCode::UnknownMemberId;
        };
        if self.pending.remove(&id) {
            turn.stop(Timer::Pending(id));
            self.complete_join_if_all_are_here(turn);
            return ErrorCode::None;
        }
        if let Err(error) = self.check_member(&id, request.instance.as_ref()) {
            return error;
        }
        self.remove(turn, &id, RemovalCause::Left);
        self.member_is_gone(turn);
        ErrorCode::None
    }

    pub(super) fn session_expired(&mut self, turn: &mut Turn<'_, '_>, id: &MemberId) {
        let Some(member) = self.members.get(id) else { return };
        let waits = member.joining.is_some() || member.syncing.is_some();
        // Who waits for an answer of the coordinator is not expected to say more.
        if member.new || !waits {
            self.remove(turn, id, RemovalCause::SessionTimeout);
            self.member_is_gone(turn);
        }
    }

    fn member_is_gone(&mut self, turn: &mut Turn<'_, '_>) {
        match self.state {
            GroupState::CompletingRebalance | GroupState::Stable => self.prepare_rebalance(turn),
            _ => self.complete_join_if_all_are_here(turn),
        }
    }

    pub(super) fn remove(&mut self, turn: &mut Turn<'_, '_>, id: &MemberId, cause: RemovalCause) {
        let member = self.members.remove(id).expect("who is removed is a member");
        turn.stop(Timer::Session(id.clone()));
        if let Some(to) = member.joining {
            turn.reply(to, JoinGroupResponse::error(ErrorCode::UnknownMemberId, None).into());
        }
        if let Some(to) = member.syncing {
            turn.reply(to, SyncGroupResponse::error(ErrorCode::UnknownMemberId).into());
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        turn.trace(Event::MemberRemoved(trace::MemberRemoved {
            group: turn.group.clone(),
            member: id.clone(),
            cause,
        }));
    }

    fn check_generation(&self, generation: GroupEpoch) -> Result<(), ErrorCode> {
        if generation != self.generation {
            Err(ErrorCode::IllegalGeneration)
        } else {
            Ok(())
        }
    }
}

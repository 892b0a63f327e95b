//! What voters say to each other about leadership: votes and pre-votes, the beginning and the end of an epoch.

use core::time::Duration;

use super::Quorum;
use super::role::Role;
use super::stored::ElectionState;
use crate::machine::{Context, ReplyTo};
use crate::protocol::{
    BeginQuorumEpochRequest, BeginQuorumEpochResponse, EndQuorumEpochRequest, EndQuorumEpochResponse, ErrorCode,
    VoteRequest, VoteResponse,
};
use crate::types::{LeaderEpoch, NodeId};

impl Quorum {
    pub(super) fn vote_request(&self, pre_vote: bool) -> VoteRequest {
        VoteRequest {
            epoch: self.election.epoch,
            candidate: self.id,
            last_epoch: self.last_epoch().unwrap_or(LeaderEpoch::NONE),
            last_epoch_end_offset: self.log.log_end_offset(),
            pre_vote,
        }
    }

    /// A voter asks for this voter's vote. A higher epoch is taken over first; then the vote is given if this node
    /// has given no other in the epoch, knows no leader of it, and its log is not the longer one. A pre-vote
    /// changes nothing and is denied by whoever has a leader (KIP-996).
    pub(super) fn on_vote(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: &VoteRequest) {
        let mut error = ErrorCode::None;
        let mut granted = false;
        if !self.is_voter() || !self.voters.contains(&request.candidate) {
            error = ErrorCode::InvalidRequest;
        } else if request.epoch < self.election.epoch {
            error = ErrorCode::FencedLeaderEpoch;
        } else {
            self.observe(ctx, request.epoch, None);
            granted = match request.pre_vote {
                true => self.grants_pre_vote(request),
                false => self.grants_vote(request),
            };
            if granted && !request.pre_vote {
                self.give_vote(ctx, request.candidate);
            }
        }
        let response = VoteResponse {
            error,
            epoch: self.election.epoch,
            leader: self.leader(),
            granted,
            pre_vote: request.pre_vote,
        };
        self.respond(ctx, reply_to, response);
    }

    fn grants_pre_vote(&self, request: &VoteRequest) -> bool {
        let hears_leader = match &self.role {
            Role::Leader(_) => true,
            Role::Follower(follower) => follower.has_fetched,
            _ => false,
        };
        !hears_leader && self.is_up_to_date(request)
    }

    fn grants_vote(&self, request: &VoteRequest) -> bool {
        // The same vote is given again, since its first answer may be lost, but only while the election is open: a
        // late copy of the request must not get the vote of a log that has grown since.
        let is_free = self
            .election
            .voted_for
            .is_none_or(|voted_for| voted_for == request.candidate);
        is_free && self.leader().is_none() && self.is_up_to_date(request)
    }

    /// Whether the candidate's log is at least as long as this one (Raft, section 5.4.1).
    fn is_up_to_date(&self, request: &VoteRequest) -> bool {
        let own = (
            self.last_epoch().unwrap_or(LeaderEpoch::NONE),
            self.log.log_end_offset(),
        );
        (request.last_epoch, request.last_epoch_end_offset) >= own
    }

    /// Remembers the vote, and gives the candidate a whole election timeout to win.
    fn give_vote(&mut self, ctx: &mut Context<'_>, candidate: NodeId) {
        if self.election.voted_for.is_some() {
            return;
        }
        let election = ElectionState {
            voted_for: Some(candidate),
            ..self.election
        };
        let election_timeout = ctx.now + self.random_election_timeout(ctx);
        self.become_role(ctx, election, Role::Unattached { election_timeout });
    }

    pub(super) fn on_vote_response(&mut self, ctx: &mut Context<'_>, from: NodeId, response: &VoteResponse) {
        // Whoever changes its role by this has forgotten the ballot, and the answer counts for nothing.
        self.observe(ctx, response.epoch, response.leader);
        let granted = response.granted && response.error.is_ok() && response.epoch == self.election.epoch;
        match &mut self.role {
            Role::Prospective { ballot, .. } if response.pre_vote => ballot.record(from, granted),
            Role::Candidate { ballot } if !response.pre_vote => ballot.record(from, granted),
            _ => {}
        }
    }

    pub(super) fn begin_quorum_epoch_request(&self) -> BeginQuorumEpochRequest {
        BeginQuorumEpochRequest {
            leader: self.id,
            epoch: self.election.epoch,
        }
    }

    /// A leader makes itself known. Ends every election of its epoch.
    pub(super) fn on_begin_quorum_epoch(
        &mut self,
        ctx: &mut Context<'_>,
        reply_to: ReplyTo,
        request: &BeginQuorumEpochRequest,
    ) {
        let mut error = ErrorCode::None;
        if !self.voters.contains(&request.leader) {
            error = ErrorCode::InvalidRequest;
        } else if request.epoch < self.election.epoch {
            error = ErrorCode::FencedLeaderEpoch;
        } else {
            self.observe(ctx, request.epoch, Some(request.leader));
            // The leader whose silence this node was asking the others about.
            if matches!(self.role, Role::Prospective { .. }) {
                let follower = self.follower(ctx.now, request.leader);
                self.become_role(ctx, self.election, follower);
            }
        }
        let response = BeginQuorumEpochResponse {
            error,
            epoch: self.election.epoch,
            leader: self.leader(),
        };
        self.respond(ctx, reply_to, response);
    }

    pub(super) fn on_begin_quorum_epoch_response(
        &mut self,
        ctx: &mut Context<'_>,
        from: NodeId,
        response: &BeginQuorumEpochResponse,
    ) {
        self.observe(ctx, response.epoch, response.leader);
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        if response.error.is_ok() {
            // Notified again soon, unless it begins to fetch.
            leader.defer_begin(from, ctx.now + self.timing.fetch_timeout / 2);
        } else {
            self.request_failed(ctx.now, from);
        }
    }

    pub(super) fn end_quorum_epoch_request(&self) -> EndQuorumEpochRequest {
        let Role::Resigned { successors, .. } = &self.role else {
            unreachable!("only a resigned leader ends its epoch")
        };
        EndQuorumEpochRequest {
            leader: self.id,
            epoch: self.election.epoch,
            preferred_successors: successors.clone(),
        }
    }

    /// The leader gave up: this node need not wait for its silence. The best successor stands at once, the others
    /// the later, the less they are preferred.
    pub(super) fn on_end_quorum_epoch(
        &mut self,
        ctx: &mut Context<'_>,
        reply_to: ReplyTo,
        request: &EndQuorumEpochRequest,
    ) {
        let mut error = ErrorCode::None;
        if request.epoch < self.election.epoch {
            error = ErrorCode::FencedLeaderEpoch;
        } else {
            self.observe(ctx, request.epoch, None);
            let mut successors = request.preferred_successors.iter();
            let position = successors.position(|successor| *successor == self.id);
            let backoff = successor_backoff(
                self.timing.election_backoff_max,
                request.preferred_successors.len(),
                position,
            );
            match &mut self.role {
                Role::Follower(follower) if follower.leader == request.leader => {
                    follower.fetch_timeout = ctx.now + backoff;
                    follower.has_fetched = false;
                }
                _ => {}
            }
        }
        let epoch = self.election.epoch;
        self.respond(ctx, reply_to, EndQuorumEpochResponse { error, epoch });
    }

    pub(super) fn on_end_quorum_epoch_response(
        &mut self,
        ctx: &mut Context<'_>,
        from: NodeId,
        response: &EndQuorumEpochResponse,
    ) {
        self.observe(ctx, response.epoch, None);
        if let Role::Resigned { unnotified, .. } = &mut self.role {
            unnotified.remove(&from);
        }
    }
}

/// How long the successor at `position` among `successors` waits before it stands; one that is not listed waits
/// longest (`KafkaRaftClient.strictExponentialElectionBackoffMs`).
fn successor_backoff(longest: Duration, successors: usize, position: Option<usize>) -> Duration {
    match position {
        Some(0) => Duration::ZERO,
        Some(position) => {
            let shortest = longest / (1 << (successors - 1).min(31));
            let factor = 1u32 << (position - 1).min(31);
            shortest.checked_mul(factor).unwrap_or(longest).min(longest)
        }
        None => longest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successors_wait_in_their_order() {
        let max = Duration::from_millis(1000);
        for (successors, position, expected_ms) in [
            (1, Some(0), 0),
            (2, Some(0), 0),
            (2, Some(1), 500),
            (4, Some(1), 125),
            (4, Some(2), 250),
            (4, Some(3), 500),
            (4, None, 1000),
            (0, None, 1000),
        ] {
            let actual = successor_backoff(max, successors, position);
            assert_eq!(
                actual,
                Duration::from_millis(expected_ms),
                "{position:?} of {successors}"
            );
        }
    }
}

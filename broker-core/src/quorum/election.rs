//! Changes of role: by a higher epoch, by a leader made known, by time, by votes.

use core::time::Duration;

use super::leader::LeaderState;
use super::leader_change::leader_change;
use super::role::{Ballot, Follower, Role, is_allowed};
use super::stored::ElectionState;
use super::{Quorum, QuorumFact};
use crate::machine::{Channel, Context, Instant};
use crate::protocol::ErrorCode;
use crate::trace::{self, Event, QuorumRole};
use crate::types::{LeaderEpoch, NodeId, Offset};

impl Quorum {
    /// Takes note of an epoch, and of its leader if the news has it. A higher epoch ends whatever this node was.
    pub(super) fn observe(&mut self, ctx: &mut Context<'_>, epoch: LeaderEpoch, leader: Option<NodeId>) {
        // News that this node itself leads are of an earlier run of it: it cannot follow itself.
        let leader = leader.filter(|leader| *leader != self.id && self.voters.contains(leader));
        let election = match epoch > self.election.epoch {
            true => ElectionState { epoch, voted_for: None },
            false => self.election,
        };
        let is_news = epoch > self.election.epoch
            || (epoch == self.election.epoch && leader.is_some() && self.leader().is_none());
        if !is_news {
            return;
        }
        let role = match leader {
            Some(leader) => self.follower(ctx.now, leader),
            None => self.unattached(ctx),
        };
        self.become_role(ctx, election, role);
    }

    /// What is due by time: requests without an answer, and the end of the role.
    pub(super) fn expire(&mut self, ctx: &mut Context<'_>) {
        for (id, peer) in &mut self.peers {
            if peer.in_flight.is_some_and(|request| request.timeout <= ctx.now) {
                ctx.out.disconnect(Channel::Raft, *id);
                peer.in_flight = None;
                peer.ready_at = ctx.now + self.timing.retry_backoff;
            }
        }
        if self.role.timeout() > ctx.now {
            return;
        }
        match &self.role {
            Role::Unattached { .. } => self.ask_for_pre_votes(ctx, None, Duration::ZERO),
            Role::Follower(follower) => {
                let leader = follower.leader;
                if self.is_voter() {
                    self.ask_for_pre_votes(ctx, Some(leader), Duration::ZERO);
                } else {
                    // Somebody else may know a newer leader.
                    let unattached = self.unattached(ctx);
                    self.become_role(ctx, self.election, unattached);
                }
            }
            Role::Prospective { .. } => self.return_from_pre_votes(ctx),
            Role::Candidate { .. } => self.ask_for_pre_votes(ctx, None, Duration::ZERO),
            Role::Leader(_) => self.resign(ctx),
            Role::Resigned { .. } => {
                let next = ElectionState {
                    epoch: LeaderEpoch(self.election.epoch.0 + 1),
                    voted_for: None,
                };
                let unattached = self.unattached(ctx);
                self.become_role(ctx, next, unattached);
            }
        }
    }

    /// Ends elections that are decided. A node alone passes all its steps in one call.
    pub(super) fn count_votes(&mut self, ctx: &mut Context<'_>) {
        let voters = self.voters.len();
        if let Role::Prospective { ballot, .. } = &self.role {
            if ballot.is_won(voters) {
                self.stand(ctx);
            } else if ballot.is_lost(voters) {
                self.return_from_pre_votes(ctx);
            }
        }
        if let Role::Candidate { ballot } = &self.role {
            if ballot.is_won(voters) {
                self.lead(ctx);
            } else if ballot.is_lost(voters) {
                // A pause of random length parts candidates that would split the votes again.
                let backoff = ctx.rng.duration(Duration::ZERO, self.timing.election_backoff_max);
                self.ask_for_pre_votes(ctx, None, backoff);
            }
        }
    }

    fn ask_for_pre_votes(&mut self, ctx: &mut Context<'_>, leader: Option<NodeId>, backoff: Duration) {
        let start = ctx.now + backoff;
        let mut ballot = Ballot::new(start, start + self.random_election_timeout(ctx));
        ballot.record(self.id, true);
        self.become_role(ctx, self.election, Role::Prospective { leader, ballot });
    }

    /// No majority would elect this node: it goes on as before.
    fn return_from_pre_votes(&mut self, ctx: &mut Context<'_>) {
        let role = match self.leader() {
            Some(leader) => self.follower(ctx.now, leader),
            None => Role::Unattached {
                election_timeout: ctx.now + self.random_election_timeout(ctx),
            },
        };
        self.become_role(ctx, self.election, role);
    }

    /// Opens an epoch of its own. The own vote counts, and the others are asked, once it is durable.
    fn stand(&mut self, ctx: &mut Context<'_>) {
        let election = ElectionState {
            epoch: LeaderEpoch(self.election.epoch.0 + 1),
            voted_for: Some(self.id),
        };
        let ballot = Ballot::new(ctx.now, ctx.now + self.random_election_timeout(ctx));
        self.become_role(ctx, election, Role::Candidate { ballot });
    }

    fn lead(&mut self, ctx: &mut Context<'_>) {
        let epoch = self.election.epoch;
        let others = self.peers.keys().copied().collect::<alloc::vec::Vec<_>>();
        let leader = LeaderState::new(ctx.now, self.log.log_end_offset(), &others, self.timing.fetch_timeout);
        self.become_role(ctx, self.election, Role::Leader(leader));
        self.facts.push_back(QuorumFact::BecameLeader { epoch });
        self.log.begin_epoch(epoch);
        let batch = leader_change(self.id, ctx.wall);
        // A log that refuses is offline, and the disk's answer that says so stops the node.
        let _ = self.append_batch(ctx, &batch);
    }

    /// No majority listens: the others may have a newer leader, and this one must not answer for it.
    fn resign(&mut self, ctx: &mut Context<'_>) {
        let Role::Leader(leader) = &self.role else {
            unreachable!("only a leader resigns")
        };
        let resigned = Role::Resigned {
            unnotified: self.peers.keys().copied().collect(),
            successors: leader.successors(),
            election_timeout: ctx.now + self.random_election_timeout(ctx),
        };
        self.become_role(ctx, self.election, resigned);
    }

    /// The process is about to end: a leader resigns and says so, so that nobody has to wait for its silence to become
    /// suspicious (Kafka `KafkaRaftClient.GracefulShutdown`).
    pub fn shut_down(&mut self, ctx: &mut Context<'_>) {
        if self.is_leader() {
            self.resign(ctx);
            self.drive(ctx);
        }
    }

    /// The only way from one role to another. Requests of the old role are given up, and fetches that wait for its
    /// entries are refused.
    pub(super) fn become_role(&mut self, ctx: &mut Context<'_>, election: ElectionState, role: Role) {
        let (from, to) = (self.role.kind(), role.kind());
        let epochs = election.epoch.cmp(&self.election.epoch);
        assert!(
            is_allowed(self.is_voter(), from, to, epochs),
            "no way from {from:?} in {:?} to {to:?} in {election:?}",
            self.election
        );
        let old = core::mem::replace(&mut self.role, role);
        for peer in self.peers.values_mut() {
            peer.in_flight = None;
        }
        self.store(ctx, election);
        self.state_role(ctx);
        if let Role::Leader(leader) = old {
            self.facts.push_back(QuorumFact::LostLeadership);
            for fetch in leader.parked {
                self.refuse_fetch(ctx, fetch.reply_to, ErrorCode::NotLeaderOrFollower);
            }
        }
    }

    pub(super) fn state_role(&mut self, ctx: &mut Context<'_>) {
        let role = match self.is_voter() {
            true => self.role.kind(),
            false => QuorumRole::Observer,
        };
        let (epoch, leader) = (self.election.epoch, self.leader());
        if self.stated != Some((role, epoch, leader)) {
            self.stated = Some((role, epoch, leader));
            ctx.out.trace(Event::QuorumRoleChanged(trace::QuorumRoleChanged {
                role,
                epoch,
                leader,
            }));
        }
    }

    pub(super) fn follower(&self, now: Instant, leader: NodeId) -> Role {
        Role::Follower(Follower {
            leader,
            fetch_timeout: now + self.timing.fetch_timeout,
            has_fetched: false,
            leader_high_watermark: Offset::ZERO,
        })
    }

    /// Without a leader. The patience that is left lasts on: a stream of new epochs must not keep a voter from
    /// standing for ever.
    pub(super) fn unattached(&self, ctx: &mut Context<'_>) -> Role {
        let rest = match &self.role {
            Role::Leader(_) | Role::Resigned { .. } => None,
            waiting => Some(waiting.timeout()).filter(|timeout| *timeout > ctx.now),
        };
        let election_timeout = match rest {
            _ if !self.is_voter() => Instant::NEVER,
            Some(rest) => rest,
            None => ctx.now + self.random_election_timeout(ctx),
        };
        Role::Unattached { election_timeout }
    }

    /// Uniform in `[T, 2T)` (`QuorumState.randomElectionTimeoutMs`).
    pub(super) fn random_election_timeout(&self, ctx: &mut Context<'_>) -> Duration {
        let base = self.timing.election_timeout;
        base + Duration::from_nanos(ctx.rng.below(base.as_nanos().max(1) as u64))
    }
}

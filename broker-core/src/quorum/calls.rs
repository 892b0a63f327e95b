//! The requests that a role calls for. They are derived from the state on each pass, so that a lost request, a new
//! role or a restarted peer needs no code of its own.

use alloc::vec::Vec;

use super::Quorum;
use super::role::Role;
use crate::machine::{Channel, Context, Instant, RequestId};
use crate::types::{NodeId, Offset};

/// A voter to whom this node sends at most one request at a time.
pub(super) struct Peer {
    pub in_flight: Option<InFlight>,
    /// Not before, after a failed request.
    pub ready_at: Instant,
}

#[derive(Clone, Copy)]
pub(super) struct InFlight {
    pub id: RequestId,
    pub timeout: Instant,
    /// For a fetch: from where.
    pub fetch_offset: Offset,
}

/// A request that the role calls for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Call {
    Fetch,
    Vote { pre_vote: bool },
    BeginQuorumEpoch,
    EndQuorumEpoch,
}

impl Quorum {
    /// Sends every request that is due. An unattached node asks one random voter at a time who leads.
    pub(super) fn send(&mut self, ctx: &mut Context<'_>) {
        let due = |(peer, at, call): (NodeId, Instant, Call)| (at <= ctx.now).then_some((peer, call));
        let mut calls: Vec<(NodeId, Call)> = self.calls().filter_map(due).collect();
        if matches!(self.role, Role::Unattached { .. }) && !calls.is_empty() {
            calls = [calls[ctx.rng.below(calls.len() as u64) as usize]].into();
        }
        for (to, call) in calls {
            let mut fetch_offset = Offset::ZERO;
            let body = match call {
                Call::Fetch => {
                    let fetch = self.fetch_request();
                    fetch_offset = fetch.partitions[0].fetch_offset;
                    fetch.into()
                }
                Call::Vote { pre_vote } => self.vote_request(pre_vote).into(),
                Call::BeginQuorumEpoch => self.begin_quorum_epoch_request().into(),
                Call::EndQuorumEpoch => self.end_quorum_epoch_request().into(),
            };
            let id = ctx.request(Channel::Raft, to, body);
            let peer = self.peers.get_mut(&to).expect("calls go to peers");
            peer.in_flight = Some(InFlight {
                id,
                timeout: ctx.now + self.timing.request_timeout,
                fetch_offset,
            });
        }
    }

    /// The requests that the role calls for, with their due times, to peers without a request in flight.
    fn calls(&self) -> impl Iterator<Item = (NodeId, Instant, Call)> {
        let seeks = matches!(self.role, Role::Unattached { .. });
        let is_quiet = !self.storing.is_empty() || (seeks && self.peers.values().any(|peer| peer.in_flight.is_some()));
        let idle = self
            .peers
            .iter()
            .filter(move |(_, peer)| !is_quiet && peer.in_flight.is_none());
        idle.filter_map(|(id, peer)| {
            let (due, call) = self.call_for(*id)?;
            Some((*id, due.max(peer.ready_at), call))
        })
    }

    fn call_for(&self, peer: NodeId) -> Option<(Instant, Call)> {
        const AT_ONCE: Instant = Instant(0);
        // A fetch says what this node holds durably, so that it waits for the disk.
        let may_fetch = self.log.ackable_end() == self.log.log_end_offset();
        match &self.role {
            Role::Unattached { .. } => may_fetch.then_some((AT_ONCE, Call::Fetch)),
            Role::Follower(follower) => (may_fetch && follower.leader == peer).then_some((AT_ONCE, Call::Fetch)),
            Role::Prospective { ballot, .. } => {
                (!ballot.has_answer_of(peer)).then_some((ballot.start, Call::Vote { pre_vote: true }))
            }
            Role::Candidate { ballot } => {
                (!ballot.has_answer_of(peer)).then_some((ballot.start, Call::Vote { pre_vote: false }))
            }
            Role::Leader(leader) => Some((leader.begin_due(peer)?, Call::BeginQuorumEpoch)),
            Role::Resigned { unnotified, .. } => unnotified.contains(&peer).then_some((AT_ONCE, Call::EndQuorumEpoch)),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let timeouts = self.peers.values().filter_map(|peer| Some(peer.in_flight?.timeout));
        let calls = self.calls().map(|(_, due, _)| due);
        let parked = match &self.role {
            Role::Leader(leader) => leader.parked.iter().map(|fetch| fetch.until).min(),
            _ => None,
        };
        let first = timeouts
            .chain(calls)
            .chain(parked)
            .fold(self.role.timeout(), Instant::min);
        (first != Instant::NEVER).then_some(first)
    }

    /// `peer` did not answer, or answered with an error: it is left alone for a moment.
    pub(super) fn request_failed(&mut self, now: Instant, peer: NodeId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.in_flight = None;
            peer.ready_at = now + self.timing.retry_backoff;
        }
    }
}

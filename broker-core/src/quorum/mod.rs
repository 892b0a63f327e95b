//! The metadata quorum: a log that a majority of voters holds, with one leader per epoch (KIP-595, KIP-996).
//!
//! What the entries mean is not this module's business: it replicates opaque values and says which are committed.
//!
//! Changes of role are in `election`, what voters say about it in `vote`, the leader's side of replication in `serve`, the follower's in `fetch`. Requests are
//! derived from the state on each pass (`Quorum::drive`): who is asked what follows from the role, so that a lost
//! request needs no code of its own.

mod calls;
mod commit;
mod election;
mod fetch;
mod leader;
mod leader_change;
mod majority;
mod role;
mod serve;
mod stored;
#[cfg(test)]
mod tests;
mod vote;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use self::calls::Peer;
use self::leader::ParkedFetch;
use self::role::Role;
use self::stored::ElectionState;
use crate::config::{BrokerConfig, millis};
use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::log::{AppendOutcome, DiskProgress, FileRead, Log};
use crate::machine::{Context, Instant, ReplyTo, RequestId};
use crate::protocol::{BatchBuilder, ErrorCode, RecordBatch, Request, Response};
use crate::trace::{self, Event, QuorumRole};
use crate::types::{LeaderEpoch, LeaderIdAndEpoch, NodeId, Offset};

/// The most bytes of one fetch answer (`KafkaRaftClient.MAX_FETCH_SIZE_BYTES`).
const MAX_FETCH_BYTES: u32 = 8 * 1024 * 1024;

/// One node's part in the quorum: voter or observer.
///
/// Drive it with `append` and the `on_` calls; ask [`Quorum::next_fact`] after each until there is none.
///
/// Invariant: an answer that grants a vote, and a fetch that counts as an acknowledgement, leave only after what
/// they promise is durable. While epoch or vote wait for the disk, nothing at all leaves.
pub struct Quorum {
    id: NodeId,
    voters: Vec<NodeId>,
    timing: Timing,
    log: Log,
    /// Epoch and vote. Durable once `storing` is empty.
    election: ElectionState,
    storing: VecDeque<(OpId, ElectionState)>,
    /// Answers that wait until `storing` is empty.
    held: Vec<(ReplyTo, Response)>,
    role: Role,
    /// What was last said of role, epoch and leader.
    stated: Option<(QuorumRole, LeaderEpoch, Option<NodeId>)>,
    /// Never falls while the node runs.
    high_watermark: Offset,
    /// Facts have reported everything below. Invariant: `delivered <= high_watermark`.
    delivered: Offset,
    facts: VecDeque<QuorumFact>,
    /// The other voters, as peers to send requests to.
    peers: BTreeMap<NodeId, Peer>,
    /// Reads of the log's files on their way.
    reads: BTreeMap<OpId, (FileRead, PendingRead)>,
    deadline: Option<Instant>,
}

/// What the rest of the node must know.
#[derive(Clone, Debug)]
pub enum QuorumFact {
    /// This node leads `epoch`; its own first entry of the epoch is not committed yet.
    BecameLeader {
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// This node leads no more. Everything that it appended and that is not committed may vanish.
    LostLeadership,
    /// Values in offset order that are committed now; control entries are left out, but `end` counts them.
    Committed {
        /// Offset and value.
        entries: Vec<(Offset, Bytes)>,
        /// Everything below is committed and has been reported.
        end: Offset,
    },
}

/// This node does not lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not the leader of the metadata quorum")]
pub struct NotLeader;

struct Timing {
    election_timeout: Duration,
    fetch_timeout: Duration,
    election_backoff_max: Duration,
    request_timeout: Duration,
    retry_backoff: Duration,
}

/// For what the log's file is read.
enum PendingRead {
    /// To answer a fetch in this epoch.
    Fetch(ParkedFetch, LeaderEpoch),
    /// To deliver what is committed.
    Delivery,
}

impl Quorum {
    /// Starts from what the disk holds: the `quorum-state` file (empty or missing: epoch 0, no vote) and the log.
    /// A node that is not among `voters` observes.
    ///
    /// # Errors
    /// When the `quorum-state` file is damaged.
    pub fn new(
        ctx: &mut Context<'_>,
        id: NodeId,
        mut voters: Vec<NodeId>,
        config: &BrokerConfig,
        stored: &Bytes,
        mut log: Log,
    ) -> Result<Quorum, String> {
        voters.sort_unstable();
        voters.dedup();
        let mut election = ElectionState::decode(stored)?;
        // Entries are appended before their epoch could be stored by a crash in between; there is no vote in it then.
        if let Some(epoch) = log.latest_epoch().filter(|epoch| *epoch > election.epoch) {
            election = ElectionState { epoch, voted_for: None };
        }
        log.flush(ctx);
        let peers = voters.iter().filter(|voter| **voter != id).map(|voter| {
            let peer = Peer {
                in_flight: None,
                ready_at: ctx.now,
            };
            (*voter, peer)
        });
        let mut quorum = Quorum {
            id,
            peers: peers.collect(),
            voters,
            timing: Timing {
                election_timeout: millis(config.controller_quorum_election_timeout_ms),
                fetch_timeout: millis(config.controller_quorum_fetch_timeout_ms),
                election_backoff_max: millis(config.controller_quorum_election_backoff_max_ms),
                request_timeout: millis(config.controller_quorum_request_timeout_ms),
                retry_backoff: millis(config.controller_quorum_retry_backoff_ms),
            },
            election,
            storing: VecDeque::new(),
            held: Vec::new(),
            role: Role::Unattached {
                election_timeout: ctx.now,
            },
            stated: None,
            high_watermark: log.log_start_offset(),
            delivered: log.log_start_offset(),
            facts: VecDeque::new(),
            reads: BTreeMap::new(),
            deadline: None,
            log,
        };
        // A voter that is alone has nobody to wait for.
        if !quorum.peers.is_empty() {
            quorum.role = quorum.unattached(ctx);
        }
        quorum.state_role(ctx);
        quorum.drive(ctx);
        Ok(quorum)
    }

    /// The leader of the current epoch, if known.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.id),
            Role::Follower(follower) => Some(follower.leader),
            Role::Prospective { leader, .. } => *leader,
            Role::Unattached { .. } | Role::Candidate { .. } | Role::Resigned { .. } => None,
        }
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> LeaderEpoch {
        self.election.epoch
    }

    /// Whether this node leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The offset of the first entry of the epoch that this node leads. A new active controller waits until it is
    /// committed: then the committed state is all that there is.
    #[must_use]
    pub fn epoch_start_offset(&self) -> Option<Offset> {
        match &self.role {
            Role::Leader(leader) => Some(leader.epoch_start_offset),
            _ => None,
        }
    }

    /// Everything below is committed, as far as this node knows.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The end of the node's own metadata log.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        self.log.log_end_offset()
    }

    /// Appends values as one batch (all or none is ever committed); returns the offset of each.
    ///
    /// # Errors
    /// When this node does not lead.
    ///
    /// # Panics
    /// Without values: there is no empty batch.
    pub fn append(&mut self, ctx: &mut Context<'_>, values: &[Bytes]) -> Result<Vec<Offset>, NotLeader> {
        assert!(!values.is_empty(), "a batch has at least one record");
        if !self.is_leader() {
            return Err(NotLeader);
        }
        let mut builder = BatchBuilder::new();
        for value in values {
            builder.push(ctx.wall, None, Some(value), &[]);
        }
        let offsets = self.append_batch(ctx, &builder.build())?;
        self.drive(ctx);
        Ok(offsets)
    }

    /// Takes a Vote, BeginQuorumEpoch, EndQuorumEpoch, or a Fetch of the metadata partition.
    pub fn on_request(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: Request) {
        let epoch = match &request {
            Request::Vote(body) => body.epoch,
            Request::BeginQuorumEpoch(body) => body.epoch,
            Request::EndQuorumEpoch(body) => body.epoch,
            _ => self.election.epoch,
        };
        // Nobody could stand after it.
        if epoch == LeaderEpoch(i32::MAX) {
            return self.respond(ctx, reply_to, request.error_response(ErrorCode::InvalidRequest));
        }
        match request {
            Request::Vote(body) => self.on_vote(ctx, reply_to, &body),
            Request::BeginQuorumEpoch(body) => self.on_begin_quorum_epoch(ctx, reply_to, &body),
            Request::EndQuorumEpoch(body) => self.on_end_quorum_epoch(ctx, reply_to, &body),
            Request::Fetch(body) => self.on_fetch(ctx, reply_to, &body),
            other => ctx
                .out
                .respond(reply_to, other.error_response(ErrorCode::InvalidRequest)),
        }
        self.drive(ctx);
    }

    /// Takes an answer; returns false if the request was not one of the quorum's.
    pub fn on_response(&mut self, ctx: &mut Context<'_>, from: NodeId, id: RequestId, response: &Response) -> bool {
        let Some(peer) = self.peers.get_mut(&from) else {
            return false;
        };
        // The answer to a request that was given up comes late and is dropped: whatever it says can be asked again.
        let Some(request) = peer.in_flight.take_if(|request| request.id == id) else {
            return false;
        };
        peer.ready_at = ctx.now;
        match response {
            Response::Vote(body) => self.on_vote_response(ctx, from, body),
            Response::BeginQuorumEpoch(body) => self.on_begin_quorum_epoch_response(ctx, from, body),
            Response::EndQuorumEpoch(body) => self.on_end_quorum_epoch_response(ctx, from, body),
            Response::Fetch(body) => self.on_fetch_response(ctx, from, request.fetch_offset, body),
            _ => self.request_failed(ctx.now, from),
        }
        self.drive(ctx);
        true
    }

    /// The connection to `peer` is gone: no request sent to it will be answered.
    pub fn on_disconnected(&mut self, ctx: &mut Context<'_>, peer: NodeId) {
        if self.peers.get(&peer).is_some_and(|peer| peer.in_flight.is_some()) {
            self.request_failed(ctx.now, peer);
            self.drive(ctx);
        }
    }

    /// Takes a disk answer about `quorum-state` or a segment of the metadata log.
    ///
    /// # Errors
    /// When the disk failed: the node must stop.
    pub fn on_disk(
        &mut self,
        ctx: &mut Context<'_>,
        op: OpId,
        file: FileName,
        result: &Result<DiskReply, DiskError>,
    ) -> Result<(), DiskError> {
        if file == FileName::QuorumState {
            if self.storing.front().is_some_and(|(first, _)| *first == op) {
                result.as_ref().map_err(|error| *error)?;
                self.election_stored(ctx);
            }
        } else if let Some((read, purpose)) = self.reads.remove(&op) {
            result.as_ref().map_err(|error| *error)?;
            let batches = self.log.read_done(&read, result);
            self.read_done(ctx, purpose, batches)?;
        } else {
            match self.log.on_disk(ctx, op, result) {
                DiskProgress::Failed(error) => return Err(error),
                DiskProgress::Flushed => self.advance_high_watermark(ctx),
                DiskProgress::Nothing => {}
            }
        }
        self.drive(ctx);
        Ok(())
    }

    /// Acts on what is due at `ctx.now`.
    pub fn on_wake(&mut self, ctx: &mut Context<'_>) {
        self.drive(ctx);
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes the next fact; ask after every call above until there is none.
    pub fn next_fact(&mut self) -> Option<QuorumFact> {
        self.facts.pop_front()
    }

    /// One pass: what is due happens, what the role calls for is sent, what is committed is delivered.
    fn drive(&mut self, ctx: &mut Context<'_>) {
        self.expire(ctx);
        self.count_votes(ctx);
        self.answer_parked(ctx);
        self.deliver(ctx);
        self.send(ctx);
        self.deadline = self.next_deadline();
    }

    /// Answers once nothing waits for the disk that the answer might speak of.
    fn respond(&mut self, ctx: &mut Context<'_>, to: ReplyTo, body: impl Into<Response>) {
        if self.storing.is_empty() {
            ctx.out.respond(to, body.into());
        } else {
            self.held.push((to, body.into()));
        }
    }

    /// Writes epoch and vote; until they are durable nothing leaves.
    fn store(&mut self, ctx: &mut Context<'_>, election: ElectionState) {
        if election == self.election {
            return;
        }
        assert!(
            election.epoch > self.election.epoch || self.election.voted_for.is_none(),
            "an epoch never falls and a vote never changes: {:?} to {election:?}",
            self.election
        );
        assert!(election.epoch >= self.election.epoch, "an epoch never falls");
        self.election = election;
        let op = ctx.out.disk(DiskOp::Replace {
            file: FileName::QuorumState,
            bytes: election.encode(),
        });
        self.storing.push_back((op, election));
    }

    fn election_stored(&mut self, ctx: &mut Context<'_>) {
        let (_, ElectionState { epoch, voted_for }) = self.storing.pop_front().expect("the operation was awaited");
        ctx.out.trace(Event::VoteStored(trace::VoteStored { epoch, voted_for }));
        if let Some(candidate) = voted_for {
            ctx.out
                .trace(Event::VoteGranted(trace::VoteGranted { epoch, candidate }));
        }
        if !self.storing.is_empty() {
            return;
        }
        for (to, body) in core::mem::take(&mut self.held) {
            ctx.out.respond(to, body);
        }
        // A candidate's own vote counts once it is durable.
        if let Role::Candidate { ballot } = &mut self.role {
            ballot.record(self.id, true);
        }
    }

    fn append_batch(&mut self, ctx: &mut Context<'_>, batch: &RecordBatch) -> Result<Vec<Offset>, NotLeader> {
        match self.log.append_as_leader(ctx, batch, self.election.epoch) {
            Ok(AppendOutcome::Appended {
                base_offset,
                last_offset,
            }) => Ok((base_offset.0..=last_offset.0).map(Offset).collect()),
            Ok(AppendOutcome::Duplicate { .. }) => unreachable!("metadata batches have no producer"),
            // The log went offline; the disk's answer that says so stops the node.
            Err(_) => Err(NotLeader),
        }
    }

    /// The epoch of the last entry; what votes compare and fetches carry.
    fn last_epoch(&self) -> Option<LeaderEpoch> {
        let end = self.log.log_end_offset();
        (end > self.log.log_start_offset()).then(|| {
            let epoch = self.log.epoch_for_offset(end.plus(-1));
            epoch.expect("the last entry has an epoch")
        })
    }

    fn leader_and_epoch(&self) -> LeaderIdAndEpoch {
        LeaderIdAndEpoch {
            leader: self.leader(),
            leader_epoch: self.election.epoch,
        }
    }

    fn is_voter(&self) -> bool {
        self.voters.contains(&self.id)
    }
}

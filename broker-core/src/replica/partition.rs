//! One partition on one broker: its log, its high watermark and its part, leader or follower.
//!
//! Driven by [`Replicas`](super::Replicas), which knows all partitions and parks requests. Every method says in its
//! result what moved, so that the caller can complete what waited for it.

use alloc::vec::Vec;

use crate::config::TopicConfig;
use crate::disk::{DiskError, DiskReply, OpId};
use crate::log::{AppendOutcome, DiskProgress, Log};
use crate::machine::{Context, Instant};
use crate::protocol::{AlterPartition, ErrorCode, FetchPartition, FetchingReplica, RecordBatch};
use crate::replica::leader::{FollowerFetch, Leader};
use crate::replica::state::{PartitionState, View};
use crate::trace::{self, Event, ReplicaRole, TruncationCause};
use crate::types::{
    BrokerEpoch, EpochEndOffset, LeaderEpoch, LeaderIdAndEpoch, NodeId, Offset, PartitionEpoch, TopicPartition,
};

/// One partition on one broker.
///
/// Invariant: `log start <= high_watermark <= log end`. A follower's may fall, when its log is cut.
pub struct Partition {
    partition: TopicPartition,
    log: Log,
    config: TopicConfig,
    state: PartitionState,
    leader: Option<Leader>,
    high_watermark: Offset,
}

/// What an operation moved.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Moved {
    /// There is more for followers to fetch.
    pub log_end: bool,
    /// There is more for consumers to fetch, and produce requests may be complete.
    pub high_watermark: bool,
    /// More is ackable: `acks=1` produce requests may be complete.
    pub ackable: bool,
    /// The leader wants another ISR and has recorded the proposal.
    pub isr_proposed: bool,
}

/// Which change a new controller state brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transition {
    /// Nothing new.
    None,
    /// It leads a new epoch.
    BecameLeader,
    /// It follows, or waits for a leader, in a new epoch.
    BecameFollower,
    /// It goes on leading with another ISR.
    IsrChanged,
}

impl Partition {
    /// A replica that takes no part until [`Partition::apply`]. The checkpointed high watermark is a hint; it is
    /// clamped into the log.
    pub fn new(partition: TopicPartition, config: TopicConfig, log: Log, checkpoint: Offset) -> Partition {
        let high_watermark = checkpoint.clamp(log.log_start_offset(), log.log_end_offset());
        Partition {
            partition,
            log,
            config,
            state: PartitionState {
                replicas: Vec::new(),
                isr: Vec::new(),
                leader: None,
                leader_epoch: LeaderEpoch::NONE,
                partition_epoch: PartitionEpoch(-1),
            },
            leader: None,
            high_watermark,
        }
    }

    /// Everything below is committed, as far as this replica knows.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The leader epoch as this broker knows it.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.state.leader_epoch
    }

    /// The ISR as this broker knows it to be committed.
    pub fn isr(&self) -> &[NodeId] {
        &self.state.isr
    }

    /// Where the epoch of this leader begins; `None` if it follows.
    pub fn epoch_start_offset(&self) -> Option<Offset> {
        self.leader.as_ref().map(Leader::epoch_start_offset)
    }

    /// The size in bytes of the largest batch that may be appended (`max.message.bytes`).
    pub fn max_message_bytes(&self) -> u64 {
        u64::from(self.config.max_message_bytes)
    }

    /// Whether this replica leads and its disk works.
    pub fn leads(&self) -> bool {
        self.leader.is_some() && !self.log.is_offline()
    }

    /// The leader as this broker knows it.
    pub fn current_leader(&self) -> LeaderIdAndEpoch {
        LeaderIdAndEpoch {
            leader: self.state.leader,
            leader_epoch: self.state.leader_epoch,
        }
    }

    /// The ISR that `acks=all` and the high watermark ask for; never more than there are replicas.
    pub fn min_insync_replicas(&self) -> usize {
        (self.config.min_insync_replicas as usize).min(self.state.replicas.len())
    }

    /// Takes over the controller's state, if it is newer than the one held (KIP-497: by partition epoch).
    pub fn apply(
        &mut self,
        ctx: &mut Context<'_>,
        view: View<'_>,
        state: PartitionState,
        cut_to_high_watermark: bool,
    ) -> (Transition, Moved) {
        if state.partition_epoch <= self.state.partition_epoch {
            return (Transition::None, Moved::default());
        }
        let new_epoch = state.leader_epoch > self.state.leader_epoch;
        let leads = state.leader == Some(view.id);
        self.state = state;
        match (&mut self.leader, leads) {
            (Some(leader), true) if !new_epoch => {
                leader.commit_isr(&self.state);
                self.trace_isr_changed(ctx);
                let moved = self.advance_high_watermark(ctx, view);
                (Transition::IsrChanged, moved)
            }
            (_, true) => (Transition::BecameLeader, self.become_leader(ctx, view)),
            (_, false) => {
                if new_epoch || self.leader.is_some() {
                    self.become_follower(ctx, cut_to_high_watermark);
                    return (Transition::BecameFollower, Moved::default());
                }
                (Transition::None, Moved::default())
            }
        }
    }

    fn become_leader(&mut self, ctx: &mut Context<'_>, view: View<'_>) -> Moved {
        let epoch_start_offset = self.log.log_end_offset();
        self.log.begin_epoch(self.state.leader_epoch);
        self.leader = Some(Leader::new(view.id, &self.state, epoch_start_offset, ctx.now));
        ctx.out.trace(Event::BecameLeader(trace::BecameLeader {
            partition: self.partition,
            leader_epoch: self.state.leader_epoch,
            partition_epoch: self.state.partition_epoch,
            epoch_start_offset,
            high_watermark: self.high_watermark,
            isr: self.state.isr.clone(),
        }));
        self.advance_high_watermark(ctx, view)
    }

    fn become_follower(&mut self, ctx: &mut Context<'_>, cut_to_high_watermark: bool) {
        self.leader = None;
        ctx.out.trace(Event::BecameFollower(trace::BecameFollower {
            partition: self.partition,
            leader: self.state.leader,
            leader_epoch: self.state.leader_epoch,
            log_end_offset: self.log.log_end_offset(),
            high_watermark: self.high_watermark,
        }));
        if cut_to_high_watermark && self.state.leader.is_some() {
            self.truncate(ctx, self.high_watermark, TruncationCause::HighWatermark);
        }
    }

    /// Appends a producer's batch.
    ///
    /// # Errors
    /// As [`Log::append_as_leader`], and NOT_LEADER_OR_FOLLOWER.
    pub fn append(
        &mut self,
        ctx: &mut Context<'_>,
        view: View<'_>,
        batch: &RecordBatch,
    ) -> Result<(AppendOutcome, Moved), ErrorCode> {
        if !self.leads() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let outcome = self.log.append_as_leader(ctx, batch, self.state.leader_epoch)?;
        let moved = match outcome {
            AppendOutcome::Appended { .. } => Moved {
                log_end: true,
                ackable: true,
                ..self.advance_high_watermark(ctx, view)
            },
            AppendOutcome::Duplicate { .. } => Moved::default(),
        };
        Ok((outcome, moved))
    }

    /// Whether a follower's fetch says how far it is: it agrees with this leader's log, and about the epoch.
    pub fn accepts_follower(&self, fetch: &FetchPartition) -> bool {
        self.leads()
            && self.check_epoch(fetch.current_leader_epoch).is_ok()
            && self.divergence(fetch).is_none()
            && fetch.fetch_offset >= self.log.log_start_offset()
            && fetch.fetch_offset <= self.log.log_end_offset()
    }

    /// Until `at` each fetch of a follower found it at the log's end, as this one says where that was.
    pub fn follower_had_all(&mut self, at: Instant, replica: FetchingReplica, fetch: &FetchPartition) {
        if self.accepts_follower(fetch)
            && let Some(leader) = &mut self.leader
        {
            leader.follower_had_all(at, FollowerFetch::new(replica, fetch));
        }
    }

    /// Notes how far a follower is, from its fetch (Kafka `Partition.updateFollowerFetchState`).
    pub fn follower_fetched(
        &mut self,
        ctx: &mut Context<'_>,
        view: View<'_>,
        fetch: FollowerFetch,
    ) -> Result<Moved, ErrorCode> {
        let log_end = self.log.log_end_offset();
        let leader = self.leader.as_mut().ok_or(ErrorCode::NotLeaderOrFollower)?;
        let news = leader.note_fetch(ctx.now, fetch, log_end)?;
        if news {
            ctx.out.trace(Event::FollowerFetched(trace::FollowerFetched {
                partition: self.partition,
                follower: fetch.follower,
                broker_epoch: fetch.broker_epoch,
                leader_epoch: self.state.leader_epoch,
                fetch_offset: fetch.fetch_offset,
            }));
        }
        let expanded = leader.wants_to_add(fetch.follower, self.high_watermark, view);
        if let Some(isr) = expanded {
            leader.propose(isr);
            self.trace_isr_proposed(ctx);
        }
        Ok(Moved {
            isr_proposed: self.is_proposal_new(),
            ..self.advance_high_watermark(ctx, view)
        })
    }

    /// Proposes to drop followers that have lagged for too long (KIP-16).
    pub fn shrink_isr(&mut self, ctx: &mut Context<'_>, view: View<'_>) -> Moved {
        let log_end = self.log.log_end_offset();
        let Some(leader) = self.leader.as_mut() else {
            return Moved::default();
        };
        let dropped = leader.wants_to_drop(ctx.now, view.lag_time_max, log_end);
        let isr_proposed = dropped.is_some();
        if let Some(isr) = dropped {
            leader.propose(isr);
            self.trace_isr_proposed(ctx);
        }
        // Time alone may have ended the wait for a replica that was about to join.
        Moved {
            isr_proposed,
            ..self.advance_high_watermark(ctx, view)
        }
    }

    /// The controller accepted a proposal, or answered with a newer state.
    pub fn isr_committed(
        &mut self,
        ctx: &mut Context<'_>,
        view: View<'_>,
        isr: &[NodeId],
        partition_epoch: PartitionEpoch,
    ) -> Moved {
        let Some(leader) = self.leader.as_mut() else {
            return Moved::default();
        };
        if partition_epoch <= self.state.partition_epoch {
            return Moved::default();
        }
        self.state.isr = isr.to_vec();
        self.state.partition_epoch = partition_epoch;
        leader.commit_isr(&self.state);
        self.trace_isr_changed(ctx);
        self.advance_high_watermark(ctx, view)
    }

    /// The controller refused a proposal for good: back to the committed ISR.
    pub fn isr_rejected(&mut self, ctx: &mut Context<'_>, view: View<'_>, error: ErrorCode) -> Moved {
        let Some(leader) = self.leader.as_mut() else {
            return Moved::default();
        };
        leader.withdraw_proposal();
        ctx.out.trace(Event::IsrProposalRejected(trace::IsrProposalRejected {
            partition: self.partition,
            error,
        }));
        self.advance_high_watermark(ctx, view)
    }

    /// Advances a leader's high watermark to what every member of the maximal ISR has (KIP-497), and not at all while
    /// the ISR is below `min.insync.replicas` (KIP-966).
    pub fn advance_high_watermark(&mut self, ctx: &mut Context<'_>, view: View<'_>) -> Moved {
        let Some(leader) = &self.leader else {
            return Moved::default();
        };
        if self.state.isr.len() < self.min_insync_replicas() {
            return Moved::default();
        }
        let log_end = self.log.log_end_offset();
        let reached = leader.replicated_to_all(ctx.now, view, self.log.ackable_end(), log_end);
        if reached <= self.high_watermark {
            return Moved::default();
        }
        self.set_high_watermark(ctx, reached, ReplicaRole::Leader);
        Moved {
            high_watermark: true,
            ..Moved::default()
        }
    }

    /// Appends what the leader sent and takes over its high watermark. Returns false if the batches do not continue
    /// the log.
    pub fn append_fetched(
        &mut self,
        ctx: &mut Context<'_>,
        batches: &[RecordBatch],
        leader_high_watermark: Offset,
    ) -> bool {
        for batch in batches {
            if batch.next_offset() <= self.log.log_end_offset() {
                continue;
            }
            if self.log.append_as_follower(ctx, batch).is_err() {
                return false;
            }
        }
        let reached = leader_high_watermark.min(self.log.log_end_offset());
        if reached > self.high_watermark {
            self.set_high_watermark(ctx, reached, ReplicaRole::Follower);
        }
        true
    }

    /// Cuts a follower's log where the leader's answer says that the two part (KIP-595; Kafka
    /// `AbstractFetcherThread.getOffsetTruncationState`).
    pub fn truncate_at_divergence(&mut self, ctx: &mut Context<'_>, diverging: EpochEndOffset) {
        let own_end = match self.log.end_offset_for(diverging.leader_epoch) {
            // The leader's epoch is unknown here: cut to where the largest lower epoch ends, and ask again.
            Some(own) => own.end_offset,
            None => self.log.log_start_offset(),
        };
        let to = own_end.min(diverging.end_offset).max(self.log.log_start_offset());
        self.truncate(ctx, to, TruncationCause::DivergingEpoch);
    }

    /// The leader's log ends before this one, and no epochs say where they part: cut to what the leader has committed.
    pub fn truncate_to_leader(&mut self, ctx: &mut Context<'_>, leader_high_watermark: Offset) {
        self.truncate(ctx, leader_high_watermark, TruncationCause::OutOfRange);
    }

    /// The leader's log begins after the end of this one.
    pub fn restart_at(&mut self, ctx: &mut Context<'_>, start: Offset) {
        self.log
            .truncate_fully_and_start_at(ctx, start, self.state.leader_epoch);
        self.set_high_watermark(ctx, start, ReplicaRole::Follower);
    }

    fn truncate(&mut self, ctx: &mut Context<'_>, to: Offset, cause: TruncationCause) {
        self.log.truncate_to(ctx, to, self.state.leader_epoch, cause);
        let end = self.log.log_end_offset();
        if end < self.high_watermark {
            self.set_high_watermark(ctx, end, ReplicaRole::Follower);
        }
    }

    /// Where the reader's log parts from this one, if it does (KIP-595): the reader's last epoch ends earlier here.
    pub fn divergence(&self, fetch: &FetchPartition) -> Option<EpochEndOffset> {
        let last_fetched = fetch.last_fetched_epoch?;
        let Some(end) = self.log.end_offset_for(last_fetched) else {
            return Some(EpochEndOffset {
                leader_epoch: LeaderEpoch::NONE,
                end_offset: self.log.log_start_offset(),
            });
        };
        let parts = end.leader_epoch < last_fetched || end.end_offset < fetch.fetch_offset;
        parts.then_some(end)
    }

    /// Refuses a request of another epoch (KIP-320).
    pub fn check_epoch(&self, believed: Option<LeaderEpoch>) -> Result<(), ErrorCode> {
        match believed {
            Some(epoch) if epoch < self.state.leader_epoch => Err(ErrorCode::FencedLeaderEpoch),
            Some(epoch) if epoch > self.state.leader_epoch => Err(ErrorCode::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// The ISR that an AlterPartition request is to carry, if there is one that none has carried yet.
    pub fn send_proposal(&mut self, own_epoch: BrokerEpoch) -> Option<AlterPartition> {
        let leader = self.leader.as_mut().filter(|leader| leader.has_unsent_proposal())?;
        leader.set_proposal_sent(true);
        Some(AlterPartition {
            partition: self.partition,
            leader_epoch: self.state.leader_epoch,
            new_isr: leader.proposed_members(own_epoch),
            partition_epoch: self.state.partition_epoch,
        })
    }

    /// The request that carried the proposal may be lost. Returns whether there is one to carry again.
    pub fn send_proposal_again(&mut self) -> bool {
        let Some(leader) = self.leader.as_mut().filter(|leader| leader.proposal().is_some()) else {
            return false;
        };
        leader.set_proposal_sent(false);
        true
    }

    /// Makes all of its log durable.
    pub fn flush(&mut self, ctx: &mut Context<'_>) {
        self.log.flush(ctx);
    }

    /// Takes a disk answer about its log.
    pub fn on_disk(
        &mut self,
        ctx: &mut Context<'_>,
        view: View<'_>,
        op: OpId,
        result: &Result<DiskReply, DiskError>,
    ) -> Moved {
        match self.log.on_disk(ctx, op, result) {
            DiskProgress::Flushed => Moved {
                ackable: true,
                ..self.advance_high_watermark(ctx, view)
            },
            DiskProgress::Nothing | DiskProgress::Failed(_) => Moved::default(),
        }
    }

    fn is_proposal_new(&self) -> bool {
        self.leader.as_ref().is_some_and(Leader::has_unsent_proposal)
    }

    fn set_high_watermark(&mut self, ctx: &mut Context<'_>, to: Offset, role: ReplicaRole) {
        let from = core::mem::replace(&mut self.high_watermark, to);
        ctx.out.trace(Event::HighWatermarkChanged(trace::HighWatermarkChanged {
            partition: self.partition,
            role,
            leader_epoch: self.state.leader_epoch,
            from,
            to,
        }));
    }

    fn trace_isr_changed(&self, ctx: &mut Context<'_>) {
        ctx.out.trace(Event::IsrChanged(trace::IsrChanged {
            partition: self.partition,
            leader_epoch: self.state.leader_epoch,
            partition_epoch: self.state.partition_epoch,
            isr: self.state.isr.clone(),
        }));
    }

    fn trace_isr_proposed(&self, ctx: &mut Context<'_>) {
        let leader = self.leader.as_ref().expect("only a leader proposes");
        ctx.out.trace(Event::IsrProposed(trace::IsrProposed {
            partition: self.partition,
            leader_epoch: self.state.leader_epoch,
            partition_epoch: self.state.partition_epoch,
            isr: leader.proposal().expect("a proposal was just made").to_vec(),
            maximal_isr: leader.maximal_isr().collect(),
        }));
    }
}

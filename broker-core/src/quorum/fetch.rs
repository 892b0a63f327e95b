//! The follower's side of replication, for voters and observers: fetch, append or cut, learn what is committed.

use alloc::boxed::Box;
use alloc::vec;

use super::role::Role;
use super::{MAX_FETCH_BYTES, Quorum};
use crate::machine::Context;
use crate::protocol::{
    FetchMetadata, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchingReplica, IsolationLevel,
};
use crate::trace::TruncationCause;
use crate::types::{EpochEndOffset, NodeId, Offset, TopicPartition};

/// How long a leader holds a fetch that finds nothing (`KafkaRaftClient.MAX_FETCH_WAIT_MS`).
const MAX_FETCH_WAIT_MS: u32 = 500;

impl Quorum {
    /// The next fetch. Enabled only while the whole log is durable: the leader takes the offset as an
    /// acknowledgement of everything below it.
    pub(super) fn fetch_request(&self) -> FetchRequest {
        FetchRequest {
            replica: Some(FetchingReplica {
                id: self.id,
                broker_epoch: None,
            }),
            // The metadata quorum has one partition: there is nothing to remember between fetches.
            metadata: FetchMetadata::NONE,
            max_wait_ms: MAX_FETCH_WAIT_MS,
            min_bytes: 1,
            max_bytes: MAX_FETCH_BYTES,
            isolation: IsolationLevel::ReadUncommitted,
            partitions: vec![FetchPartition {
                partition: TopicPartition::CLUSTER_METADATA,
                current_leader_epoch: Some(self.election.epoch),
                fetch_offset: self.log.log_end_offset(),
                last_fetched_epoch: self.last_epoch(),
                log_start_offset: self.log.log_start_offset(),
                max_bytes: MAX_FETCH_BYTES,
            }],
            forgotten: Box::default(),
        }
    }

    /// Takes the answer of `from` to a fetch at `fetch_offset`. Whoever answers says who leads; only the leader of
    /// this node's epoch gives entries.
    pub(super) fn on_fetch_response(
        &mut self,
        ctx: &mut Context<'_>,
        from: NodeId,
        fetch_offset: Offset,
        response: &FetchResponse,
    ) {
        let epoch = self.election.epoch;
        let Some(body) = response.partitions.first() else {
            return self.request_failed(ctx.now, from);
        };
        if let Some(current) = body.current_leader {
            self.observe(ctx, current.leader_epoch, current.leader);
        }
        if !body.error.is_ok() {
            return self.request_failed(ctx.now, from);
        }
        // The fetch was made in `epoch`: an answer speaks of this log only if that is still the epoch.
        let Role::Follower(follower) = &mut self.role else {
            return;
        };
        if follower.leader != from || self.election.epoch != epoch || self.log.log_end_offset() != fetch_offset {
            return;
        }
        follower.fetch_timeout = ctx.now + self.timing.fetch_timeout;
        follower.has_fetched = true;
        match body.diverging_epoch {
            Some(diverging) => self.cut(ctx, from, diverging),
            None => self.append_fetched(ctx, body),
        }
    }

    /// Cuts the log where the leader's parts from it. Never below the high watermark: a leader that asks for that
    /// has lost committed entries, and this node keeps them.
    fn cut(&mut self, ctx: &mut Context<'_>, leader: NodeId, diverging: EpochEndOffset) {
        let own = self.log.end_offset_for(diverging.leader_epoch);
        let to = own.map_or(diverging.end_offset, |own| own.end_offset.min(diverging.end_offset));
        if to < self.high_watermark {
            return self.request_failed(ctx.now, leader);
        }
        self.log
            .truncate_to(ctx, to, self.election.epoch, TruncationCause::DivergingEpoch);
    }

    /// The answer did not diverge, so that the log up to the fetch offset, and with the batches up to its new end,
    /// is a prefix of the leader's: the leader's high watermark speaks of this log.
    fn append_fetched(&mut self, ctx: &mut Context<'_>, body: &FetchPartitionResponse) {
        for batch in &body.records {
            let is_next = batch.base_offset() == self.log.log_end_offset();
            let is_of_leader = batch.leader_epoch() <= self.election.epoch;
            if !is_next || !is_of_leader || self.log.append_as_follower(ctx, batch).is_err() {
                break;
            }
        }
        if let Role::Follower(follower) = &mut self.role {
            follower.leader_high_watermark = body.high_watermark;
        }
        self.advance_high_watermark(ctx);
    }
}

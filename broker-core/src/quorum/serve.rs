//! The leader's side of replication: followers and observers pull, and their offsets acknowledge.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::leader::ParkedFetch;
use super::role::Role;
use super::{MAX_FETCH_BYTES, PendingRead, Quorum};
use crate::log::Read;
use crate::machine::{Context, ReplyTo};
use crate::protocol::{ErrorCode, FetchPartitionResponse, FetchRequest, FetchResponse, RecordBatch};
use crate::types::{EpochEndOffset, LeaderEpoch, Offset, TopicPartition};

impl Quorum {
    /// A replica wants what comes after its log. Enabled at the leader of the epoch that the replica believes in.
    /// To a log that parts from the leader's the answer says where; one that agrees is an acknowledgement, and gets entries,
    /// news of the high watermark, or has to wait for them.
    pub(super) fn on_fetch(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: &FetchRequest) {
        let mut partitions = request.partitions.iter();
        let wanted = partitions.find(|wanted| wanted.partition == TopicPartition::CLUSTER_METADATA);
        let (Some(wanted), Some(replica)) = (wanted, request.replica) else {
            return self.respond_fetch(ctx, reply_to, self.fetch_error(ErrorCode::InvalidRequest));
        };
        let epoch = wanted.current_leader_epoch.unwrap_or(self.election.epoch);
        let error = match () {
            () if !self.is_leader() => Some(ErrorCode::NotLeaderOrFollower),
            () if epoch < self.election.epoch => Some(ErrorCode::FencedLeaderEpoch),
            () if epoch > self.election.epoch => Some(ErrorCode::UnknownLeaderEpoch),
            () if wanted.fetch_offset < self.log.log_start_offset() => Some(ErrorCode::OffsetOutOfRange),
            () => None,
        };
        if let Some(error) = error {
            return self.respond_fetch(ctx, reply_to, self.fetch_error(error));
        }
        let diverging_epoch = self.divergence(wanted.fetch_offset, wanted.last_fetched_epoch);
        let Role::Leader(leader) = &mut self.role else {
            unreachable!("only a leader comes here")
        };
        leader.voter_fetched(ctx.now, replica.id, self.timing.fetch_timeout);
        if diverging_epoch.is_some() {
            let response = FetchPartitionResponse {
                diverging_epoch,
                ..self.fetch_error(ErrorCode::None)
            };
            return self.respond_fetch(ctx, reply_to, response);
        }
        leader.voter_holds(replica.id, wanted.fetch_offset);
        // Served or parked at the end of this pass, when the high watermark has moved by this very fetch.
        let earlier = leader.park(ParkedFetch {
            reply_to,
            replica: replica.id,
            fetch_offset: wanted.fetch_offset,
            max_bytes: u64::from(request.max_bytes.min(wanted.max_bytes).min(MAX_FETCH_BYTES)),
            until: ctx.now + Duration::from_millis(u64::from(request.max_wait_ms)),
        });
        // Either the replica has given that one up, or this one is a late copy of an older fetch: then the replica
        // still waits for that one, and an empty answer makes it fetch again.
        if let Some(earlier) = earlier {
            self.answer_fetch(ctx, &earlier, Vec::new());
        }
        self.advance_high_watermark(ctx);
    }

    /// Where a log that ends at `offset` with an entry of `last_epoch` parts from this one (KIP-595).
    fn divergence(&self, offset: Offset, last_epoch: Option<LeaderEpoch>) -> Option<EpochEndOffset> {
        let start = self.log.log_start_offset();
        if offset == start {
            return None;
        }
        // Without an epoch there is nothing to compare: begin anew. No replica has an epoch newer than its leader's.
        let begin = EpochEndOffset {
            leader_epoch: LeaderEpoch::NONE,
            end_offset: start,
        };
        let Some((last_epoch, own)) = last_epoch.and_then(|epoch| Some((epoch, self.log.end_offset_for(epoch)?)))
        else {
            return Some(begin);
        };
        (own.leader_epoch != last_epoch || own.end_offset < offset).then_some(own)
    }

    /// Answers the parked fetches for which there is something now, or whose time is up.
    pub(super) fn answer_parked(&mut self, ctx: &mut Context<'_>) {
        let end = self.log.ackable_end();
        let high_watermark = self.high_watermark;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let parked = core::mem::take(&mut leader.parked);
        let (ready, waiting) = parked.into_iter().partition::<Vec<_>, _>(|fetch| {
            fetch.fetch_offset < end || !leader.has_been_sent(fetch.replica, high_watermark) || fetch.until <= ctx.now
        });
        leader.parked = waiting;
        for fetch in ready {
            // A replica may be ahead of this node's own disk; then it has to wait like one at the end.
            let from = fetch.fetch_offset.min(end);
            let read = self.log.read(from, end, fetch.max_bytes);
            match read.expect("a log that agrees ends within this one") {
                Read::Batches(batches) => self.answer_fetch(ctx, &fetch, batches),
                Read::OnDisk(read) => {
                    let op = ctx.out.disk(read.op());
                    let purpose = PendingRead::Fetch(fetch, self.election.epoch);
                    self.reads.insert(op, (read, purpose));
                }
            }
        }
    }

    pub(super) fn answer_fetch(&mut self, ctx: &mut Context<'_>, fetch: &ParkedFetch, records: Vec<RecordBatch>) {
        let response = FetchPartitionResponse {
            records,
            ..self.fetch_error(ErrorCode::None)
        };
        if let Role::Leader(leader) = &mut self.role {
            leader.note_sent(fetch.replica, self.high_watermark);
        }
        self.respond_fetch(ctx, fetch.reply_to, response);
    }

    /// The fetch came to a leader, but the answer comes from a node that leads no more, or cannot read.
    pub(super) fn refuse_fetch(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, error: ErrorCode) {
        self.respond_fetch(ctx, reply_to, self.fetch_error(error));
    }

    /// An answer without records. Every answer says who leads: that is how voters and observers find out.
    fn fetch_error(&self, error: ErrorCode) -> FetchPartitionResponse {
        FetchPartitionResponse {
            high_watermark: self.high_watermark,
            last_stable_offset: self.high_watermark,
            log_start_offset: self.log.log_start_offset(),
            current_leader: Some(self.leader_and_epoch()),
            ..FetchPartitionResponse::error(TopicPartition::CLUSTER_METADATA, error)
        }
    }

    fn respond_fetch(&mut self, ctx: &mut Context<'_>, to: ReplyTo, response: FetchPartitionResponse) {
        self.respond(ctx, to, FetchResponse::of_all(vec![response]));
    }
}

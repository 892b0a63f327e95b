//! The coordinator of one partition of the offsets topic.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Cluster, Settings, answers};
use crate::config::millis;
use crate::group::offsets::Offsets;
use crate::group::{Decision, GroupRecord, Groups};
use crate::machine::{ConnectionId, Context, Instant, ReplyTo, earliest};
use crate::protocol::{
    BatchBuilder, Compacted, ErrorCode, HeartbeatResponse, OffsetAndMetadata, OffsetCommitRequest,
    OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, Request, Response,
};
use crate::replicated::Replies;
use crate::trace::{self, Event};
use crate::types::{ClientId, GroupId, LeaderEpoch, Offset, TopicPartition};

/// The pause after a decision of time could not be appended (Kafka's `CoordinatorRuntime`, 500 ms).
const TIMER_RETRY: Duration = Duration::from_millis(500);

/// The groups of one partition, led here in one epoch. Lives as long as that leadership.
pub(super) struct Shard {
    pub(super) partition: TopicPartition,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) groups: Groups,
    offsets: Offsets,
    /// The log's end. Once loaded, everything below is replayed.
    pub(super) end: Offset,
    replies: Replies<Reply>,
    /// While there is something to read.
    pub(super) loading: Option<Loading>,
    next_expiry_check: Instant,
    /// Groups do not learn the time before: what they decided last could not be appended.
    paused_until: Option<Instant>,
}

/// A log that is being read.
pub(super) struct Loading {
    /// Everything below is read.
    pub(super) next: Offset,
    /// The log's end when leadership began.
    pub(super) until: Offset,
    pub(super) read: Compacted,
    /// When to read on, if the last read failed.
    pub(super) retry_at: Option<Instant>,
    /// The quirk `group-load-partial-state`: it answers already.
    pub(super) answers: bool,
}

struct Reply {
    reply_to: ReplyTo,
    response: Response,
    /// For the answer to an OffsetFetch: whose positions it has.
    positions_of: Option<GroupId>,
}

impl Shard {
    /// A coordinator that has read nothing of its log, which ends at `end`.
    pub fn new(
        now: Instant,
        settings: &Settings,
        partition: TopicPartition,
        leader_epoch: LeaderEpoch,
        end: Offset,
        high_watermark: Offset,
    ) -> Shard {
        Shard {
            partition,
            leader_epoch,
            groups: Groups::new(&settings.config, settings.quirks),
            offsets: Offsets::default(),
            end,
            replies: Replies::new(high_watermark),
            loading: None,
            next_expiry_check: now + settings.expiry_check_interval(),
            paused_until: None,
        }
    }

    /// Takes over a record that is in the log.
    pub fn replay(&mut self, record: &GroupRecord) {
        self.offsets.replay(record);
        self.groups.replay(record);
    }

    /// It knows all that its log says, or believes so.
    fn answers(&self) -> bool {
        self.loading.as_ref().is_none_or(|loading| loading.answers)
    }

    /// Decides about a request; refuses it while loading.
    pub fn on_request(
        &mut self,
        ctx: &mut Context<'_>,
        settings: &Settings,
        cluster: &mut Cluster<'_>,
        reply_to: ReplyTo,
        client: Option<&ClientId>,
        request: Request,
    ) {
        if !self.answers() {
            return ctx.out.respond(reply_to, while_loading(&request));
        }
        match request {
            Request::OffsetCommit(body) => self.commit(ctx, settings, cluster, reply_to, &body),
            Request::OffsetFetch(body) => self.fetch(ctx, settings, reply_to, &body),
            request => {
                let decision = self.groups.on_request(ctx, cluster.topics, reply_to, client, request);
                self.carry_out(ctx, settings, cluster, decision);
            }
        }
    }

    fn commit(
        &mut self,
        ctx: &mut Context<'_>,
        settings: &Settings,
        cluster: &mut Cluster<'_>,
        reply_to: ReplyTo,
        request: &OffsetCommitRequest,
    ) {
        if !settings.quirks.zombie_offset_commit
            && let Err(error) = self.groups.validate_commit(request)
        {
            let partitions = request.partitions.iter().map(|(partition, _)| (*partition, error));
            let response = OffsetCommitResponse {
                partitions: partitions.collect(),
            };
            return self.reply(ctx, settings, reply_to, response.into(), None);
        }
        self.groups.committed(ctx.now, request);
        let max_metadata = settings.config.offset_metadata_max_bytes as usize;
        let checked = Offsets::check(request, cluster.topics, ctx.wall, max_metadata);
        let response = OffsetCommitResponse {
            partitions: checked.answers,
        };
        match self.append(ctx, cluster, &checked.records) {
            Ok(base_offset) => {
                self.trace_commit(ctx, request, &checked.records, base_offset);
                self.reply(ctx, settings, reply_to, response.into(), None);
            }
            Err(error) => ctx.out.respond(reply_to, answers::failed(response.into(), error)),
        }
    }

    fn trace_commit(
        &self,
        ctx: &mut Context<'_>,
        request: &OffsetCommitRequest,
        records: &[GroupRecord],
        base_offset: Offset,
    ) {
        for (index, record) in records.iter().enumerate() {
            if let GroupRecord::OffsetCommit {
                partition,
                value: Some((position, _)),
                ..
            } = record
            {
                ctx.out.trace(Event::OffsetCommitted(trace::OffsetCommitted {
                    group: request.group.clone(),
                    member: request.member.clone(),
                    epoch: request.generation_id_or_member_epoch,
                    partition: *partition,
                    offset: position.offset,
                    at: (self.partition, base_offset.plus(index as i64)),
                }));
            }
        }
    }

    fn fetch(&mut self, ctx: &mut Context<'_>, settings: &Settings, reply_to: ReplyTo, request: &OffsetFetchRequest) {
        let (error, partitions) = match self.groups.validate_fetch(request) {
            Ok(()) => {
                let found = self.offsets.fetch(&request.group, request.partitions.as_deref());
                (ErrorCode::None, found)
            }
            Err(error) => (error, Vec::new()),
        };
        let positions_of = error.is_ok().then(|| request.group.clone());
        let response = OffsetFetchResponse { error, partitions };
        self.reply(ctx, settings, reply_to, response.into(), positions_of);
    }

    /// Appends and replays what was decided, and answers when it is committed. If that cannot be appended, the answers
    /// go out as errors, and the groups settle what they had changed in memory.
    fn carry_out(
        &mut self,
        ctx: &mut Context<'_>,
        settings: &Settings,
        cluster: &mut Cluster<'_>,
        decision: Decision,
    ) -> bool {
        let groups: BTreeSet<GroupId> = decision.records.iter().map(|record| record.group().clone()).collect();
        if self.try_to_carry_out(ctx, settings, cluster, decision) {
            return true;
        }
        for group in groups {
            let settled = self.groups.append_failed(ctx, &group);
            self.try_to_carry_out(ctx, settings, cluster, settled);
        }
        false
    }

    fn try_to_carry_out(
        &mut self,
        ctx: &mut Context<'_>,
        settings: &Settings,
        cluster: &mut Cluster<'_>,
        decision: Decision,
    ) -> bool {
        let appended = self.append(ctx, cluster, &decision.records);
        if appended.is_ok() {
            for fact in decision.facts {
                ctx.out.trace(fact);
            }
        }
        for (reply_to, response) in decision.replies {
            match appended {
                Ok(_) => self.reply(ctx, settings, reply_to, response, None),
                Err(error) => ctx.out.respond(reply_to, answers::failed(response, error)),
            }
        }
        appended.is_ok()
    }

    /// Appends records as one batch and replays them. Returns the offset of the first.
    fn append(
        &mut self,
        ctx: &mut Context<'_>,
        cluster: &mut Cluster<'_>,
        records: &[GroupRecord],
    ) -> Result<Offset, ErrorCode> {
        if records.is_empty() {
            return Ok(self.end);
        }
        let mut batch = BatchBuilder::new();
        for record in records {
            let (key, value) = record.encode();
            batch.push(ctx.wall, Some(&key), value.as_deref(), &[]);
        }
        let appended = cluster
            .replicas
            .append_for_coordinator(ctx, self.partition, &batch.build());
        let base_offset = appended.map_err(answers::of_append)?;
        assert_eq!(
            base_offset, self.end,
            "only its coordinator writes to {}",
            self.partition
        );
        for record in records {
            self.replay(record);
        }
        self.end = base_offset.plus(records.len() as i64);
        Ok(base_offset)
    }

    /// Answers when everything so far is committed: even a decision without records was made from it.
    fn reply(
        &mut self,
        ctx: &mut Context<'_>,
        settings: &Settings,
        reply_to: ReplyTo,
        response: Response,
        positions_of: Option<GroupId>,
    ) {
        let reply = Reply {
            reply_to,
            response,
            positions_of,
        };
        let give_up_at = ctx.now + millis(settings.config.offsets_commit_timeout_ms);
        if let Some(reply) = self.replies.hold(self.end, Some(give_up_at), reply) {
            reply.send(ctx);
        }
    }

    /// Everything below `end` is committed.
    pub fn committed(&mut self, ctx: &mut Context<'_>, end: Offset) {
        self.replies.commit(end);
        while let Some(reply) = self.replies.next_committed() {
            reply.send(ctx);
        }
    }

    /// Topics came or grew.
    pub fn topics_changed(&mut self, ctx: &mut Context<'_>, settings: &Settings, cluster: &mut Cluster<'_>) {
        if self.answers() {
            let decision = self.groups.topics_changed(ctx, cluster.topics);
            self.carry_out(ctx, settings, cluster, decision);
        }
    }

    /// Forgets who cannot be answered any more.
    pub fn on_closed(&mut self, connection: ConnectionId) {
        self.replies.discard(|reply| reply.reply_to.connection == connection);
    }

    /// Acts on what is due.
    pub fn on_wake(&mut self, ctx: &mut Context<'_>, settings: &Settings, cluster: &mut Cluster<'_>) {
        while let Some(reply) = self.replies.next_expired(ctx.now) {
            reply.fail(ctx, ErrorCode::CoordinatorNotAvailable);
        }
        self.retry_loading(ctx, cluster);
        if !self.answers() {
            return;
        }
        if self.next_expiry_check <= ctx.now {
            self.next_expiry_check = ctx.now + settings.expiry_check_interval();
            self.expire_offsets(ctx, settings, cluster);
        }
        self.paused_until.take_if(|until| *until <= ctx.now);
        while self.paused_until.is_none() && self.groups.deadline().is_some_and(|at| at <= ctx.now) {
            let decision = self.groups.on_wake(ctx, cluster.topics);
            if !self.carry_out(ctx, settings, cluster, decision) {
                self.paused_until = Some(ctx.now + TIMER_RETRY);
            }
        }
    }

    fn expire_offsets(&mut self, ctx: &mut Context<'_>, settings: &Settings, cluster: &mut Cluster<'_>) {
        let retention = Duration::from_secs(settings.config.offsets_retention_minutes.saturating_mul(60));
        let expired = self
            .offsets
            .expired(ctx.wall, retention, |group, partition, committed| {
                self.groups.unused_since(cluster.topics, group, partition, committed)
            });
        for (group, partitions) in expired {
            let tombstone = |partition: &TopicPartition| GroupRecord::OffsetCommit {
                group: group.clone(),
                partition: *partition,
                value: None,
            };
            let tombstones: Vec<GroupRecord> = partitions.iter().map(tombstone).collect();
            // What could not be written is found again by the next check.
            if self.append(ctx, cluster, &tombstones).is_ok() {
                for partition in partitions {
                    ctx.out.trace(Event::OffsetExpired(trace::OffsetExpired {
                        group: group.clone(),
                        partition,
                    }));
                }
            }
        }
    }

    /// When something is due next.
    pub fn deadline(&self) -> Option<Instant> {
        let retry = self.loading.as_ref().and_then(|loading| loading.retry_at);
        let groups = self.groups.deadline().map(|at| self.paused_until.unwrap_or(at).max(at));
        let [groups, expiry_check] = [groups, Some(self.next_expiry_check)].map(|at| at.filter(|_| self.answers()));
        earliest([retry, self.replies.deadline(), groups, expiry_check])
    }

    /// Leadership is gone, and with it everything that is only in memory.
    pub fn unload(mut self, ctx: &mut Context<'_>) {
        for reply in self.replies.drain() {
            reply.fail(ctx, ErrorCode::NotCoordinator);
        }
        for (reply_to, response) in self.groups.abandon() {
            ctx.out.respond(reply_to, response);
        }
        ctx.out.trace(Event::CoordinatorUnloaded(trace::CoordinatorUnloaded {
            partition: self.partition,
            leader_epoch: self.leader_epoch,
        }));
    }
}

impl Reply {
    fn send(self, ctx: &mut Context<'_>) {
        if let (Some(group), Response::OffsetFetch(body)) = (self.positions_of, &self.response) {
            let position = |(partition, found): &(TopicPartition, Option<OffsetAndMetadata>)| {
                (*partition, found.as_ref().map(|position| position.offset))
            };
            ctx.out.trace(Event::OffsetsFetched(trace::OffsetsFetched {
                group,
                client: self.reply_to.node,
                partitions: body.partitions.iter().map(position).collect(),
            }));
        }
        ctx.out.respond(self.reply_to, self.response);
    }

    fn fail(self, ctx: &mut Context<'_>, error: ErrorCode) {
        ctx.out.respond(self.reply_to, answers::failed(self.response, error));
    }
}

/// "I am loading": as in Kafka, a heartbeat is taken for good meanwhile, since its member can do nothing better than
/// to go on.
fn while_loading(request: &Request) -> Response {
    match request {
        Request::Heartbeat(_) => HeartbeatResponse { error: ErrorCode::None }.into(),
        request => request.error_response(ErrorCode::CoordinatorLoadInProgress),
    }
}

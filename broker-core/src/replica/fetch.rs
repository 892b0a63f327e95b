//! Readers' fetches: consumers and followers. Answers at once, or waits for records, or for the disk.

use alloc::vec::Vec;

use crate::disk::{DiskError, DiskOp, DiskReply, OpId};
use crate::log::Read;
use crate::machine::{Context, ReplyTo};
use crate::protocol::{
    ErrorCode, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, ListOffsetsPartitionResponse,
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetSpec,
    RecordBatch,
};
use crate::replica::leader::FollowerFetch;
use crate::replica::purgatory::{ParkedFetch, ParkedId, PendingRead, ReadingFetch};
use crate::replica::{Hosted, Replicas, not_led};
use crate::trace::{self, Event};
use crate::types::{EpochEndOffset, LeaderEpoch, Offset, Timestamp, TopicPartition};

/// An answer to a fetch as far as memory gives it.
struct Found {
    response: FetchResponse,
    reads: Vec<WantedRead>,
    bytes: u64,
    /// There is something to say besides records: an error, a divergence.
    urgent: bool,
}

struct WantedRead {
    op: DiskOp,
    index: usize,
    partition: TopicPartition,
    from: Offset,
    limit: Offset,
    max_bytes: u64,
}

impl Replicas {
    /// Reads (Kafka `ReplicaManager.fetchMessages`). A follower's fetch also tells how far it is.
    pub fn on_fetch(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: FetchRequest) {
        if request.replica.is_some() {
            self.note_follower(ctx, &request);
        }
        let may_wait = request.min_bytes > 0 && !request.max_wait.is_zero();
        let found = if may_wait {
            self.find_enough(&request)
        } else {
            Some(self.find(&request))
        };
        match found {
            Some(found) => self.deliver(ctx, reply_to, request.replica.is_some(), found),
            None => self.wait(ctx, reply_to, request),
        }
        self.settle_led(ctx);
    }

    /// Parks a fetch at each of its partitions.
    fn wait(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: FetchRequest) {
        let parked = self.fetches.next_id();
        for fetch in &request.partitions {
            if let Some(hosted) = self.partitions.get_mut(&fetch.partition) {
                hosted.fetches.insert(parked);
            }
        }
        let deadline = ctx.now + request.max_wait;
        self.fetches.insert(deadline, ParkedFetch { reply_to, request });
    }

    /// An answer that need not wait: with the bytes that the reader wants, or with something else to say.
    fn find_enough(&self, request: &FetchRequest) -> Option<Found> {
        // Most fetches have nothing to read yet, which is known without reading.
        let mut partitions = request.partitions.iter();
        if !partitions.any(|fetch| self.has_news(fetch, request.replica.is_some())) {
            return None;
        }
        let found = self.find(request);
        (found.urgent || found.bytes >= u64::from(request.min_bytes)).then_some(found)
    }

    /// Whether the answer to a fetch would say anything about this partition.
    fn has_news(&self, fetch: &FetchPartition, is_replica: bool) -> bool {
        led(self.partitions.get(&fetch.partition), fetch.current_leader_epoch).map_or(true, |hosted| {
            fetch.fetch_offset != read_limit(hosted, is_replica) || hosted.partition.divergence(fetch).is_some()
        })
    }

    fn note_follower(&mut self, ctx: &mut Context<'_>, request: &FetchRequest) {
        let Some(replica) = request.replica else {
            return;
        };
        for fetch in &request.partitions {
            let Some(hosted) = self.partitions.get_mut(&fetch.partition) else {
                continue;
            };
            let partition = &mut hosted.partition;
            let is_valid = partition.leads()
                && partition.check_epoch(fetch.current_leader_epoch).is_ok()
                && partition.divergence(fetch).is_none()
                && fetch.fetch_offset >= partition.log.log_start_offset()
                && fetch.fetch_offset <= partition.log.log_end_offset();
            if !is_valid {
                continue;
            }
            let noted = FollowerFetch {
                follower: replica.id,
                broker_epoch: replica.broker_epoch,
                fetch_offset: fetch.fetch_offset,
            };
            if let Ok(moved) = partition.follower_fetched(ctx, self.own.view(), noted) {
                self.moved.push((fetch.partition, moved));
            }
        }
    }

    fn find(&self, request: &FetchRequest) -> Found {
        let mut found = Found {
            response: FetchResponse {
                partitions: Vec::with_capacity(request.partitions.len()),
            },
            reads: Vec::new(),
            bytes: 0,
            urgent: false,
        };
        let is_replica = request.replica.is_some();
        let limit = u64::from(request.max_bytes.min(self.config.fetch_max_bytes));
        for fetch in &request.partitions {
            let hosted = self.partitions.get(&fetch.partition);
            let room = limit.saturating_sub(found.bytes).min(u64::from(fetch.max_bytes));
            match read_partition(hosted, fetch, is_replica, room) {
                Err(error) => {
                    let mut answer = FetchPartitionResponse::error(fetch.partition, error);
                    if let Some(hosted) = hosted {
                        answer.current_leader = Some(hosted.partition.current_leader());
                        answer.log_start_offset = hosted.partition.log.log_start_offset();
                        answer.high_watermark = hosted.partition.high_watermark();
                    }
                    found.response.partitions.push(answer);
                    found.urgent = true;
                }
                Ok((mut answer, read)) => {
                    found.urgent |= answer.diverging_epoch.is_some();
                    match read {
                        Read::Batches(records) => {
                            found.bytes += records.iter().map(RecordBatch::size).sum::<u64>();
                            answer.records = records;
                        }
                        Read::OnDisk { file, at, len } => {
                            found.bytes += len;
                            found.reads.push(WantedRead {
                                op: DiskOp::Read { file, at, len },
                                index: found.response.partitions.len(),
                                partition: fetch.partition,
                                from: fetch.fetch_offset,
                                limit: read_limit(hosted.expect("it was just read"), is_replica),
                                max_bytes: room,
                            });
                        }
                    }
                    found.response.partitions.push(answer);
                }
            }
        }
        found
    }

    fn deliver(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, replica: bool, found: Found) {
        if found.reads.is_empty() {
            self.respond_fetch(ctx, reply_to, replica, found.response);
            return;
        }
        let pending = |read: WantedRead| PendingRead {
            op: ctx.out.disk(read.op),
            index: read.index,
            partition: read.partition,
            from: read.from,
            limit: read.limit,
            max_bytes: read.max_bytes,
        };
        let reads = found.reads.into_iter().map(pending).collect();
        self.readings.push(ReadingFetch {
            reply_to,
            response: found.response,
            replica,
            reads,
        });
    }

    /// Takes the answer to a read of a fetch; false if no fetch waits for it.
    pub(super) fn on_read(&mut self, ctx: &mut Context<'_>, op: OpId, result: &Result<DiskReply, DiskError>) -> bool {
        let reads = |reading: &ReadingFetch| reading.reads.iter().position(|read| read.op == op);
        let found = self.readings.iter().enumerate();
        let Some((at, read_at)) = found.filter_map(|(at, reading)| Some((at, reads(reading)?))).next() else {
            return false;
        };
        let reading = &mut self.readings[at];
        let read = reading.reads.swap_remove(read_at);
        let answer = &mut reading.response.partitions[read.index];
        match (result, self.partitions.get(&read.partition)) {
            (Ok(DiskReply::Data(bytes)), Some(hosted)) => {
                let log = &hosted.partition.log;
                // The log may have been cut while the disk was reading.
                let limit = read.limit.min(log.log_end_offset());
                answer.records = log.batches_of(bytes, read.from, limit, read.max_bytes);
            }
            _ => answer.error = ErrorCode::KafkaStorageError,
        }
        if reading.reads.is_empty() {
            let reading = self.readings.swap_remove(at);
            self.respond_fetch(ctx, reading.reply_to, reading.replica, reading.response);
        }
        true
    }

    fn respond_fetch(&self, ctx: &mut Context<'_>, reply_to: ReplyTo, replica: bool, response: FetchResponse) {
        if !replica {
            for answer in &response.partitions {
                let (Some(first), Some(last)) = (answer.records.first(), answer.records.last()) else {
                    continue;
                };
                let leader_epoch = self.partitions.get(&answer.partition);
                ctx.out.trace(Event::FetchServed(trace::FetchServed {
                    partition: answer.partition,
                    reader: reply_to.node,
                    from: first.base_offset(),
                    to: last.next_offset(),
                    high_watermark: answer.high_watermark,
                    leader_epoch: leader_epoch.map_or(LeaderEpoch::NONE, |h| h.partition.state.leader_epoch),
                }));
            }
        }
        ctx.out.respond(reply_to, response.into());
    }

    /// Answers the fetches that waited for what moved at a partition and now find enough.
    pub(super) fn complete_fetches(&mut self, ctx: &mut Context<'_>, id: TopicPartition) {
        let Some(hosted) = self.partitions.get(&id) else {
            return;
        };
        // What moved may be nothing to a reader: a high watermark to a follower, a log end to a consumer.
        let has_news = |parked: &ParkedId| {
            self.fetches.get(*parked).is_none_or(|ParkedFetch { request, .. }| {
                let mut here = request.partitions.iter().filter(|fetch| fetch.partition == id);
                here.any(|fetch| self.has_news(fetch, request.replica.is_some()))
            })
        };
        let waiting: Vec<ParkedId> = hosted.fetches.iter().copied().filter(has_news).collect();
        for parked in waiting {
            let Some(ParkedFetch { request, .. }) = self.fetches.get(parked) else {
                // Its connection closed.
                if let Some(hosted) = self.partitions.get_mut(&id) {
                    hosted.fetches.remove(&parked);
                }
                continue;
            };
            let Some(found) = self.find_enough(request) else {
                continue;
            };
            let ParkedFetch { reply_to, request } = self.fetches.remove(parked).expect("it was just there");
            self.stop_waiting(parked, &request);
            self.deliver(ctx, reply_to, request.replica.is_some(), found);
        }
    }

    /// Answers a parked fetch with whatever there is now.
    pub(super) fn answer_waiting_fetch(&mut self, ctx: &mut Context<'_>, parked: ParkedId) {
        if let Some(fetch) = self.fetches.remove(parked) {
            self.stop_waiting(parked, &fetch.request);
            self.answer_fetch(ctx, fetch.reply_to, &fetch.request);
        }
    }

    /// Answers a fetch with whatever there is now.
    pub(super) fn answer_fetch(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: &FetchRequest) {
        let found = self.find(request);
        self.deliver(ctx, reply_to, request.replica.is_some(), found);
    }

    /// Takes a fetch out of the lists of the partitions at which it waits.
    pub(super) fn stop_waiting(&mut self, parked: ParkedId, request: &FetchRequest) {
        for fetch in &request.partitions {
            if let Some(hosted) = self.partitions.get_mut(&fetch.partition) {
                hosted.fetches.remove(&parked);
            }
        }
    }

    /// Looks up offsets. A new leader answers "latest" only once its high watermark has reached its epoch (KIP-207).
    pub fn on_list_offsets(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: &ListOffsetsRequest) {
        let look_up = |(id, epoch, spec): &(TopicPartition, Option<LeaderEpoch>, OffsetSpec)| match offset_of(
            self.partitions.get(id),
            *epoch,
            *spec,
        ) {
            Ok((found, timestamp, leader_epoch)) => ListOffsetsPartitionResponse {
                partition: *id,
                error: ErrorCode::None,
                offset: found,
                timestamp,
                leader_epoch,
            },
            Err(error) => ListOffsetsPartitionResponse {
                partition: *id,
                error,
                offset: None,
                timestamp: Timestamp::NONE,
                leader_epoch: None,
            },
        };
        let partitions = request.partitions.iter().map(look_up).collect();
        ctx.out.respond(reply_to, ListOffsetsResponse { partitions }.into());
    }

    /// Tells where leader epochs end.
    pub fn on_offset_for_leader_epoch(
        &mut self,
        ctx: &mut Context<'_>,
        reply_to: ReplyTo,
        request: &OffsetForLeaderEpochRequest,
    ) {
        let look_up = |(id, believed, epoch): &(TopicPartition, Option<LeaderEpoch>, LeaderEpoch)| match epoch_end_of(
            self.partitions.get(id),
            *believed,
            *epoch,
        ) {
            Ok(end) => (*id, ErrorCode::None, end),
            Err(error) => (*id, error, None),
        };
        let partitions = request.partitions.iter().map(look_up).collect();
        ctx.out
            .respond(reply_to, OffsetForLeaderEpochResponse { partitions }.into());
    }
}

/// The partition, if it is led here in the epoch that the reader believes in.
fn led(hosted: Option<&Hosted>, believed: Option<LeaderEpoch>) -> Result<&Hosted, ErrorCode> {
    let here = hosted.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    here.partition.check_epoch(believed)?;
    if here.partition.leads() {
        Ok(here)
    } else {
        Err(not_led(hosted))
    }
}

/// Followers read everything; consumers what is committed.
fn read_limit(hosted: &Hosted, is_replica: bool) -> Offset {
    if is_replica {
        hosted.partition.log.log_end_offset()
    } else {
        hosted.partition.high_watermark()
    }
}

fn read_partition(
    hosted: Option<&Hosted>,
    fetch: &FetchPartition,
    is_replica: bool,
    room: u64,
) -> Result<(FetchPartitionResponse, Read), ErrorCode> {
    let hosted = led(hosted, fetch.current_leader_epoch)?;
    let partition = &hosted.partition;
    let high_watermark = partition.high_watermark();
    let mut answer = FetchPartitionResponse {
        partition: fetch.partition,
        error: ErrorCode::None,
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: partition.log.log_start_offset(),
        diverging_epoch: None,
        current_leader: None,
        records: Vec::new(),
    };
    answer.diverging_epoch = partition.divergence(fetch);
    if answer.diverging_epoch.is_some() {
        return Ok((answer, Read::Batches(Vec::new())));
    }
    let limit = if room == 0 {
        fetch.fetch_offset
    } else {
        read_limit(hosted, is_replica)
    };
    match partition.log.read(fetch.fetch_offset, limit, room) {
        Ok(read) => Ok((answer, read)),
        Err(_) => Err(ErrorCode::OffsetOutOfRange),
    }
}

type FoundOffset = (Option<Offset>, Timestamp, Option<LeaderEpoch>);

fn offset_of(hosted: Option<&Hosted>, epoch: Option<LeaderEpoch>, spec: OffsetSpec) -> Result<FoundOffset, ErrorCode> {
    let partition = &led(hosted, epoch)?.partition;
    let high_watermark = partition.high_watermark();
    let epoch_start = partition.leader.as_ref().map(|leader| leader.epoch_start_offset());
    if spec != OffsetSpec::Earliest && epoch_start.is_some_and(|start| high_watermark < start) {
        return Err(ErrorCode::OffsetNotAvailable);
    }
    let log = &partition.log;
    Ok(match spec {
        OffsetSpec::Earliest => {
            let start = log.log_start_offset();
            (Some(start), Timestamp::NONE, log.epoch_for_offset(start))
        }
        OffsetSpec::Latest => (
            Some(high_watermark),
            Timestamp::NONE,
            Some(partition.state.leader_epoch),
        ),
        OffsetSpec::AtTimestamp(timestamp) => match log.offset_for_timestamp(timestamp, high_watermark) {
            Some((offset, timestamp)) => (Some(offset), timestamp, log.epoch_for_offset(offset)),
            None => (None, Timestamp::NONE, None),
        },
    })
}

fn epoch_end_of(
    hosted: Option<&Hosted>,
    believed: Option<LeaderEpoch>,
    epoch: LeaderEpoch,
) -> Result<Option<EpochEndOffset>, ErrorCode> {
    Ok(led(hosted, believed)?.partition.log.end_offset_for(epoch))
}

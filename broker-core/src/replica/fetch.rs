//! Readers' fetches: consumers and followers. Answers at once, or waits for records, or for the disk.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::log::{FileRead, Read};
use crate::machine::{Context, ReplyTo};
use crate::protocol::{
    ErrorCode, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchingReplica, RecordBatch,
};
use crate::replica::leader::FollowerFetch;
use crate::replica::partition::Partition;
use crate::replica::purgatory::ParkedId;
use crate::replica::reads::{AnswerId, ReadFor};
use crate::replica::sessions::{High, Said, Session, SessionId};
use crate::replica::{Replicas, led};
use crate::trace::{self, Event};
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// A fetch that waits for records.
pub(super) struct ParkedFetch {
    pub reply_to: ReplyTo,
    pub session: SessionId,
    pub min_bytes: u64,
    pub max_bytes: u32,
}

/// An answer to a fetch that waits for the disk.
pub(super) struct ReadingFetch {
    pub reply_to: ReplyTo,
    pub response: FetchResponse,
    pub is_replica: bool,
    /// How many reads are still to come.
    pub reads: usize,
}

/// An answer to a fetch as far as memory gives it.
struct Found {
    partitions: Vec<FetchPartitionResponse>,
    reads: Vec<WantedRead>,
}

struct WantedRead {
    read: FileRead,
    index: usize,
    partition: TopicPartition,
}

/// What there is for a reader at one partition.
enum News {
    /// An error or a divergence, which does not wait.
    Urgent,
    /// So many bytes, counted until they are enough.
    Bytes(u64),
    /// No records, but perhaps a new high watermark.
    NoBytes(High),
}

impl Replicas {
    /// Reads (Kafka `ReplicaManager.fetchMessages`). A follower's fetch also says how far it is.
    pub fn on_fetch(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: FetchRequest) {
        let metadata = request.metadata;
        if metadata.is_full()
            && let Some(parked) = self.sessions.end(SessionId(metadata.session_id))
        {
            self.refuse_parked(ctx, parked);
        }
        let (min_bytes, max_bytes) = (u64::from(request.min_bytes), request.max_bytes);
        let max_wait = Duration::from_millis(u64::from(request.max_wait_ms));
        let session = match self.sessions.take(ctx.now, reply_to.connection, request) {
            Ok(session) => session,
            Err(error) => return refuse(ctx, reply_to, error),
        };
        if let Some(parked) = self.sessions.get_mut(session).and_then(|session| session.parked.take()) {
            // The reader does not wait for its earlier fetch any more.
            self.refuse_parked(ctx, parked);
        }
        self.note_follower(ctx, session);
        let must_answer = min_bytes == 0 || max_wait.is_zero();
        if must_answer || self.has_enough(session, min_bytes) {
            self.answer_fetch(ctx, reply_to, session, max_bytes);
        } else {
            let fetch = ParkedFetch {
                reply_to,
                session,
                min_bytes,
                max_bytes,
            };
            let parked = self.fetches.insert(ctx.now + max_wait, fetch);
            if let Some(session) = self.sessions.get_mut(session) {
                session.parked = Some(parked);
            }
        }
        self.settle_led(ctx);
    }

    /// Notes how far a follower is, at all partitions where this is not known yet.
    fn note_follower(&mut self, ctx: &mut Context<'_>, session: SessionId) {
        let Some(session) = self.sessions.get_mut(session) else {
            return;
        };
        session.fetched_at = ctx.now;
        let Some(replica) = session.replica else {
            return;
        };
        for fetch in session.news() {
            if let Some(partition) = self.partitions.get_mut(&fetch.partition)
                && partition.accepts_follower(fetch)
            {
                let noted = FollowerFetch::new(replica, fetch);
                if let Ok(moved) = partition.follower_fetched(ctx, self.own.view(), noted) {
                    self.moved.push((fetch.partition, moved));
                }
            }
        }
    }

    /// Something changed at a partition: those who read it look at it with their next answer. Until now each follower's
    /// fetches found it as it was.
    pub(super) fn notify_readers(&mut self, id: TopicPartition, concerns: impl Fn(&Session) -> bool) {
        let Replicas {
            sessions, partitions, ..
        } = self;
        sessions.notify(id, concerns, |session, fetch| {
            let partition = partitions.get_mut(&id);
            if let (Some(replica), Some(partition)) = (session.replica, partition) {
                partition.follower_had_all(session.fetched_at, replica, fetch);
            }
        });
    }

    /// Whether a session has the bytes that its reader waits for, or something that does not wait. What turns out to be
    /// no news is looked at no more.
    fn has_enough(&mut self, id: SessionId, min_bytes: u64) -> bool {
        let Some(session) = self.sessions.get_mut(id) else {
            return true;
        };
        let mut bytes = 0;
        let mut is_enough = session.is_empty();
        let mut settled = Vec::new();
        for fetch in session.news() {
            let partition = self.partitions.get(&fetch.partition);
            match news(partition, fetch, session.replica, min_bytes - bytes) {
                News::Urgent => is_enough = true,
                News::Bytes(more) => {
                    bytes += more;
                    is_enough |= bytes >= min_bytes;
                }
                News::NoBytes(high) if session.knows(fetch.partition, high) => {
                    if has_settled(partition, session.replica) {
                        settled.push(fetch.partition);
                    }
                }
                News::NoBytes(_) => {}
            }
            if is_enough {
                break;
            }
        }
        for partition in settled {
            session.settle(partition);
        }
        is_enough
    }

    /// Answers a fetch with whatever there is now.
    pub(super) fn answer_fetch(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, id: SessionId, max_bytes: u32) {
        let Some(session) = self.sessions.get_mut(id) else {
            return refuse(ctx, reply_to, ErrorCode::FetchSessionIdNotFound);
        };
        let replica = session.replica;
        let max_bytes = u64::from(max_bytes.min(self.config.fetch_max_bytes));
        let found = find(&self.partitions, session, max_bytes);
        let response = FetchResponse {
            error: ErrorCode::None,
            session_id: self.sessions.answered(id),
            partitions: found.partitions,
        };
        if found.reads.is_empty() {
            return self.respond_fetch(ctx, reply_to, replica.is_some(), response);
        }
        self.answers += 1;
        let answer = AnswerId(self.answers);
        let waiting = ReadingFetch {
            reply_to,
            response,
            is_replica: replica.is_some(),
            reads: found.reads.len(),
        };
        self.readings.insert(answer, waiting);
        for WantedRead { read, index, partition } in found.reads {
            self.reads
                .begin(ctx, partition, read, ReadFor::Answer { answer, index });
        }
    }

    /// What the disk had for one partition of an answer.
    pub(super) fn fill_answer(
        &mut self,
        ctx: &mut Context<'_>,
        answer: AnswerId,
        index: usize,
        read: Result<Vec<RecordBatch>, ErrorCode>,
    ) {
        let Some(reading) = self.readings.get_mut(&answer) else {
            // Its connection closed.
            return;
        };
        match read {
            Ok(records) => reading.response.partitions[index].records = records,
            Err(error) => reading.response.partitions[index].error = error,
        }
        reading.reads -= 1;
        if reading.reads == 0
            && let Some(reading) = self.readings.remove(&answer)
        {
            self.respond_fetch(ctx, reading.reply_to, reading.is_replica, reading.response);
        }
    }

    fn respond_fetch(&self, ctx: &mut Context<'_>, reply_to: ReplyTo, is_replica: bool, response: FetchResponse) {
        if !is_replica {
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
                    leader_epoch: leader_epoch.map_or(LeaderEpoch::NONE, |h| h.leader_epoch()),
                }));
            }
        }
        ctx.out.respond(reply_to, response.into());
    }

    /// Answers the fetches that waited for what changed at a partition and now find enough.
    pub(super) fn complete_fetches(&mut self, ctx: &mut Context<'_>, id: TopicPartition) {
        let mut ready = Vec::new();
        let partition = self.partitions.get(&id);
        for reader in self.sessions.readers(id) {
            let session = self.sessions.get(*reader);
            let parked = session.and_then(|session| Some((session.parked?, session.wanted(id)?, session.replica)));
            let Some((parked, fetch, replica)) = parked else {
                continue;
            };
            let Some(waiting) = self.fetches.get(parked) else {
                continue;
            };
            // What changed may be nothing to a reader: a high watermark to a follower, a log end to a consumer.
            match news(partition, fetch, replica, waiting.min_bytes) {
                News::NoBytes(_) => {}
                News::Bytes(bytes) => ready.push((parked, waiting.min_bytes.saturating_sub(bytes))),
                News::Urgent => ready.push((parked, 0)),
            }
        }
        for (parked, missing) in ready {
            let waiting = self
                .fetches
                .get(parked)
                .map(|waiting| (waiting.session, waiting.min_bytes));
            if let Some((session, min_bytes)) = waiting
                && (missing == 0 || self.has_enough(session, min_bytes))
            {
                self.answer_parked(ctx, parked);
            }
        }
    }

    /// Answers a parked fetch with whatever there is now.
    fn answer_parked(&mut self, ctx: &mut Context<'_>, parked: ParkedId) {
        if let Some(fetch) = self.fetches.remove(parked) {
            self.answer_expired(ctx, &fetch);
        }
    }

    /// Answers a fetch that is parked no more with whatever there is now.
    pub(super) fn answer_expired(&mut self, ctx: &mut Context<'_>, fetch: &ParkedFetch) {
        if let Some(session) = self.sessions.get_mut(fetch.session) {
            session.parked = None;
        }
        self.answer_fetch(ctx, fetch.reply_to, fetch.session, fetch.max_bytes);
    }

    /// The session of a parked fetch went on without it.
    fn refuse_parked(&mut self, ctx: &mut Context<'_>, parked: ParkedId) {
        if let Some(fetch) = self.fetches.remove(parked) {
            refuse(ctx, fetch.reply_to, ErrorCode::InvalidFetchSessionEpoch);
        }
    }
}

/// Followers read everything; consumers what is committed.
fn read_limit(partition: &Partition, is_replica: bool) -> Offset {
    if is_replica {
        partition.log().log_end_offset()
    } else {
        partition.high_watermark()
    }
}

/// What there is for a reader at one partition.
fn news(partition: Option<&Partition>, fetch: &FetchPartition, replica: Option<FetchingReplica>, enough: u64) -> News {
    let Ok(partition) = led(partition, fetch.current_leader_epoch) else {
        return News::Urgent;
    };
    if partition.divergence(fetch).is_some() {
        return News::Urgent;
    }
    let limit = read_limit(partition, replica.is_some());
    match partition.log().readable_bytes(fetch.fetch_offset, limit, enough) {
        Err(_) => News::Urgent,
        Ok(0) => News::NoBytes((partition.high_watermark(), partition.log().log_start_offset())),
        Ok(bytes) => News::Bytes(bytes.min(u64::from(fetch.max_bytes))),
    }
}

/// Whether nothing but a change brings something new to this reader. A follower outside the ISR may join it at any fetch.
fn has_settled(partition: Option<&Partition>, replica: Option<FetchingReplica>) -> bool {
    replica.is_none_or(|replica| partition.is_some_and(|partition| partition.isr().contains(&replica.id)))
}

/// Reads what a session has to answer, and notes in it what the answer says.
fn find(partitions: &BTreeMap<TopicPartition, Partition>, session: &mut Session, max_bytes: u64) -> Found {
    let answers_all = session.take_answers_all();
    let replica = session.replica;
    let mut found = Found {
        partitions: Vec::new(),
        reads: Vec::new(),
    };
    let mut bytes = 0;
    session.answer(|fetch, known| {
        let partition = partitions.get(&fetch.partition);
        let room = Room {
            bytes: (max_bytes.saturating_sub(bytes)).min(u64::from(fetch.max_bytes)),
            // The first batch is given whatever its size, or its reader would never get past it (KIP-74).
            is_first: bytes == 0,
        };
        let (answer, read) = read_partition(partition, fetch, replica.is_some(), room)
            .unwrap_or_else(|error| (refused(partition, fetch.partition, error), None));
        let in_memory = answer.records.iter().map(RecordBatch::size).sum::<u64>();
        let size = in_memory + read.as_ref().map_or(0, |read| read.len);
        bytes += size;
        let is_wrong = !answer.error.is_ok() || answer.diverging_epoch.is_some();
        let high = (answer.high_watermark, answer.log_start_offset);
        let has_nothing = size == 0 && !is_wrong;
        found.reads.extend(read.map(|read| WantedRead {
            read,
            index: found.partitions.len(),
            partition: fetch.partition,
        }));
        if !has_nothing || known != Some(high) || answers_all {
            found.partitions.push(answer);
        }
        Said {
            known: (!is_wrong).then_some(high),
            has_records: size > 0,
            // Bytes may be left for which there was no room.
            is_settled: has_nothing
                && has_settled(partition, replica)
                && matches!(news(partition, fetch, replica, 1), News::NoBytes(_)),
        }
    });
    found
}

/// How much may be read from a partition.
#[derive(Clone, Copy)]
struct Room {
    bytes: u64,
    is_first: bool,
}

/// Records from memory, or what to read from the disk.
fn read_partition(
    partition: Option<&Partition>,
    fetch: &FetchPartition,
    is_replica: bool,
    room: Room,
) -> Result<(FetchPartitionResponse, Option<FileRead>), ErrorCode> {
    let partition = led(partition, fetch.current_leader_epoch)?;
    let high_watermark = partition.high_watermark();
    let mut answer = FetchPartitionResponse {
        high_watermark,
        last_stable_offset: high_watermark,
        log_start_offset: partition.log().log_start_offset(),
        diverging_epoch: partition.divergence(fetch),
        ..FetchPartitionResponse::error(fetch.partition, ErrorCode::None)
    };
    let has_room = room.bytes > 0 || room.is_first;
    if answer.diverging_epoch.is_some() || !has_room {
        return Ok((answer, None));
    }
    let limit = read_limit(partition, is_replica);
    let read = partition.log().read(fetch.fetch_offset, limit, room.bytes);
    match read.map_err(|_| ErrorCode::OffsetOutOfRange)? {
        // Only a first batch can be larger than the room.
        read if read.bytes() > room.bytes && !room.is_first => Ok((answer, None)),
        Read::Batches(records) => {
            answer.records = records;
            Ok((answer, None))
        }
        Read::OnDisk(read) => Ok((answer, Some(read))),
    }
}

fn refused(partition: Option<&Partition>, id: TopicPartition, error: ErrorCode) -> FetchPartitionResponse {
    let answer = FetchPartitionResponse::error(id, error);
    let Some(partition) = partition else {
        return answer;
    };
    FetchPartitionResponse {
        current_leader: Some(partition.current_leader()),
        log_start_offset: partition.log().log_start_offset(),
        high_watermark: partition.high_watermark(),
        ..answer
    }
}

/// There is no such session, or this fetch is not its next.
fn refuse(ctx: &mut Context<'_>, reply_to: ReplyTo, error: ErrorCode) {
    let response = FetchResponse {
        error,
        session_id: 0,
        partitions: Vec::new(),
    };
    ctx.out.respond(reply_to, response.into());
}

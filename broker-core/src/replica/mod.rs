//! Replication: every partition of one broker, as leader and as follower.
//!
//! [`Replicas`] takes produce and fetch requests, fetches from other leaders, keeps ISRs through the controller, and
//! answers what waited once it may be answered. What a partition may do by itself is in `partition` and `leader`;
//! the files of this module that add to [`Replicas`] are one conversation each:
//!
//! | file | with whom | about what |
//! |---|---|---|
//! | `produce` | producers | append, wait for replicas, answer |
//! | `fetch` | consumers and followers | read, wait for records or the disk, answer |
//! | `offsets` | consumers | where logs and epochs begin and end |
//! | `fetcher` | leaders | follow, truncate, append |
//! | `isr` | the controller | AlterPartition |
//! | `coordinated` | coordinators on this broker | their partitions' logs |

mod coordinated;
mod fetch;
mod fetcher;
mod isr;
mod leader;
mod offsets;
mod partition;
mod produce;
mod purgatory;
mod reads;
#[cfg(test)]
mod session_stories;
mod sessions;
mod state;
#[cfg(test)]
mod stories;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::time::Duration;

use bytes::Bytes;

use crate::config::{BrokerConfig, Quirks, TopicConfig, millis};
use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::log::{Log, LogConfig};
use crate::machine::{ConnectionId, Context, Instant, RequestId, earliest};
use crate::protocol::{ErrorCode, Response};
use crate::random::Random;
use crate::types::{BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId, TopicPartition};

use fetch::{ParkedFetch, ReadingFetch};
use fetcher::Fetcher;
use isr::AlterPartitions;
use partition::{Moved, Partition, Transition};
use produce::ParkedProduce;
use purgatory::{Parked, Waiting, came_over};
use reads::{AnswerId, Reads};
use sessions::Sessions;
use state::View;

pub use coordinated::ReplicaFact;
pub use state::PartitionState;

/// All partitions of one broker.
///
/// Drive it with requests, answers, disk results and controller states; after each call everything that could be
/// answered has been.
pub struct Replicas {
    own: Own,
    quirks: Quirks,
    config: BrokerConfig,
    partitions: BTreeMap<TopicPartition, Partition>,
    /// Segment files found at the start, of partitions that no controller state has named yet.
    found: BTreeMap<TopicPartition, Vec<(Offset, Bytes)>>,
    /// High watermarks of the checkpoint file found at the start.
    checkpoint: BTreeMap<TopicPartition, Offset>,
    produces: Parked<ParkedProduce>,
    /// `acks=all` requests, by the high watermark that they wait for.
    for_isr: Waiting,
    /// `acks=1` requests, by the ackable end that they wait for.
    for_disk: Waiting,
    sessions: Sessions,
    fetches: Parked<ParkedFetch>,
    /// Answers to fetches that wait for the disk, and how many there ever were.
    readings: BTreeMap<AnswerId, ReadingFetch>,
    answers: u64,
    reads: Reads,
    fetchers: BTreeMap<NodeId, Fetcher>,
    alter: AlterPartitions,
    /// Topics that coordinators keep their state in; one or two at the most.
    watched: Vec<TopicId>,
    facts: VecDeque<ReplicaFact>,
    /// What the current call moved and [`Replicas::settle`] has not yet followed up.
    moved: Vec<(TopicPartition, Moved)>,
    next_isr_check: Instant,
    next_checkpoint: Instant,
    checkpoint_is_stale: bool,
    /// The last write of the checkpoint file, until the disk has answered.
    checkpoint_op: Option<OpId>,
}

/// This broker, and what it knows of the others.
struct Own {
    id: NodeId,
    broker_epoch: Option<BrokerEpoch>,
    lag_time_max: Duration,
    unfenced: BTreeMap<NodeId, BrokerEpoch>,
}

impl Own {
    fn view(&self) -> View<'_> {
        View {
            id: self.id,
            lag_time_max: self.lag_time_max,
            unfenced: &self.unfenced,
        }
    }
}

impl Replicas {
    /// A broker without partitions, with the segment files and the checkpoint file that its disk holds. It looks at its
    /// followers from a random moment of the first interval on: brokers do not start in the same instant, so their
    /// checks are out of phase.
    #[must_use]
    pub fn new(
        now: Instant,
        rng: &mut Random,
        id: NodeId,
        config: &BrokerConfig,
        quirks: Quirks,
        found: BTreeMap<TopicPartition, Vec<(Offset, Bytes)>>,
        checkpoint: &Bytes,
    ) -> Replicas {
        Replicas {
            own: Own {
                id,
                broker_epoch: None,
                lag_time_max: millis(config.replica_lag_time_max_ms),
                unfenced: BTreeMap::new(),
            },
            quirks,
            config: config.clone(),
            partitions: BTreeMap::new(),
            found,
            checkpoint: read_checkpoint(checkpoint),
            produces: Parked::default(),
            for_isr: Waiting::default(),
            for_disk: Waiting::default(),
            sessions: Sessions::new(config.max_incremental_fetch_session_cache_slots, rng.next_u64()),
            fetches: Parked::default(),
            readings: BTreeMap::new(),
            answers: 0,
            reads: Reads::default(),
            fetchers: BTreeMap::new(),
            alter: AlterPartitions::default(),
            watched: Vec::new(),
            facts: VecDeque::new(),
            moved: Vec::new(),
            next_isr_check: now + rng.duration(Duration::ZERO, isr_check_interval(config)),
            next_checkpoint: now + millis(config.replica_high_watermark_checkpoint_interval_ms),
            checkpoint_is_stale: false,
            checkpoint_op: None,
        }
    }

    /// This broker was registered.
    pub fn set_registration(&mut self, broker_epoch: BrokerEpoch) {
        self.own.broker_epoch = Some(broker_epoch);
    }

    /// The brokers that are registered and not fenced. A high watermark may have waited for one that no longer is.
    pub fn set_unfenced(&mut self, ctx: &mut Context<'_>, unfenced: BTreeMap<NodeId, BrokerEpoch>) {
        if self.own.unfenced == unfenced {
            return;
        }
        self.own.unfenced = unfenced;
        for (id, partition) in &mut self.partitions {
            let moved = partition.advance_high_watermark(ctx, self.own.view());
            self.moved.push((*id, moved));
        }
        self.settle(ctx);
    }

    /// Takes over the controller's state of a partition that this broker replicates; creates the replica, from its
    /// files if there are any.
    pub fn apply(&mut self, ctx: &mut Context<'_>, id: TopicPartition, config: &TopicConfig, state: PartitionState) {
        if !self.partitions.contains_key(&id) {
            self.create(ctx, id, config);
        }
        let partition = self.partitions.get_mut(&id).expect("it was just created");
        let leader_before = partition.current_leader().leader;
        let quirk = self.quirks.truncate_to_high_watermark;
        let (transition, moved) = partition.apply(ctx, self.own.view(), state, quirk);
        self.moved.push((id, moved));
        match transition {
            Transition::None => {}
            Transition::IsrChanged => {
                self.alter.forget(id);
                self.notify_readers(id, |_| true);
            }
            Transition::BecameLeader => {
                self.alter.forget(id);
                self.stop_following(id, leader_before);
                self.refuse_waiting(ctx, id);
            }
            Transition::BecameFollower => {
                self.alter.forget(id);
                self.stop_following(id, leader_before);
                self.refuse_waiting(ctx, id);
                self.start_following(id);
            }
        }
        self.settle(ctx);
    }

    fn create(&mut self, ctx: &mut Context<'_>, id: TopicPartition, config: &TopicConfig) {
        let log_config = LogConfig::of_topic(config, self.config.log_tail_cache_bytes);
        let log = match self.found.remove(&id) {
            None => Log::new(id, log_config, Offset::ZERO),
            Some(segments) => Log::recover(id, log_config, segments).repair(ctx),
        };
        let checkpoint = self.checkpoint.remove(&id).unwrap_or(Offset::ZERO);
        self.partitions
            .insert(id, Partition::new(id, config.clone(), log, checkpoint));
    }

    /// Takes an answer; returns false if the request was not one of this module's.
    pub fn on_response(&mut self, ctx: &mut Context<'_>, from: NodeId, id: RequestId, response: Response) -> bool {
        let mine = match response {
            Response::Fetch(body) => self.on_fetched(ctx, from, id, body),
            Response::AlterPartition(body) => self.on_altered(ctx, id, body),
            _ => false,
        };
        self.settle(ctx);
        mine
    }

    /// Nobody waits any more for answers over `connection`.
    pub fn on_closed(&mut self, connection: ConnectionId) {
        self.produces
            .discard(|request| came_over(&request.reply_to, connection));
        self.sessions.end_all_of(connection);
        self.fetches.discard(|request| came_over(&request.reply_to, connection));
        self.readings
            .retain(|_, reading| !came_over(&reading.reply_to, connection));
    }

    /// Takes a disk answer about a segment, or the checkpoint file.
    pub fn on_disk(&mut self, ctx: &mut Context<'_>, op: OpId, file: FileName, result: &Result<DiskReply, DiskError>) {
        let FileName::Segment { partition: id, .. } = file else {
            // The checkpoint is a hint: a failed write costs nothing but a lower hint.
            self.checkpoint_op.take_if(|writing| *writing == op);
            return;
        };
        if self.on_read(ctx, op, result) {
            return;
        }
        if let Some(partition) = self.partitions.get_mut(&id) {
            let moved = partition.on_disk(ctx, self.own.view(), op, result);
            self.moved.push((id, moved));
            if partition.log().is_offline() {
                self.refuse_waiting(ctx, id);
                self.stop_following_offline(id);
            }
        }
        self.settle(ctx);
    }

    /// Acts on what is due.
    pub fn on_wake(&mut self, ctx: &mut Context<'_>) {
        while let Some((_, parked)) = self.produces.next_expired(ctx.now) {
            self.answer_late(ctx, parked);
        }
        while let Some((_, parked)) = self.fetches.next_expired(ctx.now) {
            self.answer_expired(ctx, &parked);
        }
        if ctx.now >= self.next_isr_check {
            self.next_isr_check = ctx.now + isr_check_interval(&self.config);
            self.shrink_isrs(ctx);
        }
        if ctx.now >= self.next_checkpoint {
            self.next_checkpoint = ctx.now + millis(self.config.replica_high_watermark_checkpoint_interval_ms);
            self.write_checkpoint(ctx);
        }
        self.fetchers_on_wake(ctx);
        self.alter_on_wake(ctx);
        self.settle(ctx);
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let periodic = (!self.partitions.is_empty()).then(|| self.next_isr_check.min(self.next_checkpoint));
        earliest([
            periodic,
            self.produces.deadline(),
            self.fetches.deadline(),
            self.fetchers_deadline(),
            self.alter.deadline(),
        ])
    }

    /// Follows up everything that moved: answers who waited, sends what is ready to be sent.
    fn settle(&mut self, ctx: &mut Context<'_>) {
        self.answer_waiting(ctx);
        self.send_fetches(ctx);
        self.send_alter_partition(ctx);
    }

    /// [`Replicas::settle`] after what changes nothing about what is followed.
    fn settle_led(&mut self, ctx: &mut Context<'_>) {
        self.answer_waiting(ctx);
        self.send_alter_partition(ctx);
    }

    /// Answers who waited for what has moved.
    fn answer_waiting(&mut self, ctx: &mut Context<'_>) {
        while let Some((id, moved)) = self.moved.pop() {
            if moved.high_watermark {
                self.checkpoint_is_stale = true;
            }
            if moved.high_watermark || moved.ackable {
                self.complete_appends(ctx, id);
            }
            if moved.high_watermark {
                self.report_committed(id);
            }
            if moved.high_watermark || moved.log_end {
                // A new log end is nothing to a consumer.
                self.notify_readers(id, |session| moved.high_watermark || session.replica.is_some());
                self.complete_fetches(ctx, id);
            }
            if moved.isr_proposed {
                self.alter.want(id);
            }
        }
    }

    fn write_checkpoint(&mut self, ctx: &mut Context<'_>) {
        if !core::mem::take(&mut self.checkpoint_is_stale) {
            return;
        }
        let mut text = String::new();
        for (id, partition) in &self.partitions {
            let offset = partition.high_watermark();
            // An offset that is missing is read as 0.
            if offset == Offset::ZERO {
                continue;
            }
            writeln!(text, "{} {} {offset}", id.topic, id.partition).expect("a string takes everything");
        }
        let op = ctx.out.disk(DiskOp::Replace {
            file: FileName::HighWatermarkCheckpoint,
            bytes: text.into(),
        });
        self.checkpoint_op = Some(op);
    }

    /// Follows nobody any more, proposes nothing, and makes durable whatever it has (Kafka `ReplicaManager.shutdown`,
    /// `LogManager.shutdown`). From now on only disk results are of interest, until [`Replicas::is_flushed`].
    pub fn shut_down(&mut self, ctx: &mut Context<'_>) {
        self.fetchers.clear();
        self.alter = AlterPartitions::default();
        self.write_checkpoint(ctx);
        for partition in self.partitions.values_mut() {
            partition.flush(ctx);
        }
    }

    /// Whether the disk has everything that it can still take.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        let mut logs = self.partitions.values().map(Partition::log);
        let is_flushed = |log: &Log| log.is_offline() || log.flushed_end() == log.log_end_offset();
        self.checkpoint_op.is_none() && logs.all(is_flushed)
    }
}

/// High watermarks by partition; a line that cannot be read is left out, since the file is only a hint.
fn read_checkpoint(bytes: &Bytes) -> BTreeMap<TopicPartition, Offset> {
    let text = core::str::from_utf8(bytes).unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let topic = words.next()?.parse().ok()?;
        let partition = PartitionIndex(words.next()?.parse().ok()?);
        let offset = Offset(words.next()?.parse().ok()?);
        Some((TopicPartition { topic, partition }, offset))
    };
    text.lines().filter_map(line).collect()
}

/// How often followers are looked at that may have fallen behind: twice in the time that they have.
fn isr_check_interval(config: &BrokerConfig) -> Duration {
    millis(config.replica_lag_time_max_ms.div_ceil(2))
}

/// The error of a partition that is not here, or not led here.
fn not_led(partition: Option<&Partition>) -> ErrorCode {
    match partition {
        None => ErrorCode::UnknownTopicOrPartition,
        Some(partition) if partition.log().is_offline() => ErrorCode::KafkaStorageError,
        Some(_) => ErrorCode::NotLeaderOrFollower,
    }
}

/// The partition, if it is led here in the epoch that the reader believes in.
fn led(partition: Option<&Partition>, believed: Option<LeaderEpoch>) -> Result<&Partition, ErrorCode> {
    let here = partition.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    here.check_epoch(believed)?;
    if here.leads() {
        Ok(here)
    } else {
        Err(not_led(partition))
    }
}

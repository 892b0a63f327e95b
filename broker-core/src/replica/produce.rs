//! Producers' appends: append at once, answer when the asked-for replicas have the batch.

use alloc::vec::Vec;

use crate::log::AppendOutcome;
use crate::machine::{Context, ReplyTo};
use crate::protocol::{Acks, ErrorCode, ProducePartitionResponse, ProduceRequest, ProduceResponse, RecordBatch};
use crate::replica::partition::{Moved, Partition};
use crate::replica::purgatory::ParkedId;
use crate::replica::state::View;
use crate::replica::{Replicas, not_led};
use crate::trace::{self, Event};
use crate::types::{Offset, TopicPartition};

/// A produce request that waits for replicas, or for its own disk.
pub(super) struct ParkedProduce {
    pub reply_to: ReplyTo,
    pub acks: Acks,
    /// One per partition of the request, in its order.
    pub partitions: Vec<ParkedAppend>,
    /// How many of them still wait.
    pub waiting: usize,
}

/// One partition of a parked produce request.
pub(super) struct ParkedAppend {
    pub response: ProducePartitionResponse,
    /// First and last offset, once appended.
    pub offsets: Option<(Offset, Offset)>,
    pub isr_at_append: u32,
    pub waiting: bool,
}

impl Replicas {
    /// Appends a producer's batches (Kafka `ReplicaManager.appendRecords`). Answers at once, or parks until replicas
    /// have them or the request's time is up; never answers at `acks=0`.
    pub fn on_produce(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: ProduceRequest) {
        let appends: Vec<ParkedAppend> = request
            .partitions
            .iter()
            .map(|(id, batch)| self.append(ctx, request.acks, *id, batch))
            .collect();
        let parked = ParkedProduce {
            reply_to,
            acks: request.acks,
            waiting: appends.iter().filter(|append| append.waiting).count(),
            partitions: appends,
        };
        if parked.waiting == 0 {
            respond(ctx, parked);
        } else {
            self.park_produce(ctx, request.timeout, parked);
        }
        self.settle_led(ctx);
    }

    fn append(&mut self, ctx: &mut Context<'_>, acks: Acks, id: TopicPartition, batch: &RecordBatch) -> ParkedAppend {
        match self.try_append(ctx, acks, id, batch) {
            Ok(append) => append,
            Err(error) => {
                let partition = self.partitions.get(&id);
                let refused = ParkedAppend {
                    response: ProducePartitionResponse {
                        partition: id,
                        error,
                        base_offset: None,
                        log_start_offset: Offset(-1),
                        current_leader: partition
                            .filter(|_| error == ErrorCode::NotLeaderOrFollower)
                            .map(|partition| partition.current_leader()),
                    },
                    offsets: None,
                    isr_at_append: partition.map_or(0, |partition| partition.isr().len() as u32),
                    waiting: false,
                };
                self.trace_answer(ctx, acks, &refused);
                refused
            }
        }
    }

    fn try_append(
        &mut self,
        ctx: &mut Context<'_>,
        acks: Acks,
        id: TopicPartition,
        batch: &RecordBatch,
    ) -> Result<ParkedAppend, ErrorCode> {
        let partition = self.partitions.get_mut(&id);
        let Some(partition) = partition.filter(|partition| partition.leads()) else {
            return Err(not_led(self.partitions.get(&id)));
        };
        if self.watched.contains(&id.topic) {
            return Err(ErrorCode::InvalidTopic);
        }
        // Kafka's `LogValidator`: clients are not allowed to write control records.
        if batch.is_control() {
            return Err(ErrorCode::InvalidRecord);
        }
        // Kafka's `UnifiedLog`: the records are not part of an ongoing transaction. Here none ever is: there is no
        // coordinator that could begin or end one.
        if batch.is_transactional() {
            return Err(ErrorCode::InvalidTxnState);
        }
        let isr_at_append = partition.isr().len();
        let (outcome, moved) = self::append(ctx, self.own.view(), partition, acks, batch)?;
        self.moved.push((id, moved));
        let (AppendOutcome::Appended {
            base_offset,
            last_offset,
        }
        | AppendOutcome::Duplicate {
            base_offset,
            last_offset,
        }) = outcome;
        let reached = match acks {
            Acks::None => Offset(i64::MAX),
            Acks::Leader => partition.log().ackable_end(),
            Acks::All if self.quirks.ack_before_isr => partition.log().ackable_end(),
            Acks::All => partition.high_watermark(),
        };
        let append = ParkedAppend {
            response: ProducePartitionResponse {
                partition: id,
                error: ErrorCode::None,
                base_offset: Some(base_offset),
                log_start_offset: partition.log().log_start_offset(),
                current_leader: None,
            },
            offsets: Some((base_offset, last_offset)),
            isr_at_append: isr_at_append as u32,
            waiting: reached <= last_offset,
        };
        if !append.waiting {
            self.trace_answer(ctx, acks, &append);
        }
        Ok(append)
    }

    fn park_produce(&mut self, ctx: &mut Context<'_>, timeout: core::time::Duration, parked: ParkedProduce) {
        let acks = parked.acks;
        let waiting: Vec<(TopicPartition, Offset)> = parked
            .partitions
            .iter()
            .filter(|append| append.waiting)
            .filter_map(|append| Some((append.response.partition, append.offsets?.1.next())))
            .collect();
        let request = self.produces.insert(ctx.now + timeout, parked);
        let for_isr = acks == Acks::All && !self.quirks.ack_before_isr;
        let queue = if for_isr { &mut self.for_isr } else { &mut self.for_disk };
        for (id, required) in waiting {
            queue.push(id, required, request);
        }
    }

    /// Answers the produce requests of a partition that wait no longer.
    pub(super) fn complete_appends(&mut self, ctx: &mut Context<'_>, id: TopicPartition) {
        while let Some((request, error)) = self.next_reached(id) {
            self.complete_append(ctx, request, id, error);
        }
    }

    fn next_reached(&mut self, id: TopicPartition) -> Option<(ParkedId, ErrorCode)> {
        let partition = self.partitions.get(&id)?;
        if let Some(request) = self.for_isr.pop_reached(id, partition.high_watermark()) {
            // The batch is on every replica that is in sync now, but those are fewer than the producer asked for.
            let enough = partition.isr().len() >= partition.min_insync_replicas();
            let error = if enough {
                ErrorCode::None
            } else {
                ErrorCode::NotEnoughReplicasAfterAppend
            };
            return Some((request, error));
        }
        let request = self.for_disk.pop_reached(id, partition.log().ackable_end())?;
        Some((request, ErrorCode::None))
    }

    /// Ends everything that waits at a partition which this broker does not lead any more, or not in that epoch.
    pub(super) fn refuse_waiting(&mut self, ctx: &mut Context<'_>, id: TopicPartition) {
        let for_isr = self.for_isr.drain(id);
        for request in for_isr.into_iter().chain(self.for_disk.drain(id)) {
            self.complete_append(ctx, request, id, ErrorCode::NotLeaderOrFollower);
        }
        self.notify_readers(id, |_| true);
        self.complete_fetches(ctx, id);
        self.report_leadership(id);
    }

    fn complete_append(&mut self, ctx: &mut Context<'_>, request: ParkedId, id: TopicPartition, error: ErrorCode) {
        let Some(parked) = self.produces.get_mut(request) else {
            return;
        };
        let waits = |append: &&mut ParkedAppend| append.response.partition == id && append.waiting;
        let Some(append) = parked.partitions.iter_mut().find(waits) else {
            return;
        };
        append.waiting = false;
        fail(append, error);
        parked.waiting -= 1;
        let done = parked.waiting == 0;
        let acks = parked.acks;
        let index = parked
            .partitions
            .iter()
            .position(|append| append.response.partition == id);
        let parked = self.produces.get(request).expect("it was just there");
        self.trace_answer(ctx, acks, &parked.partitions[index.expect("it was just found")]);
        if done && let Some(parked) = self.produces.remove(request) {
            respond(ctx, parked);
        }
    }

    /// The time of a request is up: what still waits is answered REQUEST_TIMED_OUT.
    pub(super) fn answer_late(&mut self, ctx: &mut Context<'_>, mut parked: ParkedProduce) {
        for append in parked.partitions.iter_mut().filter(|append| append.waiting) {
            append.waiting = false;
            fail(append, ErrorCode::RequestTimedOut);
            self.trace_answer(ctx, parked.acks, append);
        }
        respond(ctx, parked);
    }

    fn trace_answer(&self, ctx: &mut Context<'_>, acks: Acks, append: &ParkedAppend) {
        let id = append.response.partition;
        let Some(partition) = self.partitions.get(&id) else {
            return;
        };
        ctx.out.trace(Event::ProduceAnswered(trace::ProduceAnswered {
            partition: id,
            acks,
            error: append.response.error,
            offsets: append.offsets,
            leader_epoch: partition.leader_epoch(),
            high_watermark: partition.high_watermark(),
            isr_at_append: append.isr_at_append,
            min_insync_replicas: partition.min_insync_replicas() as u32,
        }));
    }
}

/// Appends a batch, if it is not too large and the ISR is large enough for `acks`.
pub(super) fn append(
    ctx: &mut Context<'_>,
    view: View<'_>,
    partition: &mut Partition,
    acks: Acks,
    batch: &RecordBatch,
) -> Result<(AppendOutcome, Moved), ErrorCode> {
    if batch.size() > partition.max_message_bytes() {
        return Err(ErrorCode::MessageTooLarge);
    }
    if acks == Acks::All && partition.isr().len() < partition.min_insync_replicas() {
        return Err(ErrorCode::NotEnoughReplicas);
    }
    // Records that nobody could read are refused, as by Kafka's `LogValidator`; compressed ones, which this build cannot
    // read either, pass unseen.
    if batch.compression() == 0 && batch.views().any(|record| record.is_err()) {
        return Err(ErrorCode::InvalidRecord);
    }
    partition.append(ctx, view, batch)
}

fn fail(append: &mut ParkedAppend, error: ErrorCode) {
    append.response.error = error;
    if !error.is_ok() {
        append.response.base_offset = None;
    }
}

fn respond(ctx: &mut Context<'_>, parked: ParkedProduce) {
    if parked.acks == Acks::None {
        // Nobody reads an answer. The end of the connection says that something is wrong, and the client asks for metadata
        // (Kafka `KafkaApis.handleProduceRequest`).
        if parked.partitions.iter().any(|append| !append.response.error.is_ok()) {
            ctx.out.hang_up(parked.reply_to.connection);
        }
        return;
    }
    let partitions = parked.partitions.into_iter().map(|append| append.response).collect();
    ctx.out.respond(parked.reply_to, ProduceResponse { partitions }.into());
}

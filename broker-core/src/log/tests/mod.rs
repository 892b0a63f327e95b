//! The log as a whole: on a disk of its own, by cases, against a model, and after damage.

mod cases;
mod disk;
mod flushing;
mod model;
mod recovery;

use alloc::vec::Vec;

use disk::TestDisk;

use super::*;
use crate::machine::{Context, Instant, Now, Outbox, Output};
use crate::protocol::BatchBuilder;
use crate::random::Random;
use crate::trace::{self, Event};
use crate::types::{PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId};

const PARTITION: TopicPartition = TopicPartition {
    topic: TopicId(100),
    partition: PartitionIndex(0),
};

/// Lazy flush, everything in memory, one segment.
const LAZY: LogConfig = LogConfig {
    segment_bytes: 1 << 30,
    flush_messages: u64::MAX,
    tail_cache_bytes: 1 << 20,
};

/// A log, its disk, and what it stated.
struct Rig {
    log: Log,
    config: LogConfig,
    disk: TestDisk,
    events: Vec<Event>,
    rng: Random,
    out: Outbox,
}

impl Rig {
    fn new(config: LogConfig) -> Rig {
        Rig {
            log: Log::new(PARTITION, config, Offset::ZERO),
            config,
            disk: TestDisk::default(),
            events: Vec::new(),
            rng: Random::new(0, "log"),
            out: Outbox::default(),
        }
    }

    /// Calls the log and carries out what it asks for.
    fn call<R>(&mut self, call: impl FnOnce(&mut Log, &mut Context<'_>) -> R) -> R {
        let mut ctx = Context::new(Now::at(Instant(0)), &mut self.rng, &mut self.out);
        let result = call(&mut self.log, &mut ctx);
        while let Some(output) = self.out.poll() {
            match output {
                Output::Disk { op, what } => self.disk.carry_out(op, what),
                Output::Trace(event) => self.events.push(event),
                other => panic!("a log does not ask for {other:?}"),
            }
        }
        result
    }

    /// Answers the oldest sync of the file that the `which`-th open sync is about.
    fn answer(&mut self, which: usize) -> DiskProgress {
        let op = self.disk.finish_sync(which);
        self.call(|log, ctx| log.on_disk(ctx, op, &Ok(crate::disk::DiskReply::Done)))
    }

    fn answer_all(&mut self) {
        while self.disk.open_syncs() > 0 {
            self.answer(0);
        }
    }

    /// Starts again from what the disk has, and returns the batches that the log found.
    fn restart(&mut self) -> Vec<RecordBatch> {
        self.disk.forget_syncs();
        let recovered = Log::recover(PARTITION, self.config, self.disk.segments());
        let batches = recovered.batches.clone();
        self.log = self.call(|_, ctx| recovered.repair(ctx));
        batches
    }

    fn lead(&mut self, batch: &RecordBatch, epoch: i32) -> Result<AppendOutcome, crate::protocol::ErrorCode> {
        self.call(|log, ctx| log.append_as_leader(ctx, batch, LeaderEpoch(epoch)))
    }

    fn truncate(&mut self, to: i64) {
        let cause = crate::trace::TruncationCause::DivergingEpoch;
        self.call(|log, ctx| log.truncate_to(ctx, Offset(to), LeaderEpoch(9), cause));
    }

    /// How many batches of the log are in memory.
    fn in_memory(&self) -> usize {
        let end = self.log.log_end_offset();
        let reads = (0..end.0).map(|from| self.log.read(Offset(from), end, u64::MAX));
        let in_memory = |read| match read {
            Ok(Read::Batches(batches)) => Some(batches.len()),
            _ => None,
        };
        reads.filter_map(in_memory).max().unwrap_or(0)
    }
}

/// A batch of so many records with a value of so many bytes each; timestamps from 1000 on, one each.
fn batch(records: usize, value: usize) -> RecordBatch {
    let mut builder = BatchBuilder::new();
    for index in 0..records {
        builder.push(Timestamp(1000 + index as i64), None, Some(&alloc::vec![7; value]), &[]);
    }
    builder.build()
}

/// The same of an idempotent producer.
fn produced(id: i64, epoch: i16, base_sequence: i32, records: usize) -> RecordBatch {
    batch(records, 3).with_producer(ProducerId(id), ProducerEpoch(epoch), Sequence(base_sequence))
}

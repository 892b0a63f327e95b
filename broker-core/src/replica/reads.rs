//! The reads of logs' files that the disk has not answered, and what each is for.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::disk::{DiskError, DiskReply, OpId};
use crate::log::FileRead;
use crate::machine::Context;
use crate::protocol::{ErrorCode, RecordBatch};
use crate::replica::{ReplicaFact, Replicas};
use crate::types::TopicPartition;

/// Names one answer to a fetch that waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct AnswerId(pub u64);

/// What a read is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReadFor {
    /// The `index`-th partition of an answer to a fetch.
    Answer { answer: AnswerId, index: usize },
    /// The coordinator that keeps its state in the partition.
    Coordinator,
}

/// Every outstanding read.
#[derive(Default)]
pub(super) struct Reads(BTreeMap<OpId, Outstanding>);

struct Outstanding {
    partition: TopicPartition,
    read: FileRead,
    purpose: ReadFor,
}

impl Reads {
    /// Asks the disk.
    pub fn begin(&mut self, ctx: &mut Context<'_>, partition: TopicPartition, read: FileRead, purpose: ReadFor) {
        let op = ctx.out.disk(read.op());
        let outstanding = Outstanding {
            partition,
            read,
            purpose,
        };
        self.0.insert(op, outstanding);
    }

    /// Nobody wants what a coordinator asked for at this partition.
    pub fn forget_coordinator(&mut self, partition: TopicPartition) {
        self.0
            .retain(|_, read| read.partition != partition || read.purpose != ReadFor::Coordinator);
    }
}

impl Replicas {
    /// Takes the answer to a read; false if none waits for it.
    pub(super) fn on_read(&mut self, ctx: &mut Context<'_>, op: OpId, result: &Result<DiskReply, DiskError>) -> bool {
        let Some(Outstanding {
            partition,
            read,
            purpose,
        }) = self.reads.0.remove(&op)
        else {
            return false;
        };
        let replica = self.partitions.get(&partition).ok_or(ErrorCode::KafkaStorageError);
        let batches: Result<Vec<RecordBatch>, ErrorCode> =
            replica.and_then(|replica| replica.log().read_done(&read, result));
        match purpose {
            ReadFor::Answer { answer, index } => self.fill_answer(ctx, answer, index, batches),
            ReadFor::Coordinator => self.facts.push_back(ReplicaFact::Read {
                partition,
                batches: batches.unwrap_or_default(),
            }),
        }
        true
    }
}

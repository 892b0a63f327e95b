//! The log as a whole, against a model.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::*;
use crate::disk::{DiskOp, DiskReply, OpId};
use crate::machine::{Context, Instant, Outbox, Output};
use crate::protocol::BatchBuilder;
use crate::random::Random;
use crate::trace::{Event, TruncationCause};
use crate::types::{Timestamp, TopicId};

const PARTITION: TopicPartition = TopicPartition {
    topic: TopicId(100),
    partition: crate::types::PartitionIndex(0),
};

fn batch(records: usize) -> RecordBatch {
    let mut builder = BatchBuilder::new();
    for index in 0..records {
        builder.push(Timestamp(index as i64), None, Some(b"value"), &[]);
    }
    builder.build()
}

#[test]
fn smoke() {
    let config = LogConfig {
        segment_bytes: 200,
        flush_messages: 1,
        tail_cache_bytes: 100,
    };
    let mut log = Log::new(PARTITION, config, Offset::ZERO);
    let mut rng = Random::new(0, "");
    let mut out = Outbox::default();
    let mut ctx = Context {
        now: Instant(0),
        rng: &mut rng,
        out: &mut out,
    };
    for _ in 0..4 {
        log.append_as_leader(&mut ctx, &batch(2), LeaderEpoch(1)).unwrap();
    }
    assert_eq!(log.log_end_offset(), Offset(8));
    log.truncate_to(&mut ctx, Offset(3), LeaderEpoch(2), TruncationCause::DivergingEpoch);
    assert_eq!(log.log_end_offset(), Offset(2));
    assert!(matches!(log.read(Offset(0), Offset(8), 100), Ok(Read::OnDisk { .. })));
    let mut syncs: Vec<OpId> = vec![];
    while let Some(output) = ctx.out.poll() {
        match output {
            Output::Disk {
                op,
                what: DiskOp::Sync { .. },
            } => syncs.push(op),
            Output::Trace(Event::Appended { .. }) => {}
            _ => {}
        }
    }
    for op in syncs {
        log.on_disk(&mut ctx, op, &Ok(DiskReply::Done));
    }
    assert_eq!(log.flushed_end(), Offset(2));
    let again = Log::recover(PARTITION, config, vec![(Offset(0), Bytes::from_static(b"x"))]);
    assert_eq!(again.cut_bytes, 1);
}

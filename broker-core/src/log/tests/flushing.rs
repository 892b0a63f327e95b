//! What counts as flushed, and what a failure ends.

use alloc::vec;
use alloc::vec::Vec;

use super::disk::Asked;
use super::*;
use crate::disk::{DiskError, DiskReply};
use crate::protocol::ErrorCode;

/// `flush.messages=1`: one sync is in flight, and one more covers all that came meanwhile.
#[test]
fn group_commit() {
    let mut rig = Rig::new(LogConfig {
        flush_messages: 1,
        ..LAZY
    });
    for _ in 0..3 {
        assert!(rig.lead(&batch(1, 1), 0).is_ok());
    }
    assert_eq!(rig.disk.open_syncs(), 1);
    assert_eq!(rig.log.ackable_end(), Offset(0));
    assert_eq!(rig.answer(0), DiskProgress::Flushed);
    assert_eq!((rig.log.flushed_end(), rig.log.ackable_end()), (Offset(1), Offset(1)));
    assert_eq!(rig.disk.open_syncs(), 1);
    assert_eq!(rig.answer(0), DiskProgress::Flushed);
    assert_eq!((rig.log.flushed_end(), rig.log.ackable_end()), (Offset(3), Offset(3)));
    assert_eq!(rig.disk.open_syncs(), 0);
    let flushed = rig.events.iter().filter_map(|event| match event {
        Event::Flushed(trace::Flushed { end, .. }) => Some(end.0),
        _ => None,
    });
    assert_eq!(flushed.collect::<Vec<_>>(), [1, 3]);
    rig.call(|log, ctx| log.flush(ctx));
    assert_eq!(rig.disk.open_syncs(), 0);
}

#[test]
fn syncs_of_two_segments_may_end_in_any_order() {
    let mut rig = Rig::new(LogConfig {
        flush_messages: 1,
        segment_bytes: 1,
        ..LAZY
    });
    for _ in 0..3 {
        assert!(rig.lead(&batch(1, 1), 0).is_ok());
    }
    assert_eq!(rig.disk.open_syncs(), 3);
    assert_eq!(rig.answer(2), DiskProgress::Nothing);
    assert_eq!(rig.answer(0), DiskProgress::Flushed);
    assert_eq!(rig.log.flushed_end(), Offset(1));
    assert_eq!(rig.answer(0), DiskProgress::Flushed);
    assert_eq!(rig.log.flushed_end(), Offset(3));
}

#[test]
fn a_flush_every_so_many_records_does_not_hold_acks_back() {
    let mut rig = Rig::new(LogConfig {
        flush_messages: 5,
        ..LAZY
    });
    let mut syncs = Vec::new();
    for _ in 0..6 {
        assert!(rig.lead(&batch(2, 1), 0).is_ok());
        assert_eq!(rig.log.ackable_end(), rig.log.log_end_offset());
        syncs.push(rig.disk.open_syncs());
        rig.answer_all();
    }
    assert_eq!(syncs, [0, 0, 1, 0, 0, 1]);
    assert_eq!(rig.log.flushed_end(), Offset(12));
}

/// A sync that was asked for before a cut proves nothing about what was written after it.
#[test]
fn a_sync_from_before_a_cut() {
    let mut rig = Rig::new(LogConfig {
        flush_messages: 1,
        ..LAZY
    });
    for _ in 0..3 {
        assert!(rig.lead(&batch(1, 1), 0).is_ok());
        rig.answer_all();
    }
    assert!(rig.lead(&batch(1, 1), 0).is_ok());
    rig.truncate(2);
    assert_eq!(rig.log.flushed_end(), Offset(2));
    assert!(rig.lead(&batch(1, 2), 1).is_ok());
    assert!(rig.lead(&batch(1, 2), 1).is_ok());
    // The answer to the sync of offset 3 as it was, then that of the new segment: the cut still waits for its own.
    assert_eq!(rig.answer(0), DiskProgress::Nothing);
    assert_eq!(rig.answer(0), DiskProgress::Nothing);
    assert_eq!(rig.log.flushed_end(), Offset(2));
    assert_eq!(rig.answer(0), DiskProgress::Flushed);
    assert_eq!(rig.log.flushed_end(), Offset(3));
    assert_eq!(rig.answer(0), DiskProgress::Flushed);
    assert_eq!(rig.log.flushed_end(), Offset(4));
}

/// The same when the cut removed the segment, and another one got its name.
#[test]
fn a_sync_of_a_removed_segment() {
    let mut rig = Rig::new(LogConfig {
        flush_messages: 1,
        segment_bytes: 1,
        ..LAZY
    });
    assert!(rig.lead(&batch(1, 1), 0).is_ok());
    rig.answer_all();
    assert!(rig.lead(&batch(1, 1), 0).is_ok());
    rig.truncate(1);
    assert!(rig.lead(&batch(1, 2), 1).is_ok());
    assert_eq!(rig.disk.open_syncs(), 2);
    assert_eq!(rig.answer(0), DiskProgress::Nothing);
    assert_eq!(rig.log.flushed_end(), Offset(1));
    assert_eq!(rig.answer(0), DiskProgress::Flushed);
    assert_eq!(rig.log.flushed_end(), Offset(2));
}

/// A cut end that comes back after a power loss would part a log from its next segment: nothing there counts as
/// flushed before the cut is.
#[test]
fn a_cut_is_durable_before_what_follows_it() {
    let size = batch(1, 1).size();
    let mut rig = Rig::new(LogConfig {
        flush_messages: 1,
        segment_bytes: 2 * size,
        ..LAZY
    });
    for _ in 0..2 {
        assert!(rig.lead(&batch(1, 1), 0).is_ok());
    }
    rig.answer_all();
    rig.disk.asked.clear();
    rig.truncate(1);
    assert_eq!(rig.disk.asked, [Asked::Truncate(0, size), Asked::Sync(0)]);
    assert_eq!(rig.log.flushed_end(), Offset(1));
    assert!(rig.lead(&batch(1, 2), 1).is_ok());
    assert_eq!(rig.disk.asked[2..], [Asked::Write(1, 0, size + 1), Asked::Sync(1)]);
    assert_eq!(rig.answer(1), DiskProgress::Nothing);
    assert_eq!(rig.log.flushed_end(), Offset(1));
    assert_eq!(rig.answer(0), DiskProgress::Flushed);
    assert_eq!(rig.log.flushed_end(), Offset(2));
}

#[test]
fn a_failed_operation_takes_the_log_offline() {
    let mut rig = Rig::new(LogConfig {
        flush_messages: 1,
        ..LAZY
    });
    assert!(rig.lead(&batch(1, 1), 0).is_ok());
    let op = rig.disk.finish_sync(0);
    let mut answer = |result| rig.call(|log, ctx| log.on_disk(ctx, op, &result));
    assert_eq!(
        answer(Err(DiskError::NoSpace)),
        DiskProgress::Failed(DiskError::NoSpace)
    );
    assert_eq!(answer(Err(DiskError::Io)), DiskProgress::Nothing);
    assert_eq!(answer(Ok(DiskReply::Done)), DiskProgress::Nothing);
    assert!(rig.log.is_offline());
    assert_eq!(rig.log.flushed_end(), Offset(0));
    let offline = |event: &&Event| {
        matches!(
            event,
            Event::LogWentOffline(trace::LogWentOffline {
                error: DiskError::NoSpace,
                ..
            })
        )
    };
    assert_eq!(rig.events.iter().filter(offline).count(), 1);

    rig.disk.asked.clear();
    rig.events.clear();
    assert_eq!(rig.lead(&batch(1, 1), 0), Err(ErrorCode::KafkaStorageError));
    let batch = batch(1, 1).stamped(Offset(1), LeaderEpoch(0));
    let followed = rig.call(|log, ctx| log.append_as_follower(ctx, &batch));
    assert_eq!(followed, Err(ErrorCode::KafkaStorageError));
    rig.truncate(0);
    rig.call(|log, ctx| log.truncate_fully_and_start_at(ctx, Offset(5), LeaderEpoch(0)));
    rig.call(|log, ctx| log.flush(ctx));
    assert_eq!(rig.log.read(Offset(0), Offset(1), 100), Ok(Read::Batches(vec![])));
    assert!(rig.disk.asked.is_empty() && rig.events.is_empty());
}

//! One story a test, mostly of Kafka's `UnifiedLogTest`.

use alloc::vec;
use alloc::vec::Vec;

use super::disk::Asked;
use super::*;
use crate::protocol::ErrorCode;
use crate::trace::{self, ReplicaRole, TruncationCause};

fn appended(base: i64, last: i64) -> Result<AppendOutcome, ErrorCode> {
    Ok(AppendOutcome::Appended {
        base_offset: Offset(base),
        last_offset: Offset(last),
    })
}

fn duplicate(base: i64, last: i64) -> Result<AppendOutcome, ErrorCode> {
    Ok(AppendOutcome::Duplicate {
        base_offset: Offset(base),
        last_offset: Offset(last),
    })
}

#[test]
fn a_leader_stamps_offsets_and_epoch() {
    let mut rig = Rig::new(LAZY);
    assert_eq!(rig.lead(&batch(3, 10), 4), appended(0, 2));
    assert_eq!(rig.lead(&batch(2, 10), 5), appended(3, 4));
    let Ok(Read::Batches(batches)) = rig.log.read(Offset(0), Offset(5), u64::MAX) else {
        panic!("all is in memory");
    };
    let stamps: Vec<_> = batches
        .iter()
        .map(|b| (b.base_offset().0, b.leader_epoch().0))
        .collect();
    assert_eq!(stamps, [(0, 4), (3, 5)]);
    let stated = rig.events.iter().map(|event| match event {
        Event::Appended(trace::Appended {
            role: ReplicaRole::Leader,
            batch,
            ..
        }) => batch.clone(),
        other => panic!("{other:?}"),
    });
    assert_eq!(stated.collect::<Vec<_>>(), batches);
    assert_eq!(
        rig.disk.content(),
        [batches[0].bytes().to_vec(), batches[1].bytes().to_vec()].concat()
    );
    assert_eq!(rig.log.epoch_for_offset(Offset(2)), Some(LeaderEpoch(4)));
    assert_eq!(rig.log.epoch_for_offset(Offset(4)), Some(LeaderEpoch(5)));
    assert_eq!(rig.log.epoch_for_offset(Offset(5)), None);
}

#[test]
fn what_no_producer_may_send_is_refused() {
    let good = produced(7, 0, 0, 2);
    // Offset, bytes, outcome. Changing the bytes calls for another CRC.
    for (what, at, to, expected) in [
        ("as it is", 0, vec![], appended(0, 1)),
        ("no records", 57, vec![0; 4], Err(ErrorCode::InvalidRecord)),
        (
            "a gap between its records",
            23,
            vec![0, 0, 0, 5],
            Err(ErrorCode::InvalidRecord),
        ),
        ("no producer epoch", 51, vec![0xff; 2], Err(ErrorCode::InvalidRecord)),
        ("no sequence", 53, vec![0xff; 4], Err(ErrorCode::InvalidRecord)),
        ("a negative producer id is none", 43, vec![0xff; 8], appended(0, 1)),
    ] {
        let mut bytes = good.bytes().to_vec();
        bytes[at..at + to.len()].copy_from_slice(&to);
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let batch = RecordBatch::parse(&bytes.into()).expect(what);
        let mut rig = Rig::new(LAZY);
        assert_eq!(rig.lead(&batch, 0), expected, "{what}");
        let written = if expected.is_ok() { 1 } else { 0 };
        assert_eq!(rig.disk.asked.len(), written, "{what}");
    }
}

#[test]
fn a_control_batch_is_taken() {
    let mut builder = BatchBuilder::control();
    builder.push(Timestamp(0), Some(&[0, 0, 0, 2]), Some(&[]), &[]);
    let mut rig = Rig::new(LAZY);
    assert_eq!(rig.lead(&builder.build(), 1), appended(0, 0));
    assert!(rig.log.producers().get(ProducerId::NONE).is_none());
}

#[test]
#[should_panic(expected = "appends as leader of epoch 3 behind epoch Some(4)")]
fn a_leader_of_the_past_is_a_defect() {
    let mut rig = Rig::new(LAZY);
    rig.log.begin_epoch(LeaderEpoch(4));
    let _outcome = rig.lead(&batch(1, 1), 3);
}

/// A duplicate of one of the last five batches gets its offsets, an older one or a part of one an error.
#[test]
fn duplicates_are_found() {
    let mut rig = Rig::new(LAZY);
    for index in 0..6 {
        let base = index * 2;
        assert_eq!(
            rig.lead(&produced(7, 0, base, 2), 0),
            appended(i64::from(base), i64::from(base) + 1)
        );
    }
    let end = rig.log.log_end_offset();
    for (base_sequence, records, expected) in [
        (10, 2, duplicate(10, 11)),
        (2, 2, duplicate(2, 3)),
        (0, 2, Err(ErrorCode::OutOfOrderSequenceNumber)),
        (10, 1, Err(ErrorCode::OutOfOrderSequenceNumber)),
        (11, 2, Err(ErrorCode::OutOfOrderSequenceNumber)),
        (13, 2, Err(ErrorCode::OutOfOrderSequenceNumber)),
    ] {
        assert_eq!(
            rig.lead(&produced(7, 0, base_sequence, records), 0),
            expected,
            "{base_sequence}"
        );
    }
    assert_eq!(rig.log.log_end_offset(), end);
    assert_eq!(rig.lead(&produced(7, 1, 0, 1), 0), appended(12, 12));
    assert_eq!(
        rig.lead(&produced(7, 0, 12, 1), 0),
        Err(ErrorCode::InvalidProducerEpoch)
    );
}

#[test]
fn a_producers_batch_that_was_cut_is_no_duplicate() {
    let mut rig = Rig::new(LAZY);
    let batches = [produced(7, 0, 0, 2), produced(7, 0, 2, 2)];
    for batch in &batches {
        assert!(rig.lead(batch, 0).is_ok());
    }
    rig.truncate(2);
    assert_eq!(rig.lead(&batches[0], 0), duplicate(0, 1));
    assert_eq!(rig.lead(&batches[1], 0), appended(2, 3));
}

#[test]
fn a_follower_takes_what_continues_its_log() {
    let mut rig = Rig::new(LAZY);
    let mut follow = |base: i64, epoch: i32| {
        let batch = produced(7, 0, 0, 2).stamped(Offset(base), LeaderEpoch(epoch));
        rig.call(|log, ctx| log.append_as_follower(ctx, &batch))
    };
    for (base, epoch, expected) in [
        (1, 3, Err(ErrorCode::OffsetOutOfRange)),
        (0, 3, Ok(())),
        (0, 3, Err(ErrorCode::OffsetOutOfRange)),
        (3, 3, Err(ErrorCode::OffsetOutOfRange)),
        (2, 2, Err(ErrorCode::InvalidRecord)),
        // The same sequence numbers again: the leader took them, so they are right.
        (2, 3, Ok(())),
        (4, 5, Ok(())),
    ] {
        assert_eq!(follow(base, epoch), expected, "{base} epoch {epoch}");
    }
    let entries: Vec<_> = rig
        .log
        .epochs()
        .entries()
        .iter()
        .map(|e| (e.leader_epoch.0, e.start_offset.0))
        .collect();
    assert_eq!(entries, [(3, 0), (5, 4)]);
}

/// A segment of 10 batches less one byte each, and 11 appends (Kafka: 2 segments), then one that fits nowhere.
#[test]
fn segments_roll_when_full() {
    let size = batch(1, 10).size();
    let mut rig = Rig::new(LogConfig {
        segment_bytes: 10 * (size - 1),
        ..LAZY
    });
    for _ in 0..11 {
        assert!(rig.lead(&batch(1, 10), 0).is_ok());
    }
    let bases = |rig: &Rig| rig.disk.segments().iter().map(|(base, _)| base.0).collect::<Vec<_>>();
    assert_eq!(bases(&rig), [0, 9]);
    // The closed segment is flushed, the active one is not.
    assert_eq!(rig.disk.asked[9..11], [Asked::Sync(0), Asked::Write(9, 0, size)]);
    rig.answer_all();
    assert_eq!(rig.log.flushed_end(), Offset(9));
    assert_eq!(rig.log.ackable_end(), Offset(11));
    assert!(rig.lead(&batch(1, 2000), 0).is_ok());
    assert!(rig.lead(&batch(1, 10), 0).is_ok());
    assert_eq!(bases(&rig), [0, 9, 11, 12]);
}

/// Epochs 0 at 0, 1 at 10 and 2 at 16, of 20 records.
#[test]
fn epochs_go_with_the_records() {
    for (to, epochs) in [(20, vec![0, 1, 2]), (11, vec![0, 1]), (10, vec![0]), (0, vec![])] {
        let mut rig = Rig::new(LAZY);
        for (records, epoch) in [(10, 0), (6, 1), (4, 2)] {
            for _ in 0..records {
                assert!(rig.lead(&batch(1, 1), epoch).is_ok());
            }
        }
        assert_eq!(
            rig.log.end_offset_for(LeaderEpoch(1)).map(|end| end.end_offset),
            Some(Offset(16))
        );
        rig.truncate(to);
        let left: Vec<_> = rig
            .log
            .epochs()
            .entries()
            .iter()
            .map(|entry| entry.leader_epoch.0)
            .collect();
        assert_eq!(left, epochs, "truncated to {to}");
        assert_eq!(rig.log.log_end_offset(), Offset(to));
    }
}

/// Batches of offsets 0..=2 and 3..=4.
#[test]
fn reads() {
    let mut rig = Rig::new(LAZY);
    for records in [3, 2] {
        assert!(rig.lead(&batch(records, 1), 0).is_ok());
    }
    let first = batch(3, 1).size();
    let both = first + batch(2, 1).size();
    for (from, limit, max_bytes, expected) in [
        (0, 5, u64::MAX, Ok(vec![0, 3])),
        (2, 5, u64::MAX, Ok(vec![0, 3])),
        (3, 5, u64::MAX, Ok(vec![3])),
        (4, 9, u64::MAX, Ok(vec![3])),
        (0, 5, both, Ok(vec![0, 3])),
        (0, 5, both - 1, Ok(vec![0])),
        (0, 5, 0, Ok(vec![0])),
        (0, 4, u64::MAX, Ok(vec![0])),
        (0, 3, u64::MAX, Ok(vec![0])),
        (0, 2, u64::MAX, Ok(vec![])),
        (3, 3, u64::MAX, Ok(vec![])),
        (4, 3, u64::MAX, Ok(vec![])),
        (5, 9, u64::MAX, Ok(vec![])),
        (6, 9, u64::MAX, Err(OffsetOutOfRange)),
        (-1, 9, u64::MAX, Err(OffsetOutOfRange)),
    ] {
        let expected = expected.map(|bases| bases.into_iter().map(Offset).collect::<Vec<_>>());
        let read = rig
            .log
            .read(Offset(from), Offset(limit), max_bytes)
            .map(|read| match read {
                Read::Batches(batches) => batches.iter().map(RecordBatch::base_offset).collect::<Vec<_>>(),
                Read::OnDisk(_) => panic!("all is in memory"),
            });
        assert_eq!(read, expected, "from {from} below {limit}, {max_bytes} bytes");
    }
}

#[test]
fn the_tail_is_bounded_and_the_rest_is_read_from_the_disk() {
    let size = batch(1, 10).size();
    let mut rig = Rig::new(LogConfig {
        segment_bytes: 4 * size,
        tail_cache_bytes: 3 * size - 1,
        ..LAZY
    });
    for _ in 0..6 {
        assert!(rig.lead(&batch(1, 10), 0).is_ok());
    }
    assert_eq!(rig.in_memory(), 2);
    let found = |read: Result<Read, OffsetOutOfRange>| match read.expect("it is in range") {
        Read::Batches(batches) => (None, batches.len() as u64),
        Read::OnDisk(read) => (Some(read.at / size), read.len / size),
    };
    let on_disk = |at: u64, len: u64| (Some(at), len);
    for (from, limit, max_bytes, expected) in [
        (0, 6, u64::MAX, on_disk(0, 4)),
        (1, 6, u64::MAX, on_disk(1, 3)),
        (1, 3, u64::MAX, on_disk(1, 2)),
        (1, 6, 2 * size, on_disk(1, 2)),
        (1, 6, 2 * size - 1, on_disk(1, 1)),
        (1, 6, 0, on_disk(1, 1)),
        (1, 1, u64::MAX, (None, 0)),
    ] {
        assert_eq!(
            found(rig.log.read(Offset(from), Offset(limit), max_bytes)),
            expected,
            "{from} {limit} {max_bytes}"
        );
    }
    // A batch that is larger than the whole tail is there alone.
    assert!(rig.lead(&batch(1, 1000), 0).is_ok());
    assert_eq!(rig.in_memory(), 1);
    // A cut below the tail leaves nothing in memory, until more is appended.
    rig.truncate(2);
    assert_eq!(rig.in_memory(), 0);
    assert_eq!(found(rig.log.read(Offset(1), Offset(2), 1)), on_disk(1, 1));
    assert!(rig.lead(&batch(1, 10), 0).is_ok());
    assert_eq!(rig.in_memory(), 1);
}

#[test]
fn bytes_from_before_a_cut_are_not_the_logs() {
    let mut rig = Rig::new(LogConfig {
        tail_cache_bytes: 0,
        ..LAZY
    });
    for _ in 0..3 {
        assert!(rig.lead(&batch(1, 10), 0).is_ok());
    }
    let all = |rig: &Rig| bytes::Bytes::from(rig.disk.content());
    let bases = |rig: &Rig, bytes: &bytes::Bytes, from, limit, max_bytes| {
        let batches = rig.log.batches_of(bytes, Offset(from), Offset(limit), max_bytes);
        batches.iter().map(|batch| batch.base_offset().0).collect::<Vec<_>>()
    };
    let before = all(&rig);
    let size = batch(1, 10).size();
    for (from, limit, max_bytes, expected) in [
        (0, 3, u64::MAX, vec![0, 1, 2]),
        (1, 3, u64::MAX, vec![1, 2]),
        (0, 2, u64::MAX, vec![0, 1]),
        (0, 3, 2 * size, vec![0, 1]),
        (0, 3, 0, vec![0]),
        (3, 9, u64::MAX, vec![]),
    ] {
        assert_eq!(
            bases(&rig, &before, from, limit, max_bytes),
            expected,
            "{from} {limit} {max_bytes}"
        );
    }
    let torn = before.slice(..before.len() - 1);
    assert_eq!(bases(&rig, &torn, 0, 3, u64::MAX), [0, 1]);
    assert_eq!(bases(&rig, &before.slice(1..), 0, 3, u64::MAX), Vec::<i64>::new());
    // Bytes that begin behind the wanted offset do not answer the read.
    assert_eq!(
        bases(&rig, &before.slice(size as usize..), 0, 3, u64::MAX),
        Vec::<i64>::new()
    );

    rig.truncate(1);
    assert_eq!(bases(&rig, &before, 0, 3, u64::MAX), [0]);
    // The same offsets again, with other content or in another epoch.
    assert!(rig.lead(&batch(1, 11), 0).is_ok());
    assert!(rig.lead(&batch(1, 10), 1).is_ok());
    assert_eq!(bases(&rig, &before, 0, 3, u64::MAX), [0]);
    assert_eq!(bases(&rig, &before, 2, 3, u64::MAX), Vec::<i64>::new());
    assert_eq!(bases(&rig, &all(&rig), 0, 3, u64::MAX), [0, 1, 2]);
}

#[test]
fn timestamps_lead_to_offsets() {
    let mut rig = Rig::new(LogConfig {
        segment_bytes: 150,
        ..LAZY
    });
    for timestamps in [[100, 110], [300, 200], [250, 260], [400, 410]] {
        let mut builder = BatchBuilder::new();
        for timestamp in timestamps {
            builder.push(Timestamp(timestamp), None, Some(b"value"), &[]);
        }
        assert!(rig.lead(&builder.build(), 0).is_ok());
    }
    for (timestamp, limit, expected) in [
        (0, 8, Some((0, 110))),
        (110, 8, Some((0, 110))),
        (111, 8, Some((2, 300))),
        (280, 8, Some((2, 300))),
        (301, 8, Some((6, 410))),
        (411, 8, None),
        (301, 6, None),
        (301, 7, None),
        (0, 1, None),
    ] {
        let found = rig.log.offset_for_timestamp(Timestamp(timestamp), Offset(limit));
        let expected = expected.map(|(offset, timestamp)| (Offset(offset), Timestamp(timestamp)));
        assert_eq!(found, expected, "{timestamp} below {limit}");
    }
    rig.truncate(4);
    assert_eq!(rig.log.offset_for_timestamp(Timestamp(301), Offset(8)), None);
}

/// Three segments of two batches of two records: 0, 4 and 8.
#[test]
fn a_cut_removes_segments_and_cuts_one() {
    let size = batch(2, 1).size();
    for (to, end, operations) in [
        (12, 12, vec![]),
        (11, 10, vec![Asked::Truncate(8, size)]),
        (10, 10, vec![Asked::Truncate(8, size)]),
        (9, 8, vec![Asked::Truncate(8, 0)]),
        (8, 8, vec![Asked::Remove(8)]),
        (7, 6, vec![Asked::Remove(8), Asked::Truncate(4, size)]),
        (4, 4, vec![Asked::Remove(8), Asked::Remove(4)]),
        (1, 0, vec![Asked::Remove(8), Asked::Remove(4), Asked::Truncate(0, 0)]),
        (-5, -5, vec![Asked::Remove(0), Asked::Remove(4), Asked::Remove(8)]),
    ] {
        let mut rig = Rig::new(LogConfig {
            segment_bytes: 2 * size,
            ..LAZY
        });
        for _ in 0..6 {
            assert!(rig.lead(&batch(2, 1), 0).is_ok());
        }
        rig.disk.asked.clear();
        rig.events.clear();
        rig.truncate(to);
        assert_eq!(rig.disk.asked, operations, "to {to}");
        assert_eq!(rig.log.log_end_offset(), Offset(end), "to {to}");
        let stated: Vec<_> = rig
            .events
            .iter()
            .map(|event| match event {
                Event::Truncated(trace::Truncated { to, .. }) => to.0,
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = if to == 12 { vec![] } else { vec![end] };
        assert_eq!(stated, expected, "to {to}");
    }
}

#[test]
fn an_epoch_without_records_is_forgotten_by_a_cut_at_the_end() {
    let mut rig = Rig::new(LAZY);
    assert!(rig.lead(&batch(1, 1), 3).is_ok());
    rig.log.begin_epoch(LeaderEpoch(5));
    assert_eq!(rig.log.latest_epoch(), Some(LeaderEpoch(5)));
    assert_eq!(
        rig.log.end_offset_for(LeaderEpoch(4)).map(|end| end.leader_epoch),
        Some(LeaderEpoch(3))
    );
    rig.truncate(1);
    assert_eq!(rig.log.latest_epoch(), Some(LeaderEpoch(3)));
    assert!(!rig.events.iter().any(|event| matches!(event, Event::Truncated(_))));
}

#[test]
fn starting_over() {
    let mut rig = Rig::new(LogConfig {
        segment_bytes: 1,
        flush_messages: 1,
        ..LAZY
    });
    for _ in 0..2 {
        assert!(rig.lead(&produced(7, 0, 0, 1), 0).is_ok());
    }
    rig.disk.asked.clear();
    rig.call(|log, ctx| log.truncate_fully_and_start_at(ctx, Offset(50), LeaderEpoch(2)));
    assert_eq!(rig.disk.asked, [Asked::Remove(0)]);
    let ends = (
        rig.log.log_start_offset(),
        rig.log.flushed_end(),
        rig.log.log_end_offset(),
    );
    assert_eq!(ends, (Offset(50), Offset(50), Offset(50)));
    assert_eq!(rig.log.latest_epoch(), None);
    assert!(rig.log.producers().get(ProducerId(7)).is_none());
    assert!(matches!(
        rig.events.last(),
        Some(Event::Truncated(trace::Truncated {
            to: Offset(50),
            leader_epoch: LeaderEpoch(2),
            cause: TruncationCause::OutOfRange,
            ..
        }))
    ));
    assert_eq!(rig.lead(&batch(1, 1), 2), appended(50, 50));
    assert_eq!(rig.log.read(Offset(49), Offset(51), 1), Err(OffsetOutOfRange));
    rig.answer_all();
    assert_eq!(rig.log.flushed_end(), Offset(51));
}

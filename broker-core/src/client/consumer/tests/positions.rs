//! Resets, seeks, assignments, and logs that were cut below the position.

use super::*;

/// A consumer that has read three records of epoch 0.
fn reader(reset: AutoOffsetReset) -> (Bench, Vec<Sent>) {
    let mut bench = Bench::new(reset, 1);
    bench.logs[0].append(3);
    bench.assign();
    let held = bench.settle();
    bench.consumer.seek(bench.now(), tp(0), Offset(0));
    // The fetch at the old position must come back before there can be another.
    for sent in held {
        let body = bench.serve(&sent);
        bench.respond(&sent, body);
    }
    bench.settle();
    assert_eq!(bench.take().len(), 3);
    let held = bench.settle();
    bench.pass(ms(200));
    bench.events.clear();
    while bench.consumer.next_notice().is_some() {}
    (bench, held)
}

#[test]
fn a_partition_without_position_begins_where_the_setting_says() {
    let rows = [
        (AutoOffsetReset::Earliest, Some(2)),
        (AutoOffsetReset::Latest, Some(5)),
        (AutoOffsetReset::None, None),
        // KIP-1106: all records are a second old.
        (AutoOffsetReset::ByDuration(ms(3_600_000)), Some(2)),
        (AutoOffsetReset::ByDuration(ms(500)), Some(5)),
    ];
    for (reset, position) in rows {
        let mut bench = Bench::new(reset, 1);
        bench.logs[0].start = 2;
        bench.logs[0].append(3);
        bench.assign();
        bench.settle();
        assert_eq!(bench.consumer.position(tp(0)), position.map(Offset), "{reset:?}");
        let notice = position.is_none().then_some(ConsumerNotice::NoOffset(tp(0)));
        assert_eq!(bench.consumer.next_notice(), notice);
        assert_eq!(bench.consumer.next_notice(), None);
        let expected: Vec<_> = position
            .map(|at| (None, at, ResetCause::NoPosition))
            .into_iter()
            .collect();
        assert_eq!(bench.resets(), expected);
    }
}

#[test]
fn a_position_out_of_range_is_reset() {
    let rows = [
        (AutoOffsetReset::Earliest, Some(10)),
        (AutoOffsetReset::Latest, Some(14)),
        (AutoOffsetReset::None, None),
    ];
    for (reset, position) in rows {
        let (mut bench, held) = reader(reset);
        // Retention has removed everything below 10.
        bench.logs[0].batches.clear();
        bench.logs[0].start = 10;
        bench.logs[0].append(4);
        let answer = FetchResponse::of_all(vec![FetchPartitionResponse::error(tp(0), ErrorCode::OffsetOutOfRange)]);
        bench.respond(&held[0], answer.into());
        bench.settle();
        assert_eq!(bench.consumer.position(tp(0)), position.map(Offset), "{reset:?}");
        let expected: Vec<_> = position
            .map(|at| (Some(3), at, ResetCause::OutOfRange))
            .into_iter()
            .collect();
        assert_eq!(bench.resets(), expected);
        let notice = position.is_none().then_some(ConsumerNotice::NoOffset(tp(0)));
        assert_eq!(bench.consumer.next_notice(), notice);
        if position.is_none() {
            bench.consumer.seek(bench.now(), tp(0), Offset(11));
            bench.settle();
            assert_eq!(
                bench.consumer.position(tp(0)),
                Some(Offset(11)),
                "a seek sets it going again"
            );
        }
    }
}

#[test]
fn a_new_leader_is_asked_whether_its_log_agrees() {
    let (mut bench, _held) = reader(AutoOffsetReset::Earliest);
    (bench.logs[0].leader, bench.logs[0].epoch) = (Some(2), 1);
    bench.logs[0].append(1);
    bench.lose(1);
    let asked = bench.request();
    let body = bench.serve(&asked);
    bench.respond(&asked, body);
    let asked = bench.request();
    match &asked.body {
        Request::OffsetForLeaderEpoch(request) => {
            assert_eq!(request.partitions, [(tp(0), Some(LeaderEpoch(1)), LeaderEpoch(0))]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.consumer.position(tp(0)), Some(Offset(3)));
    let body = bench.serve(&asked);
    bench.respond(&asked, body);
    bench.settle();
    assert_eq!(bench.take(), ["3@1"]);
    assert_eq!(bench.resets(), []);
}

#[test]
fn a_cut_below_the_position_is_found_by_validation() {
    // (the new leader's log, reset policy, position after, reset, notice)
    let rows = [
        (AutoOffsetReset::Latest, Some(1), None),
        (AutoOffsetReset::Earliest, Some(1), None),
        (AutoOffsetReset::None, None, Some(Some(Offset(1)))),
    ];
    for (reset, position, notice) in rows {
        let (mut bench, _held) = reader(reset);
        bench.logs[0].batches.clear();
        bench.logs[0].append(1);
        (bench.logs[0].leader, bench.logs[0].epoch) = (Some(2), 1);
        bench.logs[0].append(5);
        bench.lose(1);
        bench.settle();
        assert_eq!(bench.consumer.position(tp(0)), position.map(Offset), "{reset:?}");
        let expected: Vec<_> = position
            .map(|at| (Some(3), at, ResetCause::Truncated))
            .into_iter()
            .collect();
        assert_eq!(bench.resets(), expected);
        let notice = notice.map(|diverging| ConsumerNotice::LogTruncated {
            partition: tp(0),
            position: Offset(3),
            diverging,
        });
        assert_eq!(bench.consumer.next_notice(), notice);
        if position.is_some() {
            assert_eq!(bench.take()[0], "1@1", "what replaced the lost records is read");
        }
    }
}

#[test]
fn what_a_leader_says_about_the_epoch_of_a_position() {
    // (what it has of the position's epoch 0 and before, reset policy, resets, the notice's diverging offset)
    let end = |leader_epoch, end_offset| {
        Some(EpochEndOffset {
            leader_epoch: LeaderEpoch(leader_epoch),
            end_offset: Offset(end_offset),
        })
    };
    use AutoOffsetReset as R;
    let cut = |to| vec![(Some(3), to, ResetCause::Truncated)];
    let rows = [
        (end(0, 3), R::None, vec![], None),
        (end(0, 9), R::None, vec![], None),
        // Kafka compares offsets alone.
        (end(-1, 3), R::None, vec![], None),
        (end(0, 2), R::Latest, cut(2), None),
        (end(0, 2), R::None, vec![], Some(Some(Offset(2)))),
        (end(0, 0), R::Earliest, cut(0), None),
        // It has no epoch as late as that: the setting decides.
        (None, R::Latest, cut(4), None),
        (None, R::Earliest, cut(0), None),
        (None, R::None, vec![], Some(None)),
    ];
    for (end, reset, resets, notice) in rows {
        let (mut bench, _held) = reader(reset);
        (bench.logs[0].leader, bench.logs[0].epoch) = (Some(2), 1);
        bench.logs[0].append(1);
        bench.lose(1);
        let asked = loop {
            let asked = bench.request();
            if matches!(asked.body, Request::OffsetForLeaderEpoch(_)) {
                break asked;
            }
            let body = bench.serve(&asked);
            bench.respond(&asked, body);
        };
        let partitions = vec![(tp(0), ErrorCode::None, end)];
        bench.respond(&asked, OffsetForLeaderEpochResponse { partitions }.into());
        bench.settle();
        assert_eq!(bench.resets(), resets, "{end:?} {reset:?}");
        let notice = notice.map(|diverging| ConsumerNotice::LogTruncated {
            partition: tp(0),
            position: Offset(3),
            diverging,
        });
        assert_eq!(bench.consumer.next_notice(), notice, "{end:?} {reset:?}");
    }
}

#[test]
fn a_position_without_an_epoch_is_not_validated() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.assign();
    bench.settle();
    bench.resets();
    (bench.logs[0].leader, bench.logs[0].epoch) = (Some(2), 1);
    bench.lose(1);
    bench.pass(ms(200));
    let held = bench.settle();
    assert_eq!(held[0].fetched(), [(0, 0)]);
    assert_eq!(bench.resets(), []);

    // What was fetched from such a position stays, too.
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.logs[0].append(2);
    bench.assign();
    bench.settle();
    (bench.logs[0].leader, bench.logs[0].epoch) = (Some(2), 1);
    bench.lose(1);
    bench.pass(ms(200));
    bench.settle();
    assert_eq!(bench.take(), ["0@0", "1@0"]);
}

#[test]
fn buffered_records_of_an_old_leader_are_dropped_when_it_changes() {
    let (mut bench, held) = reader(AutoOffsetReset::Earliest);
    bench.logs[0].append(2);
    let body = bench.serve(&held[0]);
    bench.respond(&held[0], body);
    assert!(bench.consumer.has_records());
    (bench.logs[0].leader, bench.logs[0].epoch) = (Some(2), 1);
    bench.lose(1);
    let asked = bench.request();
    let body = bench.serve(&asked);
    bench.respond(&asked, body);
    assert_eq!(bench.take(), [""; 0]);
    bench.settle();
    assert_eq!(bench.take(), ["3@0", "4@0"]);
}

#[test]
fn a_seek_voids_what_was_asked_before() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.logs[0].append(4);
    bench.assign();
    let metadata = bench.request();
    let body = bench.serve(&metadata);
    bench.respond(&metadata, body);
    let offsets = bench.request();
    assert!(matches!(offsets.body, Request::ListOffsets(_)));
    bench.consumer.seek(bench.now(), tp(0), Offset(3));
    let fetch = bench.request();
    assert_eq!(fetch.fetched(), [(0, 3)]);
    let body = bench.serve(&offsets);
    bench.respond(&offsets, body);
    assert_eq!(
        bench.consumer.position(tp(0)),
        Some(Offset(3)),
        "the reset came too late"
    );
    bench.consumer.seek(bench.now(), tp(0), Offset(1));
    let body = bench.serve(&fetch);
    bench.respond(&fetch, body);
    assert!(
        !bench.consumer.has_records(),
        "records of another position are no answer"
    );
    bench.settle();
    assert_eq!(bench.take(), ["1@0", "2@0", "3@0"]);
    assert_eq!(
        bench.resets(),
        [(None, 3, ResetCause::Seek), (Some(3), 1, ResetCause::Seek)]
    );
    bench.consumer.seek(bench.now(), tp(7), Offset(1));
    assert_eq!(bench.consumer.position(tp(7)), None);
}

#[test]
fn an_assignment_keeps_positions_and_buffered_records_of_what_stays() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 3);
    for log in &mut bench.logs {
        log.append(2);
    }
    let partitions = |indexes: &[i32]| -> Vec<(TopicName, PartitionIndex)> {
        indexes
            .iter()
            .map(|index| ("t".into(), PartitionIndex(*index)))
            .collect()
    };
    bench.consumer.assign(bench.now(), partitions(&[0, 1]));
    bench.settle();
    bench.consumer.seek(bench.now(), tp(1), Offset(1));
    assert_eq!(bench.take(), ["0@0", "1@0"], "of partition 0");
    bench.settle();
    bench.consumer.assign(bench.now(), partitions(&[2, 1, 1]));
    bench.settle();
    assert_eq!(bench.consumer.position(tp(0)), None);
    assert_eq!(bench.consumer.partition_id(&"t".into(), PartitionIndex(1)), Some(tp(1)));
    assert_eq!(bench.consumer.partition_id(&"t".into(), PartitionIndex(0)), None);
    assert_eq!(bench.take(), ["1@0"], "it stayed in the buffer");
    bench.settle();
    assert_eq!(bench.take(), ["0@0", "1@0"], "of partition 2");
    // Back again: another assignment, another reset.
    bench.resets();
    bench.consumer.assign(bench.now(), partitions(&[0]));
    bench.settle();
    assert_eq!(bench.resets(), [(None, 0, ResetCause::NoPosition)]);
    bench.consumer.assign(bench.now(), Vec::new());
    bench.lose(1);
    bench.requests();
    assert_eq!(bench.take(), [""; 0]);
}

#[test]
fn a_topic_that_does_not_exist_yet_is_waited_for() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.logs[0].append(1);
    bench.assign();
    for _ in 0..5 {
        let asked = bench.request();
        let mut answer = bench.metadata(false);
        answer.topics[0].id = None;
        answer.topics[0].error = ErrorCode::UnknownTopicOrPartition;
        answer.topics[0].partitions.clear();
        bench.respond(&asked, answer.into());
        bench.pass(bench.consumer.deadline().unwrap().since(bench.now));
    }
    bench.settle();
    assert_eq!(bench.take(), ["0@0"]);
}

#[test]
fn a_topic_that_was_created_again_is_another_log() {
    let (mut bench, _held) = reader(AutoOffsetReset::Earliest);
    bench.lose(1);
    let asked = bench.request();
    let mut answer = bench.metadata(false);
    answer.topics[0].id = Some(TopicId(101));
    bench.respond(&asked, answer.into());
    assert_eq!(bench.consumer.position(tp(0)), None);
    let again = TopicPartition::new(TopicId(101), 0);
    assert_eq!(bench.consumer.partition_id(&"t".into(), PartitionIndex(0)), Some(again));
    bench.pass(ms(60));
    bench.settle();
    assert_eq!(bench.consumer.position(again), Some(Offset(0)));
}

#[test]
fn the_quirk_reset_on_transient_error_moves_the_position() {
    for (quirk, reset) in [(false, None), (true, Some((Some(3), 0, ResetCause::OutOfRange)))] {
        let (mut bench, held) = reader(AutoOffsetReset::Earliest);
        bench.consumer = bench.consumer.with_quirks(Quirks {
            reset_on_transient_error: quirk,
            ..Quirks::default()
        });
        let answer = FetchResponse::of_all(vec![FetchPartitionResponse::error(
            tp(0),
            ErrorCode::NotLeaderOrFollower,
        )]);
        bench.respond(&held[0], answer.into());
        bench.settle();
        bench.pass(ms(500));
        bench.settle();
        assert_eq!(bench.resets(), reset.into_iter().collect::<Vec<_>>());
    }
}

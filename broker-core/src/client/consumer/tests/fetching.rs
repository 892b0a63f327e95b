//! Which fetches are sent, and what the application gets from them.

use super::*;

#[test]
fn reads_from_the_earliest_record_on() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.logs[0].append(2);
    bench.logs[0].append(1);
    bench.assign();
    assert_eq!(bench.consumer.position(tp(0)), None);
    assert_eq!(
        bench.settle().len(),
        0,
        "nothing is fetched while records are there to be taken"
    );
    assert_eq!(bench.resets(), [(None, 0, ResetCause::NoPosition)]);
    assert_eq!(bench.consumer.lag(tp(0)), Some(3));
    assert_eq!(bench.take(), ["0@0", "1@0", "2@0"]);
    assert_eq!(
        (bench.consumer.position(tp(0)), bench.consumer.lag(tp(0))),
        (Some(Offset(3)), Some(0))
    );
    let held = bench.settle();
    assert_eq!(held[0].fetched(), [(0, 3)]);
    let request = &held[0].fetch();
    assert_eq!(
        (request.max_wait_ms, request.min_bytes, request.replica),
        (500, 1, None)
    );
    let partition = &request.partitions[0];
    assert_eq!(partition.current_leader_epoch, Some(LeaderEpoch(0)));
    // More records come to the held fetch.
    bench.logs[0].append(1);
    let body = bench.serve(&held[0]);
    bench.respond(&held[0], body);
    assert_eq!(bench.take(), ["3@0"]);
}

#[test]
fn one_fetch_per_broker_once_all_that_it_gave_is_taken() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 3);
    bench.logs[2].leader = Some(2);
    bench.assign();
    let mut held = bench.settle();
    held.sort_by_key(|sent| sent.to);
    let fetched: Vec<_> = held.iter().map(|sent| (sent.to, sent.fetched())).collect();
    assert_eq!(fetched, [(NodeId(1), vec![(0, 0), (1, 0)]), (NodeId(2), vec![(2, 0)])]);
    // Partition 0 gets records: the idle 1 is not fetched alone, which would park at the broker, with 0 behind it.
    bench.logs[0].append(1);
    let body = bench.serve(&held[0]);
    bench.respond(&held[0], body);
    assert!(bench.requests().is_empty());
    assert_eq!(bench.take(), ["0@0"]);
    assert_eq!(
        bench.request().fetched(),
        [(1, 0), (0, 1)],
        "the one that was served goes last"
    );
}

#[test]
fn records_of_a_paused_partition_stop_no_fetch() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 2);
    bench.logs[0].append(1);
    bench.assign();
    assert!(bench.settle().is_empty(), "records of 0 wait to be taken");
    bench.consumer.pause(bench.now(), &[tp(0)]);
    let held = bench.settle();
    assert_eq!(held[0].fetched(), [(1, 0)]);
    // They come back into line, and the broker waits for them again.
    bench.consumer.resume(bench.now(), &[tp(0)]);
    bench.logs[1].append(1);
    let body = bench.serve(&held[0]);
    bench.respond(&held[0], body);
    assert!(bench.requests().is_empty());
    assert_eq!(bench.take(), ["0@0", "0@0"]);
    assert_eq!(bench.request().fetched(), [(0, 1), (1, 1)]);
}

#[test]
fn max_poll_records_bounds_a_poll_and_partitions_take_turns() {
    let config = ConsumerConfig {
        auto_offset_reset: AutoOffsetReset::Earliest,
        max_poll_records: 4,
        ..ConsumerConfig::default()
    };
    let mut bench = Bench::with(config, 2);
    for _ in 0..3 {
        bench.logs[0].append(2);
        bench.logs[1].append(1);
    }
    bench.assign();
    bench.settle();
    assert_eq!(bench.take(), ["0@0", "1@0", "2@0", "3@0"]);
    assert_eq!(bench.consumer.position(tp(0)), Some(Offset(4)));
    assert!(bench.requests().is_empty(), "partition 0 has records left");
    assert_eq!(bench.take(), ["4@0", "5@0", "0@0", "1@0"]);
    assert!(bench.requests().is_empty(), "partition 1 has a record left");
    assert_eq!(bench.take(), ["2@0"]);
    assert_eq!(bench.request().fetched(), [(0, 6), (1, 3)]);
    assert_eq!(bench.take(), [""; 0]);
}

#[test]
fn records_below_the_position_and_control_batches_are_skipped() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.logs[0].append(4);
    bench.logs[0].append_control();
    bench.logs[0].append(1);
    bench.assign();
    bench.settle();
    bench.consumer.seek(bench.now(), tp(0), Offset(2));
    bench.settle();
    assert_eq!(bench.take(), ["2@0", "3@0", "5@0"]);
    // Nothing but a control batch: the position moves, the application gets nothing.
    bench.logs[0].append_control();
    bench.settle();
    assert!(!bench.consumer.has_records());
    assert_eq!(bench.consumer.position(tp(0)), Some(Offset(7)));
}

#[test]
fn errors_of_a_fetch() {
    // (error, position kept?) Every error but OFFSET_OUT_OF_RANGE means: look again who leads, and come back.
    let errors = [
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::UnknownLeaderEpoch,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::UnknownTopicId,
        ErrorCode::KafkaStorageError,
        ErrorCode::OffsetNotAvailable,
        ErrorCode::ReplicaNotAvailable,
        ErrorCode::CorruptMessage,
        ErrorCode::UnknownServerError,
    ];
    for error in errors {
        let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
        bench.assign();
        let held = bench.settle();
        bench.pass(ms(200));
        let answer = FetchResponse::of_all(vec![FetchPartitionResponse::error(tp(0), error)]);
        bench.respond(&held[0], answer.into());
        let sent = bench.requests();
        assert_eq!(sent.len(), 1, "{error:?}");
        assert!(matches!(sent[0].body, Request::Metadata(_)), "{error:?}");
        let body = bench.serve(&sent[0]);
        bench.respond(&sent[0], body);
        bench.pass(ms(79));
        assert!(bench.requests().is_empty(), "{error:?}: the back-off is at least 80 ms");
        bench.pass(ms(42));
        assert_eq!(bench.request().fetched(), [(0, 0)], "{error:?}");
        assert_eq!(bench.resets().len(), 1, "{error:?} does not move the position");
    }
}

#[test]
fn a_new_leader_in_the_answer_is_asked_at_once() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.logs[0].append(1);
    bench.assign();
    bench.settle();
    bench.take();
    let held = bench.settle();
    (bench.logs[0].leader, bench.logs[0].epoch) = (Some(2), 1);
    let mut answer = FetchPartitionResponse::error(tp(0), ErrorCode::NotLeaderOrFollower);
    answer.current_leader = Some(crate::types::LeaderIdAndEpoch {
        leader: Some(NodeId(2)),
        leader_epoch: LeaderEpoch(1),
    });
    let body = FetchResponse::of_all(vec![answer]);
    bench.respond(&held[0], body.into());
    let sent = bench.request();
    assert_eq!(sent.to, NodeId(2));
    assert!(matches!(sent.body, Request::OffsetForLeaderEpoch(_)), "validated first");
}

#[test]
fn a_lost_connection_is_tried_again() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.logs[0].append(1);
    bench.assign();
    bench.settle();
    bench.take();
    bench.settle();
    // A fetch without an answer takes the connection along.
    bench.pass(ms(30_000));
    bench.settle();
    bench.pass(ms(70));
    assert_eq!(bench.settle().len(), 1);
    for pause in [100, 200, 400, 800, 1000] {
        bench.lose(1);
        bench.settle();
        bench.pass(ms(pause * 6 / 5));
        let fetches = bench
            .requests()
            .into_iter()
            .filter(|sent| matches!(sent.body, Request::Fetch(_)));
        assert_eq!(fetches.count(), 1, "after {pause} ms");
    }
}

#[test]
fn an_idle_consumer_waits_for_its_fetch() {
    let mut bench = Bench::new(AutoOffsetReset::Latest, 1);
    assert_eq!(bench.consumer.deadline(), None);
    bench.assign();
    let held = bench.settle();
    assert_eq!(held.len(), 1);
    let wait = bench.consumer.deadline().unwrap().since(bench.now);
    assert_eq!(wait, ms(30_000), "the request timeout");
    let body = bench.serve(&held[0]);
    bench.respond(&held[0], body);
    assert_eq!(
        bench.request().fetched(),
        [(0, 0)],
        "an empty answer is followed by the next fetch"
    );
    assert_eq!(bench.consumer.lag(tp(0)), Some(0));
}

/// KIP-227: a broker with sessions is asked for what changed, also when a partition is paused or not assigned any more.
#[test]
fn within_a_session_a_fetch_names_what_changed() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 2);
    bench.assign();
    let first = bench.settle().remove(0);
    assert_eq!(first.fetched(), [(0, 0), (1, 0)]);
    let answer = |bench: &mut Bench, to: &Sent, of: &[i32]| {
        let Response::Fetch(mut answer) = bench.serve(&first) else {
            panic!("a fetch is answered")
        };
        answer.session_id = 9;
        answer
            .partitions
            .retain(|answer| of.contains(&answer.partition.partition.0));
        bench.respond(to, answer.into());
    };
    let next = |bench: &mut Bench, epoch: i32| {
        let sent = bench.request();
        let metadata = sent.fetch().metadata;
        assert_eq!((metadata.session_id, metadata.epoch), (9, epoch));
        sent
    };
    answer(&mut bench, &first, &[0, 1]);
    let second = next(&mut bench, 1);
    assert_eq!(second.fetched(), []);
    bench.logs[1].append(1);
    answer(&mut bench, &second, &[1]);
    assert_eq!(bench.take(), ["0@0"]);
    let third = next(&mut bench, 2);
    assert_eq!(third.fetched(), [(1, 1)]);
    bench.consumer.pause(bench.now(), &[tp(0)]);
    answer(&mut bench, &third, &[]);
    let fourth = next(&mut bench, 3);
    assert_eq!((fourth.fetched(), &*fourth.fetch().forgotten), (vec![], &[tp(0)][..]));
    bench.consumer.resume(bench.now(), &[tp(0)]);
    bench.consumer.seek(bench.now(), tp(1), Offset(0));
    answer(&mut bench, &fourth, &[]);
    let fifth = next(&mut bench, 4);
    assert_eq!(fifth.fetched(), [(0, 0), (1, 0)]);
    // The broker has lost the session: all is named, at once.
    let lost = FetchResponse {
        error: ErrorCode::FetchSessionIdNotFound,
        ..FetchResponse::of_all(vec![])
    };
    bench.respond(&fifth, lost.into());
    let again = bench.request();
    assert_eq!(
        (again.fetched(), again.fetch().metadata.epoch),
        (vec![(0, 0), (1, 0)], 0)
    );
}

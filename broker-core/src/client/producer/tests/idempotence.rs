//! Sequence numbers and epochs under every order of answers.

use super::*;

fn sends(bench: &mut Bench, values: &[&str]) -> Vec<Sent> {
    for value in values {
        bench.send(value);
    }
    bench.requests()
}

/// What the producer has sent since, without metadata requests.
fn produced(bench: &mut Bench) -> Vec<Sent> {
    bench.settle();
    bench.requests()
}

#[test]
fn numbers_are_consecutive_and_kept_in_retries() {
    let mut bench = Bench::warm(config(), 1);
    let sent = sends(&mut bench, &["a", "b", "c"]);
    let numbers: Vec<_> = sent.iter().flat_map(Sent::sequences).collect();
    assert_eq!(numbers, [(1, 1), (2, 1), (3, 1)]);
    bench.answer(&sent[1], ErrorCode::NotEnoughReplicasAfterAppend, None);
    bench.pass(ms(200));
    assert!(produced(&mut bench).is_empty(), "b waits for a, which is older");
    bench.answer(&sent[0], ErrorCode::None, Some(1));
    let again = produced(&mut bench);
    assert_eq!(again[0].sequences(), [(2, 1)]);
    bench.answer(&again[0], ErrorCode::DuplicateSequenceNumber, None);
    bench.answer(&sent[2], ErrorCode::None, Some(3));
    assert_eq!(bench.results(), [Ok(Some(1)), Ok(None), Ok(Some(3))]);
}

#[test]
fn the_first_batch_goes_alone_until_the_log_knows_the_producer() {
    let mut bench = Bench::fresh(config(), 1);
    bench.send("a");
    bench.settle();
    bench.send("b");
    let a = bench.request();
    bench.answer(&a, ErrorCode::NotEnoughReplicas, None);
    bench.pass(ms(200));
    let a = bench.request();
    assert_eq!(a.sequences(), [(0, 1)]);
    bench.answer(&a, ErrorCode::None, Some(0));
    assert_eq!(bench.request().sequences(), [(1, 1)]);
    bench.send("c");
    assert_eq!(bench.request().sequences(), [(2, 1)]);
}

#[test]
fn only_what_is_behind_a_gap_is_numbered_anew() {
    let mut bench = Bench::warm(config(), 1);
    let sent = sends(&mut bench, &["a", "b", "c"]);
    // `a` may be in the log under its number; `b` never will be.
    bench.answer(&sent[0], ErrorCode::NotEnoughReplicasAfterAppend, None);
    bench.answer(&sent[1], ErrorCode::InvalidRecord, None);
    bench.answer(&sent[2], ErrorCode::OutOfOrderSequenceNumber, None);
    bench.pass(ms(200));
    let a = produced(&mut bench);
    assert_eq!((a.len(), a[0].sequences()), (1, vec![(1, 1)]));
    assert_eq!(a[0].produce().partitions[0].1.producer_epoch().0, 0);
    bench.answer(&a[0], ErrorCode::DuplicateSequenceNumber, None);
    let c = bench.request();
    assert_eq!((c.values(), c.sequences()), (vec![b"c".to_vec()], vec![(0, 1)]));
    assert_eq!(c.produce().partitions[0].1.producer_epoch().0, 1);
}

#[test]
fn nothing_later_overtakes_a_retry() {
    let mut bench = Bench::warm(config(), 1);
    let sent = sends(&mut bench, &["a", "b", "c"]);
    bench.answer(&sent[0], ErrorCode::NotEnoughReplicas, None);
    bench.send("d");
    assert!(produced(&mut bench).is_empty(), "d waits for the retry of a");
    bench.answer(&sent[2], ErrorCode::OutOfOrderSequenceNumber, None);
    bench.answer(&sent[1], ErrorCode::OutOfOrderSequenceNumber, None);
    let mut order = Vec::new();
    for together in [1, 1, 2] {
        bench.pass(ms(200));
        let again = produced(&mut bench);
        assert_eq!(
            again.len(),
            together,
            "retries travel one at a time, new batches need not"
        );
        for sent in again {
            order.extend(sent.values());
            bench.answer(&sent, ErrorCode::None, Some(1));
        }
    }
    assert_eq!(order, [b"a", b"b", b"c", b"d"]);
    assert_eq!(bench.identity.1.0, 0, "no gap, no new epoch");
    assert_eq!(bench.results(), [Ok(Some(1)); 4]);
}

#[test]
fn without_idempotence_a_retry_is_overtaken() {
    // The misuse: retries and more than one in flight. Both the answer order and the resending reorder.
    let plain = |max| ProducerConfig {
        enable_idempotence: false,
        max_in_flight_requests_per_connection: max,
        ..config()
    };
    let mut bench = Bench::warm(plain(5), 1);
    let sent = sends(&mut bench, &["a", "b"]);
    bench.answer(&sent[0], ErrorCode::NotEnoughReplicas, None);
    bench.answer(&sent[1], ErrorCode::None, Some(1));
    bench.pass(ms(200));
    assert_eq!(produced(&mut bench)[0].values(), [b"a"], "a after b");

    let mut bench = Bench::warm(plain(5), 1);
    sends(&mut bench, &["a", "b"]);
    bench.lose(1);
    bench.pass(ms(200));
    let again: Vec<_> = produced(&mut bench).iter().flat_map(Sent::values).collect();
    assert_eq!(again, [b"b", b"a"], "each goes to the front of the queue as it fails");

    // One in flight: the partition waits.
    let mut bench = Bench::warm(plain(1), 1);
    let sent = sends(&mut bench, &["a", "b"]);
    assert_eq!(sent.len(), 1);
    bench.answer(&sent[0], ErrorCode::NotEnoughReplicas, None);
    bench.pass(ms(200));
    let again = produced(&mut bench);
    assert_eq!(again[0].values(), [b"a"]);
    bench.answer(&again[0], ErrorCode::None, Some(1));
    assert_eq!(produced(&mut bench)[0].values(), [b"b"]);
}

#[test]
fn a_definite_failure_leaves_a_gap_that_a_new_epoch_closes() {
    let mut bench = Bench::warm(config(), 1);
    let sent = sends(&mut bench, &["a", "b", "c"]);
    bench.answer(&sent[0], ErrorCode::InvalidRecord, None);
    assert_eq!(bench.results(), [Err((ErrorCode::InvalidRecord, false))]);
    assert!(
        produced(&mut bench).is_empty(),
        "b and c are on the wire under the old epoch"
    );
    assert_eq!(bench.identity.1.0, 1);
    bench.answer(&sent[1], ErrorCode::OutOfOrderSequenceNumber, None);
    bench.pass(ms(200));
    assert!(produced(&mut bench).is_empty(), "c is still on the wire");
    bench.answer(&sent[2], ErrorCode::OutOfOrderSequenceNumber, None);
    bench.pass(ms(200));
    let again = produced(&mut bench);
    let numbers: Vec<_> = again.iter().flat_map(Sent::sequences).collect();
    assert_eq!(numbers, [(0, 1), (1, 1)]);
    let epochs = again
        .iter()
        .map(|sent| sent.produce().partitions[0].1.producer_epoch().0);
    assert_eq!(epochs.collect::<Vec<_>>(), [1, 1]);
    assert_eq!(again.iter().flat_map(Sent::values).collect::<Vec<_>>(), [b"b", b"c"]);
    let given = bench
        .events
        .iter()
        .filter(|event| matches!(event, Event::ProducerIdAssigned(_)));
    assert_eq!(given.count(), 1);
}

#[test]
fn other_partitions_take_the_new_epoch_once_their_own_batches_have_ended() {
    let mut bench = Bench::warm(config(), 2);
    let to_second = |bench: &mut Bench, value: &str| {
        let record = ProducerRecord {
            partition: Some(PartitionIndex(1)),
            ..record(value)
        };
        bench.producer.send(bench.now(), record).unwrap();
    };
    to_second(&mut bench, "x");
    let x = bench.request();
    bench.send("a");
    let a = bench.request();
    bench.answer(&a, ErrorCode::InvalidRecord, None);
    bench.settle();
    assert_eq!(bench.identity.1.0, 1);
    to_second(&mut bench, "y");
    assert!(
        produced(&mut bench).is_empty(),
        "y of epoch 1 must not be written before x of epoch 0"
    );
    bench.answer(&x, ErrorCode::NotEnoughReplicas, None);
    bench.pass(ms(200));
    let again = produced(&mut bench);
    assert_eq!((again.len(), again[0].values()), (1, vec![b"x".to_vec()]));
    assert_eq!(again[0].produce().partitions[0].1.producer_epoch().0, 0);
    bench.answer(&again[0], ErrorCode::None, Some(0));
    let y = bench.request();
    assert_eq!(y.sequences(), [(0, 1)]);
    assert_eq!(y.produce().partitions[0].1.producer_epoch().0, 1);
}

#[test]
fn an_expired_batch_is_resolved_by_those_behind_it() {
    // What the broker has of `a`, which expired: (answer to b, new epoch?)
    for (answer, bumps) in [(ErrorCode::None, false), (ErrorCode::OutOfOrderSequenceNumber, true)] {
        let mut bench = Bench::warm(
            ProducerConfig {
                delivery_timeout_ms: 20_000,
                ..config()
            },
            1,
        );
        bench.send("a");
        let _unanswered = bench.request();
        bench.pass(ms(10_000));
        bench.send("b");
        let b = bench.request();
        bench.pass(ms(10_000));
        assert_eq!(bench.results(), [Err((ErrorCode::RequestTimedOut, true))]);
        bench.send("c");
        assert!(
            produced(&mut bench).is_empty(),
            "no new numbers while nobody knows about a"
        );
        bench.answer(&b, answer, Some(2));
        if !bumps {
            assert_eq!(bench.results(), [Ok(Some(2))]);
            assert_eq!(bench.request().sequences(), [(3, 1)], "a was there, too");
            continue;
        }
        bench.settle();
        assert_eq!(bench.identity.1.0, 1);
        bench.pass(ms(9_900));
        assert!(produced(&mut bench).is_empty(), "the request with a is not over");
        bench.pass(ms(200));
        let again: Vec<_> = produced(&mut bench).iter().flat_map(Sent::sequences).collect();
        assert_eq!(again, [(0, 1)], "c");
        assert_eq!(
            bench.results(),
            [Err((ErrorCode::RequestTimedOut, false))],
            "b had no time left"
        );
    }
}

#[test]
fn an_expired_batch_with_nothing_behind_it_needs_a_new_epoch() {
    let mut bench = Bench::warm(
        ProducerConfig {
            delivery_timeout_ms: 20_000,
            ..config()
        },
        1,
    );
    bench.send("a");
    bench.request();
    bench.pass(ms(20_000));
    bench.send("b");
    let b = produced(&mut bench);
    assert_eq!(bench.identity.1.0, 1);
    assert_eq!(b[0].sequences(), [(0, 1)]);
}

#[test]
fn a_refused_epoch_costs_the_batch_and_the_id() {
    let mut bench = Bench::warm(config(), 1);
    let sent = sends(&mut bench, &["a", "b"]);
    bench.answer(&sent[0], ErrorCode::InvalidProducerEpoch, None);
    let asked = bench.request();
    match &asked.body {
        Request::InitProducerId(request) => assert_eq!(request.current, None, "a new id"),
        other => panic!("{other:?}"),
    }
    bench.send("c");
    bench.answer(&sent[1], ErrorCode::InvalidProducerEpoch, None);
    assert!(bench.requests().is_empty());
    let answer = InitProducerIdResponse {
        error: ErrorCode::None,
        producer_id: ProducerId(8),
        producer_epoch: ProducerEpoch(0),
    };
    bench.respond(&asked, answer.into());
    let c = bench.request();
    assert_eq!((c.values(), c.sequences()), (vec![b"c".to_vec()], vec![(0, 1)]));
    assert_eq!(c.produce().partitions[0].1.producer_id(), ProducerId(8));
    assert_eq!(bench.results(), [Err((ErrorCode::InvalidProducerEpoch, false)); 2]);
}

#[test]
fn no_more_are_unanswered_than_a_broker_can_tell_duplicates_of() {
    let mut bench = Bench::warm(config(), 1);
    let old = sends(&mut bench, &["a", "b", "c", "d", "e"]);
    assert_eq!(old.len(), 5);
    (bench.leaders[0], bench.epoch) = (Some(2), 1);
    bench.pass(ms(20_000));
    bench.connect(2);
    bench.lose(2);
    bench.settle();
    bench.pass(ms(1000));
    bench.settle();
    bench.send("f");
    assert!(
        bench.requests().is_empty(),
        "another connection does not widen the window"
    );
    bench.answer(&old[0], ErrorCode::None, Some(1));
    assert_eq!(bench.request().to, NodeId(2));
}

#[test]
fn sequence_numbers_wrap() {
    let mut bench = Bench::warm(config(), 1);
    bench.producer.accumulator.partition_mut(0).sequence.next = i32::MAX as u64;
    bench.producer.accumulator.partition_mut(0).sequence.acked = i32::MAX as u64;
    let sent = sends(&mut bench, &["a", "b"]);
    let numbers: Vec<_> = sent.iter().flat_map(Sent::sequences).collect();
    assert_eq!(numbers, [(i32::MAX, 1), (0, 1)]);
    bench.answer(&sent[0], ErrorCode::None, Some(1));
    bench.answer(&sent[1], ErrorCode::OutOfOrderSequenceNumber, None);
    bench.settle();
    assert_eq!(
        bench.identity.1.0, 1,
        "b followed what was acknowledged: there is a gap"
    );
}

#[test]
fn settings_that_idempotence_needs() {
    let rows = [
        (config(), true),
        (
            ProducerConfig {
                acks: AcksSetting::Leader,
                ..config()
            },
            false,
        ),
        (ProducerConfig { retries: 0, ..config() }, false),
        (
            ProducerConfig {
                max_in_flight_requests_per_connection: 6,
                ..config()
            },
            false,
        ),
        (
            ProducerConfig {
                enable_idempotence: false,
                ..config()
            },
            false,
        ),
    ];
    for (config, expected) in rows {
        let mut bench = Bench::warm(config.clone(), 1);
        bench.send("a");
        assert_eq!(bench.request().sequences()[0].0 >= 0, expected, "{config:?}");
    }
}

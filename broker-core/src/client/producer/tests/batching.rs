//! When which records travel together.

use super::*;
use crate::types::Timestamp;

#[test]
fn a_batch_waits_for_linger_and_not_longer() {
    let mut bench = Bench::warm(
        ProducerConfig {
            linger_ms: 7,
            ..config()
        },
        1,
    );
    bench.send("a");
    bench.pass(ms(3));
    bench.send("b");
    bench.pass(ms(4) - Duration::from_nanos(1));
    assert!(bench.requests().is_empty());
    bench.pass(Duration::from_nanos(1));
    assert_eq!(bench.request().values(), [b"a", b"b"]);
}

#[test]
fn records_are_stamped_by_the_wall_clock_though_it_jumps_back() {
    let mut bench = Bench::warm(
        ProducerConfig {
            linger_ms: 5,
            ..config()
        },
        1,
    );
    for wall in [9_000, 3_000] {
        let now = Now {
            monotonic: bench.now,
            wall: Timestamp(wall),
        };
        bench.producer.send(now, record("a")).unwrap();
    }
    let own = ProducerRecord {
        timestamp: Some(Timestamp(7)),
        ..record("b")
    };
    bench.producer.send(bench.now(), own).unwrap();
    bench.pass(ms(5));
    let sent = bench.request();
    let stamped = sent.produce().partitions[0].1.records();
    let stamped: Vec<i64> = stamped.map(|record| record.unwrap().timestamp.0).collect();
    assert_eq!(stamped, [9_000, 3_000, 7]);
}

#[test]
fn a_full_batch_is_sent_at_once() {
    // A header of 61 bytes and 11 a record of 4; a record is expected to take up to 28.
    for (batch_size, batches) in [
        (111, vec![3]),
        (110, vec![2]),
        (100, vec![2]),
        (99, vec![1, 1]),
        (72, vec![1; 3]),
    ] {
        let mut bench = Bench::warm(
            ProducerConfig {
                batch_size,
                linger_ms: 1000,
                ..config()
            },
            1,
        );
        for value in ["aaaa", "bbbb", "cccc"] {
            bench.send(value);
        }
        let mut sent: Vec<usize> = bench.requests().iter().map(|sent| sent.values().len()).collect();
        if batches == [3] {
            assert!(sent.is_empty(), "there is room for more");
            bench.send("dddd");
            sent = bench.requests().iter().map(|sent| sent.values().len()).collect();
        }
        assert_eq!(sent, batches, "batch.size={batch_size}");
    }
}

#[test]
fn flush_sends_what_lingers() {
    let mut bench = Bench::warm(
        ProducerConfig {
            linger_ms: 1000,
            ..config()
        },
        1,
    );
    bench.send("a");
    assert!(bench.requests().is_empty());
    bench.producer.flush(bench.now());
    assert_eq!(bench.request().values(), [b"a"]);
}

#[test]
fn a_request_takes_along_what_still_lingers_for_the_same_broker() {
    let mut bench = Bench::warm(
        ProducerConfig {
            linger_ms: 10,
            ..config()
        },
        3,
    );
    (bench.leaders, bench.epoch) = (vec![Some(1), Some(1), Some(2)], 1);
    bench.pass(ms(300_000));
    bench.settle();
    let send = |bench: &mut Bench, value: &str, partition| {
        let record = ProducerRecord {
            partition: Some(PartitionIndex(partition)),
            ..record(value)
        };
        bench.producer.send(bench.now(), record).unwrap();
    };
    send(&mut bench, "a", 0);
    bench.pass(ms(5));
    send(&mut bench, "b", 1);
    send(&mut bench, "c", 2);
    bench.pass(ms(5));
    let sent = bench.request();
    assert_eq!(
        (sent.to, sent.values()),
        (NodeId(1), vec![b"a".to_vec(), b"b".to_vec()])
    );
    bench.pass(ms(5));
    let sent = bench.request();
    assert_eq!((sent.to, sent.values()), (NodeId(2), vec![b"c".to_vec()]));
}

#[test]
fn a_request_stays_within_its_size_and_the_next_begins_where_it_ended() {
    let mut bench = Bench::warm(
        ProducerConfig {
            max_request_size: 250,
            max_in_flight_requests_per_connection: 1,
            linger_ms: 10,
            ..config()
        },
        4,
    );
    for partition in 0..4 {
        let record = ProducerRecord {
            partition: Some(PartitionIndex(partition)),
            ..record("a value of thirty bytes or so..")
        };
        bench.producer.send(bench.now(), record).unwrap();
    }
    bench.pass(ms(10));
    let partitions = |sent: &Sent| -> Vec<i32> {
        let batches = sent.produce().partitions.iter();
        batches.map(|(partition, _)| partition.partition.0).collect()
    };
    let first = bench.request();
    assert_eq!(partitions(&first), [0, 1]);
    bench.answer(&first, ErrorCode::None, Some(0));
    assert_eq!(partitions(&bench.request()), [2, 3]);
}

#[test]
fn in_flight_is_bounded_per_connection() {
    for (max, idempotent) in [(1, true), (5, true), (1, false), (3, false), (9, false)] {
        let mut bench = Bench::warm(
            ProducerConfig {
                max_in_flight_requests_per_connection: max,
                enable_idempotence: idempotent,
                ..config()
            },
            1,
        );
        for _ in 0..12 {
            bench.send("a");
        }
        let sent = bench.requests();
        assert_eq!(sent.len(), max as usize);
        bench.answer(&sent[0], ErrorCode::None, Some(1));
        assert_eq!(
            bench.request().values().len(),
            12 - max as usize,
            "the rest goes in one batch"
        );
    }
}

#[test]
fn the_buffer_is_bounded_and_freed() {
    let mut bench = Bench::warm(
        ProducerConfig {
            buffer_memory: 1000,
            linger_ms: 1000,
            ..config()
        },
        1,
    );
    let mut taken = 0;
    let refused = loop {
        match bench.producer.send(bench.now(), record("0123456789")) {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, SendRefused::BufferFull);
    assert!(taken * 17 + 61 > 1000 - 100 && taken * 17 + 61 <= 1000, "{taken}");
    // What waits does not linger any more (`exhausted` in Kafka's accumulator).
    bench.pass(ms(0));
    let sent = bench.request();
    assert_eq!(sent.values().len(), taken);
    bench.answer(&sent, ErrorCode::None, Some(1));
    assert_eq!(bench.results().len(), taken);
    assert_eq!(bench.producer.buffered, 0);
    bench.send("again");
}

#[test]
fn oversized_records_are_refused() {
    let with_value = |len: usize| ProducerRecord {
        value: Some(Bytes::from(vec![0; len])),
        ..record("")
    };
    let rows = [
        (1000, 100_000, 1000 - 82, Ok(())),
        (1000, 100_000, 1000 - 81, Err(SendRefused::RecordTooLarge)),
        (100_000, 1000, 1000 - 82, Ok(())),
        (100_000, 1000, 1000 - 81, Err(SendRefused::RecordTooLarge)),
    ];
    for (max_request_size, buffer_memory, len, expected) in rows {
        let mut bench = Bench::warm(
            ProducerConfig {
                max_request_size,
                buffer_memory,
                ..config()
            },
            1,
        );
        let result = bench.producer.send(bench.now(), with_value(len));
        assert_eq!(result.map(|_| ()), expected, "{len} bytes");
    }
}

#[test]
fn records_wait_for_metadata_and_keep_their_order() {
    let mut bench = Bench::fresh(config(), 2);
    bench.send("a");
    bench.send("b");
    let far = ProducerRecord {
        partition: Some(PartitionIndex(2)),
        ..record("far")
    };
    bench.producer.send(bench.now(), far).unwrap();
    let asked = bench.requests();
    assert_eq!(asked.len(), 2, "metadata and a producer id");
    for sent in &asked {
        let answer = bench.serve(sent).unwrap();
        bench.respond(sent, answer);
    }
    assert_eq!(bench.request().values(), [b"a", b"b"]);
    // A partition that does not exist is waited for, too.
    bench.pass(ms(59_999));
    bench.settle();
    bench.results();
    bench.pass(ms(1));
    assert_eq!(
        bench.results(),
        [Err((ErrorCode::RequestTimedOut, false))],
        "max.block.ms"
    );
}

#[test]
fn an_unknown_topic_fails_after_max_block() {
    let mut bench = Bench::fresh(config(), 1);
    bench.send("a");
    let start = bench.now;
    while bench.producer.pending() > 0 {
        for sent in bench.requests() {
            let body = match sent.body {
                Request::Metadata(_) => {
                    let mut answer = bench.metadata();
                    answer.topics[0].id = None;
                    answer.topics[0].error = ErrorCode::UnknownTopicOrPartition;
                    answer.topics[0].partitions.clear();
                    answer.into()
                }
                _ => bench.serve(&sent).unwrap(),
            };
            bench.respond(&sent, body);
        }
        let at = bench.producer.deadline().unwrap();
        bench.pass(at.since(bench.now));
    }
    assert_eq!(bench.now.since(start), ms(60_000));
    assert_eq!(bench.results(), [Err((ErrorCode::RequestTimedOut, false))]);
}

#[test]
fn without_acks_a_send_ends_with_the_request() {
    let mut bench = Bench::fresh(
        ProducerConfig {
            acks: AcksSetting::None,
            ..config()
        },
        1,
    );
    for _ in 0..9 {
        bench.send("a");
    }
    bench.settle();
    let sent = bench.requests();
    assert!(
        sent.iter().all(|sent| sent.sequences()[0].0 == -1),
        "no idempotence without acks=all"
    );
    assert_eq!(bench.results(), [Ok(None); 9]);
    assert_eq!((bench.producer.pending(), bench.producer.buffered), (0, 0));
    bench.pass(ms(200_000));
    assert!(bench.requests().is_empty(), "nobody waits for an answer");
}

#[test]
fn keys_choose_partitions_by_murmur2() {
    // Kafka's own vectors: key, partitions, partition.
    let rows = [
        ("", 3, 0),
        ("ab", 10, 4),
        ("abc", 7, 4),
        ("key", 3, 1),
        ("key-1", 7, 5),
        ("key-2", 10, 2),
        ("kafka", 12, 4),
        ("foo", 17, 15),
        ("foobar", 6, 0),
        ("123456789", 10, 6),
        ("a-little-bit-longer-string", 12, 11),
        ("user_123", 17, 14),
        ("10", 6, 4),
        ("é", 12, 3),
        ("😀", 50, 17),
        ("4", 50, 3),
    ];
    for (key, partitions, expected) in rows {
        let mut bench = Bench::warm(config(), partitions);
        // Partitions without a leader count, too: a key stays where it is.
        let record = ProducerRecord {
            partition: None,
            key: Some(Bytes::from_static(key.as_bytes())),
            ..record("v")
        };
        bench.producer.send(bench.now(), record).unwrap();
        let sent = bench.request();
        assert_eq!(
            sent.produce().partitions[0].0.partition.0,
            expected,
            "{key} of {partitions}"
        );
    }
}

#[test]
fn records_without_key_stick_to_a_partition_for_a_batch() {
    let mut bench = Bench::warm(
        ProducerConfig {
            batch_size: 1000,
            linger_ms: 1000,
            ..config()
        },
        6,
    );
    bench.leaders[3] = None;
    bench.epoch = 1;
    bench.pass(ms(300_000));
    bench.settle();
    let mut seen = [0; 6];
    let mut runs = 0;
    let mut last = None;
    for _ in 0..600 {
        let record = ProducerRecord {
            partition: None,
            ..record("0123456789012345678901234567890123456789")
        };
        bench.producer.send(bench.now(), record).unwrap();
        for sent in bench.requests() {
            for (partition, batch) in &sent.produce().partitions {
                assert!(batch.size() > 900, "only full batches");
                seen[partition.partition.0 as usize] += batch.count();
                runs += usize::from(last != Some(partition.partition));
                last = Some(partition.partition);
            }
            bench.answer(&sent, ErrorCode::None, Some(0));
        }
    }
    assert_eq!(seen[3], 0, "a partition without a leader is left out");
    assert!(
        [0, 1, 2, 4, 5].iter().all(|partition| seen[*partition] > 30),
        "{seen:?}"
    );
    assert!(runs > 10, "{runs}");
}

#[test]
fn keys_are_ignored_if_the_configuration_says_so() {
    for ignore in [false, true] {
        let config = ProducerConfig {
            batch_size: 1000,
            linger_ms: 1000,
            partitioner_ignore_keys: ignore,
            ..config()
        };
        let mut bench = Bench::warm(config, 6);
        let mut sent = Vec::new();
        for _ in 0..100 {
            let record = ProducerRecord {
                partition: None,
                key: Some(Bytes::from_static(b"one")),
                ..record("0123456789012345678901234567890123456789")
            };
            bench.producer.send(bench.now(), record).unwrap();
            for request in bench.requests() {
                sent.extend(request.produce().partitions.iter().map(|(id, _)| id.partition));
                bench.answer(&request, ErrorCode::None, Some(0));
            }
        }
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len() > 1, ignore, "{sent:?}");
    }
}

#[test]
fn records_without_key_leave_a_broker_out_that_takes_nothing_for_too_long() {
    // With the timeout, and where the records of the last ten seconds went: to broker 1 (even partitions), to broker 2.
    let rows = [(0, true, true), (1_000, true, false)];
    for (timeout, to_first, to_second) in rows {
        let config = ProducerConfig {
            batch_size: 200,
            max_in_flight_requests_per_connection: 1,
            partitioner_availability_timeout_ms: timeout,
            ..config()
        };
        let mut bench = Bench::warm(config, 4);
        bench.leaders = vec![Some(1), Some(2), Some(1), Some(2)];
        bench.epoch = 1;
        bench.pass(ms(300_000));
        bench.settle();
        let mut unanswered = None;
        let mut load = |bench: &mut Bench, rounds: u64, second_answers: bool| {
            let queued = |bench: &Bench, partitions: [i32; 2]| {
                let of = |index| bench.producer.queued(TopicPartition::new(TOPIC, index));
                partitions.map(of).iter().sum::<u64>()
            };
            let (mut first, before) = (0, queued(bench, [1, 3]));
            for _ in 0..rounds {
                let record = ProducerRecord {
                    partition: None,
                    ..record("0123456789012345678901234567890123456789")
                };
                bench.producer.send(bench.now(), record).unwrap();
                let mut requests = bench.requests();
                if second_answers {
                    requests.extend(unanswered.take());
                }
                for request in requests {
                    let sent: usize = request
                        .produce()
                        .partitions
                        .iter()
                        .map(|(_, batch)| batch.count() as usize)
                        .sum();
                    match request.to {
                        NodeId(2) if !second_answers => unanswered = Some(request),
                        to => {
                            first += if to == NodeId(1) { sent } else { 0 };
                            bench.answer(&request, ErrorCode::None, Some(0));
                        }
                    }
                }
                bench.pass(ms(10));
            }
            (first > 0, queued(bench, [1, 3]) > before)
        };
        load(&mut bench, 400, true);
        load(&mut bench, 300, false);
        assert_eq!(load(&mut bench, 1000, false), (to_first, to_second), "{timeout} ms");
        // It answers again, and is used again.
        load(&mut bench, 400, true);
        assert!(load(&mut bench, 100, false).1, "{timeout} ms");
    }
}

#[test]
fn a_clock_that_is_set_back_only_prolongs_the_wait() {
    // The retry comes due while another request is in flight, and the clock goes back before that is answered.
    let config = ProducerConfig {
        max_in_flight_requests_per_connection: 1,
        ..config()
    };
    let mut bench = Bench::warm(config, 2);
    bench.send("a");
    let sent = bench.request();
    bench.answer(&sent, ErrorCode::NotEnoughReplicas, None);
    let other = ProducerRecord {
        partition: Some(PartitionIndex(1)),
        ..record("b")
    };
    bench.producer.send(bench.now(), other).unwrap();
    let other = bench.request();
    let start = bench.now;
    bench.pass(ms(200));
    assert!(bench.requests().is_empty(), "one in flight");
    bench.now = start;
    bench.answer(&other, ErrorCode::None, Some(0));
    assert!(
        bench.requests().is_empty(),
        "the back-off lasts until the clock has caught up"
    );
    bench.pass(ms(130));
    assert_eq!(bench.request().values(), [b"a"]);
}

#[test]
fn an_idle_producer_asks_only_for_metadata_by_age() {
    let mut bench = Bench::warm(config(), 1);
    let age = bench.producer.deadline().unwrap().since(bench.now);
    assert_eq!(age, ms(300_000));
    bench.pass(age);
    assert!(matches!(bench.request().body, Request::Metadata(_)));
    assert_eq!(
        Producer::new(config(), crate::client::two_brokers(), Random::new(1, "p")).deadline(),
        None
    );
}

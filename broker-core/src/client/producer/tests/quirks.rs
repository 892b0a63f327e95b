//! The planted defects, each beside the correct course of the same story.

use super::*;
use crate::config::Quirks;

fn quirky(config: ProducerConfig, partitions: usize, name: Option<&str>) -> Bench {
    let mut bench = Bench::warm(config, partitions);
    let mut quirks = Quirks::default();
    if let Some(name) = name {
        quirks.enable(name).unwrap();
    }
    bench.producer = bench.producer.with_quirks(quirks);
    bench
}

fn to(partition: i32, value: &str) -> ProducerRecord {
    ProducerRecord {
        partition: Some(PartitionIndex(partition)),
        ..record(value)
    }
}

#[test]
fn sequence_reset_on_metadata_loss() {
    let name = "sequence-reset-on-metadata-loss";
    for (quirk, sequence) in [(None, 1), (Some(name), 0)] {
        let mut bench = quirky(config(), 1, quirk);
        bench.connect(2);
        bench.lose(2);
        bench.pass(ms(200));
        let asked = bench.request();
        let mut answer = bench.metadata();
        answer.topics.clear();
        bench.respond(&asked, answer.into());
        bench.send("a");
        bench.settle();
        assert_eq!(bench.request().sequences(), [(sequence, 1)], "{quirk:?}");
    }
}

#[test]
fn sequence_burned_for_unsent() {
    // (quirk, the sequence of what is sent after a batch that expired unsent)
    for (quirk, sequence) in [(None, 1), (Some("sequence-burned-for-unsent"), 2)] {
        let config = ProducerConfig {
            delivery_timeout_ms: 1_000,
            ..config()
        };
        let mut bench = quirky(config, 1, quirk);
        bench.lose(1);
        bench.leaders[0] = None;
        bench.pass(ms(200));
        bench.settle();
        bench.send("never sent");
        bench.pass(ms(500));
        bench.settle();
        bench.pass(ms(600));
        bench.settle();
        assert_eq!(bench.results(), [Err((ErrorCode::RequestTimedOut, false))]);
        (bench.leaders[0], bench.epoch) = (Some(1), 1);
        bench.send("next");
        bench.pass(ms(900));
        bench.settle();
        assert_eq!(bench.request().sequences(), [(sequence, 1)], "{quirk:?}");
    }
}

#[test]
fn inflight_accounting() {
    // (quirk, what is sent after a connection broke with "a" in flight and "b" waiting)
    let rows = [
        (None, vec![("a", 1), ("b", 2)]),
        (Some("inflight-accounting"), vec![("b", 1), ("a", 2)]),
    ];
    for (quirk, order) in rows {
        let config = ProducerConfig {
            linger_ms: 10,
            ..config()
        };
        let mut bench = quirky(config, 1, quirk);
        bench.send("a");
        bench.producer.flush(bench.now());
        assert_eq!(bench.request().sequences(), [(1, 1)]);
        bench.send("b");
        bench.lose(1);
        let mut sent = Vec::new();
        for _ in 0..10 {
            bench.pass(ms(50));
            bench.settle();
            for request in bench.requests() {
                let value = alloc::string::String::from_utf8(request.values()[0].clone()).unwrap();
                sent.push((value, request.sequences()[0].0));
                bench.answer(&request, ErrorCode::None, Some(1));
            }
        }
        let sent: Vec<_> = sent
            .iter()
            .map(|(value, sequence)| (value.as_str(), *sequence))
            .collect();
        assert_eq!(sent, order, "{quirk:?}");
    }
}

#[test]
fn buffer_reused_in_flight() {
    // (quirk, partition and value of what is sent after a batch for partition 0 expired unanswered)
    let rows = [
        (None, vec![(1, "b")]),
        (Some("buffer-reused-in-flight"), vec![(0, "b"), (1, "b")]),
    ];
    for (quirk, places) in rows {
        let config = ProducerConfig {
            enable_idempotence: false,
            delivery_timeout_ms: 1_000,
            ..config()
        };
        let mut bench = quirky(config, 2, quirk);
        bench.send("a");
        bench.request();
        bench.pass(ms(1_000));
        assert_eq!(bench.results(), [Err((ErrorCode::RequestTimedOut, true))]);
        bench.producer.send(bench.now(), to(1, "b")).unwrap();
        let mut found = Vec::new();
        for sent in bench.requests() {
            let (partition, _) = sent.produce().partitions[0];
            found.push((partition.partition.0, sent.values().remove(0)));
        }
        let expected: Vec<_> = places
            .iter()
            .map(|(at, value)| (*at, value.as_bytes().to_vec()))
            .collect();
        assert_eq!(found, expected, "{quirk:?}");
    }
}

#[test]
fn flush_misses_split_batch() {
    // (quirk, how many sends have not ended while the halves are unanswered)
    for (quirk, pending) in [(None, 2), (Some("flush-misses-split-batch"), 0)] {
        let config = ProducerConfig {
            linger_ms: 100,
            ..config()
        };
        let mut bench = quirky(config, 1, quirk);
        bench.send("a");
        bench.send("b");
        bench.producer.flush(bench.now());
        let whole = bench.request();
        bench.answer(&whole, ErrorCode::MessageTooLarge, None);
        assert_eq!(bench.producer.pending(), pending, "{quirk:?}");
        assert_eq!(bench.results().len(), 2 - pending);
        let halves = bench.requests();
        for half in &halves {
            bench.answer(half, ErrorCode::CorruptMessage, None);
        }
        assert!(bench.producer.pending() <= pending);
    }
}

#[test]
fn what_waits_is_counted() {
    let mut bench = Bench::warm(config(), 2);
    let id = TopicPartition::new(TOPIC, 1);
    assert_eq!((bench.producer.buffered_bytes(), bench.producer.queued(id)), (0, 0));
    for value in ["a", "b", "c"] {
        bench.producer.send(bench.now(), to(1, value)).unwrap();
    }
    assert_eq!(bench.producer.queued(id), 3);
    assert!(bench.producer.buffered_bytes() > 2 * 61);
    while bench.producer.pending() > 0 {
        for sent in bench.requests() {
            bench.answer(&sent, ErrorCode::None, Some(0));
        }
    }
    assert_eq!((bench.producer.buffered_bytes(), bench.producer.queued(id)), (0, 0));
    assert_eq!(bench.producer.queued(TopicPartition::new(TOPIC, 9)), 0);
}

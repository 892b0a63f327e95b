//! What programs send is what programs get: timestamps, headers, tombstones, names, and nothing that the trial adds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::program::{
    AutoOffsetReset, ConsumerClient, ConsumerConfig, Env, Offset, ProducerConfig, ProducerRecord, RebalanceListener,
    Timestamp, TimestampType, TopicPartition,
};
use sim::trial::Trial;

const STAGE: &str = "duration = \"10s\"\ncluster = { brokers = 3 }\ntopics = [{ name = \"orders\", partitions = 2 }]\n";

fn from_the_beginning() -> ConsumerConfig {
    ConsumerConfig {
        auto_offset_reset: AutoOffsetReset::Earliest,
        enable_auto_commit: false,
        ..ConsumerConfig::default()
    }
}

fn member_of(group: &str) -> ConsumerConfig {
    ConsumerConfig {
        group_id: Some(group.to_owned()),
        ..from_the_beginning()
    }
}

/// A program that counts sees what its producers sent, however many records close the trial: those of two loads, and
/// one of the probe in every partition.
#[test]
fn a_program_that_counts_sees_what_was_sent() {
    let stage = format!(
        "{STAGE}producers = [{{ name = \"app\", count = 2, topic = \"orders\", rate = 20, \
         keys = {{ distribution = \"uniform\", count = 10 }} }}]\n"
    );
    let counted = Arc::new(Mutex::new(BTreeMap::new()));
    let theirs = Arc::clone(&counted);
    let trial = Trial::from_toml(&stage)
        .program("counting", move |env: Env| {
            let counted = Arc::clone(&theirs);
            async move {
                let mut consumer = env.consumer(member_of("counting"));
                consumer.subscribe(&["orders"]);
                loop {
                    for record in consumer.poll(Duration::from_millis(300)).await.expect("a reset policy") {
                        let work = env.process(&record);
                        assert!(record.key().is_some() && record.headers().is_empty(), "{record:?}");
                        *counted.lock().unwrap().entry(record.partition.clone()).or_insert(0_u64) += 1;
                        work.done();
                    }
                    let _ = consumer.commit().await;
                }
            }
        })
        .drains("counting", &["orders"]);
    let outcome = trial.run(3);
    outcome.assert_pass();
    let counted: u64 = counted.lock().unwrap().values().sum();
    assert!(counted > 300, "{counted}");
    assert_eq!(
        (counted, counted, counted),
        (
            outcome.records_acked,
            outcome.records_consumed,
            outcome.groups.processed
        )
    );
}

#[test]
fn timestamps_headers_and_tombstones_arrive_as_sent() {
    let trial = Trial::from_toml(STAGE)
        .program("writer", |env| async move {
            let producer = env.producer(ProducerConfig::default());
            let to = || {
                ProducerRecord::to("orders")
                    .partition(sim::program::PartitionIndex(1))
                    .key("k")
            };
            let plain = to().payload("hello").timestamp(Timestamp(1_000));
            let headed = plain
                .clone()
                .header("trace", "1")
                .header("trace", "2")
                .header("lang", "");
            for record in [plain, headed, to().tombstone().header("why", "gone"), to().tombstone()] {
                let sent = producer.send(record).await.expect("a calm cluster");
                assert_eq!(format!("{:?}", sent.partition), "orders/1");
            }
        })
        .program("reader", |env| async move {
            let mut consumer = env.consumer(from_the_beginning());
            consumer.assign([("orders", 1)]);
            let mut records = Vec::new();
            while records.len() < 4 {
                records.extend(consumer.poll(Duration::from_secs(1)).await.expect("a reset policy"));
            }
            let [plain, headed, deletes, bare] = &records[..] else {
                panic!("{records:?}");
            };
            assert_eq!(
                (plain.topic(), plain.payload(), plain.is_tombstone()),
                ("orders", &b"hello"[..], false)
            );
            assert_eq!(
                (plain.timestamp(), plain.timestamp_type()),
                (Timestamp(1_000), TimestampType::CreateTime)
            );
            assert!(plain.headers().is_empty());
            let names: Vec<&[u8]> = headed.headers().iter().map(|header| &*header.key).collect();
            assert_eq!(names, [&b"trace"[..], b"trace", b"lang"]);
            assert_eq!(
                (headed.header("trace"), headed.header("lang"), headed.header("no")),
                (Some(&b"2"[..]), Some(&b""[..]), None)
            );
            assert!(deletes.is_tombstone() && deletes.payload().is_empty() && deletes.uid().is_some());
            assert_eq!(deletes.headers().len(), 1);
            assert_eq!(deletes.header("why"), Some(&b"gone"[..]));
            assert!(bare.is_tombstone() && bare.headers().is_empty(), "{bare:?}");
            let now = env.timestamp();
            assert!(
                (now.0 - 10_000..=now.0 + 1_000).contains(&bare.timestamp().0),
                "stamped when it was sent"
            );
            let shown = format!("{deletes:?}");
            assert!(
                shown.contains("partition: orders/1") && shown.contains("payload: None"),
                "{shown}"
            );
            assert!(!shown.contains("trial.uid"), "{shown}");
        });
    let outcome = trial.run(1);
    assert_eq!(outcome.assert_pass().records_consumed, 4);
}

#[test]
#[should_panic(expected = "the header `trial.probe` is the trial's own: take another name")]
fn the_trial_keeps_its_headers_to_itself() {
    let _ = ProducerRecord::to("orders").header("trial.probe", "");
}

/// Notes each rebalance that it is notified of.
struct Listener(Vec<String>);

impl RebalanceListener for Listener {
    async fn assigned(&mut self, _: &mut ConsumerClient, partitions: &[TopicPartition]) {
        self.0.push(format!("with {partitions:?}"));
    }

    async fn revoked(&mut self, _: &mut ConsumerClient, partitions: &[TopicPartition]) {
        self.0.push(format!("without {partitions:?}"));
    }
}

#[test]
fn partitions_have_names_wherever_a_program_meets_them() {
    let trial = Trial::from_toml(STAGE).program("reader", |env| async move {
        let mut listener = Listener(Vec::new());
        let mut consumer = env.consumer(member_of("readers"));
        consumer.subscribe(&["orders"]);
        for _ in 0..5 {
            let polled = consumer.poll_with(&mut listener, Duration::from_secs(1)).await;
            assert_eq!(polled, Ok(Vec::new()));
        }
        assert_eq!(format!("{:?}", consumer.assignment()), "[orders/0, orders/1]");
        consumer.close_with(&mut listener).await;
        assert_eq!(
            listener.0,
            ["with [orders/0, orders/1]", "without [orders/0, orders/1]"]
        );
    });
    trial.run(1).assert_pass();
}

#[test]
fn a_consumer_seeks_before_its_topic_is_known_and_after() {
    let trial = Trial::from_toml(STAGE).program("both", |env| async move {
        let producer = env.producer(ProducerConfig::default());
        for number in 0..10 {
            let record = ProducerRecord::to("orders").partition(sim::program::PartitionIndex(0));
            producer
                .send(record.payload(format!("{number}")))
                .await
                .expect("a calm cluster");
        }
        let mut consumer = env.consumer(from_the_beginning());
        let orders = TopicPartition::new("orders", 0);
        consumer.assign([&orders]);
        assert_eq!(format!("{:?}", consumer.assignment()), "[orders/0]");
        consumer.seek(&orders, Offset(7));
        let offsets = |records: &[sim::program::ConsumerRecord]| -> Vec<i64> {
            records.iter().map(|record| record.offset().0).collect()
        };
        assert_eq!(
            offsets(&consumer.poll(Duration::from_secs(1)).await.unwrap()),
            [7, 8, 9]
        );
        let all = std::slice::from_ref(&orders);
        consumer.seek_to_beginning(all);
        assert_eq!(
            offsets(&consumer.poll(Duration::from_secs(1)).await.unwrap()),
            (0..10).collect::<Vec<_>>()
        );
        assert_eq!(consumer.position(&orders), Some(Offset(10)));
        consumer.seek(&orders, Offset(3));
        consumer.seek_to_end(all);
        assert_eq!(
            offsets(&consumer.poll(Duration::from_millis(600)).await.unwrap()),
            [0; 0]
        );
        consumer.pause(all);
        producer
            .send(ProducerRecord::to("orders").partition(orders.partition))
            .await
            .expect("calm");
        assert_eq!(
            offsets(&consumer.poll(Duration::from_millis(600)).await.unwrap()),
            [0; 0]
        );
        consumer.resume(all);
        assert_eq!(offsets(&consumer.poll(Duration::from_secs(1)).await.unwrap()), [10]);
    });
    trial.run(1).assert_pass();
}

/// What scenario files give to records passes all checks, and consumers that go back get records twice.
#[test]
fn producers_and_consumers_of_scenario_files_use_all_of_it() {
    let stage = "duration = \"20s\"\ncluster = { brokers = 3 }\n\
        topics = [{ name = \"orders\", partitions = 2 }, { name = \"audit\" }]\n\
        [[producers]]\nname = \"app\"\ntopics = [\"orders\", \"audit\"]\nrate = 20\nheaders = 2\n\
        timestamps = { behind = \"30s\" }\ntombstones = 0.2\nkeys = { distribution = \"uniform\", count = 5 }\n\
        [[consumers]]\nname = \"reader\"\ntopic = \"orders\"\nschedule = [\n\
        { at = \"10s\", seek = \"beginning\" }, { at = \"12s\", pause = \"orders/0\" }, { at = \"15s\", resume = \"all\" },\n\
        { at = \"16s\", seek = \"back 5\", partition = \"orders/1\" }, { at = \"17s\", seek = 3 } ]\n";
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let theirs = Arc::clone(&seen);
    let trial = Trial::from_toml(stage).program("audit", move |env| {
        let seen = Arc::clone(&theirs);
        async move {
            let mut consumer = env.consumer(from_the_beginning());
            consumer.assign([("audit", 0)]);
            loop {
                for record in consumer.poll(Duration::from_secs(1)).await.expect("a reset policy") {
                    assert_eq!(record.headers().len(), 2, "{record:?}");
                    assert_eq!(record.header("header-1"), record.header("header-2"));
                    let age = env.timestamp().0 - record.timestamp().0;
                    let is_late = usize::from(age > 2_000);
                    let mut seen = seen.lock().unwrap();
                    let (count, late) = seen.entry(record.is_tombstone()).or_insert((0, 0));
                    (*count, *late) = (*count + 1, *late + is_late);
                }
            }
        }
    });
    let outcome = trial.run(2);
    outcome.assert_pass();
    let seen = seen.lock().unwrap();
    let [(values, late), (tombstones, _)] = [seen[&false], seen[&true]];
    assert!(
        tombstones > 20 && values > 2 * tombstones && late > values / 2,
        "{seen:?}"
    );
    let in_audit = values + tombstones;
    assert!((in_audit as u64 * 2).abs_diff(outcome.records_acked) <= 1, "in turn");
    assert!(
        outcome.records_consumed > outcome.records_acked + 100,
        "{}",
        outcome.records_consumed
    );
}

/// `partitioner.ignore.keys` spreads the records of a key, which is no finding then.
#[test]
fn keys_stay_in_their_partition_unless_the_partitioner_ignores_them() {
    let homes = |ignore: bool| {
        let partitions = Arc::new(Mutex::new(BTreeMap::new()));
        let theirs = Arc::clone(&partitions);
        let stage = format!(
            "{STAGE}producers = [{{ name = \"app\", topic = \"orders\", rate = 200, record_size = 1000, keys = \
             {{ distribution = \"uniform\", count = 1 }}, config = {{ \"partitioner.ignore.keys\" = {ignore} }} }}]\n"
        );
        let trial = Trial::from_toml(&stage).program("reader", move |env: Env| {
            let partitions = Arc::clone(&theirs);
            async move {
                let mut consumer = env.consumer(from_the_beginning());
                consumer.assign([("orders", 0), ("orders", 1)]);
                loop {
                    for record in consumer.poll(Duration::from_millis(300)).await.expect("a reset policy") {
                        *partitions
                            .lock()
                            .unwrap()
                            .entry(record.partition.clone())
                            .or_insert(0_u64) += 1;
                    }
                }
            }
        });
        trial.run(1).assert_pass();
        partitions.lock().unwrap().values().filter(|read| **read > 100).count()
    };
    assert_eq!((homes(false), homes(true)), (1, 2));
}

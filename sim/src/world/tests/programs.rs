//! Programs: how they live, wait and die.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use broker_core::config::{AutoOffsetReset, ConsumerConfig, ProducerConfig, TopicConfig};
use broker_core::types::PartitionIndex;

use super::*;
use crate::history::{SendFailed, SendOk, SendUnknown, Sought, Uid};
use crate::program::{PollError, ProducerRecord, SendError, TopicPartition};
use crate::scenario::{ConsumerGroup, Keys, ProducerGroup, Topic};

/// Adds the program `load/1`. Without a topic there is nobody to answer it.
pub(super) fn add_load(stage: &mut Stage, rate: f64) {
    stage.scenario.producers.push(ProducerGroup {
        name: "load".to_owned(),
        count: 1,
        topics: vec!["orders".to_owned()],
        headers: 0,
        behind: Duration::ZERO,
        tombstones: 0.0,
        rate,
        record_size: 100,
        keys: Keys::Uniform { count: 10 },
        key_strategy: crate::scenario::KeyStrategy::Plain,
        backpressure: None,
        start: Duration::ZERO,
        stop: None,
        config: ProducerConfig::default(),
    });
}

/// One broker with a topic of two partitions, for three seconds.
pub(super) fn one_broker() -> Stage {
    let mut stage = Stage::new(|_, _| Vec::new());
    stage.scenario.cluster.brokers = 1;
    stage.scenario.duration = S * 3;
    stage.scenario.topics.push(Topic {
        name: "orders".to_owned(),
        partitions: 2,
        replication_factor: 1,
        config: TopicConfig::default(),
    });
    stage
}

fn program<F: Future<Output = ()> + 'static>(main: impl Fn(Props) -> F + Send + Sync + 'static) -> Main {
    Arc::new(move |props| Box::pin(main(props)))
}

fn on_producer<F: Future<Output = ()> + 'static>(main: impl Fn(Props) -> F + Send + Sync + 'static) -> (Library, Main) {
    (Library::Producer(Box::default()), program(main))
}

/// A record whose value has this size with its uid.
fn record(size: usize) -> ProducerRecord {
    let record = ProducerRecord::to("orders").partition(PartitionIndex(1));
    record.payload(vec![b'x'; size - 8])
}

/// The lines that one client wrote, of one run of it.
fn history(play: &Play, node: u32, run: u32) -> Vec<&Entry> {
    let mine = |entry: &&Entry| {
        let is_environment = matches!(entry.what, What::Environment(_));
        entry.process == NodeId(node) && entry.incarnation == run && !is_environment
    };
    play.entries.iter().filter(mine).collect()
}

// ---- time

#[test]
fn sleeps_end_exactly_when_they_should() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut stage = Stage::new(|_, _| Vec::new());
    let theirs = Arc::clone(&log);
    stage.programs.push(on_producer(move |props| {
        let log = Arc::clone(&theirs);
        async move {
            for nanos in [0, 1, 999, 1_000_000, 123_456_789, 1] {
                let before = props.clock.now().0;
                props.clock.sleep(Duration::from_nanos(nanos)).await;
                log.lock().unwrap().push((nanos, props.clock.now().0 - before));
            }
            props.clock.sleep_until(SimTime(5)).await;
        }
    }));
    stage.run();
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 6);
    assert!(log.iter().all(|(asked, slept)| asked == slept), "{log:?}");
}

#[test]
fn programs_run_until_they_wait_before_time_goes_on() {
    // At one instant a chain of tasks wakes one another, far more often than one timer of madsim waits for.
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = Mutex::new(sender);
    let mut stage = Stage::new(|node, _| match node {
        1 => (1..2000).map(|number| (US * 500 * number, Act::Nothing)).collect(),
        _ => Vec::new(),
    });
    stage.programs.push(on_producer(move |props| {
        let sender = sender.lock().unwrap().clone();
        async move {
            props.clock.sleep(MS * 100).await;
            let clock = props.clock;
            let mut chain: Vec<madsim::task::JoinHandle<()>> = Vec::new();
            for _ in 0..300 {
                let before = chain.pop();
                let clock = clock.clone();
                let sender = sender.clone();
                chain.push(madsim::task::spawn_local(async move {
                    if let Some(before) = before {
                        before.await.unwrap();
                    }
                    for _ in 0..10 {
                        let mut yielded = false;
                        std::future::poll_fn(|context| match std::mem::replace(&mut yielded, true) {
                            true => std::task::Poll::Ready(()),
                            false => {
                                context.waker().wake_by_ref();
                                std::task::Poll::Pending
                            }
                        })
                        .await;
                    }
                    sender.send(clock.now().0).unwrap();
                }));
            }
            chain.pop().unwrap().await.unwrap();
        }
    }));
    stage.run();
    let times: Vec<u64> = receiver.try_iter().collect();
    assert_eq!(times, vec![100_000_000; 300]);
}

#[test]
fn a_program_that_never_waits_ends_the_trial() {
    let mut stage = Stage::new(|_, _| Vec::new());
    stage.programs.push(on_producer(|props| async move {
        props.clock.sleep(MS * 100).await;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            std::task::Poll::<()>::Pending
        })
        .await;
    }));
    let report = stage.run().report;
    assert_eq!(report.end, End::Limit("the programs never wait".to_owned()));
    assert_eq!(report.sim_time, SimTime::after(MS * 100));
}

// ---- death

/// Says when the future that holds it was dropped.
struct Grave(crate::program::Clock, Arc<Mutex<Vec<u64>>>);

impl Drop for Grave {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0.now().0);
    }
}

#[test]
fn a_killed_program_never_resumes_wherever_it_waits() {
    type Wait = fn(Props) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;
    let tiny = ProducerConfig {
        buffer_memory: 1000,
        ..ProducerConfig::default()
    };
    let producer = |config: &ProducerConfig| Library::Producer(Box::new(config.clone()));
    let normal = ProducerConfig::default();
    let waits: [(&str, Library, Wait); 6] = [
        ("sleep", producer(&normal), |props| {
            Box::pin(async move { props.clock.sleep(S).await })
        }),
        ("topics", producer(&normal), |props| {
            Box::pin(async move { props.clock.topics_exist().await })
        }),
        ("delivery", producer(&normal), |props| {
            Box::pin(async move {
                let record = record(100);
                let _ = props.producer.unwrap().send(record).await;
            })
        }),
        ("room", producer(&tiny), |props| {
            Box::pin(async move {
                for _ in 0..30 {
                    let record = record(100);
                    let _ = props.producer.as_ref().unwrap().send(record).enqueued().await;
                }
            })
        }),
        ("flush", producer(&normal), |props| {
            Box::pin(async move {
                let record = record(100);
                let _ = props.producer.as_ref().unwrap().send(record).enqueued().await;
                props.producer.unwrap().flush().await;
            })
        }),
        ("poll", Library::Consumer(Box::default()), |props| {
            Box::pin(async move {
                let mut consumer = props.consumer.unwrap();
                consumer.assign([("orders", 0)]);
                let _ = consumer.poll(S).await;
            })
        }),
    ];
    for (name, library, wait) in waits {
        let (started, resumed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let mut stage = one_broker();
        let counters = (Arc::clone(&started), Arc::clone(&resumed), Arc::clone(&dropped));
        let main = program(move |props: Props| {
            let (started, resumed, dropped) = counters.clone();
            let grave = Grave(props.clock.clone(), dropped);
            async move {
                started.fetch_add(1, Ordering::Relaxed);
                wait(props).await;
                resumed.fetch_add(1, Ordering::Relaxed);
                drop(grave);
            }
        });
        stage.programs.push((library, main));
        let stage = stage.fault(MS * 500, None, Kill(Target::Client("custom/1".to_owned())));
        // Puppets never answer, so that at 500 ms every wait but the sleep could last for ever.
        let play = stage.run();
        assert!(play.report.faults[0].fired, "{name}");
        assert_eq!(
            dropped.lock().unwrap().first(),
            Some(&500_000_000),
            "{name}: it ends where it stands"
        );
        assert_eq!(started.load(Ordering::Relaxed), 2, "{name}: the heal restarts it");
        let resumed = resumed.load(Ordering::Relaxed);
        assert!(resumed <= 1, "{name}: at most the second run goes on");
        let node = play.entries.last().expect("a history").process;
        let unended: Vec<&Entry> = play
            .entries
            .iter()
            .filter(|entry| entry.at.time.0 > 500_000_000)
            .collect();
        let zombies = unended
            .iter()
            .filter(|entry| entry.process == node && entry.incarnation == 0 && node.0 > 1000);
        assert_eq!(zombies.count(), 0, "{name}");
    }
}

#[test]
fn the_sends_of_a_killed_program_are_unknown() {
    let mut stage = Stage::new(|_, _| Vec::new());
    add_load(&mut stage, 1000.0);
    let stage = stage.fault(MS * 500, Some(S), Kill(Target::Client("load/1".to_owned())));
    let play = stage.run();
    let (first, second) = (history(&play, 1001, 0), history(&play, 1001, 1));
    let mut open: BTreeSet<Uid> = BTreeSet::new();
    for entry in &first {
        match &entry.what {
            What::SendInvoked(sent) => {
                assert!(entry.at.time.0 < 500_000_000);
                assert!(open.insert(sent.uid));
            }
            What::SendUnknown(SendUnknown { uid, error }) => {
                assert_eq!((entry.at.time.0, *error), (500_000_000, ErrorCode::UnknownServerError));
                assert!(open.remove(uid));
            }
            What::ProducerOpened(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty() && first.len() > 500, "{}", first.len());
    assert!(second.len() > 500);
    assert!(second.iter().all(|entry| entry.at.time.0 >= 1_000_000_000));
    let uids = play.entries.iter().filter_map(|entry| match &entry.what {
        What::SendInvoked(sent) => Some(sent.uid),
        _ => None,
    });
    let uids: Vec<Uid> = uids.collect();
    assert_eq!(
        uids.iter().collect::<BTreeSet<_>>().len(),
        uids.len(),
        "uids are unique"
    );
    assert_eq!(uids.len() as u64, play.report.records_sent);
}

#[test]
fn a_paused_program_stands_still() {
    let mut stage = Stage::new(|_, _| Vec::new());
    add_load(&mut stage, 1000.0);
    let stage = stage.fault(MS * 500, Some(S), Pause(Target::Client("load/1".to_owned())));
    let play = stage.run();
    let between = |from: u64, to: u64| {
        let range = from * 1_000_000..to * 1_000_000;
        history(&play, 1001, 0)
            .iter()
            .filter(|entry| range.contains(&entry.at.time.0))
            .count()
    };
    assert!(between(0, 500) > 400);
    assert_eq!(between(500, 1000), 0);
    assert!(between(1000, 1001) > 400, "what was due meanwhile is sent at once");
}

// ---- load

#[test]
fn the_load_has_its_rate_between_start_and_stop() {
    for (rate, tolerance) in [(50.0, 0.4), (1000.0, 0.1), (50_000.0, 0.02)] {
        let mut stage = Stage::new(|_, _| Vec::new());
        add_load(&mut stage, rate);
        stage.scenario.producers[0].start = MS * 250;
        stage.scenario.producers[0].stop = Some(MS * 1250);
        let play = stage.run();
        let mut sent = history(&play, 1001, 0);
        sent.retain(|entry| matches!(entry.what, What::SendInvoked(_)));
        let share = sent.len() as f64 / rate;
        assert!((share - 1.0).abs() < tolerance, "{rate}: {}", sent.len());
        let range = 250_000_000..1_250_000_000;
        assert!(sent.iter().all(|entry| range.contains(&entry.at.time.0)));
        let bursts: BTreeSet<u64> = sent.iter().map(|entry| entry.at.time.0).collect();
        assert!(bursts.len() <= 1001, "at most one a millisecond");
    }
}

// ---- with a real broker

#[test]
fn records_arrive_as_they_were_sent() {
    let mut stage = one_broker();
    add_load(&mut stage, 300.0);
    stage.scenario.consumers.push(ConsumerGroup {
        name: "reader".to_owned(),
        count: 2,
        topic: "orders".to_owned(),
        processing: US * 10,
        start: Duration::ZERO,
        schedule: Vec::new(),
        config: ConsumerConfig {
            auto_offset_reset: broker_core::config::AutoOffsetReset::Earliest,
            ..ConsumerConfig::default()
        },
    });
    stage.settles_at = S * 4;
    let play = stage.run_for_real(false);
    assert_eq!(play.report.end, End::Settled);
    let mut sent = std::collections::BTreeMap::new();
    let (mut acked, mut read) = (BTreeSet::new(), BTreeSet::new());
    for entry in &play.entries {
        match &entry.what {
            What::SendInvoked(record) => {
                sent.insert(record.uid, record.fingerprint);
            }
            What::SendOk(SendOk {
                uid, offset, partition, ..
            }) => {
                assert!(acked.insert((*uid, *partition, offset.expect("an ack with an offset"))));
            }
            What::Polled(records) => {
                for record in records {
                    let uid = record.uid.expect("a uid");
                    assert_eq!(sent[&uid], record.fingerprint);
                    assert!(read.insert((uid, record.partition, record.offset)));
                }
            }
            What::Environment(_) | What::ProducerOpened(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(sent.len() > 500, "{}", sent.len());
    assert_eq!(acked.len(), sent.len());
    assert_eq!(read, acked, "also the records of the probe");
    let probed = history(&play, 1004, 0);
    assert_eq!(
        probed.len(),
        1 + 4,
        "the probe opens a producer and sends one record to each of two partitions"
    );
    let healed = SimTime::after(S * 2).0;
    let oks = history(&play, 1001, 0)
        .into_iter()
        .filter_map(|entry| match entry.what {
            What::SendOk(SendOk { partition, .. }) if entry.at.time.0 > healed => Some(partition),
            _ => None,
        });
    assert_eq!(oks.collect::<BTreeSet<_>>().len(), 2, "and so does the load");
}

#[test]
fn a_delivery_report_has_the_records_place() {
    let results = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&results);
    let mut stage = one_broker();
    stage.programs.push(on_producer(move |props| {
        let results = Arc::clone(&theirs);
        async move {
            props.clock.topics_exist().await;
            let producer = props.producer.clone().unwrap();
            let deliveries: Vec<_> = (0..3).map(|_| producer.send(record(50))).collect();
            assert_eq!(producer.pending(), 3);
            producer.flush().await;
            assert_eq!(producer.pending(), 0);
            for delivery in deliveries {
                let end = delivery.await.map(|metadata| metadata.offset.unwrap().0);
                results.lock().unwrap().push(end);
            }
            let large = producer.send(record(2_000_000)).await;
            results.lock().unwrap().push(large.map(|_| 0));
        }
    }));
    let play = stage.run_for_real(false);
    let refused = Err(SendError::Refused(
        broker_core::client::producer::SendRefused::RecordTooLarge,
    ));
    assert_eq!(*results.lock().unwrap(), [Ok(0), Ok(1), Ok(2), refused]);
    let last = history(&play, 1003, 0);
    let error = ErrorCode::MessageTooLarge;
    assert!(
        matches!(last.last().unwrap().what, What::SendFailed(SendFailed { error: reported, .. }) if reported == error)
    );
}

/// What lingers goes out when others wait for its room.
#[test]
fn a_full_buffer_does_not_linger() {
    let mut stage = one_broker();
    let config = ProducerConfig {
        buffer_memory: 1_000,
        linger_ms: 600_000,
        ..ProducerConfig::default()
    };
    let done = Arc::new(AtomicU32::new(0));
    let theirs = Arc::clone(&done);
    let main = program(move |props: Props| {
        let done = Arc::clone(&theirs);
        async move {
            props.clock.topics_exist().await;
            let producer = props.producer.clone().unwrap();
            for _ in 0..100 {
                producer.send(record(100)).enqueued().await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
                // The next send is the first thing that the program does at its time.
                props.clock.sleep(MS).await;
            }
        }
    });
    stage.programs.push((Library::Producer(Box::new(config)), main));
    stage.run_for_real(false);
    assert_eq!(done.load(Ordering::Relaxed), 100);
}

#[test]
fn a_full_buffer_is_waited_for() {
    let mut stage = one_broker();
    let done = Arc::new(AtomicU32::new(0));
    let theirs = Arc::clone(&done);
    let config = ProducerConfig {
        buffer_memory: 1_000,
        batch_size: 500,
        ..ProducerConfig::default()
    };
    let main = program(move |props: Props| {
        let done = Arc::clone(&theirs);
        async move {
            props.clock.topics_exist().await;
            let producer = props.producer.clone().unwrap();
            for _ in 0..100 {
                producer.send(record(100)).enqueued().await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
            producer.flush().await;
            done.fetch_add(1, Ordering::Relaxed);
        }
    });
    stage.programs.push((Library::Producer(Box::new(config)), main));
    let play = stage.run_for_real(false);
    assert_eq!(done.load(Ordering::Relaxed), 101);
    let oks = play
        .entries
        .iter()
        .filter(|entry| matches!(entry.what, What::SendOk(_)))
        .count();
    assert_eq!(oks, 102, "its hundred and the probe's two");
}

#[test]
fn a_consumer_seeks_and_reports_its_position() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&log);
    let mut stage = one_broker();
    stage.programs.push(on_producer(|props| async move {
        props.clock.topics_exist().await;
        for _ in 0..5 {
            let record = record(50);
            props.producer.as_ref().unwrap().send(record).await.unwrap();
        }
    }));
    let main = program(move |props: Props| {
        let log = Arc::clone(&theirs);
        async move {
            props.clock.sleep(MS * 1500).await;
            let mut consumer = props.consumer.unwrap();
            let partition = TopicPartition::new("orders", 1);
            consumer.assign([&partition]);
            let nothing = consumer.poll(MS * 100).await.unwrap();
            let end = consumer.position(&partition).unwrap();
            consumer.seek(&partition, Offset(2));
            let records = consumer.poll(S).await.unwrap();
            let offsets: Vec<i64> = records.iter().map(|record| record.offset().0).collect();
            let lag = consumer.lag(&partition);
            let after = consumer.position(&partition).unwrap();
            log.lock().unwrap().push((nothing.len(), end.0, offsets, lag, after.0));
        }
    });
    stage.programs.push((Library::Consumer(Box::default()), main));
    let play = stage.run_for_real(false);
    assert_eq!(*log.lock().unwrap(), [(0, 5, vec![2, 3, 4], Some(0), 5)]);
    let sought = play
        .entries
        .iter()
        .filter(|entry| matches!(entry.what, What::Sought(Sought { to: Offset(2), .. })));
    assert_eq!(sought.count(), 1);
}

#[test]
fn programs_draw_from_streams_of_their_own() {
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let mut stage = Stage::new(|_, _| Vec::new());
    for _ in 0..2 {
        let theirs = Arc::clone(&drawn);
        stage.programs.push(on_producer(move |mut props| {
            let drawn = Arc::clone(&theirs);
            async move {
                drawn.lock().unwrap().push(props.random.next_u64());
                props.clock.sleep(FOREVER).await;
            }
        }));
    }
    let stage = stage.fault(S, None, Restart(Target::Client("custom/1".to_owned())));
    stage.run();
    let drawn = drawn.lock().unwrap();
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 3, "{drawn:?}");
}

#[test]
fn without_a_reset_policy_a_poll_ends_with_an_error_until_a_seek() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&log);
    let mut stage = one_broker();
    let main = program(move |props: Props| {
        let log = Arc::clone(&theirs);
        async move {
            let mut consumer = props.consumer.unwrap();
            consumer.assign([("orders", 0)]);
            let error = consumer.poll(S * 10).await.unwrap_err();
            let partition = TopicPartition::new("orders", 0);
            assert_eq!(
                error.to_string(),
                "orders/0 has no position, and auto.offset.reset=none names none: seek"
            );
            assert_eq!(
                error,
                PollError::NoOffset {
                    partition: partition.clone()
                }
            );
            consumer.seek(&partition, Offset(0));
            let after = consumer.poll(MS * 100).await;
            log.lock().unwrap().push(after);
        }
    });
    let config = ConsumerConfig {
        auto_offset_reset: AutoOffsetReset::None,
        ..ConsumerConfig::default()
    };
    stage.programs.push((Library::Consumer(Box::new(config)), main));
    stage.run_for_real(false);
    assert_eq!(*log.lock().unwrap(), [Ok(Vec::new())]);
}

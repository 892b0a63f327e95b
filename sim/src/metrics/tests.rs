use broker_core::protocol::{Acks, ErrorCode};
use broker_core::trace::{self, GroupState, ResetCause};
use broker_core::types::{GroupEpoch, GroupId, LeaderEpoch};

use super::*;
use crate::history::{
    ProcessEnded, ProcessOutcome, Processing, SendFailed, SendOk, SendUnknown, SentRecord, Sought, Uid,
};

const PRODUCER: NodeId = NodeId(1000);
const READER: NodeId = NodeId(1001);
const OTHER_READER: NodeId = NodeId(1002);
const AUDITOR: NodeId = NodeId(1003);
const BROKER: NodeId = NodeId(1);

/// Feeds one trial, with times in milliseconds.
struct Feed(Metrics);

impl Feed {
    fn new(bucket_ms: u64) -> Feed {
        let clients = [
            (PRODUCER, "writers"),
            (READER, "readers"),
            (OTHER_READER, "readers"),
            (AUDITOR, "audit"),
        ];
        let clients = clients.map(|(node, group)| (node, group.to_owned())).into();
        let names = [(BROKER, "broker 1".to_owned())].into();
        Feed(Metrics::new(Duration::from_millis(bucket_ms), clients).with_names(names))
    }

    fn entry(&mut self, ms: u64, process: NodeId, what: What) {
        self.0.entry(&Entry {
            at: at(ms),
            process,
            incarnation: 0,
            what,
        });
    }

    fn fact(&mut self, ms: u64, node: NodeId, event: Event) {
        self.0.fact(at(ms), node, &event);
    }

    fn send(&mut self, ms: u64) {
        let sent = SentRecord {
            uid: Uid(0),
            topic: "orders".into(),
            key: None,
            value: None,
            fingerprint: 0,
            payload: 0,
            hop: None,
            is_probe: false,
        };
        self.entry(ms, PRODUCER, What::SendInvoked(sent));
    }

    fn high_watermark(&mut self, ms: u64, partition: TopicPartition, from: i64, to: i64) {
        self.high_watermark_as(ReplicaRole::Leader, ms, partition, from, to);
    }

    fn high_watermark_as(&mut self, role: ReplicaRole, ms: u64, partition: TopicPartition, from: i64, to: i64) {
        let (from, to) = (Offset(from), Offset(to));
        let leader_epoch = LeaderEpoch(0);
        self.fact(
            ms,
            BROKER,
            Event::HighWatermarkChanged(trace::HighWatermarkChanged {
                partition,
                role,
                leader_epoch,
                from,
                to,
            }),
        );
    }

    fn poll(&mut self, ms: u64, process: NodeId, records: &[(TopicPartition, i64)]) {
        let record = |&(partition, offset): &(TopicPartition, i64)| PolledRecord {
            partition,
            offset: Offset(offset),
            leader_epoch: LeaderEpoch(0),
            uid: None,
            fingerprint: 0,
            is_probe: false,
        };
        self.entry(ms, process, What::Polled(records.iter().map(record).collect()));
    }

    fn environment(&mut self, ms: u64, node: NodeId, event: Environment) {
        self.entry(ms, node, What::Environment(event));
    }

    fn finish(self, ms: u64) -> Series {
        self.0.finish(at(ms).time)
    }
}

fn at(ms: u64) -> At {
    At {
        step: ms,
        time: SimTime::after(Duration::from_millis(ms)),
    }
}

fn orders(partition: i32) -> TopicPartition {
    TopicPartition::new(TopicId(100), partition)
}

fn lags(series: &Series) -> Vec<(&str, &str, &[u64])> {
    series
        .lag
        .iter()
        .map(|lag| (&*lag.consumer, &*lag.partition, &*lag.records))
        .collect()
}

fn bands(series: &Series) -> Vec<(&str, f64, f64)> {
    series
        .faults
        .iter()
        .map(|band| (&*band.name, band.from, band.to))
        .collect()
}

#[test]
fn rates_count_each_record_in_the_bucket_of_its_event() {
    let mut feed = Feed::new(500);
    for ms in [0, 1, 500, 501, 1900, 2000] {
        feed.send(ms);
    }
    feed.high_watermark(100, orders(0), 0, 2);
    feed.high_watermark(100, orders(1), 0, 1);
    feed.high_watermark(700, orders(0), 2, 7);
    feed.poll(600, READER, &[(orders(0), 0), (orders(0), 1), (orders(1), 0)]);
    // A redelivery was given to the program too.
    feed.poll(1400, READER, &[(orders(0), 1)]);
    let series = feed.finish(2000);
    assert_eq!(series.bucket_seconds, 0.5);
    assert_eq!(series.throughput.produced, [6.0, 2.0, 0.0, 4.0]);
    assert_eq!(series.throughput.committed, [6.0, 10.0, 0.0, 0.0]);
    assert_eq!(series.throughput.consumed, [0.0, 6.0, 2.0, 0.0]);
}

#[test]
fn only_a_data_partition_s_leader_commits_and_never_twice() {
    let mut feed = Feed::new(1000);
    feed.high_watermark(100, TopicPartition::CLUSTER_METADATA, 0, 50);
    feed.high_watermark_as(ReplicaRole::Follower, 200, orders(0), 0, 50);
    feed.high_watermark(300, orders(0), 0, 10);
    // The next leader did not know yet how far the high watermark was.
    feed.high_watermark(1300, orders(0), 4, 8);
    feed.high_watermark(1400, orders(0), 8, 13);
    assert_eq!(feed.finish(2000).throughput.committed, [10.0, 3.0]);
}

#[test]
fn lag_is_what_is_committed_and_not_yet_given_to_the_group() {
    let mut feed = Feed::new(1000);
    feed.fact(
        0,
        BROKER,
        Event::TopicCreated(trace::TopicCreated {
            offset: Offset(5),
            name: "orders".into(),
            topic: TopicId(100),
        }),
    );
    feed.high_watermark(500, orders(0), 0, 10);
    // Two members of one group are one series; the auditor is another.
    feed.poll(1500, READER, &[(orders(0), 0), (orders(0), 3)]);
    feed.poll(2500, OTHER_READER, &[(orders(0), 9)]);
    feed.poll(2500, AUDITOR, &[(orders(0), 0)]);
    // After a restart the group goes on from its committed offset, behind where it was.
    feed.poll(3500, READER, &[(orders(0), 4)]);
    feed.high_watermark(4500, orders(0), 10, 20);
    // Someone unknown reads without being anybody's lag.
    feed.poll(4600, BROKER, &[(orders(0), 19)]);
    let series = feed.finish(5000);
    assert_eq!(
        lags(&series),
        [
            ("audit", "orders/0", &[10, 10, 9, 9, 19][..]),
            ("readers", "orders/0", &[10, 6, 0, 5, 15][..])
        ]
    );
}

#[test]
fn a_consumer_that_never_gets_a_record_is_behind_from_where_it_began() {
    use broker_core::trace::ResetCause;
    let mut feed = Feed::new(1000);
    feed.high_watermark(500, orders(0), 0, 4);
    feed.high_watermark(500, orders(1), 0, 4);
    let reset = |partition, to| {
        Event::PositionReset(trace::PositionReset {
            partition,
            from: None,
            to: Offset(to),
            cause: ResetCause::NoPosition,
        })
    };
    feed.fact(1500, READER, reset(orders(0), 0));
    // Reading from the latest record on: what came before is nobody's lag.
    feed.fact(1500, AUDITOR, reset(orders(0), 4));
    feed.high_watermark(2500, orders(0), 4, 9);
    // A partition that nothing was committed in, and a position beyond the end.
    feed.fact(1500, READER, reset(orders(2), 3));
    feed.entry(
        2500,
        READER,
        What::Sought(Sought {
            partition: orders(1),
            to: Offset(3),
        }),
    );
    let series = feed.finish(3000);
    assert_eq!(
        lags(&series),
        [
            ("audit", "AAAAAAAAAAAAAAAAAAAAZA/0", &[0, 0, 5][..]),
            ("readers", "AAAAAAAAAAAAAAAAAAAAZA/0", &[4, 4, 9][..]),
            ("readers", "AAAAAAAAAAAAAAAAAAAAZA/1", &[1, 1, 1][..]),
            ("readers", "AAAAAAAAAAAAAAAAAAAAZA/2", &[0, 0, 0][..]),
        ]
    );
}

#[test]
fn records_that_close_a_trial_count_nowhere() {
    let mut feed = Feed::new(1000);
    let uid = Uid(7);
    let sent = SentRecord {
        uid,
        topic: "orders".into(),
        key: None,
        value: None,
        fingerprint: 0,
        payload: 0,
        hop: None,
        is_probe: true,
    };
    feed.fact(
        100,
        READER,
        Event::PositionReset(trace::PositionReset {
            partition: orders(0),
            from: None,
            to: Offset(0),
            cause: ResetCause::NoPosition,
        }),
    );
    feed.high_watermark(500, orders(0), 0, 3);
    feed.entry(600, PRODUCER, What::SendInvoked(sent));
    // The probe is at offset 3, behind it come two more records.
    feed.high_watermark(1500, orders(0), 3, 6);
    let (partition, offset, acks) = (orders(0), Some(Offset(3)), Acks::All);
    feed.entry(
        1600,
        PRODUCER,
        What::SendOk(SendOk {
            uid,
            partition,
            offset,
            acks,
        }),
    );
    feed.poll(2500, READER, &[(orders(0), 0), (orders(0), 1), (orders(0), 2)]);
    let series = feed.finish(3000);
    assert_eq!(series.throughput.produced, [0.0, 0.0, 0.0]);
    assert_eq!(series.throughput.committed, [3.0, 2.0, 0.0]);
    assert_eq!(lags(&series), [("readers", "AAAAAAAAAAAAAAAAAAAAZA/0", &[3, 5, 2][..])]);
}

#[test]
fn long_runs_get_wider_buckets_and_lose_nothing() {
    let mut feed = Feed::new(500);
    let seconds = 1000;
    for second in 0..seconds {
        let ms = second * 1000 + 1;
        let offset = second as i64;
        feed.send(ms);
        feed.high_watermark(ms, orders(0), offset, offset + 1);
        if second % 2 == 1 {
            feed.poll(ms, READER, &[(orders(0), offset - 1)]);
        }
    }
    let series = feed.finish(seconds * 1000);
    assert_eq!(series.bucket_seconds, 4.0);
    assert_eq!(series.throughput.produced, vec![1.0; 250]);
    assert_eq!(series.throughput.committed, vec![1.0; 250]);
    assert_eq!(series.throughput.consumed, vec![0.5; 250]);
    assert_eq!(series.lag[0].records, vec![1; 250]);
}

#[test]
fn the_buckets_never_outnumber_their_limit_and_always_cover_the_run() {
    for (end_ms, width, buckets) in [
        (0, 0.5, 0),
        (1, 0.5, 1),
        (500, 0.5, 1),
        (501, 0.5, 2),
        (200_000, 0.5, 400),
        (200_001, 1.0, 201),
        (3_600_000, 16.0, 225),
    ] {
        let mut feed = Feed::new(500);
        feed.send(0);
        let series = feed.finish(end_ms);
        assert_eq!(
            (series.bucket_seconds, series.throughput.produced.len()),
            (width, buckets),
            "{end_ms} ms"
        );
    }
}

#[test]
fn bands_open_and_close_with_the_environments_events() {
    use Environment::*;
    let fault = |name: &str| name.to_owned();
    let mut feed = Feed::new(500);
    feed.environment(0, BROKER, Started);
    feed.environment(1000, BROKER, Killed);
    feed.environment(1500, BROKER, FaultBegan(fault("slow disk broker 1, 10x")));
    feed.environment(2000, BROKER, Started);
    feed.environment(2500, BROKER, FaultEnded(fault("slow disk broker 1, 10x")));
    // Resumed never comes for a paused process that is killed: its start ends both.
    feed.environment(3000, BROKER, Paused);
    feed.environment(3500, BROKER, PowerLost { lost_bytes: 7 });
    feed.environment(4000, BROKER, Started);
    feed.environment(5000, READER, Paused);
    feed.environment(5200, NodeId(77), Paused);
    feed.environment(5500, READER, Resumed);
    feed.environment(6000, BROKER, Halted);
    feed.environment(6000, NodeId(2), FaultEnded(fault("never began")));
    feed.environment(7000, BROKER, Healed);
    feed.environment(7500, BROKER, Halted);
    let series = feed.finish(8000);
    assert_eq!(
        bands(&series),
        [
            ("kill broker 1", 1.0, 2.0),
            ("slow disk broker 1, 10x", 1.5, 2.5),
            ("pause broker 1", 3.0, 4.0),
            ("power loss broker 1", 3.5, 4.0),
            ("pause readers", 5.0, 5.5),
            ("pause node 77", 5.2, 7.0),
            ("broker 1 halted", 6.0, 7.0),
            ("broker 1 halted", 7.5, 8.0),
        ]
    );
    assert_eq!(series.healed_at, Some(7.0));
}

#[test]
fn a_group_is_behind_its_committed_position_and_owns_its_partitions_for_a_time() {
    let mut metrics = Metrics::new(Duration::from_secs(1), BTreeMap::new())
        .with_names(BTreeMap::from([(NodeId(7), "billing/1 client 2".to_owned())]));
    let partition = TopicPartition::new(TopicId(100), 0);
    let at = |seconds: u64| At {
        step: seconds,
        time: SimTime(seconds * 1_000_000_000),
    };
    let group: GroupId = "billing".into();
    let high_watermark = |to| {
        Event::HighWatermarkChanged(trace::HighWatermarkChanged {
            partition,
            role: ReplicaRole::Leader,
            leader_epoch: LeaderEpoch(0),
            from: Offset(0),
            to: Offset(to),
        })
    };
    let committed = |offset| {
        Event::OffsetCommitted(trace::OffsetCommitted {
            group: group.clone(),
            member: None,
            epoch: GroupEpoch(1),
            partition,
            offset: Offset(offset),
            at: (TopicPartition::new(TopicId(200), 0), Offset(0)),
        })
    };
    let stable = Event::GroupChanged(trace::GroupChanged {
        group: group.clone(),
        state: GroupState::Stable,
        epoch: GroupEpoch(1),
        members: 1,
    });
    let assigned = Event::PartitionsAssigned(trace::PartitionsAssigned {
        group: group.clone(),
        member: "m".into(),
        epoch: GroupEpoch(1),
        partitions: vec![partition],
    });
    let begins = Event::PositionReset(trace::PositionReset {
        partition,
        from: None,
        to: Offset(0),
        cause: ResetCause::NoPosition,
    });
    metrics.fact(at(1), NodeId(1), &high_watermark(10));
    metrics.fact(at(1), NodeId(1), &stable);
    metrics.fact(at(1), NodeId(1), &stable);
    metrics.fact(at(2), NodeId(7), &assigned);
    metrics.fact(at(2), NodeId(7), &begins);
    metrics.fact(at(3), NodeId(1), &committed(4));
    let work = |seconds, outcome| Entry {
        at: at(seconds),
        process: NodeId(7),
        incarnation: 0,
        what: What::ProcessEnded(ProcessEnded {
            processing: Processing {
                group: Some(group.clone()),
                partition,
                offset: Offset(0),
                uid: None,
                attempt: 1,
            },
            outcome,
        }),
    };
    metrics.entry(&work(3, ProcessOutcome::Processed));
    metrics.entry(&work(3, ProcessOutcome::WillRetry));
    metrics.entry(&work(4, ProcessOutcome::Retried(Uid(1))));
    metrics.entry(&work(4, ProcessOutcome::DeadLettered(Uid(1))));
    metrics.entry(&Entry {
        at: at(5),
        process: NodeId(7),
        incarnation: 0,
        what: What::Environment(Environment::Killed),
    });
    let series = metrics.finish(SimTime(6_000_000_000));
    let [group] = &series.groups[..] else {
        panic!("{:?}", series.groups)
    };
    assert_eq!(group.lag[0].records, [10, 10, 6, 6, 6, 6]);
    assert_eq!(group.processed, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!((group.retried[3], group.dead_lettered[3]), (1.0, 1.0));
    assert_eq!((group.totals.processed, group.totals.rebalances), (1, 1));
    assert_eq!(group.rebalances, [1.0]);
    let [band] = &group.owners[..] else {
        panic!("{:?}", group.owners)
    };
    assert_eq!((&*band.owner, band.from, band.to), ("billing/1", 2.0, 5.0));
}

#[test]
fn sends_and_their_answers_count_for_their_programs_and_probes_for_nobody() {
    let mut feed = Feed::new(500);
    let sent = |uid: u64, is_probe: bool| {
        What::SendInvoked(SentRecord {
            uid: Uid(uid),
            topic: "orders".into(),
            key: None,
            value: None,
            fingerprint: 0,
            payload: 0,
            hop: None,
            is_probe,
        })
    };
    let ok = |uid: u64| {
        What::SendOk(SendOk {
            uid: Uid(uid),
            partition: orders(0),
            offset: Some(Offset(uid as i64)),
            acks: Acks::All,
        })
    };
    let error = ErrorCode::RequestTimedOut;
    for uid in 1..=6 {
        feed.entry(uid * 10, PRODUCER, sent(uid, uid > 4));
    }
    feed.entry(700, PRODUCER, ok(1));
    feed.entry(710, PRODUCER, What::SendFailed(SendFailed { uid: Uid(2), error }));
    feed.entry(720, PRODUCER, What::SendUnknown(SendUnknown { uid: Uid(3), error }));
    feed.entry(730, PRODUCER, ok(4));
    feed.entry(740, PRODUCER, ok(5));
    feed.entry(750, PRODUCER, What::SendFailed(SendFailed { uid: Uid(6), error }));
    feed.poll(800, READER, &[(orders(0), 0), (orders(0), 1)]);
    feed.high_watermark(900, orders(0), 0, 3);
    let counts = feed.finish(1_000).counts;
    let counts: Vec<(Quantity, &str, &[u64])> = counts
        .iter()
        .map(|((what, of), counts)| (*what, of.as_str(), counts.as_slice()))
        .collect();
    let expected: [(Quantity, &str, &[u64]); 6] = [
        (Quantity::Sent, "writers", &[4]),
        (Quantity::Acked, "writers", &[0, 2]),
        (Quantity::Committed, "", &[0, 3]),
        (Quantity::Consumed, "readers", &[0, 2]),
        (Quantity::Failed, "writers", &[0, 1]),
        (Quantity::Unknown, "writers", &[0, 1]),
    ];
    assert_eq!(counts, expected);
}

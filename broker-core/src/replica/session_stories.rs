//! Fetch sessions as their readers see them: what is answered, when, and to whom (Kafka `FetchSessionTest`).

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::*;
use crate::machine::{Now, Outbox, Output, ReplyTo};
use crate::protocol::{
    Acks, BatchBuilder, FetchMetadata, FetchPartition, FetchRequest, FetchingReplica, IsolationLevel, ProduceRequest,
};
use crate::random::Random;
use crate::types::{PartitionEpoch, Timestamp};

const FOLLOWER: NodeId = NodeId(2);
const CONSUMER: NodeId = NodeId(9);

fn tp(partition: i32) -> TopicPartition {
    TopicPartition {
        topic: TopicId(100),
        partition: PartitionIndex(partition),
    }
}

/// Broker 1 leads three partitions. It may be the only replica, or have broker 2 as a follower in the ISR.
struct Bench {
    replicas: Replicas,
    out: Outbox,
    rng: Random,
    now: Instant,
    requests: u64,
}

/// An answer: error, session, and of each partition its number, how many batches, and the high watermark.
#[derive(PartialEq, Eq, Debug)]
struct Answer {
    error: ErrorCode,
    session: i32,
    partitions: Vec<(i32, usize, i64)>,
}

impl Bench {
    fn new(slots: u32, replicas: &[u32]) -> Bench {
        let config = BrokerConfig {
            max_incremental_fetch_session_cache_slots: slots,
            ..BrokerConfig::default()
        };
        let mut rng = Random::new(1, "sessions");
        let (id, found) = (NodeId(1), BTreeMap::new());
        let quirks = Quirks::default();
        let mut bench = Bench {
            replicas: Replicas::new(Instant(0), &mut rng, id, &config, quirks, found, &Bytes::new()),
            out: Outbox::default(),
            rng,
            now: Instant(0),
            requests: 0,
        };
        bench.with(|replicas, ctx| {
            replicas.set_registration(BrokerEpoch(1));
            replicas.set_unfenced(ctx, [(id, BrokerEpoch(1)), (FOLLOWER, BrokerEpoch(2))].into());
        });
        for partition in 0..3 {
            bench.lead(partition, 0, replicas);
        }
        bench
    }

    fn lead(&mut self, partition: i32, epoch: i32, replicas: &[u32]) {
        let replicas: Vec<NodeId> = replicas.iter().map(|id| NodeId(*id)).collect();
        let state = PartitionState {
            isr: replicas.clone(),
            replicas,
            leader: Some(NodeId(1)),
            leader_epoch: LeaderEpoch(epoch),
            partition_epoch: PartitionEpoch(epoch),
        };
        self.with(|replicas, ctx| replicas.apply(ctx, tp(partition), &TopicConfig::default(), state));
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Replicas, &mut Context<'_>) -> T) -> T {
        let mut ctx = Context::new(Now::at(self.now), &mut self.rng, &mut self.out);
        act(&mut self.replicas, &mut ctx)
    }

    fn append(&mut self, partition: i32) {
        let mut batch = BatchBuilder::new();
        batch.push(Timestamp(1), None, Some(&[7; 100]), &[]);
        let reply_to = self.reply_to(NodeId(8));
        let request = ProduceRequest {
            acks: Acks::Leader,
            timeout: Duration::from_secs(1),
            partitions: vec![(tp(partition), batch.build())],
        };
        self.with(|replicas, ctx| replicas.on_produce(ctx, reply_to, request));
    }

    fn reply_to(&mut self, node: NodeId) -> ReplyTo {
        self.requests += 1;
        ReplyTo {
            node,
            connection: ConnectionId::Inbound(u64::from(node.0)),
            id: RequestId(self.requests),
        }
    }

    /// Sends a fetch; returns what is answered at once.
    fn fetch(&mut self, reader: NodeId, metadata: (i32, i32), wanted: &[(i32, i64)], forgotten: &[i32]) -> Vec<Answer> {
        self.fetch_at_least(1, reader, metadata, wanted, forgotten)
    }

    fn fetch_at_least(
        &mut self,
        min_bytes: u32,
        reader: NodeId,
        (session_id, epoch): (i32, i32),
        wanted: &[(i32, i64)],
        forgotten: &[i32],
    ) -> Vec<Answer> {
        let is_replica = reader == FOLLOWER;
        let of = |(partition, offset): &(i32, i64)| FetchPartition {
            partition: tp(*partition),
            current_leader_epoch: Some(LeaderEpoch(0)),
            fetch_offset: Offset(*offset),
            last_fetched_epoch: None,
            log_start_offset: Offset(-1),
            max_bytes: 1 << 20,
        };
        let request = FetchRequest {
            replica: is_replica.then_some(FetchingReplica {
                id: FOLLOWER,
                broker_epoch: Some(BrokerEpoch(2)),
            }),
            metadata: FetchMetadata { session_id, epoch },
            max_wait_ms: 500,
            min_bytes,
            max_bytes: 1 << 20,
            isolation: IsolationLevel::ReadUncommitted,
            partitions: wanted.iter().map(of).collect(),
            forgotten: forgotten.iter().map(|partition| tp(*partition)).collect(),
        };
        let reply_to = self.reply_to(reader);
        self.with(|replicas, ctx| replicas.on_fetch(ctx, reply_to, request));
        self.answers()
    }

    /// The answers to fetches since the last call.
    fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(output) = self.out.poll() {
            if let Output::Response {
                body: Response::Fetch(body),
                ..
            } = output
            {
                let partitions = body.partitions.iter().map(|answer| {
                    assert!(answer.error.is_ok() || answer.records.is_empty());
                    let high_watermark = match answer.error {
                        ErrorCode::None => answer.high_watermark.0,
                        error => -(error as i64),
                    };
                    (answer.partition.partition.0, answer.records.len(), high_watermark)
                });
                answers.push(Answer {
                    error: body.error,
                    session: body.session_id,
                    partitions: partitions.collect(),
                });
            }
        }
        answers
    }

    fn pass(&mut self, time: Duration) -> Vec<Answer> {
        self.now = self.now + time;
        self.with(|replicas, ctx| replicas.on_wake(ctx));
        self.answers()
    }

    /// A session of `reader` over all partitions, from offset 0.
    fn begin(&mut self, reader: NodeId) -> i32 {
        self.fetch(reader, (0, 0), &[(0, 0), (1, 0), (2, 0)], &[]);
        let answers = self.pass(WAIT);
        assert_eq!(answers[0].partitions.len(), 3, "the first answer names all");
        answers[0].session
    }
}

const WAIT: Duration = Duration::from_millis(500);

fn one(session: i32, partitions: &[(i32, usize, i64)]) -> Vec<Answer> {
    vec![Answer {
        error: ErrorCode::None,
        session,
        partitions: partitions.to_vec(),
    }]
}

#[test]
fn a_session_answers_what_is_new() {
    let mut bench = Bench::new(1_000, &[1]);
    let session = bench.begin(CONSUMER);
    assert_ne!(session, 0);
    assert_eq!(bench.fetch(CONSUMER, (session, 1), &[], &[]), []);
    assert_eq!(bench.pass(WAIT), one(session, &[]), "nothing is new");
    assert_eq!(bench.fetch(CONSUMER, (session, 2), &[], &[]), []);
    bench.append(1);
    assert_eq!(bench.answers(), one(session, &[(1, 1, 1)]));
    // The reader did not take it: it gets it again.
    assert_eq!(
        bench.fetch(CONSUMER, (session, 3), &[], &[]),
        one(session, &[(1, 1, 1)])
    );
    bench.append(0);
    assert_eq!(
        bench.fetch(CONSUMER, (session, 4), &[(1, 1)], &[]),
        one(session, &[(0, 1, 1)])
    );
    // It goes on with one partition only.
    assert_eq!(bench.fetch(CONSUMER, (session, 5), &[(0, 1)], &[1, 2]), []);
    bench.append(2);
    assert_eq!(bench.answers(), []);
    bench.append(0);
    assert_eq!(bench.answers(), one(session, &[(0, 1, 2)]));
    // And then with none, which ends the session.
    assert_eq!(bench.fetch(CONSUMER, (session, 6), &[], &[0]), one(0, &[]));
    let gone = bench.fetch(CONSUMER, (session, 7), &[], &[]);
    assert_eq!(gone[0].error, ErrorCode::FetchSessionIdNotFound);
}

#[test]
fn a_session_has_an_id_a_number_and_a_connection() {
    let mut bench = Bench::new(1_000, &[1]);
    let session = bench.begin(CONSUMER);
    for (metadata, error) in [
        ((session + 1, 1), ErrorCode::FetchSessionIdNotFound),
        ((session, 2), ErrorCode::InvalidFetchSessionEpoch),
        ((0, 1), ErrorCode::FetchSessionIdNotFound),
    ] {
        let answers = bench.fetch(CONSUMER, metadata, &[], &[]);
        assert_eq!((answers[0].error, answers[0].session), (error, 0), "{metadata:?}");
    }
    // A full request ends the session that it names.
    bench.fetch(CONSUMER, (session, 0), &[(0, 0)], &[]);
    let next = bench.pass(WAIT)[0].session;
    let gone = bench.fetch(CONSUMER, (session, 1), &[], &[]);
    assert_eq!(gone[0].error, ErrorCode::FetchSessionIdNotFound);
    bench.with(|replicas, _| replicas.on_closed(ConnectionId::Inbound(9)));
    let gone = bench.fetch(CONSUMER, (next, 1), &[], &[]);
    assert_eq!(gone[0].error, ErrorCode::FetchSessionIdNotFound);
    // A request without a session is answered, and leaves nothing behind.
    bench.append(0);
    assert_eq!(bench.fetch(CONSUMER, (0, -1), &[(0, 0)], &[]), one(0, &[(0, 1, 1)]));
}

#[test]
fn a_fetch_that_is_given_up_for_the_next_is_answered() {
    let mut bench = Bench::new(1_000, &[1]);
    let session = bench.begin(CONSUMER);
    assert_eq!(bench.fetch(CONSUMER, (session, 1), &[], &[]), []);
    let given_up = bench.fetch(CONSUMER, (session, 2), &[], &[]);
    assert_eq!(given_up[0].error, ErrorCode::InvalidFetchSessionEpoch);
    bench.append(2);
    assert_eq!(bench.answers(), one(session, &[(2, 1, 1)]));
    assert_eq!(bench.fetch(CONSUMER, (session, 3), &[(2, 1)], &[]), []);
    let given_up = bench.fetch(CONSUMER, (session, 0), &[(0, 0)], &[]);
    assert_eq!(given_up[0].error, ErrorCode::InvalidFetchSessionEpoch);
}

#[test]
fn bytes_are_counted_over_all_partitions() {
    let mut bench = Bench::new(1_000, &[1]);
    let session = bench.begin(CONSUMER);
    assert_eq!(bench.fetch_at_least(400, CONSUMER, (session, 1), &[], &[]), []);
    bench.append(0);
    bench.append(1);
    assert_eq!(bench.answers(), []);
    bench.append(0);
    assert_eq!(bench.answers(), one(session, &[(0, 2, 2), (1, 1, 1)]));
    // Those that gave records are read last.
    bench.append(2);
    assert_eq!(
        bench.fetch(CONSUMER, (session, 2), &[], &[]),
        one(session, &[(2, 1, 1), (0, 2, 2), (1, 1, 1)])
    );
}

#[test]
fn a_follower_learns_the_high_watermark_but_does_not_wake_for_it() {
    let mut bench = Bench::new(1_000, &[1, 2]);
    let session = bench.begin(FOLLOWER);
    assert_eq!(bench.fetch(FOLLOWER, (session, 1), &[], &[]), []);
    bench.append(0);
    assert_eq!(bench.answers(), one(session, &[(0, 1, 0)]));
    assert_eq!(bench.fetch(FOLLOWER, (session, 2), &[(0, 1)], &[]), []);
    assert_eq!(bench.pass(WAIT), one(session, &[(0, 0, 1)]), "now it is committed");
    assert_eq!(bench.fetch(FOLLOWER, (session, 3), &[], &[]), []);
    assert_eq!(bench.pass(WAIT), one(session, &[]));
}

/// Fetches of a session that have nothing to say about a partition count for it.
#[test]
fn a_follower_of_an_idle_partition_stays_in_sync() {
    let mut bench = Bench::new(1_000, &[1, 2]);
    let session = bench.begin(FOLLOWER);
    let mut epoch = 0;
    let mut fetch = |bench: &mut Bench| {
        epoch += 1;
        bench.fetch(FOLLOWER, (session, epoch), &[], &[]);
    };
    for _ in 0..200 {
        fetch(&mut bench);
        bench.pass(WAIT);
    }
    // Records come to an idle partition, and the look at the followers right behind them.
    bench.append(0);
    bench.now = bench.now + Duration::from_secs(20);
    bench.with(|replicas, ctx| replicas.shrink_isrs(ctx));
    assert!(!bench.replicas.partitions.get_mut(&tp(0)).unwrap().send_proposal_again());
    bench.now = bench.now + Duration::from_secs(11);
    bench.with(|replicas, ctx| replicas.shrink_isrs(ctx));
    assert!(bench.replicas.partitions.get_mut(&tp(0)).unwrap().send_proposal_again());
    assert!(!bench.replicas.partitions.get_mut(&tp(1)).unwrap().send_proposal_again());
}

/// A follower outside the ISR proposes to come back with any fetch, whether it is named in it or not.
#[test]
fn a_follower_comes_back_without_news() {
    let mut bench = Bench::new(1_000, &[1, 2]);
    let session = bench.begin(FOLLOWER);
    bench.fetch(FOLLOWER, (session, 1), &[], &[]);
    bench.pass(WAIT);
    let state = PartitionState {
        replicas: vec![NodeId(1), FOLLOWER],
        isr: vec![NodeId(1)],
        leader: Some(NodeId(1)),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(7),
    };
    bench.with(|replicas, ctx| {
        replicas.set_unfenced(ctx, [(NodeId(1), BrokerEpoch(1))].into());
        replicas.apply(ctx, tp(1), &TopicConfig::default(), state);
    });
    bench.fetch(FOLLOWER, (session, 2), &[], &[]);
    bench.pass(WAIT);
    assert!(!bench.replicas.partitions.get_mut(&tp(1)).unwrap().send_proposal_again());
    bench.with(|replicas, ctx| {
        replicas.set_unfenced(ctx, [(NodeId(1), BrokerEpoch(1)), (FOLLOWER, BrokerEpoch(2))].into());
    });
    bench.fetch(FOLLOWER, (session, 3), &[], &[]);
    assert!(bench.replicas.partitions.get_mut(&tp(1)).unwrap().send_proposal_again());
}

#[test]
fn an_error_ends_the_wait_and_is_answered_until_it_passes() {
    let mut bench = Bench::new(1_000, &[1]);
    let session = bench.begin(CONSUMER);
    assert_eq!(bench.fetch(CONSUMER, (session, 1), &[], &[]), []);
    let fenced = -(ErrorCode::FencedLeaderEpoch as i64);
    bench.lead(1, 1, &[1]);
    assert_eq!(bench.answers(), one(session, &[(1, 0, fenced)]));
    assert_eq!(
        bench.fetch(CONSUMER, (session, 2), &[], &[]),
        one(session, &[(1, 0, fenced)])
    );
    let unknown = -(ErrorCode::UnknownTopicOrPartition as i64);
    assert_eq!(
        bench.fetch(CONSUMER, (session, 3), &[(7, 0)], &[1]),
        one(session, &[(7, 0, unknown)])
    );
    let out_of_range = -(ErrorCode::OffsetOutOfRange as i64);
    assert_eq!(
        bench.fetch(CONSUMER, (session, 4), &[(0, 5)], &[7]),
        one(session, &[(0, 0, out_of_range)])
    );
    assert_eq!(bench.fetch(CONSUMER, (session, 5), &[(0, 0)], &[]), []);
    assert_eq!(bench.pass(WAIT), one(session, &[(0, 0, 0)]), "it is well again");
}

/// Slots, and who gives way to whom: the reader and age of the session that holds the only slot, and the newcomer.
#[test]
fn slots_are_few() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (row, slots, holder, age, newcomer, gets_it) in [
        ("no slots", 0, None, minutes(0), CONSUMER, false),
        ("a free slot", 1, None, minutes(0), CONSUMER, true),
        ("held by an equal", 1, Some(CONSUMER), minutes(1), CONSUMER, false),
        (
            "held by an equal that is idle",
            1,
            Some(CONSUMER),
            minutes(3),
            CONSUMER,
            true,
        ),
        ("held by a consumer", 1, Some(CONSUMER), minutes(0), FOLLOWER, true),
        ("held by a replica", 1, Some(FOLLOWER), minutes(1), CONSUMER, false),
        (
            "held by a replica that is idle",
            1,
            Some(FOLLOWER),
            minutes(3),
            CONSUMER,
            true,
        ),
    ] {
        let mut bench = Bench::new(slots, &[1]);
        let held = holder.map(|holder| bench.begin(holder));
        bench.pass(age);
        let got = bench.begin(newcomer);
        assert_eq!(got != 0, gets_it, "{row}");
        if let Some((holder, held)) = holder.zip(held) {
            let answers = bench.fetch_at_least(0, holder, (held, 1), &[], &[]);
            assert_eq!(answers[0].error.is_ok(), !gets_it, "{row}");
        }
    }
}

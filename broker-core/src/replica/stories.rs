//! Stories of three replicas without a world: a script, and what must hold.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::*;
use crate::config::NEVER;
use crate::machine::{Now, Outbox, Output, Peers, ReplyTo};
use crate::protocol::record_batch::{CONTROL, HEADER_SIZE, TRANSACTIONAL};
use crate::protocol::{
    Acks, AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResult, BatchBuilder, FetchPartitionResponse,
    FetchResponse, ProduceRequest, RecordBatch, Request,
};
use crate::random::Random;
use crate::types::{PartitionEpoch, ProducerEpoch, ProducerId, Sequence, Timestamp};

const TP: TopicPartition = TopicPartition {
    topic: TopicId(100),
    partition: PartitionIndex(0),
};
const CONTROLLER: NodeId = NodeId(0);
const CLIENT: NodeId = NodeId(9);

/// Brokers 1, 2 and 3 with one partition. Messages arrive at once; the test is the controller.
struct Trio {
    now: Instant,
    brokers: BTreeMap<NodeId, (Replicas, Outbox, Random)>,
    state: PartitionState,
    config: TopicConfig,
    /// Messages from the first to the second are lost.
    cut: BTreeSet<(u32, u32)>,
    disks_answer: bool,
    proposals: Vec<(NodeId, RequestId, AlterPartitionRequest)>,
    /// Error and base offset of every answer to the client, by the request's number.
    answers: BTreeMap<u64, (ErrorCode, Option<i64>)>,
    requests: u64,
    peers: BTreeMap<NodeId, Peers>,
}

impl Trio {
    fn new(config: TopicConfig, quirks: Quirks) -> Trio {
        let broker_config = BrokerConfig::default();
        let brokers = [1, 2, 3].map(|id| {
            let found = BTreeMap::new();
            let mut rng = Random::new(u64::from(id), "story");
            let (now, id) = (Instant(0), NodeId(id));
            let mut replicas = Replicas::new(now, &mut rng, id, &broker_config, quirks, found, &Bytes::new());
            replicas.set_registration(BrokerEpoch(i64::from(id.0)));
            (id, (replicas, Outbox::default(), rng))
        });
        let mut trio = Trio {
            now: Instant(0),
            brokers: brokers.into(),
            state: PartitionState {
                replicas: vec![NodeId(1), NodeId(2), NodeId(3)],
                isr: vec![NodeId(1), NodeId(2), NodeId(3)],
                leader: Some(NodeId(1)),
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
            },
            config,
            cut: BTreeSet::new(),
            disks_answer: true,
            proposals: Vec::new(),
            answers: BTreeMap::new(),
            requests: 0,
            peers: BTreeMap::new(),
        };
        for id in [1, 2, 3] {
            trio.with(id, |replicas, ctx| {
                replicas.set_unfenced(ctx, [1, 2, 3].map(|id| (NodeId(id), BrokerEpoch(i64::from(id)))).into());
                replicas.set_controller(ctx, Some(CONTROLLER));
            });
        }
        trio.tell(&[1, 2, 3]);
        trio
    }

    fn with<T>(&mut self, id: u32, act: impl FnOnce(&mut Replicas, &mut Context<'_>) -> T) -> T {
        let (replicas, out, rng) = self.brokers.get_mut(&NodeId(id)).unwrap();
        let now = Now::at(self.now);
        act(replicas, &mut Context::new(now, rng, out))
    }

    /// The controller's state reaches these brokers.
    fn tell(&mut self, brokers: &[u32]) {
        let (state, config) = (self.state.clone(), self.config.clone());
        for id in brokers {
            self.with(*id, |replicas, ctx| replicas.apply(ctx, TP, &config, state.clone()));
        }
        self.run();
    }

    /// The controller elects another leader; only `told` hear of it.
    fn elect(&mut self, leader: u32, isr: &[u32], told: &[u32]) {
        self.state.leader = Some(NodeId(leader));
        self.state.leader_epoch.0 += 1;
        self.state.partition_epoch.0 += 1;
        self.state.isr = isr.iter().map(|id| NodeId(*id)).collect();
        self.tell(told);
    }

    /// The controller commits the oldest proposal and answers it.
    fn accept_proposal(&mut self) {
        let (from, id, request) = self.proposals.remove(0);
        let proposal = &request.partitions[0];
        assert_eq!(proposal.partition_epoch, self.state.partition_epoch);
        self.state.isr = proposal.new_isr.iter().map(|(member, _)| *member).collect();
        self.state.partition_epoch.0 += 1;
        self.answer_proposal(from, id, ErrorCode::None);
    }

    fn answer_proposal(&mut self, from: NodeId, id: RequestId, error: ErrorCode) {
        let response = AlterPartitionResponse {
            error: ErrorCode::None,
            partitions: vec![AlterPartitionResult {
                partition: TP,
                error,
                leader: self.state.leader,
                leader_epoch: self.state.leader_epoch,
                isr: self.state.isr.clone(),
                partition_epoch: self.state.partition_epoch,
            }],
        };
        self.with(from.0, |replicas, ctx| {
            assert!(replicas.on_response(ctx, CONTROLLER, id, response.into()));
        });
        self.run();
    }

    /// Sends one record to a broker; returns the request's number.
    fn produce(&mut self, broker: u32, acks: Acks) -> u64 {
        self.produce_batch(broker, acks, batch())
    }

    fn produce_batch(&mut self, broker: u32, acks: Acks, batch: RecordBatch) -> u64 {
        self.requests += 1;
        let number = self.requests;
        let reply_to = ReplyTo {
            node: CLIENT,
            connection: ConnectionId::Inbound(1),
            id: RequestId(number),
        };
        let request = ProduceRequest {
            acks,
            timeout: Duration::from_secs(30),
            partitions: vec![(TP, batch)],
        };
        self.with(broker, |replicas, ctx| {
            replicas.on_produce(ctx, reply_to, request);
        });
        self.run();
        number
    }

    /// Lets time pass; every broker acts when it wants to.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = self
                .brokers
                .iter()
                .filter_map(|(id, (replicas, ..))| Some((replicas.deadline()?, *id)));
            let Some((at, id)) = due.min().filter(|(at, _)| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.with(id.0, |replicas, ctx| replicas.on_wake(ctx));
            self.run();
        }
        self.now = end;
    }

    /// Delivers everything that is on its way.
    fn run(&mut self) {
        let ids: Vec<NodeId> = self.brokers.keys().copied().collect();
        loop {
            let mut is_idle = true;
            for from in &ids {
                while let Some(output) = self.brokers.get_mut(from).unwrap().1.poll() {
                    is_idle = false;
                    self.deliver(*from, output);
                }
            }
            if is_idle {
                return;
            }
        }
    }

    fn deliver(&mut self, from: NodeId, output: Output) {
        let Some(output) = self.peers.entry(from).or_default().follow(output) else {
            return;
        };
        match output {
            Output::Request { connection, id, body }
                if !self.cut.contains(&(from.0, self.peers[&from].of(connection).0)) =>
            {
                match body {
                    Request::Fetch(body) => {
                        let reply_to = ReplyTo {
                            node: from,
                            connection: ConnectionId::Inbound(u64::from(from.0)),
                            id,
                        };
                        let to = self.peers[&from].of(connection);
                        self.with(to.0, |replicas, ctx| replicas.on_fetch(ctx, reply_to, body));
                    }
                    Request::AlterPartition(body) => self.proposals.push((from, id, body)),
                    other => panic!("{other:?}"),
                }
            }
            Output::Response { to, body } if to.node == CLIENT => {
                let Response::Produce(body) = body else {
                    panic!("{body:?}");
                };
                let answer = &body.partitions[0];
                self.answers
                    .insert(to.id.0, (answer.error, answer.base_offset.map(|offset| offset.0)));
            }
            Output::Response { to, body } if !self.cut.contains(&(from.0, to.node.0)) => {
                self.with(to.node.0, |replicas, ctx| replicas.on_response(ctx, from, to.id, body));
            }
            Output::Disk {
                op,
                what: DiskOp::Sync { file },
            } if self.disks_answer => {
                self.with(from.0, |replicas, ctx| {
                    replicas.on_disk(ctx, op, file, &Ok(DiskReply::Done))
                });
            }
            Output::Halt { reason } => panic!("{reason:?}"),
            _ => {}
        }
    }

    fn answer(&self, number: u64) -> Option<ErrorCode> {
        self.answers.get(&number).map(|(error, _)| *error)
    }

    /// End and high watermark of each broker's log.
    fn ends(&self) -> [(i64, i64); 3] {
        [1, 2, 3].map(|id| {
            let partition = &self.brokers[&NodeId(id)].0.partitions[&TP];
            (partition.log().log_end_offset().0, partition.high_watermark().0)
        })
    }

    fn epochs(&self, broker: u32) -> Vec<i32> {
        let log = &self.brokers[&NodeId(broker)].0.partitions[&TP].log();
        let offsets = log.log_start_offset().0..log.log_end_offset().0;
        offsets
            .map(|offset| log.epoch_for_offset(Offset(offset)).unwrap().0)
            .collect()
    }
}

fn batch() -> RecordBatch {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(1), Some(b"key"), Some(b"value"), &[]);
    builder.build()
}

fn min_isr(count: u32) -> TopicConfig {
    TopicConfig {
        min_insync_replicas: count,
        ..TopicConfig::default()
    }
}

const FETCH_WAIT: Duration = Duration::from_millis(500);

#[test]
fn acks_all_waits_for_every_member_of_the_isr() {
    let mut trio = Trio::new(min_isr(2), Quirks::default());
    let first = trio.produce(1, Acks::All);
    assert_eq!(trio.answer(first), Some(ErrorCode::None));
    assert_eq!(trio.ends()[0], (1, 1));

    trio.cut.insert((3, 1));
    trio.pass(FETCH_WAIT);
    let second = trio.produce(1, Acks::All);
    let relaxed = trio.produce(1, Acks::Leader);
    assert_eq!(trio.answer(second), None, "broker 3 has not fetched it");
    assert_eq!(trio.answer(relaxed), Some(ErrorCode::None));
    assert_eq!(trio.ends()[0], (3, 1));
    trio.pass(Duration::from_secs(31));
    assert_eq!(trio.answer(second), Some(ErrorCode::RequestTimedOut));
}

#[test]
fn a_lagging_follower_leaves_the_isr_and_comes_back() {
    let mut trio = Trio::new(min_isr(2), Quirks::default());
    trio.cut.insert((3, 1));
    trio.pass(FETCH_WAIT);
    trio.produce(1, Acks::Leader);
    trio.pass(Duration::from_secs(46));
    assert_eq!(
        trio.ends()[0],
        (1, 0),
        "the high watermark waits until the shrink is committed"
    );
    trio.accept_proposal();
    assert_eq!(trio.state.isr, [NodeId(1), NodeId(2)]);
    assert_eq!(trio.ends()[0], (1, 1));

    trio.cut.clear();
    trio.pass(Duration::from_secs(31));
    trio.accept_proposal();
    assert_eq!(trio.state.isr, [NodeId(1), NodeId(2), NodeId(3)]);
    assert_eq!(trio.ends(), [(1, 1); 3]);
}

#[test]
fn too_small_an_isr_refuses_acks_all_and_holds_the_high_watermark() {
    let mut trio = Trio::new(min_isr(2), Quirks::default());
    trio.cut.extend([(2, 1), (3, 1)]);
    trio.pass(FETCH_WAIT);
    let late = trio.produce(1, Acks::Leader);
    assert_eq!(trio.answer(late), Some(ErrorCode::None));
    trio.pass(Duration::from_secs(46));
    trio.accept_proposal();
    assert_eq!(trio.state.isr, [NodeId(1)]);
    let refused = trio.produce(1, Acks::All);
    assert_eq!(trio.answer(refused), Some(ErrorCode::NotEnoughReplicas));
    assert_eq!(trio.ends()[0], (1, 0), "nothing was appended and nothing is committed");
}

#[test]
fn what_waits_for_an_isr_below_the_minimum_times_out() {
    let mut trio = Trio::new(min_isr(3), Quirks::default());
    trio.cut.insert((3, 1));
    trio.pass(FETCH_WAIT);
    let waiting = trio.produce(1, Acks::All);
    trio.pass(Duration::from_secs(29));
    assert_eq!(trio.answer(waiting), None);
    trio.pass(Duration::from_secs(20));
    trio.accept_proposal();
    assert_eq!(trio.answer(waiting), Some(ErrorCode::RequestTimedOut));
    assert_eq!(trio.ends()[0], (1, 0));
}

#[test]
fn a_deposed_leader_answers_what_waits_and_cuts_its_own_suffix() {
    let mut trio = Trio::new(min_isr(1), Quirks::default());
    trio.produce(1, Acks::All);
    trio.pass(FETCH_WAIT);
    trio.cut.extend([(2, 1), (3, 1)]);
    trio.pass(FETCH_WAIT);
    let lost = trio.produce(1, Acks::All);
    trio.elect(2, &[1, 2, 3], &[2, 3]);
    let kept = trio.produce(2, Acks::All);
    assert_eq!(trio.answer(kept), None, "broker 1 is still in the ISR");
    assert_eq!(trio.ends().map(|(end, _)| end), [2, 2, 2]);

    trio.cut.clear();
    trio.tell(&[1]);
    trio.pass(Duration::from_secs(32));
    assert_eq!(trio.answer(lost), Some(ErrorCode::NotLeaderOrFollower));
    assert_eq!(trio.answer(kept), Some(ErrorCode::None));
    for broker in [1, 2, 3] {
        assert_eq!(trio.epochs(broker), [0, 1], "broker {broker}");
    }
}

#[test]
fn cutting_at_the_high_watermark_loses_what_cutting_at_the_epoch_keeps() {
    for (quirk, left) in [(false, vec![0, 0]), (true, vec![0])] {
        let quirks = Quirks {
            truncate_to_high_watermark: quirk,
            ..Quirks::default()
        };
        let mut trio = Trio::new(min_isr(1), quirks);
        trio.produce(1, Acks::All);
        trio.pass(FETCH_WAIT);
        // Broker 2 has the second record, but its high watermark does not know that it is committed.
        let acked = trio.produce(1, Acks::All);
        assert_eq!(trio.answer(acked), Some(ErrorCode::None));
        assert_eq!(trio.ends(), [(2, 2), (2, 1), (2, 1)]);
        // It follows nobody new, cut off from the leader, and is then elected itself.
        trio.cut.extend([(2, 3), (2, 1), (3, 1), (1, 2), (1, 3)]);
        trio.elect(3, &[2, 3], &[2]);
        trio.elect(2, &[2, 3], &[2]);
        assert_eq!(trio.epochs(2), left, "quirk {quirk}");
    }
}

#[test]
fn an_early_acknowledgement_is_given_without_the_isr() {
    let quirks = Quirks {
        ack_before_isr: true,
        ..Quirks::default()
    };
    let mut trio = Trio::new(min_isr(2), quirks);
    trio.cut.extend([(2, 1), (3, 1)]);
    trio.pass(FETCH_WAIT);
    let early = trio.produce(1, Acks::All);
    assert_eq!(trio.answer(early), Some(ErrorCode::None));
    assert_eq!(trio.ends()[0], (1, 0));
}

#[test]
fn flushing_every_batch_acknowledges_only_what_is_durable() {
    let config = TopicConfig {
        flush_messages: 1,
        ..min_isr(1)
    };
    let mut trio = Trio::new(config, Quirks::default());
    trio.disks_answer = false;
    let all = trio.produce(1, Acks::All);
    let one = trio.produce(1, Acks::Leader);
    assert_eq!(
        trio.ends().map(|(end, _)| end),
        [2, 1, 1],
        "followers fetch on only after their flush"
    );
    assert_eq!((trio.answer(all), trio.answer(one)), (None, None));

    let mut lazy = Trio::new(min_isr(1), Quirks::default());
    assert_eq!(lazy.config.flush_messages, NEVER);
    lazy.disks_answer = false;
    let all = lazy.produce(1, Acks::All);
    assert_eq!(lazy.answer(all), Some(ErrorCode::None));
}

#[test]
fn a_proposal_that_may_have_been_committed_stays_in_the_maximal_isr() {
    for (error, released) in [
        (ErrorCode::InvalidUpdateVersion, false),
        (ErrorCode::FencedLeaderEpoch, false),
        (ErrorCode::IneligibleReplica, true),
    ] {
        let mut trio = Trio::new(min_isr(1), Quirks::default());
        trio.state.isr = vec![NodeId(1), NodeId(2)];
        trio.state.partition_epoch.0 += 1;
        trio.tell(&[1, 2, 3]);
        trio.pass(FETCH_WAIT);
        let (from, id, _) = trio.proposals.remove(0);
        trio.cut.insert((3, 1));
        trio.pass(FETCH_WAIT);
        trio.answer_proposal(from, id, error);
        trio.pass(Duration::from_secs(29));
        let leader = trio.brokers.get_mut(&NodeId(1)).unwrap();
        let proposes = leader.0.partitions.get_mut(&TP).unwrap().send_proposal_again();
        assert_eq!(!proposes, released, "{error:?}");
    }
}

#[test]
fn a_retry_of_an_idempotent_batch_is_answered_with_the_first_offset() {
    let mut trio = Trio::new(min_isr(1), Quirks::default());
    let batch = batch().with_producer(ProducerId(7), ProducerEpoch(0), Sequence(0));
    let first = trio.produce_batch(1, Acks::All, batch.clone());
    trio.produce(1, Acks::All);
    let again = trio.produce_batch(1, Acks::All, batch.clone());
    assert_eq!(trio.answers[&first], (ErrorCode::None, Some(0)));
    assert_eq!(trio.answers[&again], (ErrorCode::None, Some(0)));
    assert_eq!(trio.ends()[0].0, 2);
    // A new leader knows the producer from its own copy of the log.
    trio.elect(2, &[1, 2, 3], &[1, 2, 3]);
    let elsewhere = trio.produce_batch(2, Acks::All, batch);
    assert_eq!(trio.answers[&elsewhere], (ErrorCode::None, Some(0)));
    assert_eq!(trio.ends()[1].0, 2);
}

#[test]
fn batches_that_a_leader_must_not_take_are_refused() {
    let mut trio = Trio::new(
        TopicConfig {
            max_message_bytes: 80,
            ..min_isr(1)
        },
        Quirks::default(),
    );
    let mut large = BatchBuilder::new();
    large.push(Timestamp(1), None, Some(&[0; 100]), &[]);
    let mut bytes = batch().bytes().to_vec();
    // The one record's offset delta, which must be 0, becomes 1; the CRC vouches for it.
    bytes[HEADER_SIZE + 3] = 2;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let gap = RecordBatch::parse(&bytes.into()).expect("its header is sound");
    let of_kind = |attributes| {
        let mut builder = BatchBuilder::with_attributes(attributes);
        builder.push(Timestamp(1), None, Some(b"value"), &[]);
        let idempotent = builder.build();
        idempotent.with_producer(ProducerId(7), ProducerEpoch(0), Sequence(0))
    };
    for (row, broker, batch, error) in [
        ("control", 1, of_kind(CONTROL), ErrorCode::InvalidRecord),
        ("marker", 1, of_kind(CONTROL | TRANSACTIONAL), ErrorCode::InvalidRecord),
        ("transactional", 1, of_kind(TRANSACTIONAL), ErrorCode::InvalidTxnState),
        ("too large", 1, large.build(), ErrorCode::MessageTooLarge),
        ("wrong inner offset", 1, gap, ErrorCode::InvalidRecord),
        ("not the leader", 2, batch(), ErrorCode::NotLeaderOrFollower),
    ] {
        let number = trio.produce_batch(broker, Acks::All, batch);
        assert_eq!(trio.answer(number), Some(error), "{row}");
    }
    assert_eq!(trio.ends(), [(0, 0); 3], "nothing of them is in a log");
    let good = trio.produce_batch(1, Acks::All, of_kind(0));
    assert_eq!(
        trio.answer(good),
        Some(ErrorCode::None),
        "the same records of an idempotent producer"
    );
}

const NEIGHBOUR: TopicPartition = TopicPartition {
    topic: TP.topic,
    partition: PartitionIndex(1),
};

/// Broker 2 follows two partitions of broker 1, whose part the test plays.
fn two_followed() -> Trio {
    let mut trio = Trio::new(min_isr(1), Quirks::default());
    let (config, state) = (trio.config.clone(), trio.state.clone());
    trio.with(2, |replicas, ctx| replicas.apply(ctx, NEIGHBOUR, &config, state));
    trio
}

/// Answers the fetch of broker 2 that is in flight, with an error for `failed`; returns what it asked for.
fn answer_fetch(trio: &mut Trio, failed: Option<TopicPartition>) -> Vec<i32> {
    let fetcher = &trio.brokers[&NodeId(2)].0.fetchers[&NodeId(1)];
    let (id, asked) = fetcher.in_flight().expect("it fetches");
    let answers = asked.iter().map(|id| match failed == Some(*id) {
        true => FetchPartitionResponse::error(*id, ErrorCode::UnknownTopicOrPartition),
        false => FetchPartitionResponse {
            high_watermark: Offset(0),
            log_start_offset: Offset(0),
            ..FetchPartitionResponse::error(*id, ErrorCode::None)
        },
    });
    let response = FetchResponse::of_all(answers.collect());
    trio.with(2, |replicas, ctx| {
        replicas.on_response(ctx, NodeId(1), id, response.into())
    });
    asked.iter().map(|id| id.partition.0).collect()
}

/// Neither an alarm nor a failed fetch may be needed for a partition to be asked for again after its pause: those of
/// its neighbours are always on their way.
#[test]
fn a_partition_that_failed_is_asked_for_again_beside_busy_ones() {
    let mut trio = two_followed();
    for (seconds, failed, asked) in [
        (0, None, vec![0]),
        (0, Some(TP), vec![0, 1]),
        (0, None, vec![1]),
        (1, None, vec![1]),
        (0, None, vec![0, 1]),
    ] {
        trio.now = trio.now + Duration::from_secs(seconds);
        assert_eq!(answer_fetch(&mut trio, failed), asked);
    }
}

#[test]
fn a_pause_that_ends_while_the_leader_is_unreachable_wakes_nobody() {
    let mut trio = two_followed();
    answer_fetch(&mut trio, None);
    answer_fetch(&mut trio, Some(TP));
    trio.now = trio.now + Duration::from_millis(500);
    trio.with(2, |replicas, ctx| replicas.on_fetcher_disconnected(ctx, NodeId(1)));
    trio.now = trio.now + Duration::from_millis(700);
    trio.with(2, |replicas, ctx| replicas.on_wake(ctx));
    let retry = trio.now + Duration::from_millis(300);
    assert_eq!(trio.brokers[&NodeId(2)].0.fetchers_deadline(), Some(retry));
}

#[test]
fn brokers_look_at_their_followers_out_of_phase() {
    let interval = isr_check_interval(&BrokerConfig::default());
    let trio = Trio::new(TopicConfig::default(), Quirks::default());
    let checks = trio.brokers.values().map(|(replicas, ..)| replicas.next_isr_check);
    let distinct: BTreeSet<Instant> = checks.clone().collect();
    assert_eq!(distinct.len(), 3, "{distinct:?}");
    assert!(checks.clone().all(|at| at <= Instant(0) + interval), "{distinct:?}");
}

//! Random loss, duplication and reordering of answers, elections and refusals, against brokers that keep a log with
//! the producer state that real ones keep: no duplicate, no reordering, and every send ends exactly once.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::log::producer_state::{ProducerBatch, ProducerStates};
use crate::protocol::RecordBatch;

/// One partition: the log and the producer state that goes with it.
#[derive(Default)]
struct Log {
    values: Vec<u64>,
    states: ProducerStates,
}

impl Log {
    fn append(&mut self, batch: &RecordBatch) -> (ErrorCode, Option<i64>) {
        let base_offset = Offset(self.values.len() as i64);
        let header = ProducerBatch {
            producer_id: batch.producer_id(),
            producer_epoch: batch.producer_epoch(),
            base_sequence: batch.base_sequence(),
            last_sequence: batch.last_sequence(),
            base_offset,
            last_offset: base_offset.plus(i64::from(batch.count()) - 1),
            is_control: false,
        };
        if batch.producer_id() != ProducerId::NONE {
            match self.states.check(&header) {
                Ok(None) => self.states.update(&header),
                Ok(Some(known)) => return (ErrorCode::None, Some(known.base_offset.0)),
                Err(error) => return (error, None),
            }
        }
        for record in batch.records() {
            let value = record.unwrap().value.unwrap();
            self.values.push(core::str::from_utf8(&value).unwrap().parse().unwrap());
        }
        (ErrorCode::None, Some(base_offset.0))
    }
}

#[derive(Clone, Debug)]
struct Faults {
    /// Out of 100: a request is lost with its connection, its answer is, it is refused, a leader changes, an answer
    /// comes twice.
    lost_request: u64,
    lost_answer: u64,
    refused: u64,
    fatal: u64,
    election: u64,
    duplicate: u64,
    silent: u64,
}

struct World {
    bench: Bench,
    rng: Random,
    logs: Vec<Log>,
    faults: Faults,
    /// Requests on their way, in order per broker.
    wires: BTreeMap<NodeId, VecDeque<Sent>>,
    /// Answers on their way, in any order.
    answers: Vec<(Sent, Response)>,
    ended: BTreeMap<SendId, Result<Option<i64>, (ErrorCode, bool)>>,
    next_id: i64,
}

impl World {
    fn chance(&mut self, percent: u64) -> bool {
        self.rng.below(100) < percent
    }

    fn collect(&mut self) {
        for sent in self.bench.requests() {
            self.wires.entry(sent.to).or_default().push_back(sent);
        }
        while let Some(completion) = self.bench.producer.next_completion() {
            let result = match completion.result {
                Ok(ok) => Ok(ok.offset.map(|offset| offset.0)),
                Err(failed) => Err((failed.error, failed.maybe_appended)),
            };
            let twice = self.ended.insert(completion.id, result);
            assert!(twice.is_none(), "{:?} ended twice", completion.id);
        }
    }

    fn step(&mut self) {
        self.collect();
        match self.rng.below(4) {
            0 | 1 => self.serve_one(),
            2 => self.deliver_one(),
            _ => {
                let most = self.rng.below(400);
                let wait = self
                    .bench
                    .producer
                    .deadline()
                    .map_or(ms(5), |at| at.since(self.bench.now));
                self.bench.now = self.bench.now + wait.min(ms(most));
                self.bench.handle(Input::Wake);
            }
        }
        if self.chance(self.faults.election) {
            let at = self.rng.below(self.bench.leaders.len() as u64) as usize;
            self.bench.leaders[at] = Some(1 + self.rng.below(2) as u32);
            self.bench.epoch += 1;
        }
        self.collect();
    }

    /// A broker takes its next request.
    fn serve_one(&mut self) {
        let busy: Vec<NodeId> = self
            .wires
            .iter()
            .filter(|(_, wire)| !wire.is_empty())
            .map(|(n, _)| *n)
            .collect();
        if busy.is_empty() {
            return;
        }
        let node = busy[self.rng.below(busy.len() as u64) as usize];
        if self.chance(self.faults.lost_request) {
            return self.lose(node);
        }
        let sent = self.wires.get_mut(&node).and_then(VecDeque::pop_front).unwrap();
        let body: Response = match &sent.body {
            Request::Metadata(_) => self.bench.metadata().into(),
            Request::InitProducerId(_) => {
                self.next_id += 1;
                InitProducerIdResponse {
                    error: ErrorCode::None,
                    producer_id: ProducerId(self.next_id),
                    producer_epoch: ProducerEpoch(0),
                }
                .into()
            }
            Request::Produce(request) => {
                let mut partitions = Vec::new();
                for (partition, batch) in &request.partitions {
                    let (error, base_offset) = self.append(node, *partition, batch);
                    partitions.push(ProducePartitionResponse {
                        partition: *partition,
                        error,
                        base_offset: base_offset.map(Offset),
                        log_start_offset: Offset(0),
                        current_leader: None,
                    });
                }
                ProduceResponse { partitions }.into()
            }
            other => panic!("{other:?}"),
        };
        if self.chance(self.faults.lost_answer) {
            self.lose(node);
        } else if !self.chance(self.faults.silent) {
            self.answers.push((sent, body));
        }
    }

    fn append(&mut self, node: NodeId, partition: TopicPartition, batch: &RecordBatch) -> (ErrorCode, Option<i64>) {
        let at = partition.partition.0 as usize;
        if self.bench.leaders[at] != Some(node.0) {
            return (ErrorCode::NotLeaderOrFollower, None);
        }
        if self.chance(self.faults.fatal) {
            return (ErrorCode::InvalidRecord, None);
        }
        if self.chance(self.faults.refused) {
            return match self.rng.below(3) {
                0 => (ErrorCode::NotEnoughReplicas, None),
                1 => match self.logs[at].append(batch) {
                    (ErrorCode::None, _) => (ErrorCode::NotEnoughReplicasAfterAppend, None),
                    refused => refused,
                },
                _ => match self.logs[at].append(batch) {
                    (ErrorCode::None, _) => (ErrorCode::DuplicateSequenceNumber, None),
                    refused => refused,
                },
            };
        }
        self.logs[at].append(batch)
    }

    fn deliver_one(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let at = self.rng.below(self.answers.len() as u64) as usize;
        let (sent, body) = self.answers.swap_remove(at);
        if self.chance(self.faults.duplicate) {
            self.bench.respond(&sent, body.clone());
        }
        self.bench.respond(&sent, body);
    }

    fn lose(&mut self, node: NodeId) {
        self.wires.remove(&node);
        self.answers.retain(|(sent, _)| sent.to != node);
        self.bench.lose(node.0);
    }

    fn heal(&mut self) {
        self.faults = Faults {
            lost_request: 0,
            lost_answer: 0,
            refused: 0,
            fatal: 0,
            election: 0,
            duplicate: 0,
            silent: 0,
        };
    }
}

fn run(seed: u64, faults: Faults, config: ProducerConfig) -> (World, Vec<(SendId, usize)>) {
    let (idempotent, partitions) = (config.enable_idempotence, 3);
    let mut world = World {
        bench: Bench::fresh(config, partitions),
        rng: Random::new(seed, "world"),
        logs: (0..partitions).map(|_| Log::default()).collect(),
        faults,
        wires: BTreeMap::new(),
        answers: Vec::new(),
        ended: BTreeMap::new(),
        next_id: 0,
    };
    let mut sends = Vec::new();
    for nth in 0..1500u64 {
        if nth % 4 == 0 && sends.len() < 300 {
            let partition = world.rng.below(partitions as u64) as usize;
            let record = ProducerRecord {
                partition: Some(PartitionIndex(partition as i32)),
                ..record(&format!("{}", sends.len()))
            };
            let id = world.bench.producer.send(world.bench.now(), record).unwrap();
            sends.push((id, partition));
        }
        world.step();
    }
    world.heal();
    let mut steps = 0;
    while world.bench.producer.pending() > 0 {
        world.step();
        steps += 1;
        assert!(
            steps < 200_000,
            "idempotence {idempotent}: {} never ended",
            world.bench.producer.pending()
        );
    }
    assert_eq!(world.ended.len(), sends.len(), "every send ended");
    assert_eq!(world.bench.producer.buffered, 0);
    (world, sends)
}

/// Every result is true of the logs.
fn check_results(world: &World, sends: &[(SendId, usize)]) {
    let mut placed = vec![BTreeMap::new(); world.logs.len()];
    for (partition, log) in world.logs.iter().enumerate() {
        for (offset, value) in log.values.iter().enumerate() {
            placed[partition]
                .entry(*value)
                .or_insert_with(Vec::new)
                .push(offset as i64);
        }
    }
    for (id, partition) in sends {
        let offsets = placed[*partition].get(&id.0);
        match &world.ended[id] {
            Ok(offset) => {
                let offsets = offsets.unwrap_or_else(|| panic!("{id:?} is acknowledged and nowhere"));
                assert!(
                    offset.is_none_or(|offset| offsets.contains(&offset)),
                    "{id:?} at {offset:?}"
                );
            }
            Err((error, false)) => assert_eq!(offsets, None, "{id:?} failed for certain with {error:?}"),
            Err((_, true)) => {}
        }
    }
}

fn faults() -> impl Strategy<Value = Faults> {
    (0..16u64, 0..30u64, 0..60u64, 0..9u64, 0..12u64, 0..50u64, 0..5u64).prop_map(
        |(lost_request, lost_answer, refused, fatal, election, duplicate, silent)| Faults {
            lost_request,
            lost_answer,
            refused,
            fatal,
            election,
            duplicate,
            silent,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_idempotent_producer_neither_repeats_nor_reorders(
        seed: u64,
        faults in faults(),
        in_flight in 1..=5u32,
        linger_ms in 0..20u64,
        delivery_timeout_ms in prop_oneof![Just(120_000u64), Just(31_000), Just(3_000)],
        request_timeout_ms in prop_oneof![Just(30_000u64), Just(1_000)],
    ) {
        let config = ProducerConfig {
            max_in_flight_requests_per_connection: in_flight,
            linger_ms,
            delivery_timeout_ms,
            request_timeout_ms,
            ..config()
        };
        let (world, sends) = run(seed, faults, config);
        check_results(&world, &sends);
        for (partition, log) in world.logs.iter().enumerate() {
            let unique: BTreeSet<u64> = log.values.iter().copied().collect();
            prop_assert_eq!(unique.len(), log.values.len(), "duplicates in {}: {:?}", partition, &log.values);
            prop_assert!(log.values.is_sorted(), "reordered in {}: {:?}", partition, &log.values);
        }
    }

    #[test]
    fn a_producer_without_idempotence_tells_the_truth(seed: u64, faults in faults(), in_flight in 1..=6u32) {
        let config = ProducerConfig {
            enable_idempotence: false,
            max_in_flight_requests_per_connection: in_flight,
            ..config()
        };
        let (world, sends) = run(seed, faults, config);
        check_results(&world, &sends);
        if in_flight == 1 {
            for log in &world.logs {
                let mut firsts: Vec<u64> = Vec::new();
                log.values.iter().for_each(|value| if !firsts.contains(value) { firsts.push(*value) });
                prop_assert!(firsts.is_sorted(), "reordered: {:?}", &log.values);
            }
        }
    }
}

/// The misuse must be able to show itself, or a scenario that demonstrates it would prove nothing.
#[test]
fn without_idempotence_duplicates_and_reordering_happen() {
    let (mut duplicates, mut reordered) = (0, 0);
    for seed in 0..20 {
        let faults = Faults {
            lost_request: 2,
            lost_answer: 10,
            refused: 10,
            fatal: 0,
            election: 0,
            duplicate: 0,
            silent: 0,
        };
        let config = ProducerConfig {
            enable_idempotence: false,
            ..config()
        };
        let (world, _) = run(seed, faults, config);
        for log in &world.logs {
            let unique: BTreeSet<u64> = log.values.iter().copied().collect();
            duplicates += usize::from(unique.len() < log.values.len());
            reordered += usize::from(!log.values.is_sorted());
        }
    }
    assert!(duplicates > 0 && reordered > 0, "{duplicates} {reordered}");
}

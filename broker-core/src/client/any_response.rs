//! Any answers in any order, late or to nothing: no client panics of them.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::producer::ProducerRecord;
use super::{Consumer, Producer};
use crate::config::{AutoOffsetReset, ConsumerConfig, GroupProtocol, ProducerConfig};
use crate::machine::{CloseReason, ConnectionId, Input, Instant, Machine, Now, Output, ReplyTo, RequestId};
use crate::protocol::Request;
use crate::protocol::arbitrary::Arbitrary;
use crate::random::Random;
use crate::types::{NodeId, Offset, PartitionIndex, TopicId, TopicName};

const STEPS: usize = 400;
/// The topics that answers know.
const TOPICS: [TopicId; 2] = [TopicId(100), TopicId(101)];
const START: u64 = 1_000_000_000_000;

/// A client, and all that it has asked so far.
struct Client<M> {
    machine: M,
    now: Instant,
    asked: Vec<(ConnectionId, RequestId, Request)>,
    opened: Vec<ConnectionId>,
}

impl<M: Machine> Client<M> {
    fn new(machine: M) -> Client<M> {
        Client {
            machine,
            now: Instant(START),
            asked: Vec::new(),
            opened: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now::at(self.now)
    }

    fn handle(&mut self, input: Input) {
        self.machine.handle(self.now(), input);
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Request { connection, id, body } => self.asked.push((connection, id, body)),
                Output::Open { connection, .. } => self.opened.push(connection),
                _ => {}
            }
        }
    }

    /// A connection that a request went over, perhaps long ago, or one that there never was.
    fn any_connection(&self, random: &mut Random) -> ConnectionId {
        let back = random.below(6) as usize;
        let over = self.asked.iter().rev().nth(back).map(|(over, ..)| *over);
        over.unwrap_or(ConnectionId::Outbound(1_000))
    }

    /// One thing that a host may do.
    fn step(&mut self, random: &mut Random) {
        let latest = self.asked.len().saturating_sub(1);
        match random.below(12) {
            // A connection is established, mostly the latest; some are twice.
            10..=11 if !self.opened.is_empty() => {
                let back = random.below(4).min(random.below(4)) as usize;
                let latest = self.opened.len() - 1;
                let connection = self.opened[latest.saturating_sub(back)];
                self.handle(Input::Connected { connection });
            }
            // The answer to a request, mostly the latest; some are answered twice.
            0..=5 if !self.asked.is_empty() => {
                let back = random.below(4).min(random.below(4)) as usize;
                let (over, id, request) = self.asked[latest.saturating_sub(back)].clone();
                let about = match random.chance(0.05) {
                    true => Arbitrary(random, &TOPICS).request(false),
                    false => request,
                };
                let body = Arbitrary(random, &TOPICS).response(&about);
                let connection = match random.chance(0.05) {
                    true => self.any_connection(random),
                    false => over,
                };
                self.handle(Input::Response { connection, id, body });
            }
            6 => {
                let connection = self.any_connection(random);
                let reason = CloseReason::Lost;
                self.handle(Input::Closed { connection, reason });
            }
            7 => {
                let reply_to = ReplyTo {
                    node: NodeId(1),
                    connection: ConnectionId::Inbound(1),
                    id: RequestId(1),
                };
                let body = Arbitrary(random, &TOPICS).request(true);
                self.handle(Input::Request { reply_to, body });
            }
            8 => {
                self.now = self.now + random.duration(Duration::ZERO, Duration::from_secs(2));
                self.handle(Input::Wake);
            }
            _ => {
                let due = self.machine.deadline().unwrap_or(self.now);
                // Timers at the end of time belong to settings without an end.
                if due < self.now + Duration::from_secs(600) {
                    self.now = self.now.max(due);
                }
                self.handle(Input::Wake);
            }
        }
    }
}

fn produce(seed: u64) {
    let mut random = Random::new(seed, "answers");
    let config = ProducerConfig {
        enable_idempotence: random.chance(0.7),
        ..ProducerConfig::default()
    };
    let producer = Producer::new(config, crate::client::two_brokers(), Random::new(seed, "producer"));
    let mut client = Client::new(producer);
    for _ in 0..STEPS {
        if random.chance(0.2) {
            let record = ProducerRecord {
                topic: TopicName::from("orders"),
                partition: random.chance(0.3).then(|| PartitionIndex(random.below(2) as i32)),
                key: random.chance(0.5).then(|| Bytes::from_static(b"key")),
                value: Some(Bytes::from_static(b"value")),
                headers: Vec::new(),
                timestamp: None,
            };
            // A producer may refuse it.
            let _ = client.machine.send(client.now(), record);
        }
        client.step(&mut random);
        while client.machine.next_completion().is_some() {}
    }
}

fn consume(seed: u64, protocol: Option<GroupProtocol>) {
    let mut random = Random::new(seed, "answers");
    let config = ConsumerConfig {
        auto_offset_reset: match random.below(3) {
            0 => AutoOffsetReset::Earliest,
            1 => AutoOffsetReset::Latest,
            _ => AutoOffsetReset::None,
        },
        group_id: Some("workers".into()),
        group_protocol: protocol.unwrap_or(GroupProtocol::Classic),
        ..ConsumerConfig::default()
    };
    let consumer = Consumer::new(config, crate::client::two_brokers(), Random::new(seed, "consumer"));
    let mut client = Client::new(consumer);
    let topic = TopicName::from("orders");
    match protocol {
        Some(_) => client.machine.subscribe(client.now(), vec![topic]),
        None => {
            let partitions = (0..2).map(|partition| (topic.clone(), PartitionIndex(partition)));
            client.machine.assign(client.now(), partitions.collect());
        }
    }
    for _ in 0..STEPS {
        client.step(&mut random);
        let now = client.now();
        while client.machine.next_notice().is_some() {}
        match random.below(8) {
            0 => client.machine.rebalance_done(now),
            1 => client.machine.polled(now),
            2 => drop(client.machine.take_records(now)),
            3 => drop(client.machine.commit(now, None)),
            4 => {
                if let Some(partition) = client.machine.assignment().first() {
                    client.machine.seek(now, *partition, Offset(random.below(9) as i64));
                }
            }
            _ => {}
        }
    }
    client.machine.close(client.now());
    for _ in 0..20 {
        client.step(&mut random);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn producers(seed in any::<u64>()) {
        produce(seed);
    }

    #[test]
    fn consumers_of_their_own(seed in any::<u64>()) {
        consume(seed, None);
    }

    #[test]
    fn members_of_the_classic_protocol(seed in any::<u64>()) {
        consume(seed, Some(GroupProtocol::Classic));
    }

    #[test]
    fn members_of_the_consumer_protocol(seed in any::<u64>()) {
        consume(seed, Some(GroupProtocol::Consumer));
    }
}

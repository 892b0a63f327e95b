//! A producer, a clock in the call, and brokers that answer what the test says.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::*;
use crate::machine::{Channel, ConnectionId, Now, Peers, RequestId};
use crate::protocol::{
    InitProducerIdResponse, MetadataPartition, MetadataResponse, MetadataTopic, ProducePartitionResponse,
    ProduceRequest, ProduceResponse, Request, Response,
};
use crate::trace::{self, Event};
use crate::types::{LeaderEpoch, LeaderIdAndEpoch, ProducerEpoch, ProducerId, TopicId};

mod batching;
mod idempotence;
mod network;
mod outcomes;
mod quirks;
mod random;

pub(super) const TOPIC: TopicId = TopicId(100);

/// A request as a broker sees it.
pub(super) struct Sent {
    pub to: NodeId,
    pub connection: ConnectionId,
    pub id: RequestId,
    pub body: Request,
}

impl Sent {
    pub fn produce(&self) -> &ProduceRequest {
        match &self.body {
            Request::Produce(request) => request,
            other => panic!("not a produce: {other:?}"),
        }
    }

    /// The base sequences and the record counts of its batches.
    pub fn sequences(&self) -> Vec<(i32, i32)> {
        let batches = self.produce().partitions.iter();
        batches
            .map(|(_, batch)| (batch.base_sequence().0, batch.count()))
            .collect()
    }

    /// The values of its records.
    pub fn values(&self) -> Vec<Vec<u8>> {
        let batches = self.produce().partitions.iter();
        let records = batches.flat_map(|(_, batch)| batch.records());
        records.map(|record| record.unwrap().value.unwrap().to_vec()).collect()
    }
}

pub(super) struct Bench {
    pub producer: Producer,
    pub now: Instant,
    pub events: Vec<Event>,
    peers: Peers,
    /// The leader of each partition of the topic `t`.
    pub leaders: Vec<Option<u32>>,
    pub epoch: i32,
    /// The id and epoch that the producer says it has.
    pub identity: (ProducerId, ProducerEpoch),
    unseen: Vec<Sent>,
    /// Brokers that refuse connections.
    pub refusing: Vec<NodeId>,
}

pub(super) fn config() -> ProducerConfig {
    ProducerConfig {
        linger_ms: 0,
        ..ProducerConfig::default()
    }
}

pub(super) fn record(value: &str) -> ProducerRecord {
    ProducerRecord {
        topic: "t".into(),
        partition: Some(PartitionIndex(0)),
        key: None,
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
        timestamp: None,
    }
}

impl Bench {
    pub fn now(&self) -> Now {
        Now::at(self.now)
    }

    /// A producer that knows nothing yet.
    pub fn fresh(config: ProducerConfig, partitions: usize) -> Bench {
        Bench {
            producer: Producer::new(config, crate::client::two_brokers(), Random::new(1, "producer")),
            now: Instant(1_000_000_000),
            events: Vec::new(),
            peers: Peers::default(),
            leaders: vec![Some(1); partitions],
            epoch: 0,
            identity: (ProducerId(6), ProducerEpoch(0)),
            unseen: Vec::new(),
            refusing: Vec::new(),
        }
    }

    /// A producer that has sent one record and knows all partitions and its id.
    pub fn warm(config: ProducerConfig, partitions: usize) -> Bench {
        let mut bench = Bench::fresh(config, partitions);
        bench.send("warm");
        bench.producer.flush(bench.now());
        bench.settle();
        for sent in bench.requests() {
            bench.answer(&sent, ErrorCode::None, Some(0));
        }
        assert!(bench.requests().is_empty());
        assert_eq!(bench.results(), [Ok(Some(0))]);
        bench.events.clear();
        bench
    }

    pub fn send(&mut self, value: &str) -> SendId {
        self.producer.send(self.now(), record(value)).unwrap()
    }

    /// Connects to a broker.
    pub fn connect(&mut self, peer: u32) {
        let now = self.now;
        let producer = &mut self.producer;
        producer
            .network
            .ready(&mut context!(producer, now), (NodeId(peer), Channel::Client));
        self.drain();
    }

    /// The connection to this broker is gone, if there is one.
    pub fn lose(&mut self, peer: u32) {
        for lost in self.peers.lost(NodeId(peer)) {
            self.handle(lost);
        }
    }

    pub fn handle(&mut self, input: Input) {
        self.drain();
        self.producer.handle(self.now(), input);
        self.drain();
    }

    /// Lets time pass, waking the producer exactly when it asks for it. Every wake must be of use.
    pub fn pass(&mut self, time: Duration) {
        self.drain();
        let until = self.now + time;
        while let Some(at) = self.producer.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.handle(Input::Wake);
            assert!(
                self.producer.deadline().is_none_or(|next| next > self.now),
                "a wake at {:?} changed nothing",
                self.now
            );
        }
        self.now = until;
    }

    /// All requests since the last call; what is traced goes to `events`.
    pub fn requests(&mut self) -> Vec<Sent> {
        self.drain();
        core::mem::take(&mut self.unseen)
    }

    /// Takes what the producer has put out. Its connections are established at once.
    fn drain(&mut self) {
        while let Some(output) = self.producer.poll() {
            let set_up = Peers::set_up_but(&output, &self.refusing);
            match self.peers.follow(output) {
                None => {}
                Some(Output::Request { connection, id, body }) => self.unseen.push(Sent {
                    to: self.peers.of(connection),
                    connection,
                    id,
                    body,
                }),
                Some(Output::Trace(event)) => {
                    if let Event::ProducerIdAssigned(trace::ProducerIdAssigned {
                        producer_id,
                        producer_epoch,
                    }) = event
                    {
                        self.identity = (producer_id, producer_epoch);
                    }
                    self.events.push(event);
                }
                Some(other) => panic!("a producer asks for nothing else: {other:?}"),
            }
            if let Some(input) = set_up {
                self.producer.handle(self.now(), input);
            }
        }
    }

    /// The only request since the last call.
    pub fn request(&mut self) -> Sent {
        let mut sent = self.requests();
        assert_eq!(sent.len(), 1, "{:?}", sent.iter().map(|s| &s.body).collect::<Vec<_>>());
        sent.remove(0)
    }

    /// Answers metadata and producer id requests until there are none; produce requests stay for [`Bench::requests`].
    pub fn settle(&mut self) {
        let mut produced = Vec::new();
        loop {
            let sent = self.requests();
            if sent.is_empty() {
                self.unseen = produced;
                return;
            }
            for sent in sent {
                match self.serve(&sent) {
                    Some(body) => self.respond(&sent, body),
                    None => produced.push(sent),
                }
            }
        }
    }

    /// The answer to a metadata or producer id request.
    pub fn serve(&mut self, sent: &Sent) -> Option<Response> {
        match &sent.body {
            Request::Metadata(_) => Some(self.metadata().into()),
            Request::InitProducerId(_) => Some(
                InitProducerIdResponse {
                    error: ErrorCode::None,
                    producer_id: ProducerId(self.identity.0.0 + 1),
                    producer_epoch: ProducerEpoch(0),
                }
                .into(),
            ),
            _ => None,
        }
    }

    pub fn respond(&mut self, sent: &Sent, body: Response) {
        self.handle(Input::Response {
            connection: sent.connection,
            id: sent.id,
            body,
        });
    }

    /// Answers every batch of a produce request alike.
    pub fn answer(&mut self, sent: &Sent, error: ErrorCode, base_offset: Option<i64>) {
        self.answer_with(sent, error, base_offset, None);
    }

    pub fn answer_with(&mut self, sent: &Sent, error: ErrorCode, base_offset: Option<i64>, leader: Option<(u32, i32)>) {
        let of = |(partition, _): &(TopicPartition, _)| ProducePartitionResponse {
            partition: *partition,
            error,
            base_offset: base_offset.map(Offset),
            log_start_offset: Offset(0),
            current_leader: leader.map(|(leader, epoch)| LeaderIdAndEpoch {
                leader: Some(NodeId(leader)),
                leader_epoch: LeaderEpoch(epoch),
            }),
        };
        let partitions = sent.produce().partitions.iter().map(of).collect();
        self.respond(sent, ProduceResponse { partitions }.into());
    }

    /// How sends ended since the last call.
    pub fn results(&mut self) -> Vec<Result<Option<i64>, (ErrorCode, bool)>> {
        let mut results = Vec::new();
        while let Some(completion) = self.producer.next_completion() {
            results.push(match completion.result {
                Ok(ok) => Ok(ok.offset.map(|offset| offset.0)),
                Err(failed) => Err((failed.error, failed.maybe_appended)),
            });
        }
        results
    }

    pub fn metadata(&self) -> MetadataResponse {
        let partition = |(index, leader): (usize, &Option<u32>)| MetadataPartition {
            index: PartitionIndex(index as i32),
            error: leader.map_or(ErrorCode::LeaderNotAvailable, |_| ErrorCode::None),
            leader: leader.map(NodeId),
            leader_epoch: LeaderEpoch(self.epoch),
            replicas: vec![NodeId(1), NodeId(2)],
            isr: vec![NodeId(1), NodeId(2)],
        };
        MetadataResponse {
            brokers: crate::client::two_brokers(),
            topics: vec![MetadataTopic {
                name: "t".into(),
                id: Some(TOPIC),
                error: ErrorCode::None,
                partitions: self.leaders.iter().enumerate().map(partition).collect(),
            }],
        }
    }
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

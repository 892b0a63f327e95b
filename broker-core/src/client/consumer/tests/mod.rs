//! A consumer, a clock in the call, and brokers that serve logs which the test writes.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::config::AutoOffsetReset;
use crate::machine::{ConnectionId, Now, Peers, RequestId};
use crate::protocol::{
    BatchBuilder, ErrorCode, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse,
    ListOffsetsPartitionResponse, ListOffsetsResponse, MetadataPartition, MetadataResponse, MetadataTopic,
    OffsetForLeaderEpochResponse, OffsetSpec, RecordBatch, Request, Response,
};
use crate::trace::{self, Event};
use crate::types::{EpochEndOffset, LeaderEpoch, Timestamp, TopicId};

mod classic;
mod cohort;
mod commits;
mod consumer_protocol;
mod fetching;
mod groups;
mod positions;
mod random;

const TOPIC: TopicId = TopicId(100);

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, partition)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

struct Sent {
    to: NodeId,
    connection: ConnectionId,
    id: RequestId,
    body: Request,
}

impl Sent {
    fn fetch(&self) -> &FetchRequest {
        match &self.body {
            Request::Fetch(request) => request,
            other => panic!("not a fetch: {other:?}"),
        }
    }

    /// Its partitions and offsets.
    fn fetched(&self) -> Vec<(i32, i64)> {
        let partitions = self.fetch().partitions.iter();
        partitions
            .map(|p| (p.partition.partition.0, p.fetch_offset.0))
            .collect()
    }
}

/// One partition as its leader has it.
#[derive(Clone)]
struct Log {
    leader: Option<u32>,
    epoch: i32,
    start: i64,
    batches: Vec<RecordBatch>,
}

impl Log {
    fn end(&self) -> i64 {
        self.batches.last().map_or(self.start, |batch| batch.next_offset().0)
    }

    /// Appends a batch of `count` records with values that name offset and epoch.
    fn append(&mut self, count: i64) {
        let (base, epoch) = (self.end(), self.epoch);
        let mut builder = BatchBuilder::new();
        for offset in base..base + count {
            let value = alloc::format!("{offset}@{epoch}");
            builder.push(Timestamp(0), None, Some(value.as_bytes()), &[]);
        }
        self.push(builder);
    }

    fn append_control(&mut self) {
        let mut builder = BatchBuilder::control();
        builder.push(Timestamp(0), Some(b"marker"), Some(b""), &[]);
        self.push(builder);
    }

    fn push(&mut self, builder: BatchBuilder) {
        let batch = builder.build().stamped(Offset(self.end()), LeaderEpoch(self.epoch));
        self.batches.push(batch);
    }

    fn end_of(&self, epoch: LeaderEpoch) -> Option<EpochEndOffset> {
        let known = self.batches.iter().filter(|batch| batch.leader_epoch() <= epoch);
        let later = self.batches.iter().find(|batch| batch.leader_epoch() > epoch);
        Some(EpochEndOffset {
            leader_epoch: known.last()?.leader_epoch(),
            end_offset: later.map_or(Offset(self.end()), RecordBatch::base_offset),
        })
    }

    fn check(&self, node: NodeId, believed: Option<LeaderEpoch>) -> ErrorCode {
        match believed.map(|epoch| epoch.0) {
            Some(epoch) if epoch < self.epoch => ErrorCode::FencedLeaderEpoch,
            Some(epoch) if epoch > self.epoch => ErrorCode::UnknownLeaderEpoch,
            _ if self.leader != Some(node.0) => ErrorCode::NotLeaderOrFollower,
            _ => ErrorCode::None,
        }
    }

    fn read(&self, node: NodeId, asked: &FetchPartition) -> FetchPartitionResponse {
        let error = self.check(node, asked.current_leader_epoch);
        let mut answer = FetchPartitionResponse::error(asked.partition, error);
        if !error.is_ok() {
            return answer;
        }
        if asked.fetch_offset.0 < self.start || asked.fetch_offset.0 > self.end() {
            answer.error = ErrorCode::OffsetOutOfRange;
        }
        assert_eq!(asked.last_fetched_epoch, None, "only followers compare logs by fetches");
        answer.high_watermark = Offset(self.end());
        answer.log_start_offset = Offset(self.start);
        let wanted = self
            .batches
            .iter()
            .filter(|batch| batch.next_offset() > asked.fetch_offset);
        answer.records = wanted.take(3).cloned().collect();
        answer
    }
}

struct Bench {
    consumer: Consumer,
    now: Instant,
    events: Vec<Event>,
    peers: Peers,
    logs: Vec<Log>,
    coordinator: groups::Coordinator,
    unseen: Vec<Sent>,
    /// Topics besides `t`, of one partition each.
    others: Vec<TopicName>,
}

impl Bench {
    fn now(&self) -> Now {
        Now::at(self.now)
    }

    fn new(reset: AutoOffsetReset, partitions: usize) -> Bench {
        let config = ConsumerConfig {
            auto_offset_reset: reset,
            ..ConsumerConfig::default()
        };
        Bench::with(config, partitions)
    }

    fn with(config: ConsumerConfig, partitions: usize) -> Bench {
        let log = Log {
            leader: Some(1),
            epoch: 0,
            start: 0,
            batches: Vec::new(),
        };
        Bench {
            consumer: Consumer::new(config, crate::client::two_brokers(), Random::new(1, "consumer")),
            now: Instant(1_000_000_000),
            events: Vec::new(),
            peers: Peers::default(),
            logs: vec![log; partitions],
            coordinator: groups::Coordinator::default(),
            unseen: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Assigns all partitions.
    fn assign(&mut self) {
        let partitions = (0..self.logs.len()).map(|at| ("t".into(), PartitionIndex(at as i32)));
        self.consumer.assign(self.now(), partitions.collect());
    }

    /// The connection to this broker is gone, if there is one.
    fn lose(&mut self, peer: u32) {
        for lost in self.peers.lost(NodeId(peer)) {
            self.handle(lost);
        }
    }

    fn handle(&mut self, input: Input) {
        self.drain();
        self.consumer.handle(self.now(), input);
        self.drain();
    }

    /// Lets time pass, waking the consumer exactly when it asks for it.
    fn pass(&mut self, time: Duration) {
        self.drain();
        let until = self.now + time;
        while let Some(at) = self.consumer.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.handle(Input::Wake);
            let next = self.consumer.deadline();
            assert!(
                next.is_none_or(|next| next > self.now),
                "a wake at {:?} changed nothing",
                self.now
            );
        }
        self.now = until;
    }

    fn requests(&mut self) -> Vec<Sent> {
        self.drain();
        core::mem::take(&mut self.unseen)
    }

    /// Takes what the consumer has put out. Its connections are established at once.
    fn drain(&mut self) {
        while let Some(output) = self.consumer.poll() {
            let set_up = Peers::set_up(&output);
            match self.peers.follow(output) {
                None => {}
                Some(Output::Request { connection, id, body }) => self.unseen.push(Sent {
                    to: self.peers.of(connection),
                    connection,
                    id,
                    body,
                }),
                Some(Output::Trace(event)) => self.events.push(event),
                Some(other) => panic!("a consumer asks for nothing else: {other:?}"),
            }
            if let Some(input) = set_up {
                self.consumer.handle(self.now(), input);
            }
        }
    }

    fn request(&mut self) -> Sent {
        let mut sent = self.requests();
        assert_eq!(sent.len(), 1, "{:?}", sent.iter().map(|s| &s.body).collect::<Vec<_>>());
        sent.remove(0)
    }

    /// What the brokers answer; a fetch is always answered at once.
    fn serve(&mut self, sent: &Sent) -> Response {
        let log = |partition: &TopicPartition| &self.logs[partition.partition.0 as usize];
        match &sent.body {
            Request::Metadata(request) => self.metadata(request.topics.is_none()).into(),
            Request::Fetch(request) => {
                let partitions = request.partitions.iter().map(|p| log(&p.partition).read(sent.to, p));
                FetchResponse::of_all(partitions.collect()).into()
            }
            Request::ListOffsets(request) => {
                let found = |(partition, believed, spec): &(TopicPartition, Option<LeaderEpoch>, OffsetSpec)| {
                    let log = log(partition);
                    let error = log.check(sent.to, *believed);
                    let offset = match spec {
                        OffsetSpec::Earliest => Some(log.start),
                        OffsetSpec::Latest => Some(log.end()),
                        // All records are of a second before the bench begins.
                        OffsetSpec::AtTimestamp(at) => (*at <= Now::at(Instant(0)).wall).then_some(log.start),
                    };
                    ListOffsetsPartitionResponse {
                        partition: *partition,
                        error,
                        offset: offset.filter(|_| error.is_ok()).map(Offset),
                        timestamp: Timestamp::NONE,
                        leader_epoch: Some(LeaderEpoch(log.epoch)),
                    }
                };
                ListOffsetsResponse {
                    partitions: request.partitions.iter().map(found).collect(),
                }
                .into()
            }
            Request::OffsetForLeaderEpoch(request) => {
                let end = |(partition, believed, epoch): &(TopicPartition, Option<LeaderEpoch>, LeaderEpoch)| {
                    let log = log(partition);
                    let error = log.check(sent.to, *believed);
                    (*partition, error, log.end_of(*epoch).filter(|_| error.is_ok()))
                };
                OffsetForLeaderEpochResponse {
                    partitions: request.partitions.iter().map(end).collect(),
                }
                .into()
            }
            _ => self.coordinator.serve(sent),
        }
    }

    fn respond(&mut self, sent: &Sent, body: Response) {
        self.handle(Input::Response {
            connection: sent.connection,
            id: sent.id,
            body,
        });
    }

    /// Answers everything until only fetches that find nothing are out, which are returned: brokers hold them.
    fn settle(&mut self) -> Vec<Sent> {
        let mut held = Vec::new();
        loop {
            let sent = self.requests();
            if sent.is_empty() {
                return held;
            }
            for sent in sent {
                let body = self.serve(&sent);
                let is_dull = |p: &FetchPartitionResponse| p.error.is_ok() && p.records.is_empty();
                match &body {
                    Response::Fetch(answer) if answer.partitions.iter().all(is_dull) => held.push(sent),
                    _ => self.respond(&sent, body),
                }
            }
        }
    }

    fn metadata(&self, of_all: bool) -> MetadataResponse {
        let partition = |(index, log): (usize, &Log)| MetadataPartition {
            index: PartitionIndex(index as i32),
            error: log.leader.map_or(ErrorCode::LeaderNotAvailable, |_| ErrorCode::None),
            leader: log.leader.map(NodeId),
            leader_epoch: LeaderEpoch(log.epoch),
            replicas: vec![NodeId(1), NodeId(2)],
            isr: vec![NodeId(1), NodeId(2)],
        };
        let topic = MetadataTopic {
            name: "t".into(),
            id: Some(TOPIC),
            error: ErrorCode::None,
            partitions: self.logs.iter().enumerate().map(partition).collect(),
        };
        let other = |(index, name): (usize, &TopicName)| MetadataTopic {
            name: name.clone(),
            id: Some(TopicId(TOPIC.0 + 1 + index as u128)),
            error: ErrorCode::None,
            partitions: vec![partition((0, &self.logs[0]))],
        };
        let others = self.others.iter().enumerate().filter(|_| of_all).map(other);
        MetadataResponse {
            brokers: crate::client::two_brokers(),
            topics: [topic].into_iter().chain(others).collect(),
        }
    }

    /// The values that the application gets next.
    fn take(&mut self) -> Vec<alloc::string::String> {
        let had = self.consumer.has_records();
        let records = self.consumer.take_records(self.now());
        assert_eq!(had, !records.is_empty(), "has_records() tells the truth");
        let value = |record: ConsumerRecord| {
            let value = record.record.value.unwrap().to_vec();
            let value = alloc::string::String::from_utf8(value).unwrap();
            assert!(value.starts_with(&alloc::format!("{}@", record.record.offset)));
            assert!(value.ends_with(&alloc::format!("@{}", record.leader_epoch)));
            value
        };
        records.into_iter().map(value).collect()
    }

    /// The resets since the last call.
    fn resets(&mut self) -> Vec<(Option<i64>, i64, ResetCause)> {
        self.events
            .drain(..)
            .map(|event| match event {
                Event::PositionReset(trace::PositionReset { from, to, cause, .. }) => {
                    (from.map(|from| from.0), to.0, cause)
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

//! The controller over a quorum of one: requests go in, and what leaves is seen only once the disk has answered.

mod alter_partition;
mod brokers;
mod replies;
mod topics;

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::Controller;
use super::image::{ClusterImage, PartitionImage};
use super::records::MetadataRecord;
use crate::config::{BrokerConfig, TopicConfig};
use crate::disk::{DiskOp, DiskReply, FileName, OpId};
use crate::log::{Log, LogConfig};
use crate::machine::{ConnectionId, Context, Instant, Now, Outbox, Output, ReplyTo, RequestId};
use crate::protocol::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    CreateTopicsRequest, ErrorCode, NewTopic, Request, Response,
};
use crate::quorum::{Quorum, QuorumFact};
use crate::random::Random;
use crate::types::{BrokerEpoch, Listeners, NodeId, Offset, TopicId, TopicName, TopicPartition};

/// A controller with its quorum, the image of what is committed, and a disk that answers at once or when told.
struct Cell {
    now: Instant,
    quorum: Quorum,
    controller: Controller,
    committed: ClusterImage,
    out: Outbox,
    rng: Random,
    disk_answers: bool,
    waiting: Vec<(OpId, FileName)>,
    answers: Vec<(RequestId, Response)>,
    requests: u64,
    /// Batches of records as they were committed.
    decisions: Vec<Vec<MetadataRecord>>,
}

impl Cell {
    /// An active controller of an empty cluster, at second 1.
    fn active() -> Cell {
        let mut cell = Cell::waiting();
        cell.disk_answers = true;
        cell.answer_disk();
        assert!(cell.controller.deadline().is_some(), "it is active");
        cell
    }

    /// A leader whose disk has not answered yet.
    fn waiting() -> Cell {
        let config = BrokerConfig::default();
        let mut rng = Random::new(7, "cell");
        let mut out = Outbox::default();
        let now = Instant(1_000_000_000);
        let mut ctx = Context::new(Now::at(now), &mut rng, &mut out);
        let log_config = LogConfig {
            segment_bytes: 1_000_000,
            flush_messages: 1,
            tail_cache_bytes: 1_000_000,
        };
        let log = Log::new(TopicPartition::CLUSTER_METADATA, log_config, Offset::ZERO);
        let quorum = Quorum::new(&mut ctx, NodeId(1), [NodeId(1)].into(), &config, &Bytes::new(), log);
        let mut cell = Cell {
            now,
            quorum: quorum.expect("an empty state is intact"),
            controller: Controller::new(&config),
            committed: ClusterImage::default(),
            out,
            rng,
            disk_answers: false,
            waiting: Vec::new(),
            answers: Vec::new(),
            requests: 0,
            decisions: Vec::new(),
        };
        cell.pump();
        cell
    }

    fn with<R>(&mut self, call: impl FnOnce(&mut Controller, &mut Quorum, &mut Context<'_>) -> R) -> R {
        let mut ctx = Context::new(Now::at(self.now), &mut self.rng, &mut self.out);
        let result = call(&mut self.controller, &mut self.quorum, &mut ctx);
        self.pump();
        result
    }

    fn pump(&mut self) {
        loop {
            while let Some(output) = self.out.poll() {
                match output {
                    Output::Response { to, body } => self.answers.push((to.id, body)),
                    Output::Disk { op, what } => match what {
                        DiskOp::Sync { file } | DiskOp::Replace { file, .. } => self.waiting.push((op, file)),
                        DiskOp::Write { .. } => {}
                        other => panic!("{other:?}"),
                    },
                    Output::Trace(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            let mut ctx = Context::new(Now::at(self.now), &mut self.rng, &mut self.out);
            if self.disk_answers && !self.waiting.is_empty() {
                let (op, file) = self.waiting.remove(0);
                let answer = Ok(DiskReply::Done);
                self.quorum.on_disk(&mut ctx, op, file, &answer).expect("a good disk");
                continue;
            }
            let Some(fact) = self.quorum.next_fact() else {
                return;
            };
            if let QuorumFact::Committed { entries, .. } = &fact {
                let records = entries.iter().map(|(offset, value)| {
                    let record = MetadataRecord::decode(value).expect("the controller's own");
                    self.committed.replay(*offset, &record);
                    record
                });
                self.decisions.push(records.collect());
            }
            self.controller
                .on_quorum(&mut ctx, &mut self.quorum, &self.committed, &fact);
        }
    }

    fn answer_disk(&mut self) {
        let disk_answers = core::mem::replace(&mut self.disk_answers, true);
        self.pump();
        self.disk_answers = disk_answers;
    }

    fn send(&mut self, body: impl Into<Request>) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        let reply_to = ReplyTo {
            node: NodeId(9),
            connection: ConnectionId::Inbound(0),
            id,
        };
        let body = body.into();
        self.with(|controller, quorum, ctx| controller.on_request(ctx, quorum, reply_to, body));
        id
    }

    fn take_answer(&mut self, id: RequestId) -> Option<Response> {
        let position = self.answers.iter().position(|(answered, _)| *answered == id)?;
        Some(self.answers.remove(position).1)
    }

    fn ask(&mut self, body: impl Into<Request>) -> Response {
        let id = self.send(body);
        self.take_answer(id).expect("an answer at once")
    }

    /// Time passes, and what is due at the very end of it happens.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.controller.deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "the past is never due");
            self.now = at;
            self.with(|controller, quorum, ctx| controller.on_wake(ctx, quorum));
        }
        self.now = end;
    }

    fn register(&mut self, broker: u32, incarnation: u64) -> BrokerRegistrationResponse {
        let request = BrokerRegistrationRequest {
            broker: NodeId(broker),
            incarnation,
            listeners: Listeners::default(),
        };
        match self.ask(request) {
            Response::BrokerRegistration(body) => body,
            other => panic!("{other:?}"),
        }
    }

    /// A heartbeat of a broker that has applied everything.
    fn heartbeat(&mut self, broker: u32) -> BrokerHeartbeatResponse {
        let request = self.heartbeat_of(broker);
        self.heartbeat_with(request)
    }

    fn heartbeat_of(&self, broker: u32) -> BrokerHeartbeatRequest {
        BrokerHeartbeatRequest {
            broker: NodeId(broker),
            broker_epoch: self.broker_epoch(broker),
            current_metadata_offset: self.quorum.high_watermark(),
            want_fence: false,
            want_shut_down: false,
        }
    }

    fn heartbeat_with(&mut self, request: BrokerHeartbeatRequest) -> BrokerHeartbeatResponse {
        match self.ask(request) {
            Response::BrokerHeartbeat(body) => body,
            other => panic!("{other:?}"),
        }
    }

    fn broker_epoch(&self, broker: u32) -> BrokerEpoch {
        self.committed.brokers[&NodeId(broker)].broker_epoch
    }

    fn is_fenced(&self, broker: u32) -> bool {
        self.committed.brokers[&NodeId(broker)].fenced
    }

    /// Registers and unfences brokers.
    fn join(&mut self, brokers: &[u32]) {
        for broker in brokers {
            assert_eq!(self.register(*broker, 1).error, ErrorCode::None);
            assert!(!self.heartbeat(*broker).is_fenced);
        }
    }

    fn create(&mut self, name: &str, partitions: u32, replication_factor: u16, config: TopicConfig) -> ErrorCode {
        let topic = NewTopic {
            name: TopicName::from(name),
            partitions,
            replication_factor,
            config,
        };
        match self.ask(CreateTopicsRequest { topics: [topic].into() }) {
            Response::CreateTopics(body) => body.topics[0].1,
            other => panic!("{other:?}"),
        }
    }

    /// Creates a topic of one partition with these replicas, whatever the placement would be.
    fn create_placed(&mut self, replicas: &[u32]) -> TopicPartition {
        for attempt in 0..1000 {
            let name = alloc::format!("placed-{}-{attempt}", self.committed.topics.len());
            let count = replicas.len() as u16;
            assert_eq!(self.create(&name, 1, count, TopicConfig::default()), ErrorCode::None);
            let id = self.committed.topic_ids[&TopicName::from(name.as_str())];
            let partition = TopicPartition::new(id, 0);
            if self.partition(partition).replicas == nodes(replicas) {
                return partition;
            }
        }
        panic!("the placement never gave {replicas:?}")
    }

    fn partition(&self, partition: TopicPartition) -> &PartitionImage {
        self.committed.partition(partition).expect("a partition")
    }

    /// Leader, ISR, leader epoch and partition epoch.
    /// The id of a topic that was created.
    fn topic(&self, name: &str) -> TopicId {
        self.committed.topic_ids[&TopicName::from(name)]
    }

    fn state(&self, partition: TopicPartition) -> (Option<u32>, Vec<u32>, i32, i32) {
        let state = self.partition(partition);
        let isr = state.isr.iter().map(|node| node.0).collect();
        (
            state.leader.map(|leader| leader.0),
            isr,
            state.leader_epoch.0,
            state.partition_epoch.0,
        )
    }
}

fn nodes(ids: &[u32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

const SECOND: Duration = Duration::from_secs(1);

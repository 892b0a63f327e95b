//! Coordinators over the replicas of one broker, with a disk in memory.

mod loading;
mod offsets;
mod refusals;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::{GroupCoordinator, partition_for};
use crate::config::{BrokerConfig, Quirks, TopicConfig};
use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::group::Topics;
use crate::machine::{ConnectionId, Context, HaltReason, Instant, Now, Outbox, Output, ReplyTo, RequestId};
use crate::protocol::{
    ErrorCode, OffsetAndMetadata, OffsetCommitRequest, OffsetFetchRequest, RecordBatch, Request, Response,
};
use crate::random::Random;
use crate::replica::{PartitionState, Replicas};
use crate::trace::{self, Event};
use crate::types::{
    BrokerEpoch, GroupEpoch, GroupId, LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicId, TopicName, TopicPartition,
};

const OFFSETS: TopicPartition = TopicPartition {
    topic: TopicId(100),
    partition: crate::types::PartitionIndex(0),
};
const SECOND: Duration = Duration::from_secs(1);
const GROUP: &str = "workers";

/// Broker 1 with the one partition of the offsets topic, and a client.
struct Desk {
    now: Instant,
    replicas: Replicas,
    groups: GroupCoordinator,
    state: PartitionState,
    topic_config: TopicConfig,
    out: Outbox,
    rng: Random,
    files: BTreeMap<FileName, Vec<u8>>,
    /// What reads get; while there is nothing, they wait.
    reads: Option<Result<(), DiskError>>,
    waiting: Vec<(OpId, FileName, u64, u64)>,
    answers: BTreeMap<u64, Response>,
    requests: u64,
    events: Vec<Event>,
}

/// Topics 101 and 102, of 4 partitions each.
struct Known;

impl Topics for Known {
    fn topic(&self, name: &TopicName) -> Option<(TopicId, u32)> {
        let id = TopicId(name.0.strip_prefix("topic-")?.parse().ok()?);
        self.name(id).map(|_| (id, 4))
    }

    fn name(&self, id: TopicId) -> Option<TopicName> {
        let number = id.0;
        let name = alloc::format!("topic-{number}");
        (101..=102).contains(&number).then(|| TopicName::from(name.as_str()))
    }

    fn matching(&self, _pattern: &crate::topic_pattern::TopicPattern) -> Vec<TopicName> {
        Vec::new()
    }
}

impl Desk {
    /// A coordinator that leads alone and has loaded.
    fn new() -> Desk {
        let mut desk = Desk::idle(BrokerConfig::default(), Quirks::default(), TopicConfig::default());
        desk.lead(&[1], &[1]);
        desk
    }

    /// A broker that does not lead yet.
    fn idle(config: BrokerConfig, quirks: Quirks, topic_config: TopicConfig) -> Desk {
        let found = BTreeMap::new();
        let mut rng = Random::new(1, "desk");
        let (start, id) = (Instant(0), NodeId(1));
        let mut replicas = Replicas::new(start, &mut rng, id, &config, quirks, found, &Bytes::new());
        replicas.set_registration(BrokerEpoch(1));
        replicas.watch(OFFSETS.topic);
        let mut groups = GroupCoordinator::new(&config, quirks);
        groups.set_topic(OFFSETS.topic, 1);
        Desk {
            now: Instant(1_000_000_000),
            replicas,
            groups,
            state: PartitionState {
                replicas: Vec::new(),
                isr: Vec::new(),
                leader: None,
                leader_epoch: LeaderEpoch(0),
                partition_epoch: PartitionEpoch(0),
            },
            topic_config,
            out: Outbox::default(),
            rng,
            files: BTreeMap::new(),
            reads: Some(Ok(())),
            waiting: Vec::new(),
            answers: BTreeMap::new(),
            requests: 0,
            events: Vec::new(),
        }
    }

    /// The controller makes this broker the leader of a new epoch.
    fn lead(&mut self, replicas: &[u32], isr: &[u32]) {
        self.state.leader = Some(NodeId(1));
        self.elect(replicas, isr);
    }

    /// The controller makes broker 2 the leader.
    fn follow(&mut self) {
        self.state.leader = Some(NodeId(2));
        self.elect(&[1, 2], &[1, 2]);
    }

    fn elect(&mut self, replicas: &[u32], isr: &[u32]) {
        self.state.replicas = replicas.iter().copied().map(NodeId).collect();
        self.state.isr = isr.iter().copied().map(NodeId).collect();
        self.state.leader_epoch.0 += 1;
        self.state.partition_epoch.0 += 1;
        let (state, config) = (self.state.clone(), self.topic_config.clone());
        self.with(|replicas, _, ctx| replicas.apply(ctx, OFFSETS, &config, state));
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Replicas, &mut GroupCoordinator, &mut Context<'_>) -> T) -> T {
        let mut ctx = Context::new(Now::at(self.now), &mut self.rng, &mut self.out);
        let result = call(&mut self.replicas, &mut self.groups, &mut ctx);
        self.pump().expect("a good log");
        result
    }

    /// Tells facts and answers the disk until nothing is left.
    fn pump(&mut self) -> Result<(), HaltReason> {
        loop {
            if let Some(output) = self.out.poll() {
                self.carry_out(output);
                continue;
            }
            let mut ctx = Context::new(Now::at(self.now), &mut self.rng, &mut self.out);
            if let Some(fact) = self.replicas.next_fact() {
                self.groups.on_replica(&mut ctx, &mut self.replicas, &Known, fact)?;
            } else if let Some(result) = self.reads.filter(|_| !self.waiting.is_empty()) {
                let (op, file, at, len) = self.waiting.remove(0);
                let content = &self.files[&file][at as usize..(at + len) as usize];
                let result = result.map(|()| DiskReply::Data(Bytes::copy_from_slice(content)));
                self.replicas.on_disk(&mut ctx, op, file, &result);
            } else {
                return Ok(());
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Response { to, body } => drop(self.answers.insert(to.id.0, body)),
            Output::Trace(event) => self.events.push(event),
            Output::Disk { op, what } => match what {
                DiskOp::Read { file, at, len } => self.waiting.push((op, file, at, len)),
                DiskOp::Write { file, at, bytes } => {
                    let content = self.files.entry(file).or_default();
                    content.truncate(at as usize);
                    content.extend_from_slice(&bytes);
                }
                _ => {}
            },
            Output::Open { .. } | Output::Close { .. } | Output::Request { .. } => {}
            Output::Halt { reason } => panic!("{reason:?}"),
        }
    }

    fn send(&mut self, body: impl Into<Request>) -> u64 {
        self.requests += 1;
        let reply_to = ReplyTo {
            node: NodeId(9),
            connection: ConnectionId::Inbound(100),
            id: RequestId(self.requests),
        };
        let body = body.into();
        self.with(|replicas, groups, ctx| groups.on_request(ctx, replicas, &Known, reply_to, None, body));
        self.requests
    }

    fn ask(&mut self, body: impl Into<Request>) -> Response {
        let id = self.send(body);
        self.answers.remove(&id).expect("an answer at once")
    }

    fn commit(&mut self, offset: i64) -> ErrorCode {
        let position = OffsetAndMetadata::at(Offset(offset));
        match self.ask(commit_of(GROUP, &[(orders(0), position)])) {
            Response::OffsetCommit(body) => body.partitions[0].1,
            other => panic!("{other:?}"),
        }
    }

    /// Every stored position of a group.
    fn fetch(&mut self, group: &str) -> Result<Vec<(TopicPartition, i64)>, ErrorCode> {
        let Response::OffsetFetch(body) = self.ask(fetch_of(group, None)) else {
            panic!("another answer")
        };
        let found = body.partitions.into_iter();
        let found = found.map(|(partition, position)| (partition, position.expect("it is stored").offset.0));
        match body.error {
            ErrorCode::None => Ok(found.collect()),
            error => Err(error),
        }
    }

    /// Time passes, and what is due happens.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.groups.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.with(|replicas, groups, ctx| groups.on_wake(ctx, replicas, &Known));
        }
        self.now = end;
    }

    fn log_end(&self) -> i64 {
        let appended = self.events.iter().filter_map(|event| match event {
            Event::Appended(trace::Appended { batch, .. }) => Some(batch.next_offset().0),
            _ => None,
        });
        appended.last().unwrap_or(0)
    }

    fn last_batch(&self) -> &RecordBatch {
        let appended = self.events.iter().rev().find_map(|event| match event {
            Event::Appended(trace::Appended { batch, .. }) => Some(batch),
            _ => None,
        });
        appended.expect("there is one")
    }
}

/// A partition of the topic that the group reads.
fn orders(partition: i32) -> TopicPartition {
    TopicPartition::new(TopicId(101), partition)
}

fn commit_of(group: &str, positions: &[(TopicPartition, OffsetAndMetadata)]) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group: GroupId::from(group),
        generation_id_or_member_epoch: GroupEpoch::NONE,
        member: None,
        instance: None,
        partitions: positions.to_vec(),
    }
}

fn fetch_of(group: &str, partitions: Option<Vec<TopicPartition>>) -> OffsetFetchRequest {
    OffsetFetchRequest {
        group: GroupId::from(group),
        member: None,
        member_epoch: GroupEpoch::NONE,
        partitions,
        require_stable: false,
    }
}

/// Vectors of Kafka's own `Utils.abs(groupId.hashCode()) % count`.
#[test]
fn groups_belong_to_partitions_by_javas_hash() {
    for (group, of_50, of_12) in [
        ("group", 47, 11),
        ("my-group", 12, 6),
        ("console-consumer-1", 24, 0),
        ("test", 48, 10),
        ("benchGroup", 29, 1),
        ("g-0", 26, 10),
        ("g-1", 27, 11),
        ("txn-1", 10, 2),
        ("my-txn", 45, 7),
        // The hash is the smallest integer, which has no absolute value.
        ("polygenelubricants", 0, 0),
        // Two units of UTF-16.
        ("\u{1f600}", 49, 7),
    ] {
        let id = GroupId::from(group);
        let found = [50, 12].map(|count| partition_for(&id, count).0);
        assert_eq!(found, [of_50, of_12], "{group}");
    }
}

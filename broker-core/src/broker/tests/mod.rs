//! Whole nodes without a world: three of them, a client that asks, and a disk each.

mod any_request;
mod groups;
mod inbound;
mod log_dir;
mod members;
mod producer_ids;
mod random;
mod roles;
mod shutdown;
mod topics;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::{Broker, Roles};
use crate::broker::Server;
use crate::config::{BrokerConfig, Quirks};
use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::machine::{
    CloseReason, ConnectionId, HaltReason, Input, Instant, Machine, Now, Output, Peers, ReplyTo, RequestId,
};
use crate::protocol::{
    ErrorCode, FindCoordinatorRequest, OffsetAndMetadata, OffsetCommitRequest, OffsetFetchRequest, Request, Response,
};
use crate::random::Random;
use crate::trace::{self, Event};
use crate::types::{
    ClientId, Endpoint, GroupEpoch, GroupId, Host, Listener, Listeners, NodeId, Offset, TopicName, TopicPartition,
};

const CLIENT: NodeId = NodeId(9);
const BROKERS: [u32; 3] = [1, 2, 3];
/// Messages and disks take so long.
const LATENCY: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Three nodes, each broker and controller unless they are given other roles. Everything on its way arrives after
/// [`LATENCY`], in order.
struct Cluster {
    now: Instant,
    roles: [Roles; 3],
    config: BrokerConfig,
    quirks: Quirks,
    seed: u64,
    nodes: BTreeMap<u32, Node>,
    on_their_way: VecDeque<(Instant, Delivery)>,
    /// Messages from the first to the second are lost.
    cut: BTreeSet<(u32, u32)>,
    /// The disks of these nodes fail for every file of the partition.
    broken: BTreeSet<(u32, TopicPartition)>,
    /// Disk reads of these nodes are not answered.
    stuck: BTreeSet<u32>,
    answers: BTreeMap<RequestId, Response>,
    /// Connections that nodes have closed on their peers.
    hung_up: Vec<(u32, ConnectionId)>,
    requests: u64,
    /// The connections that each run of a node has accepted.
    accepted: BTreeSet<(u32, u64, ConnectionId)>,
    /// What nodes stated about groups and their logs.
    events: Vec<(u32, Event)>,
}

#[derive(Default)]
struct Node {
    machine: Option<Broker>,
    files: BTreeMap<FileName, Vec<u8>>,
    /// Counts starts; what was on its way to an earlier run does not arrive.
    run: u64,
    stuck: Vec<Input>,
    peers: Peers,
}

struct Delivery {
    to: NodeId,
    /// The run of the receiver that it is for, if it is for no other.
    run: Option<u64>,
    input: Input,
}

impl Cluster {
    /// Three nodes that have started, with offsets topics of two partitions.
    fn new(quirks: Quirks) -> Cluster {
        let config = BrokerConfig {
            offsets_topic_num_partitions: 2,
            ..BrokerConfig::default()
        };
        Cluster::with(config, quirks, 1)
    }

    fn with(config: BrokerConfig, quirks: Quirks, seed: u64) -> Cluster {
        Cluster::of([Roles::Combined; 3], config, quirks, seed)
    }

    fn of(roles: [Roles; 3], config: BrokerConfig, quirks: Quirks, seed: u64) -> Cluster {
        let mut cluster = Cluster {
            now: Instant(1_000_000_000),
            roles,
            config,
            quirks,
            seed,
            nodes: BTreeMap::new(),
            on_their_way: VecDeque::new(),
            cut: BTreeSet::new(),
            broken: BTreeSet::new(),
            stuck: BTreeSet::new(),
            answers: BTreeMap::new(),
            hung_up: Vec::new(),
            requests: 0,
            accepted: BTreeSet::new(),
            events: Vec::new(),
        };
        for id in BROKERS {
            cluster.nodes.insert(id, Node::default());
            cluster.start(id);
        }
        cluster
    }

    fn start(&mut self, id: u32) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.run += 1;
        let rng = Random::new(self.seed, &alloc::format!("node {id} run {}", node.run));
        let roles = self.roles[id as usize - 1];
        let voters = BROKERS.into_iter().zip(self.roles);
        let voters = voters.filter(|(_, roles)| *roles != Roles::Broker);
        let voter = |(id, _)| (NodeId(id), Endpoint::of(NodeId(id), Listener::Controller));
        let listeners = [Listener::Broker, Listener::Controller].map(|of| (of, Endpoint::of(NodeId(id), of)));
        let server = Server {
            id: NodeId(id),
            roles,
            listeners: Listeners(listeners.into()),
            voters: voters.map(voter).collect(),
        };
        let config = self.config.clone();
        let machine = Broker::new(Now::at(self.now), server, config, self.quirks, rng);
        node.machine = Some(machine);
        node.peers = Peers::default();
        self.drain(id);
    }

    /// Ends the process; its files stay.
    fn kill(&mut self, id: u32) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.machine = None;
        node.stuck.clear();
        for other in BROKERS {
            let node = &self.nodes[&other];
            let run = Some(node.run);
            for lost in node.peers.lost(NodeId(id)) {
                self.post(other, run, lost);
            }
        }
    }

    /// Asks a node to end, and says how long that takes; none if it does not end within a minute.
    fn stop(&mut self, id: u32) -> Option<Duration> {
        let begin = self.now;
        self.post(id, None, Input::Stop);
        while self.nodes[&id].machine.is_some() {
            if !self.step(begin + 60 * SECOND) {
                return None;
            }
        }
        Some(self.now.since(begin))
    }

    /// Nothing leaves the node and nothing reaches it.
    fn isolate(&mut self, id: u32) {
        for other in BROKERS.into_iter().chain([CLIENT.0]).filter(|other| *other != id) {
            self.cut.extend([(id, other), (other, id)]);
        }
    }

    fn post(&mut self, to: u32, run: Option<u64>, input: Input) {
        let to = NodeId(to);
        self.on_their_way
            .push_back((self.now + LATENCY, Delivery { to, run, input }));
    }

    /// A run of a node accepts a connection before the first request that comes over it.
    fn announce(&mut self, to: u32, connection: ConnectionId, from: u32, listener: Listener) {
        let run = self.nodes[&to].run;
        if self.accepted.insert((to, run, connection)) {
            let peer = Endpoint {
                host: Host(from),
                port: 40_000,
            };
            let opened = Input::Opened {
                connection,
                peer,
                listener,
                client_id: (from == CLIENT.0).then(|| ClientId::from("app")),
            };
            self.post(to, Some(run), opened);
        }
    }

    fn drain(&mut self, id: u32) {
        while let Some(output) = self.nodes.get_mut(&id).unwrap().machine.as_mut().and_then(Broker::poll) {
            self.carry_out(id, output);
        }
    }

    fn carry_out(&mut self, from: u32, output: Output) {
        if let Output::Close {
            connection: connection @ ConnectionId::Inbound(_),
        } = output
        {
            // A peer that goes on opens another one.
            self.accepted.remove(&(from, self.nodes[&from].run, connection));
            return self.hung_up.push((from, connection));
        }
        if let Output::Open {
            connection,
            endpoint: Some(endpoint),
            ..
        } = output
        {
            let to = endpoint.host.0;
            let run = Some(self.nodes[&from].run);
            let reason = CloseReason::Refused;
            if self.nodes[&to].machine.is_none() {
                self.post(from, run, Input::Closed { connection, reason });
            } else if !self.cut.contains(&(from, to)) && !self.cut.contains(&(to, from)) {
                self.post(from, run, Input::Connected { connection });
            }
        }
        let node = self.nodes.get_mut(&from).unwrap();
        let Some(output) = node.peers.follow(output) else {
            return;
        };
        match output {
            Output::Request { connection, id, body } => {
                let Some(endpoint) = node.peers.endpoint(connection) else {
                    let reason = CloseReason::Refused;
                    let run = Some(node.run);
                    return self.post(from, run, Input::Closed { connection, reason });
                };
                let to = NodeId(endpoint.host.0);
                if self.cut.contains(&(from, to.0)) {
                    return;
                }
                let reply_to = ReplyTo {
                    node: NodeId(from),
                    connection: inbound(from, connection),
                    id,
                };
                let input = match self.nodes.get(&to.0).and_then(|node| node.machine.as_ref()) {
                    Some(_) => {
                        self.announce(to.0, reply_to.connection, from, endpoint.listener());
                        return self.post(to.0, None, Input::Request { reply_to, body });
                    }
                    None => Input::Closed {
                        connection,
                        reason: CloseReason::Refused,
                    },
                };
                self.post(from, Some(self.nodes[&from].run), input);
            }
            Output::Response { to, body } => {
                if self.cut.contains(&(from, to.node.0)) {
                    return;
                }
                if to.node == CLIENT {
                    self.answers.insert(to.id, body);
                    return;
                }
                let (connection, id) = (outbound(to.connection), to.id);
                self.post(to.node.0, None, Input::Response { connection, id, body });
            }
            Output::Disk { op, what } => self.disk(from, op, what),
            Output::Trace(event) => self.events.push((from, event)),
            Output::Halt {
                reason: HaltReason::Stopped | HaltReason::LogDirOffline(_),
            } => self.kill(from),
            Output::Halt { reason } => panic!("node {from}: {reason:?}"),
            Output::Open { .. } | Output::Close { .. } => {}
        }
    }

    fn disk(&mut self, id: u32, op: OpId, what: DiskOp) {
        let node = self.nodes.get_mut(&id).unwrap();
        if let Some(file @ FileName::Segment { partition, .. }) = file_of(&what)
            && self.broken.contains(&(id, partition))
        {
            let (run, file, result) = (node.run, Some(file), Err(DiskError::Io));
            return self.post(id, Some(run), Input::Disk { op, file, result });
        }
        let (file, reply) = match what {
            DiskOp::List => {
                let files = node.files.iter().map(|(name, content)| (*name, content.len() as u64));
                (None, Some(DiskReply::Files(files.collect())))
            }
            DiskOp::Read { file, at, len } => {
                let content = node.files.get(&file).map_or(&[][..], |content| content);
                let from = (at as usize).min(content.len());
                let to = (at.saturating_add(len) as usize).min(content.len());
                (Some(file), Some(DiskReply::Data(content[from..to].to_vec().into())))
            }
            DiskOp::Write { file, at, bytes } => {
                let content = node.files.entry(file).or_default();
                content.resize(content.len().max(at as usize + bytes.len()), 0);
                content[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
                (Some(file), None)
            }
            DiskOp::Sync { file } => (Some(file), Some(DiskReply::Done)),
            DiskOp::Truncate { file, len } => {
                node.files.entry(file).or_default().truncate(len as usize);
                (Some(file), None)
            }
            DiskOp::Replace { file, bytes } => {
                node.files.insert(file, bytes.to_vec());
                (Some(file), Some(DiskReply::Done))
            }
            DiskOp::Remove { file } => {
                node.files.remove(&file);
                (Some(file), None)
            }
        };
        let Some(reply) = reply else { return };
        let is_stuck = self.stuck.contains(&id) && matches!(reply, DiskReply::Data(_));
        let result = Ok(reply);
        let (run, input) = (node.run, Input::Disk { op, file, result });
        if is_stuck {
            node.stuck.push(input);
        } else {
            self.post(id, Some(run), input);
        }
    }

    /// The disk of a node answers again.
    fn free(&mut self, id: u32) {
        self.stuck.remove(&id);
        let run = self.nodes[&id].run;
        for input in core::mem::take(&mut self.nodes.get_mut(&id).unwrap().stuck) {
            self.post(id, Some(run), input);
        }
    }

    /// Does what comes next, if it comes until `end`.
    fn step(&mut self, end: Instant) -> bool {
        let arrival = self.on_their_way.front().map(|(at, _)| *at);
        let deadlines = self.nodes.iter().filter_map(|(id, node)| {
            let at = node.machine.as_ref()?.deadline()?;
            Some((at.max(self.now), *id))
        });
        let due = deadlines.min();
        let first = arrival.into_iter().chain(due.map(|(at, _)| at)).min();
        let Some(at) = first.filter(|at| *at <= end) else {
            self.now = end;
            return false;
        };
        self.now = at;
        let (id, input) = if arrival == Some(at) {
            let (_, Delivery { to, run, input }) = self.on_their_way.pop_front().unwrap();
            let node = &self.nodes[&to.0];
            if run.is_some_and(|run| run != node.run) {
                return true;
            }
            (to.0, input)
        } else {
            (due.unwrap().1, Input::Wake)
        };
        let Some(machine) = &mut self.nodes.get_mut(&id).unwrap().machine else {
            return true;
        };
        machine.handle(Now::at(at), input);
        self.drain(id);
        true
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// Sends a client's request.
    fn send(&mut self, to: u32, body: impl Into<Request>) -> RequestId {
        self.send_over(100, to, body)
    }

    /// Sends a client's request over one of its connections.
    fn send_over(&mut self, connection: u64, to: u32, body: impl Into<Request>) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        let reply_to = ReplyTo {
            node: CLIENT,
            connection: ConnectionId::Inbound(connection),
            id,
        };
        if !self.cut.contains(&(CLIENT.0, to)) {
            let listener = match self.roles[to as usize - 1] {
                Roles::Controller => Listener::Controller,
                Roles::Broker | Roles::Combined => Listener::Broker,
            };
            self.announce(to, reply_to.connection, CLIENT.0, listener);
            let body = body.into();
            self.post(to, None, Input::Request { reply_to, body });
        }
        id
    }

    /// The client's connection is gone.
    fn close(&mut self, at: u32, connection: u64) {
        let (connection, reason) = (ConnectionId::Inbound(connection), CloseReason::Peer);
        self.accepted.remove(&(at, self.nodes[&at].run, connection));
        self.post(at, None, Input::Closed { connection, reason });
    }

    /// Waits for an answer for so long.
    fn wait(&mut self, id: RequestId, time: Duration) -> Option<Response> {
        let end = self.now + time;
        while !self.answers.contains_key(&id) && self.step(end) {}
        self.answers.remove(&id)
    }

    fn ask(&mut self, to: u32, body: impl Into<Request>) -> Response {
        let id = self.send(to, body);
        self.wait(id, 60 * SECOND).expect("an answer within a minute")
    }

    /// Whom `through` takes for the coordinator of a group.
    fn try_to_find(&mut self, through: u32, group: &str) -> Result<u32, ErrorCode> {
        let request = FindCoordinatorRequest {
            group: GroupId::from(group),
        };
        match self.ask(through, request) {
            Response::FindCoordinator(body) => match body.coordinator.map(|(node, _)| node) {
                Some(coordinator) => Ok(coordinator.0),
                None => Err(body.error),
            },
            other => panic!("{other:?}"),
        }
    }

    /// The coordinator of a group, once there is one that is not `but`.
    fn find(&mut self, through: u32, group: &str, but: Option<u32>) -> u32 {
        for _ in 0..600 {
            if let Ok(found) = self.try_to_find(through, group)
                && Some(found) != but
            {
                return found;
            }
            self.pass(SECOND / 10);
        }
        panic!("no coordinator of {group} within a minute")
    }

    fn commit(&mut self, to: u32, group: &str, partition: TopicPartition, offset: i64) -> ErrorCode {
        match self.ask(to, commit_of(group, partition, offset)) {
            Response::OffsetCommit(body) => body.partitions[0].1,
            other => panic!("{other:?}"),
        }
    }

    /// The stored position; none if there is none.
    fn fetch(&mut self, from: u32, group: &str, partition: TopicPartition) -> Result<Option<i64>, ErrorCode> {
        match self.ask(from, fetch_of(group, partition)) {
            Response::OffsetFetch(body) => position_in(&body.partitions, body.error),
            other => panic!("{other:?}"),
        }
    }

    /// A topic of one partition, with a replica on each node.
    fn create_topic(&mut self, name: &str) -> TopicPartition {
        let topic = crate::protocol::NewTopic {
            name: TopicName::from(name),
            partitions: 1,
            replication_factor: 3,
            config: crate::config::TopicConfig::default(),
        };
        for _ in 0..100 {
            let topics = [topic.clone()].into();
            if let Response::CreateTopics(body) = self.ask(1, crate::protocol::CreateTopicsRequest { topics })
                && let (_, ErrorCode::None, Some(id)) = body.topics[0]
            {
                self.pass(SECOND);
                return TopicPartition::new(id, 0);
            }
            self.pass(SECOND / 10);
        }
        panic!("no topic within ten seconds")
    }
}

fn file_of(what: &DiskOp) -> Option<FileName> {
    match what {
        DiskOp::List => None,
        DiskOp::Read { file, .. }
        | DiskOp::Write { file, .. }
        | DiskOp::Sync { file }
        | DiskOp::Truncate { file, .. }
        | DiskOp::Replace { file, .. }
        | DiskOp::Remove { file } => Some(*file),
    }
}

fn commit_of(group: &str, partition: TopicPartition, offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group: GroupId::from(group),
        generation_id_or_member_epoch: GroupEpoch::NONE,
        member: None,
        instance: None,
        partitions: [(partition, OffsetAndMetadata::at(Offset(offset)))].into(),
    }
}

fn fetch_of(group: &str, partition: TopicPartition) -> OffsetFetchRequest {
    OffsetFetchRequest {
        group: GroupId::from(group),
        member: None,
        member_epoch: GroupEpoch::NONE,
        partitions: Some([partition].into()),
        require_stable: false,
    }
}

fn position_in(
    partitions: &[(TopicPartition, Option<OffsetAndMetadata>)],
    error: ErrorCode,
) -> Result<Option<i64>, ErrorCode> {
    match error {
        ErrorCode::None => Ok(partitions[0].1.as_ref().map(|position| position.offset.0)),
        error => Err(error),
    }
}

/// The number of a node's connection at its peer.
fn inbound(from: u32, connection: ConnectionId) -> ConnectionId {
    match connection {
        ConnectionId::Outbound(number) => ConnectionId::Inbound(u64::from(from) << 32 | number),
        ConnectionId::Inbound(_) => panic!("a request goes over a connection that was opened"),
    }
}

/// The same connection at the node that opened it.
fn outbound(connection: ConnectionId) -> ConnectionId {
    match connection {
        ConnectionId::Inbound(number) => ConnectionId::Outbound(number & u64::from(u32::MAX)),
        ConnectionId::Outbound(_) => panic!("a response goes over a connection that a peer opened"),
    }
}

//! Voters and observers over a network that may lose, delay, duplicate and cut, driven event by event.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::disk::Disk;
use super::rules::Rules;
use crate::config::BrokerConfig;
use crate::disk::{FileName, OpId};
use crate::log::{Log, LogConfig};
use crate::machine::{ConnectionId, Context, Instant, Now, Outbox, Output, Peers, ReplyTo, RequestId};
use crate::protocol::{Request, Response, VoteRequest};
use crate::quorum::{NotLeader, Quorum, QuorumFact};
use crate::random::Random;
use crate::trace::{self, Event, QuorumRole};
use crate::types::{LeaderEpoch, NodeId, Offset, TopicPartition};

/// Voters are 1, 2, …; observers come after them.
pub(super) struct Cluster {
    pub now: Instant,
    pub rules: Rules,
    pub network: Network,
    nodes: BTreeMap<NodeId, Node>,
    voters: Vec<NodeId>,
    log_config: LogConfig,
    queue: BTreeMap<(Instant, u64), Queued>,
    sequence: u64,
    rng: Random,
    votes_asked: BTreeMap<ReplyTo, VoteRequest>,
    /// Answers to nodes that are none of the cluster's.
    pub answers: Vec<Response>,
    next_value: u64,
}

/// The dials of the network and the disks.
pub(super) struct Network {
    /// Microseconds a message takes.
    pub delay_us: (u64, u64),
    pub loss: f64,
    pub duplication: f64,
    /// How many of the messages come late, by up to twenty seconds: elections later.
    pub late: f64,
    /// Nothing passes from the first to the second.
    pub cut: BTreeSet<(NodeId, NodeId)>,
    /// Microseconds a disk operation takes.
    pub disk_us: (u64, u64),
    /// Nodes whose disks do not answer.
    pub stuck_disks: BTreeSet<NodeId>,
}

/// A node that is none of the cluster's.
const STRANGER: NodeId = NodeId(99);

pub(super) struct Node {
    disk: Disk,
    /// Counts the runs of the process.
    run: u64,
    running: Option<Running>,
    /// What facts told in this run, without `Committed`.
    pub leaderships: Vec<Option<LeaderEpoch>>,
    pub roles: Vec<(QuorumRole, LeaderEpoch, Option<NodeId>)>,
    pub events: Vec<Event>,
}

struct Running {
    quorum: Quorum,
    out: Outbox,
    peers: Peers,
    rng: Random,
}

enum Queued {
    Request(NodeId, ReplyTo, Request),
    Response(ReplyTo, NodeId, Response),
    Disconnected(NodeId, u64, NodeId),
    Disk(NodeId, u64, OpId, u64),
}

impl Cluster {
    /// A cluster whose nodes all start at once, with messages that take about 1 ms and disks that take 2 ms.
    pub fn new(voters: u32, observers: u32, seed: u64) -> Cluster {
        // Small segments and hardly a tail, so that reads go to the disk.
        Cluster::with_log(
            voters,
            observers,
            seed,
            LogConfig {
                segment_bytes: 600,
                flush_messages: 1,
                tail_cache_bytes: 200,
            },
        )
    }

    pub fn with_log(voters: u32, observers: u32, seed: u64, log_config: LogConfig) -> Cluster {
        let mut cluster = Cluster {
            now: Instant(1_000_000_000),
            rules: Rules::new(voters as usize),
            network: Network {
                delay_us: (500, 1500),
                loss: 0.0,
                duplication: 0.0,
                late: 0.0,
                cut: BTreeSet::new(),
                disk_us: (2000, 2000),
                stuck_disks: BTreeSet::new(),
            },
            nodes: BTreeMap::new(),
            voters: (1..=voters).map(NodeId).collect(),
            log_config,
            queue: BTreeMap::new(),
            sequence: 0,
            rng: Random::new(seed, "network"),
            votes_asked: BTreeMap::new(),
            answers: Vec::new(),
            next_value: 0,
        };
        for id in (1..=voters + observers).map(NodeId) {
            let node = Node {
                disk: Disk::default(),
                run: 0,
                running: None,
                leaderships: Vec::new(),
                roles: Vec::new(),
                events: Vec::new(),
            };
            cluster.nodes.insert(id, node);
            cluster.start(id);
        }
        cluster
    }

    pub fn node(&self, id: u32) -> &Node {
        &self.nodes[&NodeId(id)]
    }

    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub fn is_running(&self, id: NodeId) -> bool {
        self.nodes[&id].running.is_some()
    }

    pub fn quorum(&self, id: NodeId) -> &Quorum {
        &self.nodes[&id].running.as_ref().expect("the node runs").quorum
    }

    pub fn start(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node");
        assert!(node.running.is_none(), "{id} runs already");
        node.run += 1;
        node.leaderships.clear();
        self.rules.on_start(id);
        let mut rng = Random::new(self.rng.next_u64(), "node");
        let mut out = Outbox::default();
        let mut ctx = Context::new(Now::at(self.now), &mut rng, &mut out);
        let log =
            Log::recover(TopicPartition::CLUSTER_METADATA, self.log_config, node.disk.segments()).repair(&mut ctx);
        let stored = node.disk.content(FileName::QuorumState);
        let config = BrokerConfig::default();
        let quorum = Quorum::new(&mut ctx, id, self.voters.clone(), &config, &stored, log).expect("an intact file");
        node.running = Some(Running {
            quorum,
            out,
            peers: Peers::default(),
            rng,
        });
        self.carry_out(id);
    }

    /// The process ends; its page cache stays.
    pub fn kill(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node");
        node.running = None;
        node.disk.kill(&mut self.rng);
    }

    /// The process ends, and what was not synced may be lost.
    pub fn lose_power(&mut self, id: NodeId) {
        let node = self.nodes.get_mut(&id).expect("a node");
        node.running = None;
        node.disk.lose_power(&mut self.rng);
    }

    /// Nothing passes between `id` and the others.
    pub fn isolate(&mut self, id: NodeId) {
        for other in self.ids() {
            self.network.cut.insert((id, other));
            self.network.cut.insert((other, id));
        }
    }

    pub fn heal(&mut self) {
        self.network.cut.clear();
    }

    /// Appends one value at `id`.
    pub fn append(&mut self, id: NodeId) -> Result<Offset, NotLeader> {
        self.next_value += 1;
        let value = Bytes::copy_from_slice(&self.next_value.to_be_bytes());
        let mut result = Err(NotLeader);
        self.with(id, |quorum, ctx| {
            result = quorum.append(ctx, &[value]).map(|offsets| offsets[0])
        });
        result
    }

    /// Asks `id` as a node outside the cluster, and waits for the answer.
    pub fn ask(&mut self, id: NodeId, body: impl Into<Request>) -> Response {
        self.post(id, body);
        self.run_until(1, |cluster| !cluster.answers.is_empty());
        self.answers.remove(0)
    }

    /// Asks like `ask`, but leaves the answer to `answers`.
    pub fn post(&mut self, id: NodeId, body: impl Into<Request>) {
        let reply_to = ReplyTo {
            node: STRANGER,
            connection: ConnectionId::Inbound(0),
            id: RequestId(0),
        };
        let body = body.into();
        if let Request::Vote(vote) = &body {
            self.votes_asked.insert(reply_to, vote.clone());
        }
        self.with(id, |quorum, ctx| quorum.on_request(ctx, reply_to, body));
    }

    /// The leader of the highest epoch among the running nodes.
    pub fn leader(&self) -> Option<NodeId> {
        let running = self
            .nodes
            .iter()
            .filter_map(|(id, node)| Some((*id, node.running.as_ref()?)));
        let leaders = running.filter(|(_, running)| running.quorum.is_leader());
        leaders
            .max_by_key(|(_, running)| running.quorum.epoch())
            .map(|(id, _)| id)
    }

    /// All running nodes know one leader, and all that it has is committed, told, and known to be so.
    pub fn is_settled(&self) -> bool {
        let Some(leader) = self.leader() else {
            return false;
        };
        let expected = self.quorum(leader);
        let mut running = self.nodes.values().filter_map(|node| node.running.as_ref());
        running.all(|Running { quorum, .. }| {
            quorum.leader() == Some(leader)
                && quorum.epoch() == expected.epoch()
                && quorum.high_watermark() == expected.log_end_offset()
                && quorum.delivered == expected.log_end_offset()
                && quorum.log_end_offset() == expected.log_end_offset()
        })
    }

    /// Runs until `condition`; returns how long that took.
    pub fn run_until(&mut self, limit_s: u64, condition: impl Fn(&Cluster) -> bool) -> Duration {
        let start = self.now;
        while !condition(self) {
            assert!(
                self.now.since(start) < Duration::from_secs(limit_s),
                "not within {limit_s} s: {}",
                self.describe()
            );
            self.step();
        }
        self.now.since(start)
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.next_time().is_some_and(|next| next <= end) {
            self.step();
        }
        self.now = end;
    }

    pub fn describe(&self) -> alloc::string::String {
        let mut lines = alloc::string::String::new();
        for (id, node) in &self.nodes {
            let Some(Running { quorum, .. }) = &node.running else {
                continue;
            };
            lines += &alloc::format!(
                "\n{id}: {:?} epoch {} leader {:?} end {} high watermark {} deadline {:?}",
                quorum.role.kind(),
                quorum.epoch(),
                quorum.leader(),
                quorum.log_end_offset(),
                quorum.high_watermark(),
                quorum.deadline(),
            );
        }
        lines
    }

    fn next_time(&self) -> Option<Instant> {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let running = self.nodes.values().filter_map(|node| node.running.as_ref());
        let deadlines = running.filter_map(|running| running.quorum.deadline());
        deadlines.chain(queued).min()
    }

    fn step(&mut self) {
        let next = self.next_time().expect("somebody always waits for something");
        self.now = self.now.max(next);
        let now = self.now;
        if let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= now) {
            let queued = entry.remove();
            return self.deliver(queued);
        }
        let is_due = |running: &Running| running.quorum.deadline().is_some_and(|at| at <= now);
        let due = self
            .nodes
            .iter()
            .find(|(_, node)| node.running.as_ref().is_some_and(is_due));
        let id = *due.expect("a deadline has come").0;
        self.with(id, |quorum, ctx| quorum.on_wake(ctx));
        let deadline = self.quorum(id).deadline();
        assert!(
            deadline.is_none_or(|at| at > now),
            "{id} spins at {now:?}: {}",
            self.describe()
        );
    }

    fn deliver(&mut self, queued: Queued) {
        let is_up = |node: NodeId, run: u64| {
            let node = &self.nodes[&node];
            node.running.is_some() && node.run == run
        };
        match queued {
            Queued::Request(to, reply_to, body) if self.is_running(to) => {
                if let Request::Vote(vote) = &body {
                    self.votes_asked.insert(reply_to, vote.clone());
                }
                self.with(to, |quorum, ctx| quorum.on_request(ctx, reply_to, body));
            }
            Queued::Request(to, reply_to, _) => {
                // Nobody listens there.
                self.push(
                    Duration::from_millis(1),
                    Queued::Disconnected(reply_to.node, run_of(reply_to), to),
                );
            }
            Queued::Response(to, from, body) if is_up(to.node, run_of(to)) => {
                self.with(to.node, |quorum, ctx| {
                    quorum.on_response(ctx, from, to.id, &body);
                });
            }
            Queued::Disconnected(node, run, peer) if is_up(node, run) => {
                self.with(node, |quorum, ctx| quorum.on_disconnected(ctx, peer));
            }
            Queued::Disk(node, run, op, number) if is_up(node, run) => {
                let disk = &mut self.nodes.get_mut(&node).expect("a node").disk;
                let (file, reply) = disk.complete(number).expect("the node still runs");
                self.with(node, |quorum, ctx| {
                    quorum.on_disk(ctx, op, file, &Ok(reply)).expect("a good disk")
                });
            }
            _ => {}
        }
    }

    fn with(&mut self, id: NodeId, call: impl FnOnce(&mut Quorum, &mut Context<'_>)) {
        let node = self.nodes.get_mut(&id).expect("a node");
        let running = node.running.as_mut().expect("the node runs");
        let mut ctx = Context::new(Now::at(self.now), &mut running.rng, &mut running.out);
        call(&mut running.quorum, &mut ctx);
        self.carry_out(id);
    }

    /// Carries out what the node asks for, in order, and holds it to the rules.
    fn carry_out(&mut self, id: NodeId) {
        while let Some(output) = self.running(id).out.poll() {
            let peers = &mut self.running(id).peers;
            let Some(output) = peers.follow(output) else {
                continue;
            };
            match output {
                Output::Request {
                    connection,
                    id: request,
                    body,
                } => {
                    let to = peers.of(connection);
                    self.send_request(id, to, request, body);
                }
                Output::Response { to, body } => self.send_response(id, to, body),
                Output::Disk { op, what } => {
                    let run = self.nodes[&id].run;
                    let latency = self.draw_us(self.network.disk_us);
                    let latency = match self.network.stuck_disks.contains(&id) {
                        true => latency + Duration::from_secs(3600),
                        false => latency,
                    };
                    let now = self.now;
                    let disk = &mut self.nodes.get_mut(&id).expect("a node").disk;
                    if let Some((at, number)) = disk.submit(now, latency, what) {
                        self.push(at.since(now), Queued::Disk(id, run, op, number));
                    }
                }
                Output::Trace(event) => {
                    let nodes = &self.nodes;
                    self.rules
                        .on_event(id, &event, |node| nodes[&node].disk.durable_entries());
                    let node = self.nodes.get_mut(&id).expect("a node");
                    if let Event::QuorumRoleChanged(trace::QuorumRoleChanged { role, epoch, leader }) = event {
                        node.roles.push((role, epoch, leader));
                    }
                    node.events.push(event);
                }
                Output::Halt { reason } => panic!("{id} halts: {reason:?}"),
                Output::Open { .. } | Output::Close { .. } => {}
            }
        }
        while let Some(fact) = self.running(id).quorum.next_fact() {
            let node = self.nodes.get_mut(&id).expect("a node");
            match fact {
                QuorumFact::BecameLeader { epoch } => node.leaderships.push(Some(epoch)),
                QuorumFact::LostLeadership => node.leaderships.push(None),
                QuorumFact::Committed { entries, end } => self.rules.on_committed(id, &entries, end),
            }
        }
    }

    fn send_request(&mut self, from: NodeId, to: NodeId, id: RequestId, body: Request) {
        let node = &self.nodes[&from];
        if let Request::Fetch(fetch) = &body {
            let partition = &fetch.partitions[0];
            let epoch = partition.current_leader_epoch.expect("a replica says its epoch");
            let stored = node.disk.durable(FileName::QuorumState);
            self.rules.on_fetch(
                from,
                partition.fetch_offset,
                epoch,
                &node.disk.durable_entries(),
                &stored,
            );
        }
        let reply_to = ReplyTo {
            node: from,
            connection: ConnectionId::Inbound(node.run),
            id,
        };
        self.transmit(from, to, || Queued::Request(to, reply_to, body.clone()));
    }

    fn send_response(&mut self, from: NodeId, to: ReplyTo, body: Response) {
        if let Response::Vote(vote) = &body
            && vote.granted
        {
            let request = &self.votes_asked[&to];
            let stored = self.nodes[&from].disk.durable(FileName::QuorumState);
            self.rules.on_vote_granted(from, request, &stored);
        }
        if to.node == STRANGER {
            self.answers.push(body);
            return;
        }
        self.transmit(from, to.node, || Queued::Response(to, from, body.clone()));
    }

    fn transmit(&mut self, from: NodeId, to: NodeId, message: impl Fn() -> Queued) {
        if self.network.cut.contains(&(from, to)) || self.rng.chance(self.network.loss) {
            return;
        }
        let copies = 1 + u32::from(self.rng.chance(self.network.duplication));
        for _ in 0..copies {
            let mut delay = self.draw_us(self.network.delay_us);
            if self.rng.chance(self.network.late) {
                delay = self.draw_us((0, 20_000_000));
            }
            self.push(delay, message());
        }
    }

    fn push(&mut self, delay: Duration, queued: Queued) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), queued);
    }

    fn draw_us(&mut self, (from, to): (u64, u64)) -> Duration {
        Duration::from_micros(self.rng.within(from..=to))
    }

    fn running(&mut self, id: NodeId) -> &mut Running {
        let node = self.nodes.get_mut(&id).expect("a node");
        node.running.as_mut().expect("the node runs")
    }
}

/// The run of the node that asked.
fn run_of(reply_to: ReplyTo) -> u64 {
    match reply_to.connection {
        ConnectionId::Inbound(run) => run,
        ConnectionId::Outbound(_) => panic!("a response goes over a connection that a peer opened"),
    }
}

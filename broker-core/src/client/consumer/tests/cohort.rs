//! Several consumers in one group, with the broker's own group state machine as their coordinator: lost connections,
//! crashes, applications that fall silent, coordinators that move.
//!
//! Whatever happens, no partition is owned by two members that could both commit, and no position is stored past a
//! record that no application is done with. When the faults end, every partition has an owner again, and all records
//! are processed.

use alloc::collections::BTreeSet;
use alloc::string::ToString;

use proptest::prelude::*;

use super::*;
use crate::config::{BrokerConfig, GroupProtocol};
use crate::group::{Decision, GroupRecord, Groups, Topics};
use crate::machine::{ConnectionId, Context, Now, Peers, ReplyTo};
use crate::protocol::{
    FindCoordinatorResponse, OffsetAndMetadata, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchResponse,
};
use crate::topic_pattern::TopicPattern;
use crate::types::{GroupEpoch, Listener, TopicId, TopicName};

struct Catalogue(u32);

impl Topics for Catalogue {
    fn topic(&self, name: &TopicName) -> Option<(TopicId, u32)> {
        (&*name.0 == "t").then_some((TOPIC, self.0))
    }

    fn name(&self, id: TopicId) -> Option<TopicName> {
        (id == TOPIC).then(|| "t".into())
    }

    fn matching(&self, pattern: &TopicPattern) -> Vec<TopicName> {
        let topic = TopicName::from("t");
        Some(topic).filter(|topic| pattern.matches(topic)).into_iter().collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Style {
    Eager(&'static str),
    Cooperative,
    Consumer,
}

#[derive(Clone, Debug)]
struct Faults {
    /// Out of 1000 application steps.
    lost: u64,
    crash: u64,
    silence: u64,
    failover: u64,
    close: u64,
}

fn faults() -> impl Strategy<Value = Faults> {
    (0..40u64, 0..15u64, 0..10u64, 0..15u64, 0..15u64).prop_map(|(lost, crash, silence, failover, close)| Faults {
        lost,
        crash,
        silence,
        failover,
        close,
    })
}

/// A process with a consumer. What its application got since it last polled it may not be done with.
struct Process {
    consumer: Consumer,
    peers: Peers,
    /// Which of all processes; nobody answers to an earlier one.
    run: u64,
    polls_at: Instant,
    at_work: Vec<(TopicPartition, Offset)>,
}

enum Message {
    Request {
        from: usize,
        run: u64,
        sent: Sent,
    },
    Answer {
        to: usize,
        run: u64,
        id: RequestId,
        from: NodeId,
        connection: ConnectionId,
        body: Response,
    },
}

struct World {
    style: Style,
    quirks: Quirks,
    faults: Faults,
    rng: Random,
    now: Instant,
    bench: Bench,
    processes: Vec<Process>,
    runs: u64,
    messages: BTreeMap<(Instant, u64), Message>,
    sent: u64,
    // The coordinator.
    groups: Groups,
    node: u32,
    log: Vec<GroupRecord>,
    waiting: BTreeMap<ReplyTo, (usize, u64, ConnectionId)>,
    stored: BTreeMap<TopicPartition, OffsetAndMetadata>,
    done: BTreeMap<TopicPartition, BTreeSet<Offset>>,
}

fn broker_config() -> BrokerConfig {
    BrokerConfig {
        group_initial_rebalance_delay_ms: 100,
        group_consumer_session_timeout_ms: 6_000,
        group_consumer_heartbeat_interval_ms: 1_000,
        ..BrokerConfig::default()
    }
}

impl World {
    fn new(seed: u64, style: Style, quirks: Quirks, faults: Faults, members: usize, partitions: usize) -> World {
        let mut bench = Bench::new(AutoOffsetReset::Earliest, partitions);
        for log in &mut bench.logs {
            log.append(30);
        }
        let now = bench.now;
        let mut groups = Groups::new(&broker_config(), quirks);
        groups.loaded(now);
        let mut world = World {
            style,
            quirks,
            faults,
            rng: Random::new(seed, "cohort"),
            now,
            bench,
            processes: Vec::new(),
            runs: 0,
            messages: BTreeMap::new(),
            sent: 0,
            groups,
            node: 1,
            log: Vec::new(),
            waiting: BTreeMap::new(),
            stored: BTreeMap::new(),
            done: BTreeMap::new(),
        };
        for _ in 0..members {
            let process = world.process();
            world.processes.push(process);
        }
        world
    }

    fn process(&mut self) -> Process {
        let (protocol, strategy) = match self.style {
            Style::Eager(strategy) => (GroupProtocol::Classic, strategy),
            Style::Cooperative => (GroupProtocol::Classic, "cooperative-sticky"),
            Style::Consumer => (GroupProtocol::Consumer, "range"),
        };
        let config = ConsumerConfig {
            group_protocol: protocol,
            partition_assignment_strategy: vec![strategy.to_string()],
            session_timeout_ms: 6_000,
            heartbeat_interval_ms: 1_000,
            max_poll_interval_ms: 8_000,
            request_timeout_ms: 3_000,
            auto_commit_interval_ms: 1_000,
            max_poll_records: 5,
            enable_auto_commit: true,
            ..groups::member_config(protocol)
        };
        self.runs += 1;
        let rng = Random::new(self.rng.next_u64(), "consumer");
        let mut consumer = Consumer::new(config, crate::client::two_brokers(), rng).with_quirks(self.quirks);
        consumer.subscribe(Now::at(self.now), vec!["t".into()]);
        Process {
            consumer,
            peers: Peers::default(),
            run: self.runs,
            polls_at: self.now + ms(self.rng.below(300)),
            at_work: Vec::new(),
        }
    }

    /// One thing happens: the next that is due.
    fn step(&mut self) {
        let message = self.messages.first_key_value().map(|((at, _), _)| *at);
        let own = self.groups.deadline();
        let process = |process: &Process| process.consumer.deadline().into_iter().chain([process.polls_at]).min();
        let next = self
            .processes
            .iter()
            .filter_map(process)
            .chain(own)
            .chain(message)
            .min();
        self.now = self.now.max(next.expect("applications poll"));
        self.bench.now = self.now;
        if own.is_some_and(|at| at <= self.now) {
            self.decide(|groups, cx, topics| groups.on_wake(cx, topics));
        }
        while let Some(((at, _), _)) = self.messages.first_key_value()
            && *at <= self.now
            && let Some((_, message)) = self.messages.pop_first()
        {
            self.deliver(message);
        }
        for at in 0..self.processes.len() {
            let process = &mut self.processes[at];
            if process.consumer.deadline().is_some_and(|at| at <= self.now) {
                process.consumer.handle(Now::at(self.now), Input::Wake);
                let next = process.consumer.deadline();
                assert!(next.is_none_or(|next| next > self.now), "a wake changed nothing");
            }
            if self.processes[at].polls_at <= self.now {
                self.application(at);
            }
            self.drain(at);
        }
        self.check();
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.rng.below(1000) < per_mille
    }

    /// An application's turn: it is done with what it had, hears what there is, and takes more.
    fn application(&mut self, at: usize) {
        let pause = ms(20 + self.rng.below(150));
        self.processes[at].polls_at = self.now + pause;
        if self.chance(self.faults.silence) {
            let silence = ms(self.rng.below(20_000));
            self.processes[at].polls_at = self.now + silence;
        } else if self.chance(self.faults.lost) {
            self.lose(at);
        } else if self.chance(self.faults.crash) {
            self.processes[at] = self.process();
            return;
        } else if self.chance(self.faults.failover) {
            self.fail_over();
        } else if self.chance(self.faults.close) {
            self.processes[at].consumer.close(Now::at(self.now));
        }
        let process = &mut self.processes[at];
        for (id, offset) in process.at_work.drain(..) {
            self.done.entry(id).or_default().insert(offset);
        }
        if process.consumer.is_closed() {
            self.processes[at] = self.process();
            return;
        }
        process.consumer.polled(Now::at(self.now));
        while process.consumer.rebalance().is_some() {
            process.consumer.rebalance_done(Now::at(self.now));
        }
        let records = process.consumer.take_records(Now::at(self.now));
        let taken = records.iter().map(|record| (record.partition, record.record.offset));
        process.at_work.extend(taken);
    }

    fn lose(&mut self, at: usize) {
        let peer = NodeId(1 + self.rng.below(2) as u32);
        self.messages.retain(|_, message| match message {
            Message::Request { from, sent, .. } => *from != at || sent.to != peer,
            Message::Answer { to, from, .. } => *to != at || *from != peer,
        });
        let process = &mut self.processes[at];
        for lost in process.peers.lost(peer) {
            process.consumer.handle(Now::at(self.now), lost);
        }
    }

    fn fail_over(&mut self) {
        let mut next = Groups::new(&broker_config(), self.quirks);
        for record in &self.log {
            next.replay(record);
        }
        next.loaded(self.now);
        let old = core::mem::replace(&mut self.groups, next);
        let replies = old.abandon();
        self.reply(replies);
        self.node = 3 - self.node;
    }

    // ---- messages

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.processes[at].consumer.poll() {
            let now = Now::at(self.now);
            let process = &mut self.processes[at];
            let set_up = Peers::set_up(&output);
            let output = process.peers.follow(output);
            if let Some(input) = set_up {
                process.consumer.handle(now, input);
            }
            let Some(output) = output else {
                continue;
            };
            match output {
                Output::Request { connection, id, body } => {
                    let run = self.processes[at].run;
                    let to = self.processes[at].peers.of(connection);
                    let sent = Sent {
                        to,
                        connection,
                        id,
                        body,
                    };
                    let delay = ms(1 + self.rng.below(15));
                    self.post(delay, Message::Request { from: at, run, sent });
                }
                Output::Trace(_) => {}
                other => panic!("{other:?}"),
            }
        }
        while self.processes[at].consumer.next_notice().is_some() {}
    }

    fn post(&mut self, delay: Duration, message: Message) {
        self.sent += 1;
        self.messages.insert((self.now + delay, self.sent), message);
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Answer {
                to,
                run,
                id,
                connection,
                body,
                ..
            } => {
                if self.processes[to].run == run {
                    let input = Input::Response { connection, id, body };
                    self.processes[to].consumer.handle(Now::at(self.now), input);
                }
            }
            Message::Request { from, run, sent } => {
                let is_coordinator = sent.to == NodeId(self.node);
                let reply_to = ReplyTo {
                    node: sent.to,
                    connection: ConnectionId::Inbound(run),
                    id: sent.id,
                };
                self.waiting.insert(reply_to, (from, run, sent.connection));
                if let Some(body) = self.serve(&sent, is_coordinator) {
                    self.reply(vec![(reply_to, body)]);
                } else {
                    self.decide(|groups, cx, topics| groups.on_request(cx, topics, reply_to, None, sent.body));
                }
            }
        }
    }

    /// The answer, unless the group gives it.
    fn serve(&mut self, sent: &Sent, is_coordinator: bool) -> Option<Response> {
        let denied = (!is_coordinator).then_some(ErrorCode::NotCoordinator);
        Some(match &sent.body {
            Request::Metadata(_) | Request::Fetch(_) | Request::ListOffsets(_) | Request::OffsetForLeaderEpoch(_) => {
                self.bench.serve(sent)
            }
            Request::FindCoordinator(_) => FindCoordinatorResponse {
                error: ErrorCode::None,
                coordinator: Some((NodeId(self.node), Endpoint::of(NodeId(self.node), Listener::Broker))),
            }
            .into(),
            Request::OffsetCommit(request) => {
                let error = denied.or(self.groups.validate_commit(request).err());
                if error.is_none() {
                    self.store(request);
                    self.groups.committed(self.now, request);
                }
                let error = error.unwrap_or(ErrorCode::None);
                OffsetCommitResponse {
                    partitions: request.partitions.iter().map(|(id, _)| (*id, error)).collect(),
                }
                .into()
            }
            Request::OffsetFetch(request) => {
                let error = denied.or(self.groups.validate_fetch(request).err());
                let asked = request.partitions.iter().flatten();
                OffsetFetchResponse {
                    error: error.unwrap_or(ErrorCode::None),
                    partitions: asked.map(|id| (*id, self.stored.get(id).cloned())).collect(),
                }
                .into()
            }
            _ if is_coordinator => return None,
            Request::JoinGroup(_) => crate::protocol::JoinGroupResponse {
                error: ErrorCode::NotCoordinator,
                generation: GroupEpoch::NONE,
                protocol: None,
                leader: None,
                member: None,
                members: Vec::new(),
                skip_assignment: false,
            }
            .into(),
            Request::SyncGroup(_) => crate::protocol::SyncGroupResponse {
                error: ErrorCode::NotCoordinator,
                assignment: bytes::Bytes::new(),
            }
            .into(),
            Request::Heartbeat(_) => crate::protocol::HeartbeatResponse {
                error: ErrorCode::NotCoordinator,
            }
            .into(),
            Request::LeaveGroup(_) => crate::protocol::LeaveGroupResponse {
                error: ErrorCode::NotCoordinator,
            }
            .into(),
            Request::ConsumerGroupHeartbeat(_) => crate::protocol::ConsumerGroupHeartbeatResponse {
                error: ErrorCode::NotCoordinator,
                member_epoch: GroupEpoch::NONE,
                heartbeat_interval: Duration::ZERO,
                assignment: None,
            }
            .into(),
            other => panic!("{other:?}"),
        })
    }

    fn store(&mut self, request: &OffsetCommitRequest) {
        for (id, position) in &request.partitions {
            let done = self.done.entry(*id).or_default();
            let missed = (0..position.offset.0).find(|offset| !done.contains(&Offset(*offset)));
            assert_eq!(
                missed, None,
                "{id} was committed at {} before that was done",
                position.offset
            );
            self.stored.insert(*id, position.clone());
        }
    }

    fn decide(&mut self, act: impl FnOnce(&mut Groups, &mut Context<'_>, &Catalogue) -> Decision) {
        let topics = Catalogue(self.bench.logs.len() as u32);
        let mut out = Outbox::default();
        let mut cx = Context::new(Now::at(self.now), &mut self.rng, &mut out);
        let decision = act(&mut self.groups, &mut cx, &topics);
        for record in decision.records {
            self.groups.replay(&record);
            self.log.push(record);
        }
        self.reply(decision.replies);
    }

    fn reply(&mut self, replies: Vec<(ReplyTo, Response)>) {
        for (reply_to, body) in replies {
            let Some((to, run, connection)) = self.waiting.remove(&reply_to) else {
                panic!("{reply_to:?} was answered twice");
            };
            let is_empty = |answer: &FetchResponse| answer.partitions.iter().all(|p| p.records.is_empty());
            let held = matches!(&body, Response::Fetch(answer) if is_empty(answer));
            let delay = if held { ms(500) } else { ms(1 + self.rng.below(15)) };
            let answer = Message::Answer {
                to,
                run,
                id: reply_to.id,
                from: reply_to.node,
                connection,
                body,
            };
            self.post(delay, answer);
        }
    }

    // ---- what must hold

    /// Who owns each partition and may commit.
    fn owners(&self) -> BTreeMap<TopicPartition, Vec<u64>> {
        let mut owners: BTreeMap<TopicPartition, Vec<u64>> = BTreeMap::new();
        for process in &self.processes {
            let Some((member, epoch)) = process.consumer.group_metadata() else {
                continue;
            };
            let commit = OffsetCommitRequest {
                group: "g".into(),
                generation_id_or_member_epoch: epoch,
                member: Some(member),
                instance: None,
                partitions: Vec::new(),
            };
            if self.groups.validate_commit(&commit).is_ok() {
                for id in process.consumer.assignment() {
                    owners.entry(id).or_default().push(process.run);
                }
            }
        }
        owners
    }

    fn check(&self) {
        for (id, owners) in self.owners() {
            assert!(owners.len() < 2, "{id} is owned by {owners:?} at {:?}", self.now);
        }
    }

    fn is_settled(&self) -> bool {
        let owners = self.owners();
        let counts: Vec<usize> = self
            .processes
            .iter()
            .map(|process| process.consumer.assignment().len())
            .collect();
        let mut logs = self.bench.logs.iter().enumerate();
        let is_read = |(at, log): (usize, &Log)| {
            let stored = self.stored.get(&tp(at as i32));
            stored.is_some_and(|stored| stored.offset.0 == log.end())
        };
        owners.len() == self.bench.logs.len()
            && owners.values().all(|owners| owners.len() == 1)
            && counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1
            && logs.all(is_read)
    }
}

fn hold(seed: u64, style: Style, quirks: Quirks, faults: Faults) {
    let mut world = World::new(seed, style, quirks, faults, 4, 6);
    let until = world.now + Duration::from_secs(60);
    while world.now < until {
        world.step();
        if world.chance(5) {
            let at = world.rng.below(6) as usize;
            world.bench.logs[at].append(3);
        }
    }
    world.faults = Faults {
        lost: 0,
        crash: 0,
        silence: 0,
        failover: 0,
        close: 0,
    };
    let until = world.now + Duration::from_secs(120);
    while !world.is_settled() {
        world.step();
        assert!(world.now < until, "{style:?} does not settle: {:?}", world.owners());
    }
}

/// Holds with a planted defect until it shows.
fn hold_with(quirk: &str, style: Style) {
    let mut quirks = Quirks::default();
    quirks.enable(quirk).unwrap();
    for seed in 0..20 {
        let faults = Faults {
            lost: 20,
            crash: 10,
            silence: 5,
            failover: 5,
            close: 10,
        };
        hold(seed, style, quirks, faults);
    }
}

#[test]
#[should_panic(expected = "before that was done")]
fn a_commit_of_what_nobody_got_is_noticed() {
    hold_with("prefetch-autocommit", Style::Eager("range"));
}

#[test]
#[should_panic(expected = "is owned by")]
fn a_coordinator_that_gives_away_what_is_still_owned_is_noticed() {
    hold_with("two-owners-one-epoch", Style::Consumer);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn eager_members_share_and_lose_nothing(seed: u64, faults in faults()) {
        let strategy = ["range", "roundrobin", "sticky"][seed as usize % 3];
        hold(seed, Style::Eager(strategy), Quirks::default(), faults);
    }

    #[test]
    fn cooperative_members_share_and_lose_nothing(seed: u64, faults in faults()) {
        hold(seed, Style::Cooperative, Quirks::default(), faults);
    }

    #[test]
    fn members_of_the_consumer_protocol_share_and_lose_nothing(seed: u64, faults in faults()) {
        hold(seed, Style::Consumer, Quirks::default(), faults);
    }
}

//! The world and its loop.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Duration;

use broker_core::broker::Roles;
use broker_core::digest::DigestHasher;
use broker_core::random::Random;
use broker_core::types::{Endpoint, Listener, NodeId};

use super::cluster::Cluster;
use super::drivers::Drivers;
use super::event::{self, WorldEvent};
use super::host::{self, Host};
use super::network::Network;
use super::node::{Costs, Kind, Node};
use super::plan::Faults;
use super::queue::Queue;
use super::{End, NodeFactory, Report, Setup, server_name, servers};
use crate::address;
use crate::clocks::NodeClocks;
use crate::gauge::{self, Gauge};
use crate::history::{Observer, SimTime};
use crate::panics::Panic;
use crate::program::station::{Client, Running, Shared, SleeperId, Station};
use crate::program::{Cast, Role};
use crate::running::During;
use crate::scenario::Scenario;

/// How often the observer is asked whether the healed cluster has settled.
const SETTLE_INTERVAL: Duration = Duration::from_millis(100);

/// Runs a world with servers of any kind.
pub(super) fn run<O: Observer>(setup: Setup<'_>, cast: Cast, node_factory: NodeFactory, observer: O) -> (Report, O) {
    host::block_on(setup.seed, async move {
        let mut world = World::new(&setup, cast, node_factory, observer);
        let end = world.run().await;
        world.host.end(&mut world.station).await;
        world.finish(end)
    })
}

/// Everything that is simulated.
pub(super) struct World<'a, O> {
    pub(super) scenario: &'a Scenario,
    pub(super) seed: u64,
    pub(super) trace: bool,
    pub(super) now: u64,
    /// Delivered events.
    pub(super) step: u64,
    pub(super) digest: DigestHasher,
    pub(super) queue: Queue<WorldEvent>,
    /// Servers first, then the clients.
    pub(super) nodes: Vec<Node>,
    pub(super) roles: Vec<Roles>,
    /// The place of each node in `nodes`.
    pub(super) places: BTreeMap<NodeId, usize>,
    /// The node that listens at each endpoint, by its place, and for what.
    pub(super) addresses: BTreeMap<Endpoint, (usize, Listener)>,
    pub(super) network: Network,
    pub(super) costs: Costs,
    pub(super) cluster: Cluster,
    pub(super) faults: Faults<'a>,
    pub(super) node_factory: NodeFactory,
    pub(super) cast: Arc<Cast>,
    /// What programs and the world share; programs have it while they run.
    pub(super) station: Box<Station>,
    pub(super) host: Host,
    pub(super) drivers: Drivers,
    has_own_programs: bool,
    pub(super) observer: O,
    /// How many programs' waits have ended since they last ran.
    pub(super) woken: u32,
    /// Requests and responses delivered.
    pub(super) messages: u64,
    /// About how many bytes logs and history take.
    pub(super) memory: u64,
    records_sent: u64,
    /// The limit of simulated time.
    last_moment: u64,
    gauge: Option<&'a Gauge>,
    /// The event at which it is looked at next.
    next_look: u64,
    end: Option<End>,
}

impl<'a, O: Observer> World<'a, O> {
    fn new(setup: &Setup<'a>, cast: Cast, node_factory: NodeFactory, observer: O) -> World<'a, O> {
        let (scenario, seed) = (setup.scenario, setup.seed);
        let servers = servers(&scenario.cluster);
        let cast = Arc::new(cast);
        let clocks = |id: NodeId| NodeClocks::draw(&mut Random::new(seed, &format!("clock {id}")));
        let mut nodes: Vec<Node> = Vec::new();
        for (id, _) in &servers {
            nodes.push(Node::new(*id, server_name(*id), Kind::Server, clocks(*id)));
        }
        let mut clients = Vec::new();
        for (place, endpoint) in cast.endpoints.iter().enumerate() {
            let clocks = clocks(cast.head_of(place).id);
            clients.push(Client::new(endpoint.id, endpoint.name.clone(), clocks));
            let name = format!("client {}", endpoint.name);
            nodes.push(Node::new(endpoint.id, name, Kind::Client(place), clocks));
        }
        let programs = cast.members.iter().map(|member| Running::new(member.endpoints.clone()));
        let station = Box::new(Station::new(clients, programs.collect(), scenario));
        let places = nodes.iter().enumerate().map(|(place, node)| (node.id, place));
        let places = places.collect();
        let mut addresses = BTreeMap::new();
        for (place, (id, roles)) in servers.iter().enumerate() {
            for (listener, endpoint) in address::listeners(*id, *roles).0 {
                addresses.insert(endpoint, (place, listener));
            }
        }
        World {
            scenario,
            seed,
            trace: setup.trace,
            now: 0,
            step: 0,
            digest: DigestHasher::new(),
            queue: Queue::new(),
            network: Network::new(
                nodes.iter().map(|node| node.id).collect(),
                &scenario.cluster.network,
                seed,
            ),
            nodes,
            roles: servers.iter().map(|(_, roles)| *roles).collect(),
            places,
            addresses,
            costs: Costs::new(&scenario.cluster.hardware),
            cluster: Cluster::default(),
            faults: Faults::new(setup.plan),
            node_factory,
            host: Host::new(Shared::new(), Arc::clone(&cast), seed),
            drivers: Drivers::new(cast.members.len()),
            has_own_programs: cast
                .members
                .iter()
                .any(|member| matches!(member.role, Role::Own { .. })),
            cast,
            station,
            observer,
            woken: 0,
            messages: 0,
            memory: 0,
            records_sent: 0,
            last_moment: SimTime::after(scenario.limits.sim_time).0,
            gauge: setup.gauge,
            next_look: 0,
            end: None,
        }
    }

    async fn run(&mut self) -> End {
        self.set_up();
        self.run_drivers();
        self.run_programs().await;
        loop {
            if let Some(end) = self.end.take().or_else(|| self.exceeded_limit()) {
                return end;
            }
            if self.step >= self.next_look
                && let Some(end) = self.look_at_gauge()
            {
                return end;
            }
            if self.has_own_programs {
                self.run_timers().await;
            }
            let Some((time, event)) = self.queue.pop() else {
                return End::NotSettled(vec!["nothing is left that could happen".to_owned()]);
            };
            self.now = time;
            self.dispatch(event);
            self.run_drivers();
            if self.woken > 0 {
                self.run_programs().await;
            }
        }
    }

    /// The beginning: every process starts, and the course of the trial is laid down.
    fn set_up(&mut self) {
        for index in 0..self.nodes.len() {
            match self.nodes[index].kind {
                Kind::Client(place) if !self.cast.member_of(place).role.starts_at_once() => {}
                _ => self.start(index),
            }
        }
        self.faults.schedule(&mut self.queue);
        self.queue
            .push(SimTime::after(self.scenario.duration).0, WorldEvent::Heal);
    }

    fn dispatch(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Message(message) => self.arrive(message),
            WorldEvent::Input {
                node,
                incarnation,
                input,
                cost,
            } => self.reach(node, incarnation, *input, cost),
            WorldEvent::Call { node, incarnation } => self.call(node, incarnation),
            WorldEvent::Alarm { node, incarnation } => self.alarm(node, incarnation),
            WorldEvent::Disk(done) => self.disk_done(*done),
            WorldEvent::Handshake(connection, step) => self.shake_hands(connection, step),
            WorldEvent::Closed(connection) => self.notify(connection),
            WorldEvent::Ring(sleeper) => self.ring(sleeper),
            WorldEvent::RingDriver(program) => self.ring_driver(program),
            WorldEvent::Begin(fault) => self.begin_fault(fault),
            WorldEvent::End(fault) => self.time_is_up(fault),
            WorldEvent::Heal => self.heal(),
            WorldEvent::Settle => self.ask_whether_settled(),
        }
    }

    // ---- programs

    /// Lets programs run until all of them wait, and does what they asked for meanwhile.
    async fn run_programs(&mut self) {
        loop {
            self.station.at = self.at();
            self.woken += self.station.take_woken();
            let woken = std::mem::take(&mut self.woken);
            let now = SimTime(self.now);
            if !self.host.run_programs(&mut self.station, now, woken).await {
                self.never_waits();
            }
            if self.has_own_programs {
                self.note_refusal();
            }
            self.after_programs();
            self.run_drivers();
            if self.woken == 0 || self.end.is_some() {
                return;
            }
        }
    }

    /// Lets programs run whose own timers ring before the next event. Trial's programs sleep on the world's clock; only
    /// a user's can have others, and only their trials pay for this.
    async fn run_timers(&mut self) {
        while let Some(next) = self.queue.next_time()
            && self.end.is_none()
            && self.host.run_timers(&mut self.station, SimTime(next)).await
        {
            self.now = self.station.at.time.0;
            self.count(event::Kind::Timer, event::NOWHERE, |_| {});
            self.run_programs().await;
        }
    }

    /// A program that wanted something of the real world has failed, as by a panic; perhaps it has panicked of it too.
    fn note_refusal(&mut self) {
        let Some(refusal) = guard::take_refusal() else {
            return;
        };
        let program = self
            .cast
            .members
            .iter()
            .position(|member| member.name == refusal.program);
        let program = program.expect("only programs run under the guard");
        let station = &mut self.station;
        if station.panicked.iter().all(|(panicked, _)| *panicked != program) {
            let panic = Panic {
                place: "the guard".to_owned(),
                message: refusal.to_string(),
                during: Some(During {
                    program: refusal.program,
                    time: SimTime(self.now),
                }),
            };
            station.panicked.push((program, panic));
        }
    }

    /// Programs or drivers run on and on at one instant.
    pub(super) fn never_waits(&mut self) {
        self.end = Some(End::Limit("the programs never wait".to_owned()));
    }

    /// Does what programs asked for.
    fn after_programs(&mut self) {
        self.station.take_woken();
        for (time, sleeper) in self.station.new_timers.drain(..) {
            self.queue.push(time.0.max(self.now), WorldEvent::Ring(sleeper));
        }
        let ended = std::mem::take(&mut self.station.ended);
        let panicked = std::mem::take(&mut self.station.panicked);
        self.serve_clients();
        for program in ended {
            self.program_ended(program);
        }
        for (program, panic) in panicked {
            self.program_panicked(program, panic);
        }
    }

    /// Passes on what clients have written, and carries out what their machines want.
    pub(super) fn serve_clients(&mut self) {
        self.records_sent = self.station.records;
        self.pass_on_entries();
        while let Some(place) = self.station.next_touched() {
            self.drain_client(place);
        }
    }

    fn ring(&mut self, sleeper: SleeperId) {
        if self.station.ring(sleeper) {
            self.woken += self.station.take_woken();
            self.count(event::Kind::Ring, event::NOWHERE, |_| {});
        }
    }

    // ---- the end

    /// Asks the observer, once all sends have ended, until it is content or time is up.
    fn ask_whether_settled(&mut self) {
        let missing = self.missing();
        if missing.is_empty() {
            self.end = Some(End::Settled);
            return;
        }
        let until = self.scenario.duration + self.scenario.settle;
        if self.now >= SimTime::after(until).0 {
            self.end = Some(End::NotSettled(missing));
            return;
        }
        self.ask_later();
    }

    /// Schedules the next question, at the end of the settle time at the latest.
    pub(super) fn ask_later(&mut self) {
        let until = SimTime::after(self.scenario.duration + self.scenario.settle).0;
        let next = self.now + SimTime::after(SETTLE_INTERVAL).0;
        self.queue.push(next.min(until.max(self.now)), WorldEvent::Settle);
    }

    fn missing(&mut self) -> Vec<String> {
        let station = &self.station;
        if !station.has_topics() {
            return vec!["the topics were never created".to_owned()];
        }
        let named = self.cast.endpoints.iter().zip(&station.clients);
        let unended: Vec<String> = named
            .filter_map(|(endpoint, client)| match client.open_sends() {
                0 if client.is_probing => Some(format!("client {} cannot send everywhere", endpoint.name)),
                0 => None,
                open => Some(format!("client {}: {open} sends have not ended", endpoint.name)),
            })
            .collect();
        if !unended.is_empty() {
            return unended;
        }
        self.observer.settled(self.at()).err().unwrap_or_default()
    }

    fn exceeded_limit(&self) -> Option<End> {
        let limits = &self.scenario.limits;
        let words = if self.step > limits.events {
            format!("more than {} events", limits.events)
        } else if self.records_sent > limits.records {
            format!("more than {} records", limits.records)
        } else if self.now > self.last_moment {
            format!("more than {:?} of simulated time", limits.sim_time)
        } else if self.memory > limits.memory {
            format!("more than {} bytes of logs and history", limits.memory)
        } else {
            return None;
        };
        Some(End::Limit(words))
    }

    fn look_at_gauge(&mut self) -> Option<End> {
        self.next_look = self.step + gauge::EVENTS;
        let reason = self.gauge?.note(self.step, self.now)?;
        Some(End::Limit(reason.to_owned()))
    }

    fn finish(self, end: End) -> (Report, O) {
        let report = Report {
            digest: self.digest.finish(),
            events: self.step,
            sim_time: SimTime(self.now),
            end,
            faults: self.faults.outcome(SimTime(self.now)),
            records_sent: self.records_sent,
            messages: self.messages,
        };
        (report, self.observer)
    }
}

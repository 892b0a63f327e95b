//! The fault plan: who is struck is decided when a fault begins, and all is undone when it ends.

mod effect;

use std::time::Duration;

use broker_core::machine::Input;
use broker_core::protocol::{ErrorCode, Response};

use super::FiredFault;
use super::chronicle::{Kind, NOWHERE};
use super::engine::{Happening, World, fold};
use super::network::{Body, Connection, Direction, Message, NOBODY, Trouble};
use super::node::State;
use super::queue::Queue;
use super::target::describe;
use crate::fault::{Fault, FaultPlan, PlannedFault};
use crate::history::{Environment, Observer, SimTime};
use crate::program::station::ServiceState;

/// How often a stop that waits for complete ISRs looks.
const SYNC_CHECK: Duration = Duration::from_millis(100);

/// The plan and what has become of it.
pub(super) struct Strikes<'a> {
    plan: &'a FaultPlan,
    strikes: Vec<Strike>,
    holds: Vec<Hold>,
    drops: Vec<Drop>,
    omissions: Vec<Omission>,
    healed: bool,
}

/// What has become of one fault.
#[derive(Default)]
struct Strike {
    name: String,
    began: Option<SimTime>,
    ended: Option<SimTime>,
    /// When it ends, if it began later than planned.
    ends_at: Option<u64>,
    fired: bool,
    /// What its end has to do.
    undo: Vec<Undo>,
}

impl Strike {
    /// Whether it holds now.
    fn is_on(&self) -> bool {
        self.began.is_some() && self.ended.is_none()
    }
}

/// A step back. Nodes are named by their place.
enum Undo {
    Start(usize),
    /// Only this run of the process was paused.
    Resume(usize, u32),
    Mend(usize, usize),
    Relieve(usize, usize),
    Disk(usize, f64),
    /// Only this run of the program was held still.
    Unstick(usize, u32),
    /// The work of the program that this node heads takes its time again.
    Hasten {
        head: usize,
        program: usize,
        factor: f64,
    },
    /// It answers again. It had refused so many calls before the fault.
    Service {
        name: String,
        refused: u64,
    },
    Release,
    /// What a drop or an omission takes away arrives again.
    Arrive,
    /// The beginning was told, so the end is too.
    Tell,
}

/// A fault `Hold` that waits for its message, or has it.
struct Hold {
    fault: usize,
    /// Pairs of sender and receiver.
    pairs: Vec<(usize, usize)>,
    wanted: (broker_core::protocol::ApiKey, Direction),
    /// The stream that is held, once the message came.
    caught: Option<(Connection, Direction)>,
    messages: Vec<Message>,
}

/// A fault `Drop` that holds.
struct Drop {
    fault: usize,
    /// Pairs of sender and receiver.
    pairs: Vec<(usize, usize)>,
    unwanted: (broker_core::protocol::ApiKey, Direction),
}

/// A fault `OmitTopic` that holds.
struct Omission {
    fault: usize,
    topic: String,
    /// Whose answers lack it.
    on: Vec<usize>,
}

impl<'a> Strikes<'a> {
    pub(super) fn new(plan: &'a FaultPlan) -> Strikes<'a> {
        let strike = |planned: &PlannedFault| Strike {
            name: describe(&planned.fault, ToString::to_string),
            ..Strike::default()
        };
        Strikes {
            plan,
            strikes: plan.iter().map(strike).collect(),
            holds: Vec::new(),
            drops: Vec::new(),
            omissions: Vec::new(),
            healed: false,
        }
    }

    pub(super) fn schedule(&self, queue: &mut Queue<Happening>) {
        for (number, planned) in self.plan.iter().enumerate() {
            queue.push(SimTime::after(planned.at).0, Happening::Begin(number));
            if let Some(until) = planned.until {
                queue.push(SimTime::after(until).0, Happening::End(number));
            }
        }
    }

    /// Whether a hold waits for this message.
    pub(super) fn holds(&mut self, from: usize, to: usize, body: &Body) -> bool {
        if self.holds.is_empty() {
            return false;
        }
        let wanted = (body.api_key(), body.direction());
        self.holds
            .iter()
            .any(|hold| hold.caught.is_none() && hold.wanted == wanted && hold.pairs.contains(&(from, to)))
    }

    /// Whether a fault makes this message vanish.
    pub(super) fn drops(&mut self, from: usize, to: usize, body: &Body) -> bool {
        if self.drops.is_empty() {
            return false;
        }
        let kind = (body.api_key(), body.direction());
        let drop = self
            .drops
            .iter()
            .find(|drop| drop.unwanted == kind && drop.pairs.contains(&(from, to)));
        if let Some(drop) = drop {
            self.strikes[drop.fault].fired = true;
        }
        drop.is_some()
    }

    /// Takes out of a broker's answer what it is to omit.
    pub(super) fn omit(&mut self, from: usize, body: &mut Response) {
        let Response::Metadata(metadata) = body else { return };
        for omission in self.omissions.iter().filter(|omission| omission.on.contains(&from)) {
            let mut topics = metadata.topics.iter_mut();
            if let Some(topic) = topics.find(|topic| *topic.name.0 == omission.topic) {
                topic.id = None;
                topic.error = ErrorCode::UnknownTopicOrPartition;
                topic.partitions.clear();
                self.strikes[omission.fault].fired = true;
            }
        }
    }

    /// Takes a message that a hold waits for, or that comes behind one that is held.
    pub(super) fn hold(&mut self, ends: (usize, usize), message: Message) {
        let direction = message.body.direction();
        let stream = (message.connection, direction);
        let wanted = (message.body.api_key(), direction);
        let behind = self.holds.iter().position(|hold| hold.caught == Some(stream));
        let first = || {
            let mut holds = self.holds.iter();
            holds.position(|hold| hold.caught.is_none() && hold.wanted == wanted && hold.pairs.contains(&ends))
        };
        let place = behind.or_else(first).expect("somebody holds the message");
        let hold = &mut self.holds[place];
        hold.caught = Some(stream);
        hold.messages.push(message);
        self.strikes[hold.fault].fired = true;
    }

    /// The plan as it came out by `now`.
    pub(super) fn outcome(&self, now: SimTime) -> Vec<FiredFault> {
        let came_out = |(strike, planned): (&Strike, &PlannedFault)| {
            let from = strike.began.unwrap_or(SimTime::after(planned.at));
            FiredFault {
                name: strike.name.clone(),
                from,
                to: strike.ended.unwrap_or(now.max(from)),
                fired: strike.fired,
            }
        };
        self.strikes.iter().zip(self.plan).map(came_out).collect()
    }
}

impl<O: Observer> World<'_, O> {
    // ---- beginning

    pub(super) fn begin_fault(&mut self, number: usize) {
        if self.strikes.healed {
            return;
        }
        let PlannedFault { at, until, fault } = &self.strikes.plan[number];
        if matches!(fault, Fault::StopInSync(_)) {
            if !self.is_in_sync() {
                let again = self.now + SimTime::after(SYNC_CHECK).0;
                return self.queue.push(again, Happening::Begin(number));
            }
            // It lasts from now on, not from when it was to begin.
            if let Some(until) = until {
                let ends_at = self.now + SimTime::after(until.saturating_sub(*at)).0;
                self.strikes.strikes[number].ends_at = Some(ends_at);
                self.queue.push(ends_at, Happening::End(number));
            }
        }
        self.count(Kind::FaultBegins, NOWHERE, fold(number));
        self.strikes.strikes[number].began = Some(SimTime(self.now));
        // A target that cannot be found leaves the fault unfired, with the name that the plan gives it.
        let Some(name) = self.name(fault) else { return };
        self.strikes.strikes[number].name = name;
        self.strikes.strikes[number].undo = self.strike(number, fault);
        self.look_for_effects();
    }

    /// Whether no server is down or about to be, and every ISR is complete.
    fn is_in_sync(&self) -> bool {
        let servers = &self.nodes[..self.roles.len()];
        let all_run = servers.iter().all(|node| node.is_alive() && node.kept_down == 0);
        all_run && self.cluster.is_in_sync()
    }

    /// Does it, and returns how it is undone; nothing if it had no effect.
    fn strike(&mut self, number: usize, fault: &Fault) -> Vec<Undo> {
        match fault {
            Fault::Kill(target) => {
                let mut victims = self.resolve(target);
                victims.retain(|victim| self.nodes[*victim].is_alive());
                for victim in &victims {
                    self.die(*victim, State::Dead);
                    self.nodes[*victim].kept_down += 1;
                    self.note(*victim, Environment::Killed);
                }
                victims.into_iter().map(Undo::Start).collect()
            }
            Fault::PowerLoss(target) => {
                let mut victims = self.resolve(target);
                victims.retain(|victim| self.nodes[*victim].state != State::PowerOff);
                for victim in &victims {
                    self.cut_power(*victim);
                    self.nodes[*victim].kept_down += 1;
                }
                victims.into_iter().map(Undo::Start).collect()
            }
            Fault::Restart(target) => {
                let mut victims = self.resolve(target);
                victims.retain(|victim| self.nodes[*victim].is_alive());
                for victim in &victims {
                    self.die(*victim, State::Dead);
                    self.note(*victim, Environment::Killed);
                    self.start(*victim);
                }
                self.strikes.strikes[number].fired = !victims.is_empty();
                Vec::new()
            }
            Fault::Pause(target) => {
                let mut victims = self.resolve(target);
                victims.retain(|victim| self.nodes[*victim].is_alive());
                for victim in &victims {
                    self.nodes[*victim].kept_still += 1;
                    if self.nodes[*victim].state == State::Running {
                        self.pause(*victim);
                    }
                }
                let undo = victims.into_iter();
                undo.map(|victim| Undo::Resume(victim, self.nodes[victim].incarnation))
                    .collect()
            }
            Fault::Partition(groups) => {
                let mut groups: Vec<Vec<usize>> = groups
                    .iter()
                    .map(|group| group.iter().flat_map(|target| self.resolve(target)).collect())
                    .collect();
                if let [alone] = groups.as_slice() {
                    let others = (0..self.roles.len()).filter(|place| !alone.contains(place)).collect();
                    groups.push(others);
                }
                let mut pairs = Vec::new();
                for (number, group) in groups.iter().enumerate() {
                    for other in groups.iter().skip(number + 1).flatten() {
                        pairs.extend(group.iter().map(|node| (*node, *other)));
                        pairs.extend(group.iter().map(|node| (*other, *node)));
                    }
                }
                self.cut(number, pairs)
            }
            Fault::OneWay(from, to) => {
                let pairs = self.pairs(from, to);
                self.cut(number, pairs)
            }
            Fault::SlowDisk(target, factor) => {
                let victims = self.resolve(target);
                for victim in &victims {
                    self.nodes[*victim].disk_slowness.push(*factor);
                }
                self.tell_began(number);
                let undo = victims.into_iter().map(|victim| Undo::Disk(victim, *factor));
                undo.chain([Undo::Tell]).collect()
            }
            Fault::Link {
                from,
                to,
                drop,
                delay,
                duplicate,
            } => {
                let mut pairs = self.pairs(from, to);
                pairs.extend(self.pairs(to, from));
                // Where both ends mean many nodes, a link is named from either end.
                pairs.sort_unstable();
                pairs.dedup();
                for (from, to) in &pairs {
                    let trouble = Trouble {
                        fault: number,
                        drop: *drop,
                        delay: SimTime::after(*delay).0,
                        duplicate: *duplicate,
                    };
                    self.network.trouble(*from, *to, trouble);
                }
                self.tell_began(number);
                let undo = pairs.into_iter().map(|(from, to)| Undo::Relieve(from, to));
                undo.chain([Undo::Tell]).collect()
            }
            Fault::Hold {
                from,
                to,
                api,
                response,
            } => {
                let hold = Hold {
                    fault: number,
                    pairs: self.pairs(from, to),
                    wanted: (*api, direction(*response)),
                    caught: None,
                    messages: Vec::new(),
                };
                self.strikes.holds.push(hold);
                self.tell_began(number);
                vec![Undo::Release, Undo::Tell]
            }
            Fault::Drop {
                from,
                to,
                api,
                response,
            } => {
                let drop = Drop {
                    fault: number,
                    pairs: self.pairs(from, to),
                    unwanted: (*api, direction(*response)),
                };
                self.strikes.drops.push(drop);
                self.tell_began(number);
                vec![Undo::Arrive, Undo::Tell]
            }
            Fault::OmitTopic { topic, on } => {
                let omission = Omission {
                    fault: number,
                    topic: topic.clone(),
                    on: self.resolve(on),
                };
                self.strikes.omissions.push(omission);
                self.tell_began(number);
                vec![Undo::Arrive, Undo::Tell]
            }
            Fault::Stop(target) | Fault::StopInSync(target) => {
                let mut victims = self.resolve(target);
                victims.retain(|victim| self.nodes[*victim].is_alive());
                let programs: Vec<usize> = victims.iter().filter_map(|victim| self.headed_by(*victim)).collect();
                for victim in &victims {
                    self.nodes[*victim].kept_down += 1;
                }
                for program in programs {
                    self.ask_to_stop(program);
                }
                let servers = self.roles.len();
                for victim in victims.iter().filter(|victim| **victim < servers) {
                    self.accept(*victim, Input::Stop, 0);
                }
                self.told(number, victims.into_iter().map(Undo::Start).collect())
            }
            Fault::SlowProgram(target, factor) => {
                let mut undo = Vec::new();
                for head in self.resolve(target) {
                    let Some(program) = self.headed_by(head) else { continue };
                    self.station.programs[program].slowness.push(*factor);
                    undo.push(Undo::Hasten {
                        head,
                        program,
                        factor: *factor,
                    });
                }
                self.told(number, undo)
            }
            Fault::StuckPoll(target) => {
                let mut victims = self.resolve(target);
                victims.retain(|victim| self.nodes[*victim].is_alive() && self.headed_by(*victim).is_some());
                let mut undo = Vec::new();
                for victim in victims {
                    self.hold_program(victim);
                    undo.push(Undo::Unstick(victim, self.nodes[victim].incarnation));
                }
                self.told(number, undo)
            }
            Fault::ServiceDown(name) => {
                let close = |service: &mut ServiceState| {
                    service.down += 1;
                    service.refused
                };
                let refused = self.station.service(name).map(close);
                let undo = refused.map(|refused| Undo::Service {
                    name: name.clone(),
                    refused,
                });
                self.told(number, undo.into_iter().collect())
            }
            Fault::CreatePartitions { topic, partitions } => {
                self.create_partitions(topic, *partitions);
                self.strikes.strikes[number].fired = true;
                Vec::new()
            }
            Fault::RollingRestart { .. } => unreachable!("the plan has a stop for each"),
        }
    }

    fn cut(&mut self, number: usize, mut pairs: Vec<(usize, usize)>) -> Vec<Undo> {
        pairs.retain(|(from, to)| from != to);
        for (from, to) in &pairs {
            self.network.cut(*from, *to);
        }
        self.tell_began(number);
        let undo = pairs.into_iter().map(|(from, to)| Undo::Mend(from, to));
        undo.chain([Undo::Tell]).collect()
    }

    /// Tells that the fault began, and its end later, if it had an effect.
    fn told(&mut self, number: usize, mut undo: Vec<Undo>) -> Vec<Undo> {
        if !undo.is_empty() {
            self.tell_began(number);
            undo.push(Undo::Tell);
        }
        undo
    }

    fn tell_began(&mut self, number: usize) {
        let name = self.strikes.strikes[number].name.clone();
        self.note_everywhere(Environment::FaultBegan(name));
    }

    // ---- ending

    /// A fault's time may be over: not yet, if it began later than planned.
    pub(super) fn time_is_up(&mut self, number: usize) {
        let ends_at = self.strikes.strikes[number].ends_at;
        if ends_at.is_none_or(|ends_at| ends_at <= self.now) {
            self.end_fault(number);
        }
    }

    pub(super) fn end_fault(&mut self, number: usize) {
        if !self.strikes.strikes[number].is_on() {
            return;
        }
        self.look_for_effects();
        let strike = &mut self.strikes.strikes[number];
        strike.ended = Some(SimTime(self.now));
        let undo = std::mem::take(&mut strike.undo);
        self.count(Kind::FaultEnds, NOWHERE, fold(number));
        for step in undo {
            self.undo(number, step);
        }
        self.end_silence();
    }

    fn undo(&mut self, number: usize, step: Undo) {
        match step {
            Undo::Start(index) => {
                self.nodes[index].kept_down -= 1;
                if self.nodes[index].kept_down == 0 && !self.nodes[index].is_alive() {
                    self.start(index);
                }
            }
            Undo::Resume(index, incarnation) => {
                if self.nodes[index].is_in_run(incarnation) {
                    self.nodes[index].kept_still -= 1;
                    if self.nodes[index].kept_still == 0 {
                        self.resume(index);
                    }
                }
            }
            Undo::Unstick(index, incarnation) => {
                if self.nodes[index].is_in_run(incarnation) {
                    self.release_program(index);
                }
            }
            Undo::Hasten { program, factor, .. } => {
                let slowness = &mut self.station.programs[program].slowness;
                let place = slowness.iter().position(|slow| *slow == factor);
                slowness.remove(place.expect("the fault slowed it"));
            }
            Undo::Service { name, .. } => {
                if let Some(service) = self.station.service(&name) {
                    service.down -= 1;
                }
            }
            Undo::Arrive => {
                self.strikes.drops.retain(|drop| drop.fault != number);
                self.strikes.omissions.retain(|omission| omission.fault != number);
            }
            Undo::Mend(from, to) => self.network.mend(from, to),
            Undo::Relieve(from, to) => self.network.relieve(from, to, number),
            Undo::Disk(index, factor) => {
                let slowness = &mut self.nodes[index].disk_slowness;
                let place = slowness.iter().position(|slow| *slow == factor);
                slowness.remove(place.expect("the fault slowed it"));
            }
            Undo::Release => self.release(number),
            Undo::Tell => {
                let name = self.strikes.strikes[number].name.clone();
                self.note_everywhere(Environment::FaultEnded(name));
            }
        }
    }

    /// Lets the messages go that a hold caught, in their order.
    fn release(&mut self, number: usize) {
        let held = self.strikes.holds.iter().position(|hold| hold.fault == number);
        let hold = self.strikes.holds.remove(held.expect("a hold ends once"));
        if let Some((connection, direction)) = hold.caught {
            self.network.connections[connection as usize].held[direction as usize] = false;
        }
        for message in hold.messages {
            self.fly(message, self.now, 0);
        }
    }

    /// The safety phase is over: every fault ends, and everything runs.
    pub(super) fn heal(&mut self) {
        for number in 0..self.strikes.plan.len() {
            self.end_fault(number);
        }
        self.strikes.healed = true;
        for index in 0..self.nodes.len() {
            if !self.nodes[index].is_alive() && !self.nodes[index].has_ended {
                self.start(index);
            }
        }
        self.end_silence();
        self.count(Kind::Heal, NOWHERE, |_| {});
        self.note_everywhere(Environment::Healed);
        self.ask_later();
    }

    /// A message that is held belongs to the process that it was sent to, whoever runs there when it is let go.
    pub(super) fn pin_receiver(&mut self, connection: Connection, to: usize) {
        let state = &mut self.network.connections[connection as usize];
        if state.server_incarnation == NOBODY && state.server == to && self.nodes[to].is_alive() {
            state.server_incarnation = self.nodes[to].incarnation;
        }
    }
}

/// Which way a message of an API goes: its response, or its request.
fn direction(response: bool) -> Direction {
    match response {
        true => Direction::ToClient,
        false => Direction::ToServer,
    }
}

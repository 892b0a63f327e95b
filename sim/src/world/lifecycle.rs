//! Processes start, die, stand still and go on.

use broker_core::random::Random;

use super::NewNode;
use super::engine::World;
use super::node::{Kind, State};
use crate::history::{Environment, Observer, SimTime};
use crate::panics::Panic;
use crate::program::Role;
use crate::program::client::ClientMachine;

impl<O: Observer> World<'_, O> {
    /// A new run of a node's process begins.
    pub(super) fn start(&mut self, index: usize) {
        let had_power = self.nodes[index].state != State::PowerOff;
        let node = &mut self.nodes[index];
        node.start();
        let (id, incarnation) = (node.id, node.incarnation);
        let now = node.clocks.at(SimTime(self.now));
        match node.kind {
            Kind::Server => {
                let new = NewNode {
                    now,
                    id,
                    roles: self.roles[index],
                    random: Random::new(self.seed, &format!("node {id} run {incarnation}")),
                };
                self.nodes[index].machine = Some((self.node_factory)(new));
            }
            Kind::Client(place) => self.start_client(place, incarnation),
        }
        self.note(index, Environment::Started);
        self.look_for_effects();
        if !had_power {
            self.end_silence();
        }
        self.drain(index);
    }

    /// The endpoints of one program start together, and the program with the first of them.
    fn start_client(&mut self, place: usize, incarnation: u32) {
        let member = self.cast.member_of(place);
        let random = Random::new(self.seed, &format!("client {} run {incarnation}", member.name));
        self.station.at = self.at();
        self.station.start(place, incarnation);
        let Some(program) = self.cast.headed_by(place) else {
            return;
        };
        self.station.programs[program].start();
        if let Some((machine, promise)) = member.role.machine(self.station.new_client(random)) {
            self.station.open(place, machine, promise);
        }
        let random = member.random(self.seed, incarnation);
        match member.role.driver(&mut self.station, place, random) {
            Some(driver) => self.drivers.start(program, driver),
            None if matches!(member.role, Role::Admin { .. }) => {}
            None => {
                self.host.start(program);
                self.woken += 1;
            }
        }
    }

    /// A program came to its end by itself, and its process with it.
    pub(super) fn program_ended(&mut self, program: usize) {
        let goes_on = {
            let running = &self.station.programs[program];
            running.is_stopping || running.is_restarting
        };
        let nodes = self.end_process(program, Environment::Ended);
        // The fault that asked for its end is over already, or it is to be tried again.
        for index in nodes {
            if goes_on && self.nodes[index].kept_down == 0 {
                self.start(index);
            }
        }
    }

    /// A program panicked: its process is dead, and nothing but a fault's end starts it again.
    pub(super) fn program_panicked(&mut self, program: usize, panic: Panic) {
        let Panic { place, message, .. } = panic;
        self.end_process(program, Environment::Panicked { place, message });
    }

    /// The process of a program ends, for a reason that is noted at its first node; returns its nodes.
    fn end_process(&mut self, program: usize, why: Environment) -> Vec<usize> {
        let servers = self.roles.len();
        let places = self.cast.members[program].endpoints.clone();
        let nodes: Vec<usize> = places.map(|place| servers + place).collect();
        let mut why = Some(why);
        for index in &nodes {
            if self.nodes[*index].is_alive() {
                self.die(*index, State::Dead);
                self.nodes[*index].has_ended = true;
                self.note(*index, why.take().unwrap_or(Environment::Ended));
            }
        }
        nodes
    }

    /// Asks a program to end in good order.
    pub(super) fn ask_to_stop(&mut self, program: usize) {
        self.station.ask_to_stop(program);
        self.woken += self.station.take_woken();
    }

    /// The program of a process stands still, and all else in the process goes on.
    pub(super) fn hold_program(&mut self, head: usize) {
        self.nodes[head].held_programs += 1;
        if let Some(program) = self.headed_by(head) {
            self.pause_program(program);
        }
    }

    /// It goes on, if nothing else keeps it from that.
    pub(super) fn release_program(&mut self, head: usize) {
        self.nodes[head].held_programs -= 1;
        self.resume_program(head);
    }

    fn pause_program(&mut self, program: usize) {
        self.drivers.pause(program);
        self.host.pause(program);
    }

    fn resume_program(&mut self, head: usize) {
        let node = &self.nodes[head];
        let goes_on = node.held_programs == 0 && node.state == State::Running;
        if let Some(program) = self.headed_by(head).filter(|_| goes_on) {
            self.drivers.resume(program);
            self.host.resume(program);
            self.woken += u32::from(self.host.has(program));
        }
    }

    /// The program whose first endpoint a node is.
    pub(super) fn headed_by(&self, index: usize) -> Option<usize> {
        match self.nodes[index].kind {
            Kind::Client(place) => self.cast.headed_by(place),
            Kind::Server => None,
        }
    }

    /// Has the admin give a topic more partitions.
    pub(super) fn create_partitions(&mut self, topic: &str, partitions: u32) {
        let admin = self.cast.member("admin").expect("every cast has one").endpoints.start;
        let now = self.nodes[self.roles.len() + admin].clocks.at(SimTime(self.now));
        if let Some(ClientMachine::Admin(machine)) = &mut self.station.clients[admin].machine {
            machine.create_partitions(now, topic.into(), partitions);
        }
        self.drain_client(admin);
    }

    /// A node's process ends; `state` says whether its machine lives on.
    pub(super) fn die(&mut self, index: usize, state: State) {
        self.nodes[index].die(state, self.now);
        if let Kind::Client(place) = self.nodes[index].kind {
            if let Some(program) = self.cast.headed_by(place) {
                self.drivers.kill(program);
                self.host.kill(program);
                self.woken += u32::from(self.host.has(program));
            }
            self.station.at = self.at();
            self.station.die(place);
            self.pass_on_entries();
        }
        self.network.give_up_set_ups(index);
        for connection in self.network.open_connections(index) {
            let (client, server) = self.network.ends(connection, super::network::Direction::ToServer);
            let (direction, peer) = match client == index {
                true => (super::network::Direction::ToServer, server),
                false => (super::network::Direction::ToClient, client),
            };
            let silently = state == State::PowerOff || self.network.is_cut(index, peer);
            self.finish_connection(connection, direction, silently);
        }
    }

    /// Cuts the power of a node, whether its process runs or not.
    pub(super) fn cut_power(&mut self, index: usize) {
        if self.nodes[index].is_alive() {
            self.die(index, State::PowerOff);
        }
        let node = &mut self.nodes[index];
        node.state = State::PowerOff;
        node.power_cycle += 1;
        node.disk_free = self.now;
        let label = format!("power {} loss {}", node.id, node.power_cycle);
        let lost_bytes = node.disk.lose_power(&mut Random::new(self.seed, &label));
        self.note(index, Environment::PowerLost { lost_bytes });
    }

    /// A running process stands still.
    pub(super) fn pause(&mut self, index: usize) {
        self.nodes[index].state = State::Paused;
        if let Some(program) = self.headed_by(index) {
            self.pause_program(program);
        }
        self.note(index, Environment::Paused);
    }

    /// A paused process goes on.
    pub(super) fn resume(&mut self, index: usize) {
        self.nodes[index].state = State::Running;
        self.resume_program(index);
        self.note(index, Environment::Resumed);
        self.call_later(index);
    }
}

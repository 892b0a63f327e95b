//! What the world does for faults.

use broker_core::machine::Input;

use crate::faults::{Drift, Filter, Node, Primitives, Target, Trouble};
use crate::history::{Environment, Observer};
use crate::world::engine::World;
use crate::world::node::State;

/// The world, and the fault that acts on it.
pub(super) struct Acting<'w, W> {
    pub(super) world: &'w mut W,
    pub(super) fault: usize,
}

impl<O: Observer> Acting<'_, World<'_, O>> {
    /// Whether a node's clocks are its own: a server, or the first node of a program.
    fn has_clocks(&self, node: Node) -> bool {
        node < self.world.roles.len() || self.world.headed_by(node).is_some()
    }
}

impl<O: Observer> Primitives for Acting<'_, World<'_, O>> {
    // ---- what there is

    fn resolve(&self, target: &Target) -> Vec<Node> {
        self.world.resolve(target)
    }

    fn servers(&self) -> usize {
        self.world.roles.len()
    }

    fn is_alive(&self, node: Node) -> bool {
        self.world.nodes[node].is_alive()
    }

    fn has_power(&self, node: Node) -> bool {
        self.world.nodes[node].state != State::PowerOff
    }

    fn has_program(&self, node: Node) -> bool {
        self.world.headed_by(node).is_some()
    }

    fn is_in_sync(&self) -> bool {
        let mut servers = self.world.nodes[..self.servers()].iter();
        servers.all(|node| node.is_alive() && node.kept_down == 0) && self.world.cluster.is_in_sync()
    }

    // ---- processes

    fn kill(&mut self, node: Node) {
        self.world.die(node, State::Dead);
        self.world.note(node, Environment::Killed);
    }

    fn cut_power(&mut self, node: Node) {
        self.world.cut_power(node);
    }

    fn start(&mut self, node: Node) {
        self.world.start(node);
    }

    fn ask_to_stop(&mut self, node: Node) {
        if node < self.servers() {
            self.world.accept(node, Input::Stop, 0);
        } else if let Some(program) = self.world.headed_by(node) {
            self.world.ask_to_stop(program);
        }
    }

    fn keep_down(&mut self, node: Node) {
        self.world.nodes[node].kept_down += 1;
    }

    fn end_keep_down(&mut self, node: Node) {
        let state = &mut self.world.nodes[node];
        state.kept_down -= 1;
        if state.kept_down == 0 && !state.is_alive() {
            self.world.start(node);
        }
    }

    fn pause(&mut self, node: Node) -> u32 {
        let state = &mut self.world.nodes[node];
        state.kept_still += 1;
        let run = state.incarnation;
        if state.state == State::Running {
            self.world.pause(node);
        }
        run
    }

    fn resume(&mut self, node: Node, run: u32) {
        let state = &mut self.world.nodes[node];
        if state.is_in_run(run) {
            state.kept_still -= 1;
            if state.kept_still == 0 {
                self.world.resume(node);
            }
        }
    }

    // ---- hardware

    fn slow_disk(&mut self, node: Node, factor: f64) {
        self.world.nodes[node].disk_slowness.push(factor);
    }

    fn end_slow_disk(&mut self, node: Node, factor: f64) {
        take_out(&mut self.world.nodes[node].disk_slowness, factor);
    }

    fn cut(&mut self, from: Node, to: Node) {
        self.world.network.cut(from, to);
    }

    fn mend(&mut self, from: Node, to: Node) {
        self.world.network.mend(from, to);
    }

    fn cuts(&self, from: Node, to: Node) -> u32 {
        self.world.network.cuts(from, to)
    }

    fn trouble(&mut self, from: Node, to: Node, trouble: Trouble) {
        self.world.network.trouble(from, to, self.fault, trouble);
    }

    fn relieve(&mut self, from: Node, to: Node) {
        self.world.network.relieve(from, to, self.fault);
    }

    // ---- clocks

    fn jump_wall_clock(&mut self, node: Node, nanos: i64) {
        if nanos != 0 && self.has_clocks(node) {
            self.world.change_clocks(node, |clocks, _| clocks.jump_wall(nanos));
        }
    }

    fn drift_clocks(&mut self, node: Node, drift: Drift) {
        if !self.has_clocks(node) {
            return;
        }
        let sum = &mut self.world.nodes[node].clock_drift;
        sum.wall += drift.wall;
        sum.monotonic += drift.monotonic;
        // Many faults together cannot stop a clock.
        let [wall, monotonic] = [sum.wall, sum.monotonic].map(|ppm| ppm.clamp(-999_999, 1_000_000_000));
        if drift.wall != 0 {
            self.world
                .change_clocks(node, |clocks, now| clocks.drift_wall(now, wall));
        }
        if drift.monotonic != 0 {
            self.world
                .change_clocks(node, |clocks, now| clocks.drift_monotonic(now, monotonic));
        }
    }

    // ---- messages

    fn filter(&mut self, filter: Box<dyn Filter>) {
        self.world.faults.filters.add(self.fault, filter);
    }

    fn end_filters(&mut self) {
        for stream in self.world.faults.filters.end(self.fault) {
            let (connection, direction) = (stream.connection, stream.direction);
            self.world.network.connections[connection as usize].held[direction as usize] = false;
            for message in stream.messages {
                self.world.fly(message, self.world.now, 0);
            }
            if stream.is_closed {
                self.world.close_held(connection, direction);
            }
        }
    }

    // ---- programs and what they call

    fn slow_program(&mut self, node: Node, factor: f64) {
        if let Some(program) = self.world.headed_by(node) {
            self.world.station.programs[program].slowness.push(factor);
        }
    }

    fn end_slow_program(&mut self, node: Node, factor: f64) {
        if let Some(program) = self.world.headed_by(node) {
            take_out(&mut self.world.station.programs[program].slowness, factor);
        }
    }

    fn hold_program(&mut self, node: Node) -> u32 {
        self.world.hold_program(node);
        self.world.nodes[node].incarnation
    }

    fn release_program(&mut self, node: Node, run: u32) {
        if self.world.nodes[node].is_in_run(run) {
            self.world.release_program(node);
        }
    }

    fn close_service(&mut self, name: &str) -> Option<u64> {
        let service = self.world.station.service(name)?;
        service.down += 1;
        Some(service.refused)
    }

    fn open_service(&mut self, name: &str) {
        if let Some(service) = self.world.station.service(name) {
            service.down -= 1;
        }
    }

    fn refused(&self, service: &str) -> u64 {
        let mut services = self.world.station.services.iter();
        let found = services.find(|known| *known.name == *service);
        found.map_or(0, |service| service.refused)
    }

    fn create_partitions(&mut self, topic: &str, partitions: u32) {
        self.world.create_partitions(topic, partitions);
    }
}

/// Takes one factor out of those that slow something.
fn take_out(factors: &mut Vec<f64>, factor: f64) {
    let place = factors.iter().position(|slow| *slow == factor);
    factors.remove(place.expect("the fault slowed it"));
}

//! One input and its consequences: the CPU that takes it, the machine that handles it, the outputs that follow.

use std::hash::Hash;
use std::ops::Range;

use broker_core::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use broker_core::machine::{HaltReason, Input, Output};

use super::engine::World;
use super::event::{self, DiskDone, WorldEvent};
use super::node::{Kind, Node, PerByte, State, Taken};
use crate::clocks::NodeClocks;
use crate::history::{Environment, Observer, SimTime};

impl<O: Observer> World<'_, O> {
    // ---- the way to the machine

    /// An input reaches a process, if that still runs.
    pub(super) fn reach(&mut self, index: usize, incarnation: u32, input: Input, cost: u64) {
        if self.nodes[index].is_in_run(incarnation) {
            self.accept(index, input, cost);
        }
    }

    /// Hands an input to the machine if the CPU is free, else puts it into the inbox.
    pub(super) fn accept(&mut self, index: usize, input: Input, cost: u64) {
        let node = &mut self.nodes[index];
        let is_free = node.state == State::Running && node.busy_until <= self.now && node.inbox.is_empty();
        if is_free {
            self.turn(index, input, cost);
            return;
        }
        node.inbox.push_back((input, cost));
        self.call_later(index);
    }

    /// Schedules the next input of the inbox for when the CPU is free.
    pub(super) fn call_later(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.called || node.inbox.is_empty() || node.state != State::Running {
            return;
        }
        node.called = true;
        let incarnation = node.incarnation;
        let time = node.busy_until.max(self.now);
        self.queue.push(
            time,
            WorldEvent::Call {
                node: index,
                incarnation,
            },
        );
    }

    /// The CPU takes the next input of the inbox.
    pub(super) fn call(&mut self, index: usize, incarnation: u32) {
        let node = &mut self.nodes[index];
        if !node.is_in_run(incarnation) {
            return;
        }
        node.called = false;
        if node.state == State::Running
            && node.busy_until <= self.now
            && let Some((input, cost)) = node.inbox.pop_front()
        {
            self.turn(index, input, cost);
        }
        self.call_later(index);
    }

    /// A machine's deadline may have come.
    pub(super) fn alarm(&mut self, index: usize, incarnation: u32) {
        let node = &mut self.nodes[index];
        if !node.is_in_run(incarnation) {
            return;
        }
        node.alarms.rang();
        if node.alarms.wake_waits {
            return;
        }
        let is_free = node.state == State::Running && node.busy_until <= self.now && node.inbox.is_empty();
        if is_free {
            self.turn(index, Input::Wake, 0);
            return;
        }
        node.alarms.wake_waits = true;
        node.inbox.push_back((Input::Wake, 0));
        self.call_later(index);
    }

    // ---- the machine

    /// The machine handles `input`, which takes the CPU `cost`, and its outputs are carried out.
    fn turn(&mut self, index: usize, input: Input, cost: u64) {
        let mut machine = self.take_machine(index);
        let node = &mut self.nodes[index];
        let now = node.clocks.at(SimTime(self.now));
        let id = node.id;
        if let Input::Wake = input {
            node.alarms.wake_waits = false;
            let is_due = machine
                .as_machine()
                .deadline()
                .is_some_and(|deadline| deadline <= now.monotonic);
            if !is_due {
                // The alarm was set for a deadline that has moved since.
                self.put_back(index, machine);
                return;
            }
        }
        self.count(event::Kind::Input, id, |digest| input.hash(digest));
        self.say_input(id, &input);
        if matches!(input, Input::Request { .. } | Input::Response { .. }) {
            self.messages += 1;
        }
        let established = match input {
            Input::Connected { connection } => Some(self.connection_of(index, connection)),
            _ => None,
        };
        machine.as_machine().handle(now, input);
        self.nodes[index].busy_until = self.now + cost;
        if let Some(connection) = established {
            self.send_waiting(connection);
        }
        self.carry_out_all(index, machine);
    }

    /// Carries out what the machine of a client wants after its program used it.
    pub(super) fn drain_client(&mut self, place: usize) {
        let index = self.roles.len() + place;
        if self.nodes[index].is_alive() {
            self.drain(index);
        }
    }

    /// Carries out what a machine wants without an input. A program may not have asked for its library yet.
    pub(super) fn drain(&mut self, index: usize) {
        if let Kind::Client(place) = self.nodes[index].kind
            && self.station.clients[place].machine.is_none()
        {
            return;
        }
        let machine = self.take_machine(index);
        self.carry_out_all(index, machine);
    }

    fn carry_out_all(&mut self, index: usize, mut machine: Taken) {
        while let Some(output) = machine.as_machine().poll() {
            if let Some(halt) = self.carry_out(index, output) {
                self.die(index, State::Dead);
                self.note(index, halt.clone());
                // The fault that asked for its end may be over already.
                if halt == Environment::Ended && self.nodes[index].kept_down == 0 {
                    self.start(index);
                }
                return;
            }
        }
        self.put_back(index, machine);
        if let Kind::Client(place) = self.nodes[index].kind {
            self.after_client_turn(place);
        }
    }

    /// Puts a machine back and sees that an alarm rings at its deadline.
    fn put_back(&mut self, index: usize, mut machine: Taken) {
        let deadline = machine.as_machine().deadline();
        self.put_machine(index, machine);
        let node = &mut self.nodes[index];
        if let Some(time) = node.alarms.set(deadline, &node.clocks, self.now) {
            let incarnation = node.incarnation;
            self.queue.push(
                time,
                WorldEvent::Alarm {
                    node: index,
                    incarnation,
                },
            );
        }
    }

    /// A fault changes the clocks of a node, and of all nodes of the same program.
    pub(super) fn change_clocks(&mut self, index: usize, change: impl Fn(&mut NodeClocks, SimTime)) {
        let indices = match self.nodes[index].kind {
            Kind::Server => index..index + 1,
            Kind::Client(place) => {
                let Range { start, end } = self.cast.member_of(place).endpoints;
                self.roles.len() + start..self.roles.len() + end
            }
        };
        for index in indices {
            let node = &mut self.nodes[index];
            change(&mut node.clocks, SimTime(self.now));
            node.alarms.rate_changed();
            if let Kind::Client(place) = node.kind {
                self.station.clients[place].clocks = node.clocks;
            }
            if self.nodes[index].is_alive() {
                self.drain(index);
            }
        }
    }

    /// Looks what a client's machine has got for its program.
    fn after_client_turn(&mut self, place: usize) {
        self.station.at = self.at();
        let had_topics = self.station.has_topics();
        if self.station.after_turn(place) {
            self.drivers.news(self.cast.endpoints[place].member);
        }
        if self.station.has_topics() != had_topics {
            self.drivers.news_for_all();
        }
        self.woken += self.station.take_woken();
        self.pass_on_entries();
    }

    fn take_machine(&mut self, index: usize) -> Taken {
        match self.nodes[index].kind {
            Kind::Server => Taken::Server(
                self.nodes[index]
                    .machine
                    .take()
                    .expect("a running server has a machine"),
            ),
            Kind::Client(place) => {
                let machine = self.station.clients[place].machine.take();
                Taken::Client(machine.expect("a running client has a machine"))
            }
        }
    }

    fn put_machine(&mut self, index: usize, machine: Taken) {
        match (machine, self.nodes[index].kind) {
            (Taken::Server(machine), _) => self.nodes[index].machine = Some(machine),
            (Taken::Client(machine), Kind::Client(place)) => {
                self.station.clients[place].machine = Some(machine);
            }
            (Taken::Client(_), Kind::Server) => unreachable!("a machine returns to where it was"),
        }
    }

    // ---- outputs

    /// Carries out one output; if it is a halt, says how the process ends.
    fn carry_out(&mut self, index: usize, output: Output) -> Option<Environment> {
        match output {
            Output::Open {
                connection,
                endpoint,
                client_id,
                ..
            } => self.open_connection(index, connection, endpoint, client_id),
            Output::Close { connection } => self.close_connection(index, connection),
            Output::Request { connection, id, body } => self.send_request(index, connection, id, body),
            Output::Response { to, body } => self.send_response(index, to, body),
            Output::Disk { op, what } => self.start_disk_operation(index, op, what),
            Output::Trace(event) => self.state_fact(index, &event),
            Output::Halt { reason } => {
                self.say_halt(self.nodes[index].id, &reason);
                return Some(match reason {
                    HaltReason::Stopped => Environment::Ended,
                    _ => Environment::Halted,
                });
            }
        }
        None
    }

    // ---- the disk

    fn start_disk_operation(&mut self, index: usize, op: OpId, what: DiskOp) {
        let node = &mut self.nodes[index];
        match what {
            // A write goes to the page cache while the process waits, so that a slow disk slows the process.
            DiskOp::Write { file, at, bytes } => {
                node.busy_until = node.busy_until.max(self.now) + disk_time(node, self.costs.disk, bytes.len() as u64);
                self.memory += bytes.len() as u64;
                node.disk.write(file, at, bytes);
            }
            DiskOp::Truncate { file, len } => node.disk.truncate(file, len),
            DiskOp::Remove { file } => node.disk.remove(file),
            DiskOp::List => {
                let reply = DiskReply::Files(node.disk.list());
                self.end_disk_operation(index, op, None, 0, None, reply);
            }
            DiskOp::Read { file, at, len } => {
                let bytes = node.disk.read(file, at, len);
                let time = disk_time(node, self.costs.disk, bytes.len() as u64);
                self.end_disk_operation(index, op, Some(file), time, None, DiskReply::Data(bytes));
            }
            DiskOp::Sync { file } => {
                let (point, dirty) = node.disk.sync(file);
                let time = slow(node, self.costs.fsync) + disk_time(node, self.costs.disk, dirty);
                self.end_disk_operation(index, op, Some(file), time, Some(point), DiskReply::Done);
            }
            DiskOp::Replace { file, bytes } => {
                let time = slow(node, self.costs.fsync) + disk_time(node, self.costs.disk, bytes.len() as u64);
                self.memory += bytes.len() as u64;
                let point = node.disk.replace(file, bytes);
                self.end_disk_operation(index, op, Some(file), time, Some(point), DiskReply::Done);
            }
        }
    }

    /// Lets the disk work for `time` after everything that it already has to do.
    fn end_disk_operation(
        &mut self,
        index: usize,
        op: OpId,
        file: Option<FileName>,
        time: u64,
        durable: Option<super::disk::SyncPoint>,
        reply: DiskReply,
    ) {
        let node = &mut self.nodes[index];
        let begin = node.disk_free.max(node.busy_until).max(self.now);
        node.disk_free = begin + time;
        let done = DiskDone {
            node: index,
            incarnation: node.incarnation,
            power_cycle: node.power_cycle,
            op,
            file,
            durable,
            result: Ok::<_, DiskError>(reply),
        };
        self.queue.push(node.disk_free, WorldEvent::Disk(Box::new(done)));
    }

    /// A disk operation is done. The kernel finishes what a killed process began; only the answer has no receiver.
    pub(super) fn disk_done(&mut self, done: DiskDone) {
        let node = &mut self.nodes[done.node];
        if node.power_cycle != done.power_cycle {
            return;
        }
        if let (Some(point), Some(file)) = (done.durable, done.file) {
            node.disk.done(file, point);
        }
        let input = Input::Disk {
            op: done.op,
            file: done.file,
            result: done.result,
        };
        self.reach(done.node, done.incarnation, input, 0);
    }
}

fn disk_time(node: &Node, disk: PerByte, bytes: u64) -> u64 {
    slow(node, disk.bytes(bytes))
}

fn slow(node: &Node, time: u64) -> u64 {
    match &node.disk_slowness[..] {
        [] => time,
        factors => (time as f64 * factors.iter().product::<f64>()) as u64,
    }
}

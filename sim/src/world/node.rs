//! One node: its process, its clocks, and what its hardware is busy with.

use std::collections::VecDeque;
use std::time::Duration;

use broker_core::machine::{Input, Instant, Machine};

use broker_core::types::NodeId;

use super::disk::Disk;
use super::network::Connection;
use crate::clocks::NodeClocks;
use crate::faults::Drift;
use crate::program::client::ClientMachine;
use crate::scenario::Hardware;

/// A node.
pub(super) struct Node {
    pub(super) id: NodeId,
    /// As a person would call it: `broker 2`, `controller 1`, `client load/1`.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) state: State,
    /// Counts the runs of its process from 0.
    pub(super) incarnation: u32,
    /// When each run but a living one ended.
    deaths: Vec<u64>,
    /// Whether its process came to its end by itself: nothing but a fault's end starts it again.
    pub(super) has_ended: bool,
    /// How many faults keep its process from running.
    pub(super) kept_down: u32,
    /// How many faults make its process stand still.
    pub(super) kept_still: u32,
    /// How many faults make its program stand still, but not its libraries.
    pub(super) held_programs: u32,
    pub(super) clocks: NodeClocks,
    /// What faults have the clocks gain.
    pub(super) clock_drift: Drift,
    /// The machine of a server; that of a client is with its program.
    pub(super) machine: Option<Box<dyn Machine>>,

    /// Until when the CPU works on what it has begun.
    pub(super) busy_until: u64,
    /// Inputs that wait for the CPU, with the time that they will take it.
    pub(super) inbox: VecDeque<(Input, u64)>,
    /// Whether an event will take the next input from the inbox.
    pub(super) called: bool,
    /// When the NIC has sent, and received, everything so far.
    pub(super) egress_free: u64,
    pub(super) ingress_free: u64,
    pub(super) disk: Disk,
    /// When the disk has done everything so far.
    pub(super) disk_free: u64,
    /// How many times as long the disk takes, for each fault that slows it.
    pub(super) disk_slowness: Vec<f64>,
    /// Counts power losses, so that an operation of before has no effect after.
    pub(super) power_cycle: u32,

    pub(super) alarms: Alarms,
    /// The connections that this run of the process has opened, in the order of their numbers from 1.
    pub(super) opened: Vec<Connection>,
}

/// What runs on a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A broker or controller.
    Server,
    /// A client, by its place in the cast.
    Client(usize),
}

/// The state of a node's process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Running,
    /// It stands still: the machine answers pings, but nothing is processed.
    Paused,
    /// It has ended; the machine refuses its connections.
    Dead,
    /// The machine has no power: silence.
    PowerOff,
}

/// A machine that is out of its place while the world drives it.
pub(super) enum Taken {
    Server(Box<dyn Machine>),
    Client(ClientMachine),
}

impl Taken {
    pub(super) fn as_machine(&mut self) -> &mut dyn Machine {
        match self {
            Taken::Server(machine) => &mut **machine,
            Taken::Client(machine) => machine.as_machine(),
        }
    }
}

impl Node {
    /// A node whose process has not started.
    pub(super) fn new(id: NodeId, name: String, kind: Kind, clocks: NodeClocks) -> Node {
        Node {
            id,
            name,
            kind,
            state: State::Dead,
            incarnation: 0,
            deaths: Vec::new(),
            has_ended: false,
            kept_down: 0,
            kept_still: 0,
            held_programs: 0,
            clocks,
            clock_drift: Drift::default(),
            machine: None,
            busy_until: 0,
            inbox: VecDeque::new(),
            called: false,
            egress_free: 0,
            ingress_free: 0,
            disk: Disk::default(),
            disk_free: 0,
            disk_slowness: Vec::new(),
            power_cycle: 0,
            alarms: Alarms::default(),
            opened: Vec::new(),
        }
    }

    /// Whether its process is there, be it running or paused.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }

    /// Whether this run of its process is there.
    pub(super) fn is_in_run(&self, incarnation: u32) -> bool {
        self.incarnation == incarnation && self.is_alive()
    }

    /// Whether this run of its process ended before `time`.
    pub(super) fn died_before(&self, incarnation: u32, time: u64) -> bool {
        self.deaths.get(incarnation as usize).is_some_and(|death| *death < time)
    }

    /// Its process ended: what was in its memory is gone.
    pub(super) fn die(&mut self, state: State, now: u64) {
        self.state = state;
        self.deaths.push(now);
        self.machine = None;
        self.inbox.clear();
        self.called = false;
        self.busy_until = now;
        self.kept_still = 0;
        self.held_programs = 0;
        self.alarms = Alarms::default();
        self.opened.clear();
    }

    /// A new run of its process begins.
    pub(super) fn start(&mut self) {
        self.incarnation = self.deaths.len() as u32;
        self.state = State::Running;
        self.has_ended = false;
    }
}

/// When a machine wants to be woken. Deadlines move all the time; the event queue gets an alarm only when one comes closer
/// than every alarm that is set, and an alarm that rings too early is set anew.
#[derive(Default)]
pub(super) struct Alarms {
    /// The times at which alarms will ring, the latest first.
    set: Vec<u64>,
    /// The deadline for which the alarms were last checked.
    checked: Option<Instant>,
    /// Whether a wake waits in the inbox.
    pub(super) wake_waits: bool,
}

impl Alarms {
    /// The time of a further alarm, if `deadline` needs one. Nothing rings before `now`.
    pub(super) fn set(&mut self, deadline: Option<Instant>, clocks: &NodeClocks, now: u64) -> Option<u64> {
        if deadline == self.checked || self.wake_waits {
            return None;
        }
        self.checked = deadline;
        let time = clocks.when(deadline?).0.max(now);
        if self.set.last().is_some_and(|earliest| *earliest <= time) {
            return None;
        }
        self.set.push(time);
        Some(time)
    }

    /// The node's monotonic clock goes at another rate: the deadline has another time.
    pub(super) fn rate_changed(&mut self) {
        self.checked = None;
    }

    /// The earliest alarm rang.
    pub(super) fn rang(&mut self) {
        self.set.pop();
        self.checked = None;
    }
}

/// What work costs, in nanoseconds.
pub(super) struct Costs {
    cpu_per_request: u64,
    cpu_per_byte: PerByte,
    pub(super) nic: PerByte,
    pub(super) disk: PerByte,
    pub(super) fsync: u64,
}

/// Nanoseconds a byte, as a fraction of 2^20.
#[derive(Clone, Copy)]
pub(super) struct PerByte(u64);

impl PerByte {
    pub(super) fn bytes(self, count: u64) -> u64 {
        ((u128::from(count) * u128::from(self.0)) >> 20) as u64
    }

    fn from_bandwidth(bytes_per_second: u64) -> PerByte {
        PerByte(((1_000_000_000_u128 << 20) / u128::from(bytes_per_second.max(1))) as u64)
    }
}

impl Costs {
    pub(super) fn new(hardware: &Hardware) -> Costs {
        let nanos = |duration: Duration| duration.as_nanos() as u64;
        Costs {
            cpu_per_request: nanos(hardware.cpu_per_request),
            cpu_per_byte: PerByte((hardware.cpu_per_byte_ns * f64::from(1 << 20)) as u64),
            nic: PerByte::from_bandwidth(hardware.nic_bytes_per_sec),
            disk: PerByte::from_bandwidth(hardware.disk_bytes_per_sec),
            fsync: nanos(hardware.fsync),
        }
    }

    /// The CPU time of a message.
    pub(super) fn cpu(&self, bytes: u64) -> u64 {
        self.cpu_per_request + self.cpu_per_byte.bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use broker_core::random::Random;

    use super::*;
    use crate::clocks::EPOCH;
    use crate::history::SimTime;

    #[test]
    fn moving_deadlines_set_few_alarms() {
        let clocks = NodeClocks::draw(&mut Random::new(1, "clock"));
        let second = |s: u64| Some(Instant(EPOCH + s * 1_000_000_000));
        let mut alarms = Alarms::default();
        assert!(alarms.set(second(10), &clocks, 0).is_some());
        for deadline in [second(20), second(30), None, second(15)] {
            assert_eq!(
                alarms.set(deadline, &clocks, 0),
                None,
                "an earlier alarm is set already"
            );
        }
        assert!(alarms.set(second(5), &clocks, 0).is_some(), "closer than every alarm");
        alarms.rang();
        assert_eq!(
            alarms.set(second(12), &clocks, 6_000_000_000),
            None,
            "the alarm of 10 s is still set"
        );
        alarms.rang();
        assert!(alarms.set(second(12), &clocks, 11_000_000_000).is_some());
    }

    #[test]
    fn a_clock_that_goes_faster_has_its_deadline_earlier() {
        let mut clocks = NodeClocks::draw(&mut Random::new(1, "clock"));
        let deadline = Some(Instant(EPOCH + 10_000_000_000));
        let mut alarms = Alarms::default();
        let first = alarms.set(deadline, &clocks, 0).expect("the first alarm");
        clocks.drift_monotonic(SimTime(0), 1_000_000);
        alarms.rate_changed();
        let second = alarms.set(deadline, &clocks, 0).expect("an earlier one");
        assert!(
            (first / 2).abs_diff(second) < 1_000_000,
            "twice as fast: {first}, then {second}"
        );
        clocks.drift_monotonic(SimTime(0), -500_000);
        alarms.rate_changed();
        let third = alarms.set(deadline, &clocks, 0);
        assert_eq!(third, None, "one that rings too early is set anew when it has rung");
    }

    #[test]
    fn bandwidth_becomes_time() {
        for (bandwidth, bytes, nanos) in [
            (1_000_000_000, 1_000, 1_000),
            (125_000_000, 1_000, 8_000),
            (1_000_000, 5_000_000, 5_000_000_000),
        ] {
            assert_eq!(
                PerByte::from_bandwidth(bandwidth).bytes(bytes),
                nanos,
                "{bytes} at {bandwidth}"
            );
        }
    }
}

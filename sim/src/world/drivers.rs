//! Trial's own clients ([`crate::program::driver`]) take their steps in the world's loop.

use std::collections::VecDeque;

use super::chronicle::Kind;
use super::engine::{Happening, World};
use crate::history::{Observer, SimTime};
use crate::program::driver::{Pause, Step};

/// More steps than these at one instant are a loop without end.
const MOST_STEPS: u32 = 1_000_000;

/// The drivers of all clients that have one, and which of them have a reason for a step.
pub(super) struct Drivers {
    /// By the places of their programs in the cast.
    running: Vec<Option<Running>>,
    ready: VecDeque<usize>,
}

struct Running {
    driver: Box<dyn Step>,
    pause: Pause,
    /// Whether it has a reason for a step.
    is_due: bool,
    /// It takes no steps: the process is paused, or its program is stuck.
    is_still: bool,
}

impl Drivers {
    pub(super) fn new(programs: usize) -> Drivers {
        Drivers {
            running: (0..programs).map(|_| None).collect(),
            ready: VecDeque::new(),
        }
    }

    /// A program begins a new run. Its first step comes as soon as the event is handled.
    pub(super) fn start(&mut self, program: usize, driver: Box<dyn Step>) {
        self.running[program] = Some(Running {
            driver,
            pause: Pause::END,
            is_due: false,
            is_still: false,
        });
        self.make_due(program);
    }

    /// The run of a program ends where it stands.
    pub(super) fn kill(&mut self, program: usize) {
        self.running[program] = None;
    }

    /// A program takes no steps until [`Drivers::resume`].
    pub(super) fn pause(&mut self, program: usize) {
        if let Some(running) = &mut self.running[program] {
            running.is_still = true;
        }
    }

    /// It goes on.
    pub(super) fn resume(&mut self, program: usize) {
        if let Some(running) = &mut self.running[program] {
            running.is_still = false;
            if running.is_due {
                self.ready.push_back(program);
            }
        }
    }

    /// A client's machine has something for its program.
    pub(super) fn news(&mut self, program: usize) {
        if self.running[program].as_ref().is_some_and(|running| running.pause.news) {
            self.make_due(program);
        }
    }

    /// What concerns all programs has happened.
    pub(super) fn news_for_all(&mut self) {
        for program in 0..self.running.len() {
            self.news(program);
        }
    }

    /// The time has come for which a program waits; false if it does not wait for it any more.
    fn ring(&mut self, program: usize, now: SimTime) -> bool {
        let Some(running) = &mut self.running[program] else {
            return false;
        };
        if running.pause.until != Some(now) {
            return false;
        }
        running.pause.until = None;
        self.make_due(program);
        true
    }

    fn make_due(&mut self, program: usize) {
        if let Some(running) = &mut self.running[program]
            && !running.is_due
        {
            running.is_due = true;
            if !running.is_still {
                self.ready.push_back(program);
            }
        }
    }

    /// The next program that is to take a step.
    fn next(&mut self) -> Option<(usize, &mut Running)> {
        while let Some(program) = self.ready.pop_front() {
            let is_ready = |running: &Running| running.is_due && !running.is_still;
            if self.running[program].as_ref().is_some_and(is_ready) {
                return Some((program, self.running[program].as_mut()?));
            }
        }
        None
    }
}

impl<O: Observer> World<'_, O> {
    /// A driver has waited long enough.
    pub(super) fn ring_driver(&mut self, program: usize) {
        if self.drivers.ring(program, SimTime(self.now)) {
            let node = self.cast.endpoints[self.cast.members[program].endpoints.start].id;
            self.count(Kind::Ring, node, |_| {});
        }
    }

    /// Lets every driver that has a reason take a step, until none has.
    pub(super) fn run_drivers(&mut self) {
        let now = self.at();
        let mut steps = 0;
        while let Some((program, running)) = self.drivers.next() {
            self.station.at = now;
            running.is_due = false;
            let former = running.pause.until;
            running.pause = running.driver.step(&mut self.station);
            if let Some(until) = running.pause.until
                && Some(until) != former
            {
                self.queue.push(until.0.max(self.now), Happening::RingDriver(program));
            }
            self.serve_clients();
            steps += 1;
            if steps > MOST_STEPS {
                return self.never_waits();
            }
        }
    }
}

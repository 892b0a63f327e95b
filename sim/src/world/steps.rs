//! Trial's own clients ([`crate::program::driver`]) take their steps in the world's loop.

use super::engine::World;
use super::event::{Kind, WorldEvent};
use crate::history::{Observer, SimTime};

/// More steps than these at one instant are a loop without end.
const MOST_STEPS: u32 = 1_000_000;

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
                self.queue.push(until.0.max(self.now), WorldEvent::RingDriver(program));
            }
            self.serve_clients();
            steps += 1;
            if steps > MOST_STEPS {
                return self.never_waits();
            }
        }
    }
}

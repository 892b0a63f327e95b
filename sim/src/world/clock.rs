//! The clock of one node: simulated time with an offset and a drift.

use broker_core::machine::Instant;
use broker_core::random::Random;

use crate::history::SimTime;

/// What every clock would show at the beginning of a trial if it were right: 2023-11-14 22:13:20 UTC.
pub const EPOCH: u64 = 1_700_000_000_000_000_000;
/// The largest offset of a clock, either way, in nanoseconds.
const MAX_OFFSET: u64 = 50_000_000;
/// The largest drift of a clock, either way, in parts per billion.
const MAX_DRIFT: u64 = 50_000;
/// Drift is a binary fraction, so that no division stands in the way of an event.
const FRACTION_BITS: u32 = 44;

/// Maps simulated time to what a node believes, and back. Never runs backwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeClock {
    /// What it shows at the beginning.
    base: u64,
    /// Nanoseconds gained per nanosecond, as a fraction of 2^44.
    drift: i64,
}

impl NodeClock {
    /// A clock within ±50 ms and ±50 ppm.
    pub(crate) fn draw(random: &mut Random) -> NodeClock {
        let offset = random.within(0..=2 * MAX_OFFSET);
        let drift = random.within(0..=2 * MAX_DRIFT) as i64 - MAX_DRIFT as i64;
        NodeClock {
            base: EPOCH - MAX_OFFSET + offset,
            drift: (drift << FRACTION_BITS) / 1_000_000_000,
        }
    }

    /// What the clock shows at `time`.
    pub(crate) fn at(&self, time: SimTime) -> Instant {
        Instant(self.base + time.0.wrapping_add_signed(self.gained(time.0)))
    }

    /// The earliest time at which the clock shows `instant` or later.
    pub(crate) fn when(&self, instant: Instant) -> SimTime {
        // Far deadlines ("never") would overflow the drift, and no trial lasts 146 years.
        let elapsed = instant.0.saturating_sub(self.base).min(1 << 62);
        let guess = |time: u64| elapsed.saturating_add_signed(-self.gained(time));
        let mut time = guess(guess(elapsed));
        while self.at(SimTime(time)) < instant && time < 1 << 62 {
            time += 1;
        }
        while time > 0 && self.at(SimTime(time - 1)) >= instant {
            time -= 1;
        }
        SimTime(time)
    }

    fn gained(&self, elapsed: u64) -> i64 {
        ((i128::from(elapsed) * i128::from(self.drift)) >> FRACTION_BITS) as i64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_deadline_maps_to_the_first_time_that_shows_it(seed: u64, elapsed in 0u64..10_000_000_000_000) {
            let clock = NodeClock::draw(&mut Random::new(seed, "clock"));
            let deadline = Instant(EPOCH + elapsed);
            let time = clock.when(deadline);
            prop_assert!(time.0 == 0 || clock.at(time) >= deadline);
            prop_assert!(time.0 == 0 || clock.at(SimTime(time.0 - 1)) < deadline);
            prop_assert!(time.0.abs_diff(elapsed) <= MAX_OFFSET + elapsed / 10_000);
        }

        #[test]
        fn a_clock_never_runs_backwards(seed: u64, time in 0u64..10_000_000_000_000) {
            let clock = NodeClock::draw(&mut Random::new(seed, "clock"));
            prop_assert!(clock.at(SimTime(time + 1)) >= clock.at(SimTime(time)));
        }
    }

    #[test]
    fn never_is_far_away() {
        let clock = NodeClock::draw(&mut Random::new(7, "clock"));
        assert!(clock.when(Instant(u64::MAX)).0 > 1 << 60);
    }
}

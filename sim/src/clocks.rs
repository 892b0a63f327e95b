//! The two clocks of a node, monotonic and wall: what each shows at a simulated time.
//!
//! Both begin together, a little wrong and a little too fast or too slow. A fault may change the rate of either, and make
//! the wall clock jump; the monotonic clock never jumps, so that a deadline always has one simulated time.

use broker_core::machine::{Instant, Now};
use broker_core::random::Random;
use broker_core::types::Timestamp;

use crate::history::SimTime;

/// What every clock would show at the beginning of a trial if it were right: 2023-11-14 22:13:20 UTC.
pub const EPOCH: u64 = 1_700_000_000_000_000_000;
/// The largest offset of a clock, either way, in nanoseconds.
const MAX_OFFSET: u64 = 50_000_000;
/// The largest drift of a clock by itself, either way, in parts per billion.
const MAX_DRIFT: u64 = 50_000;
/// A drift is a binary fraction, so that no division stands in the way of an event.
const FRACTION_BITS: u32 = 44;
/// Further than any trial goes: 146 years, in nanoseconds.
const FAR: u64 = 1 << 62;

/// The clocks of one node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeClocks {
    monotonic: Clock,
    wall: Clock,
    /// The drift that both have by themselves.
    own_drift: i64,
}

/// A clock that goes at one rate since `since`.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Simulated time.
    since: u64,
    /// What it showed then, in nanoseconds since the Unix epoch.
    shown: u64,
    /// Nanoseconds gained per nanosecond, as a fraction of 2^44; above -1.
    drift: i64,
}

impl NodeClocks {
    /// Clocks within ±50 ms and ±50 ppm.
    pub(crate) fn draw(random: &mut Random) -> NodeClocks {
        let offset = random.within(0..=2 * MAX_OFFSET);
        let drift = random.within(0..=2 * MAX_DRIFT) as i64 - MAX_DRIFT as i64;
        let clock = Clock {
            since: 0,
            shown: EPOCH - MAX_OFFSET + offset,
            drift: (drift << FRACTION_BITS) / 1_000_000_000,
        };
        NodeClocks {
            monotonic: clock,
            wall: clock,
            own_drift: clock.drift,
        }
    }

    /// What they show at `time`.
    pub(crate) fn at(&self, time: SimTime) -> Now {
        Now {
            monotonic: Instant(self.monotonic.at(time.0)),
            wall: Timestamp((self.wall.at(time.0) / 1_000_000) as i64),
        }
    }

    /// The earliest time at which the monotonic clock shows `instant` or later.
    pub(crate) fn when(&self, instant: Instant) -> SimTime {
        SimTime(self.monotonic.when(instant.0))
    }
}

/// What faults do to them. The time is that of the change; nothing may be asked about earlier times afterwards.
impl NodeClocks {
    /// The wall clock jumps by so many nanoseconds, forward or back.
    pub(crate) fn jump_wall(&mut self, nanos: i64) {
        self.wall.shown = self.wall.shown.saturating_add_signed(nanos);
    }

    /// From `time` on the wall clock gains `ppm` microseconds a second more than it does by itself; 0 ends that, and
    /// what it has gained stays.
    ///
    /// # Panics
    /// Unless -1,000,000 < `ppm` ≤ 1,000,000,000: a clock does not stand still.
    pub(crate) fn drift_wall(&mut self, time: SimTime, ppm: i64) {
        self.wall.go_on(time.0, self.own_drift + fraction(ppm));
    }

    /// The same for the monotonic clock.
    ///
    /// # Panics
    /// As [`NodeClocks::drift_wall`] does.
    pub(crate) fn drift_monotonic(&mut self, time: SimTime, ppm: i64) {
        self.monotonic.go_on(time.0, self.own_drift + fraction(ppm));
    }
}

/// Parts per million as a fraction of 2^44.
fn fraction(ppm: i64) -> i64 {
    assert!(
        -1_000_000 < ppm && ppm <= 1_000_000_000,
        "a clock cannot drift by {ppm} ppm"
    );
    ((i128::from(ppm) << FRACTION_BITS) / 1_000_000) as i64
}

impl Clock {
    /// At `time`, which is not before `since`.
    fn at(&self, time: u64) -> u64 {
        let elapsed = time - self.since;
        self.shown + elapsed.wrapping_add_signed(self.gained(elapsed))
    }

    fn gained(&self, elapsed: u64) -> i64 {
        ((i128::from(elapsed) * i128::from(self.drift)) >> FRACTION_BITS) as i64
    }

    /// The earliest time from `since` on at which it shows `shown` or later.
    fn when(&self, shown: u64) -> u64 {
        let wanted = u128::from(shown.saturating_sub(self.shown).min(FAR)) << FRACTION_BITS;
        let rate = (1_u64 << FRACTION_BITS).saturating_add_signed(self.drift);
        let elapsed = wanted.div_ceil(u128::from(rate));
        self.since + u64::try_from(elapsed).map_or(FAR, |elapsed| elapsed.min(FAR))
    }

    /// It goes on from what it shows at `time` with another drift.
    fn go_on(&mut self, time: u64, drift: i64) {
        *self = Clock {
            since: time,
            shown: self.at(time),
            // The own drift may not stop a clock that hardly goes.
            drift: drift.max(1 - (1 << FRACTION_BITS)),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn drawn(seed: u64) -> NodeClocks {
        NodeClocks::draw(&mut Random::new(seed, "clock"))
    }

    /// Milliseconds that the wall clock moves, and nanoseconds that the monotonic clock does, between two times.
    fn passed(before: (&NodeClocks, u64), after: (&NodeClocks, u64)) -> (i64, i64) {
        let [before, after] = [before, after].map(|(clocks, time)| clocks.at(SimTime(time)));
        (
            after.wall.0 - before.wall.0,
            after.monotonic.0 as i64 - before.monotonic.0 as i64,
        )
    }

    proptest! {
        #[test]
        fn a_deadline_maps_to_the_first_time_that_shows_it(seed: u64, elapsed in 0u64..10_000_000_000_000) {
            let clocks = drawn(seed);
            let deadline = Instant(EPOCH + elapsed);
            let time = clocks.when(deadline);
            prop_assert!(time.0 == 0 || clocks.at(time).monotonic >= deadline);
            prop_assert!(time.0 == 0 || clocks.at(SimTime(time.0 - 1)).monotonic < deadline);
            prop_assert!(time.0.abs_diff(elapsed) <= MAX_OFFSET + elapsed / 10_000);
        }

        #[test]
        fn so_it_does_when_the_rate_has_changed(
            seed: u64,
            ppm in prop_oneof![-999_999..=1_000_000_i64, -100..=100_i64, Just(1_000_000_000)],
            changed in 0..100 * SECOND,
            after in 0..1_000 * SECOND,
        ) {
            let mut clocks = drawn(seed);
            let before = clocks.at(SimTime(changed)).monotonic;
            clocks.drift_monotonic(SimTime(changed), ppm);
            prop_assert_eq!(clocks.at(SimTime(changed)).monotonic, before);
            let deadline = Instant(before.0 + after);
            let time = clocks.when(deadline);
            prop_assert!(clocks.at(time).monotonic >= deadline);
            prop_assert!(time.0 == changed || clocks.at(SimTime(time.0 - 1)).monotonic < deadline);
        }

        #[test]
        fn the_monotonic_clock_never_runs_backwards(seed: u64, ppm in -999_999..1_000_000_i64, time in 0u64..10_000_000_000_000) {
            let mut clocks = drawn(seed);
            clocks.drift_monotonic(SimTime(time / 2), ppm);
            let [before, after] = [time, time + 1].map(|time| clocks.at(SimTime(time)).monotonic);
            prop_assert!(after >= before);
        }
    }

    #[test]
    fn never_is_far_away() {
        assert!(drawn(7).when(Instant(u64::MAX)).0 > 1 << 60);
    }

    #[test]
    fn the_clocks_of_a_healthy_node_agree() {
        let clocks = drawn(3);
        for time in [0, SECOND, 1_000 * SECOND] {
            let now = clocks.at(SimTime(time));
            assert_eq!(now.wall.0 as u64, now.monotonic.0 / 1_000_000);
        }
    }

    #[test]
    fn a_jump_of_the_wall_clock_moves_no_deadline() {
        let before = drawn(3);
        for (jump, moved) in [(60 * SECOND as i64, 60_000), (-3_600 * SECOND as i64, -3_600_000)] {
            let mut clocks = before;
            clocks.jump_wall(jump);
            assert_eq!(passed((&before, SECOND), (&clocks, SECOND)), (moved, 0));
            let deadline = Instant(EPOCH + 30 * SECOND);
            assert_eq!(clocks.when(deadline), before.when(deadline));
        }
    }

    #[test]
    fn drifts_are_of_one_clock_each_and_end() {
        let before = drawn(3);
        let (change, end) = (10 * SECOND, 20 * SECOND);
        let natural = passed((&before, change), (&before, end));

        let mut wall = before;
        wall.drift_wall(SimTime(change), 100_000);
        let (by_wall, by_monotonic) = passed((&before, change), (&wall, end));
        assert!((by_wall - natural.0 - 1_000).abs() <= 1, "a tenth faster: {by_wall}");
        assert_eq!(by_monotonic, natural.1);

        let mut monotonic = before;
        monotonic.drift_monotonic(SimTime(change), -500_000);
        let (by_wall, by_monotonic) = passed((&before, change), (&monotonic, end));
        assert_eq!(by_wall, natural.0);
        assert!(
            (by_monotonic - natural.1 + 5 * SECOND as i64).abs() <= 1,
            "half as fast: {by_monotonic}"
        );

        monotonic.drift_monotonic(SimTime(end), 0);
        let after = passed((&monotonic, end), (&monotonic, end + 10 * SECOND)).1;
        assert!((after - natural.1).abs() <= 1, "as fast as before: {after}");
    }
}

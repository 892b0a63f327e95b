//! The pause after failures in a row.

use core::time::Duration;

use crate::random::Random;

/// Kafka's `ExponentialBackoff`: `initial` × 2^attempts × U(0.8, 1.2), never above `max`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The pause after the first failure.
    pub initial: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause after `attempts` failures before this one.
    pub fn after(self, attempts: u32, rng: &mut Random) -> Duration {
        let doubled = self
            .initial
            .saturating_mul(1u32.checked_shl(attempts).unwrap_or(u32::MAX));
        let term = doubled.min(self.max.max(self.initial));
        if term.is_zero() {
            return term;
        }
        rng.duration(term * 4 / 5, term * 6 / 5).min(self.max)
    }
}

//! Seeded randomness with the few draws that the project needs.
//!
//! The draws are written here, over the ChaCha8 key stream, because a seed must give the same run for
//! good: distribution libraries change their algorithms between versions, and with them every draw.

use core::ops::RangeInclusive;
use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A stream of random numbers that a seed and a label decide.
#[derive(Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The sub-stream of `seed` named `label`. Streams of different labels are independent, so that a
    /// draw more or less in one leaves all others as they were.
    #[must_use]
    pub fn new(seed: u64, label: &str) -> Random {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // FNV-1a: the label only has to choose one of 2^64 streams, the same on every machine.
        let stream = label.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        rng.set_stream(stream);
        Random(rng)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`, by a multiply and shift (bias below 2^-32 for bounds below 2^32).
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "an empty range has no number to draw");
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `range`, both ends included.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let width = range.end() - range.start();
        if width == u64::MAX {
            return self.next_u64();
        }
        range.start() + self.below(width + 1)
    }

    /// A duration between the two, both included.
    pub fn duration(&mut self, from: Duration, to: Duration) -> Duration {
        Duration::from_nanos(self.within(from.as_nanos() as u64..=to.as_nanos() as u64))
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with probability `p`; no draw is made at 0, so that a fault switched off costs nothing.
    pub fn chance(&mut self, p: f64) -> bool {
        p > 0.0 && self.unit() < p
    }
}

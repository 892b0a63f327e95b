//! Durations that a seed decides: by `libm`, so that no release of the standard library rounds them in another way.

use core::time::Duration;

use broker_core::random::Random;

/// `duration` times `factor`, to the nearest nanosecond. Nothing for factors that are not above 0, and the longest
/// duration for those that lead beyond it.
#[must_use]
pub fn scaled(duration: Duration, factor: f64) -> Duration {
    let seconds = duration.as_secs() as f64 + f64::from(duration.subsec_nanos()) / 1e9;
    let product = seconds * factor;
    let whole = libm::trunc(product);
    // The rest is exact; rounded up, it may be a second.
    let nanos = libm::rint((product - whole) * 1e9);
    if whole >= u64::MAX as f64 {
        return Duration::MAX;
    }
    Duration::from_secs(whole as u64).saturating_add(Duration::from_nanos(nanos as u64))
}

/// A duration in nanoseconds, exponentially distributed with this mean, at least one.
pub(crate) fn exponential(mean: f64, random: &mut Random) -> u64 {
    ((-libm::log(1.0 - random.unit()) * mean) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_to_the_nearest_nanosecond() {
        for (nanos, factor, expected) in [
            (10_000_000_000, 0.5, 5_000_000_000),
            (3, 1.5, 4),
            (5_000_000_000, 1.2345678901234, 6_172_839_451),
            (1, 0.4, 0),
            (999_999_999, 1.0000000006, 1_000_000_000),
            (7, 0.0, 0),
            (7, -1.0, 0),
            (7, f64::NAN, 0),
        ] {
            let duration = scaled(Duration::from_nanos(nanos), factor);
            assert_eq!(duration, Duration::from_nanos(expected), "{nanos} ns times {factor}");
        }
        assert_eq!(scaled(Duration::from_secs(1), f64::INFINITY), Duration::MAX);
        assert_eq!(scaled(Duration::MAX, 2.0), Duration::MAX);
    }

    /// Plans of earlier releases stay: this is how the standard library rounds at present.
    #[test]
    #[allow(clippy::disallowed_methods)]
    fn it_is_what_the_standard_library_says() {
        let mut random = Random::new(1, "scaled");
        for _ in 0..100_000 {
            let duration = Duration::from_nanos(random.below(1_000_000_000_000));
            let factor = 3.0 * random.unit();
            assert_eq!(
                scaled(duration, factor),
                duration.mul_f64(factor),
                "{duration:?} times {factor}"
            );
        }
    }

    #[test]
    fn gaps_have_their_mean() {
        let mut random = Random::new(1, "gaps");
        let sum: u64 = (0..20_000).map(|_| exponential(1e6, &mut random)).sum();
        assert!((sum / 20_000).abs_diff(1_000_000) < 20_000);
    }
}

//! Round numbers for axes.

/// Evenly spaced round numbers from 0 to the first one that is not below `max`, at most `count` steps of them.
/// A `whole` axis counts things: it has no steps below 1.
pub fn upto(max: f64, count: usize, whole: bool) -> Vec<f64> {
    let step = step(max / count as f64, whole);
    let steps = (max / step - 1e-9).ceil().max(1.0) as usize;
    (0..=steps).map(|tick| tick as f64 * step).collect()
}

/// Evenly spaced round numbers from 0 up to, not beyond, `max`.
pub fn within(max: f64, count: usize) -> Vec<f64> {
    let step = step(max / count as f64, false);
    let steps = (max / step + 1e-9).floor() as usize;
    (0..=steps).map(|tick| tick as f64 * step).collect()
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `least`.
fn step(least: f64, whole: bool) -> f64 {
    let mut decade = if whole { 1.0 } else { 0.001 };
    loop {
        for digit in [1.0, 2.0, 5.0] {
            // The limit ends the search for what no axis can show.
            if digit * decade >= least || decade > 1e18 {
                return digit * decade;
            }
        }
        decade *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_a_round_number_not_below_the_largest_value() {
        for (max, whole, ticks) in [
            (0.0, true, vec![0.0, 1.0]),
            (1.0, true, vec![0.0, 1.0]),
            (7.0, true, vec![0.0, 2.0, 4.0, 6.0, 8.0]),
            (
                100_000.0,
                true,
                vec![0.0, 20_000.0, 40_000.0, 60_000.0, 80_000.0, 100_000.0],
            ),
            (100_001.0, true, vec![0.0, 50_000.0, 100_000.0, 150_000.0]),
            (2.0, false, vec![0.0, 0.5, 1.0, 1.5, 2.0]),
        ] {
            assert_eq!(upto(max, 5, whole), ticks, "{max}");
        }
        assert!(upto(u64::MAX as f64, 5, true).len() < 7);
    }

    #[test]
    fn a_time_axis_stops_at_the_end_of_the_run() {
        assert_eq!(
            within(60.0, 12),
            [
                0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0
            ]
        );
        assert_eq!(within(61.0, 6), [0.0, 20.0, 40.0, 60.0]);
        assert_eq!(within(0.0, 12), [0.0]);
    }
}

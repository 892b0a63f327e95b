//! Round numbers for axes.

use crate::numbers::thousands;

/// Evenly spaced whole numbers from 0 to the first one that is not below `max`, in at most `count` steps: an axis
/// that counts things.
pub fn upto(max: f64, count: usize) -> Vec<f64> {
    let step = step(max / count as f64, 1.0, &[1.0, 2.0, 2.5, 5.0]);
    let steps = (max / step - 1e-9).ceil().max(1.0) as usize;
    (0..=steps).map(|tick| tick as f64 * step).collect()
}

/// Where an axis of rates ends: at the largest, unless that is a spike that would flatten all the rest. `true` if it is cut.
pub fn shown<'a>(rates: impl Iterator<Item = &'a f64>) -> (f64, bool) {
    let mut rates: Vec<f64> = rates.copied().filter(|rate| *rate > 0.0).collect();
    rates.sort_by(f64::total_cmp);
    let Some(max) = rates.last().copied() else {
        return (0.0, false);
    };
    // Few figures have no usual size.
    let usual = rates[rates.len() * 95 / 100];
    match rates.len() >= 40 && max > 5.0 * usual {
        true => (2.0 * usual, true),
        false => (max, false),
    }
}

/// Evenly spaced seconds within a run, each with its label, about a dozen at most: in seconds, and of long runs in minutes,
/// hours or days.
pub fn times(seconds: f64) -> Vec<(f64, String)> {
    for (unit, name, from) in [(86_400.0, "d", 4.0), (3_600.0, "h", 4.0), (60.0, "min", 20.0)] {
        if seconds >= from * unit {
            let step = step(seconds / unit / 12.0, 1.0, &[1.0, 2.0, 5.0]);
            let steps = (seconds / unit / step + 1e-9).floor() as usize;
            let ticks = (0..=steps).map(|tick| tick as f64 * step);
            return ticks.map(|tick| (tick * unit, format!("{tick} {name}"))).collect();
        }
    }
    let step = step(seconds / 12.0, 0.001, &[1.0, 2.0, 5.0]);
    let steps = (seconds / step + 1e-9).floor() as usize;
    let decimals = [1.0, 0.1, 0.01].iter().position(|unit| step >= *unit).unwrap_or(3);
    let label = |time: f64| match decimals {
        0 => format!("{} s", thousands(time.round() as u64)),
        decimals => format!("{time:.decimals$} s"),
    };
    (0..=steps)
        .map(|tick| tick as f64 * step)
        .map(|time| (time, label(time)))
        .collect()
}

/// The smallest of `digits` times a power of ten, from `least_step` on, that is not below `least`.
fn step(least: f64, least_step: f64, digits: &[f64]) -> f64 {
    let mut decade = least_step;
    // The limit ends the search for what no axis can show.
    while decade < 1e18 {
        let whole = |step: &f64| least_step < 1.0 || step.fract() == 0.0;
        let mut steps = digits.iter().map(|digit| digit * decade).filter(whole);
        if let Some(step) = steps.find(|step| *step >= least) {
            return step;
        }
        decade *= 10.0;
    }
    decade
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_a_round_number_not_below_the_largest_value() {
        for (max, ticks) in [
            (0.0, vec![0.0, 1.0]),
            (0.3, vec![0.0, 1.0]),
            (1.0, vec![0.0, 1.0]),
            (7.0, vec![0.0, 2.0, 4.0, 6.0, 8.0]),
            (12.0, vec![0.0, 5.0, 10.0, 15.0]),
            (14_000.0, vec![0.0, 5_000.0, 10_000.0, 15_000.0]),
            (12_000.0, vec![0.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0, 12_500.0]),
            (100_000.0, vec![0.0, 20_000.0, 40_000.0, 60_000.0, 80_000.0, 100_000.0]),
            (100_001.0, vec![0.0, 25_000.0, 50_000.0, 75_000.0, 100_000.0, 125_000.0]),
        ] {
            assert_eq!(upto(max, 5), ticks, "{max}");
        }
        assert!(upto(u64::MAX as f64, 5).len() < 25);
    }

    #[test]
    fn a_spike_does_not_flatten_the_rest() {
        let usual = vec![100.0; 60];
        let with = |spike: f64| [&usual[..], &[0.0, spike, spike]].concat();
        assert_eq!(shown(with(450.0).iter()), (450.0, false));
        assert_eq!(shown(with(5_000.0).iter()), (200.0, true));
        assert_eq!(shown([1.0, 1.0, 90.0].iter()), (90.0, false), "too few to decide");
        assert_eq!(shown([].iter()), (0.0, false));
    }

    #[test]
    fn a_time_axis_stops_at_the_end_of_the_run() {
        for (seconds, labels) in [
            (0.004, "0.000 s, 0.001 s, 0.002 s, 0.003 s, 0.004 s"),
            (
                0.5,
                "0.00 s, 0.05 s, 0.10 s, 0.15 s, 0.20 s, 0.25 s, 0.30 s, 0.35 s, 0.40 s, 0.45 s, 0.50 s",
            ),
            (
                1.0,
                "0.0 s, 0.1 s, 0.2 s, 0.3 s, 0.4 s, 0.5 s, 0.6 s, 0.7 s, 0.8 s, 0.9 s, 1.0 s",
            ),
            (3.2, "0.0 s, 0.5 s, 1.0 s, 1.5 s, 2.0 s, 2.5 s, 3.0 s"),
            (65.0, "0 s, 10 s, 20 s, 30 s, 40 s, 50 s, 60 s"),
            (300.0, "0 s, 50 s, 100 s, 150 s, 200 s, 250 s, 300 s"),
            (
                3_600.0,
                "0 min, 5 min, 10 min, 15 min, 20 min, 25 min, 30 min, 35 min, 40 min, 45 min, 50 min, 55 min, 60 min",
            ),
            (
                86_400.0,
                "0 h, 2 h, 4 h, 6 h, 8 h, 10 h, 12 h, 14 h, 16 h, 18 h, 20 h, 22 h, 24 h",
            ),
            (604_800.0, "0 d, 1 d, 2 d, 3 d, 4 d, 5 d, 6 d, 7 d"),
        ] {
            let said: Vec<_> = times(seconds).into_iter().map(|(_, label)| label).collect();
            assert_eq!(said.join(", "), labels);
        }
    }
}

//! Records a second: produced, committed and consumed.

use super::frame::{Frame, Values, title};
use super::scene::{Colour, Scene, Text};
use super::sheet::{INK, LEGEND, QUIET, SMALL};
use super::ticks;
use crate::numbers::rate;
use crate::record::RunRecord;

/// While all goes well the three lines are one: each is narrower and darker than the one below it, so that all stay
/// in sight, in every kind of colour blindness and in print.
const PRODUCED: (Colour, f64) = (Colour::hex(0x8e_c9e8), 6.5);
const COMMITTED: (Colour, f64) = (Colour::hex(0xe0_7b14), 3.5);
const CONSUMED: (Colour, f64) = (Colour::hex(0x1b_2a49), 1.4);

/// Said below a plot whose values go beyond its axis.
pub(super) const CUT: &str = "peaks go beyond the axis";

/// The plot of a run's throughput.
pub fn scene(record: &RunRecord) -> Scene {
    let series = [
        ("produced", &record.throughput.produced, PRODUCED),
        ("committed", &record.throughput.committed, COMMITTED),
        ("consumed", &record.throughput.consumed, CONSUMED),
    ];
    let (max, is_cut) = ticks::shown(series.iter().flat_map(|(_, rates, _)| *rates));
    let subtitle = format!("in buckets of {} s", record.bucket_seconds);
    let values = Values {
        title: "Throughput",
        subtitle: &subtitle,
        unit: "records/s",
        max,
        empty: (max == 0.0).then_some("no record was produced, committed or consumed"),
        rows: &[],
    };
    let mut scene = Scene {
        title: format!("Throughput: {}", title(record)),
        ..Scene::default()
    };
    let frame = Frame::paint(&mut scene, record, &values);
    let mut y = frame.legend_top();
    for (name, rates, (colour, width)) in series {
        if max > 0.0 {
            // A rate is the mean of its bucket: it stands in the bucket's middle.
            let middle = |bucket: usize| (bucket as f64 + 0.5) * record.bucket_seconds;
            let points = rates
                .iter()
                .enumerate()
                .map(|(bucket, rate)| frame.at(middle(bucket), *rate));
            scene.line(points.collect(), colour, width);
        }
        scene.line(vec![(LEGEND, y - 5.0), (LEGEND + 26.0, y - 5.0)], colour, width);
        let left = LEGEND + 36.0;
        scene.text(Text::new((left, y), 15.0, INK, name).bold());
        let peak = rates.iter().copied().fold(0.0, f64::max);
        let figures = [(peak, "peak"), (mean_while_active(rates), "mean")];
        for ((figure, what), below) in figures.into_iter().zip([19.0, 36.0]).filter(|_| max > 0.0) {
            let said = format!("{what} {}", rate(figure));
            scene.text(Text::new((left, y + below), 13.0, QUIET, said));
        }
        y += 66.0;
    }
    if max > 0.0 {
        scene.text(Text::new((LEGEND, y), SMALL, QUIET, "means from first to last record"));
    }
    if is_cut {
        scene.text(Text::new((LEGEND, y + 18.0), SMALL, QUIET, CUT));
    }
    scene
}

/// The mean from the first bucket with a record to the last one.
pub(super) fn mean_while_active(rates: &[f64]) -> f64 {
    let first = rates.iter().position(|rate| *rate > 0.0);
    let last = rates.iter().rposition(|rate| *rate > 0.0);
    let (Some(first), Some(last)) = (first, last) else {
        return 0.0;
    };
    rates[first..=last].iter().sum::<f64>() / (last - first + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_counts_pauses_but_neither_start_nor_end() {
        assert_eq!(mean_while_active(&[0.0, 10.0, 0.0, 20.0, 0.0, 0.0]), 10.0);
        assert_eq!(mean_while_active(&[0.0]), 0.0);
        assert_eq!(mean_while_active(&[]), 0.0);
    }
}

//! Lag of each consumer group in each partition.

use std::cmp::Reverse;

use super::frame::{Frame, Values, title};
use super::scene::{Anchor, Colour, Mark, Scene, Text};
use super::sheet::{INK, LEFT, LEGEND, LEGEND_END, QUIET, RIGHT};
use super::{rebalances, text};
use crate::numbers::thousands;
use crate::record::{LagSeries, RunRecord};

/// The partition that needs attention.
pub(super) const HOT: Colour = Colour::hex(0xcc_3311);
const HOT_WIDTH: f64 = 3.5;
const WIDTH: f64 = 1.6;
/// Mostly Paul Tol's muted colours, which the colour-blind can distinguish, and greys.
pub(super) const OTHERS: [Colour; 12] = [
    Colour::hex(0x33_2288),
    Colour::hex(0x44_aa99),
    Colour::hex(0xd0_a840),
    Colour::hex(0x88_2255),
    Colour::hex(0x66_b2e0),
    Colour::hex(0x11_7733),
    Colour::hex(0xaa_4499),
    Colour::hex(0x99_9933),
    Colour::hex(0xd5_7f8c),
    Colour::hex(0x44_4b57),
    Colour::hex(0x82_8a96),
    Colour::hex(0xb9_bfc8),
];
const REST: Colour = Colour::hex(0x9a_a1ab).alpha(0.45);
/// As many lines as there are colours.
const LINES: usize = OTHERS.len();
/// So many lines stay when the rest becomes a band.
const LINES_BESIDE_BAND: usize = 8;
const LEGEND_TEXT: f64 = 13.0;

/// The plot of a run's lag.
pub fn scene(record: &RunRecord) -> Scene {
    let words = Words {
        title: "Lag",
        subtitle: "committed, not yet consumed",
        nobody: "no consumer read anything: there is no lag to show",
        no_lag: "no consumer was behind at the end of any bucket",
    };
    scene_of(record, &record.lag, &words, &[])
}

/// What a plot of lag says.
pub(super) struct Words {
    pub title: &'static str,
    pub subtitle: &'static str,
    /// There are no series.
    pub nobody: &'static str,
    /// All of them are zero.
    pub no_lag: &'static str,
}

/// The plot of these series, with marks at these times.
pub(super) fn scene_of(record: &RunRecord, lag: &[LagSeries], words: &Words, rebalances: &[f64]) -> Scene {
    let ranked = Ranked::of(lag);
    let max = ranked.lines.first().map_or(0, |line| line.peak);
    let hot = ranked.lines.first().filter(|line| line.is_hot);
    let empty = match max {
        _ if lag.is_empty() => Some(words.nobody),
        0 => Some(words.no_lag),
        _ => None,
    };
    let values = Values {
        title: words.title,
        subtitle: words.subtitle,
        unit: "records",
        // The hot line's label stands above its peak.
        max: max as f64 * if hot.is_some() { 1.08 } else { 1.0 },
        empty,
        rows: &[],
    };
    let mut scene = Scene {
        title: format!("{}: {}", words.title, title(record)),
        ..Scene::default()
    };
    let frame = Frame::paint(&mut scene, record, &values);
    rebalances::mark(&mut scene, &frame, rebalances);
    if max > 0 {
        band(&mut scene, &frame, record, &ranked.rest);
        // The worst is painted last, over all others.
        for line in ranked.lines.iter().rev() {
            let at_end = |(bucket, records): (usize, &u64)| at_end_of(&frame, record, bucket, *records);
            let points = line.series.records.iter().enumerate().map(at_end);
            scene.line(
                std::iter::once(frame.at(0.0, 0.0)).chain(points).collect(),
                line.colour,
                line.width,
            );
        }
    }
    if let Some(hot) = hot {
        point_out(&mut scene, &frame, record, hot);
    }
    let below = legend(&mut scene, &frame, &ranked);
    rebalances::explain(&mut scene, below, rebalances);
    scene
}

/// The series, the one with the largest lag first.
struct Ranked<'a> {
    lines: Vec<Line<'a>>,
    /// Those that share a band.
    rest: Vec<&'a LagSeries>,
    /// Whether partitions alone name the series.
    one_consumer: bool,
}

struct Line<'a> {
    series: &'a LagSeries,
    peak: u64,
    is_hot: bool,
    colour: Colour,
    width: f64,
}

impl<'a> Ranked<'a> {
    fn of(lag: &'a [LagSeries]) -> Ranked<'a> {
        let mut ranked: Vec<(u64, &LagSeries)> = lag.iter().map(|series| (peak(series), series)).collect();
        // The sort is stable: equals stay in the record's order.
        ranked.sort_by_key(|(peak, _)| Reverse(*peak));
        let is_hot = is_hot(&ranked);
        let kept = if lag.len() <= LINES { LINES } else { LINES_BESIDE_BAND };
        let rest = ranked.iter().skip(kept).map(|(_, series)| *series).collect();
        ranked.truncate(kept);
        let colours = is_hot.then_some(HOT).into_iter().chain(OTHERS);
        let line = |(rank, ((peak, series), colour))| {
            let is_hot = is_hot && rank == 0;
            Line {
                series,
                peak,
                is_hot,
                colour,
                width: if is_hot { HOT_WIDTH } else { WIDTH },
            }
        };
        Ranked {
            lines: ranked.into_iter().zip(colours).enumerate().map(line).collect(),
            rest,
            one_consumer: lag.windows(2).all(|pair| pair[0].consumer == pair[1].consumer),
        }
    }
}

/// The worst one is hot when most others are far below it. A lag of some dozens of records is no news, however small
/// the others are.
fn is_hot(ranked: &[(u64, &LagSeries)]) -> bool {
    let [(worst, _), _, ..] = ranked else { return false };
    let (median, _) = ranked[ranked.len() / 2];
    *worst >= 100 && *worst / 3 >= median
}

fn peak(series: &LagSeries) -> u64 {
    series.records.iter().copied().max().unwrap_or(0)
}

/// Lag is taken at the end of its bucket.
fn at_end_of(frame: &Frame, record: &RunRecord, bucket: usize, records: u64) -> (f64, f64) {
    frame.at((bucket + 1) as f64 * record.bucket_seconds, records as f64)
}

/// From the smallest to the largest of the rest, at each time.
fn band(scene: &mut Scene, frame: &Frame, record: &RunRecord, rest: &[&LagSeries]) {
    let buckets = record.throughput.produced.len();
    let column = |bucket: usize| rest.iter().map(move |series| series.records[bucket]);
    let upper = (0..buckets).filter_map(|bucket| Some((bucket, column(bucket).max()?)));
    let lower = (0..buckets)
        .rev()
        .filter_map(|bucket| Some((bucket, column(bucket).min()?)));
    let corners = upper
        .chain(lower)
        .map(|(bucket, records)| at_end_of(frame, record, bucket, records));
    let points: Vec<_> = std::iter::once(frame.at(0.0, 0.0)).chain(corners).collect();
    if !rest.is_empty() {
        scene.marks.push(Mark::Area { points, colour: REST });
    }
}

/// Says above its peak which partition is hot: no line is there, and the eye is there already.
fn point_out(scene: &mut Scene, frame: &Frame, record: &RunRecord, hot: &Line<'_>) {
    let bucket = hot
        .series
        .records
        .iter()
        .position(|records| *records == hot.peak)
        .expect("a peak is some bucket's");
    let (x, y) = at_end_of(frame, record, bucket, hot.peak);
    let said = format!("{}: {} records behind", hot.series.partition, thousands(hot.peak));
    let half = text::width(&said, 14.0, true) / 2.0;
    let middle = x.clamp(LEFT + half + 8.0, RIGHT - half - 8.0);
    let baseline = y - 12.0;
    let white = Colour::hex(0xff_ffff).alpha(0.9);
    scene.rect(
        (middle - half - 5.0, baseline - 14.0),
        (middle + half + 5.0, baseline + 4.0),
        white,
    );
    scene.marks.push(Mark::Disc {
        at: (x, y),
        radius: 5.0,
        colour: HOT,
    });
    scene.text(
        Text::new((middle, baseline), 14.0, HOT, said)
            .bold()
            .anchored(Anchor::Middle),
    );
}

/// Returns where it ends.
fn legend(scene: &mut Scene, frame: &Frame, ranked: &Ranked<'_>) -> f64 {
    let mut y = frame.legend_top();
    if ranked.lines.is_empty() {
        return y;
    }
    scene.text(Text::new((LEGEND_END, y), 12.0, QUIET, "peak").anchored(Anchor::End));
    for line in &ranked.lines {
        y += 21.0;
        scene.line(
            vec![(LEGEND, y - 4.5), (LEGEND + 22.0, y - 4.5)],
            line.colour,
            line.width.max(2.5),
        );
        let figure = thousands(line.peak);
        let room = LEGEND_END - LEGEND - 32.0 - text::width(&figure, LEGEND_TEXT, line.is_hot) - 10.0;
        let name = name(line, ranked.one_consumer, room);
        entry(scene, y, name, figure, line.is_hot);
    }
    if !ranked.rest.is_empty() {
        y += 21.0;
        scene.rect((LEGEND, y - 11.0), (LEGEND + 22.0, y + 1.0), REST);
        let peak = ranked.rest.iter().map(|series| peak(series)).max().unwrap_or(0);
        let name = format!("{} others, their range", ranked.rest.len());
        entry(scene, y, name, thousands(peak), false);
    }
    y
}

fn entry(scene: &mut Scene, y: f64, name: String, figure: String, bold: bool) {
    let name = Text::new((LEGEND + 32.0, y), LEGEND_TEXT, INK, name);
    let figure = Text::new((LEGEND_END, y), LEGEND_TEXT, INK, figure).anchored(Anchor::End);
    scene.text(Text { bold, ..name });
    scene.text(Text { bold, ..figure });
}

/// Partition and, if there are several, consumer; of these the consumer is cut first.
fn name(line: &Line<'_>, one_consumer: bool, room: f64) -> String {
    let LagSeries {
        consumer, partition, ..
    } = line.series;
    if one_consumer {
        return text::cut_front(partition, LEGEND_TEXT, line.is_hot, room);
    }
    let partition = format!(" · {partition}");
    let left = room - text::width(&partition, LEGEND_TEXT, line.is_hot);
    let consumer = text::cut(consumer, LEGEND_TEXT, line.is_hot, left);
    text::cut_front(&(consumer + &partition), LEGEND_TEXT, line.is_hot, room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_partition_is_hot_when_most_others_are_far_below_it() {
        for (peaks, hot) in [
            (&[][..], false),
            (&[5_000][..], false),
            (&[90, 1, 0][..], false),
            (&[100, 1, 0][..], true),
            (&[100_000, 40_000][..], false),
            (&[1_000, 100_000, 900, 40_000][..], true),
            (&[300, 300, 300, 299][..], false),
            (&[u64::MAX, u64::MAX][..], false),
        ] {
            let series = |records: &u64| LagSeries {
                consumer: "readers".into(),
                partition: "orders/0".into(),
                records: vec![*records],
            };
            let lag: Vec<_> = peaks.iter().map(series).collect();
            let ranked = Ranked::of(&lag);
            assert_eq!(
                ranked.lines.iter().filter(|line| line.is_hot).count(),
                usize::from(hot),
                "{peaks:?}"
            );
            assert!(ranked.lines.is_sorted_by_key(|line| Reverse(line.peak)));
        }
    }

    #[test]
    fn up_to_twelve_series_are_lines_and_more_become_eight_and_a_band() {
        for (count, lines, rest) in [(0, 0, 0), (1, 1, 0), (12, 12, 0), (13, 8, 5), (60, 8, 52)] {
            let series = |number: usize| LagSeries {
                consumer: "readers".into(),
                partition: format!("orders/{number}"),
                records: vec![number as u64 * 1_000],
            };
            let lag: Vec<_> = (0..count).map(series).collect();
            let ranked = Ranked::of(&lag);
            assert_eq!((ranked.lines.len(), ranked.rest.len()), (lines, rest));
        }
    }
}

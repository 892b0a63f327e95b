//! Lag of each consumer group in each partition.

use super::frame::{Frame, INK, QUIET, Values, title, words};
use super::scene::{Anchor, Colour, Scene, Text};
use super::text;
use crate::numbers::thousands;
use crate::record::{LagSeries, RunRecord};

/// The partition that needs attention.
const HOT: (Colour, f64) = (Colour::hex(0xcc_3311), 3.5);
const WIDTH: f64 = 1.8;
/// Paul Tol's muted colours, which the colour-blind can tell apart, and three greys.
const OTHERS: [Colour; 12] = [
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
const REST: Colour = Colour::hex(0x9a_a1ab);
/// As many lines as there are colours.
const LINES: usize = OTHERS.len();
/// So many lines stay when the rest becomes a band.
const LINES_BESIDE_BAND: usize = 8;

/// The plot of a run's lag.
pub fn scene(record: &RunRecord) -> Scene {
    let ranked = Ranked::of(&record.lag);
    let max = ranked.peak();
    let empty = match (record.lag.is_empty(), max) {
        (true, _) => Some("no consumer read anything: there is no lag to show"),
        (false, 0) => Some("no consumer was ever behind at the end of a bucket"),
        _ => None,
    };
    let values = Values {
        title: "Lag",
        subtitle: "committed, not yet consumed",
        unit: "records",
        max: max as f64,
        empty,
    };
    let mut scene = Scene {
        title: format!("Lag: {}", title(record)),
        ..Scene::default()
    };
    let frame = Frame::paint(&mut scene, record, &values);
    if max > 0 {
        band(&mut scene, &frame, record, &ranked.rest);
        // The worst is painted last, over all others.
        for line in ranked.lines.iter().rev() {
            let points = line
                .series
                .records
                .iter()
                .enumerate()
                .map(|(bucket, records)| frame.at((bucket + 1) as f64 * record.bucket_seconds, *records as f64));
            let points = std::iter::once(frame.at(0.0, 0.0)).chain(points);
            scene.line(points.collect(), line.colour, line.width);
        }
        if let Some(hot) = ranked.lines.first().filter(|line| line.is_hot) {
            point_out(&mut scene, &frame, record, hot);
        }
    }
    legend(&mut scene, &frame, &ranked);
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

fn peak(series: &LagSeries) -> u64 {
    series.records.iter().copied().max().unwrap_or(0)
}

impl<'a> Ranked<'a> {
    fn of(lag: &'a [LagSeries]) -> Ranked<'a> {
        let mut ranked: Vec<(u64, &LagSeries)> = lag.iter().map(|series| (peak(series), series)).collect();
        // The sort is stable: equals stay in the record's order.
        ranked.sort_by_key(|(peak, _)| std::cmp::Reverse(*peak));
        let median = ranked.get(ranked.len() / 2).map_or(0, |(peak, _)| *peak);
        // A lag of a few records is no news, however small the others are.
        let hot_from = (3 * median).max(100);
        let rest = ranked.split_off(if lag.len() <= LINES {
            lag.len()
        } else {
            LINES_BESIDE_BAND
        });
        let hot = ranked
            .iter()
            .take_while(|(peak, _)| *peak >= hot_from && lag.len() > 1)
            .count()
            .min(3);
        let line = |(rank, (peak, series)): (usize, (u64, &'a LagSeries))| {
            let is_hot = rank < hot;
            // Several hot ones keep their own colours, or they could not be told apart.
            let colour = if is_hot && rank == 0 {
                HOT.0
            } else {
                OTHERS[rank.saturating_sub(usize::from(hot > 0))]
            };
            Line {
                series,
                peak,
                is_hot,
                colour,
                width: if is_hot { HOT.1 } else { WIDTH },
            }
        };
        Ranked {
            lines: ranked.into_iter().enumerate().map(line).collect(),
            rest: rest.into_iter().map(|(_, series)| series).collect(),
            one_consumer: lag.windows(2).all(|pair| pair[0].consumer == pair[1].consumer),
        }
    }

    fn peak(&self) -> u64 {
        self.lines.first().map_or(0, |line| line.peak)
    }
}

fn band(scene: &mut Scene, frame: &Frame, record: &RunRecord, rest: &[&LagSeries]) {
    let buckets = record.throughput.produced.len();
    let at = |bucket: usize, lag: u64| frame.at((bucket + 1) as f64 * record.bucket_seconds, lag as f64);
    let column = |bucket: usize| {
        rest.iter()
            .filter_map(move |series| series.records.get(bucket).copied())
    };
    let upper = (0..buckets).filter_map(|bucket| Some(at(bucket, column(bucket).max()?)));
    let lower = (0..buckets)
        .rev()
        .filter_map(|bucket| Some(at(bucket, column(bucket).min()?)));
    let points: Vec<_> = upper.chain(lower).collect();
    if points.len() > 2 {
        scene.marks.push(super::scene::Mark::Area {
            points,
            colour: REST.alpha(0.45),
        });
    }
}

/// Says at its peak which partition is hot, where the eye already is.
fn point_out(scene: &mut Scene, frame: &Frame, record: &RunRecord, hot: &Line<'_>) {
    let Some(bucket) = hot.series.records.iter().position(|records| *records == hot.peak) else {
        return;
    };
    let seconds = (bucket + 1) as f64 * record.bucket_seconds;
    let (x, y) = frame.at(seconds, hot.peak as f64);
    let said = format!(
        "{}: {} records behind at {seconds} s",
        hot.series.partition,
        thousands(hot.peak)
    );
    let (left, right) = frame.sides();
    let width = text::width(&said, 14.0, true);
    // Beside the peak, on the side that has the room, and not above the plot.
    let begin = if x - 14.0 - width > left + 6.0 {
        x - 14.0 - width
    } else {
        (x + 14.0).min(right - 6.0 - width)
    };
    let baseline = (y + 5.0).max(frame.top() + 18.0);
    scene.rect(
        (begin - 5.0, baseline - 15.0),
        (begin + width + 5.0, baseline + 6.0),
        Colour::hex(0xff_ffff).alpha(0.85),
    );
    scene.marks.push(super::scene::Mark::Disc {
        at: (x, y),
        radius: 5.5,
        colour: HOT.0,
    });
    scene.text(Text {
        bold: true,
        ..words((begin, baseline), 14.0, HOT.0, &said)
    });
}

fn legend(scene: &mut Scene, frame: &Frame, ranked: &Ranked<'_>) {
    let ((x, mut y), room) = frame.legend();
    if ranked.lines.is_empty() {
        return;
    }
    scene.text(Text {
        anchor: Anchor::End,
        ..words((x + room, y), 12.0, QUIET, "peak")
    });
    y += 20.0;
    for line in &ranked.lines {
        let name = match ranked.one_consumer {
            true => line.series.partition.clone(),
            false => format!("{} · {}", line.series.consumer, line.series.partition),
        };
        let figure = thousands(line.peak);
        let name_room = room - 32.0 - text::width(&figure, 13.0, line.is_hot) - 10.0;
        let name = text::cut_front(&name, 13.0, line.is_hot, name_room);
        scene.line(
            vec![(x, y - 4.5), (x + 22.0, y - 4.5)],
            line.colour,
            line.width.max(2.5),
        );
        scene.text(Text {
            bold: line.is_hot,
            ..words((x + 32.0, y), 13.0, INK, &name)
        });
        let figure = words((x + room, y), 13.0, INK, &figure);
        scene.text(Text {
            bold: line.is_hot,
            anchor: Anchor::End,
            ..figure
        });
        y += 21.0;
    }
    if !ranked.rest.is_empty() {
        let peak = ranked.rest.iter().map(|series| peak(series)).max().unwrap_or(0);
        scene.rect((x, y - 11.0), (x + 22.0, y + 1.0), REST.alpha(0.45));
        scene.text(words(
            (x + 32.0, y),
            13.0,
            INK,
            &format!("{} others, range", ranked.rest.len()),
        ));
        scene.text(Text {
            anchor: Anchor::End,
            ..words((x + room, y), 13.0, INK, &thousands(peak))
        });
    }
}

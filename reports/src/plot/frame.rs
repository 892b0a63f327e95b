//! What both plots share: heading, time axis, faults, footer; and where on the sheet a value stands.

use super::lanes::{self, Room};
use super::scene::{Anchor, Colour, HEIGHT, Point, Scene, Text, WIDTH};
use super::{text, ticks};
use crate::numbers::{counted, thousands};
use crate::record::RunRecord;

/// Text that matters.
pub const INK: Colour = Colour::hex(0x1f_2937);
/// Text that explains.
pub const QUIET: Colour = Colour::hex(0x5b_6472);
const GRID: Colour = Colour::hex(0xe3_e6ea);
const AXIS: Colour = Colour::hex(0x9a_a1ab);
const FAULT: Colour = Colour::hex(0x6b_7280);
const HEALED: Colour = Colour::hex(0x11_7733);
const VIOLATION: Colour = Colour::hex(0xb0_0020);

const MARGIN: f64 = 28.0;
/// Of the plot's left side, behind the labels of the axis.
const LEFT: f64 = 104.0;
/// Of the plot's right side; the legend stands beyond.
const RIGHT: f64 = 944.0;
const BOTTOM: f64 = HEIGHT - 74.0;
const LANE: f64 = 18.0;
/// More lanes would take the plot's own room; what has no place in them is counted.
const LANES: usize = 6;
const LABEL: f64 = 12.0;

/// The values' side of a plot.
pub struct Values<'a> {
    /// What is plotted, as the heading of the legend.
    pub title: &'a str,
    /// What a value means.
    pub subtitle: &'a str,
    /// The unit, at the axis.
    pub unit: &'a str,
    /// The largest value.
    pub max: f64,
    /// Said in place of values when there are none.
    pub empty: Option<&'a str>,
}

/// The painted frame of a plot.
pub struct Frame {
    top: f64,
    seconds: f64,
    max: f64,
}

impl Frame {
    /// Paints everything but the values.
    pub fn paint(scene: &mut Scene, record: &RunRecord, values: &Values<'_>) -> Frame {
        let below = heading(scene, record);
        let events = Events::of(record);
        let top = below + events.lanes as f64 * LANE + 14.0;
        let buckets = record.throughput.produced.len() as f64 * record.bucket_seconds;
        let ticks = ticks::upto(values.max, 6, true);
        let frame = Frame {
            top,
            seconds: record.sim_seconds.max(buckets).max(1e-3),
            max: *ticks.last().expect("an axis has ticks"),
        };
        events.shade(scene, &frame);
        frame.axes(scene, &ticks, values.unit);
        events.label(scene, &frame);
        legend_heading(scene, top, values);
        if let Some(empty) = values.empty {
            let middle = ((LEFT + RIGHT) / 2.0, (top + BOTTOM) / 2.0);
            scene.text(Text {
                anchor: Anchor::Middle,
                ..words(middle, 17.0, QUIET, empty)
            });
        }
        footer(scene, record);
        frame
    }

    /// Where a value stands.
    pub fn at(&self, seconds: f64, value: f64) -> Point {
        (self.x(seconds), BOTTOM - (BOTTOM - self.top) * value / self.max)
    }

    /// Where the legend's lines begin, and how wide they may be.
    pub fn legend(&self) -> (Point, f64) {
        ((RIGHT + 28.0, self.top + 58.0), WIDTH - MARGIN - RIGHT - 28.0)
    }

    /// The plot's left and right side.
    pub fn sides(&self) -> (f64, f64) {
        (LEFT, RIGHT)
    }

    /// The plot's upper side.
    pub fn top(&self) -> f64 {
        self.top
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds).min(1.0)
    }

    fn axes(&self, scene: &mut Scene, ticks: &[f64], unit: &str) {
        for tick in ticks {
            let (x, y) = self.at(0.0, *tick);
            scene.line(vec![(x, y), (RIGHT, y)], GRID, 1.0);
            let label = words((x - 10.0, y + 4.5), 13.0, QUIET, &thousands(*tick as u64));
            scene.text(Text {
                anchor: Anchor::End,
                ..label
            });
        }
        let unit = Text {
            bold: true,
            anchor: Anchor::End,
            ..words((LEFT - 10.0, self.top - 14.0), 13.0, INK, unit)
        };
        scene.text(unit);
        let times = ticks::within(self.seconds, 12);
        let decimals = [0, 1, 2]
            .into_iter()
            .find(|decimals| exact(&times, *decimals))
            .unwrap_or(3);
        for time in times {
            let x = self.x(time);
            scene.line(vec![(x, BOTTOM), (x, BOTTOM + 5.0)], AXIS, 1.0);
            let whole = thousands(time as u64);
            let label = if decimals == 0 {
                format!("{whole} s")
            } else {
                format!("{time:.decimals$} s")
            };
            scene.text(Text {
                anchor: Anchor::Middle,
                ..words((x, BOTTOM + 20.0), 13.0, QUIET, &label)
            });
        }
        scene.line(vec![(LEFT, BOTTOM), (RIGHT, BOTTOM)], AXIS, 1.5);
        let caption = words((RIGHT + 28.0, BOTTOM + 20.0), 13.0, INK, "simulated time");
        scene.text(Text { bold: true, ..caption });
    }
}

fn exact(times: &[f64], decimals: usize) -> bool {
    let factor = [1.0, 10.0, 100.0][decimals];
    times
        .iter()
        .all(|time| (time * factor - (time * factor).round()).abs() < 1e-6)
}

/// A regular text that begins at a point.
pub fn words(at: Point, size: f64, colour: Colour, text: &str) -> Text {
    Text {
        at,
        anchor: Anchor::Start,
        size,
        bold: false,
        colour,
        text: text.to_owned(),
    }
}

/// The sentence that names a run.
pub fn title(record: &RunRecord) -> String {
    format!("{} — {}, seed {}", record.scenario, record.verdict, record.seed)
}

/// Paints scenario, verdict, seed and lesson; returns the height that they take.
fn heading(scene: &mut Scene, record: &RunRecord) -> f64 {
    let colour = match record.verdict.as_str() {
        "pass" => HEALED,
        "violation" => VIOLATION,
        "allowed" => Colour::hex(0xb2_6a00),
        _ => FAULT,
    };
    let left = MARGIN + 16.0;
    let room = WIDTH - MARGIN - left;
    let mut y = 44.0;
    let verdict = format!(" — {}, seed {}", record.verdict, record.seed);
    let name = text::cut_front(&record.scenario, 22.0, true, room - text::width(&verdict, 22.0, true));
    scene.text(Text {
        bold: true,
        ..words((left, y), 22.0, INK, &format!("{name}{verdict}"))
    });
    for line in text::wrap(&record.teaches, 15.0, room.min(940.0), 2) {
        y += 22.0;
        scene.text(words((left, y), 15.0, QUIET, &line));
    }
    if let Some(signature) = &record.signature {
        y += 22.0;
        let signature = text::cut(signature, 15.0, true, room);
        scene.text(Text {
            bold: true,
            ..words((left, y), 15.0, colour, &signature)
        });
    }
    scene.rect((MARGIN, 24.0), (MARGIN + 5.0, y + 5.0), colour);
    y + 22.0
}

fn legend_heading(scene: &mut Scene, top: f64, values: &Values<'_>) {
    let x = RIGHT + 28.0;
    scene.text(Text {
        bold: true,
        ..words((x, top + 11.0), 17.0, INK, values.title)
    });
    scene.text(words((x, top + 30.0), 13.0, QUIET, values.subtitle));
}

fn footer(scene: &mut Scene, record: &RunRecord) {
    let totals = record.totals;
    let said = format!(
        "{} sent · {} acknowledged · {} committed · {} consumed · Trial {} · digest {}",
        counted(totals.sent, "record"),
        thousands(totals.acked),
        thousands(totals.committed),
        thousands(totals.consumed),
        record.build,
        record.digest,
    );
    let said = text::cut(&said, LABEL, false, WIDTH - 2.0 * MARGIN);
    scene.text(words((MARGIN, HEIGHT - 18.0), LABEL, QUIET, &said));
}

/// What is named above the plot: faults as bands; the heal and the first violation of each check as lines.
struct Events {
    events: Vec<Event>,
    placed: Vec<Option<usize>>,
    /// How many lanes are in use.
    lanes: usize,
    /// Faults that found no place.
    left_out: usize,
    seconds: f64,
}

struct Event {
    from: f64,
    to: f64,
    label: String,
    colour: Colour,
    is_fault: bool,
}

impl Events {
    fn of(record: &RunRecord) -> Events {
        let mut events = Vec::new();
        // What is a line comes first: it must not be the one that finds no place.
        let line = |at: f64, label: &str, colour| Event {
            from: at,
            to: at,
            label: label.to_owned(),
            colour,
            is_fault: false,
        };
        events.extend(record.healed_at.map(|at| line(at, "healed", HEALED)));
        let mut shown: Vec<&str> = Vec::new();
        for finding in record.findings.iter().filter(|finding| finding.ruling == "violation") {
            if shown.len() < 3 && !shown.contains(&finding.check.as_str()) {
                shown.push(&finding.check);
                events.push(line(finding.time_ns as f64 / 1e9, &finding.check, VIOLATION));
            }
        }
        let mut faults: Vec<_> = record.faults.iter().collect();
        faults.sort_by(|a, b| a.from.total_cmp(&b.from).then(b.to.total_cmp(&a.to)));
        for fault in faults {
            let label = text::cut(&fault.name, LABEL, false, 240.0);
            events.push(Event {
                from: fault.from,
                to: fault.to,
                label,
                colour: FAULT,
                is_fault: true,
            });
        }
        let buckets = record.throughput.produced.len() as f64 * record.bucket_seconds;
        let seconds = record.sim_seconds.max(buckets).max(1e-3);
        let mut placed = Events {
            events,
            placed: vec![],
            lanes: 0,
            left_out: 0,
            seconds,
        };
        let rooms: Vec<Room> = placed.events.iter().map(|event| placed.room(event)).collect();
        placed.placed = lanes::place(&rooms, LANES);
        placed.lanes = placed.placed.iter().flatten().map(|lane| lane + 1).max().unwrap_or(0);
        placed.left_out = placed.placed.iter().filter(|lane| lane.is_none()).count();
        placed
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds).min(1.0)
    }

    /// Where the label begins: with its band, or earlier if it would leave the plot.
    fn label_left(&self, event: &Event) -> f64 {
        let width = text::width(&event.label, LABEL, !event.is_fault);
        (self.x(event.from)).min(RIGHT - width)
    }

    fn room(&self, event: &Event) -> Room {
        let left = self.label_left(event);
        let width = text::width(&event.label, LABEL, !event.is_fault);
        Room {
            left,
            right: (left + width).max(self.x(event.to)),
        }
    }

    /// The lower side of an event's lane.
    fn lane_bottom(&self, top: f64, lane: usize) -> f64 {
        top - 4.0 - lane as f64 * LANE
    }

    /// Everything that lies below the values. Faults without a lane are shaded all the same.
    fn shade(&self, scene: &mut Scene, frame: &Frame) {
        for (event, lane) in self.events.iter().zip(&self.placed) {
            let top = lane.map_or(frame.top, |lane| self.lane_bottom(frame.top, lane));
            let (from, to) = (self.x(event.from), self.x(event.to));
            if event.is_fault {
                scene.rect((from, top), (to.max(from + 1.5), BOTTOM), FAULT.alpha(0.13));
            }
        }
    }

    fn label(&self, scene: &mut Scene, frame: &Frame) {
        for (event, lane) in self.events.iter().zip(&self.placed) {
            let top = lane.map_or(frame.top, |lane| self.lane_bottom(frame.top, lane));
            let (from, to) = (self.x(event.from), self.x(event.to));
            match event.is_fault {
                true if lane.is_some() => scene.rect((from, top - 3.0), (to.max(from + 2.0), top), event.colour),
                true => continue,
                false => scene.dashes((from, top), (from, BOTTOM), event.colour, 1.5),
            }
            if lane.is_some() {
                let label = words((self.label_left(event), top - 6.0), LABEL, event.colour, &event.label);
                scene.text(Text {
                    bold: !event.is_fault,
                    ..label
                });
            }
        }
        if self.left_out > 0 {
            let y = self.lane_bottom(frame.top, self.lanes.saturating_sub(1)) - 6.0;
            let said = format!("+ {}", counted(self.left_out as u64, "more fault"));
            scene.text(words((RIGHT + 28.0, y), LABEL, FAULT, &said));
        }
    }
}

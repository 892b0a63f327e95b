//! What all plots of one run share: heading, axes, faults, footer; and where on the sheet a value stands.

use super::events::Events;
use super::scene::{Anchor, Colour, HEIGHT, Point, Scene, Text};
use super::sheet::{BAD, BOTTOM, GOOD, INK, LEFT, LEGEND, LEGEND_END, MARGIN, QUIET, RIGHT, SMALL, Timeline};
use super::{text, ticks};
use crate::numbers::{counted, thousands};
use crate::record::RunRecord;
use crate::verdict::Word;

const TOLERATED: Colour = Colour::hex(0xb2_6a00);
const GRID: Colour = Colour::hex(0xe3_e6ea);
const AXIS: Colour = Colour::hex(0x9a_a1ab);
const AXIS_TEXT: f64 = 13.0;

/// The values' side of a plot.
pub struct Values<'a> {
    /// What is plotted, as the heading of the legend.
    pub title: &'a str,
    /// What a value means.
    pub subtitle: &'a str,
    /// The unit, at the axis.
    pub unit: &'a str,
    /// The axis reaches at least up to here.
    pub max: f64,
    /// Said in place of values when there are none.
    pub empty: Option<&'a str>,
    /// In place of an axis of values: the names of rows, from above. Empty with an axis of values.
    pub rows: &'a [String],
}

/// The painted frame of a plot.
pub struct Frame {
    timeline: Timeline,
    /// The plot's upper side.
    pub top: f64,
    max: f64,
}

impl Frame {
    /// Paints everything but the values.
    pub fn paint(scene: &mut Scene, record: &RunRecord, values: &Values<'_>) -> Frame {
        let below = heading(scene, record);
        let timeline = Timeline::of(record);
        let events = Events::of(record, timeline);
        let ticks = ticks::upto(values.max, 6);
        let max = match values.rows.len() {
            0 => *ticks.last().expect("an axis has ticks"),
            rows => rows as f64,
        };
        let frame = Frame {
            timeline,
            top: below + events.height() + 14.0,
            max,
        };
        events.shade(scene, frame.top);
        match values.rows {
            [] => frame.value_axis(scene, &ticks, values.unit),
            rows => frame.row_axis(scene, rows, values.unit),
        }
        frame.time_axis(scene);
        events.name(scene, frame.top);
        frame.legend_heading(scene, values);
        if let Some(empty) = values.empty {
            let middle = ((LEFT + RIGHT) / 2.0, (frame.top + BOTTOM) / 2.0);
            scene.text(Text::new(middle, 17.0, QUIET, empty).anchored(Anchor::Middle));
        }
        footer(scene, record);
        frame
    }

    /// Where a value stands.
    pub fn at(&self, seconds: f64, value: f64) -> Point {
        (
            self.timeline.x(seconds),
            BOTTOM - (BOTTOM - self.top) * value.min(self.max) / self.max,
        )
    }

    /// The baseline of the legend's first line.
    pub fn legend_top(&self) -> f64 {
        self.top + 58.0
    }

    fn value_axis(&self, scene: &mut Scene, ticks: &[f64], unit: &str) {
        for tick in ticks {
            let (x, y) = self.at(0.0, *tick);
            scene.line(vec![(x, y), (RIGHT, y)], GRID, 1.0);
            let label = Text::new((x - 10.0, y + 4.5), AXIS_TEXT, QUIET, thousands(*tick as u64));
            scene.text(label.anchored(Anchor::End));
        }
        let unit = Text::new((LEFT - 10.0, self.top - 15.0), AXIS_TEXT, INK, unit);
        scene.text(unit.bold().anchored(Anchor::End));
    }

    /// The upper and the lower side of a row.
    pub fn row(&self, row: usize) -> (f64, f64) {
        let height = (BOTTOM - self.top) / self.max;
        (self.top + height * row as f64, self.top + height * (row + 1) as f64)
    }

    /// Names as many rows as have room for a name.
    fn row_axis(&self, scene: &mut Scene, rows: &[String], unit: &str) {
        let (upper, lower) = self.row(0);
        let every = (AXIS_TEXT / (lower - upper)).ceil().max(1.0) as usize;
        for (row, name) in rows.iter().enumerate().step_by(every) {
            let (upper, lower) = self.row(row);
            let name = text::cut_front(name, AXIS_TEXT, false, LEFT - MARGIN - 10.0);
            let label = Text::new((LEFT - 10.0, (upper + lower) / 2.0 + 4.5), AXIS_TEXT, QUIET, name);
            scene.text(label.anchored(Anchor::End));
        }
        let unit = Text::new((LEFT - 10.0, self.top - 8.0), AXIS_TEXT, INK, unit);
        scene.text(unit.bold().anchored(Anchor::End));
    }

    fn time_axis(&self, scene: &mut Scene) {
        scene.line(vec![(LEFT, BOTTOM), (RIGHT, BOTTOM)], AXIS, 1.5);
        let baseline = BOTTOM + 20.0;
        for (time, label) in ticks::times(self.timeline.seconds()) {
            let x = self.timeline.x(time);
            scene.line(vec![(x, BOTTOM), (x, BOTTOM + 5.0)], AXIS, 1.0);
            scene.text(Text::new((x, baseline), AXIS_TEXT, QUIET, label).anchored(Anchor::Middle));
        }
        scene.text(Text::new((LEGEND, baseline), AXIS_TEXT, INK, "simulated time").bold());
    }

    fn legend_heading(&self, scene: &mut Scene, values: &Values<'_>) {
        scene.text(Text::new((LEGEND, self.top + 11.0), 17.0, INK, values.title).bold());
        scene.text(Text::new((LEGEND, self.top + 30.0), 13.0, QUIET, values.subtitle));
    }
}

/// The sentence that names a run.
pub fn title(record: &RunRecord) -> String {
    format!("{} — {}, seed {}", record.scenario, record.verdict, record.seed)
}

/// Paints scenario, verdict, seed and lesson beside a bar in the verdict's colour; returns where they end.
fn heading(scene: &mut Scene, record: &RunRecord) -> f64 {
    let colour = match record.verdict {
        Word::Pass => GOOD,
        Word::Violation | Word::Missed | Word::Error => BAD,
        Word::Allowed | Word::Found => TOLERATED,
        Word::Inconclusive => QUIET,
    };
    let left = MARGIN + 16.0;
    let room = LEGEND_END - left;
    let mut y = 44.0;
    // A long name gives way: verdict and seed are what a person looks for.
    let verdict = format!(" — {}, seed {}", record.verdict, record.seed);
    let name = text::cut_front(&record.scenario, 22.0, true, room - text::width(&verdict, 22.0, true));
    scene.text(Text::new((left, y), 22.0, INK, name + &verdict).bold());
    for line in text::wrap(&record.teaches, 15.0, 940.0, 2) {
        y += 22.0;
        scene.text(Text::new((left, y), 15.0, QUIET, line));
    }
    if let Some(signature) = record.title.as_ref().or(record.signature.as_ref()) {
        y += 22.0;
        let signature = text::cut(signature, 15.0, true, room);
        scene.text(Text::new((left, y), 15.0, colour, signature).bold());
    }
    scene.rect((MARGIN, 24.0), (MARGIN + 5.0, y + 5.0), colour);
    y + 24.0
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
    let said = text::cut(&said, SMALL, false, LEGEND_END - MARGIN);
    scene.text(Text::new((MARGIN, HEIGHT - 18.0), SMALL, QUIET, said));
}

//! The lag of several runs side by side.

use super::lag::HOT;
use super::scene::{Anchor, Colour, HEIGHT, Mark, Scene, Text, WIDTH};
use super::sheet::{INK, QUIET, SMALL};
use super::{text, ticks};
use crate::numbers::{counted, thousands};
use crate::record::RunRecord;

const MARGIN: f64 = 28.0;
/// The upper side of the first row of fields.
const TOP: f64 = 88.0;
const GRID: Colour = Colour::hex(0xe3_e6ea);
const AXIS: Colour = Colour::hex(0x9a_a1ab);
/// A partition that is not the worst.
const OTHER: Colour = Colour::hex(0x8a_9bb5);
const LABEL: f64 = 11.0;

/// One run: its partitions' lag, the worst first.
struct Field<'a> {
    record: &'a RunRecord,
    series: Vec<(String, &'a [u64])>,
}

/// Fields in a grid, the worst first, in the same scale: what is low in one is low in all.
pub fn scene(name: &str, records: &[RunRecord]) -> Scene {
    let mut fields: Vec<Field<'_>> = records.iter().map(Field::of).collect();
    // The sort is stable: equals stay in the given order.
    fields.sort_by_key(|field| core::cmp::Reverse(field.peak()));
    let worst = fields.iter().map(Field::peak).max().unwrap_or(0);
    let seconds = records.iter().map(|record| record.sim_seconds).fold(1.0, f64::max);
    let mut scene = Scene {
        title: format!("Lag compared: {name}"),
        ..Scene::default()
    };
    scene.text(Text::new((MARGIN, 44.0), 22.0, INK, format!("{name} — lag compared")).bold());
    let said = "lag of each partition, in records: the worst one in red; all fields have the same scale";
    scene.text(Text::new((MARGIN, 66.0), 14.0, QUIET, said));
    if fields.is_empty() {
        return scene;
    }
    let columns = match fields.len() {
        1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let rows = fields.len().div_ceil(columns);
    let (width, height) = (
        (WIDTH - 2.0 * MARGIN) / columns as f64,
        (HEIGHT - TOP - 20.0) / rows as f64,
    );
    let values = ticks::upto(worst as f64, if rows > 1 { 4 } else { 6 });
    for (place, field) in fields.iter().enumerate() {
        let (column, row) = ((place % columns) as f64, (place / columns) as f64);
        let panel = Panel {
            left: MARGIN + column * width + 52.0,
            right: MARGIN + (column + 1.0) * width - 14.0,
            top: TOP + row * height + 44.0,
            bottom: TOP + (row + 1.0) * height - 26.0,
            max: *values.last().expect("an axis has ticks"),
            seconds,
        };
        panel.paint(&mut scene, field, &values);
    }
    scene
}

impl<'a> Field<'a> {
    /// Groups' lag if there are groups: what they have not committed yet they have not done.
    fn of(record: &'a RunRecord) -> Field<'a> {
        let of_groups = record.groups.iter().flat_map(|group| &group.lag);
        let mut series: Vec<(String, &[u64])> =
            of_groups.map(|lag| (lag.partition.clone(), &lag.records[..])).collect();
        if series.is_empty() {
            let of_consumers = record.lag.iter();
            series = of_consumers
                .map(|lag| (lag.partition.clone(), &lag.records[..]))
                .collect();
        }
        series.sort_by_key(|(_, records)| core::cmp::Reverse(peak(records)));
        Field { record, series }
    }

    fn peak(&self) -> u64 {
        self.series.first().map_or(0, |(_, records)| peak(records))
    }
}

fn peak(records: &[u64]) -> u64 {
    records.iter().copied().max().unwrap_or(0)
}

/// Where a field stands.
struct Panel {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    max: f64,
    seconds: f64,
}

impl Panel {
    fn at(&self, seconds: f64, value: f64) -> (f64, f64) {
        let x = self.left + (self.right - self.left) * (seconds / self.seconds).min(1.0);
        (x, self.bottom - (self.bottom - self.top) * value / self.max)
    }

    fn paint(&self, scene: &mut Scene, field: &Field<'_>, values: &[f64]) {
        let record = field.record;
        for fault in &record.faults {
            let (left, right) = (self.at(fault.from, 0.0).0, self.at(fault.to, 0.0).0);
            scene.rect(
                (left, self.top),
                (right.max(left + 1.0), self.bottom),
                Colour::hex(0x6b_7280).alpha(0.1),
            );
        }
        for value in values {
            let (x, y) = self.at(0.0, *value);
            scene.line(vec![(x, y), (self.right, y)], GRID, 1.0);
            let label = Text::new((x - 7.0, y + 4.0), LABEL, QUIET, thousands(*value as u64));
            scene.text(label.anchored(Anchor::End));
        }
        scene.line(vec![(self.left, self.bottom), (self.right, self.bottom)], AXIS, 1.5);
        let times = ticks::times(self.seconds);
        let every = times.len().div_ceil(6).max(1);
        for (time, label) in times.into_iter().step_by(every) {
            let (x, y) = self.at(time, 0.0);
            scene.text(Text::new((x, y + 16.0), LABEL, QUIET, label).anchored(Anchor::Middle));
        }
        let name = record.scenario.rsplit('/').next().unwrap_or(&record.scenario);
        let room = self.right - self.left;
        let name = text::cut(name, 15.0, true, room);
        scene.text(Text::new((self.left, self.top - 24.0), 15.0, INK, name).bold());
        let said = match field.series.first() {
            Some((partition, _)) if field.peak() > 0 => {
                format!("{partition}: {} behind at most", counted(field.peak(), "record"))
            }
            Some(_) => "never behind".to_owned(),
            None => "nobody read".to_owned(),
        };
        let said = text::cut(&said, SMALL, false, room);
        scene.text(Text::new((self.left, self.top - 8.0), SMALL, QUIET, said));
        for (rank, (_, records)) in field.series.iter().enumerate().rev() {
            let (colour, width) = if rank == 0 { (HOT, 2.6) } else { (OTHER, 1.3) };
            let points = records.iter().enumerate();
            let points =
                points.map(|(bucket, records)| self.at((bucket + 1) as f64 * record.bucket_seconds, *records as f64));
            scene.line(
                std::iter::once(self.at(0.0, 0.0)).chain(points).collect(),
                colour,
                width,
            );
            if let Some((bucket, worst)) = records
                .iter()
                .enumerate()
                .max_by_key(|(bucket, records)| (**records, core::cmp::Reverse(*bucket)))
                .filter(|(_, worst)| rank == 0 && **worst > 0)
            {
                scene.marks.push(Mark::Disc {
                    at: self.at((bucket + 1) as f64 * record.bucket_seconds, *worst as f64),
                    radius: 4.0,
                    colour: HOT,
                });
            }
        }
    }
}

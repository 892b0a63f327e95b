//! What affected the cluster, named above the plot: faults as bands, the heal and violations as lines.

use super::lanes::{self, Room};
use super::scene::{Colour, Scene, Text};
use super::sheet::{BAD, BOTTOM, GOOD, LEFT, LEGEND, RIGHT, SMALL, Timeline};
use super::text;
use crate::numbers::{counted, thousands};
use crate::record::RunRecord;
use crate::verdict::titled;

const FAULT: Colour = Colour::hex(0x6b_7280);
/// What the contract allows.
const ALLOWED: Colour = Colour::hex(0xb4_5309);
const LANE: f64 = 18.0;
/// More lanes would take the plot's own room; what has no place in them is shaded and counted.
const LANES: usize = 6;
/// How much of the plot one, two, and more faults at a time cover: a storm must not hide the values.
const SHADES: [f64; 3] = [0.11, 0.18, 0.24];
/// How many checks that fired are named; the gravest come first.
const CHECKS: usize = 4;
/// A label wider than this and than its band is cut.
const LABEL: f64 = 240.0;

/// The events of a run, each with its lane.
pub struct Events {
    placed: Vec<(Event, Option<usize>)>,
    lanes: usize,
}

struct Event {
    /// Where it begins on the sheet.
    from: f64,
    /// Where it ends; a line ends where it begins.
    to: f64,
    label: String,
    colour: Colour,
    is_fault: bool,
}

impl Events {
    /// Finds a place for each event above the timeline.
    pub fn of(record: &RunRecord, timeline: Timeline) -> Events {
        // Lines come first: none of them may be the one that finds no place.
        let mut events = lines(record, timeline);
        events.extend(faults(record, timeline));
        let rooms: Vec<Room> = events.iter().map(Event::room).collect();
        let lanes = lanes::place(&rooms, LANES);
        let used = lanes.iter().flatten().max().map_or(0, |last| last + 1);
        Events {
            placed: events.into_iter().zip(lanes).collect(),
            lanes: used,
        }
    }

    /// How much room they take above the plot; one lane at least, where the axis names its unit.
    pub fn height(&self) -> f64 {
        self.lanes.max(1) as f64 * LANE
    }

    /// Paints what lies below the values: how many faults hold at a time, whether they have a lane or not, and a
    /// trace from each bar down to the plot.
    pub fn shade(&self, scene: &mut Scene, plot_top: f64) {
        let faults = || self.placed.iter().filter(|(event, _)| event.is_fault);
        for (from, to, depth) in depths(faults().map(|(event, _)| event)) {
            scene.rect((from, plot_top), (to, BOTTOM), FAULT.alpha(SHADES[depth - 1]));
        }
        for (event, lane) in faults() {
            if let Some(lane) = lane {
                let (from, to) = event.whole_pixels();
                scene.rect((from, lane_bottom(plot_top, *lane)), (to, plot_top), FAULT.alpha(0.07));
            }
        }
    }

    /// Paints bars, lines and labels.
    pub fn name(&self, scene: &mut Scene, plot_top: f64) {
        for (event, lane) in &self.placed {
            if let Some(lane) = lane {
                event.name(scene, lane_bottom(plot_top, *lane));
            }
        }
        let left_out = self.placed.iter().filter(|(_, lane)| lane.is_none()).count();
        if left_out > 0 {
            let baseline = lane_bottom(plot_top, LANES - 1) - 6.0;
            let said = format!("+ {}", counted(left_out as u64, "more fault"));
            scene.text(Text::new((LEGEND, baseline), SMALL, FAULT, said));
        }
    }
}

/// From left to right, where how many of the faults hold, as far as there are shades; where none does is left out.
fn depths<'a>(faults: impl Iterator<Item = &'a Event>) -> Vec<(f64, f64, usize)> {
    let ends = |event: &Event| {
        let (from, to) = event.whole_pixels();
        [(from, 1), (to, -1)]
    };
    let mut ends: Vec<(f64, i32)> = faults.flat_map(ends).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut count = 0;
    let mut depths: Vec<(f64, f64, usize)> = Vec::new();
    for pair in ends.windows(2) {
        count += pair[0].1;
        let (from, to, depth) = (pair[0].0, pair[1].0, SHADES.len().min(count as usize));
        match depths.last_mut() {
            _ if depth == 0 || from == to => {}
            Some((_, end, same)) if *end == from && *same == depth => *end = to,
            _ => depths.push((from, to, depth)),
        }
    }
    depths
}

/// The heal, and where each check that fired did so first.
fn lines(record: &RunRecord, timeline: Timeline) -> Vec<Event> {
    let line = |seconds: f64, label: &str, colour| {
        let x = timeline.x(seconds);
        Event {
            from: x,
            to: x,
            label: label.to_owned(),
            colour,
            is_fault: false,
        }
    };
    let mut events: Vec<Event> = record
        .healed_at
        .map(|at| line(at, "healed", GOOD))
        .into_iter()
        .collect();
    let fired = |ruling: &'static str| record.findings.iter().filter(move |finding| finding.ruling == ruling);
    let mut named: Vec<&str> = Vec::new();
    for (finding, colour) in fired("violation")
        .map(|it| (it, BAD))
        .chain(fired("allowed").map(|it| (it, ALLOWED)))
    {
        if named.contains(&finding.check.as_str()) {
            continue;
        }
        let at = finding.time_ns as f64 / 1e9;
        if named.len() < CHECKS {
            let more = match finding.count {
                1 => String::new(),
                count => format!(" ({})", thousands(count)),
            };
            events.push(line(
                at,
                &format!("{}{more}", titled(&finding.check, finding.name.as_deref())),
                colour,
            ));
        } else {
            // All are marked, those without a name too.
            events.push(line(at, "", colour));
        }
        named.push(&finding.check);
    }
    events
}

/// The faults in order of their beginnings; of two that begin together the longer one is nearer to the plot.
fn faults(record: &RunRecord, timeline: Timeline) -> impl Iterator<Item = Event> {
    let mut faults: Vec<_> = record.faults.iter().collect();
    faults.sort_by(|a, b| a.from.total_cmp(&b.from).then(b.to.total_cmp(&a.to)));
    faults.into_iter().map(move |fault| {
        let (from, to) = (timeline.x(fault.from), timeline.x(fault.to));
        let label = text::cut(&fault.name, SMALL, false, LABEL.max(to - from));
        Event {
            from,
            to,
            label,
            colour: FAULT,
            is_fault: true,
        }
    })
}

fn lane_bottom(plot_top: f64, lane: usize) -> f64 {
    plot_top - 4.0 - lane as f64 * LANE
}

impl Event {
    /// Its band, at least two pixels wide. Shades that meet on a whole pixel show no seam.
    fn whole_pixels(&self) -> (f64, f64) {
        let from = self.from.round();
        (from, self.to.round().max(from + 2.0))
    }

    fn width(&self) -> f64 {
        text::width(&self.label, SMALL, !self.is_fault)
    }

    /// Where the label begins: with the event, or earlier if it would leave the plot.
    fn label_left(&self) -> f64 {
        self.from.min(RIGHT - self.width()).max(LEFT)
    }

    fn room(&self) -> Room {
        let left = self.label_left();
        Room {
            left,
            right: (left + self.width()).max(self.to),
        }
    }

    fn name(&self, scene: &mut Scene, bottom: f64) {
        let mut label = Text::new(
            (self.label_left(), bottom - 6.0),
            SMALL,
            self.colour,
            self.label.as_str(),
        );
        if self.is_fault {
            let (from, to) = self.whole_pixels();
            scene.rect((from, bottom - 3.0), (to, bottom), self.colour);
        } else {
            scene.dashes((self.from, bottom - 2.0), (self.from, BOTTOM), self.colour, 1.5);
            label = label.bold();
        }
        scene.text(label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_count_the_faults_that_hold_at_a_time() {
        for (bands, expected) in [
            (&[][..], vec![]),
            (&[(10.0, 20.0)][..], vec![(10.0, 20.0, 1)]),
            (&[(10.0, 10.0)][..], vec![(10.0, 12.0, 1)]),
            (&[(10.0, 20.0), (20.0, 30.0)][..], vec![(10.0, 30.0, 1)]),
            (
                &[(10.0, 40.0), (20.0, 30.0)][..],
                vec![(10.0, 20.0, 1), (20.0, 30.0, 2), (30.0, 40.0, 1)],
            ),
            (
                &[(30.0, 40.0), (10.0, 20.0)][..],
                vec![(10.0, 20.0, 1), (30.0, 40.0, 1)],
            ),
            (&[(10.0, 20.0), (10.0, 20.0), (10.0, 20.0)][..], vec![(10.0, 20.0, 3)]),
            (&[(10.0, 20.0); 9][..], vec![(10.0, 20.0, 3)]),
        ] {
            let event = |&(from, to): &(f64, f64)| Event {
                from,
                to,
                label: String::new(),
                colour: FAULT,
                is_fault: true,
            };
            let events: Vec<_> = bands.iter().map(event).collect();
            assert_eq!(depths(events.iter()), expected, "{bands:?}");
        }
    }
}

//! When the groups of a run were rebalanced: marks over the values.

use super::frame::Frame;
use super::scene::{Colour, Mark, Point, Scene, Text};
use super::sheet::{BOTTOM, LEGEND, QUIET, SMALL};
use crate::numbers::counted;
use crate::record::RunRecord;

/// A group got another generation.
const REBALANCE: Colour = Colour::hex(0x7a_3db8);
/// With more rebalances than this none gets a flag.
const FLAGS: usize = 40;

/// When, ascending.
pub fn of(record: &RunRecord) -> Vec<f64> {
    let mut times: Vec<f64> = record
        .groups
        .iter()
        .flat_map(|group| group.rebalances.clone())
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Draws the times of rebalances; many of them are drawn lightly.
pub fn mark(scene: &mut Scene, frame: &Frame, times: &[f64]) {
    let alpha = if times.len() > FLAGS { 0.15 } else { 0.45 };
    for time in times {
        let (x, _) = frame.at(*time, 0.0);
        scene.rect((x - 0.75, frame.top), (x + 0.75, BOTTOM), REBALANCE.alpha(alpha));
        if times.len() <= FLAGS {
            flag(scene, (x, frame.top + 9.0));
        }
    }
}

/// A triangle that stands on its tip.
fn flag(scene: &mut Scene, (x, y): Point) {
    scene.marks.push(Mark::Area {
        points: vec![(x - 5.0, y - 9.0), (x + 5.0, y - 9.0), (x, y)],
        colour: REBALANCE,
    });
}

/// Says below the legend what the marks are.
pub fn explain(scene: &mut Scene, below: f64, times: &[f64]) {
    if times.is_empty() {
        return;
    }
    let y = below + 34.0;
    scene.rect(
        (LEGEND + 10.25, y - 8.0),
        (LEGEND + 11.75, y + 3.0),
        REBALANCE.alpha(0.6),
    );
    flag(scene, (LEGEND + 11.0, y - 6.0));
    let said = counted(times.len() as u64, "rebalance");
    scene.text(Text::new((LEGEND + 32.0, y), SMALL, QUIET, said));
}

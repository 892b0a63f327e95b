//! The sheet of a plot: its colours, its sides, and where a time stands.

use super::scene::{Colour, HEIGHT, WIDTH};
use crate::record::RunRecord;

/// Text that matters.
pub const INK: Colour = Colour::hex(0x1f_2937);
/// Text that explains.
pub const QUIET: Colour = Colour::hex(0x5b_6472);
/// All went well.
pub const GOOD: Colour = Colour::hex(0x11_7733);
/// The contract was broken.
pub const BAD: Colour = Colour::hex(0xb0_0020);

/// The plot's left side, behind the labels of the axis.
pub const LEFT: f64 = 104.0;
/// The plot's right side.
pub const RIGHT: f64 = 944.0;
/// The plot's lower side.
pub const BOTTOM: f64 = HEIGHT - 74.0;
/// The legend's left side.
pub const LEGEND: f64 = RIGHT + 28.0;
/// The legend's right side.
pub const LEGEND_END: f64 = WIDTH - MARGIN;
/// The room at the sheet's sides.
pub const MARGIN: f64 = 28.0;

/// The size of labels, legends and the footer.
pub const SMALL: f64 = 12.0;

/// The time axis.
#[derive(Clone, Copy)]
pub struct Timeline {
    seconds: f64,
}

impl Timeline {
    /// The whole run. One that ended at once still gets an axis of a second.
    pub fn of(record: &RunRecord) -> Timeline {
        let buckets = record.throughput.produced.len() as f64 * record.bucket_seconds;
        let seconds = record.sim_seconds.max(buckets);
        Timeline {
            seconds: if seconds > 0.0 { seconds } else { 1.0 },
        }
    }

    /// How long the run was.
    pub fn seconds(self) -> f64 {
        self.seconds
    }

    /// Where a time stands; what lies beyond the run stands at its end.
    pub fn x(self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds).min(1.0)
    }
}

//! D2: what a restart finds is what was written, as far as the disk promised to keep it.
//!
//! After a mere kill the page cache is there and nothing may be missing. After a power loss everything that was
//! flushed is there, and of the rest any intact prefix.

use core::ops::Range;

use broker_core::protocol::RecordBatch;
use broker_core::types::Offset;

use super::mirror::{Batch, Mirror};
use super::model::Scene;
use super::witness::{Noted, Notes};
use crate::verdict::Check;

/// A log was recovered as `found`, with `cut_bytes` behind it dropped. Updates its mirror; returns what a power loss
/// took and may take: offsets that had never been flushed.
pub(super) fn recovered(
    scene: &mut Scene<'_>,
    label: &str,
    notes: &mut Notes,
    mirror: &mut Mirror,
    found: &[RecordBatch],
    cut_bytes: u64,
) -> Option<Range<Offset>> {
    let node = scene.name();
    let crashes = scene.nodes.crashes_since(scene.node, mirror.life);
    let power_lost = crashes.iter().any(|crash| crash.is_some());
    let (before, flushed) = (mirror.end(), mirror.flushed);
    let kept = kept_batches(scene, label, notes, mirror, found, power_lost);
    let end = found.last().map_or(Offset::ZERO, RecordBatch::next_offset);
    if (end, before) != (Offset::ZERO, Offset::ZERO) {
        notes.add(scene.at, scene.node, Noted::Recovered { end, before });
    }
    if !power_lost && (kept < mirror.batches().len() || cut_bytes > 0) {
        scene.violation(Check::D2, "a log lost records although only the process ended", notes, || {
            format!("{node} recovered {label} up to offset {end} with {cut_bytes} bytes cut; it had reached {before} and lost no power")
        });
    }
    let kept_end = mirror.batches()[..kept].last().map_or(Offset::ZERO, |batch| batch.next);
    if power_lost && kept_end < flushed {
        scene.violation(Check::D2, "a log lost flushed records", notes, || {
            format!("{node} recovered {label} up to offset {kept_end}, but everything below {flushed} was flushed before the power loss")
        });
    }
    let earlier = mirror.lost.take();
    mirror.replace(found);
    mirror.flushed = flushed.min(kept_end);
    mirror.life = scene.nodes.life(scene.node);
    mirror.offline = false;
    let lost = (power_lost && kept_end.max(flushed) < before).then(|| kept_end.max(flushed)..before);
    mirror.lost = match (earlier, &lost) {
        (Some(earlier), Some(lost)) => Some(earlier.start.min(lost.start)..earlier.end.max(lost.end)),
        (earlier, lost) => earlier.or_else(|| lost.clone()),
    };
    lost
}

/// How many of the log's batches were found again, as its first ones.
fn kept_batches(
    scene: &mut Scene<'_>,
    label: &str,
    notes: &Notes,
    mirror: &Mirror,
    found: &[RecordBatch],
    power_lost: bool,
) -> usize {
    let mut kept = 0;
    let mut before = 0;
    for (index, batch) in found.iter().enumerate() {
        let batch = Batch::behind(before, batch);
        before = batch.chain;
        if mirror
            .batches()
            .get(index)
            .is_some_and(|written| written.chain == batch.chain)
        {
            kept = index + 1;
            continue;
        }
        if !(power_lost && (mirror.was_cut(&batch) || mirror.batches().iter().any(|written| written.same(&batch)))) {
            let node = scene.name();
            scene.violation(
                Check::D2,
                "a log recovered records that were never written to it",
                notes,
                || {
                    format!(
                        "{node} recovered {label} with other records at offset {} than it had written",
                        batch.base
                    )
                },
            );
            break;
        }
    }
    kept
}

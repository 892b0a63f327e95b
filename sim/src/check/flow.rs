//! What comes in against what is worked off: overload.

use super::model::Partition;
use super::witness::{Line, shown};
use crate::history::{At, SimTime};
use crate::verdict::{Check, Finding, Ruling};

/// Who works for less of the time is not held up by work.
pub(super) const BUSY: f64 = 0.75;

/// What came into topics.
pub(super) struct Flow {
    records: u64,
    first: At,
    last: At,
}

impl Flow {
    /// What came into these partitions.
    pub fn to<'a>(partitions: impl Iterator<Item = &'a Partition>) -> Flow {
        let mut flow = Flow {
            records: 0,
            first: At::default(),
            last: At::default(),
        };
        for partition in partitions {
            for (at, count) in batches(partition) {
                if flow.records == 0 || at < flow.first {
                    flow.first = at;
                }
                flow.records += count;
                flow.last = flow.last.max(at);
            }
        }
        flow
    }

    /// How many records came into a partition from `from` until `to`.
    pub fn between(partition: &Partition, from: At, to: SimTime) -> u64 {
        let within = batches(partition).filter(|(at, _)| from <= *at && at.time < to);
        within.map(|(_, count)| count).sum()
    }

    /// In records a second.
    pub fn rate(&self) -> f64 {
        let seconds = (self.last.time.0 - self.first.time.0) as f64 / 1e9;
        self.records as f64 / seconds.max(1e-3)
    }

    /// `who` processes `work` records a second, without a pause since the heal, and that is too few.
    pub fn overload(&self, who: &str, work: f64, waits_for: &str, now: At) -> Finding {
        let (come, go) = (two_digits(self.rate()), two_digits(work));
        // The table has room for what stands before the colon.
        let clause = format!("{come}/s come in and {go}/s are processed: more records than {who} can work off");
        let said = format!("{come} records/s come in for {who} and {go}/s are processed");
        let line = |at, text| Line { at, text };
        Finding {
            check: Check::Overload,
            ruling: Ruling::Allowed(clause),
            shape: "records come in faster than they are processed".to_owned(),
            evidence: format!("{said}; {waits_for}"),
            at: now,
            witness: shown(vec![
                line(self.first, format!("the first of {} records came in", self.records)),
                line(self.last, format!("the last of them came in: {come}/s")),
                line(now, format!("{who} had worked without a pause since the heal: {go}/s")),
            ]),
        }
    }
}

/// When each batch for programs was committed, and how many records it has.
fn batches(partition: &Partition) -> impl Iterator<Item = (At, u64)> + '_ {
    let ledger = &partition.ledger;
    let batches = ledger.batches.iter().zip(&ledger.commits).map(|(batch, commit)| {
        let records = &ledger.records[batch.base.0 as usize..batch.next.0 as usize];
        let count = records.iter().filter(|record| record.is_for_programs()).count() as u64;
        (commit.at, count)
    });
    batches.filter(|(_, count)| *count > 0)
}

/// A rate to two digits, so that trials of one kind say the same.
fn two_digits(rate: f64) -> String {
    let mut scale = 1.0;
    while rate / scale >= 100.0 {
        scale *= 10.0;
    }
    let rounded = libm::round(rate / scale) * scale;
    match rate {
        ..10.0 => format!("{rate:.1}"),
        _ => format!("{rounded:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::two_digits;

    #[test]
    fn rates_have_two_digits() {
        for (rate, text) in [
            (0.33, "0.3"),
            (9.96, "10.0"),
            (12.4, "12"),
            (99.6, "100"),
            (118.4, "120"),
            (12_345.0, "12000"),
        ] {
            assert_eq!(two_digits(rate), text);
        }
    }
}

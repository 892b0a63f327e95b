//! The run record: what is kept of a trial, as versioned JSON.
//!
//! # Compatibility
//! A new optional field has `#[serde(default)]` and leaves [`SCHEMA_VERSION`] alone: old records still load, and old
//! readers skip what they do not know. A field that changes its meaning, its unit or its type, or goes away, raises
//! the version, and older readers refuse the record. The golden file under `snapshots/` shows each such change in
//! review.

mod file;
mod json;

pub use file::{LoadError, SaveError, load, save};
pub use json::to_json;

use serde::{Deserialize, Serialize};

use crate::verdict::Word;

/// The version of the schema below. A reader refuses a larger one.
pub const SCHEMA_VERSION: u32 = 1;

/// One trial.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// The version of Trial that ran it.
    pub build: String,
    /// The scenario's name.
    pub scenario: String,
    /// What it teaches.
    pub teaches: String,
    /// The seed.
    pub seed: u64,
    /// How the trial came out.
    pub verdict: Word,
    /// Check and shape of the violation, or the measure that was missed, if there is one.
    pub signature: Option<String>,
    /// The signature as a reader sees it, if its check has a name in words besides the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// One sentence about what happened; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// The rolling hash of every delivered event, 16 hex digits.
    pub digest: String,
    /// Simulated seconds.
    pub sim_seconds: f64,
    /// Delivered events.
    pub events: u64,
    /// Counts of records.
    pub totals: Totals,
    /// What the checkers found.
    pub findings: Vec<FindingLine>,
    /// What the scenario's measures came to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measured>,
    /// What a good verdict does not say, because it was not put to the test: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untested: Vec<String>,
    /// When which fault held.
    pub faults: Vec<FaultBand>,
    /// The width of a bucket of the series below, in seconds.
    pub bucket_seconds: f64,
    /// When every fault was over and the cluster had to recover, in seconds.
    #[serde(default)]
    pub healed_at: Option<f64>,
    /// Records a second, per bucket.
    pub throughput: Throughput,
    /// Lag of each consumer's partitions.
    pub lag: Vec<LagSeries>,
    /// What each consumer group did; empty if there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupSeries>,
}

/// Counts of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Handed to producers.
    pub sent: u64,
    /// Answered ok.
    pub acked: u64,
    /// Failed for certain.
    pub failed: u64,
    /// Ended with an unknown outcome.
    pub unknown: u64,
    /// Below the high watermark at the end.
    pub committed: u64,
    /// Given to consumers' programs.
    pub consumed: u64,
}

/// One finding, or many of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FindingLine {
    /// The check's id.
    pub check: String,
    /// Its name in words, if that is not its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `violation`, `allowed` or `unknown`.
    pub ruling: String,
    /// The clause or the reason.
    pub because: Option<String>,
    /// How many of this check and ruling.
    pub count: u64,
    /// The first one, in a sentence.
    pub evidence: String,
    /// Its step.
    pub step: u64,
    /// Its simulated time in nanoseconds.
    pub time_ns: u64,
    /// The events that show it.
    pub witness: Vec<String>,
}

/// What a measure of the scenario came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured: `lag(billing)`, `mean of sent(app)`.
    pub what: String,
    /// In which unit: `records`, `records/s`.
    pub unit: String,
    /// `below 100`
    pub bounds: String,
    /// `from 50s until 1m`; empty for all the time.
    pub window: String,
    /// The figure: of values that must each keep within the bounds the one that is nearest to leaving them, or
    /// farthest out. Null if whose it should be never appeared.
    pub value: Option<f64>,
    /// When it had that value, in seconds; null for what is of the whole time.
    pub at: Option<f64>,
    /// Whether it is within the bounds; null if a limit ended the trial too early to decide.
    #[serde(rename = "met")]
    pub is_met: Option<bool>,
    /// The same in a sentence.
    pub evidence: String,
}

/// A fault and when it held.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FaultBand {
    /// What it was: `kill broker 2`.
    pub name: String,
    /// When it began, in seconds.
    pub from: f64,
    /// When it ended, in seconds.
    pub to: f64,
}

/// Records a second, one value per bucket; all three have the same length.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Throughput {
    /// Handed to producers.
    pub produced: Vec<f64>,
    /// Passed by the high watermark.
    pub committed: Vec<f64>,
    /// Given to consumers' programs.
    pub consumed: Vec<f64>,
}

/// How far a consumer is behind in one partition.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LagSeries {
    /// The consumers' name in the scenario.
    pub consumer: String,
    /// `topic/partition`.
    pub partition: String,
    /// Committed records not yet given to the program, at the end of each bucket.
    pub records: Vec<u64>,
}

/// What a consumer group did.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct GroupSeries {
    /// The group's id.
    pub group: String,
    /// Counts of the whole run.
    pub totals: GroupTotals,
    /// Records processed a second, per bucket; like the next two as long as those of [`Throughput`].
    pub processed: Vec<f64>,
    /// Records handed to a retry topic a second.
    pub retried: Vec<f64>,
    /// Records given up a second: handed to a dead-letter topic, or skipped over.
    pub dead_lettered: Vec<f64>,
    /// Committed records that the group's committed position has not passed, at the end of each bucket.
    pub lag: Vec<PartitionLag>,
    /// Which program owned which partition when, in the order of their beginnings.
    pub owners: Vec<OwnerBand>,
    /// When the group got another generation or epoch, in seconds.
    pub rebalances: Vec<f64>,
    /// Bands of owners shorter than this many seconds are left out, since there were too many; 0 if none is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub owners_from: f64,
    /// How many members had no partition at the end.
    #[serde(default, skip_serializing_if = "is_none")]
    pub idle: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// Counts of a consumer group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupTotals {
    /// Records processed.
    pub processed: u64,
    /// Records handed to a retry topic.
    pub retried: u64,
    /// Records handed to a dead-letter topic.
    pub dead_lettered: u64,
    /// Records skipped over.
    pub skipped: u64,
    /// Generations or epochs.
    pub rebalances: u64,
}

impl core::ops::AddAssign for GroupTotals {
    fn add_assign(&mut self, other: GroupTotals) {
        self.processed += other.processed;
        self.retried += other.retried;
        self.dead_lettered += other.dead_lettered;
        self.skipped += other.skipped;
        self.rebalances += other.rebalances;
    }
}

/// How far a group's committed position is behind in one partition.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PartitionLag {
    /// `topic/partition`.
    pub partition: String,
    /// Records, at the end of each bucket.
    pub records: Vec<u64>,
}

/// A time in which a program owned a partition.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OwnerBand {
    /// `topic/partition`.
    pub partition: String,
    /// The program's name: `billing/2`.
    pub owner: String,
    /// When it began, in seconds.
    pub from: f64,
    /// When it ended, in seconds.
    pub to: f64,
}

/// What is wrong with a record whose parts do not fit together.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Invalid {
    /// Series that share an axis differ in length.
    #[error("series `{series}` has {found} buckets, but `throughput.produced` has {expected}")]
    Length {
        /// The series.
        series: String,
        /// Its length.
        found: usize,
        /// The length of `throughput.produced`.
        expected: usize,
    },
    /// The bucket width is not a width.
    #[error("`bucket_seconds` is {0}, and must be a positive number")]
    Bucket(f64),
    /// A number that should be a time or a rate is not: negative, infinite or not a number.
    #[error("`{field}` is {value}, and must be a finite number that is not negative")]
    Number {
        /// Where it stands.
        field: String,
        /// The number.
        value: f64,
    },
    /// A fault or an ownership ended before it began.
    #[error("`{name}` ends at {to} s, before it begins at {from} s")]
    Band {
        /// The fault, or who owned what.
        name: String,
        /// Its beginning, in seconds.
        from: f64,
        /// Its end, in seconds.
        to: f64,
    },
}

impl RunRecord {
    /// Checks what the types cannot say: series of equal length, and numbers that are times and rates.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn validate(&self) -> Result<(), Invalid> {
        if !(self.bucket_seconds.is_finite() && self.bucket_seconds > 0.0) {
            return Err(Invalid::Bucket(self.bucket_seconds));
        }
        proper("sim_seconds", self.sim_seconds)?;
        if let Some(healed_at) = self.healed_at {
            proper("healed_at", healed_at)?;
        }
        self.validate_series()?;
        for FaultBand { name, from, to } in &self.faults {
            proper(&format!("faults.{name}.from"), *from)?;
            proper(&format!("faults.{name}.to"), *to)?;
            if from > to {
                let name = name.clone();
                return Err(Invalid::Band {
                    name,
                    from: *from,
                    to: *to,
                });
            }
        }
        Ok(())
    }

    fn validate_series(&self) -> Result<(), Invalid> {
        let expected = self.throughput.produced.len();
        let same = |series: String, found: usize| match found == expected {
            true => Ok(()),
            false => Err(Invalid::Length {
                series,
                found,
                expected,
            }),
        };
        let Throughput {
            produced,
            committed,
            consumed,
        } = &self.throughput;
        for (name, rates) in [("produced", produced), ("committed", committed), ("consumed", consumed)] {
            same(format!("throughput.{name}"), rates.len())?;
            for rate in rates {
                proper(&format!("throughput.{name}"), *rate)?;
            }
        }
        for lag in &self.lag {
            same(
                format!("lag of {} in {}", lag.consumer, lag.partition),
                lag.records.len(),
            )?;
        }
        for group in &self.groups {
            let name = &group.group;
            let GroupSeries {
                processed,
                retried,
                dead_lettered,
                ..
            } = group;
            let rates = [
                ("processed", processed),
                ("retried", retried),
                ("dead_lettered", dead_lettered),
            ];
            for (what, rates) in rates {
                same(format!("groups.{name}.{what}"), rates.len())?;
                rates
                    .iter()
                    .try_for_each(|rate| proper(&format!("groups.{name}.{what}"), *rate))?;
            }
            for lag in &group.lag {
                same(format!("lag of group {name} in {}", lag.partition), lag.records.len())?;
            }
            for time in &group.rebalances {
                proper(&format!("groups.{name}.rebalances"), *time)?;
            }
            for band in &group.owners {
                let OwnerBand {
                    partition, from, to, ..
                } = band;
                proper(&format!("groups.{name}.owners of {partition}"), *from)?;
                proper(&format!("groups.{name}.owners of {partition}"), *to)?;
                if from > to {
                    let name = format!("{} owns {partition}", band.owner);
                    return Err(Invalid::Band {
                        name,
                        from: *from,
                        to: *to,
                    });
                }
            }
        }
        Ok(())
    }
}

/// JSON has no infinity and no NaN: a record that had one could be saved, but never loaded again.
fn proper(field: &str, value: f64) -> Result<(), Invalid> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    let field = field.to_owned();
    Err(Invalid::Number { field, value })
}

#[cfg(test)]
pub(crate) mod tests;

//! The run record: what is kept of a trial, as versioned JSON.

use serde::{Deserialize, Serialize};

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
    /// `pass`, `violation`, `allowed` or `inconclusive`.
    pub verdict: String,
    /// Check and shape of the violation, if there is one.
    pub signature: Option<String>,
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
    /// When which fault held.
    pub faults: Vec<FaultBand>,
    /// The width of a bucket of the series below, in seconds.
    pub bucket_seconds: f64,
    /// Records a second, per bucket.
    pub throughput: Throughput,
    /// Lag of each consumer's partitions.
    pub lag: Vec<LagSeries>,
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
    /// Ended without an answer that tells.
    pub unknown: u64,
    /// Below the high watermark at the end.
    pub committed: u64,
    /// Given to consumers' programs.
    pub consumed: u64,
}

/// One finding, or many of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FindingLine {
    /// The check's name.
    pub check: String,
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

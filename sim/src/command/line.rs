//! One trial as one JSON object, for machines.

use reports::record::Measured;
use serde::{Deserialize, Serialize};

use crate::scenario::Scenario;
use crate::sweep::{Came, Ruled};
use crate::verdict::{Word, title};

/// The line that `--json` prints for each trial.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrialLine {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// In one word.
    pub verdict: Word,
    /// Whether that is what the scenario expects.
    pub as_expected: bool,
    /// Equal for failures of one cause; null without one.
    pub signature: Option<String>,
    /// The same with the check's name in words, if that is not its id; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// One sentence about what happened; may be empty.
    pub evidence: String,
    /// The rolling hash of all delivered events, 16 hex digits.
    pub digest: String,
    /// Simulated seconds.
    pub sim_seconds: f64,
    /// How long it took.
    pub wall_seconds: f64,
    /// Records whose send was answered ok.
    pub records_acked: u64,
    /// Records whose send failed for certain.
    pub records_failed: u64,
    /// Records whose send ended with an unknown outcome.
    pub records_unknown: u64,
    /// Records that consumers got.
    pub records_consumed: u64,
    /// Delivered events.
    pub events: u64,
    /// What the scenario's measures came to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measured>,
    /// Faults that were planned.
    pub faults_planned: u64,
    /// Faults that took effect.
    pub faults_fired: u64,
    /// What a good verdict does not say, because it was not put to the test.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untested: Vec<String>,
    /// The planted defects.
    pub quirks: Vec<String>,
}

impl TrialLine {
    /// The line of a trial.
    #[must_use]
    pub fn new(scenario: &Scenario, ruled: &Ruled) -> TrialLine {
        TrialLine {
            scenario: scenario.name.clone(),
            seed: ruled.seed,
            verdict: ruled.verdict,
            as_expected: ruled.came == Came::AsExpected,
            signature: ruled.signature.clone(),
            title: ruled.signature.as_deref().and_then(title),
            evidence: ruled.evidence.clone(),
            digest: format!("{:016x}", ruled.digest),
            sim_seconds: ruled.sim_time.as_secs_f64(),
            wall_seconds: ruled.wall.as_secs_f64(),
            records_acked: ruled.records_acked,
            records_failed: ruled.records_failed,
            records_unknown: ruled.records_unknown,
            records_consumed: ruled.records_consumed,
            events: ruled.events,
            measures: ruled.measures.clone(),
            faults_planned: ruled.faults_planned,
            faults_fired: ruled.faults_fired,
            untested: ruled.untested.clone(),
            quirks: scenario.quirks.clone(),
        }
    }

    /// True when the two describe the same run: all but the wall time is equal.
    #[must_use]
    pub fn same_run(&self, other: &TrialLine) -> bool {
        TrialLine {
            wall_seconds: 0.0,
            ..self.clone()
        } == TrialLine {
            wall_seconds: 0.0,
            ..other.clone()
        }
    }
}

//! One trial: a scenario and a seed in, a verdict and a record out.

use crate::fault::FaultPlan;
use crate::scenario::Scenario;
use crate::verdict::Findings;
use reports::record::RunRecord;

/// How a trial ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No check was violated.
    Pass,
    /// Some check was, by this signature.
    Violation {
        /// Check and shape.
        signature: String,
    },
    /// The trial could not be judged, for this reason (a limit, mostly).
    Inconclusive {
        /// Why.
        reason: String,
    },
}

/// Everything that is known after a trial.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// What the checkers found.
    pub findings: Findings,
    /// The faults that were planned.
    pub plan: FaultPlan,
    /// How many of them took effect.
    pub faults_fired: u64,
    /// The rolling hash of every delivered event.
    pub digest: u64,
    /// Delivered events.
    pub events: u64,
    /// Simulated seconds.
    pub sim_seconds: f64,
    /// Records whose send was answered ok.
    pub records_acked: u64,
    /// Records that consumers got.
    pub records_consumed: u64,
    /// Series and bands for the plots, if asked for.
    pub record: Option<RunRecord>,
}

/// What is wanted besides the verdict.
#[derive(Clone, Copy, Default, Debug)]
pub struct Wanted {
    /// The run record with its series.
    pub record: bool,
    /// Every event as a line, through `tracing`.
    pub trace: bool,
}

/// Holds one trial.
#[must_use]
pub fn run(_scenario: &Scenario, _seed: u64, _wanted: Wanted) -> Outcome {
    todo!()
}

//! How a trial came out: what is known after it, and what follows from that.

use reports::record::{GroupTotals, Measured, RunRecord};

use crate::faults::FaultPlan;
use crate::verdict::{Finding, Findings, Ruling, readable};

mod judgement;

pub use judgement::{Judgement, Verdict};

/// Of a trial in which no client could have been wronged.
pub(crate) const NO_CONTRACT: &str = "no send was promised anything, and nobody got a record";

/// Everything that is known after a trial.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// How it ended, by its checks alone.
    pub verdict: Verdict,
    /// How it came out, seen from what the scenario expects.
    pub judgement: Judgement,
    /// What the checkers found.
    pub findings: Findings,
    /// The faults that were planned.
    pub plan: FaultPlan,
    /// Those of them that never took effect: which, on which nodes, and when, for people.
    pub idle_faults: Vec<String>,
    /// What a good verdict of it does not say, because it was not put to the test: a sentence each.
    pub untested: Vec<String>,
    /// The rolling hash of every delivered event.
    pub digest: u64,
    /// Delivered events.
    pub events: u64,
    /// Simulated seconds.
    pub sim_seconds: f64,
    /// Records whose send was answered ok.
    pub records_acked: u64,
    /// Records whose send failed for certain.
    pub records_failed: u64,
    /// Records whose send ended with an unknown outcome.
    pub records_unknown: u64,
    /// Records that consumers got.
    pub records_consumed: u64,
    /// What all consumer groups together did.
    pub groups: GroupTotals,
    /// What the scenario's measures came to, in their order.
    pub measures: Vec<Measured>,
    /// Series and bands for the plots, if asked for.
    pub record: Option<RunRecord>,
}

impl Outcome {
    /// How many of the planned faults took effect.
    #[must_use]
    pub fn faults_fired(&self) -> u64 {
        (self.plan.len() - self.idle_faults.len()) as u64
    }

    /// Insists that the trial came out as its scenario expects.
    ///
    /// # Panics
    /// When it did not: the message says what was found, and the seed that finds it again.
    pub fn assert_pass(&self) -> &Outcome {
        let Judgement {
            word,
            signature,
            evidence,
            ..
        } = &self.judgement;
        if word.is_as_expected() {
            return self;
        }
        let violated = self.findings.kept().iter();
        let violated = violated.filter(|finding| finding.ruling == Ruling::Violation);
        let mut lines: Vec<String> = violated
            .map(|finding| {
                let Finding {
                    check, at, evidence, ..
                } = finding;
                format!("  at {}: {}: {evidence}", at.time, check.title())
            })
            .collect();
        if lines.is_empty() {
            lines.push(format!("  {evidence}"));
        }
        let signature = signature.as_deref().unwrap_or_default();
        let signature = signature.strip_prefix("inconclusive: ").unwrap_or(signature);
        let title = readable(signature);
        panic!("seed {}: {word}: {title}\n{}", self.seed, lines.join("\n"))
    }
}

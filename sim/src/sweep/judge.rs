//! From the outcome of a trial, or from its panic, to the few facts that a run keeps of it.

use core::time::Duration;

use reports::record::GroupTotals;

use crate::history::SimTime;
use crate::scenario::{Expectation, Scenario};
use crate::trial::{Outcome, Verdict};
use crate::verdict::{Check, Ruling};

/// How a trial came out, seen from what its scenario expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Came {
    /// Nothing was found, or only what the contract allows, or only what is expected.
    AsExpected,
    /// A check was violated that the scenario does not expect.
    Violated,
    /// It could not be judged.
    Inconclusive,
    /// Trial itself failed.
    Broke,
}

/// A trial in a few hundred bytes: all that is kept of it while others go on.
#[derive(Clone, PartialEq, Debug)]
pub struct Ruled {
    /// The seed.
    pub seed: u64,
    /// How it came out.
    pub came: Came,
    /// Its verdict in one word: `pass`, `allowed`, `violation`, `inconclusive` or `error`.
    pub verdict: &'static str,
    /// What groups it with failures of the same cause: check and shape, the reason, or where it panicked.
    pub signature: Option<String>,
    /// One sentence about what happened.
    pub evidence: String,
    /// The expected anomalies that it showed.
    pub found: Vec<&'static str>,
    /// What the contract allowed: check, clause, how often.
    pub allowed: Vec<(&'static str, String, u64)>,
    /// The rolling hash of its events.
    pub digest: u64,
    /// Delivered events.
    pub events: u64,
    /// Simulated time.
    pub sim_time: Duration,
    /// How long it took.
    pub wall: Duration,
    /// Records whose send was answered ok.
    pub records_acked: u64,
    /// Records that consumers got.
    pub records_consumed: u64,
    /// What all consumer groups together did.
    pub groups: GroupTotals,
    /// Faults that were planned.
    pub faults_planned: u64,
    /// Faults that took effect.
    pub faults_fired: u64,
    /// Those that did not.
    pub idle_faults: Vec<String>,
}

/// A panic inside a trial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Panic {
    /// `file:line:column`.
    pub place: String,
    /// What it said.
    pub message: String,
    /// Where it came from, if that was code of a program.
    pub during: Option<During>,
}

/// Whose code panicked, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct During {
    /// The program's name.
    pub program: String,
    /// The simulated time.
    pub time: SimTime,
}

/// Judges a trial by what its scenario expects.
#[must_use]
pub fn judge(scenario: &Scenario, seed: u64, held: &Result<Outcome, Panic>, wall: Duration) -> Ruled {
    match held {
        Ok(outcome) => judge_outcome(scenario, outcome, wall),
        Err(panic) => Ruled {
            seed,
            came: Came::Broke,
            verdict: "error",
            signature: Some(format!("internal error at {}", panic.place)),
            evidence: panic.message.clone(),
            found: Vec::new(),
            allowed: Vec::new(),
            digest: 0,
            events: 0,
            sim_time: Duration::ZERO,
            wall,
            records_acked: 0,
            records_consumed: 0,
            groups: GroupTotals::default(),
            faults_planned: 0,
            faults_fired: 0,
            idle_faults: Vec::new(),
        },
    }
}

fn judge_outcome(scenario: &Scenario, outcome: &Outcome, wall: Duration) -> Ruled {
    let expected: &[String] = match &scenario.expect {
        Expectation::Pass => &[],
        Expectation::Finds(names) => names,
    };
    let is_expected = |name: &str| expected.iter().any(|expected| expected == name);
    let findings = &outcome.findings;
    let allowed: Vec<_> = Check::ALL
        .iter()
        .filter_map(|(check, name, _)| {
            let count = findings.allowed(*check);
            (count > 0).then(|| (*name, clause(outcome, *check), count))
        })
        .collect();
    let found = Check::ALL
        .iter()
        .filter(|(check, name, _)| is_expected(name) && findings.violations(*check) + findings.allowed(*check) > 0);
    let mut ruled = Ruled {
        seed: outcome.seed,
        came: Came::AsExpected,
        verdict: if allowed.is_empty() { "pass" } else { "allowed" },
        signature: None,
        evidence: String::new(),
        found: found.map(|(_, name, _)| *name).collect(),
        allowed,
        digest: outcome.digest,
        events: outcome.events,
        sim_time: Duration::from_secs_f64(outcome.sim_seconds.clamp(0.0, 1e12)),
        wall,
        records_acked: outcome.records_acked,
        records_consumed: outcome.records_consumed,
        groups: outcome.groups,
        faults_planned: outcome.plan.len() as u64,
        faults_fired: outcome.faults_fired(),
        idle_faults: outcome.idle_faults.clone(),
    };
    match &outcome.verdict {
        Verdict::Pass => {}
        Verdict::Inconclusive { reason } => {
            ruled.came = Came::Inconclusive;
            ruled.verdict = "inconclusive";
            // What follows the colon is of this seed alone.
            let (head, rest) = reason.split_once(": ").unwrap_or((reason, ""));
            ruled.signature = Some(format!("inconclusive: {head}"));
            rest.clone_into(&mut ruled.evidence);
        }
        Verdict::Violation { signature } => {
            ruled.verdict = "violation";
            let violations = || {
                findings
                    .kept()
                    .iter()
                    .filter(|finding| finding.ruling == Ruling::Violation)
            };
            let unexpected = violations()
                .filter(|finding| !is_expected(finding.check.name()))
                .min_by_key(|finding| (finding.check, finding.at));
            let told = unexpected.or_else(|| findings.worst());
            // A verdict without a finding behind it is judged by its words.
            let named = signature.split(':').next().unwrap_or_default();
            let fails = unexpected.is_some() || (findings.worst().is_none() && !is_expected(named));
            ruled.came = if fails { Came::Violated } else { Came::AsExpected };
            ruled.signature = Some(told.map_or_else(|| signature.clone(), |finding| finding.signature()));
            ruled.evidence = told.map_or_else(String::new, |finding| {
                format!(
                    "{} (at {}, step {})",
                    finding.evidence, finding.at.time, finding.at.step
                )
            });
        }
    }
    ruled
}

/// The first clause by which the contract allows what `check` found.
fn clause(outcome: &Outcome, check: Check) -> String {
    let clauses = outcome.findings.kept().iter().filter(|finding| finding.check == check);
    let mut clauses = clauses.filter_map(|finding| match &finding.ruling {
        Ruling::Allowed(clause) => Some(clause.clone()),
        Ruling::Violation | Ruling::Unknown(_) => None,
    });
    clauses.next().unwrap_or_default()
}

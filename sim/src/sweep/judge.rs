//! From the outcome of a trial, or from its panic, to the few facts that a run keeps of it.

use core::time::Duration;

use reports::record::{GroupTotals, Measured};

use crate::outcome::{Judgement, Outcome};
use crate::panics::Panic;
use crate::verdict::{Check, Ruling, Word};

/// How a trial came out, seen from what its scenario expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Came {
    /// Nothing was found, or only what the contract allows, or only what is expected.
    AsExpected,
    /// A check was violated that the scenario does not expect, what it forbids was found, or a measure was missed.
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
    /// The same in one word.
    pub verdict: Word,
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
    /// Records whose send failed for certain.
    pub records_failed: u64,
    /// Records whose send ended with an unknown outcome.
    pub records_unknown: u64,
    /// Records that consumers got.
    pub records_consumed: u64,
    /// What all consumer groups together did.
    pub groups: GroupTotals,
    /// What the scenario's measures came to.
    pub measures: Vec<Measured>,
    /// Faults that were planned.
    pub faults_planned: u64,
    /// Faults that took effect.
    pub faults_fired: u64,
    /// Those that did not.
    pub idle_faults: Vec<String>,
    /// What was not put to the test.
    pub untested: Vec<String>,
}

impl From<Word> for Came {
    fn from(word: Word) -> Came {
        match word {
            Word::Pass | Word::Allowed | Word::Found => Came::AsExpected,
            Word::Missed | Word::Violation => Came::Violated,
            Word::Inconclusive => Came::Inconclusive,
            Word::Error => Came::Broke,
        }
    }
}

/// What is kept of a trial with this seed.
#[must_use]
pub fn judge(seed: u64, ran: &Result<Outcome, Panic>, wall: Duration) -> Ruled {
    let judgement = match ran {
        Ok(outcome) => outcome.judgement.clone(),
        Err(panic) => Judgement::error(format!("internal error at {}", panic.place), panic.message.clone()),
    };
    let ruled = Ruled {
        seed,
        came: judgement.word.into(),
        verdict: judgement.word,
        signature: judgement.signature,
        evidence: judgement.evidence,
        found: judgement.found,
        allowed: Vec::new(),
        digest: 0,
        events: 0,
        sim_time: Duration::ZERO,
        wall,
        records_acked: 0,
        records_failed: 0,
        records_unknown: 0,
        records_consumed: 0,
        groups: GroupTotals::default(),
        measures: Vec::new(),
        faults_planned: 0,
        faults_fired: 0,
        idle_faults: Vec::new(),
        untested: Vec::new(),
    };
    match ran {
        Err(_) => ruled,
        Ok(outcome) => Ruled {
            allowed: allowed(outcome),
            digest: outcome.digest,
            events: outcome.events,
            sim_time: Duration::from_secs_f64(outcome.sim_seconds.clamp(0.0, 1e12)),
            records_acked: outcome.records_acked,
            records_failed: outcome.records_failed,
            records_unknown: outcome.records_unknown,
            records_consumed: outcome.records_consumed,
            groups: outcome.groups,
            measures: outcome.measures.clone(),
            faults_planned: outcome.plan.len() as u64,
            faults_fired: outcome.faults_fired(),
            idle_faults: outcome.idle_faults.clone(),
            untested: outcome.untested.clone(),
            ..ruled
        },
    }
}

/// What the contract allowed: check, clause, how often.
fn allowed(outcome: &Outcome) -> Vec<(&'static str, String, u64)> {
    let counted = Check::ALL.iter().filter_map(|check| {
        let count = outcome.findings.allowed(*check);
        (count > 0).then(|| (check.id(), clause(outcome, *check), count))
    });
    counted.collect()
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

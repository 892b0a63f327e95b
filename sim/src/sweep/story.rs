//! What there is to say of one trial besides its verdict: the faults, and what the checks found.

use core::fmt::Write as _;

use reports::record::Measured;

use crate::outcome::{NO_CONTRACT, Outcome};
use crate::units::show_count;
use crate::verdict::{Finding, Ruling, readable};

/// Which faults took effect, and when.
#[must_use]
pub fn faults_text(outcome: &Outcome) -> String {
    let mut text = format!(
        "{} of {} faults took effect",
        outcome.faults_fired(),
        outcome.plan.len()
    );
    let bands = outcome.record.iter().flat_map(|record| &record.faults);
    for band in bands {
        let _ = write!(text, "\n  {:>9.3} to {:>9.3} s  {}", band.from, band.to, band.name);
    }
    for idle in &outcome.idle_faults {
        let _ = write!(text, "\n  no effect: {idle}");
    }
    text
}

/// What the measures came to, a line each.
#[must_use]
pub fn measures_text(outcome: &Outcome) -> String {
    let line = |measured: &Measured| {
        let word = match measured.is_met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "cut off",
        };
        format!("measure {word}: {}\n", measured.evidence)
    };
    outcome.measures.iter().map(line).collect()
}

/// What was not put to the test besides the faults without effect.
#[must_use]
pub fn untested_text(outcome: &Outcome) -> String {
    match outcome.untested.iter().any(|untested| untested == NO_CONTRACT) {
        true => format!("untested: {NO_CONTRACT}\n"),
        false => String::new(),
    }
}

/// The first finding of each check and ruling, violations first, and how many there are.
#[must_use]
pub fn findings_text(outcome: &Outcome) -> String {
    let mut findings: Vec<&Finding> = outcome.findings.kept().iter().collect();
    let rank = |finding: &Finding| match finding.ruling {
        Ruling::Violation => 0,
        Ruling::Allowed(_) => 1,
        Ruling::Unknown(_) => 2,
    };
    findings.sort_by_key(|finding| (rank(finding), finding.check, finding.at));
    findings.dedup_by_key(|finding| (rank(finding), finding.check));
    let mut text = String::new();
    for finding in findings {
        let (ruling, count) = match &finding.ruling {
            Ruling::Violation => ("violation".to_owned(), outcome.findings.violations(finding.check)),
            Ruling::Allowed(clause) => (format!("allowed: {clause}"), outcome.findings.allowed(finding.check)),
            Ruling::Unknown(reason) => (
                format!("cannot be decided: {reason}"),
                outcome.findings.unknown(finding.check),
            ),
        };
        let times = if count == 1 {
            "once".to_owned()
        } else {
            format!("{} times", show_count(count))
        };
        let _ = writeln!(text, "{}, {times} ({ruling})", readable(&finding.signature()));
        let _ = writeln!(
            text,
            "  first at {}, step {}: {}",
            finding.at.time, finding.at.step, finding.evidence
        );
        for event in &finding.witness {
            let _ = writeln!(text, "    {event}");
        }
    }
    text
}

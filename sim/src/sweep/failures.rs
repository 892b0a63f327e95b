//! What failed, grouped by signature.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::tally::{FailureKind, Tally};
use crate::units::show_count;
use crate::verdict::{Check, readable};

/// The failures of all trials of a sweep, the most informative first.
pub struct Failures<'a> {
    signatures: Vec<Signature<'a>>,
    trials: u64,
}

/// Failures of one signature in all scenarios.
struct Signature<'a> {
    signature: &'a str,
    kind: FailureKind,
    count: u64,
    scenarios: usize,
    /// The first scenario that failed so, its first seed that did, and the evidence.
    scenario: &'a str,
    seed: u64,
    evidence: &'a str,
}

impl<'a> Failures<'a> {
    /// Those of these scenarios.
    pub fn of(tallies: impl Iterator<Item = (&'a str, &'a Tally)>) -> Failures<'a> {
        let mut all: BTreeMap<&str, Signature<'a>> = BTreeMap::new();
        let mut trials = 0;
        for (scenario, tally) in tallies {
            trials += tally.trials;
            for (signature, group) in &tally.failures {
                if let Some(known) = all.get_mut(signature.as_str()) {
                    known.count += group.count;
                    known.scenarios += 1;
                    continue;
                }
                let (seed, evidence) = group.first.first_key_value().expect("a group has a first failure");
                all.insert(
                    signature,
                    Signature {
                        signature,
                        kind: group.kind,
                        count: group.count,
                        scenarios: 1,
                        scenario,
                        seed: *seed,
                        evidence,
                    },
                );
            }
        }
        let mut signatures: Vec<_> = all.into_values().collect();
        signatures.sort_by_key(|group| (rank(group.signature, group.kind), core::cmp::Reverse(group.count)));
        Failures { signatures, trials }
    }

    /// Scenario and seed of the failure to look at first.
    #[must_use]
    pub fn first(&self) -> Option<(&'a str, u64)> {
        self.signatures.first().map(|group| (group.scenario, group.seed))
    }

    /// The failures for a person: each signature with its count and share, its first seed, the evidence, where its files
    /// are if `folder` knows, and how to `replay` it. Of a single signature the caller's last line says the latter.
    /// Empty without failures.
    pub fn text(&self, folder: impl Fn(&str, u64) -> Option<PathBuf>, replay: impl Fn(&str, u64) -> String) -> String {
        let mut text = String::new();
        let trials = counted(self.trials, "trial");
        if !self.signatures.is_empty() {
            let signatures = counted(self.signatures.len() as u64, "signature");
            let _ = writeln!(text, "{signatures} in {trials}");
        }
        for group in &self.signatures {
            let share = group.count as f64 * 100.0 / self.trials as f64;
            let _ = writeln!(text, "\n{}", readable(group.signature));
            let _ = write!(text, "  {} of {trials} ({share:.1} %)", show_count(group.count));
            let _ = match group.scenarios {
                1 => writeln!(text, ", first in {}, seed {}", group.scenario, group.seed),
                count => writeln!(
                    text,
                    " of {count} scenarios, first in {}, seed {}",
                    group.scenario, group.seed
                ),
            };
            for line in group.evidence.lines() {
                let _ = writeln!(text, "  {line}");
            }
            if let Some(folder) = folder(group.scenario, group.seed) {
                let _ = writeln!(text, "  {}", folder.display());
            }
            if self.signatures.len() > 1 {
                let _ = writeln!(text, "  {}", replay(group.scenario, group.seed));
            }
        }
        text
    }
}

/// The order in which failures are listed: internal errors, then violations by the order of the catalogue, then the inconclusive.
pub fn rank(signature: &str, kind: FailureKind) -> (FailureKind, usize) {
    let check = signature.split(':').next().unwrap_or_default();
    let position = Check::ALL.iter().position(|known| known.id() == check);
    (kind, position.unwrap_or(Check::ALL.len()))
}

/// `1 trial`, `2,000 trials`.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", show_count(count))
}

//! What is told at the end of a run: a line a scenario, the failures by signature, and the command to replay one.

use core::fmt::Write as _;
use core::ops::Range;
use std::collections::BTreeMap;
use std::path::Path;

use reports::summary::{AllowedCount, RowVerdict, SummaryRow};

use super::exit::Exit;
use super::plan::Mode;
use crate::scenario::Expectation;
use crate::scenario::files::Loaded;
use crate::scenario::units::show_count;
use crate::sweep::keep::Store;
use crate::sweep::tally::{FailureKind, Tally};
use crate::verdict::Check;

/// One scenario's trials and what they are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The scenario.
    pub loaded: &'a Loaded,
    /// The seeds that were wanted.
    pub seeds: &'a Range<u64>,
    /// What came of them.
    pub tally: &'a Tally,
    /// Which seeds these are.
    pub mode: Mode,
}

impl Standing<'_> {
    /// The expected anomalies that no trial showed. A single seed need not show them, nor a run that ended early.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        let Expectation::Finds(names) = &self.loaded.scenario.expect else {
            return Vec::new();
        };
        let complete = self.mode != Mode::One && self.tally.trials == self.seeds.end - self.seeds.start;
        let missing = names.iter().filter(|name| !self.tally.found.contains_key(*name));
        missing.map(String::as_str).filter(|_| complete).collect()
    }

    /// The exit code that these trials ask for.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let when = |condition, exit| if condition { exit } else { Exit::AsExpected };
        when(self.tally.inconclusive > 0, Exit::Inconclusive)
            .or_worse(when(
                self.tally.violated > 0 || !self.missing().is_empty(),
                Exit::Violation,
            ))
            .or_worse(when(self.tally.broke > 0, Exit::Internal))
    }

    /// The line in the table.
    #[must_use]
    pub fn row(&self) -> SummaryRow {
        let tally = self.tally;
        let missing = self.missing();
        let expects = matches!(self.loaded.scenario.expect, Expectation::Finds(_));
        let (verdict, detail) = if tally.broke > 0 || tally.violated > 0 {
            (RowVerdict::Violation, self.first_failure())
        } else if !missing.is_empty() {
            (RowVerdict::Missing, format!("{} was never found", missing.join(", ")))
        } else if tally.inconclusive > 0 {
            (RowVerdict::Inconclusive, self.first_failure())
        } else if expects && !tally.found.is_empty() {
            let found = tally
                .found
                .iter()
                .map(|(check, count)| format!("{check} in {count} of {}", tally.trials));
            (RowVerdict::Found, found.collect::<Vec<_>>().join(", "))
        } else if tally.allowed_trials > 0 {
            (RowVerdict::Allowed, String::new())
        } else {
            (RowVerdict::Pass, String::new())
        };
        let allowed = tally.allowed.iter().map(|(check, allowed)| AllowedCount {
            check: check.clone(),
            clause: allowed.clause.clone(),
            count: allowed.count,
        });
        SummaryRow {
            scenario: self.loaded.scenario.name.clone(),
            trials: tally.trials,
            verdict,
            detail,
            allowed: allowed.collect(),
            sim_seconds: tally.sim_nanos as f64 / 1e9,
            wall_seconds: tally.wall_nanos as f64 / 1e9,
            records: tally.records_acked,
            groups: tally.groups,
        }
    }

    /// A sentence about faults that did nothing, if there are such.
    #[must_use]
    pub fn idle_faults(&self) -> Option<String> {
        let (tally, name) = (self.tally, &self.loaded.scenario.name);
        if tally.faults_planned > 0 && tally.faults_fired == 0 {
            let planned = show_count(tally.faults_planned);
            return Some(format!("{name}: none of {planned} planned faults ever took effect"));
        }
        let idle = tally.idle_faults.iter().flatten();
        let idle: Vec<&str> = idle.map(String::as_str).collect();
        let faults = idle.join(", ");
        (!idle.is_empty()).then(|| format!("{name}: took effect in no trial: {faults}"))
    }

    fn first_failure(&self) -> String {
        let Some((signature, group)) = self
            .tally
            .failures
            .iter()
            .min_by_key(|(signature, group)| rank(signature, group.kind))
        else {
            return String::new();
        };
        let seed = group.first.keys().next().copied().unwrap_or_default();
        let others = match self.tally.failures.len() - 1 {
            0 => String::new(),
            others => format!(", and {}", counted(others as u64, "other signature")),
        };
        format!(
            "{signature}: {} of {}, first seed {seed}{others}",
            show_count(group.count),
            show_count(self.tally.trials)
        )
    }
}

/// Failures of one signature in all scenarios.
struct Signature<'a> {
    signature: &'a str,
    kind: FailureKind,
    count: u64,
    scenarios: usize,
    first: &'a Loaded,
    seed: u64,
    evidence: &'a str,
}

/// Failures by signature, the most telling first, each with the command that replays it, and as the last line the one
/// for the first of them; nothing when all is as expected.
#[must_use]
pub fn failures(standings: &[Standing<'_>], store: &Store, quirks: &[String]) -> String {
    let mut text = String::new();
    let signatures = signatures(standings);
    let trials: u64 = standings.iter().map(|standing| standing.tally.trials).sum();
    if !signatures.is_empty() {
        let _ = writeln!(
            text,
            "{} in {}",
            counted(signatures.len() as u64, "signature"),
            counted(trials, "trial")
        );
    }
    for group in &signatures {
        let share = group.count as f64 * 100.0 / trials as f64;
        let name = &group.first.scenario.name;
        let _ = writeln!(text, "\n{}", group.signature);
        let _ = write!(
            text,
            "  {} of {} ({share:.1} %)",
            show_count(group.count),
            counted(trials, "trial")
        );
        let _ = match group.scenarios {
            1 => writeln!(text, ", first in {name}, seed {}", group.seed),
            count => writeln!(text, " of {count} scenarios, first in {name}, seed {}", group.seed),
        };
        for line in group.evidence.lines() {
            let _ = writeln!(text, "  {line}");
        }
        if let Some(folder) = store.kept(name, group.seed) {
            let _ = writeln!(text, "  {}", folder.display());
        }
        // Of a single signature the last line of all says it.
        if signatures.len() > 1 {
            let _ = writeln!(text, "  {}", replay_command(&group.first.path, group.seed, quirks));
        }
    }
    for standing in standings.iter().filter(|standing| !standing.missing().is_empty()) {
        let missing = standing.missing().join(", ");
        let space = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(
            text,
            "{space}{}: expected {missing}, which no trial showed",
            standing.loaded.scenario.name
        );
    }
    if let Some(first) = signatures.first() {
        let _ = writeln!(text, "\n{}", replay_command(&first.first.path, first.seed, quirks));
    } else if let Some(standing) = standings.iter().find(|standing| !standing.missing().is_empty()) {
        let seeds = match standing.mode {
            Mode::Sweep => format!(" --seeds {}..{}", standing.seeds.start, standing.seeds.end),
            Mode::Own | Mode::One => String::new(),
        };
        let _ = writeln!(
            text,
            "\ntrial run {}{seeds}{}",
            quoted(&standing.loaded.path),
            quirk_flags(quirks)
        );
    }
    text
}

fn signatures<'a>(standings: &[Standing<'a>]) -> Vec<Signature<'a>> {
    let mut all: BTreeMap<&str, Signature<'a>> = BTreeMap::new();
    for standing in standings {
        for (signature, group) in &standing.tally.failures {
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
                    first: standing.loaded,
                    seed: *seed,
                    evidence,
                },
            );
        }
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|group| (rank(group.signature, group.kind), core::cmp::Reverse(group.count)));
    all
}

/// Order of telling: internal errors, then violations by the order of the catalogue, then the inconclusive.
fn rank(signature: &str, kind: FailureKind) -> (FailureKind, usize) {
    let check = signature.split(':').next().unwrap_or_default();
    let position = Check::ALL.iter().position(|(_, name, _)| *name == check);
    (kind, position.unwrap_or(Check::ALL.len()))
}

/// The command that holds a trial again.
#[must_use]
pub fn replay_command(path: &Path, seed: u64, quirks: &[String]) -> String {
    format!("trial replay {} --seed {seed}{}", quoted(path), quirk_flags(quirks))
}

fn quirk_flags(quirks: &[String]) -> String {
    quirks.iter().map(|quirk| format!(" --quirk {quirk}")).collect()
}

/// The path as a shell and then the command take it: one that begins with `-` would be a flag.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if text.starts_with('-') {
        format!("./{text}")
    } else {
        text
    };
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '=' | ',' | '@' | ':');
    let safe = !text.is_empty() && text.chars().all(plain);
    if safe {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `1 trial`, `2,000 trials`.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", show_count(count))
}

//! What is printed at the end of a run: a line a scenario, the failures by signature, and the command to replay one.

use core::fmt::Write as _;
use core::ops::Range;
use std::path::Path;

use reports::summary::{AllowedCount, SummaryRow};
use reports::verdict::Word;

use super::exit::Exit;
use super::plan::Mode;
use crate::scenario::Expectation;
use crate::scenario::files::Loaded;
use crate::sweep::failures::{Failures, counted, rank};
use crate::sweep::keep::Store;
use crate::sweep::tally::Tally;
use crate::units::show_count;
use crate::verdict::{Check, readable};

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
    pub fn missing(&self) -> Vec<String> {
        let Expectation::Finds(names) = &self.loaded.scenario.expect else {
            return Vec::new();
        };
        let complete = self.mode != Mode::One && self.tally.trials == self.seeds.end - self.seeds.start;
        let missing = names.iter().filter(|name| !self.tally.found.contains_key(*name));
        missing.map(|name| readable(name)).filter(|_| complete).collect()
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
        let (verdict, detail) = if tally.broke > 0 {
            (Word::Error, self.first_failure())
        } else if tally.violated > tally.missed {
            (Word::Violation, self.first_failure())
        } else if tally.missed > 0 {
            (Word::Missed, self.first_failure())
        } else if !missing.is_empty() {
            (Word::Missed, format!("{} was never found", missing.join(", ")))
        } else if tally.inconclusive > 0 {
            (Word::Inconclusive, self.first_failure())
        } else if expects && !tally.found.is_empty() {
            let found = tally
                .found
                .iter()
                .map(|(check, count)| format!("{} in {count} of {}", readable(check), tally.trials));
            (Word::Found, found.collect::<Vec<_>>().join(", "))
        } else if tally.allowed_trials > 0 {
            (Word::Allowed, String::new())
        } else {
            (Word::Pass, String::new())
        };
        let allowed = tally.allowed.iter().map(|(check, allowed)| AllowedCount {
            check: check.clone(),
            name: Check::from_name(check).and_then(Check::words).map(str::to_owned),
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
            failed: tally.records_failed,
            unknown: tally.records_unknown,
            groups: tally.groups,
            measures: tally
                .measures
                .iter()
                .map(|(measure, range)| (measure.clone(), *range))
                .collect(),
        }
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
            "{}: {} of {}, first seed {seed}{others}",
            readable(signature),
            show_count(group.count),
            show_count(self.tally.trials)
        )
    }
}

/// Failures by signature, the most informative first, each with the command that replays it, and as the last line the one
/// for the first of them; nothing when all is as expected.
#[must_use]
pub fn failures(standings: &[Standing<'_>], store: &Store, quirks: &[String]) -> String {
    let tallies = standings
        .iter()
        .map(|standing| (&*standing.loaded.scenario.name, standing.tally));
    let failures = Failures::of(tallies);
    let replay = |name: &str, seed| {
        let mut standings = standings.iter();
        let named = standings.find(|standing| standing.loaded.scenario.name == name);
        named.map_or_else(String::new, |standing| {
            replay_command(&standing.loaded.path, seed, quirks)
        })
    };
    let mut text = failures.text(|name, seed| store.kept(name, seed), replay);
    for standing in standings.iter().filter(|standing| !standing.missing().is_empty()) {
        let missing = standing.missing().join(", ");
        let space = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(
            text,
            "{space}{}: expected {missing}, which no trial showed",
            standing.loaded.scenario.name
        );
    }
    if let Some((name, seed)) = failures.first() {
        let _ = writeln!(text, "\n{}", replay(name, seed));
    } else if let Some(standing) = standings.iter().find(|standing| !standing.missing().is_empty()) {
        let seeds = match standing.mode {
            Mode::Sweep => format!(" --seeds {}..{}", standing.seeds.start, standing.seeds.end),
            Mode::Own | Mode::One | Mode::For(_) => String::new(),
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

/// The command that runs a trial again.
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

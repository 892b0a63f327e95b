//! The table that a person reads after a run: one line a scenario, then the totals.
//!
//! ```text
//! scenario                   verdict       trials   records   sim time     wall
//! durability/leader-killed   pass             100     1.0 M    6,000 s   12.3 s
//! durability/acks-one        allowed          100     1.0 M    6,000 s   11.9 s  37× lost-write (acks=1)
//!     sends: 12 failed · 3,400 unknown
//! retries/retry-topic        pass             100     1.0 M    6,000 s   14.1 s
//!     groups: 990.1 k processed · 8,900 retried · 12 dead-lettered · 300 rebalances
//!
//! 3 scenarios, 300 trials · 1 allowed · 2 pass
//! 3.0 M records acknowledged, 18,000 simulated s in 38.3 s of one core (470×)
//! ```

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::numbers;
use crate::record::{GroupTotals, Measured};
use crate::verdict::{Word, titled};

/// The terminal's own green, yellow and red: they fit its background.
fn sgr(word: Word) -> &'static str {
    match word {
        Word::Pass | Word::Allowed | Word::Found => "32",
        Word::Inconclusive => "33",
        Word::Missed | Word::Violation | Word::Error => "1;31",
    }
}

/// Anomalies of one check that one clause allows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AllowedCount {
    /// The id of the check.
    pub check: String,
    /// Its name in words, if that is not its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The clause of the contract, in full.
    pub clause: String,
    /// How many, over all trials.
    pub count: u64,
}

/// What a measure came to in all trials.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct MeasuredRange {
    /// In how many trials it was measured.
    pub trials: u64,
    /// In how many it kept within its bounds.
    pub met: u64,
    /// The smallest and the largest figure, if there was any.
    pub range: Option<(f64, f64)>,
}

impl MeasuredRange {
    /// That of one trial, with figure, bounds and time as one text.
    #[must_use]
    pub fn of(measured: &Measured) -> (String, MeasuredRange) {
        let Measured {
            what, bounds, window, ..
        } = measured;
        let range = MeasuredRange {
            trials: 1,
            met: u64::from(measured.is_met == Some(true)),
            range: measured.value.map(|value| (value, value)),
        };
        (format!("{what} {bounds} {window}").trim_end().to_owned(), range)
    }

    /// Adds the trials of `other`.
    pub fn merge(&mut self, other: MeasuredRange) {
        self.trials += other.trials;
        self.met += other.met;
        self.range = match (self.range, other.range) {
            (Some((low, high)), Some((lower, higher))) => Some((low.min(lower), high.max(higher))),
            (mine, theirs) => mine.or(theirs),
        };
    }
}

/// One scenario's trials.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SummaryRow {
    /// The scenario's name.
    pub scenario: String,
    /// How many trials were run.
    pub trials: u64,
    /// How they ended.
    pub verdict: Word,
    /// What to know besides the verdict: the signature and its share, the reason, what is missing. May be empty.
    pub detail: String,
    /// What the contract allowed.
    pub allowed: Vec<AllowedCount>,
    /// Simulated seconds of all trials.
    pub sim_seconds: f64,
    /// Wall seconds of all trials, as one core would have taken.
    pub wall_seconds: f64,
    /// Records whose send was answered ok, in all trials.
    pub records: u64,
    /// Records whose send failed for certain.
    pub failed: u64,
    /// Records whose send ended with an unknown outcome.
    pub unknown: u64,
    /// What consumer groups did, in all trials.
    pub groups: GroupTotals,
    /// What the measures came to, each with figure, bounds and time.
    pub measures: Vec<(String, MeasuredRange)>,
}

impl SummaryRow {
    /// Adds other trials of the same scenario: figures are summed up, the worse verdict and its detail stay.
    pub fn merge(&mut self, other: SummaryRow) {
        if other.verdict > self.verdict {
            self.verdict = other.verdict;
            self.detail = other.detail;
        }
        self.trials += other.trials;
        for allowed in other.allowed {
            match self.allowed.iter_mut().find(|known| known.check == allowed.check) {
                Some(known) => known.count += allowed.count,
                None => self.allowed.push(allowed),
            }
        }
        self.sim_seconds += other.sim_seconds;
        self.wall_seconds += other.wall_seconds;
        self.records += other.records;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.groups += other.groups;
        for (measure, range) in other.measures {
            match self.measures.iter_mut().find(|(known, _)| *known == measure) {
                Some((_, known)) => known.merge(range),
                None => self.measures.push((measure, range)),
            }
        }
    }
}

/// The table, `width` terminal columns wide, with a newline at its end. Long names and details are cut with `…`;
/// a terminal too narrow for the figures gets longer lines instead.
#[must_use]
pub fn table(rows: &[SummaryRow], width: usize, colour: bool) -> String {
    let mut text = String::new();
    if !rows.is_empty() {
        let widest = rows.iter().map(|row| row.scenario.width()).max().unwrap_or(0);
        let columns = Columns {
            scenario: widest.clamp(8, scenario_limit(width)),
            width,
            colour,
        };
        columns.heading(&mut text);
        rows.iter().for_each(|row| columns.row(&mut text, row));
        text.push('\n');
    }
    totals(&mut text, rows, width, colour);
    text
}

/// Columns of the figures, each with the two blanks before it.
const FIGURES: [(&str, usize); 4] = [("trials", 8), ("records", 10), ("sim time", 11), ("wall", 9)];
const VERDICT: usize = 2 + "inconclusive".len();
/// A detail narrower than this goes onto a line of its own.
const DETAIL: usize = 24;

/// The figures must have room beside the scenario's name, and a name wider than this is hardly read.
fn scenario_limit(width: usize) -> usize {
    let figures: usize = FIGURES.iter().map(|(_, width)| width).sum();
    width.saturating_sub(VERDICT + figures + 2).clamp(16, 64)
}

struct Columns {
    scenario: usize,
    width: usize,
    colour: bool,
}

impl Columns {
    fn heading(&self, text: &mut String) {
        let mut line = pad("scenario", self.scenario);
        line += &format!("  {:<1$}", "verdict", VERDICT - 2);
        for (name, width) in FIGURES {
            line += &format!("{name:>width$}");
        }
        let _ = writeln!(text, "{}", paint(&line, "2", self.colour));
    }

    fn row(&self, text: &mut String, row: &SummaryRow) {
        let name = pad(&cut_front(&row.scenario, self.scenario), self.scenario);
        let word = pad(row.verdict.as_str(), VERDICT - 2);
        let _ = write!(text, "{name}  {}", paint(&word, sgr(row.verdict), self.colour));
        let figures = [
            numbers::thousands(row.trials),
            numbers::short(row.records),
            format!("{} s", numbers::thousands(row.sim_seconds.round() as u64)),
            seconds(row.wall_seconds),
        ];
        for (figure, (_, width)) in figures.iter().zip(FIGURES) {
            let _ = write!(text, "{figure:>width$}");
        }
        self.details(text, row);
        text.push('\n');
        let below = self.width.saturating_sub(4).max(DETAIL);
        let measures = row.measures.iter().map(|(measure, range)| measured(measure, range));
        for line in [sends(row), work(&row.groups)].into_iter().flatten().chain(measures) {
            let line = format!("    {}", cut(&line, below));
            let _ = writeln!(text, "{}", paint(&line, "2", self.colour));
        }
    }

    /// Beside the figures if all of it has room there; below them, indented, if not.
    fn details(&self, text: &mut String, row: &SummaryRow) {
        let mut details: Vec<String> = row.allowed.iter().map(allowed).collect();
        if !row.detail.is_empty() {
            details.insert(0, row.detail.clone());
        }
        if details.is_empty() {
            return;
        }
        let figures: usize = FIGURES.iter().map(|(_, width)| width).sum();
        let beside = self.width.saturating_sub(self.scenario + VERDICT + figures + 2);
        let joined = details.join(", ");
        if joined.width() <= beside {
            let _ = write!(text, "  {joined}");
            return;
        }
        let below = self.width.saturating_sub(4).max(DETAIL);
        for detail in details {
            let _ = write!(text, "\n    {}", cut(&detail, below));
        }
    }
}

/// The sends that were not acknowledged, if there were any.
fn sends(row: &SummaryRow) -> Option<String> {
    let counts = [(row.failed, "failed"), (row.unknown, "unknown")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = counts
        .map(|(count, what)| format!("{} {what}", numbers::short(*count)))
        .collect();
    (!parts.is_empty()).then(|| format!("sends: {}", parts.join(" · ")))
}

/// What groups did, if there were any.
fn work(groups: &GroupTotals) -> Option<String> {
    let GroupTotals {
        processed,
        retried,
        dead_lettered,
        skipped,
        rebalances,
    } = *groups;
    let mut parts = vec![format!("{} processed", numbers::short(processed))];
    let more = [
        (retried, "retried"),
        (dead_lettered, "dead-lettered"),
        (skipped, "skipped"),
    ];
    let more = more.iter().filter(|(count, _)| *count > 0);
    parts.extend(more.map(|(count, what)| format!("{} {what}", numbers::short(*count))));
    parts.push(numbers::counted(rebalances, "rebalance"));
    (*groups != GroupTotals::default()).then(|| format!("groups: {}", parts.join(" · ")))
}

/// A measure, its figures, and in how many trials it kept within its bounds.
fn measured(measure: &str, range: &MeasuredRange) -> String {
    let figures = match range.range {
        None => "never measured".to_owned(),
        Some((low, high)) if low == high => numbers::decimal(low),
        Some((low, high)) => format!("{} to {}", numbers::decimal(low), numbers::decimal(high)),
    };
    let (met, trials) = (numbers::thousands(range.met), numbers::thousands(range.trials));
    format!("{measure}: {figures} · met in {met} of {trials}")
}

fn allowed(allowed: &AllowedCount) -> String {
    let count = numbers::thousands(allowed.count);
    format!(
        "{count}× {} ({})",
        titled(&allowed.check, allowed.name.as_deref()),
        shorten(&allowed.clause)
    )
}

/// The clause up to its first pause: `acks=1: the leader alone …` is known by `acks=1`.
fn shorten(clause: &str) -> String {
    let head = clause.split([':', ';', ',']).next().unwrap_or_default().trim();
    cut(head, 40)
}

/// How the scenarios ended, the worst first; what did not happen is not said.
fn totals(text: &mut String, rows: &[SummaryRow], width: usize, colour: bool) {
    let trials: u64 = rows.iter().map(|row| row.trials).sum();
    let records: u64 = rows.iter().map(|row| row.records).sum();
    let sim: f64 = rows.iter().map(|row| row.sim_seconds).sum();
    let wall: f64 = rows.iter().map(|row| row.wall_seconds).sum();
    let mut line = format!(
        "{}, {}",
        numbers::counted(rows.len() as u64, "scenario"),
        numbers::counted(trials, "trial")
    );
    let mut used = line.width();
    for (verdict, _) in Word::ALL.into_iter().rev() {
        let count = rows.iter().filter(|row| row.verdict == verdict).count();
        if count == 0 {
            continue;
        }
        let part = format!("{count} {verdict}");
        let separator = if used + 3 + part.width() > width {
            "\n  "
        } else {
            " · "
        };
        used = part.width() + if separator == " · " { used + 3 } else { 2 };
        line += separator;
        line += &paint(&part, sgr(verdict), colour);
    }
    let _ = writeln!(text, "{line}");
    let simulated = numbers::thousands(sim.round() as u64);
    let _ = write!(
        text,
        "{} acknowledged, {simulated} simulated s",
        numbers::counted_short(records, "record")
    );
    if wall > 0.0 {
        let factor = numbers::thousands((sim / wall).round() as u64);
        let _ = write!(text, " in {} of one core ({factor}×)", seconds(wall));
    }
    text.push('\n');
}

/// Wall seconds at a glance: `0.04 s`, `12.3 s`, `1,234 s`.
fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{s:.2} s"),
        s if s < 99.95 => format!("{s:.1} s"),
        s => format!("{} s", numbers::thousands(s.round() as u64)),
    }
}

fn paint(text: &str, sgr: &str, colour: bool) -> String {
    match colour {
        true => format!("\x1b[{sgr}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

fn pad(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(blanks))
}

/// Keeps the beginning.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    format!("{}…", take(text.chars(), width.saturating_sub(1)))
}

/// Keeps the end, where the names of one folder differ.
fn cut_front(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let end: String = take(text.chars().rev(), width.saturating_sub(1));
    format!("…{}", end.chars().rev().collect::<String>())
}

fn take(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= width
    };
    chars.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scenario: &str, verdict: Word) -> SummaryRow {
        SummaryRow {
            scenario: scenario.into(),
            trials: 100,
            verdict,
            detail: String::new(),
            allowed: vec![],
            sim_seconds: 6_012.4,
            wall_seconds: 12.34,
            records: 1_000_000,
            failed: 0,
            unknown: 0,
            groups: GroupTotals::default(),
            measures: Vec::new(),
        }
    }

    fn rows() -> Vec<SummaryRow> {
        let lost = AllowedCount {
            check: "lost-write".into(),
            name: None,
            clause: "acks=1: the leader alone has promised, and it died with the record".into(),
            count: 1_237,
        };
        let duplicate = AllowedCount {
            check: "duplicate".into(),
            name: None,
            clause: "enable.idempotence=false".into(),
            count: 3,
        };
        vec![
            row("durability/leader-killed-acks-all", Word::Pass),
            SummaryRow {
                groups: GroupTotals {
                    processed: 1_234_567,
                    retried: 8_900,
                    dead_lettered: 12,
                    skipped: 0,
                    rebalances: 1_200,
                },
                ..row("retries/retry-topic", Word::Pass)
            },
            SummaryRow {
                allowed: vec![lost.clone()],
                failed: 12,
                unknown: 3_400,
                ..row("durability/acks-one", Word::Allowed)
            },
            SummaryRow {
                detail: "expected lost-write".into(),
                trials: 1,
                records: 950,
                wall_seconds: 0.042,
                allowed: vec![lost, duplicate],
                ..row(
                    "durability/unclean-election-after-power-loss-of-all-replicas",
                    Word::Found,
                )
            },
            SummaryRow {
                detail: "duplicate was never found".into(),
                ..row("delivery/retries", Word::Missed)
            },
            SummaryRow {
                detail: "lost-write: truncated below the high watermark by the next leader: 3 of 100, first seed 17"
                    .into(),
                wall_seconds: 1_234.0,
                ..row("bugs/truncate-to-hw", Word::Violation)
            },
            SummaryRow {
                detail: "measure: lag(billing): 1 of 100, first seed 3".into(),
                measures: vec![
                    (
                        "lag(billing) below 100 from 50s".into(),
                        MeasuredRange {
                            trials: 100,
                            met: 99,
                            range: Some((0.0, 1_412.0)),
                        },
                    ),
                    (
                        "failed() below 1".into(),
                        MeasuredRange {
                            trials: 100,
                            met: 100,
                            range: Some((0.0, 0.0)),
                        },
                    ),
                    (
                        "lag(archive) below 10".into(),
                        MeasuredRange {
                            trials: 100,
                            met: 0,
                            range: None,
                        },
                    ),
                ],
                ..row("delivery/slow", Word::Missed)
            },
            SummaryRow {
                detail: "limit of 5,000,000 events".into(),
                ..row("performance/öffentlich/日本", Word::Inconclusive)
            },
        ]
    }

    #[test]
    fn tables_for_terminals_of_several_widths() {
        for width in [160, 100, 60] {
            insta::assert_snapshot!(format!("table_{width}"), table(&rows(), width, false));
        }
    }

    #[test]
    fn one_row_and_none() {
        insta::assert_snapshot!(
            "table_one",
            table(
                &[SummaryRow {
                    trials: 1,
                    records: 1,
                    ..row("a", Word::Pass)
                }],
                100,
                false
            )
        );
        insta::assert_snapshot!("table_none", table(&[], 100, false));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 80..200 {
            for line in table(&rows(), width, false).lines() {
                assert!(line.width() <= width, "{} > {width}: {line}", line.width());
            }
        }
    }

    #[test]
    fn colour_changes_nothing_but_the_colour() {
        let mut coloured = table(&rows(), 120, true);
        assert!(coloured.contains("\x1b[1;31mviolation"), "{coloured}");
        assert!(coloured.contains("\x1b[32mpass"), "{coloured}");
        for sgr in ["\x1b[0m", "\x1b[2m", "\x1b[32m", "\x1b[33m", "\x1b[1;31m"] {
            coloured = coloured.replace(sgr, "");
        }
        assert_eq!(coloured, table(&rows(), 120, false));
    }
}

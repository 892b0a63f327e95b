//! What a whole run came to: for pages of CI systems, for machines, and to be put together from the parts of a run that
//! was cut into shards.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::numbers;
use crate::summary::SummaryRow;
use crate::verdict::Word;
use crate::whole;

#[cfg(feature = "junit")]
mod junit;
#[cfg(feature = "junit")]
pub use junit::junit;

/// The newest version of the format.
pub const SCHEMA_VERSION: u32 = 1;
/// The name of its file in the folder of a run.
pub const FILE: &str = "summary.json";

/// All that a run says of its scenarios.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunSummary {
    /// Of this format.
    pub schema_version: u32,
    /// Version and fingerprint of the program that ran the trials.
    pub build: String,
    /// The scenarios, in the order of the table.
    pub scenarios: Vec<ScenarioSummary>,
}

/// What came of one scenario.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ScenarioSummary {
    /// Distinguishes one scenario, as it was understood, from another.
    pub key: String,
    /// Its file, as it was named.
    pub file: String,
    /// The seeds that were held: from, and up to but not including; more than one stretch after a merge.
    pub seeds: Vec<(u64, u64)>,
    /// The line of the table.
    pub row: SummaryRow,
    /// Its failures, the most informative first.
    pub failures: Vec<FailureSummary>,
}

/// Failures of one signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FailureSummary {
    /// Check and shape.
    pub signature: String,
    /// The same for a reader, if the check has a name in words besides its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// How many trials.
    pub count: u64,
    /// The lowest seed, and its evidence.
    pub seed: u64,
    /// One sentence or more.
    pub evidence: String,
    /// The command that holds it again.
    pub replay: String,
}

/// Why summaries cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is no summary.
    #[error("{path} is no summary of a run: {cause}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: serde_json::Error,
    },
    /// It is of a newer program.
    #[error("{path} has version {version}, and this program knows versions up to {SCHEMA_VERSION}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Trials of different programs are not trials of one run.
    #[error("{path} is of build {build}, the others of {other}")]
    OtherBuild {
        /// The file.
        path: PathBuf,
        /// Its build.
        build: String,
        /// That of the summaries before it.
        other: String,
    },
    /// One trial is in two summaries.
    #[error("{path} has seed {seed} of {scenario}, which another summary has too")]
    Overlap {
        /// The file.
        path: PathBuf,
        /// The scenario.
        scenario: String,
        /// The first such seed.
        seed: u64,
    },
}

impl RunSummary {
    /// The summary in a folder of a run.
    ///
    /// # Errors
    /// When it is not there, or is none.
    pub fn load(folder: &Path) -> Result<RunSummary, RunError> {
        let path = folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(cause) => return Err(RunError::Read { path, cause }),
        };
        match serde_json::from_slice::<RunSummary>(&text) {
            Ok(summary) if summary.schema_version > SCHEMA_VERSION => Err(RunError::Newer {
                path,
                version: summary.schema_version,
            }),
            Ok(summary) => Ok(summary),
            Err(cause) => Err(RunError::Format { path, cause }),
        }
    }

    /// Writes `summary.json` and `summary.md` into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut json = serde_json::to_string_pretty(self).expect("numbers and texts are JSON");
        json.push('\n');
        whole::write(&folder.join(FILE), json.as_bytes())?;
        whole::write(&folder.join("summary.md"), self.markdown().as_bytes())
    }

    /// Adds the summary of another part of the run, which `folder` has.
    ///
    /// # Errors
    /// When the two are not parts of one run.
    pub fn merge(&mut self, other: RunSummary, folder: &Path) -> Result<(), RunError> {
        if self.build != other.build {
            return Err(RunError::OtherBuild {
                path: folder.join(FILE),
                build: other.build,
                other: self.build.clone(),
            });
        }
        for scenario in other.scenarios {
            let known = self.scenarios.iter_mut().find(|known| known.key == scenario.key);
            match known {
                Some(known) => known.merge(scenario, folder)?,
                None => self.scenarios.push(scenario),
            }
        }
        self.scenarios
            .sort_by(|one, other| one.row.scenario.cmp(&other.row.scenario));
        Ok(())
    }

    /// The worst word of all scenarios.
    #[must_use]
    pub fn word(&self) -> Word {
        let words = self.scenarios.iter().map(|scenario| scenario.row.verdict);
        words.max().unwrap_or(Word::Pass)
    }

    /// The scenarios that did not do what they say.
    fn failed(&self) -> impl Iterator<Item = &ScenarioSummary> {
        self.scenarios
            .iter()
            .filter(|scenario| !scenario.row.verdict.is_as_expected())
    }

    /// The summary as Markdown, for the page of a CI job.
    #[must_use]
    pub fn markdown(&self) -> String {
        let (failed, all) = (self.failed().count(), self.scenarios.len());
        let trials: u64 = self.scenarios.iter().map(|scenario| scenario.row.trials).sum();
        let mut text = match failed {
            0 => format!("## trial: {} as expected\n\n", numbers::counted(all as u64, "scenario")),
            _ => format!(
                "## trial: {failed} of {} failed\n\n",
                numbers::counted(all as u64, "scenario")
            ),
        };
        let trials = numbers::counted(trials, "trial");
        let _ = writeln!(text, "{trials}, build `{}`\n", self.build);
        text.push_str("| scenario | verdict | trials | records | sim time | |\n|---|---|---:|---:|---:|---|\n");
        for ScenarioSummary { row, .. } in &self.scenarios {
            let (mark, unmark) = if row.verdict.is_as_expected() {
                ("", "")
            } else {
                ("**", "**")
            };
            let _ = writeln!(
                text,
                "| {} | {mark}{}{unmark} | {} | {} | {:.0} s | {} |",
                cell(&row.scenario),
                row.verdict,
                row.trials,
                numbers::short(row.records),
                row.sim_seconds,
                cell(&row.detail)
            );
        }
        for scenario in self.failed() {
            let _ = writeln!(text, "\n### {}\n", cell(&scenario.row.scenario));
            if scenario.failures.is_empty() {
                let _ = writeln!(text, "{}", cell(&scenario.row.detail));
            }
            for failure in &scenario.failures {
                let FailureSummary {
                    count,
                    seed,
                    evidence,
                    replay,
                    ..
                } = failure;
                let of = scenario.row.trials;
                let _ = writeln!(
                    text,
                    "- **{}**: {count} of {of} trials, first seed {seed}",
                    cell(failure.title())
                );
                for line in evidence.lines() {
                    let _ = writeln!(text, "  {}  ", cell(line));
                }
                let _ = writeln!(text, "  `{replay}`");
            }
        }
        text
    }

    /// One line for each failed scenario, as GitHub shows them beside the file.
    #[must_use]
    pub fn annotations(&self) -> String {
        let mut text = String::new();
        for scenario in self.failed() {
            let row = &scenario.row;
            let kind = if row.verdict == Word::Inconclusive {
                "warning"
            } else {
                "error"
            };
            let mut message = format!("{}: {}", row.verdict, row.detail);
            if let Some(failure) = scenario.failures.first() {
                let _ = write!(message, "\n{}\n{}", failure.evidence, failure.replay);
            }
            let (file, title) = (property(&scenario.file), property(&row.scenario));
            let _ = writeln!(text, "::{kind} file={file},line=1,title={title}::{}", data(&message));
        }
        text
    }
}

impl ScenarioSummary {
    fn merge(&mut self, other: ScenarioSummary, folder: &Path) -> Result<(), RunError> {
        for (from, to) in &other.seeds {
            if let Some((begin, _)) = self.seeds.iter().find(|(begin, end)| from < end && begin < to) {
                return Err(RunError::Overlap {
                    path: folder.join(FILE),
                    scenario: other.row.scenario,
                    seed: *from.max(begin),
                });
            }
        }
        self.seeds.extend(other.seeds);
        self.seeds.sort_unstable();
        for failure in other.failures {
            match self
                .failures
                .iter_mut()
                .find(|known| known.signature == failure.signature)
            {
                Some(known) => {
                    let count = known.count + failure.count;
                    if failure.seed < known.seed {
                        *known = failure;
                    }
                    known.count = count;
                }
                None => self.failures.push(failure),
            }
        }
        self.row.merge(other.row);
        if let (false, Some(failure)) = (self.row.verdict.is_as_expected(), self.failures.first()) {
            let FailureSummary { count, seed, .. } = failure;
            let title = failure.title();
            self.row.detail = format!("{title}: {count} of {}, first seed {seed}", self.row.trials);
        }
        Ok(())
    }
}

impl FailureSummary {
    /// The signature as a reader sees it.
    #[must_use]
    pub fn title(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.signature)
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace('<', "&lt;")
        .replace(['\n', '\r'], " ")
}

/// The text of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests;

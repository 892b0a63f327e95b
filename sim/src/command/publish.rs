//! Results of a run for CI systems: summaries, JUnit XML, annotations.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use reports::run::{FailureSummary, RunSummary, SCHEMA_VERSION, ScenarioSummary};
use reports::whole;

use super::Host;
use super::args::{Profile, PublishArgs};
use super::identity;
use super::summary::{Standing, replay_command};
use super::voice::Voice;
use crate::sweep::failures::rank;
use crate::verdict::title;

/// Where results go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Publish {
    /// A folder gets `summary.json` and `summary.md`.
    pub folder: Option<PathBuf>,
    junit: Option<PathBuf>,
    /// A file is added to.
    markdown: Option<PathBuf>,
    annotations: bool,
}

/// Something could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write {path}: {cause}")]
pub struct PublishError {
    path: PathBuf,
    cause: io::Error,
}

impl Publish {
    /// What the command line asks for, and what its profile adds.
    #[must_use]
    pub fn new(args: &PublishArgs, folder: Option<&Path>, profile: Option<Profile>, host: &Host) -> Publish {
        let is_ci = profile == Some(Profile::Ci);
        let in_folder = folder.filter(|_| is_ci).map(|folder| folder.join("junit.xml"));
        Publish {
            folder: folder.map(Path::to_owned),
            junit: args.junit.clone().or(in_folder),
            markdown: args
                .markdown
                .clone()
                .or_else(|| host.job_page.clone().filter(|_| is_ci)),
            annotations: args.annotations || (is_ci && host.on_github),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// The first file that could not be written.
    pub fn write(&self, summary: &RunSummary, voice: &mut Voice) -> Result<(), PublishError> {
        if let Some(folder) = &self.folder {
            self.at(folder, summary.save(folder))?;
        }
        if let Some(path) = &self.junit {
            let xml = reports::run::junit(summary).map_err(io::Error::other);
            self.at(
                path,
                xml.and_then(|xml| with_folder(path, |path| whole::write(path, xml.as_bytes()))),
            )?;
        }
        if let Some(path) = &self.markdown {
            // The page of a job is one file for all of its steps.
            let append = |path: &Path| {
                let mut page = OpenOptions::new().create(true).append(true).open(path)?;
                page.write_all(summary.markdown().as_bytes())
            };
            self.at(path, with_folder(path, append))?;
        }
        let annotations = summary.annotations();
        if self.annotations && !annotations.is_empty() {
            voice.say(annotations);
        }
        Ok(())
    }

    fn at(&self, path: &Path, result: io::Result<()>) -> Result<(), PublishError> {
        result.map_err(|cause| PublishError {
            path: path.to_owned(),
            cause,
        })
    }
}

/// Writes a file whose folder is made if it is not there.
fn with_folder(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    write(path)
}

/// The summary of these trials.
#[must_use]
pub fn summary(standings: &[Standing<'_>], quirks: &[String]) -> RunSummary {
    let scenarios = standings.iter().filter(|standing| standing.tally.trials > 0);
    RunSummary {
        schema_version: SCHEMA_VERSION,
        build: identity::build().to_owned(),
        scenarios: scenarios.map(|standing| scenario(standing, quirks)).collect(),
    }
}

fn scenario(standing: &Standing<'_>, quirks: &[String]) -> ScenarioSummary {
    let mut groups: Vec<_> = standing.tally.failures.iter().collect();
    groups.sort_by_key(|(signature, group)| rank(signature, group.kind));
    let failures = groups.into_iter().filter_map(|(signature, group)| {
        let (seed, evidence) = group.first.first_key_value()?;
        Some(FailureSummary {
            signature: signature.clone(),
            title: title(signature),
            count: group.count,
            seed: *seed,
            evidence: evidence.clone(),
            replay: replay_command(&standing.loaded.path, *seed, quirks),
        })
    });
    let start = standing.seeds.start;
    ScenarioSummary {
        key: identity::scenario_key(standing.loaded),
        file: standing.loaded.path.display().to_string(),
        // A run that ended early has run the first seeds, except those that were still running in parallel.
        seeds: vec![(start, (start + standing.tally.trials).min(standing.seeds.end))],
        row: standing.row(),
        failures: failures.collect(),
    }
}

//! From the command line to what exactly is to be run: parsed once, all names resolved.

use core::ops::Range;
use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;

use super::args::{RunArgs, Seed, SeedError, places};
use super::exit::Exit;
use super::filter::{Filter, nothing_selected_hint, selects};
use super::shard::Shard;
use crate::scenario::Expectation;
use crate::scenario::files::{self, Loaded};
use crate::scenario::parse::{quirk_hint, quirk_set};
use crate::sweep::failures::counted;
use crate::sweep::keep::KeepError;
use crate::toml_file::error::ScenarioError;
use broker_core::config::UnknownQuirk;

/// The trials of one `trial run`.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Scenarios and their seeds, in the order in which they are listed.
    pub scenarios: Vec<(Arc<Loaded>, Range<u64>)>,
    /// Which seeds these are.
    pub mode: Mode,
    /// The part of them that is run.
    pub shard: Option<Shard>,
    /// How many trials are run at the same time.
    pub jobs: usize,
    /// Whether the first failure ends it.
    pub fail_fast: bool,
    /// Where results go, if it was said.
    pub out: Option<PathBuf>,
    /// Defects planted from the command line, each once.
    pub quirks: Vec<String>,
    /// Whether the files of passing trials are kept too.
    pub keep: bool,
    /// Of how many failing trials files are kept.
    pub keep_at_most: u64,
    /// Whether progress is printed in lines, also to a terminal.
    pub plain: bool,
    /// One trial in so many is compared with the same trial in a second process; 0 for none.
    pub verify_every: u64,
    /// How long one trial may take, in wall time.
    pub wall_limit: Option<Duration>,
}

/// Which seeds are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Each scenario's own.
    Own,
    /// One for all.
    One,
    /// A range for all, resumable.
    Sweep,
    /// Further and further ones, until this much wall time has passed.
    For(Duration),
}

impl RunPlan {
    /// Whether the trial with this place in the run, from 0, is compared with the same trial in a second process: the
    /// first, and every so many. A short run compares none, unless it was asked for more than the default.
    #[must_use]
    pub fn verifies(&self, place: u64) -> bool {
        const FEW: u64 = 25;
        self.trials() >= FEW.min(self.verify_every) && self.verify_every > 0 && place.is_multiple_of(self.verify_every)
    }

    /// How many trials there are.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.scenarios
            .iter()
            .fold(0, |sum: u64, (_, seeds)| sum.saturating_add(seeds.end - seeds.start))
    }
}

/// Why nothing can be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A scenario cannot be used.
    #[error("{0}")]
    Scenario(#[from] ScenarioError),
    /// A quirk of the command line is none.
    #[error("{0}")]
    Quirk(#[from] UnknownQuirk),
    /// The environment's seed is none.
    #[error("TRIAL_SEED is `{0}`, but {1}")]
    SeedVariable(String, SeedError),
    /// No seed was given where one is needed.
    #[error("no seed was given")]
    NoSeed,
    /// `A..A`.
    #[error("the range of seeds {0}..{0} is empty")]
    NoSeeds(u64),
    /// No scenario is what the filters mean.
    #[error("no scenario is selected: the filters mean none of {}", counted(*.among as u64, "scenario"))]
    NoneSelected {
        /// How many scenarios there are.
        among: usize,
        /// The way out.
        hint: String,
    },
    /// The place of the results takes no files.
    #[error("failed to {0}")]
    Place(#[from] KeepError),
}

impl PlanError {
    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            PlanError::Scenario(ScenarioError::NothingThere { .. })
            | PlanError::NoSeeds(_)
            | PlanError::NoneSelected { .. } => Exit::NothingSelected,
            PlanError::Scenario(_)
            | PlanError::Quirk(_)
            | PlanError::SeedVariable(..)
            | PlanError::NoSeed
            | PlanError::Place(_) => Exit::Usage,
        }
    }

    /// The error for a person.
    #[must_use]
    pub fn render(&self, fancy: bool) -> String {
        let hint = match self {
            PlanError::Scenario(error) => return error.render(fancy),
            PlanError::Quirk(UnknownQuirk(name)) => quirk_hint(name),
            PlanError::SeedVariable(..) => "unset it, or give `--seed`, which goes before it".to_owned(),
            PlanError::NoSeed => "give `--seed N`, or set TRIAL_SEED".to_owned(),
            PlanError::NoSeeds(_) => "A..B goes from A up to, but not including, B".to_owned(),
            PlanError::NoneSelected { hint, .. } => hint.clone(),
            PlanError::Place(_) => "choose another place with `--out DIR`".to_owned(),
        };
        format!("error: {self}\n  hint: {hint}\n")
    }
}

/// Where `--profile ci` puts the results of a run.
pub const CI_FOLDER: &str = "trial-runs/ci";

/// What `trial run` is to run. `seed_variable` is the value of `TRIAL_SEED`, which `--seed` and `--seeds` go before.
///
/// # Errors
/// When a scenario, a quirk or a seed is wrong.
pub fn plan(args: &RunArgs, seed_variable: Option<&str>) -> Result<RunPlan, PlanError> {
    let (mode, seeds) = match (&args.seed, &args.seeds) {
        _ if args.time.is_some() => (Mode::For(args.time.unwrap_or_default()), None),
        (Some(seed), _) => (Mode::One, Some(only(*seed))),
        (None, Some(range)) if range.0.is_empty() => return Err(PlanError::NoSeeds(range.0.start)),
        (None, Some(range)) => (Mode::Sweep, Some(range.0.clone())),
        (None, None) => match variable_seed(seed_variable)? {
            Some(seed) => (Mode::One, Some(only(seed))),
            None => (Mode::Own, None),
        },
    };
    let mut all = Vec::new();
    for found in files::find(&places(&args.paths, args.shipped))? {
        all.push(with_quirks(files::load(&found)?, &args.quirks)?);
    }
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let selected = selected(all, &args.filters)?.into_iter().enumerate();
    let scenarios = selected.map(|(place, loaded)| {
        let seeds = seeds.clone().unwrap_or_else(|| loaded.scenario.seeds.clone());
        let seeds = match mode {
            Mode::For(_) => shard.unending(seeds.start),
            Mode::Own | Mode::One | Mode::Sweep => {
                let is_cut = loaded.scenario.expect == Expectation::Pass;
                shard.part(place, seeds, is_cut)
            }
        };
        (Arc::new(loaded), seeds)
    });
    // Others have those of which no seed is left.
    let scenarios = scenarios.filter(|(_, seeds)| !seeds.is_empty());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(RunPlan {
        scenarios: scenarios.collect(),
        mode,
        shard: args.shard,
        jobs: args.jobs.map_or(cores, usize::from),
        fail_fast: args.fail_fast && !args.no_fail_fast,
        out: args
            .out
            .clone()
            .or_else(|| args.profile.map(|_| PathBuf::from(CI_FOLDER))),
        quirks: once_each(&args.quirks),
        keep: args.keep,
        keep_at_most: args.keep_at_most,
        plain: args.profile.is_some(),
        verify_every: args.verify_every,
        wall_limit: args.wall_limit,
    })
}

/// The scenarios that the filters mean.
///
/// # Errors
/// When there are scenarios, and the filters mean none of them.
pub fn selected(mut scenarios: Vec<Loaded>, filters: &[Filter]) -> Result<Vec<Loaded>, PlanError> {
    let names: Vec<String> = scenarios.iter().map(|loaded| loaded.scenario.name.clone()).collect();
    scenarios.retain(|loaded| selects(filters, &loaded.scenario));
    if scenarios.is_empty() && !names.is_empty() {
        return Err(PlanError::NoneSelected {
            among: names.len(),
            hint: nothing_selected_hint(filters, &names),
        });
    }
    Ok(scenarios)
}

/// The one seed of a replay.
///
/// # Errors
/// When there is none, or the environment's is wrong.
pub fn one_seed(seed: Option<Seed>, seed_variable: Option<&str>) -> Result<u64, PlanError> {
    match seed {
        Some(Seed(seed)) => Ok(seed),
        None => variable_seed(seed_variable)?
            .map(|Seed(seed)| seed)
            .ok_or(PlanError::NoSeed),
    }
}

/// The scenario with further defects planted.
///
/// # Errors
/// When one of them is unknown.
pub fn with_quirks(mut loaded: Loaded, quirks: &[String]) -> Result<Loaded, PlanError> {
    for name in quirks {
        loaded.scenario.quirk_set.enable(name)?;
        if !loaded.scenario.quirks.contains(name) {
            loaded.scenario.quirks.push(name.clone());
        }
    }
    loaded.scenario.quirk_set = quirk_set(&loaded.scenario.quirks);
    Ok(loaded)
}

fn once_each(names: &[String]) -> Vec<String> {
    let numbered = names.iter().enumerate();
    let first = numbered.filter(|(index, name)| !names[..*index].contains(name));
    first.map(|(_, name)| name.clone()).collect()
}

fn variable_seed(variable: Option<&str>) -> Result<Option<Seed>, PlanError> {
    match variable {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|error| PlanError::SeedVariable(text.to_owned(), error)),
    }
}

/// The range of one seed.
fn only(Seed(seed): Seed) -> Range<u64> {
    seed..seed + 1
}

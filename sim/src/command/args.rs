//! The command line, as it is typed.

use core::time::Duration;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::exit::Exit;
use super::filter::Filter;
use super::moment::Moment;
use super::shard::Shard;
use crate::scenario::shipped;
pub use crate::sweep::seed::{Seed, SeedError, SeedRange};
use crate::units;

/// Puts a Kafka-like cluster on trial: every seed is one trial, and any trial can be run again from its seed.
#[derive(Parser, Debug)]
#[command(name = "trial", version, after_help = Exit::MEANINGS, disable_help_subcommand = true)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Run the trials of scenario files, or of all scenarios in folders
    Run(RunArgs),
    /// Run one trial again
    Replay(ReplayArgs),
    /// Put the summaries of the shards of a run together
    Merge(MergeArgs),
    /// Print what completes `trial` in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// List scenarios with what they teach, checks, quirks and faults
    List {
        /// Scenario files or folders [default: scenarios, if it is there]
        paths: Vec<PathBuf>,
        /// The scenarios that `trial` brings along; PATHS are then names, or folders of names, among them
        #[arg(long)]
        shipped: bool,
        /// Only scenarios that FILTER means: a part of the name; a pattern with `*` and `?` for all of it; `check:NAME`, those that
        /// expect, forbid or bound the check. `!` before it leaves out. May be repeated: any may mean it, none may leave it out
        #[arg(short = 'E', long = "filter", value_name = "FILTER")]
        filters: Vec<Filter>,
    },
    /// Explain a name: a check, a quirk, a fault, a scenario, a verdict, a key, setting or word of a scenario file
    Explain {
        /// A name: `lost-write`, `R3`, `truncate-to-high-watermark`, `kill`, `cluster.brokers`, `acks`, `retry-topic`, `two-elections`
        name: String,
    },
    /// Print the JSON Schema of scenario files, for editors: `trial explain schema` says how
    Schema,
    /// Validate scenario files, and say what is probably not meant
    Lint {
        /// Scenario files or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}

/// `trial run`
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Scenario files or folders
    #[arg(required_unless_present = "shipped")]
    pub paths: Vec<PathBuf>,
    /// The scenarios that `trial` brings along; PATHS are then names, or folders of names, among them
    #[arg(long)]
    pub shipped: bool,
    /// Only scenarios that FILTER means: a part of the name; a pattern with `*` and `?` for all of it; `check:NAME`, those that
    /// expect, forbid or bound the check. `!` before it leaves out. May be repeated: any may mean it, none may leave it out
    #[arg(short = 'E', long = "filter", value_name = "FILTER")]
    pub filters: Vec<Filter>,
    /// One part of the run, of n: together they are the whole, and `trial merge` puts their summaries together
    #[arg(long, value_name = "m/n")]
    pub shard: Option<Shard>,
    /// Go on with further seeds, one of each scenario in turn, for this long: `10m`
    #[arg(long = "for", value_name = "TIME", value_parser = time, conflicts_with_all = ["seed", "seeds"])]
    pub time: Option<Duration>,
    /// One seed for every scenario: decimal, hex (0x…) or a 40-digit commit id [default: the scenario's own seeds]
    #[arg(long, conflicts_with = "seeds", value_name = "SEED")]
    pub seed: Option<Seed>,
    /// A sweep: the seeds from A up to, but not including, B. An interrupted sweep resumes
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<SeedRange>,
    /// How many trials are run at the same time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// End at the first failure
    #[arg(long, overrides_with = "no_fail_fast")]
    pub fail_fast: bool,
    /// Run all trials whatever fails [default]
    #[arg(long, overrides_with = "fail_fast")]
    pub no_fail_fast: bool,
    /// How long one trial may take, in wall time (`10m`): a longer one is cut off, and inconclusive [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub wall_limit: Option<Duration>,
    /// Where results go [default: trial-runs/<time>, for a sweep trial-runs/sweeps/<hash>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub publish: PublishArgs,
    /// How to speak: `ci` is for CI systems: results in `trial-runs/ci` (or `--out`) with `junit.xml`, lines instead of a
    /// bar, and under GitHub Actions annotations and the page of the job
    #[arg(long, value_name = "NAME", value_enum)]
    pub profile: Option<Profile>,
    /// Keep the files of so many failing trials at the most, and of 10 of one signature
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub keep_at_most: u64,
    /// Plant a defect, besides the scenario's own; may be repeated
    #[arg(long = "quirk", value_name = "NAME")]
    pub quirks: Vec<String>,
    /// One JSON object a trial on standard output; all else goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Nothing but the summary
    #[arg(long, short)]
    pub quiet: bool,
    /// Write the files of every trial, also of those that pass
    #[arg(long)]
    pub keep: bool,
    /// Compare one trial in N with the same trial in a second process; 0 for none. Runs of fewer than 25 trials compare none
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub verify_every: u64,
}

/// Where results go besides the terminal.
#[derive(Args, Clone, PartialEq, Eq, Debug, Default)]
pub struct PublishArgs {
    /// Write JUnit XML: a test suite for each folder of scenarios, a test case for each scenario
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Append a summary in Markdown, as to `$GITHUB_STEP_SUMMARY`
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Print a line of GitHub's workflow commands for each failed scenario
    #[arg(long)]
    pub annotations: bool,
}

/// `trial merge`
#[derive(Args, Debug)]
pub struct MergeArgs {
    /// The folders of the shards (their `--out`)
    #[arg(required = true)]
    pub folders: Vec<PathBuf>,
    /// Where the summary of the whole goes
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub publish: PublishArgs,
}

/// A set of defaults.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// For CI systems.
    Ci,
}

fn time(text: &str) -> Result<Duration, String> {
    match units::duration(text) {
        Ok(Duration::ZERO) => Err("give a time above zero".to_owned()),
        Ok(time) => Ok(time),
        Err(why) => Err(format!("{why}; {}", units::TIMES)),
    }
}

/// Where to look for the scenarios of PATHS: with `--shipped` among those that the program brings along.
#[must_use]
pub fn places(paths: &[PathBuf], shipped: bool) -> Vec<PathBuf> {
    match paths {
        paths if !shipped => paths.to_vec(),
        [] => vec![shipped::path("")],
        filters => filters
            .iter()
            .map(|filter| shipped::path(&filter.to_string_lossy()))
            .collect(),
    }
}

/// `trial replay`
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The scenario file, or `shipped:NAME`
    pub file: PathBuf,
    /// The seed: decimal, hex (0x…) or a 40-digit commit id
    #[arg(long, value_name = "SEED")]
    pub seed: Option<Seed>,
    /// Plant a defect, besides the scenario's own; may be repeated
    #[arg(long = "quirk", value_name = "NAME")]
    pub quirks: Vec<String>,
    /// Run the trial in a second process too, and compare the two
    #[arg(long)]
    pub verify: bool,
    /// Print every event
    #[arg(long)]
    pub trace: bool,
    /// Print the events from this step or time on: `5000`, `12s`
    #[arg(long, value_name = "STEP|TIME")]
    pub since: Option<Moment>,
    /// Print the events up to this step or time, and end there without a verdict: `5000`, `12s`
    #[arg(long, value_name = "STEP|TIME", conflicts_with = "verify")]
    pub until: Option<Moment>,
    /// Print the events of one thing: a node (`broker 2`, `checkout/1`), all clients of a name (`checkout`), a partition
    /// (`orders/0`), a group (`billing`); or the journey of records: `key:customer-17`, `orders/0@3046`, `uid:3047`
    #[arg(long, value_name = "WHAT")]
    pub follow: Option<String>,
    /// How long the trial may take, in wall time (`10m`): a longer one is cut off, and inconclusive [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub wall_limit: Option<Duration>,
    /// Write the trial's files to this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// One JSON object on standard output; all else goes to standard error
    #[arg(long)]
    pub json: bool,
    /// Nothing but the verdict
    #[arg(long, short)]
    pub quiet: bool,
}

//! The `trial` command.
//!
//! In layers: [`args`] is what is typed, [`plan`] what exactly is to be run, [`run`] runs it on the threads of
//! [`crate::sweep`], which folds outcomes into counters and keeps files, [`summary`] says what came out, [`resume`]
//! remembers what is done. Each verb has a file: [`run`], [`replay`], [`catalogue`] (list and schema), [`explain`], [`lint`].

mod args;
mod catalogue;
mod columns;
mod exit;
mod explain;
mod filter;
mod identity;
mod line;
mod lint;
mod meanings;
mod merge;
mod moment;
mod plan;
mod progress;
mod publish;
mod replay;
mod resume;
mod run;
mod shard;
mod summary;
mod trace;
mod trial;
mod verify;
mod voice;
mod wall;
mod watchdog;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

pub use crate::panics::Panic;
pub use crate::sweep::{Came, Ruled, judge};
use args::{CommandLine, Verb};
pub use exit::Exit;
pub use line::TrialLine;
pub use trial::Runner;

/// Columns of the table of results: it is the same in a terminal, a log and a file.
const TABLE_WIDTH: usize = 120;

/// What the command has from its process.
struct Host {
    runner: Runner,
    /// The value of `TRIAL_SEED`.
    seed_variable: Option<String>,
    /// Whether GitHub Actions runs it.
    on_github: bool,
    /// Where GitHub Actions takes the page of the job from.
    job_page: Option<PathBuf>,
}

/// The whole command, with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    main_with(crate::trial::run)
}

/// The command with another runner in the place of [`crate::trial::run`].
#[must_use]
pub fn main_with(runner: Runner) -> ExitCode {
    let seed_variable = std::env::var_os("TRIAL_SEED").map(|seed| seed.to_string_lossy().into_owned());
    let host = Host {
        runner,
        seed_variable,
        on_github: std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
        job_page: std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from),
    };
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help and version are answers, not mistakes. Nobody may be left to read them.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked {
                Exit::AsExpected.into()
            } else {
                Exit::Usage.into()
            };
        }
    };
    let exit = match &line.verb {
        Verb::Run(args) => run::run(args, &host),
        Verb::Replay(args) => replay::replay(args, &host),
        Verb::List {
            paths,
            shipped,
            filters,
        } => catalogue::list(&args::places(paths, *shipped), filters),
        Verb::Merge(args) => merge::merge(args, &host),
        Verb::Completions { shell } => {
            clap_complete::generate(*shell, &mut CommandLine::command(), "trial", &mut std::io::stdout());
            Exit::AsExpected
        }
        Verb::Man => match merge::manual() {
            Ok(()) => Exit::AsExpected,
            Err(_) => Exit::Internal,
        },
        Verb::Explain { name } => explain::explain(name),
        Verb::Schema => catalogue::schema(),
        Verb::Lint { paths } => lint::lint(paths),
    };
    exit.into()
}

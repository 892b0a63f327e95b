//! `trial merge`: the summaries of the shards of a run as that of the whole; and the manual page.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use reports::run::{RunError, RunSummary};
use reports::verdict::Word;

use super::args::{CommandLine, MergeArgs};
use super::exit::Exit;
use super::publish::Publish;
use super::voice::Voice;
use super::{Host, TABLE_WIDTH};
use crate::sweep::failures::counted;

/// Puts summaries together, shows what came out, and writes what is asked for.
pub fn merge(args: &MergeArgs, host: &Host) -> Exit {
    let mut voice = Voice::new(false, false);
    let whole = match load(args) {
        Ok(whole) => whole,
        Err(error) => {
            let hint = match error {
                RunError::Read { .. } => "give folders that `trial run --out DIR` has written",
                RunError::Format { .. } | RunError::Newer { .. } => "use the program that wrote it",
                RunError::OtherBuild { .. } => "run all shards with one program",
                RunError::Overlap { .. } => "give each shard once",
            };
            voice.report(format!("error: {error}\n  hint: {hint}"));
            return voice.end(Exit::Usage);
        }
    };
    let rows: Vec<_> = whole.scenarios.iter().map(|scenario| scenario.row.clone()).collect();
    voice.say(reports::summary::table(&rows, TABLE_WIDTH, voice.colour()));
    let mut first = None;
    for scenario in &whole.scenarios {
        for failure in &scenario.failures {
            let of = counted(scenario.row.trials, "trial");
            let (signature, count, seed) = (failure.title(), failure.count, failure.seed);
            let name = &scenario.row.scenario;
            voice.say(format!("\n{signature}\n  {count} of {of} of {name}, first seed {seed}"));
            for line in failure.evidence.lines() {
                voice.say(format!("  {line}"));
            }
            voice.say(format!("  {}", failure.replay));
            first.get_or_insert(&failure.replay);
        }
    }
    if let Some(replay) = first {
        voice.say(format!("\n{replay}"));
    }
    let mut exit = match whole.word() {
        Word::Pass | Word::Allowed | Word::Found => Exit::AsExpected,
        Word::Inconclusive => Exit::Inconclusive,
        Word::Missed | Word::Violation => Exit::Violation,
        Word::Error => Exit::Internal,
    };
    let publish = Publish::new(&args.publish, args.out.as_deref(), None, host);
    if let Err(error) = publish.write(&whole, &mut voice) {
        voice.report(format!("error: {error}"));
        exit = exit.or_worse(Exit::Internal);
    }
    voice.end(exit)
}

fn load(args: &MergeArgs) -> Result<RunSummary, RunError> {
    let (first, others) = args.folders.split_first().expect("the command line has some");
    let mut whole = RunSummary::load(first)?;
    for folder in others {
        whole.merge(RunSummary::load(folder)?, folder)?;
    }
    Ok(whole)
}

/// Prints the manual page, with those of the verbs behind it.
///
/// # Errors
/// When nobody takes it.
pub fn manual() -> io::Result<()> {
    let mut command = CommandLine::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for verb in command.get_subcommands() {
        clap_mangen::Man::new(verb.clone()).render(&mut page)?;
    }
    io::stdout().write_all(&page)
}

//! The `trial` command as a process: what it prints, what it writes, how it ends.
//!
//! This executable is both: started with `TRIAL_STAND_IN` set it is the command itself, with a stand-in for the trial
//! whose outcome follows from the scenario's `teaches` line and the seed; so a second process that the command starts
//! is one too. With `real` it is the command as it is.

/// Tests with their names.
macro_rules! tests {
    ($($test:ident,)*) => {
        &[$((stringify!($test), $test)),*]
    };
}

mod catalogue;
mod ci;
mod endings;
mod place;
mod replays;
mod runs;
mod selection;
mod stand_in;
mod sweeps;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use place::Place;

fn main() -> ExitCode {
    match std::env::var("TRIAL_STAND_IN").as_deref() {
        Ok("real") => return sim::command::main(),
        Ok(_) => return sim::command::main_with(stand_in::run),
        Err(_) => {}
    }
    let rooms = [
        runs::TESTS,
        sweeps::TESTS,
        replays::TESTS,
        endings::TESTS,
        catalogue::TESTS,
        selection::TESTS,
        ci::TESTS,
    ];
    let trials = rooms.into_iter().flatten().map(|(name, test)| {
        Trial::test(*name, move || {
            test(&Place::new(name));
            Ok::<(), Failed>(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

type Test = fn(&Place);

//! Runs one trial: a panic inside it is an outcome too, and the wall time is measured around it.

use core::time::Duration;

use super::wall::Stopwatch;
use crate::panics::{self, Panic};
use crate::scenario::Scenario;
use crate::trial::{Outcome, Wanted, on_fresh_thread};

/// Whatever runs a trial: [`crate::trial::run`], or a stand-in in tests of the command.
pub type Runner = fn(&Scenario, u64, Wanted<'_>) -> Outcome;

/// Runs the trial of one seed.
///
/// # Errors
/// When it panics.
pub fn run_trial(
    runner: Runner,
    scenario: &Scenario,
    seed: u64,
    wanted: Wanted<'_>,
) -> (Result<Outcome, Panic>, Duration) {
    let stopwatch = Stopwatch::start();
    let ran = on_fresh_thread(|| panics::catch(|| runner(scenario, seed, wanted)));
    (ran, stopwatch.elapsed())
}

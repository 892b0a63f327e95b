//! Holds one trial: a panic inside it is an outcome too, and the wall time is measured around it.

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::panic::{self, AssertUnwindSafe};

use super::judge::Panic;
use super::wall::Stopwatch;
use crate::scenario::Scenario;
use crate::trial::{Outcome, Wanted};

/// Whatever holds a trial: [`crate::trial::run`], or a stand-in in tests of the command.
pub type Runner = fn(&Scenario, u64, Wanted) -> Outcome;

thread_local! {
    static HOLDING: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Makes panics inside trials quiet: [`hold`] returns them instead. Other panics are told as before.
pub fn catch_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !HOLDING.get() {
            return before(info);
        }
        let place = info
            .location()
            .map_or("an unknown place".to_owned(), ToString::to_string);
        let message = info.payload_as_str().unwrap_or("a panic without words").to_owned();
        // The first panic is the cause; later ones come from cleaning up after it.
        PANIC.with_borrow_mut(|panic| panic.get_or_insert(Panic { place, message }).clone());
    }));
}

/// Holds the trial of one seed.
///
/// # Errors
/// When it panics.
pub fn hold(runner: Runner, scenario: &Scenario, seed: u64, wanted: Wanted) -> (Result<Outcome, Panic>, Duration) {
    HOLDING.set(true);
    PANIC.set(None);
    let stopwatch = Stopwatch::start();
    // A runner keeps nothing between trials that an unwinding could leave half done.
    let held = panic::catch_unwind(AssertUnwindSafe(|| runner(scenario, seed, wanted)));
    let wall = stopwatch.elapsed();
    HOLDING.set(false);
    let told = PANIC.take();
    let unknown = || Panic {
        place: "an unknown place".to_owned(),
        message: "a panic without words".to_owned(),
    };
    (held.map_err(|_| told.unwrap_or_else(unknown)), wall)
}

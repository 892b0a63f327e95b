//! One seed of a user's trial in two processes, event by event.
//!
//! The second process is the same test binary, asked for the one test that is running. There the test comes to the same
//! call of [`Trial::verify`], writes the events of its trial to a file, and ends.

use core::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use super::trace_file::traced;
use super::{Outcome, Trial, Wanted};
use crate::panics::Panic;

/// Set in the second process: which call of `verify` of its thread it is about, and the file for the events.
const SECOND: &str = "TRIAL_VERIFY_SECOND";

thread_local! {
    /// How many calls this thread has seen.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

impl Trial {
    /// Runs the trial in this process and in a second one, and insists that the two are the same, event by event. What no
    /// trial can renew (a static of the user's code, `select!` without `biased;`, an address) shows itself here.
    ///
    /// The second process is this test binary, asked for the test that is running. Where there is none (in a doctest, in
    /// a `main`) the second trial runs in this process, which is said on standard error.
    ///
    /// # Panics
    /// When the two differ: the message names the first event that does. When [`Trial::run`] panics. When the second
    /// process cannot be started, or does not come here.
    pub fn verify(&self, seed: u64) -> Outcome {
        let call = CALLS.replace(CALLS.get() + 1);
        match second() {
            // The second process has come to the call that it is about.
            Some((number, file)) if number == call => {
                drop(self.write_story(seed, &file));
                std::process::exit(0);
            }
            // An earlier call of the same test.
            Some(_) => return self.run(seed).outcome,
            None => {}
        }
        let (here, there) = (Story::new("here"), Story::new("there"));
        let outcome = self.write_story(seed, &here.path);
        match &self.test {
            Some(test) => in_second_process(test, call, &there.path),
            None => {
                eprintln!("trial: seed {seed} is verified in one process: no test by whose name to start a second one");
                drop(self.write_story(seed, &there.path));
            }
        }
        if let Some(difference) = first_difference(&here.path, &there.path) {
            panic!("seed {seed} is not deterministic\n{difference}");
        }
        outcome
    }

    /// Runs the trial and writes its events to a file.
    fn write_story(&self, seed: u64, path: &Path) -> Outcome {
        let scenario = self.read();
        let wanted = Wanted {
            trace: true,
            ..Wanted::default()
        };
        let ran = traced(path, || self.run_seed(&scenario, seed, wanted));
        let outcome = ran.unwrap_or_else(|Panic { place, message, .. }| {
            panic!("seed {seed}: internal error of Trial at {place}: {message}")
        });
        let end = format!("the end: {} events, digest {:016x}\n", outcome.events, outcome.digest);
        let file = File::options().append(true).open(path);
        file.and_then(|mut file| file.write_all(end.as_bytes()))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        outcome
    }
}

/// What the second process is about, if this is one.
fn second() -> Option<(u64, PathBuf)> {
    let text = std::env::var(SECOND).ok()?;
    let (call, file) = text.split_once(':')?;
    Some((call.parse().ok()?, file.into()))
}

fn in_second_process(test: &str, call: u64, file: &Path) {
    let executable = std::env::current_exe().expect("a process has an executable");
    let output = Command::new(executable)
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(SECOND, format!("{call}:{}", file.display()))
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("the second process cannot be started: {error}"));
    assert!(
        output.status.success() && file.exists(),
        "the second process did not come to call {} of `Trial::verify` in the test `{test}`\n{}{}",
        call + 1,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The first line in which two stories differ, in words. Stories are long: neither is read as a whole.
fn first_difference(here: &Path, there: &Path) -> Option<String> {
    let lines = |path: &Path| -> Lines<BufReader<File>> {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        BufReader::new(file).lines()
    };
    let text = |line: Option<std::io::Result<String>>| line.transpose().expect("a story is a file of text");
    let (mut here, mut there) = (lines(here), lines(there));
    for number in 1.. {
        let (one, other) = (text(here.next()), text(there.next()));
        if one != other {
            let or_nothing = |line: Option<String>| line.unwrap_or_else(|| "nothing more".to_owned());
            return Some(format!(
                "  line {number} of its story (step, time, node: what) is in this process\n    {}\n  and in the second run\n    {}",
                or_nothing(one),
                or_nothing(other)
            ));
        }
        one?;
    }
    None
}

/// A file that lasts as long as it is looked at.
struct Story {
    path: PathBuf,
}

impl Story {
    fn new(which: &str) -> Story {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trial-verify-{}-{number}-{which}", std::process::id());
        Story {
            path: std::env::temp_dir().join(name),
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.path);
    }
}

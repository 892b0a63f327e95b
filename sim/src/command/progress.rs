//! How far a run is: a bar on a terminal, a line now and then elsewhere, nothing when quiet.

use core::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::wall::Stopwatch;
use crate::sweep::{Came, Ruled};
use crate::units::show_count;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of one run.
pub struct Progress {
    shown: Shown,
    stopwatch: Stopwatch,
    /// Unknown if only the time ends the run.
    total: Option<u64>,
    /// What is counted.
    what: &'static str,
    done: u64,
    failed: u64,
    simulated: Duration,
    slowest: (Duration, u64),
}

enum Shown {
    Nothing,
    Lines { last: Duration },
    Bar(ProgressBar),
}

impl Progress {
    /// Of a run of `total` trials.
    #[must_use]
    pub fn new(total: Option<u64>, terminal: bool, quiet: bool) -> Progress {
        let shown = match (quiet, terminal) {
            (true, _) => Shown::Nothing,
            (false, false) => Shown::Lines { last: Duration::ZERO },
            (false, true) => {
                let (bar, template) = match total {
                    Some(total) => (
                        ProgressBar::new(total),
                        "{wide_bar} {human_pos}/{human_len} · {msg} · {eta} left",
                    ),
                    None => (ProgressBar::no_length(), "{spinner} {human_pos} trials · {msg}"),
                };
                let style = ProgressStyle::with_template(template);
                let bar = bar.with_style(style.expect("the template is right"));
                bar.enable_steady_tick(Duration::from_millis(200));
                Shown::Bar(bar)
            }
        };
        Progress {
            shown,
            stopwatch: Stopwatch::start(),
            total,
            what: "trials",
            done: 0,
            failed: 0,
            simulated: Duration::ZERO,
            slowest: (Duration::ZERO, 0),
        }
    }

    /// The same of trials that are run a second time.
    #[must_use]
    pub fn of_files(self) -> Progress {
        Progress {
            what: "failures have files",
            ..self
        }
    }

    /// One more failure has its files.
    pub fn files(&mut self) {
        self.done += 1;
    }

    /// One more trial.
    pub fn trial(&mut self, ruled: &Ruled) {
        self.done += 1;
        self.failed += u64::from(ruled.came != Came::AsExpected);
        self.simulated += ruled.sim_time;
        self.slowest = self.slowest.max((ruled.wall, ruled.seed));
    }

    /// Some time has passed; `running` is how far the trial is that runs longest.
    pub fn tick(&mut self, running: Option<&str>) {
        let elapsed = self.stopwatch.elapsed();
        let last = (!self.slowest.0.is_zero()).then(|| self.message(elapsed));
        let parts: Vec<&str> = last.as_deref().into_iter().chain(running).collect();
        let message = parts.join("; ");
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Lines { last } => {
                if elapsed.saturating_sub(*last) >= LINE_EVERY && !message.is_empty() {
                    *last = elapsed;
                    let of = self
                        .total
                        .map_or(String::new(), |total| format!("/{}", show_count(total)));
                    eprintln!("{}{of} {}, {message}", show_count(self.done), self.what);
                }
            }
            Shown::Bar(bar) => {
                bar.set_message(message);
                bar.set_position(self.done);
            }
        }
    }

    /// Takes the bar away, so that other words can be written.
    pub fn end(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }

    fn message(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64().max(1e-3);
        let failures = if self.failed == 1 { "failure" } else { "failures" };
        format!(
            "{:.0} trials/s, {} simulated s/s, {} {failures}, slowest seed {} ({:.2} s)",
            self.done as f64 / seconds,
            show_count((self.simulated.as_secs_f64() / seconds) as u64),
            show_count(self.failed),
            self.slowest.1,
            self.slowest.0.as_secs_f64(),
        )
    }
}

//! Looks after the trials that run: shows how far they are, and cuts off those that are over the limit of wall time.

use core::time::Duration;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::progress::Progress;
use super::wall::Stopwatch;
use crate::gauge::Gauge;
use crate::scenario::Scenario;
use crate::units::{show_count, show_duration};

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// What runs, and how long it may.
pub struct Watchdog {
    limit: Option<Duration>,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    running: Vec<Running>,
    has_ended: bool,
}

/// A trial that runs.
struct Running {
    name: String,
    seed: u64,
    /// Whether it is run a second time, for its files.
    again: bool,
    duration: Duration,
    since: Stopwatch,
    gauge: Arc<Gauge>,
}

/// Ends the watch over one trial when it is dropped.
pub struct Watched<'a> {
    watchdog: &'a Watchdog,
    /// Of the trial.
    pub gauge: Arc<Gauge>,
}

/// Ends a patrol when it is dropped.
struct Patrol<'a>(&'a Watchdog);

impl Watchdog {
    /// Of trials that may take this long each.
    #[must_use]
    pub fn new(limit: Option<Duration>) -> Watchdog {
        Watchdog {
            limit,
            state: Mutex::new(State::default()),
            ended: Condvar::new(),
        }
    }

    /// Begins to watch over a trial; `again` if it is run a second time, which has no limit.
    #[must_use]
    pub fn watch(&self, scenario: &Scenario, seed: u64, again: bool) -> Watched<'_> {
        let gauge = Arc::new(Gauge::default());
        self.lock().running.push(Running {
            name: scenario.name.clone(),
            seed,
            again,
            duration: scenario.duration,
            since: Stopwatch::start(),
            gauge: Arc::clone(&gauge),
        });
        Watched { watchdog: self, gauge }
    }

    /// Looks at all trials now and then while `work` is done, shows how far they are, and gives what `work` gives.
    pub fn patrolled<T>(&self, progress: &Mutex<Progress>, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            // Dropped before the scope waits for the patrol.
            let _ending = Patrol(self);
            scope.spawn(|| self.patrol(progress));
            work()
        })
    }

    fn patrol(&self, progress: &Mutex<Progress>) {
        let mut state = self.lock();
        loop {
            let waited = self.ended.wait_timeout(state, INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.has_ended {
                return;
            }
            if let Some(limit) = self.limit {
                let over = |running: &&Running| !running.again && running.since.elapsed() > limit;
                for running in state.running.iter().filter(over) {
                    running
                        .gauge
                        .cut_off(format!("more than {} of wall time", show_duration(limit)));
                }
            }
            // They begin one after the other.
            let longest = state.running.first().map(Running::describe);
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.tick(longest.as_deref());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let mut state = self.watchdog.lock();
        state
            .running
            .retain(|running| !Arc::ptr_eq(&running.gauge, &self.gauge));
    }
}

impl Drop for Patrol<'_> {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.ended.notify_all();
    }
}

impl Running {
    /// How far it is, in words.
    fn describe(&self) -> String {
        let (events, time) = self.gauge.read();
        let seconds = self.since.elapsed().as_secs_f64().max(1e-3);
        let share = time.as_secs_f64() / self.duration.as_secs_f64().max(1e-9) * 100.0;
        let phase = if share < 100.0 {
            format!("{share:.0} % of {}", show_duration(self.duration))
        } else {
            "settling".to_owned()
        };
        format!(
            "{}, seed {}{}: {:.1} simulated s ({phase}), {} events, {} events/s",
            self.name,
            self.seed,
            if self.again { " again, for its files" } else { "" },
            time.as_secs_f64(),
            show_count(events),
            show_count((events as f64 / seconds) as u64),
        )
    }
}

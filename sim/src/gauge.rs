//! The progress of a running trial, for those that wait for it, and the one way to cut it off from outside.
//!
//! The world reads and writes a gauge now and then. Nothing of it reaches the trial, but that a trial that was cut off
//! ends.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::OnceLock;

/// How many events go by between two looks at the gauge: a millisecond or so.
pub(crate) const EVENTS: u64 = 1_024;

/// The gauge of one trial.
#[derive(Debug, Default)]
pub struct Gauge {
    events: AtomicU64,
    nanos: AtomicU64,
    /// Why the trial must end.
    cut_off: OnceLock<String>,
}

impl Gauge {
    /// The delivered events and the simulated time of some moments ago.
    #[must_use]
    pub fn read(&self) -> (u64, Duration) {
        let nanos = self.nanos.load(Ordering::Relaxed);
        (self.events.load(Ordering::Relaxed), Duration::from_nanos(nanos))
    }

    /// Ends the trial at its next look at the gauge; it is then inconclusive for `reason`. The first reason stays. A
    /// program that never waits cannot be cut off.
    pub fn cut_off(&self, reason: String) {
        // The one that is there says enough.
        let _ = self.cut_off.set(reason);
    }

    /// Why the trial was cut off, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.cut_off.get().map(String::as_str)
    }

    /// Notes how far the trial is; gives the reason if it must end.
    pub(crate) fn note(&self, events: u64, nanos: u64) -> Option<&str> {
        self.events.store(events, Ordering::Relaxed);
        self.nanos.store(nanos, Ordering::Relaxed);
        self.reason()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse::parse;
    use crate::trial::{Verdict, Wanted, run};

    #[test]
    fn a_trial_that_is_watched_is_the_same_and_one_that_is_cut_off_ends() {
        let text = "duration = \"5s\"\ntopics = [{ name = \"orders\" }]\n\
                    producers = [{ name = \"app\", topic = \"orders\", rate = 500 }]";
        let scenario = parse("s", "s.toml", text).expect("it is right").scenario;
        let watched = |gauge| {
            let gauge = Some(gauge);
            run(
                &scenario,
                1,
                Wanted {
                    gauge,
                    ..Wanted::default()
                },
            )
        };
        let alone = run(&scenario, 1, Wanted::default());
        let gauge = Gauge::default();
        let outcome = watched(&gauge);
        assert_eq!((outcome.digest, outcome.events), (alone.digest, alone.events));
        let (events, time) = gauge.read();
        assert!(events > 0 && events <= alone.events, "{events} of {}", alone.events);
        assert!(events + 2 * EVENTS > alone.events, "{events} of {}", alone.events);
        assert!(time > Duration::from_secs(1), "{time:?}");

        let gauge = Gauge::default();
        gauge.cut_off("there is no more time".to_owned());
        gauge.cut_off("a second reason".to_owned());
        let outcome = watched(&gauge);
        let reason = "there is no more time".to_owned();
        assert_eq!(outcome.verdict, Verdict::Inconclusive { reason });
        assert!(outcome.events <= EVENTS, "{}", outcome.events);
    }
}

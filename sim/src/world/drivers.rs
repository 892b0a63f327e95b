//! Which of Trial's own clients ([`crate::program::driver`]) have a reason for a step.

use std::collections::VecDeque;

use crate::history::SimTime;
use crate::program::driver::{Pause, Step};

/// The drivers of all clients that have one, and which of them have a reason for a step.
pub(super) struct Drivers {
    /// By the places of their programs in the cast.
    running: Vec<Option<Running>>,
    ready: VecDeque<usize>,
}

pub(super) struct Running {
    pub(super) driver: Box<dyn Step>,
    pub(super) pause: Pause,
    /// Whether it has a reason for a step.
    pub(super) is_due: bool,
    /// It takes no steps: the process is paused, or its program is stuck.
    is_still: bool,
}

impl Drivers {
    pub(super) fn new(programs: usize) -> Drivers {
        Drivers {
            running: (0..programs).map(|_| None).collect(),
            ready: VecDeque::new(),
        }
    }

    /// A program begins a new run. Its first step comes as soon as the event is handled.
    pub(super) fn start(&mut self, program: usize, driver: Box<dyn Step>) {
        self.running[program] = Some(Running {
            driver,
            pause: Pause::END,
            is_due: false,
            is_still: false,
        });
        self.make_due(program);
    }

    /// The run of a program ends where it stands.
    pub(super) fn kill(&mut self, program: usize) {
        self.running[program] = None;
    }

    /// A program takes no steps until [`Drivers::resume`].
    pub(super) fn pause(&mut self, program: usize) {
        if let Some(running) = &mut self.running[program] {
            running.is_still = true;
        }
    }

    /// It goes on.
    pub(super) fn resume(&mut self, program: usize) {
        if let Some(running) = &mut self.running[program] {
            running.is_still = false;
            if running.is_due {
                self.ready.push_back(program);
            }
        }
    }

    /// A client's machine has something for its program.
    pub(super) fn news(&mut self, program: usize) {
        if self.running[program].as_ref().is_some_and(|running| running.pause.news) {
            self.make_due(program);
        }
    }

    /// What concerns all programs has happened.
    pub(super) fn news_for_all(&mut self) {
        for program in 0..self.running.len() {
            self.news(program);
        }
    }

    /// The time has come for which a program waits; false if it does not wait for it any more.
    pub(super) fn ring(&mut self, program: usize, now: SimTime) -> bool {
        let Some(running) = &mut self.running[program] else {
            return false;
        };
        if running.pause.until != Some(now) {
            return false;
        }
        running.pause.until = None;
        self.make_due(program);
        true
    }

    fn make_due(&mut self, program: usize) {
        if let Some(running) = &mut self.running[program]
            && !running.is_due
        {
            running.is_due = true;
            if !running.is_still {
                self.ready.push_back(program);
            }
        }
    }

    /// The next program that is to take a step.
    pub(super) fn next(&mut self) -> Option<(usize, &mut Running)> {
        while let Some(program) = self.ready.pop_front() {
            let is_ready = |running: &Running| running.is_due && !running.is_still;
            if self.running[program].as_ref().is_some_and(is_ready) {
                return Some((program, self.running[program].as_mut()?));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::station::Station;

    /// Waits for a time or for news, whatever it is given.
    struct Waits(Pause);

    impl Step for Waits {
        fn step(&mut self, _: &mut Station) -> Pause {
            self.0
        }
    }

    /// One driver that has taken its first step, and waits for this.
    fn one(pause: Pause) -> Drivers {
        let mut drivers = Drivers::new(2);
        drivers.start(1, Box::new(Waits(pause)));
        let (program, running) = drivers.next().expect("it takes a first step");
        running.is_due = false;
        running.pause = pause;
        assert_eq!(program, 1);
        assert!(drivers.next().is_none());
        drivers
    }

    #[test]
    fn a_driver_is_ready_once_for_what_it_waits_for() {
        let later = SimTime(5);
        let news = Pause::for_news();
        let both = Pause {
            until: Some(later),
            news: true,
        };
        // What it waits for, what happens, and whether it takes a step then.
        type Act = fn(&mut Drivers);
        let rows: [(&str, Pause, Act, bool); 9] = [
            (
                "its time",
                Pause::until(later),
                |drivers| assert!(drivers.ring(1, SimTime(5))),
                true,
            ),
            (
                "another time",
                Pause::until(later),
                |drivers| assert!(!drivers.ring(1, SimTime(4))),
                false,
            ),
            (
                "news, but it waits for a time",
                Pause::until(later),
                |drivers| drivers.news(1),
                false,
            ),
            ("news", news, |drivers| drivers.news(1), true),
            ("news for all", both, Drivers::news_for_all, true),
            ("news of another", news, |drivers| drivers.news(0), false),
            ("news, but it has ended", Pause::END, |drivers| drivers.news(1), false),
            (
                "news, but it is still",
                news,
                |drivers| {
                    drivers.pause(1);
                    drivers.news(1);
                },
                false,
            ),
            (
                "news, but it was killed",
                news,
                |drivers| {
                    drivers.news(1);
                    drivers.kill(1);
                },
                false,
            ),
        ];
        for (name, pause, act, is_ready) in rows {
            let mut drivers = one(pause);
            act(&mut drivers);
            check_ready(&mut drivers, is_ready, name);
        }
    }

    /// It is ready once, or not at all.
    fn check_ready(drivers: &mut Drivers, is_ready: bool, name: &str) {
        let next = drivers.next().map(|(_, running)| running.is_due = false);
        assert_eq!(next.is_some(), is_ready, "{name}");
        assert!(drivers.next().is_none(), "{name}: twice");
    }

    #[test]
    fn what_happens_while_it_is_still_is_not_lost() {
        let mut drivers = one(Pause::until(SimTime(5)));
        drivers.pause(1);
        assert!(drivers.ring(1, SimTime(5)));
        assert!(drivers.next().is_none());
        drivers.resume(1);
        assert!(drivers.next().is_some());
    }
}

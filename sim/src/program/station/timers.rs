//! Timers of the executor (`tokio::time` in code of users): programs that they wake run while the world does not look.
//!
//! The world's events have their own times. A program that a timer wakes between two of them must see the time of its
//! timer, and what it asks for must reach the world at that time. So the first call for the station moves its clock and
//! wakes the world's loop.

use std::task::Waker;

use madsim::time::TimeHandle;

use super::{Shared, Station};
use crate::history::SimTime;

/// The world has left the programs to their timers.
pub(super) struct Unwatched {
    /// The executor's clock.
    time: TimeHandle,
    /// The time of the world's next event.
    until: SimTime,
    /// The world's loop.
    main: Option<Waker>,
    /// Whether a program has called.
    entered: bool,
}

impl Shared {
    /// Until [`Shared::take_back`], programs run by their timers.
    pub(crate) fn leave_to_timers(&self, time: TimeHandle, until: SimTime) {
        self.as_it_is().unwatched = Some(Unwatched {
            time,
            until,
            main: None,
            entered: false,
        });
    }

    /// Whether a program has called for the station; if not, `main` is woken when one does.
    pub(crate) fn was_entered(&self, main: &Waker) -> bool {
        let mut station = self.as_it_is();
        let unwatched = station.unwatched.as_mut().expect("the world looks away");
        unwatched.main.get_or_insert_with(|| main.clone());
        unwatched.entered
    }

    /// The world looks again. True if a program called for the station.
    pub(crate) fn take_back(&self) -> bool {
        let unwatched = self.as_it_is().unwatched.take();
        unwatched.is_some_and(|unwatched| unwatched.entered)
    }
}

impl Station {
    /// The time, as the world looks or not.
    pub(super) fn time(&self) -> SimTime {
        match &self.unwatched {
            // Each run of a task moves the executor's clock a little, perhaps past the next event.
            Some(unwatched) => {
                let elapsed = SimTime::after(unwatched.time.elapsed()).min(unwatched.until);
                self.at.time.max(elapsed)
            }
            None => self.at.time,
        }
    }

    /// A program calls for the station while the world does not look.
    #[cold]
    pub(super) fn enter(&mut self) {
        self.at.time = self.time();
        let Some(unwatched) = &mut self.unwatched else {
            return;
        };
        if !unwatched.entered {
            unwatched.entered = true;
            if let Some(main) = unwatched.main.take() {
                main.wake();
            }
        }
    }
}

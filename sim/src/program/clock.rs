//! The clock of programs: simulated time, the same for all of them and always right.
//!
//! A program's node has clocks of its own, monotonic and wall, which may be wrong and which faults may change. Its
//! libraries go by them: timeouts, sessions and back-offs by the monotonic clock, timestamps of records by the wall clock.
//! The program itself sees the wall clock by [`super::Env::timestamp`]. Everything else that shows it the time does not follow
//! its node's clocks: [`Clock`], `std::time` and the timers of tokio show simulated time and wait by it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::station::{Shared, SleeperId};
use crate::history::SimTime;

/// Simulated time, for programs.
#[derive(Clone)]
pub struct Clock {
    shared: Shared,
}

impl Clock {
    pub(super) fn new(shared: Shared) -> Clock {
        Clock { shared }
    }

    /// The time since the trial began.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.shared.lock().at.time
    }

    /// Waits for `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sleep_until(SimTime(self.now().0.saturating_add(nanos)))
    }

    /// Waits until `time`, or not at all if it has passed.
    pub fn sleep_until(&self, time: SimTime) -> Sleep {
        Sleep {
            shared: self.shared.clone(),
            time,
            id: None,
        }
    }

    /// Waits until the scenario's topics exist.
    pub async fn topics_exist(&self) {
        std::future::poll_fn(|context| match self.shared.lock().topics_ready(context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// The future of [`Clock::sleep`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    shared: Shared,
    time: SimTime,
    id: Option<SleeperId>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut station = this.shared.lock();
        if this.id.is_none() && this.time <= station.at.time {
            return Poll::Ready(());
        }
        let id = *this.id.get_or_insert_with(|| station.sleeper(this.time));
        match station.has_rung(id, context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.lock().forget(id);
        }
    }
}

//! The executor of programs: madsim.
//!
//! The world's loop is the main future of a madsim runtime, and every program is a task on a madsim node of its own.
//! madsim supplies the shuffled order of tasks, the death of a task at whatever await it stands, and the guard that
//! turns every clock and entropy call of this thread into simulated ones. Its network and files are not used. Its timers
//! are not used by Trial itself; those that a user's program sets ([`Host::run_timers`]) ring at their own times.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use broker_core::random::Random;
use madsim::runtime::{Handle, Runtime};
use madsim::task::NodeId as HostId;
use madsim::time::{Sleep, TimeHandle};

use crate::history::SimTime;
use crate::program::station::{Shared, Station};
use crate::program::{Cast, play};
use crate::running;

/// How far ahead the timer is set that rings when every task has run, for each task that was woken.
const STEP: Duration = Duration::from_micros(1);
/// What madsim adds to the time of a timer that it waits for.
const ROUNDING: Duration = Duration::from_nanos(50);
/// Programs that do not all wait after this long by madsim's clock never will: one poll of a task takes 50 to 100 ns
/// of it, so that this is more than a million polls at one instant.
const PATIENCE: Duration = Duration::from_millis(100);

/// The programs and the executor under them.
pub(super) struct Host {
    runtime: Handle,
    time: TimeHandle,
    timer: Pin<Box<Sleep>>,
    /// For each program its madsim node, once it has been started.
    programs: Vec<Option<HostId>>,
    shared: Shared,
    cast: Arc<Cast>,
    seed: u64,
}

/// Runs `main` as the main future of a fresh madsim runtime.
pub(super) fn block_on<F: Future>(seed: u64, main: F) -> F::Output {
    let seed = Random::new(seed, "madsim").next_u64();
    let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    // They are refused by the guard of the trial, which has better words for it.
    runtime.set_allow_system_thread(true);
    runtime.block_on(main)
}

impl Host {
    /// Call it inside of [`block_on`].
    pub(super) fn new(shared: Shared, cast: Arc<Cast>, seed: u64) -> Host {
        running::forget();
        let time = TimeHandle::current();
        Host {
            runtime: Handle::current(),
            timer: Box::pin(time.sleep(STEP)),
            time,
            programs: vec![None; cast.members.len()],
            shared,
            cast,
            seed,
        }
    }

    /// Starts a program (again). It runs with the next [`Host::run_programs`].
    pub(super) fn start(&mut self, program: usize) {
        if let Some(node) = self.programs[program] {
            self.runtime.restart(node);
            return;
        }
        let name = self.cast.members[program].name.clone();
        let (shared, cast, seed) = (self.shared.clone(), Arc::clone(&self.cast), self.seed);
        let main = move || play(shared.clone(), Arc::clone(&cast), program, seed);
        let node = self.runtime.create_node().name(&name).init(main).build();
        running::call(node.id(), name);
        self.programs[program] = Some(node.id());
    }

    /// Whether a program has ever been started here.
    pub(super) fn has(&self, program: usize) -> bool {
        self.programs[program].is_some()
    }

    /// Ends a program where it stands. Its future is dropped with the next [`Host::run_programs`].
    pub(super) fn kill(&self, program: usize) {
        if let Some(node) = self.programs[program] {
            self.runtime.kill(node);
        }
    }

    /// A program stands still.
    pub(super) fn pause(&self, program: usize) {
        if let Some(node) = self.programs[program] {
            self.runtime.pause(node);
        }
    }

    /// It goes on.
    pub(super) fn resume(&self, program: usize) {
        if let Some(node) = self.programs[program] {
            self.runtime.resume(node);
        }
    }

    /// Moves madsim's clock up to `now` and lets all programs run until each of them waits for the world. `woken` is
    /// how many tasks are ready, about. False if they never all wait.
    ///
    /// The main future waits for a timer that lies a little ahead, which madsim fires only when nothing else is ready.
    /// Each run of a task moves madsim's clock too, so that many of them together can reach the timer: then the clock
    /// does not stand where a timer that was waited for puts it, and another, longer wait follows.
    pub(super) async fn run_programs(&mut self, station: &mut Box<Station>, now: SimTime, woken: u32) -> bool {
        let behind = Duration::from_nanos(now.0).saturating_sub(self.time.elapsed());
        if !behind.is_zero() {
            self.time.advance(behind);
        }
        running::since(Some(now));
        self.shared.swap(station);
        let mut ahead = STEP * (woken + 1);
        let mut all_wait = false;
        while ahead < PATIENCE && !all_wait {
            let deadline = self.time.now_instant() + ahead;
            self.timer.as_mut().reset(deadline);
            (&mut self.timer).await;
            all_wait = self.time.now_instant() == deadline + ROUNDING;
            ahead *= 2;
        }
        self.shared.swap(station);
        running::since(None);
        all_wait
    }

    /// Lets the timers that programs have set ring, each at its own time, until `until`. True if a program that was woken
    /// so did something with the world: then it is that program's time, by the station's clock, and not yet `until`.
    ///
    /// madsim goes from timer to timer while the main future waits for one of its own at `until`. A program that asks for the
    /// station meanwhile wakes the main future, so that the world never learns of an operation after its time.
    pub(super) async fn run_timers(&mut self, station: &mut Box<Station>, until: SimTime) -> bool {
        let ahead = Duration::from_nanos(until.0).saturating_sub(self.time.elapsed());
        if ahead <= STEP {
            // The world is about to move madsim's clock by that little.
            return false;
        }
        self.timer.as_mut().reset(self.time.now_instant() + ahead - ROUNDING);
        self.shared.swap(station);
        self.shared.leave_to_timers(self.time.clone(), until);
        running::since(Some(until));
        let timer = &mut self.timer;
        let shared = &self.shared;
        poll_fn(|context| match shared.was_entered(context.waker()) {
            true => Poll::Ready(()),
            false => timer.as_mut().poll(context),
        })
        .await;
        running::since(None);
        let was_entered = self.shared.take_back();
        self.shared.swap(station);
        was_entered
    }

    /// Ends all programs and waits until their futures are dropped: a madsim runtime leaks the tasks that it still has.
    pub(super) async fn end(&mut self, station: &mut Box<Station>) {
        self.shared.swap(station);
        for program in 0..self.programs.len() {
            self.kill(program);
        }
        self.time.sleep(Duration::from_millis(1)).await;
        self.shared.swap(station);
    }
}

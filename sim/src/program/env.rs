//! What a program finds around it.

use core::ops::Range;
use core::time::Duration;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use broker_core::config::{ConsumerConfig, ProducerConfig};
use broker_core::random::Random;
use broker_core::types::Timestamp;

use super::client::{ClientMachine, NewClient};
use super::clock::Clock;
use super::consumer::ConsumerClient;
use super::guard::Guarded;
use super::producer::ProducerClient;
use super::received::ConsumerRecord;
use super::service::ServiceClient;
use super::station::Shared;
use super::work::Work;
use crate::history::SendPromise;
use crate::scaled::scaled;

/// The surroundings of one run of a program: its clock, its randomness, and its ways to the cluster.
///
/// A program must get time and chance from here, or from `std`, whose clocks and random states are simulated too.
/// Threads, sockets and files are not there: [`crate::program`] says what is guarded.
pub struct Env {
    /// The program's name: `<name>/<number from 1>`.
    pub name: Arc<str>,
    /// Simulated time.
    pub clock: Clock,
    /// Randomness that the trial's seed decides. Each run of each program has a stream of its own.
    pub random: Random,
    shared: Shared,
    program: usize,
    /// Its clients, by their places at the station.
    endpoints: Range<usize>,
    incarnation: u32,
    seed: u64,
}

impl Env {
    pub(super) fn new(shared: Shared, name: &str, program: usize, seed: u64, random: Random) -> Env {
        let station = shared.lock();
        let endpoints = station.programs[program].endpoints.clone();
        let incarnation = station.clients[endpoints.start].incarnation;
        drop(station);
        Env {
            name: name.into(),
            clock: Clock::new(shared.clone()),
            random,
            shared,
            program,
            endpoints,
            incarnation,
            seed,
        }
    }

    /// A new producer.
    ///
    /// # Panics
    /// When the program has as many clients as it may have ([`super::MOST_CLIENTS`]).
    #[must_use]
    pub fn producer(&self, config: ProducerConfig) -> ProducerClient {
        let client = self.open(|new| new.producer(&config));
        ProducerClient::new(self.shared.clone(), client, &config)
    }

    /// A new consumer: one of a group after [`ConsumerClient::subscribe`], or one for itself after
    /// [`ConsumerClient::assign`].
    ///
    /// # Panics
    /// When the program has as many clients as it may have ([`super::MOST_CLIENTS`]).
    #[must_use]
    pub fn consumer(&self, config: ConsumerConfig) -> ConsumerClient {
        let group = config.group_id.as_deref().map(Into::into);
        let client = self.open(|new| new.consumer(config));
        self.shared.lock().clients[client].consuming.group = group;
        ConsumerClient::new(self.shared.clone(), client)
    }

    /// A client of a service of the scenario.
    ///
    /// # Panics
    /// When the scenario has no such service.
    #[must_use]
    pub fn service(&self, name: &str) -> ServiceClient {
        let label = format!("service {name} for {} run {}", self.name, self.incarnation);
        let random = Random::new(self.seed, &label);
        ServiceClient::new(self.shared.clone(), self.head(), name, random)
    }

    /// Now, by the wall clock of the program's node, as records are stamped. That clock may be wrong, drift and jump, also
    /// back; measure with [`Clock::now`].
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.shared.lock().local_time(self.head()).wall
    }

    /// The program begins to work on a record. Say how it ended: [`Work::done`], or [`Work::end`]. A program that dies
    /// before that never ended it.
    #[must_use = "say how the work ended"]
    pub fn process(&self, record: &ConsumerRecord) -> Work {
        self.process_again(record, 1)
    }

    /// The same for an attempt at a record that failed before in this place; `attempt` counts them from 1.
    #[must_use = "say how the work ended"]
    pub fn process_again(&self, record: &ConsumerRecord, attempt: u32) -> Work {
        Work::begin(&self.shared, self.endpoints.clone(), record, attempt)
    }

    /// Works for `duration`, longer while a fault slows the program.
    pub async fn work(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let slowed = self.shared.lock().programs[self.program].slowed();
        let duration = match slowed {
            1.0 => duration,
            factor => scaled(duration, factor),
        };
        self.clock.sleep(duration).await;
    }

    /// Whether the program was asked to end in good order, as by a SIGTERM. It ends when its function returns, and is
    /// started again when the scenario says so.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.lock().programs[self.program].is_stopping
    }

    /// Waits until the program is asked to end.
    pub async fn stopping(&self) {
        let (shared, program) = (&self.shared, self.program);
        poll_fn(|context| match shared.lock().is_stopping(program, context.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Runs `task` beside the program, in the same process: it dies with it, and if it panics the process dies. The
    /// result can be awaited, or dropped. What it says through `tracing` carries the program's name and the time, which
    /// tasks of the executor's own `spawn` lack.
    pub fn spawn<F: Future + 'static>(&self, task: F) -> impl Future<Output = F::Output> + use<F>
    where
        F::Output: 'static,
    {
        let program = (self.program, Arc::clone(&self.name));
        let handle = madsim::task::spawn_local(Guarded::new(self.shared.clone(), program, task));
        async move { handle.await.expect("a task ends only with its process") }
    }

    /// The surroundings of a task beside the program, with randomness of its own.
    pub(super) fn of_task(&self, number: u32) -> Env {
        let label = format!("program {} run {} task {number}", self.name, self.incarnation);
        Env {
            name: Arc::clone(&self.name),
            clock: self.clock.clone(),
            random: Random::new(self.seed, &label),
            shared: self.shared.clone(),
            program: self.program,
            endpoints: self.endpoints.clone(),
            incarnation: self.incarnation,
            seed: self.seed,
        }
    }

    /// The trial's seed.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    fn head(&self) -> usize {
        self.endpoints.start
    }

    /// Starts a library on the next free endpoint.
    fn open(&self, machine: impl FnOnce(NewClient) -> (ClientMachine, Option<SendPromise>)) -> usize {
        let mut station = self.shared.lock();
        let running = &mut station.programs[self.program];
        let client = running.endpoints.start + running.opened;
        assert!(
            client < running.endpoints.end,
            "the program {} has {} clients, and may have no more",
            self.name,
            running.opened
        );
        running.opened += 1;
        let label = format!("client {} run {}", station.clients[client].name, self.incarnation);
        let (machine, promise) = machine(station.new_client(Random::new(self.seed, &label)));
        station.open(client, machine, promise);
        client
    }
}

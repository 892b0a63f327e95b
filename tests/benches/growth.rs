//! Growth, one core: what a trial, a record and an event cost as a cluster grows around the same traffic.
//!
//! `cargo bench -p tests --bench growth` prints a table. Idle: the brokers and partitions that are more have no traffic.
//! Busy: the same records go to all partitions, each in batches of its own. A row is the fastest of two trials of 60
//! simulated seconds; "running" leaves out the beginning, in which brokers register and replicas are created: it is the
//! difference to a trial of 20 seconds. Ratios compare with the first row of a block. Machines differ and are shared:
//! compare figures of one run.
#![expect(clippy::disallowed_types, reason = "a bench measures wall time")]

use std::time::{Duration, Instant};

use sim::scenario::Scenario;
use sim::scenario::parse::parse;
use sim::trial::{Wanted, run};

/// The allocator of the `trial` command, so that the figures are its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 2;
/// Of a whole trial, and of one that is mostly beginning, in simulated seconds.
const WHOLE: u64 = 60;
const SHORT: u64 = 20;
const BROKERS: [u32; 4] = [3, 10, 30, 100];
const PARTITIONS: [u32; 4] = [10, 100, 1_000, 10_000];
/// The partitions with traffic, where the others are idle.
const BUSY: u32 = 10;

fn main() {
    // `cargo test` runs benches too, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "{:<46}{:>10}{:>8}{:>12}{:>10}{:>11}{:>16}{:>8}",
        "", "trial", "ratio", "events", "ns/event", "us/record", "running, per s", "ratio"
    );
    block(BROKERS.map(|brokers| (format!("{brokers} brokers, {BUSY} partitions"), shape(brokers, BUSY, 0))));
    let idle = PARTITIONS.map(|count| {
        (
            format!("3 brokers, {BUSY} busy and {count} idle partitions"),
            shape(3, BUSY, count),
        )
    });
    block(idle);
    let busy = PARTITIONS.map(|count| (format!("3 brokers, {count} busy partitions"), shape(3, count, 0)));
    block(busy);
}

fn shape(brokers: u32, busy: u32, idle: u32) -> Shape {
    Shape { brokers, busy, idle }
}

/// Runs a block of rows, and compares each with the first.
fn block(rows: [(String, Shape); 4]) {
    let mut first = None;
    for (name, shape) in rows {
        let (trial, events, records) = measure(&shape.cluster(WHOLE));
        let (beginning, ..) = measure(&shape.cluster(SHORT));
        let running = trial.saturating_sub(beginning) / (WHOLE - SHORT) as u32;
        let (first_trial, first_running) = *first.get_or_insert((trial, running));
        println!(
            "{name:<46}{:>10}{:>8.2}{events:>12}{:>10.0}{:>11.2}{:>16}{:>8.2}",
            format!("{} ms", trial.as_millis()),
            trial.as_secs_f64() / first_trial.as_secs_f64(),
            trial.as_nanos() as f64 / events as f64,
            trial.as_nanos() as f64 / 1e3 / records as f64,
            format!("{:.2} ms", running.as_secs_f64() * 1e3),
            running.as_secs_f64() / first_running.as_secs_f64(),
        );
    }
    println!();
}

/// The fastest run's wall time, with its events and records.
fn measure(scenario: &Scenario) -> (Duration, u64, u64) {
    let mut fastest = Duration::MAX;
    let (mut events, mut records) = (0, 0);
    for _ in 0..RUNS {
        let start = Instant::now();
        let outcome = run(scenario, 0, Wanted::default());
        fastest = fastest.min(start.elapsed());
        (events, records) = (outcome.events, outcome.records_consumed);
        assert!(records > 0, "{:?}", outcome.verdict);
    }
    (fastest, events, records)
}

/// A cluster with 2,000 records a second over the `busy` partitions of one topic, beside a topic of `idle` partitions.
struct Shape {
    brokers: u32,
    busy: u32,
    idle: u32,
}

impl Shape {
    fn cluster(&self, seconds: u64) -> Scenario {
        let Shape { brokers, busy, idle } = *self;
        let idle_topic = match idle {
            0 => String::new(),
            count => format!("[[topics]]\nname = \"idle\"\npartitions = {count}\nreplication_factor = 3\n"),
        };
        let text = format!(
            r#"
duration = "{seconds}s"
[cluster]
brokers = {brokers}
[[topics]]
name = "busy"
partitions = {busy}
replication_factor = 3
{idle_topic}
[[producers]]
name = "load"
topic = "busy"
rate = 2000
record_size = 100
keys = {{ distribution = "uniform", count = 10000 }}
config = {{ acks = "all", "linger.ms" = 20 }}
[[consumers]]
name = "reader"
topic = "busy"
[limits]
events = 1_000_000_000
records = 10_000_000
memory = "8GiB"
"#
        );
        parse("growth", "growth.toml", &text)
            .expect("it is a scenario")
            .scenario
    }
}

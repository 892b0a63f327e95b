//! Growth, one core: what a record and an event cost as a cluster grows around the same traffic.
//!
//! `cargo bench -p tests --bench growth` prints a table. Idle: the brokers and partitions that are more have no traffic.
//! Busy: the same records go to all partitions. Each row is the fastest of three runs, and its last column compares its
//! wall time with the first row's of its block. Machines differ and are shared: compare figures of one run.
#![expect(clippy::disallowed_types, reason = "a bench measures wall time")]

use std::time::{Duration, Instant};

use sim::scenario::Scenario;
use sim::scenario::parse::parse;
use sim::trial::{Wanted, run};

/// The allocator of the `trial` command, so that the figures are its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 3;
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
        "{:<38}{:>10}{:>12}{:>12}{:>12}{:>8}",
        "", "wall", "events", "ns/event", "us/record", "ratio"
    );
    block(BROKERS.map(|brokers| {
        (
            format!("{brokers} brokers, {BUSY} partitions"),
            cluster(brokers, BUSY, 0),
        )
    }));
    let idle = PARTITIONS.map(|count| {
        (
            format!("3 brokers, {BUSY} busy and {count} idle partitions"),
            cluster(3, BUSY, count),
        )
    });
    block(idle);
    let busy = PARTITIONS.map(|count| (format!("3 brokers, {count} busy partitions"), cluster(3, count, 0)));
    block(busy);
}

/// Runs a block of rows, and compares each with the first.
fn block(rows: [(String, Scenario); 4]) {
    let mut first = None;
    for (name, scenario) in rows {
        let (wall, events, records) = measure(&scenario);
        let first = *first.get_or_insert(wall);
        println!(
            "{name:<38}{:>10}{events:>12}{:>12.0}{:>12.2}{:>8.2}",
            format!("{} ms", wall.as_millis()),
            wall.as_nanos() as f64 / events as f64,
            wall.as_nanos() as f64 / 1e3 / records as f64,
            wall.as_secs_f64() / first.as_secs_f64(),
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

/// 2,000 records a second for 20 s, over the `busy` partitions of one topic, beside a topic of `idle` partitions.
fn cluster(brokers: u32, busy: u32, idle: u32) -> Scenario {
    let idle_topic = match idle {
        0 => String::new(),
        count => format!("[[topics]]\nname = \"idle\"\npartitions = {count}\nreplication_factor = 3\n"),
    };
    let text = format!(
        r#"
duration = "20s"
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

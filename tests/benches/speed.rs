//! Speed, one core: trials, simulated seconds, records through three replicas, and the bare event rate.
//!
//! `cargo bench -p tests` prints, beside each time, how much of the thing a second holds. Machines differ and are
//! shared: compare figures of one run with each other.

use std::path::Path;

use divan::Bencher;
use divan::counter::ItemsCount;
use sim::scenario::Scenario;
use sim::scenario::files;
use sim::trial::{Wanted, run};

/// The allocator of the `trial` command, so that the figures are its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

fn load(name: &str) -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    files::load_one(&root.join(format!("{name}.toml")))
        .expect("it is shipped")
        .scenario
}

/// Three brokers, 60 simulated seconds, 10,000 records, faults, all checks: trials a second.
#[divan::bench(sample_count = 40)]
fn trials(bencher: Bencher) {
    let scenario = load("durability/nemesis");
    let mut seed = 0;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        seed += 1;
        run(&scenario, seed, Wanted::default())
    });
}

/// The same trials: simulated seconds a second.
#[divan::bench(sample_count = 40)]
fn simulated_seconds(bencher: Bencher) {
    let scenario = load("durability/nemesis");
    let mut seed = 0;
    bencher
        .counter(ItemsCount::new(scenario.duration.as_secs()))
        .bench_local(|| {
            seed += 1;
            run(&scenario, seed, Wanted::default())
        });
}

/// Records produced in batches of about a hundred, replicated three ways, and consumed, with all checks.
#[divan::bench(sample_count = 10)]
fn records_at_rf_3(bencher: Bencher) {
    let mut scenario = load("hot-partitions/even-keys");
    scenario.duration = core::time::Duration::from_secs(10);
    for group in &mut scenario.producers {
        group.rate = 20_000.0;
        group.config.linger_ms = 20;
    }
    for group in &mut scenario.consumers {
        group.processing = core::time::Duration::ZERO;
    }
    let records = run(&scenario, 0, Wanted::default()).records_consumed;
    assert!(records > 300_000, "{records} records");
    bencher
        .counter(ItemsCount::new(records))
        .bench_local(|| run(&scenario, 0, Wanted::default()));
}

/// Messages between two machines that do nothing else.
#[divan::bench(sample_count = 10)]
fn bare_events(bencher: Bencher) {
    const MESSAGES: u64 = 1_000_000;
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .bench_local(|| sim::world::ping_pong(MESSAGES));
}

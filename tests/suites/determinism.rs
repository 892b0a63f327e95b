//! One seed, one digest: in two processes, on any number of threads, in any order of seeds, in any build profile.
//!
//! The test is its own second process: started with [`CHILD`] set it prints digests instead of testing. The digests of
//! a few trials are also pinned in this file, so that a debug and a release run of the suite compare with each other.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the leaks that are planted here are the point"
)]

use std::collections::{HashMap, hash_map::RandomState};
use std::hash::BuildHasher;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::SystemTime;

use libtest_mimic::{Arguments, Failed, Trial};
use sim::scenario::Scenario;
use sim::scenario::files;
use sim::trial::{Wanted, run, run_with_leak};

/// Set in the second process: which leak to plant, or `none`.
const CHILD: &str = "TRIAL_DETERMINISM_CHILD";
const SEEDS: [u64; 4] = [0, 1, 2, 3];
/// Scenarios that between them use every kind of fault.
const SCENARIOS: [&str; 5] = [
    "durability/nemesis",
    "ordering/retries-with-idempotence",
    "durability/power-loss-lazy-flush",
    "groups/nemesis-classic",
    "groups/nemesis-consumer-protocol",
];

/// Something that a seed does not decide.
type Leak = fn() -> u64;

/// What must never decide anything: each gives another number in another process, thread or run.
const LEAKS: [(&str, Leak); 5] = [
    ("a randomly seeded map", || {
        let map: HashMap<u64, u64> = (0..64).map(|key| (key, key)).collect();
        *map.keys().next().expect("it has keys")
    }),
    ("a random hasher", || RandomState::new().hash_one(1)),
    ("the wall clock", || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.expect("it is later than 1970").as_nanos() as u64
    }),
    ("a counter of the process", || {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        RUNS.fetch_add(1, Ordering::Relaxed) + u64::from(std::process::id())
    }),
    ("an address", || {
        let here = Box::new(0_u8);
        &raw const *here as u64
    }),
];

fn main() -> ExitCode {
    if let Ok(leak) = std::env::var(CHILD) {
        let leak = LEAKS.iter().find(|(name, _)| *name == leak).map(|(_, leak)| *leak);
        println!("{}", all_digests(leak).join(" "));
        return ExitCode::SUCCESS;
    }
    let mut trials = vec![
        Trial::test("the same in another process", the_same_in_another_process),
        Trial::test("the same on two threads at once", the_same_on_two_threads),
        Trial::test("the order of seeds does not matter", the_order_does_not_matter),
        Trial::test("another seed is another trial", another_seed_is_another_trial),
        Trial::test("the same in every build profile", the_same_in_every_profile),
    ];
    for (name, leak) in LEAKS {
        trials.push(Trial::test(format!("caught: {name}"), move || is_caught(name, leak)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn load(name: &str) -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    files::load_one(&root.join(format!("{name}.toml")))
        .expect("it is shipped")
        .scenario
}

fn digest(scenario: &Scenario, seed: u64, leak: Option<Leak>) -> String {
    let outcome = match leak {
        None => run(scenario, seed, Wanted::default()),
        Some(leak) => run_with_leak(scenario, seed, leak),
    };
    assert!(
        outcome.events > 10_000,
        "a trial of {} events compares too little",
        outcome.events
    );
    format!("{:016x}", outcome.digest)
}

fn all_digests(leak: Option<Leak>) -> Vec<String> {
    let scenarios = SCENARIOS.map(load);
    let all = scenarios
        .iter()
        .flat_map(|scenario| SEEDS.map(|seed| digest(scenario, seed, leak)));
    all.collect()
}

fn in_another_process(leak: &str) -> Result<Vec<String>, Failed> {
    let output = Command::new(std::env::current_exe()?).env(CHILD, leak).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn the_same_in_another_process() -> Result<(), Failed> {
    assert_eq!(in_another_process("none")?, all_digests(None));
    Ok(())
}

fn the_same_on_two_threads() -> Result<(), Failed> {
    let alone = all_digests(None);
    let both = thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| all_digests(None)));
        threads.map(|thread| thread.join().expect("no trial panics"))
    });
    assert_eq!(both, [alone.clone(), alone]);
    Ok(())
}

fn the_order_does_not_matter() -> Result<(), Failed> {
    let scenario = load(SCENARIOS[0]);
    let forwards: Vec<String> = SEEDS.iter().map(|seed| digest(&scenario, *seed, None)).collect();
    let mut backwards: Vec<String> = SEEDS.iter().rev().map(|seed| digest(&scenario, *seed, None)).collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
    Ok(())
}

fn another_seed_is_another_trial() -> Result<(), Failed> {
    let mut digests = all_digests(None);
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), SCENARIOS.len() * SEEDS.len());
    Ok(())
}

fn the_same_in_every_profile() -> Result<(), Failed> {
    let pinned: Vec<&str> = include_str!("determinism.digests").split_whitespace().collect();
    assert_eq!(
        all_digests(None),
        pinned,
        "if a change of behaviour is meant, pin the new digests"
    );
    Ok(())
}

/// A leak that reached the World shows as another digest: in a second run, or in a second process.
fn is_caught(name: &str, leak: Leak) -> Result<(), Failed> {
    let scenario = load(SCENARIOS[0]);
    let runs = [(); 2].map(|()| digest(&scenario, 0, Some(leak)));
    let is_distinguished = runs[0] != runs[1] || in_another_process(name)? != all_digests(Some(leak));
    assert!(is_distinguished, "{name} went unnoticed");
    Ok(())
}

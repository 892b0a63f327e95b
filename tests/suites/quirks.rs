//! Planted defects: each is caught by its named check within 200 seeds, and the same scenario without it is clean.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use rayon::prelude::*;
use sim::scenario::Scenario;
use sim::scenario::files;
use sim::trial::{Verdict, Wanted, run};
use sim::verdict::Check;

/// Quirk, scenario (shipped, or of this suite), the check that must be violated, and over how many seeds the scenario
/// must be clean without the quirk.
const QUIRKS: [(&str, &str, Check, u64); 15] = [
    (
        "truncate-to-high-watermark",
        "durability/two-elections",
        Check::LostWrite,
        1_000,
    ),
    ("ack-before-isr", "durability/nemesis", Check::LostWrite, 1_000),
    (
        "zombie-offset-commit",
        "groups/zombie-past-its-session",
        Check::StaleOwnerCommit,
        FEW,
    ),
    (
        "relaxed-commit-check",
        "groups/nemesis-consumer-protocol",
        Check::StaleOwnerCommit,
        FEW,
    ),
    (
        "two-owners-one-epoch",
        "groups/scale-up-and-down",
        Check::OverlappingOwners,
        FEW,
    ),
    (
        "static-member-id-in-memory",
        "static-members-and-their-coordinator",
        Check::L7,
        FEW,
    ),
    (
        "group-load-partial-state",
        "groups/coordinator-killed",
        Check::UnexplainedReset,
        FEW,
    ),
    (
        "rebalance-waits-for-ever",
        "leader-dies-before-its-sync",
        Check::L7,
        FEW,
    ),
    (
        "sequence-reset-on-metadata-loss",
        "metadata-without-the-topic",
        Check::LostWrite,
        FEW,
    ),
    (
        "sequence-burned-for-unsent",
        "batches-expire-before-they-are-sent",
        Check::L5,
        FEW,
    ),
    (
        "inflight-accounting",
        "ordering/retries-with-idempotence",
        Check::NonmonotonicSend,
        FEW,
    ),
    (
        "buffer-reused-in-flight",
        "batches-expire-on-their-way",
        Check::Corruption,
        FEW,
    ),
    ("flush-misses-split-batch", "batches-too-large", Check::LostWrite, FEW),
    (
        "prefetch-autocommit",
        "polls-of-few-records",
        Check::SkippedProcessing,
        FEW,
    ),
    (
        "reset-on-transient-error",
        "groups/nemesis-classic",
        Check::UnexplainedReset,
        FEW,
    ),
];
const SEEDS_WITH: u64 = 200;
/// Scenarios of groups are swept elsewhere; here it is enough that not every seed shows the check.
const FEW: u64 = 40;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (quirk, scenario, check, seeds) in QUIRKS {
        trials.push(Trial::test(format!("{quirk}: caught"), move || {
            is_caught(quirk, scenario, check)
        }));
        trials.push(Trial::test(format!("{quirk}: clean without it"), move || {
            is_clean(scenario, seeds)
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn load(name: &str) -> Scenario {
    let folder = if name.contains('/') {
        "../scenarios"
    } else {
        "suites/quirks"
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    files::load_one(&root.join(format!("{name}.toml")))
        .unwrap_or_else(|error| panic!("{error}"))
        .scenario
}

fn is_caught(quirk: &str, scenario: &str, check: Check) -> Result<(), Failed> {
    let mut scenario = load(scenario);
    scenario.quirk_set.enable(quirk)?;
    for seed in 0..SEEDS_WITH {
        let outcome = run(&scenario, seed, Wanted::default());
        if outcome.findings.violations(check) > 0 {
            let again = run(&scenario, seed, Wanted::default());
            assert_eq!((again.verdict, again.digest), (outcome.verdict, outcome.digest));
            return Ok(());
        }
    }
    Err(format!("{} was not violated in {SEEDS_WITH} seeds", check.name()).into())
}

fn is_clean(scenario: &str, seeds: u64) -> Result<(), Failed> {
    let scenario = load(scenario);
    let failed = (0..seeds).into_par_iter().find_map_first(|seed| {
        let outcome = run(&scenario, seed, Wanted::default());
        (outcome.verdict != Verdict::Pass).then_some((seed, outcome.verdict))
    });
    match failed {
        None => Ok(()),
        Some((seed, verdict)) => Err(format!("seed {seed}: {verdict:?}").into()),
    }
}

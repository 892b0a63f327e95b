//! Planted defects: each is caught by its named check within 200 seeds, and the same scenario without it is clean.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use rayon::prelude::*;
use sim::scenario::Scenario;
use sim::scenario::files;
use sim::trial::{Verdict, Wanted, run};
use sim::verdict::{CAUGHT, Caught, Check};

/// The scenarios of this suite, for quirks that no shipped scenario brings up.
const OWN: [(&str, &str); 7] = [
    ("static-member-id-in-memory", "static-members-and-their-coordinator"),
    ("rebalance-waits-for-ever", "leader-dies-before-its-sync"),
    ("sequence-reset-on-metadata-loss", "metadata-without-the-topic"),
    ("sequence-burned-for-unsent", "batches-expire-before-they-are-sent"),
    ("buffer-reused-in-flight", "batches-expire-on-their-way"),
    ("flush-misses-split-batch", "batches-too-large"),
    ("prefetch-autocommit", "polls-of-few-records"),
];
const SEEDS_WITH: u64 = 200;
const FEW: u64 = 40;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for Caught {
        quirk,
        by: check,
        shipped,
    } in CAUGHT
    {
        let own = || OWN.iter().find(|(of, _)| *of == quirk).map(|(_, scenario)| *scenario);
        let scenario = shipped.or_else(own).expect("each quirk has a scenario");
        // Scenarios of groups are swept elsewhere; here it is enough that not every seed shows the check.
        let seeds = match scenario.starts_with("durability/") {
            true => 1_000,
            false => FEW,
        };
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

//! Planted defects: each is caught by its named check within 200 seeds, and the same scenario without it is clean over
//! 1,000 seeds.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use rayon::prelude::*;
use sim::scenario::Scenario;
use sim::scenario::files;
use sim::trial::{Verdict, Wanted, run};
use sim::verdict::Check;

/// Quirk, scenario, and the checks of which one must be violated.
const QUIRKS: [(&str, &str, Check); 2] = [
    (
        "truncate-to-high-watermark",
        "durability/two-elections",
        Check::LostWrite,
    ),
    ("ack-before-isr", "durability/nemesis", Check::LostWrite),
];
const SEEDS_WITH: u64 = 200;
const SEEDS_WITHOUT: u64 = 1_000;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (quirk, scenario, check) in QUIRKS {
        trials.push(Trial::test(format!("{quirk}: caught"), move || {
            is_caught(quirk, scenario, check)
        }));
        trials.push(Trial::test(format!("{quirk}: clean without it"), move || {
            is_clean(scenario)
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn load(name: &str) -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    files::load_one(&root.join(format!("{name}.toml")))
        .expect("it is shipped")
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

fn is_clean(scenario: &str) -> Result<(), Failed> {
    let scenario = load(scenario);
    let failed = (0..SEEDS_WITHOUT).into_par_iter().find_map_first(|seed| {
        let outcome = run(&scenario, seed, Wanted::default());
        (outcome.verdict != Verdict::Pass).then_some((seed, outcome.verdict))
    });
    match failed {
        None => Ok(()),
        Some((seed, verdict)) => Err(format!("seed {seed}: {verdict:?}").into()),
    }
}

//! The shipped scenarios, one test a file: every trial at the scenario's own seeds comes out as the file expects, and costs
//! about what `lint` would say.

use core::time::Duration;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use sim::scenario::Expectation;
use sim::scenario::cost::estimate;
use sim::scenario::files::{self, Found, Loaded};
use sim::sweep::{Came, judge};
use sim::trial::{Wanted, run};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let found = files::find(&[root]).expect("the scenarios are there");
    assert!(found.len() >= 10, "only {} scenarios are shipped", found.len());
    let trials = found.into_iter().map(|found| {
        let name = found.name.clone();
        Trial::test(name, move || comes_out_as_expected(&found))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn comes_out_as_expected(found: &Found) -> Result<(), Failed> {
    let Loaded { scenario, .. } = files::load(found).map_err(|error| Failed::from(error.render(false)))?;
    let mut missing: Vec<String> = match &scenario.expect {
        Expectation::Pass => Vec::new(),
        Expectation::Finds(names) => names.clone(),
    };
    let faults_planned = !scenario.faults.is_empty() || scenario.nemesis.is_some();
    let mut faults_fired = 0;
    for seed in scenario.seeds.clone() {
        let outcome = run(&scenario, seed, Wanted::default());
        faults_fired += outcome.faults_fired();
        let (guess, events) = (estimate(&scenario).events, outcome.events);
        if guess > 3 * events || events > 3 * guess {
            return Err(format!("{guess} events were expected of seed {seed}, and there were {events}").into());
        }
        let ruled = judge(seed, &Ok(outcome), Duration::ZERO);
        if ruled.came != Came::AsExpected {
            return Err(format!("seed {seed}: {:?}: {}", ruled.signature, ruled.evidence).into());
        }
        missing.retain(|name| !ruled.found.contains(&name.as_str()));
    }
    if !missing.is_empty() {
        return Err(format!("expected, but in no trial: {}", missing.join(", ")).into());
    }
    if faults_planned && faults_fired == 0 {
        return Err("no fault ever fired".into());
    }
    Ok(())
}

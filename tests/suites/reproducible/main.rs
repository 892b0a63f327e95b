//! A seed reproduces, whatever the program of a user does: with every usual source of chance, in any order of seeds, on
//! several threads, and in another process.
//!
//! The test is its own second process: started with [`CHILD`] set it prints digests instead of testing.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "programs of users may do all this"
)]

mod chance;

use std::process::{Command, ExitCode};
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};

use chance::{SOURCES, Source, digest};

/// Set in the second process.
const CHILD: &str = "TRIAL_REPRODUCIBLE_CHILD";
/// The seed that is looked at, and the orders of seeds in which it is not the first.
const SEED: u64 = 2;
const ORDERS: [&[u64]; 3] = [&[0, 1, 2], &[5, 2], &[2, 2]];

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        // Backwards: what the whole process keeps would be met in another order.
        for (name, source) in SOURCES.iter().rev() {
            println!("{name}: {:016x}", digest(*source, SEED));
        }
        return ExitCode::SUCCESS;
    }
    let in_order = |(name, source): (&'static str, Source)| {
        Trial::test(format!("any order of seeds: {name}"), move || {
            any_order_of_seeds(source)
        })
    };
    let mut trials: Vec<Trial> = SOURCES.into_iter().map(in_order).collect();
    trials.push(Trial::test("another process", another_process));
    trials.push(Trial::test(
        "what a program draws decides the trial",
        what_is_drawn_matters,
    ));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn any_order_of_seeds(source: Source) -> Result<(), Failed> {
    let alone = digest(source, SEED);
    for order in ORDERS {
        let last = thread::spawn(move || order.iter().fold(0, |_, seed| digest(source, *seed)));
        let last = last.join().expect("no trial panics");
        assert_eq!(last, alone, "seed {SEED} alone, and at the end of {order:?}");
    }
    Ok(())
}

fn another_process() -> Result<(), Failed> {
    let output = Command::new(std::env::current_exe()?).env(CHILD, "1").output()?;
    let there = String::from_utf8(output.stdout)?;
    for (name, source) in SOURCES {
        let here = format!("{name}: {:016x}", digest(source, SEED));
        assert!(there.lines().any(|line| line == here), "{here} here, there\n{there}");
    }
    Ok(())
}

/// Else the tests above would compare nothing.
fn what_is_drawn_matters() -> Result<(), Failed> {
    let constants: [Source; 2] = [|| vec![1, 2], || vec![2, 1]];
    assert_ne!(digest(constants[0], SEED), digest(constants[1], SEED));
    for (name, source) in SOURCES {
        assert_ne!(digest(source, SEED), digest(source, SEED + 1), "{name}");
    }
    Ok(())
}

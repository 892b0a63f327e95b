//! How the command ends, above all where something is wrong.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use crate::Test;
use crate::place::{Place, Said};

pub const TESTS: &[(&str, Test)] = tests![
    exit_codes,
    a_panic_is_an_internal_error_with_its_seed,
    a_place_that_takes_no_files_is_reported_before_the_first_trial,
    a_reader_that_is_gone_is_no_error_but_a_full_disk_is,
];

fn exit_codes(place: &Place) {
    place.scenario("pass", "nothing", "");
    place.scenario("endless", "endless", "");
    place.scenario("worse", "endless/2 loses/3", "");
    place.write("scenarios-none/notes.txt", "nothing");
    place.write("wrong.toml", "topics = 3");
    for (arguments, exit) in [
        ("run scenarios/pass.toml", 0),
        ("run scenarios/endless.toml", 2),
        ("run scenarios/worse.toml", 1),
        ("run scenarios-none", 4),
        ("run scenarios/pass.toml --seeds 3..3", 4),
        ("run scenarios/pass.toml --seeds 4..3", 64),
        ("run scenarios/pass.toml --seeds 4", 64),
        ("run scenarios/pass.toml --seed x", 64),
        ("run scenarios/pass.toml --seed 1 --seeds 1..2", 64),
        ("run scenarios/pass.toml --jobs 0", 64),
        ("run scenarios/pass.toml --colour", 64),
        ("run wrong.toml", 64),
        ("run missing.toml", 64),
        ("run", 64),
        ("", 64),
        ("walk", 64),
        ("--help", 0),
        ("run --help", 0),
        ("--version", 0),
        ("replay scenarios/pass.toml", 64),
        ("replay scenarios --seed 1", 64),
        ("replay scenarios/pass.toml --seed 1", 0),
        ("replay scenarios/endless.toml --seed 1", 2),
        ("lint scenarios-none", 4),
        ("lint wrong.toml", 64),
        ("list scenarios-none", 4),
        ("explain nothing-of-that-name", 64),
    ] {
        let said = place.trial(arguments);
        assert_eq!(said.exit, exit, "trial {arguments}\n{}\n{}", said.out, said.err);
        if (exit == 64 || exit == 4) && arguments != "lint wrong.toml" {
            assert!(
                said.out.is_empty() && !said.err.is_empty(),
                "trial {arguments}\n{}",
                said.out
            );
        }
    }
}

fn a_panic_is_an_internal_error_with_its_seed(place: &Place) {
    place.scenario("broken", "panics/3", "seeds = \"1..8\"");
    let said = place.trial("run scenarios").ended(70);
    assert!(
        said.out.contains("internal error at tests/suites/command/stand_in.rs:"),
        "{}",
        said.out
    );
    assert!(said.out.contains("seed 3 broke it"), "{}", said.out);
    assert!(
        said.out.contains("2 of 7 trials"),
        "the other seeds are run: {}",
        said.out
    );
    assert_eq!(said.last_line(), "trial replay scenarios/broken.toml --seed 3");
    assert!(
        !said.err.contains("panicked"),
        "a panic inside a trial is reported once: {}",
        said.err
    );
    place.trial("replay scenarios/broken.toml --seed 3").ended(70);
    place.trial("replay scenarios/broken.toml --seed 4").ended(0);
    let said = place.trial("run scenarios --json").ended(70);
    assert_eq!(said.json()[2]["verdict"], "error");
}

fn a_place_that_takes_no_files_is_reported_before_the_first_trial(place: &Place) {
    place.scenario("a", "panics", "");
    place.write("taken", "a file");
    for arguments in [
        "run scenarios",
        "run scenarios --seed 1",
        "run scenarios --seeds 0..9",
        "replay scenarios/a.toml --seed 1",
    ] {
        for out in ["taken", "taken/below"] {
            let said = place.trial(&format!("{arguments} --out {out}")).ended(64);
            assert_eq!(said.out, "", "{arguments}");
            assert!(
                said.err.starts_with(&format!("error: failed to write to {out}: "))
                    && said.err.ends_with("\n  hint: choose another place with `--out DIR`\n"),
                "{arguments}: {}",
                said.err
            );
        }
    }
    place.write("trial-runs", "a file");
    let said = place.trial("run scenarios").ended(64);
    assert!(
        said.err.starts_with("error: failed to write to trial-runs: "),
        "{}",
        said.err
    );
}

fn a_reader_that_is_gone_is_no_error_but_a_full_disk_is(place: &Place) {
    place.scenario("a", "nothing", "seeds = \"0..2000\"");
    let mut child = place
        .command("run scenarios --json --quiet")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut first = [0; 10];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("some bytes");
    let said = Said::of(child.wait_with_output().expect("ends")).ended(0);
    assert!(!said.err.contains("panicked"), "{}", said.err);
    if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
        let said = Said::by(place.command("list").stdout(full)).ended(70);
        assert!(said.err.contains("standard output cannot be written"), "{}", said.err);
    }
    // Results that cannot be written are reported, and so is the verdict.
    place.write("taken/a", "a file");
    let said = place.trial("run scenarios --seed 1 --out taken").ended(70);
    assert!(said.err.contains("error: failed to write to taken/a"), "{}", said.err);
    assert!(said.out.contains("1 pass"), "{}", said.out);
}

//! Which seeds are run, and one run again.

use std::fs;
use std::path::Path;

use crate::Test;
use crate::place::{Place, Said};

pub const TESTS: &[(&str, Test)] = tests![
    seeds_come_from_flags_then_the_environment_then_the_file,
    replay_says_whether_the_failure_came_again,
    replay_follows_a_node_or_a_partition,
    one_seed_with_two_runs_is_reported,
    the_real_trace_is_of_the_trial_alone,
    the_real_trial_is_the_same_in_two_processes,
];

fn seeds_come_from_flags_then_the_environment_then_the_file(place: &Place) {
    place.scenario("a", "nothing", "seeds = \"4..6\"");
    let seeds = |arguments: &str, variable: Option<&str>| -> Vec<u64> {
        let mut command = place.command(&format!("run scenarios --json {arguments}"));
        if let Some(variable) = variable {
            command.env("TRIAL_SEED", variable);
        }
        Said::by(&mut command)
            .ended(0)
            .json()
            .iter()
            .map(|line| line["seed"].as_u64().expect("a seed"))
            .collect()
    };
    assert_eq!(seeds("", None), [4, 5]);
    assert_eq!(seeds("", Some("")), [4, 5]);
    assert_eq!(seeds("", Some("0x10")), [16]);
    assert_eq!(seeds("--seed 3", Some("0x10")), [3]);
    assert_eq!(seeds("--seeds 2..4", Some("0x10")), [2, 3]);
    assert_eq!(
        seeds("--seed a7af33650fde95ed1b3ef1b1f5bc73b63a0d7f2f", None),
        [0xa7af_3365_0fde_95ed]
    );
    let wrong = Said::by(place.command("run scenarios").env("TRIAL_SEED", "today")).ended(64);
    assert!(
        wrong.err.contains("TRIAL_SEED is `today`, but a seed is"),
        "{}",
        wrong.err
    );
    let replay = Said::by(place.command("replay scenarios/a.toml --json").env("TRIAL_SEED", "9"));
    assert_eq!(replay.ended(0).json()[0]["seed"], 9);
}

fn replay_says_whether_the_failure_came_again(place: &Place) {
    place.scenario("bad", "loses/2", "");
    place.scenario("known", "loses/2", "expect = [\"lost-write\"]");
    for (arguments, exit, expected) in [
        (
            "bad.toml --seed 2",
            1,
            "violation reproduced: lost-write: the only copy died\n  uid 2 is gone (at 1.500000s, step 17)",
        ),
        ("bad.toml --seed 3", 0, "no failure reproduced: pass"),
        (
            "known.toml --seed 2",
            0,
            "found as expected: lost-write: the only copy died",
        ),
        (
            "known.toml --seed 3",
            0,
            "no failure reproduced: this seed does not show the expected lost-write",
        ),
    ] {
        let said = place.trial(&format!("replay scenarios/{arguments}")).ended(exit);
        assert!(said.out.contains(expected), "{arguments}: {}", said.out);
    }
    assert_eq!(
        place.files(),
        Vec::<String>::new(),
        "a replay writes nothing unless `--out` says where"
    );
    place.trial("replay scenarios/bad.toml --seed 2 --out here").ended(1);
    assert!(place.0.join("here/bad/2/record.json").is_file());
}

fn replay_follows_a_node_or_a_partition(place: &Place) {
    place.scenario("a", "nothing", "");
    let trace = |arguments: &str| -> Vec<String> {
        let said = place
            .trial(&format!("replay scenarios/a.toml --seed 1 --quiet {arguments}"))
            .ended(0);
        said.out
            .lines()
            .filter(|line| line.starts_with("  "))
            .map(|line| line.trim().to_owned())
            .collect()
    };
    let steps = |arguments: &str| -> Vec<String> {
        trace(arguments)
            .iter()
            .map(|line| line.split(' ').next().expect("a step").to_owned())
            .collect()
    };
    assert_eq!(steps(""), Vec::<String>::new());
    assert_eq!(steps("--trace"), ["1", "2", "3", "4", "5"]);
    assert_eq!(steps("--until 2"), ["1", "2"]);
    assert_eq!(steps("--follow orders/0"), ["2", "3"]);
    assert_eq!(steps("--follow orders/1"), ["4"]);
    assert_eq!(steps("--follow app/1"), ["5"]);
    let followed = Said::by(
        place
            .command("replay scenarios/a.toml --seed 1 --follow")
            .arg("broker 2"),
    )
    .ended(0);
    assert!(
        followed
            .out
            .contains("       2         0.1s broker 2: Appended { partition: orders/0 }\n"),
        "{}",
        followed.out
    );
    assert!(!followed.out.contains("broker 1:"), "{}", followed.out);
    let mut client = place.command("replay scenarios/a.toml --seed 1 --follow");
    let followed = Said::by(client.arg("client app/1")).ended(0);
    assert!(
        followed.out.contains("       5         0.1s client app/1: sends\n"),
        "{}",
        followed.out
    );
    let said = place
        .trial("replay scenarios/a.toml --seed 1 --follow order/0")
        .ended(64);
    assert!(said.err.contains("hint: did you mean `orders/0`?"), "{}", said.err);
}

fn one_seed_with_two_runs_is_reported(place: &Place) {
    place.scenario("steady", "loses", "");
    place.scenario("by-process", "differs-by-process", "");
    place.scenario("by-call", "differs-by-call loses", "");
    let said = place.trial("replay scenarios/steady.toml --seed 3 --verify").ended(1);
    assert!(
        said.out
            .contains("verified: a second process gave the same 1,003 events"),
        "{}",
        said.out
    );
    let said = place
        .trial("replay scenarios/by-process.toml --seed 3 --verify")
        .ended(3);
    assert!(said.out.contains("not deterministic: digest"), "{}", said.out);
    // A failing trial is run twice, the second time for its record.
    place.trial("run scenarios/steady.toml --seeds 1..2").ended(1);
    let said = place.trial("run scenarios/by-call.toml --jobs 1").ended(3);
    assert!(
        said.err.contains("by-call, seed 1 is not deterministic: digest"),
        "{}",
        said.err
    );
}

/// Every line of a trace is an event, and a client's are found under both of its names.
fn the_real_trace_is_of_the_trial_alone(place: &Place) {
    place.scenario("short", "nothing", "duration = \"2s\"");
    let trace = |flag: &str, name: &str| -> Vec<String> {
        let mut command = place.command("replay scenarios/short.toml --seed 1 --quiet --until 500");
        let output = command.arg(flag).args(Some(name).filter(|name| !name.is_empty()));
        let said = Said::by(output.env("TRIAL_STAND_IN", "real")).ended(0);
        said.out.lines().map(str::to_owned).collect()
    };
    let all = trace("--trace", "");
    for line in &all {
        let mut words = line.split_whitespace();
        let step = words.next().and_then(|step| step.parse::<u64>().ok());
        let time = words.next().is_some_and(|time| time.ends_with('s'));
        assert!(step.is_some() && time, "{line}");
    }
    let followed = trace("--follow", "app/1");
    assert_eq!(followed, trace("--follow", "client app/1"));
    let of_client = all.into_iter().filter(|line| line.contains("s client app/1: "));
    assert_eq!(followed, of_client.collect::<Vec<_>>());
    assert!(!followed.is_empty());
}

/// A second process runs the very same trial: nothing of the first one's address space, threads or clock is in it.
fn the_real_trial_is_the_same_in_two_processes(place: &Place) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/durability/nemesis.toml");
    place.write(
        "scenarios/real.toml",
        &fs::read_to_string(shipped).expect("a shipped scenario"),
    );
    let mut command = place.command("replay scenarios/real.toml --seed 7 --verify");
    let said = Said::by(command.env("TRIAL_STAND_IN", "real"));
    assert!(
        said.out.contains("verified: a second process gave the same"),
        "{}\n{}",
        said.out,
        said.err
    );
}

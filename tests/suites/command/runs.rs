//! `trial run` on the seeds of the scenarios.

use std::fs;

use serde_json::Value;

use crate::Test;
use crate::place::{Place, Said, without_wall};

pub const TESTS: &[(&str, Test)] = tests![
    a_passing_run_keeps_each_scenarios_first_trial,
    a_failing_run_ends_with_the_command_that_replays_it,
    failures_are_grouped_by_signature,
    a_quirk_from_the_command_line_is_planted_and_replayed,
    expected_anomalies_must_be_found_and_others_not,
    bounds_hold_in_each_trial,
    measures_are_judged_and_reported,
    json_is_one_object_a_trial,
    jobs_change_nothing,
    fail_fast_ends_at_the_first_failure_whatever_the_jobs,
    quiet_says_the_summary_alone,
    faults_that_never_fired_are_reported,
    trials_that_promised_nothing_are_reported,
];

fn a_passing_run_keeps_each_scenarios_first_trial(place: &Place) {
    place.scenario("a/one", "nothing", "");
    place.scenario("two", "nothing", "seeds = \"5..9\"");
    let said = place.trial("run scenarios").ended(0);
    assert!(said.out.contains("2 scenarios, 7 trials · 2 pass"), "{}", said.out);
    let mut expected = Vec::new();
    for trial in ["a/one/0", "two/5"] {
        for file in [
            "lag.png",
            "lag.svg",
            "record.json",
            "scenario.toml",
            "throughput.png",
            "throughput.svg",
        ] {
            expected.push(format!("trial-runs/*/{trial}/{file}"));
        }
    }
    expected.push("trial-runs/latest ->".to_owned());
    assert_eq!(place.files(), expected);
    let record = reports::record::load(&place.0.join("trial-runs/latest/two/5/record.json")).expect("a record");
    assert_eq!((record.scenario.as_str(), record.seed), ("two", 5));
    // The next run gets a folder of its own, and `latest` moves to it.
    place.trial("run scenarios/two.toml --seed 7").ended(0);
    assert!(place.0.join("trial-runs/latest/two/7/record.json").is_file());
    assert!(!place.0.join("trial-runs/latest/a").exists());
}

fn a_failing_run_ends_with_the_command_that_replays_it(place: &Place) {
    place.scenario("bad", "loses/2", "seeds = \"1..8\"");
    let said = place.trial("run scenarios").ended(1);
    assert_eq!(said.last_line(), "trial replay scenarios/bad.toml --seed 2");
    let arguments = said.last_line().strip_prefix("trial ").expect("the command").to_owned();
    let again = place.trial(&arguments).ended(1);
    assert!(
        again
            .out
            .contains("violation reproduced: lost-write: the only copy died"),
        "{}",
        again.out
    );
    assert!(
        again.out.contains("broker 1 died"),
        "the witness is printed: {}",
        again.out
    );
    // The first trial and every failing one are kept.
    for seed in [1, 2, 4, 6] {
        assert!(
            place
                .0
                .join(format!("trial-runs/latest/bad/{seed}/throughput.svg"))
                .is_file(),
            "{seed}"
        );
    }
    for seed in [3, 5, 7] {
        assert!(
            !place.0.join(format!("trial-runs/latest/bad/{seed}")).exists(),
            "{seed}"
        );
    }
    // A path that a shell would split is quoted.
    place.write(
        "scenarios/two words.toml",
        &fs::read_to_string(place.0.join("scenarios/bad.toml")).expect("a file"),
    );
    let said = Said::by(place.command("run --seed 2").arg("scenarios/two words.toml")).ended(1);
    assert_eq!(said.last_line(), "trial replay 'scenarios/two words.toml' --seed 2");
    // One that would be a flag is not.
    fs::copy(place.0.join("scenarios/bad.toml"), place.0.join("-dash.toml")).expect("a file");
    let said = place.trial("run --seed 2 -- -dash.toml").ended(1);
    assert_eq!(said.last_line(), "trial replay ./-dash.toml --seed 2");
    place.trial(&said.last_line()["trial ".len()..]).ended(1);
}

fn failures_are_grouped_by_signature(place: &Place) {
    place.scenario("a", "loses/3", "seeds = \"1..11\"");
    place.scenario("b", "loses/4 doubles/5", "seeds = \"1..11\"");
    place.scenario("c", "endless/10 may-lose/2", "seeds = \"1..11\"");
    let said = place.trial("run scenarios --jobs 2").ended(1);
    insta::assert_snapshot!("failures", said.lasting());
}

fn a_quirk_from_the_command_line_is_planted_and_replayed(place: &Place) {
    place.scenario("clean", "buggy", "");
    place.trial("run scenarios").ended(0);
    let said = place
        .trial("run scenarios --quirk ack-before-isr --quirk truncate-to-high-watermark")
        .ended(1);
    let replay = "trial replay scenarios/clean.toml --seed 0 --quirk ack-before-isr --quirk truncate-to-high-watermark";
    assert_eq!(said.last_line(), replay);
    place.trial(&replay["trial ".len()..]).ended(1);
    place.trial(&format!("{} --verify", &replay["trial ".len()..])).ended(1);
    let twice = place
        .trial("run scenarios --quirk ack-before-isr --quirk ack-before-isr")
        .ended(1);
    assert_eq!(
        twice.last_line(),
        "trial replay scenarios/clean.toml --seed 0 --quirk ack-before-isr"
    );
    // The kept file needs no flags: what was planted is in it.
    place
        .trial("replay trial-runs/latest/clean/0/scenario.toml --seed 0")
        .ended(1);
    let said = place.trial("run scenarios --quirk ack-before-irs").ended(64);
    assert_eq!(
        said.err,
        "error: unknown quirk `ack-before-irs`\n  hint: did you mean `ack-before-isr`?\n"
    );
    // The scenario may name it itself.
    place.scenario(
        "dirty",
        "buggy",
        "quirks = [\"ack-before-isr\"]\nexpect = [\"lost-write\"]",
    );
    place.trial("run scenarios/dirty.toml").ended(0);
}

fn expected_anomalies_must_be_found_and_others_not(place: &Place) {
    let expect = |names: &str| format!("seeds = \"1..5\"\nexpect = [{names}]");
    for (name, teaches, names, exit, expected) in [
        ("found", "loses/3", "\"lost-write\"", 0, "lost-write in 1 of 4"),
        ("allowed", "may-lose/3", "\"lost-write\"", 0, "lost-write in 1 of 4"),
        (
            "missing",
            "nothing",
            "\"lost-write\"",
            1,
            "missing: expected lost-write, which no trial showed",
        ),
        (
            "half",
            "loses/3",
            "\"lost-write\", \"duplicate\"",
            1,
            "half: expected duplicate, which no trial showed",
        ),
        (
            "other",
            "doubles/2",
            "\"lost-write\"",
            1,
            "duplicate\n  2 of 4 trials (50.0 %), first in other, seed 2",
        ),
        (
            "both",
            "doubles/2 loses/2",
            "\"lost-write\"",
            1,
            "duplicate\n  2 of 4 trials (50.0 %), first in both, seed 2",
        ),
    ] {
        place.scenario(name, teaches, &expect(names));
        let said = place.trial(&format!("run scenarios/{name}.toml")).ended(exit);
        assert!(said.out.contains(expected), "{name}: {}", said.out);
        let sweep = place
            .trial(&format!("run scenarios/{name}.toml --seeds 1..5"))
            .ended(exit);
        assert!(sweep.out.contains(expected), "{name}: {}", sweep.out);
    }
    // What the contract allows, a scenario may forbid.
    place.scenario("strict", "may-lose/3", "seeds = \"1..5\"\nforbid = [\"lost-write\"]");
    let said = place.trial("run scenarios/strict.toml").ended(1);
    assert!(
        said.out
            .contains("uid 3 is gone; the contract allows it, and the scenario forbids it"),
        "{}",
        said.out
    );
    assert_eq!(said.last_line(), "trial replay scenarios/strict.toml --seed 3");
    assert_eq!(
        place.trial("run scenarios/missing.toml").last_line(),
        "trial run scenarios/missing.toml"
    );
    // One seed need not show what the scenario's seeds must show together.
    place.trial("run scenarios/missing.toml --seed 1").ended(0);
    place.trial("run scenarios/found.toml --seed 1").ended(0);
}

fn bounds_hold_in_each_trial(place: &Place) {
    // Even seeds find one anomaly that the contract allows.
    place.scenario("few", "may-lose/2", "seeds = \"0..4\"\nat_most = { lost-write = 1 }");
    place.trial("run scenarios/few.toml").ended(0);
    place.scenario("some", "may-lose/2", "seeds = \"0..4\"\nat_least = { lost-write = 1 }");
    let said = place.trial("run scenarios/some.toml --json").ended(1);
    let lines = said.json();
    let words: Vec<&str> = lines.iter().filter_map(|line| line["verdict"].as_str()).collect();
    assert_eq!(words, ["allowed", "missed", "allowed", "missed"]);
    assert_eq!(lines[1]["signature"], "at_least: lost-write");
    assert_eq!(lines[1]["evidence"], "lost-write 0 times, at least 1");
    place.scenario(
        "none",
        "doubles may-lose",
        "expect = [\"duplicate\"]\nat_least = { lost-write = 2 }",
    );
    insta::assert_snapshot!(
        "bounds",
        place
            .trial("run scenarios/some.toml scenarios/none.toml")
            .ended(1)
            .lasting()
    );
    let record = reports::record::load(&place.0.join("trial-runs/latest/some/1/record.json")).expect("a record");
    assert_eq!(record.verdict.as_str(), "missed");
}

fn measures_are_judged_and_reported(place: &Place) {
    // The lag is ten times the seed.
    let measures =
        "seeds = \"1..5\"\nmeasures = [{ that = \"lag(reader)\", below = 30 }, { that = \"failed()\", below = 1 }]";
    place.scenario("lags", "nothing", measures);
    let said = place.trial("run scenarios/lags.toml").ended(1);
    insta::assert_snapshot!("measures", said.lasting());
    let record = |seed| {
        let path = format!("trial-runs/latest/lags/{seed}/record.json");
        reports::record::load(&place.0.join(path)).expect("a record")
    };
    assert_eq!(record(1).measures[0].value, Some(10.0));
    assert_eq!(
        (record(3).measures[0].is_met, record(3).verdict.as_str()),
        (Some(false), "missed")
    );
    let lines = place.trial("run scenarios/lags.toml --json").ended(1).json();
    let words: Vec<&str> = lines.iter().filter_map(|line| line["verdict"].as_str()).collect();
    assert_eq!(words, ["pass", "pass", "missed", "missed"]);
    assert_eq!(
        (&lines[3]["measures"][0]["value"], &lines[3]["measures"][0]["met"]),
        (&40.0.into(), &false.into())
    );
    let replay = place.trial("replay scenarios/lags.toml --seed 4").ended(1);
    for expected in [
        "measure missed: lag(reader) was 40 at 2 s, below 30 wanted",
        "measure met: failed() was 0, below 1 wanted",
        "missed reproduced: measure: lag(reader)",
    ] {
        assert!(replay.out.contains(expected), "{}", replay.out);
    }
}

fn json_is_one_object_a_trial(place: &Place) {
    place.scenario("a", "loses/2", "seeds = \"1..4\"");
    place.scenario("b", "may-lose", "seeds = \"8..9\"");
    let said = place.trial("run scenarios --json").ended(1);
    let lines = said.json();
    assert_eq!(lines.len(), 4);
    let seeds: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["scenario"].as_str().expect("a name"),
                line["seed"].as_u64().expect("a seed"),
            )
        })
        .collect();
    assert_eq!(seeds, [("a", 1), ("a", 2), ("a", 3), ("b", 8)]);
    let second = &lines[1];
    assert_eq!(second["verdict"], "violation");
    assert_eq!(second["as_expected"], false);
    assert_eq!(second["signature"], "lost-write: the only copy died");
    assert_eq!(
        second["digest"],
        format!("{:016x}", 2_u64.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1)
    );
    assert_eq!(second["sim_seconds"], 60.5);
    assert_eq!(
        (&second["records_acked"], &second["records_consumed"], &second["events"]),
        (&100.into(), &99.into(), &1_002.into())
    );
    assert_eq!(
        (&second["records_failed"], &second["records_unknown"]),
        (&2.into(), &1.into())
    );
    assert!(
        second["wall_seconds"]
            .as_f64()
            .is_some_and(|wall| (0.0..60.0).contains(&wall))
    );
    assert_eq!(
        (&lines[0]["signature"], &lines[0]["verdict"], &lines[3]["verdict"]),
        (&Value::Null, &"pass".into(), &"allowed".into())
    );
    assert!(
        said.err.contains("1 signature in 4 trials"),
        "the rest goes to standard error: {}",
        said.err
    );
    assert_eq!(said.err.lines().last(), Some("trial replay scenarios/a.toml --seed 2"));
    let said = place.trial("replay scenarios/a.toml --seed 2 --json --verify").ended(1);
    assert_eq!(without_wall(&said.json()), without_wall(&lines[1..2]));
}

fn jobs_change_nothing(place: &Place) {
    place.scenario("a", "loses/20 slow/5", "seeds = \"1..41\"");
    place.scenario("b", "may-lose/3 endless/25 slow/2", "seeds = \"1..41\"");
    let one = place.trial("run scenarios --json --jobs 1").ended(1);
    let two = place.trial("run scenarios --json --jobs 7").ended(1);
    assert_eq!(without_wall(&one.json()), without_wall(&two.json()));
    let one = place.trial("run scenarios --jobs 1").ended(1);
    let two = place.trial("run scenarios --jobs 7").ended(1);
    assert_eq!(one.lasting(), two.lasting());
}

fn fail_fast_ends_at_the_first_failure_whatever_the_jobs(place: &Place) {
    // Seed 12 fails at once, while the slow ones before it are still run.
    place.scenario("a", "loses/12 slow/3", "seeds = \"1..100\"");
    place.scenario("b", "nothing", "seeds = \"1..100\"");
    let one = place.trial("run scenarios --fail-fast --jobs 1").ended(1);
    let many = place.trial("run scenarios --fail-fast --jobs 8").ended(1);
    assert_eq!(one.lasting(), many.lasting());
    assert!(one.out.contains("1 of 12 trials"), "{}", one.out);
    assert!(
        one.out.contains("186 trials not run: the first failure ended the run"),
        "{}",
        one.out
    );
    let all = place.trial("run scenarios --fail-fast --no-fail-fast").ended(1);
    assert!(all.out.contains("8 of 198 trials"), "{}", all.out);
}

fn quiet_says_the_summary_alone(place: &Place) {
    place.scenario("a", "loses/2", "");
    let loud = place.trial("run scenarios").ended(1);
    let quiet = place.trial("run scenarios --quiet").ended(1);
    assert_eq!(quiet.err, "");
    let after_the_first_line = loud.lasting().split_once('\n').map(|(_, rest)| rest.to_owned());
    assert_eq!(Some(quiet.lasting()), after_the_first_line);
}

fn faults_that_never_fired_are_reported(place: &Place) {
    let fault = "\n[[faults]]\nat = \"1s\"\nkill = \"broker 1\"\n[[faults]]\nat = \"2s\"\nkill = \"broker 2\"\n";
    for (name, teaches) in [
        ("lazy", "idle"),
        ("half", "idle/2"),
        ("tired", "idle-one"),
        ("busy", "nothing"),
    ] {
        place.scenario(name, teaches, "");
        let path = format!("scenarios/{name}.toml");
        let text = fs::read_to_string(place.0.join(&path)).expect("a file");
        place.write(&path, &format!("{text}{fault}"));
    }
    let said = place.trial("run scenarios").ended(0);
    let warnings: Vec<&str> = said.out.lines().filter(|line| line.starts_with("warning:")).collect();
    assert_eq!(
        warnings,
        [
            "warning: lazy: none of 6 planned faults ever took effect",
            "warning: tired: took effect in no trial: fault 1"
        ]
    );
}

fn trials_that_promised_nothing_are_reported(place: &Place) {
    place.scenario("silent", "silent", "");
    place.scenario("spoken", "silent/2", "");
    let said = place.trial("run scenarios").ended(0);
    let warnings: Vec<&str> = said.out.lines().filter(|line| line.starts_with("warning:")).collect();
    let untested = "no send was promised anything, and nobody got a record";
    assert_eq!(
        warnings,
        [format!(
            "warning: silent: {untested}: no check of what clients rely on could fail"
        )]
    );
    let lines = place.trial("run scenarios/spoken.toml --json").ended(0).json();
    let of_each: Vec<&serde_json::Value> = lines.iter().map(|line| &line["untested"]).collect();
    assert_eq!(
        of_each,
        [
            &serde_json::json!([untested]),
            &Value::Null,
            &serde_json::json!([untested])
        ]
    );
}

//! `trial list`, `explain` and `lint`.

use std::fs;

use crate::Test;
use crate::place::{Place, Said};

pub const TESTS: &[(&str, Test)] = tests![
    list_explain_and_lint,
    all_that_is_listed_is_explained,
    without_scenarios_all_else_is_listed,
    lint_judges_all_that_is_there,
    shipped_scenarios_need_no_files,
    the_schema_of_scenario_files_is_printed,
];

fn shipped_scenarios_need_no_files(place: &Place) {
    let list = place.trial("list --shipped durability").ended(0).out;
    assert!(
        list.contains("\n  durability/nemesis ") && !list.contains("groups/nemesis"),
        "{list}"
    );
    let run = place.trial("run --shipped durability/nemesis hot-partitions/hot-key --seed 3 --json");
    let lines = run.ended(0).json();
    let names: Vec<&str> = lines.iter().filter_map(|line| line["scenario"].as_str()).collect();
    assert_eq!(names, ["durability/nemesis", "hot-partitions/hot-key"]);

    // The stand-in's trials lose nothing: what this one expects does not come.
    let run = place.trial("run --shipped durability/isolated-leader-acks-1").ended(1);
    assert_eq!(run.last_line(), "trial run shipped:durability/isolated-leader-acks-1");
    let real = |arguments: &str| Said::by(place.command(arguments).env("TRIAL_STAND_IN", "real"));
    let run = real("run --shipped durability/two-elections --seed 0 --quirk truncate-to-high-watermark").ended(1);
    let line = run.last_line().strip_prefix("trial ").expect("a command");
    assert_eq!(
        line,
        "replay shipped:durability/two-elections --seed 0 --quirk truncate-to-high-watermark"
    );
    real(line).ended(1);
    place.trial("replay shipped:durability/nemesis --seed 3").ended(0);
    place.trial("lint shipped:durability/nemesis").ended(0);

    let wrong = place.trial("run --shipped durabilty").ended(64);
    assert_eq!(
        wrong.err,
        "error: no shipped scenario or folder of them is called `durabilty`\n  hint: did you mean `durability`? `trial list \
         --shipped` shows all\n"
    );
}

fn the_schema_of_scenario_files_is_printed(place: &Place) {
    let said = place.trial("schema").ended(0);
    let printed: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(printed, sim::scenario::schema::schema());
    assert_eq!(said.err, "");
    place.trial("schema of").ended(64);
}

fn list_explain_and_lint(place: &Place) {
    place.scenario("suite/one", "the first thing", "");
    place.scenario("two", "another", "");
    let list = place.trial("list").ended(0);
    assert!(
        list.out
            .starts_with("scenarios\n  suite/one  the first thing\n  two        another\n\nchecks\n  panic "),
        "{}",
        list.out
    );
    for what in ["ack-before-isr", "power_loss", "L8 "] {
        assert!(list.out.contains(&format!("\n  {what}")), "{what}");
    }
    let names = [
        "lost-write",
        "failed-sends",
        "thrown-out",
        "dead-worker",
        "slow-poll",
        "idle-group",
        "overload",
        "ack-before-isr",
        "kill",
        "brokers",
        "producers.rate",
        "cluster.network",
        "min.insync.replicas",
        "scenario",
        "verdict",
        "measures",
        "schema",
        "acks",
        "retry-topic",
        "R3",
        "link",
        "expect",
        "forbid",
        "at_most",
        "targets",
        "units",
    ];
    let pages: Vec<String> = names
        .iter()
        .map(|name| place.trial(&format!("explain {name}")).ended(0).out)
        .collect();
    insta::assert_snapshot!("explain", pages.join("\n"));
    let page = |name: &str| place.trial(&format!("explain {name}")).ended(0).out;
    assert_eq!(page("measure"), page("measures"));
    assert_eq!(page("missed"), page("verdicts"));
    let unknown = place.trial("explain lost-wriet").ended(64);
    assert_eq!(
        unknown.err,
        "error: nothing is called `lost-wriet`\n  hint: did you mean `lost-write`?\n"
    );
    let nameless = Said::by(place.command("explain").arg("")).ended(64);
    assert!(
        nameless.err.starts_with("error: nothing is called ``\n  hint: "),
        "{}",
        nameless.err
    );
    let lint = place.trial("lint scenarios").ended(0);
    assert_eq!(
        (lint.out.as_str(), lint.err.as_str()),
        ("2 scenarios: 0 wrong, 0 doubtful\n", "")
    );
    place.write(
        "scenarios/three.toml",
        "[[topics]]\nname = \"orders\"\n[cluster]\nbrokres = 3\n",
    );
    place.write("scenarios/four.toml", "[[topics]]\nname = \"orders\"\n");
    let lint = place.trial("lint scenarios").ended(64);
    assert_eq!(lint.out, "4 scenarios: 1 wrong, 1 doubtful\n");
    assert!(
        lint.err.contains("[scenarios/three.toml:4:1]") && lint.err.contains("hint: did you mean `brokers`?"),
        "{}",
        lint.err
    );
    assert!(
        lint.err.contains("warning: the scenario does not say what it teaches"),
        "{}",
        lint.err
    );
}

fn all_that_is_listed_is_explained(place: &Place) {
    let list = place.trial("list --shipped").ended(0).out;
    let mut names = Vec::new();
    for line in list.lines().filter_map(|line| line.strip_prefix("  ")) {
        // A check has its id and its name.
        let title = line.split("  ").next().unwrap_or_default();
        names.extend(title.split_whitespace());
    }
    for part in [
        "durability/nemesis",
        "L11",
        "livelock",
        "lost-write",
        "ack-before-isr",
        "stop_in_sync",
    ] {
        assert!(names.contains(&part), "{names:?}");
    }
    for name in names {
        let said = place.trial(&format!("explain {name}")).ended(0).out;
        assert!(said.contains(name), "{name}: {said}");
        assert!(
            said.lines()
                .any(|line| line.trim_start().to_lowercase().starts_with("allowed")),
            "{name}: {said}"
        );
    }
}

fn without_scenarios_all_else_is_listed(place: &Place) {
    fs::remove_dir(place.0.join("scenarios")).expect("it is empty");
    let list = place.trial("list").ended(0);
    assert_eq!(list.err, "note: no scenarios are listed: scenarios does not exist\n");
    assert!(list.out.starts_with("checks\n  panic "), "{}", list.out);
    for what in ["ack-before-isr", "power_loss"] {
        assert!(list.out.contains(&format!("\n  {what}")), "{what}");
    }
    let named = place.trial("list scenarios").ended(64);
    assert_eq!(named.out, "");
}

fn lint_judges_all_that_is_there(place: &Place) {
    place.scenario("one", "the first thing", "");
    place.write("broken.toml", "topics = 3");
    let lint = place.trial("lint missing.toml broken.toml scenarios").ended(64);
    assert_eq!(lint.out, "2 scenarios: 1 wrong, 0 doubtful; 1 path cannot be used\n");
    assert!(
        lint.err.starts_with("error: missing.toml does not exist\n") && lint.err.contains("[broken.toml:1:"),
        "{}",
        lint.err
    );
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", place.0.join("scenarios/link.toml")).expect("a link");
        let error = "error: scenarios/link.toml cannot be read: it is a link to what does not exist\n";
        let lint = place.trial("lint scenarios").ended(64);
        assert_eq!(
            (lint.out.as_str(), lint.err.as_str()),
            ("2 scenarios: 1 wrong, 0 doubtful\n", error)
        );
        let list = place.trial("list").ended(64);
        assert!(
            list.out.starts_with("scenarios\n  one  the first thing\n\nchecks"),
            "{}",
            list.out
        );
        assert_eq!(list.err, error);
        assert_eq!(place.trial("run scenarios").ended(64).err, error);
    }
}

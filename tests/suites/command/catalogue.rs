//! `trial list`, `explain` and `lint`.

use std::fs;

use crate::Test;
use crate::place::{Place, Said};

pub const TESTS: &[(&str, Test)] = tests![
    list_explain_and_lint,
    without_scenarios_all_else_is_listed,
    lint_judges_all_that_is_there,
];

fn list_explain_and_lint(place: &Place) {
    place.scenario("suite/one", "the first thing", "");
    place.scenario("two", "another", "");
    let list = place.trial("list").ended(0);
    assert!(
        list.out
            .starts_with("scenarios\n  suite/one  the first thing\n  two        another\n\nchecks\n  lost-write"),
        "{}",
        list.out
    );
    for what in ["ack-before-isr", "power_loss", "L8 "] {
        assert!(list.out.contains(&format!("\n  {what}")), "{what}");
    }
    let names = [
        "lost-write",
        "ack-before-isr",
        "kill",
        "brokers",
        "producers.rate",
        "cluster.network",
        "min.insync.replicas",
        "scenario",
    ];
    let told: Vec<String> = names
        .iter()
        .map(|name| place.trial(&format!("explain {name}")).ended(0).out)
        .collect();
    insta::assert_snapshot!("explain", told.join("\n"));
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

fn without_scenarios_all_else_is_listed(place: &Place) {
    fs::remove_dir(place.0.join("scenarios")).expect("it is empty");
    let list = place.trial("list").ended(0);
    assert_eq!(list.err, "note: no scenarios are listed: scenarios does not exist\n");
    assert!(list.out.starts_with("checks\n  lost-write"), "{}", list.out);
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

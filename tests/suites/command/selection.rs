//! Which scenarios and which trials of them are run.

use crate::Test;
use crate::place::Place;

pub const TESTS: &[(&str, Test)] = tests![filters_select_by_name_and_check, filters_that_mean_nothing_say_so,];

fn four(place: &Place) {
    place.scenario("durability/kill", "nothing", "");
    place.scenario("durability/losses", "loses/1", "expect = [\"lost-write\"]");
    place.scenario("groups/kill", "nothing", "forbid = [\"lost-write\"]");
    place.scenario("groups/nemesis", "nothing", "at_most = { duplicate = 3 }");
}

fn filters_select_by_name_and_check(place: &Place) {
    four(place);
    for (filters, expected) in [
        ("-E kill", &["durability/kill", "groups/kill"][..]),
        ("-E groups/", &["groups/kill", "groups/nemesis"]),
        ("-E *kill", &["durability/kill", "groups/kill"]),
        ("-E groups/*i*", &["groups/kill", "groups/nemesis"]),
        ("-E durability/kil?", &["durability/kill"]),
        ("-E losses -E nemesis", &["durability/losses", "groups/nemesis"]),
        ("-E !kill", &["durability/losses", "groups/nemesis"]),
        ("--filter kill --filter !groups", &["durability/kill"]),
        ("-E check:lost-write", &["durability/losses", "groups/kill"]),
        ("-E check:duplicate", &["groups/nemesis"]),
        ("-E !check:lost-write", &["durability/kill", "groups/nemesis"]),
    ] {
        let lines = place
            .trial(&format!("run scenarios --seeds 1..2 --json {filters}"))
            .ended(0)
            .json();
        let names: Vec<&str> = lines.iter().filter_map(|line| line["scenario"].as_str()).collect();
        assert_eq!(names, expected, "{filters}");
        let list = place.trial(&format!("list {filters}")).ended(0).out;
        let listed = list
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().expect("a name"));
        assert_eq!(listed.collect::<Vec<_>>(), expected, "{list}");
    }
}

fn filters_that_mean_nothing_say_so(place: &Place) {
    four(place);
    for (filter, exit, expected) in [
        (
            "-E nemisis",
            4,
            "error: no scenario is selected: the filters mean none of 4 scenarios\n  hint: did you mean `nemesis`?\n",
        ),
        (
            "-E kill -E !kill",
            4,
            "error: no scenario is selected: the filters mean none of 4 scenarios\n  hint: `trial list` lists the \
             scenarios; a filter that begins with `!` leaves out what another takes\n",
        ),
        (
            "-E check:lost-wirte",
            64,
            "no check is called `lost-wirte`; did you mean `lost-write`?",
        ),
        ("-E !", 64, "a filter is a part of a scenario's name"),
    ] {
        for verb in ["run scenarios", "list"] {
            let said = place.trial(&format!("{verb} {filter}")).ended(exit);
            assert!(said.err.contains(expected), "{filter}: {}", said.err);
        }
    }
}

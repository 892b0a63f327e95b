//! What producers give their records, and what plain consumers do by the clock.

use super::*;

const PRODUCER: &str = "[[producers]]\nname = \"p\"\nrate = 1\n";
const CONSUMER: &str = "[[consumers]]\nname = \"c\"\ntopic = \"orders\"\n";

#[test]
fn records_have_headers_event_times_tombstones_and_several_topics() {
    let text = format!(
        "{TOPIC}[[topics]]\nname = \"audit\"\n{PRODUCER}topics = [\"orders\", \"audit\"]\nheaders = 2\n\
         timestamps = {{ behind = \"30s\" }}\ntombstones = 0.05\nkeys = {{ distribution = \"uniform\", count = 3 }}\n"
    );
    let group = &read(&text).producers[0];
    assert_eq!(group.topics, ["orders", "audit"]);
    assert_eq!(
        (group.headers, group.behind, group.tombstones),
        (2, Duration::from_secs(30), 0.05)
    );
}

#[test]
fn consumers_follow_a_schedule() {
    let text = format!(
        "{TOPIC}{CONSUMER}schedule = [\n{{ at = \"40s\", resume = \"all\" }},\n{{ at = \"20s\", seek = \"beginning\" }},\n\
         {{ at = \"30s\", pause = \"orders/0\" }},\n{{ at = \"35s\", seek = \"back 100\", partition = \"orders/0\" }},\n\
         {{ at = \"36s\", seek = 7 }},\n{{ at = \"37s\", seek = \"end\" }} ]\n"
    );
    let scenario = read(&text);
    let steps = &scenario.consumers[0].schedule;
    let written: Vec<String> = steps
        .iter()
        .map(|step| crate::scenario::schedule::write(step, "orders"))
        .collect();
    assert_eq!(
        written,
        [
            "{ at = \"20s\", seek = \"beginning\" }",
            "{ at = \"30s\", pause = \"orders/0\" }",
            "{ at = \"35s\", seek = \"back 100\", partition = \"orders/0\" }",
            "{ at = \"36s\", seek = 7 }",
            "{ at = \"37s\", seek = \"end\" }",
            "{ at = \"40s\", resume = \"all\" }",
        ]
    );
    assert_eq!(read(&to_toml(&scenario)).consumers, scenario.consumers);
}

#[test]
fn mistakes_in_records_and_schedules_are_reported_with_a_way_out() {
    for (text, message, hint) in [
        (
            format!("{PRODUCER}topic = \"orders\"\ntopics = [\"orders\"]"),
            "`topic` and `topics` exclude each other",
            "name all of them in `topics`",
        ),
        (
            format!("{PRODUCER}topics = []"),
            "`topics` names no topic",
            "write at least one",
        ),
        (
            format!("{PRODUCER}topics = [\"orders\", \"oders\"]"),
            "`oders`",
            "did you mean `orders`?",
        ),
        (
            format!("{PRODUCER}topic = \"orders\"\ntombstones = 0.1"),
            "tombstones without keys delete nothing",
            "give the records keys",
        ),
        (
            format!("{CONSUMER}schedule = [{{ at = \"1s\" }}]"),
            "a step of a schedule says what to do",
            "add `seek`, `pause` or `resume`",
        ),
        (
            format!("{CONSUMER}schedule = [{{ at = \"1s\", pause = \"all\", seek = 1 }}]"),
            "a step of a schedule does one thing",
            "make a step of each",
        ),
        (
            format!("{CONSUMER}schedule = [{{ at = \"1s\", seek = \"start\" }}]"),
            "consumers cannot seek to `start`",
            "write `\"beginning\"`, `\"end\"`",
        ),
        (
            format!("{CONSUMER}schedule = [{{ at = \"1s\", seek = 1, partition = \"audit/0\" }}]"),
            "`audit/0` is no partition of what these consumers read",
            "write `\"orders/0\"`",
        ),
        (
            format!("{CONSUMER}schedule = [{{ at = \"1s\", seek = 1, partition = \"orders/1\" }}]"),
            "`orders` has no partition 1",
            "it has 1, counted from 0",
        ),
        (
            format!("{CONSUMER}schedule = [{{ at = \"1s\", pause = \"orders/0\" }}]"),
            "a partition is paused and never resumed",
            "add a step behind it",
        ),
        (
            format!("{CONSUMER}schedule = [{{ at = \"2h\", seek = 1 }}]"),
            "after the end of the scenario",
            "before `duration`",
        ),
    ] {
        let error = refused(&format!("{TOPIC}{text}"));
        assert!(error.contains(message) && error.contains(hint), "{text}\n{error}");
    }
}

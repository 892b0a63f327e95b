//! Every key that a scenario file may have: what `explain` shows and what the reader accepts are one table.

mod clients;
mod cluster;
mod values;

use crate::faults::registry::FAULT;
use crate::scenario::measures::AGGREGATES;
use crate::scenario::nemesis::NEMESIS;
use crate::toml_file::keys::{Default::*, Form, Rule, Section, Type::*, key};
pub use clients::{BACKPRESSURE, CONSUMER, KEYS, PRODUCER, SCHEDULE, SERVICE, TIMESTAMPS, WORKER};
pub use cluster::{CLUSTER, HARDWARE, NETWORK, TOPIC};
pub use values::{NamedValue, VALUES};

/// Every section, each before those that are in it.
#[must_use]
pub fn sections() -> Vec<&'static Section> {
    fn add(section: &'static Section, found: &mut Vec<&'static Section>) {
        found.push(section);
        for inner in section.keys.iter().filter_map(|key| key.takes.section()) {
            add(inner, found);
        }
    }
    let mut found = Vec::new();
    add(&TOP, &mut found);
    found
}

const SEEDS: Form = Form {
    words: "first seed and one past the last: `0..3`",
    pattern: r"^\s*\+?[0-9]+\s*\.\.\s*\+?[0-9]+\s*$",
};

/// The top level.
pub const TOP: Section = Section {
    name: "",
    meaning: "a scenario",
    rules: &[],
    keys: &[
        key(
            "teaches",
            String,
            Value("\"\""),
            "one sentence: what the scenario teaches",
        ),
        key(
            "compare",
            String,
            Words("none"),
            "scenarios of one run with the same word here are drawn side by side",
        ),
        key(
            "duration",
            PositiveDuration,
            Value("\"60s\""),
            "how long load and faults last, in simulated time",
        ),
        key(
            "settle",
            PositiveDuration,
            Value("\"120s\""),
            "how long the healed cluster may take to recover and drain",
        ),
        key(
            "seeds",
            Form(&SEEDS),
            Value("\"0..3\""),
            "the seeds of a plain `trial run`: first and one past the last",
        ),
        key(
            "expect",
            Either(&[Word(&["pass"]), NonEmpty(&Check)]),
            Value("\"pass\""),
            "`pass`, or the names of the checks that must find something, as a violation or as allowed, in at least one of \
             the scenario's trials: `expect = [\"lost-write\"]`; no other check may be violated in any",
        ),
        key(
            "forbid",
            List(&Check),
            Value("[]"),
            "checks that fail the trial in which they find something, also where the contract allows it: \
             `forbid = [\"lost-write\"]`",
        ),
        key(
            "at_most",
            Counts,
            Value("{}"),
            "how often each of these checks may find something in one trial, as a violation or as allowed: \
             `at_most = { reprocessed = 20 }`; a trial with more of it is `missed`",
        ),
        key(
            "at_least",
            Counts,
            Value("{}"),
            "how often each of these checks must find something in every single trial: `at_least = { lost-write = 1 }`; \
             a trial with less of it is `missed`",
        ),
        key(
            "quirks",
            List(&Quirk),
            Value("[]"),
            "deliberate defects to plant, by name",
        ),
        key(
            "measures",
            Tables(&MEASURE),
            Value("[]"),
            "figures that must keep within bounds, such as a lag; a trial in which one does not is `missed`",
        ),
        key(
            "cluster",
            Table(&CLUSTER),
            Value("{}"),
            "the nodes and what they run on",
        ),
        key(
            "topics",
            NonEmptyTables(&TOPIC),
            Required,
            "topics, created before the load begins",
        ),
        key("producers", Tables(&PRODUCER), Value("[]"), "groups of equal producers"),
        key("consumers", Tables(&CONSUMER), Value("[]"), "groups of equal consumers"),
        key(
            "workers",
            Tables(&WORKER),
            Value("[]"),
            "groups of equal application programs, each a consumer group",
        ),
        key(
            "services",
            Tables(&SERVICE),
            Value("[]"),
            "what the workers call besides the cluster",
        ),
        key("faults", Tables(&FAULT), Value("[]"), "faults at fixed times"),
        key(
            "nemesis",
            Table(&NEMESIS),
            Words("none: only the fixed faults"),
            "faults drawn from the seed",
        ),
        key(
            "limits",
            Table(&LIMITS),
            Value("{}"),
            "where a trial is cut off and called inconclusive",
        ),
    ],
};

/// `[[measures]]`
pub const MEASURE: Section = Section {
    name: "measures",
    meaning: "figures that must keep within bounds: `measures = [{ that = \"lag(billing)\", below = 100, from = \"50s\" }]`",
    rules: &[
        Rule::AtLeastOne(&["below", "above"]),
        Rule::Excludes("at", &["from", "until"]),
    ],
    keys: &[
        key(
            "that",
            Measured,
            Required,
            "what is measured, and in parentheses of which group, programs or topic: `lag(billing)`; empty ones mean all: `failed()`",
        ),
        key(
            "below",
            Number(0.0, f64::MAX),
            Words("none: no upper bound"),
            "the figure must be less than this",
        ),
        key(
            "above",
            Number(0.0, f64::MAX),
            Words("none: no lower bound"),
            "the figure must be more than this",
        ),
        key(
            "from",
            Duration,
            Value("\"0s\""),
            "from when on, in simulated time; at most `duration`",
        ),
        key(
            "until",
            Duration,
            Words("`duration`; for counts the end of the trial"),
            "until when",
        ),
        key(
            "at",
            Duration,
            Words("none"),
            "at this moment alone, in place of `from` and `until`",
        ),
        key(
            "aggregate",
            Word(&AGGREGATES),
            Words("none: each value must keep within the bounds"),
            "which figure is made of the values in that time: one each 0.5 s, or in trials of more than 200 s a 400th of them",
        ),
    ],
};

/// `[limits]`
pub const LIMITS: Section = Section {
    name: "limits",
    meaning: "where a trial is cut off and called inconclusive",
    rules: &[],
    keys: &[
        key("events", Whole(1, u64::MAX), Value("50_000_000"), "delivered events"),
        key("records", Whole(1, u64::MAX), Value("5_000_000"), "records sent"),
        key(
            "sim_time",
            PositiveDuration,
            Words("twice duration and settle together"),
            "simulated time altogether",
        ),
        key(
            "memory",
            Bytes(1, u64::MAX),
            Value("\"1GiB\""),
            "bytes of logs and history",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toml_file::keys::Default;

    #[test]
    fn rules_name_keys_of_their_section() {
        for section in sections() {
            for rule in section.rules {
                let names: Vec<&str> = match rule {
                    Rule::ExactlyOne(keys) | Rule::AtLeastOne(keys) => keys.to_vec(),
                    Rule::Excludes(key, others) => [&[*key], *others].concat(),
                    Rule::Belongs { key, to, .. } => vec![*key, *to],
                    Rule::Refused(keys) => {
                        assert!(keys.iter().all(|(key, ..)| section.key(key).is_none()), "{keys:?}");
                        continue;
                    }
                    Rule::Planned(keys) => {
                        let known: Vec<&str> = keys.iter().filter(|key| section.key(key).is_some()).copied().collect();
                        assert!(known.is_empty(), "{known:?} are there");
                        continue;
                    }
                };
                for name in names {
                    let key = section
                        .key(name)
                        .unwrap_or_else(|| panic!("{name} in `{}`", section.name));
                    let may_be_required = matches!(rule, Rule::Belongs { to, .. } if *to == name);
                    assert!(
                        key.default != Default::Required || may_be_required,
                        "{name} is not always given"
                    );
                }
                if let Rule::Belongs {
                    to, words, required_by, ..
                } = rule
                {
                    let known = section.key(to).and_then(|key| key.takes.words()).expect("words");
                    assert!(words.iter().all(|word| known.contains(word)), "{rule:?}");
                    assert!(required_by.iter().all(|word| words.contains(word)), "{rule:?}");
                }
            }
        }
    }
}

//! Every key that a scenario file may have: what `explain` tells and what the reader accepts are one table.

mod clients;
mod cluster;
mod faults;
mod types;

use crate::scenario::measures::AGGREGATES;
pub use clients::{BACKPRESSURE, CONSUMER, KEYS, PRODUCER, SCHEDULE, SERVICE, TIMESTAMPS, WORKER};
pub use cluster::{CLUSTER, HARDWARE, NETWORK, TOPIC};
pub use faults::{
    CREATE_PARTITIONS, DROP, FAULT, HOLD, LINK, NEMESIS, OMIT_TOPIC, ONE_WAY, ROLLING_RESTART, SLOW_DISK, SLOW_PROGRAM,
    WEIGHTS,
};
pub use types::{Default, Form, Rule, Settings, Type, one_of};
use types::{Default::*, Type::*};

/// One key. Without a type it does not compile:
///
/// ```
/// use sim::scenario::keys::{Default, Key, Type};
/// let key = Key { name: "count", takes: Type::Whole(1, 9), default: Default::Value("1"), meaning: "how many" };
/// ```
///
/// ```compile_fail,E0063
/// use sim::scenario::keys::{Default, Key, Type};
/// let key = Key { name: "count", default: Default::Value("1"), meaning: "how many" };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand behind it.
    pub takes: Type,
    /// What it is if it is not given.
    pub default: Default,
    /// What it means.
    pub meaning: &'static str,
}

/// A table of a scenario file.
#[derive(Debug)]
pub struct Section {
    /// Its path in the file: `cluster.hardware`; empty for the top level.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// What its keys demand of each other.
    pub rules: &'static [Rule],
    /// Its keys.
    pub keys: &'static [Key],
}

impl Section {
    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Every section.
pub const SECTIONS: &[&Section] = &[
    &TOP,
    &MEASURE,
    &CLUSTER,
    &HARDWARE,
    &NETWORK,
    &TOPIC,
    &PRODUCER,
    &KEYS,
    &TIMESTAMPS,
    &BACKPRESSURE,
    &CONSUMER,
    &SCHEDULE,
    &WORKER,
    &SERVICE,
    &FAULT,
    &SLOW_DISK,
    &ONE_WAY,
    &LINK,
    &HOLD,
    &DROP,
    &SLOW_PROGRAM,
    &ROLLING_RESTART,
    &CREATE_PARTITIONS,
    &OMIT_TOPIC,
    &NEMESIS,
    &WEIGHTS,
    &LIMITS,
];

const fn key(name: &'static str, takes: Type, default: Default, meaning: &'static str) -> Key {
    Key {
        name,
        takes,
        default,
        meaning,
    }
}

/// Keys that are planned, by section: whoever writes them has read of what is to come, and mistyped nothing.
pub const PLANNED: &[(&str, &str)] = &[
    ("faults", "clock_skew"),
    ("faults", "clock_jump"),
    ("faults", "clock_drift"),
    ("faults", "disk_full"),
    ("faults", "disk_error"),
    ("faults", "stuck_disk"),
    ("faults", "bit_rot"),
    ("faults", "wipe"),
    ("faults", "reset"),
    ("faults", "delete_topic"),
    ("faults", "delete_records"),
    ("faults", "reassign_partitions"),
];

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
            "what is measured, and in parentheses of whom: `lag(billing)`; empty ones mean all: `failed()`",
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

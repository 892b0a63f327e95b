//! The keys of producers, consumers, workers and services.

use crate::toml_file::kafka_keys::Kind;
use crate::toml_file::keys::{Default::*, Form, Rule, Section, Settings, Type::*, key};

const CLIENTS_NAME: Form = Form {
    words: "string without spaces and `/`",
    pattern: r"^[^\s/]+$",
};

const BACK: Form = Form {
    words: "`back 100`",
    pattern: r"^back \+?[0-9]+$",
};

const PARTITION: Form = Form {
    words: "partition such as `orders/0`",
    pattern: r"^.+/\+?[0-9]+$",
};

/// The settings of producers.
pub const PRODUCER_SETTINGS: Settings = Settings {
    kind: Kind::Producer,
    derived: &[],
};

/// The settings of plain consumers.
pub const CONSUMER_SETTINGS: Settings = Settings {
    kind: Kind::Consumer,
    derived: &[],
};

/// The settings of the consumers of workers.
pub const WORKER_CONSUMER_SETTINGS: Settings = Settings {
    kind: Kind::Consumer,
    derived: &[
        ("group.id", "name the group with `group`"),
        (
            "enable.auto.commit",
            "say `commit = \"auto\"`, or another way to commit",
        ),
    ],
};

const fn belongs(
    key: &'static str,
    to: &'static str,
    words: &'static [&'static str],
    required_by: &'static [&'static str],
) -> Rule {
    Rule::Belongs {
        key,
        to,
        words,
        required_by,
    }
}

/// `[[producers]]`
pub const PRODUCER: Section = Section {
    name: "producers",
    meaning: "a group of equal producers",
    rules: &[Rule::ExactlyOne(&["topic", "topics"])],
    keys: &[
        key(
            "name",
            Form(&CLIENTS_NAME),
            Required,
            "their name; the programs are `<name>/1`, `<name>/2`, …",
        ),
        key("count", Whole(1, 10_000), Value("1"), "how many"),
        key(
            "topic",
            String,
            Words("none: it or `topics` must be given"),
            "where they send to",
        ),
        key(
            "topics",
            NonEmpty(&String),
            Words("`topic` alone"),
            "several topics to send to in turn, instead of `topic`",
        ),
        key("rate", Number(0.0, 1e9), Required, "records a second, each"),
        key(
            "record_size",
            Bytes(8, 100 << 20),
            Value("100"),
            "bytes of a record's value, at least 8",
        ),
        key(
            "keys",
            Either(&[Word(&["none"]), Table(&KEYS)]),
            Value("\"none\""),
            "how keys are drawn",
        ),
        key(
            "headers",
            Whole(0, 100),
            Value("0"),
            "how many headers each record has: `header-1`, `header-2`, …, with the record's number as their value",
        ),
        key(
            "timestamps",
            Table(&TIMESTAMPS),
            Words("the time of the send"),
            "what the records' timestamps are",
        ),
        key(
            "tombstones",
            Probability,
            Value("0"),
            "the share of records without a value, 0 to 1; they need keys",
        ),
        key(
            "backpressure",
            Table(&BACKPRESSURE),
            Words("none: they never look at their readers"),
            "sends less while the readers are behind",
        ),
        key("start", Duration, Value("\"0s\""), "when they begin"),
        key(
            "stop",
            Duration,
            Words("the end of the scenario's duration"),
            "when they stop",
        ),
        key("config", Settings(&PRODUCER_SETTINGS), Value("{}"), "their settings"),
    ],
};

/// `keys = {…}` of a producer
pub const KEYS: Section = Section {
    name: "producers.keys",
    meaning: "how keys are drawn",
    rules: &[
        belongs("exponent", "distribution", &["zipf"], &[]),
        belongs("share", "distribution", &["hot"], &[]),
        Rule::Excludes("salted", &["compound"]),
    ],
    keys: &[
        key(
            "distribution",
            Word(&["uniform", "zipf", "hot"]),
            Required,
            "`uniform`, `zipf` or `hot`",
        ),
        key("count", Whole(1, 10_000_000), Required, "how many keys there are"),
        key(
            "exponent",
            Number(0.0, 100.0),
            Value("1.0"),
            "of `zipf`: key number k has weight 1/k^exponent",
        ),
        key(
            "share",
            Probability,
            Value("0.5"),
            "of `hot`: the share of all records that the one hot key gets, 0 to 1",
        ),
        key(
            "salted",
            Whole(1, 1_000_000),
            Words("none: the key as it is"),
            "adds a random number below this to each key, so that a hot key spreads and loses its order",
        ),
        key(
            "compound",
            Whole(1, 1_000_000),
            Words("none: the key as it is"),
            "adds a second field with so many values to each key, so that a hot key spreads and each pair keeps its order",
        ),
    ],
};

/// `timestamps = {…}` of a producer
pub const TIMESTAMPS: Section = Section {
    name: "producers.timestamps",
    meaning: "what the records' timestamps are",
    rules: &[],
    keys: &[key(
        "behind",
        PositiveDuration,
        Required,
        "event times: drawn evenly from the time of the send back to so long before",
    )],
};

/// `backpressure = {…}` of a producer
pub const BACKPRESSURE: Section = Section {
    name: "producers.backpressure",
    meaning: "sends less while the readers are behind",
    rules: &[],
    keys: &[
        key(
            "group",
            String,
            Required,
            "the consumer group whose committed positions count",
        ),
        key(
            "lag",
            Whole(1, u64::MAX),
            Required,
            "the records that a partition may be behind; at n times as many the rate is an n-th",
        ),
    ],
};

/// `[[consumers]]`
pub const CONSUMER: Section = Section {
    name: "consumers",
    meaning: "a group of equal consumers",
    rules: &[],
    keys: &[
        key(
            "name",
            Form(&CLIENTS_NAME),
            Required,
            "their name; the programs are `<name>/1`, `<name>/2`, …",
        ),
        key(
            "count",
            Whole(1, 10_000),
            Value("1"),
            "how many; the partitions are dealt out to them in turn",
        ),
        key("topic", String, Required, "what they read"),
        key(
            "processing",
            Duration,
            Value("\"0ms\""),
            "how long a program works on each record",
        ),
        key("start", Duration, Value("\"0s\""), "when they begin"),
        key(
            "schedule",
            Tables(&SCHEDULE),
            Value("[]"),
            "what they do by the clock besides reading",
        ),
        key(
            "config",
            Settings(&CONSUMER_SETTINGS),
            Value("{ \"auto.offset.reset\" = \"earliest\" }"),
            "their settings",
        ),
    ],
};

/// A step of `schedule = […]` of consumers
pub const SCHEDULE: Section = Section {
    name: "consumers.schedule",
    meaning: "something that consumers do at a time: exactly one of `seek`, `pause`, `resume`",
    rules: &[
        Rule::ExactlyOne(&["seek", "pause", "resume"]),
        Rule::Excludes("partition", &["pause", "resume"]),
    ],
    keys: &[
        key(
            "at",
            Duration,
            Required,
            "when; behind the records that they work on then",
        ),
        key(
            "seek",
            Either(&[Word(&["beginning", "end"]), Form(&BACK), Whole(0, u32::MAX as u64)]),
            Words("none"),
            "where positions move to: `beginning`, `end`, an offset, or so many records back: `back 100`",
        ),
        key(
            "partition",
            Form(&PARTITION),
            Words("all that a consumer reads"),
            "of which partition: `orders/0`",
        ),
        key(
            "pause",
            Either(&[Word(&["all"]), Form(&PARTITION)]),
            Words("none"),
            "what is not fetched any more: `orders/0`, or `all`",
        ),
        key(
            "resume",
            Either(&[Word(&["all"]), Form(&PARTITION)]),
            Words("none"),
            "what is fetched again: `orders/0`, or `all`",
        ),
    ],
};

/// `[[workers]]`
pub const WORKER: Section = Section {
    name: "workers",
    meaning: "a group of equal application programs that share the partitions of some topics",
    rules: &[
        Rule::ExactlyOne(&["topics", "pattern"]),
        belongs("attempts", "program", &["retry-topic", "blocking-retry"], &[]),
        belongs("backoff", "program", &["retry-topic", "blocking-retry"], &[]),
        belongs(
            "dead_letter_topic",
            "program",
            &["retry-topic", "blocking-retry"],
            &["retry-topic"],
        ),
        belongs("retry_topic", "program", &["retry-topic"], &["retry-topic"]),
        belongs("copy_first", "program", &["retry-topic"], &[]),
        belongs("batch_size", "program", &["batch"], &[]),
        belongs("output_topic", "program", &["aggregator"], &["aggregator"]),
        belongs("tasks", "commit", &["async-pool"], &[]),
    ],
    keys: &[
        key(
            "name",
            Form(&CLIENTS_NAME),
            Required,
            "their name; the programs are `<name>/1`, `<name>/2`, …",
        ),
        key("count", Whole(1, 1_000), Value("1"), "how many"),
        key("group", String, Words("their name"), "the consumer group"),
        key(
            "topics",
            NonEmpty(&String),
            Words("none: it or `pattern` must be given"),
            "what they subscribe to; a retry topic is added by itself",
        ),
        key(
            "pattern",
            String,
            Words("none: it or `topics` must be given"),
            "a regular expression (RE2) over whole names of topics that they subscribe to, instead of `topics`: `orders-.*`",
        ),
        key(
            "program",
            Word(&["plain", "retry-topic", "blocking-retry", "batch", "aggregator"]),
            Value("\"plain\""),
            "what they do with a record: `plain`, `retry-topic`, `blocking-retry`, `batch` or `aggregator`",
        ),
        key(
            "commit",
            Word(&["before", "after", "auto", "async-pool", "none"]),
            Value("\"after\""),
            "when a position is committed: `before` the work, `after` it, `auto` (by the consumer), `async-pool` (on a timer, with tasks at work) or `none`",
        ),
        key(
            "tasks",
            Whole(1, 10_000),
            Value("8"),
            "of `async-pool`: how many records are in work at once",
        ),
        key(
            "attempts",
            Whole(0, 1_000),
            Value("5"),
            "of the retry programs: how many attempts at a record altogether; 0 lets `blocking-retry` try for ever",
        ),
        key(
            "backoff",
            Duration,
            Value("\"1s\""),
            "of the retry programs: how long after a failure the next attempt may begin",
        ),
        key(
            "retry_topic",
            String,
            Words("none: `retry-topic` needs it"),
            "of `retry-topic`: where failed records wait",
        ),
        key(
            "dead_letter_topic",
            String,
            Words("none: `retry-topic` needs it"),
            "of the retry programs: where records end whose attempts are used up; `blocking-retry` can do without and skips them",
        ),
        key(
            "copy_first",
            Boolean,
            Value("true"),
            "of `retry-topic`: the copy is acknowledged before the position is committed, not after",
        ),
        key(
            "batch_size",
            Whole(1, 1_000_000),
            Value("100"),
            "of `batch`: the most records of a batch",
        ),
        key(
            "output_topic",
            String,
            Words("none: `aggregator` needs it"),
            "of `aggregator`: where the counts go",
        ),
        key(
            "processing",
            Duration,
            Value("\"0ms\""),
            "how long a program works on each record",
        ),
        key(
            "failure",
            Probability,
            Value("0.0"),
            "that an attempt fails; the next may do better",
        ),
        key(
            "poison",
            Probability,
            Value("0.0"),
            "that a record fails at each attempt",
        ),
        key(
            "service",
            String,
            Words("none"),
            "the service that is called for each record",
        ),
        key("start", Duration, Value("\"0s\""), "when they begin"),
        key(
            "stagger",
            Duration,
            Value("\"0s\""),
            "the time between the starts of two of them",
        ),
        key("stop", Duration, Words("never"), "when they leave their group and end"),
        key(
            "consumer",
            Settings(&WORKER_CONSUMER_SETTINGS),
            Value("{ \"auto.offset.reset\" = \"earliest\" }"),
            "settings of their consumers; each static member has its number behind `group.instance.id`",
        ),
        key(
            "producer",
            Settings(&PRODUCER_SETTINGS),
            Value("{}"),
            "settings of their producers",
        ),
    ],
};

/// `[[services]]`
pub const SERVICE: Section = Section {
    name: "services",
    meaning: "something outside the cluster that workers call for each record",
    rules: &[],
    keys: &[
        key("name", String, Required, "its name"),
        key(
            "latency",
            Duration,
            Value("\"10ms\""),
            "how long a call takes in the mean, exponentially distributed",
        ),
        key("failure", Probability, Value("0.0"), "that a call fails"),
        key(
            "ambiguous",
            Probability,
            Value("0.0"),
            "that a call that fails took effect all the same",
        ),
    ],
};

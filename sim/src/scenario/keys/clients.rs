//! The keys of producers, consumers, workers and services.

use super::{CONFIG, Section, key};

/// `[[producers]]`
pub const PRODUCER: Section = Section {
    name: "producers",
    meaning: "a group of equal producers",
    keys: &[
        key(
            "name",
            "string",
            "",
            "their name; the programs are `<name>/1`, `<name>/2`, …",
        ),
        key("count", "number", "1", "how many"),
        key("topic", "string", "", "where they send to"),
        key(
            "topics",
            "list of strings",
            "`topic` alone",
            "several topics to send to in turn, instead of `topic`",
        ),
        key("rate", "number", "", "records a second, each"),
        key("record_size", "bytes", "100", "bytes of a record's value, at least 8"),
        key("keys", "`none` or table", "\"none\"", "how keys are drawn"),
        key(
            "headers",
            "number",
            "0",
            "how many headers each record has: `header-1`, `header-2`, …, with the record's number as their value",
        ),
        key(
            "timestamps",
            "table",
            "the time of the send",
            "what the records' timestamps are",
        ),
        key(
            "tombstones",
            "number",
            "0",
            "the share of records without a value, 0 to 1; they need keys",
        ),
        key(
            "backpressure",
            "table",
            "none: they never look at their readers",
            "sends less while the readers are behind",
        ),
        key("start", "duration", "\"0s\"", "when they begin"),
        key(
            "stop",
            "duration",
            "the end of the scenario's duration",
            "when they stop",
        ),
        key("config", CONFIG, "{}", "their settings"),
    ],
};

/// `keys = {…}` of a producer
pub const KEYS: Section = Section {
    name: "producers.keys",
    meaning: "how keys are drawn",
    keys: &[
        key("distribution", "string", "", "`uniform`, `zipf` or `hot`"),
        key("count", "number", "", "how many keys there are"),
        key(
            "exponent",
            "number",
            "1.0",
            "of `zipf`: key number k has weight 1/k^exponent",
        ),
        key(
            "share",
            "number",
            "0.5",
            "of `hot`: the share of all records that the one hot key gets, 0 to 1",
        ),
        key(
            "salted",
            "number",
            "none: the key as it is",
            "adds a random number below this to each key, so that a hot key spreads and loses its order",
        ),
        key(
            "compound",
            "number",
            "none: the key as it is",
            "adds a second field with so many values to each key, so that a hot key spreads and each pair keeps its order",
        ),
    ],
};

/// `timestamps = {…}` of a producer
pub const TIMESTAMPS: Section = Section {
    name: "producers.timestamps",
    meaning: "what the records' timestamps are",
    keys: &[key(
        "behind",
        "duration",
        "",
        "event times: drawn evenly from the time of the send back to so long before",
    )],
};

/// `backpressure = {…}` of a producer
pub const BACKPRESSURE: Section = Section {
    name: "producers.backpressure",
    meaning: "sends less while the readers are behind",
    keys: &[
        key(
            "group",
            "string",
            "",
            "the consumer group whose committed positions count",
        ),
        key(
            "lag",
            "number",
            "",
            "the records that a partition may be behind; at n times as many the rate is an n-th",
        ),
    ],
};

/// `[[consumers]]`
pub const CONSUMER: Section = Section {
    name: "consumers",
    meaning: "a group of equal consumers",
    keys: &[
        key(
            "name",
            "string",
            "",
            "their name; the programs are `<name>/1`, `<name>/2`, …",
        ),
        key(
            "count",
            "number",
            "1",
            "how many; the partitions are dealt out to them in turn",
        ),
        key("topic", "string", "", "what they read"),
        key(
            "processing",
            "duration",
            "\"0ms\"",
            "how long a program works on each record",
        ),
        key("start", "duration", "\"0s\"", "when they begin"),
        key(
            "schedule",
            "list of tables",
            "[]",
            "what they do by the clock besides reading",
        ),
        key(
            "config",
            CONFIG,
            "{ \"auto.offset.reset\" = \"earliest\" }",
            "their settings",
        ),
    ],
};

/// A step of `schedule = […]` of consumers
pub const SCHEDULE: Section = Section {
    name: "consumers.schedule",
    meaning: "something that consumers do at a time: exactly one of `seek`, `pause`, `resume`",
    keys: &[
        key("at", "duration", "", "when; behind the records that they work on then"),
        key(
            "seek",
            "string or number",
            "none",
            "where positions move to: `beginning`, `end`, an offset, or so many records back: `back 100`",
        ),
        key(
            "partition",
            "string",
            "all that a consumer reads",
            "of which partition: `orders/0`",
        ),
        key(
            "pause",
            "string",
            "none",
            "what is not fetched any more: `orders/0`, or `all`",
        ),
        key(
            "resume",
            "string",
            "none",
            "what is fetched again: `orders/0`, or `all`",
        ),
    ],
};

/// `[[workers]]`
pub const WORKER: Section = Section {
    name: "workers",
    meaning: "a group of equal application programs that share the partitions of some topics",
    keys: &[
        key(
            "name",
            "string",
            "",
            "their name; the programs are `<name>/1`, `<name>/2`, …",
        ),
        key("count", "number", "1", "how many"),
        key("group", "string", "their name", "the consumer group"),
        key(
            "topics",
            "list of strings",
            "",
            "what they subscribe to; a retry topic is added by itself",
        ),
        key(
            "program",
            "string",
            "\"plain\"",
            "what they do with a record: `plain`, `retry-topic`, `blocking-retry`, `batch` or `aggregator`",
        ),
        key(
            "commit",
            "string",
            "\"after\"",
            "when a position is committed: `before` the work, `after` it, `auto` (by the consumer), `async-pool` (on a timer, with tasks at work) or `none`",
        ),
        key(
            "tasks",
            "number",
            "8",
            "of `async-pool`: how many records are in work at once",
        ),
        key(
            "attempts",
            "number",
            "5",
            "of the retry programs: how many attempts at a record altogether; 0 lets `blocking-retry` try for ever",
        ),
        key(
            "backoff",
            "duration",
            "\"1s\"",
            "of the retry programs: how long after a failure the next attempt may begin",
        ),
        key(
            "retry_topic",
            "string",
            "",
            "of `retry-topic`: where failed records wait",
        ),
        key(
            "dead_letter_topic",
            "string",
            "",
            "of the retry programs: where records end whose attempts are used up; `blocking-retry` can do without and skips them",
        ),
        key(
            "copy_first",
            "true or false",
            "true",
            "of `retry-topic`: the copy is acknowledged before the position is committed, not after",
        ),
        key("batch_size", "number", "100", "of `batch`: the most records of a batch"),
        key("output_topic", "string", "", "of `aggregator`: where the counts go"),
        key(
            "processing",
            "duration",
            "\"0ms\"",
            "how long a program works on each record",
        ),
        key(
            "failure",
            "probability",
            "0.0",
            "that an attempt fails; the next may do better",
        ),
        key("poison", "probability", "0.0", "that a record fails at each attempt"),
        key(
            "service",
            "string",
            "none",
            "the service that is called for each record",
        ),
        key("start", "duration", "\"0s\"", "when they begin"),
        key(
            "stagger",
            "duration",
            "\"0s\"",
            "the time between the starts of two of them",
        ),
        key("stop", "duration", "never", "when they leave their group and end"),
        key(
            "consumer",
            CONFIG,
            "{ \"auto.offset.reset\" = \"earliest\" }",
            "settings of their consumers; each static member has its number behind `group.instance.id`",
        ),
        key("producer", CONFIG, "{}", "settings of their producers"),
    ],
};

/// `[[services]]`
pub const SERVICE: Section = Section {
    name: "services",
    meaning: "something outside the cluster that workers call for each record",
    keys: &[
        key("name", "string", "", "its name"),
        key(
            "latency",
            "duration",
            "\"10ms\"",
            "how long a call takes in the mean, exponentially distributed",
        ),
        key("failure", "probability", "0.0", "that a call fails"),
        key(
            "ambiguous",
            "probability",
            "0.0",
            "that a call that fails took effect all the same",
        ),
    ],
};

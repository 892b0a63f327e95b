//! Every key that a scenario file may have: what `explain` tells and what the reader accepts are one table.

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand behind it.
    pub kind: &'static str,
    /// Its default as it would stand in the file, or in words; empty for a key that must be given.
    pub default: &'static str,
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

const fn key(name: &'static str, kind: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        kind,
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

const CONFIG: &str = "table of Kafka keys in quotes";

/// The top level.
pub const TOP: Section = Section {
    name: "",
    meaning: "a scenario",
    keys: &[
        key("teaches", "string", "\"\"", "one sentence: what the scenario teaches"),
        key(
            "compare",
            "string",
            "none",
            "scenarios of one run with the same word here are drawn side by side",
        ),
        key(
            "duration",
            "duration",
            "\"60s\"",
            "how long load and faults last, in simulated time",
        ),
        key(
            "settle",
            "duration",
            "\"120s\"",
            "how long the healed cluster may take to recover and drain",
        ),
        key(
            "seeds",
            "string",
            "\"0..3\"",
            "the seeds of a plain `trial run`: first and one past the last",
        ),
        key(
            "expect",
            "string or list",
            "\"pass\"",
            "`pass`, or the names of the checks that must find something, as a violation or as allowed, in at least one of \
             the scenario's trials: `expect = [\"lost-write\"]`; no other check may be violated in any",
        ),
        key(
            "forbid",
            "list of strings",
            "[]",
            "checks that fail the trial in which they find something, also where the contract allows it: \
             `forbid = [\"lost-write\"]`",
        ),
        key(
            "at_most",
            "table of checks and numbers",
            "{}",
            "how often each of these checks may find something in one trial, as a violation or as allowed: \
             `at_most = { reprocessed = 20 }`; a trial with more of it is `missed`",
        ),
        key(
            "at_least",
            "table of checks and numbers",
            "{}",
            "how often each of these checks must find something in every single trial: `at_least = { lost-write = 1 }`; \
             a trial with less of it is `missed`",
        ),
        key(
            "quirks",
            "list of strings",
            "[]",
            "deliberate defects to plant, by name",
        ),
        key(
            "measures",
            "list of tables",
            "[]",
            "figures that must keep within bounds, such as a lag; a trial in which one does not is `missed`",
        ),
        key("cluster", "table", "{}", "the nodes and what they run on"),
        key("topics", "list of tables", "", "topics, created before the load begins"),
        key("producers", "list of tables", "[]", "groups of equal producers"),
        key("consumers", "list of tables", "[]", "groups of equal consumers"),
        key(
            "workers",
            "list of tables",
            "[]",
            "groups of equal application programs, each a consumer group",
        ),
        key(
            "services",
            "list of tables",
            "[]",
            "what the workers call besides the cluster",
        ),
        key("faults", "list of tables", "[]", "faults at fixed times"),
        key(
            "nemesis",
            "table",
            "none: only the fixed faults",
            "faults drawn from the seed",
        ),
        key(
            "limits",
            "table",
            "{}",
            "where a trial is cut off and called inconclusive",
        ),
    ],
};

/// `[[measures]]`
pub const MEASURE: Section = Section {
    name: "measures",
    meaning: "figures that must keep within bounds: `measures = [{ that = \"lag(billing)\", below = 100, from = \"50s\" }]`",
    keys: &[
        key(
            "that",
            "string",
            "",
            "what is measured, and in parentheses of whom: `lag(billing)`; empty ones mean all: `failed()`",
        ),
        key(
            "below",
            "number",
            "none: no upper bound",
            "the figure must be less than this",
        ),
        key(
            "above",
            "number",
            "none: no lower bound",
            "the figure must be more than this",
        ),
        key(
            "from",
            "duration",
            "\"0s\"",
            "from when on, in simulated time; at most `duration`",
        ),
        key(
            "until",
            "duration",
            "`duration`; for counts the end of the trial",
            "until when",
        ),
        key(
            "at",
            "duration",
            "none",
            "at this moment alone, in place of `from` and `until`",
        ),
        key(
            "aggregate",
            "`max`, `min`, `mean` or `last`",
            "none: each value must keep within the bounds",
            "which figure is made of the values in that time: one each 0.5 s, or in trials of more than 200 s a 400th of them",
        ),
    ],
};

/// `[cluster]`
pub const CLUSTER: Section = Section {
    name: "cluster",
    meaning: "the nodes and what they run on",
    keys: &[
        key("brokers", "number", "3", "how many brokers"),
        key(
            "controllers",
            "number",
            "3, or the largest odd number of brokers below",
            "how many brokers, from the first, are voters of the metadata quorum too",
        ),
        key(
            "dedicated_controllers",
            "number",
            "0",
            "how many nodes are controllers alone; 0 lets brokers do it",
        ),
        key("config", CONFIG, "{}", "settings of every node"),
        key("hardware", "table", "{}", "what work costs"),
        key("network", "table", "{}", "what messages suffer even on a good day"),
    ],
};

/// `[cluster.hardware]`
pub const HARDWARE: Section = Section {
    name: "cluster.hardware",
    meaning: "costs of one node's hardware",
    keys: &[
        key(
            "cpu_per_request",
            "duration",
            "\"20us\"",
            "CPU time of one request or response",
        ),
        key(
            "cpu_per_byte",
            "duration",
            "\"1ns\"",
            "CPU time of each byte in it; may be a fraction of a nanosecond",
        ),
        key(
            "nic",
            "bytes a second",
            "\"125MB/s\"",
            "bandwidth of the network card, each way",
        ),
        key("disk", "bytes a second", "\"200MB/s\"", "bandwidth of the disk"),
        key(
            "fsync",
            "duration",
            "\"2ms\"",
            "time of one fsync besides the bytes that it writes",
        ),
    ],
};

/// `[cluster.network]`
pub const NETWORK: Section = Section {
    name: "cluster.network",
    meaning: "the network between nodes",
    keys: &[
        key("latency_min", "duration", "\"200us\"", "the shortest one-way latency"),
        key(
            "latency_mean",
            "duration",
            "\"500us\"",
            "the mean one-way latency; the excess is exponentially distributed",
        ),
    ],
};

/// `[[topics]]`
pub const TOPIC: Section = Section {
    name: "topics",
    meaning: "a topic",
    keys: &[
        key("name", "string", "", "its name"),
        key("partitions", "number", "1", "how many partitions"),
        key(
            "replication_factor",
            "number",
            "3, or the number of brokers if smaller",
            "how many replicas of each",
        ),
        key("config", CONFIG, "{}", "its settings"),
    ],
};

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

/// `[[faults]]`
pub const FAULT: Section = Section {
    name: "faults",
    meaning: "a fault at a fixed time: `at`, `for`, and exactly one of the others",
    keys: &[
        key("at", "duration", "", "when it begins"),
        key(
            "for",
            "duration",
            "until the end of the scenario's duration",
            "how long it lasts",
        ),
        key(
            "kill",
            "target",
            "none",
            "ends the process; the page cache stays; afterwards it starts again",
        ),
        key(
            "power_loss",
            "target",
            "none",
            "cuts the power: what no sync covered may be lost or torn; afterwards it starts again",
        ),
        key("restart", "target", "none", "kill and start at once"),
        key(
            "pause",
            "target",
            "none",
            "the process stands still, as in a long garbage collection",
        ),
        key(
            "partition",
            "list of lists of targets",
            "none",
            "nodes of different groups cannot reach each other; nodes in no group reach everybody; a single group is cut off from all other brokers and controllers",
        ),
        key(
            "one_way",
            "table",
            "none",
            "messages of one direction are lost; the other way is open",
        ),
        key("slow_disk", "table", "none", "the disk takes a multiple of its time"),
        key(
            "link",
            "table",
            "none",
            "messages between two nodes are lost, late or doubled, both ways",
        ),
        key(
            "hold",
            "table",
            "none",
            "holds the first message of one API until the fault ends",
        ),
        key(
            "drop",
            "table",
            "none",
            "messages of one API vanish, and all others arrive",
        ),
        key(
            "stop",
            "target",
            "none",
            "asks a worker, broker or controller to end in good order, as SIGTERM does; afterwards it starts again",
        ),
        key(
            "stop_in_sync",
            "target",
            "none",
            "the same, as soon as no broker is down and every ISR is complete",
        ),
        key(
            "rolling_restart",
            "table",
            "none",
            "stops the workers of a group, or the brokers, one after the other, each for a while",
        ),
        key(
            "slow_program",
            "table",
            "none",
            "a worker takes a multiple of its time for each record",
        ),
        key(
            "stuck_poll",
            "target",
            "none",
            "a worker stands still while its consumer lives: heartbeats go out, and nobody polls",
        ),
        key(
            "service_down",
            "string",
            "none",
            "every call of the service of this name fails without effect",
        ),
        key(
            "create_partitions",
            "table",
            "none",
            "gives a topic more partitions; nothing undoes it",
        ),
        key(
            "omit_topic",
            "table",
            "none",
            "the metadata answers of brokers do not know a topic",
        ),
    ],
};

/// `drop = {…}`
pub const DROP: Section = Section {
    name: "faults.drop",
    meaning: "messages of one API vanish, and all others arrive",
    keys: &[
        key("from", "target", "", "the sender of the messages"),
        key("to", "target", "", "their receiver"),
        key(
            "api",
            "string",
            "",
            "the API by Kafka's name: `Heartbeat`, `ConsumerGroupHeartbeat`, `OffsetCommit`, …",
        ),
        key(
            "response",
            "true or false",
            "false",
            "drop the API's responses instead of its requests",
        ),
    ],
};

/// `slow_program = {…}`
pub const SLOW_PROGRAM: Section = Section {
    name: "faults.slow_program",
    meaning: "a worker takes a multiple of its time for each record",
    keys: &[
        key("target", "target", "", "which worker"),
        key("factor", "number", "", "how many times as long it takes, at least 1"),
    ],
};

/// `rolling_restart = {…}`
pub const ROLLING_RESTART: Section = Section {
    name: "faults.rolling_restart",
    meaning: "stops the workers of a group, or the brokers, one after the other, each for a while",
    keys: &[
        key("workers", "string", "none", "the name of the workers"),
        key("brokers", "true or false", "false", "all brokers, instead of workers"),
        key(
            "wait_for_isr",
            "true or false",
            "true",
            "a broker is stopped only when no other is down and every ISR is complete",
        ),
        key(
            "every",
            "duration",
            "\"10s\"",
            "the time between the stops of two of them",
        ),
        key(
            "down",
            "duration",
            "\"2s\"",
            "how long each is down, counted from when it is asked to end",
        ),
    ],
};

/// `create_partitions = {…}`
pub const CREATE_PARTITIONS: Section = Section {
    name: "faults.create_partitions",
    meaning: "gives a topic more partitions; nothing undoes it",
    keys: &[
        key("topic", "string", "", "which topic"),
        key("partitions", "number", "", "how many it has afterwards"),
    ],
};

/// `omit_topic = {…}`
pub const OMIT_TOPIC: Section = Section {
    name: "faults.omit_topic",
    meaning: "the metadata answers of brokers do not know a topic",
    keys: &[
        key("topic", "string", "", "which topic"),
        key("on", "target", "\"all\"", "whose answers"),
    ],
};

/// `one_way = {…}`
pub const ONE_WAY: Section = Section {
    name: "faults.one_way",
    meaning: "messages of one direction are lost",
    keys: &[
        key("from", "target", "", "the sender"),
        key("to", "target", "", "the receiver"),
    ],
};

/// `slow_disk = {…}`
pub const SLOW_DISK: Section = Section {
    name: "faults.slow_disk",
    meaning: "a disk takes a multiple of its time",
    keys: &[
        key("target", "target", "", "whose disk"),
        key("factor", "number", "", "how many times as long it takes, at least 1"),
    ],
};

/// `link = {…}`
pub const LINK: Section = Section {
    name: "faults.link",
    meaning: "messages between two nodes suffer, both ways",
    keys: &[
        key("from", "target", "", "one end"),
        key("to", "target", "", "the other end"),
        key(
            "drop",
            "probability",
            "0.0",
            "that a message is lost, which breaks the connection",
        ),
        key("delay", "duration", "\"0ms\"", "added to the latency of each message"),
        key("duplicate", "probability", "0.0", "that a request is delivered twice"),
    ],
};

/// `hold = {…}`
pub const HOLD: Section = Section {
    name: "faults.hold",
    meaning: "holds the first message of one API until the fault ends",
    keys: &[
        key("from", "target", "", "the sender of the message"),
        key("to", "target", "", "its receiver"),
        key(
            "api",
            "string",
            "",
            "the API by Kafka's name: `Fetch`, `Produce`, `AlterPartition`, …",
        ),
        key(
            "response",
            "true or false",
            "false",
            "hold the API's response instead of its request",
        ),
    ],
};

/// `[nemesis]`
pub const NEMESIS: Section = Section {
    name: "nemesis",
    meaning: "faults drawn from the seed",
    keys: &[
        key("start", "duration", "\"5s\"", "when it begins"),
        key(
            "stop",
            "duration",
            "the end of the scenario's duration",
            "when it strikes no more and lets go of everything",
        ),
        key("interval", "duration", "\"10s\"", "the mean time between two strikes"),
        key(
            "duration",
            "duration",
            "\"5s\"",
            "how long a fault holds in the mean; each holds half to one and a half of it",
        ),
        key(
            "max_concurrent",
            "number",
            "1",
            "never more nodes than these are struck at once, fixed faults included",
        ),
        key("weights", "table", "{}", "how often each kind of fault is drawn"),
    ],
};

/// `weights = {…}`
pub const WEIGHTS: Section = Section {
    name: "nemesis.weights",
    meaning: "how often each kind of fault is drawn, relative to the others; once one is given, the others are 0",
    keys: &[
        key("kill", "number", "3", "end a process for a while"),
        key("power_loss", "number", "0", "cut a node's power for a while"),
        key("restart", "number", "1", "kill a process and start it at once"),
        key("pause", "number", "1", "stop a process for a while"),
        key("partition", "number", "2", "cut nodes off from the others"),
        key("one_way", "number", "1", "cut one direction between two nodes"),
        key("slow_disk", "number", "1", "slow a disk down, 2 to 100 times"),
        key(
            "link",
            "number",
            "1",
            "lose, delay and double messages between two nodes",
        ),
        key("kill_worker", "number", "0", "end a worker for a while"),
        key("restart_worker", "number", "0", "kill a worker and start it at once"),
        key(
            "pause_worker",
            "number",
            "0",
            "stop a worker and its consumer for a while",
        ),
        key(
            "stop",
            "number",
            "0",
            "ask a node to end in good order, and start it after a while",
        ),
    ],
};

/// `[limits]`
pub const LIMITS: Section = Section {
    name: "limits",
    meaning: "where a trial is cut off and called inconclusive",
    keys: &[
        key("events", "number", "50_000_000", "delivered events"),
        key("records", "number", "5_000_000", "records sent"),
        key(
            "sim_time",
            "duration",
            "twice duration and settle together",
            "simulated time altogether",
        ),
        key("memory", "bytes", "\"1GiB\"", "bytes of logs and history"),
    ],
};

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
    &TOP, &CLUSTER, &HARDWARE, &NETWORK, &TOPIC, &PRODUCER, &KEYS, &CONSUMER, &FAULT, &SLOW_DISK, &ONE_WAY, &LINK,
    &HOLD, &NEMESIS, &WEIGHTS, &LIMITS,
];

const fn key(name: &'static str, kind: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        meaning,
    }
}

const CONFIG: &str = "table of Kafka keys in quotes";

/// The top level.
pub const TOP: Section = Section {
    name: "",
    meaning: "a scenario",
    keys: &[
        key("teaches", "string", "\"\"", "one sentence: what the scenario teaches"),
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
            "`pass`, or the names of the checks that must find something",
        ),
        key(
            "quirks",
            "list of strings",
            "[]",
            "deliberate defects to plant, by name",
        ),
        key("cluster", "table", "{}", "the nodes and what they run on"),
        key("topics", "list of tables", "", "topics, created before the load begins"),
        key("producers", "list of tables", "[]", "groups of equal producers"),
        key("consumers", "list of tables", "[]", "groups of equal consumers"),
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
        key("rate", "number", "", "records a second, each"),
        key("record_size", "bytes", "100", "bytes of a record's value, at least 8"),
        key("keys", "`none` or table", "\"none\"", "how keys are drawn"),
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

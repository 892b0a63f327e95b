//! The keys of the cluster and its topics.

use super::{CONFIG, Section, key};

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

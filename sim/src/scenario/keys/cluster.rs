//! The keys of the cluster and its topics.

use crate::toml_file::kafka_keys::Kind;
use crate::toml_file::keys::{Default::*, Form, Section, Settings, Type::*, key};

const TOPIC_NAME: Form = Form {
    words: "name of a topic, as Kafka allows it",
    pattern: r"^(?!__)(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$",
};

/// The settings of nodes.
pub const BROKER_SETTINGS: Settings = Settings {
    kind: Kind::Broker,
    derived: &[],
};

/// The settings of topics.
pub const TOPIC_SETTINGS: Settings = Settings {
    kind: Kind::Topic,
    derived: &[],
};

/// `[cluster]`
pub const CLUSTER: Section = Section {
    name: "cluster",
    meaning: "the nodes and what they run on",
    rules: &[],
    keys: &[
        key("brokers", Whole(1, 100), Value("3"), "how many brokers"),
        key(
            "controllers",
            Whole(1, 100),
            Words("3, or the largest odd number of brokers below"),
            "how many brokers, from the first, are voters of the metadata quorum too",
        ),
        key(
            "dedicated_controllers",
            Whole(0, 100),
            Value("0"),
            "how many nodes are controllers alone; 0 lets brokers do it",
        ),
        key(
            "config",
            Settings(&BROKER_SETTINGS),
            Value("{}"),
            "settings of every node",
        ),
        key("hardware", Table(&HARDWARE), Value("{}"), "what work costs"),
        key(
            "network",
            Table(&NETWORK),
            Value("{}"),
            "what messages suffer even on a good day",
        ),
    ],
};

/// `[cluster.hardware]`
pub const HARDWARE: Section = Section {
    name: "cluster.hardware",
    meaning: "costs of one node's hardware",
    rules: &[],
    keys: &[
        key(
            "cpu_per_request",
            Duration,
            Value("\"20us\""),
            "CPU time of one request or response",
        ),
        key(
            "cpu_per_byte",
            Nanoseconds,
            Value("\"1ns\""),
            "CPU time of each byte in it; may be a fraction of a nanosecond",
        ),
        key(
            "nic",
            Bandwidth,
            Value("\"125MB/s\""),
            "bandwidth of the network card, each way",
        ),
        key("disk", Bandwidth, Value("\"200MB/s\""), "bandwidth of the disk"),
        key(
            "fsync",
            Duration,
            Value("\"2ms\""),
            "time of one fsync besides the bytes that it writes",
        ),
    ],
};

/// `[cluster.network]`
pub const NETWORK: Section = Section {
    name: "cluster.network",
    meaning: "the network between nodes",
    rules: &[],
    keys: &[
        key(
            "latency_min",
            Duration,
            Value("\"200us\""),
            "the shortest one-way latency",
        ),
        key(
            "latency_mean",
            Duration,
            Value("\"500us\""),
            "the mean one-way latency; the excess is exponentially distributed",
        ),
    ],
};

/// `[[topics]]`
pub const TOPIC: Section = Section {
    name: "topics",
    meaning: "a topic",
    rules: &[],
    keys: &[
        key("name", Form(&TOPIC_NAME), Required, "its name"),
        key("partitions", Whole(1, 10_000), Value("1"), "how many partitions"),
        key(
            "replication_factor",
            Whole(1, 1_000),
            Words("3, or the number of brokers if smaller"),
            "how many replicas of each",
        ),
        key("config", Settings(&TOPIC_SETTINGS), Value("{}"), "its settings"),
    ],
};

//! The keys of faults and of the nemesis.

use super::{Default::*, Rule, Section, Type::*, key};
use crate::scenario::faults::KINDS;

/// `[[faults]]`
pub const FAULT: Section = Section {
    name: "faults",
    meaning: "a fault at a fixed time: `at`, `for`, and exactly one of the others",
    rules: &[Rule::ExactlyOne(&KINDS)],
    keys: &[
        key("at", Duration, Required, "when it begins"),
        key(
            "for",
            PositiveDuration,
            Words("until the end of the scenario's duration"),
            "how long it lasts",
        ),
        key(
            "kill",
            Target,
            Words("none"),
            "ends the process; the page cache stays; afterwards it starts again",
        ),
        key(
            "power_loss",
            Target,
            Words("none"),
            "cuts the power: what no sync covered may be lost or torn; afterwards it starts again",
        ),
        key("restart", Target, Words("none"), "kill and start at once"),
        key(
            "pause",
            Target,
            Words("none"),
            "the process stands still, as in a long garbage collection",
        ),
        key(
            "partition",
            NonEmpty(&NonEmpty(&Target)),
            Words("none"),
            "nodes of different groups cannot reach each other; nodes in no group reach everybody; a single group is cut off from all other brokers and controllers",
        ),
        key(
            "one_way",
            Table(&ONE_WAY),
            Words("none"),
            "messages of one direction are lost; the other way is open",
        ),
        key(
            "slow_disk",
            Table(&SLOW_DISK),
            Words("none"),
            "the disk takes a multiple of its time",
        ),
        key(
            "link",
            Table(&LINK),
            Words("none"),
            "messages between two nodes are lost, late or doubled, both ways",
        ),
        key(
            "hold",
            Table(&HOLD),
            Words("none"),
            "holds the first message of one API, and all behind it on its connection, until the fault ends",
        ),
        key(
            "drop",
            Table(&DROP),
            Words("none"),
            "messages of one API vanish, and all others arrive",
        ),
        key(
            "stop",
            Target,
            Words("none"),
            "asks a worker, broker or controller to end in good order, as SIGTERM does; afterwards it starts again",
        ),
        key(
            "stop_in_sync",
            Target,
            Words("none"),
            "the same, as soon as no broker is down and every ISR is complete",
        ),
        key(
            "rolling_restart",
            Table(&ROLLING_RESTART),
            Words("none"),
            "stops the workers of a group, or the brokers, one after the other, each for a while",
        ),
        key(
            "slow_program",
            Table(&SLOW_PROGRAM),
            Words("none"),
            "a worker takes a multiple of its time for each record",
        ),
        key(
            "stuck_poll",
            Target,
            Words("none"),
            "a worker stands still while its consumer lives: heartbeats go out, and nobody polls",
        ),
        key(
            "service_down",
            String,
            Words("none"),
            "every call of the service of this name fails without effect",
        ),
        key(
            "create_partitions",
            Table(&CREATE_PARTITIONS),
            Words("none"),
            "gives a topic more partitions; nothing undoes it",
        ),
        key(
            "omit_topic",
            Table(&OMIT_TOPIC),
            Words("none"),
            "the metadata answers of brokers do not know a topic",
        ),
    ],
};

/// `drop = {…}`
pub const DROP: Section = Section {
    name: "faults.drop",
    meaning: "messages of one API vanish, and all others arrive",
    rules: &[],
    keys: &[
        key("from", Target, Required, "the sender of the messages"),
        key("to", Target, Required, "their receiver"),
        key(
            "api",
            Api,
            Required,
            "the API by Kafka's name: `Heartbeat`, `ConsumerGroupHeartbeat`, `OffsetCommit`, …",
        ),
        key(
            "response",
            Boolean,
            Value("false"),
            "drop the API's responses instead of its requests",
        ),
    ],
};

/// `slow_program = {…}`
pub const SLOW_PROGRAM: Section = Section {
    name: "faults.slow_program",
    meaning: "a worker takes a multiple of its time for each record",
    rules: &[],
    keys: &[
        key("target", Target, Required, "which worker"),
        key(
            "factor",
            Number(1.0, 1e6),
            Required,
            "how many times as long it takes, at least 1",
        ),
    ],
};

/// `rolling_restart = {…}`
pub const ROLLING_RESTART: Section = Section {
    name: "faults.rolling_restart",
    meaning: "stops the workers of a group, or the brokers, one after the other, each for a while",
    rules: &[
        Rule::AtLeastOne(&["workers", "brokers"]),
        Rule::Excludes("wait_for_isr", &["workers"]),
    ],
    keys: &[
        key("workers", String, Words("none"), "the name of the workers"),
        key("brokers", Boolean, Value("false"), "all brokers, instead of workers"),
        key(
            "wait_for_isr",
            Boolean,
            Value("true"),
            "a broker is stopped only when no other is down and every ISR is complete",
        ),
        key(
            "every",
            PositiveDuration,
            Value("\"10s\""),
            "the time between the stops of two of them",
        ),
        key(
            "down",
            PositiveDuration,
            Value("\"2s\""),
            "how long each is down, counted from when it is asked to end",
        ),
    ],
};

/// `create_partitions = {…}`
pub const CREATE_PARTITIONS: Section = Section {
    name: "faults.create_partitions",
    meaning: "gives a topic more partitions; nothing undoes it",
    rules: &[],
    keys: &[
        key("topic", String, Required, "which topic"),
        key("partitions", Whole(1, 10_000), Required, "how many it has afterwards"),
    ],
};

/// `omit_topic = {…}`
pub const OMIT_TOPIC: Section = Section {
    name: "faults.omit_topic",
    meaning: "the metadata answers of brokers do not know a topic",
    rules: &[],
    keys: &[
        key("topic", String, Required, "which topic"),
        key("on", Target, Value("\"all\""), "whose answers"),
    ],
};

/// `one_way = {…}`
pub const ONE_WAY: Section = Section {
    name: "faults.one_way",
    meaning: "messages of one direction are lost",
    rules: &[],
    keys: &[
        key("from", Target, Required, "the sender"),
        key("to", Target, Required, "the receiver"),
    ],
};

/// `slow_disk = {…}`
pub const SLOW_DISK: Section = Section {
    name: "faults.slow_disk",
    meaning: "a disk takes a multiple of its time",
    rules: &[],
    keys: &[
        key("target", Target, Required, "whose disk"),
        key(
            "factor",
            Number(1.0, 1e6),
            Required,
            "how many times as long it takes, at least 1",
        ),
    ],
};

/// `link = {…}`
pub const LINK: Section = Section {
    name: "faults.link",
    meaning: "messages between two nodes suffer, both ways",
    rules: &[],
    keys: &[
        key("from", Target, Required, "one end"),
        key("to", Target, Required, "the other end"),
        key(
            "drop",
            Probability,
            Value("0.0"),
            "that a message is lost, which breaks the connection",
        ),
        key(
            "delay",
            Duration,
            Value("\"0ms\""),
            "added to the latency of each message",
        ),
        key(
            "duplicate",
            Probability,
            Value("0.0"),
            "that a request is delivered twice",
        ),
    ],
};

/// `hold = {…}`
pub const HOLD: Section = Section {
    name: "faults.hold",
    meaning: "holds the first message of one API, and all behind it on its connection, until the fault ends",
    rules: &[],
    keys: &[
        key("from", Target, Required, "the sender of the message"),
        key("to", Target, Required, "its receiver"),
        key(
            "api",
            Api,
            Required,
            "the API by Kafka's name: `Fetch`, `Produce`, `AlterPartition`, …",
        ),
        key(
            "response",
            Boolean,
            Value("false"),
            "hold the API's response instead of its request",
        ),
    ],
};

/// `[nemesis]`
pub const NEMESIS: Section = Section {
    name: "nemesis",
    meaning: "faults drawn from the seed",
    rules: &[],
    keys: &[
        key("start", Duration, Value("\"5s\""), "when it begins"),
        key(
            "stop",
            Duration,
            Words("the end of the scenario's duration"),
            "when it begins no more faults, and ends those that last",
        ),
        key(
            "interval",
            PositiveDuration,
            Value("\"10s\""),
            "the mean time between the beginnings of two faults",
        ),
        key(
            "duration",
            PositiveDuration,
            Value("\"5s\""),
            "how long a fault holds in the mean; each holds half to one and a half of it",
        ),
        key(
            "max_concurrent",
            Whole(1, 1_000),
            Value("1"),
            "never more nodes than these are struck at once, fixed faults included",
        ),
        key(
            "weights",
            Table(&WEIGHTS),
            Value("{}"),
            "how often each kind of fault is drawn",
        ),
    ],
};

/// `weights = {…}`
pub const WEIGHTS: Section = Section {
    name: "nemesis.weights",
    meaning: "how often each kind of fault is drawn, relative to the others; once one is given, the others are 0",
    rules: &[],
    keys: &[
        key("kill", Whole(0, 1_000_000), Value("3"), "end a process for a while"),
        key(
            "power_loss",
            Whole(0, 1_000_000),
            Value("0"),
            "cut a node's power for a while",
        ),
        key(
            "restart",
            Whole(0, 1_000_000),
            Value("1"),
            "kill a process and start it at once",
        ),
        key("pause", Whole(0, 1_000_000), Value("1"), "stop a process for a while"),
        key(
            "partition",
            Whole(0, 1_000_000),
            Value("2"),
            "cut nodes off from the others",
        ),
        key(
            "one_way",
            Whole(0, 1_000_000),
            Value("1"),
            "cut one direction between two nodes",
        ),
        key(
            "slow_disk",
            Whole(0, 1_000_000),
            Value("1"),
            "slow a disk down, 2 to 100 times",
        ),
        key(
            "link",
            Whole(0, 1_000_000),
            Value("1"),
            "lose, delay and double messages between two nodes",
        ),
        key(
            "kill_worker",
            Whole(0, 1_000_000),
            Value("0"),
            "end a worker for a while",
        ),
        key(
            "restart_worker",
            Whole(0, 1_000_000),
            Value("0"),
            "kill a worker and start it at once",
        ),
        key(
            "pause_worker",
            Whole(0, 1_000_000),
            Value("0"),
            "stop a worker and its consumer for a while",
        ),
        key(
            "stop",
            Whole(0, 1_000_000),
            Value("0"),
            "ask a node to end in good order, and start it after a while",
        ),
    ],
};

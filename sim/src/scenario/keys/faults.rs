//! The keys of faults and of the nemesis.

use super::{Section, key};

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

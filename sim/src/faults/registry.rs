//! Every kind of fault, a line for each, and the tables that follow from them.

use super::{Drawn, Entry, Victims};
use crate::toml_file::keys::{Default, Key, Rule, Section, Type, key};

/// Every kind.
pub const REGISTRY: &[&Entry] = &[
    &super::kill::ENTRY,
    &super::power_loss::ENTRY,
    &super::restart::ENTRY,
    &super::pause::ENTRY,
    &super::partition::ENTRY,
    &super::one_way::ENTRY,
    &super::slow_disk::ENTRY,
    &super::link::ENTRY,
    &super::hold::ENTRY,
    &super::drop::ENTRY,
    &super::stop::ENTRY,
    &super::stop_in_sync::ENTRY,
    &super::rolling_restart::ENTRY,
    &super::slow_program::ENTRY,
    &super::stuck_poll::ENTRY,
    &super::service_down::ENTRY,
    &super::create_partitions::ENTRY,
    &super::omit_topic::ENTRY,
    &super::clock::ENTRY,
];

/// The keys that say what a fault does.
pub const NAMES: [&str; REGISTRY.len()] = {
    let mut names = [""; REGISTRY.len()];
    let mut place = 0;
    while place < names.len() {
        names[place] = REGISTRY[place].key.name;
        place += 1;
    }
    names
};

/// `[[faults]]`
pub const FAULT: Section = Section {
    name: "faults",
    meaning: "a fault at a fixed time: `at`, `for`, and exactly one of the others",
    rules: &[
        Rule::ExactlyOne(&NAMES),
        Rule::Planned(&[
            "disk_full",
            "disk_error",
            "stuck_disk",
            "bit_rot",
            "wipe",
            "reset",
            "delete_topic",
            "delete_records",
            "reassign_partitions",
        ]),
    ],
    keys: &KEYS,
};

const AT: Key = key("at", Type::Duration, Default::Required, "when it begins");
const FOR: Key = key(
    "for",
    Type::PositiveDuration,
    Default::Words("until the end of the scenario's duration"),
    "how long it lasts",
);

const KEYS: [Key; REGISTRY.len() + 2] = {
    let mut keys = [AT; REGISTRY.len() + 2];
    keys[1] = FOR;
    let mut place = 0;
    while place < REGISTRY.len() {
        keys[place + 2] = REGISTRY[place].key;
        place += 1;
    }
    keys
};

/// How many weights the nemesis has.
pub const WEIGHT_COUNT: usize = {
    let mut count = 0;
    let mut place = 0;
    while place < REGISTRY.len() {
        count += REGISTRY[place].drawn.len();
        place += 1;
    }
    count
};

/// Everything that the nemesis can draw: faults of nodes in the order of the registry, then those of workers.
pub const DRAWN: [&Drawn; WEIGHT_COUNT] = {
    let mut drawn = [&REGISTRY[0].drawn[0]; WEIGHT_COUNT];
    let mut count = 0;
    let victims = [Victims::Nodes, Victims::Workers];
    let mut turn = 0;
    while turn < victims.len() {
        let mut place = 0;
        while place < REGISTRY.len() {
            let mut weight = 0;
            while weight < REGISTRY[place].drawn.len() {
                let one = &REGISTRY[place].drawn[weight];
                if one.of as u8 == victims[turn] as u8 {
                    drawn[count] = one;
                    count += 1;
                }
                weight += 1;
            }
            place += 1;
        }
        turn += 1;
    }
    drawn
};

/// `weights = {…}` of the nemesis
pub const WEIGHTS: Section = Section {
    name: "nemesis.weights",
    meaning: "how often each kind of fault is drawn, relative to the others; once one is given, the others are 0",
    rules: &[],
    keys: &WEIGHT_KEYS,
};

const WEIGHT_KEYS: [Key; WEIGHT_COUNT] = {
    let mut keys = [AT; WEIGHT_COUNT];
    let mut place = 0;
    while place < WEIGHT_COUNT {
        keys[place] = DRAWN[place].weight;
        place += 1;
    }
    keys
};

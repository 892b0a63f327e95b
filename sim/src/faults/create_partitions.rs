//! `create_partitions`: a topic gets more partitions.

use core::time::Duration;

use super::kind_keys::kind;
use super::{Applied, Entry, Fault, FaultKind, Objection, Primitives, Surroundings, Target};
use crate::toml_file::keys::{Default::*, Section, Type, key};
use crate::toml_file::reader::Value;
use crate::toml_file::writer::text;

/// See [`CreatePartitions`].
pub const ENTRY: Entry = Entry {
    key: kind("create_partitions", Type::Table(&SECTION), SECTION.meaning),
    allows: "keys move to other partitions (`key-moved`), and their records may be processed in another order \
             (`retry-key-order`); with `auto.offset.reset` = \"latest\" a group jumps over what a new partition got \
             before it looked there (`poll-skip`)",
    examples: &["{ topic = \"audit\", partitions = 8 }"],
    read,
    drawn: &[],
};

const SECTION: Section = Section {
    name: "faults.create_partitions",
    meaning: "gives a topic more partitions; nothing undoes it",
    rules: &[],
    keys: &[
        key("topic", Type::String, Required, "which topic"),
        key(
            "partitions",
            Type::Whole(1, 10_000),
            Required,
            "how many it has afterwards",
        ),
    ],
};

/// Gives a topic more partitions. Nothing undoes it.
#[derive(Clone, PartialEq, Debug)]
pub struct CreatePartitions {
    /// The topic.
    pub topic: String,
    /// How many it has afterwards.
    pub partitions: u32,
}

impl FaultKind for CreatePartitions {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        format!("{{ topic = {}, partitions = {} }}", text(&self.topic), self.partitions)
    }

    fn text(&self, _: &dyn Fn(&Target) -> String) -> String {
        format!("{} gets {} partitions", self.topic, self.partitions)
    }

    fn problems(&self, _: Duration, scenario: &Surroundings) -> Vec<Objection> {
        let mut found = Objection::of("create_partitions.topic", scenario.topic_exists(&self.topic));
        let known = scenario.topic(&self.topic);
        if let Some(known) = known.filter(|known| known.partitions >= self.partitions) {
            found.push(Objection::new(
                "create_partitions.partitions",
                format!("`{}` has {} partitions already", self.topic, known.partitions),
                "more than that: partitions never become fewer",
            ));
        }
        found
    }

    fn takes_no_time(&self) -> Option<(&'static str, &'static str)> {
        Some(("partitions stay", "remove `for`"))
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        world.create_partitions(&self.topic, self.partitions);
        Applied::AtOnce
    }
}

fn read(value: &Value<'_>) -> Option<Fault> {
    let table = value.table()?;
    let topic = table.required("topic").and_then(|value| value.text());
    let partitions = table.required("partitions").and_then(|value| value.count());
    let more = CreatePartitions {
        topic: topic?.to_owned(),
        partitions: partitions?,
    };
    Some(more.into())
}

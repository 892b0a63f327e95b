//! `omit_topic`: the metadata of brokers lacks a topic.

use core::time::Duration;

use broker_core::protocol::{ErrorCode, Response};

use super::kind_keys::kind;
use super::lasting::Filtering;
use super::{
    Applied, Entry, Fate, Fault, FaultKind, Filter, Node, Objection, Passing, Primitives, Surroundings, Target, target,
};
use crate::toml_file::keys::{Default::*, Section, Type, key};
use crate::toml_file::reader;
use crate::toml_file::writer::text;

/// See [`OmitTopic`].
pub const ENTRY: Entry = Entry {
    key: kind("omit_topic", Type::Table(&SECTION), SECTION.meaning),
    allows: "nothing: clients wait until the topic is there again, and a send that waits for too long fails",
    examples: &["{ topic = \"orders\", on = \"broker 1\" }"],
    read,
    drawn: &[],
};

const SECTION: Section = Section {
    name: "faults.omit_topic",
    meaning: "the metadata answers of brokers do not know a topic",
    rules: &[],
    keys: &[
        key("topic", Type::String, Required, "which topic"),
        key("on", Type::Target, Value("\"all\""), "whose answers"),
    ],
};

/// A broker's metadata answers do not know a topic.
#[derive(Clone, PartialEq, Debug)]
pub struct OmitTopic {
    /// The topic.
    pub topic: String,
    /// Whose answers.
    pub on: Target,
}

impl FaultKind for OmitTopic {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        format!("{{ topic = {}, on = {} }}", text(&self.topic), target::write(&self.on))
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("{} does not know {}", name(&self.on), self.topic)
    }

    fn targets(&self) -> Vec<(String, &Target)> {
        vec![("omit_topic.on".to_owned(), &self.on)]
    }

    fn problems(&self, _: Duration, scenario: &Surroundings) -> Vec<Objection> {
        Objection::of("omit_topic.topic", scenario.topic_exists(&self.topic))
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let omission = Omission {
            topic: self.topic.clone(),
            on: world.resolve(&self.on),
        };
        world.filter(Box::new(omission));
        Applied::Lasting(Box::new(Filtering))
    }
}

/// Takes a topic out of answers.
struct Omission {
    topic: String,
    /// Whose answers lack it.
    on: Vec<Node>,
}

impl Filter for Omission {
    fn pass(&mut self, message: &mut Passing<'_>) -> Fate {
        let Some(Response::Metadata(metadata)) = &mut message.response else {
            return Fate::Sent;
        };
        let mut topics = metadata.topics.iter_mut();
        let topic = topics.find(|topic| *topic.name.0 == self.topic);
        let Some(topic) = topic.filter(|_| self.on.contains(&message.from)) else {
            return Fate::Sent;
        };
        topic.id = None;
        topic.error = ErrorCode::UnknownTopicOrPartition;
        topic.partitions.clear();
        Fate::Changed
    }
}

fn read(value: &reader::Value<'_>) -> Option<Fault> {
    let table = value.table()?;
    let topic = table.required("topic").and_then(|value| value.text());
    let on = table.get("on");
    let on = on.map_or(Some(Target::All), |value| target::read(&value));
    let omission = OmitTopic {
        topic: topic?.to_owned(),
        on: on?,
    };
    Some(omission.into())
}

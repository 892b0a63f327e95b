//! `drop`: messages of one API vanish.

use super::kind_keys::kind;
use super::lasting::Filtering;
use super::messages::{API, Between};
use super::{Applied, Ends, Entry, Fate, FaultKind, Filter, Messages, Passing, Primitives, Target};
use crate::toml_file::keys::{Default::*, Section, Type, key};

/// See [`Drop`].
pub const ENTRY: Entry = Entry {
    key: kind("drop", Type::Table(&SECTION), SECTION.meaning),
    allows: "a send whose request or answer vanishes is repeated, with `enable.idempotence` = false twice in the log or \
             out of order (`duplicate`, `nonmonotonic-send`); a node or member whose heartbeats vanish is replaced, as \
             with `pause`",
    examples: &[
        "{ from = \"client billing/1\", to = \"the coordinator of billing-group\", api = \"ConsumerGroupHeartbeat\", response = true }",
    ],
    read: |value| Messages::read(value).map(|messages| Drop(messages).into()),
    drawn: &[],
};

const SECTION: Section = Section {
    name: "faults.drop",
    meaning: "messages of one API vanish, and all others arrive",
    rules: &[],
    keys: &[
        key("from", Type::Target, Required, "the sender of the messages"),
        key("to", Type::Target, Required, "their receiver"),
        API,
        key(
            "response",
            Type::Boolean,
            Value("false"),
            "drop the API's responses instead of its requests",
        ),
    ],
};

/// Messages of an API from one to the other vanish; the connection and all other messages live on.
#[derive(Clone, PartialEq, Debug)]
pub struct Drop(pub Messages);

impl FaultKind for Drop {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        self.0.write()
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        let Messages { ends, api, response } = &self.0;
        let kind = if *response { "responses" } else { "requests" };
        format!("drop {api:?} {kind} from {} to {}", name(&ends.from), name(&ends.to))
    }

    fn ends(&self) -> Option<&Ends> {
        Some(&self.0.ends)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let messages = self.0.between(world);
        world.filter(Box::new(messages));
        Applied::Lasting(Box::new(Filtering))
    }
}

/// All of them vanish.
impl Filter for Between {
    fn pass(&mut self, message: &mut Passing<'_>) -> Fate {
        match self.has(message) {
            true => Fate::Lost,
            false => Fate::Sent,
        }
    }
}

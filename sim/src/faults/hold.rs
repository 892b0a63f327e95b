//! `hold`: one message waits, and all behind it.

use super::kind_keys::kind;
use super::lasting::Filtering;
use super::messages::{API, Between};
use super::{Applied, Ends, Entry, Fate, FaultKind, Filter, Messages, Passing, Primitives, Target};
use crate::toml_file::keys::{Default::*, Section, Type, key};

/// See [`Hold`].
pub const ENTRY: Entry = Entry {
    key: kind("hold", Type::Table(&SECTION), SECTION.meaning),
    allows: "a send whose request or answer is held for longer than `request.timeout.ms` is repeated, with \
             `enable.idempotence` = false twice in the log or out of order (`duplicate`, `nonmonotonic-send`); a node or \
             member whose heartbeats are held is replaced, as with `pause`",
    examples: &["{ from = \"broker 1\", to = \"broker 2\", api = \"AlterPartition\", response = true }"],
    read: |value| Messages::read(value).map(|messages| Hold(messages).into()),
    drawn: &[],
};

const SECTION: Section = Section {
    name: "faults.hold",
    meaning: "holds the first message of one API, and all behind it on its connection, until the fault ends",
    rules: &[],
    keys: &[
        key("from", Type::Target, Required, "the sender of the message"),
        key("to", Type::Target, Required, "its receiver"),
        API,
        key(
            "response",
            Type::Boolean,
            Value("false"),
            "hold the API's response instead of its request",
        ),
    ],
};

/// Holds the first message of an API from one to the other, and all behind it, until the fault ends.
#[derive(Clone, PartialEq, Debug)]
pub struct Hold(pub Messages);

impl FaultKind for Hold {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        self.0.write()
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        let Messages { ends, api, response } = &self.0;
        let kind = if *response { "response" } else { "request" };
        format!("hold a {api:?} {kind} from {} to {}", name(&ends.from), name(&ends.to))
    }

    fn ends(&self) -> Option<&Ends> {
        Some(&self.0.ends)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let first = First {
            messages: self.0.between(world),
            is_caught: false,
        };
        world.filter(Box::new(first));
        Applied::Lasting(Box::new(Filtering))
    }
}

/// Catches the first of these messages.
struct First {
    messages: Between,
    is_caught: bool,
}

impl Filter for First {
    fn pass(&mut self, message: &mut Passing<'_>) -> Fate {
        if self.is_caught || !self.messages.has(message) {
            return Fate::Sent;
        }
        self.is_caught = true;
        Fate::Held
    }
}

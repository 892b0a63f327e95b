//! `one_way`: one direction between two nodes is cut.

use super::kind_keys::{kind, weight};
use super::lasting::Cut;
use super::{Applied, Drawn, Ends, Entry, FaultKind, Primitives, Target, Victims};
use crate::toml_file::keys::{Default::*, Section, Type, key};

/// See [`OneWay`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "one_way",
        Type::Table(&SECTION),
        "messages of one direction are lost; the other way is open",
    ),
    allows: "what `partition` allows",
    examples: &["{ from = \"broker 1\", to = \"a follower of orders/5\" }"],
    read: |value| Some(OneWay(Ends::read(&value.table()?)?).into()),
    drawn: &[Drawn {
        weight: weight("one_way", "1", "cut one direction between two nodes"),
        of: Victims::Nodes,
        draw: |draw| {
            let (from, to) = draw.two_nodes()?;
            Some(OneWay(Ends { from, to }).into())
        },
    }],
};

const SECTION: Section = Section {
    name: "faults.one_way",
    meaning: "messages of one direction are lost",
    rules: &[],
    keys: &[
        key("from", Type::Target, Required, "the sender"),
        key("to", Type::Target, Required, "the receiver"),
    ],
};

/// Messages from the first to the second are lost; the other way is open.
#[derive(Clone, PartialEq, Debug)]
pub struct OneWay(pub Ends);

impl FaultKind for OneWay {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        format!("{{ {} }}", self.0.write())
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("cut {} off from {}", name(&self.0.to), name(&self.0.from))
    }

    fn ends(&self) -> Option<&Ends> {
        Some(&self.0)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let pairs = world.pairs(&self.0.from, &self.0.to);
        Cut::apply(world, pairs)
    }
}

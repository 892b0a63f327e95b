//! Faults that make something take a multiple of its time.

use super::{Applied, Entry, Lasting, Node, Primitives, Target, target};
use crate::toml_file::keys::{Default::*, Key, Type, key};
use crate::toml_file::reader::Value;
use crate::toml_file::writer::float;

/// The keys of such a fault. `whose` says what its target is.
pub(super) const fn keys(whose: &'static str) -> [Key; 2] {
    [
        key("target", Type::Target, Required, whose),
        key(
            "factor",
            Type::Number(1.0, 1e6),
            Required,
            "how many times as long it takes, at least 1",
        ),
    ]
}

/// Reads target and factor.
pub(super) fn read(value: &Value<'_>) -> Option<(Target, f64)> {
    let table = value.table()?;
    let target = table.required("target").and_then(|value| target::read(&value));
    let factor = table.required("factor").and_then(|value| value.number());
    Some((target?, factor?))
}

/// The table of such a fault.
pub(super) fn write(target: &Target, factor: f64) -> String {
    format!("{{ target = {}, factor = {} }}", target::write(target), float(factor))
}

/// The path of the target below such a fault.
pub(super) fn path(entry: &Entry) -> String {
    format!("{}.target", entry.key.name)
}

/// Why a factor has no effect.
pub(super) fn never_fires(factor: f64) -> Option<String> {
    (factor == 1.0).then(|| "a factor of 1 changes nothing".to_owned())
}

/// What makes something as fast as it was.
type End = fn(&mut dyn Primitives, Node, f64);

/// These nodes are slowed until `end`.
pub(super) fn lasting(nodes: Vec<Node>, factor: f64, end: End) -> Applied {
    Applied::Lasting(Box::new(Slowed { nodes, factor, end }))
}

struct Slowed {
    nodes: Vec<Node>,
    factor: f64,
    end: End,
}

impl Lasting for Slowed {
    fn has_effect(&self, world: &dyn Primitives) -> bool {
        self.nodes.iter().any(|node| world.is_alive(*node))
    }

    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        for node in self.nodes {
            (self.end)(world, node, self.factor);
        }
    }
}

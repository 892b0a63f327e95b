//! `power_loss`: a node loses its power.

use core::time::Duration;

use super::kind_keys::{kind, weight};
use super::lasting::KeptDown;
use super::{Applied, Drawn, Entry, FaultKind, Objection, Primitives, Surroundings, Target, Victims, target};
use crate::toml_file::keys::Type;

/// See [`PowerLoss`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "power_loss",
        Type::Target,
        "cuts the power: what no sync covered may be lost or torn; afterwards it starts again",
    ),
    allows: "what `kill` allows; besides, sends that were acknowledged from the page cache, also at acks=all, when every \
             replica in sync loses power before its next flush (`lost-write`): with `flush.messages` = 1 that is a \
             violation",
    examples: &["\"broker 2\""],
    read: |value| target::read(value).map(|target| PowerLoss(target).into()),
    drawn: &[Drawn {
        // What it takes away, Kafka's lazy flush never promised.
        weight: weight("power_loss", "0", "cut a node's power for a while"),
        of: Victims::Nodes,
        draw: |draw| draw.node().map(|node| PowerLoss(node).into()),
    }],
};

/// Cuts the power: what no sync covered may be lost or torn. When the fault ends, the process starts again.
#[derive(Clone, PartialEq, Debug)]
pub struct PowerLoss(pub Target);

impl FaultKind for PowerLoss {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("power loss of {}", name(&self.0))
    }

    fn target(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn problems(&self, _: Duration, scenario: &Surroundings) -> Vec<Objection> {
        Objection::of(ENTRY.key.name, scenario.has_disk(&self.0))
    }

    fn keeps_down(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn is_in_history(&self) -> bool {
        false
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let mut nodes = world.resolve(&self.0);
        nodes.retain(|node| world.has_power(*node));
        for node in &nodes {
            world.cut_power(*node);
        }
        KeptDown::apply(world, nodes)
    }
}

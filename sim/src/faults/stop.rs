//! `stop`: a process is asked to end in good order.

use core::time::Duration;

use super::kind_keys::{kind, weight};
use super::lasting::KeptDown;
use super::{Applied, Drawn, Entry, FaultKind, Objection, Primitives, Surroundings, Target, Victims, target};
use crate::toml_file::keys::Type;

/// See [`Stop`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "stop",
        Type::Target,
        "asks a worker, broker or controller to end in good order, as SIGTERM does; afterwards it starts again",
    ),
    allows: "sends at acks=0 or acks=1 that no follower had copied when a broker gave its leaderships away \
             (`lost-write`); at acks=all nothing. A worker finishes what it works on and leaves; what it had not \
             committed by then is processed again (`reprocessed`)",
    examples: &["\"client billing/2\""],
    read: |value| target::read(value).map(|target| Stop(target).into()),
    drawn: &[Drawn {
        weight: weight(
            "stop",
            "0",
            "ask a node to end in good order, and start it after a while",
        ),
        of: Victims::Nodes,
        draw: |draw| draw.node().map(|node| Stop(node).into()),
    }],
};

/// Asks a program, a broker or a controller to end in good order, as SIGTERM does. When the fault ends, it starts again.
#[derive(Clone, PartialEq, Debug)]
pub struct Stop(pub Target);

impl FaultKind for Stop {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("stop {}", name(&self.0))
    }

    fn target(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn problems(&self, _: Duration, scenario: &Surroundings) -> Vec<Objection> {
        match self.0 {
            Target::Client(_) => Objection::of(ENTRY.key.name, scenario.is_worker(&self.0)),
            _ => Vec::new(),
        }
    }

    fn needs(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        stop(world, &self.0)
    }
}

/// Asks those that are alive, and keeps them down once they have ended.
pub(super) fn stop(world: &mut dyn Primitives, target: &Target) -> Applied {
    let nodes = world.alive(target);
    let asked = nodes.clone();
    let applied = KeptDown::apply(world, nodes);
    for node in asked {
        world.ask_to_stop(node);
    }
    applied
}

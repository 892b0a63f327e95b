//! `stuck_poll`: a worker does not poll, and its consumer lives.

use core::time::Duration;

use super::kind_keys::kind;
use super::{Applied, Entry, FaultKind, Lasting, Node, Objection, Primitives, Surroundings, Target, target};
use crate::toml_file::keys::Type;

/// See [`StuckPoll`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "stuck_poll",
        Type::Target,
        "a worker stands still while its consumer lives: heartbeats go out, and nobody polls",
    ),
    allows: "a worker that does not poll for `max.poll.interval.ms` loses its partitions: others work on its records \
             again (`reprocessed`)",
    examples: &["\"client billing/1\""],
    read: |value| target::read(value).map(|target| StuckPoll(target).into()),
    drawn: &[],
};

/// A program stands still while its libraries live on: heartbeats go out, and nobody polls.
#[derive(Clone, PartialEq, Debug)]
pub struct StuckPoll(pub Target);

impl FaultKind for StuckPoll {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("{} does not poll", name(&self.0))
    }

    fn target(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn problems(&self, _: Duration, scenario: &Surroundings) -> Vec<Objection> {
        Objection::of(ENTRY.key.name, scenario.is_worker(&self.0))
    }

    fn needs(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let mut nodes = world.alive(&self.0);
        nodes.retain(|node| world.has_program(*node));
        if nodes.is_empty() {
            return Applied::Nothing;
        }
        let runs = nodes.into_iter().map(|node| (node, world.hold_program(node)));
        Applied::Lasting(Box::new(Stuck(runs.collect())))
    }
}

/// Processes whose programs stand still, each with its run.
struct Stuck(Vec<(Node, u32)>);

impl Lasting for Stuck {
    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        for (node, run) in self.0 {
            world.release_program(node, run);
        }
    }
}

//! `pause`: a process stands still.

use super::kind_keys::{kind, weight};
use super::{Applied, Drawn, Entry, FaultKind, Lasting, Node, Primitives, Target, Victims, target};
use crate::toml_file::keys::Type;

/// See [`Pause`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "pause",
        Type::Target,
        "the process stands still, as in a long garbage collection",
    ),
    allows: "a leader that is replaced while it stands still loses what it alone had acknowledged at acks=0 or acks=1 \
             (`lost-write`). A worker that stands still for longer than its session loses its partitions: others work on \
             its records again (`reprocessed`), and it considers itself their owner until its coordinator answers \
             (`overlapping-owners`)",
    examples: &["\"client app/2\""],
    read: |value| target::read(value).map(|target| Pause(target).into()),
    drawn: &[
        Drawn {
            weight: weight("pause", "1", "stop a process for a while"),
            of: Victims::Nodes,
            draw: |draw| draw.node().map(|node| Pause(node).into()),
        },
        Drawn {
            weight: weight("pause_worker", "0", "stop a worker and its consumer for a while"),
            of: Victims::Workers,
            draw: |draw| draw.worker().map(|worker| Pause(worker).into()),
        },
    ],
};

/// The process stands still, as in a long garbage collection.
#[derive(Clone, PartialEq, Debug)]
pub struct Pause(pub Target);

impl FaultKind for Pause {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("pause {}", name(&self.0))
    }

    fn target(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn needs(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn is_in_history(&self) -> bool {
        false
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let nodes = world.alive(&self.0);
        if nodes.is_empty() {
            return Applied::Nothing;
        }
        let runs = nodes.into_iter().map(|node| (node, world.pause(node)));
        Applied::Lasting(Box::new(Paused(runs.collect())))
    }
}

/// Paused processes, each with its run.
struct Paused(Vec<(Node, u32)>);

impl Lasting for Paused {
    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        for (node, run) in self.0 {
            world.resume(node, run);
        }
    }
}

//! `kill`: a process ends.

use super::kind_keys::{kind, weight};
use super::lasting::KeptDown;
use super::{Applied, Drawn, Entry, FaultKind, Primitives, Target, Victims, target};
use crate::toml_file::keys::Type;

/// See [`Kill`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "kill",
        Type::Target,
        "ends the process; the page cache stays; afterwards it starts again",
    ),
    allows: "a killed leader takes sends with it that it acknowledged at acks=0 or acks=1 before a follower had copied \
             them (`lost-write`); at acks=all none is lost unless `unclean.leader.election.enable` is true. What a killed \
             worker had not committed is processed again (`reprocessed`)",
    examples: &["\"leader of orders/0\""],
    read: |value| target::read(value).map(|target| Kill(target).into()),
    drawn: &[
        Drawn {
            weight: weight("kill", "3", "end a process for a while"),
            of: Victims::Nodes,
            draw: |draw| draw.node().map(|node| Kill(node).into()),
        },
        Drawn {
            weight: weight("kill_worker", "0", "end a worker for a while"),
            of: Victims::Workers,
            draw: |draw| draw.worker().map(|worker| Kill(worker).into()),
        },
    ],
};

/// Ends the process; the page cache stays. When the fault ends, the process starts again.
#[derive(Clone, PartialEq, Debug)]
pub struct Kill(pub Target);

impl FaultKind for Kill {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("kill {}", name(&self.0))
    }

    fn target(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn needs(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn keeps_down(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn is_in_history(&self) -> bool {
        false
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let nodes = world.alive(&self.0);
        for node in &nodes {
            world.kill(*node);
        }
        KeptDown::apply(world, nodes)
    }
}

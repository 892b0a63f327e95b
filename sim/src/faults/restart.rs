//! `restart`: a process is killed and starts at once.

use super::kind_keys::{kind, weight};
use super::{Applied, Drawn, Entry, FaultKind, Primitives, Target, Victims, target};
use crate::toml_file::keys::Type;

/// See [`Restart`].
pub const ENTRY: Entry = Entry {
    key: kind("restart", Type::Target, "kill and start at once"),
    allows: "what `kill` allows",
    examples: &["\"the controller\""],
    read: |value| target::read(value).map(|target| Restart(target).into()),
    drawn: &[
        Drawn {
            weight: weight("restart", "1", "kill a process and start it at once"),
            of: Victims::Nodes,
            draw: |draw| draw.node().map(|node| Restart(node).into()),
        },
        Drawn {
            weight: weight("restart_worker", "0", "kill a worker and start it at once"),
            of: Victims::Workers,
            draw: |draw| draw.worker().map(|worker| Restart(worker).into()),
        },
    ],
};

/// Kills the process and starts it at once.
#[derive(Clone, PartialEq, Debug)]
pub struct Restart(pub Target);

impl FaultKind for Restart {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("restart {}", name(&self.0))
    }

    fn target(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn takes_no_time(&self) -> Option<(&'static str, &'static str)> {
        Some(("a restart takes no time", "remove `for`, or use `kill`"))
    }

    fn needs(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn is_in_history(&self) -> bool {
        false
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let nodes = world.alive(&self.0);
        for node in &nodes {
            world.kill(*node);
            world.start(*node);
        }
        match nodes.is_empty() {
            true => Applied::Nothing,
            false => Applied::AtOnce,
        }
    }
}

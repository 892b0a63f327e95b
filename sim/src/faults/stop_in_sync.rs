//! `stop_in_sync`: a server is asked to end in good order once nothing else is wrong.

use core::time::Duration;

use super::kind_keys::kind;
use super::stop::stop;
use super::{Applied, Entry, FaultKind, Objection, Primitives, Surroundings, Target, target};
use crate::toml_file::keys::Type;

/// See [`StopInSync`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "stop_in_sync",
        Type::Target,
        "the same as `stop`, as soon as no broker is down and every ISR is complete",
    ),
    allows: "what `stop` allows",
    examples: &["\"leader of orders/0\""],
    read: |value| target::read(value).map(|target| StopInSync(target).into()),
    drawn: &[],
};

/// Asks a broker or controller to end in good order as soon as no server is down or about to be, and every ISR is
/// complete. The fault lasts as long as it would have from its time on.
#[derive(Clone, PartialEq, Debug)]
pub struct StopInSync(pub Target);

impl FaultKind for StopInSync {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("stop {} in sync", name(&self.0))
    }

    fn target(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn problems(&self, _: Duration, _: &Surroundings) -> Vec<Objection> {
        match self.0 {
            Target::Client(_) => vec![Objection::new(
                ENTRY.key.name,
                format!("`{}` is no broker", self.0),
                "a program waits for no ISR: use `stop`",
            )],
            _ => Vec::new(),
        }
    }

    fn condition(&self) -> Option<fn(&dyn Primitives) -> bool> {
        Some(|world| world.is_in_sync())
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        stop(world, &self.0)
    }
}

//! `service_down`: what workers call refuses them.

use core::time::Duration;

use super::kind_keys::kind;
use super::{Applied, Entry, FaultKind, Lasting, Objection, Primitives, Surroundings, Target};
use crate::toml_file::keys::Type;
use crate::toml_file::writer::text;

/// See [`ServiceDown`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "service_down",
        Type::String,
        "every call of the service of this name fails without effect",
    ),
    allows: "attempts fail as they do by `failure`: records that wait in a retry topic meanwhile are passed by later ones \
             of their key (`retry-key-order`)",
    examples: &["\"ledger\""],
    read: |value| Some(ServiceDown(value.text()?.to_owned()).into()),
    drawn: &[],
};

/// Every call of a service fails without effect.
#[derive(Clone, PartialEq, Debug)]
pub struct ServiceDown(pub String);

impl FaultKind for ServiceDown {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        text(&self.0)
    }

    fn text(&self, _: &dyn Fn(&Target) -> String) -> String {
        format!("service {} down", self.0)
    }

    fn problems(&self, _: Duration, scenario: &Surroundings) -> Vec<Objection> {
        Objection::of(ENTRY.key.name, scenario.service_exists(&self.0))
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let Some(refused) = world.close_service(&self.0) else {
            return Applied::Nothing;
        };
        let service = self.0.clone();
        Applied::Lasting(Box::new(Closed { service, refused }))
    }
}

/// A service that is closed, with the number of calls that it had refused before.
struct Closed {
    service: String,
    refused: u64,
}

impl Lasting for Closed {
    fn has_effect(&self, world: &dyn Primitives) -> bool {
        world.refused(&self.service) > self.refused
    }

    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        world.open_service(&self.service);
    }
}

//! The messages of one API between two nodes.

use broker_core::protocol::ApiKey;

use super::{Ends, Node, Passing, Primitives, api};
use crate::toml_file::keys::{Default::*, Key, Type, key};
use crate::toml_file::reader::Value;

/// Which messages.
#[derive(Clone, PartialEq, Debug)]
pub struct Messages {
    /// Sender and receiver.
    pub ends: Ends,
    /// Which API.
    pub api: ApiKey,
    /// Its responses instead of its requests.
    pub response: bool,
}

/// The key of the API.
pub(super) const API: Key = key(
    "api",
    Type::Api,
    Required,
    "the API by Kafka's name: `Fetch`, `Produce`, `AlterPartition`, `Heartbeat`, …",
);

impl Messages {
    /// Reads the table of a fault.
    pub(super) fn read(value: &Value<'_>) -> Option<Messages> {
        let table = value.table()?;
        let ends = Ends::read(&table);
        let api = table.required("api").and_then(|value| api::read(&value));
        let response = table.get("response").map_or(Some(false), |value| value.boolean());
        Some(Messages {
            ends: ends?,
            api: api?,
            response: response?,
        })
    }

    /// The table of a fault.
    pub(super) fn write(&self) -> String {
        let Messages { ends, api, response } = self;
        format!("{{ {}, api = \"{api:?}\", response = {response} }}", ends.write())
    }

    /// Those that a world has now.
    pub(super) fn between(&self, world: &dyn Primitives) -> Between {
        Between {
            pairs: world.pairs(&self.ends.from, &self.ends.to),
            api: self.api,
            response: self.response,
        }
    }
}

/// The same between nodes.
pub(super) struct Between {
    /// Pairs of sender and receiver.
    pairs: Vec<(Node, Node)>,
    api: ApiKey,
    response: bool,
}

impl Between {
    /// Whether this message is one of them, and not held anyway.
    pub(super) fn has(&self, message: &Passing<'_>) -> bool {
        !message.is_held
            && self.api == message.api
            && self.response == message.response.is_some()
            && self.pairs.contains(&(message.from, message.to))
    }
}

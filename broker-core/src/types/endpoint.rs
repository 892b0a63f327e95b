//! Where nodes listen.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Host;

/// What a node listens for at one of its endpoints (Kafka `ListenerType`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
pub enum Listener {
    /// Requests to the broker, of clients and of other brokers.
    Broker,
    /// Requests to the controller and to a member of the metadata quorum.
    Controller,
}

/// A host and a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host-{}:{}", self.host, self.port)
    }
}

/// The endpoints of one node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Hash, Serialize, Deserialize)]
pub struct Listeners(pub alloc::vec::Vec<(Listener, Endpoint)>);

impl Listeners {
    /// The endpoint of one of them, if the node has it.
    #[must_use]
    pub fn endpoint(&self, listener: Listener) -> Option<Endpoint> {
        let (_, endpoint) = self.0.iter().find(|(of, _)| *of == listener)?;
        Some(*endpoint)
    }
}

#[cfg(test)]
impl Endpoint {
    /// For tests: where a node listens.
    pub(crate) fn of(node: super::NodeId, listener: Listener) -> Endpoint {
        let port = match listener {
            Listener::Broker => 9092,
            Listener::Controller => 9093,
        };
        Endpoint {
            host: Host(node.0),
            port,
        }
    }

    /// For tests: what is listened for there.
    pub(crate) fn listener(self) -> Listener {
        match self.port {
            9092 => Listener::Broker,
            _ => Listener::Controller,
        }
    }
}

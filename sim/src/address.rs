//! Where the nodes of a simulated cluster listen. Each has a host of its own.

use broker_core::broker::Roles;
use broker_core::types::{Endpoint, Host, Listener, Listeners, NodeId};

/// The host of a node.
pub(crate) fn host(node: NodeId) -> Host {
    Host(node.0)
}

/// Where a node listens, if it does.
pub(crate) fn endpoint(node: NodeId, listener: Listener) -> Endpoint {
    let port = match listener {
        Listener::Broker => 9092,
        Listener::Controller => 9093,
    };
    Endpoint { host: host(node), port }
}

/// All endpoints of a server.
pub(crate) fn listeners(node: NodeId, roles: Roles) -> Listeners {
    let listeners: &[Listener] = match roles {
        Roles::Broker => &[Listener::Broker],
        Roles::Controller => &[Listener::Controller],
        Roles::Combined => &[Listener::Broker, Listener::Controller],
    };
    let listen = |listener: &Listener| (*listener, endpoint(node, *listener));
    Listeners(listeners.iter().map(listen).collect())
}

/// What clients know of a cluster at first (`bootstrap.servers`): brokers, and where they listen.
pub(crate) type Bootstrap = Vec<(NodeId, Endpoint)>;

/// These brokers.
pub(crate) fn bootstrap(brokers: impl IntoIterator<Item = NodeId>) -> Bootstrap {
    let brokers = brokers.into_iter();
    brokers.map(|node| (node, endpoint(node, Listener::Broker))).collect()
}

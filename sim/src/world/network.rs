//! Links and connections: who can reach whom, how long it takes, and which messages belong together.
//!
//! A **link** is one direction between two nodes: latency, cuts, loss. A **connection** goes from a client to a server
//! and carries requests one way and responses the other; in each direction messages keep their order. A message that
//! is lost breaks its connection: nothing passes it any more, and both ends learn of it later, as with TCP.

use std::collections::BTreeMap;

use broker_core::machine::{CloseReason, ConnectionId, RequestId};
use broker_core::protocol::{ApiKey, Request, Response};
use broker_core::random::Random;
use broker_core::types::{ClientId, Listener, NodeId};

use crate::faults::Trouble;
use crate::scenario;

/// Names a connection among all of a trial; also its number at the server.
pub(super) type Connection = u32;

/// No process yet.
pub(super) const NOBODY: u32 = u32::MAX;

/// The latency of a message from a node to itself, in nanoseconds.
const LOOPBACK: u64 = 10_000;

/// One request or response on its way.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) connection: Connection,
    /// Which run of the sender's process sent it.
    pub(super) incarnation: u32,
    /// When it left the sender; a sender that died earlier never sent it.
    pub(super) departs: u64,
    /// Bytes on the wire.
    pub(super) size: u64,
    pub(super) id: RequestId,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Request(Request),
    Response(Response),
}

impl Body {
    pub(super) fn size(&self) -> u64 {
        match self {
            Body::Request(body) => body.wire_size(),
            Body::Response(body) => body.wire_size(),
        }
    }

    pub(super) fn api_key(&self) -> ApiKey {
        match self {
            Body::Request(body) => body.api_key(),
            Body::Response(body) => body.api_key(),
        }
    }

    pub(super) fn direction(&self) -> Direction {
        match self {
            Body::Request(_) => Direction::ToServer,
            Body::Response(_) => Direction::ToClient,
        }
    }
}

/// A direction of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    ToServer = 0,
    ToClient = 1,
}

/// How a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// The client waits for the answer to its SYN.
    Connecting,
    /// Messages pass.
    Open,
    /// Something was lost, an end died or closed it: what is sent now is lost, and the ends will be notified.
    Broken,
    /// The ends were notified.
    Closed,
}

/// A connection that its client has not been notified of yet.
#[derive(Default)]
pub(super) struct SetUp {
    /// How often the SYN has gone out.
    pub(super) attempts: u32,
    /// When it last did.
    pub(super) sent_at: u64,
    /// The requests that leave once the connection is established.
    pub(super) waiting: Vec<(RequestId, Body)>,
}

/// A step of the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handshake {
    /// The client's machine sends a SYN again.
    Again,
    /// The SYN reaches the server's machine.
    Syn,
    /// Its answer reaches the client's machine.
    SynAck,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectionState {
    pub(super) client: usize,
    pub(super) server: usize,
    /// The server's listener that it goes to.
    pub(super) listener: Listener,
    /// What the client calls itself.
    pub(super) client_id: Option<ClientId>,
    /// Whether the server's process has it: it is notified of it with the first message.
    pub(super) is_accepted: bool,
    /// Which run of the client's process made it.
    pub(super) client_incarnation: u32,
    /// Which run of the server's process accepted it; [`NOBODY`] before its machine has got the SYN.
    pub(super) server_incarnation: u32,
    pub(super) condition: Condition,
    /// Why it is not open.
    pub(super) reason: CloseReason,
    /// Its number at the client.
    pub(super) number: u64,
    /// Whether an end has closed it, by the direction towards the other end: it is not notified, and gets nothing more.
    pub(super) closed_by: [bool; 2],
    /// When the latest message of each direction arrives.
    last: [u64; 2],
    /// Whether a message of this direction was lost on the way, so that later ones cannot arrive.
    pub(super) hole: [bool; 2],
    /// Whether a fault holds messages of this direction: later ones queue behind them.
    pub(super) held: [bool; 2],
}

/// What troubles do to one message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Harm {
    pub(super) lost: bool,
    pub(super) delay: u64,
}

/// One direction between two nodes.
struct Link {
    latency: Random,
    /// Draws of troubles come from a stream of their own, so that a trouble changes no latency.
    trouble: Random,
    /// How many cuts lie on it.
    cuts: u32,
    /// What it suffers, with the number of the fault.
    troubles: Vec<(usize, Trouble)>,
}

/// All links and connections. Nodes are named by their place in the world.
pub(super) struct Network {
    ids: Vec<NodeId>,
    seed: u64,
    latency_min: u64,
    latency_excess: f64,
    /// For each ordered pair of nodes the place of its link plus one; 0 before the first message.
    places: Vec<u32>,
    links: Vec<Link>,
    pub(super) connections: Vec<ConnectionState>,
    /// The connections that are not established, or of which the client does not know it yet.
    pub(super) set_ups: BTreeMap<Connection, SetUp>,
    /// Broken connections whose ends cannot learn of it before they reach each other again.
    pub(super) silent: Vec<Connection>,
}

impl Network {
    pub(super) fn new(ids: Vec<NodeId>, spec: &scenario::Network, seed: u64) -> Network {
        let excess = spec.latency_mean.saturating_sub(spec.latency_min);
        Network {
            places: vec![0; ids.len() * ids.len()],
            ids,
            seed,
            latency_min: spec.latency_min.as_nanos() as u64,
            latency_excess: excess.as_nanos() as f64,
            links: Vec::new(),
            connections: Vec::new(),
            set_ups: BTreeMap::new(),
            silent: Vec::new(),
        }
    }

    // ---- links

    /// Draws how long a message takes from one node to the other.
    pub(super) fn latency(&mut self, from: usize, to: usize) -> u64 {
        if from == to {
            return LOOPBACK;
        }
        let (min, excess) = (self.latency_min, self.latency_excess);
        if excess == 0.0 {
            return min;
        }
        let link = self.link(from, to);
        min + (-libm::log(1.0 - link.latency.unit()) * excess) as u64
    }

    /// Whether messages from one to the other are lost.
    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts(from, to) > 0
    }

    /// How many cuts lie on the link.
    pub(super) fn cuts(&self, from: usize, to: usize) -> u32 {
        self.known_link(from, to).map_or(0, |link| link.cuts)
    }

    /// Lays one more cut on the link.
    pub(super) fn cut(&mut self, from: usize, to: usize) {
        self.link(from, to).cuts += 1;
    }

    /// Takes one cut away.
    pub(super) fn mend(&mut self, from: usize, to: usize) {
        self.link(from, to).cuts -= 1;
    }

    /// Adds the trouble of a fault.
    pub(super) fn trouble(&mut self, from: usize, to: usize, fault: usize, trouble: Trouble) {
        self.link(from, to).troubles.push((fault, trouble));
    }

    /// Ends the trouble of a fault.
    pub(super) fn relieve(&mut self, from: usize, to: usize, fault: usize) {
        self.link(from, to).troubles.retain(|(of, _)| *of != fault);
    }

    /// Draws what happens to a message.
    pub(super) fn harm(&mut self, from: usize, to: usize) -> Harm {
        let mut harm = Harm::default();
        if self.known_link(from, to).is_none_or(|link| link.troubles.is_empty()) {
            return harm;
        }
        let link = self.link(from, to);
        for (_, trouble) in &link.troubles {
            harm.lost |= link.trouble.chance(trouble.drop);
            harm.delay += trouble.delay;
        }
        harm
    }

    fn known_link(&self, from: usize, to: usize) -> Option<&Link> {
        match self.places[from * self.ids.len() + to] {
            0 => None,
            place => Some(&self.links[place as usize - 1]),
        }
    }

    fn link(&mut self, from: usize, to: usize) -> &mut Link {
        let pair = from * self.ids.len() + to;
        if self.places[pair] == 0 {
            let (from, to) = (self.ids[from], self.ids[to]);
            self.links.push(Link {
                latency: Random::new(self.seed, &format!("link {from}-{to}")),
                trouble: Random::new(self.seed, &format!("trouble {from}-{to}")),
                cuts: 0,
                troubles: Vec::new(),
            });
            self.places[pair] = self.links.len() as u32;
        }
        &mut self.links[self.places[pair] as usize - 1]
    }

    // ---- connections

    /// A new connection of this run of `client`, which calls it `number`.
    pub(super) fn open(
        &mut self,
        client: (usize, u32),
        number: u64,
        (server, listener): (usize, Listener),
        client_id: Option<ClientId>,
    ) -> Connection {
        let connection = self.connections.len() as Connection;
        self.connections.push(ConnectionState {
            client: client.0,
            server,
            listener,
            client_id,
            is_accepted: false,
            client_incarnation: client.1,
            server_incarnation: NOBODY,
            condition: Condition::Connecting,
            reason: CloseReason::Lost,
            number,
            closed_by: [false; 2],
            last: [0; 2],
            hole: [false; 2],
            held: [false; 2],
        });
        connection
    }

    /// What the receiver of a direction calls a connection.
    pub(super) fn name(&self, connection: Connection, receiver: Direction) -> ConnectionId {
        match receiver {
            Direction::ToServer => ConnectionId::Inbound(u64::from(connection)),
            Direction::ToClient => ConnectionId::Outbound(self.connections[connection as usize].number),
        }
    }

    /// Sender and receiver of a direction.
    pub(super) fn ends(&self, connection: Connection, direction: Direction) -> (usize, usize) {
        let ConnectionState { client, server, .. } = self.connections[connection as usize];
        match direction {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        }
    }

    /// When something that would arrive at `arrival` does so without overtaking.
    pub(super) fn in_order(&mut self, connection: Connection, direction: Direction, arrival: u64) -> u64 {
        let last = &mut self.connections[connection as usize].last[direction as usize];
        *last = arrival.max(*last);
        *last
    }

    /// The connections that a node was about to establish; it does not go on with them.
    pub(super) fn give_up_set_ups(&mut self, client: usize) {
        let connections = &mut self.connections;
        self.set_ups.retain(|connection, _| {
            let state = &mut connections[*connection as usize];
            let goes_on = state.client != client;
            if !goes_on && state.condition == Condition::Connecting {
                state.condition = Condition::Closed;
            }
            goes_on
        });
    }

    /// All open connections that a node has an end of.
    pub(super) fn open_connections(&self, node: usize) -> Vec<Connection> {
        let numbered = self.connections.iter().zip(0..);
        let open = numbered.filter(|(connection, _)| {
            connection.condition == Condition::Open && (connection.client == node || connection.server == node)
        });
        open.map(|(_, number)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn network(min: u64, mean: u64) -> Network {
        let spec = scenario::Network {
            latency_min: Duration::from_micros(min),
            latency_mean: Duration::from_micros(mean),
        };
        Network::new(vec![NodeId(1), NodeId(2), NodeId(3)], &spec, 1)
    }

    #[test]
    fn latency_has_its_minimum_and_its_mean() {
        for (min, mean) in [(100, 100), (100, 250), (0, 1000)] {
            let mut network = network(min, mean);
            let drawn: Vec<u64> = (0..20_000).map(|_| network.latency(0, 1)).collect();
            let average = drawn.iter().sum::<u64>() / 20_000;
            assert!(drawn.iter().all(|latency| *latency >= min * 1000));
            assert!(average.abs_diff(mean * 1000) <= mean * 20, "{min} {mean}: {average}");
        }
    }

    #[test]
    fn links_draw_from_streams_of_their_own() {
        let mut alone = network(0, 1000);
        let mut both = network(0, 1000);
        for _ in 0..100 {
            both.latency(1, 0);
            both.latency(0, 2);
            assert_eq!(alone.latency(0, 1), both.latency(0, 1));
        }
    }

    #[test]
    fn trouble_comes_with_its_probability_and_changes_no_latency() {
        let mut calm = network(0, 1000);
        let mut rough = network(0, 1000);
        let trouble = Trouble { drop: 0.2, delay: 7 };
        rough.trouble(0, 1, 0, trouble);
        let mut lost = 0;
        for _ in 0..10_000 {
            let harm = rough.harm(0, 1);
            assert_eq!(harm.delay, 7);
            lost += u32::from(harm.lost);
            assert_eq!(calm.latency(0, 1), rough.latency(0, 1));
        }
        assert!(lost.abs_diff(2_000) < 200, "{lost}");
        rough.relieve(0, 1, 0);
        assert_eq!(rough.harm(0, 1), Harm::default());
        assert_eq!(rough.harm(1, 0), Harm::default());
    }
}

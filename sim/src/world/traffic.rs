//! Messages on their way: departure, flight, arrival, and what becomes of connections.

use broker_core::machine::{ConnectionId, Input, ReplyTo, RequestId};
use broker_core::protocol::{Request, Response};
use broker_core::types::NodeId;

use super::engine::{Happening, World};
use super::network::{Body, Condition, Connection, Direction, Message, NOBODY};
use super::node::State;
use crate::history::Observer;

/// When the ends of a connection learn that a message was lost: TCP has then tried again a few times.
const RETRANSMISSIONS: u64 = 1_000_000_000;

impl<O: Observer> World<'_, O> {
    /// The place of a node.
    ///
    /// # Panics
    /// When there is no such node.
    pub(super) fn place(&self, node: NodeId) -> usize {
        let servers = self.roles.len() as u32;
        let place = match node.0 {
            id @ 1..super::FIRST_CONTROLLER if id <= self.brokers => id - 1,
            id @ super::FIRST_CONTROLLER..1001 if id - super::FIRST_CONTROLLER < self.controllers => {
                self.brokers + id - super::FIRST_CONTROLLER
            }
            id if id > 1000 && id - 1001 < self.cast.endpoints.len() as u32 => servers + id - 1001,
            id => panic!("there is no node {id}"),
        };
        place as usize
    }

    // ---- departure

    pub(super) fn send_request(&mut self, from: usize, to: NodeId, id: RequestId, body: Request) {
        let to = self.place(to);
        let connection = self.network.connect(from, self.nodes[from].incarnation, to);
        self.depart(connection, id, Body::Request(body));
    }

    pub(super) fn send_response(&mut self, from: usize, to: ReplyTo, mut body: Response) {
        self.strikes.omit(from, &mut body);
        let connection = to.connection.0 as Connection;
        let state = &self.network.connections[connection as usize];
        assert!(
            state.server == from && self.nodes[state.client].id == to.node,
            "{} answers over a connection that is not its own",
            self.nodes[from].name
        );
        if state.server_incarnation == self.nodes[from].incarnation {
            self.depart(connection, to.id, Body::Response(body));
        }
    }

    /// A message leaves its sender once the CPU has done with the input that caused it.
    fn depart(&mut self, connection: Connection, id: RequestId, body: Body) {
        let direction = body.direction();
        let state = &self.network.connections[connection as usize];
        if state.condition != Condition::Open {
            return;
        }
        let is_held = state.held[direction as usize];
        let (from, to) = self.network.ends(connection, direction);
        let sender = &mut self.nodes[from];
        let message = Message {
            connection,
            incarnation: sender.incarnation,
            departs: sender.busy_until.max(self.now),
            size: body.size(),
            id,
            body,
        };
        if is_held || self.strikes.holds(from, to, &message.body) {
            if !is_held {
                self.network.connections[connection as usize].held[direction as usize] = true;
                self.network.retire(connection);
            }
            self.pin_receiver(connection, to);
            self.strikes.hold((from, to), message);
            return;
        }
        if self.strikes.drops(from, to, &message.body) {
            return;
        }
        let harm = self.network.harm(from, to);
        if harm.lost {
            self.break_connection(connection, self.now + RETRANSMISSIONS);
            return;
        }
        let departs = message.departs;
        if harm.twice && direction == Direction::ToServer {
            self.fly(message.clone(), departs, harm.delay);
        }
        self.fly(message, departs, harm.delay);
    }

    /// Sends a message through the sender's NIC at `departs`, over the link, and to the receiver's NIC.
    pub(super) fn fly(&mut self, message: Message, departs: u64, delay: u64) {
        let direction = message.body.direction();
        let (from, to) = self.network.ends(message.connection, direction);
        let mut sent = departs;
        if from != to {
            let sender = &mut self.nodes[from];
            sent = sent.max(sender.egress_free) + self.costs.nic.bytes(message.size);
            sender.egress_free = sent;
        }
        let arrival = sent + self.network.latency(from, to) + delay;
        let arrival = self.network.in_order(message.connection, direction, arrival);
        self.queue.push(arrival, Happening::Message(message));
    }

    // ---- arrival

    /// A message reaches its receiver's NIC, or is found to be lost.
    pub(super) fn arrive(&mut self, message: Message) {
        let connection = message.connection;
        let direction = message.body.direction();
        let (from, to) = self.network.ends(connection, direction);
        if self.nodes[from].died_before(message.incarnation, message.departs) {
            return;
        }
        if self.network.is_cut(from, to) || self.nodes[to].state == State::PowerOff {
            self.lose(connection, direction);
            return;
        }
        if self.nodes[to].state == State::Dead {
            if direction == Direction::ToServer {
                let refusal = self.now + self.network.latency(to, from);
                self.break_connection(connection, refusal);
            }
            return;
        }
        let receiver = &mut self.nodes[to];
        let state = &mut self.network.connections[connection as usize];
        if state.hole[direction as usize] {
            return;
        }
        let is_expected = match direction {
            Direction::ToServer => {
                if state.server_incarnation == NOBODY {
                    state.server_incarnation = receiver.incarnation;
                }
                state.server_incarnation == receiver.incarnation
            }
            Direction::ToClient => {
                state.client_incarnation == receiver.incarnation && state.condition != Condition::Closed
            }
        };
        if !is_expected {
            return;
        }
        let mut received = self.now;
        if from != to {
            // The bytes come in while they are sent, so that an idle NIC adds nothing.
            received = received.max(receiver.ingress_free + self.costs.nic.bytes(message.size));
            receiver.ingress_free = received;
        }
        let incarnation = receiver.incarnation;
        let cost = self.costs.cpu(message.size);
        let input = match message.body {
            Body::Request(body) => Input::Request {
                reply_to: ReplyTo {
                    node: self.nodes[from].id,
                    connection: ConnectionId(u64::from(connection)),
                    id: message.id,
                },
                body,
            },
            Body::Response(body) => Input::Response {
                from: self.nodes[from].id,
                id: message.id,
                body,
            },
        };
        if received == self.now {
            self.accept(to, input, cost);
            return;
        }
        let input = Happening::Input {
            node: to,
            incarnation,
            input: Box::new(input),
            cost,
        };
        self.queue.push(received, input);
    }

    // ---- broken connections

    /// Nothing passes the connection any more; its ends learn of it at `when`.
    pub(super) fn break_connection(&mut self, connection: Connection, when: u64) {
        let state = &mut self.network.connections[connection as usize];
        if state.condition == Condition::Open {
            state.condition = Condition::Broken;
            self.queue.push(when, Happening::Told(connection));
        }
    }

    /// Nothing passes the connection any more; its ends learn of it once they can reach each other.
    pub(super) fn break_silently(&mut self, connection: Connection) {
        let state = &mut self.network.connections[connection as usize];
        if state.condition == Condition::Open {
            state.condition = Condition::Broken;
            self.network.silent.push(connection);
        }
    }

    /// A message was lost where nobody could tell.
    fn lose(&mut self, connection: Connection, direction: Direction) {
        self.network.connections[connection as usize].hole[direction as usize] = true;
        self.break_silently(connection);
    }

    /// Some nodes can reach each other again: those with broken connections find out.
    pub(super) fn end_silence(&mut self) {
        for connection in std::mem::take(&mut self.network.silent) {
            let (client, server) = self.network.ends(connection, Direction::ToServer);
            let is_silent = self.network.is_cut(client, server)
                || self.network.is_cut(server, client)
                || self.nodes[client].state == State::PowerOff
                || self.nodes[server].state == State::PowerOff;
            if is_silent {
                self.network.silent.push(connection);
                continue;
            }
            let reset = self.now + self.network.latency(server, client);
            self.queue.push(reset, Happening::Told(connection));
        }
    }

    /// The ends of a broken connection learn of it.
    pub(super) fn tell(&mut self, connection: Connection) {
        self.network.retire(connection);
        let state = &mut self.network.connections[connection as usize];
        state.condition = Condition::Closed;
        let (client, server) = (state.client, state.server);
        let (client_incarnation, server_incarnation) = (state.client_incarnation, state.server_incarnation);
        let peer = self.nodes[server].id;
        self.reach(client, client_incarnation, Input::Unreachable { peer }, 0);
        let closed = Input::Closed {
            connection: ConnectionId(u64::from(connection)),
        };
        self.reach(server, server_incarnation, closed, 0);
    }
}

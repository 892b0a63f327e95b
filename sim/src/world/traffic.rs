//! Messages on their way: departure, flight, arrival, and what becomes of connections.

use broker_core::machine::{CloseReason, ConnectionId, Input, ReplyTo, RequestId};
use broker_core::protocol::{Request, Response};
use broker_core::types::{ClientId, Endpoint, Listener, NodeId};

use super::engine::World;
use super::event::WorldEvent;
use super::network::{Body, Condition, Connection, Direction, Message};
use super::node::State;
use crate::address;
use crate::faults::Fate;
use crate::history::Observer;

/// When the ends of a connection learn that a message was lost: TCP has then tried again a few times.
const RETRANSMISSIONS: u64 = 1_000_000_000;

impl<O: Observer> World<'_, O> {
    /// The place of a node.
    ///
    /// # Panics
    /// When there is no such node.
    pub(super) fn place(&self, node: NodeId) -> usize {
        match self.places.get(&node) {
            Some(place) => *place,
            None => panic!("there is no node {node}"),
        }
    }

    // ---- departure

    /// A machine opens a connection. Where nobody listens, it is refused.
    pub(super) fn open_connection(
        &mut self,
        from: usize,
        connection: ConnectionId,
        endpoint: Option<Endpoint>,
        client_id: Option<ClientId>,
    ) {
        let found = endpoint.and_then(|endpoint| self.addresses.get(&endpoint).copied());
        let (to, listener) = found.unwrap_or((from, Listener::Broker));
        let node = &mut self.nodes[from];
        let number = node.opened.len() as u64 + 1;
        assert_eq!(
            connection,
            ConnectionId::Outbound(number),
            "{} counts the connections that it opens",
            node.name
        );
        let opened = self
            .network
            .open((from, node.incarnation), number, (to, listener), client_id);
        node.opened.push(opened);
        if found.is_some() {
            self.begin_handshake(opened);
        } else {
            let refusal = self.now + self.network.latency(from, from);
            self.break_connection(opened, refusal, CloseReason::Refused);
        }
    }

    /// Which connection a machine means.
    pub(super) fn connection_of(&self, index: usize, connection: ConnectionId) -> Connection {
        match connection {
            ConnectionId::Inbound(number) => number as Connection,
            ConnectionId::Outbound(number) => self.nodes[index].opened[number as usize - 1],
        }
    }

    /// Who is at the other end of a node's connection.
    pub(super) fn peer_of(&self, index: usize, connection: ConnectionId) -> NodeId {
        let state = &self.network.connections[self.connection_of(index, connection) as usize];
        let peer = match connection {
            ConnectionId::Inbound(_) => state.client,
            ConnectionId::Outbound(_) => state.server,
        };
        self.nodes[peer].id
    }

    pub(super) fn send_request(&mut self, from: usize, connection: ConnectionId, id: RequestId, body: Request) {
        let connection = self.connection_of(from, connection);
        self.depart(connection, id, Body::Request(body));
    }

    /// A machine closes a connection: what is on its way arrives, and then the other end learns of it.
    pub(super) fn close_connection(&mut self, index: usize, connection: ConnectionId) {
        let towards = match connection {
            ConnectionId::Inbound(_) => Direction::ToClient,
            ConnectionId::Outbound(_) => Direction::ToServer,
        };
        let connection = self.connection_of(index, connection);
        let (_, peer) = self.network.ends(connection, towards);
        let state = &mut self.network.connections[connection as usize];
        state.closed_by[towards as usize] = true;
        match state.condition {
            Condition::Connecting => {
                state.condition = Condition::Closed;
                self.network.set_ups.remove(&connection);
            }
            Condition::Open => self.finish_connection(connection, towards, self.network.is_cut(index, peer)),
            Condition::Broken | Condition::Closed => {}
        }
    }

    /// One end of an open connection closes it behind the last bytes that it sent; `silently` if
    /// nothing reaches the other.
    pub(super) fn finish_connection(&mut self, connection: Connection, towards: Direction, silently: bool) {
        if silently {
            self.break_silently(connection);
            return;
        }
        let state = &mut self.network.connections[connection as usize];
        if state.held[towards as usize] {
            state.condition = Condition::Broken;
            state.reason = CloseReason::Peer;
            self.faults.filters.close_behind(connection, towards);
            return;
        }
        let arrival = self.end_of_stream(connection, towards);
        self.break_connection(connection, arrival, CloseReason::Peer);
    }

    /// What a fault held of a stream is on its way now, and with it the end of the stream.
    pub(super) fn close_held(&mut self, connection: Connection, towards: Direction) {
        let arrival = self.end_of_stream(connection, towards);
        self.queue.push(arrival, WorldEvent::Closed(connection));
    }

    /// When the end of a stream arrives that its sender closes now: behind all that was sent.
    fn end_of_stream(&mut self, connection: Connection, towards: Direction) -> u64 {
        let (from, to) = self.network.ends(connection, towards);
        let departs = self.nodes[from].busy_until.max(self.now);
        let arrival = departs + self.network.latency(from, to);
        self.network.in_order(connection, towards, arrival)
    }

    pub(super) fn send_response(&mut self, from: usize, to: ReplyTo, body: Response) {
        let connection = self.connection_of(from, to.connection);
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

    /// A message leaves its sender once the CPU has done with the input that caused it, and the connection is established.
    pub(super) fn depart(&mut self, connection: Connection, id: RequestId, mut body: Body) {
        let direction = body.direction();
        if direction == Direction::ToServer
            && let Some(set_up) = self.network.set_ups.get_mut(&connection)
        {
            set_up.waiting.push((id, body));
            return;
        }
        let state = &self.network.connections[connection as usize];
        if state.condition != Condition::Open {
            return;
        }
        let is_held = state.held[direction as usize];
        let (from, to) = self.network.ends(connection, direction);
        let verdict = self.faults.filters.pass((from, to), &mut body, is_held);
        let sender = &mut self.nodes[from];
        let message = Message {
            connection,
            incarnation: sender.incarnation,
            departs: sender.busy_until.max(self.now),
            size: body.size(),
            id,
            body,
        };
        if let Some(verdict) = verdict {
            self.faults.had_effect(verdict.fault);
        }
        if is_held {
            let fault = self.faults.filters.hold_behind(message);
            self.faults.had_effect(fault);
            return;
        }
        match verdict.map(|verdict| (verdict.fate, verdict.fault)) {
            Some((Fate::Held, fault)) => {
                self.network.connections[connection as usize].held[direction as usize] = true;
                self.faults.filters.hold(fault, message);
                return;
            }
            Some((Fate::Lost, _)) => return,
            Some((Fate::Sent | Fate::Changed, _)) | None => {}
        }
        let harm = self.network.harm(from, to);
        if harm.lost {
            self.break_connection(connection, self.now + RETRANSMISSIONS, CloseReason::Lost);
            return;
        }
        let departs = message.departs;
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
        self.queue.push(arrival, WorldEvent::Message(message));
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
                self.break_connection(connection, refusal, CloseReason::Refused);
            }
            return;
        }
        let receiver = &mut self.nodes[to];
        let state = &mut self.network.connections[connection as usize];
        if state.hole[direction as usize] {
            return;
        }
        let mut accepted_by = None;
        let is_expected = match direction {
            Direction::ToServer => {
                let is_expected =
                    state.server_incarnation == receiver.incarnation && !state.closed_by[Direction::ToClient as usize];
                if is_expected && !state.is_accepted {
                    state.is_accepted = true;
                    accepted_by = Some((state.listener, state.client_id.clone()));
                }
                is_expected
            }
            Direction::ToClient => {
                state.client_incarnation == receiver.incarnation
                    && state.condition != Condition::Closed
                    && !state.closed_by[Direction::ToServer as usize]
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
        let name = self.network.name(connection, direction);
        let input = match message.body {
            Body::Request(body) => Input::Request {
                reply_to: ReplyTo {
                    node: self.nodes[from].id,
                    connection: name,
                    id: message.id,
                },
                body,
            },
            Body::Response(body) => Input::Response {
                connection: name,
                id: message.id,
                body,
            },
        };
        if let Some((listener, client_id)) = accepted_by {
            let opened = Input::Opened {
                connection: name,
                peer: self.calls_from(from, connection),
                listener,
                client_id,
            };
            self.receive(to, incarnation, received, opened, 0);
        }
        self.receive(to, incarnation, received, input, cost);
    }

    /// A process receives an input, now or once its bytes are in.
    fn receive(&mut self, node: usize, incarnation: u32, received: u64, input: Input, cost: u64) {
        if received == self.now {
            return self.accept(node, input, cost);
        }
        let input = WorldEvent::Input {
            node,
            incarnation,
            input: Box::new(input),
            cost,
        };
        self.queue.push(received, input);
    }

    /// Where the end of a connection is that opened it: the port is one of those that a system hands out.
    fn calls_from(&self, client: usize, connection: Connection) -> Endpoint {
        let number = self.network.connections[connection as usize].number;
        Endpoint {
            host: address::host(self.nodes[client].id),
            port: 32_768 + (number % 28_232) as u16,
        }
    }

    // ---- broken connections

    /// Nothing more passes the connection; its ends learn of it at `when`.
    pub(super) fn break_connection(&mut self, connection: Connection, when: u64, reason: CloseReason) {
        let state = &mut self.network.connections[connection as usize];
        if matches!(state.condition, Condition::Connecting | Condition::Open) {
            state.condition = Condition::Broken;
            state.reason = reason;
            self.network.set_ups.remove(&connection);
            self.queue.push(when, WorldEvent::Closed(connection));
        }
    }

    /// Nothing passes the connection any more; its ends learn of it once they can reach each other.
    pub(super) fn break_silently(&mut self, connection: Connection) {
        let state = &mut self.network.connections[connection as usize];
        if state.condition == Condition::Open {
            state.condition = Condition::Broken;
            self.network.set_ups.remove(&connection);
            self.network.silent.push(connection);
        }
    }

    /// A message was lost, and neither end can know.
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
            self.queue.push(reset, WorldEvent::Closed(connection));
        }
    }

    /// The ends of a broken connection learn of it, but for one that has closed it.
    pub(super) fn notify(&mut self, connection: Connection) {
        let state = &mut self.network.connections[connection as usize];
        state.condition = Condition::Closed;
        let reason = state.reason;
        let ends = [
            (Direction::ToClient, state.client, state.client_incarnation),
            (Direction::ToServer, state.server, state.server_incarnation),
        ];
        let [to_server, to_client] = state.closed_by;
        // A server that no message has reached does not know of it.
        let to_client = to_client || !state.is_accepted;
        for ((end, node, incarnation), has_closed) in ends.into_iter().zip([to_server, to_client]) {
            if !has_closed {
                let connection = self.network.name(connection, end);
                self.reach(node, incarnation, Input::Closed { connection, reason }, 0);
            }
        }
    }
}

//! How connections are established: TCP's three-way handshake (RFC 9293), as the machines of the nodes do it, whatever
//! their processes do.
//!
//! A SYN or its answer that is lost, or a machine without power, is silence: the SYN goes out again after 1 s, 2 s, 4 s and so
//! on, as from Linux. A machine whose process is not there refuses. One whose process stands still accepts.

use broker_core::machine::{CloseReason, Input};

use super::engine::World;
use super::event::WorldEvent;
use super::network::{Condition, Connection, Direction, Handshake, SetUp};
use super::node::State;
use crate::history::Observer;

/// When a SYN without an answer goes out again for the first time; each time after that takes twice as long.
const RETRANSMISSION: u64 = 1_000_000_000;
/// How often it goes out again (Linux `tcp_syn_retries`).
const RETRIES: u32 = 6;

impl<O: Observer> World<'_, O> {
    /// A node's machine begins to establish a connection, once the CPU has done with the input that asked for it.
    pub(super) fn begin_handshake(&mut self, connection: Connection) {
        self.network.set_ups.insert(connection, SetUp::default());
        let (client, _) = self.network.ends(connection, Direction::ToServer);
        let departs = self.nodes[client].busy_until.max(self.now);
        self.send_syn(connection, departs);
    }

    /// A step of the handshake happens, unless one of the ends has given it up.
    pub(super) fn shake_hands(&mut self, connection: Connection, step: Handshake) {
        if self.network.connections[connection as usize].condition != Condition::Connecting {
            return;
        }
        match step {
            Handshake::Again => self.send_syn(connection, self.now),
            Handshake::Syn => self.syn_arrives(connection),
            Handshake::SynAck => self.syn_ack_arrives(connection),
        }
    }

    fn send_syn(&mut self, connection: Connection, departs: u64) {
        if let Some(set_up) = self.network.set_ups.get_mut(&connection) {
            set_up.attempts += 1;
            set_up.sent_at = departs;
        }
        self.send_segment(connection, Direction::ToServer, departs, Handshake::Syn);
    }

    fn send_segment(&mut self, connection: Connection, direction: Direction, departs: u64, step: Handshake) {
        let (from, to) = self.network.ends(connection, direction);
        let harm = self.network.harm(from, to);
        if harm.lost {
            return self.retransmit(connection);
        }
        let arrival = departs + self.network.latency(from, to) + harm.delay;
        self.queue.push(arrival, WorldEvent::Handshake(connection, step));
    }

    /// The client's machine gets no answer to its SYN.
    fn retransmit(&mut self, connection: Connection) {
        let Some(SetUp { attempts, sent_at, .. }) = self.network.set_ups.get(&connection) else {
            return;
        };
        let next = (sent_at + (RETRANSMISSION << (attempts - 1).min(RETRIES))).max(self.now);
        if *attempts > RETRIES {
            self.break_connection(connection, next, CloseReason::Lost);
        } else {
            self.queue
                .push(next, WorldEvent::Handshake(connection, Handshake::Again));
        }
    }

    fn syn_arrives(&mut self, connection: Connection) {
        let (client, server) = self.network.ends(connection, Direction::ToServer);
        let is_cut = self.network.is_cut(client, server);
        match self.nodes[server].state {
            _ if is_cut => self.retransmit(connection),
            State::PowerOff => self.retransmit(connection),
            State::Dead if self.network.is_cut(server, client) => self.retransmit(connection),
            State::Dead => {
                let refusal = self.now + self.network.latency(server, client);
                self.break_connection(connection, refusal, CloseReason::Refused);
            }
            State::Running | State::Paused => {
                let state = &mut self.network.connections[connection as usize];
                state.server_incarnation = self.nodes[server].incarnation;
                self.send_segment(connection, Direction::ToClient, self.now, Handshake::SynAck);
            }
        }
    }

    fn syn_ack_arrives(&mut self, connection: Connection) {
        let (client, server) = self.network.ends(connection, Direction::ToServer);
        if self.network.is_cut(server, client) {
            return self.retransmit(connection);
        }
        let state = &mut self.network.connections[connection as usize];
        if !self.nodes[server].is_in_run(state.server_incarnation) {
            // The process that had accepted it is gone already.
            return self.break_connection(connection, self.now, CloseReason::Refused);
        }
        state.condition = Condition::Open;
        let incarnation = state.client_incarnation;
        let connection = self.network.name(connection, Direction::ToClient);
        self.reach(client, incarnation, Input::Connected { connection }, 0);
    }

    /// The client's process has been notified that its connection is established: what it has sent over it leaves.
    pub(super) fn send_waiting(&mut self, connection: Connection) {
        if let Some(set_up) = self.network.set_ups.remove(&connection) {
            for (id, body) in set_up.waiting {
                self.depart(connection, id, body);
            }
        }
    }
}

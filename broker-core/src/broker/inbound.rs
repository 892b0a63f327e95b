//! The connections that peers have opened.
//!
//! One request of each at a time: until it is answered, what comes behind it on that connection is not read (Kafka's
//! `SocketServer` mutes the channel of a request in progress, which keeps answers in order). A fetch that waits for records
//! delays what follows it as a join does that waits for other members.
//!
//! One without use for `connections.max.idle.ms` is closed.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use super::Running;
use crate::idle::IdleCheck;
use crate::machine::{ConnectionId, Context, Instant, ReplyTo, RequestId};
use crate::protocol::Request;
use crate::types::Listener;

/// What waits on a connection, in the order in which it came.
type Waiting = VecDeque<(ReplyTo, Request)>;

/// The connections that are open.
pub(super) struct Inbound {
    open: BTreeMap<ConnectionId, Connection>,
    idle: IdleCheck,
}

struct Connection {
    /// Which listener accepted it.
    listener: Listener,
    /// When a request or an answer last passed it.
    used_at: Instant,
    in_progress: Option<RequestId>,
    /// What came behind the request in progress.
    behind: Waiting,
}

impl Inbound {
    pub fn new(max_idle: Duration) -> Inbound {
        Inbound {
            open: BTreeMap::new(),
            idle: IdleCheck::new(max_idle),
        }
    }

    /// A peer has opened a connection. The host says so before it brings requests; one of which it does not is the
    /// broker's.
    pub fn opened(&mut self, now: Instant, connection: ConnectionId, listener: Listener) {
        self.connection(now, connection).listener = listener;
    }

    /// Which listener a request came over.
    pub fn listener_of(&self, reply_to: ReplyTo) -> Listener {
        let connection = self.open.get(&reply_to.connection);
        connection.map_or(Listener::Broker, |connection| connection.listener)
    }

    fn connection(&mut self, now: Instant, connection: ConnectionId) -> &mut Connection {
        self.idle.used(now);
        self.open.entry(connection).or_insert_with(|| Connection {
            listener: Listener::Broker,
            used_at: now,
            in_progress: None,
            behind: Waiting::new(),
        })
    }

    /// Takes a request; gives it back if it need not wait for the one before it.
    fn take(&mut self, now: Instant, reply_to: ReplyTo, request: Request) -> Option<Request> {
        let connection = self.connection(now, reply_to.connection);
        connection.used_at = now;
        if connection.in_progress.is_none() {
            return Some(request);
        }
        connection.behind.push_back((reply_to, request));
        None
    }

    /// A request waits for its answer, and what comes behind it for that.
    fn mute(&mut self, connection: ConnectionId, request: RequestId) {
        if let Some(connection) = self.open.get_mut(&connection) {
            connection.in_progress = Some(request);
        }
    }

    /// A request was answered: what waits behind it, if it was the one in progress.
    fn answered(&mut self, now: Instant, connection: ConnectionId, request: RequestId) -> Waiting {
        let Some(connection) = self.open.get_mut(&connection) else {
            return Waiting::new();
        };
        connection.used_at = now;
        if connection.in_progress != Some(request) {
            return Waiting::new();
        }
        connection.in_progress = None;
        core::mem::take(&mut connection.behind)
    }

    /// The connection is gone, and what nobody has read of it.
    fn forget(&mut self, connection: ConnectionId) {
        self.open.remove(&connection);
    }

    fn next_idle(&mut self, now: Instant) -> Option<ConnectionId> {
        let used = self.open.iter().map(|(name, connection)| (*name, connection.used_at));
        self.idle.next(now, used)
    }

    /// When a connection may have been idle for too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.idle.deadline()
    }
}

impl Running {
    /// Takes a request that has come over a connection: now, or once the one before it is answered.
    pub(super) fn read(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: Request) {
        let ReplyTo { connection, id, .. } = reply_to;
        let Some(request) = self.inbound.take(ctx.now, reply_to, request) else {
            return;
        };
        let is_answered = request.is_answered();
        self.on_request(ctx, reply_to, request);
        if is_answered && !ctx.out.has_answered(connection, id) {
            self.inbound.mute(connection, id);
        }
    }

    /// Goes on with the connections whose requests have been answered; false if nothing waits on them.
    pub(super) fn read_on(&mut self, ctx: &mut Context<'_>) -> bool {
        let mut has_read = false;
        while let Some((connection, id)) = ctx.out.next_answered() {
            // The first one may wait for its answer again, and the others behind it.
            for (reply_to, request) in self.inbound.answered(ctx.now, connection, id) {
                has_read = true;
                self.read(ctx, reply_to, request);
            }
        }
        has_read
    }

    /// Closes the connections without use.
    pub(super) fn close_idle(&mut self, ctx: &mut Context<'_>) {
        while let Some(connection) = self.inbound.next_idle(ctx.now) {
            ctx.out.hang_up(connection);
            self.on_inbound_closed(connection);
        }
    }

    /// Nobody waits any more for answers over a connection that a peer had opened.
    pub(super) fn on_inbound_closed(&mut self, connection: ConnectionId) {
        self.inbound.forget(connection);
        if let Some(broker) = &mut self.broker {
            broker.replicas.on_closed(connection);
            broker.groups.on_closed(connection);
            broker.forwarding.on_closed(connection);
        }
    }
}

//! The connections that peers have opened.
//!
//! One request of each at a time: until it is answered, what comes behind it on that connection is not read (Kafka's
//! `SocketServer` mutes the channel of a request in progress, which keeps answers in order). A fetch that waits for records
//! delays what follows it as a join does that waits for other members.
//!
//! One without use for `connections.max.idle.ms` is closed, and so is one over which a request comes that its listener does
//! not serve.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use super::Running;
use crate::idle::IdleCheck;
use crate::machine::{ConnectionId, Context, Instant, ReplyTo, RequestId};
use crate::protocol::Request;
use crate::types::{ClientId, Listener};

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
    /// What the peer calls itself.
    client_id: Option<ClientId>,
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

    /// A peer has opened a connection.
    pub fn opened(&mut self, now: Instant, connection: ConnectionId, listener: Listener, client_id: Option<ClientId>) {
        self.idle.used(now);
        // A host that says it twice changes nothing of what is in progress.
        let connection = self.open.entry(connection).or_insert_with(|| Connection {
            listener,
            client_id: None,
            used_at: now,
            in_progress: None,
            behind: Waiting::new(),
        });
        (connection.listener, connection.client_id) = (listener, client_id);
    }

    /// What the peer of an open connection calls itself.
    pub fn client_of(&self, connection: ConnectionId) -> Option<&ClientId> {
        self.open.get(&connection)?.client_id.as_ref()
    }

    /// Takes a request; gives it back, with the listener that it came to, if it need not wait for the one before it. Nothing is read of a connection that is not
    /// open, as of one that was closed before its requests were read.
    fn take(&mut self, now: Instant, reply_to: ReplyTo, request: Request) -> Option<(Listener, Request)> {
        let connection = self.open.get_mut(&reply_to.connection)?;
        connection.used_at = now;
        if connection.in_progress.is_none() {
            return Some((connection.listener, request));
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
        let Some((listener, request)) = self.inbound.take(ctx.now, reply_to, request) else {
            return;
        };
        let is_answered = request.is_answered();
        if !request.api_key().is_served_by(listener) {
            return ctx.out.hang_up(connection);
        }
        self.on_request(ctx, listener, reply_to, request);
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

    /// Forgets the connections that were closed here.
    pub(super) fn notice_hung_up(&mut self, ctx: &mut Context<'_>) {
        while let Some(connection) = ctx.out.next_hung_up() {
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

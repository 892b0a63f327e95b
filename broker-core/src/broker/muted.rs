//! One request of a connection at a time: until it is answered, what comes behind it on that connection is not read (Kafka's
//! `SocketServer` mutes the channel of a request in progress, which keeps answers in order). A fetch that waits for records
//! delays what follows it as a join does that waits for other members.

use alloc::collections::{BTreeMap, VecDeque};

use super::{Identity, Running};
use crate::machine::{ConnectionId, Context, ReplyTo, RequestId};
use crate::protocol::Request;

/// What waits on a connection, in the order in which it came.
type Waiting = VecDeque<(ReplyTo, Request)>;

/// The connections that have a request in progress.
#[derive(Default)]
pub(super) struct Muted(BTreeMap<ConnectionId, InProgress>);

struct InProgress {
    request: RequestId,
    behind: Waiting,
}

impl Muted {
    /// A request waits for its answer.
    fn mute(&mut self, connection: ConnectionId, request: RequestId) {
        let behind = Waiting::new();
        self.0.insert(connection, InProgress { request, behind });
    }

    /// Where a request has to wait that comes over this connection, if it has to.
    fn queue(&mut self, connection: ConnectionId) -> Option<&mut Waiting> {
        Some(&mut self.0.get_mut(&connection)?.behind)
    }

    /// A request was answered: what waits behind it, if it was the one in progress.
    fn unmute(&mut self, connection: ConnectionId, request: RequestId) -> Option<Waiting> {
        let in_progress = self.0.get(&connection)?;
        if in_progress.request != request {
            return None;
        }
        Some(self.0.remove(&connection)?.behind)
    }

    /// The connection is gone, and what nobody has read of it.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.0.remove(&connection);
    }
}

impl Running {
    /// Takes a request that has come over a connection: now, or once the one before it is answered.
    pub(super) fn read(&mut self, ctx: &mut Context<'_>, identity: &Identity, reply_to: ReplyTo, request: Request) {
        let ReplyTo { connection, id, .. } = reply_to;
        if let Some(behind) = self.muted.queue(connection) {
            return behind.push_back((reply_to, request));
        }
        let is_answered = request.is_answered();
        self.on_request(ctx, identity, reply_to, request);
        if is_answered && !ctx.out.has_answered(connection, id) {
            self.muted.mute(connection, id);
        }
    }

    /// Goes on with the connections whose requests have been answered; false if nothing waits on them.
    pub(super) fn read_on(&mut self, ctx: &mut Context<'_>, identity: &Identity) -> bool {
        let mut has_read = false;
        while let Some((connection, id)) = ctx.out.next_answered() {
            // The first one may wait for its answer again, and the others behind it.
            for (reply_to, request) in self.muted.unmute(connection, id).unwrap_or_default() {
                has_read = true;
                self.read(ctx, identity, reply_to, request);
            }
        }
        has_read
    }
}

//! One produce request of a connection at a time: while it waits for its replicas, what comes behind it on that connection
//! is not read (Kafka's `SocketServer` mutes the channel of a request in progress, which keeps answers in order).
//!
//! Fetches that wait mute nothing here: Kafka's consumer asks its coordinator over another connection than its leaders, while
//! the clients here have one for both when they are the same broker.

use alloc::collections::{BTreeMap, VecDeque};

use super::{Identity, Running};
use crate::machine::{ConnectionId, Context, ReplyTo};
use crate::protocol::Request;

/// What waits on a connection, in the order in which it came.
type Waiting = VecDeque<(ReplyTo, Request)>;

/// The connections that have a produce request in progress.
#[derive(Default)]
pub(super) struct Muted(BTreeMap<ConnectionId, Waiting>);

impl Muted {
    /// A produce request that came over this connection waits for its replicas.
    pub fn mute(&mut self, connection: ConnectionId) {
        self.0.entry(connection).or_default();
    }

    /// Where a request has to wait that comes over this connection, if it has to.
    pub fn queue(&mut self, connection: ConnectionId) -> Option<&mut Waiting> {
        self.0.get_mut(&connection)
    }

    /// The connection is gone, and what nobody has read of it.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.0.remove(&connection);
    }

    fn unmute(&mut self, connection: ConnectionId) -> Waiting {
        self.0.remove(&connection).unwrap_or_default()
    }
}

impl Running {
    /// Goes on with the connections whose produce requests have been answered; false if there are none.
    pub(super) fn read_on(&mut self, ctx: &mut Context<'_>, identity: &Identity) -> bool {
        let mut has_read = false;
        while let Some(broker) = &mut self.broker
            && let Some(connection) = broker.replicas.next_answered()
        {
            let mut waiting = broker.muted.unmute(connection);
            while let Some((reply_to, request)) = waiting.pop_front() {
                has_read = true;
                self.on_request(ctx, identity, reply_to, request);
                let queue = self.broker.as_mut().and_then(|broker| broker.muted.queue(connection));
                if let Some(queue) = queue {
                    queue.append(&mut waiting);
                }
            }
        }
        has_read
    }
}

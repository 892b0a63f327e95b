//! A client's connections: what is unanswered on each, timeouts, and the pause before a lost one is tried again.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::idle::IdleCheck;
use crate::machine::{Channel, Context, Instant, RequestId};
use crate::protocol::{ErrorCode, Request, Response};
use crate::random::Random;
use crate::types::NodeId;

/// Kafka's `ExponentialBackoff`: `initial` × 2^attempts × U(0.8, 1.2), never above `max`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// The pause after the first failure.
    pub initial: Duration,
    /// The longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause after `attempts` failures before this one.
    pub fn after(self, attempts: u32, rng: &mut Random) -> Duration {
        let doubled = self
            .initial
            .saturating_mul(1u32.checked_shl(attempts).unwrap_or(u32::MAX));
        let term = doubled.min(self.max.max(self.initial));
        if term.is_zero() {
            return term;
        }
        rng.duration(term * 4 / 5, term * 6 / 5).min(self.max)
    }
}

/// The other end of a connection, and what the connection is for.
pub(super) type Peer = (NodeId, Channel);

/// All connections of one client. `K` is what the client remembers of an unanswered request.
///
/// A connection is made by its first request. It is lost when the host says so, and it is closed when a request has waited
/// for too long (`request.timeout.ms`, unless the request has a time of its own); every request on it is lost with it, and
/// none is sent until the back-off has passed. What was sent over it may still arrive, even after its repetition over the
/// next connection. One without use for `connections.max.idle.ms` is closed, too.
pub(super) struct Network<K> {
    request_timeout: Duration,
    reconnect: Backoff,
    max_in_flight: usize,
    connections: BTreeMap<Peer, Connection<K>>,
    /// Some request had a time of its own: the oldest request of a connection need not be the first to expire.
    is_uneven: bool,
    idle: IdleCheck,
}

struct Connection<K> {
    /// Unanswered requests, oldest first.
    in_flight: VecDeque<InFlight<K>>,
    /// How often it was lost since the last answer.
    failures: u32,
    /// Nothing is sent before.
    retry_at: Instant,
    /// It is to be closed.
    is_given_up: bool,
    /// When a request or an answer last passed it, while it is open.
    used_at: Option<Instant>,
}

struct InFlight<K> {
    id: RequestId,
    expires: Instant,
    what: K,
}

/// A connection that was lost, and what went with it.
pub(super) struct Lost<K> {
    /// To whom it was, and what for.
    pub peer: Peer,
    /// REQUEST_TIMED_OUT or NETWORK_EXCEPTION.
    pub error: ErrorCode,
    /// Its unanswered requests, oldest first.
    pub requests: Vec<K>,
}

impl<K> Network<K> {
    pub fn new(request_timeout: Duration, max_idle: Duration, reconnect: Backoff, max_in_flight: usize) -> Network<K> {
        Network {
            request_timeout,
            reconnect,
            max_in_flight,
            connections: BTreeMap::new(),
            is_uneven: false,
            idle: IdleCheck::new(max_idle),
        }
    }

    /// Sends a request that will be answered.
    pub fn request(&mut self, cx: &mut Context<'_>, to: Peer, body: Request, what: K) {
        self.request_within(cx, self.request_timeout, to, body, what);
    }

    /// Sends a request that may wait for its answer for `timeout`.
    pub fn request_within(&mut self, cx: &mut Context<'_>, timeout: Duration, to: Peer, body: Request, what: K) {
        let id = self.send(cx, to, body);
        let expires = cx.now + timeout;
        self.is_uneven |= timeout != self.request_timeout;
        self.connection(to).in_flight.push_back(InFlight { id, expires, what });
    }

    /// Sends a request that nobody answers.
    pub fn send(&mut self, cx: &mut Context<'_>, to: Peer, body: Request) -> RequestId {
        let (node, channel) = to;
        self.connection(to).used_at = Some(cx.now);
        self.idle.used(cx.now);
        cx.out.request(channel, node, body)
    }

    /// What the request was for that is answered at `now`; `None` if nobody waits for the answer any more.
    pub fn answered(&mut self, now: Instant, from: Peer, id: RequestId) -> Option<K> {
        let connection = self.connections.get_mut(&from)?;
        connection.used_at = Some(now);
        let at = connection.in_flight.iter().position(|request| request.id == id)?;
        connection.failures = 0;
        connection.in_flight.remove(at).map(|request| request.what)
    }

    /// The host says that the connection to `peer` is gone.
    pub fn lost(&mut self, cx: &mut Context<'_>, peer: Peer) -> Lost<K> {
        self.lose(cx, peer, ErrorCode::NetworkException)
    }

    /// No answer that is waited for from `peer` matters any more: [`Network::expire`] closes the connection, if there are any.
    pub fn give_up(&mut self, peer: Peer) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.is_given_up = !connection.in_flight.is_empty();
        }
    }

    /// Whether a connection was given up that is not closed yet.
    pub fn has_given_up(&self) -> bool {
        self.connections.values().any(|connection| connection.is_given_up)
    }

    /// The next connection that is closed: it was given up, a request has waited for too long, or it was idle.
    pub fn expire(&mut self, cx: &mut Context<'_>) -> Option<Lost<K>> {
        let now = cx.now;
        let is_over = |c: &Connection<K>| c.is_given_up || self.expiry(c).is_some_and(|at| at <= now);
        let Some((peer, connection)) = self.connections.iter().find(|(_, c)| is_over(c)) else {
            let used = self
                .connections
                .iter()
                .filter_map(|(peer, c)| Some((*peer, c.used_at?)));
            let peer = self.idle.next(now, used)?;
            cx.out.disconnect(peer.1, peer.0);
            // The pause before the next one is the same as after a failure, but nothing has failed.
            let failures = self.connection(peer).failures;
            let lost = self.lose(cx, peer, ErrorCode::NetworkException);
            self.connection(peer).failures = failures;
            return Some(lost);
        };
        let (peer, error) = match connection.is_given_up {
            true => (*peer, ErrorCode::NetworkException),
            false => (*peer, ErrorCode::RequestTimedOut),
        };
        cx.out.disconnect(peer.1, peer.0);
        Some(self.lose(cx, peer, error))
    }

    /// When the next request times out, or a connection may have been idle for too long.
    pub fn deadline(&self) -> Option<Instant> {
        let timeouts = self.connections.values().filter_map(|c| self.expiry(c));
        timeouts.chain(self.idle.deadline()).min()
    }

    /// When the first request of a connection times out.
    fn expiry(&self, connection: &Connection<K>) -> Option<Instant> {
        let mut times = connection.in_flight.iter().map(|request| request.expires);
        if self.is_uneven { times.min() } else { times.next() }
    }

    /// Whether a request may be sent to `peer` now.
    pub fn is_ready(&self, now: Instant, peer: Peer) -> bool {
        self.ready_at(peer).is_some_and(|at| at <= now)
    }

    /// From when on a request may be sent to `peer`; `None` while only an answer can make room.
    pub fn ready_at(&self, peer: Peer) -> Option<Instant> {
        match self.connections.get(&peer) {
            None => Some(Instant(0)),
            Some(c) if c.in_flight.len() < self.max_in_flight => Some(c.retry_at),
            Some(_) => None,
        }
    }

    /// The node to ask what any node can answer: one that is ready and has not just failed, with the fewest unanswered
    /// requests, by lot among equals (Kafka's `leastLoadedNode`).
    pub fn least_loaded(&self, cx: &mut Context<'_>, nodes: &[NodeId]) -> Option<NodeId> {
        let load = |node: &NodeId| {
            let connection = self.connections.get(&(*node, Channel::Client));
            connection.map_or((false, 0), |c| (c.failures > 0, c.in_flight.len()))
        };
        let ready = || {
            nodes
                .iter()
                .filter(|node| self.is_ready(cx.now, (**node, Channel::Client)))
        };
        let least = ready().map(load).min()?;
        let equals = ready().filter(|node| load(node) == least).count();
        let lot = if equals > 1 { cx.rng.below(equals as u64) } else { 0 };
        ready().filter(|node| load(node) == least).nth(lot as usize).copied()
    }

    fn lose(&mut self, cx: &mut Context<'_>, peer: Peer, error: ErrorCode) -> Lost<K> {
        let reconnect = self.reconnect;
        let connection = self.connection(peer);
        let requests: Vec<K> = connection.in_flight.drain(..).map(|request| request.what).collect();
        connection.is_given_up = false;
        connection.used_at = None;
        // A loss during the pause does not prolong it.
        if connection.retry_at <= cx.now {
            connection.retry_at = cx.now + reconnect.after(connection.failures, cx.rng);
            connection.failures = connection.failures.saturating_add(1);
        }
        Lost { peer, error, requests }
    }

    fn connection(&mut self, peer: Peer) -> &mut Connection<K> {
        self.connections.entry(peer).or_insert_with(|| Connection {
            in_flight: VecDeque::new(),
            failures: 0,
            retry_at: Instant(0),
            is_given_up: false,
            used_at: None,
        })
    }
}

/// What a request came to: an answer, or the loss of its connection.
pub(super) enum Reply {
    /// The peer's answer.
    Answer(Response),
    /// The connection was lost before there was one.
    Lost(ErrorCode),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{ConnectionId, Now, Outbox, Output};
    use crate::protocol::MetadataRequest;

    #[test]
    fn an_idle_connection_is_closed_and_the_next_request_opens_another() {
        let seconds = Duration::from_secs;
        let reconnect = Backoff {
            initial: Duration::from_millis(50),
            max: seconds(1),
        };
        let mut network: Network<u32> = Network::new(seconds(30), seconds(540), reconnect, 5);
        let (mut rng, mut out) = (Random::new(1, "network"), Outbox::default());
        let peer = (NodeId(1), Channel::Client);
        let start = Instant(1_000_000_000);
        let mut ask = |network: &mut Network<u32>, out: &mut Outbox, now: Instant| {
            let mut cx = Context::new(Now::at(now), &mut rng, out);
            let body = MetadataRequest { topics: None };
            network.request(&mut cx, peer, body.into(), 7);
            let mut opened = None;
            loop {
                match cx.out.poll() {
                    Some(Output::Open { connection, .. }) => opened = Some(connection),
                    Some(Output::Request { id, .. }) => return (opened, id),
                    other => panic!("{other:?}"),
                }
            }
        };
        let (opened, id) = ask(&mut network, &mut out, start);
        assert_eq!(opened, Some(ConnectionId::Outbound(1)));
        assert_eq!(network.answered(start + seconds(1), peer, id), Some(7));
        assert_eq!(network.deadline(), Some(start + seconds(540)));
        let mut rng = Random::new(2, "network");
        let mut expire = |network: &mut Network<u32>, out: &mut Outbox, now: Instant| {
            let lost = network.expire(&mut Context::new(Now::at(now), &mut rng, out));
            lost.map(|lost| (lost.peer, lost.error, lost.requests))
        };
        assert_eq!(expire(&mut network, &mut out, start + seconds(540)), None);
        assert_eq!(
            network.deadline(),
            Some(start + seconds(541)),
            "it was used a second later"
        );
        let lost = expire(&mut network, &mut out, start + seconds(541));
        assert_eq!(lost, Some((peer, ErrorCode::NetworkException, Vec::new())));
        assert!(matches!(out.poll(), Some(Output::Close { .. })));
        assert_eq!(expire(&mut network, &mut out, start + seconds(541)), None);
        assert_eq!(network.deadline(), None);
        let (opened, _) = ask(&mut network, &mut out, start + seconds(600));
        assert_eq!(opened, Some(ConnectionId::Outbound(2)));
    }
}

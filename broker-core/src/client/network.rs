//! A client's connections: what is unanswered on each, timeouts, and the pause before a lost one is tried again.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::backoff::Backoff;
use crate::idle::IdleCheck;
use crate::machine::{Channel, Context, Instant, RequestId};
use crate::protocol::{ApiVersionsRequest, ErrorCode, Request, Response};
use crate::types::NodeId;

/// What a client calls itself (KIP-511).
const SOFTWARE: (&str, &str) = ("trial", env!("CARGO_PKG_VERSION"));

/// The other end of a connection, and what the connection is for.
pub(super) type Peer = (NodeId, Channel);

/// All connections of one client. `K` is what the client remembers of an unanswered request.
///
/// A connection is opened by [`Network::ready`]. Requests go over it once it is established and the peer has said which APIs
/// it serves. It is lost when the host says so, and it is closed when it is not established in time, or when a request has
/// waited for too long (`request.timeout.ms`, unless the request has a time of its own); every request on it is lost with
/// it, and none is sent until the back-off has passed. What was sent over it may still arrive, even after its repetition
/// over the next connection. One without use for `connections.max.idle.ms` is closed, too (Kafka `NetworkClient`).
pub(super) struct Network<K> {
    request_timeout: Duration,
    reconnect: Backoff,
    max_in_flight: usize,
    connections: BTreeMap<Peer, Connection<K>>,
    /// Some request had a time of its own: the oldest request of a connection need not be the first to expire.
    is_uneven: bool,
    idle: IdleCheck,
}

/// How far a connection is (Kafka `ConnectionState`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Disconnected,
    Connecting,
    CheckingApiVersions,
    Ready,
}

struct Connection<K> {
    state: State,
    /// Unanswered requests, oldest first.
    in_flight: VecDeque<InFlight<K>>,
    /// How often it was lost since the last answer.
    failures: u32,
    /// It is not opened again before.
    retry_at: Instant,
    /// When it was last tried to open it.
    opened_at: Instant,
    /// It is to be closed.
    is_given_up: bool,
    /// When a request or an answer last passed it, while it is open.
    used_at: Option<Instant>,
}

struct InFlight<K> {
    id: RequestId,
    expires: Instant,
    /// None for the question about the peer's APIs.
    what: Option<K>,
}

/// Whether some nodes can be asked something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Availability {
    /// One of them, now.
    Ready,
    /// Once one is connected that is being connected to; no other is, beside it.
    Connecting,
    /// One may be connected to from then on; at the end of time if there is none.
    From(Instant),
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

    /// Whether a request may be sent to `to` now; opens the connection if there is none and the back-off has passed
    /// (Kafka `NetworkClient.ready`).
    pub fn ready(&mut self, cx: &mut Context<'_>, to: Peer) -> bool {
        let max_in_flight = self.max_in_flight;
        let connection = self.connection(to);
        match connection.state {
            State::Ready => connection.in_flight.len() < max_in_flight,
            State::Connecting | State::CheckingApiVersions => false,
            State::Disconnected => {
                if connection.retry_at <= cx.now {
                    connection.state = State::Connecting;
                    connection.opened_at = cx.now;
                    let (node, channel) = to;
                    cx.connect(channel, node);
                }
                false
            }
        }
    }

    /// The connection to `peer` is established: what does it serve?
    pub fn connected(&mut self, cx: &mut Context<'_>, peer: Peer) {
        self.connection(peer).state = State::CheckingApiVersions;
        let (name, version) = SOFTWARE;
        let body = ApiVersionsRequest {
            client_software_name: name.into(),
            client_software_version: version.into(),
        };
        self.ask(cx, self.request_timeout, peer, body.into(), None);
    }

    /// Sends a request that will be answered over a connection that is [`Network::ready`].
    pub fn request(&mut self, cx: &mut Context<'_>, to: Peer, body: Request, what: K) {
        self.request_within(cx, self.request_timeout, to, body, what);
    }

    /// Sends a request that may wait for its answer for `timeout`.
    pub fn request_within(&mut self, cx: &mut Context<'_>, timeout: Duration, to: Peer, body: Request, what: K) {
        self.ask(cx, timeout, to, body, Some(what));
    }

    fn ask(&mut self, cx: &mut Context<'_>, timeout: Duration, to: Peer, body: Request, what: Option<K>) {
        let id = self.send(cx, to, body);
        let expires = cx.now + timeout;
        self.is_uneven |= timeout != self.request_timeout;
        self.connection(to).in_flight.push_back(InFlight { id, expires, what });
    }

    /// Sends a request that nobody answers over a connection that is [`Network::ready`].
    pub fn send(&mut self, cx: &mut Context<'_>, to: Peer, body: Request) -> RequestId {
        let (node, channel) = to;
        self.connection(to).used_at = Some(cx.now);
        self.idle.used(cx.now);
        cx.request(channel, node, body)
    }

    /// Takes an answer that came at `now`; returns what the request was for, and the answer. `None` if the client does not
    /// wait for it: it was to this module's own question, or it is late.
    pub fn answered(&mut self, now: Instant, from: Peer, id: RequestId, body: Response) -> Option<(K, Response)> {
        let connection = self.connections.get_mut(&from)?;
        connection.used_at = Some(now);
        let at = connection.in_flight.iter().position(|request| request.id == id)?;
        let request = connection.in_flight.remove(at)?;
        if let Some(what) = request.what {
            connection.failures = 0;
            return Some((what, body));
        }
        match body {
            Response::ApiVersions(answer) if answer.error.is_ok() => {
                connection.state = State::Ready;
                connection.failures = 0;
            }
            // A peer that cannot say what it serves is none (Kafka `NetworkClient.handleApiVersionsResponse`).
            _ => connection.is_given_up = true,
        }
        None
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

    /// The next connection that is closed: it was given up, it was not established in time, a request has waited for too
    /// long, or it was idle.
    pub fn expire(&mut self, cx: &mut Context<'_>) -> Option<Lost<K>> {
        let now = cx.now;
        if let Some(peer) = cx.out.next_timed_out(now) {
            return Some(self.lose(cx, peer, ErrorCode::NetworkException));
        }
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

    /// When the next request times out, or a connection may have been idle for too long. [`crate::machine::Outbox`] says when
    /// a connection is given up that is not established.
    pub fn deadline(&self) -> Option<Instant> {
        let timeouts = self.connections.values().filter_map(|c| self.expiry(c));
        timeouts.chain(self.idle.deadline()).min()
    }

    /// When the first request of a connection times out.
    fn expiry(&self, connection: &Connection<K>) -> Option<Instant> {
        let mut times = connection.in_flight.iter().map(|request| request.expires);
        if self.is_uneven { times.min() } else { times.next() }
    }

    /// Whether a request may be sent to `peer` now, or a connection be opened to it.
    pub fn is_ready(&self, now: Instant, peer: Peer) -> bool {
        self.ready_at(peer).is_some_and(|at| at <= now)
    }

    /// From when on a request may be sent to `peer`, or a connection be opened to it; `None` while that waits for the peer.
    pub fn ready_at(&self, peer: Peer) -> Option<Instant> {
        let Some(connection) = self.connections.get(&peer) else {
            return Some(Instant(0));
        };
        match connection.state {
            State::Disconnected => Some(connection.retry_at),
            State::Connecting | State::CheckingApiVersions => None,
            State::Ready => (connection.in_flight.len() < self.max_in_flight).then_some(Instant(0)),
        }
    }

    /// Whether one of `nodes` can be asked what any node can answer.
    pub fn availability(&self, nodes: &[NodeId]) -> Availability {
        let mut found = Availability::From(Instant::NEVER);
        for node in nodes {
            let connection = self.connections.get(&(*node, Channel::Client));
            let state = connection.map_or(State::Disconnected, |connection| connection.state);
            match (state, connection) {
                (State::Ready, Some(c)) if c.in_flight.len() >= self.max_in_flight => {}
                (State::Ready, _) => return Availability::Ready,
                (State::Connecting | State::CheckingApiVersions, _) => found = Availability::Connecting,
                (State::Disconnected, connection) => {
                    if let Availability::From(at) = &mut found {
                        *at = connection.map_or(Instant(0), |c| c.retry_at).min(*at);
                    }
                }
            }
        }
        found
    }

    /// The node to ask what any node can answer: one that is connected, with the fewest unanswered requests; else one that
    /// is being connected to; else the one that may be connected to and was tried the longest ago. By lot among equals
    /// (Kafka's `leastLoadedNode`).
    pub fn least_loaded(&self, cx: &mut Context<'_>, nodes: &[NodeId]) -> Option<NodeId> {
        // The smallest is the best.
        let rank = |node: &NodeId| {
            let peer = (*node, Channel::Client);
            let Some(connection) = self.connections.get(&peer) else {
                return Some((2, 0));
            };
            match connection.state {
                State::Ready if connection.in_flight.len() < self.max_in_flight => {
                    Some((0, connection.in_flight.len() as u64))
                }
                State::Ready => None,
                State::Connecting | State::CheckingApiVersions => Some((1, 0)),
                State::Disconnected => (connection.retry_at <= cx.now).then_some((2, connection.opened_at.0)),
            }
        };
        let best = nodes.iter().filter_map(rank).min()?;
        let equals = || nodes.iter().filter(|node| rank(node) == Some(best));
        let count = equals().count();
        let lot = if count > 1 { cx.rng.below(count as u64) } else { 0 };
        equals().nth(lot as usize).copied()
    }

    fn lose(&mut self, cx: &mut Context<'_>, peer: Peer, error: ErrorCode) -> Lost<K> {
        let reconnect = self.reconnect;
        let connection = self.connection(peer);
        let requests: Vec<K> = connection
            .in_flight
            .drain(..)
            .filter_map(|request| request.what)
            .collect();
        connection.state = State::Disconnected;
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
            state: State::Disconnected,
            in_flight: VecDeque::new(),
            failures: 0,
            retry_at: Instant(0),
            opened_at: Instant(0),
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
    use crate::machine::{ConnectionId, Input, Now, Outbox, Output, Peers};
    use crate::protocol::{ApiVersionsResponse, MetadataRequest};
    use crate::random::Random;
    use crate::types::{Endpoint, Listener};

    const PEER: Peer = (NodeId(1), Channel::Client);
    const START: Instant = Instant(1_000_000_000);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A network, and what a machine has around it.
    struct Bench {
        network: Network<u32>,
        rng: Random,
        out: Outbox,
        now: Instant,
    }

    impl Bench {
        fn new() -> Bench {
            let reconnect = Backoff {
                initial: Duration::from_millis(50),
                max: seconds(1),
            };
            let mut out = Outbox::default();
            for node in [1, 2, 3].map(NodeId) {
                out.learn(node, Listener::Broker, Endpoint::of(node, Listener::Broker));
            }
            Bench {
                network: Network::new(seconds(30), seconds(540), reconnect, 2),
                rng: Random::new(1, "network"),
                out,
                now: START,
            }
        }

        fn with<R>(&mut self, act: impl FnOnce(&mut Network<u32>, &mut Context<'_>) -> R) -> R {
            let mut cx = Context::new(Now::at(self.now), &mut self.rng, &mut self.out);
            act(&mut self.network, &mut cx)
        }

        fn ready(&mut self, node: u32) -> bool {
            self.with(|network, cx| network.ready(cx, (NodeId(node), Channel::Client)))
        }

        fn outputs(&mut self) -> Vec<Output> {
            core::iter::from_fn(|| self.out.poll()).collect()
        }

        /// Lets the host and the peers answer, until every connection is ready.
        fn set_up(&mut self) {
            while let Some(output) = self.out.poll() {
                match Peers::set_up(&output) {
                    Some(Input::Connected { connection }) => {
                        if let Some(peer) = self.out.connected(connection) {
                            self.with(|network, cx| network.connected(cx, peer));
                        }
                    }
                    Some(Input::Response { connection, id, body }) => {
                        let peer = self.out.peer(connection).expect("it is open");
                        assert!(self.network.answered(self.now, peer, id, body).is_none());
                    }
                    _ => {}
                }
            }
        }

        /// Sends a request; returns its id.
        fn ask(&mut self, node: u32, what: u32) -> RequestId {
            let body = MetadataRequest { topics: None }.into();
            self.with(|network, cx| network.request(cx, (NodeId(node), Channel::Client), body, what));
            match &self.outputs()[..] {
                [Output::Request { id, .. }] => *id,
                other => panic!("{other:?}"),
            }
        }

        fn expire(&mut self) -> Option<(Peer, ErrorCode, Vec<u32>)> {
            let lost = self.with(|network, cx| network.expire(cx));
            lost.map(|lost| (lost.peer, lost.error, lost.requests))
        }
    }

    #[test]
    fn a_request_waits_until_the_connection_is_established_and_the_peer_has_said_what_it_serves() {
        let mut bench = Bench::new();
        assert_eq!(bench.network.ready_at(PEER), Some(Instant(0)), "it may be connected to");
        assert!(!bench.ready(1));
        let connection = match &bench.outputs()[..] {
            [Output::Open { connection, .. }] => *connection,
            other => panic!("{other:?}"),
        };
        assert!(
            !bench.ready(1) && bench.outputs().is_empty(),
            "it is being connected to"
        );
        assert_eq!(bench.network.ready_at(PEER), None);
        assert_eq!(bench.out.connected(connection), Some(PEER));
        bench.with(|network, cx| network.connected(cx, PEER));
        let id = match &bench.outputs()[..] {
            [
                Output::Request {
                    id,
                    body: Request::ApiVersions(body),
                    ..
                },
            ] if body.is_valid() => *id,
            other => panic!("{other:?}"),
        };
        assert!(!bench.ready(1));
        let body = ApiVersionsResponse::of(Listener::Broker).into();
        assert!(bench.network.answered(START, PEER, id, body).is_none());
        assert!(bench.ready(1));
        let first = bench.ask(1, 7);
        bench.ask(1, 8);
        assert!(!bench.ready(1), "two may be unanswered");
        let body = MetadataRequest { topics: None };
        let answer = Request::from(body).error_response(ErrorCode::None);
        let answered = bench.network.answered(START, PEER, first, answer);
        assert_eq!(answered.map(|(what, _)| what), Some(7));
        assert!(bench.ready(1));
    }

    #[test]
    fn a_peer_that_does_not_say_what_it_serves_is_left_and_tried_again() {
        for error in [ErrorCode::InvalidRequest, ErrorCode::UnsupportedVersion] {
            let mut bench = Bench::new();
            bench.ready(1);
            let connection = ConnectionId::Outbound(1);
            bench.out.connected(connection);
            bench.with(|network, cx| network.connected(cx, PEER));
            let id = RequestId(1);
            let mut body = ApiVersionsResponse::of(Listener::Broker);
            body.error = error;
            assert!(bench.network.answered(START, PEER, id, body.into()).is_none());
            assert!(bench.network.has_given_up());
            assert_eq!(bench.expire(), Some((PEER, ErrorCode::NetworkException, Vec::new())));
            assert!(matches!(bench.outputs()[..], [.., Output::Close { .. }]));
            assert!(bench.network.ready_at(PEER) > Some(START), "after the back-off");
        }
    }

    #[test]
    fn a_connection_that_is_not_established_in_time_is_lost() {
        let mut bench = Bench::new();
        bench.ready(1);
        bench.now = bench.out.deadline().expect("it is not established");
        let waited = bench.now.since(START);
        assert!(waited >= seconds(8) && waited <= seconds(12), "{waited:?}");
        assert_eq!(bench.expire(), Some((PEER, ErrorCode::NetworkException, Vec::new())));
        let retry_at = bench.network.ready_at(PEER).expect("it may be tried again");
        assert!(retry_at > bench.now && !bench.ready(1));
        bench.now = retry_at;
        bench.ready(1);
        bench.set_up();
        assert!(bench.ready(1));
    }

    /// `NetworkClientTest.testLeastLoadedNode...`: connected ones first, then one that is being connected to, then the one
    /// that was tried the longest ago.
    #[test]
    fn the_least_loaded_node() {
        let mut bench = Bench::new();
        let nodes = [1, 2, 3].map(NodeId);
        let least = |bench: &mut Bench| {
            let found = bench.with(|network, cx| network.least_loaded(cx, &nodes));
            (found.map(|node| node.0), bench.network.availability(&nodes))
        };
        let start = Availability::From(Instant(0));
        assert!(matches!(least(&mut bench), (Some(1..=3), found) if found == start));
        bench.ready(2);
        assert_eq!(least(&mut bench), (Some(2), Availability::Connecting));
        bench.set_up();
        bench.ready(3);
        bench.set_up();
        bench.ask(2, 0);
        assert_eq!(
            least(&mut bench),
            (Some(3), Availability::Ready),
            "it has nothing to answer"
        );
        bench.ask(3, 0);
        bench.ask(3, 0);
        assert_eq!(
            least(&mut bench),
            (Some(2), Availability::Ready),
            "it has less to answer"
        );
        bench.ask(2, 0);
        assert_eq!(least(&mut bench), (Some(1), start), "it may be connected to");
        for node in [1, 3, 2] {
            bench.now = bench.now + seconds(2);
            bench.with(|network, cx| network.lost(cx, (NodeId(node), Channel::Client)));
        }
        assert_eq!(least(&mut bench).0, Some(1), "it was never tried");
        for node in [1, 3, 2] {
            bench.now = bench.now + seconds(2);
            bench.ready(node);
            bench.with(|network, cx| network.lost(cx, (NodeId(node), Channel::Client)));
        }
        bench.now = bench.now + seconds(2);
        assert_eq!(least(&mut bench).0, Some(1), "it was tried the longest ago");
        for node in [1, 2, 3] {
            bench.ready(node);
            bench.with(|network, cx| network.lost(cx, (NodeId(node), Channel::Client)));
        }
        let (none, Availability::From(at)) = least(&mut bench) else {
            panic!("all are in their back-off")
        };
        assert!(none.is_none() && at > bench.now && at < Instant::NEVER);
    }

    #[test]
    fn an_idle_connection_is_closed_and_the_next_request_opens_another() {
        let mut bench = Bench::new();
        bench.ready(1);
        bench.set_up();
        let id = bench.ask(1, 7);
        let answer = Request::from(MetadataRequest { topics: None }).error_response(ErrorCode::None);
        let answered = bench.network.answered(START + seconds(1), PEER, id, answer);
        assert_eq!(answered.map(|(what, _)| what), Some(7));
        assert_eq!(bench.network.deadline(), Some(START + seconds(540)));
        bench.now = START + seconds(540);
        assert_eq!(bench.expire(), None);
        let deadline = bench.network.deadline();
        assert_eq!(deadline, Some(START + seconds(541)), "it was used a second later");
        bench.now = START + seconds(541);
        assert_eq!(bench.expire(), Some((PEER, ErrorCode::NetworkException, Vec::new())));
        assert!(matches!(bench.outputs()[..], [Output::Close { .. }]));
        assert_eq!((bench.expire(), bench.network.deadline()), (None, None));
        bench.now = START + seconds(600);
        bench.ready(1);
        let opened = bench.outputs();
        assert!(
            matches!(
                opened[..],
                [Output::Open {
                    connection: ConnectionId::Outbound(2),
                    ..
                }]
            ),
            "{opened:?}"
        );
    }
}

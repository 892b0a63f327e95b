//! What a machine lends to its modules: the way out, and the connections that it has opened.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::{Channel, ConnectionId, HaltReason, Instant, Now, Output, ReplyTo, RequestId};
#[cfg(test)]
use super::{CloseReason, Input};
use crate::backoff::Backoff;
use crate::disk::{DiskOp, OpId};
#[cfg(test)]
use crate::protocol::ApiVersionsResponse;
use crate::protocol::{Request, Response};
use crate::random::Random;
use crate::trace::Event;
use crate::types::{ClientId, Endpoint, Listener, NodeId, Timestamp};

/// What a machine lends to its modules for one input: the time, randomness and the way out.
pub struct Context<'a> {
    /// The node's monotonic clock at this input.
    pub now: Instant,
    /// Its wall clock.
    pub wall: Timestamp,
    /// The node's own stream of randomness.
    pub rng: &'a mut Random,
    /// Where effects go.
    pub out: &'a mut Outbox,
}

impl<'a> Context<'a> {
    /// For the input that came at `now`.
    pub fn new(now: Now, rng: &'a mut Random, out: &'a mut Outbox) -> Context<'a> {
        let Now { monotonic, wall } = now;
        Context {
            now: monotonic,
            wall,
            rng,
            out,
        }
    }
}

/// The queue of a machine's outputs, the counters that name them, and the connections that it has opened.
#[derive(Default)]
pub struct Outbox {
    queue: VecDeque<Output>,
    /// The requests that were answered, until they are asked for.
    answered: VecDeque<(ConnectionId, RequestId)>,
    /// The connections of peers that were closed here, until they are asked for.
    hung_up: VecDeque<ConnectionId>,
    requests: u64,
    operations: u64,
    connections: Connections,
    client_id: Option<ClientId>,
    /// Where nodes listen, as far as the machine has learned.
    addresses: BTreeMap<(NodeId, Listener), Endpoint>,
}

/// At most one open connection to each peer for each purpose, in the order in which they were opened.
struct Connections {
    opened: u64,
    open: Vec<Open>,
    /// How many of them are not established.
    connecting: usize,
    /// How long a connection may take to be established, by its failures before.
    set_up_timeout: Backoff,
    /// How often in a row a connection was not established.
    failures: BTreeMap<(NodeId, Channel), u32>,
    timed_out: VecDeque<(NodeId, Channel)>,
}

struct Open {
    number: u64,
    peer: NodeId,
    channel: Channel,
    /// When it is given up unless it is established; none once it is.
    give_up_at: Option<Instant>,
}

impl Default for Connections {
    fn default() -> Connections {
        Connections {
            opened: 0,
            open: Vec::new(),
            connecting: 0,
            set_up_timeout: Backoff {
                initial: Duration::from_secs(10),
                max: Duration::from_secs(30),
            },
            failures: BTreeMap::new(),
            timed_out: VecDeque::new(),
        }
    }
}

impl Connections {
    fn to(&self, channel: Channel, peer: NodeId) -> Option<usize> {
        let mut open = self.open.iter();
        open.position(|open| open.peer == peer && open.channel == channel)
    }

    fn named(&self, connection: ConnectionId) -> Option<usize> {
        let ConnectionId::Outbound(number) = connection else {
            return None;
        };
        self.open.iter().position(|open| open.number == number)
    }

    /// The connection is gone. One that was not established has failed, and the next one may take longer (Kafka
    /// `ClusterConnectionStates.disconnected`).
    fn remove(&mut self, place: usize) -> Open {
        let open = self.open.remove(place);
        if open.give_up_at.is_some() {
            self.connecting -= 1;
            let failures = self.failures.entry((open.peer, open.channel)).or_default();
            *failures = failures.saturating_add(1);
        }
        open
    }
}

impl Context<'_> {
    /// Queues a request to `to` and returns its id. It goes over the open connection for this purpose, or over a new one.
    pub fn request(&mut self, channel: Channel, to: NodeId, body: Request) -> RequestId {
        let number = self.connect(channel, to);
        self.out.requests += 1;
        let (connection, id) = (ConnectionId::Outbound(number), RequestId(self.out.requests));
        self.out.queue.push_back(Output::Request { connection, id, body });
        id
    }

    /// Opens a connection to `to` for this purpose unless there is one; returns its number.
    pub(crate) fn connect(&mut self, channel: Channel, to: NodeId) -> u64 {
        let connections = &mut self.out.connections;
        if let Some(place) = connections.to(channel, to) {
            return connections.open[place].number;
        }
        connections.opened += 1;
        connections.connecting += 1;
        let number = connections.opened;
        let failures = connections.failures.get(&(to, channel)).copied();
        let timeout = connections.set_up_timeout.after(failures.unwrap_or(0), self.rng);
        connections.open.push(Open {
            number,
            peer: to,
            channel,
            give_up_at: Some(self.now + timeout),
        });
        let endpoint = self.out.addresses.get(&(to, channel.listener())).copied();
        self.out.queue.push_back(Output::Open {
            connection: ConnectionId::Outbound(number),
            to,
            endpoint,
            client_id: self.out.client_id.clone(),
        });
        number
    }
}

impl Outbox {
    /// An outbox whose connections may take `initial` to be established, twice as long after each failure in a row, and at
    /// most `max` (`socket.connection.setup.timeout.ms` and `.max.ms`; KIP-601). The default has Kafka's: 10 s and 30 s.
    #[must_use]
    pub fn with_set_up_timeout(initial: Duration, max: Duration) -> Outbox {
        let mut out = Outbox::default();
        out.connections.set_up_timeout = Backoff { initial, max };
        out
    }

    /// The same with a name for the machine (`client.id`).
    #[must_use]
    pub fn with_client_id(mut self, client_id: ClientId) -> Outbox {
        self.client_id = Some(client_id);
        self
    }

    /// A node listens there: the connections that are opened from now on go there.
    pub fn learn(&mut self, node: NodeId, listener: Listener, endpoint: Endpoint) {
        self.addresses.insert((node, listener), endpoint);
    }

    /// A connection is established: to whom it is and what for, unless that is known or the machine has closed it.
    pub fn connected(&mut self, connection: ConnectionId) -> Option<(NodeId, Channel)> {
        let place = self.connections.named(connection)?;
        let open = &mut self.connections.open[place];
        open.give_up_at.take()?;
        self.connections.connecting -= 1;
        self.connections.failures.remove(&(open.peer, open.channel));
        Some((open.peer, open.channel))
    }

    /// When the first connection is given up that is not established by then.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        // This is asked for all the time, and connections are hardly ever being set up.
        if self.connections.connecting == 0 {
            return None;
        }
        self.connections.open.iter().filter_map(|open| open.give_up_at).min()
    }

    /// Closes the connection to `to` for this purpose, if there is one: its requests may still arrive, and their answers
    /// never do. The next request goes over a new one.
    pub fn disconnect(&mut self, channel: Channel, to: NodeId) {
        if let Some(place) = self.connections.to(channel, to) {
            let Open { number, .. } = self.connections.remove(place);
            let connection = ConnectionId::Outbound(number);
            self.queue.push_back(Output::Close { connection });
        }
    }

    /// Closes the connection to `to` for this purpose, since a request over it has waited for too long. All that share the
    /// channel learn of it by [`Outbox::next_timed_out`], and none of them may send over the next one before.
    pub fn time_out(&mut self, channel: Channel, to: NodeId) {
        if self.connections.to(channel, to).is_some() {
            self.disconnect(channel, to);
            self.connections.timed_out.push_back((to, channel));
        }
    }

    /// The next connection that was closed because a request over it has waited for too long, or because it was not
    /// established in time.
    pub fn next_timed_out(&mut self, now: Instant) -> Option<(NodeId, Channel)> {
        if self.deadline().is_some_and(|at| at <= now) {
            let mut open = self.connections.open.iter();
            let late = open.find(|open| open.give_up_at.is_some_and(|at| at <= now));
            if let Some((channel, peer)) = late.map(|open| (open.channel, open.peer)) {
                self.time_out(channel, peer);
            }
        }
        self.connections.timed_out.pop_front()
    }

    /// Who answers over this connection, and what it is for; none if it is closed.
    #[must_use]
    pub fn peer(&self, connection: ConnectionId) -> Option<(NodeId, Channel)> {
        let Open { peer, channel, .. } = self.connections.open[self.connections.named(connection)?];
        Some((peer, channel))
    }

    /// A connection is gone: to whom it was and what for, unless the machine has closed it before.
    pub fn closed(&mut self, connection: ConnectionId) -> Option<(NodeId, Channel)> {
        let place = self.connections.named(connection)?;
        let Open { peer, channel, .. } = self.connections.remove(place);
        Some((peer, channel))
    }

    /// Closes a connection that a peer opened. Its machine learns of it by [`Outbox::next_hung_up`].
    pub fn hang_up(&mut self, connection: ConnectionId) {
        self.hung_up.push_back(connection);
        self.queue.push_back(Output::Close { connection });
    }

    /// The next connection that a module has closed.
    pub fn next_hung_up(&mut self) -> Option<ConnectionId> {
        self.hung_up.pop_front()
    }

    /// Queues an answer.
    pub fn respond(&mut self, to: ReplyTo, body: Response) {
        self.answered.push_back((to.connection, to.id));
        self.queue.push_back(Output::Response { to, body });
    }

    /// Whether this request has just been answered.
    #[must_use]
    pub fn has_answered(&self, connection: ConnectionId, id: RequestId) -> bool {
        self.answered.contains(&(connection, id))
    }

    /// The next request that was answered since this was last asked.
    pub fn next_answered(&mut self) -> Option<(ConnectionId, RequestId)> {
        self.answered.pop_front()
    }

    /// Queues a disk operation and returns its id.
    pub fn disk(&mut self, what: DiskOp) -> OpId {
        self.operations += 1;
        let op = OpId(self.operations);
        self.queue.push_back(Output::Disk { op, what });
        op
    }

    /// States a fact.
    pub fn trace(&mut self, event: Event) {
        self.queue.push_back(Output::Trace(event));
    }

    /// Asks the host to stop the node.
    pub fn halt(&mut self, reason: HaltReason) {
        self.queue.push_back(Output::Halt { reason });
    }

    /// The next output, in the order in which they were queued.
    pub fn poll(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }
}

/// For tests: to whom the connections go that a machine has opened.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Peers(BTreeMap<ConnectionId, (NodeId, Option<Endpoint>)>);

#[cfg(test)]
impl Peers {
    /// Takes the outputs that are about connections alone; gives back the others.
    pub(crate) fn follow(&mut self, output: Output) -> Option<Output> {
        match output {
            Output::Open {
                connection,
                to,
                endpoint,
                ..
            } => {
                self.0.insert(connection, (to, endpoint));
                None
            }
            Output::Close { .. } => None,
            Output::Request {
                body: Request::ApiVersions(_),
                ..
            } => None,
            other => Some(other),
        }
    }

    /// What a client is answered at once while it connects: that the connection is established, and which APIs are served.
    pub(crate) fn set_up(output: &Output) -> Option<Input> {
        Peers::set_up_but(output, &[])
    }

    /// The same with peers that refuse connections.
    pub(crate) fn set_up_but(output: &Output, refusing: &[NodeId]) -> Option<Input> {
        match output {
            Output::Open { connection, to, .. } if refusing.contains(to) => Some(Input::Closed {
                connection: *connection,
                reason: CloseReason::Refused,
            }),
            Output::Open {
                connection,
                endpoint: Some(_),
                ..
            } => Some(Input::Connected {
                connection: *connection,
            }),
            Output::Request {
                connection,
                id,
                body: Request::ApiVersions(_),
            } => Some(Input::Response {
                connection: *connection,
                id: *id,
                body: ApiVersionsResponse::of(Listener::Broker).into(),
            }),
            _ => None,
        }
    }

    /// The peer at the other end.
    pub(crate) fn of(&self, connection: ConnectionId) -> NodeId {
        self.0[&connection].0
    }

    /// Where the connection goes; none if the machine did not know.
    pub(crate) fn endpoint(&self, connection: ConnectionId) -> Option<Endpoint> {
        self.0[&connection].1
    }

    /// The loss of all connections to `peer` that were ever opened, for each that is still open.
    pub(crate) fn lost(&self, peer: NodeId) -> Vec<Input> {
        let to_peer = self.0.iter().filter(|(_, (to, _))| *to == peer);
        let closed = |(connection, _): (&ConnectionId, &(NodeId, Option<Endpoint>))| Input::Closed {
            connection: *connection,
            reason: CloseReason::Lost,
        };
        to_peer.map(closed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::MetadataRequest;

    const PEER: NodeId = NodeId(2);
    const NOW: Instant = Instant(1_000_000_000);

    fn ask(out: &mut Outbox, channel: Channel, now: Instant) {
        let mut rng = Random::new(1, "outbox");
        let mut cx = Context::new(Now::at(now), &mut rng, out);
        cx.request(channel, PEER, MetadataRequest { topics: None }.into());
    }

    /// The connections that a new request to [`PEER`] opens, and the one that it goes over.
    fn request(out: &mut Outbox, channel: Channel) -> (Vec<ConnectionId>, ConnectionId) {
        ask(out, channel, NOW);
        let mut opened = Vec::new();
        loop {
            match out.poll() {
                Some(Output::Open { connection, to, .. }) if to == PEER => opened.push(connection),
                Some(Output::Request { connection, .. }) => return (opened, connection),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_connection_goes_to_where_its_purpose_is_listened_for() {
        let mut out = Outbox::default();
        let brokers = Endpoint::of(PEER, Listener::Broker);
        let endpoint_of = |out: &mut Outbox, channel| {
            ask(out, channel, NOW);
            match out.poll() {
                Some(Output::Open { endpoint, .. }) => out.poll().and(endpoint),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(endpoint_of(&mut out, Channel::Client), None, "nobody has said where");
        out.learn(PEER, Listener::Broker, brokers);
        assert_eq!(endpoint_of(&mut out, Channel::Fetcher), Some(brokers));
        assert_eq!(
            endpoint_of(&mut out, Channel::Raft),
            None,
            "its controller listens elsewhere"
        );
        let moved = Endpoint {
            port: 19_093,
            ..brokers
        };
        out.learn(PEER, Listener::Controller, moved);
        assert_eq!(endpoint_of(&mut out, Channel::Forwarding), Some(moved));
    }

    #[test]
    fn each_purpose_has_a_connection_and_a_closed_one_is_nobodys() {
        let mut out = Outbox::default();
        let [first, second, third] = [1, 2, 3].map(ConnectionId::Outbound);
        assert_eq!(request(&mut out, Channel::Raft), ([first].into(), first));
        assert_eq!(request(&mut out, Channel::Raft), (Vec::new(), first));
        assert_eq!(request(&mut out, Channel::Fetcher), ([second].into(), second));
        assert_eq!(out.peer(first), Some((PEER, Channel::Raft)));

        out.disconnect(Channel::Raft, PEER);
        assert!(matches!(out.poll(), Some(Output::Close { connection }) if connection == first));
        assert_eq!((out.peer(first), out.closed(first)), (None, None));
        assert_eq!(request(&mut out, Channel::Raft), ([third].into(), third));
        assert_eq!(
            out.closed(first),
            None,
            "the end of the old one is not that of the new one"
        );
        assert_eq!(out.peer(third), Some((PEER, Channel::Raft)));

        assert_eq!(out.closed(second), Some((PEER, Channel::Fetcher)));
        assert_eq!((out.peer(second), out.closed(second)), (None, None));
        assert_eq!(out.next_timed_out(NOW), None);
        out.time_out(Channel::Raft, PEER);
        assert!(matches!(out.poll(), Some(Output::Close { connection }) if connection == third));
        assert_eq!(out.next_timed_out(NOW), Some((PEER, Channel::Raft)));
        out.time_out(Channel::Raft, PEER);
        assert!(
            out.poll().is_none() && out.next_timed_out(NOW).is_none(),
            "it is closed already"
        );
    }

    /// KIP-601, `ClusterConnectionStatesTest.testExponentialConnectionSetupTimeout`: 10 s, doubled by each failure, at most 30 s,
    /// each times 0.8 to 1.2; one that is established begins anew.
    #[test]
    fn a_connection_that_is_not_established_in_time_is_closed_and_the_next_one_may_take_longer() {
        let seconds = Duration::from_secs;
        let mut out = Outbox::default();
        let mut now = NOW;
        let mut fail = |out: &mut Outbox, is_closed_by_host: bool| {
            ask(out, Channel::Client, now);
            let outputs: Vec<Output> = core::iter::from_fn(|| out.poll()).collect();
            let open = outputs.iter().find_map(|output| match output {
                Output::Open { connection, .. } => Some(*connection),
                _ => None,
            });
            let deadline = out.deadline().expect("it is not established");
            let timeout = deadline.since(now);
            now = deadline;
            if is_closed_by_host {
                assert_eq!(out.closed(open.expect("a new one")), Some((PEER, Channel::Client)));
            } else {
                let before = Instant(now.0 - 1);
                assert_eq!(out.next_timed_out(before), None);
                assert_eq!(out.next_timed_out(now), Some((PEER, Channel::Client)));
                assert!(matches!(out.poll(), Some(Output::Close { connection }) if Some(connection) == open));
            }
            assert_eq!((out.deadline(), out.next_timed_out(now)), (None, None));
            timeout
        };
        for (is_closed_by_host, expected) in [(false, 10), (true, 20), (false, 30), (false, 30)] {
            let timeout = fail(&mut out, is_closed_by_host);
            let range = seconds(expected) * 4 / 5..=(seconds(expected) * 6 / 5).min(seconds(30));
            assert!(range.contains(&timeout), "{timeout:?}, not {expected} s");
        }
        let (_, connection) = request(&mut out, Channel::Client);
        assert_eq!(out.connected(connection), Some((PEER, Channel::Client)));
        assert_eq!((out.deadline(), out.next_timed_out(Instant::NEVER)), (None, None));
        assert_eq!(out.closed(connection), Some((PEER, Channel::Client)));
        assert!(fail(&mut out, false) <= seconds(12), "it was established before");
    }
}

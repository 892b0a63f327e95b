//! The whole boundary between pure logic and its host.
//!
//! A [`Machine`] is driven by a host: a simulated world, or a process with sockets and files. The host
//! calls [`Machine::handle`] with one input and what the node's clocks show, then takes outputs with
//! [`Machine::poll`] until there is none, and carries them out **in that order**: a response that comes
//! after a disk write may leave only once the write has been handed to the file. When
//! [`Machine::deadline`] passes it hands in [`Input::Wake`]. Asking for the deadline changes nothing.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::protocol::{Request, Response};
use crate::random::Random;
use crate::trace::Event;
use crate::types::{Endpoint, Listener, NodeId, Timestamp};

/// A point in time on one node's monotonic clock: nanoseconds since a moment that means nothing to other nodes. It never
/// runs backwards and never jumps, so that timeouts, sessions and back-offs are measured by it (Kafka
/// `Time.hiResClockMs`). No date can be made of it: that is what [`Now::wall`] is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// The end of time, at which nothing happens.
    pub(crate) const NEVER: Instant = Instant(u64::MAX);

    /// The time passed since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of time, so that "never" timeouts of `u64::MAX` milliseconds are safe.
    fn add(self, rhs: Duration) -> Instant {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

/// What a node's two clocks show at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// The monotonic clock: every wait and every deadline.
    pub monotonic: Instant,
    /// The wall clock, which may be wrong, drift and jump either way: every timestamp that is written down or compared
    /// with one that was (Kafka `Time.milliseconds`).
    pub wall: Timestamp,
}

#[cfg(test)]
impl Now {
    /// For tests: `monotonic`, and a wall clock that goes as fast and shows another number, so that a mistake of the clock
    /// does not remain unseen.
    pub(crate) fn at(monotonic: Instant) -> Now {
        let wall = Timestamp(1_700_000_000_000 + (monotonic.0 / 1_000_000) as i64);
        Now { monotonic, wall }
    }
}

/// The first of some deadlines.
pub(crate) fn earliest<const N: usize>(deadlines: [Option<Instant>; N]) -> Option<Instant> {
    let first = |first: Instant, deadline: Option<Instant>| first.min(deadline.unwrap_or(Instant::NEVER));
    Some(deadlines.into_iter().fold(Instant::NEVER, first)).filter(|at| *at < Instant::NEVER)
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// Names one request among all that its sender has sent since it started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct RequestId(pub u64);

/// Names one connection of a node in one run of its process. Requests go over it one way and answers the other; in each
/// direction they keep their order, and what has arrived has arrived once (TCP).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum ConnectionId {
    /// A peer opened it; the host chose the number.
    Inbound(u64),
    /// This machine opened it; its [`Outbox`] counts them from 1.
    Outbound(u64),
}

/// What a machine has a connection of its own for. Kafka has a `NetworkClient` for each of these, so that no request
/// waits behind one of another kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Channel {
    /// A client's requests.
    Client,
    /// A consumer's requests to the coordinator of its group, which no fetch may delay (in Kafka a node of its own, with the
    /// id `Integer.MAX_VALUE - node`).
    Coordinator,
    /// Between the nodes of the metadata quorum, and to it from observers.
    Raft,
    /// A follower's fetches.
    Fetcher,
    /// A broker's registration and heartbeats.
    Heartbeat,
    /// A leader's proposals of in-sync replicas.
    AlterPartition,
    /// What a broker passes on to the controller for others, or asks it for their sake.
    Forwarding,
}

impl Channel {
    /// What the peer listens for at the endpoint that such a connection goes to.
    #[must_use]
    pub fn listener(self) -> Listener {
        match self {
            Channel::Client | Channel::Coordinator | Channel::Fetcher => Listener::Broker,
            Channel::Raft | Channel::Heartbeat | Channel::AlterPartition | Channel::Forwarding => Listener::Controller,
        }
    }
}

/// Why a connection is gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum CloseReason {
    /// The other end closed it, or its process ended.
    Peer,
    /// Nobody listens at the other end.
    Refused,
    /// What was sent never arrived.
    Lost,
}

/// Where the answer to a request goes. The machine hands it back as it came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ReplyTo {
    /// The node that asked.
    pub node: NodeId,
    /// The connection that the request came over.
    pub connection: ConnectionId,
    /// The asker's own id of the request.
    pub id: RequestId,
}

/// What a host gives a machine.
#[derive(Clone, Debug, Hash)]
pub enum Input {
    /// A peer has opened a connection. It comes before everything that comes over it; nobody says so of connections that
    /// the machine has opened itself.
    Opened {
        /// Its name from now on.
        connection: ConnectionId,
        /// Where the peer calls from.
        peer: Endpoint,
        /// Which of the machine's listeners accepted it.
        listener: Listener,
    },
    /// A peer asks.
    Request {
        /// Where the answer goes.
        reply_to: ReplyTo,
        /// What is asked.
        body: Request,
    },
    /// A peer answers request `id` of this machine.
    Response {
        /// The connection that the request went over.
        connection: ConnectionId,
        /// Which request it answers.
        id: RequestId,
        /// The answer.
        body: Response,
    },
    /// A connection is gone, or could not be made. No answer comes over one that the machine had opened; nobody waits for
    /// answers over one that a peer had opened. A host may leave it out for
    /// a connection that the machine has closed itself.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
    /// A disk operation ended. Failures are always reported; which successes are reported, [`DiskOp`] says.
    Disk {
        /// The operation.
        op: OpId,
        /// The file that it was about; none for a listing.
        file: Option<FileName>,
        /// Its result.
        result: Result<DiskReply, DiskError>,
    },
    /// The deadline has passed.
    Wake,
    /// The process is asked to end in good order, as SIGTERM does. A broker or controller answers with
    /// [`Output::Halt`] once it has; clients are closed by their programs and ignore it.
    Stop,
}

/// What a machine asks of its host.
#[derive(Clone, Debug)]
pub enum Output {
    /// Open a connection to a peer. Requests may be sent over it at once: they leave when it stands.
    Open {
        /// Its name from now on.
        connection: ConnectionId,
        /// The peer.
        to: NodeId,
        /// Where it listens; none if the machine has not learned that, and the host refuses the connection.
        endpoint: Option<Endpoint>,
    },
    /// Close a connection. What was sent over it may still arrive; no answer comes back.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
    /// Send a request; the answer comes as [`Input::Response`], or the connection's end as [`Input::Closed`].
    Request {
        /// The connection.
        connection: ConnectionId,
        /// The machine's own id of it.
        id: RequestId,
        /// What is asked.
        body: Request,
    },
    /// Answer a request.
    Response {
        /// Whose request.
        to: ReplyTo,
        /// The answer.
        body: Response,
    },
    /// Do something on the disk.
    Disk {
        /// The machine's own id of it.
        op: OpId,
        /// What to do.
        what: DiskOp,
    },
    /// A fact for checkers and reports.
    Trace(Event),
    /// The machine cannot go on; the host stops it as if the process had exited.
    Halt {
        /// Why.
        reason: HaltReason,
    },
}

/// Why a node must stop.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum HaltReason {
    /// The disk failed, and with it the only log directory (Kafka `LogManager.handleLogDirFailure`): without it a node cannot
    /// serve, follow, vote or learn.
    LogDirOffline(DiskError),
    /// A file that cannot be rebuilt from elsewhere is damaged.
    CorruptState(alloc::string::String),
    /// Another process registered under this broker's id.
    DuplicateBrokerId,
    /// It was asked to, by [`Input::Stop`], and has put everything in order.
    Stopped,
}

/// A pure state machine with time, input and randomness as arguments.
pub trait Machine {
    /// Takes one input at `now` of the node's clocks. Drain [`Machine::poll`] afterwards.
    fn handle(&mut self, now: Now, input: Input);

    /// The next output, in causal order.
    fn poll(&mut self) -> Option<Output>;

    /// When, by the monotonic clock, the machine next wants [`Input::Wake`]; `None` while it waits for nothing but input.
    fn deadline(&self) -> Option<Instant>;
}

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
    requests: u64,
    operations: u64,
    connections: Connections,
    /// Where nodes listen, as far as the machine has learned.
    addresses: BTreeMap<(NodeId, Listener), Endpoint>,
}

/// At most one open connection to each peer for each purpose, in the order in which they were opened.
#[derive(Default)]
struct Connections {
    opened: u64,
    open: Vec<Open>,
    timed_out: VecDeque<(NodeId, Channel)>,
}

struct Open {
    number: u64,
    peer: NodeId,
    channel: Channel,
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
}

impl Outbox {
    /// Queues a request to `to` and returns its id. It goes over the open connection for this purpose, or over a new one.
    pub fn request(&mut self, channel: Channel, to: NodeId, body: Request) -> RequestId {
        let number = match self.connections.to(channel, to) {
            Some(place) => self.connections.open[place].number,
            None => self.open(channel, to),
        };
        self.requests += 1;
        let (connection, id) = (ConnectionId::Outbound(number), RequestId(self.requests));
        self.queue.push_back(Output::Request { connection, id, body });
        id
    }

    /// A node listens there: the connections that are opened from now on go there.
    pub fn learn(&mut self, node: NodeId, listener: Listener, endpoint: Endpoint) {
        self.addresses.insert((node, listener), endpoint);
    }

    fn open(&mut self, channel: Channel, to: NodeId) -> u64 {
        self.connections.opened += 1;
        let number = self.connections.opened;
        let connection = ConnectionId::Outbound(number);
        let endpoint = self.addresses.get(&(to, channel.listener())).copied();
        self.queue.push_back(Output::Open {
            connection,
            to,
            endpoint,
        });
        self.connections.open.push(Open {
            number,
            peer: to,
            channel,
        });
        number
    }

    /// Closes the connection to `to` for this purpose, if there is one: its requests may still arrive, and their answers
    /// never do. The next request goes over a new one.
    pub fn disconnect(&mut self, channel: Channel, to: NodeId) {
        if let Some(place) = self.connections.to(channel, to) {
            let Open { number, .. } = self.connections.open.remove(place);
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

    /// The next connection that was closed because a request over it has waited for too long.
    pub fn next_timed_out(&mut self) -> Option<(NodeId, Channel)> {
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
        let Open { peer, channel, .. } = self.connections.open.remove(place);
        Some((peer, channel))
    }

    /// Closes a connection that a peer opened.
    pub fn hang_up(&mut self, connection: ConnectionId) {
        self.queue.push_back(Output::Close { connection });
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
            } => {
                self.0.insert(connection, (to, endpoint));
                None
            }
            Output::Close { .. } => None,
            other => Some(other),
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

    /// The connections that a new request to [`PEER`] opens, and the one that it goes over.
    fn request(out: &mut Outbox, channel: Channel) -> (Vec<ConnectionId>, ConnectionId) {
        out.request(channel, PEER, MetadataRequest { topics: None }.into());
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
            out.request(channel, PEER, MetadataRequest { topics: None }.into());
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
        assert_eq!(out.next_timed_out(), None);
        out.time_out(Channel::Raft, PEER);
        assert!(matches!(out.poll(), Some(Output::Close { connection }) if connection == third));
        assert_eq!(out.next_timed_out(), Some((PEER, Channel::Raft)));
        out.time_out(Channel::Raft, PEER);
        assert!(
            out.poll().is_none() && out.next_timed_out().is_none(),
            "it is closed already"
        );
    }
}

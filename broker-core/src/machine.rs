//! The whole boundary between pure logic and its host.
//!
//! A [`Machine`] is driven by a host: a simulated world, or a process with sockets and files. The host
//! calls [`Machine::handle`] with one input and what the node's clocks show, then takes outputs with
//! [`Machine::poll`] until there is none, and carries them out **in that order**: a response that comes
//! after a disk write may leave only once the write has been handed to the file. When
//! [`Machine::deadline`] passes it hands in [`Input::Wake`]. Asking for the deadline changes nothing.

use core::fmt;
use core::time::Duration;

mod outbox;

#[cfg(test)]
pub(crate) use outbox::Peers;
pub use outbox::{Context, Outbox};

use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::protocol::{Request, Response};
use crate::trace::Event;
use crate::types::{ClientId, Endpoint, Listener, NodeId, Timestamp};

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
    /// A connection that the machine has opened is established: what it has sent over it is on its way.
    Connected {
        /// The connection.
        connection: ConnectionId,
    },
    /// A peer has opened a connection. It comes before everything that comes over it.
    Opened {
        /// Its name from now on.
        connection: ConnectionId,
        /// Where the peer calls from.
        peer: Endpoint,
        /// Which of the machine's listeners accepted it.
        listener: Listener,
        /// What the peer calls itself, which a host knows from the header of the first request.
        client_id: Option<ClientId>,
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
    /// answers over one that a peer had opened. A host may leave it out for a connection that the machine has closed itself.
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
    /// Open a connection to a peer; [`Input::Connected`] follows, or [`Input::Closed`]. Requests may be sent over it at
    /// once: they leave when it is established.
    Open {
        /// Its name from now on.
        connection: ConnectionId,
        /// The peer.
        to: NodeId,
        /// Where it listens; none if the machine has not learned that, and the host refuses the connection.
        endpoint: Option<Endpoint>,
        /// What the machine calls itself in the headers of its requests.
        client_id: Option<ClientId>,
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

//! The whole boundary between pure logic and its host.
//!
//! A [`Machine`] is driven by a host: a simulated world, or a process with sockets and files. The host
//! calls [`Machine::handle`] with one input and the node's clock, then takes outputs with
//! [`Machine::poll`] until there is none, and carries them out **in that order**: a response that comes
//! after a disk write may leave only once the write has been handed to the file. When
//! [`Machine::deadline`] passes it hands in [`Input::Wake`]. Asking for the deadline changes nothing.

use alloc::collections::VecDeque;
use core::fmt;
use core::time::Duration;

use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::protocol::{Request, Response};
use crate::random::Random;
use crate::trace::Event;
use crate::types::{NodeId, Timestamp};

/// A point in time on one node's clock: nanoseconds since the Unix epoch as that node believes it.
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

    /// This instant as a record timestamp, rounded down to a millisecond.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp((self.0 / 1_000_000) as i64)
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

/// Names one inbound connection of a node, chosen by the host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ConnectionId(pub u64);

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

/// What a host tells a machine.
#[derive(Clone, Debug, Hash)]
pub enum Input {
    /// A peer asks.
    Request {
        /// Where the answer goes.
        reply_to: ReplyTo,
        /// What is asked.
        body: Request,
    },
    /// A peer answers request `id` of this machine.
    Response {
        /// Who answers.
        from: NodeId,
        /// Which request it answers.
        id: RequestId,
        /// The answer.
        body: Response,
    },
    /// An inbound connection is gone: nobody waits for answers to its requests any more.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// The connection to `peer` is gone or could not be made: no request sent to it before will be answered.
    Unreachable {
        /// The peer.
        peer: NodeId,
    },
    /// A disk operation ended. Failures are always told; which successes are told, [`DiskOp`] says.
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
    /// Send a request to a peer; the answer comes as [`Input::Response`], or never.
    Request {
        /// The peer.
        to: NodeId,
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
    /// Takes one input at `now` of the node's clock. Drain [`Machine::poll`] afterwards.
    fn handle(&mut self, now: Instant, input: Input);

    /// The next output, in causal order.
    fn poll(&mut self) -> Option<Output>;

    /// When the machine next wants [`Input::Wake`]; `None` while it waits for nothing but input.
    fn deadline(&self) -> Option<Instant>;
}

/// What a machine lends to its rooms for one input: the time, randomness and the way out.
pub struct Context<'a> {
    /// The node's clock at this input.
    pub now: Instant,
    /// The node's own stream of randomness.
    pub rng: &'a mut Random,
    /// Where effects go.
    pub out: &'a mut Outbox,
}

/// The queue of a machine's outputs and the counters that name them.
#[derive(Default)]
pub struct Outbox {
    queue: VecDeque<Output>,
    requests: u64,
    operations: u64,
}

impl Outbox {
    /// Queues a request and returns its id.
    pub fn request(&mut self, to: NodeId, body: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.queue.push_back(Output::Request { to, id, body });
        id
    }

    /// Queues an answer.
    pub fn respond(&mut self, to: ReplyTo, body: Response) {
        self.queue.push_back(Output::Response { to, body });
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

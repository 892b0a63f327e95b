//! What happened, in the order in which it happened: the clients' operations and the environment's events.
//!
//! Together with the machines' trace events ([`broker_core::trace`]) this is all that checkers and reports read.

use core::fmt;
use core::hash::Hasher as _;
use core::ops;
use core::time::Duration;
use std::sync::Arc;

use broker_core::config::{AcksSetting, ProducerConfig};
use broker_core::digest::DigestHasher;
use broker_core::protocol::{Acks, ErrorCode, Header};
use broker_core::trace::Event;
use broker_core::types::{GroupId, LeaderEpoch, NodeId, Offset, TopicName, TopicPartition};
use bytes::Bytes;

/// Simulated time: nanoseconds since the trial began, on no node's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SimTime(pub u64);

impl SimTime {
    /// The time this long after the beginning.
    #[must_use]
    pub fn after(duration: Duration) -> SimTime {
        SimTime(duration.as_nanos() as u64)
    }

    /// Seconds since the beginning.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl ops::Add<Duration> for SimTime {
    type Output = SimTime;

    /// Saturates at the end of time.
    fn add(self, later: Duration) -> SimTime {
        let nanos = u64::try_from(later.as_nanos()).unwrap_or(u64::MAX);
        SimTime(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

impl fmt::Debug for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// When something happened: the number of the delivered event that caused it, and the time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Default)]
pub struct At {
    /// Counts delivered events from 1; 0 is the set-up.
    pub step: u64,
    /// The time.
    pub time: SimTime,
}

/// Names one record that a program sent, unique in the run. A record's value begins with it, big-endian; a tombstone has
/// it in a header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Uid(pub u64);

/// One line of the history.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: At,
    /// Whose doing: a client's node, or the node that the environment struck.
    pub process: NodeId,
    /// Which run of that process, from 0.
    pub incarnation: u32,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A program handed a record to its producer.
    SendInvoked(SentRecord),
    /// The send took effect.
    SendOk(SendOk),
    /// The send did not take effect and never will.
    SendFailed(SendFailed),
    /// The send may have taken effect, or may still.
    SendUnknown(SendUnknown),
    /// A producer was opened, whose sends are promised this.
    ProducerOpened(SendPromise),
    /// A consumer cannot go on by itself: its program's next poll ends with an error.
    ConsumerFailed(ConsumerFailure),
    /// A poll returned records, in this order.
    Polled(Vec<PolledRecord>),
    /// A consumer's program moved a position by itself.
    Sought(Sought),
    /// A program began to work on a record.
    ProcessBegun(Processing),
    /// It ended that work.
    ProcessEnded(ProcessEnded),
    /// A program asked its consumer to commit positions, or the consumer did so by itself.
    CommitInvoked(CommitInvoked),
    /// A commit ended.
    CommitEnded(CommitEnded),
    /// A program called a service.
    ServiceCalled(ServiceCalled),
    /// The environment struck, or let go.
    Environment(Environment),
}

// Lines are moved by value.
const _: () = assert!(size_of::<What>() <= 112);

/// The send took effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendOk {
    /// Which record.
    pub uid: Uid,
    /// Where it went.
    pub partition: TopicPartition,
    /// At which offset, if the ack has one.
    pub offset: Option<Offset>,
    /// Under which promise.
    pub acks: Acks,
}

/// The send did not take effect and never will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendFailed {
    /// Which record.
    pub uid: Uid,
    /// Why.
    pub error: ErrorCode,
}

/// The send may have taken effect, or may still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendUnknown {
    /// Which record.
    pub uid: Uid,
    /// The error that the producer reported; its process may also have died ([`ErrorCode::UnknownServerError`]).
    pub error: ErrorCode,
}

/// A consumer's program moved a position by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sought {
    /// Of which partition.
    pub partition: TopicPartition,
    /// Where to.
    pub to: Offset,
}

/// A program ended its work on a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessEnded {
    /// Which.
    pub processing: Processing,
    /// With what.
    pub outcome: ProcessOutcome,
}

/// A program asked its consumer to commit positions, or the consumer did so by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitInvoked {
    /// The group.
    pub group: GroupId,
    /// The positions: the next offsets to read.
    pub offsets: Vec<(TopicPartition, Offset)>,
}

/// A commit ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommitEnded {
    /// The group.
    pub group: GroupId,
    /// The positions.
    pub offsets: Vec<(TopicPartition, Offset)>,
    /// Success, or why not; anything retriable may have taken effect.
    pub error: ErrorCode,
}

/// A program called a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceCalled {
    /// Its name.
    pub service: Arc<str>,
    /// For which record.
    pub uid: Option<Uid>,
    /// Whether the call took effect.
    pub effect: bool,
    /// Whether the caller got a success.
    pub ok: bool,
}

/// What the configuration of a producer promises of its sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendPromise {
    /// When they are answered.
    pub acks: Acks,
    /// A batch may be stored twice: it is sent again, and the broker does not know it.
    pub may_double: bool,
    /// A batch may be overtaken by a later one.
    pub may_reorder: bool,
}

impl SendPromise {
    /// What these settings promise.
    #[must_use]
    pub fn of(config: &ProducerConfig) -> SendPromise {
        let in_flight = config.max_in_flight_requests_per_connection;
        let idempotent = config.enable_idempotence && config.acks == AcksSetting::All && in_flight <= 5;
        let may_double = !idempotent && config.retries > 0;
        SendPromise {
            acks: match config.acks {
                AcksSetting::None => Acks::None,
                AcksSetting::Leader => Acks::Leader,
                AcksSetting::All => Acks::All,
            },
            may_double,
            may_reorder: may_double && in_flight > 1,
        }
    }
}

/// Why a consumer cannot go on by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConsumerFailure {
    /// It has no position in a partition, and `auto.offset.reset` is `none`.
    NoPosition(TopicPartition),
    /// The log was cut below its position, and `auto.offset.reset` is `none`.
    LogCut(TopicPartition, Offset),
    /// Its group has no place for it: FENCED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED, INCONSISTENT_GROUP_PROTOCOL and the like.
    NoPlace(GroupId, ErrorCode),
}

/// A program's work on one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Processing {
    /// For which group; none without one.
    pub group: Option<GroupId>,
    /// Where the record was read.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: Offset,
    /// Its name, if its value has one.
    pub uid: Option<Uid>,
    /// Counts the attempts at this record through all topics that it passes, from 1.
    pub attempt: u32,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessOutcome {
    /// It was processed.
    Processed,
    /// This attempt failed, and the same program will try again before it goes on.
    WillRetry,
    /// This attempt failed; a copy was acknowledged by the retry topic.
    Retried(Uid),
    /// This attempt failed; a copy was acknowledged by the dead-letter topic.
    DeadLettered(Uid),
    /// This attempt failed, and the program goes on without the record.
    Skipped,
}

/// Where a record of a retry or dead-letter topic comes from; a program writes it into the record's headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hop {
    /// The first record, as a producer sent it.
    pub origin: Uid,
    /// Where the record was read that this one is a copy of.
    pub from: (TopicPartition, Offset),
    /// How many attempts were made before this copy.
    pub attempts: u32,
    /// Before this time nobody may try again.
    pub not_before: Option<SimTime>,
    /// Whether it is a dead letter.
    pub dead_letter: bool,
}

/// A record as its program sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SentRecord {
    /// Its name.
    pub uid: Uid,
    /// Where to.
    pub topic: TopicName,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value: the uid, and then what it carries.
    pub value: Option<Bytes>,
    /// Of key, value and headers ([`fingerprint`]).
    pub fingerprint: u32,
    /// CRC-32C of the value behind its uid, [`SentRecord::TOMBSTONE`] without a value: equal for all copies of one record.
    pub payload: u32,
    /// Where it comes from, if it is a copy in a retry or dead-letter topic.
    pub hop: Option<Box<Hop>>,
    /// Whether it only shows that its sender reaches the partition after the heal. No program gets it.
    pub is_probe: bool,
}

impl SentRecord {
    /// Stands for the payload of a tombstone.
    pub const TOMBSTONE: u32 = u32::MAX;
}

/// A record as a program's consumer got it; a probe it keeps from the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PolledRecord {
    /// Where from.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: Offset,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// Its name, if its value has one.
    pub uid: Option<Uid>,
    /// Of key, value and headers ([`fingerprint`]).
    pub fingerprint: u32,
    /// Whether it is one of the records that close a trial.
    pub is_probe: bool,
}

/// An event of the environment: a failure, a fault, or its end.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Environment {
    /// The process ended; its page cache is kept.
    Killed,
    /// The machine lost power; so many bytes that no sync had covered are gone.
    PowerLost {
        /// Bytes of the page cache that the durable image lacks.
        lost_bytes: u64,
    },
    /// The process runs (again).
    Started,
    /// The process stands still.
    Paused,
    /// The process goes on.
    Resumed,
    /// The machine stopped itself.
    Halted,
    /// The program came to its end, and its process with it.
    Ended,
    /// The program panicked, and its process died of it.
    Panicked {
        /// `file:line:column`.
        place: String,
        /// What it said.
        message: String,
    },
    /// A fault of network or disk began; its description is for people.
    FaultBegan(String),
    /// It ended.
    FaultEnded(String),
    /// The faults are over, everything is healed and running: from here on the cluster must recover.
    Healed,
}

/// A digest of key, value and headers, each part with its length (-1 for none) before it. It is not the checksum that
/// the batch carries: what damages a record and keeps its CRC shows here.
#[must_use]
pub fn fingerprint(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> u32 {
    let mut digest = DigestHasher::new();
    let mut part = |part: Option<&[u8]>| {
        digest.write_isize(part.map_or(-1, |part| part.len() as isize));
        digest.write(part.unwrap_or(&[]));
    };
    part(key);
    part(value);
    for header in headers {
        part(Some(&header.key));
        part(header.value.as_deref());
    }
    digest.finish() as u32
}

/// Who wants to know what happens, as it happens.
pub trait Observer {
    /// A machine stated a fact.
    fn fact(&mut self, at: At, node: NodeId, event: &Event);
    /// A line was added to the history.
    fn entry(&mut self, entry: &Entry);

    /// Whether the healed cluster has settled; if not, what is still missing, line by line. Asked now and then
    /// after the heal, once all sends have ended; the run ends with the first `Ok`. An observer that waits for
    /// nothing is settled at once.
    ///
    /// # Errors
    /// When something is missing.
    fn settled(&self, _now: At) -> Result<(), Vec<String>> {
        Ok(())
    }
}

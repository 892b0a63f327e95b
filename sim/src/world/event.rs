//! What happens in the world: what its queue holds, and the kinds of delivered events.

use std::hash::Hash;

use broker_core::digest::DigestHasher;
use broker_core::disk::{DiskError, DiskReply, FileName, OpId};
use broker_core::machine::Input;
use broker_core::types::NodeId;

use super::disk::SyncPoint;
use super::network::{Connection, Handshake, Message};
use crate::program::station::SleeperId;

/// What the queue holds.
pub(super) enum WorldEvent {
    /// A message reaches its receiver's NIC.
    Message(Message),
    /// An input reaches a process.
    Input {
        node: usize,
        incarnation: u32,
        input: Box<Input>,
        /// The CPU time that it takes.
        cost: u64,
    },
    /// The CPU is free for the next input of the inbox.
    Call { node: usize, incarnation: u32 },
    /// A machine's deadline may have come.
    Alarm { node: usize, incarnation: u32 },
    /// A disk operation is done.
    Disk(Box<DiskDone>),
    /// A step on the way to a connection.
    Handshake(Connection, Handshake),
    /// The ends of a broken connection learn of it.
    Closed(Connection),
    /// A program has slept enough.
    Ring(SleeperId),
    /// A driver has waited long enough, perhaps.
    RingDriver(usize),
    /// A fault of the plan begins.
    Begin(usize),
    /// It ends.
    End(usize),
    /// The safety phase is over.
    Heal,
    /// Has the cluster settled?
    Settle,
}

/// A disk operation that is done.
pub(super) struct DiskDone {
    pub(super) node: usize,
    pub(super) incarnation: u32,
    pub(super) power_cycle: u32,
    pub(super) op: OpId,
    pub(super) file: Option<FileName>,
    /// What becomes durable by it.
    pub(super) durable: Option<SyncPoint>,
    pub(super) result: Result<DiskReply, DiskError>,
}

/// The node of what is about no single node.
pub(super) const NOWHERE: NodeId = NodeId(0);

/// The kinds of delivered events, for the digest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Input = 1,
    Ring = 2,
    FaultBegins = 3,
    FaultEnds = 4,
    Heal = 5,
    /// A timer that a program has set, not the world.
    Timer = 6,
}

impl Kind {
    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Input => "an input is handled",
            Kind::Ring => "a program's alarm rings",
            Kind::FaultBegins => "a planned fault begins",
            Kind::FaultEnds => "a planned fault ends",
            Kind::Heal => "the heal begins",
            Kind::Timer => "a program's own timer rings",
        }
    }
}

/// Folds anything into a digest.
pub(super) fn fold(value: impl Hash) -> impl FnOnce(&mut DigestHasher) {
    move |digest| value.hash(digest)
}

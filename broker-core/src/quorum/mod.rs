//! The metadata quorum: a log that a majority of voters holds, with one leader per epoch (KIP-595, KIP-996).
//!
//! What the entries mean is not this room's business: it replicates opaque values and says which are committed.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::BrokerConfig;
use crate::disk::{DiskError, DiskReply, FileName, OpId};
use crate::log::Log;
use crate::machine::{Context, Instant, ReplyTo, RequestId};
use crate::protocol::{Request, Response};
use crate::types::{LeaderEpoch, NodeId, Offset};

/// One node's part in the quorum: voter or observer.
///
/// Invariant: an answer that grants a vote, and a fetch that counts as an acknowledgement, leave only after what
/// they promise is durable.
pub struct Quorum {
    _todo: (),
}

/// What the rest of the node must know.
#[derive(Clone, Debug)]
pub enum QuorumFact {
    /// This node leads `epoch`; its own first entry of the epoch is not committed yet.
    BecameLeader {
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// This node leads no more. Everything that it appended and that is not committed may vanish.
    LostLeadership,
    /// Values in offset order that are committed now; control entries are left out, but `end` counts them.
    Committed {
        /// Offset and value.
        entries: Vec<(Offset, Bytes)>,
        /// The high watermark.
        end: Offset,
    },
}

/// This node does not lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not the leader of the metadata quorum")]
pub struct NotLeader;

impl Quorum {
    /// Starts from what the disk holds: the `quorum-state` file (empty or missing: epoch 0, no vote) and the log.
    /// A node that is not among `voters` observes.
    ///
    /// # Errors
    /// When the `quorum-state` file is damaged.
    pub fn new(
        _ctx: &mut Context<'_>,
        _id: NodeId,
        _voters: Vec<NodeId>,
        _config: &BrokerConfig,
        _stored: &Bytes,
        _log: Log,
    ) -> Result<Quorum, alloc::string::String> {
        todo!()
    }

    /// The leader of the current epoch, if known.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        todo!()
    }

    /// The current epoch.
    #[must_use]
    pub fn epoch(&self) -> LeaderEpoch {
        todo!()
    }

    /// Whether this node leads.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        todo!()
    }

    /// Everything below is committed, as far as this node knows.
    #[must_use]
    pub fn high_watermark(&self) -> Offset {
        todo!()
    }

    /// The end of the node's own metadata log.
    #[must_use]
    pub fn log_end_offset(&self) -> Offset {
        todo!()
    }

    /// All values of the log in `from..log_end_offset`, committed or not, in offset order (for a new active
    /// controller, which acts on the end of its log).
    #[must_use]
    pub fn uncommitted(&self, _from: Offset) -> Vec<(Offset, Bytes)> {
        todo!()
    }

    /// Appends values as one batch (all or none is ever committed); returns the offset of each.
    ///
    /// # Errors
    /// When this node does not lead.
    pub fn append(&mut self, _ctx: &mut Context<'_>, _values: &[Bytes]) -> Result<Vec<Offset>, NotLeader> {
        todo!()
    }

    /// Takes a Vote, BeginQuorumEpoch, EndQuorumEpoch, or a Fetch of the metadata partition.
    pub fn on_request(&mut self, _ctx: &mut Context<'_>, _reply_to: ReplyTo, _request: Request) {
        todo!()
    }

    /// Takes an answer; returns false if the request was not one of the quorum's.
    pub fn on_response(&mut self, _ctx: &mut Context<'_>, _from: NodeId, _id: RequestId, _response: &Response) -> bool {
        todo!()
    }

    /// No request sent to `peer` will be answered.
    pub fn on_unreachable(&mut self, _ctx: &mut Context<'_>, _peer: NodeId) {
        todo!()
    }

    /// Takes a disk answer about `quorum-state` or a segment of the metadata log.
    ///
    /// # Errors
    /// When the disk failed: the node must stop.
    pub fn on_disk(
        &mut self,
        _ctx: &mut Context<'_>,
        _op: OpId,
        _file: FileName,
        _result: &Result<DiskReply, DiskError>,
    ) -> Result<(), DiskError> {
        todo!()
    }

    /// Acts on what is due at `ctx.now`.
    pub fn on_wake(&mut self, _ctx: &mut Context<'_>) {
        todo!()
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// Takes the next fact; ask after every call above until there is none.
    pub fn next_fact(&mut self) -> Option<QuorumFact> {
        todo!()
    }
}

//! The controller: decides about brokers, topics and partition leaders, by records in the metadata log.

pub mod image;
pub mod records;

use crate::config::BrokerConfig;
use crate::machine::{Context, Instant, ReplyTo};
use crate::protocol::Request;
use crate::quorum::{Quorum, QuorumFact};

/// The active controller's logic; idle on a node that does not lead the quorum.
pub struct Controller {
    _todo: (),
}

impl Controller {
    /// An idle controller.
    #[must_use]
    pub fn new(_config: &BrokerConfig) -> Controller {
        todo!()
    }

    /// Takes a fact of the quorum. On `BecameLeader` it rebuilds its state from `committed` (the image of everything
    /// below the high watermark) and the uncommitted rest of the log, and acts once its own epoch has an entry
    /// committed. On `LostLeadership` it answers everybody NOT_CONTROLLER and drops its state. On `Committed` it
    /// releases replies.
    pub fn on_quorum(
        &mut self,
        _ctx: &mut Context<'_>,
        _quorum: &mut Quorum,
        _committed: &image::ClusterImage,
        _fact: &QuorumFact,
    ) {
        todo!()
    }

    /// Takes a BrokerRegistration, BrokerHeartbeat, AlterPartition, CreateTopics or AllocateProducerIds. Answers
    /// NOT_CONTROLLER unless active; otherwise answers when the decision is committed.
    pub fn on_request(&mut self, _ctx: &mut Context<'_>, _quorum: &mut Quorum, _reply_to: ReplyTo, _request: Request) {
        todo!()
    }

    /// Acts on what is due: fences silent brokers, writes no-op records.
    pub fn on_wake(&mut self, _ctx: &mut Context<'_>, _quorum: &mut Quorum) {
        todo!()
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }
}

//! What decisions are made from.

use alloc::collections::BTreeMap;

use super::image::{BrokerImage, ClusterImage};
use super::records::MetadataRecord;
use crate::protocol::{ErrorCode, Response};
use crate::types::{BrokerEpoch, NodeId, Offset};

/// The state of the cluster at the end of the active controller's log, committed or not.
pub(super) struct View<'a> {
    pub image: &'a ClusterImage,
    /// Brokers in controlled shutdown, with the end of the metadata that took their leaderships away.
    pub shutting_down: &'a BTreeMap<NodeId, Offset>,
}

/// What the log gets (all of it or nothing), and what the asker is answered once that is committed.
pub(super) struct Decision {
    pub records: alloc::vec::Vec<MetadataRecord>,
    pub response: Response,
}

impl View<'_> {
    /// Whether the broker may lead and join ISRs.
    pub fn is_active(&self, broker: NodeId) -> bool {
        let registered = self.image.brokers.get(&broker);
        registered.is_some_and(|broker| !broker.fenced) && !self.shutting_down.contains_key(&broker)
    }

    /// The broker's registration, if `broker_epoch` names it.
    pub fn registration(&self, broker: NodeId, broker_epoch: BrokerEpoch) -> Result<&BrokerImage, ErrorCode> {
        let registered = self.image.brokers.get(&broker);
        registered
            .filter(|registered| registered.broker_epoch == broker_epoch)
            .ok_or(ErrorCode::StaleBrokerEpoch)
    }
}

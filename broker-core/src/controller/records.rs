//! The records of the metadata log, and their bytes.

use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::TopicConfig;
use crate::types::{BrokerEpoch, LeaderEpoch, NodeId, PartitionEpoch, ProducerId, TopicId, TopicName, TopicPartition};

/// A change of the cluster's state (Kafka's `metadata/src/main/resources/common/metadata`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum MetadataRecord {
    /// A broker joined; fenced until it has caught up.
    RegisterBroker {
        /// The broker.
        broker: NodeId,
        /// The run of its process.
        incarnation: u64,
        /// The registration: the offset of this record.
        broker_epoch: BrokerEpoch,
    },
    /// A broker was fenced or unfenced.
    BrokerRegistrationChange {
        /// The broker.
        broker: NodeId,
        /// Its registration.
        broker_epoch: BrokerEpoch,
        /// The new state.
        fenced: bool,
    },
    /// A topic was created.
    Topic {
        /// Its name.
        name: TopicName,
        /// Its id.
        id: TopicId,
        /// Its settings.
        config: TopicConfig,
    },
    /// A partition was created or changed; the whole new state.
    Partition {
        /// The partition.
        partition: TopicPartition,
        /// Its replicas, the preferred leader first.
        replicas: Vec<NodeId>,
        /// Those in sync.
        isr: Vec<NodeId>,
        /// Its leader.
        leader: Option<NodeId>,
        /// The leader's epoch.
        leader_epoch: LeaderEpoch,
        /// The state's epoch.
        partition_epoch: PartitionEpoch,
    },
    /// Producer ids below `next_producer_id` are given away.
    ProducerIds {
        /// The next free id.
        next_producer_id: ProducerId,
    },
    /// Nothing changed; shows that the log moves.
    NoOp,
}

impl MetadataRecord {
    /// The record as the value of a log record.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        todo!()
    }

    /// The record in a value.
    ///
    /// # Errors
    /// When the value was not written by [`MetadataRecord::encode`].
    pub fn decode(_value: &Bytes) -> Result<MetadataRecord, alloc::string::String> {
        todo!()
    }
}

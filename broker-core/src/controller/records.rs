//! The records of the metadata log, and their bytes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::TopicConfig;
use crate::types::{
    BrokerEpoch, LeaderEpoch, Listeners, NodeId, PartitionEpoch, ProducerId, TopicId, TopicName, TopicPartition,
};

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
        /// Where it listens.
        listeners: Listeners,
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
        let bytes = postcard::to_allocvec(self).expect("a record is always serialisable into memory");
        bytes.into()
    }

    /// The record in a value.
    ///
    /// # Errors
    /// When the value was not written by [`MetadataRecord::encode`].
    pub fn decode(value: &Bytes) -> Result<MetadataRecord, String> {
        match postcard::take_from_bytes(value) {
            Ok((record, [])) => Ok(record),
            Ok((_, rest)) => Err(format!("{} bytes follow a metadata record", rest.len())),
            Err(error) => Err(format!("malformed metadata record: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::types::{Endpoint, Host, Listener};

    #[test]
    fn records_read_back() {
        let partition = TopicPartition::new(TopicId(100), 2);
        for record in [
            MetadataRecord::RegisterBroker {
                broker: NodeId(1),
                incarnation: u64::MAX,
                broker_epoch: BrokerEpoch(i64::MAX),
                listeners: Listeners(
                    [(
                        Listener::Broker,
                        Endpoint {
                            host: Host(3),
                            port: 9092,
                        },
                    )]
                    .into(),
                ),
            },
            MetadataRecord::BrokerRegistrationChange {
                broker: NodeId(1),
                broker_epoch: BrokerEpoch(0),
                fenced: false,
            },
            MetadataRecord::Topic {
                name: TopicName::from("orders"),
                id: TopicId(100),
                config: TopicConfig {
                    unclean_leader_election_enable: true,
                    ..TopicConfig::default()
                },
            },
            MetadataRecord::Partition {
                partition,
                replicas: vec![NodeId(3), NodeId(1)],
                isr: vec![NodeId(1)],
                leader: None,
                leader_epoch: LeaderEpoch(4),
                partition_epoch: PartitionEpoch(9),
            },
            MetadataRecord::ProducerIds {
                next_producer_id: ProducerId(1000),
            },
            MetadataRecord::NoOp,
        ] {
            let value = record.encode();
            assert_eq!(MetadataRecord::decode(&value), Ok(record));
            assert!(MetadataRecord::decode(&value.slice(..value.len() - 1)).is_err());
            let longer = [&value[..], &[0]].concat();
            assert!(MetadataRecord::decode(&longer.into()).is_err());
        }
    }
}

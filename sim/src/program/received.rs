//! A record as an application gets it.

use std::fmt;

use broker_core::client::consumer::ConsumerRecord as Fetched;
use broker_core::protocol::{Header, Record};
use broker_core::types::{self, LeaderEpoch, Offset, Timestamp};
use bytes::Bytes;

use super::partition::TopicPartition;
use crate::history::{PolledRecord, Uid, fingerprint};
use crate::mark;

/// A record as the application gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Where from.
    pub partition: TopicPartition,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    id: types::TopicPartition,
    record: Record,
}

/// Who stamped a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum TimestampType {
    /// Its sender. The only type until `message.timestamp.type` is modelled.
    CreateTime,
}

impl ConsumerRecord {
    pub(super) fn new(partition: TopicPartition, fetched: Fetched) -> ConsumerRecord {
        ConsumerRecord {
            partition,
            leader_epoch: fetched.leader_epoch,
            id: fetched.partition,
            record: fetched.record,
        }
    }

    /// The name of its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.partition.topic.0
    }

    /// Its offset.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.record.offset
    }

    /// Its timestamp, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.record.timestamp
    }

    /// Who stamped it.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        TimestampType::CreateTime
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.record.key.as_deref()
    }

    /// What its sender gave as the payload ([`super::ProducerRecord::payload`]): the value behind the record's uid. Empty
    /// for a tombstone ([`ConsumerRecord::is_tombstone`]).
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let value = self.record.value.as_deref();
        value.and_then(|value| value.get(8..)).unwrap_or(&[])
    }

    /// Whether it has no value ([`super::ProducerRecord::tombstone`]).
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.record.value.is_none()
    }

    /// Its headers, as its sender gave them.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        mark::without_marks(&self.record.headers)
    }

    /// The value of the last header of this name (Kafka `Headers.lastHeader`), if there is one and it is not null.
    #[must_use]
    pub fn header(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        let mut headers = self.headers().iter().rev();
        headers.find(|header| header.key == key.as_ref())?.value.as_deref()
    }

    /// Its name in the history.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        mark::uid_of(self.record.value.as_deref(), &self.record.headers)
    }

    /// Its partition as the history names it.
    pub(super) fn partition_id(&self) -> types::TopicPartition {
        self.id
    }
}

impl fmt::Debug for ConsumerRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = (!self.is_tombstone()).then(|| Bytes::copy_from_slice(self.payload()));
        f.debug_struct("ConsumerRecord")
            .field("partition", &self.partition)
            .field("offset", &self.offset())
            .field("timestamp", &self.timestamp())
            .field("key", &self.record.key)
            .field("payload", &payload)
            .field("headers", &self.headers())
            .finish_non_exhaustive()
    }
}

/// The record as the history has it.
pub(super) fn polled_record(fetched: &Fetched) -> PolledRecord {
    let Fetched {
        partition,
        leader_epoch,
        record,
    } = fetched;
    let value = record.value.as_deref();
    PolledRecord {
        partition: *partition,
        offset: record.offset,
        leader_epoch: *leader_epoch,
        uid: mark::uid_of(value, &record.headers),
        fingerprint: fingerprint(record.key.as_deref(), value, &record.headers),
        is_probe: mark::is_probe(&record.headers),
    }
}

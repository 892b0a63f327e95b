//! Copies of failed records in retry and dead-letter topics.

use broker_core::config::ProducerConfig;
use broker_core::protocol::Header;

use crate::history::{Hop, SimTime, Uid};
use crate::program::env::Env;
use crate::program::hop;
use crate::program::producer::{ProducerClient, ProducerRecord};
use crate::program::received::ConsumerRecord;

/// Sends copies.
pub(super) struct Copies {
    producer: ProducerClient,
}

impl Copies {
    pub(super) fn new(env: &Env, config: &ProducerConfig) -> Copies {
        Copies {
            producer: env.producer(config.clone()),
        }
    }

    /// A copy to be tried again, not before `not_before`. Returns its name once it is acknowledged.
    pub(super) async fn retry(&self, record: &ConsumerRecord, attempts: u32, topic: &str, not_before: SimTime) -> Uid {
        self.send(record, attempts, topic, Some(not_before)).await
    }

    /// A dead letter. Returns its name once it is acknowledged.
    pub(super) async fn bury(&self, record: &ConsumerRecord, attempts: u32, topic: &str) -> Uid {
        self.send(record, attempts, topic, None).await
    }

    /// Sends until a copy is acknowledged: a record without a copy would be lost, two copies are only two.
    async fn send(&self, record: &ConsumerRecord, attempts: u32, topic: &str, not_before: Option<SimTime>) -> Uid {
        let origin = hop::read(record.headers()).map(|hop| hop.origin).or(record.uid());
        let hop = Hop {
            origin: origin.expect("workers read what the programs of the trial sent"),
            from: (record.partition_id(), record.offset()),
            attempts,
            not_before,
            dead_letter: not_before.is_none(),
        };
        // The record's headers are copied, except those of its last hop.
        let theirs = hop::without_hop(record.headers());
        let headers: Vec<Header> = theirs.cloned().chain(hop::headers(&hop)).collect();
        loop {
            let mut copy = ProducerRecord::to(topic).headers(headers.clone());
            copy = match record.is_tombstone() {
                true => copy.tombstone(),
                false => copy.payload(record.payload()),
            };
            if let Some(key) = record.key() {
                copy = copy.key(key);
            }
            let delivery = self.producer.send(copy);
            let uid = delivery.uid();
            if delivery.await.is_ok() {
                return uid;
            }
        }
    }
}

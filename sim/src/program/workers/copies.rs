//! Copies of failed records in retry and dead-letter topics.

use broker_core::config::ProducerConfig;

use crate::history::{Hop, SimTime, Uid};
use crate::program::consumer::ConsumerRecord;
use crate::program::env::Env;
use crate::program::hop;
use crate::program::producer::{ProducerClient, ProducerRecord};

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
            from: (record.partition, record.offset()),
            attempts,
            not_before,
            dead_letter: not_before.is_none(),
        };
        loop {
            let mut copy = ProducerRecord::to(topic)
                .payload(record.payload())
                .headers(hop::headers(&hop));
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

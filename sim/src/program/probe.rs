//! The probe: after the heal every partition must take one more record, from everybody who sends. These records are
//! marked ([`crate::mark`]): consumers get them, and keep them from their programs.

use std::time::Duration;

use broker_core::client::producer::ProducerRecord;
use broker_core::types::{PartitionIndex, TopicName};

use super::clock::Clock;
use super::producer::{Delivery, ProducerClient};
use crate::mark;

/// The pause before the partitions are tried again that took no record.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends one record to each of the first `partitions` partitions of each topic, again and again until it has got there.
pub(super) async fn run(topics: &[(TopicName, u32)], producer: &ProducerClient, clock: &Clock) {
    producer.set_probing(true);
    clock.topics_exist().await;
    let all = topics.iter().flat_map(|(topic, partitions)| {
        (0..*partitions).map(move |partition| (topic, PartitionIndex(partition as i32)))
    });
    let mut left: Vec<_> = all.collect();
    loop {
        let mut sent: Vec<Delivery> = Vec::new();
        for (topic, partition) in &left {
            let uid = producer.next_uid();
            let mut delivery = producer.send_prepared(ProducerRecord {
                topic: TopicName::clone(topic),
                partition: Some(*partition),
                key: None,
                value: Some(producer.value(uid, 8)),
                headers: vec![mark::of_probe(uid)],
                timestamp: None,
            });
            // Why it was refused, its end tells too.
            let _ = delivery.enqueued().await;
            sent.push(delivery);
        }
        producer.flush().await;
        let mut failed = Vec::new();
        for (place, delivery) in left.into_iter().zip(sent) {
            if delivery.await.is_err() {
                failed.push(place);
            }
        }
        if failed.is_empty() {
            break;
        }
        left = failed;
        clock.sleep(PAUSE).await;
    }
    producer.set_probing(false);
}

//! The probe: after the heal every partition must take one more record.

use broker_core::client::producer::ProducerRecord;
use broker_core::types::{PartitionIndex, TopicName};

use super::clock::Clock;
use super::producer::ProducerClient;

/// Sends one record to every partition and waits until all sends have ended.
pub(super) async fn run(topics: &[(TopicName, u32)], producer: ProducerClient, clock: Clock) {
    clock.topics_exist().await;
    for (topic, partitions) in topics {
        for partition in 0..*partitions {
            let record = ProducerRecord {
                topic: topic.clone(),
                partition: Some(PartitionIndex(partition as i32)),
                key: None,
                value: Some(producer.value(8)),
                headers: Vec::new(),
                timestamp: None,
            };
            let _ = producer.send_prepared(record).enqueued().await;
        }
    }
    producer.flush().await;
}

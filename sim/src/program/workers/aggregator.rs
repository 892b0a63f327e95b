//! The aggregator: counts records by key and sends each new count on. Its counts are in memory and begin again when a
//! partition comes to it.

use std::collections::BTreeMap;

use super::hands::Hands;
use super::{Commits, POLL};
use crate::history::ProcessOutcome;
use crate::program::consumer::{ConsumerClient, RebalanceListener};
use crate::program::outcome::PollError;
use crate::program::partition::TopicPartition;
use crate::program::producer::ProducerRecord;

/// Polls, counts, sends, commits once all counts of a poll are acknowledged.
pub(super) async fn run(mut hands: Hands, consumer: &mut ConsumerClient, output: &str) -> Result<(), PollError> {
    let producer = hands.env.producer(hands.group.producer.clone());
    let mut counts = Counts {
        by_partition: BTreeMap::new(),
        commits: Commits::new(hands.group.commit),
    };
    while !hands.are_done(consumer) {
        let records = consumer.poll_with(&mut counts, POLL).await?;
        if records.is_empty() {
            counts.commits.without_work(consumer).await;
            continue;
        }
        counts.commits.before_work(consumer).await;
        let mut sends = Vec::new();
        for record in &records {
            let work = hands.env.process(record);
            if !hands.work_on(record).await {
                work.end(ProcessOutcome::Skipped);
                continue;
            }
            let key = record.key().unwrap_or_default();
            let count = counts.add(&record.partition, key);
            let result = ProducerRecord::to(output).key(key).payload(count.to_be_bytes());
            sends.push((producer.send(result.clone()), result, work));
        }
        for (delivery, result, work) in sends {
            let mut sent = delivery.await.is_ok();
            while !sent {
                sent = producer.send(result.clone()).await.is_ok();
            }
            work.done();
        }
        counts.commits.after_work(consumer).await;
    }
    Ok(())
}

/// How many records of each key each partition brought.
struct Counts {
    by_partition: BTreeMap<TopicPartition, BTreeMap<Vec<u8>, u64>>,
    commits: Commits,
}

impl Counts {
    fn add(&mut self, partition: &TopicPartition, key: &[u8]) -> u64 {
        if !self.by_partition.contains_key(partition) {
            self.by_partition.insert(partition.clone(), BTreeMap::new());
        }
        let keys = self.by_partition.get_mut(partition).expect("it was just put there");
        let count = keys.entry(key.to_vec()).or_default();
        *count += 1;
        *count
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.by_partition.retain(|partition, _| !partitions.contains(partition));
    }
}

impl RebalanceListener for Counts {
    async fn revoked(&mut self, consumer: &mut ConsumerClient, partitions: &[TopicPartition]) {
        self.commits.after_work(consumer).await;
        self.forget(partitions);
    }

    async fn lost(&mut self, _: &mut ConsumerClient, partitions: &[TopicPartition]) {
        self.forget(partitions);
    }
}

//! The consumer as an application sees it.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use broker_core::client::consumer::{Consumer, ConsumerNotice, ConsumerRecord};
use broker_core::types::{Offset, PartitionIndex, TopicName, TopicPartition};

use super::clock::Clock;
use super::station::{ClientMachine, Shared, Station};
use crate::history::{PolledRecord, What, fingerprint, uid_of};

/// A handle on a consumer with assigned partitions.
pub struct ConsumerClient {
    shared: Shared,
    client: usize,
}

impl ConsumerClient {
    pub(super) fn new(shared: Shared, client: usize) -> ConsumerClient {
        ConsumerClient { shared, client }
    }

    /// Reads these partitions from now on, and no others.
    pub fn assign(&mut self, partitions: Vec<(TopicName, PartitionIndex)>) {
        self.with(|consumer, now| consumer.assign(now, partitions));
    }

    /// The next records, at most `max.poll.records`; none if `timeout` passes without any.
    pub async fn poll(&mut self, timeout: Duration) -> Vec<ConsumerRecord> {
        let mut given_up = pin!(Clock::new(self.shared.clone()).sleep(timeout));
        std::future::poll_fn(|context| {
            let records = self.take_records();
            if !records.is_empty() {
                return Poll::Ready(records);
            }
            if given_up.as_mut().poll(context).is_ready() {
                return Poll::Ready(Vec::new());
            }
            self.shared.lock().await_records(self.client, context.waker());
            Poll::Pending
        })
        .await
    }

    /// The next record of `partition` that is polled is the one at `offset`.
    pub fn seek(&mut self, partition: TopicPartition, offset: Offset) {
        self.with(|consumer, now| consumer.seek(now, partition, offset));
        let to = offset;
        self.shared.lock().write(self.client, What::Sought { partition, to });
    }

    /// The offset of the next record that is polled.
    #[must_use]
    pub fn position(&self, partition: TopicPartition) -> Option<Offset> {
        machine(&mut self.shared.lock(), self.client).position(partition)
    }

    /// How far the position is behind the high watermark, as of the last fetch.
    #[must_use]
    pub fn lag(&self, partition: TopicPartition) -> Option<u64> {
        machine(&mut self.shared.lock(), self.client).lag(partition)
    }

    /// The id of an assigned partition, once its topic is known.
    #[must_use]
    pub fn partition_id(&self, topic: &TopicName, partition: PartitionIndex) -> Option<TopicPartition> {
        machine(&mut self.shared.lock(), self.client).partition_id(topic, partition)
    }

    /// The next thing that the consumer wants its application to know.
    pub fn next_notice(&mut self) -> Option<ConsumerNotice> {
        machine(&mut self.shared.lock(), self.client).next_notice()
    }

    fn take_records(&mut self) -> Vec<ConsumerRecord> {
        let mut station = self.shared.lock();
        if !machine(&mut station, self.client).has_records() {
            return Vec::new();
        }
        let now = station.local_time(self.client);
        let records = machine(&mut station, self.client).take_records(now);
        station.touch(self.client);
        if !records.is_empty() {
            let polled = records.iter().map(polled_record).collect();
            station.write(self.client, What::Polled(polled));
        }
        records
    }

    fn with<T>(&mut self, use_it: impl FnOnce(&mut Consumer, broker_core::machine::Instant) -> T) -> T {
        let mut station = self.shared.lock();
        let now = station.local_time(self.client);
        let result = use_it(machine(&mut station, self.client), now);
        station.touch(self.client);
        result
    }
}

fn machine(station: &mut Station, client: usize) -> &mut Consumer {
    match &mut station.clients[client].machine {
        Some(ClientMachine::Consumer(consumer)) => consumer,
        _ => unreachable!("a program runs only while its machine is there"),
    }
}

fn polled_record(record: &ConsumerRecord) -> PolledRecord {
    let ConsumerRecord {
        partition,
        leader_epoch,
        record,
    } = record;
    PolledRecord {
        partition: *partition,
        offset: record.offset,
        leader_epoch: *leader_epoch,
        uid: uid_of(record.value.as_ref()),
        fingerprint: fingerprint(record.key.as_deref(), record.value.as_deref(), &record.headers),
    }
}

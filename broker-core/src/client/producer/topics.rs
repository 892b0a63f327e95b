//! The topics that records were sent to, and the records that wait for their metadata.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::machine::Instant;
use crate::types::TopicName;

use super::partitioner::StickyPartitioner;
use super::{ProducerRecord, SendId};

/// A record whose partition is not known yet.
pub(super) struct Parked {
    pub id: SendId,
    pub record: ProducerRecord,
    /// It fails then.
    pub expires: Instant,
    /// Its share of `buffer.memory`.
    pub charged: u64,
}

/// All topics of a producer, by index.
#[derive(Default)]
pub(super) struct Topics {
    by_name: BTreeMap<TopicName, usize>,
    topics: Vec<Topic>,
    /// How many records are parked in all.
    parked: usize,
}

struct Topic {
    name: TopicName,
    /// Its partitions in the accumulator; empty until the metadata is known.
    partitions: Vec<usize>,
    sticky: StickyPartitioner,
    /// In the order of their sends, which is that of their expiry.
    parked: VecDeque<Parked>,
    /// The application flushed while records were parked.
    is_flushed: bool,
}

impl Topics {
    /// The index of a topic, which is made known if it was not.
    pub fn index(&mut self, name: &TopicName) -> usize {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        self.topics.push(Topic {
            name: name.clone(),
            partitions: Vec::new(),
            sticky: StickyPartitioner::default(),
            parked: VecDeque::new(),
            is_flushed: false,
        });
        self.by_name.insert(name.clone(), self.topics.len() - 1);
        self.topics.len() - 1
    }

    pub fn len(&self) -> usize {
        self.topics.len()
    }

    pub fn name(&self, topic: usize) -> &TopicName {
        &self.topics[topic].name
    }

    /// Its partitions in the accumulator, by partition index; empty until the metadata is known.
    pub fn partitions(&self, topic: usize) -> &[usize] {
        &self.topics[topic].partitions
    }

    pub fn set_partitions(&mut self, topic: usize, partitions: Vec<usize>) {
        self.topics[topic].partitions = partitions;
    }

    /// Its sticky partitioner, with its partitions in the accumulator.
    pub fn sticky(&mut self, topic: usize) -> (&mut StickyPartitioner, &[usize]) {
        let topic = &mut self.topics[topic];
        (&mut topic.sticky, &topic.partitions)
    }

    pub fn park(&mut self, topic: usize, parked: Parked) {
        self.topics[topic].parked.push_back(parked);
        self.parked += 1;
    }

    /// Records that wait are not to linger once they can be sent.
    pub fn flush_parked(&mut self) {
        if self.parked > 0 {
            for topic in &mut self.topics {
                topic.is_flushed = !topic.parked.is_empty();
            }
        }
    }

    /// Takes all parked records of a topic out, and whether they were flushed.
    pub fn take_parked(&mut self, topic: usize) -> (VecDeque<Parked>, bool) {
        let topic = &mut self.topics[topic];
        self.parked -= topic.parked.len();
        (
            core::mem::take(&mut topic.parked),
            core::mem::take(&mut topic.is_flushed),
        )
    }

    /// Takes a parked record out that has waited for too long.
    pub fn take_expired(&mut self, now: Instant) -> Option<Parked> {
        if self.parked == 0 {
            return None;
        }
        let is_overdue = |topic: &&mut Topic| topic.parked.front().is_some_and(|parked| parked.expires <= now);
        let topic = self.topics.iter_mut().find(is_overdue)?;
        self.parked -= 1;
        topic.parked.pop_front()
    }

    /// When the next parked record has waited for too long.
    pub fn deadline(&self) -> Option<Instant> {
        if self.parked == 0 {
            return None;
        }
        let first = |topic: &Topic| topic.parked.front().map(|parked| parked.expires);
        self.topics.iter().filter_map(first).min()
    }
}

//! What a consumer's program waits for: records, rebalances, the ends of commits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Waker;

use broker_core::client::consumer::{CommitId, Consumer, ConsumerNotice, ConsumerRecord as Fetched};
use broker_core::protocol::{ErrorCode, OffsetSpec};
use broker_core::types::{self, GroupId, Offset, TopicName};

use super::Station;
use crate::history::{CommitEnded, CommitInvoked, ConsumerFailure, Sought, What};
use crate::mark;
use crate::program::client::ClientMachine;
use crate::program::outcome::PollError;
use crate::program::partition::TopicPartition;
use crate::program::received::polled_record;

/// What is kept between a consumer's machine and its program.
#[derive(Default)]
pub(crate) struct Consuming {
    /// The group that it is in, if any.
    pub(crate) group: Option<GroupId>,
    /// The partitions of which it ever got records.
    pub(crate) read: BTreeSet<types::TopicPartition>,
    /// The partitions that its program has assigned to it.
    pub(crate) by_hand: Vec<TopicPartition>,
    /// What its program wants for those of them whose topic is not known yet.
    pub(crate) wishes: Vec<(TopicPartition, Wish)>,
    /// The names of partitions that it has had.
    names: BTreeMap<types::TopicPartition, TopicPartition>,
    /// What its program's next polls end with.
    pub(crate) errors: VecDeque<PollError>,
    /// Why it cannot stay in its group.
    pub(crate) failure: Option<ErrorCode>,
    /// The ends of commits that the program waits for; none while they are under way.
    commits: BTreeMap<CommitId, Option<ErrorCode>>,
    waiting: Option<Waker>,
}

/// What a program wants for a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    Seek(Offset),
    SeekTo(OffsetSpec),
    Pause,
    Resume,
}

impl Wish {
    /// The first records that there are.
    pub(crate) const BEGINNING: Wish = Wish::SeekTo(OffsetSpec::Earliest);
    /// The first records that come from now on.
    pub(crate) const END: Wish = Wish::SeekTo(OffsetSpec::Latest);
}

impl Station {
    /// The consumer of client `index`.
    pub(crate) fn consumer(&mut self, index: usize) -> &mut Consumer {
        match &mut self.clients[index].machine {
            Some(ClientMachine::Consumer(consumer)) => consumer,
            _ => unreachable!("a program runs only while its machine is there"),
        }
    }

    /// The id of a partition of the consumer of client `index`, once its topic is known.
    pub(crate) fn partition_id(&mut self, index: usize, partition: &TopicPartition) -> Option<types::TopicPartition> {
        let TopicPartition { topic, partition } = partition;
        self.consumer(index).partition_id(topic, *partition)
    }

    /// What people call a partition of the consumer of client `index`.
    pub(crate) fn partition_name(&mut self, index: usize, id: types::TopicPartition) -> TopicPartition {
        if let Some(name) = self.clients[index].consuming.names.get(&id) {
            return name.clone();
        }
        let topic = self.consumer(index).topic_name(id);
        let name = TopicPartition {
            topic: topic.unwrap_or_else(|| TopicName::from(&*format!("topic id {}", id.topic))),
            partition: id.partition,
        };
        self.clients[index].consuming.names.insert(id, name.clone());
        name
    }

    /// The same for several.
    pub(crate) fn partition_names(&mut self, index: usize, ids: &[types::TopicPartition]) -> Vec<TopicPartition> {
        ids.iter().map(|id| self.partition_name(index, *id)).collect()
    }

    /// Gives the consumer of client `index` these partitions, and no others.
    pub(crate) fn assign(&mut self, index: usize, partitions: Vec<TopicPartition>) {
        let named = partitions.iter().map(|of| (of.topic.clone(), of.partition)).collect();
        let now = self.local_time(index);
        self.consumer(index).assign(now, named);
        self.clients[index].consuming.by_hand = partitions;
        self.touch(index);
    }

    /// What a program wants for a partition, now or as soon as its topic is known.
    pub(crate) fn wish(&mut self, index: usize, partition: &TopicPartition, wish: Wish) {
        let consuming = &mut self.clients[index].consuming;
        if consuming.by_hand.contains(partition) {
            consuming.wishes.push((partition.clone(), wish));
            self.grant_wishes(index);
        } else if let Some(id) = self.partition_id(index, partition) {
            self.grant(index, id, wish);
        }
    }

    /// The offset of the next record of a partition that is polled.
    pub(crate) fn position(&mut self, index: usize, partition: &TopicPartition) -> Option<Offset> {
        let id = self.partition_id(index, partition)?;
        self.consumer(index).position(id)
    }

    /// What the next poll of client `index` ends with, if it is to fail.
    pub(crate) fn next_error(&mut self, index: usize) -> Option<PollError> {
        self.grant_wishes(index);
        let consuming = &mut self.clients[index].consuming;
        let lasting = consuming.failure.map(PollError::Group);
        lasting.or_else(|| consuming.errors.pop_front())
    }

    /// What the consumer of client `index` has for its program, if anything. Records that close a trial are kept from
    /// it: there may be no others.
    pub(crate) fn take_records(&mut self, index: usize) -> Option<Vec<Fetched>> {
        if !self.consumer(index).has_records() {
            return None;
        }
        let now = self.local_time(index);
        let mut taken = self.consumer(index).take_records(now);
        self.touch(index);
        if taken.is_empty() {
            return None;
        }
        let polled = taken.iter().map(polled_record).collect();
        self.write(index, What::Polled(polled));
        taken.retain(|fetched| !mark::is_probe(&fetched.record.headers));
        let mut last = None;
        for Fetched { partition, .. } in &taken {
            if last.replace(*partition) != Some(*partition) {
                self.clients[index].consuming.read.insert(*partition);
            }
        }
        Some(taken)
    }

    /// Does what a program wants for partitions whose topics are known by now.
    fn grant_wishes(&mut self, index: usize) {
        if self.clients[index].consuming.wishes.is_empty() {
            return;
        }
        for (partition, wish) in std::mem::take(&mut self.clients[index].consuming.wishes) {
            match self.partition_id(index, &partition) {
                Some(id) => {
                    // Who has said where to begin need not be asked.
                    let is_moot = |error: &PollError| {
                        let lacks = matches!(error, PollError::NoOffset { partition: of } if *of == partition);
                        lacks && matches!(wish, Wish::Seek(_) | Wish::SeekTo(_))
                    };
                    self.clients[index].consuming.errors.retain(|error| !is_moot(error));
                    self.grant(index, id, wish);
                }
                None => self.clients[index].consuming.wishes.push((partition, wish)),
            }
        }
    }

    /// Does what a program wants for a partition.
    fn grant(&mut self, index: usize, partition: types::TopicPartition, wish: Wish) {
        let now = self.local_time(index);
        let consumer = self.consumer(index);
        match wish {
            Wish::Seek(to) => {
                consumer.seek(now, partition, to);
                self.write(index, What::Sought(Sought { partition, to }));
            }
            Wish::SeekTo(spec) => consumer.seek_to(now, partition, spec),
            Wish::Pause => consumer.pause(now, &[partition]),
            Wish::Resume => consumer.resume(now, &[partition]),
        }
        self.touch(index);
    }

    /// Wakes `waker` when the consumer of client `index` has something to say.
    pub(crate) fn await_consumer(&mut self, index: usize, waker: &Waker) {
        self.clients[index].consuming.waiting = Some(waker.clone());
    }

    /// The program waits for the end of a commit.
    pub(crate) fn watch_commit(&mut self, index: usize, id: CommitId) {
        self.clients[index].consuming.commits.insert(id, None);
    }

    /// How a watched commit ended, if it has.
    pub(crate) fn take_commit(&mut self, index: usize, id: CommitId) -> Option<ErrorCode> {
        let commits = &mut self.clients[index].consuming.commits;
        let end = *commits.get(&id)?;
        if end.is_some() {
            commits.remove(&id);
        }
        end
    }

    /// Looks what the consumer of client `index` has got for its program. True if there is something.
    pub(super) fn after_consumer_turn(&mut self, index: usize) -> bool {
        let mut has_news = false;
        while let Some(notice) = self.consumer(index).next_notice() {
            has_news = true;
            self.notice(index, notice);
        }
        let consumer = self.consumer(index);
        has_news |= consumer.has_records();
        if self.clients[index].consuming.group.is_some() {
            let consumer = self.consumer(index);
            has_news |= consumer.rebalance().is_some() || consumer.is_closed();
        }
        if has_news && let Some(waker) = self.clients[index].consuming.waiting.take() {
            self.wake(waker);
        }
        has_news
    }

    fn notice(&mut self, index: usize, notice: ConsumerNotice) {
        let consuming = &mut self.clients[index].consuming;
        let group = consuming.group.clone();
        match notice {
            ConsumerNotice::CommitSent { offsets, .. } => {
                let group = group.expect("only a consumer with a group commits");
                self.write(index, What::CommitInvoked(CommitInvoked { group, offsets }));
            }
            ConsumerNotice::CommitCompleted { id, offsets, error } => {
                if let Some(end) = consuming.commits.get_mut(&id) {
                    *end = Some(error);
                }
                let group = group.expect("only a consumer with a group commits");
                self.write(index, What::CommitEnded(CommitEnded { group, offsets, error }));
            }
            ConsumerNotice::GroupFailed(error) => {
                consuming.failure = Some(error);
                let group = group.expect("only a consumer with a group fails so");
                self.write(index, What::ConsumerFailed(ConsumerFailure::NoPlace(group, error)));
            }
            ConsumerNotice::NoOffset(id) => {
                let partition = self.partition_name(index, id);
                let errors = &mut self.clients[index].consuming.errors;
                errors.push_back(PollError::NoOffset { partition });
                self.write(index, What::ConsumerFailed(ConsumerFailure::NoPosition(id)));
            }
            ConsumerNotice::LogTruncated {
                partition,
                position,
                diverging,
            } => {
                self.write(
                    index,
                    What::ConsumerFailed(ConsumerFailure::LogCut(partition, position)),
                );
                let partition = self.partition_name(index, partition);
                let errors = &mut self.clients[index].consuming.errors;
                errors.push_back(PollError::LogTruncated {
                    partition,
                    position,
                    diverging,
                });
            }
        }
    }
}

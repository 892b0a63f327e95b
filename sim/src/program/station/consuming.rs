//! What a consumer's program waits for: records, rebalances, the ends of commits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Waker;

use broker_core::client::consumer::{CommitId, Consumer, ConsumerNotice};
use broker_core::protocol::ErrorCode;
use broker_core::types::{GroupId, TopicPartition};

use super::{ClientMachine, Station};
use crate::history::What;
use crate::program::consumer::PollError;

/// What is kept between a consumer's machine and its program.
#[derive(Default)]
pub(crate) struct Consuming {
    /// The group that it is in, if any.
    pub(crate) group: Option<GroupId>,
    /// The partitions of which it ever got records.
    pub(crate) read: BTreeSet<TopicPartition>,
    /// What its program's next polls end with.
    pub(crate) errors: VecDeque<PollError>,
    /// Why it cannot stay in its group.
    pub(crate) failure: Option<ErrorCode>,
    /// The ends of commits that the program waits for; none while they are under way.
    commits: BTreeMap<CommitId, Option<ErrorCode>>,
    waiting: Option<Waker>,
}

impl Station {
    /// The consumer of client `index`.
    pub(crate) fn consumer(&mut self, index: usize) -> &mut Consumer {
        match &mut self.clients[index].machine {
            Some(ClientMachine::Consumer(consumer)) => consumer,
            _ => unreachable!("a program runs only while its machine is there"),
        }
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

    /// Looks what the consumer of client `index` has got for its program.
    pub(super) fn after_consumer_turn(&mut self, index: usize) {
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
    }

    fn notice(&mut self, index: usize, notice: ConsumerNotice) {
        let consuming = &mut self.clients[index].consuming;
        let group = consuming.group.clone();
        match notice {
            ConsumerNotice::CommitSent { offsets, .. } => {
                let group = group.expect("only a consumer with a group commits");
                self.write(index, What::CommitInvoked { group, offsets });
            }
            ConsumerNotice::CommitCompleted { id, offsets, error } => {
                if let Some(end) = consuming.commits.get_mut(&id) {
                    *end = Some(error);
                }
                let group = group.expect("only a consumer with a group commits");
                self.write(index, What::CommitEnded { group, offsets, error });
            }
            ConsumerNotice::GroupFailed(error) => consuming.failure = Some(error),
            ConsumerNotice::NoOffset(partition) => consuming.errors.push_back(PollError::NoOffset { partition }),
            ConsumerNotice::LogTruncated {
                partition,
                position,
                diverging,
            } => consuming.errors.push_back(PollError::LogTruncated {
                partition,
                position,
                diverging,
            }),
        }
    }
}

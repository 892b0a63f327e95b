//! The shipped applications: ordinary programs that work on records as members of a consumer group.
//!
//! All of them poll, process, commit, poll again. They differ in what they do when a record fails, and in when they
//! commit. `plain` · `pool` plain with many tasks · `retry_topic` · `blocking` · `batch` · `aggregator`.

mod aggregator;
mod batch;
mod blocking;
mod copies;
mod hands;
mod plain;
mod pool;
mod retry_topic;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::sync::Arc;

use broker_core::types::Offset;

use self::hands::Hands;
use super::consumer::{ConsumerClient, RebalanceListener};
use super::env::Env;
use super::outcome::PollError;
use super::partition::TopicPartition;
use super::received::ConsumerRecord;
use crate::scenario::{CommitMode, WorkerGroup, WorkerProgram};

/// How long one poll waits: a worker that is asked to end notices it by then.
const POLL: Duration = Duration::from_millis(500);

/// Runs program `number` of `group` until it is asked to end, its time is over, or a poll fails: no position and no
/// reset policy, no place in its group.
///
/// # Errors
/// With what its last poll failed of.
pub(super) async fn run(group: Arc<WorkerGroup>, number: u32, env: Env) -> Result<(), PollError> {
    let mut consumer = env.consumer(group.consumer_of(number));
    match &group.pattern {
        Some(pattern) => consumer
            .subscribe_pattern(pattern)
            .expect("a scenario's patterns were looked at when it was read"),
        None => {
            let topics: Vec<&str> = group.subscription().collect();
            consumer.subscribe(&topics);
        }
    }
    let hands = Hands::new(Arc::clone(&group), env);
    let ended = match (&group.program, group.commit) {
        (WorkerProgram::Plain, CommitMode::AsyncPool { tasks }) => pool::run(hands, &mut consumer, tasks).await,
        (WorkerProgram::Plain, _) => plain::run(hands, &mut consumer).await,
        (WorkerProgram::RetryTopic { .. }, _) => retry_topic::run(hands, &mut consumer).await,
        (WorkerProgram::BlockingRetry { .. }, _) => blocking::run(hands, &mut consumer).await,
        (WorkerProgram::Batch { size }, _) => batch::run(hands, &mut consumer, *size as usize).await,
        (WorkerProgram::Aggregator { output_topic }, _) => aggregator::run(hands, &mut consumer, output_topic).await,
    };
    let failure = consumer.failure().map(PollError::Group);
    consumer.close().await;
    ended.and(failure.map_or(Ok(()), Err))
}

/// When positions are committed. A commit that fails is not tried again at once: the next one brings newer positions,
/// and whether partitions have moved is known after the next poll. If that brings nothing, the commit is still owed.
struct Commits {
    mode: CommitMode,
    owed: bool,
}

impl Commits {
    fn new(mode: CommitMode) -> Commits {
        Commits { mode, owed: false }
    }

    /// Records were polled, and none of them is processed.
    async fn before_work(&mut self, consumer: &mut ConsumerClient) {
        if self.mode == CommitMode::Before {
            self.commit(consumer).await;
        }
    }

    /// All that was polled is processed, or given back.
    async fn after_work(&mut self, consumer: &mut ConsumerClient) {
        if self.mode == CommitMode::After {
            self.commit(consumer).await;
        }
    }

    /// A poll brought nothing.
    async fn without_work(&mut self, consumer: &mut ConsumerClient) {
        if self.owed {
            self.commit(consumer).await;
        }
    }

    async fn commit(&mut self, consumer: &mut ConsumerClient) {
        self.owed = consumer.commit().await.is_err();
    }
}

impl RebalanceListener for Commits {
    /// Polls happen between two batches: whatever was polled before is processed.
    async fn revoked(&mut self, consumer: &mut ConsumerClient, _: &[TopicPartition]) {
        self.after_work(consumer).await;
    }
}

/// The next offset to read behind a record.
fn behind(record: &ConsumerRecord) -> (TopicPartition, Offset) {
    (record.partition.clone(), record.offset().next())
}

/// Moves the positions back to the first of these records in each partition, so that they are polled again and no
/// commit passes them.
fn give_back(consumer: &mut ConsumerClient, records: &[ConsumerRecord]) {
    let mut seen = Vec::new();
    for record in records {
        if !seen.contains(&record.partition) {
            seen.push(record.partition.clone());
            consumer.seek(&record.partition, record.offset());
        }
    }
}

//! The retry-topic worker: a failed record goes to a retry topic, waits there, and after its last attempt goes to a
//! dead-letter topic. Its partition goes on meanwhile, so that later records of its key overtake it.

use std::collections::BTreeMap;

use super::copies::Copies;
use super::hands::Hands;
use super::{Commits, POLL, behind};
use crate::history::{ProcessOutcome, SimTime};
use crate::program::consumer::{ConsumerClient, RebalanceListener};
use crate::program::hop;
use crate::program::outcome::PollError;
use crate::program::partition::TopicPartition;
use crate::program::received::ConsumerRecord;
use crate::program::work::Work;
use crate::scenario::{CommitMode, WorkerProgram};

/// Polls, processes, hands failures on, commits.
pub(super) async fn run(mut hands: Hands, consumer: &mut ConsumerClient) -> Result<(), PollError> {
    let copies = Copies::new(&hands.env, &hands.group.producer);
    let mut waiting = Waiting {
        parked: BTreeMap::new(),
        commits: Commits::new(hands.group.commit),
    };
    while !hands.are_done(consumer) {
        let now = hands.env.clock.now();
        waiting.resume_due(now, consumer);
        let until_due = waiting
            .next_due()
            .map(|due| core::time::Duration::from_nanos(due.0 - now.0));
        let records = consumer
            .poll_with(&mut waiting, until_due.map_or(POLL, |due| due.min(POLL)))
            .await?;
        if records.is_empty() {
            waiting.commits.without_work(consumer).await;
            continue;
        }
        waiting.commits.before_work(consumer).await;
        for record in &records {
            if waiting.has_parked(&record.partition) {
                continue;
            }
            let not_before = hop::read(record.headers()).and_then(|hop| hop.not_before);
            if let Some(due) = not_before.filter(|due| *due > hands.env.clock.now()) {
                waiting.park(consumer, record, due);
                continue;
            }
            let work = hands.env.process(record);
            match hands.work_on(record).await {
                true => work.done(),
                false => hand_on(&hands, &copies, consumer, record, work).await,
            }
        }
        waiting.commits.after_work(consumer).await;
    }
    Ok(())
}

/// Copies a failed record to where it belongs, and says so.
async fn hand_on(hands: &Hands, copies: &Copies, consumer: &mut ConsumerClient, record: &ConsumerRecord, work: Work) {
    let WorkerProgram::RetryTopic {
        attempts,
        backoff,
        retry_topic,
        dead_letter_topic,
        copy_first,
    } = &hands.group.program
    else {
        unreachable!("only these programs run here");
    };
    if !copy_first && hands.group.commit == CommitMode::After {
        let _ = consumer.commit_offsets(&[behind(record)]).await;
    }
    let made = work.attempt();
    let outcome = match made < *attempts {
        true => {
            let not_before = SimTime(hands.env.clock.now().0 + backoff.as_nanos() as u64);
            ProcessOutcome::Retried(copies.retry(record, made, retry_topic, not_before).await)
        }
        false => ProcessOutcome::DeadLettered(copies.bury(record, made, dead_letter_topic).await),
    };
    work.end(outcome);
}

/// Partitions that stand still because their next record is not due.
struct Waiting {
    parked: BTreeMap<TopicPartition, SimTime>,
    commits: Commits,
}

impl Waiting {
    fn has_parked(&self, partition: &TopicPartition) -> bool {
        self.parked.contains_key(partition)
    }

    /// The partition waits for this record, which is polled again when it is due.
    fn park(&mut self, consumer: &mut ConsumerClient, record: &ConsumerRecord, due: SimTime) {
        consumer.pause(std::slice::from_ref(&record.partition));
        consumer.seek(&record.partition, record.offset());
        self.parked.insert(record.partition.clone(), due);
    }

    fn resume_due(&mut self, now: SimTime, consumer: &mut ConsumerClient) {
        let due = self.parked.extract_if(.., |_, due| *due <= now);
        let due: Vec<TopicPartition> = due.map(|(partition, _)| partition).collect();
        if !due.is_empty() {
            consumer.resume(&due);
        }
    }

    fn next_due(&self) -> Option<SimTime> {
        self.parked.values().min().copied()
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.parked.retain(|partition, _| !partitions.contains(partition));
    }
}

impl RebalanceListener for Waiting {
    async fn revoked(&mut self, consumer: &mut ConsumerClient, partitions: &[TopicPartition]) {
        self.commits.after_work(consumer).await;
        self.forget(partitions);
    }

    async fn lost(&mut self, _: &mut ConsumerClient, partitions: &[TopicPartition]) {
        self.forget(partitions);
    }
}

//! The plain consumer: polls, works on what it got, polls again.

use std::time::Duration;

use broker_core::types::Offset;

use super::clock::Clock;
use super::consumer::{ConsumerClient, PollError};
use super::load::work;
use super::partition::TopicPartition;
use crate::history::SimTime;
use crate::scenario::{ConsumerGroup, ConsumerStep, ScheduledStep, SeekTarget};

/// How long one poll waits.
const POLL: Duration = Duration::from_secs(1);

/// Reads `partitions` from the group's start for ever.
pub(super) async fn run(
    group: &ConsumerGroup,
    partitions: &[TopicPartition],
    mut consumer: ConsumerClient,
    clock: Clock,
) {
    clock.sleep_until(SimTime::after(group.start)).await;
    consumer.assign(partitions);
    let mut steps = group.schedule.iter().peekable();
    loop {
        let now = clock.now();
        while let Some(step) = steps.next_if(|step| SimTime::after(step.at) <= now) {
            take(step, partitions, &mut consumer);
        }
        let until_next = steps.peek().map(|step| SimTime::after(step.at).0 - now.0);
        let timeout = until_next.map_or(POLL, |nanos| POLL.min(Duration::from_nanos(nanos)));
        match consumer.poll(timeout).await {
            Ok(records) if !group.processing.is_zero() && !records.is_empty() => {
                clock.sleep(work(group.processing, records.len())).await;
            }
            Ok(_) => {}
            // Without a reset policy the application decides: from where the logs part, or from the beginning.
            Err(PollError::NoOffset { partition }) => consumer.seek(&partition, Offset::ZERO),
            Err(PollError::LogTruncated {
                partition, diverging, ..
            }) => consumer.seek(&partition, diverging.unwrap_or(Offset::ZERO)),
            Err(PollError::Group(_)) => return,
        }
    }
}

/// A step of the schedule, with those of the partitions that it is about.
fn take(step: &ScheduledStep, partitions: &[TopicPartition], consumer: &mut ConsumerClient) {
    let is_meant = |of: &&TopicPartition| step.partition.is_none_or(|index| of.partition.0 as u32 == index);
    for partition in partitions.iter().filter(is_meant) {
        let it = std::slice::from_ref(partition);
        match step.step {
            ConsumerStep::Pause => consumer.pause(it),
            ConsumerStep::Resume => consumer.resume(it),
            ConsumerStep::Seek(SeekTarget::Beginning) => consumer.seek_to_beginning(it),
            ConsumerStep::Seek(SeekTarget::End) => consumer.seek_to_end(it),
            ConsumerStep::Seek(SeekTarget::Offset(offset)) => consumer.seek(partition, Offset(offset.into())),
            // Who stands nowhere yet has nothing to go back from.
            ConsumerStep::Seek(SeekTarget::Back(count)) => {
                if let Some(position) = consumer.position(partition) {
                    consumer.seek(partition, Offset((position.0 - i64::from(count)).max(0)));
                }
            }
        }
    }
}

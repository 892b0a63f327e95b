//! The plain consumer: polls, works on what it got, polls again.

use std::time::Duration;

use broker_core::types::Offset;

use super::clock::Clock;
use super::consumer::{ConsumerClient, PollError};
use super::load::work;
use super::partition::TopicPartition;
use crate::history::SimTime;
use crate::scenario::ConsumerGroup;

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
    loop {
        match consumer.poll(POLL).await {
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

//! The batch worker: a failure fails the whole batch, which is tried again until all of it succeeds.

use core::time::Duration;

use super::hands::Hands;
use super::{Commits, POLL, give_back};
use crate::history::ProcessOutcome;
use crate::program::consumer::ConsumerClient;
use crate::program::outcome::PollError;
use crate::program::received::ConsumerRecord;

/// The pause before a batch is tried again.
const BACKOFF: Duration = Duration::from_secs(1);

/// Polls, processes in batches of at most `size`, commits.
pub(super) async fn run(mut hands: Hands, consumer: &mut ConsumerClient, size: usize) -> Result<(), PollError> {
    let mut commits = Commits::new(hands.group.commit);
    while !hands.are_done(consumer) {
        let records = consumer.poll_with(&mut commits, POLL).await?;
        if records.is_empty() {
            commits.without_work(consumer).await;
            continue;
        }
        commits.before_work(consumer).await;
        let mut done = 0;
        for batch in records.chunks(size) {
            if !insist(&mut hands, consumer, batch).await {
                break;
            }
            done += batch.len();
        }
        give_back(consumer, &records[done..]);
        commits.after_work(consumer).await;
    }
    Ok(())
}

/// Tries until the batch succeeds. False if the worker has to end before that.
async fn insist(hands: &mut Hands, consumer: &ConsumerClient, batch: &[ConsumerRecord]) -> bool {
    for attempt in 1.. {
        let works: Vec<_> = batch
            .iter()
            .map(|record| hands.env.process_again(record, attempt))
            .collect();
        let mut failed = false;
        for record in batch {
            failed |= !hands.work_on(record).await;
        }
        let outcome = match failed {
            true => ProcessOutcome::WillRetry,
            false => ProcessOutcome::Processed,
        };
        for work in works {
            work.end(outcome);
        }
        if !failed {
            return true;
        }
        if hands.are_done(consumer) {
            return false;
        }
        hands.env.clock.sleep(BACKOFF).await;
    }
    unreachable!("attempts have no end")
}

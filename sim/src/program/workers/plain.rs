//! The plain worker: a record that fails is skipped over.

use super::hands::Hands;
use super::{Commits, POLL};
use crate::history::ProcessOutcome;
use crate::program::consumer::ConsumerClient;
use crate::program::outcome::PollError;

/// Polls, processes, commits.
pub(super) async fn run(mut hands: Hands, consumer: &mut ConsumerClient) -> Result<(), PollError> {
    let mut commits = Commits::new(hands.group.commit);
    while !hands.are_done(consumer) {
        let records = consumer.poll_with(&mut commits, POLL).await?;
        if records.is_empty() {
            commits.without_work(consumer).await;
            continue;
        }
        commits.before_work(consumer).await;
        for record in &records {
            let work = hands.env.process(record);
            match hands.work_on(record).await {
                true => work.done(),
                false => work.end(ProcessOutcome::Skipped),
            }
        }
        commits.after_work(consumer).await;
    }
    Ok(())
}

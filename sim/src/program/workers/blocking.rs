//! The blocking worker: a failed record is tried again before anything else, which keeps the order of keys and blocks
//! the partition.

use super::copies::Copies;
use super::hands::Hands;
use super::{Commits, POLL, give_back};
use crate::history::ProcessOutcome;
use crate::program::consumer::ConsumerClient;
use crate::program::outcome::PollError;
use crate::program::received::ConsumerRecord;
use crate::scenario::WorkerProgram;

/// Polls, processes until it succeeds or must not, commits.
pub(super) async fn run(mut hands: Hands, consumer: &mut ConsumerClient) -> Result<(), PollError> {
    let mut commits = Commits::new(hands.group.commit);
    let has_dead_letters = hands.group.outputs().next().is_some();
    let copies = has_dead_letters.then(|| Copies::new(&hands.env, &hands.group.producer));
    while !hands.are_done(consumer) {
        let records = consumer.poll_with(&mut commits, POLL).await?;
        if records.is_empty() {
            commits.without_work(consumer).await;
            continue;
        }
        commits.before_work(consumer).await;
        for (place, record) in records.iter().enumerate() {
            if !insist(&mut hands, copies.as_ref(), consumer, record).await {
                give_back(consumer, &records[place..]);
                break;
            }
        }
        commits.after_work(consumer).await;
    }
    Ok(())
}

/// Tries until the record has an outcome. False if the worker has to end before that.
async fn insist(
    hands: &mut Hands,
    copies: Option<&Copies>,
    consumer: &ConsumerClient,
    record: &ConsumerRecord,
) -> bool {
    let WorkerProgram::BlockingRetry {
        attempts,
        backoff,
        dead_letter_topic,
    } = hands.group.program.clone()
    else {
        unreachable!("only these programs run here");
    };
    for attempt in 1.. {
        let work = hands.env.process_again(record, attempt);
        if hands.work_on(record).await {
            work.done();
            return true;
        }
        if attempt == attempts {
            let outcome = match (copies, &dead_letter_topic) {
                (Some(copies), Some(topic)) => {
                    ProcessOutcome::DeadLettered(copies.bury(record, work.attempt(), topic).await)
                }
                _ => ProcessOutcome::Skipped,
            };
            work.end(outcome);
            return true;
        }
        work.end(ProcessOutcome::WillRetry);
        if hands.are_done(consumer) {
            return false;
        }
        hands.env.clock.sleep(backoff).await;
    }
    unreachable!("the attempts are counted up to their number")
}

//! A plain worker whose records are processed side by side by a pool of tasks, while the highest position that was
//! polled is committed on a timer. A known mistake: what is still in work then is passed over in a crash.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use broker_core::config::millis;

use super::POLL;
use super::hands::Hands;
use crate::history::ProcessOutcome;
use crate::program::clock::Clock;
use crate::program::consumer::{ConsumerClient, RebalanceListener};
use crate::program::outcome::PollError;
use crate::program::partition::TopicPartition;
use crate::program::received::ConsumerRecord;

/// Records that wait for a task, for each task: more are not polled.
const WAITING: usize = 4;

/// Polls, hands over, commits by the clock.
pub(super) async fn run(hands: Hands, consumer: &mut ConsumerClient, tasks: u32) -> Result<(), PollError> {
    let queue = Queue::default();
    for number in 1..=tasks {
        // The task ends with the process; nobody waits for it.
        drop(hands.env.spawn(work(queue.clone(), hands.of_task(number))));
    }
    let interval = millis(hands.group.consumer.auto_commit_interval_ms);
    let mut committed = hands.env.clock.now();
    let clock = hands.env.clock.clone();
    let mut ended = Ok(());
    while !hands.are_done(consumer) {
        match consumer.poll_with(&mut CommitPolled, POLL).await {
            Ok(records) => queue.put(records),
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
        queue.shrink_to(WAITING * tasks as usize, &clock).await;
        if clock.now().0 - committed.0 >= interval.as_nanos() as u64 {
            committed = clock.now();
            let _ = consumer.commit().await;
        }
    }
    queue.finish(&clock).await;
    let _ = consumer.commit().await;
    ended
}

async fn work(queue: Queue, mut hands: Hands) {
    loop {
        let record = queue.take().await;
        let work = hands.env.process(&record);
        match hands.work_on(&record).await {
            true => work.done(),
            false => work.end(ProcessOutcome::Skipped),
        }
        queue.0.borrow_mut().in_work -= 1;
    }
}

/// Commits what was polled, as its loop does.
struct CommitPolled;

impl RebalanceListener for CommitPolled {
    async fn revoked(&mut self, consumer: &mut ConsumerClient, _: &[TopicPartition]) {
        let _ = consumer.commit().await;
    }
}

/// Records on their way to the tasks of one process.
#[derive(Clone, Default)]
struct Queue(Rc<RefCell<Inside>>);

#[derive(Default)]
struct Inside {
    records: VecDeque<ConsumerRecord>,
    idle: Vec<Waker>,
    in_work: usize,
}

impl Queue {
    fn put(&self, records: Vec<ConsumerRecord>) {
        let mut inside = self.0.borrow_mut();
        inside.records.extend(records);
        for waker in std::mem::take(&mut inside.idle) {
            waker.wake();
        }
    }

    async fn take(&self) -> ConsumerRecord {
        poll_fn(|context| {
            let mut inside = self.0.borrow_mut();
            match inside.records.pop_front() {
                Some(record) => {
                    inside.in_work += 1;
                    Poll::Ready(record)
                }
                None => {
                    inside.idle.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Waits until at most so many records wait.
    async fn shrink_to(&self, most: usize, clock: &Clock) {
        while self.0.borrow().records.len() > most {
            clock.sleep(core::time::Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing waits and nothing is in work.
    async fn finish(&self, clock: &Clock) {
        self.shrink_to(0, clock).await;
        while self.0.borrow().in_work > 0 {
            clock.sleep(core::time::Duration::from_millis(5)).await;
        }
    }
}

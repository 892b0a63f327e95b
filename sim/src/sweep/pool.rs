//! Many trials at the same time, their results one after the other in the order of the plan.

use core::ops::ControlFlow;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

/// How far the fastest may run ahead of the slowest, in trials: it bounds the memory for results that wait their turn.
const WINDOW: u64 = 1_024;

/// Does `work` on every job with `threads` threads, and gives `each` the results in the order of the jobs, on the
/// calling thread. `each` may end it: what was begun then ends without being looked at.
///
/// # Panics
/// When `work` panics.
pub fn in_order<J: Send, R: Send>(
    threads: usize,
    jobs: impl Iterator<Item = J> + Send,
    work: impl Fn(&J) -> R + Sync,
    mut each: impl FnMut(J, R) -> ControlFlow<()>,
) {
    let desk = Desk {
        line: Mutex::new(Line {
            jobs,
            given: 0,
            taken: 0,
            closed: false,
        }),
        moved: Condvar::new(),
    };
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for _ in 0..threads.max(1) {
            let (sender, desk, work) = (sender.clone(), &desk, &work);
            workers.push(scope.spawn(move || {
                let _closing = Closing(desk);
                while let Some((number, job)) = desk.next() {
                    let result = work(&job);
                    if sender.send((number, job, result)).is_err() {
                        break;
                    }
                }
            }));
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut taken = 0;
        'results: for (number, job, result) in receiver {
            waiting.insert(number, (job, result));
            while let Some((job, result)) = waiting.remove(&taken) {
                taken += 1;
                desk.advance(taken);
                if each(job, result).is_break() {
                    desk.close();
                    break 'results;
                }
            }
        }
        for worker in workers {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// Where the threads get their jobs.
struct Desk<I> {
    line: Mutex<Line<I>>,
    moved: Condvar,
}

struct Line<I> {
    jobs: I,
    /// How many jobs were given out.
    given: u64,
    /// How many results were taken, in order. Invariant: `taken <= given <= taken + WINDOW`.
    taken: u64,
    closed: bool,
}

impl<J, I: Iterator<Item = J>> Desk<I> {
    fn next(&self) -> Option<(u64, J)> {
        let mut line = self.lock();
        while !line.closed && line.given >= line.taken + WINDOW {
            line = self.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        if line.closed {
            return None;
        }
        let job = line.jobs.next()?;
        line.given += 1;
        Some((line.given - 1, job))
    }

    fn advance(&self, taken: u64) {
        self.lock().taken = taken;
        self.moved.notify_all();
    }
}

impl<I> Desk<I> {
    fn close(&self) {
        self.lock().closed = true;
        self.moved.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Line<I>> {
        // Jobs are handed out one at a time: a panic elsewhere leaves nothing half done here.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the desk when a thread panics, so that no other waits for the result that will never come.
struct Closing<'a, I>(&'a Desk<I>);

impl<I> Drop for Closing<'_, I> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering};
    use core::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        for threads in [1, 2, 7] {
            let mut seen = Vec::new();
            let work = |job: &u64| {
                // The first of every ten is the last to end.
                std::thread::sleep(Duration::from_micros(if job.is_multiple_of(10) { 500 } else { 1 }));
                job * 2
            };
            in_order(threads, 0..300, work, |job, result| {
                seen.push((job, result));
                ControlFlow::Continue(())
            });
            assert_eq!(
                seen,
                (0..300).map(|job| (job, job * 2)).collect::<Vec<_>>(),
                "{threads} threads"
            );
        }
    }

    #[test]
    fn it_ends_where_each_says_so() {
        let mut seen = 0;
        in_order(
            3,
            0u64..,
            |job| *job,
            |job, _| {
                seen += 1;
                if job == 100 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        );
        assert_eq!(seen, 101);
    }

    #[test]
    fn the_fast_do_not_run_away_from_the_slow() {
        let begun = AtomicU64::new(0);
        let most = AtomicU64::new(0);
        let work = |job: &u64| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *job == 0 {
                std::thread::sleep(Duration::from_millis(50));
                most.store(begun.load(Ordering::SeqCst), Ordering::SeqCst);
            }
        };
        in_order(2, 0..10_000u64, work, |_, ()| ControlFlow::Continue(()));
        assert_eq!(begun.load(Ordering::SeqCst), 10_000);
        assert!(
            most.load(Ordering::SeqCst) <= WINDOW + 2,
            "{most:?} were begun while the first one lasted"
        );
    }

    #[test]
    #[should_panic(expected = "job 50")]
    fn a_panic_of_the_work_comes_through() {
        in_order(
            2,
            0..100_000u64,
            |job| assert_ne!(*job, 50, "job 50"),
            |_, ()| ControlFlow::Continue(()),
        );
    }
}

//! A panic in a program ends its process, not the trial; what it says through `tracing` carries its name and the time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::station::Shared;
use crate::panics;
use crate::traced::PROGRAM;

/// A task of a program. When it panics, the world is asked to end the process, and the task never ends.
pub(super) struct Guarded<F> {
    task: Pin<Box<F>>,
    has_panicked: bool,
    shared: Shared,
    program: usize,
    name: Arc<str>,
}

impl<F: Future> Guarded<F> {
    /// The task `task` of the program in this place of the cast, called so.
    pub(super) fn new(shared: Shared, (program, name): (usize, Arc<str>), task: F) -> Guarded<F> {
        Guarded {
            task: Box::pin(task),
            has_panicked: false,
            shared,
            program,
            name,
        }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.has_panicked {
            return Poll::Pending;
        }
        let span = tracing::info_span!(target: PROGRAM, "program", node = &*self.name, time = %self.shared.time());
        let _running = span.entered();
        let task = self.task.as_mut();
        panics::catch(|| task.poll(context)).unwrap_or_else(|panic| {
            self.has_panicked = true;
            self.shared.lock().panicked.push((self.program, panic));
            Poll::Pending
        })
    }
}

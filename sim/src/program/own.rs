//! Programs that users write.

use core::fmt;
use core::time::Duration;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use broker_core::config::{ConsumerConfig, ProducerConfig};

use super::env::Env;
use crate::scenario::{CommitMode, WorkerGroup, WorkerProgram};

/// The code of a program.
pub(crate) type Main = Arc<dyn Fn(Env) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// A program of a user, and how often it runs.
#[derive(Clone)]
pub(crate) struct OwnProgram {
    /// The instances are `<name>/1`, `<name>/2`, …
    pub(crate) name: String,
    pub(crate) instances: Instances,
    /// The consumer group that its instances are, and the topics that they must process by the end.
    pub(crate) drains: Option<(String, Vec<String>)>,
    /// The files and folders of the real world that it may read.
    pub(crate) readable: Vec<PathBuf>,
    pub(crate) main: Main,
}

/// How many of a program run, and from when on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instances {
    /// How many.
    pub count: u32,
    /// When the first starts; none starts before the scenario's topics exist.
    pub start: Duration,
    /// The time between the starts of two of them.
    pub stagger: Duration,
}

impl Default for Instances {
    /// One, from the beginning.
    fn default() -> Instances {
        Instances {
            count: 1,
            start: Duration::ZERO,
            stagger: Duration::ZERO,
        }
    }
}

impl Instances {
    /// So many, from the beginning.
    #[must_use]
    pub fn of(count: u32) -> Instances {
        Instances {
            count,
            ..Instances::default()
        }
    }

    /// When instance `number` (from 1) starts.
    pub(super) fn start_of(&self, number: u32) -> Duration {
        self.start + self.stagger * (number - 1)
    }
}

impl OwnProgram {
    pub(crate) fn new<F: Future<Output = ()> + 'static>(
        name: String,
        instances: Instances,
        main: impl Fn(Env) -> F + Send + Sync + 'static,
    ) -> OwnProgram {
        OwnProgram {
            name,
            instances,
            drains: None,
            readable: Vec::new(),
            main: Arc::new(move |env| Box::pin(main(env))),
        }
    }

    /// Its promise, as that of workers of a scenario.
    pub(crate) fn promise(&self) -> Option<WorkerGroup> {
        let (group, topics) = self.drains.clone()?;
        Some(WorkerGroup {
            name: self.name.clone(),
            count: self.instances.count,
            group,
            topics,
            pattern: None,
            program: WorkerProgram::Plain,
            commit: CommitMode::After,
            processing: Duration::ZERO,
            failure: 0.0,
            poison: 0.0,
            service: None,
            start: self.instances.start,
            stagger: self.instances.stagger,
            stop: None,
            consumer: ConsumerConfig::default(),
            producer: ProducerConfig::default(),
        })
    }
}

impl fmt::Debug for OwnProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.instances.count, self.name)
    }
}

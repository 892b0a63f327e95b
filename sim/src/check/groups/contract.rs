//! What a scenario promises of its workers.

use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::types::{GroupId, NodeId};

use crate::scenario::{CommitMode, Scenario, WorkerGroup, WorkerProgram};

/// The workers of a scenario, by node and by group.
#[derive(Default)]
pub(crate) struct Contracts {
    workers: Vec<WorkerGroup>,
    /// How long load and faults last.
    duration: Duration,
    of_node: BTreeMap<NodeId, usize>,
}

impl Contracts {
    /// The workers of `scenario`; `names` tells what it calls each node: `<workers>/<number>`, and what of that program
    /// the node is after a space.
    pub fn new(scenario: &Scenario, names: &BTreeMap<NodeId, String>) -> Contracts {
        let workers: Vec<WorkerGroup> = scenario.workers.clone();
        let place = |name: &str| {
            let program = name.split(' ').next()?;
            let (workers_name, _) = program.rsplit_once('/')?;
            workers.iter().position(|workers| workers.name == workers_name)
        };
        let of_node = names.iter().filter_map(|(node, name)| Some((*node, place(name)?)));
        Contracts {
            of_node: of_node.collect(),
            duration: scenario.duration,
            workers,
        }
    }

    /// What the program on `node` promises, if it is a worker.
    pub fn of(&self, node: NodeId) -> Option<&WorkerGroup> {
        Some(&self.workers[*self.of_node.get(&node)?])
    }

    /// The workers that make up a group.
    pub fn of_group<'a>(&'a self, id: &'a GroupId) -> impl Iterator<Item = &'a WorkerGroup> {
        self.workers.iter().filter(move |workers| *workers.group == *id.0)
    }

    /// Whether these workers are there until the end.
    pub fn stays(&self, workers: &WorkerGroup) -> bool {
        workers.count > 0 && workers.start < self.duration && workers.stop.is_none()
    }

    /// All workers.
    pub fn workers(&self) -> &[WorkerGroup] {
        &self.workers
    }
}

/// Why a position may pass a record that nobody has processed, if it may.
pub(super) fn may_skip(contract: Option<&WorkerGroup>) -> Option<&'static str> {
    match contract?.commit {
        CommitMode::Before => Some("at most once: positions are committed before their records are processed"),
        CommitMode::AsyncPool { .. } => {
            Some("a pool works on records side by side, and the highest position that was polled is committed")
        }
        CommitMode::After | CommitMode::Auto | CommitMode::None => None,
    }
}

/// Whether copies of failed records are made after the position is committed.
pub(super) fn copies_late(contract: Option<&WorkerGroup>) -> bool {
    let program = contract.map(|contract| &contract.program);
    matches!(program, Some(WorkerProgram::RetryTopic { copy_first: false, .. }))
}

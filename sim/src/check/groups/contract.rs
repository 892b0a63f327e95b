//! What a scenario promises of its workers.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use broker_core::types::{GroupId, NodeId};

use crate::scenario::{CommitMode, Scenario, WorkerGroup, WorkerProgram};

/// The workers of a scenario, by node and by group.
#[derive(Default)]
pub(in crate::check) struct Contracts {
    workers: Vec<WorkerGroup>,
    /// How long load and faults last.
    duration: Duration,
    of_node: BTreeMap<NodeId, usize>,
    /// Those of these nodes that are members of the group; the others send for them.
    members: BTreeSet<NodeId>,
    /// The program that each node is a part of.
    programs: BTreeMap<NodeId, String>,
    /// The names of producers and workers whose library sends all records of a key to one partition.
    partitioned: Vec<String>,
}

impl Contracts {
    /// The workers of `scenario`; `names` has its name of each node: `<workers>/<number>`, and after a space which part of that
    /// program the node is.
    pub fn new(scenario: &Scenario, names: &BTreeMap<NodeId, String>) -> Contracts {
        let workers: Vec<WorkerGroup> = scenario.workers.clone();
        let place = |name: &str| {
            let (workers_name, _) = program(name).rsplit_once('/')?;
            workers.iter().position(|workers| workers.name == workers_name)
        };
        let of_node = names.iter().filter_map(|(node, name)| Some((*node, place(name)?)));
        Contracts {
            of_node: of_node.collect(),
            members: {
                let first = names.iter().filter(|(_, name)| program(name) == name.as_str());
                first.map(|(node, _)| *node).collect()
            },
            duration: scenario.duration,
            programs: names
                .iter()
                .map(|(node, name)| (*node, program(name).to_owned()))
                .collect(),
            partitioned: {
                let producers = scenario.producers.iter().map(|group| (&group.name, &group.config));
                let of_workers = workers.iter().map(|workers| (&workers.name, &workers.producer));
                let by_key = producers
                    .chain(of_workers)
                    .filter(|(_, config)| !config.partitioner_ignore_keys);
                by_key.map(|(name, _)| name.clone()).collect()
            },
            workers,
        }
    }

    /// What the program on `node` promises, if it is a worker.
    pub fn of(&self, node: NodeId) -> Option<&WorkerGroup> {
        Some(&self.workers[*self.of_node.get(&node)?])
    }

    /// The members of a group that stay.
    pub fn nodes_of<'a>(&'a self, id: &'a GroupId) -> impl Iterator<Item = NodeId> {
        let of_group = self.of_node.iter().filter(move |(node, workers)| {
            let workers = &self.workers[**workers];
            self.members.contains(node) && *workers.group == *id.0 && self.stays(workers)
        });
        of_group.map(|(node, _)| *node)
    }

    /// The workers that make up a group.
    pub fn of_group<'a>(&'a self, id: &'a GroupId) -> impl Iterator<Item = &'a WorkerGroup> {
        self.workers.iter().filter(move |workers| *workers.group == *id.0)
    }

    /// Whether two nodes are parts of one program.
    pub fn is_one_program(&self, one: NodeId, other: NodeId) -> bool {
        one == other
            || self
                .programs
                .get(&one)
                .is_some_and(|program| Some(program) == self.programs.get(&other))
    }

    /// Whether the library of the node's program sends all records of a key to one partition.
    pub fn is_partitioned_by_key(&self, node: NodeId) -> bool {
        let group = self.programs.get(&node).and_then(|program| program.rsplit_once('/'));
        group.is_some_and(|(group, _)| self.partitioned.iter().any(|known| known == group))
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

/// The program that a node of this name is a part of.
fn program(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
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

//! What healed groups must come to: L7, L8, L9, L11.

use broker_core::config::AutoOffsetReset;
use broker_core::types::{GroupId, TopicPartition};

use super::{Group, Groups};
use crate::check::model::{Model, Partition, Scene};
use crate::check::nodes::Nodes;
use crate::check::reads::Reads;
use crate::check::wait::{On, Wait};
use crate::check::witness::Evidence;
use crate::history::At;
use crate::scenario::{CommitMode, WorkerGroup, WorkerProgram};
use crate::verdict::Check;
use crate::words;

impl Groups {
    /// Why a group is not where it should be: what became of its commits and its members.
    pub fn why(
        &self,
        model: &Model,
        nodes: &Nodes,
        (check, at): (Check, At),
        (group, partition): (&GroupId, Option<TopicPartition>),
    ) -> Vec<String> {
        let Some(group) = self.named(&group.0).map(|place| &self.list[place]) else {
            return Vec::new();
        };
        let mut evidence = Evidence::default();
        if let Some(partition) = partition {
            evidence = evidence.on(partition).and(group.positions.line(model, partition, at));
        }
        group.notes.witness(check, at, &mut evidence, nodes)
    }

    /// What is still waited for, and by which check.
    pub fn waits(&self, nodes: &Nodes, model: &Model, reads: &Reads, waits: &mut Vec<Wait>) {
        for workers in self.contracts.workers() {
            if !self.contracts.stays(workers) {
                continue;
            }
            let id = &workers.group;
            let Some(place) = self.named(id) else {
                waits.push(Wait::new(
                    Check::L7,
                    On::Group(id.as_str().into(), None),
                    format!("group {id} has no members"),
                ));
                continue;
            };
            let group = &self.list[place];
            let before = waits.len();
            for topic in &workers.topics {
                for partition in model.partitions_of(topic) {
                    partition_waits(group, workers, (Check::L8, partition), (nodes, model, reads), waits);
                }
            }
            if let WorkerProgram::RetryTopic { retry_topic, .. } = &workers.program {
                for partition in model.partitions_of(retry_topic) {
                    partition_waits(group, workers, (Check::L9, partition), (nodes, model, reads), waits);
                }
            }
            // A program that is stuck at a record does not take part in rebalances either: that it is behind says it
            // all, as long as every partition has its owner.
            let of_group = &waits[before..];
            let is_stuck = !of_group.is_empty() && of_group.iter().all(|wait| wait.check != Check::L7);
            if !group.members.may_be_stable() && !is_stuck {
                let state = group.members.state().map_or("in no known state", words::group_state);
                waits.push(Wait::new(
                    Check::L7,
                    On::Group(group.id.clone(), None),
                    format!("group {id} is not stable ({state})"),
                ));
            }
        }
    }

    /// L11: how many rebalances a group may need once everything is healed: each worker may join, leave and have its
    /// partitions moved in two steps.
    pub fn check_rest(&self, scene: &mut Scene<'_>) {
        for group in self.list() {
            let of_group = self.contracts.of_group(&group.id);
            let workers: u64 = of_group.map(|workers| u64::from(workers.count)).sum();
            let (count, most) = (group.members.rebalances_since_heal, 10 + 4 * workers);
            if count > most {
                let id = &group.id;
                let shape = "rebalances went on and on after the heal";
                scene.violation(Check::L11, shape, &group.notes, || {
                    format!("group {id} was rebalanced {count} times after the heal, more than {most} times")
                });
            }
        }
    }
}

/// L7: one owner; L8 or L9: everything is processed and its position committed.
fn partition_waits(
    group: &Group,
    workers: &WorkerGroup,
    (check, partition): (Check, &Partition),
    (nodes, model, reads): (&Nodes, &Model, &Reads),
    waits: &mut Vec<Wait>,
) {
    let (id, label) = (&group.id, &partition.label);
    let count = group.owners.count(nodes, partition.id);
    if count != 1 {
        waits.push(Wait::new(
            Check::L7,
            On::Group(id.clone(), Some(partition.id)),
            format!("{label} has {count} owners in group {id}"),
        ));
    }
    let committed = group.positions.last(partition.id);
    if committed.is_some_and(|position| partition.is_worked_off(position)) {
        return;
    }
    // A group that has got nothing has nothing to commit.
    let by_reading = committed.is_none() || workers.commit == CommitMode::None;
    let read = group.owners.owner(nodes, partition.id).and_then(|owner| {
        let stream = reads.find(owner, model.place_of(partition.id)?)?;
        stream.next()
    });
    if by_reading && read.is_some_and(|next| partition.is_worked_off(next)) {
        return;
    }
    // Without a position to begin at, a program with this setting has to seek to one itself.
    if committed.or(read).is_none() && workers.consumer.auto_offset_reset == AutoOffsetReset::None {
        return;
    }
    let end = partition.ledger.end();
    let stands = match committed.filter(|_| !by_reading).or(read) {
        Some(position) => format!("stands at {position} of {end}"),
        None => format!("has no position, of {end}"),
    };
    waits.push(Wait::new(
        check,
        On::Group(id.clone(), Some(partition.id)),
        format!("group {id} {stands} in {label}"),
    ));
}

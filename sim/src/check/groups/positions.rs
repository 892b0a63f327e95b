//! Where the members of groups begin to read: unexplained-reset, and poll-skip between one owner and the next.

use std::collections::BTreeMap;

use broker_core::trace::{PositionReset, ResetCause};
use broker_core::types::{NodeId, Offset, TopicPartition};

use super::Group;
use super::commits::{Answer, shown};
use crate::check::mirror::count_below;
use crate::check::model::{Model, Partition, Scene};
use crate::check::witness::{Evidence, Notes};
use crate::verdict::{Check, Ruling};

/// The positions that coordinators answered each consumer with since it last took one.
#[derive(Default)]
pub(super) struct Answered(BTreeMap<(NodeId, TopicPartition), Vec<Answer>>);

impl Answered {
    /// A coordinator answered a consumer with these.
    pub fn add(&mut self, client: NodeId, answers: &[Answer]) {
        for answer in answers {
            let answered = self.0.entry((client, answer.partition)).or_default();
            if answered.len() < 64 {
                answered.push(*answer);
            }
        }
    }

    /// What a consumer was answered about a partition; each answer is taken once.
    pub fn take(&mut self, client: NodeId, partition: TopicPartition) -> Vec<Answer> {
        self.0.remove(&(client, partition)).unwrap_or_default()
    }
}

/// A consumer's machine moved its position: was there a true cause?
pub(super) fn check(
    scene: &mut Scene<'_>,
    model: &Model,
    group: Option<&mut Group>,
    moved: &PositionReset,
    answers: &[Answer],
) {
    let group = group.filter(|group| group.owners.owns(scene.nodes, scene.node, moved.partition));
    let why = match moved.cause {
        ResetCause::Seek => None,
        ResetCause::OutOfRange | ResetCause::Truncated => {
            let partition = model.find(moved.partition);
            let true_cause = partition.is_none_or(|partition| may_lack(partition, moved.from));
            (!true_cause).then(|| "although every leader's log reaches as far as its position".to_owned())
        }
        ResetCause::NoPosition => group.as_ref().and_then(|group| no_position(group, answers)),
        ResetCause::Committed => group.as_ref().and_then(|group| {
            let was_answered = answers.iter().any(|answer| answer.position == Some(moved.to));
            (!was_answered).then(|| format!("which no coordinator had answered it for group {}", group.id))
        }),
    };
    let node = scene.name();
    if let Some(why) = &why {
        let none = Notes::default();
        let notes = group.as_ref().map_or(&none, |group| &group.notes);
        let at = scene.at;
        let committed = group
            .as_ref()
            .and_then(|group| group.positions.line(model, moved.partition, at));
        scene.violation(
            Check::UnexplainedReset,
            "a position moved without a true cause",
            notes,
            || {
                let text = format!(
                    "{node} moved from {} of {} to {} ({}), {why}",
                    shown(moved.from),
                    model.label(moved.partition),
                    moved.to,
                    cause_name(moved.cause)
                );
                Evidence::from(text).on(moved.partition).and(committed)
            },
        );
    }
    let Some(group) = group else { return };
    if why.is_none() && moved.cause == ResetCause::NoPosition {
        check_reach(scene, model, group, moved);
    }
    let jumps = moved.cause != ResetCause::Committed;
    group.lanes.moved(moved.partition, moved.to, jumps);
}

fn cause_name(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::NoPosition => "it knew of no position",
        ResetCause::OutOfRange => "the leader's log did not reach there",
        ResetCause::Truncated => "the log was cut below it",
        ResetCause::Seek => "its program asked for it",
        ResetCause::Committed => "the group's position",
    }
}

/// Why a member that owns the partition may not begin as if there were no position, if so.
fn no_position(group: &Group, answers: &[Answer]) -> Option<String> {
    let id = &group.id;
    if answers.iter().any(|answer| answer.position.is_none() && answer.right) {
        return None;
    }
    Some(match answers.last() {
        None => format!("although no coordinator had answered it that group {id} has no position"),
        Some(Answer { position: None, .. }) => {
            format!("because a coordinator answered it that group {id} has no position, which was not true")
        }
        Some(last) => format!("although the answer for group {id} was {}", shown(last.position)),
    })
}

/// Whether some leader's log may end before the position or differ below it.
fn may_lack(partition: &Partition, from: Option<Offset>) -> bool {
    let Some(from) = from else { return true };
    let ends_before = |slot: &usize| partition.replicas[*slot].mirror.end() < from;
    !partition.ledger.versions.is_empty()
        || from > partition.ledger.end()
        || partition.leaders.values().any(ends_before)
}

/// A member without a position began at the end: what was committed there since the group began is never read.
fn check_reach(scene: &mut Scene<'_>, model: &Model, group: &mut Group, moved: &PositionReset) {
    let (Some(partition), Some(began)) = (model.find(moved.partition), group.owners.began()) else {
        return;
    };
    let reach = group.lanes.reach(moved.partition);
    let ledger = &partition.ledger;
    let first = count_below(&ledger.batches, reach);
    let batches = ledger.batches.iter().zip(&ledger.commits).skip(first);
    let missed = batches
        .take_while(|(batch, _)| batch.base < moved.to)
        .filter(|(_, commit)| commit.at > began)
        .flat_map(|(batch, _)| batch.base.max(reach).0..batch.next.min(moved.to).0)
        .filter(|offset| {
            ledger
                .at(Offset(*offset))
                .is_some_and(super::super::ledger::Committed::is_for_programs)
        })
        .count();
    if missed == 0 {
        return;
    }
    let ruling = Ruling::Allowed("auto.offset.reset=latest: a group without a position begins at the end".to_owned());
    let (id, node) = (&group.id, scene.name());
    let shape = "a group without a position began behind records that it never read";
    scene.rule(Check::PollSkip, ruling, shape, &group.notes, || {
        let text = format!(
            "{node} of group {id} began at {} of {}: {missed} records that came while the group was there are never read",
            moved.to, partition.label
        );
        Evidence::from(text).on(moved.partition)
    });
}

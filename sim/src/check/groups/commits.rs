//! Every position that a coordinator took, and what coordinators answer when asked for them: lost-committed-offset and G5.
//!
//! A position is a register: the last commit counts, and it may be lower than the one before. What a coordinator must
//! answer follows from its own log: what it took itself, and before that the newest that its log has of its
//! predecessors.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use broker_core::trace::OffsetCommitted;
use broker_core::types::{LeaderEpoch, NodeId, Offset, TopicPartition};

use super::Group;
use super::coordinator::Session;
use crate::check::mirror::{Batch, count_below};
use crate::check::model::{Model, Scene};
use crate::check::witness::{Evidence, Line};
use crate::history::{At, SimTime};
use crate::units::show_duration;
use crate::verdict::Check;

/// How long an answer may be on its way from what it was read from to the fact that states it.
const WINDOW: Duration = Duration::from_secs(10);
/// How many commits of one partition are kept; twice as many before the older half is forgotten.
const KEPT: usize = 512;
/// How far apart two nodes' clocks are at most, by a wide margin.
const CLOCKS: Duration = Duration::from_secs(1);

/// The committed positions of one group.
#[derive(Default)]
pub(super) struct Positions {
    taken: BTreeMap<TopicPartition, Vec<Taken>>,
    asked: BTreeMap<TopicPartition, Asked>,
}

/// The positions that members asked to commit.
#[derive(Default)]
struct Asked {
    positions: BTreeSet<Offset>,
    /// Of those up to here some are forgotten.
    forgotten: Option<Offset>,
}

impl Asked {
    fn add(&mut self, position: Offset) {
        self.positions.insert(position);
        if self.positions.len() > KEPT {
            self.forgotten = self.forgotten.max(self.positions.pop_first());
        }
    }

    fn may_have(&self, position: Offset) -> bool {
        self.positions.contains(&position) || self.forgotten.is_some_and(|forgotten| position <= forgotten)
    }
}

/// A position that was taken, or given up as too old.
#[derive(Clone, Copy)]
struct Taken {
    at: At,
    /// None if it expired.
    position: Option<Offset>,
    log: (TopicPartition, Offset),
    /// Its coordinator's session, and the epoch in which that led; zero if it had none.
    session: u32,
    epoch: LeaderEpoch,
}

/// A coordinator's answer for one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    /// Which partition.
    pub partition: TopicPartition,
    /// What was answered.
    pub position: Option<Offset>,
    /// Whether it was true.
    pub right: bool,
}

impl Positions {
    /// A coordinator took a position.
    pub fn taken(&mut self, scene: &Scene<'_>, session: Option<Session>, commit: &OffsetCommitted) {
        self.push(scene, session, commit.partition, Some(commit.offset), commit.at);
    }

    /// A member, or its consumer for it, asks to commit these.
    pub fn asked(&mut self, offsets: &[(TopicPartition, Offset)]) {
        for (partition, position) in offsets {
            self.asked.entry(*partition).or_default().add(*position);
        }
    }

    /// Whether anybody has asked to commit this.
    pub fn was_asked(&self, commit: &OffsetCommitted) -> bool {
        let asked = self.asked.get(&commit.partition);
        asked.is_some_and(|asked| asked.may_have(commit.offset))
    }

    fn push(
        &mut self,
        scene: &Scene<'_>,
        session: Option<Session>,
        partition: TopicPartition,
        position: Option<Offset>,
        log: (TopicPartition, Offset),
    ) {
        let taken = self.taken.entry(partition).or_default();
        if taken.len() == 2 * KEPT {
            taken.drain(..KEPT);
        }
        taken.push(Taken {
            at: scene.at,
            position,
            log,
            session: session.map_or(0, |session| session.number),
            epoch: session.map_or(LeaderEpoch::NONE, |session| session.leader_epoch),
        });
    }

    /// The commits of a partition until then, the newest first, as lines.
    pub fn lines(&self, model: &Model, partition: TopicPartition, until: At) -> impl Iterator<Item = Line> {
        let taken = self.taken.get(&partition).map_or(&[][..], |taken| taken);
        let label = model.label(partition);
        let committed = taken.iter().rev().filter(move |taken| taken.at <= until);
        committed.filter_map(move |taken| {
            let position = taken.position?;
            Some(Line {
                at: taken.at,
                text: format!("the group's position in {label} was committed: {position}"),
            })
        })
    }

    /// The newest commit of a partition until then of a position that had not passed `offset`.
    pub fn line_below(&self, model: &Model, partition: TopicPartition, offset: Offset, until: At) -> Option<Line> {
        let taken = self.taken.get(&partition).map_or(&[][..], |taken| taken);
        let mut before = taken.iter().rev().filter(|taken| taken.at <= until);
        let newest = before.next()?;
        let label = model.label(partition);
        let text = match newest.position {
            None => return self.line(model, partition, until),
            Some(position) if position <= offset => {
                format!("the group's position in {label} was committed: {position}, not behind offset {offset}")
            }
            Some(position) => format!("the group's position in {label} was committed: {position}"),
        };
        Some(Line { at: newest.at, text })
    }

    /// The newest commit of a partition until then.
    pub fn line(&self, model: &Model, partition: TopicPartition, until: At) -> Option<Line> {
        self.lines(model, partition, until).next()
    }

    /// The position that was taken last, by whomever.
    pub fn last(&self, partition: TopicPartition) -> Option<Offset> {
        self.taken.get(&partition)?.last()?.position
    }

    /// What a coordinator may correctly answer now: the newest position that its log has, and those that it replaced only
    /// just now. The second is set if nothing can be said for certain.
    fn truth(&self, at: At, model: &Model, session: Session, partition: TopicPartition) -> (Vec<Option<Offset>>, bool) {
        let mut truths = Vec::new();
        let since = SimTime(at.time.0.saturating_sub(WINDOW.as_nanos() as u64));
        let taken = self.taken.get(&partition).map_or(&[][..], |taken| taken);
        for taken in taken.iter().rev() {
            let its_own = taken.session == session.number;
            if taken.position.is_none() && !its_own {
                return (truths, true);
            }
            if !its_own && !has(model, session.node, taken) {
                continue;
            }
            truths.push(taken.position);
            if taken.at.time < since {
                return (truths, false);
            }
        }
        truths.push(None);
        (truths, taken.len() >= KEPT)
    }
}

/// Whether the log of `node` has the batch in which a position was taken.
fn has(model: &Model, node: NodeId, taken: &Taken) -> bool {
    let Some(partition) = model.find(taken.log.0) else {
        return false;
    };
    let replica = partition.replicas.iter().find(|replica| replica.node == node);
    replica.is_some_and(|replica| stands(replica.mirror.batches(), taken))
}

/// Whether the batch in which a position was taken is among these.
fn stands(batches: &[Batch], taken: &Taken) -> bool {
    let batch = batches.get(count_below(batches, taken.log.1));
    batch.is_some_and(|batch| batch.base <= taken.log.1 && batch.epoch == taken.epoch)
}

/// A coordinator answered with a group's positions. lost-committed-offset.
pub(super) fn check_answered(
    scene: &mut Scene<'_>,
    model: &Model,
    group: &Group,
    session: Option<Session>,
    partitions: &[(TopicPartition, Option<Offset>)],
) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (partition, position) in partitions {
        let (partition, position) = (*partition, *position);
        let (truths, unsure) = match session {
            Some(session) => group.positions.truth(scene.at, model, session, partition),
            // It may not answer at all; whatever it says is right only if nothing was ever committed.
            None => (vec![group.positions.last(partition)], false),
        };
        let right = unsure || truths.contains(&position);
        answers.push(Answer {
            partition,
            position,
            right,
        });
        if right {
            continue;
        }
        let (node, id, scene_at) = (scene.name(), &group.id, scene.at);
        let shape = match position {
            None => "a coordinator answered with no position where one was committed",
            Some(_) => "a coordinator answered with another position than the last one committed",
        };
        scene.violation(Check::LostCommittedOffset, shape, &group.notes, || {
            let text = format!(
                "{node} answered group {id} with {} for {}, where {} is committed",
                shown(position),
                model.label(partition),
                shown(truths.first().copied().flatten())
            );
            let lines = group.positions.lines(model, partition, scene_at);
            Evidence::from(text).on(partition).and(lines.take(3))
        });
    }
    answers
}

/// A position for people.
pub(super) fn shown(position: Option<Offset>) -> String {
    position.map_or_else(|| "no position".to_owned(), |position| format!("position {position}"))
}

/// A commit was answered ok: it must be in the committed log. lost-committed-offset.
pub(super) fn check_acked(scene: &mut Scene<'_>, model: &Model, group: &Group, offsets: &[(TopicPartition, Offset)]) {
    for (partition, offset) in offsets {
        let taken = group.positions.taken.get(partition).map_or(&[][..], |taken| taken);
        let of_offset = taken.iter().rev().filter(|taken| taken.position == Some(*offset));
        let is_committed = |taken: &Taken| {
            let of_log = model.find(taken.log.0);
            of_log.is_some_and(|log| stands(&log.ledger.batches, taken) || !log.ledger.versions.is_empty())
        };
        if taken.len() >= KEPT || of_offset.into_iter().any(is_committed) {
            continue;
        }
        let (id, node, scene_at) = (&group.id, scene.name(), scene.at);
        let shape = "a commit was answered ok before it was committed";
        scene.violation(Check::LostCommittedOffset, shape, &group.notes, || {
            let label = model.label(*partition);
            let text = format!("{node} got the ack for position {offset} of {label} of group {id}, but no coordinator has it in its committed log");
            let lines = group.positions.lines(model, *partition, scene_at);
            Evidence::from(text).on(*partition).and(lines.take(3))
        });
    }
}

/// A position was given up as too old. G5.
pub(super) fn expired(
    scene: &mut Scene<'_>,
    model: &Model,
    group: &mut Group,
    session: Option<Session>,
    partition: TopicPartition,
    retention: Duration,
) {
    let taken = group.positions.taken.get(&partition).and_then(|taken| taken.last());
    let age = taken.map(|taken| Duration::from_nanos(scene.at.time.0.saturating_sub(taken.at.time.0)));
    let log = taken.map_or((partition, Offset::ZERO), |taken| taken.log);
    let since = taken.map_or(scene.at, |taken| taken.at);
    let id = &group.id;
    let lines = group.positions.line(model, partition, scene.at);
    if let Some(age) = age.filter(|age| *age + CLOCKS < retention) {
        // An older position is the one that expired if the newest is lost.
        let ruling = group.log.forgotten(model, since, scene.at);
        let shape = "a position expired before its time";
        scene.rule(Check::G5, ruling, shape, &group.notes, || {
            let (age, kept) = (show_duration(age), show_duration(retention));
            let label = model.label(partition);
            let text =
                format!("group {id} lost its position in {label} {age} after its commit, but it is kept for {kept}");
            Evidence::from(text).on(partition).and(lines)
        });
    } else if group.owners.owner(scene.nodes, partition).is_some() {
        scene.violation(Check::G5, "a position expired that was in use", &group.notes, || {
            let text = format!(
                "group {id} lost its position in {} while a member owned that",
                model.label(partition)
            );
            Evidence::from(text).on(partition).and(lines)
        });
    }
    group.positions.push(scene, session, partition, None, log);
}

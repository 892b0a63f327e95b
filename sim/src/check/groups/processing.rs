//! What programs did with each record of a group: skipped-processing, reprocessed and unexplained-reprocess.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};

use broker_core::types::{NodeId, Offset, TopicPartition};

use super::again::{Again, Cause};
use super::contract::{copies_late, may_skip};
use super::{Group, losses};
use crate::check::model::{Model, Partition, Scene};
use crate::check::nodes::Nodes;
use crate::check::reads::name;
use crate::check::witness::{Evidence, Line};
use crate::history::{At, ProcessOutcome, Processing, Uid};
use crate::scenario::{CommitMode, WorkerGroup};
use crate::verdict::{Check, Ruling};

/// A group's work, partition by partition.
pub(super) struct Lanes {
    lanes: BTreeMap<TopicPartition, Lane>,
    /// Its programs report their work.
    is_reported: bool,
}

/// A group's work on one partition.
#[derive(Default)]
pub(super) struct Lane {
    /// The offset of the first mark.
    base: Offset,
    /// What became of each record.
    marks: Vec<Mark>,
    /// Nothing below is left to be done: all is processed, or not for this group.
    pub frontier: Offset,
    /// Counts the changes of owner and position: within one, a process gets each record once.
    stint: u32,
    /// Positions that programs asked to commit, and how many records below had no end then, with the first of them.
    asked: BTreeMap<Offset, Option<Undone>>,
    /// The largest position of a commit that was acknowledged to a program.
    acked: Offset,
    /// The committed positions passed these although nobody had ended work on them.
    pub passed: BTreeSet<Offset>,
    /// Where its positions began, and what they jumped over by right.
    jumps: Vec<Range<Offset>>,
}

/// Records below a position that nobody has ended work on.
#[derive(Clone, Copy)]
struct Undone {
    at: At,
    count: u64,
    first: Offset,
}

/// What became of one record.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    /// The record: another may have stood at its offset before a loss.
    uid: Option<Uid>,
    /// Who worked on it last.
    node: u32,
    /// When, by [`Lane::stint`].
    stint: u32,
    /// When that work ended; the beginning of time if it has not.
    ended: At,
    /// Which attempt that was.
    pub attempt: u32,
    /// How the work ended.
    pub ends: Ends,
}

/// A set of ends.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Ends(u8);

impl Ends {
    pub const PROCESSED: Ends = Ends(1);
    pub const RETRIED: Ends = Ends(2);
    pub const DEAD: Ends = Ends(4);
    pub const SKIPPED: Ends = Ends(8);
    /// Work on it began again after it had ended.
    pub const AGAIN: Ends = Ends(16);

    /// Whether all of `others` are among them.
    pub fn has(self, others: Ends) -> bool {
        self.0 & others.0 == others.0
    }

    /// Adds some.
    pub fn add(&mut self, others: Ends) {
        self.0 |= others.0;
    }

    /// Whether the work has ended, one way or another.
    pub fn is_done(self) -> bool {
        self.0 & !Ends::AGAIN.0 != 0
    }
}

impl Mark {
    /// That work on it ended, as a line.
    pub fn line(&self, nodes: &Nodes, label: &str, offset: Offset) -> Option<Line> {
        let how = match self.ends {
            ends if !ends.is_done() => return None,
            ends if ends.has(Ends::PROCESSED) => "processed",
            ends if ends.has(Ends::DEAD) => "handed to the dead-letter topic",
            ends if ends.has(Ends::RETRIED) => "handed to the retry topic",
            _ => "skipped",
        };
        let node = nodes.named(self.node());
        Some(Line {
            at: self.ended,
            text: format!("{node} ended its work on offset {offset} of {label}: {how}"),
        })
    }

    /// Who worked on it last.
    pub fn node(&self) -> NodeId {
        NodeId(self.node)
    }
}

impl Lane {
    /// Where the group's first position was.
    pub fn start(&self) -> Offset {
        self.jumps.first().map_or(self.base, |jump| jump.end)
    }

    /// Whether the group's positions jumped over the record by right.
    pub fn is_excused(&self, offset: Offset) -> bool {
        self.jumps.iter().any(|jump| jump.contains(&offset))
    }

    /// What became of the record at `offset`.
    pub fn mark(&self, offset: Offset) -> Option<&Mark> {
        self.marks.get(usize::try_from(offset.0 - self.base.0).ok()?)
    }

    /// What became of this record at `offset`.
    pub fn mark_of(&self, offset: Offset, uid: Uid) -> Option<&Mark> {
        self.mark(offset).filter(|mark| mark.uid == Some(uid))
    }

    fn mark_mut(&mut self, offset: Offset, uid: Option<Uid>) -> &mut Mark {
        if self.marks.is_empty() {
            self.base = offset;
        }
        if offset < self.base {
            let missing = (self.base.0 - offset.0) as usize;
            self.marks.splice(..0, core::iter::repeat_n(Mark::default(), missing));
            self.base = offset;
        }
        let index = (offset.0 - self.base.0) as usize;
        if index >= self.marks.len() {
            self.marks.resize(index + 1, Mark::default());
        }
        let mark = &mut self.marks[index];
        if mark.uid != uid {
            *mark = Mark { uid, ..Mark::default() };
        }
        mark
    }

    fn is_done(&self, partition: Option<&Partition>, offset: Offset) -> bool {
        if self.mark(offset).is_some_and(|mark| mark.ends.is_done()) {
            return true;
        }
        // Offsets that no program ever sees.
        let committed = partition.and_then(|partition| partition.ledger.at(offset));
        committed.is_some_and(|record| !record.is_for_programs())
    }

    fn advance(&mut self, partition: Option<&Partition>) {
        while self.is_done(partition, self.frontier) {
            self.frontier = self.frontier.next();
        }
    }

    /// What is not done below `position`.
    fn undone(&self, at: At, partition: Option<&Partition>, position: Offset) -> Option<Undone> {
        let below = (self.frontier.0..position.0).map(Offset);
        let mut undone = below.filter(|offset| !self.is_done(partition, *offset));
        let first = undone.next()?;
        let count = 1 + undone.count() as u64;
        Some(Undone { at, count, first })
    }
}

impl Lanes {
    /// No work yet; `is_reported` if its programs will report it.
    pub fn new(is_reported: bool) -> Lanes {
        let lanes = BTreeMap::new();
        Lanes { lanes, is_reported }
    }

    /// The work on one partition.
    pub fn get(&self, partition: TopicPartition) -> Option<&Lane> {
        self.lanes.get(&partition)
    }

    /// The offset after the last record that a program began to work on.
    pub fn reach(&self, partition: TopicPartition) -> Offset {
        let lane = self.lanes.get(&partition);
        lane.map_or(Offset::ZERO, |lane| {
            lane.frontier.max(lane.base.plus(lane.marks.len() as i64))
        })
    }

    /// How often a partition's owner or position had changed.
    pub fn stint(&self, partition: TopicPartition) -> u32 {
        self.lanes.get(&partition).map_or(0, |lane| lane.stint)
    }

    /// The partition has another owner, or none.
    pub fn owner_changed(&mut self, partition: TopicPartition) {
        if let Some(lane) = self.lanes.get_mut(&partition) {
            lane.stint += 1;
        }
    }

    /// An owner's position moved. What lies below is nobody's business any more if it `jumps` by right: the group
    /// began there, or a program said so.
    pub fn moved(&mut self, partition: TopicPartition, to: Offset, jumps: bool) {
        let is_new = !self.lanes.contains_key(&partition);
        let lane = self.lanes.entry(partition).or_default();
        lane.stint += 1;
        if (is_new || jumps) && to >= lane.frontier {
            lane.jumps.push(lane.frontier..to);
            lane.frontier = to;
        }
    }

    /// Work on a record ended. Returns how it had ended before, and how with this; nothing if it goes on.
    pub fn ended(
        &mut self,
        scene: &Scene<'_>,
        model: &Model,
        processing: &Processing,
        outcome: ProcessOutcome,
    ) -> Option<(Ends, Ends)> {
        let lane = self.lanes.entry(processing.partition).or_default();
        let stint = lane.stint;
        let mark = lane.mark_mut(processing.offset, processing.uid);
        let end = match outcome {
            ProcessOutcome::WillRetry => return None,
            ProcessOutcome::Processed => Ends::PROCESSED,
            ProcessOutcome::Retried(_) => Ends::RETRIED,
            ProcessOutcome::DeadLettered(_) => Ends::DEAD,
            ProcessOutcome::Skipped => Ends::SKIPPED,
        };
        mark.node = scene.node.0;
        mark.stint = stint;
        mark.ended = scene.at;
        let before = mark.ends;
        mark.ends.add(end);
        let after = mark.ends;
        lane.advance(model.find(processing.partition));
        Some((before, after))
    }

    /// A program's commit of these positions was acknowledged.
    pub fn commit_acked(&mut self, offsets: &[(TopicPartition, Offset)]) {
        for (partition, position) in offsets {
            if let Some(lane) = self.lanes.get_mut(partition) {
                lane.acked = lane.acked.max(*position);
            }
        }
    }

    /// A program, or its consumer for it, asks to commit these.
    pub fn commit_invoked(&mut self, at: At, model: &Model, offsets: &[(TopicPartition, Offset)]) {
        for (partition, position) in offsets {
            let Some(lane) = self.lanes.get_mut(partition).filter(|_| self.is_reported) else {
                continue;
            };
            let found = model.find(*partition);
            lane.advance(found);
            let undone = lane.undone(at, found, *position);
            if lane.asked.len() >= 1024 {
                lane.asked.pop_first();
            }
            lane.asked.insert(*position, undone);
        }
    }
}

/// A program began to work on a record. reprocessed and unexplained-reprocess.
pub(super) fn begun(
    scene: &mut Scene<'_>,
    model: &Model,
    group: &mut Group,
    contract: Option<&WorkerGroup>,
    processing: &Processing,
) {
    let Group {
        id,
        lanes,
        notes,
        log,
        positions,
        ..
    } = group;
    let Processing {
        partition,
        offset,
        uid,
        attempt,
        ..
    } = *processing;
    let is_new = !lanes.lanes.contains_key(&partition);
    lanes.is_reported = true;
    let lane = lanes.lanes.entry(partition).or_default();
    if is_new {
        lane.frontier = offset;
    }
    let (node, scene_node, stint, is_acked) = (scene.name(), scene.node, lane.stint, offset < lane.acked);
    let mark = lane.mark_mut(offset, uid);
    let (by, since, ended) = (NodeId(mark.node), mark.stint, mark.ended);
    mark.attempt = attempt;
    if !mark.ends.is_done() {
        mark.node = scene_node.0;
        mark.stint = stint;
        return;
    }
    mark.ends.add(Ends::AGAIN);
    let (now, names) = (scene.at, scene.nodes);
    let again = Again::new(notes, partition, (by, ended));
    let what = || {
        let (name, label, by) = (name(uid), model.label(partition), names.named(by));
        let by = if again.by == scene_node { "it" } else { &*by.to_string() };
        let text = format!(
            "{node} of group {id} works again on {name} at {label} offset {offset}, on which {by} had ended; {}",
            again.cause.sentence()
        );
        let by = names.named(again.by);
        Evidence::from(text)
            .because(
                ended,
                format!("{by} ended its work on {name} at {label} offset {offset}"),
            )
            .because(now, format!("{node} began to work on it again"))
            .and(again.lines(notes, names, scene_node))
            .and(positions.line_below(model, partition, offset, now))
            .alone()
    };
    // A process gets a record twice only if its position moved, or it owned the partition twice.
    if by == scene_node && since == stint {
        let shape = "a record was processed again although nothing had happened";
        // Unless a loss took the record and its producer brought it back to the same offset.
        let ruling = losses::at(model, partition, offset);
        scene.rule(Check::UnexplainedReprocess, ruling, shape, notes, what);
        return;
    }
    let at_most_once = contract.is_some_and(|contract| contract.commit == CommitMode::Before);
    // A position that is kept no longer promises nothing.
    let ruling = if at_most_once && is_acked && again.cause != Cause::Expired {
        match losses::at(model, partition, offset) {
            Ruling::Violation => log.forgotten(model, At::default(), scene.at),
            ruling => ruling,
        }
    } else {
        Ruling::Allowed(again.cause.clause().to_owned())
    };
    scene.rule(Check::Reprocessed, ruling, "a record was processed twice", notes, what);
}

/// A coordinator took a position: everything below must be done. skipped-processing.
pub(super) fn position_passed(
    scene: &mut Scene<'_>,
    model: &Model,
    group: &mut Group,
    contract: Option<&WorkerGroup>,
    partition: TopicPartition,
    position: Offset,
) {
    let Group { id, lanes, notes, .. } = group;
    let Some(lane) = lanes.lanes.get_mut(&partition).filter(|_| lanes.is_reported) else {
        return;
    };
    let found = model.find(partition);
    let undone = match lane.asked.get(&position) {
        Some(undone) if undone.is_none_or(|undone| undone.first >= lane.frontier) => *undone,
        // Nobody has asked for it, or what was missing then has been reported or done since.
        _ => lane.undone(scene.at, found, position),
    };
    let Some(undone) = undone else { return };
    for offset in (undone.first.0..position.0).map(Offset) {
        if !lane.is_done(found, offset) {
            lane.passed.insert(offset);
        }
    }
    lane.frontier = lane.frontier.max(position);
    if copies_late(contract) {
        return;
    }
    let ruling = may_skip(contract).map_or(Ruling::Violation, |clause| Ruling::Allowed(clause.to_owned()));
    let (now, coordinator) = (scene.at, scene.name());
    let shape = "a committed position passed records that nobody had processed";
    scene.rule(Check::SkippedProcessing, ruling, shape, notes, || {
        let Undone { at, count, first } = undone;
        let label = model.label(partition);
        let text = format!(
            "group {id} committed position {position} of {label}, when {count} records from offset {first} on had no end (asked for at {})",
            at.time
        );
        Evidence::from(text)
            .on(partition)
            .because(at, format!("a member asked to commit position {position} of {label}: offset {first} had no end"))
            .because(now, format!("{coordinator} took the position"))
    });
}

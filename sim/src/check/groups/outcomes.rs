//! What in the end became of each record of a group that hands on what it cannot process: terminal-outcome.

use std::collections::BTreeMap;

use broker_core::types::{Offset, TopicPartition};

use super::contract::{copies_late, may_skip};
use super::hops::{Copied, copy_topics};
use super::losses;
use super::processing::Ends;
use super::{Group, Groups};
use crate::check::model::{Model, Scene};
use crate::check::sends::Sends;
use crate::check::witness::Evidence;
use crate::history::Uid;
use crate::scenario::WorkerGroup;
use crate::verdict::{Check, Ruling};

/// What is known of one record.
struct Outcome<'a> {
    place: (TopicPartition, Offset),
    uid: Uid,
    /// How the group's work on it and on its copies ended.
    ends: Ends,
    /// The group's copies of it.
    copies: &'a [&'a Copied],
}

impl Groups {
    /// terminal-outcome.
    pub fn check_outcomes(&self, scene: &mut Scene<'_>, model: &Model, sends: &Sends) {
        let mut copies_of: BTreeMap<(usize, Uid), Vec<&Copied>> = BTreeMap::new();
        for copy in self.hops.copies() {
            if let Some(group) = copy.group {
                copies_of.entry((group, copy.hop.origin)).or_default().push(copy);
            }
        }
        for workers in self.contracts.workers() {
            let Some(place) = self.named(&workers.group) else {
                continue;
            };
            if copy_topics(workers).is_empty() {
                continue;
            }
            let group = &self.list[place];
            let main = workers.topics.iter().flat_map(|topic| model.partitions_of(topic));
            for partition in main {
                let id = partition.id;
                let (Some(lane), Some(committed)) = (group.lanes.get(id), group.positions.last(id)) else {
                    continue;
                };
                for offset in (lane.start().0..committed.min(partition.ledger.end()).0).map(Offset) {
                    let record = partition.ledger.at(offset).filter(|record| record.is_for_programs());
                    let Some(uid) = record.and_then(|record| record.uid) else {
                        continue;
                    };
                    if lane.is_excused(offset) {
                        continue;
                    }
                    let mut ends = lane.mark_of(offset, uid).map_or(Ends::default(), |mark| mark.ends);
                    ends.add(self.hops.ends(place, uid));
                    let outcome = Outcome {
                        place: (id, offset),
                        uid,
                        ends,
                        copies: copies_of.get(&(place, uid)).map_or(&[], |copies| copies),
                    };
                    check_outcome(scene, (group, workers), &outcome, model, sends);
                }
            }
        }
    }
}

/// Whether a copy is committed and nobody has ended work on it yet.
fn is_pending(group: &Group, model: &Model, sends: &Sends, copy: &Copied) -> bool {
    let Some((partition, offset)) = sends.find(copy.uid).and_then(|sent| sent.place) else {
        return false;
    };
    let lane = group.lanes.get(model.partitions[partition].id);
    let mark = lane.and_then(|lane| lane.mark_of(offset, copy.uid));
    !copy.hop.dead_letter && !mark.is_some_and(|mark| mark.ends.is_done())
}

/// What became of one record: it has one end, or waits for it.
fn check_outcome(
    scene: &mut Scene<'_>,
    (group, workers): (&Group, &WorkerGroup),
    outcome: &Outcome<'_>,
    model: &Model,
    sends: &Sends,
) {
    let Outcome { ends, copies, uid, .. } = *outcome;
    let (partition, offset) = outcome.place;
    let is_dead = ends.has(Ends::DEAD);
    let has_end = is_dead || ends.has(Ends::PROCESSED) || ends.has(Ends::SKIPPED);
    let waits = || copies.iter().any(|copy| is_pending(group, model, sends, copy));
    let (clause, shape, what) = if !has_end && !waits() {
        let clause = match may_skip(Some(workers)) {
            _ if copies_late(Some(workers)) => Some("the program commits the position before it hands the record on"),
            clause => clause,
        };
        (clause, "a record has no outcome", "was neither processed nor handed on")
    } else if is_dead && ends.has(Ends::PROCESSED) {
        let again = "at least once: it was worked on again after its owner had changed";
        (
            ends.has(Ends::AGAIN).then_some(again),
            "a record has two outcomes",
            "was processed, and is a dead letter as well",
        )
    } else {
        return;
    };
    let ruling = match clause {
        Some(clause) => Ruling::Allowed(clause.to_owned()),
        None => {
            let of_copies = copies.iter().map(|copy| losses::of_send(model, sends, copy.uid));
            let mut losses = of_copies.chain([losses::at(model, partition, offset)]);
            losses
                .find(|ruling| *ruling != Ruling::Violation)
                .unwrap_or(Ruling::Violation)
        }
    };
    let (at, nodes) = (scene.at, scene.nodes);
    scene.rule(Check::TerminalOutcome, ruling, shape, &group.notes, || {
        let label = model.label(partition);
        let text = format!(
            "uid {} at {label} offset {offset}, below the committed position of group {}, {what}",
            uid.0, group.id
        );
        let work = group.lanes.get(partition).and_then(|lane| lane.mark_of(offset, uid));
        let work = work.and_then(|mark| mark.line(nodes, &label, offset));
        Evidence::from(text)
            .on(partition)
            .and(work)
            .and(copies.iter().take(3).map(|copy| copy.line(nodes)))
            .and(group.positions.line(model, partition, at))
    });
}

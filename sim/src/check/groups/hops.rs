//! Copies of records in retry and dead-letter topics: hop-before-commit, duplicate-hop, provenance, early-retry, and
//! what in the end became of each record, terminal-outcome.

use std::collections::BTreeMap;

use broker_core::types::{NodeId, Offset, TopicPartition};

use super::contract::{copies_late, may_skip};
use super::processing::Ends;
use super::{Group, Groups, label};
use crate::check::model::{Model, Scene};
use crate::check::reads::name;
use crate::check::sends::{Outcome, Sends};
use crate::check::witness::Notes;
use crate::history::{At, Entry, Hop, Processing, SentRecord, Uid};
use crate::scenario::{WorkerGroup, WorkerProgram};
use crate::verdict::{Check, Ruling};

/// Every copy that a program sent.
#[derive(Default)]
pub(super) struct Hops {
    copies: Vec<Copied>,
    by_uid: BTreeMap<Uid, usize>,
    /// How work on the copies of each first record ended.
    origins: BTreeMap<Uid, Ends>,
}

/// One copy.
struct Copied {
    uid: Uid,
    hop: Hop,
    /// Where the first record of the chain was read.
    root: (TopicPartition, Offset),
    /// The node and the run of the program that made it.
    by: (NodeId, u32),
    at: At,
    /// The group whose member made it.
    group: Option<usize>,
    /// The attempt that its maker was at.
    attempt: Option<u32>,
}

/// A record at the head of its chain of copies.
#[derive(Clone, Copy)]
pub(super) struct Root {
    /// Its name.
    pub uid: Uid,
    /// Where it was read.
    pub place: (TopicPartition, Offset),
}

impl Hops {
    /// The first record of the chain to which a record belongs.
    pub fn root(&self, uid: Uid, place: (TopicPartition, Offset)) -> Root {
        match self.by_uid.get(&uid) {
            Some(copy) => Root {
                uid: self.copies[*copy].hop.origin,
                place: self.copies[*copy].root,
            },
            None => Root { uid, place },
        }
    }

    /// How work on the copies of a first record ended.
    pub fn ends(&self, origin: Uid) -> Ends {
        self.origins.get(&origin).copied().unwrap_or_default()
    }

    /// Work on a record ended; it counts if the record is a copy.
    pub fn ended(&mut self, uid: Uid, ends: Ends) {
        if let Some(copy) = self.by_uid.get(&uid) {
            let origin = self.copies[*copy].hop.origin;
            self.origins.entry(origin).or_default().add(ends);
        }
    }

    /// A program began to work on a record. early-retry.
    pub fn check_time(&self, scene: &mut Scene<'_>, notes: &Notes, processing: &Processing) {
        let copy = processing.uid.and_then(|uid| self.by_uid.get(&uid));
        let not_before = copy.and_then(|copy| self.copies[*copy].hop.not_before);
        let Some(not_before) = not_before.filter(|not_before| scene.at.time < *not_before) else {
            return;
        };
        let (node, now) = (scene.node, scene.at.time);
        scene.violation(Check::EarlyRetry, "a copy was tried before its time", notes, || {
            format!(
                "node {node} began attempt {} at {} at {now}, but was asked not to before {not_before}",
                processing.attempt,
                name(processing.uid)
            )
        });
    }
}

impl Groups {
    /// A program sent a copy.
    pub fn copied(&mut self, model: &Model, entry: &Entry, record: &SentRecord, hop: &Hop) {
        let (from, offset) = hop.from;
        let contract = self.contracts.of(entry.process);
        let group = match contract {
            Some(workers) => self.named(&workers.group),
            None => self.list.iter().position(|group| group.lanes.get(from).is_some()),
        };
        let attempt = group.and_then(|group| {
            let mark = self.list[group].lanes.get(from)?.mark(offset)?;
            self.contracts
                .is_one_program(mark.node(), entry.process)
                .then_some(mark.attempt)
        });
        let read = model.find(from).and_then(|from| from.ledger.at(offset)?.uid);
        let root = read.map_or(hop.from, |read| self.hops.root(read, hop.from).place);
        self.hops.by_uid.insert(record.uid, self.hops.copies.len());
        self.hops.copies.push(Copied {
            uid: record.uid,
            hop: hop.clone(),
            root,
            by: (entry.process, entry.incarnation),
            at: entry.at,
            group,
            attempt,
        });
    }

    /// A send took effect. hop-before-commit, if it is a copy.
    pub fn copy_acked(&mut self, scene: &mut Scene<'_>, model: &Model, uid: Uid) {
        let Some(copy) = self.hops.by_uid.get(&uid) else { return };
        let copy = &self.hops.copies[*copy];
        let Some(group) = copy.group.map(|group| &self.list[group]) else {
            return;
        };
        let (from, offset) = copy.hop.from;
        if !group.lanes.get(from).is_some_and(|lane| lane.passed.contains(&offset)) {
            return;
        }
        let contract = self.contracts.of(scene.node);
        let ruling = match may_skip(contract) {
            _ if copies_late(contract) => {
                Ruling::Allowed("the program commits the position before it hands the record on".to_owned())
            }
            Some(clause) => Ruling::Allowed(clause.to_owned()),
            None => Ruling::Violation,
        };
        let shape = "a position was committed before a copy was";
        scene.rule(Check::HopBeforeCommit, ruling, shape, &group.notes, || {
            format!(
                "group {} committed a position behind {} offset {offset} before the copy of that record, uid {}, was acknowledged",
                group.id,
                label(model, from),
                uid.0
            )
        });
    }

    /// What can be said of copies when nothing more will happen.
    pub fn judge_hops(&mut self, scene: &mut Scene<'_>, model: &Model, sends: &Sends) {
        for copy in &self.hops.copies {
            let sent = sends.find(copy.uid);
            if sent.is_some_and(|sent| sent.place.is_some()) {
                self.check_provenance(scene, model, sends, copy);
            }
        }
        self.check_strangers(scene, sends);
        self.check_duplicates(scene, sends);
        self.check_outcomes(scene, model, sends);
    }

    /// provenance of one copy.
    fn check_provenance(&self, scene: &mut Scene<'_>, model: &Model, sends: &Sends, copy: &Copied) {
        let Hop {
            origin,
            from,
            attempts,
            dead_letter,
            ..
        } = copy.hop;
        let read = model.find(from.0).filter(|from| from.ledger.versions.is_empty());
        let read = read.map(|read| read.ledger.at(from.1).and_then(|read| read.uid));
        let before = read.flatten().map(|read| match self.hops.by_uid.get(&read) {
            Some(before) => {
                let before = &self.hops.copies[*before].hop;
                (before.origin, before.attempts)
            }
            None => (read, 0),
        });
        let contract = self.contracts.of(copy.by.0);
        let (most, only_one_more) = match contract.map(|contract| &contract.program) {
            Some(WorkerProgram::RetryTopic { attempts, .. }) => (Some(*attempts), true),
            Some(WorkerProgram::BlockingRetry { attempts, .. }) => (Some(*attempts), false),
            _ => (None, false),
        };
        let what = match (sends.find(origin), sends.find(copy.uid)) {
            (None, _) => format!("its origin, uid {}, was never sent", origin.0),
            (Some(_), _) if self.hops.by_uid.contains_key(&origin) => {
                format!("its origin, uid {}, is a copy itself", origin.0)
            }
            (Some(origin), Some(sent)) if origin.payload != sent.payload => {
                format!("its payload is not that of uid {}", origin.uid.0)
            }
            _ => match before {
                Some((other, _)) if other != origin => {
                    format!(
                        "what stands where it was read belongs to uid {}, not to uid {}",
                        other.0, origin.0
                    )
                }
                None if read.is_some() => "nothing stands where it was read".to_owned(),
                Some((_, before)) if attempts <= before || only_one_more && attempts != before + 1 => {
                    format!("it counts {attempts} attempts, and what it is a copy of {before}")
                }
                _ => match copy.attempt {
                    Some(attempt) if attempt != attempts => {
                        format!("it counts {attempts} attempts, but its program was at attempt {attempt}")
                    }
                    _ => match most {
                        Some(most) if dead_letter && attempts < most => {
                            format!("it is a dead letter after {attempts} of {most} attempts")
                        }
                        Some(most) if !dead_letter && attempts >= most => {
                            format!("it is to be tried again after {attempts} of {most} attempts")
                        }
                        _ => return,
                    },
                },
            },
        };
        self.rule_copy(
            scene,
            copy,
            Check::Provenance,
            Ruling::Violation,
            "a copy is not what it says",
            || what,
        );
    }

    /// provenance of what nobody copied.
    fn check_strangers(&self, scene: &mut Scene<'_>, sends: &Sends) {
        let topics: Vec<&str> = self.contracts.workers().iter().flat_map(copy_topics).collect();
        if topics.is_empty() {
            return;
        }
        for (run, send) in sends.in_topics(&topics) {
            if self.hops.by_uid.contains_key(&send.uid) || self.contracts.is_probe(run) || send.place.is_none() {
                continue;
            }
            let shape = "a record of a retry or dead-letter topic is no copy";
            scene.violation(Check::Provenance, shape, &Notes::default(), || {
                format!(
                    "uid {} in {} does not tell where it comes from",
                    send.uid.0,
                    sends.topic(send)
                )
            });
        }
    }

    /// duplicate-hop.
    fn check_duplicates(&mut self, scene: &mut Scene<'_>, sends: &Sends) {
        let mut first: BTreeMap<(TopicPartition, Offset, u32), usize> = BTreeMap::new();
        let mut twice = Vec::new();
        for (place, copy) in self.hops.copies.iter().enumerate() {
            if sends.find(copy.uid).is_none_or(|sent| sent.place.is_none()) {
                continue;
            }
            let (from, offset) = copy.hop.from;
            let Some(before) = first.insert((from, offset, copy.hop.attempts), place) else {
                continue;
            };
            twice.push(copy.hop.origin);
            let before = &self.hops.copies[before];
            let group = copy.group.map(|group| &self.list[group]);
            let worked_again = group.is_none_or(|group| {
                let mark = group.lanes.get(from).and_then(|lane| lane.mark(offset));
                mark.is_some_and(|mark| mark.ends.has(Ends::AGAIN))
            });
            let was_told = sends
                .find(before.uid)
                .is_some_and(|sent| matches!(sent.outcome, Outcome::Ok { .. }));
            let ruling = if before.by != copy.by || worked_again {
                Ruling::Allowed(
                    "at least once: its program was gone before it had committed, and another did it again".to_owned(),
                )
            } else if !was_told {
                Ruling::Allowed("the first copy was sent without an answer that tells".to_owned())
            } else {
                Ruling::Violation
            };
            let first = before.uid.0;
            self.rule_copy(
                scene,
                copy,
                Check::DuplicateHop,
                ruling,
                "one attempt was handed on twice",
                || format!("uid {first} is a copy of the same attempt"),
            );
        }
        for origin in twice {
            self.hops.origins.entry(origin).or_default().add(Ends::AGAIN);
        }
    }

    /// terminal-outcome.
    fn check_outcomes(&self, scene: &mut Scene<'_>, model: &Model, sends: &Sends) {
        let mut copies_of: BTreeMap<Uid, Vec<&Copied>> = BTreeMap::new();
        for copy in &self.hops.copies {
            copies_of.entry(copy.hop.origin).or_default().push(copy);
        }
        for workers in self.contracts.workers() {
            let Some(group) = self.named(&workers.group).map(|group| &self.list[group]) else {
                continue;
            };
            if copy_topics(workers).is_empty() {
                continue;
            }
            let main = workers.topics.iter().flat_map(|topic| model.partitions_of(topic));
            for partition in main {
                let id = partition.id;
                let (Some(lane), Some(committed)) = (group.lanes.get(id), group.positions.last(id)) else {
                    continue;
                };
                for offset in (lane.start().0..committed.min(partition.ledger.end()).0).map(Offset) {
                    let record = partition.ledger.at(offset).filter(|record| record.visible);
                    let Some(uid) = record.and_then(|record| record.uid) else {
                        continue;
                    };
                    if lane.is_excused(offset) {
                        continue;
                    }
                    let mut ends = lane.mark(offset).map_or(Ends::default(), |mark| mark.ends);
                    ends.add(self.hops.ends(uid));
                    let is_waiting = |copy: &&Copied| is_pending(group, model, sends, copy);
                    let waits = copies_of.get(&uid).is_some_and(|copies| copies.iter().any(is_waiting));
                    check_outcome(scene, (group, workers), (id, offset, uid), (ends, waits), model);
                }
            }
        }
    }

    fn rule_copy(
        &self,
        scene: &mut Scene<'_>,
        copy: &Copied,
        check: Check,
        ruling: Ruling,
        shape: &str,
        what: impl FnOnce() -> String,
    ) {
        let none = Notes::default();
        let notes = copy.group.map_or(&none, |group| &self.list[group].notes);
        let at = core::mem::replace(&mut scene.at, copy.at);
        scene.rule(check, ruling, shape, notes, || {
            let (from, offset) = copy.hop.from;
            let what = what();
            format!(
                "uid {}, a copy of uid {} by node {} from {from} offset {offset}: {what}",
                copy.uid.0, copy.hop.origin.0, copy.by.0
            )
        });
        scene.at = at;
    }
}

/// The topics that copies go to.
fn copy_topics(workers: &WorkerGroup) -> Vec<&str> {
    match &workers.program {
        WorkerProgram::RetryTopic { .. } | WorkerProgram::BlockingRetry { .. } => workers.program.output_topics(),
        _ => Vec::new(),
    }
}

/// Whether a copy is committed and nobody has ended work on it yet.
fn is_pending(group: &Group, model: &Model, sends: &Sends, copy: &Copied) -> bool {
    let Some((partition, offset)) = sends.find(copy.uid).and_then(|sent| sent.place) else {
        return false;
    };
    let lane = group.lanes.get(model.partitions[partition].id);
    let mark = lane.and_then(|lane| lane.mark(offset));
    !copy.hop.dead_letter && !mark.is_some_and(|mark| mark.ends.is_done())
}

/// What became of one record: it has one end, or waits for it.
fn check_outcome(
    scene: &mut Scene<'_>,
    (group, workers): (&Group, &WorkerGroup),
    (partition, offset, uid): (TopicPartition, Offset, Uid),
    (ends, waits): (Ends, bool),
    model: &Model,
) {
    let is_dead = ends.has(Ends::DEAD);
    let has_end = is_dead || ends.has(Ends::PROCESSED) || ends.has(Ends::SKIPPED);
    let (ruling, shape, what) = if !has_end && !waits {
        let ruling = match may_skip(Some(workers)) {
            _ if copies_late(Some(workers)) => {
                Ruling::Allowed("the program commits the position before it hands the record on".to_owned())
            }
            Some(clause) => Ruling::Allowed(clause.to_owned()),
            None => Ruling::Violation,
        };
        (ruling, "a record has no outcome", "was neither processed nor handed on")
    } else if is_dead && ends.has(Ends::PROCESSED) {
        let ruling = if ends.has(Ends::AGAIN) {
            Ruling::Allowed("at least once: it was worked on again after its owner had changed".to_owned())
        } else {
            Ruling::Violation
        };
        (
            ruling,
            "a record has two outcomes",
            "was processed, and is a dead letter as well",
        )
    } else {
        return;
    };
    scene.rule(Check::TerminalOutcome, ruling, shape, &group.notes, || {
        format!(
            "uid {} at {} offset {offset}, below the committed position of group {}, {what}",
            uid.0,
            label(model, partition),
            group.id
        )
    });
}

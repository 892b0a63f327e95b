//! Copies of records in retry and dead-letter topics: hop-before-commit, duplicate-hop, provenance and early-retry.
//!
//! Each group is judged alone: a copy belongs to the group whose member made it, even if others read its topic.

use std::collections::BTreeMap;

use broker_core::types::{NodeId, Offset, TopicPartition};

use super::Groups;
use super::contract::{copies_late, may_skip};
use super::processing::{Ends, Lane};
use crate::check::model::{Model, Scene};
use crate::check::nodes::Nodes;
use crate::check::reads::name;
use crate::check::sends::{Outcome, Sends};
use crate::check::witness::{Evidence, Line, Notes};
use crate::history::{At, Entry, Hop, Processing, SentRecord, Uid};
use crate::scenario::{WorkerGroup, WorkerProgram};
use crate::verdict::{Check, Ruling};

/// Every copy that a program sent.
#[derive(Default)]
pub(super) struct Hops {
    copies: Vec<Copied>,
    by_uid: BTreeMap<Uid, usize>,
    /// How work of each group on its copies of each first record ended.
    origins: BTreeMap<(usize, Uid), Ends>,
}

/// One copy.
pub(super) struct Copied {
    /// Its name.
    pub uid: Uid,
    /// What it says of itself.
    pub hop: Hop,
    /// Where the first record of the chain was read.
    root: (TopicPartition, Offset),
    /// The node and the run of the program that made it.
    by: (NodeId, u32),
    at: At,
    /// The group whose member made it.
    pub group: Option<usize>,
    /// The attempt that its maker was at.
    attempt: Option<u32>,
}

impl Copied {
    /// That it was made, as a line.
    pub fn line(&self, nodes: &Nodes) -> Line {
        let (maker, offset, attempts) = (nodes.named(self.by.0), self.hop.from.1, self.hop.attempts);
        let kind = if self.hop.dead_letter { "dead letter" } else { "copy" };
        Line {
            at: self.at,
            text: format!(
                "{maker} sent uid {}, a {kind} of what it had read at offset {offset} after {attempts} attempts",
                self.uid.0
            ),
        }
    }
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

    /// Every copy, in the order of sending.
    pub fn copies(&self) -> &[Copied] {
        &self.copies
    }

    /// How work of a group on its copies of a first record ended.
    pub fn ends(&self, group: usize, origin: Uid) -> Ends {
        self.origins.get(&(group, origin)).copied().unwrap_or_default()
    }

    /// Work of a group on a record ended; it counts if the record is a copy that the group made.
    pub fn ended(&mut self, group: usize, uid: Uid, ends: Ends) {
        let Some(copy) = self.by_uid.get(&uid).map(|copy| &self.copies[*copy]) else {
            return;
        };
        if copy.group == Some(group) {
            self.origins.entry((group, copy.hop.origin)).or_default().add(ends);
        }
    }

    /// A program began to work on a record. early-retry.
    pub fn check_time(&self, scene: &mut Scene<'_>, notes: &Notes, processing: &Processing) {
        let copy = processing.uid.and_then(|uid| self.by_uid.get(&uid));
        let not_before = copy.and_then(|copy| self.copies[*copy].hop.not_before);
        let Some(not_before) = not_before.filter(|not_before| scene.at.time < *not_before) else {
            return;
        };
        let (node, now) = (scene.name(), scene.at.time);
        let made = copy.map(|copy| self.copies[*copy].line(scene.nodes));
        scene.violation(Check::EarlyRetry, "a copy was tried before its time", notes, || {
            let text = format!(
                "{node} began attempt {} at {} at {now}, but was asked not to before {not_before}",
                processing.attempt,
                name(processing.uid)
            );
            Evidence::from(text).and(made).alone()
        });
    }
}

impl Groups {
    /// A program sent a copy.
    pub fn send_invoked(&mut self, model: &Model, entry: &Entry, record: &SentRecord) {
        let Some(hop) = &record.hop else { return };
        let (from, offset) = hop.from;
        let contract = self.contracts.of(entry.process);
        let group = match contract {
            Some(workers) => self.named(&workers.group),
            None => self.maker(entry.process, hop.from),
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
            hop: (**hop).clone(),
            root,
            by: (entry.process, entry.incarnation),
            at: entry.at,
            group,
            attempt,
        });
    }

    /// The group of a program that is no worker of the scenario's: the one in which it works on what it copies, or else
    /// the first that has ever read there.
    fn maker(&self, node: NodeId, (from, offset): (TopicPartition, Offset)) -> Option<usize> {
        let lanes = || self.list.iter().map(|group| group.lanes.get(from));
        let works = |lane: Option<&Lane>| {
            let mark = lane.and_then(|lane| lane.mark(offset));
            mark.is_some_and(|mark| self.contracts.is_one_program(mark.node(), node))
        };
        lanes()
            .position(works)
            .or_else(|| lanes().position(|lane| lane.is_some()))
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
        let (at, maker, made) = (scene.at, scene.name(), copy.line(scene.nodes));
        let shape = "a position was committed before a copy was";
        scene.rule(Check::HopBeforeCommit, ruling, shape, &group.notes, || {
            let text = format!(
                "group {} committed a position behind {} offset {offset} before the copy of that record, uid {}, was acknowledged",
                group.id,
                model.label(from),
                uid.0
            );
            let committed = group.positions.line(model, from, at);
            let acked = format!("{maker} got the ack: uid {} is stored", uid.0);
            Evidence::from(text)
                .on(from)
                .and([made])
                .and(committed)
                .because(at, acked)
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
        self.check_duplicates(scene, model, sends);
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
            model,
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
        for (_, send) in sends.in_topics(&topics) {
            if self.hops.by_uid.contains_key(&send.uid) || send.is_probe || send.place.is_none() {
                continue;
            }
            let shape = "a record of a retry or dead-letter topic is no copy";
            scene.violation(Check::Provenance, shape, &Notes::default(), || {
                format!(
                    "uid {} in {} does not say where it comes from",
                    send.uid.0,
                    sends.topic(send)
                )
            });
        }
    }

    /// duplicate-hop.
    fn check_duplicates(&mut self, scene: &mut Scene<'_>, model: &Model, sends: &Sends) {
        // Each attempt of each group at each record; another may stand at an offset after a loss.
        let mut first: BTreeMap<(Option<usize>, TopicPartition, Offset, Uid, u32), usize> = BTreeMap::new();
        let mut twice = Vec::new();
        for (place, copy) in self.hops.copies.iter().enumerate() {
            if sends.find(copy.uid).is_none_or(|sent| sent.place.is_none()) {
                continue;
            }
            let (from, offset) = copy.hop.from;
            let attempt = (copy.group, from, offset, copy.hop.origin, copy.hop.attempts);
            let Some(before) = first.insert(attempt, place) else {
                continue;
            };
            twice.extend(copy.group.map(|group| (group, copy.hop.origin)));
            let (before, nodes) = (&self.hops.copies[before], scene.nodes);
            let group = copy.group.map(|group| &self.list[group]);
            let worked_again = group.is_none_or(|group| {
                let mark = group.lanes.get(from).and_then(|lane| lane.mark(offset));
                mark.is_some_and(|mark| mark.ends.has(Ends::AGAIN))
            });
            let was_acked = sends
                .find(before.uid)
                .is_some_and(|sent| matches!(sent.outcome, Outcome::Ok { .. }));
            let ruling = if before.by != copy.by || worked_again {
                Ruling::Allowed(
                    "at least once: its program was gone before it had committed, and another did it again".to_owned(),
                )
            } else if !was_acked {
                Ruling::Allowed("the first copy's send ended with an unknown outcome".to_owned())
            } else {
                Ruling::Violation
            };
            let first = before.uid.0;
            self.rule_copy(
                scene,
                model,
                copy,
                Check::DuplicateHop,
                ruling,
                "one attempt was handed on twice",
                || {
                    let text = format!("uid {first} is a copy of the same attempt");
                    Evidence::from(text).and([before.line(nodes)])
                },
            );
        }
        for origin in twice {
            self.hops.origins.entry(origin).or_default().add(Ends::AGAIN);
        }
    }

    #[allow(clippy::too_many_arguments)] // what, and where it was found
    fn rule_copy<E: Into<Evidence>>(
        &self,
        scene: &mut Scene<'_>,
        model: &Model,
        copy: &Copied,
        check: Check,
        ruling: Ruling,
        shape: &str,
        what: impl FnOnce() -> E,
    ) {
        let none = Notes::default();
        let notes = copy.group.map_or(&none, |group| &self.list[group].notes);
        let (at, nodes) = (core::mem::replace(&mut scene.at, copy.at), scene.nodes);
        scene.rule(check, ruling, shape, notes, || {
            let (from, offset) = copy.hop.from;
            let mut evidence: Evidence = what().into();
            evidence.text = format!(
                "uid {}, a copy of uid {} by {} from {} offset {offset}: {}",
                copy.uid.0,
                copy.hop.origin.0,
                nodes.named(copy.by.0),
                model.label(from),
                evidence.text
            );
            evidence.on(from).and([copy.line(nodes)])
        });
        scene.at = at;
    }
}

/// The topics that copies go to.
pub(super) fn copy_topics(workers: &WorkerGroup) -> Vec<&str> {
    match &workers.program {
        WorkerProgram::RetryTopic { .. } | WorkerProgram::BlockingRetry { .. } => workers.program.output_topics(),
        _ => Vec::new(),
    }
}

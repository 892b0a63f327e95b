//! Where every send stands in the committed logs: once, in order, with the content that was sent, and with its key's
//! other records.

use std::collections::BTreeMap;

use broker_core::types::Offset;

use super::blame::Clause;
use super::found::{Found, by_send, sending};
use super::judge::Quiescence;
use super::ledger::Commit;
use super::model::Model;
use super::reads::name;
use super::sends::{Outcome, Send, Sends};
use crate::verdict::{Check, Findings, Ruling};

impl Sends {
    /// Walks through all that is committed and gives each send its place: phantom, corruption, duplicate,
    /// nonmonotonic-send. Returns how many records are committed, probes apart.
    pub fn place(&mut self, model: &Model, end: &Quiescence<'_>, findings: &mut Findings) -> u64 {
        let mut count = 0;
        // Per topic and key: the partition of its last record.
        let mut homes: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        let by_key: Vec<bool> = self
            .nodes
            .iter()
            .map(|node| end.contracts.is_partitioned_by_key(*node))
            .collect();
        let partitions = model.partitions.iter().enumerate();
        for (place, partition) in partitions.filter(|(_, partition)| !partition.is_internal) {
            // Per program: the latest of its sends that stands in the partition so far.
            let mut latest: Vec<Option<usize>> = vec![None; self.programs.len()];
            let ledger = &partition.ledger;
            for (batch, commit) in ledger.batches.iter().zip(&ledger.commits) {
                let records = (batch.base.0..batch.next.0).map(|offset| (offset, &ledger.records[offset as usize]));
                for (offset, record) in records.filter(|(_, record)| record.visible) {
                    let (offset, at) = (Offset(offset), commit.at);
                    let finds = Found {
                        partition,
                        offset,
                        at,
                        nodes: end.nodes,
                    };
                    count += u64::from(!record.is_probe);
                    let Some(sent) = record.uid.and_then(|uid| self.index.get(uid)) else {
                        finds.violation(
                            findings,
                            Check::Phantom,
                            "a record that nobody sent is committed",
                            || format!("{} was never sent", name(record.uid)),
                        );
                        continue;
                    };
                    self.check_content(&self.sends[sent], record.fingerprint, model, &finds, findings);
                    if let Some(first) = self.sends[sent].place {
                        // In two partitions, one of them is the wrong one, which the content's check says.
                        if first.0 == place {
                            self.judge_duplicate(sent, first.1, commit, &finds, findings);
                        }
                        continue;
                    }
                    self.sends[sent].place = Some((place, offset));
                    let send = &self.sends[sent];
                    if let Some(key) = send.key.filter(|_| by_key[send.program as usize])
                        && let Some(home) = homes.insert((send.topic, key), place)
                        && home != place
                    {
                        judge_home(self, send, (model, home), &finds, findings);
                    }
                    let latest = &mut latest[self.sends[sent].program as usize];
                    match *latest {
                        Some(later) if later > sent => self.judge_order(sent, later, commit, &finds, findings),
                        _ => *latest = Some(sent),
                    }
                }
            }
        }
        count
    }

    /// duplicate: the send stands here and at `first`.
    fn judge_duplicate(&self, sent: usize, first: Offset, commit: &Commit, finds: &Found<'_>, findings: &mut Findings) {
        let send = &self.sends[sent];
        let ruling = if !commit.idempotent && self.promise(send).is_some_and(|promise| promise.may_double) {
            Clause::RetryWithoutIdempotence.into()
        } else {
            finds
                .partition
                .ruling_of_loss_between(send.invoked.time, commit.at.time)
        };
        finds.add(
            findings,
            Check::Duplicate,
            ruling,
            "one record stands at two offsets",
            || {
                let text = format!("{} is already committed at offset {first}", self.record(send));
                by_send(self, send, finds.nodes, text).and(finds.stood(first))
            },
        );
    }

    /// nonmonotonic-send: `sent` stands here, behind `later`.
    fn judge_order(&self, sent: usize, later: usize, commit: &Commit, finds: &Found<'_>, findings: &mut Findings) {
        let send = &self.sends[sent];
        let ruling = match (commit.idempotent, send.outcome) {
            (false, _) if self.promise(send).is_some_and(|promise| promise.may_reorder) => {
                Clause::InFlightWithoutIdempotence.into()
            }
            (false, Outcome::Unknown | Outcome::Pending) => Clause::LateAttempt.into(),
            _ => finds
                .partition
                .ruling_of_loss_between(send.invoked.time, commit.at.time),
        };
        let shape = "records stand in another order than they were sent in";
        finds.add(findings, Check::NonmonotonicSend, ruling, shape, || {
            let later = &self.sends[later];
            let text = format!(
                "{} was sent before {}, which stands before it",
                self.record(send),
                self.record(later)
            );
            let before = later.place.into_iter().flat_map(|(_, place)| finds.stood(place));
            by_send(self, send, finds.nodes, text)
                .and([sending(self, later, finds.nodes)])
                .and(before)
        });
    }

    /// corruption: the record is as it was sent, and where it was sent to.
    pub fn check_content(
        &self,
        send: &Send,
        fingerprint: u32,
        model: &Model,
        finds: &Found<'_>,
        findings: &mut Findings,
    ) {
        let sent_to = self.topic(send);
        let topic = finds.partition.topic.map(|topic| model.topics[topic].name.as_str());
        let elsewhere = match send.outcome {
            Outcome::Ok { partition, .. } => model.partitions[partition].id != finds.partition.id,
            _ => false,
        };
        let shape = if fingerprint != send.fingerprint {
            "a record's content is not what was sent"
        } else if elsewhere || topic.is_some_and(|topic| topic != &*sent_to.0) {
            "a record stands in another partition than it was sent to"
        } else {
            return;
        };
        finds.violation(findings, Check::Corruption, shape, || {
            let text = format!(
                "{} was sent to {} with fingerprint {:08x} and is here with {:08x}",
                self.record(send),
                sent_to,
                send.fingerprint,
                fingerprint
            );
            by_send(self, send, finds.nodes, text)
        });
    }
}

/// key-moved: the key of `send` has records in partition `home` as well.
fn judge_home(sends: &Sends, send: &Send, (model, home): (&Model, usize), finds: &Found<'_>, findings: &mut Findings) {
    let ruling = match model.was_raised(finds.partition.id.topic) {
        true => {
            Ruling::Allowed("the number of partitions was raised, and with it the partition of most keys".to_owned())
        }
        false => Ruling::Violation,
    };
    let shape = "records of one key are in two partitions";
    finds.add(findings, Check::KeyMoved, ruling, shape, || {
        let home = &model.partitions[home].label;
        let text = format!("other records of the key of {} are in {home}", sends.record(send));
        by_send(sends, send, finds.nodes, text)
    });
}

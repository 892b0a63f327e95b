//! What became of every send, judged at the end: whether it may be gone, and whether what was read is what was sent.

use broker_core::protocol::{Acks, ErrorCode};
use broker_core::types::Offset;
use reports::record::Totals;

use super::blame::{self, Clause};
use super::causes::{Lost, acks_name};
use super::found::{Found, by_send, why};
use super::groups::contract::Contracts;
use super::ledger::Committed;
use super::model::{Model, Partition};
use super::nodes::Nodes;
use super::reads::{Reads, Strange, name};
use super::sends::{Outcome, Send, Sends};
use super::witness::shown;
use crate::history::At;
use crate::verdict::{Check, Finding, Findings, Ruling};

/// How the trial ended, as far as it matters here.
pub(super) struct Quiescence<'a> {
    /// Nothing is on its way any more.
    pub settled: bool,
    /// What consumers got.
    pub reads: &'a Reads,
    /// What workers promise.
    pub contracts: &'a Contracts,
    /// The nodes by their names.
    pub nodes: &'a Nodes,
}

impl Sends {
    /// Judges everything.
    pub fn judge(&mut self, model: &mut Model, end: &Quiescence<'_>, findings: &mut Findings) -> Totals {
        let committed = self.place(model, end, findings);
        self.mark_lost(model);
        self.mark_acked(model);
        let mut totals = Totals {
            sent: self.sends.iter().filter(|send| !send.is_probe).count() as u64,
            committed,
            consumed: end.reads.consumed,
            ..Totals::default()
        };
        for send in &self.sends {
            match send.outcome {
                Outcome::Ok {
                    at,
                    partition,
                    offset,
                    acks,
                } => {
                    totals.acked += u64::from(!send.is_probe);
                    let partition = &model.partitions[partition];
                    judge_ok(self, send, (at, offset, acks), partition, end, findings);
                }
                Outcome::Failed(error) => {
                    totals.failed += u64::from(!send.is_probe);
                    judge_failed(self, send, error, (model, end), findings);
                }
                Outcome::Unknown => totals.unknown += u64::from(!send.is_probe),
                Outcome::Pending => {}
            }
        }
        self.judge_strange(model, end, findings);
        for partition in &model.partitions {
            judge_offsets(partition, end, findings);
        }
        totals
    }

    /// How many sends were answered by a broker, and so by somebody who promised something.
    pub fn promised(&self) -> u64 {
        let sends = self.sends.iter().filter(|send| !send.is_probe);
        let answered = sends.filter(|send| matches!(send.outcome, Outcome::Ok { acks, .. } if acks != Acks::None));
        answered.count() as u64
    }

    /// Gives each send that was committed once the place of its loss.
    fn mark_lost(&mut self, model: &Model) {
        let partitions = model.partitions.iter().enumerate();
        for (place, partition) in partitions.filter(|(_, partition)| !partition.is_internal) {
            for (number, version) in partition.ledger.versions.iter().enumerate() {
                for (offset, record) in (version.base.0..).map(Offset).zip(&version.records) {
                    if let Some(send) = record.uid.and_then(|uid| self.index.get(uid)) {
                        self.sends[send].lost = Some((place, number, offset));
                    }
                }
            }
        }
    }

    /// Marks the records whose producers got their offsets.
    fn mark_acked(&self, model: &mut Model) {
        for send in &self.sends {
            let Outcome::Ok {
                partition,
                offset: Some(offset),
                ..
            } = send.outcome
            else {
                continue;
            };
            let ledger = &mut model.partitions[partition].ledger;
            let stood = ledger.versions.iter_mut().filter_map(|version| version.at_mut(offset));
            let stands = ledger.records.get_mut(offset.0 as usize);
            for committed in stood.chain(stands).filter(|committed| committed.uid == Some(send.uid)) {
                committed.observed = true;
            }
        }
    }

    /// What was read where it was never committed: phantom, corruption, failed-write-visible, inconsistent-offset.
    fn judge_strange(&self, model: &Model, end: &Quiescence<'_>, findings: &mut Findings) {
        for strange in &end.reads.strange {
            let partition = &model.partitions[strange.partition];
            let finds = Found {
                partition,
                offset: strange.offset,
                at: strange.at,
                nodes: end.nodes,
            };
            let send = strange
                .uid
                .and_then(|uid| self.index.get(uid))
                .map(|send| &self.sends[send]);
            match send {
                None => finds.violation(
                    findings,
                    Check::Phantom,
                    "a record that nobody sent was delivered",
                    || format!("{} was never sent", name(strange.uid)),
                ),
                Some(send) => self.judge_strange_send(send, strange, &finds, model, findings),
            }
            let other = partition
                .ledger
                .at(strange.offset)
                .filter(|other| other.observed && other.uid != strange.uid);
            if let Some(other) = other {
                finds.violation(findings, Check::InconsistentOffset, "two records at one offset", || {
                    format!("{} and {} were both observed there", name(strange.uid), name(other.uid))
                });
            }
        }
    }

    /// What was read where it was never committed, of a send: corruption, failed-write-visible.
    fn judge_strange_send(
        &self,
        send: &Send,
        strange: &Strange,
        finds: &Found<'_>,
        model: &Model,
        findings: &mut Findings,
    ) {
        self.check_content(send, strange.fingerprint, model, finds, findings);
        if let Outcome::Failed(error) = send.outcome {
            let shape = "a failed write was read";
            finds.violation(findings, Check::FailedWriteVisible, shape, || {
                format!("uid {} had failed with {error:?} but was read", send.uid.0)
            });
        }
    }
}

/// lost-write and false-ack-offset for a send that was answered ok.
fn judge_ok(
    sends: &Sends,
    send: &Send,
    (acked, offset, acks): (At, Option<Offset>, Acks),
    partition: &Partition,
    end: &Quiescence<'_>,
    findings: &mut Findings,
) {
    let is_it = |committed: &&Committed| committed.uid == Some(send.uid);
    let stands = offset.and_then(|offset| partition.ledger.at(offset));
    if stands.as_ref().is_some_and(is_it) {
        return;
    }
    let other = stands.filter(|other| other.visible);
    let mut versions = partition.ledger.versions.iter();
    let stood = offset.is_some_and(|offset| versions.any(|version| version.at(offset).as_ref().is_some_and(is_it)));
    let acked_at = offset.map_or_else(
        || "without an offset".to_owned(),
        |offset| format!("at offset {offset}"),
    );
    let finds = Found {
        partition,
        offset: offset.unwrap_or_default(),
        at: acked,
        nodes: end.nodes,
    };
    if send.place.is_none() {
        let (ruling, shape) = match send.lost {
            Some((_, version, at)) => {
                let lost = partition.ledger.versions[version].ruling(at);
                let ruling = if acks == Acks::None {
                    Clause::NoAcks.into()
                } else {
                    lost.clone()
                };
                (ruling, "an acked write was committed and is gone after a leader change")
            }
            None if acks == Acks::Leader && !end.settled => {
                let reason = "the cluster had not settled: the record may still be committed".to_owned();
                (
                    Ruling::Unknown(reason),
                    "an acked write was not committed when the trial ended",
                )
            }
            None => {
                let ruling = blame::uncommitted_loss(partition, acks, offset, acked);
                (ruling, "an acked write was never committed")
            }
        };
        findings.add_with(Check::LostWrite, ruling, |check, ruling| {
            let lost = Lost {
                sends,
                send,
                acked,
                acks,
                offset: send.lost.map(|(_, _, offset)| offset).or(offset),
                partition,
                version: send.lost.map(|(_, version, _)| version),
                nodes: end.nodes,
            };
            let (at, causes) = lost.causes();
            Finding {
                check,
                evidence: format!(
                    "{} was acked under acks={} {acked_at} of {} and is not in the committed log: {}",
                    sends.record(send),
                    acks_name(acks),
                    partition.label,
                    why(&ruling)
                ),
                ruling,
                shape: shape.to_owned(),
                at,
                witness: shown(causes),
            }
        });
    }
    // The offset in the producer's ack. Where nothing is committed, something may still come to be.
    if offset.is_none() || stood || other.is_none() && (send.place.is_none() || !end.settled) {
        return;
    }
    let ruling = blame::uncommitted_loss(partition, acks, offset, acked);
    let there = other.map_or_else(|| "nothing".to_owned(), |other| name(other.uid));
    let shape = "an ack named an offset that holds another record";
    finds.add(findings, Check::FalseAckOffset, ruling.clone(), shape, || {
        format!("uid {} was acked {acked_at}, where {there} is committed", send.uid.0)
    });
    if other.is_some_and(|other| other.observed) {
        finds.add(
            findings,
            Check::InconsistentOffset,
            ruling,
            "two records at one offset",
            || format!("uid {} was acked there and {there} was observed there", send.uid.0),
        );
    }
}

/// failed-write-visible.
fn judge_failed(
    sends: &Sends,
    send: &Send,
    error: ErrorCode,
    (model, end): (&Model, &Quiescence<'_>),
    findings: &mut Findings,
) {
    let place = send
        .place
        .or(send.lost.map(|(partition, _, offset)| (partition, offset)));
    let Some((partition, offset)) = place else { return };
    let finds = Found {
        partition: &model.partitions[partition],
        offset,
        at: send.invoked,
        nodes: end.nodes,
    };
    finds.violation(
        findings,
        Check::FailedWriteVisible,
        "a failed write is committed",
        || {
            by_send(
                sends,
                send,
                end.nodes,
                format!("{} failed with {error:?} but was committed", sends.record(send)),
            )
        },
    );
}

/// inconsistent-offset: what was observed before a loss and what was observed since.
fn judge_offsets(partition: &Partition, end: &Quiescence<'_>, findings: &mut Findings) {
    for (number, version) in partition.ledger.versions.iter().enumerate() {
        for (offset, before) in (version.base.0..).map(Offset).zip(&version.records) {
            let later = partition.ledger.versions[number + 1..]
                .iter()
                .find_map(|later| later.at(offset));
            let Some(after) = later.or(partition.ledger.at(offset)) else {
                continue;
            };
            if !(before.observed && after.observed) || before.uid == after.uid {
                continue;
            }
            let finds = Found {
                partition,
                offset,
                at: version.at,
                nodes: end.nodes,
            };
            finds.add(
                findings,
                Check::InconsistentOffset,
                version.ruling(offset).clone(),
                "two records at one offset",
                || {
                    format!(
                        "{} was observed there before a loss, {} afterwards",
                        name(before.uid),
                        name(after.uid)
                    )
                },
            );
        }
    }
}

//! What became of every send: judged at the end, when every unknown outcome has shown itself.

use std::collections::BTreeMap;

use broker_core::config::{AcksSetting, ProducerConfig};
use broker_core::protocol::{Acks, ErrorCode};
use broker_core::types::{NodeId, Offset};
use reports::record::Totals;

use super::blame::{self, Clause};
use super::ledger::Committed;
use super::model::{Model, Partition};
use super::reads::{Reads, Strange, name};
use super::uids::UidIndex;
use crate::history::{At, Entry, SentRecord, Uid};
use crate::scenario::Scenario;
use crate::verdict::{Check, Finding, Findings, Ruling};

/// Every send.
pub(super) struct Sends {
    index: UidIndex,
    /// In the order of invocation.
    sends: Vec<Send>,
    /// Runs of producers' programs.
    programs: BTreeMap<(NodeId, u32), u32>,
    /// When each of them first sent.
    first_sends: Vec<At>,
    last_program: Option<((NodeId, u32), u32)>,
    /// What producers without idempotence may do, by topic.
    loose: BTreeMap<String, Loose>,
    healed: Option<At>,
    pending: u64,
}

/// One send.
struct Send {
    uid: Uid,
    /// The run of the program that sent it.
    program: u32,
    topic: broker_core::types::TopicName,
    fingerprint: u32,
    invoked: At,
    outcome: Outcome,
    /// Where it is committed at the end.
    place: Option<(usize, Offset)>,
    /// Where it was committed before a loss: the partition and the index of the version.
    lost: Option<(usize, usize, Offset)>,
}

/// How a send ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Pending,
    Ok {
        at: At,
        partition: usize,
        offset: Option<Offset>,
        acks: Acks,
    },
    Failed(ErrorCode),
    Unknown,
}

/// What the configuration of a topic's producers without idempotence allows.
#[derive(Clone, Copy, Default)]
struct Loose {
    retries: bool,
    in_flight: bool,
}

/// How the trial ended, as far as it matters here.
pub(super) struct Quiescence<'a> {
    /// Nothing is on its way any more.
    pub settled: bool,
    /// What consumers got.
    pub reads: &'a Reads,
}

impl Sends {
    /// No sends yet.
    pub fn new(scenario: &Scenario) -> Sends {
        let mut loose: BTreeMap<String, Loose> = BTreeMap::new();
        for group in &scenario.producers {
            let ProducerConfig {
                retries,
                max_in_flight_requests_per_connection: in_flight,
                ..
            } = group.config;
            if group.config.enable_idempotence && group.config.acks == AcksSetting::All {
                continue;
            }
            let of_topic = loose.entry(group.topic.clone()).or_default();
            of_topic.retries |= retries > 0;
            of_topic.in_flight |= retries > 0 && in_flight > 1;
        }
        Sends {
            index: UidIndex::default(),
            sends: Vec::new(),
            programs: BTreeMap::new(),
            first_sends: Vec::new(),
            last_program: None,
            loose,
            healed: None,
            pending: 0,
        }
    }

    /// A program sent a record.
    pub fn invoked(&mut self, entry: &Entry, record: &SentRecord) {
        if !self.index.insert(record.uid, self.sends.len()) {
            return;
        }
        let program = self.program(entry);
        self.pending += 1;
        self.sends.push(Send {
            uid: record.uid,
            program,
            topic: record.topic.clone(),
            fingerprint: record.fingerprint,
            invoked: entry.at,
            outcome: Outcome::Pending,
            place: None,
            lost: None,
        });
    }

    fn program(&mut self, entry: &Entry) -> u32 {
        let key = (entry.process, entry.incarnation);
        if let Some((last, program)) = self.last_program
            && last == key
        {
            return program;
        }
        let program = *self.programs.entry(key).or_insert_with(|| {
            self.first_sends.push(entry.at);
            self.first_sends.len() as u32 - 1
        });
        self.last_program = Some((key, program));
        program
    }

    /// A send took effect.
    pub fn ok(&mut self, at: At, uid: Uid, partition: usize, offset: Option<Offset>, acks: Acks) {
        self.end(
            uid,
            Outcome::Ok {
                at,
                partition,
                offset,
                acks,
            },
        );
    }

    /// A send failed for certain.
    pub fn failed(&mut self, uid: Uid, error: ErrorCode) {
        self.end(uid, Outcome::Failed(error));
    }

    /// A send ended without an answer that tells.
    pub fn unknown(&mut self, uid: Uid) {
        self.end(uid, Outcome::Unknown);
    }

    fn end(&mut self, uid: Uid, outcome: Outcome) {
        let Some(place) = self.index.get(uid) else { return };
        let send = &mut self.sends[place];
        if send.outcome == Outcome::Pending {
            self.pending -= 1;
            send.outcome = outcome;
        }
    }

    /// Everything is healed.
    pub fn healed(&mut self, at: At) {
        self.healed = Some(at);
    }

    /// Whether everything was healed.
    pub fn are_healed(&self) -> bool {
        self.healed.is_some()
    }

    /// How many sends have not ended.
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// Sends of programs that began after the heal and that were not answered ok, for people.
    pub fn failed_probes(&self) -> impl Iterator<Item = String> + '_ {
        let began = |send: &Send| self.first_sends[send.program as usize];
        let probes = self
            .sends
            .iter()
            .filter(move |send| self.healed.is_some_and(|healed| began(send) >= healed));
        probes.filter_map(|send| {
            let how = match send.outcome {
                Outcome::Failed(error) => format!("failed with {error:?}"),
                Outcome::Unknown => "ended without an answer that tells".to_owned(),
                Outcome::Ok { .. } | Outcome::Pending => return None,
            };
            Some(format!(
                "uid {}, sent to {} after the heal, {how}",
                send.uid.0, send.topic
            ))
        })
    }

    /// Judges everything.
    pub fn judge(&mut self, model: &mut Model, end: &Quiescence<'_>, findings: &mut Findings) -> Totals {
        let committed = self.place(model, findings);
        self.mark_lost(model);
        self.mark_acked(model);
        let mut totals = Totals {
            sent: self.sends.len() as u64,
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
                    totals.acked += 1;
                    let partition = &model.partitions[partition];
                    judge_ok(send, (at, offset, acks), partition, end, findings);
                }
                Outcome::Failed(error) => {
                    totals.failed += 1;
                    judge_failed(send, error, model, findings);
                }
                Outcome::Unknown => totals.unknown += 1,
                Outcome::Pending => {}
            }
        }
        self.judge_strange(model, end, findings);
        for partition in &model.partitions {
            judge_offsets(partition, findings);
        }
        totals
    }

    /// Walks through all that is committed and gives each send its place: phantom, corruption, duplicate,
    /// nonmonotonic-send. Returns how many records are committed.
    fn place(&mut self, model: &Model, findings: &mut Findings) -> u64 {
        let mut count = 0;
        // Per program: the latest send that stands in the partition so far.
        let mut latest: Vec<Option<(usize, usize)>> = vec![None; self.programs.len()];
        for (place, partition) in model.partitions.iter().enumerate() {
            let mut batches = partition
                .ledger
                .batches
                .iter()
                .zip(&partition.ledger.commits)
                .peekable();
            for (offset, record) in (0..).map(Offset).zip(&partition.ledger.records) {
                while batches.peek().is_some_and(|(batch, _)| batch.next <= offset) {
                    batches.next();
                }
                if !record.visible {
                    continue;
                }
                count += 1;
                let Some((_, commit)) = batches.peek() else { break };
                let finds = Found {
                    partition,
                    offset,
                    at: commit.at,
                };
                let Some(sent) = record.uid.and_then(|uid| self.index.get(uid)) else {
                    finds.add(
                        findings,
                        Check::Phantom,
                        Ruling::Violation,
                        "a record that nobody sent is committed",
                        || format!("{} was never sent", name(record.uid)),
                    );
                    continue;
                };
                let send = &mut self.sends[sent];
                check_content(send, record.fingerprint, model, &finds, findings);
                if let Some(first) = send.place {
                    if first.0 == place {
                        let loose = self.loose.get(&*send.topic.0).copied().unwrap_or_default();
                        let allowed = !commit.idempotent && loose.retries;
                        let ruling = if allowed {
                            Clause::RetryWithoutIdempotence.into()
                        } else {
                            Ruling::Violation
                        };
                        finds.add(
                            findings,
                            Check::Duplicate,
                            ruling,
                            "one record stands at two offsets",
                            || format!("uid {} is already committed at offset {}", send.uid.0, first.1),
                        );
                    }
                    continue;
                }
                send.place = Some((place, offset));
                let latest = &mut latest[send.program as usize];
                match *latest {
                    Some((of, later)) if of == place && later > sent => {
                        let loose = self.loose.get(&*self.sends[sent].topic.0).copied().unwrap_or_default();
                        let ruling = match (commit.idempotent, self.sends[sent].outcome) {
                            (false, _) if loose.in_flight => Clause::InFlightWithoutIdempotence.into(),
                            (false, Outcome::Unknown | Outcome::Pending) => Clause::LateAttempt.into(),
                            _ => Ruling::Violation,
                        };
                        let later = self.sends[later].uid.0;
                        finds.add(
                            findings,
                            Check::NonmonotonicSend,
                            ruling,
                            "records stand in another order than sent",
                            || {
                                format!(
                                    "uid {} was sent before uid {later}, which stands before it",
                                    self.sends[sent].uid.0
                                )
                            },
                        );
                    }
                    _ => *latest = Some((place, sent)),
                }
            }
        }
        count
    }

    /// Gives each send that was committed once the place of its loss.
    fn mark_lost(&mut self, model: &Model) {
        for (place, partition) in model.partitions.iter().enumerate() {
            for (number, version) in partition.ledger.versions.iter().enumerate() {
                for (offset, record) in (version.base.0..).map(Offset).zip(&version.records) {
                    if let Some(send) = record.uid.and_then(|uid| self.index.get(uid)) {
                        self.sends[send].lost = Some((place, number, offset));
                    }
                }
            }
        }
    }

    /// Marks the records whose producers were told where they stand.
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
            };
            let send = strange
                .uid
                .and_then(|uid| self.index.get(uid))
                .map(|send| &self.sends[send]);
            match send {
                None => finds.add(
                    findings,
                    Check::Phantom,
                    Ruling::Violation,
                    "a record that nobody sent was delivered",
                    || format!("{} was never sent", name(strange.uid)),
                ),
                Some(send) => judge_strange_send(send, strange, &finds, model, findings),
            }
            let other = partition
                .ledger
                .at(strange.offset)
                .filter(|other| other.observed && other.uid != strange.uid);
            if let Some(other) = other {
                finds.add(
                    findings,
                    Check::InconsistentOffset,
                    Ruling::Violation,
                    "two records at one offset",
                    || format!("{} and {} were both observed there", name(strange.uid), name(other.uid)),
                );
            }
        }
    }
}

/// What was read where it was never committed, of a send: corruption, failed-write-visible.
fn judge_strange_send(send: &Send, strange: &Strange, finds: &Found<'_>, model: &Model, findings: &mut Findings) {
    check_content(send, strange.fingerprint, model, finds, findings);
    if let Outcome::Failed(error) = send.outcome {
        let shape = "a failed write was read";
        finds.add(findings, Check::FailedWriteVisible, Ruling::Violation, shape, || {
            format!("uid {} had failed with {error:?} but was read", send.uid.0)
        });
    }
}

/// corruption: the record is as it was sent, and where it was sent to.
fn check_content(send: &Send, fingerprint: u32, model: &Model, finds: &Found<'_>, findings: &mut Findings) {
    let topic = finds.partition.topic.map(|topic| model.topics[topic].name.as_str());
    let elsewhere = match send.outcome {
        Outcome::Ok { partition, .. } => model.partitions[partition].id != finds.partition.id,
        _ => false,
    };
    let shape = if fingerprint != send.fingerprint {
        "a record's content is not what was sent"
    } else if elsewhere || topic.is_some_and(|topic| topic != &*send.topic.0) {
        "a record stands in another partition than it was sent to"
    } else {
        return;
    };
    finds.add(findings, Check::Corruption, Ruling::Violation, shape, || {
        format!(
            "uid {} was sent to {} with fingerprint {:08x} and is here with {:08x}",
            send.uid.0, send.topic, send.fingerprint, fingerprint
        )
    });
}

/// lost-write and false-ack-offset for a send that was answered ok.
fn judge_ok(
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
    let told = offset.map_or_else(
        || "without an offset".to_owned(),
        |offset| format!("at offset {offset}"),
    );
    let finds = Found {
        partition,
        offset: offset.unwrap_or_default(),
        at: acked,
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
        findings.add_with(Check::LostWrite, ruling, |check, ruling| Finding {
            check,
            evidence: format!(
                "uid {} was acked under acks={} {told} of {} and is not in the committed log: {}",
                send.uid.0,
                acks_name(acks),
                partition.label,
                why(&ruling)
            ),
            ruling,
            shape: shape.to_owned(),
            at: acked,
            witness: match send.lost {
                Some((_, version, _)) => partition.ledger.versions[version].witness.clone(),
                None => partition.notes.since(acked),
            },
        });
    }
    // The offset that the producer was told. Where nothing is committed, something may still come to be.
    if offset.is_none() || stood || other.is_none() && (send.place.is_none() || !end.settled) {
        return;
    }
    let ruling = blame::uncommitted_loss(partition, acks, offset, acked);
    let there = other.map_or_else(|| "nothing".to_owned(), |other| name(other.uid));
    let shape = "an ack named an offset that holds another record";
    finds.add(findings, Check::FalseAckOffset, ruling.clone(), shape, || {
        format!("uid {} was acked {told}, where {there} is committed", send.uid.0)
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
fn judge_failed(send: &Send, error: ErrorCode, model: &Model, findings: &mut Findings) {
    let place = send
        .place
        .or(send.lost.map(|(partition, _, offset)| (partition, offset)));
    let Some((partition, offset)) = place else { return };
    let finds = Found {
        partition: &model.partitions[partition],
        offset,
        at: send.invoked,
    };
    finds.add(
        findings,
        Check::FailedWriteVisible,
        Ruling::Violation,
        "a failed write is committed",
        || format!("uid {} failed with {error:?} but was committed", send.uid.0),
    );
}

/// inconsistent-offset: what was observed before a loss and what was observed since.
fn judge_offsets(partition: &Partition, findings: &mut Findings) {
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

/// Where something was found.
struct Found<'a> {
    partition: &'a Partition,
    offset: Offset,
    at: At,
}

impl Found<'_> {
    fn add(
        &self,
        findings: &mut Findings,
        check: Check,
        ruling: Ruling,
        shape: &str,
        evidence: impl FnOnce() -> String,
    ) {
        findings.add_with(check, ruling, |check, ruling| Finding {
            check,
            evidence: format!(
                "{} offset {}: {}; {}",
                self.partition.label,
                self.offset,
                evidence(),
                why(&ruling)
            ),
            ruling,
            shape: shape.to_owned(),
            at: self.at,
            witness: self.partition.notes.since(self.at),
        });
    }
}

/// The clause of a ruling in a sentence.
fn why(ruling: &Ruling) -> &str {
    match ruling {
        Ruling::Violation => "no clause of the contract allows it",
        Ruling::Allowed(clause) => clause,
        Ruling::Unknown(reason) => reason,
    }
}

fn acks_name(acks: Acks) -> &'static str {
    match acks {
        Acks::None => "0",
        Acks::Leader => "1",
        Acks::All => "all",
    }
}

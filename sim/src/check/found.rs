//! What is found about a place in a log, with the send and the events that show it.

use broker_core::types::Offset;

use super::model::Partition;
use super::nodes::Nodes;
use super::sends::{Send, Sends};
use super::witness::{Evidence, Line};
use crate::history::At;
use crate::verdict::{Check, Finding, Findings, Ruling};

/// Evidence with the send that it is about.
pub(super) fn by_send(sends: &Sends, send: &Send, nodes: &Nodes, text: String) -> Evidence {
    Evidence::from(text).and([sending(sends, send, nodes)])
}

pub(super) fn sending(sends: &Sends, send: &Send, nodes: &Nodes) -> Line {
    let (sender, record, topic) = (sends.sender(send, nodes), sends.record(send), sends.topic(send));
    Line {
        at: send.invoked,
        text: format!("{sender} sent {record} to {topic}"),
    }
}

/// Where something was found.
pub(super) struct Found<'a> {
    pub partition: &'a Partition,
    pub offset: Offset,
    pub at: At,
    pub nodes: &'a Nodes,
}

impl Found<'_> {
    /// How the record at an offset came to stand there.
    pub fn stood(&self, offset: Offset) -> impl Iterator<Item = Line> {
        let (partition, label) = (self.partition, &self.partition.label);
        let commit = partition.ledger.commits.get(partition.ledger.count_below(offset));
        let append = partition.append_of(offset, commit.map_or(self.at, |commit| commit.at));
        let append = append.map(|append| {
            let leader = self.nodes.named(partition.replicas[append.slot as usize].node);
            let text = format!(
                "{leader} appended the record at offset {offset} of {label}, as the leader of epoch {}",
                append.epoch
            );
            Line { at: append.at, text }
        });
        let commit = commit.map(|commit| Line {
            at: commit.at,
            text: format!("the record at offset {offset} of {label} was committed"),
        });
        append.into_iter().chain(commit)
    }

    pub fn violation<E: Into<Evidence>>(
        &self,
        findings: &mut Findings,
        check: Check,
        shape: &str,
        evidence: impl FnOnce() -> E,
    ) {
        self.add(findings, check, Ruling::Violation, shape, evidence);
    }

    pub fn add<E: Into<Evidence>>(
        &self,
        findings: &mut Findings,
        check: Check,
        ruling: Ruling,
        shape: &str,
        evidence: impl FnOnce() -> E,
    ) {
        findings.add_with(check, ruling, |check, ruling| {
            let mut evidence = evidence().into().and(self.stood(self.offset));
            let at = evidence.latest().map_or(self.at, |latest| latest.max(self.at));
            let witness = self.partition.notes.witness(check, at, &mut evidence, self.nodes);
            Finding {
                check,
                evidence: format!(
                    "{} offset {}: {}; {}",
                    self.partition.label,
                    self.offset,
                    evidence.text,
                    why(&ruling)
                ),
                ruling,
                shape: shape.to_owned(),
                at,
                witness,
            }
        });
    }
}

/// The clause of a ruling in a sentence.
pub(super) fn why(ruling: &Ruling) -> &str {
    match ruling {
        Ruling::Violation => "no clause of the contract allows it",
        Ruling::Allowed(clause) => clause,
        Ruling::Unknown(reason) => reason,
    }
}

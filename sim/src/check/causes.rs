//! What brought the loss of an acknowledged write about: the send, the append, the commit, the answer, what took the
//! record from each log that had it, and the leader that began without it.

use broker_core::protocol::Acks;
use broker_core::types::{NodeId, Offset};

use super::model::Partition;
use super::nodes::Nodes;
use super::sends::{Send, Sends};
use super::witness::{Line, Note, Noted};
use crate::history::At;

/// An acknowledged write that is gone.
pub(super) struct Lost<'a> {
    /// Every send.
    pub sends: &'a Sends,
    /// Its send.
    pub send: &'a Send,
    /// When its program got the ack.
    pub acked: At,
    /// Under which promise.
    pub acks: Acks,
    /// Where it stood, if that is known.
    pub offset: Option<Offset>,
    /// The partition that it stood in.
    pub partition: &'a Partition,
    /// The place among the ledger's versions of what was lost with it, if it was committed.
    pub version: Option<usize>,
    /// The nodes by their names.
    pub nodes: &'a Nodes,
}

impl Lost<'_> {
    /// When it was lost, and what led to it, the most informative first.
    pub fn causes(&self) -> (At, Vec<Line>) {
        let (at, ends) = match self.version {
            Some(version) => self.of_committed(version),
            None => self.of_uncommitted(),
        };
        // A late ack is an ack all the same.
        let at = at.max(self.acked);
        let mut lines = self.beginning();
        lines.extend(ends);
        let fault = self.nodes.newest_fault(self.send.invoked, at);
        lines.extend(fault.map(|(began, name)| line(began, format!("a fault began: {name}"))));
        (at, lines)
    }

    /// The send, the append and the answer.
    fn beginning(&self) -> Vec<Line> {
        let label = &self.partition.label;
        let (record, sender) = (self.sends.record(self.send), self.sends.sender(self.send, self.nodes));
        let mut lines = vec![line(
            self.send.invoked,
            format!("{sender} sent {record} to {}", self.sends.topic(self.send)),
        )];
        if let Some(offset) = self.offset
            && let Some(append) = self.partition.append_of(offset, self.acked)
        {
            let leader = self.nodes.named(self.partition.replicas[append.slot as usize].node);
            lines.push(line(
                append.at,
                format!(
                    "{leader} appended it at offset {offset} of {label}, as the leader of epoch {}",
                    append.epoch
                ),
            ));
        }
        let acks = acks_name(self.acks);
        lines.push(line(self.acked, format!("{sender} got the ack (acks={acks})")));
        lines
    }

    fn of_committed(&self, version: usize) -> (At, Vec<Line>) {
        let partition = self.partition;
        let version = &partition.ledger.versions[version];
        let offset = self.offset.unwrap_or(version.base);
        let mut lines = Vec::new();
        lines.extend(self.leader_without(version.notes.iter(), offset, version.at));
        lines.extend(self.takings(version.notes.iter(), offset));
        if let Some(commit) = version.commit(offset) {
            let holders = commit.isr.iter().map(|slot| partition.replicas[slot].node);
            let holders = self.list(holders);
            lines.push(line(
                commit.at,
                format!("it was committed: {holders} had it, all that were in sync"),
            ));
        }
        (version.at, lines)
    }

    fn of_uncommitted(&self) -> (At, Vec<Line>) {
        let Some(offset) = self.offset else {
            return (self.acked, Vec::new());
        };
        let notes = || self.partition.notes.since(self.send.invoked);
        let mut lines: Vec<Line> = self.takings(notes(), offset).collect();
        let epoch = self.partition.append_of(offset, self.acked).map(|append| append.epoch);
        let successor = notes().find(|note| match note.what {
            Noted::BecameLeader { epoch: of, end, .. } => epoch.is_some_and(|epoch| of > epoch) && end <= offset,
            _ => false,
        });
        let at = match successor {
            Some(successor) => Some(successor.at),
            None => lines.first().map(|line| line.at),
        };
        let at = at.unwrap_or(self.acked);
        lines.extend(self.leader_without(notes(), offset, at));
        // Why another one had to lead.
        let leader = self.partition.append_of(offset, self.acked);
        let leader = leader.map(|append| self.partition.replicas[append.slot as usize].node);
        let ended = notes().find(|note| Some(note.node) == leader && note.what.is_crash());
        lines.extend(ended.map(|note| self.partition.notes.line(note, self.nodes)));
        lines.retain(|line| line.at <= at.max(self.acked));
        (at, lines)
    }

    /// The leader that began at `at` without the record.
    fn leader_without<'n>(&self, notes: impl Iterator<Item = &'n Note>, offset: Offset, at: At) -> Option<Line> {
        let begun = notes.filter_map(|note| match note.what {
            Noted::BecameLeader { epoch, end, .. } if note.at == at => Some((note, epoch, end)),
            _ => None,
        });
        let (note, epoch, end) = begun.last()?;
        let (leader, label) = (self.nodes.named(note.node), &self.partition.label);
        let without = match end <= offset {
            true => format!("its log ends at {end}, without the record"),
            false => "another record stands there in its log".to_owned(),
        };
        Some(line(
            note.at,
            format!("{leader} began to lead {label} in epoch {epoch}: {without}"),
        ))
    }

    /// What took the record from single logs.
    fn takings<'n>(&self, notes: impl Iterator<Item = &'n Note>, offset: Offset) -> impl Iterator<Item = Line> {
        notes
            .filter(move |note| note.what.takes(offset))
            .map(|note| self.partition.notes.line(note, self.nodes))
    }

    fn list(&self, nodes: impl Iterator<Item = NodeId>) -> String {
        let names: Vec<String> = nodes.map(|node| self.nodes.named(node).to_string()).collect();
        names.join(", ")
    }
}

fn line(at: At, text: String) -> Line {
    Line { at, text }
}

/// `acks` as it stands in a configuration.
pub(super) fn acks_name(acks: Acks) -> &'static str {
    match acks {
        Acks::None => "0",
        Acks::Leader => "1",
        Acks::All => "all",
    }
}

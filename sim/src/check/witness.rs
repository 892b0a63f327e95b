//! The events that a person wants to see next to a finding: at most eight, oldest first, and each of them one without
//! which the finding would not be what it is.
//!
//! What may matter later is noted as it happens ([`Notes`]). A check that knows its causes adds them by itself
//! ([`Evidence::because`]); the rest is chosen from the notes by what each check asks about ([`bears_on`]).

use core::fmt;
use std::collections::{BTreeSet, VecDeque};

use broker_core::trace::{ReplicaRole, TruncationCause};
use broker_core::types::{LeaderEpoch, NodeId, Offset, TopicPartition};

use super::nodes::Nodes;
use crate::history::At;
use crate::verdict::Check;
use crate::words;

/// How many events a witness shows.
pub(super) const SHOWN: usize = 8;
/// How many notes of one partition are kept; older ones are forgotten.
const KEPT: usize = 256;

/// One event, short of its words.
#[derive(Clone, Debug)]
pub(super) struct Note {
    /// When.
    pub at: At,
    /// Whose doing.
    pub node: NodeId,
    /// What.
    pub what: Noted,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Noted {
    /// The node crashed; a power loss took so many bytes.
    Crashed { power_lost: Option<u64> },
    /// Its log was recovered.
    Recovered { end: Offset, before: Offset },
    /// A disk operation failed, and the log takes no part any more.
    WentOffline,
    /// The controller committed a new leader.
    Elected {
        leader: Option<NodeId>,
        epoch: LeaderEpoch,
        isr: String,
    },
    /// The controller committed a new ISR.
    IsrCommitted { isr: String },
    /// It leads.
    BecameLeader {
        epoch: LeaderEpoch,
        end: Offset,
        high_watermark: Offset,
    },
    /// Its log was cut.
    Truncated {
        from: Offset,
        to: Offset,
        epoch: LeaderEpoch,
        cause: TruncationCause,
    },
    /// Its high watermark fell.
    HighWatermarkFell {
        role: ReplicaRole,
        from: Offset,
        to: Offset,
    },
    /// Something about a group.
    OfGroup {
        what: OfGroup,
        /// Which partitions it is about; none if it is about the group as a whole.
        partitions: Vec<TopicPartition>,
        /// In words, without who did it.
        words: String,
    },
}

/// What happened to a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum OfGroup {
    /// Its state or epoch changed.
    Became,
    /// A member was given partitions.
    Gave,
    /// A member was removed.
    Removed,
    /// A member took partitions.
    Owns,
    /// A member gave partitions up, or learnt that it had lost them.
    Released,
    /// A commit did not end well.
    Refused,
    /// A position expired.
    Expired,
    /// A member's position moved.
    Moved,
    /// A program moved its position by itself.
    Sought,
    /// A member's process ended.
    Died,
    /// A coordinator loaded what the group's log says.
    Loaded,
}

impl Noted {
    /// Whether a power loss or a cut took the record at `offset` from a log.
    pub fn takes(&self, offset: Offset) -> bool {
        match *self {
            Noted::Recovered { end, before } => end <= offset && offset < before,
            Noted::Truncated { from, to, .. } => to <= offset && offset < from,
            _ => false,
        }
    }

    /// Whether it says who is to lead.
    pub fn is_election(&self) -> bool {
        matches!(self, Noted::Elected { .. })
    }

    /// Whether a process ended.
    pub fn is_crash(&self) -> bool {
        matches!(self, Noted::Crashed { .. })
    }

    /// Names the kind: of one kind and node the newest counts.
    fn kind(&self) -> (u8, Option<OfGroup>) {
        match self {
            Noted::Crashed { .. } => (0, None),
            Noted::Recovered { .. } => (1, None),
            Noted::WentOffline => (2, None),
            Noted::Elected { .. } => (3, None),
            Noted::IsrCommitted { .. } => (4, None),
            Noted::BecameLeader { .. } => (5, None),
            Noted::Truncated { .. } => (6, None),
            Noted::HighWatermarkFell { .. } => (7, None),
            Noted::OfGroup { what, .. } => (8, Some(*what)),
        }
    }

    /// Whether it is about this partition, or about all of a group.
    pub fn is_about(&self, partition: TopicPartition) -> bool {
        match self {
            Noted::OfGroup { partitions, .. } => partitions.is_empty() || partitions.contains(&partition),
            _ => true,
        }
    }
}

/// Whether a check's answer can depend on what happened.
fn bears_on(check: Check, what: &Noted) -> bool {
    use Noted::{BecameLeader, Crashed, Elected, HighWatermarkFell, IsrCommitted, Recovered, Truncated, WentOffline};
    if let Noted::OfGroup { what, .. } = what {
        return group_bears_on(check, *what);
    }
    match check {
        Check::R1 | Check::R2 | Check::UncommittedRead | Check::PollSkip | Check::NonmonotonicPoll => {
            matches!(
                what,
                Recovered { .. } | Truncated { .. } | HighWatermarkFell { .. } | BecameLeader { .. }
            )
        }
        Check::R6 | Check::R13 => !matches!(what, WentOffline),
        Check::R9 => matches!(what, Elected { .. } | IsrCommitted { .. } | BecameLeader { .. }),
        Check::R11 => matches!(what, Elected { .. } | BecameLeader { .. } | Truncated { .. }),
        Check::D2 => matches!(what, Crashed { .. } | Truncated { .. } | Recovered { .. }),
        Check::Q1 | Check::Q6 => matches!(what, Crashed { .. } | BecameLeader { .. }),
        Check::Q7 => matches!(what, HighWatermarkFell { .. } | BecameLeader { .. }),
        Check::L1 | Check::L2 | Check::L5 | Check::L8 => {
            matches!(
                what,
                Crashed { .. } | WentOffline | Elected { .. } | IsrCommitted { .. } | BecameLeader { .. }
            )
        }
        _ => !matches!(what, HighWatermarkFell { .. }),
    }
}

fn group_bears_on(check: Check, what: OfGroup) -> bool {
    use OfGroup::{Became, Died, Expired, Gave, Loaded, Moved, Owns, Refused, Released, Removed, Sought};
    match check {
        Check::SkippedProcessing | Check::HopBeforeCommit => matches!(what, Owns | Released | Moved | Sought),
        Check::LostCommittedOffset => matches!(what, Loaded | Expired),
        Check::StaleOwnerCommit | Check::G3 => matches!(what, Gave | Removed | Became),
        Check::OverlappingOwners => matches!(what, Gave | Removed | Owns | Released),
        Check::UnexplainedReset | Check::PollSkip => matches!(what, Expired | Refused | Owns | Sought),
        Check::G2 | Check::G4 | Check::L7 | Check::L11 => matches!(what, Became | Gave | Removed | Died),
        Check::G5 => matches!(what, Owns | Released | Died),
        Check::L8 | Check::L9 => matches!(what, Refused | Owns | Released | Expired | Removed | Died),
        _ => !matches!(what, Became | Gave | Loaded),
    }
}

/// The notes of one partition or group, oldest first.
#[derive(Clone, Default, Debug)]
pub(super) struct Notes {
    /// What they are about, for people: `orders/0`.
    pub about: String,
    list: VecDeque<Note>,
}

impl Notes {
    /// None yet, about this.
    pub fn about(name: &str) -> Notes {
        Notes {
            about: name.to_owned(),
            list: VecDeque::new(),
        }
    }

    /// Adds a note.
    pub fn add(&mut self, at: At, node: NodeId, what: Noted) {
        if self.list.len() == KEPT {
            self.list.pop_front();
        }
        self.list.push_back(Note { at, node, what });
    }

    /// From the newest to the oldest.
    pub fn newest_first(&self) -> impl Iterator<Item = &Note> {
        self.list.iter().rev()
    }

    /// What happened from `begin` on, oldest first.
    pub fn since(&self, begin: At) -> impl Iterator<Item = &Note> {
        self.list.iter().filter(move |note| note.at >= begin)
    }

    /// A note as a line.
    pub fn line(&self, note: &Note, nodes: &Nodes) -> Line {
        let text = Shown {
            note,
            about: &self.about,
            nodes,
        };
        Line {
            at: note.at,
            text: text.to_string(),
        }
    }

    /// The causes that a finding has by itself, and of the rest the newest that bear on its check: of each kind and
    /// node the last one, since that is what was so when the finding came about.
    pub fn witness(&self, check: Check, until: At, evidence: &mut Evidence, nodes: &Nodes) -> Vec<String> {
        let mut lines = core::mem::take(&mut evidence.causes);
        if !evidence.is_complete {
            let mut seen = BTreeSet::new();
            let bearing = self.newest_first().filter(|note| {
                note.at <= until
                    && bears_on(check, &note.what)
                    && evidence.partition.is_none_or(|partition| note.what.is_about(partition))
                    && seen.insert((note.what.kind(), note.node))
            });
            let more = SHOWN.saturating_sub(lines.len());
            lines.extend(bearing.take(more).map(|note| self.line(note, nodes)));
        }
        shown(lines)
    }
}

/// One event of a witness.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Line {
    /// When.
    pub at: At,
    /// What, as a sentence with names.
    pub text: String,
}

/// At most eight lines, the first ones, in the order in which they happened, each once.
pub(super) fn shown(mut lines: Vec<Line>) -> Vec<String> {
    lines.truncate(SHOWN);
    lines.sort_by_key(|line| line.at);
    lines.dedup();
    let text = |line: Line| format!("{} step {}: {}", line.at.time, line.at.step, line.text);
    lines.into_iter().map(text).collect()
}

/// What a finding says: one sentence, and the events that brought it about as far as its check knows them.
#[derive(Default, Debug)]
pub(super) struct Evidence {
    /// The sentence.
    pub text: String,
    causes: Vec<Line>,
    /// Of a group's notes only those about this partition count.
    partition: Option<TopicPartition>,
    /// Nothing else brought it about.
    is_complete: bool,
}

impl From<String> for Evidence {
    fn from(text: String) -> Evidence {
        Evidence {
            text,
            ..Evidence::default()
        }
    }
}

impl Evidence {
    /// Adds an event that brought the finding about.
    pub fn because(mut self, at: At, text: impl Into<String>) -> Evidence {
        let text = text.into();
        self.causes.push(Line { at, text });
        self
    }

    /// Adds events that brought the finding about.
    pub fn and(mut self, lines: impl IntoIterator<Item = Line>) -> Evidence {
        self.causes.extend(lines);
        self
    }

    /// When the last of its causes was.
    pub fn latest(&self) -> Option<At> {
        self.causes.iter().map(|line| line.at).max()
    }

    /// It is about this partition of a group.
    pub fn on(mut self, partition: TopicPartition) -> Evidence {
        self.partition = Some(partition);
        self
    }

    /// Nothing but what was said brought it about.
    pub fn alone(mut self) -> Evidence {
        self.is_complete = true;
        self
    }
}

/// A note with what it takes to put it in words.
struct Shown<'a> {
    note: &'a Note,
    about: &'a str,
    nodes: &'a Nodes,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (about, node) = (self.about, self.nodes.named(self.note.node));
        match &self.note.what {
            Noted::Crashed { power_lost: None } => write!(f, "the process of {node} ended"),
            Noted::Crashed {
                power_lost: Some(bytes),
            } => write!(f, "{node} lost power, and with it {bytes} bytes that were not flushed"),
            Noted::Recovered { end, before } if end == before => {
                write!(f, "{node} recovered {about} whole, up to offset {end}")
            }
            Noted::Recovered { end, before } => {
                write!(
                    f,
                    "{node} recovered {about} up to offset {end}; it had reached {before}"
                )
            }
            Noted::WentOffline => write!(
                f,
                "a disk operation of {node} failed, and its log of {about} went offline"
            ),
            Noted::Elected {
                leader: Some(leader),
                epoch,
                isr,
            } => {
                let leader = self.nodes.named(*leader);
                write!(
                    f,
                    "{leader} was elected to lead {about} in epoch {epoch}, in-sync replicas {isr}"
                )
            }
            Noted::Elected {
                leader: None,
                epoch,
                isr,
            } => write!(
                f,
                "no leader was left for {about} in epoch {epoch}, in-sync replicas {isr}"
            ),
            Noted::IsrCommitted { isr } => write!(f, "the in-sync replicas of {about} became {isr}"),
            Noted::BecameLeader {
                epoch,
                end,
                high_watermark,
            } => write!(
                f,
                "{node} began to lead {about} in epoch {epoch} with log end {end} and high watermark {high_watermark}"
            ),
            Noted::Truncated { from, to, epoch, cause } => {
                let why = words::truncation(*cause);
                write!(
                    f,
                    "{node} cut its log of {about} from offset {from} to {to} {why}, as a follower in epoch {epoch}"
                )
            }
            Noted::HighWatermarkFell { role, from, to } => {
                let role = match role {
                    ReplicaRole::Leader => "the leader",
                    ReplicaRole::Follower => "a follower",
                };
                write!(
                    f,
                    "the high watermark of {node}, {role} of {about}, fell from {from} to {to}"
                )
            }
            Noted::OfGroup { words, .. } => f.write_str(words),
        }
    }
}

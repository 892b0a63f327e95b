//! The events that a person wants to see next to a finding.

use core::fmt;
use std::collections::VecDeque;

use broker_core::trace::{ReplicaRole, TruncationCause};
use broker_core::types::{LeaderEpoch, NodeId, Offset};

use crate::history::At;

/// How many events a witness shows.
const SHOWN: usize = 8;
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
    /// Something about a group, in words.
    OfGroup(String),
}

/// The notes of one partition, oldest first.
#[derive(Clone, Default, Debug)]
pub(super) struct Notes(VecDeque<Note>);

impl Notes {
    /// Adds a note.
    pub fn add(&mut self, at: At, node: NodeId, what: Noted) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Note { at, node, what });
    }

    /// The last events.
    pub fn last(&self) -> Vec<String> {
        let skipped = self.0.len().saturating_sub(SHOWN);
        self.0.iter().skip(skipped).map(ToString::to_string).collect()
    }

    /// What happened from `begin` on.
    pub fn since(&self, begin: At) -> Vec<String> {
        let from_then_on = self.0.iter().filter(|note| note.at >= begin);
        from_then_on.take(SHOWN).map(ToString::to_string).collect()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} step {}: ", self.at.time, self.at.step)?;
        let node = self.node;
        match &self.what {
            Noted::Crashed { power_lost: None } => write!(f, "node {node} ended"),
            Noted::Crashed {
                power_lost: Some(bytes),
            } => {
                write!(f, "node {node} lost power, and with it {bytes} bytes")
            }
            Noted::Recovered { end, before } => {
                write!(f, "node {node} recovered its log up to {end}; it had reached {before}")
            }
            Noted::Elected {
                leader: Some(leader),
                epoch,
                isr,
            } => {
                write!(f, "node {leader} was elected for epoch {epoch}, in-sync replicas {isr}")
            }
            Noted::Elected {
                leader: None,
                epoch,
                isr,
            } => {
                write!(f, "no leader was left for epoch {epoch}, in-sync replicas {isr}")
            }
            Noted::IsrCommitted { isr } => write!(f, "the in-sync replicas became {isr}"),
            Noted::BecameLeader {
                epoch,
                end,
                high_watermark,
            } => write!(
                f,
                "node {node} began to lead epoch {epoch} with log end {end}, high watermark {high_watermark}"
            ),
            Noted::Truncated { from, to, epoch, cause } => {
                write!(
                    f,
                    "node {node} cut its log from {from} to {to} as a follower in epoch {epoch} ({cause:?})"
                )
            }
            Noted::HighWatermarkFell { role, from, to } => {
                write!(f, "node {node}'s high watermark fell from {from} to {to} ({role:?})")
            }
            Noted::OfGroup(what) => f.write_str(what),
        }
    }
}

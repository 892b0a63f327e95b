//! What is still waited for after the heal.

use broker_core::types::{GroupId, NodeId, TopicPartition};

use crate::history::At;
use crate::verdict::Check;

/// Something that is still waited for.
pub(super) struct Wait {
    /// By which check.
    pub check: Check,
    /// What, for people.
    pub text: String,
    /// What it depends on: there the cause is looked for.
    pub on: On,
    /// When it began, at the latest; at the beginning, if that is not known.
    pub since: At,
}

/// What a wait depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum On {
    /// The metadata quorum.
    Quorum,
    /// A node that is down.
    Node(NodeId),
    /// A partition, by its place in the model.
    Partition(usize),
    /// A group, and one of its partitions, if it is about a single one.
    Group(GroupId, Option<TopicPartition>),
    /// A send, by its place among all of them.
    Send(usize),
    /// A plain consumer's way through a partition, by its place in the model.
    Reader(usize),
}

impl Wait {
    /// It may have begun at any time.
    pub(super) fn new(check: Check, on: On, text: String) -> Wait {
        Wait {
            check,
            text,
            on,
            since: At::default(),
        }
    }
}

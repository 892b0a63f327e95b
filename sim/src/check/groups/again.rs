//! Why a record was worked on again: what became of the position behind it, and of its owner.

use broker_core::types::{NodeId, TopicPartition};

use crate::check::nodes::Nodes;
use crate::check::witness::{Line, Note, Noted, Notes, OfGroup};
use crate::history::At;

/// What happened to a record's partition between two ends of work on it.
pub(super) struct Again {
    /// Who had ended work on it.
    pub by: NodeId,
    /// The cause of it all.
    pub cause: Cause,
    ended: At,
    partition: TopicPartition,
}

/// Why the position behind a record was not there when somebody took the partition up again. The most
/// informative first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Cause {
    /// It was there, and expired.
    Expired,
    /// A program went back by itself.
    Sought,
    /// Its commit was refused.
    Refused,
    /// Its owner's process ended before.
    Died,
    /// Its owner lost the partition before.
    OwnerChanged,
    /// A position was reset.
    Moved,
}

impl Cause {
    /// The clause of the contract that allows it.
    pub fn clause(self) -> &'static str {
        match self {
            Cause::Expired => {
                "the group's position had expired: it is kept for offsets.retention.minutes after the group became empty"
            }
            Cause::Sought => "the program had moved its own position back",
            Cause::Refused => "at least once: the commit of the position behind it was not taken",
            Cause::Died => "at least once: its owner's process ended before the position behind it was committed",
            Cause::OwnerChanged => "at least once: its owner changed before the position behind it was committed",
            Cause::Moved => "at least once: its owner's position was reset to before it",
        }
    }

    /// The same in the evidence.
    pub fn sentence(self) -> &'static str {
        match self {
            Cause::Expired => "the position behind it had expired",
            Cause::Sought => "the program had gone back",
            Cause::Refused => "the commit of the position behind it was not taken",
            Cause::Died => "its owner's process had ended before the position behind it was committed",
            Cause::OwnerChanged => "the partition changed its owner before the position behind it was committed",
            Cause::Moved => "its owner's position was reset to before it",
        }
    }
}

impl Again {
    /// Work on a record begins again, on which that node had ended then.
    pub fn new(notes: &Notes, partition: TopicPartition, (by, ended): (NodeId, At)) -> Again {
        let between = of(notes, partition, ended);
        let causes = between.filter_map(|(note, what)| match what {
            OfGroup::Expired => Some(Cause::Expired),
            OfGroup::Sought => Some(Cause::Sought),
            OfGroup::Refused if note.node == by => Some(Cause::Refused),
            OfGroup::Died if note.node == by => Some(Cause::Died),
            OfGroup::Owns | OfGroup::Released => Some(Cause::OwnerChanged),
            _ => None,
        });
        Again {
            by,
            cause: causes.min().unwrap_or(Cause::Moved),
            ended,
            partition,
        }
    }

    /// The first event of each kind that shows what became of the position and of the owner, and how the new one began.
    pub fn lines(&self, notes: &Notes, nodes: &Nodes, node: NodeId) -> Vec<Line> {
        let first = |wanted: &dyn Fn(&Note, OfGroup) -> bool| {
            let found = of(notes, self.partition, self.ended).find(|(note, what)| wanted(note, *what));
            found.map(|(note, _)| notes.line(note, nodes))
        };
        let newest = |wanted: OfGroup| {
            let found =
                of(notes, self.partition, self.ended).filter(|(note, what)| note.node == node && *what == wanted);
            found.last().map(|(note, _)| notes.line(note, nodes))
        };
        let by = self.by;
        let lines = [
            first(&|_, what| what == OfGroup::Expired),
            first(&|note, what| what == OfGroup::Refused && note.node == by),
            first(&|note, what| what == OfGroup::Died && note.node == by),
            first(&|note, what| what == OfGroup::Released && note.node == by),
            newest(OfGroup::Sought),
            newest(OfGroup::Owns),
            newest(OfGroup::Moved),
        ];
        // The two ends of work and the last commit have their places beside these.
        lines.into_iter().flatten().take(5).collect()
    }
}

/// What happened to the partition from then on.
fn of(notes: &Notes, partition: TopicPartition, since: At) -> impl Iterator<Item = (&Note, OfGroup)> {
    let about = notes.since(since).filter(move |note| note.what.is_about(partition));
    about.filter_map(|note| match &note.what {
        Noted::OfGroup { what, .. } => Some((note, *what)),
        _ => None,
    })
}

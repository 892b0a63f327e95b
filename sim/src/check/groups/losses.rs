//! What follows for groups when a log loses committed records: what the loss brings about is allowed if the loss was,
//! and a violation if the loss was one.

use core::time::Duration;

use broker_core::protocol::Acks;
use broker_core::types::{Offset, PartitionIndex, TopicName, TopicPartition};

use crate::check::blame;
use crate::check::model::Model;
use crate::check::sends::{Outcome, Sends};
use crate::history::{At, SimTime, Uid};
use crate::verdict::Ruling;

/// How long what a coordinator stated before a loss may take to reach the fact that reports it.
const WINDOW: Duration = Duration::from_secs(10);

/// The partition of the offsets topic in which a group's coordinator keeps what it knows.
#[derive(Clone, Copy)]
pub(super) struct OffsetsLog(pub PartitionIndex);

impl OffsetsLog {
    /// The ruling on what only a coordinator does that has forgotten what was known at `since`.
    pub fn forgotten(self, model: &Model, since: At, now: At) -> Ruling {
        let mut logs = model.partitions_of(TopicName::CONSUMER_OFFSETS);
        let Some(log) = logs.find(|log| log.id.partition == self.0) else {
            return Ruling::Violation;
        };
        let since = SimTime(since.time.0.saturating_sub(WINDOW.as_nanos() as u64));
        because("the offsets log", log.ruling_of_loss_between(since, now.time))
    }
}

/// The ruling on what affects the record at an offset because another one, or the same, stood there before a loss.
pub(super) fn at(model: &Model, partition: TopicPartition, offset: Offset) -> Ruling {
    let versions = model
        .find(partition)
        .map_or(&[][..], |partition| &partition.ledger.versions);
    let lost = versions.iter().find(|version| version.at(offset).is_some());
    lost.map_or(Ruling::Violation, |version| {
        because("the log that it was read from", version.ruling(offset).clone())
    })
}

/// The ruling on what affects a group because a record that it sent is gone.
pub(super) fn of_send(model: &Model, sends: &Sends, uid: Uid) -> Ruling {
    let Some(send) = sends.find(uid).filter(|send| send.place.is_none()) else {
        return Ruling::Violation;
    };
    let ruling = match (send.lost, send.outcome) {
        (Some((partition, version, offset)), _) => {
            let ledger = &model.partitions[partition].ledger;
            ledger.versions[version].ruling(offset).clone()
        }
        (
            None,
            Outcome::Ok {
                at,
                partition,
                offset,
                acks: acks @ (Acks::None | Acks::Leader),
            },
        ) => blame::uncommitted_loss(&model.partitions[partition], acks, offset, at),
        _ => Ruling::Violation,
    };
    because("the log of its copy", ruling)
}

fn because(log: &str, loss: Ruling) -> Ruling {
    match loss {
        Ruling::Allowed(clause) => Ruling::Allowed(format!("{log} lost committed records, because {clause}")),
        other => other,
    }
}

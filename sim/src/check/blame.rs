//! When may an acknowledged record be lost? The table "When losing an ok write is allowed" of the catalogue.
//!
//! The blame is exact: it follows every replica that held the record through the power losses that hit it.

use core::fmt;

use broker_core::protocol::Acks;
use broker_core::types::{LeaderEpoch, Offset};

use super::ledger::Commit;
use super::mirror::Batch;
use super::model::Partition;
use super::nodes::Nodes;
use crate::history::{At, SimTime};
use crate::verdict::Ruling;

/// The clauses of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Clause {
    /// acks=0.
    NoAcks,
    /// acks=1, and the leader changed.
    LeaderAckLeaderChange,
    /// acks=1, and the leader lost power.
    LeaderAckPowerLoss,
    /// The topic takes leaders from outside the ISR.
    Unclean,
    /// Nobody had it any more.
    EveryReplica,
    /// The ISR was one replica, and that lost power.
    LastStanding,
    /// More power losses than the topic's setting covers.
    Budget(u32),
    /// Nothing detects that the producer sent it twice.
    RetryWithoutIdempotence,
    /// Nothing keeps several requests in flight in order.
    InFlightWithoutIdempotence,
    /// The first attempt arrived after its producer had given it up.
    LateAttempt,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clause::NoAcks => f.write_str("acks=0 promises nothing"),
            Clause::LeaderAckLeaderChange => {
                f.write_str("acks=1 promises the leader's log alone: it was never committed and the leader changed after the ack")
            }
            Clause::LeaderAckPowerLoss => {
                f.write_str("acks=1 promises the leader's log alone: it was never committed and that leader lost power after the ack")
            }
            Clause::Unclean => f.write_str("unclean.leader.election.enable=true: a replica outside the ISR was elected"),
            Clause::EveryReplica => f.write_str("every in-sync replica of the commit lost it to a power loss before a flush"),
            Clause::LastStanding => f.write_str(
                "last replica standing: the ISR had shrunk to one replica, which lost power before a flush. Kafka 4.1 would have elected an eligible leader replica (KIP-966, on by default in new clusters), which Trial does not model yet",
            ),
            Clause::Budget(min) => write!(
                f,
                "min.insync.replicas={min}: as many holders lost it to power losses before a flush as the setting covers"
            ),
            Clause::RetryWithoutIdempotence => f.write_str("enable.idempotence=false with retries"),
            Clause::InFlightWithoutIdempotence => {
                f.write_str("enable.idempotence=false with retries and several requests in flight")
            }
            Clause::LateAttempt => f.write_str("enable.idempotence=false: an attempt took effect after its producer had given it up"),
        }
    }
}

impl From<Clause> for Ruling {
    fn from(clause: Clause) -> Ruling {
        Ruling::Allowed(clause.to_string())
    }
}

/// Whether a committed batch may be missing in the log with which `leader` begins to lead.
pub(super) fn committed_loss(
    partition: &Partition,
    nodes: &Nodes,
    leader: usize,
    batch: &Batch,
    commit: &Commit,
) -> Ruling {
    if partition.unclean_pending && partition.promise.unclean_election {
        return Clause::Unclean.into();
    }
    let struck = |slot: usize| {
        let replica = &partition.replicas[slot];
        let mirror = &replica.mirror;
        // A node that lost power and is not back yet may have lost whatever it had not flushed.
        let unknown_yet = nodes.crashes_since(replica.node, mirror.life).iter();
        mirror.has_lost(batch.base)
            || batch.next > mirror.flushed
                && unknown_yet
                    .into_iter()
                    .any(|crash| crash.is_some_and(|bytes| bytes > 0))
    };
    if !struck(leader) {
        return Ruling::Violation;
    }
    if commit.isr.iter().all(struck) {
        return Clause::EveryReplica.into();
    }
    let isr = partition.state.as_ref().map(|state| state.isr);
    if isr.is_some_and(|isr| isr.len() == 1 && isr.contains(leader)) {
        return Clause::LastStanding.into();
    }
    let min = partition.effective_min_isr();
    let hits = (0..partition.replicas.len()).filter(|slot| struck(*slot)).count() as u32;
    // One loss is what every setting covers, even min.insync.replicas=1, while others are in sync.
    if hits >= min.max(2) {
        return Clause::Budget(min).into();
    }
    Ruling::Violation
}

impl Partition {
    /// What follows from a loss between the two moments, if there was one that the contract allows: with the records
    /// the leader lost its producer state, so that it does not recognise an attempt that came twice or late.
    pub fn ruling_of_loss_between(&self, from: SimTime, to: SimTime) -> Ruling {
        let losses = self
            .ledger
            .versions
            .iter()
            .filter(|version| from <= version.at.time && version.at.time <= to);
        let mut rulings = losses.map(|version| &version.rulings[0]);
        rulings
            .find(|ruling| **ruling != Ruling::Violation)
            .cloned()
            .unwrap_or(Ruling::Violation)
    }
}

/// Whether an acknowledged record may never have been committed.
pub(super) fn uncommitted_loss(partition: &Partition, acks: Acks, offset: Option<Offset>, acked: At) -> Ruling {
    match acks {
        Acks::None => return Clause::NoAcks.into(),
        Acks::All => return Ruling::Violation,
        Acks::Leader => {}
    }
    let newest = partition
        .leaders
        .last_key_value()
        .map_or(LeaderEpoch::NONE, |(epoch, _)| *epoch);
    let Some(offset) = offset else {
        return if partition.leaders.len() > 1 {
            Clause::LeaderAckLeaderChange.into()
        } else {
            Ruling::Violation
        };
    };
    let answers = partition.leader_acks.iter().rev();
    let mut of_record = answers.filter(|ack| ack.first <= offset && offset <= ack.last && ack.at <= acked);
    let Some(ack) = of_record.next() else {
        return Ruling::Violation;
    };
    if ack.epoch < newest {
        return Clause::LeaderAckLeaderChange.into();
    }
    let taken = partition
        .losses
        .iter()
        .any(|loss| loss.slot == ack.slot && loss.at >= ack.at && loss.from <= offset);
    if taken {
        Clause::LeaderAckPowerLoss.into()
    } else {
        Ruling::Violation
    }
}

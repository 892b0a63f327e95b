//! What the leaders of partitions are asked besides records: the offset to begin at, and whether their logs agree with what was
//! read (Kafka's `OffsetFetcher`).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::client::network::Reply;
use crate::config::{AutoOffsetReset, ConsumerConfig};
use crate::protocol::{IsolationLevel, ListOffsetsRequest, OffsetForLeaderEpochRequest, OffsetSpec, Request, Response};
use crate::trace::ResetCause;
use crate::types::{NodeId, Timestamp, TopicPartition};

use super::asked::Kind;
use super::assignment::{Assigned, Assignment, Outcome, Stage};

/// Who can be asked now.
pub(super) enum Askable {
    /// Nobody: a request is out, the application does not own the partition, or its leader is not known.
    Nobody,
    /// The position is of a later epoch than the leader that is known, which cannot judge it: newer metadata comes first.
    Outdated,
    /// The leader.
    Leader(NodeId),
}

/// What the leader of a partition in this stage is asked, if anything but records.
pub(super) fn kind(stage: Stage) -> Option<Kind> {
    match stage {
        Stage::Reset(_) => Some(Kind::Offsets),
        Stage::Validate => Some(Kind::EpochEnds),
        Stage::Committed | Stage::Fetch | Stage::Halted => None,
    }
}

/// Who can be asked about a partition.
pub(super) fn askable(partition: &Assigned, kind: Kind) -> Askable {
    let Some((node, epoch)) = partition.leader().filter(|_| partition.wants_request()) else {
        return Askable::Nobody;
    };
    let position_epoch = partition.position().and_then(|position| position.offset_epoch);
    if kind == Kind::EpochEnds && position_epoch > Some(epoch) {
        return Askable::Outdated;
    }
    Askable::Leader(node)
}

/// What is sent to the leader of the partitions in these places, at this wall clock time.
pub(super) fn request(
    assigned: &Assignment,
    kind: Kind,
    places: &[usize],
    config: &ConsumerConfig,
    wall: Timestamp,
) -> Request {
    let partitions = places.iter().map(|place| assigned.at(*place));
    match kind {
        Kind::Offsets => offsets_request(partitions, config.auto_offset_reset, wall).into(),
        Kind::EpochEnds => epoch_ends_request(partitions).into(),
    }
}

fn offsets_request<'a>(
    partitions: impl Iterator<Item = &'a Assigned>,
    policy: AutoOffsetReset,
    wall: Timestamp,
) -> ListOffsetsRequest {
    let of = |partition: &Assigned| {
        let sought = partition
            .sought
            .filter(|_| partition.stage() == Stage::Reset(ResetCause::Seek));
        let by_policy = match policy {
            AutoOffsetReset::Earliest => OffsetSpec::Earliest,
            AutoOffsetReset::ByDuration(ago) if !partition.has_nothing_young => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                OffsetSpec::AtTimestamp(Timestamp(wall.0.saturating_sub(ago).max(0)))
            }
            AutoOffsetReset::Latest | AutoOffsetReset::None | AutoOffsetReset::ByDuration(_) => OffsetSpec::Latest,
        };
        Some((
            partition.id()?,
            partition.leader().map(|(_, epoch)| epoch),
            sought.unwrap_or(by_policy),
        ))
    };
    ListOffsetsRequest {
        isolation: IsolationLevel::ReadUncommitted,
        partitions: partitions.filter_map(of).collect(),
    }
}

fn epoch_ends_request<'a>(partitions: impl Iterator<Item = &'a Assigned>) -> OffsetForLeaderEpochRequest {
    let of = |partition: &Assigned| {
        let epoch = partition.position()?.offset_epoch?;
        Some((partition.id()?, partition.leader().map(|(_, epoch)| epoch), epoch))
    };
    OffsetForLeaderEpochRequest {
        partitions: partitions.filter_map(of).collect(),
    }
}

/// Takes the answer over for the partitions for which it still counts, by their places. What each of them calls for; nothing
/// if the connection was lost, whose back-off is enough.
pub(super) fn replied(
    assigned: &mut Assignment,
    kind: Kind,
    mut asked: BTreeMap<TopicPartition, usize>,
    reply: Reply,
    policy: AutoOffsetReset,
) -> Vec<(usize, Outcome)> {
    let mut outcomes = Vec::with_capacity(asked.len());
    match (kind, reply) {
        (Kind::Offsets, Reply::Answer(Response::ListOffsets(answer))) => {
            for partition in answer.partitions {
                if let Some(place) = asked.remove(&partition.partition) {
                    outcomes.push((place, assigned.offset_found(place, &partition)));
                }
            }
        }
        (Kind::EpochEnds, Reply::Answer(Response::OffsetForLeaderEpoch(answer))) => {
            for (partition, error, end) in answer.partitions {
                if let Some(place) = asked.remove(&partition) {
                    outcomes.push((place, assigned.epoch_end_found(place, error, end, policy)));
                }
            }
        }
        (_, Reply::Lost(_)) => return outcomes,
        (_, Reply::Answer(_)) => {}
    }
    outcomes.extend(asked.into_values().map(|place| (place, Outcome::Unanswered)));
    outcomes
}

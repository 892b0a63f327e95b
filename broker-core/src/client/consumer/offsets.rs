//! Where new partitions begin: the positions that the group has stored (`ConsumerCoordinator.fetchCommittedOffsets`).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::client::network::Reply;
use crate::machine::Instant;
use crate::protocol::{ErrorCode, OffsetAndMetadata, OffsetFetchRequest, Response};
use crate::types::{GroupEpoch, NodeId, TopicPartition};

use super::Consumer;
use super::asked::GroupAsked;
use super::assignment::Stage;

impl Consumer {
    /// Asks for the stored positions of all partitions that wait for theirs.
    pub(super) fn fetch_committed(&mut self, now: Instant) {
        let mut waiting = Vec::new();
        let mut next = None;
        for index in self.assigned.unsettled() {
            let partition = self.assigned.at(index);
            if partition.stage() != Stage::Committed || partition.id().is_none() || !partition.wants_request() {
                continue;
            }
            if partition.retry_at > now {
                next = Some(next.map_or(partition.retry_at, |next: Instant| next.min(partition.retry_at)));
            } else {
                waiting.push(index);
            }
        }
        if let Some(at) = next {
            self.wake_at(at);
        }
        if waiting.is_empty() {
            return;
        }
        let (Some(to), Some(group)) = (self.ready_coordinator(now), &self.group) else {
            return;
        };
        let (member, member_epoch) = self.offset_fetch_member().unwrap_or((None, GroupEpoch::NONE));
        let turns = self.assigned.begin_turns(&waiting);
        let request = OffsetFetchRequest {
            group: group.id.clone(),
            member,
            member_epoch,
            partitions: Some(turns.iter().map(|(id, _)| *id).collect()),
            require_stable: true,
        };
        self.ask_coordinator(now, to, request.into(), GroupAsked::Offsets(turns));
    }

    /// The stored positions were answered.
    pub(super) fn committed_found(
        &mut self,
        now: Instant,
        from: NodeId,
        turns: Vec<(TopicPartition, u64)>,
        reply: Reply,
    ) {
        let mut turns = self.assigned.end_turns(turns);
        match reply {
            Reply::Answer(Response::OffsetFetch(answer)) if answer.error.is_ok() => {
                for (id, stored) in answer.partitions {
                    if let Some(index) = turns.remove(&id) {
                        self.begin_at(index, stored);
                    }
                }
            }
            Reply::Answer(Response::OffsetFetch(answer)) => {
                self.follow_coordinator_error(from, answer.error);
                if self.quirks.reset_on_transient_error && answer.error.is_retriable() {
                    return self.begin_anywhere(turns);
                }
                if answer.error == ErrorCode::UnknownMemberId || answer.error == ErrorCode::StaleMemberEpoch {
                    self.heartbeat_soon();
                }
            }
            Reply::Answer(_) | Reply::Lost(_) => {}
        }
        for index in turns.into_values() {
            self.back_off(now, index);
        }
    }

    /// The quirk `reset-on-transient-error`: nobody asks again.
    fn begin_anywhere(&mut self, turns: BTreeMap<TopicPartition, usize>) {
        for index in turns.into_values() {
            self.begin_at(index, None);
        }
    }

    fn begin_at(&mut self, place: usize, stored: Option<OffsetAndMetadata>) {
        let change = self.assigned.begin_at(place, stored, self.config.auto_offset_reset);
        self.announce(change);
    }
}

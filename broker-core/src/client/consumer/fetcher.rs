//! The consumer's requests and what their answers mean for positions (Kafka's `Fetcher` and `OffsetFetcher`).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::client::network::{Lost, Reply};
use crate::config::{AutoOffsetReset, wire_millis};
use crate::fetch_session::FetchSession;
use crate::machine::{Channel, Instant};
use crate::protocol::{
    ErrorCode, FetchPartition, FetchPartitionResponse, FetchRequest, IsolationLevel, ListOffsetsPartitionResponse,
    ListOffsetsRequest, OffsetForLeaderEpochRequest, OffsetSpec, Request, Response,
};
use crate::trace::{self, Event, ResetCause};
use crate::types::{EpochEndOffset, NodeId, Offset, Timestamp, TopicPartition};

use super::asked::{Asked, Kind};
use super::assignment::{Assigned, Position, Stage};
use super::{Consumer, ConsumerNotice};

/// A broker that partitions are fetched from.
#[derive(Default)]
pub(super) struct Source {
    session: FetchSession,
    /// A fetch is out.
    is_asked: bool,
    /// The session may name partitions that are not assigned any more.
    has_strangers: bool,
}

impl Consumer {
    /// Sends whatever may be sent now.
    pub(super) fn pump(&mut self, now: Instant) {
        self.wake = None;
        self.pump_group(now);
        if self.network.has_given_up() {
            self.close_connections(now);
            self.pump_group(now);
        }
        if self.metadata.refresh_at().is_some_and(|due| due <= now) {
            let mut cx = context!(self, now);
            if let Some(node) = self.metadata.any_broker(&mut cx, &mut self.network) {
                let request = self.metadata.request();
                let to = (node, Channel::Client);
                self.network.request(&mut cx, to, request.into(), Asked::Metadata);
            }
        }

        let mut groups: BTreeMap<(NodeId, Kind), Vec<usize>> = BTreeMap::new();
        for index in self.assigned.unsettled().collect::<Vec<_>>() {
            let partition = self.assigned.at(index);
            if partition.id().is_some_and(|id| !self.metadata.knows(id)) {
                // It is younger than the metadata: the topic has more partitions now.
                self.metadata.request_update();
            }
            let kind = match partition.stage() {
                Stage::Reset(_) => Kind::Offsets,
                Stage::Validate => Kind::EpochEnds,
                Stage::Committed | Stage::Fetch | Stage::Halted => {
                    self.follow_fetch(now, index);
                    continue;
                }
            };
            self.stop_fetching(index);
            let partition = self.assigned.at(index);
            let Some((node, epoch)) = partition.leader().filter(|_| partition.wants_request()) else {
                continue;
            };
            // A leader that is older than the position cannot judge it.
            let position_epoch = partition.position().and_then(|position| position.offset_epoch);
            if kind == Kind::EpochEnds && position_epoch > Some(epoch) {
                self.metadata.request_update();
                continue;
            }
            let Some(ready_at) = self.network.ready_at((node, Channel::Client)) else {
                continue;
            };
            let at = ready_at.max(partition.retry_at);
            if at > now {
                self.wake_at(at);
            } else if self.network.ready(&mut context!(self, now), (node, Channel::Client)) {
                groups.entry((node, kind)).or_default().push(index);
            }
        }
        for ((node, kind), partitions) in groups {
            self.ask(now, node, kind, &partitions);
        }
        self.send_fetches(now);
    }

    /// Sees that the next fetch asks for a partition what it should. While a fetch is out, what it asked stands.
    fn follow_fetch(&mut self, now: Instant, index: usize) {
        let partition = self.assigned.at(index);
        if partition.is_readable() {
            // Nothing is fetched from its leader until the records are taken, and then the partition is looked at again.
            let leader = partition.leader().map(|(node, _)| node);
            let is_from_leader = partition.fetched_from().is_none_or(|from| Some(from) == leader);
            if is_from_leader || self.stop_fetching(index) {
                self.assigned.settle(index);
            }
            return;
        }
        let is_fetched = partition.stage() == Stage::Fetch && partition.wants_request();
        let Some((node, epoch)) = partition.leader().filter(|_| is_fetched) else {
            let is_settled = self.stop_fetching(index);
            let partition = self.assigned.at(index);
            // The group is asked about a partition that waits for its committed position.
            let waits =
                partition.stage() == Stage::Committed || partition.id().is_some_and(|id| !self.metadata.knows(id));
            if is_settled && !waits {
                self.assigned.settle(index);
            }
            return;
        };
        if partition.retry_at > now {
            let at = partition.retry_at;
            self.stop_fetching(index);
            return self.wake_at(at);
        }
        if partition.fetched_from().is_some_and(|from| from != node) && !self.stop_fetching(index) {
            return;
        }
        let source = self.sources.entry(node).or_default();
        if source.is_asked {
            return;
        }
        let partition = self.assigned.at(index);
        if let (Some(id), Some(position)) = (partition.id(), partition.position()) {
            source.session.set(FetchPartition {
                partition: id,
                current_leader_epoch: Some(epoch),
                fetch_offset: position.offset,
                // A follower lets its leader compare logs with each fetch; a consumer asks when the leader changes.
                last_fetched_epoch: None,
                log_start_offset: Offset(-1),
                max_bytes: self.config.max_partition_fetch_bytes,
            });
            self.assigned.set_fetched(index, Some(node));
        }
        self.assigned.settle(index);
    }

    /// The next fetch asks nothing for a partition. False while one is out that does.
    fn stop_fetching(&mut self, index: usize) -> bool {
        let partition = self.assigned.at(index);
        let (Some(from), Some(id)) = (partition.fetched_from(), partition.id()) else {
            return true;
        };
        if let Some(source) = self.sources.get_mut(&from) {
            if source.is_asked {
                return false;
            }
            source.session.forget(id);
        }
        self.assigned.set_fetched(index, None);
        true
    }

    /// Fetches from every broker that has partitions to fetch and no fetch to answer.
    fn send_fetches(&mut self, now: Instant) {
        // Nothing is fetched from these until the application has taken what they gave (KAFKA-17182). A fetch without the
        // partitions that have records buffered would be parked for `fetch.max.wait.ms` if the others are idle, and the
        // busy ones would wait behind it. What the application does not get for now, as of paused partitions, stops nobody.
        let buffered = self.assigned.ready_leaders();
        let some_left = self.assigned.take_some_left();
        for (node, source) in &mut self.sources {
            source.has_strangers |= some_left;
            if source.is_asked || buffered.contains(node) {
                continue;
            }
            if core::mem::take(&mut source.has_strangers) {
                let source_of = |id| self.assigned.find(id).and_then(Assigned::fetched_from);
                source.session.retain(|id| source_of(id) == Some(*node));
            }
            let peer = (*node, Channel::Client);
            let Some(ready_at) = self.network.ready_at(peer).filter(|_| !source.session.is_empty()) else {
                continue;
            };
            if ready_at > now {
                self.wake = Some(self.wake.map_or(ready_at, |wake| wake.min(ready_at)));
                continue;
            }
            if !self.network.ready(&mut context!(self, now), peer) {
                continue;
            }
            source.is_asked = true;
            let contents = source.session.next_fetch();
            let request = FetchRequest {
                replica: None,
                metadata: contents.metadata,
                max_wait_ms: wire_millis(self.config.fetch_max_wait_ms),
                min_bytes: self.config.fetch_min_bytes,
                max_bytes: self.config.fetch_max_bytes,
                isolation: IsolationLevel::ReadUncommitted,
                partitions: contents.partitions,
                forgotten: contents.forgotten,
            };
            let asked = Asked::Fetch { to: *node };
            self.network
                .request(&mut context!(self, now), peer, request.into(), asked);
        }
    }

    /// Closes the connections that were given up, and those whose oldest request has waited for too long.
    pub(super) fn close_connections(&mut self, now: Instant) {
        loop {
            let mut cx = context!(self, now);
            let Some(lost) = self.network.expire(&mut cx) else {
                break;
            };
            self.connection_lost(now, lost);
        }
    }

    /// A connection was lost, and all requests on it.
    pub(super) fn connection_lost(&mut self, now: Instant, lost: Lost<Asked>) {
        self.metadata.request_update();
        if let (node, Channel::Coordinator) = lost.peer {
            self.coordinator_lost(node);
        }
        for asked in lost.requests {
            self.replied(now, asked, Reply::Lost(lost.error));
        }
    }

    /// A request was answered.
    pub(super) fn replied(&mut self, now: Instant, asked: Asked, reply: Reply) {
        match (asked, reply) {
            (Asked::Metadata, Reply::Answer(Response::Metadata(answer))) => {
                if self.metadata.update(&mut context!(self, now), answer) {
                    self.follow_metadata();
                }
            }
            (Asked::Metadata, _) => self.metadata.failed(&mut context!(self, now)),
            (Asked::Fetch { to }, reply) => self.fetch_replied(now, to, reply),
            (Asked::Partitions { kind, turns }, reply) => {
                let turns = self.assigned.end_turns(turns);
                self.partitions_replied(now, kind, turns, reply);
            }
            (Asked::Group { to, what }, reply) => self.group_replied(now, to, what, reply),
        }
    }

    fn fetch_replied(&mut self, now: Instant, from: NodeId, reply: Reply) {
        let source = self.sources.entry(from).or_default();
        source.is_asked = false;
        let Reply::Answer(Response::Fetch(answer)) = reply else {
            // The back-off of the connection is enough.
            return source.session.on_lost();
        };
        if source.session.on_response(&answer) {
            for partition in answer.partitions {
                let place = self.assigned.place(partition.partition);
                if let Some(place) = place.filter(|place| self.assigned.at(*place).awaits_records(from)) {
                    self.fetched(now, place, partition);
                }
            }
        } else if !answer.error.is_lost_session() {
            for index in 0..self.assigned.len() {
                if self.assigned.at(index).fetched_from() == Some(from) {
                    self.back_off(now, index);
                }
            }
        }
    }

    fn partitions_replied(
        &mut self,
        now: Instant,
        kind: Kind,
        mut turns: BTreeMap<TopicPartition, usize>,
        reply: Reply,
    ) {
        match (kind, reply) {
            (Kind::Offsets, Reply::Answer(Response::ListOffsets(answer))) => {
                for partition in answer.partitions {
                    if let Some(index) = turns.remove(&partition.partition) {
                        self.offset_found(now, index, &partition);
                    }
                }
            }
            (Kind::EpochEnds, Reply::Answer(Response::OffsetForLeaderEpoch(answer))) => {
                for (partition, error, end) in answer.partitions {
                    if let Some(index) = turns.remove(&partition) {
                        self.epoch_end_found(now, index, error, end);
                    }
                }
            }
            // The back-off of the connection is enough.
            (_, Reply::Lost(_)) => return,
            (_, Reply::Answer(_)) => {}
        }
        // What the broker was asked and has not answered.
        for index in turns.into_values() {
            self.back_off(now, index);
        }
    }

    /// Takes new metadata over: ids and leaders.
    pub(super) fn follow_metadata(&mut self) {
        let first_stage = self.first_stage();
        for index in 0..self.assigned.len() {
            let partition = self.assigned.at(index);
            let Some(topic) = self.metadata.topic(&partition.topic) else {
                continue;
            };
            let id = TopicPartition {
                topic: topic.id,
                partition: partition.partition,
            };
            let is_new = self.assigned.identify(index, id, first_stage);
            if is_new && matches!(first_stage, Stage::Reset(_)) {
                self.begin_reset(index);
            }
            self.assigned.follow(index, self.metadata.leader(id));
        }
        self.follow_pattern();
        self.target_changed();
    }

    fn ask(&mut self, now: Instant, node: NodeId, kind: Kind, partitions: &[usize]) {
        let turns = self.assigned.begin_turns(partitions);
        let request: Request = match kind {
            Kind::Offsets => self.offsets_request(partitions).into(),
            Kind::EpochEnds => self.epoch_ends_request(partitions).into(),
        };
        let asked = Asked::Partitions { kind, turns };
        let to = (node, Channel::Client);
        self.network.request(&mut context!(self, now), to, request, asked);
    }

    fn offsets_request(&self, partitions: &[usize]) -> ListOffsetsRequest {
        let of = |index: &usize| {
            let partition = self.assigned.at(*index);
            let sought = partition
                .sought
                .filter(|_| partition.stage() == Stage::Reset(ResetCause::Seek));
            let by_policy = match self.config.auto_offset_reset {
                AutoOffsetReset::Earliest => OffsetSpec::Earliest,
                AutoOffsetReset::ByDuration(ago) if !partition.has_nothing_young => {
                    let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                    OffsetSpec::AtTimestamp(Timestamp(self.wall.0.saturating_sub(ago).max(0)))
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
            partitions: partitions.iter().filter_map(of).collect(),
        }
    }

    fn epoch_ends_request(&self, partitions: &[usize]) -> OffsetForLeaderEpochRequest {
        let of = |index: &usize| {
            let partition = self.assigned.at(*index);
            let epoch = partition.position()?.offset_epoch?;
            Some((partition.id()?, partition.leader().map(|(_, epoch)| epoch), epoch))
        };
        OffsetForLeaderEpochRequest {
            partitions: partitions.iter().filter_map(of).collect(),
        }
    }

    fn fetched(&mut self, now: Instant, index: usize, answer: FetchPartitionResponse) {
        if let Some(leader) = answer.current_leader
            && self.metadata.learn_leader(answer.partition, leader)
        {
            // KIP-951: the new leader is asked without back-off.
            self.assigned.follow(index, self.metadata.leader(answer.partition));
            if !answer.error.is_ok() || self.assigned.at(index).stage() != Stage::Fetch {
                return;
            }
        }
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                self.assigned.enter(index, Stage::Reset(ResetCause::OutOfRange));
                return self.begin_reset(index);
            }
            _ => return self.failed(now, index),
        }
        let partition = self.assigned.at_mut(index);
        partition.failures = 0;
        partition.high_watermark = Some(answer.high_watermark);
        self.assigned.buffer(index, answer.records);
    }

    fn offset_found(&mut self, now: Instant, index: usize, answer: &ListOffsetsPartitionResponse) {
        let (Some(offset), ErrorCode::None) = (answer.offset, answer.error) else {
            let partition = self.assigned.at_mut(index);
            // No record is young enough: the next one to come will be.
            if answer.error.is_ok() && !partition.has_nothing_young {
                partition.has_nothing_young = true;
                return;
            }
            return self.failed(now, index);
        };
        let partition = self.assigned.at(index);
        let Stage::Reset(cause) = partition.stage() else {
            return;
        };
        let to = Position {
            offset,
            offset_epoch: None,
            leader_epoch: partition.leader_epoch(),
        };
        self.reset_to(index, to, cause);
    }

    fn epoch_end_found(&mut self, now: Instant, index: usize, error: ErrorCode, end: Option<EpochEndOffset>) {
        if !error.is_ok() {
            return self.failed(now, index);
        }
        let Some(position) = self.assigned.at(index).position() else {
            return;
        };
        // Without an end: the leader has no epoch as late as that one.
        if end.is_some_and(|end| end.end_offset >= position.offset) {
            self.assigned.enter(index, Stage::Fetch);
        } else {
            self.truncated(index, end);
        }
    }

    /// The leader's log was cut below the position: go on where the logs part, or by `auto.offset.reset` if nobody
    /// knows where that is (Kafka `SubscriptionState.maybeCompleteValidation`).
    fn truncated(&mut self, index: usize, end: Option<EpochEndOffset>) {
        let partition = self.assigned.at(index);
        let (Some(id), Some(position)) = (partition.id(), partition.position()) else {
            return;
        };
        let diverging = end.map(|end| end.end_offset);
        if self.config.auto_offset_reset == AutoOffsetReset::None {
            self.assigned.enter(index, Stage::Halted);
            self.notices.push_back(ConsumerNotice::LogTruncated {
                partition: id,
                position: position.offset,
                diverging,
            });
            return;
        }
        let (Some(offset), Some(end)) = (diverging, end) else {
            self.assigned.enter(index, Stage::Reset(ResetCause::Truncated));
            return self.begin_reset(index);
        };
        let to = Position {
            offset,
            offset_epoch: Some(end.leader_epoch),
            leader_epoch: position.leader_epoch,
        };
        self.reset_to(index, to, ResetCause::Truncated);
    }

    fn reset_to(&mut self, index: usize, to: Position, cause: ResetCause) {
        let partition = self.assigned.at(index);
        if let Some(id) = partition.id() {
            self.out.trace(Event::PositionReset(trace::PositionReset {
                partition: id,
                from: partition.position().map(|position| position.offset),
                to: to.offset,
                cause,
            }));
        }
        self.assigned.go_to(index, to, Stage::Fetch);
    }

    /// A partition needs an offset to begin at: `auto.offset.reset` names it, or the application must.
    pub(super) fn begin_reset(&mut self, index: usize) {
        if self.config.auto_offset_reset == AutoOffsetReset::None {
            self.assigned.enter(index, Stage::Halted);
            let id = self.assigned.at(index).id();
            self.notices.extend(id.map(ConsumerNotice::NoOffset));
        }
    }

    /// Every other error passes once the leader is known or ready.
    fn failed(&mut self, now: Instant, index: usize) {
        self.metadata.request_update();
        if self.quirks.reset_on_transient_error && self.assigned.at(index).stage() == Stage::Fetch {
            self.assigned.enter(index, Stage::Reset(ResetCause::OutOfRange));
            self.begin_reset(index);
        }
        self.back_off(now, index);
    }

    pub(super) fn back_off(&mut self, now: Instant, index: usize) {
        let partition = self.assigned.at_mut(index);
        partition.retry_at = now + self.retry_backoff.after(partition.failures, &mut self.rng);
        partition.failures = partition.failures.saturating_add(1);
    }
}

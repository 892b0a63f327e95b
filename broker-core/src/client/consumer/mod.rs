//! The consumer with assigned partitions: positions, fetches, resets.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::client::metadata::Metadata;
use crate::client::network::{Backoff, Network, Reply};
use crate::config::{ConsumerConfig, millis};
use crate::machine::{Context, Input, Instant, Machine, Outbox, Output, earliest};
use crate::protocol::{ErrorCode, OffsetAndMetadata, Record};
use crate::random::Random;
use crate::trace::{Event, ResetCause};
use crate::types::{GroupEpoch, LeaderEpoch, MemberId, NodeId, Offset, PartitionIndex, TopicName, TopicPartition};

pub mod assignor;
mod fetcher;
mod partition;

#[cfg(test)]
mod tests;

use fetcher::Asked;
use partition::{Assigned, Position, Stage};

/// How many requests to one broker may be unanswered (a constant of the Java consumer).
const MAX_IN_FLIGHT: usize = 100;

/// A record as the application gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerRecord {
    /// Where from.
    pub partition: TopicPartition,
    /// The epoch of the leader that appended it.
    pub leader_epoch: LeaderEpoch,
    /// Offset, timestamp, key, value, headers.
    pub record: Record,
}

/// Names one commit among all that a consumer was asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct CommitId(pub u64);

/// What a rebalance listener is told (Kafka `ConsumerRebalanceListener`). Until the application says
/// [`Consumer::rebalance_done`] the consumer does not go on with the rebalance.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Rebalance {
    /// These are being taken away in good order; their positions can still be committed.
    Revoked(Vec<TopicPartition>),
    /// These are gone already: somebody else may own them.
    Lost(Vec<TopicPartition>),
    /// These have come.
    Assigned(Vec<TopicPartition>),
}

/// Something that the application may want to know.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum ConsumerNotice {
    /// A commit was sent: asked for by the application, or by the consumer itself (`enable.auto.commit`).
    CommitSent {
        /// Which.
        id: CommitId,
        /// The positions.
        offsets: Vec<(TopicPartition, Offset)>,
    },
    /// A commit ended.
    CommitCompleted {
        /// Which.
        id: CommitId,
        /// The positions.
        offsets: Vec<(TopicPartition, Offset)>,
        /// Success, or why not.
        error: ErrorCode,
    },
    /// The consumer cannot stay in its group, and will not come back by itself (FENCED_INSTANCE_ID,
    /// GROUP_MAX_SIZE_REACHED, UNSUPPORTED_ASSIGNOR, INCONSISTENT_GROUP_PROTOCOL, …).
    GroupFailed(ErrorCode),
    /// No position and `auto.offset.reset=none`: the partition stands still until a seek.
    NoOffset(TopicPartition),
    /// The log was cut below the position and `auto.offset.reset=none`: it stands still until a seek.
    LogTruncated {
        /// The partition.
        partition: TopicPartition,
        /// The position.
        position: Offset,
        /// Where the logs part, if known.
        diverging: Option<Offset>,
    },
}

/// A consumer of assigned partitions.
///
/// [`Consumer::assign`], [`Consumer::seek`] and [`Consumer::take_records`] come from the application,
/// [`Machine::handle`] from the network and the clock. After each of them drain [`Machine::poll`] and
/// [`Consumer::next_notice`], and ask [`Machine::deadline`].
///
/// As in Kafka there is at most one fetch per broker, for those of its partitions whose fetched records have all been
/// taken, so it fetches ahead by one answer per partition. A partition without a position asks for the offset that
/// `auto.offset.reset` names; one whose leader epoch changed first asks the new leader whether its log still agrees
/// with what was read (KIP-320).
pub struct Consumer {
    config: ConsumerConfig,
    rng: Random,
    out: Outbox,
    network: Network<Asked>,
    metadata: Metadata,
    retry_backoff: Backoff,
    assigned: Vec<Assigned>,
    by_id: BTreeMap<TopicPartition, usize>,
    /// Partitions with fetched records, in the order in which they came.
    ready: VecDeque<usize>,
    /// Brokers with an unanswered fetch.
    fetching: BTreeSet<NodeId>,
    notices: VecDeque<ConsumerNotice>,
    /// How many partitions were ever assigned.
    assignments: u64,
    /// How many answers had records: the latest turn of a partition.
    answers: u64,
    /// When a partition's back-off or a reconnect back-off that it waits for ends.
    wake: Option<Instant>,
}

impl Consumer {
    /// A consumer that knows the cluster by `bootstrap`.
    #[must_use]
    pub fn new(config: ConsumerConfig, bootstrap: Vec<NodeId>, rng: Random) -> Consumer {
        let retry_backoff = Backoff {
            initial: millis(config.retry_backoff_ms),
            max: millis(config.retry_backoff_max_ms),
        };
        let reconnect = Backoff {
            initial: millis(config.reconnect_backoff_ms),
            max: millis(config.reconnect_backoff_max_ms),
        };
        Consumer {
            network: Network::new(millis(config.request_timeout_ms), reconnect, MAX_IN_FLIGHT),
            metadata: Metadata::new(bootstrap, millis(config.metadata_max_age_ms), retry_backoff),
            config,
            rng,
            out: Outbox::default(),
            retry_backoff,
            assigned: Vec::new(),
            by_id: BTreeMap::new(),
            ready: VecDeque::new(),
            fetching: BTreeSet::new(),
            notices: VecDeque::new(),
            assignments: 0,
            answers: 0,
            wake: None,
        }
    }

    /// Reads these partitions from now on, and no others; a partition that stays keeps its position. Topics that do
    /// not exist yet are waited for.
    pub fn assign(&mut self, now: Instant, partitions: Vec<(TopicName, PartitionIndex)>) {
        let kept = core::mem::take(&mut self.assigned).into_iter();
        let mut kept: BTreeMap<_, _> = kept.map(|old| ((old.topic.clone(), old.partition), old)).collect();
        let mut seen = BTreeSet::new();
        for key in partitions {
            if !seen.insert(key.clone()) {
                continue;
            }
            self.metadata.want(&key.0);
            let (topic, partition) = key.clone();
            self.assignments += 1;
            let assigned = kept.remove(&key);
            self.assigned
                .push(assigned.unwrap_or_else(|| Assigned::new(topic, partition, self.assignments)));
        }
        let assigned = &self.assigned;
        self.metadata
            .retain(|name| assigned.iter().any(|partition| partition.topic == *name));
        self.by_id.clear();
        self.ready.clear();
        for (index, partition) in self.assigned.iter().enumerate() {
            self.by_id.extend(partition.id.map(|id| (id, index)));
            if partition.has_records() {
                self.ready.push_back(index);
            }
        }
        self.follow_metadata();
        self.pump(now);
    }

    /// The id of an assigned partition, once its topic is known.
    #[must_use]
    pub fn partition_id(&self, topic: &TopicName, partition: PartitionIndex) -> Option<TopicPartition> {
        let is_it = |assigned: &&Assigned| assigned.topic == *topic && assigned.partition == partition;
        self.assigned.iter().find(is_it)?.id
    }

    /// The name of an assigned partition's topic.
    #[must_use]
    pub fn topic_name(&self, partition: TopicPartition) -> Option<TopicName> {
        let index = self.by_id.get(&partition)?;
        Some(self.assigned[*index].topic.clone())
    }

    /// Shares the partitions of these topics with the other members of `group.id`; nothing that was assigned or
    /// subscribed before stays.
    pub fn subscribe(&mut self, _now: Instant, _topics: Vec<TopicName>) {
        todo!()
    }

    /// Commits if it commits by itself, gives up all partitions in good order, and leaves its group. Static members
    /// leave only for a while.
    pub fn close(&mut self, _now: Instant) {
        todo!()
    }

    /// Whether [`Consumer::close`] has come to its end: answered, or timed out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        todo!()
    }

    /// The application polls: it is alive (`max.poll.interval.ms`), takes part in rebalances, and positions of what it
    /// got before may be committed by the way (`enable.auto.commit`).
    pub fn polled(&mut self, _now: Instant) {
        todo!()
    }

    /// What the application must hear next, before it gets more records.
    #[must_use]
    pub fn rebalance(&self) -> Option<&Rebalance> {
        todo!()
    }

    /// The application has heard the rebalance that [`Consumer::rebalance`] tells.
    pub fn rebalance_done(&mut self, _now: Instant) {
        todo!()
    }

    /// The partitions that it reads: assigned by hand, or owned as a member.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        todo!()
    }

    /// Its member id and epoch, while it is a member.
    #[must_use]
    pub fn group_metadata(&self) -> Option<(MemberId, GroupEpoch)> {
        todo!()
    }

    /// Sends a commit of these positions, or of all current ones. Its end comes as a notice. Retries what may be tried
    /// again, within `default.api.timeout.ms`.
    pub fn commit(&mut self, _now: Instant, _offsets: Option<Vec<(TopicPartition, OffsetAndMetadata)>>) -> CommitId {
        todo!()
    }

    /// Stops fetching these; their positions stay.
    pub fn pause(&mut self, _now: Instant, _partitions: &[TopicPartition]) {
        todo!()
    }

    /// Fetches these again.
    pub fn resume(&mut self, _now: Instant, _partitions: &[TopicPartition]) {
        todo!()
    }

    /// Moves the position; fetched records of the partition are dropped. Does nothing for a partition that is not
    /// assigned.
    pub fn seek(&mut self, now: Instant, partition: TopicPartition, offset: Offset) {
        let Some(index) = self.by_id.get(&partition).copied() else {
            return;
        };
        self.drop_records(index);
        let assigned = &mut self.assigned[index];
        self.out.trace(Event::PositionReset {
            partition,
            from: assigned.position.map(|position| position.offset),
            to: offset,
            cause: ResetCause::Seek,
        });
        assigned.position = Some(Position {
            offset,
            offset_epoch: None,
            last_fetched_epoch: None,
            leader_epoch: assigned.leader.map_or(LeaderEpoch::NONE, |(_, epoch)| epoch),
        });
        assigned.enter(Stage::Fetch);
        self.pump(now);
    }

    /// The offset of the next record that the application gets.
    #[must_use]
    pub fn position(&self, partition: TopicPartition) -> Option<Offset> {
        let assigned = &self.assigned[*self.by_id.get(&partition)?];
        let is_valid = !matches!(assigned.stage, Stage::Reset(_) | Stage::Halted);
        assigned.position.filter(|_| is_valid).map(|position| position.offset)
    }

    /// The leader's high watermark less the position, as of the last fetch.
    #[must_use]
    pub fn lag(&self, partition: TopicPartition) -> Option<u64> {
        let position = self.position(partition)?;
        let high_watermark = self.assigned[*self.by_id.get(&partition)?].high_watermark?;
        Some(u64::try_from(high_watermark.0 - position.0).unwrap_or(0))
    }

    /// The next fetched records, at most `max.poll.records`; moves the positions past them. Fetches ahead. Drain
    /// [`Machine::poll`] afterwards.
    pub fn take_records(&mut self, now: Instant) -> Vec<ConsumerRecord> {
        let limit = self.config.max_poll_records as usize;
        let mut records = Vec::new();
        let mut is_some_empty = false;
        while records.len() < limit
            && let Some(index) = self.ready.front()
        {
            let assigned = &mut self.assigned[*index];
            assigned.take(limit, &mut records);
            if !assigned.has_records() {
                self.ready.pop_front();
                is_some_empty = true;
            }
        }
        if is_some_empty {
            self.pump(now);
        }
        records
    }

    /// Whether [`Consumer::take_records`] would give any.
    #[must_use]
    pub fn has_records(&self) -> bool {
        !self.ready.is_empty() && self.config.max_poll_records > 0
    }

    /// The next notice.
    pub fn next_notice(&mut self) -> Option<ConsumerNotice> {
        self.notices.pop_front()
    }

    fn drop_records(&mut self, index: usize) {
        self.assigned[index].drop_records();
        self.ready.retain(|ready| *ready != index);
    }
}

impl Machine for Consumer {
    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Response { from, id, body } => {
                if let Some(asked) = self.network.answered(from, id) {
                    self.replied(now, asked, Reply::Answer(body));
                }
            }
            Input::Unreachable { peer } => {
                let mut cx = Context {
                    now,
                    rng: &mut self.rng,
                    out: &mut self.out,
                };
                let lost = self.network.lost(&mut cx, peer);
                self.connection_lost(now, lost);
            }
            // A client serves nobody and has no disk.
            Input::Request { .. } | Input::Closed { .. } | Input::Disk { .. } | Input::Wake => {}
        }
        self.time_out_requests(now);
        self.pump(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        let own = earliest([self.wake, self.network.deadline()]);
        let asks = self.metadata.asks_at(&self.network, self.metadata.refresh_at(), own);
        earliest([own, asks])
    }
}

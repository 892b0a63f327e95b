//! The consumer: positions, fetches, resets, and its part in a group.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::backoff::Backoff;
use crate::client::metadata::Metadata;
use crate::client::network::{Network, Reply};
use crate::config::{ConsumerConfig, Quirks, millis};
use crate::machine::{Input, Instant, Machine, Now, Outbox, Output, earliest};
use crate::protocol::OffsetSpec;
use crate::random::Random;
use crate::trace::ResetCause;
use crate::types::{ClientId, Endpoint, GroupId, NodeId, Offset, PartitionIndex, Timestamp, TopicName, TopicPartition};

mod asked;
mod assignment;
pub mod assignor;
mod commits;
mod coordinator;
mod dispatch;
mod fetcher;
mod membership;
mod offset_fetcher;
mod offsets;
mod output;
mod pump;

#[cfg(test)]
mod tests;

use asked::Asked;
use assignment::{Assigned, Assignment, Stage};
use commits::Commits;
use coordinator::Coordinator;
use fetcher::Fetcher;
use membership::Membership;
pub use output::{CommitId, ConsumerNotice, ConsumerRecord, Rebalance};

/// How many requests to one broker may be unanswered (a constant of the Java consumer).
const MAX_IN_FLIGHT: usize = 100;

/// A consumer: the Java client's semantics without its threads.
///
/// It reads the partitions that it is given by hand ([`Consumer::assign`]) or as a member of its group
/// ([`Consumer::subscribe`]). These two, [`Consumer::seek`], [`Consumer::commit`], [`Consumer::polled`],
/// [`Consumer::take_records`] and the like come from the application, [`Machine::handle`] from the network and the
/// clock. After each of them drain [`Machine::poll`] and [`Consumer::next_notice`], and ask [`Machine::deadline`].
///
/// The application's poll is three steps: [`Consumer::polled`] says that it has come, and that it is done with what
/// it got before; while [`Consumer::rebalance`] announces something it takes note of that and says [`Consumer::rebalance_done`];
/// then it takes records. Heartbeats go on in between by the consumer's own deadlines, as by Kafka's heartbeat thread.
///
/// As in Kafka there is at most one fetch per broker, and none while records of a partition that it leads wait to be
/// taken: the last of them goes to the application, and the next fetch leaves, for all of the broker's partitions, while
/// the application works (`AbstractFetch`, KAFKA-17182). A partition without a position asks for the offset that
/// `auto.offset.reset` names; one whose leader epoch changed first asks the new leader whether its log still agrees
/// with what was read (KIP-320).
pub struct Consumer {
    config: ConsumerConfig,
    quirks: Quirks,
    rng: Random,
    out: Outbox,
    network: Network<Asked>,
    metadata: Metadata,
    retry_backoff: Backoff,
    assigned: Assignment,
    fetcher: Fetcher,
    notices: VecDeque<ConsumerNotice>,
    /// Its group, with `group.id`.
    group: Option<Group>,
    /// Its part in the group, while it subscribes.
    membership: Option<Membership>,
    /// The application has got records since it last polled, and may still be at work on them.
    is_busy: bool,
    closing: Closing,
    /// How many commits there ever were.
    commits: u64,
    /// What the wall clock shows at this input or call.
    wall: Timestamp,
    /// When something that waits for nothing but time comes due.
    wake: Option<Instant>,
}

/// What a consumer of a group knows of it, member or not.
struct Group {
    id: GroupId,
    coordinator: Coordinator,
    commits: Commits,
    /// Counts what ends the right to commit positions of before: a new generation, a partition given up, a loss.
    term: u64,
}

/// How far [`Consumer::close`] has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Closing {
    Open,
    /// Commits, and gives up its partitions; it closes then at the latest.
    Releasing(Instant),
    /// Leaves its group; it closes then at the latest.
    Leaving(Instant),
    Closed,
}

impl Consumer {
    /// A consumer that knows the cluster by `bootstrap`.
    #[must_use]
    pub fn new(config: ConsumerConfig, bootstrap: Vec<(NodeId, Endpoint)>, rng: Random) -> Consumer {
        let retry_backoff = Backoff {
            initial: millis(config.retry_backoff_ms),
            max: millis(config.retry_backoff_max_ms),
        };
        let reconnect = Backoff {
            initial: millis(config.reconnect_backoff_ms),
            max: millis(config.reconnect_backoff_max_ms),
        };
        let group = config.group_id.as_deref().map(|id| Group {
            id: GroupId::from(id),
            coordinator: Coordinator::default(),
            commits: Commits::default(),
            term: 0,
        });
        let mut out = Outbox::with_set_up_timeout(
            millis(config.socket_connection_setup_timeout_ms),
            millis(config.socket_connection_setup_timeout_max_ms),
        )
        .with_client_id(ClientId::from(config.client_id.as_deref().unwrap_or("consumer")));
        Consumer {
            network: Network::new(
                millis(config.request_timeout_ms),
                millis(config.connections_max_idle_ms),
                reconnect,
                MAX_IN_FLIGHT,
            ),
            metadata: Metadata::new(&mut out, bootstrap, millis(config.metadata_max_age_ms), retry_backoff),
            config,
            quirks: Quirks::default(),
            rng,
            out,
            retry_backoff,
            assigned: Assignment::default(),
            fetcher: Fetcher::default(),
            notices: VecDeque::new(),
            group,
            membership: None,
            is_busy: false,
            closing: Closing::Open,
            commits: 0,
            wall: Timestamp::NONE,
            wake: None,
        }
    }

    /// Plants defects.
    #[must_use]
    pub fn with_quirks(mut self, quirks: Quirks) -> Consumer {
        self.quirks = quirks;
        self
    }

    /// Reads these partitions from now on, and no others; a partition that stays keeps its position. Topics that do
    /// not exist yet are waited for. With `group.id` it begins at the group's stored positions. A subscription ends:
    /// what was owned through it is given up, and the group is left.
    pub fn assign(&mut self, now: Now, partitions: Vec<(TopicName, PartitionIndex)>) {
        let now = self.note(now);
        if self.closing != Closing::Open {
            return;
        }
        self.unsubscribe(now);
        let first_stage = self.first_stage();
        let kept = self.assigned.take_all().into_iter();
        let mut kept: BTreeMap<_, _> = kept.map(|old| ((old.topic.clone(), old.partition), old)).collect();
        let mut seen = BTreeSet::new();
        let mut assigned = Vec::new();
        for key in partitions {
            if !seen.insert(key.clone()) {
                continue;
            }
            self.metadata.want(&key.0);
            let partition = kept.remove(&key);
            assigned.push(partition.unwrap_or_else(|| self.assigned.new_partition(key.0, key.1, first_stage)));
        }
        self.assigned.set(assigned);
        self.watch_topics();
        self.follow_metadata();
        self.pump(now);
    }

    /// The id of an assigned partition, once its topic is known.
    #[must_use]
    pub fn partition_id(&self, topic: &TopicName, partition: PartitionIndex) -> Option<TopicPartition> {
        let is_it = |assigned: &&Assigned| assigned.topic == *topic && assigned.partition == partition;
        self.assigned.iter().find(is_it)?.id()
    }

    /// The name of an assigned partition's topic.
    #[must_use]
    pub fn topic_name(&self, partition: TopicPartition) -> Option<TopicName> {
        Some(self.assigned.find(partition)?.topic.clone())
    }

    /// The partitions that it reads: assigned by hand, or owned as a member.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.assigned.owned().collect()
    }

    /// Stops fetching these, and keeps back what was fetched; their positions stay.
    pub fn pause(&mut self, now: Now, partitions: &[TopicPartition]) {
        let now = self.note(now);
        self.set_paused(now, partitions, true);
    }

    /// Fetches these again.
    pub fn resume(&mut self, now: Now, partitions: &[TopicPartition]) {
        let now = self.note(now);
        self.set_paused(now, partitions, false);
    }

    /// Moves the position; fetched records of the partition are dropped. Does nothing for a partition that is not
    /// assigned.
    pub fn seek(&mut self, now: Now, partition: TopicPartition, offset: Offset) {
        let now = self.note(now);
        let Some(place) = self.assigned.place(partition) else {
            return;
        };
        let change = self.assigned.seek(place, offset);
        self.announce(change);
        self.pump(now);
    }

    /// Moves the position to an offset that the leader is asked for (Kafka's `seekToBeginning` and `seekToEnd`); fetched
    /// records of the partition are dropped. Does nothing for a partition that is not assigned.
    pub fn seek_to(&mut self, now: Now, partition: TopicPartition, sought: OffsetSpec) {
        let now = self.note(now);
        let Some(place) = self.assigned.place(partition) else {
            return;
        };
        self.assigned.seek_to(place, sought);
        self.pump(now);
    }

    /// The offset of the next record that the application gets.
    #[must_use]
    pub fn position(&self, partition: TopicPartition) -> Option<Offset> {
        let assigned = self.assigned.find(partition)?;
        assigned.valid_position().map(|position| position.offset)
    }

    /// The leader's high watermark less the position, as of the last fetch.
    #[must_use]
    pub fn lag(&self, partition: TopicPartition) -> Option<u64> {
        let position = self.position(partition)?;
        let high_watermark = self.assigned.find(partition)?.high_watermark?;
        Some(u64::try_from(high_watermark.0 - position.0).unwrap_or(0))
    }

    /// The next fetched records, at most `max.poll.records`; moves the positions past them. Fetches ahead. None while
    /// the application has a rebalance to take note of. Drain [`Machine::poll`] afterwards.
    pub fn take_records(&mut self, now: Now) -> Vec<ConsumerRecord> {
        let now = self.note(now);
        if !self.has_records() {
            return Vec::new();
        }
        let (records, is_some_empty) = self.assigned.take(self.config.max_poll_records as usize);
        self.is_busy |= !records.is_empty();
        if is_some_empty {
            self.pump(now);
        }
        records
    }

    /// Whether [`Consumer::take_records`] would give any.
    #[must_use]
    pub fn has_records(&self) -> bool {
        self.assigned.has_ready() && self.config.max_poll_records > 0 && self.rebalance().is_none()
    }

    /// The next notice.
    pub fn next_notice(&mut self) -> Option<ConsumerNotice> {
        self.notices.pop_front()
    }

    /// What a new partition needs first: the position that its group has stored, or one by `auto.offset.reset`.
    fn first_stage(&self) -> Stage {
        match self.group {
            Some(_) => Stage::Committed,
            None => Stage::Reset(ResetCause::NoPosition),
        }
    }

    fn set_paused(&mut self, now: Instant, partitions: &[TopicPartition], is_paused: bool) {
        for id in partitions {
            self.assigned.set_paused(*id, is_paused);
        }
        self.pump(now);
    }

    /// Takes the wall clock's time down, for all that this input or call leads to; returns the monotonic clock's.
    fn note(&mut self, now: Now) -> Instant {
        self.wall = now.wall;
        now.monotonic
    }

    /// Something comes due then.
    fn wake_at(&mut self, at: Instant) {
        self.wake = earliest([self.wake, Some(at)]);
    }
}

impl Machine for Consumer {
    fn handle(&mut self, now: Now, input: Input) {
        if self.closing == Closing::Closed {
            return;
        }
        let now = self.note(now);
        match input {
            Input::Response { connection, id, body } => {
                if let Some(peer) = self.out.peer(connection)
                    && let Some((asked, body)) = self.network.answered(now, peer, id, body)
                {
                    self.replied(now, asked, Reply::Answer(body));
                }
            }
            Input::Connected { connection } => {
                if let Some(peer) = self.out.connected(connection) {
                    self.network.connected(&mut context!(self, now), peer);
                }
            }
            Input::Closed { connection, .. } => {
                if let Some(peer) = self.out.closed(connection) {
                    let lost = self.network.lost(&mut context!(self, now), peer);
                    self.connection_lost(now, lost);
                }
            }
            // A client serves nobody and has no disk.
            Input::Opened { .. } | Input::Request { .. } | Input::Disk { .. } | Input::Wake | Input::Stop => {}
        }
        self.close_connections(now);
        self.pump(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        if self.closing == Closing::Closed {
            return None;
        }
        let own = earliest([self.wake, self.network.deadline(), self.out.deadline()]);
        let asks = self.metadata.asks_at(&self.network, self.metadata.refresh_at(), own);
        earliest([own, asks])
    }
}

//! Following: one fetch at a time to each broker that leads something this broker replicates (Kafka
//! `AbstractFetcherThread`).

use alloc::collections::{BTreeMap, BTreeSet};

use crate::config::{BrokerConfig, Quirks, millis, wire_millis};
use crate::fetch_session::FetchSession;
use crate::machine::{Channel, Context, Instant, RequestId};
use crate::protocol::{
    ErrorCode, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchingReplica, IsolationLevel,
};
use crate::replica::Replicas;
use crate::replica::partition::{Moved, Partition};
use crate::types::{LeaderEpoch, NodeId, Offset, TopicPartition};

/// What is fetched from one leader.
#[derive(Default)]
pub(super) struct Fetcher {
    following: BTreeSet<TopicPartition>,
    /// What the leader knows of it.
    session: FetchSession,
    /// Partitions that the next fetch may have to say something about.
    changed: BTreeSet<TopicPartition>,
    /// Partitions that wait after an error.
    delayed: BTreeMap<TopicPartition, Instant>,
    in_flight: Option<InFlight>,
    /// Nothing is sent before this time, after the leader could not be reached.
    retry_at: Option<Instant>,
}

struct InFlight {
    id: RequestId,
    give_up_at: Instant,
}

impl Fetcher {
    fn deadline(&self) -> Option<Instant> {
        match &self.in_flight {
            Some(in_flight) => Some(in_flight.give_up_at),
            None => self.retry_at.into_iter().chain(self.delayed.values().copied()).min(),
        }
    }

    /// Fetches again what has waited for long enough.
    fn end_delays(&mut self, now: Instant) {
        let Fetcher { delayed, changed, .. } = self;
        delayed.retain(|id, until| {
            let waits = *until > now;
            if !waits {
                changed.insert(*id);
            }
            waits
        });
    }

    /// The fetch that is under way, and what it reads.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> Option<(RequestId, alloc::vec::Vec<TopicPartition>)> {
        let in_flight = self.in_flight.as_ref()?;
        Some((in_flight.id, self.session.partitions().collect()))
    }

    /// A fetch may be lost. Returns whether one was under way.
    fn lost(&mut self) -> bool {
        self.session.on_lost();
        self.in_flight.take().is_some()
    }
}

impl Replicas {
    pub(super) fn start_following(&mut self, id: TopicPartition) {
        let leader = self
            .partitions
            .get(&id)
            .and_then(|partition| partition.current_leader().leader);
        if let Some(leader) = leader {
            let fetcher = self.fetchers.entry(leader).or_default();
            fetcher.following.insert(id);
            fetcher.changed.insert(id);
        }
    }

    pub(super) fn stop_following(&mut self, id: TopicPartition, leader: Option<NodeId>) {
        if let Some(fetcher) = leader.and_then(|leader| self.fetchers.get_mut(&leader)) {
            fetcher.following.remove(&id);
            fetcher.delayed.remove(&id);
            fetcher.changed.insert(id);
        }
    }

    /// The log of a partition went offline.
    pub(super) fn stop_following_offline(&mut self, id: TopicPartition) {
        let leader = self
            .partitions
            .get(&id)
            .and_then(|partition| partition.current_leader().leader);
        self.stop_following(id, leader);
    }

    /// Sends a fetch to every leader that has none in flight and from which something is wanted.
    pub(super) fn send_fetches(&mut self, ctx: &mut Context<'_>) {
        let Some(broker_epoch) = self.own.broker_epoch else {
            return;
        };
        let replica = FetchingReplica {
            id: self.own.id,
            broker_epoch: Some(broker_epoch),
        };
        for (leader, fetcher) in &mut self.fetchers {
            fetcher.end_delays(ctx.now);
            if fetcher.in_flight.is_some() || fetcher.retry_at.is_some_and(|at| ctx.now < at) {
                continue;
            }
            let mut is_flushed = true;
            for id in &fetcher.changed {
                let is_wanted = fetcher.following.contains(id) && !fetcher.delayed.contains_key(id);
                match self
                    .partitions
                    .get(id)
                    .filter(|partition| is_wanted && !partition.log().is_offline())
                {
                    Some(partition) => {
                        is_flushed &= partition.log().ackable_end() == partition.log().log_end_offset();
                        fetcher.session.set(wanted(*id, partition, &self.config, self.quirks));
                    }
                    None => fetcher.session.forget(*id),
                }
            }
            // A fetch offset says what this replica has for good, so the next fetch waits for the flush.
            if !is_flushed {
                continue;
            }
            fetcher.changed.clear();
            if fetcher.session.is_empty() {
                continue;
            }
            let contents = fetcher.session.next_fetch();
            let request = FetchRequest {
                replica: Some(replica),
                metadata: contents.metadata,
                max_wait_ms: wire_millis(self.config.replica_fetch_wait_max_ms),
                min_bytes: self.config.replica_fetch_min_bytes,
                max_bytes: self.config.replica_fetch_response_max_bytes,
                isolation: IsolationLevel::ReadUncommitted,
                partitions: contents.partitions,
                forgotten: contents.forgotten,
            };
            fetcher.retry_at = None;
            fetcher.in_flight = Some(InFlight {
                id: ctx.request(Channel::Fetcher, *leader, request.into()),
                give_up_at: ctx.now + millis(self.config.replica_socket_timeout_ms),
            });
        }
    }

    /// Takes a leader's answer; false if it answers no fetch of this broker.
    pub(super) fn on_fetched(
        &mut self,
        ctx: &mut Context<'_>,
        from: NodeId,
        id: RequestId,
        response: FetchResponse,
    ) -> bool {
        let Some(fetcher) = self.fetchers.get_mut(&from) else {
            return false;
        };
        if fetcher.in_flight.take_if(|in_flight| in_flight.id == id).is_none() {
            return false;
        }
        let back_off = millis(self.config.replica_fetch_backoff_ms);
        if !fetcher.session.on_response(&response) {
            // A session that is gone begins again at once.
            fetcher.retry_at = (!response.error.is_lost_session()).then_some(ctx.now + back_off);
            return true;
        }
        for answer in response.partitions {
            let id = answer.partition;
            let Some(fetcher) = self.fetchers.get_mut(&from) else {
                break;
            };
            fetcher.changed.insert(id);
            let Some(asked) = fetcher.session.get(id) else {
                continue;
            };
            let (epoch, offset) = (asked.current_leader_epoch, asked.fetch_offset);
            let ok = self.take_fetched(ctx, from, epoch, offset, &answer);
            if !ok && let Some(fetcher) = self.fetchers.get_mut(&from) {
                fetcher.delayed.insert(id, ctx.now + back_off);
            }
        }
        true
    }

    /// Applies the answer for one partition, unless it answers a question that is no longer asked. Returns false if
    /// the partition should wait before it is asked for again.
    fn take_fetched(
        &mut self,
        ctx: &mut Context<'_>,
        leader: NodeId,
        epoch: Option<LeaderEpoch>,
        offset: Offset,
        answer: &FetchPartitionResponse,
    ) -> bool {
        let Some(partition) = self.partitions.get_mut(&answer.partition) else {
            return true;
        };
        let known = partition.current_leader();
        let is_current = known.leader == Some(leader)
            && Some(known.leader_epoch) == epoch
            && partition.log().log_end_offset() == offset
            && !partition.log().is_offline();
        if !is_current {
            return true;
        }
        match (answer.error, answer.diverging_epoch) {
            (ErrorCode::None, Some(diverging)) => {
                partition.truncate_at_divergence(ctx, diverging);
                true
            }
            (ErrorCode::None, None) => {
                let before = partition.high_watermark();
                let ok = partition.append_fetched(ctx, &answer.records, answer.high_watermark);
                let moved = Moved {
                    high_watermark: partition.high_watermark() > before,
                    ..Moved::default()
                };
                self.moved.push((answer.partition, moved));
                ok
            }
            (ErrorCode::OffsetOutOfRange, _) if answer.log_start_offset > offset => {
                partition.restart_at(ctx, answer.log_start_offset);
                true
            }
            (ErrorCode::OffsetOutOfRange, _) if answer.high_watermark < offset => {
                partition.truncate_to_leader(ctx, answer.high_watermark);
                true
            }
            _ => false,
        }
    }

    /// The connection for fetches from `leader` is gone.
    pub fn on_fetcher_disconnected(&mut self, ctx: &mut Context<'_>, leader: NodeId) {
        if let Some(fetcher) = self.fetchers.get_mut(&leader)
            && fetcher.lost()
        {
            fetcher.retry_at = Some(ctx.now + millis(self.config.replica_fetch_backoff_ms));
        }
        self.settle(ctx);
    }

    pub(super) fn fetchers_on_wake(&mut self, ctx: &mut Context<'_>) {
        for (leader, fetcher) in &mut self.fetchers {
            let is_late = |in_flight: &InFlight| in_flight.give_up_at <= ctx.now;
            if fetcher.in_flight.as_ref().is_some_and(is_late) {
                fetcher.lost();
                ctx.out.disconnect(Channel::Fetcher, *leader);
            }
            fetcher.retry_at.take_if(|at| *at <= ctx.now);
        }
    }

    pub(super) fn fetchers_deadline(&self) -> Option<Instant> {
        self.fetchers.values().filter_map(Fetcher::deadline).min()
    }
}

/// What the next fetch asks of a partition.
fn wanted(id: TopicPartition, partition: &Partition, config: &BrokerConfig, quirks: Quirks) -> FetchPartition {
    let log = partition.log();
    FetchPartition {
        partition: id,
        current_leader_epoch: Some(partition.leader_epoch()),
        fetch_offset: log.log_end_offset(),
        last_fetched_epoch: log.latest_epoch().filter(|_| !quirks.truncate_to_high_watermark),
        log_start_offset: log.log_start_offset(),
        max_bytes: config.replica_fetch_max_bytes,
    }
}

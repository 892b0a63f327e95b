//! Following: one fetch at a time to each broker that leads something this broker replicates (Kafka
//! `AbstractFetcherThread`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::config::millis;
use crate::machine::{Channel, Context, Instant, RequestId};
use crate::protocol::{
    ErrorCode, FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchingReplica, IsolationLevel,
};
use crate::replica::Replicas;
use crate::replica::partition::Moved;
use crate::types::{LeaderEpoch, NodeId, Offset, TopicPartition};

/// What is fetched from one leader.
#[derive(Default)]
pub(super) struct Fetcher {
    following: BTreeSet<TopicPartition>,
    /// Partitions that wait after an error.
    delayed: BTreeMap<TopicPartition, Instant>,
    pub(super) in_flight: Option<InFlight>,
    /// Nothing is sent before this time, after the leader could not be reached.
    retry_at: Option<Instant>,
}

pub(super) struct InFlight {
    pub(super) id: RequestId,
    give_up_at: Instant,
    /// What was asked, so that an answer is taken only for what is still so.
    pub(super) asked: Vec<(TopicPartition, LeaderEpoch, Offset)>,
}

impl Fetcher {
    fn deadline(&self) -> Option<Instant> {
        match &self.in_flight {
            Some(in_flight) => Some(in_flight.give_up_at),
            None => self.retry_at.into_iter().chain(self.delayed.values().copied()).min(),
        }
    }
}

impl Replicas {
    pub(super) fn start_following(&mut self, id: TopicPartition) {
        let Some(hosted) = self.partitions.get(&id) else {
            return;
        };
        if let Some(leader) = hosted.partition.current_leader().leader {
            self.fetchers.entry(leader).or_default().following.insert(id);
        }
    }

    pub(super) fn stop_following(&mut self, id: TopicPartition, leader: Option<NodeId>) {
        if let Some(fetcher) = leader.and_then(|leader| self.fetchers.get_mut(&leader)) {
            fetcher.following.remove(&id);
            fetcher.delayed.remove(&id);
        }
    }

    /// Sends a fetch to every leader that has none in flight and from which something is wanted.
    pub(super) fn send_fetches(&mut self, ctx: &mut Context<'_>) {
        let Some(broker_epoch) = self.own.broker_epoch else {
            return;
        };
        for (leader, fetcher) in &mut self.fetchers {
            fetcher.delayed.retain(|_, until| *until > ctx.now);
            if fetcher.in_flight.is_some() || fetcher.retry_at.is_some_and(|at| ctx.now < at) {
                continue;
            }
            let wanted = fetcher.following.iter().filter(|id| !fetcher.delayed.contains_key(*id));
            let mut asked = Vec::with_capacity(fetcher.following.len());
            let mut partitions = Vec::with_capacity(fetcher.following.len());
            let mut unflushed = false;
            for id in wanted {
                let partition = &self.partitions[id].partition;
                if partition.log.is_offline() {
                    continue;
                }
                let end = partition.log.log_end_offset();
                unflushed |= partition.log.ackable_end() < end;
                asked.push((*id, partition.state.leader_epoch, end));
                let last_fetched_epoch = partition.log.latest_epoch();
                partitions.push(FetchPartition {
                    partition: *id,
                    current_leader_epoch: Some(partition.state.leader_epoch),
                    fetch_offset: end,
                    last_fetched_epoch: last_fetched_epoch.filter(|_| !self.quirks.truncate_to_high_watermark),
                    log_start_offset: partition.log.log_start_offset(),
                    max_bytes: self.config.replica_fetch_max_bytes,
                });
            }
            // A fetch offset says what this replica has for good, so the next fetch waits for the flush.
            if partitions.is_empty() || unflushed {
                continue;
            }
            let request = FetchRequest {
                replica: Some(FetchingReplica {
                    id: self.own.id,
                    broker_epoch: Some(broker_epoch),
                }),
                max_wait: millis(self.config.replica_fetch_wait_max_ms),
                min_bytes: self.config.replica_fetch_min_bytes,
                max_bytes: self.config.replica_fetch_response_max_bytes,
                isolation: IsolationLevel::ReadUncommitted,
                partitions,
            };
            fetcher.retry_at = None;
            fetcher.in_flight = Some(InFlight {
                id: ctx.out.request(Channel::Fetcher, *leader, request.into()),
                give_up_at: ctx.now + millis(self.config.replica_socket_timeout_ms),
                asked,
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
        let Some(in_flight) = fetcher.in_flight.take_if(|in_flight| in_flight.id == id) else {
            return false;
        };
        for answer in response.partitions {
            let asked = in_flight.asked.iter().find(|(asked, ..)| *asked == answer.partition);
            let Some((_, epoch, offset)) = asked else {
                continue;
            };
            let ok = self.take_fetched(ctx, from, *epoch, *offset, &answer);
            if !ok && let Some(fetcher) = self.fetchers.get_mut(&from) {
                let until = ctx.now + millis(self.config.replica_fetch_backoff_ms);
                fetcher.delayed.insert(answer.partition, until);
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
        epoch: LeaderEpoch,
        offset: Offset,
        answer: &FetchPartitionResponse,
    ) -> bool {
        let Some(hosted) = self.partitions.get_mut(&answer.partition) else {
            return true;
        };
        let partition = &mut hosted.partition;
        let known = partition.current_leader();
        let is_current = known.leader == Some(leader)
            && known.leader_epoch == epoch
            && partition.log.log_end_offset() == offset
            && !partition.log.is_offline();
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
            && fetcher.in_flight.take().is_some()
        {
            fetcher.retry_at = Some(ctx.now + millis(self.config.replica_fetch_backoff_ms));
        }
        self.settle(ctx);
    }

    pub(super) fn fetchers_on_wake(&mut self, ctx: &mut Context<'_>) {
        for (leader, fetcher) in &mut self.fetchers {
            let late = fetcher.in_flight.take_if(|in_flight| in_flight.give_up_at <= ctx.now);
            if late.is_some() {
                ctx.out.disconnect(Channel::Fetcher, *leader);
            }
            fetcher.retry_at.take_if(|at| *at <= ctx.now);
        }
    }

    pub(super) fn fetchers_deadline(&self) -> Option<Instant> {
        self.fetchers.values().filter_map(Fetcher::deadline).min()
    }
}

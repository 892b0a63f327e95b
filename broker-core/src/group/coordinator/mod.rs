//! The coordinators of one broker: one for each partition of the offsets topic that it leads.
//!
//! [`GroupCoordinator`] is driven by the broker with requests, with the facts that the replicas report about the offsets
//! topic, with changes of metadata and with time. `shard` holds one partition's coordinator, `loading` how it reads its
//! log, `answers` the answers that fit a request when there is nothing to say but an error.

mod answers;
mod loading;
mod shard;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::Topics;
use crate::config::{BrokerConfig, Quirks, millis};
use crate::machine::{ConnectionId, Context, HaltReason, Instant, ReplyTo};
use crate::protocol::{ErrorCode, Request};
use crate::replica::{ReplicaFact, Replicas};
use crate::types::{ClientId, GroupId, PartitionIndex, TopicId, TopicPartition};

use shard::Shard;

/// All coordinators of one broker.
pub struct GroupCoordinator {
    settings: Settings,
    /// The offsets topic and how many partitions it has, once there is one.
    topic: Option<(TopicId, u32)>,
    shards: BTreeMap<TopicPartition, Shard>,
    /// The first deadline of all shards.
    deadline: Option<Instant>,
}

struct Settings {
    config: BrokerConfig,
    quirks: Quirks,
}

impl Settings {
    fn expiry_check_interval(&self) -> Duration {
        millis(self.config.offsets_retention_check_interval_ms)
    }
}

/// What the broker lends to a coordinator.
struct Cluster<'a> {
    replicas: &'a mut Replicas,
    topics: &'a dyn Topics,
}

impl GroupCoordinator {
    /// A broker that leads no partition of the offsets topic yet.
    #[must_use]
    pub fn new(config: &BrokerConfig, quirks: Quirks) -> GroupCoordinator {
        GroupCoordinator {
            settings: Settings {
                config: config.clone(),
                quirks,
            },
            topic: None,
            shards: BTreeMap::new(),
            deadline: None,
        }
    }

    /// The offsets topic is there, with so many partitions.
    pub fn set_topic(&mut self, topic: TopicId, partitions: u32) {
        if partitions > 0 {
            self.topic = Some((topic, partitions));
        }
    }

    /// The partition of the offsets topic that a group belongs to, if the topic is known.
    #[must_use]
    pub fn partition_of(&self, group: &GroupId) -> Option<TopicPartition> {
        let (topic, partitions) = self.topic?;
        Some(TopicPartition {
            topic,
            partition: partition_for(group, partitions),
        })
    }

    /// Takes a JoinGroup, SyncGroup, Heartbeat, LeaveGroup, ConsumerGroupHeartbeat, OffsetCommit or OffsetFetch. The
    /// answer comes when what it says is committed, or with the error that says why not.
    pub fn on_request(
        &mut self,
        ctx: &mut Context<'_>,
        replicas: &mut Replicas,
        topics: &dyn Topics,
        reply_to: ReplyTo,
        client: Option<&ClientId>,
        request: Request,
    ) {
        let Some(group) = answers::group_of(&request) else {
            return ctx
                .out
                .respond(reply_to, request.error_response(ErrorCode::InvalidRequest));
        };
        if group.0.is_empty() && !matches!(request, Request::OffsetCommit(_) | Request::OffsetFetch(_)) {
            let refusal = request.error_response(ErrorCode::InvalidGroupId);
            return ctx.out.respond(reply_to, refusal);
        }
        let partition = self.partition_of(group);
        let Some(shard) = partition.and_then(|partition| self.shards.get_mut(&partition)) else {
            let refusal = request.error_response(ErrorCode::NotCoordinator);
            return ctx.out.respond(reply_to, refusal);
        };
        let mut cluster = Cluster { replicas, topics };
        shard.on_request(ctx, &self.settings, &mut cluster, reply_to, client, request);
        self.note_deadline();
    }

    /// Takes a fact about a partition of the offsets topic.
    ///
    /// # Errors
    /// When the log holds a record that no coordinator wrote.
    pub fn on_replica(
        &mut self,
        ctx: &mut Context<'_>,
        replicas: &mut Replicas,
        topics: &dyn Topics,
        fact: ReplicaFact,
    ) -> Result<(), HaltReason> {
        let mut cluster = Cluster { replicas, topics };
        match fact {
            ReplicaFact::BecameLeader {
                partition,
                leader_epoch,
                log_start_offset,
                log_end_offset,
                high_watermark,
            } => {
                self.unload(ctx, partition);
                let settings = &self.settings;
                let shard = Shard::new(
                    ctx.now,
                    settings,
                    partition,
                    leader_epoch,
                    log_end_offset,
                    high_watermark,
                );
                let shard = self.shards.entry(partition).or_insert(shard);
                shard.load(ctx, settings, &mut cluster, log_start_offset);
            }
            ReplicaFact::StoppedLeading { partition } => self.unload(ctx, partition),
            ReplicaFact::Committed {
                partition,
                high_watermark,
            } => {
                if let Some(shard) = self.shards.get_mut(&partition) {
                    shard.committed(ctx, high_watermark);
                }
            }
            ReplicaFact::Read { partition, batches } => {
                if let Some(shard) = self.shards.get_mut(&partition) {
                    shard.on_read(ctx, &self.settings, &mut cluster, &batches)?;
                }
            }
        }
        self.note_deadline();
        Ok(())
    }

    fn unload(&mut self, ctx: &mut Context<'_>, partition: TopicPartition) {
        if let Some(shard) = self.shards.remove(&partition) {
            shard.unload(ctx);
        }
    }

    /// Topics came or grew.
    pub fn topics_changed(&mut self, ctx: &mut Context<'_>, replicas: &mut Replicas, topics: &dyn Topics) {
        let mut cluster = Cluster { replicas, topics };
        for shard in self.shards.values_mut() {
            shard.topics_changed(ctx, &self.settings, &mut cluster);
        }
        self.note_deadline();
    }

    /// Nobody waits any more for answers over `connection`.
    pub fn on_closed(&mut self, connection: ConnectionId) {
        for shard in self.shards.values_mut() {
            shard.on_closed(connection);
        }
        self.note_deadline();
    }

    /// Acts on what is due.
    pub fn on_wake(&mut self, ctx: &mut Context<'_>, replicas: &mut Replicas, topics: &dyn Topics) {
        let mut cluster = Cluster { replicas, topics };
        for shard in self.shards.values_mut() {
            if shard.deadline().is_some_and(|at| at <= ctx.now) {
                shard.on_wake(ctx, &self.settings, &mut cluster);
            }
        }
        self.note_deadline();
    }

    /// When something is due next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Kept, since the broker asks after every input, also those that are nothing to groups.
    fn note_deadline(&mut self) {
        self.deadline = self.shards.values().filter_map(Shard::deadline).min();
    }
}

/// The partition of the offsets topic that holds a group: `abs(hash) mod partitions`, with Java's hash of strings over UTF-16; the one hash without an absolute value counts
/// as 0 (Kafka's `Utils.abs`).
#[must_use]
pub fn partition_for(group: &GroupId, partitions: u32) -> PartitionIndex {
    let step = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    let hash = group.0.encode_utf16().fold(0, step);
    PartitionIndex((hash.checked_abs().unwrap_or(0) as u32 % partitions) as i32)
}

//! Leaders' proposals to the controller: one AlterPartition request at a time (KIP-497; Kafka
//! `AlterPartitionManager`).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::millis;
use crate::machine::{Channel, Context, Instant, RequestId};
use crate::protocol::{AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResult, ErrorCode};
use crate::replica::Replicas;
use crate::types::{LeaderEpoch, NodeId, TopicPartition};

/// The pause after a failed AlterPartition.
const RETRY: Duration = Duration::from_millis(50);

/// Which proposals are to be sent, and which are on their way.
#[derive(Default)]
pub(super) struct AlterPartitions {
    controller: Option<NodeId>,
    wanted: BTreeSet<TopicPartition>,
    in_flight: Option<InFlight>,
    retry_at: Option<Instant>,
}

struct InFlight {
    id: RequestId,
    give_up_at: Instant,
    sent: Vec<(TopicPartition, LeaderEpoch)>,
}

impl AlterPartitions {
    /// A proposal of this partition is to be sent.
    pub fn want(&mut self, id: TopicPartition) {
        self.wanted.insert(id);
    }

    /// The partition has nothing to propose any more.
    pub fn forget(&mut self, id: TopicPartition) {
        self.wanted.remove(&id);
    }

    pub fn deadline(&self) -> Option<Instant> {
        match &self.in_flight {
            Some(in_flight) => Some(in_flight.give_up_at),
            None => self.retry_at,
        }
    }
}

impl Replicas {
    /// Proposals go to this controller from now on; one that is on its way to another is sent again.
    pub fn set_controller(&mut self, ctx: &mut Context<'_>, controller: Option<NodeId>) {
        if self.alter.controller != controller {
            self.alter.controller = controller;
            self.send_again(ctx, Duration::ZERO);
            self.settle(ctx);
        }
    }

    /// Proposes to drop laggards, in every partition that is led here.
    pub(super) fn shrink_isrs(&mut self, ctx: &mut Context<'_>) {
        for (id, partition) in &mut self.partitions {
            let moved = partition.shrink_isr(ctx, self.own.view());
            self.moved.push((*id, moved));
        }
    }

    /// Sends all proposals that wait, if none is on its way.
    pub(super) fn send_alter_partition(&mut self, ctx: &mut Context<'_>) {
        let (Some(controller), Some(broker_epoch)) = (self.alter.controller, self.own.broker_epoch) else {
            return;
        };
        let waits = self.alter.in_flight.is_some() || self.alter.retry_at.is_some_and(|at| ctx.now < at);
        if self.alter.wanted.is_empty() || waits {
            return;
        }
        let mut sent = Vec::new();
        let mut partitions = Vec::new();
        for id in core::mem::take(&mut self.alter.wanted) {
            let Some(partition) = self.partitions.get_mut(&id) else {
                continue;
            };
            if let Some(proposal) = partition.send_proposal(broker_epoch) {
                sent.push((id, proposal.leader_epoch));
                partitions.push(proposal);
            }
        }
        if partitions.is_empty() {
            return;
        }
        let request = AlterPartitionRequest {
            broker: self.own.id,
            broker_epoch,
            partitions,
        };
        self.alter.retry_at = None;
        self.alter.in_flight = Some(InFlight {
            id: ctx.request(Channel::AlterPartition, controller, request.into()),
            give_up_at: ctx.now + millis(self.config.controller_socket_timeout_ms),
            sent,
        });
    }

    /// Takes the controller's answer; false if it answers no proposal of this broker.
    pub(super) fn on_altered(
        &mut self,
        ctx: &mut Context<'_>,
        id: RequestId,
        response: AlterPartitionResponse,
    ) -> bool {
        let is_mine = self
            .alter
            .in_flight
            .as_ref()
            .is_some_and(|in_flight| in_flight.id == id);
        if !is_mine {
            return false;
        }
        if !response.error.is_ok() {
            self.send_again(ctx, RETRY);
            return true;
        }
        let in_flight = self.alter.in_flight.take().expect("it was just there");
        for result in response.partitions {
            let sent = in_flight.sent.iter().find(|(sent, _)| *sent == result.partition);
            if let Some((_, epoch)) = sent {
                self.take_altered(ctx, *epoch, &result);
            }
        }
        true
    }

    /// What the controller says about one proposal (Kafka `Partition.handleAlterPartitionError`).
    fn take_altered(&mut self, ctx: &mut Context<'_>, epoch: LeaderEpoch, result: &AlterPartitionResult) {
        use ErrorCode as E;
        let id = result.partition;
        let Some(partition) = self.partitions.get_mut(&id) else {
            return;
        };
        if partition.leader_epoch() != epoch {
            return;
        }
        let moved = match result.error {
            E::None if result.leader_epoch == epoch => {
                partition.isr_committed(ctx, self.own.view(), &result.isr, result.partition_epoch)
            }
            // A newer state is on its way through the metadata log. Until it comes the proposal stays in the maximal
            // ISR, since it may have been committed.
            E::None
            | E::FencedLeaderEpoch
            | E::InvalidUpdateVersion
            | E::InvalidRequest
            | E::UnknownTopicOrPartition
            | E::UnknownTopicId
            | E::NewLeaderElected => return,
            E::IneligibleReplica => partition.isr_rejected(ctx, self.own.view(), result.error),
            _ => {
                partition.send_proposal_again();
                self.alter.want(id);
                self.alter.retry_at = Some(ctx.now + RETRY);
                return;
            }
        };
        self.moved.push((id, moved));
        // Who may join the ISR now is known with the next fetch.
        self.notify_readers(id, |session| session.replica.is_some());
    }

    /// The connection for proposals to `controller` is gone.
    pub fn on_alter_disconnected(&mut self, ctx: &mut Context<'_>, controller: NodeId) {
        if self.alter.controller == Some(controller) {
            self.send_again(ctx, RETRY);
        }
        self.settle(ctx);
    }

    pub(super) fn alter_on_wake(&mut self, ctx: &mut Context<'_>) {
        let is_late = self
            .alter
            .in_flight
            .as_ref()
            .is_some_and(|in_flight| in_flight.give_up_at <= ctx.now);
        if is_late {
            if let Some(controller) = self.alter.controller {
                ctx.out.disconnect(Channel::AlterPartition, controller);
            }
            self.send_again(ctx, Duration::ZERO);
        }
        self.alter.retry_at.take_if(|at| *at <= ctx.now);
    }

    /// Whatever was on its way may be lost: it is sent again after a pause.
    fn send_again(&mut self, ctx: &mut Context<'_>, pause: Duration) {
        let Some(in_flight) = self.alter.in_flight.take() else {
            return;
        };
        for (id, _) in in_flight.sent {
            if let Some(partition) = self.partitions.get_mut(&id)
                && partition.send_proposal_again()
            {
                self.alter.want(id);
            }
        }
        self.alter.retry_at = Some(ctx.now + pause);
    }
}

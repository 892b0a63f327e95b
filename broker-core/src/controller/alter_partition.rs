//! A leader's proposal of another ISR (KIP-497), refused for members that must not join (KIP-841, KIP-903).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::elections::change_partition;
use super::image::PartitionImage;
use super::view::{Decision, View};
use crate::protocol::{AlterPartition, AlterPartitionRequest, AlterPartitionResponse, AlterPartitionResult, ErrorCode};
use crate::types::{LeaderEpoch, NodeId, PartitionEpoch, TopicPartition};

/// Decides about each proposal by itself; those that hold are committed together.
pub(super) fn alter_partitions(view: &View<'_>, request: &AlterPartitionRequest) -> Decision {
    let mut records = Vec::new();
    let mut partitions = Vec::new();
    let mut seen = BTreeSet::new();
    let error = match view.registration(request.broker, request.broker_epoch) {
        Ok(_) => ErrorCode::None,
        Err(error) => error,
    };
    for proposal in request.partitions.iter().filter(|_| error.is_ok()) {
        let is_repeated = !seen.insert(proposal.partition);
        let result = match alter_partition(view, request.broker, proposal) {
            _ if is_repeated => refused(proposal.partition, ErrorCode::InvalidRequest),
            Err(error) => refused(proposal.partition, error),
            Ok((state, is_changed)) => {
                if is_changed {
                    records.push(state.to_record(proposal.partition));
                }
                AlterPartitionResult {
                    partition: proposal.partition,
                    error: ErrorCode::None,
                    leader: state.leader,
                    leader_epoch: state.leader_epoch,
                    isr: state.isr,
                    partition_epoch: state.partition_epoch,
                }
            }
        };
        partitions.push(result);
    }
    Decision {
        records,
        response: AlterPartitionResponse { error, partitions }.into(),
    }
}

/// The state after the proposal, and whether it differs from the present one. The order of the checks is
/// `ReplicationControlManager.validateAlterPartitionData`'s: it decides what a leader does next.
fn alter_partition(
    view: &View<'_>,
    sender: NodeId,
    proposal: &AlterPartition,
) -> Result<(PartitionImage, bool), ErrorCode> {
    let current = view.image.partition(proposal.partition);
    let current = current.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    // The leader knows of a newer state: this controller is the stale one.
    if proposal.leader_epoch > current.leader_epoch || proposal.partition_epoch > current.partition_epoch {
        return Err(ErrorCode::NotController);
    }
    if proposal.leader_epoch < current.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if current.leader != Some(sender) {
        return Err(ErrorCode::InvalidRequest);
    }
    if proposal.partition_epoch < current.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let new_isr: Vec<NodeId> = proposal.new_isr.iter().map(|(member, _)| *member).collect();
    let distinct: BTreeSet<&NodeId> = new_isr.iter().collect();
    let is_of_replicas = new_isr.iter().all(|member| current.replicas.contains(member));
    if !is_of_replicas || !new_isr.contains(&sender) || distinct.len() != new_isr.len() {
        return Err(ErrorCode::InvalidRequest);
    }
    let mut members = proposal.new_isr.iter();
    if !members.all(|(member, epoch)| view.is_active(*member) && view.registration(*member, *epoch).is_ok()) {
        return Err(ErrorCode::IneligibleReplica);
    }
    match change_partition(current, &new_isr, |node| view.is_active(node), false) {
        Some(changed) => Ok((changed, true)),
        None => Ok((current.clone(), false)),
    }
}

fn refused(partition: TopicPartition, error: ErrorCode) -> AlterPartitionResult {
    AlterPartitionResult {
        partition,
        error,
        leader: None,
        leader_epoch: LeaderEpoch::NONE,
        isr: Vec::new(),
        partition_epoch: PartitionEpoch(-1),
    }
}

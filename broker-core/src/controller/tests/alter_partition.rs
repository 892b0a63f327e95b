//! Proposals of another ISR: the order of the checks, and what a good one changes.

use super::*;
use crate::protocol::{AlterPartition, AlterPartitionRequest, AlterPartitionResponse};
use crate::types::{LeaderEpoch, PartitionEpoch};

/// Brokers 1 to 4, of which 4 is fenced; partition with replicas 2, 1, 3, leader 2, leader epoch 0 and, since 3 left
/// the ISR, partition epoch 1.
fn shrunk() -> (Cell, TopicPartition) {
    let mut cell = Cell::active();
    cell.join(&[1, 2, 3]);
    cell.register(4, 1);
    let partition = cell.create_placed(&[2, 1, 3]);
    let (error, state) = propose(&mut cell, partition, 2, (0, 0), &[2, 1]);
    assert_eq!(error, ErrorCode::None);
    assert_eq!(state, (Some(2), [2, 1].into(), 0, 1));
    (cell, partition)
}

fn request(
    cell: &Cell,
    partition: TopicPartition,
    sender: u32,
    epochs: (i32, i32),
    isr: &[u32],
) -> AlterPartitionRequest {
    let epoch_of = |id: u32| {
        let registered = cell.committed.brokers.get(&NodeId(id));
        registered.map_or(BrokerEpoch(-1), |broker| broker.broker_epoch)
    };
    AlterPartitionRequest {
        broker: NodeId(sender),
        broker_epoch: epoch_of(sender),
        partitions: alloc::vec![AlterPartition {
            partition,
            leader_epoch: LeaderEpoch(epochs.0),
            new_isr: isr.iter().map(|id| (NodeId(*id), epoch_of(*id))).collect(),
            partition_epoch: PartitionEpoch(epochs.1),
        }],
    }
}

fn ask(cell: &mut Cell, request: AlterPartitionRequest) -> AlterPartitionResponse {
    match cell.ask(request) {
        Response::AlterPartition(body) => body,
        other => panic!("{other:?}"),
    }
}

fn propose(
    cell: &mut Cell,
    partition: TopicPartition,
    sender: u32,
    epochs: (i32, i32),
    isr: &[u32],
) -> (ErrorCode, (Option<u32>, Vec<u32>, i32, i32)) {
    let request = request(cell, partition, sender, epochs, isr);
    let response = ask(cell, request);
    assert_eq!(response.error, ErrorCode::None);
    assert_eq!(response.partitions[0].partition, partition);
    (response.partitions[0].error, cell.state(partition))
}

#[test]
fn proposals_are_checked_in_kafkas_order() {
    let unknown = TopicPartition::new(TopicId(9999), 0);
    let (_, partition) = shrunk();
    let beyond = TopicPartition::new(partition.topic, 1);
    // Partition, sender, (leader epoch, partition epoch), ISR, error. Each row breaks its rule and those after it.
    for (name, asked, sender, epochs, isr, error) in [
        (
            "unknown topic",
            unknown,
            1,
            (9, 9),
            &[9][..],
            ErrorCode::UnknownTopicOrPartition,
        ),
        (
            "unknown partition",
            beyond,
            1,
            (9, 9),
            &[9],
            ErrorCode::UnknownTopicOrPartition,
        ),
        (
            "newer leader epoch",
            partition,
            1,
            (1, 0),
            &[9],
            ErrorCode::NotController,
        ),
        (
            "newer partition epoch",
            partition,
            1,
            (-1, 2),
            &[9],
            ErrorCode::NotController,
        ),
        (
            "older leader epoch",
            partition,
            1,
            (-1, 0),
            &[9],
            ErrorCode::FencedLeaderEpoch,
        ),
        ("not the leader", partition, 1, (0, 0), &[9], ErrorCode::InvalidRequest),
        (
            "older partition epoch",
            partition,
            2,
            (0, 0),
            &[9],
            ErrorCode::InvalidUpdateVersion,
        ),
        (
            "not a replica",
            partition,
            2,
            (0, 1),
            &[2, 4],
            ErrorCode::InvalidRequest,
        ),
        (
            "without the leader",
            partition,
            2,
            (0, 1),
            &[1, 3],
            ErrorCode::InvalidRequest,
        ),
        ("empty", partition, 2, (0, 1), &[], ErrorCode::InvalidRequest),
        (
            "twice the same",
            partition,
            2,
            (0, 1),
            &[2, 1, 1],
            ErrorCode::InvalidRequest,
        ),
        ("good", partition, 2, (0, 1), &[2, 1, 3], ErrorCode::None),
    ] {
        let (mut cell, _) = shrunk();
        let before = cell.state(partition);
        let request = request(&cell, asked, sender, epochs, isr);
        let response = ask(&mut cell, request);
        assert_eq!(response.error, ErrorCode::None, "{name}");
        let result = &response.partitions[0];
        assert_eq!(result.error, error, "{name}");
        if error.is_ok() {
            assert_eq!(cell.state(partition), (Some(2), [2, 1, 3].into(), 0, 2), "{name}");
            assert_eq!(result.isr, nodes(&[2, 1, 3]), "{name}");
            assert_eq!(
                (result.leader, result.partition_epoch),
                (Some(NodeId(2)), PartitionEpoch(2)),
                "{name}"
            );
        } else {
            assert_eq!(cell.state(partition), before, "{name}");
        }
    }
}

#[test]
fn fenced_and_stale_members_are_ineligible() {
    // KIP-841: a fenced broker.
    let (mut cell, partition) = shrunk();
    let silent = 3;
    for _ in 0..3 {
        cell.pass(4 * SECOND);
        cell.heartbeat(1);
        cell.heartbeat(2);
    }
    assert!(cell.is_fenced(silent));
    assert_eq!(
        propose(&mut cell, partition, 2, (0, 1), &[2, 1, 3]).0,
        ErrorCode::IneligibleReplica
    );

    // KIP-903: a broker that caught up in an earlier run.
    let (mut cell, partition) = shrunk();
    let mut stale = request(&cell, partition, 2, (0, 1), &[2, 1, 3]);
    for _ in 0..3 {
        cell.pass(4 * SECOND);
        cell.heartbeat(1);
        cell.heartbeat(2);
    }
    cell.register(silent, 77);
    assert!(!cell.heartbeat(silent).is_fenced);
    assert_eq!(
        ask(&mut cell, stale.clone()).partitions[0].error,
        ErrorCode::IneligibleReplica
    );
    stale.partitions[0].new_isr[2].1 = cell.broker_epoch(silent);
    assert_eq!(ask(&mut cell, stale).partitions[0].error, ErrorCode::None);

    // A broker in controlled shutdown.
    let (mut cell, partition) = shrunk();
    let leads = cell.create_placed(&[3, 2, 1]);
    assert_eq!(cell.state(leads).0, Some(3));
    let request = BrokerHeartbeatRequest {
        want_shut_down: true,
        ..cell.heartbeat_of(silent)
    };
    assert!(!cell.heartbeat_with(request).is_fenced);
    assert_eq!(
        propose(&mut cell, partition, 2, (0, 1), &[2, 1, 3]).0,
        ErrorCode::IneligibleReplica
    );
}

#[test]
fn a_sender_of_an_earlier_run_is_refused_as_a_whole() {
    let (mut cell, partition) = shrunk();
    let stale = AlterPartitionRequest {
        broker_epoch: BrokerEpoch(0),
        ..request(&cell, partition, 2, (0, 1), &[2])
    };
    let response = ask(&mut cell, stale);
    assert_eq!(response.error, ErrorCode::StaleBrokerEpoch);
    assert!(response.partitions.is_empty());
}

#[test]
fn one_request_changes_each_partition_once() {
    let (mut cell, partition) = shrunk();
    let mut both = request(&cell, partition, 2, (0, 1), &[2]);
    both.partitions.push(both.partitions[0].clone());
    both.partitions[1].new_isr.push((NodeId(3), cell.broker_epoch(3)));
    let response = ask(&mut cell, both);
    let errors: Vec<ErrorCode> = response.partitions.iter().map(|result| result.error).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::InvalidRequest]);
    assert_eq!(cell.state(partition), (Some(2), [2].into(), 0, 2));
}

#[test]
fn the_present_isr_is_no_change() {
    let (mut cell, partition) = shrunk();
    let decisions = cell.decisions.len();
    assert_eq!(propose(&mut cell, partition, 2, (0, 1), &[2, 1]).0, ErrorCode::None);
    assert_eq!(cell.state(partition).3, 1);
    assert_eq!(cell.decisions.len(), decisions, "nothing was written");
}

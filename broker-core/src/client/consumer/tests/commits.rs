//! Commits: by the application, by the way, before partitions go.

use super::groups::*;
use super::*;
use crate::config::GroupProtocol;
use crate::protocol::{ApiKey, OffsetAndMetadata, OffsetCommitRequest};
use crate::types::GroupEpoch;

fn config() -> ConsumerConfig {
    member_config(GroupProtocol::Classic)
}

fn auto() -> ConsumerConfig {
    ConsumerConfig {
        enable_auto_commit: true,
        max_poll_records: 1,
        ..config()
    }
}

fn commit(sent: &Sent) -> &OffsetCommitRequest {
    match &sent.body {
        Request::OffsetCommit(request) => request,
        other => panic!("{other:?}"),
    }
}

/// A member that has read `read` of three records.
fn reader(config: ConsumerConfig, read: usize) -> Bench {
    let mut bench = Bench::with(config, 1);
    bench.logs[0].append(3);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    bench.poll();
    for _ in 0..read {
        bench.consumer.polled(bench.now());
        assert_eq!(bench.take().len(), 1);
    }
    bench.settle();
    bench.notices();
    bench.coordinator.asked.clear();
    bench
}

fn completed(bench: &mut Bench) -> Vec<(Vec<(TopicPartition, Offset)>, ErrorCode)> {
    let end = |notice| match notice {
        ConsumerNotice::CommitCompleted { offsets, error, .. } => Some((offsets, error)),
        _ => None,
    };
    bench.notices().into_iter().filter_map(end).collect()
}

#[test]
fn a_commit_carries_positions_epochs_and_the_generation() {
    let mut bench = reader(auto(), 2);
    let id = bench.consumer.commit(bench.now(), None);
    let sent = bench.next(ApiKey::OffsetCommit, ms(0));
    let request = commit(&sent);
    assert_eq!(request.generation_id_or_member_epoch, GroupEpoch(1));
    assert_eq!(request.member, Some(me()));
    let position = OffsetAndMetadata {
        leader_epoch: Some(LeaderEpoch(0)),
        ..OffsetAndMetadata::at(Offset(2))
    };
    assert_eq!(request.partitions, [(tp(0), position)]);
    let body = bench.serve(&sent);
    bench.respond(&sent, body);
    let offsets = vec![(tp(0), Offset(2))];
    let error = ErrorCode::None;
    let sent = ConsumerNotice::CommitSent {
        id,
        offsets: offsets.clone(),
    };
    assert_eq!(
        bench.notices(),
        [sent, ConsumerNotice::CommitCompleted { id, offsets, error }]
    );
}

#[test]
fn every_error_of_a_commit() {
    use ErrorCode as E;
    // (error, is it tried again?, what the application hears then)
    let rows = [
        (E::CoordinatorLoadInProgress, true, vec![]),
        (E::CoordinatorNotAvailable, true, vec![]),
        (E::NotCoordinator, true, vec![]),
        (E::UnknownTopicOrPartition, true, vec![]),
        (E::RequestTimedOut, true, vec![]),
        (E::OffsetMetadataTooLarge, false, vec![]),
        (E::InvalidCommitOffsetSize, false, vec![]),
        (E::RebalanceInProgress, false, vec![revoked([0]), assigned([0])]),
        (E::IllegalGeneration, false, vec![lost([0]), assigned([0])]),
        (E::UnknownMemberId, false, vec![lost([0]), assigned([0])]),
        (E::FencedInstanceId, false, vec![lost([0])]),
    ];
    for (error, is_retried, heard) in rows {
        let mut bench = reader(
            ConsumerConfig {
                max_poll_records: 1,
                ..config()
            },
            1,
        );
        bench.coordinator.fails = Some((ApiKey::OffsetCommit, error));
        bench.consumer.commit(bench.now(), None);
        bench.settle();
        let failed = completed(&mut bench);
        if is_retried {
            assert_eq!(failed, [], "{error:?}");
            bench.pass(ms(500));
            bench.settle();
            bench.pass(ms(500));
            bench.settle();
            assert_eq!(
                completed(&mut bench),
                [(vec![(tp(0), Offset(1))], E::None)],
                "{error:?}"
            );
        } else {
            assert_eq!(failed, [(vec![(tp(0), Offset(1))], error)]);
        }
        assert_eq!(bench.poll(), heard, "{error:?}");
    }
}

#[test]
fn a_commit_ends_with_its_time() {
    let mut bench = reader(
        ConsumerConfig {
            max_poll_records: 1,
            ..config()
        },
        1,
    );
    bench.consumer.commit(bench.now(), None);
    bench.next(ApiKey::OffsetCommit, ms(0));
    for _ in 0..60 {
        bench.pass(ms(1_000));
        // Nobody answers any more.
        bench.requests();
    }
    assert_eq!(
        completed(&mut bench),
        [(vec![(tp(0), Offset(1))], ErrorCode::RequestTimedOut)]
    );
}

#[test]
fn a_later_commit_waits_for_the_earlier_one() {
    let mut bench = reader(auto(), 1);
    bench.coordinator.fails = Some((ApiKey::OffsetCommit, ErrorCode::CoordinatorLoadInProgress));
    bench.consumer.commit(bench.now(), None);
    bench.take();
    bench.consumer.commit(bench.now(), None);
    bench.settle();
    bench.pass(ms(500));
    bench.settle();
    let offsets: Vec<_> = completed(&mut bench)
        .into_iter()
        .map(|(offsets, _)| offsets[0].1.0)
        .collect();
    assert_eq!(offsets, [1, 2]);
    assert_eq!(bench.coordinator.stored[&tp(0)].offset, Offset(2));
}

#[test]
fn a_commit_is_not_sent_for_another_membership() {
    let config = ConsumerConfig {
        max_poll_records: 1,
        heartbeat_interval_ms: 1_000,
        ..config()
    };
    let mut bench = reader(config, 1);
    bench.pass(ms(960));
    bench.coordinator.fails = Some((ApiKey::OffsetCommit, ErrorCode::CoordinatorLoadInProgress));
    bench.consumer.commit(bench.now(), None);
    bench.settle();
    bench.consumer.commit(bench.now(), None);
    bench.settle();
    // The member is fenced while the commits wait.
    bench.coordinator.fails = Some((ApiKey::Heartbeat, ErrorCode::UnknownMemberId));
    bench.pass(ms(60));
    bench.settle();
    let errors: Vec<_> = completed(&mut bench).into_iter().map(|(_, error)| error).collect();
    assert_eq!(
        errors,
        [ErrorCode::CoordinatorLoadInProgress, ErrorCode::UnknownMemberId],
        "the first may have been stored, the second was never sent"
    );
    bench.poll();
    bench.pass(ms(500));
    bench.settle();
    assert!(bench.coordinator.stored.is_empty());
}

#[test]
fn one_without_a_group_cannot_commit() {
    let mut bench = Bench::new(AutoOffsetReset::Earliest, 1);
    bench.assign();
    bench.settle();
    bench.consumer.commit(bench.now(), None);
    let ends = completed(&mut bench);
    assert_eq!(ends, [(vec![(tp(0), Offset(0))], ErrorCode::InvalidGroupId)]);
}

#[test]
fn assigned_by_hand_it_commits_without_a_member() {
    let mut bench = Bench::with(config(), 1);
    bench.logs[0].append(4);
    bench.coordinator.stored.insert(tp(0), OffsetAndMetadata::at(Offset(2)));
    bench.assign();
    bench.settle();
    assert_eq!(bench.take(), ["2@0", "3@0"]);
    bench
        .consumer
        .commit(bench.now(), Some(vec![(tp(0), OffsetAndMetadata::at(Offset(3)))]));
    let sent = bench.next(ApiKey::OffsetCommit, ms(0));
    let request = commit(&sent);
    assert_eq!(
        (request.member.clone(), request.generation_id_or_member_epoch),
        (None, GroupEpoch::NONE)
    );
}

#[test]
fn commits_by_the_way_hold_what_earlier_polls_returned() {
    let mut bench = reader(auto(), 1);
    bench.pass(ms(4_999));
    bench.settle();
    bench.poll();
    assert!(bench.coordinator.stored.is_empty(), "the interval has not passed");
    assert_eq!(bench.take(), ["1@0"]);
    bench.pass(ms(10));
    bench.settle();
    assert!(bench.coordinator.stored.is_empty(), "the application has not polled");
    bench.poll();
    assert_eq!(bench.coordinator.stored[&tp(0)].offset, Offset(2));
    // An application that is at work on a record does not commit it, whatever happens meanwhile.
    assert_eq!(bench.take(), ["2@0"]);
    bench.coordinator.fails = Some((ApiKey::Heartbeat, ErrorCode::RebalanceInProgress));
    bench.pass(ms(3_000));
    bench.settle();
    assert_eq!(bench.coordinator.stored[&tp(0)].offset, Offset(2));
    assert_eq!(
        bench.consumer.rebalance(),
        None,
        "first the commit, which waits for the poll"
    );
    assert_eq!(bench.poll(), [revoked([0]), assigned([0])]);
    assert_eq!(bench.coordinator.stored[&tp(0)].offset, Offset(3));
}

#[test]
fn a_failed_commit_by_the_way_is_made_good_by_the_next() {
    let mut bench = reader(auto(), 1);
    bench.pass(ms(5_000));
    bench.settle();
    bench.coordinator.fails = Some((ApiKey::OffsetCommit, ErrorCode::CoordinatorLoadInProgress));
    bench.poll();
    assert_eq!(completed(&mut bench)[0].1, ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(bench.take(), ["1@0"]);
    bench.pass(ms(150));
    bench.poll();
    assert_eq!(completed(&mut bench), [(vec![(tp(0), Offset(2))], ErrorCode::None)]);
}

#[test]
fn a_commit_before_partitions_go_is_tried_until_it_ends() {
    let mut bench = reader(auto(), 1);
    bench.coordinator.fails = Some((ApiKey::OffsetCommit, ErrorCode::CoordinatorLoadInProgress));
    bench.consumer.close(bench.now());
    bench.settle();
    assert_eq!(bench.consumer.rebalance(), None);
    bench.pass(ms(200));
    bench.settle();
    assert_eq!(bench.consumer.rebalance(), Some(&revoked([0])));
    assert_eq!(bench.coordinator.stored[&tp(0)].offset, Offset(1));
    bench.consumer.rebalance_done(bench.now());
    bench.settle();
    assert!(bench.consumer.is_closed());
}

#[test]
fn the_quirk_prefetch_autocommit_commits_what_nobody_got() {
    for (quirk, offset) in [(false, 1), (true, 3)] {
        let mut bench = Bench::with(auto(), 1);
        bench.consumer = bench.consumer.with_quirks(Quirks {
            prefetch_autocommit: quirk,
            ..Quirks::default()
        });
        bench.logs[0].append(3);
        bench.consumer.subscribe(bench.now(), vec!["t".into()]);
        bench.settle();
        bench.poll();
        bench.take();
        bench.pass(ms(5_000));
        bench.poll();
        assert_eq!(bench.coordinator.stored[&tp(0)].offset, Offset(offset));
    }
}

#[test]
fn errors_of_stored_positions_are_waited_out() {
    use ErrorCode as E;
    // (error, with the quirk?, where it begins)
    let rows = [
        (E::CoordinatorLoadInProgress, false, 2),
        (E::NotCoordinator, false, 2),
        (E::CoordinatorNotAvailable, false, 2),
        (E::UnstableOffsetCommit, false, 2),
        (E::UnknownMemberId, false, 2),
        (E::StaleMemberEpoch, false, 2),
        (E::CoordinatorLoadInProgress, true, 0),
    ];
    for (error, quirk, position) in rows {
        let mut bench = Bench::with(config(), 1);
        bench.consumer = bench.consumer.with_quirks(Quirks {
            reset_on_transient_error: quirk,
            ..Quirks::default()
        });
        bench.logs[0].append(3);
        bench.coordinator.stored.insert(tp(0), OffsetAndMetadata::at(Offset(2)));
        bench.coordinator.fails = Some((ApiKey::OffsetFetch, error));
        bench.assign();
        bench.settle();
        bench.pass(ms(500));
        bench.settle();
        assert_eq!(bench.consumer.position(tp(0)), Some(Offset(position)), "{error:?}");
    }
}

//! The consumer protocol (KIP-848): what the member tells, when, and what it makes of the answers.

use alloc::string::ToString;

use super::groups::*;
use super::*;
use crate::config::GroupProtocol;
use crate::protocol::{ApiKey, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, OffsetAndMetadata};
use crate::types::GroupEpoch;

fn config() -> ConsumerConfig {
    member_config(GroupProtocol::Consumer)
}

fn heartbeat(sent: &Sent) -> &ConsumerGroupHeartbeatRequest {
    match &sent.body {
        Request::ConsumerGroupHeartbeat(request) => request,
        other => panic!("{other:?}"),
    }
}

/// What the member owns, as its heartbeats say, with the epochs in them.
fn told(bench: &mut Bench) -> Vec<(i32, Option<Vec<i32>>)> {
    let owned = |owned: Vec<TopicPartition>| owned.iter().map(|id| id.partition.0).collect();
    let heartbeats = bench.coordinator.heartbeats().into_iter();
    heartbeats
        .map(|request| (request.member_epoch.0, request.owned.map(owned)))
        .collect()
}

#[test]
fn the_first_heartbeat_tells_everything_and_later_ones_only_what_is_new() {
    let config = ConsumerConfig {
        group_remote_assignor: Some("range".to_string()),
        group_instance_id: Some("a".to_string()),
        ..config()
    };
    let mut bench = Bench::with(config, 2);
    bench.coordinator.target = ids(0..2);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    let first = bench.coordinator.heartbeats().remove(0);
    assert_eq!(first.member_epoch, GroupEpoch::ZERO);
    assert_eq!(first.instance, Some("a".into()));
    assert_eq!(first.rebalance_timeout, Some(ms(300_000)));
    assert_eq!(first.subscribed_topics, Some(vec!["t".into()]));
    assert_eq!(first.server_assignor, Some("range".into()));
    assert_eq!(first.owned, Some(vec![]));
    assert_eq!(first.member.0.len(), 36);
    assert_eq!(
        bench.consumer.group_metadata(),
        Some((first.member.clone(), GroupEpoch(1)))
    );
    // What it has got it tells as soon as the application has heard.
    assert_eq!(bench.poll(), [assigned(0..2)]);
    let next = bench.coordinator.heartbeats().remove(0);
    assert_eq!((next.member_epoch, next.owned), (GroupEpoch(1), Some(ids(0..2))));
    assert_eq!(
        (next.rebalance_timeout, next.subscribed_topics, next.server_assignor),
        (None, None, None)
    );
    assert_eq!((next.member, next.instance), (first.member, Some("a".into())));
    for _ in 0..3 {
        bench.pass(ms(5_000));
        bench.settle();
    }
    assert_eq!(told(&mut bench), [(1, None), (1, None), (1, None)]);
    bench.consumer.subscribe(bench.now(), vec!["t".into(), "u".into()]);
    bench.settle();
    let topics = bench.coordinator.heartbeats().remove(0).subscribed_topics;
    assert_eq!(topics, Some(vec!["t".into(), "u".into()]));
}

#[test]
fn what_must_go_is_committed_told_and_acknowledged_before_anything_comes() {
    let config = ConsumerConfig {
        enable_auto_commit: true,
        ..config()
    };
    let mut bench = Bench::with(config, 3);
    bench.logs[0].append(2);
    bench.coordinator.target = ids(0..2);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    bench.poll();
    assert_eq!(bench.take(), ["0@0", "1@0"]);
    bench.settle();
    told(&mut bench);
    bench.coordinator.target = ids(1..3);
    bench.coordinator.generation = 2;
    bench.pass(ms(5_000));
    bench.settle();
    assert_eq!(told(&mut bench), [(1, None)], "the application is at work");
    assert_eq!(bench.consumer.rebalance(), None);
    bench.consumer.polled(bench.now());
    bench.settle();
    assert_eq!(bench.coordinator.stored[&tp(0)].offset, Offset(2));
    assert_eq!(bench.consumer.rebalance(), Some(&revoked([0])));
    assert_eq!(told(&mut bench), []);
    bench.consumer.rebalance_done(bench.now());
    bench.settle();
    assert_eq!(
        told(&mut bench),
        [(2, Some(vec![1, 2]))],
        "at once, with what the application is about to hear of"
    );
    assert_eq!(bench.poll(), [assigned([2])]);
    assert_eq!(told(&mut bench), [(2, Some(vec![1, 2]))]);
    let story: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PartitionsAssigned(trace::PartitionsAssigned { partitions, .. }) => {
                Some(("assigned", partitions.clone()))
            }
            Event::PartitionsRevoked(trace::PartitionsRevoked { partitions, .. }) => {
                Some(("revoked", partitions.clone()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        story,
        [("assigned", ids(0..2)), ("revoked", ids([0])), ("assigned", ids([2]))]
    );
}

#[test]
fn an_assignment_that_was_never_taken_over_is_acknowledged_when_it_goes() {
    let mut bench = Bench::member(config(), 1);
    // 1 comes and goes before the application has heard of it; the coordinator waits for the word that it is free.
    let log = bench.logs[0].clone();
    bench.logs.push(log);
    bench.coordinator.target = vec![tp(0), TopicPartition::new(TopicId(101), 0)];
    bench.pass(ms(5_000));
    bench.settle();
    bench.coordinator.heartbeats();
    bench.coordinator.target = ids([0]);
    bench.pass(ms(5_000));
    bench.settle();
    assert_eq!(told(&mut bench), [(1, None), (1, Some(vec![0]))]);
}

#[test]
fn a_topic_that_metadata_does_not_know_is_waited_for() {
    let mut bench = Bench::member(config(), 1);
    let unknown = TopicPartition::new(TopicId(101), 0);
    bench.coordinator.heartbeats();
    bench.coordinator.target = vec![tp(0), unknown];
    bench.consumer.subscribe(bench.now(), vec!["t".into(), "u".into()]);
    bench.settle();
    bench.pass(ms(1_000));
    let sent = bench.next(ApiKey::Metadata, ms(2_000));
    let mut answer = bench.metadata(false);
    let mut other = answer.topics[0].clone();
    (other.name, other.id) = ("u".into(), Some(TopicId(101)));
    answer.topics.push(other);
    assert_eq!(bench.consumer.rebalance(), None);
    // Meanwhile nobody else may get it.
    let claims = |request: ConsumerGroupHeartbeatRequest| request.owned.is_none_or(|owned| owned.contains(&unknown));
    bench.pass(ms(5_000));
    assert!(bench.coordinator.heartbeats().into_iter().all(claims));
    bench.respond(&sent, answer.into());
    assert_eq!(bench.consumer.rebalance(), Some(&Rebalance::Assigned(vec![unknown])));
    assert_eq!(bench.consumer.assignment(), ids([0]));
}

#[test]
fn every_error_of_a_heartbeat() {
    use ErrorCode as E;
    // (error, epoch of the next heartbeat if there is one, what the application hears)
    let rows = [
        (E::CoordinatorLoadInProgress, Some(1), vec![]),
        (E::CoordinatorNotAvailable, Some(1), vec![]),
        (E::NotCoordinator, Some(1), vec![]),
        (E::FencedMemberEpoch, Some(0), vec![lost([0]), assigned([0])]),
        (E::UnknownMemberId, Some(0), vec![lost([0]), assigned([0])]),
        (E::UnreleasedInstanceId, None, vec![lost([0])]),
        (E::FencedInstanceId, None, vec![lost([0])]),
        (E::GroupMaxSizeReached, None, vec![lost([0])]),
        (E::UnsupportedAssignor, None, vec![lost([0])]),
        (E::InvalidRequest, None, vec![lost([0])]),
        (E::UnknownServerError, None, vec![lost([0])]),
    ];
    for (error, next, heard) in rows {
        let mut bench = Bench::member(config(), 1);
        bench.coordinator.fails = Some((ApiKey::ConsumerGroupHeartbeat, error));
        bench.pass(ms(5_000));
        bench.settle();
        bench.coordinator.asked.clear();
        if next == Some(0) {
            assert!(bench.requests().is_empty(), "{error:?}: first the application hears");
        }
        assert_eq!(bench.poll(), heard, "{error:?}");
        bench.pass(ms(500));
        bench.settle();
        bench.pass(ms(500));
        bench.settle();
        let heartbeats = bench.coordinator.heartbeats();
        let first = heartbeats.first();
        assert_eq!(first.map(|request| request.member_epoch.0), next, "{error:?}");
        // After an error everything is told again.
        assert_eq!(
            first.map(|request| request.subscribed_topics.is_some()),
            next.map(|_| true)
        );
        assert_eq!(
            first.and_then(|request| request.owned.clone()).is_some(),
            next.is_some()
        );
        let failed = next.is_none().then_some(ConsumerNotice::GroupFailed(error));
        assert_eq!(bench.notices(), failed.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_new_coordinator_is_told_everything() {
    let mut bench = Bench::member(config(), 1);
    bench.coordinator.node = 1;
    bench.lose(2);
    let sent = bench.next(ApiKey::ConsumerGroupHeartbeat, ms(500));
    assert_eq!(sent.to, NodeId(1));
    let request = heartbeat(&sent);
    assert_eq!(
        (request.member_epoch, request.owned.clone()),
        (GroupEpoch(1), Some(ids([0])))
    );
    assert!(request.subscribed_topics.is_some() && request.rebalance_timeout.is_some());
}

#[test]
fn a_pattern_is_the_coordinators_to_match() {
    let mut bench = Bench::with(config(), 1);
    bench.coordinator.target = ids([0]);
    bench.consumer.subscribe_pattern(bench.now(), "t.*").unwrap();
    bench.settle();
    assert_eq!(bench.poll(), [assigned([0])], "it knows the topic by metadata of all");
    let wanted = |bench: &mut Bench| {
        let heartbeats = bench.coordinator.heartbeats().into_iter();
        let wanted = heartbeats.map(|sent| (sent.subscribed_topics, sent.subscribed_topic_regex));
        wanted.filter(|wanted| *wanted != (None, None)).collect::<Vec<_>>()
    };
    assert_eq!(wanted(&mut bench), [(Some(vec![]), Some("t.*".into()))]);
    bench.pass(ms(6_000));
    bench.settle();
    assert_eq!(wanted(&mut bench), [], "nothing has changed");

    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    assert_eq!(wanted(&mut bench), [(Some(vec!["t".into()]), Some("".into()))]);

    // What is no pattern only the coordinator can say.
    bench.coordinator.fails = Some((ApiKey::ConsumerGroupHeartbeat, ErrorCode::InvalidRegularExpression));
    bench.consumer.subscribe_pattern(bench.now(), "(").unwrap();
    bench.settle();
    let failed = ConsumerNotice::GroupFailed(ErrorCode::InvalidRegularExpression);
    assert!(bench.notices().contains(&failed));
}

#[test]
fn an_answer_to_an_earlier_membership_means_nothing() {
    let mut bench = Bench::member(config(), 1);
    let old = bench.next(ApiKey::ConsumerGroupHeartbeat, ms(5_000));
    // The application does not poll, and the member leaves.
    bench.pass(ms(300_000));
    bench.requests();
    assert_eq!(bench.consumer.group_metadata(), None);
    let answer = ConsumerGroupHeartbeatResponse {
        error: ErrorCode::None,
        member_epoch: GroupEpoch(9),
        heartbeat_interval: ms(5_000),
        assignment: Some(ids([0])),
    };
    bench.respond(&old, answer.into());
    assert_eq!(bench.consumer.group_metadata(), None);
}

#[test]
fn leaving_says_whether_it_means_to_come_back() {
    for (instance, epoch) in [(None, -1), (Some("a".to_string()), -2)] {
        // By not polling, and by closing.
        let config = ConsumerConfig {
            group_instance_id: instance,
            max_poll_interval_ms: 7_000,
            ..config()
        };
        let mut bench = Bench::member(config.clone(), 1);
        bench.pass(ms(5_000));
        bench.settle();
        bench.coordinator.asked.clear();
        bench.pass(ms(2_000));
        bench.settle();
        assert_eq!(told(&mut bench), [(epoch, None)]);
        bench.pass(ms(60_000));
        bench.settle();
        assert_eq!(told(&mut bench), []);
        assert_eq!(bench.poll(), [lost([0]), assigned([0])]);

        let mut bench = Bench::member(config, 1);
        bench.consumer.close(bench.now());
        assert_eq!(bench.poll(), [revoked([0])]);
        assert_eq!(told(&mut bench), [(epoch, None)]);
        assert!(bench.consumer.is_closed());
    }
}

#[test]
fn a_commit_in_an_epoch_that_has_passed_is_made_in_the_next() {
    let mut bench = Bench::member(config(), 2);
    bench.coordinator.fails = Some((ApiKey::OffsetCommit, ErrorCode::StaleMemberEpoch));
    bench
        .consumer
        .commit(bench.now(), Some(vec![(tp(0), OffsetAndMetadata::at(Offset(1)))]));
    bench.settle();
    assert_eq!(bench.notices().len(), 1, "it has not ended");
    bench.coordinator.generation = 2;
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    let sent = bench.next(ApiKey::OffsetCommit, ms(500));
    match &sent.body {
        Request::OffsetCommit(request) => assert_eq!(request.generation_id_or_member_epoch, GroupEpoch(2)),
        other => panic!("{other:?}"),
    }
    // But not once a partition has been given up.
    bench.coordinator.fails = Some((ApiKey::OffsetCommit, ErrorCode::StaleMemberEpoch));
    let body = bench.serve(&sent);
    bench.coordinator.target = ids([1]);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    assert_eq!(bench.poll(), [revoked([0])]);
    bench.respond(&sent, body);
    bench.settle();
    let id = CommitId(0);
    let offsets = vec![(tp(0), Offset(1))];
    let error = ErrorCode::StaleMemberEpoch;
    assert_eq!(
        bench.notices(),
        [ConsumerNotice::CommitCompleted { id, offsets, error }]
    );
}

//! The classic protocol: joining, heartbeats, rebalances, leaving.

use alloc::string::ToString;

use super::groups::*;
use super::*;
use crate::config::GroupProtocol;
use crate::machine::CloseReason;
use crate::protocol::consumer_protocol::Subscription;
use crate::protocol::{
    ApiKey, HeartbeatResponse, JoinGroupMember, JoinGroupRequest, JoinGroupResponse, OffsetAndMetadata,
    SyncGroupResponse,
};
use crate::types::{GroupEpoch, MemberId};

fn config() -> ConsumerConfig {
    member_config(GroupProtocol::Classic)
}

fn cooperative() -> ConsumerConfig {
    ConsumerConfig {
        partition_assignment_strategy: vec!["cooperative-sticky".to_string()],
        ..config()
    }
}

fn join(sent: &Sent) -> &JoinGroupRequest {
    match &sent.body {
        Request::JoinGroup(request) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_joins_assigns_and_begins_where_its_group_left() {
    let mut bench = Bench::with(config(), 2);
    for log in &mut bench.logs {
        log.append(5);
    }
    let stored = OffsetAndMetadata {
        leader_epoch: Some(LeaderEpoch(0)),
        ..OffsetAndMetadata::at(Offset(3))
    };
    bench.coordinator.stored.insert(tp(0), stored);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    assert_eq!(bench.consumer.group_metadata(), None);
    bench.settle();
    use ApiKey as A;
    let kinds = [A::FindCoordinator, A::JoinGroup, A::JoinGroup, A::SyncGroup];
    assert_eq!(bench.coordinator.kinds(), kinds);
    assert_eq!(bench.consumer.group_metadata(), Some((me(), GroupEpoch(1))));
    assert_eq!(bench.consumer.assignment(), [], "it owns nothing before it has heard");
    assert_eq!(bench.poll(), [assigned(0..2)]);
    assert_eq!(bench.consumer.assignment(), ids(0..2));
    assert_eq!(bench.coordinator.kinds(), [A::OffsetFetch]);
    let resets: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PositionReset(trace::PositionReset {
                partition, to, cause, ..
            }) => Some((partition.partition.0, to.0, *cause)),
            _ => None,
        })
        .collect();
    assert_eq!(resets, [(0, 3, ResetCause::Committed), (1, 0, ResetCause::NoPosition)]);
    let is_assigned = |event: &Event| matches!(event, Event::PartitionsAssigned(trace::PartitionsAssigned { partitions, .. }) if *partitions == ids(0..2));
    assert_eq!(bench.events.iter().filter(|event| is_assigned(event)).count(), 1);
    let mut values = bench.take();
    bench.settle();
    values.extend(bench.take());
    values.sort();
    assert_eq!(values, ["0@0", "1@0", "2@0", "3@0", "3@0", "4@0", "4@0"]);
}

#[test]
fn a_committed_position_that_was_cut_is_found_by_validation() {
    let mut bench = Bench::with(config(), 1);
    bench.logs[0].append(2);
    bench.logs[0].epoch = 1;
    bench.logs[0].append(4);
    let stored = OffsetAndMetadata {
        leader_epoch: Some(LeaderEpoch(0)),
        ..OffsetAndMetadata::at(Offset(5))
    };
    bench.coordinator.stored.insert(tp(0), stored);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    bench.poll();
    assert_eq!(bench.take()[0], "2@1", "the log of epoch 0 ends at 2");
}

#[test]
fn the_subscription_names_strategies_topics_and_claims() {
    let mut bench = Bench::with(config(), 2);
    bench.consumer.subscribe(bench.now(), vec!["t".into(), "t".into()]);
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let request = join(&sent);
    assert_eq!(request.protocol_type, "consumer");
    assert_eq!(
        (request.session_timeout, request.rebalance_timeout),
        (ms(45_000), ms(300_000))
    );
    let names: Vec<_> = request.protocols.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["range", "cooperative-sticky"]);
    let subscription = Subscription::decode(&request.protocols[0].1).unwrap();
    assert_eq!(subscription.topics, ["t".into()]);
    assert_eq!(
        (subscription.owned, subscription.generation),
        (vec![], GroupEpoch::NONE)
    );

    // A cooperative member claims what it keeps while it joins again.
    let mut bench = Bench::member(cooperative(), 2);
    bench.coordinator.fails = Some((ApiKey::Heartbeat, ErrorCode::RebalanceInProgress));
    let sent = bench.next(ApiKey::JoinGroup, ms(3_000));
    let subscription = Subscription::decode(&join(&sent).protocols[0].1).unwrap();
    let both = vec![PartitionIndex(0), PartitionIndex(1)];
    assert_eq!(subscription.owned, [("t".into(), both)]);
    assert_eq!(subscription.generation, GroupEpoch(1));
    assert_eq!(bench.consumer.assignment(), ids(0..2));
}

#[test]
fn an_eager_member_gives_up_everything_before_it_joins_again() {
    let mut bench = Bench::member(config(), 2);
    bench.logs[0].append(1);
    bench.coordinator.fails = Some((ApiKey::Heartbeat, ErrorCode::RebalanceInProgress));
    bench.pass(ms(3_000));
    bench.settle();
    assert!(!bench.consumer.has_records());
    // It stays a member while its application is busy.
    bench.pass(ms(3_000));
    bench.settle();
    assert_eq!(bench.coordinator.kinds(), [ApiKey::Heartbeat, ApiKey::Heartbeat]);
    assert_eq!(bench.poll(), [revoked(0..2), assigned(0..2)]);
    let kinds = bench.coordinator.kinds();
    assert_eq!(kinds, [ApiKey::JoinGroup, ApiKey::SyncGroup, ApiKey::OffsetFetch]);
    let told: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PartitionsRevoked(trace::PartitionsRevoked { epoch, .. }) => Some(("revoked", epoch.0)),
            Event::PartitionsAssigned(trace::PartitionsAssigned { epoch, .. }) => Some(("assigned", epoch.0)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [("revoked", 1), ("assigned", 2)]);
    // The fetch of before is still out.
    bench.lose(1);
    bench.pass(ms(100));
    bench.settle();
    assert_eq!(bench.take(), ["0@0"]);
}

#[test]
fn a_cooperative_member_releases_only_what_goes_and_joins_again() {
    let mut bench = Bench::member(cooperative(), 2);
    bench.logs[0].append(1);
    bench.logs[1].append(1);
    bench.coordinator.fails = Some((ApiKey::Heartbeat, ErrorCode::RebalanceInProgress));
    let sent = bench.next(ApiKey::JoinGroup, ms(3_000));
    let body = bench.serve(&sent);
    bench.respond(&sent, body);
    let sent = bench.next(ApiKey::SyncGroup, ms(0));
    let answer = SyncGroupResponse {
        error: ErrorCode::None,
        assignment: assignment([1]),
    };
    bench.respond(&sent, answer.into());
    bench.coordinator.asked.clear();
    assert_eq!(bench.consumer.rebalance(), Some(&revoked([0])));
    assert!(bench.requests().is_empty(), "nothing before the application has heard");
    bench.consumer.rebalance_done(bench.now());
    assert_eq!(
        bench.consumer.assignment(),
        ids([1]),
        "the other one stays all the time"
    );
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let subscription = Subscription::decode(&join(&sent).protocols[0].1).unwrap();
    assert_eq!(subscription.owned, [("t".into(), vec![PartitionIndex(1)])]);
    assert_eq!(subscription.generation, GroupEpoch(2));
}

#[test]
fn every_error_of_a_join() {
    use ErrorCode as E;
    // (error, what it asks next, with its member id?, does it give up?)
    let rows = [
        (E::CoordinatorLoadInProgress, Some(ApiKey::JoinGroup), true),
        (E::CoordinatorNotAvailable, Some(ApiKey::FindCoordinator), true),
        (E::NotCoordinator, Some(ApiKey::FindCoordinator), true),
        (E::RebalanceInProgress, Some(ApiKey::JoinGroup), true),
        (E::UnknownMemberId, Some(ApiKey::JoinGroup), false),
        (E::IllegalGeneration, Some(ApiKey::JoinGroup), true),
        (E::GroupMaxSizeReached, None, false),
        (E::InconsistentGroupProtocol, None, false),
        (E::InvalidSessionTimeout, None, false),
        (E::FencedInstanceId, None, false),
        (E::UnknownServerError, None, false),
    ];
    for (error, next, keeps_id) in rows {
        let mut bench = Bench::with(config(), 1);
        bench.consumer.subscribe(bench.now(), vec!["t".into()]);
        let sent = bench.next(ApiKey::JoinGroup, ms(0));
        let body = bench.serve(&sent);
        bench.respond(&sent, body);
        bench.coordinator.fails = Some((ApiKey::JoinGroup, error));
        let sent = bench.next(ApiKey::JoinGroup, ms(0));
        assert_eq!(join(&sent).member, Some(me()));
        let body = bench.serve(&sent);
        bench.respond(&sent, body);
        bench.coordinator.asked.clear();
        let Some(kind) = next else {
            bench.pass(ms(10_000));
            bench.settle();
            assert_eq!(bench.coordinator.kinds(), [], "{error:?}");
            assert_eq!(bench.notices(), [ConsumerNotice::GroupFailed(error)]);
            continue;
        };
        if kind == ApiKey::FindCoordinator {
            let sent = bench.next(kind, ms(1_000));
            let body = bench.serve(&sent);
            bench.respond(&sent, body);
        }
        let sent = bench.next(ApiKey::JoinGroup, ms(1_000));
        assert_eq!(join(&sent).member.is_some(), keeps_id, "{error:?}");
        assert_eq!(bench.notices(), [], "{error:?}");
        let body = bench.serve(&sent);
        bench.respond(&sent, body);
        bench.settle();
        assert_eq!(bench.poll(), [assigned(0..1)], "{error:?}");
    }
}

#[test]
fn every_error_of_a_sync() {
    use ErrorCode as E;
    let rows = [
        (E::RebalanceInProgress, true, true),
        (E::NotCoordinator, true, true),
        (E::CoordinatorNotAvailable, true, true),
        (E::CoordinatorLoadInProgress, true, true),
        (E::UnknownMemberId, true, false),
        (E::IllegalGeneration, true, true),
        (E::FencedInstanceId, false, false),
        (E::UnknownServerError, false, false),
    ];
    for (error, joins, keeps_id) in rows {
        let mut bench = Bench::with(config(), 1);
        bench.consumer.subscribe(bench.now(), vec!["t".into()]);
        bench.coordinator.fails = Some((ApiKey::SyncGroup, error));
        let sent = bench.next(ApiKey::SyncGroup, ms(0));
        let body = bench.serve(&sent);
        bench.respond(&sent, body);
        if joins {
            let sent = bench.next(ApiKey::JoinGroup, ms(1_000));
            assert_eq!(join(&sent).member.is_some(), keeps_id, "{error:?}");
        } else {
            assert_eq!(bench.notices(), [ConsumerNotice::GroupFailed(error)]);
        }
    }
}

#[test]
fn every_error_of_a_heartbeat() {
    use ErrorCode as E;
    // (error, what it asks next, what its application hears at the next poll)
    let rows = [
        (E::None, ApiKey::Heartbeat, vec![]),
        (E::CoordinatorLoadInProgress, ApiKey::Heartbeat, vec![]),
        (E::NotCoordinator, ApiKey::FindCoordinator, vec![]),
        (E::CoordinatorNotAvailable, ApiKey::FindCoordinator, vec![]),
        (
            E::RebalanceInProgress,
            ApiKey::JoinGroup,
            vec![revoked([0]), assigned([0])],
        ),
        (E::IllegalGeneration, ApiKey::JoinGroup, vec![lost([0]), assigned([0])]),
        (E::UnknownMemberId, ApiKey::JoinGroup, vec![lost([0]), assigned([0])]),
        (E::FencedInstanceId, ApiKey::Heartbeat, vec![lost([0])]),
    ];
    for (error, next, heard) in rows {
        let mut bench = Bench::member(config(), 1);
        bench.coordinator.fails = Some((ApiKey::Heartbeat, error));
        bench.pass(ms(3_000));
        bench.settle();
        bench.coordinator.asked.remove(0);
        assert_eq!(bench.poll(), heard, "{error:?}");
        if error == E::FencedInstanceId {
            assert_eq!(bench.notices(), [ConsumerNotice::GroupFailed(error)]);
            assert_eq!(bench.consumer.group_metadata(), None);
            continue;
        }
        bench.pass(ms(3_000));
        bench.settle();
        assert_eq!(bench.coordinator.kinds().first(), Some(&next), "{error:?}");
        assert_eq!(bench.consumer.assignment(), ids([0]), "{error:?}");
    }
}

#[test]
fn heartbeats_go_on_without_the_application() {
    let mut bench = Bench::member(config(), 1);
    for _ in 0..10 {
        bench.pass(ms(3_000));
        bench.settle();
    }
    assert_eq!(bench.coordinator.kinds(), [ApiKey::Heartbeat; 10]);
}

#[test]
fn a_coordinator_that_is_silent_for_the_session_is_looked_for_again() {
    let config = ConsumerConfig {
        session_timeout_ms: 6_000,
        ..config()
    };
    let mut bench = Bench::member(config, 1);
    let heartbeat = bench.next(ApiKey::Heartbeat, ms(3_000));
    let begun = bench.now;
    bench.next(ApiKey::FindCoordinator, ms(10_000));
    assert_eq!(bench.now.since(begun), ms(3_000), "6 s after the join");
    assert_eq!(
        bench.consumer.assignment(),
        ids([0]),
        "which is no reason to lose anything"
    );
    bench.respond(&heartbeat, HeartbeatResponse { error: ErrorCode::None }.into());
}

#[test]
fn no_fetch_stands_between_a_member_and_its_coordinator() {
    let mut bench = Bench::with(config(), 1);
    bench.logs[0].leader = Some(2);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    bench.consumer.rebalance_done(bench.now());
    let [fetch] = &bench.settle()[..] else {
        panic!("one fetch waits for records")
    };
    assert_eq!(fetch.to, NodeId(2));
    let heartbeat = bench.next(ApiKey::Heartbeat, ms(3_000));
    assert_eq!(heartbeat.to, NodeId(2));
    assert_ne!(heartbeat.connection, fetch.connection);
    bench.respond(&heartbeat, HeartbeatResponse { error: ErrorCode::None }.into());

    // The loss of the one says nothing about the other.
    bench.coordinator.kinds();
    bench.handle(Input::Closed {
        connection: fetch.connection,
        reason: CloseReason::Lost,
    });
    let next = bench.next(ApiKey::Heartbeat, ms(4_000));
    assert_eq!(next.connection, heartbeat.connection);
    assert_eq!(bench.coordinator.kinds(), [], "nobody is asked who the coordinator is");
}

#[test]
fn what_was_asked_of_a_coordinator_that_is_none_is_given_up() {
    let mut bench = Bench::member(config(), 1);
    let heartbeat = bench.next(ApiKey::Heartbeat, ms(3_000));
    bench.consumer.commit(bench.now(), None);
    let commit = bench.next(ApiKey::OffsetCommit, ms(0));
    assert_eq!(commit.connection, heartbeat.connection);
    let error = ErrorCode::NotCoordinator;
    bench.respond(&heartbeat, HeartbeatResponse { error }.into());
    bench.coordinator.kinds();
    let again = bench.next(ApiKey::OffsetCommit, ms(500));
    assert_ne!(again.connection, commit.connection);
    let kinds = bench.coordinator.kinds();
    assert_eq!(kinds, [ApiKey::FindCoordinator, ApiKey::Heartbeat]);
}

#[test]
fn a_lost_connection_to_the_coordinator_is_no_loss() {
    let mut bench = Bench::member(config(), 1);
    bench.coordinator.node = 1;
    bench.lose(2);
    bench.pass(ms(3_500));
    bench.settle();
    let kinds = bench.coordinator.kinds();
    assert_eq!(kinds, [ApiKey::FindCoordinator, ApiKey::Heartbeat]);
    assert_eq!(bench.poll(), []);
    assert_eq!(bench.consumer.assignment(), ids([0]));
}

#[test]
fn an_application_that_does_not_poll_leaves_and_comes_back() {
    let config = ConsumerConfig {
        max_poll_interval_ms: 10_000,
        ..config()
    };
    let mut bench = Bench::member(config, 1);
    bench.pass(ms(9_000));
    bench.settle();
    bench.poll();
    bench.coordinator.asked.clear();
    bench.pass(ms(9_999));
    bench.settle();
    assert!(bench.coordinator.kinds().iter().all(|kind| *kind == ApiKey::Heartbeat));
    bench.pass(ms(1));
    bench.settle();
    assert_eq!(bench.coordinator.kinds(), [ApiKey::LeaveGroup]);
    let lost_event = |event: &Event| matches!(event, Event::PartitionsLost(_));
    assert!(bench.events.iter().any(lost_event), "the member knows it at once");
    bench.pass(ms(60_000));
    bench.settle();
    assert_eq!(bench.coordinator.kinds(), [], "nothing until the application polls");
    assert_eq!(bench.poll(), [lost([0]), assigned([0])]);
}

#[test]
fn a_leader_calls_for_another_assignment_when_a_topic_grows() {
    let mut bench = Bench::member(config(), 1);
    let log = bench.logs[0].clone();
    bench.logs.push(log);
    for _ in 0..100 {
        bench.pass(ms(3_000));
        bench.settle();
        bench.consumer.polled(bench.now());
    }
    assert_eq!(bench.poll(), [revoked([0]), assigned([0, 1])]);
}

/// KIP-814: it takes what the group has, and looks after the topics from then on.
#[test]
fn a_static_leader_that_comes_back_assigns_nothing_until_a_topic_grows() {
    let mut bench = Bench::with(config(), 1);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let body = bench.serve(&sent);
    bench.respond(&sent, body);
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let Response::JoinGroup(answer) = bench.serve(&sent) else {
        panic!("an answer to a join")
    };
    let answer = JoinGroupResponse {
        skip_assignment: true,
        ..answer
    };
    bench.respond(&sent, answer.into());
    let sent = bench.next(ApiKey::SyncGroup, ms(0));
    match &sent.body {
        Request::SyncGroup(request) => assert!(request.assignments.is_empty()),
        other => panic!("{other:?}"),
    }
    let answer = SyncGroupResponse {
        error: ErrorCode::None,
        assignment: assignment([0]),
    };
    bench.respond(&sent, answer.into());
    let log = bench.logs[0].clone();
    bench.logs.push(log);
    for _ in 0..100 {
        bench.pass(ms(3_000));
        bench.settle();
        bench.consumer.polled(bench.now());
    }
    assert_eq!(bench.poll(), [assigned([0]), revoked([0]), assigned([0, 1])]);
}

#[test]
fn a_leader_waits_for_the_metadata_of_topics_that_others_subscribe_to() {
    let mut bench = Bench::with(config(), 2);
    let theirs = Subscription {
        topics: vec!["u".into()],
        user_data: None,
        owned: Vec::new(),
        generation: GroupEpoch::NONE,
    };
    bench.coordinator.others = vec![JoinGroupMember {
        member: MemberId::from("other"),
        instance: None,
        metadata: theirs.encode(),
    }];
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let body = bench.serve(&sent);
    bench.respond(&sent, body);
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let body = bench.serve(&sent);
    bench.respond(&sent, body);
    let sent = bench.next(ApiKey::Metadata, ms(0));
    match &sent.body {
        Request::Metadata(request) => assert_eq!(request.topics.as_ref().unwrap().len(), 2),
        other => panic!("{other:?}"),
    }
    assert!(bench.requests().is_empty());
    let mut answer = bench.metadata(false);
    answer.topics.push(MetadataTopic {
        name: "u".into(),
        id: None,
        error: ErrorCode::UnknownTopicOrPartition,
        partitions: Vec::new(),
    });
    bench.respond(&sent, answer.into());
    bench.settle();
    assert_eq!(bench.poll(), [assigned(0..2)]);
    let other = bench.coordinator.assigned.iter().find(|(member, _)| *member != me());
    assert_eq!(
        other.unwrap().1,
        crate::protocol::consumer_protocol::Assignment::default().encode()
    );
}

#[test]
fn a_follower_takes_what_it_is_given() {
    let mut bench = Bench::with(config(), 3);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let body = bench.serve(&sent);
    bench.respond(&sent, body);
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let answer = JoinGroupResponse {
        error: ErrorCode::None,
        generation: GroupEpoch(7),
        protocol: Some("range".into()),
        leader: Some(MemberId::from("other")),
        member: Some(me()),
        members: Vec::new(),
        skip_assignment: false,
    };
    bench.respond(&sent, answer.into());
    let sent = bench.next(ApiKey::SyncGroup, ms(0));
    match &sent.body {
        Request::SyncGroup(request) => assert!(request.assignments.is_empty()),
        other => panic!("{other:?}"),
    }
    let answer = SyncGroupResponse {
        error: ErrorCode::None,
        assignment: assignment([2]),
    };
    bench.respond(&sent, answer.into());
    assert_eq!(bench.poll(), [assigned([2])]);
    assert_eq!(bench.consumer.group_metadata(), Some((me(), GroupEpoch(7))));
}

#[test]
fn closing_gives_up_and_leaves() {
    // (static?, what the coordinator is asked)
    for (instance, asked) in [(None, vec![ApiKey::LeaveGroup]), (Some("a".to_string()), vec![])] {
        let config = ConsumerConfig {
            group_instance_id: instance,
            ..config()
        };
        let mut bench = Bench::member(config, 1);
        bench.consumer.close(bench.now());
        bench.settle();
        assert!(!bench.consumer.is_closed());
        assert_eq!(bench.consumer.rebalance(), Some(&revoked([0])));
        bench.consumer.rebalance_done(bench.now());
        bench.settle();
        assert!(bench.consumer.is_closed());
        assert_eq!(bench.coordinator.kinds(), asked);
        assert_eq!(bench.consumer.deadline(), None);
    }
}

#[test]
fn closing_ends_even_if_nobody_answers() {
    let mut bench = Bench::member(config(), 1);
    bench.coordinator.fails = Some((ApiKey::FindCoordinator, ErrorCode::CoordinatorNotAvailable));
    bench.lose(2);
    bench.consumer.close(bench.now());
    bench.requests();
    bench.consumer.rebalance_done(bench.now());
    bench.pass(ms(29_999));
    assert!(!bench.consumer.is_closed());
    bench.pass(ms(1));
    assert!(bench.consumer.is_closed());
}

#[test]
fn a_static_member_joins_without_being_asked_for_an_id() {
    let config = ConsumerConfig {
        group_instance_id: Some("a".to_string()),
        ..config()
    };
    let mut bench = Bench::with(config, 1);
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    bench.settle();
    use ApiKey as A;
    assert_eq!(
        bench.coordinator.kinds(),
        [A::FindCoordinator, A::JoinGroup, A::SyncGroup]
    );
}

#[test]
fn another_subscription_is_another_join() {
    let mut bench = Bench::member(config(), 1);
    bench.consumer.subscribe(bench.now(), vec!["t".into(), "u".into()]);
    assert_eq!(bench.consumer.rebalance(), Some(&revoked([0])));
    bench.consumer.rebalance_done(bench.now());
    let sent = bench.next(ApiKey::JoinGroup, ms(0));
    let subscription = Subscription::decode(&join(&sent).protocols[0].1).unwrap();
    assert_eq!(subscription.topics, ["t".into(), "u".into()]);
}

#[test]
fn a_pattern_is_matched_against_the_topics_that_there_are() {
    let config = ConsumerConfig {
        metadata_max_age_ms: 1_000,
        ..config()
    };
    let mut bench = Bench::with(config, 1);
    bench.others = vec!["other".into(), TopicName::CONSUMER_OFFSETS.into()];
    let joined = |bench: &mut Bench| -> Vec<Vec<TopicName>> {
        let asked = bench.coordinator.asked.drain(..);
        let topics = asked.filter_map(|request| match request {
            Request::JoinGroup(request) => Some(Subscription::decode(&request.protocols[0].1).unwrap().topics),
            _ => None,
        });
        topics.collect()
    };
    bench.consumer.subscribe_pattern(bench.now(), "t|later.*|__.*").unwrap();
    bench.settle();
    let t: Vec<TopicName> = vec!["t".into()];
    let twice = [t.clone(), t];
    assert_eq!(
        joined(&mut bench),
        twice,
        "without an id and with it; not the cluster's own topic"
    );
    assert_eq!(bench.poll(), [assigned(0..1)]);

    // Another topic that matches comes with the next metadata.
    bench.others.push("later-1".into());
    bench.pass(ms(1_000));
    bench.settle();
    assert_eq!(bench.poll()[0], revoked(0..1), "an eager member joins with nothing");
    assert_eq!(joined(&mut bench), [["later-1".into(), "t".into()]]);
    assert_eq!(bench.consumer.assignment().len(), 2);

    let refused = bench.consumer.subscribe_pattern(bench.now(), "(").unwrap_err();
    assert_eq!(refused.to_string(), "unclosed group");
}

#[test]
fn assigning_by_hand_ends_the_subscription() {
    let mut bench = Bench::member(config(), 2);
    bench
        .consumer
        .assign(bench.now(), vec![("t".into(), PartitionIndex(1))]);
    bench.settle();
    assert_eq!(bench.coordinator.kinds(), [ApiKey::LeaveGroup, ApiKey::OffsetFetch]);
    assert_eq!(bench.consumer.assignment(), ids([1]));
    assert_eq!(bench.consumer.group_metadata(), None);
    // And the other way round.
    bench.consumer.subscribe(bench.now(), vec!["t".into()]);
    assert_eq!(bench.consumer.assignment(), []);
}

#[test]
fn paused_partitions_are_not_fetched_and_keep_their_records() {
    let mut bench = Bench::member(config(), 2);
    bench.logs[0].append(2);
    bench.pass(ms(500));
    bench.lose(1);
    bench.pass(ms(200));
    bench.settle();
    bench.consumer.pause(bench.now(), &ids([0]));
    assert!(!bench.consumer.has_records());
    assert_eq!(bench.consumer.position(tp(0)), Some(Offset(0)));
    bench.consumer.resume(bench.now(), &ids([0]));
    assert_eq!(bench.take(), ["0@0", "1@0"]);
    bench.consumer.pause(bench.now(), &ids([0]));
    bench.lose(1);
    bench.pass(ms(1_000));
    let held = bench.settle();
    assert_eq!(held[0].fetched(), [(1, 0)]);
}

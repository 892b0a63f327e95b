//! What is said when a coordinator cannot, or may not, do what it was asked.

use super::*;
use crate::protocol::{
    Acks, BatchBuilder, ConsumerGroupHeartbeatRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    ProduceRequest, SyncGroupRequest,
};
use crate::types::{MemberId, Timestamp};

/// Kafka's `CoordinatorOperationExceptionHelper`.
#[test]
fn a_commit_that_cannot_be_appended_says_why() {
    let min_isr = TopicConfig {
        min_insync_replicas: 2,
        ..TopicConfig::default()
    };
    let tiny = TopicConfig {
        max_message_bytes: 80,
        ..TopicConfig::default()
    };
    type Deed = fn(&mut Desk);
    let rows: [(&str, TopicConfig, Deed, ErrorCode); 5] = [
        (
            "all is well",
            TopicConfig::default(),
            |desk| desk.lead(&[1], &[1]),
            ErrorCode::None,
        ),
        (
            "another broker leads",
            TopicConfig::default(),
            Desk::follow,
            ErrorCode::NotCoordinator,
        ),
        (
            "the ISR is too small",
            min_isr,
            |desk| desk.lead(&[1, 2], &[1]),
            ErrorCode::CoordinatorNotAvailable,
        ),
        (
            "the batch is too large",
            tiny,
            |desk| desk.lead(&[1], &[1]),
            ErrorCode::UnknownServerError,
        ),
        (
            "the disk failed",
            TopicConfig::default(),
            |desk| {
                desk.lead(&[1], &[1]);
                desk.commit(1);
                let file = *desk.files.keys().next().expect("the log's file");
                desk.with(|replicas, _, ctx| replicas.on_disk(ctx, OpId(999), file, &Err(DiskError::Io)));
            },
            ErrorCode::NotCoordinator,
        ),
    ];
    for (row, config, deed, error) in rows {
        let mut desk = Desk::idle(BrokerConfig::default(), Quirks::default(), config);
        deed(&mut desk);
        assert_eq!(desk.commit(7), error, "{row}");
    }
}

#[test]
fn a_reply_waits_for_the_isr_but_not_for_ever() {
    let mut desk = Desk::idle(BrokerConfig::default(), Quirks::default(), TopicConfig::default());
    desk.lead(&[1, 2], &[1, 2]);
    let position = OffsetAndMetadata::at(Offset(1));
    let commit = desk.send(commit_of(GROUP, &[(orders(0), position)]));
    desk.pass(SECOND);
    let fetch = desk.send(fetch_of(GROUP, None));
    desk.pass(SECOND * 39 / 10);
    assert!(desk.answers.is_empty(), "what it read may not be committed");
    desk.pass(SECOND);
    let Some(Response::OffsetCommit(body)) = desk.answers.remove(&commit) else {
        panic!("no answer after five seconds")
    };
    assert_eq!(body.partitions, [(orders(0), ErrorCode::CoordinatorNotAvailable)]);
    desk.pass(SECOND);
    let Some(Response::OffsetFetch(body)) = desk.answers.remove(&fetch) else {
        panic!("no answer after five seconds")
    };
    assert_eq!(
        (body.error, body.partitions.len()),
        (ErrorCode::CoordinatorNotAvailable, 0)
    );
    let told = desk
        .events
        .iter()
        .any(|event| matches!(event, Event::OffsetsFetched(_)));
    assert!(!told);
}

#[test]
fn nobody_is_told_over_a_closed_connection() {
    let mut desk = Desk::idle(BrokerConfig::default(), Quirks::default(), TopicConfig::default());
    desk.lead(&[1, 2], &[1, 2]);
    let position = OffsetAndMetadata::at(Offset(1));
    desk.send(commit_of(GROUP, &[(orders(0), position)]));
    desk.with(|_, groups, _| groups.on_closed(ConnectionId::Inbound(100)));
    desk.pass(10 * SECOND);
    desk.follow();
    assert!(desk.answers.is_empty());
}

fn every_request(group: &str) -> [Request; 7] {
    let (group, member) = (GroupId::from(group), MemberId::from("m"));
    let generation = GroupEpoch(1);
    let instance = None;
    [
        JoinGroupRequest {
            group: group.clone(),
            session_timeout: 10 * SECOND,
            rebalance_timeout: 10 * SECOND,
            member: Some(member.clone()),
            instance: instance.clone(),
            protocol_type: "consumer".into(),
            protocols: Vec::new(),
        }
        .into(),
        SyncGroupRequest {
            group: group.clone(),
            generation,
            member: member.clone(),
            instance: instance.clone(),
            assignments: Vec::new(),
        }
        .into(),
        HeartbeatRequest {
            group: group.clone(),
            generation,
            member: member.clone(),
            instance: instance.clone(),
        }
        .into(),
        LeaveGroupRequest {
            group: group.clone(),
            member: Some(member.clone()),
            instance: instance.clone(),
        }
        .into(),
        ConsumerGroupHeartbeatRequest {
            group: group.clone(),
            member,
            member_epoch: generation,
            instance,
            rebalance_timeout: None,
            subscribed_topics: None,
            subscribed_topic_regex: None,
            server_assignor: None,
            owned: None,
        }
        .into(),
        commit_of(&group.0, &[(orders(0), OffsetAndMetadata::at(Offset(0)))]).into(),
        fetch_of(&group.0, None).into(),
    ]
}

fn error_of(response: &Response) -> ErrorCode {
    match response {
        Response::JoinGroup(body) => body.error,
        Response::SyncGroup(body) => body.error,
        Response::Heartbeat(body) => body.error,
        Response::LeaveGroup(body) => body.error,
        Response::ConsumerGroupHeartbeat(body) => body.error,
        Response::OffsetCommit(body) => body.partitions[0].1,
        Response::OffsetFetch(body) => body.error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_request_is_refused_in_its_own_form() {
    let mut desk = Desk::new();
    desk.follow();
    for request in every_request(GROUP) {
        let api = request.api_key();
        let response = desk.ask(request);
        assert_eq!(
            (response.api_key(), error_of(&response)),
            (api, ErrorCode::NotCoordinator)
        );
        // The same answer, had it waited for its commit when leadership was lost.
        let failed = super::super::answers::failed(response, ErrorCode::CoordinatorNotAvailable);
        assert_eq!(
            (failed.api_key(), error_of(&failed)),
            (api, ErrorCode::CoordinatorNotAvailable)
        );
    }
}

/// A group without a name has no members; in old clients it had positions.
#[test]
fn a_group_needs_a_name() {
    let mut desk = Desk::new();
    for request in every_request("") {
        let expected = match request {
            Request::OffsetCommit(_) | Request::OffsetFetch(_) => ErrorCode::None,
            _ => ErrorCode::InvalidGroupId,
        };
        let api = request.api_key();
        assert_eq!(error_of(&desk.ask(request)), expected, "{api:?}");
    }
}

#[test]
fn producers_may_not_write_where_coordinators_do() {
    let mut desk = Desk::new();
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(0), Some(b"key"), Some(b"value"), &[]);
    let request = ProduceRequest {
        acks: Acks::All,
        timeout: SECOND,
        partitions: [(OFFSETS, builder.build())].into(),
    };
    let reply_to = ReplyTo {
        node: NodeId(9),
        connection: ConnectionId::Inbound(100),
        id: RequestId(1),
    };
    desk.with(|replicas, _, ctx| replicas.on_produce(ctx, reply_to, request));
    let Some(Response::Produce(body)) = desk.answers.remove(&1) else {
        panic!("no answer")
    };
    assert_eq!(body.partitions[0].error, ErrorCode::InvalidTopic);
    assert_eq!(desk.commit(1), ErrorCode::None);
}

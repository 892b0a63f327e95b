//! Requests that meet a group in some state, and the errors that they are answered with.

use super::*;
use crate::protocol::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};

/// A group of `a` and the static `s1a`, both at epoch 4, where they came from epoch 3; `a` owns t0 and t1.
fn crew() -> Crew {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("s1a", "t");
    crew.join("c", "t");
    crew.settle();
    assert_eq!(crew.epoch("a"), 3);
    assert_eq!(crew.leave("c", GroupEpoch::NONE), ErrorCode::None);
    crew.settle();
    assert_eq!((crew.epoch("a"), crew.epoch("s1a")), (4, 4));
    assert_eq!((crew.owned("a"), crew.owned("s1a")), ("t0 t1".into(), "t2 t3".into()));
    crew
}

fn heartbeat(crew: &Crew, text: &str) -> ConsumerGroupHeartbeatRequest {
    let mut request = crew.join_request("x", "t");
    (request.rebalance_timeout, request.subscribed_topics, request.owned) = (None, None, None);
    request.member_epoch = GroupEpoch(4);
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').expect("key=value");
        match (key, value) {
            ("member", name) => request.member = MemberId::from(name),
            ("instance", name) => request.instance = Some(GroupInstanceId::from(name)),
            ("epoch", "join") => {
                request = ConsumerGroupHeartbeatRequest {
                    member: request.member,
                    instance: request.instance,
                    ..crew.join_request("x", "t")
                };
            }
            ("epoch", "leave") => request.member_epoch = GroupEpoch::NONE,
            ("epoch", "leave-static") => request.member_epoch = GroupEpoch::LEAVE_STATIC,
            ("epoch", number) => request.member_epoch = GroupEpoch(number.parse().expect("a number")),
            ("owned", list) => request.owned = Some(partitions(&list.replace(',', " "))),
            ("assignor", name) => request.server_assignor = Some(AssignorName::from(name)),
            ("timeout", "none") => request.rebalance_timeout = None,
            ("topics", "none") => request.subscribed_topics = None,
            ("regex", pattern) => request.subscribed_topic_regex = Some(pattern.into()),
            ("group", "none") => request.group = GroupId::from(""),
            _ => panic!("what is {word}?"),
        }
    }
    request
}

/// Rows of Kafka's group coordinator for the consumer protocol. Not here: an assignor that fails
/// (UNKNOWN_SERVER_ERROR), because these cannot; DescribeGroups.
#[test]
fn heartbeats() {
    use ErrorCode as E;
    for (text, expected) in [
        ("member=a", E::None),
        ("member=a owned=t0,t1", E::None),
        ("member=x", E::UnknownMemberId),
        ("member=x epoch=1", E::UnknownMemberId),
        ("member=a epoch=5", E::FencedMemberEpoch),
        // The answer that told the member of epoch 4 was lost.
        ("member=a epoch=3 owned=t0,t1", E::None),
        ("member=a epoch=3 owned=t1", E::None),
        ("member=a epoch=3 owned=", E::None),
        ("member=a epoch=3 owned=t1,t2", E::FencedMemberEpoch),
        ("member=a epoch=3", E::FencedMemberEpoch),
        ("member=a epoch=2 owned=t0", E::FencedMemberEpoch),
        ("member=a epoch=1 owned=t0", E::FencedMemberEpoch),
        ("member=a epoch=join", E::None),
        ("member=x epoch=join", E::None),
        ("member=s1a instance=s1", E::None),
        ("member=s1b instance=s1", E::FencedInstanceId),
        ("member=a instance=s1", E::FencedInstanceId),
        ("member=a instance=s9", E::UnknownMemberId),
        ("member=s1b instance=s1 epoch=join", E::UnreleasedInstanceId),
        ("member=s1a instance=s1 epoch=join", E::None),
        ("member=s2a instance=s2 epoch=join", E::None),
        ("member=a epoch=leave", E::None),
        ("member=s1a instance=s1 epoch=leave", E::None),
        ("member=s1a instance=s1 epoch=leave-static", E::None),
        ("member=x epoch=leave", E::UnknownMemberId),
        ("member=s2a instance=s2 epoch=leave", E::UnknownMemberId),
        ("member=s2a instance=s2 epoch=leave-static", E::UnknownMemberId),
        ("member=s1b instance=s1 epoch=leave", E::FencedInstanceId),
        ("member=s1b instance=s1 epoch=leave-static", E::FencedInstanceId),
        ("member=a assignor=range", E::None),
        ("member=a assignor=uniform", E::None),
        ("member=a assignor=sticky", E::UnsupportedAssignor),
        ("member=x epoch=join assignor=sticky", E::UnsupportedAssignor),
        ("member=a epoch=leave-static", E::InvalidRequest),
        ("member=a epoch=-3", E::InvalidRequest),
        ("member=", E::InvalidRequest),
        ("member=a group=none", E::InvalidRequest),
        ("member=x epoch=join timeout=none", E::InvalidRequest),
        ("member=x epoch=join topics=none", E::InvalidRequest),
        ("member=x epoch=join owned=t0", E::InvalidRequest),
        ("member=x epoch=join topics=none regex=u.*", E::None),
        ("member=a regex=t|u", E::None),
        ("member=a regex=(", E::InvalidRegularExpression),
        ("member=x epoch=join regex=*", E::InvalidRegularExpression),
    ] {
        let mut crew = crew();
        let request = heartbeat(&crew, text);
        let response = heartbeat_response(crew.bench.ask(Request::from(request)));
        assert_eq!(response.error, expected, "{text}");
        assert_eq!(response.heartbeat_interval, Duration::from_secs(5), "{text}");
    }
    let mut crew = Crew::new();
    for (text, expected) in [
        ("member=a", E::UnknownMemberId),
        ("member=a epoch=leave", E::UnknownMemberId),
        ("member=s1a instance=s1 epoch=leave-static", E::UnknownMemberId),
        ("member=a epoch=join", E::None),
    ] {
        let request = heartbeat(&crew, text);
        let response = heartbeat_response(crew.bench.ask(Request::from(request)));
        assert_eq!(response.error, expected, "no group yet: {text}");
    }
}

#[test]
fn a_group_of_its_largest_size() {
    let config = BrokerConfig {
        group_consumer_max_size: 2,
        ..BrokerConfig::default()
    };
    let mut crew = Crew::with(config, Quirks::default());
    crew.join("a", "t");
    crew.join("b", "t");
    assert_eq!(crew.join("c", "t").error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(crew.join("b", "t").error, ErrorCode::None);
    assert_eq!(crew.leave("a", GroupEpoch::NONE), ErrorCode::None);
    assert_eq!(crew.join("c", "t").error, ErrorCode::None);
}

#[test]
fn commits_and_fetches() {
    use ErrorCode as E;
    for (member, epoch, commit, fetch) in [
        (Some("a"), 4, Ok(()), Ok(())),
        (Some("a"), 3, Err(E::StaleMemberEpoch), Err(E::StaleMemberEpoch)),
        (Some("a"), 5, Err(E::StaleMemberEpoch), Err(E::StaleMemberEpoch)),
        (Some("a"), -1, Err(E::StaleMemberEpoch), Err(E::StaleMemberEpoch)),
        (Some("x"), 4, Err(E::UnknownMemberId), Err(E::UnknownMemberId)),
        (Some("s1b"), 4, Err(E::UnknownMemberId), Err(E::UnknownMemberId)),
        (Some("s1a"), 4, Ok(()), Ok(())),
        (None, -1, Err(E::UnknownMemberId), Ok(())),
    ] {
        let crew = crew();
        let member = member.map(MemberId::from);
        let request = OffsetCommitRequest {
            group: group(),
            generation_id_or_member_epoch: GroupEpoch(epoch),
            member: member.clone(),
            instance: None,
            partitions: Vec::new(),
        };
        assert_eq!(
            crew.bench.groups.validate_commit(&request),
            commit,
            "{member:?} at {epoch}"
        );
        let request = OffsetFetchRequest {
            group: group(),
            member: member.clone(),
            member_epoch: GroupEpoch(epoch),
            partitions: None,
            require_stable: false,
        };
        assert_eq!(
            crew.bench.groups.validate_fetch(&request),
            fetch,
            "{member:?} at {epoch}"
        );
    }
    let mut crew = crew();
    let commit = |epoch| OffsetCommitRequest {
        group: group(),
        generation_id_or_member_epoch: GroupEpoch(epoch),
        member: (epoch >= 0).then(|| MemberId::from("a")),
        instance: None,
        partitions: Vec::new(),
    };
    crew.leave("a", GroupEpoch::NONE);
    crew.leave("s1a", GroupEpoch::NONE);
    assert_eq!(
        crew.bench.groups.validate_commit(&commit(-1)),
        Ok(()),
        "the group is empty"
    );
    assert_eq!(crew.bench.groups.validate_commit(&commit(4)), Err(E::UnknownMemberId));

    let quirks = Quirks {
        relaxed_commit_check: true,
        ..Quirks::default()
    };
    let mut crew = Crew::with(BrokerConfig::default(), quirks);
    crew.join("a", "t");
    crew.join("b", "t");
    crew.settle();
    for (epoch, expected) in [(1, Ok(())), (2, Ok(())), (3, Err(E::StaleMemberEpoch))] {
        assert_eq!(
            crew.bench.groups.validate_commit(&commit(epoch)),
            expected,
            "{epoch}, with the quirk"
        );
    }
}

#[test]
fn positions_that_may_grow_old() {
    let mut crew = crew();
    let unused_since = |crew: &Crew, partition: &str| {
        let partition = partitions(partition)[0];
        crew.bench
            .groups
            .unused_since(&crew.bench.topics, &group(), partition, Timestamp(5))
    };
    assert_eq!(unused_since(&crew, "t0"), None);
    assert_eq!(unused_since(&crew, "u0"), Some(Timestamp(5)));
    crew.leave("a", GroupEpoch::NONE);
    assert_eq!(unused_since(&crew, "t0"), None);
    crew.leave("s1a", GroupEpoch::NONE);
    assert_eq!(unused_since(&crew, "t0"), Some(Timestamp(5)));
}

fn classic_join(member: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group: group(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        member: member.map(MemberId::from),
        instance: None,
        protocol_type: "consumer".into(),
        protocols: [(AssignorName::from("range"), bytes::Bytes::new())].into(),
    }
}

/// Where no migration is allowed, a group takes its first protocol of the other kind when it is empty.
#[test]
fn the_other_protocol() {
    let mut crew = crew();
    crew.bench.forbid_migration();
    let (member, generation, instance) = (MemberId::from("a"), GroupEpoch(4), None);
    let requests = [
        Request::from(classic_join(None)),
        Request::from(classic_join(Some("a"))),
        Request::SyncGroup(SyncGroupRequest {
            group: group(),
            generation,
            member: member.clone(),
            instance: None,
            assignments: Vec::new(),
        }),
        Request::Heartbeat(HeartbeatRequest {
            group: group(),
            generation,
            member: member.clone(),
            instance: None,
        }),
        Request::LeaveGroup(LeaveGroupRequest {
            group: group(),
            member: Some(member),
            instance,
        }),
    ];
    let errors = requests.map(|request| match crew.bench.ask(request) {
        Some(Response::JoinGroup(response)) => response.error,
        Some(Response::SyncGroup(response)) => response.error,
        Some(Response::Heartbeat(response)) => response.error,
        Some(Response::LeaveGroup(response)) => response.error,
        other => panic!("{other:?}"),
    });
    use ErrorCode::{MemberIdRequired, UnknownMemberId, UnknownServerError};
    // A member of the classic protocol may come at any time, if it can say what it wants.
    assert_eq!(errors[..2], [MemberIdRequired, UnknownServerError]);
    assert_eq!(errors[2..], [UnknownMemberId; 3]);

    // Empty, it changes over, and its generations count on.
    crew.leave("a", GroupEpoch::NONE);
    crew.leave("s1a", GroupEpoch::NONE);
    let Some(Response::JoinGroup(response)) = crew.bench.ask(Request::from(classic_join(None))) else {
        panic!("no answer to a join")
    };
    assert_eq!(response.error, ErrorCode::MemberIdRequired);
    let join = JoinGroupRequest {
        member: response.member,
        ..classic_join(None)
    };
    let join = crew.bench.send(Request::from(join));
    crew.bench.pass_ms(3_000);
    let Some(Response::JoinGroup(response)) = crew.bench.answer(join) else {
        panic!("no answer to a join")
    };
    assert_eq!((response.error, response.generation), (ErrorCode::None, GroupEpoch(7)));
    assert_eq!(crew.join("a", "t").error, ErrorCode::GroupIdNotFound);
    crew.bench.failover();
    assert_eq!(
        crew.join("a", "t").error,
        ErrorCode::None,
        "the log says that the last group is gone"
    );

    // And back.
    let mut crew = Crew::new();
    crew.bench.forbid_migration();
    let Some(Response::JoinGroup(response)) = crew.bench.ask(Request::from(classic_join(None))) else {
        panic!("no answer to a join")
    };
    let join = JoinGroupRequest {
        member: response.member.clone(),
        ..classic_join(None)
    };
    crew.bench.send(Request::from(join));
    crew.bench.pass_ms(3_000);
    assert_eq!(crew.join("a", "t").error, ErrorCode::GroupIdNotFound);
    let leave = LeaveGroupRequest {
        group: group(),
        member: response.member,
        instance: None,
    };
    crew.bench.ask(Request::LeaveGroup(leave));
    let answer = crew.join("a", "t");
    assert_eq!((answer.error, answer.member_epoch), (ErrorCode::None, GroupEpoch(3)));
    crew.bench.failover();
    assert_eq!(crew.beat("a").error, ErrorCode::None);
}

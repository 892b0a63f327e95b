//! Requests that meet a group in some state, and the errors that they are answered with.

use super::*;
use crate::machine::Now;
use crate::protocol::{OffsetCommitRequest, OffsetFetchRequest};
use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};

/// What a row says about its request: `member=a generation=1 instance=s`.
struct Words {
    member: Option<MemberId>,
    generation: GroupEpoch,
    instance: Option<GroupInstanceId>,
}

fn words(club: &Club, text: &str) -> Words {
    let mut words = Words {
        member: None,
        generation: GroupEpoch(club.generation),
        instance: None,
    };
    for word in text.split_whitespace() {
        match word.split_once('=').expect("key=value") {
            ("member", name) => words.member = Some(club.id(name)),
            ("instance", name) => words.instance = Some(GroupInstanceId::from(name)),
            ("generation", "other") => words.generation = GroupEpoch(club.generation + 5),
            ("generation", "last") => words.generation = GroupEpoch(club.generation - 1),
            ("generation", "none") => words.generation = GroupEpoch::NONE,
            (key, value) => panic!("what is {key}={value}?"),
        }
    }
    words
}

fn error_of(response: Option<Response>) -> Option<ErrorCode> {
    Some(match response? {
        Response::JoinGroup(response) => response.error,
        Response::SyncGroup(response) => response.error,
        Response::Heartbeat(response) => response.error,
        Response::LeaveGroup(response) => response.error,
        other => panic!("{other:?}"),
    })
}

/// Rows of Kafka's group coordinator for the classic protocol. Not here: requests that meet a dead group
/// (COORDINATOR_NOT_AVAILABLE), because a group that is deleted is gone at once, and the next request finds none
/// (`Dead` means that below); transactions (TxnOffsetCommit); administration (DeleteGroups, DeleteOffsets); classic
/// members inside a group of the consumer protocol, and groups that change protocols with members in them; positions
/// in the answers to OffsetFetch, and too long metadata, which are the business of offsets.
#[test]
fn requests() {
    use ErrorCode as E;
    for (state, request, text, expected) in [
        (Dead, "sync", "member=a", Some(E::UnknownMemberId)),
        (Empty, "sync", "member=a", Some(E::UnknownMemberId)),
        (Stable, "sync", "member=x", Some(E::UnknownMemberId)),
        (Stable, "sync", "member=a generation=other", Some(E::IllegalGeneration)),
        (Stable, "sync", "member=a instance=s", Some(E::FencedInstanceId)),
        (Stable, "sync", "member=a instance=s9", Some(E::UnknownMemberId)),
        (Stable, "sync", "member=b", Some(E::None)),
        (Stable, "sync", "member=s instance=s", Some(E::None)),
        (PreparingRebalance, "sync", "member=b", Some(E::RebalanceInProgress)),
        (CompletingRebalance, "sync", "member=b", None),
        (CompletingRebalance, "sync", "member=a", Some(E::None)),
        (Dead, "heartbeat", "member=a", Some(E::UnknownMemberId)),
        (Empty, "heartbeat", "member=a", Some(E::UnknownMemberId)),
        (Stable, "heartbeat", "member=x", Some(E::UnknownMemberId)),
        (
            Stable,
            "heartbeat",
            "member=a generation=other",
            Some(E::IllegalGeneration),
        ),
        (
            Stable,
            "heartbeat",
            "member=a generation=last",
            Some(E::IllegalGeneration),
        ),
        (Stable, "heartbeat", "member=b instance=s", Some(E::FencedInstanceId)),
        (Stable, "heartbeat", "member=b", Some(E::None)),
        (
            PreparingRebalance,
            "heartbeat",
            "member=b",
            Some(E::RebalanceInProgress),
        ),
        (CompletingRebalance, "heartbeat", "member=b", Some(E::None)),
        (Dead, "leave", "member=a", Some(E::UnknownMemberId)),
        (Stable, "leave", "member=x", Some(E::UnknownMemberId)),
        (Stable, "leave", "member=a instance=s", Some(E::FencedInstanceId)),
        (Stable, "leave", "instance=s9", Some(E::UnknownMemberId)),
        (Stable, "leave", "", Some(E::UnknownMemberId)),
        (Stable, "leave", "instance=s", Some(E::None)),
        (Stable, "leave", "member=s instance=s", Some(E::None)),
        (Stable, "leave", "member=a", Some(E::None)),
        (CompletingRebalance, "leave", "member=a", Some(E::None)),
        (PreparingRebalance, "leave", "member=b", Some(E::None)),
        (Dead, "join", "member=a", Some(E::UnknownMemberId)),
        (Dead, "join", "", Some(E::MemberIdRequired)),
        (Dead, "join", "instance=s9", None),
        (Empty, "join", "member=x", Some(E::UnknownMemberId)),
        (Empty, "join", "", Some(E::MemberIdRequired)),
        (Stable, "join", "", Some(E::MemberIdRequired)),
        (Stable, "join", "member=x", Some(E::UnknownMemberId)),
        (Stable, "join", "member=a instance=s", Some(E::FencedInstanceId)),
        (Stable, "join", "member=x instance=s", Some(E::FencedInstanceId)),
        (Stable, "join", "member=x instance=s9", Some(E::UnknownMemberId)),
        // The answer was lost: the same again. The leader may want to assign anew.
        (Stable, "join", "member=b", Some(E::None)),
        (Stable, "join", "member=a", None),
        (Stable, "join", "instance=s", Some(E::None)),
        (CompletingRebalance, "join", "member=b", Some(E::None)),
        (CompletingRebalance, "join", "member=a", Some(E::None)),
        (CompletingRebalance, "join", "instance=s", None),
        (PreparingRebalance, "join", "member=b", None),
        (PreparingRebalance, "join", "instance=s", None),
        (PreparingRebalance, "join", "instance=s9", None),
    ] {
        let mut club = Club::new();
        club.bring_to(state);
        let words = words(&club, text);
        let member = words.member.clone().unwrap_or_else(|| MemberId::from("none"));
        let (generation, instance) = (words.generation, words.instance);
        let sent = match request {
            "sync" => Request::SyncGroup(SyncGroupRequest {
                group: group(),
                generation,
                member,
                instance,
                assignments: Vec::new(),
            }),
            "heartbeat" => Request::Heartbeat(HeartbeatRequest {
                group: group(),
                generation,
                member,
                instance,
            }),
            "leave" => Request::LeaveGroup(LeaveGroupRequest {
                group: group(),
                member: words.member,
                instance,
            }),
            _ => Request::from(JoinGroupRequest {
                member: words.member,
                instance,
                ..club.join_request("z")
            }),
        };
        assert_eq!(error_of(club.bench.ask(sent)), expected, "{state:?}: {request} {text}");
    }
}

type Change<'a> = &'a dyn Fn(&mut JoinGroupRequest);

#[test]
fn joins_that_are_refused() {
    use ErrorCode as E;
    let second = || [(AssignorName::from("sticky"), subscription_to(&["t"], ""))].into();
    let changes: [(&str, Change<'_>, ErrorCode); 8] = [
        (
            "session of 5.9 s",
            &|join| join.session_timeout = Duration::from_millis(5_999),
            E::InvalidSessionTimeout,
        ),
        (
            "session of 6 s",
            &|join| join.session_timeout = Duration::from_secs(6),
            E::MemberIdRequired,
        ),
        (
            "session of 30 min",
            &|join| join.session_timeout = Duration::from_secs(1_800),
            E::MemberIdRequired,
        ),
        (
            "session above 30 min",
            &|join| join.session_timeout = Duration::from_millis(1_800_001),
            E::InvalidSessionTimeout,
        ),
        (
            "no protocol type",
            &|join| join.protocol_type = String::new(),
            E::InconsistentGroupProtocol,
        ),
        (
            "no protocols",
            &|join| join.protocols = Vec::new(),
            E::InconsistentGroupProtocol,
        ),
        (
            "other protocol type",
            &|join| join.protocol_type = "connect".into(),
            E::InconsistentGroupProtocol,
        ),
        (
            "no common protocol",
            &|join| join.protocols = second(),
            E::InconsistentGroupProtocol,
        ),
    ];
    for (row, change, expected) in changes {
        let mut club = Club::new();
        club.bring_to(Stable);
        let mut request = club.join_request("z");
        change(&mut request);
        assert_eq!(
            error_of(club.bench.ask(Request::from(request))),
            Some(expected),
            "{row}"
        );
    }
    let nameless = JoinGroupRequest {
        group: GroupId::from(""),
        ..Club::new().join_request("z")
    };
    assert_eq!(
        error_of(Club::new().bench.ask(Request::from(nameless))),
        Some(E::InvalidGroupId)
    );
}

/// A refused join leaves no group behind; one member more than the group may have is refused, a known one is not.
#[test]
fn a_group_of_its_largest_size() {
    let config = BrokerConfig {
        group_max_size: 3,
        ..BrokerConfig::default()
    };
    for (state, expected) in [
        (Stable, Some(ErrorCode::GroupMaxSizeReached)),
        (CompletingRebalance, Some(ErrorCode::GroupMaxSizeReached)),
        // Of three members, only one has joined again by now.
        (PreparingRebalance, Some(ErrorCode::MemberIdRequired)),
        (Empty, Some(ErrorCode::MemberIdRequired)),
    ] {
        let mut club = Club::with(config.clone(), Quirks::default());
        club.bring_to(state);
        let request = Request::from(club.join_request("z"));
        assert_eq!(error_of(club.bench.ask(request)), expected, "{state:?}");
        if state == Stable {
            let again = club.join("b");
            club.joined("b", again);
        }
    }
}

#[test]
fn commits() {
    use ErrorCode as E;
    for (state, text, expected) in [
        (Dead, "generation=none", Ok(())),
        (Dead, "member=a generation=other", Err(E::IllegalGeneration)),
        (Empty, "generation=none", Ok(())),
        (Empty, "member=a", Err(E::UnknownMemberId)),
        (Stable, "generation=none", Err(E::UnknownMemberId)),
        (Stable, "member=x", Err(E::UnknownMemberId)),
        (Stable, "member=a", Ok(())),
        (Stable, "member=s instance=s", Ok(())),
        (Stable, "member=a generation=other", Err(E::IllegalGeneration)),
        (Stable, "member=a generation=last", Err(E::IllegalGeneration)),
        (Stable, "member=a instance=s", Err(E::FencedInstanceId)),
        (Stable, "member=a instance=s9", Err(E::UnknownMemberId)),
        (PreparingRebalance, "member=b", Ok(())),
        (CompletingRebalance, "member=b", Err(E::RebalanceInProgress)),
        (
            CompletingRebalance,
            "member=b generation=last",
            Err(E::IllegalGeneration),
        ),
    ] {
        let mut club = Club::new();
        club.bring_to(state);
        let words = words(&club, text);
        let request = OffsetCommitRequest {
            group: group(),
            generation_id_or_member_epoch: words.generation,
            member: words.member,
            instance: words.instance,
            partitions: Vec::new(),
        };
        assert_eq!(
            club.bench.groups.validate_commit(&request),
            expected,
            "{state:?}: {text}"
        );
        let fetch = OffsetFetchRequest {
            group: group(),
            member: None,
            member_epoch: GroupEpoch::NONE,
            partitions: None,
            require_stable: false,
        };
        assert_eq!(club.bench.groups.validate_fetch(&fetch), Ok(()), "{state:?}");
        if text == "member=a generation=last" {
            let quirks = Quirks {
                relaxed_commit_check: true,
                ..Quirks::default()
            };
            let mut club = Club::with(BrokerConfig::default(), quirks);
            club.bring_to(state);
            let request = OffsetCommitRequest {
                member: Some(club.id("a")),
                ..request
            };
            assert_eq!(club.bench.groups.validate_commit(&request), Ok(()), "with the quirk");
        }
    }
}

#[test]
fn positions_that_may_grow_old() {
    let topics = |club: &Club, topic: &str| club.bench.topics.0[&TopicName::from(topic)].0;
    for (state, topic, expected) in [
        (Dead, "t", Some(5)),
        (Stable, "t", None),
        (Stable, "u", Some(5)),
        (PreparingRebalance, "u", None),
        (CompletingRebalance, "u", None),
    ] {
        let mut club = Club::new();
        club.bring_to(state);
        let partition = TopicPartition::new(topics(&club, topic), 0);
        let since = club
            .bench
            .groups
            .unused_since(&club.bench.topics, &group(), partition, Timestamp(5));
        assert_eq!(since, expected.map(Timestamp), "{state:?}: {topic}");
    }
    let mut club = Club::new();
    club.bring_to(Empty);
    let empty_since = Now::at(club.bench.now).wall;
    club.bench.pass_ms(10_000);
    for (committed, expected) in [
        (Timestamp(5), empty_since),
        (Now::at(club.bench.now).wall, Now::at(club.bench.now).wall),
    ] {
        let partition = TopicPartition::new(topics(&club, "t"), 0);
        let since = club
            .bench
            .groups
            .unused_since(&club.bench.topics, &group(), partition, committed);
        assert_eq!(since, Some(expected));
    }
}

use super::*;

const SECOND: u64 = 1_000;

fn parked(club: &Club) -> u64 {
    club.bench.parked()
}

#[test]
fn two_members_share_a_topic() {
    let mut club = Club::new();
    let first = club.join("a");
    let second = club.join("b");
    assert_eq!(parked(&club), 2, "the group waits for more members");
    // Somebody came during the first three seconds, so there are three more.
    club.bench.pass_ms(5_999);
    assert_eq!(parked(&club), 2);
    club.bench.pass_ms(1);
    let leader = club.joined("a", first);
    let follower = club.joined("b", second);
    assert_eq!(leader.leader, Some(club.id("a")));
    assert_eq!(leader.members.len(), 2);
    assert_eq!((follower.leader, follower.members.len()), (leader.leader, 0));
    assert_eq!(leader.protocol, Some(AssignorName::from("range")));
    assert_eq!(
        club.bench.told(),
        ["PreparingRebalance 0 of 1", "CompletingRebalance 1 of 2"]
    );

    let follower = club.sync("b", &[]);
    assert_eq!(parked(&club), 1);
    assert!(
        club.bench.log.is_empty(),
        "a generation is nothing before its assignment"
    );
    let leader = club.sync("a", &[("a", &[0, 1]), ("b", &[2, 3])]);
    assert_eq!(club.synced(leader), Ok([0, 1].into()));
    assert_eq!(club.synced(follower), Ok([2, 3].into()));
    let mut told = club.bench.told();
    told[1..].sort();
    assert_eq!(
        told,
        [
            "Stable 1 of 2",
            "member at 1 has [AAAAAAAAAAAAAAAAAAAAZA-0, AAAAAAAAAAAAAAAAAAAAZA-1] and gives []",
            "member at 1 has [AAAAAAAAAAAAAAAAAAAAZA-2, AAAAAAAAAAAAAAAAAAAAZA-3] and gives []",
        ]
    );
    assert_eq!(club.bench.log.len(), 1);
    assert_eq!(club.heartbeat("a"), ErrorCode::None);
}

/// The wait for the first members ends with the largest rebalance timeout, however many come.
#[test]
fn the_first_rebalance_waits_for_members() {
    for (arrivals, expected) in [
        (&[][..], 3 * SECOND),
        (&[1_000], 6 * SECOND),
        (&[1_000, 4_000], 9 * SECOND),
        (&[1_000, 2_000], 6 * SECOND),
        (&[2_000, 5_000, 8_000, 9_500, 9_900], 10 * SECOND),
    ] {
        let mut club = Club::new();
        let patience = Duration::from_secs(10);
        let mut joins = Vec::new();
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut time = 0;
        for (name, at) in names.into_iter().zip([0].iter().chain(arrivals)) {
            club.bench.pass_ms(at - time);
            time = *at;
            let request = JoinGroupRequest {
                rebalance_timeout: patience,
                ..club.join_request(name)
            };
            joins.push((name, club.join_with(name, request)));
        }
        club.bench.pass_ms(expected - 1 - time);
        assert_eq!(parked(&club), joins.len() as u64, "{arrivals:?}");
        club.bench.pass_ms(1);
        for (name, id) in joins {
            club.joined(name, id);
        }
    }
}

#[test]
fn a_member_that_comes_and_one_that_goes_call_for_rebalances() {
    let mut club = Club::new();
    club.bring_to(GroupState::Stable);
    let newcomer = club.join("c");
    for name in ["a", "b", "s"] {
        assert_eq!(club.heartbeat(name), ErrorCode::RebalanceInProgress, "{name}");
    }
    let joins = ["a", "b", "s"].map(|name| (name, club.join(name)));
    for (name, id) in joins.into_iter().chain([("c", newcomer)]) {
        assert_eq!(club.joined(name, id).generation, GroupEpoch(2));
    }
    let syncs = ["b", "s", "c", "a"].map(|name| club.sync(name, &[("a", &[0]), ("b", &[1]), ("s", &[2]), ("c", &[3])]));
    assert_eq!(
        syncs.map(|id| club.synced(id).expect("it is assigned")),
        [[1], [2], [3], [0]]
    );

    // The leader leaves: another one leads.
    assert_eq!(club.leave("a"), ErrorCode::None);
    assert_eq!(club.heartbeat("b"), ErrorCode::RebalanceInProgress);
    let joins = ["b", "s", "c"].map(|name| (name, club.join(name)));
    let answers = joins.map(|(name, id)| club.joined(name, id));
    assert_eq!(answers.iter().filter(|answer| answer.members.len() == 3).count(), 1);
    assert_eq!(club.generation, 3);
}

#[test]
fn who_does_not_join_in_time_is_out_but_for_static_members() {
    let mut club = Club::new();
    club.bring_to(GroupState::Stable);
    club.bench.told();
    let rejoin = club.join("a");
    for _ in 0..11 {
        club.bench.pass_ms(5 * SECOND);
        assert_eq!(club.heartbeat("b"), ErrorCode::RebalanceInProgress);
        assert_eq!(club.heartbeat("s"), ErrorCode::RebalanceInProgress);
    }
    assert_eq!(parked(&club), 1);
    club.bench.pass_ms(5 * SECOND);
    let answer = club.joined("a", rejoin);
    let members: Vec<MemberId> = answer.members.into_iter().map(|member| member.member).collect();
    assert!(members.contains(&club.id("s")) && !members.contains(&club.id("b")));
    assert_eq!(
        club.bench.told(),
        [
            "PreparingRebalance 1 of 3",
            "removed: RebalanceTimeout",
            "CompletingRebalance 2 of 2"
        ]
    );
}

#[test]
fn who_is_silent_is_out() {
    let mut club = Club::new();
    club.bring_to(GroupState::Stable);
    club.bench.pass_ms(8 * SECOND);
    assert_eq!(club.heartbeat("a"), ErrorCode::None);
    let commit = OffsetCommitRequest {
        group: group(),
        generation_id_or_member_epoch: GroupEpoch(1),
        member: Some(club.id("s")),
        instance: None,
        partitions: Vec::new(),
    };
    club.bench.groups.committed(club.bench.now, &commit);
    club.bench.told();
    club.bench.pass_ms(2 * SECOND);
    assert_eq!(
        club.bench.told(),
        ["removed: SessionTimeout", "PreparingRebalance 1 of 2"]
    );
    assert_eq!(club.heartbeat("b"), ErrorCode::UnknownMemberId);
    assert_eq!(club.heartbeat("s"), ErrorCode::RebalanceInProgress, "its commit counts");
    // Nobody joins, and nobody is left in the end.
    club.bench.pass_ms(120 * SECOND);
    let told = club.bench.told();
    assert_eq!(told.last().map(String::as_str), Some("Empty 2 of 0"));
}

/// A member that joins and is gone before it syncs holds up the others no longer than the rebalance timeout: a session
/// timeout would not end it while it sends heartbeats.
#[test]
fn who_does_not_sync_in_time_is_out() {
    for waits_for_ever in [false, true] {
        let quirks = Quirks {
            rebalance_waits_for_ever: waits_for_ever,
            ..Quirks::default()
        };
        let mut club = Club::with(BrokerConfig::default(), quirks);
        club.bring_to(GroupState::CompletingRebalance);
        let follower = club.sync("b", &[]);
        let fixed = club.sync("s", &[]);
        for _ in 0..11 {
            club.bench.pass_ms(5 * SECOND);
            assert_eq!(club.heartbeat("a"), ErrorCode::None);
        }
        assert_eq!(parked(&club), 2);
        club.bench.pass_ms(5 * SECOND);
        if waits_for_ever {
            club.bench.pass_ms(100_000 * SECOND);
            assert_eq!(parked(&club), 2, "nothing ever happens");
            continue;
        }
        assert_eq!(club.synced(follower), Err(ErrorCode::RebalanceInProgress));
        assert_eq!(club.synced(fixed), Err(ErrorCode::RebalanceInProgress));
        assert_eq!(club.heartbeat("a"), ErrorCode::UnknownMemberId);
        let rejoins = ["b", "s"].map(|name| (name, club.join(name)));
        let answers = rejoins.map(|(name, id)| club.joined(name, id));
        assert_eq!(
            answers.iter().filter(|answer| answer.members.len() == 2).count(),
            1,
            "there is another leader"
        );
    }
}

/// Nothing is expected of a member that waits for its assignment, so that its session may end unseen. When the wait is
/// broken off, it has to show that it lives.
#[test]
fn who_dies_while_it_waits_for_its_assignment_is_out() {
    let mut club = Club::new();
    club.bring_to(GroupState::CompletingRebalance);
    let ghost = club.sync("b", &[]);
    let fixed = club.sync("s", &[]);
    club.bench.pass_ms(5 * SECOND);
    assert_eq!(club.heartbeat("a"), ErrorCode::None);
    club.bench.pass_ms(10 * SECOND);
    assert_eq!(
        club.synced(ghost),
        Err(ErrorCode::RebalanceInProgress),
        "its leader is out"
    );
    assert_eq!(club.synced(fixed), Err(ErrorCode::RebalanceInProgress));
    let fixed = club.join("s");
    club.bench.pass_ms(10 * SECOND);
    assert_eq!(club.joined("s", fixed).members.len(), 1);
}

#[test]
fn an_id_that_is_never_used_expires() {
    let mut club = Club::new();
    club.bring_to(GroupState::Stable);
    let required = Request::from(club.join_request("z"));
    assert_eq!(
        join_response(club.bench.ask(required)).error,
        ErrorCode::MemberIdRequired
    );
    let joins = ["a", "b", "s"].map(|name| (name, club.join(name)));
    assert_eq!(parked(&club), 3, "the group waits for who has got an id");
    club.bench.pass_ms(9_999);
    assert_eq!(parked(&club), 3);
    club.bench.pass_ms(1);
    for (name, id) in joins {
        assert_eq!(club.joined(name, id).generation, GroupEpoch(2));
    }
}

#[test]
fn a_new_member_is_dropped_after_five_minutes() {
    let mut club = Club::new();
    let request = JoinGroupRequest {
        rebalance_timeout: Duration::from_secs(3_600),
        ..club.join_request("a")
    };
    let first = club.join_with("a", request);
    club.bench.pass_ms(3 * SECOND);
    club.joined("a", first);
    let sync = club.sync("a", &[("a", &[0])]);
    assert_eq!(club.synced(sync), Ok([0].into()));
    let newcomer = club.join("b");
    for _ in 0..59 {
        club.bench.pass_ms(5 * SECOND);
        assert_eq!(club.heartbeat("a"), ErrorCode::RebalanceInProgress);
    }
    assert_eq!(parked(&club), 1);
    club.bench.pass_ms(5 * SECOND);
    assert_eq!(
        join_response(club.bench.answer(newcomer)).error,
        ErrorCode::UnknownMemberId
    );
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let mut club = Club::new();
    club.bring_to(GroupState::Stable);
    club.bench.told();
    let old = club.ids.remove("s").expect("it is a member");
    let answer = club.join("s");
    let answer = club.joined("s", answer);
    assert_eq!((answer.generation, answer.members.len()), (GroupEpoch(1), 0));
    assert_ne!(answer.member, Some(old.clone()));
    assert_eq!(
        club.bench.told(),
        [
            "removed: Replaced",
            "member at 1 has [AAAAAAAAAAAAAAAAAAAAZA-3] and gives []"
        ]
    );
    assert_eq!(club.heartbeat("b"), ErrorCode::None);
    assert_eq!(club.heartbeat("s"), ErrorCode::None);
    let fenced = HeartbeatRequest {
        group: group(),
        generation: GroupEpoch(1),
        member: old,
        instance: Some(GroupInstanceId::from("s")),
    };
    let Some(Response::Heartbeat(response)) = club.bench.ask(Request::Heartbeat(fenced)) else {
        panic!("no answer")
    };
    assert_eq!(response.error, ErrorCode::FencedInstanceId);
    let sync = club.sync("s", &[]);
    assert_eq!(club.synced(sync), Ok([3].into()));
    // It is the one whose session counts.
    club.bench.pass_ms(9 * SECOND);
    club.heartbeat("a");
    club.heartbeat("b");
    club.bench.pass_ms(2 * SECOND);
    assert_eq!(club.heartbeat("s"), ErrorCode::UnknownMemberId);
}

/// The leader that comes back leads, and has nothing to assign in the middle of a generation (KIP-814).
#[test]
fn a_static_leader_comes_back_as_the_leader() {
    let mut club = Club::new();
    let join = club.join("s1");
    club.bench.pass_ms(3 * SECOND);
    let answer = club.joined("s1", join);
    assert!(!answer.skip_assignment);
    let old = answer.leader;
    let sync = club.sync("s1", &[("s1", &[0, 1, 2, 3])]);
    assert!(club.synced(sync).is_ok());
    club.ids.remove("s1");
    let join = club.join("s1");
    let answer = club.joined("s1", join);
    assert_ne!(answer.leader, old);
    assert_eq!(answer.leader, answer.member);
    assert_eq!(answer.members.len(), 1);
    assert_eq!(answer.members[0].member, answer.member.unwrap());
    assert!(answer.skip_assignment);
    let sync = club.sync("s1", &[]);
    assert_eq!(club.synced(sync), Ok([0, 1, 2, 3].into()));
    let rejoin = club.join("s1");
    let answer = club.joined("s1", rejoin);
    assert_eq!((answer.leader, answer.members.len()), (answer.member, 1));
}

#[test]
fn a_static_member_that_wants_something_else_calls_for_a_rebalance() {
    for (topics, assignors) in [(&["t", "u"][..], &["range"][..]), (&["t"], &["sticky", "range"])] {
        let mut club = Club::new();
        let protocols = |topics: &[&str], names: &[&str]| -> Vec<(AssignorName, Bytes)> {
            names
                .iter()
                .map(|name| (AssignorName::from(*name), subscription_to(topics, "")))
                .collect()
        };
        for round in 0..2 {
            let (topics, names) = if round == 0 {
                (&["t"][..], &["range", "sticky"][..])
            } else {
                (topics, assignors)
            };
            club.ids.remove("s");
            let request = JoinGroupRequest {
                protocols: protocols(topics, names),
                ..club.join_request("s")
            };
            let join = club.join_with("s", request);
            club.bench.pass_ms(3 * SECOND);
            assert_eq!(
                club.joined("s", join).generation,
                GroupEpoch(round + 1),
                "{topics:?} {names:?}"
            );
            let sync = club.sync("s", &[("s", &[0])]);
            assert!(club.synced(sync).is_ok());
        }
    }
}

/// The new id of a static member is in the log; with the quirk it is not, and the next coordinator knows only the old
/// one (KAFKA-10284).
#[test]
fn a_static_member_after_a_failover() {
    for (in_memory, expected) in [(false, ErrorCode::None), (true, ErrorCode::UnknownMemberId)] {
        let quirks = Quirks {
            static_member_id_in_memory: in_memory,
            ..Quirks::default()
        };
        let mut club = Club::with(BrokerConfig::default(), quirks);
        club.bring_to(GroupState::Stable);
        club.ids.remove("s");
        let answer = club.join("s");
        club.joined("s", answer);
        assert_eq!(club.heartbeat("s"), ErrorCode::None);
        club.bench.failover();
        assert_eq!(club.heartbeat("a"), ErrorCode::None);
        assert_eq!(club.heartbeat("s"), expected);
    }
}

#[test]
fn a_failover_brings_back_the_last_complete_generation() {
    let mut club = Club::new();
    club.bring_to(GroupState::Stable);
    let rejoin = club.join("a");
    club.bench.failover();
    assert_eq!(
        join_response(club.bench.answer(rejoin)).error,
        ErrorCode::NotCoordinator
    );
    for name in ["a", "b", "s"] {
        assert_eq!(club.heartbeat(name), ErrorCode::None, "{name}");
        let sync = club.sync(name, &[]);
        assert!(club.synced(sync).is_ok(), "{name}");
    }
    club.bench.pass_ms(11 * SECOND);
    assert_eq!(
        club.heartbeat("a"),
        ErrorCode::UnknownMemberId,
        "sessions began anew, and ended"
    );
    club.bench.pass_ms(60 * SECOND);
    club.bench.failover();
    let partition = TopicPartition::new(crate::types::TopicId(100), 0);
    let unused = club
        .bench
        .groups
        .unused_since(&club.bench.topics, &group(), partition, Timestamp(0));
    assert!(
        unused.is_some_and(|since| since > Timestamp(0)),
        "an empty group knows since when it is"
    );
}

#[test]
fn a_log_that_fails_costs_a_rebalance() {
    let mut club = Club::new();
    club.bring_to(GroupState::CompletingRebalance);
    club.bench.told();
    club.bench.log_fails = true;
    club.sync("a", &[("a", &[0, 1, 2, 3])]);
    assert!(club.bench.log.is_empty());
    assert_eq!(
        club.bench.told(),
        ["PreparingRebalance 1 of 3"],
        "what is not written is not stated"
    );
    assert_eq!(club.heartbeat("a"), ErrorCode::RebalanceInProgress);
    let joins = ["a", "b", "s"].map(|name| (name, club.join(name)));
    for (name, id) in joins {
        assert_eq!(club.joined(name, id).generation, GroupEpoch(2));
    }

    let mut club = Club::new();
    club.bring_to(GroupState::Stable);
    let old = club.id("s");
    club.ids.remove("s");
    club.bench.log_fails = true;
    club.join("s");
    club.ids.insert("s", old);
    assert_eq!(
        club.heartbeat("s"),
        ErrorCode::None,
        "its former self still is the member"
    );
    club.bench.pass_ms(11 * SECOND);
    assert_eq!(club.heartbeat("s"), ErrorCode::UnknownMemberId, "and has a session");
}

#[test]
fn members_vote_for_an_assignor_that_all_support() {
    for (wishes, expected) in [
        (
            &[&["range", "sticky"][..], &["sticky", "range"], &["sticky"]][..],
            "sticky",
        ),
        (&[&["range", "sticky"], &["sticky", "range"]], "range"),
        (
            &[
                &["roundrobin", "sticky", "range"],
                &["sticky", "range"],
                &["range", "sticky", "roundrobin"],
            ],
            "sticky",
        ),
    ] {
        let mut club = Club::new();
        let mut joins = Vec::new();
        for (name, names) in ["a", "b", "c"].into_iter().zip(wishes) {
            let of = |name: &&str| (AssignorName::from(*name), subscription_to(&["t"], name));
            let request = JoinGroupRequest {
                protocols: names.iter().map(of).collect(),
                ..club.join_request(name)
            };
            joins.push((name, club.join_with(name, request)));
        }
        club.bench.pass_ms(6 * SECOND);
        for (name, id) in joins {
            let answer = club.joined(name, id);
            assert_eq!(answer.protocol, Some(AssignorName::from(expected)), "{wishes:?}");
            let metadata = subscription_to(&["t"], expected);
            assert!(
                answer.members.iter().all(|member| member.metadata == metadata),
                "for the chosen assignor"
            );
        }
    }
}

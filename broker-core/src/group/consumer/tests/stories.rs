use super::*;

const SECOND: u64 = 1_000;

#[test]
fn a_newcomer_waits_until_partitions_are_released() {
    let mut crew = Crew::new();
    let joined = crew.join("a", "t");
    assert_eq!(
        (joined.member_epoch, crew.owned("a")),
        (GroupEpoch(1), "t0 t1 t2 t3".into())
    );
    assert_eq!(
        crew.bench.told(),
        [
            "member at 1 has [AAAAAAAAAAAAAAAAAAAAZA-0, AAAAAAAAAAAAAAAAAAAAZA-1, AAAAAAAAAAAAAAAAAAAAZA-2, AAAAAAAAAAAAAAAAAAAAZA-3] and gives []",
            "Stable 1 of 1"
        ]
    );
    assert_eq!(crew.beat("a").assignment, None, "nothing has changed");

    let joined = crew.join("b", "t");
    assert_eq!(
        (joined.member_epoch, joined.assignment),
        (GroupEpoch(2), Some(Vec::new()))
    );
    assert_eq!(
        crew.bench.told(),
        ["member at 2 has [] and gives []", "Reconciling 2 of 2"]
    );
    let told = crew.beat("a");
    assert_eq!(
        (told.member_epoch, told.assignment),
        (GroupEpoch(1), Some(partitions("t0 t1")))
    );
    assert_eq!(
        crew.bench.told(),
        [
            "member at 1 has [AAAAAAAAAAAAAAAAAAAAZA-0, AAAAAAAAAAAAAAAAAAAAZA-1] and gives [AAAAAAAAAAAAAAAAAAAAZA-2, AAAAAAAAAAAAAAAAAAAAZA-3]"
        ]
    );
    // It has not said that it has released them.
    assert_eq!(crew.beat("a").assignment, None);
    assert_eq!(crew.beat("b").assignment, None);
    let told = crew.report("a");
    assert_eq!((told.member_epoch, told.assignment), (GroupEpoch(2), None));
    let told = crew.beat("b");
    assert_eq!(
        (told.member_epoch, told.assignment),
        (GroupEpoch(2), Some(partitions("t2 t3")))
    );
    assert_eq!(
        crew.bench.told(),
        [
            "member at 2 has [AAAAAAAAAAAAAAAAAAAAZA-0, AAAAAAAAAAAAAAAAAAAAZA-1] and gives []",
            "member at 2 has [AAAAAAAAAAAAAAAAAAAAZA-2, AAAAAAAAAAAAAAAAAAAAZA-3] and gives []",
            "Stable 2 of 2"
        ]
    );
}

/// The quirk: the coordinator believes the new owner, and the old one has not released anything.
#[test]
fn a_newcomer_that_is_believed() {
    let quirks = Quirks {
        two_owners_one_epoch: true,
        ..Quirks::default()
    };
    let mut crew = Crew::with(BrokerConfig::default(), quirks);
    crew.join("a", "t");
    crew.join("b", "t");
    assert_eq!(
        (crew.owned("a"), crew.owned("b")),
        ("t0 t1 t2 t3".into(), "t2 t3".into())
    );
}

#[test]
fn a_lost_answer_costs_nothing() {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("b", "t");
    crew.beat("a");
    // The answer to its report is lost; so is the one to its report after that.
    let before = crew.members["a"].clone();
    for _ in 0..2 {
        assert_eq!(crew.report("a").member_epoch, GroupEpoch(2));
        crew.members.insert("a", before.clone());
    }
    let told = crew.report("a");
    assert_eq!((told.error, told.member_epoch), (ErrorCode::None, GroupEpoch(2)));
    // A full heartbeat is answered in full.
    let request = ConsumerGroupHeartbeatRequest {
        member_epoch: GroupEpoch(2),
        owned: Some(partitions("t0 t1")),
        ..crew.join_request("a", "t")
    };
    assert_eq!(crew.send("a", request).assignment, Some(partitions("t0 t1")));
    // So is one that reports something else than it should own.
    let request = ConsumerGroupHeartbeatRequest {
        owned: Some(partitions("t0")),
        ..crew.request("a")
    };
    assert_eq!(crew.send("a", request).assignment, Some(partitions("t0 t1")));
}

#[test]
fn who_joins_again_begins_anew() {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("b", "t");
    crew.settle();
    let again = crew.join("a", "t");
    assert_eq!(
        (again.member_epoch, again.assignment),
        (GroupEpoch(2), Some(partitions("t0 t1")))
    );
    crew.join("c", "t");
    crew.beat("a");
    // While it has something to release it loses its memory: then it has released everything.
    crew.join("a", "t");
    crew.settle();
    let mut all = [crew.owned("a"), crew.owned("b"), crew.owned("c")].join(" ");
    all = {
        let mut words: Vec<&str> = all.split(' ').collect();
        words.sort_unstable();
        words.join(" ")
    };
    assert_eq!(all, "t0 t1 t2 t3");
}

#[test]
fn who_is_silent_is_out() {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("b", "t");
    crew.settle();
    crew.bench.told();
    crew.bench.pass_ms(44 * SECOND);
    assert_eq!(crew.beat("a").error, ErrorCode::None);
    crew.bench.pass_ms(SECOND);
    assert_eq!(crew.bench.told(), ["removed: SessionTimeout", "Assigning 3 of 1"]);
    assert_eq!(crew.beat("b").error, ErrorCode::UnknownMemberId);
    crew.beat("a");
    assert_eq!(crew.owned("a"), "t0 t1 t2 t3");
}

#[test]
fn who_does_not_release_in_time_is_out() {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("b", "t");
    crew.beat("a");
    for _ in 0..11 {
        crew.bench.pass_ms(5 * SECOND);
        assert_eq!(crew.beat("a").error, ErrorCode::None);
        assert_eq!(crew.beat("b").error, ErrorCode::None);
    }
    crew.bench.told();
    crew.bench.pass_ms(5 * SECOND);
    assert_eq!(crew.bench.told(), ["removed: RebalanceTimeout", "Assigning 3 of 1"]);
    assert_eq!(crew.beat("a").error, ErrorCode::UnknownMemberId);
    crew.beat("b");
    assert_eq!(crew.owned("b"), "t0 t1 t2 t3");
    // Who has released is in time.
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("b", "t");
    crew.beat("a");
    crew.report("a");
    for _ in 0..20 {
        crew.bench.pass_ms(5 * SECOND);
        assert_eq!(crew.beat("a").error, ErrorCode::None);
    }
}

#[test]
fn a_static_member_goes_and_comes_back() {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("s1a", "t");
    crew.settle();
    let kept = crew.owned("s1a");
    assert_eq!(crew.leave("s1a", GroupEpoch::LEAVE_STATIC), ErrorCode::None);
    crew.beat("a");
    assert_eq!(crew.owned("a"), "t0 t1", "nothing moves");
    crew.bench.told();
    crew.bench.pass_ms(30 * SECOND);
    crew.beat("a");
    let back = crew.join("s1b", "t");
    assert_eq!((back.error, back.member_epoch), (ErrorCode::None, GroupEpoch(2)));
    assert_eq!(crew.owned("s1b"), kept);
    assert_eq!(
        crew.bench.told(),
        [
            "removed: Replaced",
            "member at 2 has [AAAAAAAAAAAAAAAAAAAAZA-2, AAAAAAAAAAAAAAAAAAAAZA-3] and gives []",
            "Stable 2 of 2"
        ]
    );
    let zombie = ConsumerGroupHeartbeatRequest {
        member_epoch: GroupEpoch(2),
        ..crew.request("s1a")
    };
    let answer = heartbeat_response(crew.bench.ask(Request::from(zombie)));
    assert_eq!(answer.error, ErrorCode::FencedInstanceId);
    crew.bench.failover();
    assert_eq!(crew.beat("s1b").error, ErrorCode::None);

    // Away for longer than its session, it is out.
    crew.leave("s1b", GroupEpoch::LEAVE_STATIC);
    for _ in 0..9 {
        crew.bench.pass_ms(5 * SECOND);
        crew.beat("a");
    }
    crew.beat("a");
    assert_eq!(crew.owned("a"), "t0 t1 t2 t3");
}

/// A static member that goes while it has something to release has released it.
#[test]
fn a_static_member_goes_in_the_middle_of_a_rebalance() {
    let mut crew = Crew::new();
    crew.join("s1a", "t");
    crew.join("b", "t");
    crew.beat("s1a");
    crew.leave("s1a", GroupEpoch::LEAVE_STATIC);
    crew.beat("b");
    assert_eq!(crew.owned("b"), "t2 t3");
    crew.join("s1b", "t");
    assert_eq!((crew.epoch("s1b"), crew.owned("s1b")), (2, "t0 t1".into()));
}

#[test]
fn subscriptions_change() {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("b", "t u");
    crew.settle();
    assert_eq!(crew.owned("b"), "t3 u0 u1");
    let request = ConsumerGroupHeartbeatRequest {
        subscribed_topics: Some(topics("u")),
        ..crew.request("a")
    };
    let told = crew.send("a", request);
    assert_eq!(
        (told.member_epoch, told.assignment),
        (GroupEpoch(2), Some(Vec::new())),
        "it has to release t"
    );
    crew.settle();
    assert_eq!((crew.epoch("a"), crew.epoch("b")), (3, 3));
    assert_eq!(
        (crew.owned("a"), crew.owned("b")),
        ("u0 u1".into(), "t0 t1 t2 t3".into())
    );
    // The same again changes nothing.
    let request = ConsumerGroupHeartbeatRequest {
        subscribed_topics: Some(topics("u")),
        ..crew.request("a")
    };
    assert_eq!(crew.send("a", request).member_epoch, GroupEpoch(3));
}

#[test]
fn a_member_subscribes_to_what_matches_its_pattern() {
    let mut crew = Crew::new();
    let pattern = |crew: &Crew, name, regex: &str| ConsumerGroupHeartbeatRequest {
        subscribed_topics: None,
        subscribed_topic_regex: Some(regex.into()),
        ..crew.join_request(name, "")
    };
    let request = pattern(&crew, "a", "u|later-.*");
    crew.send("a", request);
    crew.join("b", "t");
    crew.settle();
    assert_eq!(
        (crew.owned("a"), crew.owned("b")),
        ("u0 u1".into(), "t0 t1 t2 t3".into())
    );

    // The next coordinator knows it from the log, and a topic comes that matches.
    crew.bench.failover();
    let topic = (TopicName::from("later-1"), (TopicId(102), 1));
    crew.bench.topics.0.insert(topic.0, topic.1);
    crew.settle();
    assert_eq!(crew.members["a"].owned.len(), 3);
    assert!(crew.members["a"].owned.contains(&TopicPartition::new(TopicId(102), 0)));

    // Another pattern is another subscription, and none is the end of it.
    for (regex, owned) in [("t", "t2 t3"), ("", "")] {
        let request = ConsumerGroupHeartbeatRequest {
            subscribed_topic_regex: Some(regex.into()),
            ..crew.request("a")
        };
        crew.send("a", request);
        crew.settle();
        assert_eq!(crew.owned("a"), owned, "{regex}");
    }
}

#[test]
fn topics_grow_come_and_go() {
    let mut crew = Crew::new();
    crew.join("a", "t later");
    crew.settle();
    assert_eq!((crew.epoch("a"), crew.owned("a")), (1, "t0 t1 t2 t3".into()));
    let topic = |name: &str, id, count| (TopicName::from(name), (TopicId(id), count));
    for (now, epoch, owned) in [
        ([topic("t", 100, 6), topic("u", 101, 2)], 2, "t0 t1 t2 t3 t4 t5"),
        ([topic("t", 100, 6), topic("later", 101, 1)], 3, "t0 t1 t2 t3 t4 t5 u0"),
        ([topic("u", 102, 1), topic("later", 101, 1)], 4, "u0"),
    ] {
        crew.bench.topics.0 = now.into();
        crew.settle();
        assert_eq!((crew.epoch("a"), crew.owned("a")), (epoch, owned.into()));
    }
}

#[test]
fn the_assignor_is_the_one_that_most_ask_for() {
    for (wishes, expected) in [
        ([None, None], ["t0 t1 t2", "t3 u0 u1"]),
        ([Some("range"), Some("range")], ["t0 t1 u0", "t2 t3 u1"]),
        ([Some("range"), None], ["t0 t1 u0", "t2 t3 u1"]),
        ([Some("uniform"), Some("range")], ["t0 t1 u0", "t2 t3 u1"]),
    ] {
        let mut crew = Crew::new();
        for (name, wish) in ["a", "b"].into_iter().zip(wishes) {
            let server_assignor = wish.map(AssignorName::from);
            let request = ConsumerGroupHeartbeatRequest {
                server_assignor,
                ..crew.join_request(name, "t u")
            };
            assert_eq!(crew.send(name, request).error, ErrorCode::None);
        }
        crew.settle();
        assert_eq!([crew.owned("a"), crew.owned("b")], expected, "{wishes:?}");
    }
}

#[test]
fn a_failover_in_the_middle_of_a_rebalance() {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.join("b", "t");
    crew.beat("a");
    crew.bench.failover();
    assert_eq!(crew.beat("b").assignment, None, "a has still to release");
    crew.settle();
    assert_eq!((crew.owned("a"), crew.owned("b")), ("t0 t1".into(), "t2 t3".into()));

    // The next coordinator gives both time anew: to release, and to speak.
    crew.join("c", "t");
    crew.beat("a");
    crew.beat("b");
    crew.bench.failover();
    crew.bench.told();
    for _ in 0..12 {
        crew.bench.pass_ms(5 * SECOND);
        for name in ["a", "b", "c"] {
            crew.beat(name);
        }
    }
    assert!(crew.bench.told().contains(&"removed: RebalanceTimeout".into()));
    crew.bench.failover();
    crew.bench.pass_ms(45 * SECOND);
    assert!(crew.bench.told().contains(&"removed: SessionTimeout".into()));
}

#[test]
fn a_log_that_fails_changes_nothing() {
    let mut crew = Crew::new();
    crew.join("a", "t");
    crew.bench.told();
    crew.bench.log_fails = true;
    let request = Request::from(crew.join_request("b", "t"));
    assert!(crew.bench.ask(request).is_none());
    assert!(crew.bench.told().is_empty(), "what is not written is not stated");
    assert_eq!(crew.beat("a").assignment, None, "nobody has joined");
    assert_eq!(crew.join("b", "t").member_epoch, GroupEpoch(2));
    crew.beat("a");
    crew.bench.log_fails = true;
    let request = ConsumerGroupHeartbeatRequest {
        owned: Some(partitions("t0 t1")),
        ..crew.request("a")
    };
    assert!(crew.bench.ask(Request::from(request)).is_none());
    assert_eq!(crew.beat("b").assignment, None);
    // Its time to release runs on.
    for _ in 0..12 {
        crew.bench.pass_ms(5 * SECOND);
        crew.beat("b");
    }
    assert_eq!(crew.beat("a").error, ErrorCode::UnknownMemberId);
}

//! Members of both protocols in one group, and the ways from one to the other.

use bytes::Bytes;

use super::*;
use crate::config::MigrationPolicy;
use crate::protocol::consumer_protocol::{Assignment, Subscription};
use crate::protocol::{HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest};
use crate::types::PartitionIndex;

/// A member of the classic protocol, with a cooperative assignor.
struct Old {
    id: Option<MemberId>,
    generation: GroupEpoch,
    owned: Vec<i32>,
}

impl Old {
    fn new() -> Old {
        Old {
            id: None,
            generation: GroupEpoch::NONE,
            owned: Vec::new(),
        }
    }

    fn id(&self) -> MemberId {
        self.id.clone().expect("it has joined")
    }
}

fn of_t(partitions: &[i32]) -> Vec<(TopicName, Vec<PartitionIndex>)> {
    let partitions = partitions.iter().map(|&index| PartitionIndex(index)).collect();
    [(TopicName::from("t"), partitions)].into()
}

fn join_request(old: &Old) -> JoinGroupRequest {
    let subscription = Subscription {
        topics: topics("t"),
        user_data: None,
        owned: of_t(&old.owned),
        generation: old.generation,
    };
    JoinGroupRequest {
        group: group(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        member: old.id.clone(),
        instance: None,
        protocol_type: "consumer".into(),
        protocols: [(AssignorName::from("cooperative-sticky"), subscription.encode())].into(),
    }
}

impl Crew {
    /// A crew with a coordinator of this policy.
    fn policy(policy: MigrationPolicy) -> Crew {
        let config = BrokerConfig {
            group_consumer_migration_policy: policy,
            ..BrokerConfig::default()
        };
        Crew::with(config, Quirks::default())
    }

    /// Sends a join; a member without an id gets one first.
    fn send_join(&mut self, old: &mut Old) -> u64 {
        if old.id.is_none() {
            let request = Request::from(join_request(old));
            let Some(Response::JoinGroup(response)) = self.bench.ask(request) else {
                panic!("no answer to a join")
            };
            assert_eq!(response.error, ErrorCode::MemberIdRequired);
            old.id = response.member;
        }
        self.bench.send(Request::from(join_request(old)))
    }

    fn take_join(&mut self, old: &mut Old, sent: u64) -> JoinGroupResponse {
        let Some(Response::JoinGroup(response)) = self.bench.answer(sent) else {
            panic!("no answer to a join")
        };
        if response.error == ErrorCode::None {
            old.generation = response.generation;
        }
        response
    }

    fn sync_with(&mut self, old: &mut Old, assignments: Vec<(MemberId, Bytes)>) -> ErrorCode {
        let request = SyncGroupRequest {
            group: group(),
            generation: old.generation,
            member: old.id(),
            instance: None,
            assignments,
        };
        let Some(Response::SyncGroup(response)) = self.bench.ask(Request::SyncGroup(request)) else {
            panic!("no answer to a sync")
        };
        if response.error == ErrorCode::None {
            let partitions = Assignment::decode(&response.assignment)
                .expect("an assignment")
                .partitions;
            old.owned = partitions
                .into_iter()
                .flat_map(|(_, own)| own)
                .map(|index| index.0)
                .collect();
        }
        response.error
    }

    /// Joins a group of the consumer protocol, and takes what it is given.
    fn rejoin(&mut self, old: &mut Old) {
        let sent = self.send_join(old);
        let response = self.take_join(old, sent);
        assert_eq!(response.error, ErrorCode::None);
        assert_eq!((response.leader, response.members.len()), (None, 0), "nobody leads");
        assert_eq!(self.sync_with(old, Vec::new()), ErrorCode::None);
    }

    fn classic_beat(&mut self, old: &Old) -> ErrorCode {
        let request = HeartbeatRequest {
            group: group(),
            generation: old.generation,
            member: old.id(),
            instance: None,
        };
        match self.bench.ask(Request::Heartbeat(request)) {
            Some(Response::Heartbeat(response)) => response.error,
            other => panic!("{other:?} to a heartbeat"),
        }
    }

    fn classic_leave(&mut self, member: MemberId) -> ErrorCode {
        let request = LeaveGroupRequest {
            group: group(),
            member: Some(member),
            instance: None,
        };
        match self.bench.ask(Request::LeaveGroup(request)) {
            Some(Response::LeaveGroup(response)) => response.error,
            other => panic!("{other:?} to a leave"),
        }
    }

    /// Two classic members with two partitions each, in a stable generation.
    fn two_old(&mut self) -> [Old; 2] {
        let mut both = [Old::new(), Old::new()];
        let sent = [self.send_join(&mut both[0]), self.send_join(&mut both[1])];
        self.bench.pass_ms(6_000);
        let answers = [0, 1].map(|at| self.take_join(&mut both[at], sent[at]));
        let leader = answers
            .iter()
            .position(|answer| answer.leader == answer.member)
            .expect("one leads");
        let own = |at: usize| {
            Assignment {
                partitions: of_t([&[0, 1], &[2, 3]][at]),
            }
            .encode()
        };
        let assignments = [0, 1].map(|at| (both[at].id(), own(at)));
        assert_eq!(self.sync_with(&mut both[leader], assignments.into()), ErrorCode::None);
        assert_eq!(self.sync_with(&mut both[1 - leader], Vec::new()), ErrorCode::None);
        both
    }

    /// Everybody takes the steps that there are to take.
    fn settle_all(&mut self, olds: &mut [Old]) {
        for _ in 0..4 {
            for old in &mut *olds {
                if self.classic_beat(old) == ErrorCode::RebalanceInProgress {
                    self.rejoin(old);
                }
            }
            let names: Vec<&'static str> = self.members.keys().copied().collect();
            for name in names {
                assert_eq!(self.report(name).error, ErrorCode::None, "{name}");
            }
        }
        for old in &*olds {
            assert_eq!(self.classic_beat(old), ErrorCode::None, "everybody has what it should");
        }
    }

    /// How many partitions of `t` each member owns by its own knowledge; none is owned twice.
    fn shares(&self, olds: &[Old]) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let new = self
            .members
            .values()
            .map(|known| known.owned.iter().map(|own| own.partition.0).collect());
        let shares: Vec<Vec<i32>> = olds.iter().map(|old| old.owned.clone()).chain(new).collect();
        for partition in shares.iter().flatten() {
            assert!(seen.insert(*partition), "t{partition} has two owners: {shares:?}");
        }
        assert_eq!(seen.len(), 4, "{shares:?}");
        shares.iter().map(Vec::len).collect()
    }
}

#[test]
fn a_classic_group_goes_over_with_its_first_member_of_the_consumer_protocol() {
    let mut crew = Crew::new();
    let mut olds = crew.two_old();
    let generation = olds[0].generation;
    let first = crew.join("n1", "t");
    assert_eq!((first.error, first.member_epoch), (ErrorCode::None, generation.next()));
    assert_eq!(first.assignment, Some(Vec::new()), "all is owned by others still");
    for old in &olds {
        assert_eq!(crew.classic_beat(old), ErrorCode::RebalanceInProgress);
    }
    crew.settle_all(&mut olds);
    let mut shares = crew.shares(&olds);
    shares.sort_unstable();
    assert_eq!(shares, [1, 1, 2]);
    // The others follow, one by one.
    for (name, index) in [("n2", 0), ("n3", 1)] {
        assert_eq!(crew.join(name, "t").error, ErrorCode::None);
        crew.settle_all(&mut olds[index..]);
        assert_eq!(crew.classic_leave(olds[index].id()), ErrorCode::None);
        crew.settle_all(&mut olds[index + 1..]);
        crew.shares(&olds[index + 1..]);
    }
    // What is left is a group like any other.
    crew.bench.failover();
    crew.settle();
    crew.shares(&[]);
}

#[test]
fn the_way_back_begins_when_the_last_member_of_the_consumer_protocol_goes() {
    for how in ["leaves", "is silent", "leaves, and the coordinator fails"] {
        let mut crew = Crew::new();
        let mut olds = crew.two_old();
        crew.join("n1", "t");
        crew.settle_all(&mut olds);
        let epoch = olds[0].generation;
        if how == "is silent" {
            for _ in 0..10 {
                crew.bench.pass_ms(5_000);
                for old in &olds {
                    crew.classic_beat(old);
                }
            }
            crew.members.clear();
        } else {
            assert_eq!(crew.leave("n1", GroupEpoch::NONE), ErrorCode::None);
        }
        if how == "leaves, and the coordinator fails" {
            crew.bench.failover();
        }
        crew.bench.pass_ms(1);
        for old in &olds {
            assert_eq!(crew.classic_beat(old), ErrorCode::RebalanceInProgress, "{how}");
        }
        let sent = [0, 1].map(|at| crew.send_join(&mut olds[at]));
        let answers = [0, 1].map(|at| crew.take_join(&mut olds[at], sent[at]));
        assert!(
            answers.iter().all(|answer| answer.generation == epoch.next()),
            "{how}: {answers:?}"
        );
        let leaders = answers.iter().filter(|answer| answer.leader == answer.member);
        assert_eq!(
            leaders.map(|answer| answer.members.len()).collect::<Vec<_>>(),
            [2],
            "{how}"
        );
        assert_eq!(crew.join("n2", "t").error, ErrorCode::None, "and forth again");
    }
}

#[test]
fn the_policy_says_which_way_is_open() {
    use ErrorCode::{GroupIdNotFound, None as Fine, RebalanceInProgress};
    for (policy, up, back) in [
        (MigrationPolicy::Disabled, GroupIdNotFound, None),
        (MigrationPolicy::Downgrade, GroupIdNotFound, None),
        (MigrationPolicy::Upgrade, Fine, Some(false)),
        (MigrationPolicy::Bidirectional, Fine, Some(true)),
    ] {
        let mut crew = Crew::policy(policy);
        let mut olds = crew.two_old();
        assert_eq!(crew.join("n1", "t").error, up, "{policy:?}");
        let Some(back) = back else {
            assert!(olds.iter().all(|old| crew.classic_beat(old) == Fine), "{policy:?}");
            continue;
        };
        crew.settle_all(&mut olds);
        crew.leave("n1", GroupEpoch::NONE);
        crew.bench.pass_ms(1);
        assert_eq!(crew.classic_beat(&olds[0]), RebalanceInProgress);
        // A classic group waits for the other member; in one of the consumer protocol nobody waits.
        let sent = crew.send_join(&mut olds[0]);
        assert_eq!(crew.bench.parked() == 1, back, "{policy:?}");
        assert_eq!(crew.bench.answer(sent).is_none(), back, "{policy:?}");
    }
}

#[test]
fn who_waits_in_a_classic_rebalance_is_told_to_join_again() {
    let mut crew = Crew::new();
    let olds = crew.two_old();
    let mut third = Old::new();
    let sent = crew.send_join(&mut third);
    assert_eq!(crew.bench.parked(), 1);
    assert_eq!(crew.join("n1", "t").error, ErrorCode::None);
    assert_eq!(crew.bench.parked(), 0);
    assert_eq!(crew.take_join(&mut third, sent).error, ErrorCode::RebalanceInProgress);
    crew.rejoin(&mut third);
    let mut all: Vec<Old> = olds.into_iter().chain([third]).collect();
    crew.settle_all(&mut all);
    assert_eq!(crew.shares(&all), [1, 1, 1, 1]);
}

#[test]
fn classic_members_of_a_consumer_group_are_refused_as_in_kafka() {
    let mut crew = Crew::new();
    let mut olds = crew.two_old();
    crew.join("n1", "t");
    crew.settle_all(&mut olds);
    let stranger = || Old {
        id: Some(MemberId::from("x")),
        ..Old::new()
    };
    assert_eq!(crew.classic_beat(&stranger()), ErrorCode::UnknownMemberId);
    assert_eq!(crew.sync_with(&mut stranger(), Vec::new()), ErrorCode::UnknownMemberId);
    assert_eq!(crew.classic_leave(MemberId::from("x")), ErrorCode::UnknownMemberId);
    // A member of the other protocol.
    let new = || Old {
        id: Some(MemberId::from("n1")),
        generation: olds[0].generation,
        owned: Vec::new(),
    };
    assert_eq!(crew.classic_beat(&new()), ErrorCode::UnknownMemberId);
    assert_eq!(crew.classic_leave(MemberId::from("n1")), ErrorCode::UnknownMemberId);
    // Another generation.
    let (id, generation) = (olds[0].id(), olds[0].generation);
    olds[0].generation = generation.next();
    assert_eq!(crew.classic_beat(&olds[0]), ErrorCode::IllegalGeneration);
    assert_eq!(crew.sync_with(&mut olds[0], Vec::new()), ErrorCode::IllegalGeneration);
    olds[0].generation = generation;
    // No assignor in common, and not the consumers' protocol.
    let request = |kind: &str, name: &str| JoinGroupRequest {
        protocol_type: kind.into(),
        protocols: [(AssignorName::from(name), Bytes::new())].into(),
        ..join_request(&Old::new())
    };
    for request in [request("consumer", "range"), request("connect", "cooperative-sticky")] {
        let Some(Response::JoinGroup(response)) = crew.bench.ask(Request::from(request)) else {
            panic!("no answer to a join")
        };
        assert_eq!(response.error, ErrorCode::InconsistentGroupProtocol);
    }
    // A newer epoch.
    crew.join("n2", "t");
    assert_eq!(crew.classic_beat(&olds[0]), ErrorCode::RebalanceInProgress);
    assert_eq!(crew.sync_with(&mut olds[0], Vec::new()), ErrorCode::RebalanceInProgress);
    // Who does not follow the call in time is none any more.
    for _ in 0..13 {
        crew.bench.pass_ms(5_000);
        crew.classic_beat(&olds[0]);
        crew.report("n1");
        crew.report("n2");
    }
    assert_eq!(olds[0].id(), id);
    assert_eq!(crew.classic_beat(&olds[0]), ErrorCode::UnknownMemberId);
}

#[test]
fn the_next_coordinator_finds_both_kinds() {
    let mut crew = Crew::new();
    let mut olds = crew.two_old();
    crew.join("n1", "t");
    crew.bench.failover();
    crew.settle_all(&mut olds);
    crew.bench.failover();
    crew.settle_all(&mut olds);
    crew.shares(&olds);
    // Classic members bring their own session timeout, ten seconds here.
    crew.bench.pass_ms(10_001);
    assert_eq!(crew.classic_beat(&olds[0]), ErrorCode::UnknownMemberId);
    assert_eq!(crew.report("n1").error, ErrorCode::None);
}

#[test]
fn an_upgrade_that_does_not_get_into_the_log_changes_nothing() {
    let mut crew = Crew::new();
    let olds = crew.two_old();
    crew.bench.log_fails = true;
    crew.bench.send(Request::from(crew.join_request("n1", "t")));
    for old in &olds {
        assert_eq!(crew.classic_beat(old), ErrorCode::None);
    }
    assert_eq!(crew.join("n1", "t").error, ErrorCode::None);
}

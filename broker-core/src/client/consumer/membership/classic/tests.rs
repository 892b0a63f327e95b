//! What a member knows in each step, and what each answer leads to.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::next::Next;
use super::state::Classic;
use crate::client::network::Reply;
use crate::config::ConsumerConfig;
use crate::machine::Instant;
use crate::protocol::consumer_protocol::Assignment;
use crate::protocol::{ErrorCode, HeartbeatResponse, JoinGroupResponse, Response, SyncGroupResponse};
use crate::types::{AssignorName, GroupEpoch, MemberId, PartitionIndex, TopicName};
use ErrorCode as E;

const NOW: Instant = Instant(1_000_000_000);
const LATER: Instant = Instant(2_000_000_000);

fn join_answer(error: ErrorCode, member: Option<&str>, leader: Option<&str>) -> Reply {
    let answer = JoinGroupResponse {
        error,
        generation: GroupEpoch(3),
        protocol: Some(AssignorName::from("range")),
        leader: leader.map(MemberId::from),
        skip_assignment: false,
        member: member.map(MemberId::from),
        members: Vec::new(),
    };
    Reply::Answer(Response::JoinGroup(answer))
}

fn sync_answer(error: ErrorCode) -> Reply {
    let partitions = vec![(TopicName::from("orders"), vec![PartitionIndex(1)])];
    let answer = SyncGroupResponse {
        error,
        assignment: Assignment { partitions }.encode(),
    };
    Reply::Answer(Response::SyncGroup(answer))
}

fn heartbeat_answer(error: ErrorCode) -> Reply {
    Reply::Answer(Response::Heartbeat(HeartbeatResponse { error }))
}

/// A member whose JoinGroup is out.
fn joining() -> Classic {
    let mut classic = Classic::new(&ConsumerConfig::default());
    assert_eq!(classic.joins_at(), Some(Instant(0)));
    assert_eq!(classic.begin_join(), 1);
    classic
}

/// A follower that has its assignment.
fn stable() -> Classic {
    let mut classic = joining();
    let answer = join_answer(E::None, Some("a"), Some("b"));
    assert_eq!(classic.joined(NOW, &ConsumerConfig::default(), answer), Next::Sync);
    assert!(classic.begin_sync().is_some());
    assert_eq!(classic.synced(sync_answer(E::None)), Next::Assigned);
    classic
}

/// Whether it may commit, is to join, and in which generation it is.
fn standing(classic: &Classic) -> (Result<(), ErrorCode>, Option<Instant>, Option<GroupEpoch>) {
    let generation = classic.member().map(|(_, generation)| generation);
    (classic.committer().map(drop), classic.joins_at(), generation)
}

#[test]
fn answers_to_a_join() {
    let third = Some(GroupEpoch(3));
    let out = (Err(E::RebalanceInProgress), None, None);
    let in_generation = (Err(E::RebalanceInProgress), None, third);
    let to_join = (Err(E::UnknownMemberId), Some(Instant(0)), None);
    for (row, answer, next, after) in [
        (
            "leads",
            join_answer(E::None, Some("a"), Some("a")),
            Next::Lead,
            in_generation,
        ),
        (
            "follows",
            join_answer(E::None, Some("a"), Some("b")),
            Next::Sync,
            in_generation,
        ),
        ("nobody", join_answer(E::None, None, None), Next::JoinLater(None), out),
        (
            "gets an id",
            join_answer(E::MemberIdRequired, Some("a"), None),
            Next::Wait,
            to_join,
        ),
        (
            "at once",
            join_answer(E::RebalanceInProgress, None, None),
            Next::Wait,
            to_join,
        ),
        (
            "another coordinator",
            join_answer(E::NotCoordinator, None, None),
            Next::JoinLater(Some(E::NotCoordinator)),
            out,
        ),
        (
            "unknown",
            join_answer(E::UnknownMemberId, None, None),
            Next::Lost { keeps_id: false },
            out,
        ),
        (
            "fenced",
            join_answer(E::FencedInstanceId, None, None),
            Next::Failed(E::FencedInstanceId),
            out,
        ),
        ("lost", Reply::Lost(E::NetworkException), Next::JoinLater(None), out),
        ("of another kind", heartbeat_answer(E::None), Next::JoinLater(None), out),
    ] {
        let mut classic = joining();
        assert_eq!(classic.joined(NOW, &ConsumerConfig::default(), answer), next, "{row}");
        assert_eq!(standing(&classic), after, "{row}");
    }
}

#[test]
fn answers_to_a_sync() {
    let third = Some(GroupEpoch(3));
    let waits = (Err(E::RebalanceInProgress), None, third);
    for (row, answer, next, after) in [
        ("assigned", sync_answer(E::None), Next::Assigned, (Ok(()), None, third)),
        (
            "joins again, in its generation until then",
            sync_answer(E::RebalanceInProgress),
            Next::Wait,
            (Err(E::RebalanceInProgress), Some(Instant(0)), third),
        ),
        (
            "too late",
            sync_answer(E::IllegalGeneration),
            Next::Lost { keeps_id: true },
            waits,
        ),
        ("lost", Reply::Lost(E::NetworkException), Next::JoinLater(None), waits),
    ] {
        let mut classic = joining();
        let joined = classic.joined(NOW, &ConsumerConfig::default(), join_answer(E::None, Some("a"), None));
        assert_eq!(joined, Next::Sync, "{row}");
        assert!(classic.begin_sync().is_some());
        assert_eq!(classic.synced(answer), next, "{row}");
        assert_eq!(standing(&classic), after, "{row}");
        let has_target = classic.target() == [(TopicName::from("orders"), PartitionIndex(1))];
        assert_eq!(has_target, next == Next::Assigned, "{row}");
    }
}

#[test]
fn answers_to_a_heartbeat() {
    for (row, answer, next, must_rejoin) in [
        ("well", heartbeat_answer(E::None), Next::Wait, false),
        ("rebalance", heartbeat_answer(E::RebalanceInProgress), Next::Wait, true),
        (
            "another coordinator",
            heartbeat_answer(E::NotCoordinator),
            Next::GoOn(E::NotCoordinator),
            false,
        ),
        (
            "unknown",
            heartbeat_answer(E::UnknownMemberId),
            Next::Lost { keeps_id: false },
            false,
        ),
        (
            "lost",
            Reply::Lost(E::NetworkException),
            Next::GoOn(E::NetworkException),
            false,
        ),
    ] {
        let mut classic = stable();
        classic.heartbeat_sent(LATER);
        let session = Duration::from_secs(45);
        let due = |classic: &mut Classic| classic.heartbeats(NOW, session).expect("a generation").next;
        assert_eq!(due(&mut classic), None, "one is out");
        let (session_ends, soon) = (Instant(9_000_000_000), Instant(1_100_000_000));
        assert_eq!(classic.heartbeat_answered(session_ends, soon, &answer), next, "{row}");
        assert_eq!(classic.must_rejoin(), must_rejoin, "{row}");
        let expected = if matches!(next, Next::GoOn(_)) { soon } else { LATER };
        assert_eq!(due(&mut classic), Some(expected), "{row}");
    }
}

#[test]
fn a_member_that_joins_again_is_in_its_generation_until_the_next_and_none_after_a_loss() {
    let mut classic = stable();
    classic.join_at(LATER);
    assert!(
        classic.heartbeats(NOW, Duration::from_secs(45)).is_none(),
        "none between two generations"
    );
    // An answer that was under way still says that the member is unknown.
    let unknown = classic.heartbeat_answered(NOW, NOW, &heartbeat_answer(E::UnknownMemberId));
    assert_eq!(unknown, Next::Lost { keeps_id: false });
    assert_eq!(
        standing(&classic),
        (Err(E::RebalanceInProgress), Some(LATER), Some(GroupEpoch(3)))
    );
    classic.begin_join();
    assert_eq!(
        standing(&classic),
        (Err(E::RebalanceInProgress), None, Some(GroupEpoch(3)))
    );
    for (keeps_id, id) in [(true, Some(MemberId::from("a"))), (false, None)] {
        let mut classic = stable();
        let turn = 1;
        assert!(classic.is_at(turn));
        classic.reset(keeps_id);
        assert!(!classic.is_at(turn), "answers of before are void");
        assert_eq!(classic.id().cloned(), id);
        assert_eq!(standing(&classic), (Err(E::UnknownMemberId), Some(Instant(0)), None));
    }
}

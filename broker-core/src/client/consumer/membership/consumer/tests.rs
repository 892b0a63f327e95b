//! What a heartbeat says, and what each answer leads to.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::next::Next;
use super::state::{Heartbeating, Sent};
use crate::client::network::Reply;
use crate::config::ConsumerConfig;
use crate::machine::Instant;
use crate::protocol::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ErrorCode, Response};
use crate::random::Random;
use crate::types::{GroupEpoch, TopicId, TopicName, TopicPartition};
use ErrorCode as E;

const NOW: Instant = Instant(1_000_000_000);
const INTERVAL: Duration = Duration::from_secs(5);

fn partition(index: i32) -> TopicPartition {
    TopicPartition::new(TopicId(100), index)
}

/// A member of one topic that owns these partitions sends a heartbeat.
fn beat(member: &mut Heartbeating, owned: &[i32]) -> ConsumerGroupHeartbeatRequest {
    let state = Sent {
        topics: vec![TopicName::from("orders")],
        pattern: None,
        owned: owned.iter().copied().map(partition).collect(),
    };
    member.heartbeat(NOW, "group".into(), &ConsumerConfig::default(), state, true)
}

fn answer(error: ErrorCode, assignment: Option<&[i32]>) -> Reply {
    let assignment = assignment.map(|indexes| indexes.iter().copied().map(partition).collect());
    Reply::Answer(Response::ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse {
        error,
        member_epoch: GroupEpoch(3),
        heartbeat_interval: INTERVAL,
        assignment,
    }))
}

/// A member that owns partition 0, as it is to.
fn stable() -> Heartbeating {
    let mut member = Heartbeating::new(&mut Random::new(1, "member"));
    beat(&mut member, &[]);
    assert_eq!(member.answered(NOW, answer(E::None, Some(&[0]))), Next::Assigned);
    beat(&mut member, &[0]);
    assert_eq!(member.answered(NOW, answer(E::None, None)), Next::Wait);
    member
}

/// Which parts of what a member is a heartbeat has: topics, what it owns, the rebalance timeout.
fn parts(request: &ConsumerGroupHeartbeatRequest) -> (bool, Option<Vec<TopicPartition>>, bool) {
    let (topics, timeout) = (&request.subscribed_topics, &request.rebalance_timeout);
    (topics.is_some(), request.owned.clone(), timeout.is_some())
}

#[test]
fn a_heartbeat_has_what_is_new_and_all_of_it_when_nobody_knows_what_has_arrived() {
    let owned = |indexes: &[i32]| Some(indexes.iter().copied().map(partition).collect::<Vec<_>>());
    let mut member = Heartbeating::new(&mut Random::new(1, "member"));
    assert_eq!(parts(&beat(&mut member, &[])), (true, owned(&[]), true), "the first");
    assert_eq!(member.due(), None, "it is out");

    let mut member = stable();
    assert_eq!(parts(&beat(&mut member, &[0])), (false, None, false), "nothing is new");
    let mut member = stable();
    assert_eq!(
        parts(&beat(&mut member, &[])),
        (false, owned(&[]), false),
        "it owns less"
    );
    let mut member = stable();
    member.coordinator_lost();
    assert_eq!(member.due(), Some(Instant(0)), "at once");
    assert_eq!(
        parts(&beat(&mut member, &[0])),
        (true, owned(&[0]), true),
        "to another coordinator"
    );
    let mut member = stable();
    beat(&mut member, &[0]);
    assert_eq!(member.answered(NOW, answer(E::None, Some(&[0, 1]))), Next::Assigned);
    assert_eq!(
        parts(&beat(&mut member, &[0])),
        (false, owned(&[0]), false),
        "it acknowledges another target"
    );
}

#[test]
fn answers_to_a_heartbeat() {
    for (row, reply, next) in [
        ("well", answer(E::None, None), Next::Wait),
        ("the same target", answer(E::None, Some(&[0])), Next::Wait),
        ("another target", answer(E::None, Some(&[1])), Next::Assigned),
        (
            "fenced",
            answer(E::FencedMemberEpoch, None),
            Next::Lost { keeps_id: true },
        ),
        (
            "unknown",
            answer(E::UnknownMemberId, None),
            Next::Lost { keeps_id: true },
        ),
        (
            "another coordinator",
            answer(E::NotCoordinator, None),
            Next::HeartbeatLater(E::NotCoordinator),
        ),
        (
            "lost",
            Reply::Lost(E::NetworkException),
            Next::HeartbeatLater(E::NetworkException),
        ),
        (
            "no pattern",
            answer(E::InvalidRegularExpression, None),
            Next::Failed(E::InvalidRegularExpression),
        ),
    ] {
        let mut member = stable();
        beat(&mut member, &[0]);
        assert_eq!(member.answered(NOW, reply), next, "{row}");
        assert_eq!(member.due(), Some(NOW + INTERVAL), "{row}");
        let id = member.member();
        member.reset();
        assert!(id.is_some() && member.member().is_none(), "{row}");
        assert!(
            member.farewell("group".into(), None).is_none(),
            "{row}: nobody knows it any more"
        );
    }
}

//! What voters answer, as tables.

use core::time::Duration;

use super::cluster::Cluster;
use crate::protocol::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, ErrorCode, FetchMetadata, FetchPartition, FetchPartitionResponse,
    FetchRequest, FetchingReplica, IsolationLevel, Response, VoteRequest,
};
use crate::types::{EpochEndOffset, LeaderEpoch, LeaderIdAndEpoch, NodeId, Offset, TopicPartition};

/// Voters 1 to 3 whose leader has entries of epoch 1 in 0..4 and of epoch 2 in 4..6, all committed.
fn two_epochs() -> (Cluster, NodeId, NodeId) {
    // An election may need more than one epoch; there are seeds where it does not.
    (0..20).find_map(try_two_epochs).expect("a seed without a split vote")
}

fn try_two_epochs(seed: u64) -> Option<(Cluster, NodeId, NodeId)> {
    let mut cluster = Cluster::new(3, 0, seed);
    cluster.run_until(10, Cluster::is_settled);
    let old = cluster.leader()?;
    for _ in 0..3 {
        cluster.append(old).expect("it leads");
    }
    cluster.run_until(10, Cluster::is_settled);
    cluster.kill(old);
    cluster.run_until(20, Cluster::is_settled);
    let leader = cluster.leader()?;
    cluster.append(leader).expect("it leads");
    cluster.start(old);
    cluster.run_until(20, Cluster::is_settled);
    let follower = cluster.ids().into_iter().find(|id| *id != leader)?;
    let is_as_wanted = cluster.quorum(leader).epoch() == LeaderEpoch(2) && cluster.rules.committed_end() == Offset(6);
    is_as_wanted.then_some((cluster, leader, follower))
}

/// A fetch of `replica` at `offset`, behind an entry of `last_epoch`.
fn fetch_request(replica: NodeId, epoch: i32, offset: i64, last_epoch: i32) -> FetchRequest {
    FetchRequest {
        replica: Some(FetchingReplica {
            id: replica,
            broker_epoch: None,
        }),
        metadata: FetchMetadata::NONE,
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1_000_000,
        isolation: IsolationLevel::ReadUncommitted,
        partitions: alloc::vec![FetchPartition {
            partition: TopicPartition::CLUSTER_METADATA,
            current_leader_epoch: Some(LeaderEpoch(epoch)),
            fetch_offset: Offset(offset),
            last_fetched_epoch: (last_epoch >= 0).then_some(LeaderEpoch(last_epoch)),
            log_start_offset: Offset(0),
            max_bytes: 1_000_000,
        }],
        forgotten: [].into(),
    }
}

fn fetch(cluster: &mut Cluster, to: NodeId, epoch: i32, offset: i64, last_epoch: i32) -> FetchPartitionResponse {
    match cluster.ask(to, fetch_request(NodeId(77), epoch, offset, last_epoch)) {
        Response::Fetch(mut body) => body.partitions.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fetch_waits_for_news_and_gives_way_to_the_next() {
    let (mut cluster, leader, _) = two_epochs();
    let at_end = || fetch_request(NodeId(77), 2, 6, 2);
    // It has not been told the high watermark yet, so it is answered at once; then there is nothing to tell.
    cluster.post(leader, at_end());
    assert_eq!(cluster.answers.len(), 1);
    cluster.post(leader, at_end());
    cluster.run_for(Duration::from_millis(499));
    assert_eq!(cluster.answers.len(), 1);
    cluster.run_for(Duration::from_millis(1));
    assert_eq!(cluster.answers.len(), 2, "half a second is over");
    // Of two fetches one is a late copy: neither is left without an answer.
    cluster.post(leader, at_end());
    cluster.post(leader, fetch_request(NodeId(77), 2, 4, 1));
    assert_eq!(cluster.answers.len(), 4);
    // A new entry is sent once it is durable, then the news that it is committed.
    cluster.answers.clear();
    cluster.post(leader, at_end());
    cluster.append(leader).expect("it leads");
    assert!(cluster.answers.is_empty());
    cluster.run_until(1, |cluster| !cluster.answers.is_empty());
    cluster.post(leader, fetch_request(NodeId(77), 2, 7, 2));
    cluster.run_until(1, |cluster| cluster.answers.len() == 2);
    let high_watermarks: alloc::vec::Vec<Offset> = cluster.answers.iter().map(high_watermark).collect();
    assert_eq!(high_watermarks, [Offset(6), Offset(7)]);
}

fn high_watermark(response: &Response) -> Offset {
    match response {
        Response::Fetch(body) => body.partitions[0].high_watermark,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_leader_tells_where_a_log_parts_from_its_own() {
    let (mut cluster, leader, _) = two_epochs();
    // Epoch, offset and epoch before it; then the error, where the logs part, the first entry given.
    for (epoch, offset, last_epoch, error, diverging, first) in [
        (2, 0, -1, ErrorCode::None, None, Some(0)),
        (2, 3, 1, ErrorCode::None, None, Some(3)),
        (2, 4, 1, ErrorCode::None, None, Some(4)),
        (2, 6, 2, ErrorCode::None, None, None),
        // Longer than the leader's log was in that epoch.
        (2, 5, 1, ErrorCode::None, Some((1, 4)), None),
        (2, 9, 1, ErrorCode::None, Some((1, 4)), None),
        (2, 9, 2, ErrorCode::None, Some((2, 6)), None),
        // An epoch that the leader's log never had.
        (2, 3, 0, ErrorCode::None, Some((0, 0)), None),
        (2, 3, -1, ErrorCode::None, Some((-1, 0)), None),
        (1, 4, 1, ErrorCode::FencedLeaderEpoch, None, None),
        (3, 6, 2, ErrorCode::UnknownLeaderEpoch, None, None),
        (2, -1, -1, ErrorCode::OffsetOutOfRange, None, None),
    ] {
        let response = fetch(&mut cluster, leader, epoch, offset, last_epoch);
        let name = alloc::format!("epoch {epoch}, {offset} after {last_epoch}");
        assert_eq!(response.error, error, "{name}");
        let diverging = diverging.map(|(leader_epoch, end_offset)| EpochEndOffset {
            leader_epoch: LeaderEpoch(leader_epoch),
            end_offset: Offset(end_offset),
        });
        assert_eq!(response.diverging_epoch, diverging, "{name}");
        let given = response.records.first().map(|batch| batch.base_offset());
        assert_eq!(given, first.map(Offset), "{name}");
        let current = LeaderIdAndEpoch {
            leader: Some(leader),
            leader_epoch: LeaderEpoch(2),
        };
        assert_eq!(
            response.current_leader,
            Some(current),
            "{name}: every answer says who leads"
        );
        assert_eq!(response.high_watermark, Offset(6), "{name}");
    }
}

#[test]
fn a_follower_says_who_leads() {
    let (mut cluster, leader, follower) = two_epochs();
    let response = fetch(&mut cluster, follower, 1, 0, -1);
    assert_eq!(response.error, ErrorCode::NotLeaderOrFollower);
    let current = LeaderIdAndEpoch {
        leader: Some(leader),
        leader_epoch: LeaderEpoch(2),
    };
    assert_eq!(response.current_leader, Some(current));
    assert!(response.records.is_empty());
}

#[test]
fn a_fetch_of_an_old_epoch_acknowledges_nothing() {
    let (mut cluster, leader, follower) = two_epochs();
    for id in cluster.ids() {
        if id != leader {
            cluster.kill(id);
        }
    }
    let offset = cluster.append(leader).expect("it leads");
    cluster.run_for(Duration::from_millis(50));
    // Held since epoch 1 by the network, from a voter that has since been cut (KIP-320's and KIP-595's fencing).
    let mut request = FetchRequest {
        max_wait_ms: 0,
        ..fetch_request(follower, 1, offset.0 + 1, 2)
    };
    cluster.ask(leader, request.clone());
    assert_eq!(cluster.quorum(leader).high_watermark(), offset);
    request.partitions[0].current_leader_epoch = Some(LeaderEpoch(3));
    cluster.ask(leader, request);
    assert_eq!(cluster.quorum(leader).high_watermark(), offset);
}

/// A vote request of `candidate`, answered by `to`: error and vote.
fn vote(
    cluster: &mut Cluster,
    to: NodeId,
    candidate: u32,
    request: (i32, i32, i64),
    pre_vote: bool,
) -> (ErrorCode, bool) {
    let (epoch, last_epoch, end) = request;
    let request = VoteRequest {
        epoch: LeaderEpoch(epoch),
        candidate: NodeId(candidate),
        last_epoch: LeaderEpoch(last_epoch),
        last_epoch_end_offset: Offset(end),
        pre_vote,
    };
    match cluster.ask(to, request) {
        Response::Vote(body) => {
            assert_eq!(body.pre_vote, pre_vote);
            (body.error, body.granted)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn votes_go_to_one_candidate_with_a_log_long_enough() {
    let (_, _, follower) = two_epochs();
    let other = if follower == NodeId(1) { 2 } else { 1 };
    const GIVEN: (ErrorCode, bool) = (ErrorCode::None, true);
    const DENIED: (ErrorCode, bool) = (ErrorCode::None, false);
    const FENCED: (ErrorCode, bool) = (ErrorCode::FencedLeaderEpoch, false);
    const INVALID: (ErrorCode, bool) = (ErrorCode::InvalidRequest, false);
    // Each story asks one follower that hears its leader, whose log ends at 6 in epoch 2:
    // candidate, (epoch, last epoch, end), pre-vote, answer.
    type Ask = (u32, (i32, i32, i64), bool, (ErrorCode, bool));
    let stories: &[(&str, &[Ask])] = &[
        (
            "a pre-vote while it hears the leader",
            &[(other, (2, 2, 6), true, DENIED)],
        ),
        ("a vote in the leader's epoch", &[(other, (2, 2, 9), false, DENIED)]),
        (
            "an old epoch",
            &[(other, (1, 2, 9), false, FENCED), (other, (1, 2, 9), true, FENCED)],
        ),
        ("a stranger", &[(55, (3, 2, 9), false, INVALID)]),
        (
            "a higher epoch, then the same again",
            &[(other, (3, 2, 6), false, GIVEN), (other, (3, 2, 6), false, GIVEN)],
        ),
        (
            "one vote an epoch",
            &[
                (other, (3, 2, 6), false, GIVEN),
                (3, (3, 2, 9), false, DENIED),
                (3, (4, 2, 9), false, GIVEN),
            ],
        ),
        (
            "a shorter log gets none, and uses none up",
            &[
                (other, (3, 2, 5), false, DENIED),
                (other, (3, 1, 99), false, DENIED),
                (3, (3, 2, 6), false, GIVEN),
            ],
        ),
        (
            "pre-votes are free once no leader is heard, and change nothing",
            &[
                (other, (3, 2, 5), true, DENIED),
                (other, (3, 2, 6), true, GIVEN),
                (3, (3, 2, 6), true, GIVEN),
                (3, (3, 2, 6), false, GIVEN),
                (other, (3, 2, 6), true, GIVEN),
            ],
        ),
    ];
    for (name, asks) in stories {
        let (mut cluster, _, _) = two_epochs();
        for (step, (candidate, request, pre_vote, expected)) in asks.iter().enumerate() {
            // The follower is alone from now on, so that only the script talks to it.
            cluster.isolate(follower);
            let actual = vote(&mut cluster, follower, *candidate, *request, *pre_vote);
            assert_eq!(actual, *expected, "{name}: step {step}");
        }
    }
}

#[test]
fn epochs_begin_and_end_by_their_leaders_word() {
    let (mut cluster, leader, follower) = two_epochs();
    cluster.isolate(follower);
    let begin = |leader: NodeId, epoch| BeginQuorumEpochRequest {
        leader,
        epoch: LeaderEpoch(epoch),
    };
    let other = cluster
        .ids()
        .into_iter()
        .find(|id| *id != leader && *id != follower)
        .expect("three voters");
    for (request, error, epoch, known) in [
        (begin(other, 1), ErrorCode::FencedLeaderEpoch, 2, Some(leader)),
        (begin(leader, 2), ErrorCode::None, 2, Some(leader)),
        (begin(NodeId(55), 9), ErrorCode::InvalidRequest, 2, Some(leader)),
        (begin(other, 5), ErrorCode::None, 5, Some(other)),
    ] {
        let name = alloc::format!("{request:?}");
        let Response::BeginQuorumEpoch(response) = cluster.ask(follower, request) else {
            panic!("another answer")
        };
        let actual = (response.error, response.epoch, response.leader);
        assert_eq!(actual, (error, LeaderEpoch(epoch), known), "{name}");
    }
    let end = |epoch, first| EndQuorumEpochRequest {
        leader: other,
        epoch: LeaderEpoch(epoch),
        preferred_successors: alloc::vec![first, leader],
    };
    for (request, error, role) in [
        (
            end(4, follower),
            ErrorCode::FencedLeaderEpoch,
            crate::trace::QuorumRole::Follower,
        ),
        // The first successor stands at once.
        (end(5, follower), ErrorCode::None, crate::trace::QuorumRole::Prospective),
    ] {
        let name = alloc::format!("{request:?}");
        let Response::EndQuorumEpoch(response) = cluster.ask(follower, request) else {
            panic!("another answer")
        };
        assert_eq!((response.error, response.epoch), (error, LeaderEpoch(5)), "{name}");
        cluster.run_for(Duration::from_millis(1));
        assert_eq!(cluster.quorum(follower).role.kind(), role, "{name}");
    }
}

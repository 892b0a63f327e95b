//! Every error code as an answer to a produce request: what becomes of the batch, and may it be in the log?

use super::*;
use crate::client::producer::outcome::{Outcome, excludes_append, outcome};

/// The row of a code: without idempotence, with idempotence, and whether the answer excludes an append. The match is
/// exhaustive, so that a new code needs a row.
fn row(error: ErrorCode) -> (Outcome, Outcome, bool) {
    use ErrorCode as E;
    use Outcome as O;
    match error {
        E::None => (O::Appended, O::Appended, false),
        E::DuplicateSequenceNumber => (O::Appended, O::Appended, false),

        E::CorruptMessage => (O::Retry, O::Retry, true),
        E::UnknownTopicOrPartition => (O::Retry, O::Retry, true),
        E::UnknownTopicId => (O::Retry, O::Retry, true),
        E::NotEnoughReplicas => (O::Retry, O::Retry, true),
        E::LeaderNotAvailable => (O::Retry, O::Retry, false),
        E::NotLeaderOrFollower => (O::Retry, O::Retry, false),
        E::RequestTimedOut => (O::Retry, O::Retry, false),
        E::ReplicaNotAvailable => (O::Retry, O::Retry, false),
        E::NetworkException => (O::Retry, O::Retry, false),
        E::CoordinatorLoadInProgress => (O::Retry, O::Retry, false),
        E::CoordinatorNotAvailable => (O::Retry, O::Retry, false),
        E::NotCoordinator => (O::Retry, O::Retry, false),
        E::NotEnoughReplicasAfterAppend => (O::Retry, O::Retry, false),
        E::NotController => (O::Retry, O::Retry, false),
        E::KafkaStorageError => (O::Retry, O::Retry, false),
        E::FencedLeaderEpoch => (O::Retry, O::Retry, false),
        E::UnknownLeaderEpoch => (O::Retry, O::Retry, false),
        E::OffsetNotAvailable => (O::Retry, O::Retry, false),
        E::EligibleLeadersNotAvailable => (O::Retry, O::Retry, false),

        E::MessageTooLarge => (O::Split, O::Split, true),
        E::OutOfOrderSequenceNumber => (O::Fail, O::Reorder, true),
        E::UnknownProducerId => (O::Fail, O::Renumber, true),
        E::InvalidProducerEpoch => (O::Fail, O::FailIdentity, true),
        E::ProducerFenced => (O::FailProducer, O::FailProducer, true),

        E::InvalidTopic => (O::Fail, O::Fail, true),
        E::InvalidRequiredAcks => (O::Fail, O::Fail, true),
        E::InvalidRequest => (O::Fail, O::Fail, true),
        E::InvalidRecord => (O::Fail, O::Fail, true),
        E::InvalidTxnState => (O::Fail, O::Fail, true),
        E::UnstableOffsetCommit => (O::Retry, O::Retry, false),
        E::FetchSessionIdNotFound | E::InvalidFetchSessionEpoch => (O::Retry, O::Retry, false),
        // Answers about groups, which no produce request gets.
        E::OffsetMetadataTooLarge
        | E::IllegalGeneration
        | E::InconsistentGroupProtocol
        | E::InvalidGroupId
        | E::UnknownMemberId
        | E::InvalidSessionTimeout
        | E::RebalanceInProgress
        | E::InvalidCommitOffsetSize
        | E::NonEmptyGroup
        | E::GroupIdNotFound
        | E::MemberIdRequired
        | E::GroupMaxSizeReached
        | E::FencedInstanceId
        | E::FencedMemberEpoch
        | E::UnreleasedInstanceId
        | E::UnsupportedAssignor
        | E::StaleMemberEpoch
        | E::InvalidRegularExpression => (O::Fail, O::Fail, false),
        E::UnknownServerError
        | E::OffsetOutOfRange
        | E::BrokerNotAvailable
        | E::UnsupportedVersion
        | E::TopicAlreadyExists
        | E::InvalidPartitions
        | E::InvalidReplicationFactor
        | E::StaleBrokerEpoch
        | E::InvalidUpdateVersion
        | E::DuplicateBrokerRegistration
        | E::BrokerIdNotRegistered
        | E::IneligibleReplica
        | E::NewLeaderElected => (O::Fail, O::Fail, false),
    }
}

const ALL: &[ErrorCode] = &[
    ErrorCode::UnknownServerError,
    ErrorCode::None,
    ErrorCode::OffsetOutOfRange,
    ErrorCode::CorruptMessage,
    ErrorCode::UnknownTopicOrPartition,
    ErrorCode::LeaderNotAvailable,
    ErrorCode::NotLeaderOrFollower,
    ErrorCode::RequestTimedOut,
    ErrorCode::BrokerNotAvailable,
    ErrorCode::ReplicaNotAvailable,
    ErrorCode::MessageTooLarge,
    ErrorCode::OffsetMetadataTooLarge,
    ErrorCode::NetworkException,
    ErrorCode::CoordinatorLoadInProgress,
    ErrorCode::CoordinatorNotAvailable,
    ErrorCode::NotCoordinator,
    ErrorCode::InvalidTopic,
    ErrorCode::NotEnoughReplicas,
    ErrorCode::NotEnoughReplicasAfterAppend,
    ErrorCode::InvalidRequiredAcks,
    ErrorCode::IllegalGeneration,
    ErrorCode::InconsistentGroupProtocol,
    ErrorCode::InvalidGroupId,
    ErrorCode::UnknownMemberId,
    ErrorCode::InvalidSessionTimeout,
    ErrorCode::RebalanceInProgress,
    ErrorCode::InvalidCommitOffsetSize,
    ErrorCode::UnsupportedVersion,
    ErrorCode::TopicAlreadyExists,
    ErrorCode::InvalidPartitions,
    ErrorCode::InvalidReplicationFactor,
    ErrorCode::NotController,
    ErrorCode::InvalidRequest,
    ErrorCode::OutOfOrderSequenceNumber,
    ErrorCode::DuplicateSequenceNumber,
    ErrorCode::InvalidProducerEpoch,
    ErrorCode::InvalidTxnState,
    ErrorCode::KafkaStorageError,
    ErrorCode::UnknownProducerId,
    ErrorCode::NonEmptyGroup,
    ErrorCode::GroupIdNotFound,
    ErrorCode::FencedLeaderEpoch,
    ErrorCode::UnknownLeaderEpoch,
    ErrorCode::StaleBrokerEpoch,
    ErrorCode::OffsetNotAvailable,
    ErrorCode::MemberIdRequired,
    ErrorCode::GroupMaxSizeReached,
    ErrorCode::FencedInstanceId,
    ErrorCode::EligibleLeadersNotAvailable,
    ErrorCode::InvalidRecord,
    ErrorCode::UnstableOffsetCommit,
    ErrorCode::ProducerFenced,
    ErrorCode::InvalidUpdateVersion,
    ErrorCode::UnknownTopicId,
    ErrorCode::DuplicateBrokerRegistration,
    ErrorCode::BrokerIdNotRegistered,
    ErrorCode::IneligibleReplica,
    ErrorCode::NewLeaderElected,
    ErrorCode::FencedMemberEpoch,
    ErrorCode::UnreleasedInstanceId,
    ErrorCode::UnsupportedAssignor,
    ErrorCode::StaleMemberEpoch,
];

#[test]
fn every_error_code_has_its_outcome() {
    for error in ALL.iter().copied() {
        let (plain, idempotent, excludes) = row(error);
        assert_eq!(outcome(error, false), plain, "{error:?} without idempotence");
        assert_eq!(outcome(error, true), idempotent, "{error:?} with idempotence");
        assert_eq!(excludes_append(error), excludes, "{error:?} excludes an append");
    }
}

/// The whole producer, one record, one answer: does it send again, and what does the application hear?
#[test]
fn every_error_code_as_an_answer() {
    for idempotent in [false, true] {
        for error in ALL.iter().copied() {
            let (plain, with_ids, excludes) = row(error);
            let outcome = if idempotent { with_ids } else { plain };
            let mut bench = Bench::warm(
                ProducerConfig {
                    enable_idempotence: idempotent,
                    ..config()
                },
                1,
            );
            bench.send("a");
            let sent = bench.request();
            bench.answer(&sent, error, (error == ErrorCode::None).then_some(5));
            let results = bench.results();
            bench.settle();
            bench.pass(ms(200));
            bench.settle();
            let again = bench.requests();
            let case = format!("{error:?}, idempotence {idempotent}");
            match outcome {
                Outcome::Appended => {
                    assert_eq!(results, [Ok((error == ErrorCode::None).then_some(5))], "{case}");
                    assert!(again.is_empty(), "{case}");
                }
                Outcome::Retry | Outcome::Reorder | Outcome::Renumber => {
                    assert_eq!(results, [], "{case}");
                    assert_eq!(again.len(), 1, "{case}: sent again");
                    assert_eq!(again[0].values(), [b"a"], "{case}");
                    assert_eq!(again[0].sequences()[0].0, retry_sequence(idempotent, outcome), "{case}");
                    // A definite error later does not undo what this attempt may have done.
                    bench.answer(&again[0], ErrorCode::InvalidRecord, None);
                    assert_eq!(bench.results(), [Err((ErrorCode::InvalidRecord, !excludes))], "{case}");
                }
                Outcome::Split | Outcome::Fail | Outcome::FailIdentity | Outcome::FailProducer => {
                    assert_eq!(results, [Err((error, !excludes))], "{case}");
                    assert!(again.is_empty(), "{case}");
                }
            }
            assert_eq!(bench.producer.pending(), 0, "{case}");
            let refused = bench.producer.send(bench.now(), record("later")).is_err();
            assert_eq!(refused, outcome == Outcome::FailProducer, "{case}");
        }
    }
}

/// The warm-up had sequence 0. A retry keeps its number, unless the log has a gap.
fn retry_sequence(idempotent: bool, outcome: Outcome) -> i32 {
    match (idempotent, outcome) {
        (false, _) => -1,
        (true, Outcome::Retry) => 1,
        (true, _) => 0,
    }
}

#[test]
fn backoff_doubles_within_its_jitter_up_to_its_end() {
    let mut bench = Bench::warm(config(), 1);
    bench.send("a");
    let rows = [100, 200, 400, 800, 1000, 1000];
    for (attempt, pause) in rows.into_iter().enumerate() {
        let sent = bench.request();
        bench.answer(&sent, ErrorCode::NotEnoughReplicas, None);
        let least = ms(pause * 4 / 5);
        let most = ms((pause * 6 / 5).min(1000));
        bench.pass(least - Duration::from_nanos(1));
        assert!(bench.requests().is_empty(), "retry {attempt} came before {least:?}");
        bench.pass(most - least + Duration::from_nanos(1));
    }
    assert_eq!(bench.request().values(), [b"a"]);
}

#[test]
fn retries_are_counted() {
    for (retries, attempts) in [(0, 1), (1, 2), (3, 4)] {
        let mut bench = Bench::warm(
            ProducerConfig {
                retries,
                enable_idempotence: false,
                ..config()
            },
            1,
        );
        bench.send("a");
        for _ in 0..attempts {
            assert_eq!(bench.results(), []);
            let sent = bench.request();
            bench.answer(&sent, ErrorCode::NotEnoughReplicas, None);
            bench.pass(ms(1000));
        }
        assert_eq!(bench.results(), [Err((ErrorCode::NotEnoughReplicas, false))]);
        assert!(bench.requests().is_empty(), "retries={retries}");
    }
}

#[test]
fn a_new_leader_in_the_answer_is_tried_at_once() {
    // (leader in the answer, its epoch, at once?): KIP-951
    for (leader, at_once) in [(Some((2, 1)), true), (Some((2, 0)), false), (None, false)] {
        let mut bench = Bench::warm(config(), 1);
        bench.send("a");
        let sent = bench.request();
        bench.answer_with(&sent, ErrorCode::NotLeaderOrFollower, None, leader);
        let again: Vec<Sent> = bench.requests();
        let produce: Vec<&Sent> = again.iter().filter(|s| matches!(s.body, Request::Produce(_))).collect();
        assert_eq!(produce.len(), usize::from(at_once), "{leader:?}");
        assert!(produce.iter().all(|sent| sent.to == NodeId(2)));
        assert!(again.iter().any(|s| matches!(s.body, Request::Metadata(_))) || bench.producer.deadline().is_some());
    }
}

#[test]
fn a_new_leader_in_the_metadata_ends_the_backoff() {
    let mut bench = Bench::warm(
        ProducerConfig {
            retry_backoff_ms: 1000,
            ..config()
        },
        1,
    );
    bench.pass(ms(1500));
    bench.send("a");
    let sent = bench.request();
    (bench.leaders[0], bench.epoch) = (Some(2), 1);
    bench.answer(&sent, ErrorCode::NotLeaderOrFollower, None);
    bench.settle();
    let again = bench.request();
    assert_eq!((again.to, again.values()), (NodeId(2), vec![b"a".to_vec()]));
}

#[test]
fn the_delivery_timeout_bounds_a_send_wherever_it_is() {
    let config = || ProducerConfig {
        delivery_timeout_ms: 50_000,
        linger_ms: 100,
        ..config()
    };
    // In flight: nobody knows.
    let mut bench = Bench::warm(config(), 1);
    bench.send("a");
    bench.pass(ms(100));
    let first = bench.request();
    bench.pass(ms(30_000));
    bench.settle();
    bench.pass(ms(19_899));
    assert_eq!(bench.results(), []);
    bench.pass(ms(1));
    assert_eq!(bench.results(), [Err((ErrorCode::RequestTimedOut, true))]);
    bench.answer(&first, ErrorCode::None, Some(1));
    assert_eq!(bench.results(), [], "a late answer changes nothing");

    // Waiting for a retry after a definite error: it is in no log.
    let mut bench = Bench::warm(config(), 1);
    bench.send("a");
    for _ in 0..49_999 {
        bench.pass(ms(1));
        for sent in bench.requests() {
            bench.answer(&sent, ErrorCode::NotEnoughReplicas, None);
        }
    }
    assert_eq!(bench.results(), []);
    bench.pass(ms(1));
    assert_eq!(bench.results(), [Err((ErrorCode::RequestTimedOut, false))]);

    // Never sent: no leader.
    let mut bench = Bench::fresh(config(), 1);
    bench.leaders[0] = None;
    bench.send("a");
    bench.settle();
    let since = bench.now;
    while bench.producer.pending() > 0 {
        let at = bench.producer.deadline().unwrap();
        bench.pass(at.since(bench.now));
        bench.settle();
    }
    assert_eq!(bench.now.since(since), ms(50_000));
    assert_eq!(bench.results(), [Err((ErrorCode::RequestTimedOut, false))]);
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    for idempotent in [false, true] {
        let mut bench = Bench::warm(
            ProducerConfig {
                enable_idempotence: idempotent,
                linger_ms: 10,
                ..config()
            },
            1,
        );
        for value in ["a", "b", "c", "d", "e"] {
            bench.send(value);
        }
        bench.pass(ms(10));
        let (mut log, mut refused) = (Vec::new(), 0);
        let mut wire: VecDeque<Sent> = bench.requests().into();
        while let Some(sent) = wire.pop_front() {
            if sent.values().len() > 2 {
                refused += 1;
                bench.answer(&sent, ErrorCode::MessageTooLarge, None);
            } else {
                log.extend(sent.values());
                bench.answer(&sent, ErrorCode::None, Some(10));
            }
            wire.extend(bench.requests());
        }
        assert_eq!(refused, 2, "5 records, then 3");
        assert_eq!(log, [b"a", b"b", b"c", b"d", b"e"]);
        let ok = bench.results().into_iter().map(|result| result.unwrap().unwrap());
        assert_eq!(ok.collect::<Vec<_>>(), [10, 11, 10, 10, 11]);
    }
}

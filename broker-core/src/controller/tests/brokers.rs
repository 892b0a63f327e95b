//! Registration, heartbeats, fencing, shutdown.

use super::*;
use crate::protocol::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use crate::types::ProducerId;

#[test]
fn a_registration_is_named_by_its_offset_and_begins_fenced() {
    let mut cell = Cell::active();
    let first = cell.register(1, 11);
    let second = cell.register(2, 22);
    assert_eq!((first.error, second.error), (ErrorCode::None, ErrorCode::None));
    // The leader change is at 0.
    assert_eq!(
        (first.broker_epoch, second.broker_epoch),
        (BrokerEpoch(1), BrokerEpoch(2))
    );
    assert!(cell.is_fenced(1) && cell.is_fenced(2));
    assert_eq!(cell.committed.brokers[&NodeId(2)].incarnation, 22);
}

#[test]
fn the_same_run_may_register_again_and_another_one_waits_for_the_session_to_end() {
    let mut cell = Cell::active();
    let first = cell.register(1, 11);
    // Its answer was lost.
    assert_eq!(cell.register(1, 11).broker_epoch, first.broker_epoch);
    // A fenced broker leads nothing: another run takes over at once.
    let second = cell.register(1, 12);
    assert_eq!(second.error, ErrorCode::None);
    assert!(second.broker_epoch > first.broker_epoch);
    assert!(!cell.heartbeat(1).is_fenced);
    assert_eq!(cell.register(1, 12).broker_epoch, second.broker_epoch);
    assert!(!cell.is_fenced(1), "asking again changes nothing");
    assert_eq!(cell.register(1, 13).error, ErrorCode::DuplicateBrokerRegistration);
    cell.pass(9 * SECOND);
    assert_eq!(
        cell.register(1, 13).error,
        ErrorCode::DuplicateBrokerRegistration,
        "9 s are within the session"
    );
    cell.pass(Duration::from_nanos(1));
    let third = cell.register(1, 13);
    assert_eq!(third.error, ErrorCode::None);
    assert!(third.broker_epoch > second.broker_epoch);
    assert!(cell.is_fenced(1));
    // The old run is not heard any more.
    let stale = BrokerHeartbeatRequest {
        broker_epoch: second.broker_epoch,
        ..cell.heartbeat_of(1)
    };
    assert_eq!(cell.heartbeat_with(stale).error, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn a_new_run_loses_the_leaderships_of_the_old_one() {
    let mut cell = Cell::active();
    cell.join(&[1, 2, 3]);
    let partition = cell.create_placed(&[2, 1, 3]);
    cell.pass(8 * SECOND);
    cell.heartbeat(1);
    cell.heartbeat(3);
    // Its session has ended, and nobody has come to fence it yet.
    cell.now = cell.now + 2 * SECOND;
    assert_eq!(cell.register(2, 99).error, ErrorCode::None);
    assert_eq!(cell.state(partition), (Some(1), [1, 3].into(), 1, 1));
    let last = cell.decisions.last().expect("a decision");
    assert!(
        matches!(last[0], MetadataRecord::RegisterBroker { .. }),
        "all in one batch: {last:?}"
    );
}

#[test]
fn heartbeats_unfence_a_broker_that_has_applied_its_registration() {
    let mut cell = Cell::active();
    let broker_epoch = cell.register(1, 1).broker_epoch;
    // The end of the applied metadata, whether it asks to stay fenced; then: caught up, fenced.
    for (applied, want_fence, is_caught_up, is_fenced) in [
        (0, false, false, true),
        (broker_epoch.0, false, false, true),
        (broker_epoch.0 + 1, true, true, true),
        (broker_epoch.0 + 1, false, true, false),
        // Once unfenced it stays so, however far behind it says it is.
        (0, false, false, false),
        (broker_epoch.0 + 5, true, true, true),
    ] {
        let request = BrokerHeartbeatRequest {
            current_metadata_offset: Offset(applied),
            want_fence,
            ..cell.heartbeat_of(1)
        };
        let response = cell.heartbeat_with(request);
        let name = alloc::format!("applied {applied}, want_fence {want_fence}");
        assert_eq!(response.error, ErrorCode::None, "{name}");
        assert_eq!(
            (response.is_caught_up, response.is_fenced),
            (is_caught_up, is_fenced),
            "{name}"
        );
        assert_eq!(cell.is_fenced(1), is_fenced, "{name}");
    }
    let unknown = BrokerHeartbeatRequest {
        broker: NodeId(8),
        ..cell.heartbeat_of(1)
    };
    assert_eq!(cell.heartbeat_with(unknown).error, ErrorCode::StaleBrokerEpoch);
}

#[test]
fn a_broker_is_fenced_strictly_after_its_session() {
    for (silence, is_fenced) in [
        (Duration::from_millis(8999), false),
        (Duration::from_millis(9000), false),
        (Duration::from_millis(9000) + Duration::from_nanos(1), true),
    ] {
        let mut cell = Cell::active();
        cell.join(&[1]);
        cell.pass(silence);
        assert_eq!(cell.is_fenced(1), is_fenced, "{silence:?}");
    }
    let mut cell = Cell::active();
    cell.join(&[1]);
    for _ in 0..20 {
        cell.pass(8 * SECOND);
        assert!(!cell.heartbeat(1).is_fenced);
    }
}

#[test]
fn leaders_move_off_a_silent_broker_and_the_last_of_the_isr_waits() {
    let mut cell = Cell::active();
    cell.join(&[1, 2, 3]);
    let partition = cell.create_placed(&[2, 1, 3]);
    assert_eq!(cell.state(partition), (Some(2), [2, 1, 3].into(), 0, 0));
    let step = |cell: &mut Cell, alive: &[u32]| {
        for _ in 0..3 {
            cell.pass(4 * SECOND);
            for broker in alive {
                cell.heartbeat(*broker);
            }
        }
        cell.state(partition)
    };
    // A follower goes: the leader epoch stays.
    assert_eq!(step(&mut cell, &[1, 2]), (Some(2), [2, 1].into(), 0, 1));
    // The leader goes: the next in the preferred order that is in the ISR.
    assert_eq!(step(&mut cell, &[1]), (Some(1), [1].into(), 1, 2));
    // The last one goes: no leader, but the ISR is kept.
    assert_eq!(step(&mut cell, &[]), (None, [1].into(), 2, 3));
    // Somebody else comes back: it is not in the ISR, and unclean elections are off.
    assert_eq!(step(&mut cell, &[2, 3]), (None, [1].into(), 2, 3));
    // The last member comes back and leads.
    assert_eq!(step(&mut cell, &[1, 2, 3]), (Some(1), [1].into(), 3, 4));
}

#[test]
fn an_unclean_election_happens_only_where_the_topic_allows_it() {
    let mut cell = Cell::active();
    cell.join(&[1, 2]);
    let unclean = TopicConfig {
        unclean_leader_election_enable: true,
        ..TopicConfig::default()
    };
    assert_eq!(cell.create("clean", 2, 2, TopicConfig::default()), ErrorCode::None);
    assert_eq!(cell.create("unclean", 2, 2, unclean), ErrorCode::None);
    let silent = |cell: &mut Cell, alive: &[u32]| {
        for _ in 0..3 {
            cell.pass(4 * SECOND);
            for broker in alive {
                cell.heartbeat(*broker);
            }
        }
    };
    silent(&mut cell, &[1]);
    silent(&mut cell, &[]);
    silent(&mut cell, &[2]);
    for index in 0..2 {
        let clean = cell.state(TopicPartition::new(cell.topic("clean"), index));
        let unclean = cell.state(TopicPartition::new(cell.topic("unclean"), index));
        assert_eq!((clean.0, clean.1), (None, [1].into()));
        assert_eq!(
            (unclean.0, unclean.1),
            (Some(2), [2].into()),
            "all that broker 1 had is given up"
        );
    }
}

#[test]
fn a_new_active_controller_gives_fresh_sessions() {
    let mut cell = Cell::active();
    cell.join(&[1]);
    cell.pass(8 * SECOND);
    cell.with(|controller, quorum, ctx| {
        let image = ClusterImage::default();
        controller.on_quorum(ctx, quorum, &image, &QuorumFact::LostLeadership);
    });
    assert_eq!(cell.controller.deadline(), None);
    let (end, image) = (cell.quorum.high_watermark(), cell.committed.clone());
    cell.with(|controller, quorum, ctx| {
        let epoch = quorum.epoch();
        controller.on_quorum(ctx, quorum, &image, &QuorumFact::BecameLeader { epoch });
        let committed = QuorumFact::Committed {
            entries: Vec::new(),
            end,
        };
        controller.on_quorum(ctx, quorum, &image, &committed);
    });
    cell.pass(9 * SECOND);
    assert!(!cell.is_fenced(1), "17 s after its last heartbeat");
    cell.pass(Duration::from_nanos(1));
    assert!(cell.is_fenced(1));
}

#[test]
fn a_controlled_shutdown_moves_the_leaders_and_waits_for_everybody_to_know() {
    let mut cell = Cell::active();
    cell.join(&[1, 2, 3]);
    let partition = cell.create_placed(&[2, 1, 3]);
    for broker in [1, 2, 3] {
        cell.heartbeat(broker);
    }
    let shut_down = |cell: &mut Cell| {
        let request = BrokerHeartbeatRequest {
            want_shut_down: true,
            ..cell.heartbeat_of(2)
        };
        let response = cell.heartbeat_with(request);
        (response.is_fenced, response.should_shut_down)
    };
    assert_eq!(shut_down(&mut cell), (false, false));
    assert_eq!(cell.state(partition), (Some(1), [1, 3].into(), 1, 1));
    // Neither of the others has applied that yet.
    assert_eq!(shut_down(&mut cell), (false, false));
    cell.heartbeat(1);
    assert_eq!(shut_down(&mut cell), (false, false));
    cell.heartbeat(3);
    assert_eq!(shut_down(&mut cell), (true, true));
    assert!(cell.is_fenced(2));
    assert_eq!(shut_down(&mut cell), (true, true), "told again if the answer was lost");
}

#[test]
fn producer_ids_are_given_once() {
    let mut cell = Cell::active();
    cell.join(&[1, 2]);
    let request = |cell: &Cell, broker: u32| AllocateProducerIdsRequest {
        broker: NodeId(broker),
        broker_epoch: cell.broker_epoch(broker),
    };
    let ask = |cell: &mut Cell, request: AllocateProducerIdsRequest| match cell.ask(request) {
        Response::AllocateProducerIds(AllocateProducerIdsResponse { error, start, len }) => (error, start.0, len),
        other => panic!("{other:?}"),
    };
    for (broker, start) in [(1, 0), (2, 1000), (1, 2000)] {
        let request = request(&cell, broker);
        assert_eq!(ask(&mut cell, request), (ErrorCode::None, start, 1000));
    }
    let stale = AllocateProducerIdsRequest {
        broker_epoch: BrokerEpoch(0),
        ..request(&cell, 1)
    };
    assert_eq!(ask(&mut cell, stale).0, ErrorCode::StaleBrokerEpoch);
    assert_eq!(cell.committed.next_producer_id, ProducerId(3000));
}

//! When replies leave, and what a node says that is not the active controller.

use super::*;
use crate::protocol::{AllocateProducerIdsRequest, AlterPartitionRequest, CreatePartitionsRequest};

fn every_request() -> Vec<Request> {
    let (broker, broker_epoch) = (NodeId(1), BrokerEpoch(1));
    let topic = NewTopic {
        name: TopicName::from("orders"),
        partitions: 1,
        replication_factor: 1,
        config: TopicConfig::default(),
    };
    [
        BrokerRegistrationRequest {
            broker,
            incarnation: 1,
            listeners: Listeners::default(),
        }
        .into(),
        BrokerHeartbeatRequest {
            broker,
            broker_epoch,
            current_metadata_offset: Offset(2),
            want_fence: false,
            want_shut_down: false,
        }
        .into(),
        AlterPartitionRequest {
            broker,
            broker_epoch,
            partitions: Vec::new(),
        }
        .into(),
        CreateTopicsRequest { topics: [topic].into() }.into(),
        CreatePartitionsRequest {
            topic: TopicName::from("orders"),
            count: 2,
        }
        .into(),
        AllocateProducerIdsRequest { broker, broker_epoch }.into(),
    ]
    .into()
}

fn error_of(response: &Response) -> ErrorCode {
    match response {
        Response::BrokerRegistration(body) => body.error,
        Response::BrokerHeartbeat(body) => body.error,
        Response::AlterPartition(body) => body.error,
        Response::CreateTopics(body) => body.topics[0].1,
        Response::CreatePartitions(body) => body.error,
        Response::AllocateProducerIds(body) => body.error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_active_controller_decides() {
    let mut cell = Cell::active();
    let image = cell.committed.clone();
    cell.with(|controller, quorum, ctx| controller.on_quorum(ctx, quorum, &image, &QuorumFact::LostLeadership));
    for request in every_request() {
        let api = request.api_key();
        let response = cell.ask(request);
        assert_eq!(
            (response.api_key(), error_of(&response)),
            (api, ErrorCode::NotController)
        );
    }
    assert_eq!(cell.controller.deadline(), None);
    let mut cell = Cell::active();
    for request in every_request() {
        let api = request.api_key();
        let response = cell.ask(request);
        assert_eq!((response.api_key(), error_of(&response)), (api, ErrorCode::None));
    }
}

#[test]
fn a_leader_keeps_requests_until_its_first_entry_is_committed() {
    for is_elected in [true, false] {
        let mut cell = Cell::waiting();
        // The disk has the vote, but not the entry.
        let (op, file) = cell.waiting.remove(0);
        cell.with(|_, quorum, ctx| {
            quorum
                .on_disk(ctx, op, file, &Ok(DiskReply::Done))
                .expect("a good disk")
        });
        assert!(cell.quorum.is_leader());
        let requests: Vec<RequestId> = every_request().into_iter().map(|request| cell.send(request)).collect();
        assert!(cell.answers.is_empty());
        assert_eq!(cell.controller.deadline(), None);
        if is_elected {
            cell.answer_disk();
        } else {
            let image = ClusterImage::default();
            cell.with(|controller, quorum, ctx| controller.on_quorum(ctx, quorum, &image, &QuorumFact::LostLeadership));
        }
        let expected = match is_elected {
            true => ErrorCode::None,
            false => ErrorCode::NotController,
        };
        for id in requests {
            let response = cell.take_answer(id).expect("an answer");
            assert_eq!(error_of(&response), expected, "{response:?}");
        }
    }
}

#[test]
fn replies_wait_for_the_commit_in_order() {
    let mut cell = Cell::active();
    cell.disk_answers = false;
    let register = cell.send(BrokerRegistrationRequest {
        broker: NodeId(1),
        incarnation: 5,
        listeners: Listeners::default(),
    });
    // Asked again: no record, but the answer speaks of one that is not committed.
    let again = cell.send(BrokerRegistrationRequest {
        broker: NodeId(1),
        incarnation: 5,
        listeners: Listeners::default(),
    });
    assert!(cell.answers.is_empty());
    assert!(cell.committed.brokers.is_empty());
    cell.answer_disk();
    let answered: Vec<RequestId> = cell.answers.iter().map(|(id, _)| *id).collect();
    assert_eq!(answered, [register, again]);
    assert_eq!(error_of(&cell.answers[1].1), ErrorCode::None);
    assert_eq!(cell.decisions.iter().flatten().count(), 1);
}

#[test]
fn decisions_see_what_is_not_committed_yet() {
    let mut cell = Cell::active();
    cell.join(&[1]);
    cell.disk_answers = false;
    let create = |cell: &mut Cell| {
        let topic = NewTopic {
            name: TopicName::from("orders"),
            partitions: 1,
            replication_factor: 1,
            config: TopicConfig::default(),
        };
        cell.send(CreateTopicsRequest { topics: [topic].into() })
    };
    let first = create(&mut cell);
    let second = create(&mut cell);
    cell.answer_disk();
    let first = cell.take_answer(first).expect("an answer");
    let second = cell.take_answer(second).expect("an answer");
    assert_eq!(
        (error_of(&first), error_of(&second)),
        (ErrorCode::None, ErrorCode::TopicAlreadyExists)
    );
}

#[test]
fn a_lost_leadership_answers_everybody_and_forgets() {
    let mut cell = Cell::active();
    cell.join(&[1]);
    cell.disk_answers = false;
    // The last kind writes a record, and all that come after it wait for that.
    let requests = every_request().into_iter().rev();
    let requests: Vec<RequestId> = requests.map(|request| cell.send(request)).collect();
    assert!(cell.answers.is_empty());
    let image = cell.committed.clone();
    cell.with(|controller, quorum, ctx| controller.on_quorum(ctx, quorum, &image, &QuorumFact::LostLeadership));
    for id in requests {
        let response = cell.take_answer(id).expect("an answer");
        assert_eq!(error_of(&response), ErrorCode::NotController, "{response:?}");
    }
    // What it appended is committed after all; a controller that is inactive takes no notice.
    cell.answer_disk();
    assert!(cell.answers.is_empty());
    assert_eq!(cell.controller.deadline(), None);
}

#[test]
fn an_idle_controller_writes_a_no_op_every_half_second() {
    let mut cell = Cell::active();
    cell.decisions.clear();
    cell.pass(10 * SECOND);
    assert_eq!(cell.decisions.len(), 20);
    assert!(
        cell.decisions
            .iter()
            .all(|records| records[..] == [MetadataRecord::NoOp])
    );
    // Not right after something else was written.
    cell.pass(Duration::from_millis(400));
    cell.register(1, 1);
    cell.pass(Duration::from_millis(499));
    assert_eq!(cell.decisions.len(), 21);
    cell.pass(Duration::from_millis(1));
    assert_eq!(cell.decisions.len(), 22);
}

#[test]
fn equal_images_have_equal_digests_and_different_ones_differ() {
    let story = |brokers: &[u32]| {
        let mut cell = Cell::active();
        cell.join(brokers);
        cell.create("orders", 3, 2, TopicConfig::default());
        cell
    };
    let (one, same, other) = (story(&[1, 2]), story(&[1, 2]), story(&[1, 2, 3]));
    assert_eq!(one.committed, same.committed);
    assert_eq!(one.committed.digest(), same.committed.digest());
    assert_ne!(one.committed.digest(), other.committed.digest());
    let mut changed = one.committed.clone();
    let topic = changed.topics.get_mut(&one.topic("orders")).expect("a topic");
    topic.partitions[2].isr.pop();
    assert_ne!(one.committed.digest(), changed.digest());
}

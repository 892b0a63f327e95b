//! Topics and placement.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::*;
use crate::protocol::CreatePartitionsRequest;

#[test]
fn topics_are_created_or_refused() {
    let mut cell = Cell::active();
    let plain = TopicConfig::default;
    assert_eq!(
        cell.create("early", 1, 1, plain()),
        ErrorCode::InvalidReplicationFactor,
        "no brokers"
    );
    cell.register(1, 1);
    assert_eq!(
        cell.create("early", 1, 1, plain()),
        ErrorCode::InvalidReplicationFactor,
        "all fenced"
    );
    cell.join(&[2, 3]);
    let long = String::from_utf8(alloc::vec![b'x'; 250]).expect("ASCII");
    for (name, partitions, replication_factor, error) in [
        ("orders", 3, 2, ErrorCode::None),
        ("orders", 3, 2, ErrorCode::TopicAlreadyExists),
        ("Orders.v2_x-1", 1, 1, ErrorCode::None),
        ("", 1, 1, ErrorCode::InvalidTopic),
        (".", 1, 1, ErrorCode::InvalidTopic),
        ("..", 1, 1, ErrorCode::InvalidTopic),
        ("a b", 1, 1, ErrorCode::InvalidTopic),
        (&long, 1, 1, ErrorCode::InvalidTopic),
        (&long[1..], 1, 1, ErrorCode::None),
        ("none", 0, 1, ErrorCode::InvalidPartitions),
        ("zero", 1, 0, ErrorCode::InvalidReplicationFactor),
        // Broker 1 is fenced, and counts as a place all the same.
        ("all", 1, 3, ErrorCode::None),
        ("more", 1, 4, ErrorCode::InvalidReplicationFactor),
    ] {
        assert_eq!(
            cell.create(name, partitions, replication_factor, plain()),
            error,
            "{name}"
        );
    }
    let mut ids: Vec<_> = cell.committed.topic_ids.values().copied().collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, cell.committed.topics.keys().copied().collect::<Vec<_>>());
    assert_eq!(ids.len(), 4, "each has an id of its own");
    let is_reserved = |id: &TopicId| [TopicId::ZERO, TopicId::CLUSTER_METADATA].contains(id);
    assert!(!ids.iter().any(is_reserved), "{ids:?}");
    let all = TopicPartition::new(cell.committed.topic_ids[&TopicName::from("all")], 0);
    let state = cell.partition(all);
    assert_eq!(state.replicas[2], NodeId(1), "the fenced one comes last");
    assert_eq!(state.isr, state.replicas[..2], "and is not in sync");
    assert_eq!(state.leader, Some(state.replicas[0]));
}

#[test]
fn one_request_creates_each_topic_by_itself() {
    let mut cell = Cell::active();
    cell.join(&[1]);
    let topic = |name: &str, partitions| NewTopic {
        name: TopicName::from(name),
        partitions,
        replication_factor: 1,
        config: TopicConfig::default(),
    };
    let topics = [topic("a", 2), topic("b", 0), topic("a", 1), topic("c", 1)];
    let Response::CreateTopics(response) = cell.ask(CreateTopicsRequest { topics: topics.into() }) else {
        panic!("another answer")
    };
    let errors: Vec<_> = response.topics.iter().map(|(_, error, id)| (*error, *id)).collect();
    let expected = [
        (ErrorCode::None, Some(cell.topic("a"))),
        (ErrorCode::InvalidPartitions, None),
        (ErrorCode::InvalidRequest, None),
        (ErrorCode::None, Some(cell.topic("c"))),
    ];
    assert_eq!(errors, expected);
    let decision = cell.decisions.last().expect("a decision");
    assert_eq!(
        decision.len(),
        5,
        "two topics and three partitions in one batch: {decision:?}"
    );
}

#[test]
fn leaders_are_spread_evenly_and_pairs_fairly() {
    let mut cell = Cell::active();
    cell.join(&[1, 2, 3, 4]);
    assert_eq!(cell.create("wide", 200, 2, TopicConfig::default()), ErrorCode::None);
    let mut leaders: BTreeMap<NodeId, u32> = BTreeMap::new();
    let mut pairs: BTreeMap<Vec<NodeId>, u32> = BTreeMap::new();
    for (_, state) in cell.committed.partitions() {
        assert_ne!(state.replicas[0], state.replicas[1]);
        assert_eq!(state.isr, state.replicas);
        *leaders.entry(state.replicas[0]).or_default() += 1;
        *pairs.entry(state.replicas.clone()).or_default() += 1;
    }
    assert!(leaders.values().all(|count| *count == 50), "{leaders:?}");
    // About 17 each; without drawing the order anew there would be four pairs of 50.
    assert_eq!(pairs.len(), 12);
    assert!(pairs.values().all(|count| (8..=27).contains(count)), "{pairs:?}");
}

#[test]
fn every_replica_set_has_no_broker_twice() {
    for brokers in 1..=6u32 {
        for fenced in 0..brokers {
            let mut cell = Cell::active();
            for broker in 1..=brokers {
                cell.register(broker, 1);
                if broker > fenced {
                    cell.heartbeat(broker);
                }
            }
            for replication_factor in 1..=brokers as u16 {
                let name = alloc::format!("rf-{replication_factor}");
                assert_eq!(
                    cell.create(&name, 13, replication_factor, TopicConfig::default()),
                    ErrorCode::None
                );
            }
            for (partition, state) in cell.committed.partitions() {
                let mut distinct = state.replicas.clone();
                distinct.sort_unstable();
                distinct.dedup();
                assert_eq!(distinct.len(), state.replicas.len(), "{partition}: {state:?}");
                let unfenced = state.replicas.iter().filter(|replica| replica.0 > fenced).count();
                let possible = (brokers - fenced) as usize;
                assert_eq!(
                    unfenced,
                    state.replicas.len().min(possible),
                    "{partition}: unfenced brokers first"
                );
            }
        }
    }
}

#[test]
fn topics_grow_or_stay() {
    let mut cell = Cell::active();
    cell.join(&[1, 2, 3]);
    cell.create("orders", 2, 2, TopicConfig::default());
    let before = cell.committed.topics[&cell.topic("orders")].clone();
    for (name, count, error, partitions) in [
        ("absent", 4, ErrorCode::UnknownTopicOrPartition, 2),
        ("orders", 0, ErrorCode::InvalidPartitions, 2),
        ("orders", 1, ErrorCode::InvalidPartitions, 2),
        ("orders", 2, ErrorCode::InvalidPartitions, 2),
        ("orders", 10_003, ErrorCode::InvalidPartitions, 2),
        ("orders", 5, ErrorCode::None, 5),
        ("orders", 5, ErrorCode::InvalidPartitions, 5),
    ] {
        let request = CreatePartitionsRequest {
            topic: TopicName::from(name),
            count,
        };
        let Response::CreatePartitions(response) = cell.ask(request) else {
            panic!("another answer")
        };
        assert_eq!(response.error, error, "{name} to {count}");
        let topic = &cell.committed.topics[&cell.topic("orders")];
        assert_eq!(topic.partitions.len(), partitions, "{name} to {count}");
    }
    let after = &cell.committed.topics[&cell.topic("orders")];
    assert_eq!(after.partitions[..2], before.partitions, "what was there stays");
    let mut leaders: Vec<_> = after.partitions[2..].iter().map(|state| state.leader).collect();
    leaders.sort_unstable();
    leaders.dedup();
    assert_eq!(leaders.len(), 3, "the new ones are spread: {leaders:?}");
    assert!(after.partitions.iter().all(|state| state.replicas.len() == 2));
}

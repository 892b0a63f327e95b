//! Connections that peers have opened: one request of each at a time, and none without use.

use super::*;
use crate::protocol::{
    Acks, BatchBuilder, FetchMetadata, FetchPartition, FetchRequest, IsolationLevel, JoinGroupRequest, MetadataRequest,
    ProduceRequest,
};
use crate::types::Timestamp;

fn produce(partition: TopicPartition, acks: Acks) -> ProduceRequest {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(0), None, Some(b"x"), &[]);
    ProduceRequest {
        acks,
        // Longer than followers wait for the answers that were lost (`replica.socket.timeout.ms`).
        timeout: 45 * SECOND,
        partitions: [(partition, builder.build())].into(),
    }
}

impl Cluster {
    /// A topic whose leader's followers cannot reach it, and that leader.
    fn waiting_topic(&mut self) -> (TopicPartition, u32) {
        let orders = self.create_topic("orders");
        let topics = Some([TopicName::from("orders")].into());
        let Response::Metadata(body) = self.ask(1, MetadataRequest { topics }) else {
            panic!("another answer")
        };
        let leader = body.topics[0].partitions[0].leader.expect("it has one").0;
        self.isolate(leader);
        self.cut.retain(|(from, to)| *from != CLIENT.0 && *to != CLIENT.0);
        (orders, leader)
    }

    fn base_offset(&mut self, id: RequestId) -> i64 {
        match self.wait(id, 60 * SECOND) {
            Some(Response::Produce(body)) => body.partitions[0].base_offset.map_or(-1, |offset| offset.0),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_comes_behind_a_produce_request_waits_for_its_answer() {
    let mut cluster = Cluster::new(Quirks::default());
    let (orders, leader) = cluster.waiting_topic();
    let first = cluster.send(leader, produce(orders, Acks::All));
    let second = cluster.send(leader, produce(orders, Acks::All));
    let third = cluster.send(leader, MetadataRequest { topics: None });
    // Another connection goes its own way.
    let other = cluster.send_over(101, leader, produce(orders, Acks::All));
    let metadata = cluster.send_over(102, leader, MetadataRequest { topics: None });
    cluster.pass(SECOND / 2);
    assert!(cluster.answers.remove(&metadata).is_some());
    assert!(cluster.answers.is_empty(), "{:?}", cluster.answers);
    cluster.cut.clear();
    assert_eq!(cluster.base_offset(first), 0);
    assert!(!cluster.answers.contains_key(&second) && !cluster.answers.contains_key(&third));
    assert_eq!([other, second].map(|id| cluster.base_offset(id)), [1, 2]);
    assert!(cluster.wait(third, SECOND).is_some());
}

#[test]
fn what_comes_behind_a_fetch_or_a_join_waits_for_its_answer() {
    let mut cluster = Cluster::new(Quirks::default());
    let orders = cluster.create_topic("orders");
    let topics = Some([TopicName::from("orders")].into());
    let Response::Metadata(body) = cluster.ask(1, MetadataRequest { topics }) else {
        panic!("another answer")
    };
    let leader = body.topics[0].partitions[0].leader.expect("it has one").0;
    let coordinator = cluster.find(1, "workers", None);
    let empty = FetchRequest {
        replica: None,
        metadata: FetchMetadata::INITIAL,
        max_wait_ms: 1_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        isolation: IsolationLevel::ReadUncommitted,
        partitions: [FetchPartition {
            partition: orders,
            current_leader_epoch: None,
            fetch_offset: Offset(0),
            last_fetched_epoch: None,
            log_start_offset: Offset(-1),
            max_bytes: 1 << 20,
        }]
        .into(),
        forgotten: [].into(),
    };
    let lonely = JoinGroupRequest {
        group: GroupId::from("workers"),
        member: None,
        instance: Some(crate::types::GroupInstanceId::from("one")),
        protocol_type: "consumer".into(),
        protocols: [("range".into(), bytes::Bytes::new())].into(),
        session_timeout: 10 * SECOND,
        rebalance_timeout: 10 * SECOND,
    };
    let metadata = || MetadataRequest { topics: None };
    let first = [
        cluster.send_over(101, leader, empty),
        // The first member waits for others (`group.initial.rebalance.delay.ms`).
        cluster.send_over(102, coordinator, lonely),
    ];
    let behind = [
        cluster.send_over(101, leader, metadata()),
        cluster.send_over(102, coordinator, metadata()),
    ];
    cluster.pass(SECOND / 2);
    assert!(cluster.answers.is_empty(), "{:?}", cluster.answers);
    for id in first.into_iter().chain(behind) {
        assert!(cluster.wait(id, 5 * SECOND).is_some());
    }
}

#[test]
fn a_controller_decides_one_request_of_a_connection_after_another() {
    let roles = [Roles::Controller, Roles::Broker, Roles::Broker];
    let mut cluster = Cluster::of(roles, BrokerConfig::default(), Quirks::default(), 1);
    cluster.pass(5 * SECOND);
    let topic = |name: &str| crate::protocol::NewTopic {
        name: TopicName::from(name),
        partitions: 1,
        replication_factor: 2,
        config: crate::config::TopicConfig::default(),
    };
    let create = |name| crate::protocol::CreateTopicsRequest {
        topics: [topic(name)].into(),
    };
    let same = [create("orders"), create("orders")].map(|body| cluster.send(1, body));
    let answers = same.map(|id| match cluster.wait(id, SECOND) {
        Some(Response::CreateTopics(body)) => body.topics[0].1,
        other => panic!("{other:?}"),
    });
    assert_eq!(answers, [ErrorCode::None, ErrorCode::TopicAlreadyExists]);
}

#[test]
fn a_request_that_is_given_up_lets_the_next_one_in() {
    let mut cluster = Cluster::new(Quirks::default());
    let (orders, leader) = cluster.waiting_topic();
    let short = ProduceRequest {
        timeout: SECOND / 10,
        ..produce(orders, Acks::All)
    };
    let first = cluster.send(leader, short);
    let second = cluster.send(leader, produce(orders, Acks::Leader));
    cluster.pass(SECOND / 20);
    assert!(cluster.answers.is_empty());
    assert_eq!(cluster.base_offset(first), -1, "its time is up");
    assert_eq!(cluster.base_offset(second), 1);
}

#[test]
fn what_waits_on_a_connection_goes_with_it() {
    let mut cluster = Cluster::new(Quirks::default());
    let (orders, leader) = cluster.waiting_topic();
    cluster.send(leader, produce(orders, Acks::All));
    cluster.send(leader, produce(orders, Acks::All));
    cluster.pass(SECOND / 10);
    cluster.close(leader, 100);
    cluster.pass(SECOND / 10);
    let next = cluster.send(leader, produce(orders, Acks::Leader));
    assert_eq!(cluster.base_offset(next), 1, "the second one was never read");
}

#[test]
fn an_error_that_nobody_would_read_ends_the_connection() {
    let mut cluster = Cluster::new(Quirks::default());
    let (orders, leader) = cluster.waiting_topic();
    let follower = BROKERS.into_iter().find(|id| *id != leader).expect("there are three");
    let unread = produce(orders, Acks::None);
    cluster.send_over(103, leader, unread.clone());
    cluster.pass(SECOND / 20);
    assert!(cluster.hung_up.is_empty(), "{:?}", cluster.hung_up);
    cluster.send_over(104, follower, unread);
    cluster.send_over(105, follower, produce(orders, Acks::Leader));
    cluster.pass(SECOND / 20);
    assert_eq!(cluster.hung_up, [(follower, ConnectionId::Inbound(104))]);
}

#[test]
fn what_comes_over_a_connection_that_was_closed_is_not_read() {
    let mut cluster = Cluster::new(Quirks::default());
    let (orders, leader) = cluster.waiting_topic();
    let follower = BROKERS.into_iter().find(|id| *id != leader).expect("there are three");
    cluster.send_over(104, follower, produce(orders, Acks::None));
    let behind = cluster.send_over(104, follower, MetadataRequest { topics: None });
    assert!(cluster.wait(behind, SECOND).is_none());
    let next = cluster.send_over(104, follower, MetadataRequest { topics: None });
    assert!(cluster.wait(next, SECOND).is_some(), "that is another connection");
}

#[test]
fn a_connection_that_is_said_to_be_opened_twice_goes_on() {
    let mut cluster = Cluster::new(Quirks::default());
    let (orders, leader) = cluster.waiting_topic();
    let sent = [(); 2].map(|()| cluster.send(leader, produce(orders, Acks::All)));
    cluster.pass(SECOND / 10);
    cluster.accepted.clear();
    cluster.announce(leader, ConnectionId::Inbound(100), CLIENT.0, Listener::Broker);
    cluster.pass(SECOND / 10);
    cluster.cut.clear();
    assert_eq!(sent.map(|id| cluster.base_offset(id)), [0, 1]);
}

#[test]
fn a_connection_without_use_is_closed() {
    let config = BrokerConfig {
        connections_max_idle_ms: 5_000,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::with(config, Quirks::default(), 1);
    let metadata = |cluster: &mut Cluster, connection| {
        let id = cluster.send_over(connection, 1, MetadataRequest { topics: None });
        assert!(cluster.wait(id, SECOND).is_some());
    };
    let closed = |cluster: &Cluster, connection| cluster.hung_up.contains(&(1, ConnectionId::Inbound(connection)));
    metadata(&mut cluster, 101);
    metadata(&mut cluster, 102);
    cluster.pass(4 * SECOND);
    metadata(&mut cluster, 102);
    assert!(!closed(&cluster, 101));
    cluster.pass(2 * SECOND);
    assert!(closed(&cluster, 101) && !closed(&cluster, 102));
    cluster.pass(4 * SECOND);
    assert!(closed(&cluster, 102));
    // What comes afterwards over another is answered as ever, and the nodes have gone on with each other.
    metadata(&mut cluster, 103);
    cluster.create_topic("orders");
}

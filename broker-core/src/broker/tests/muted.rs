//! One produce request of a connection at a time.

use super::*;
use crate::protocol::{Acks, BatchBuilder, MetadataRequest, ProduceRequest};
use crate::types::Timestamp;

fn produce(partition: TopicPartition, acks: Acks) -> ProduceRequest {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(0), None, Some(b"x"), &[]);
    ProduceRequest {
        acks,
        timeout: 30 * SECOND,
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
    let connection = ConnectionId::Inbound(100);
    cluster.post(
        leader,
        None,
        Input::Closed {
            connection,
            reason: CloseReason::Peer,
        },
    );
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

//! The end in good order.

use super::*;
use crate::protocol::{Acks, MetadataRequest, ProduceRequest};
use crate::protocol::{BatchBuilder, MetadataPartition};
use crate::types::{LeaderEpoch, Timestamp};

impl Cluster {
    /// The partition of a topic as a broker describes it.
    pub(super) fn describe(&mut self, through: u32, topic: &str) -> MetadataPartition {
        let topics = Some([TopicName::from(topic)].into());
        match self.ask(through, MetadataRequest { topics }) {
            Response::Metadata(body) => body.topics[0].partitions[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    fn leader_of(&mut self, through: u32, topic: &str) -> Option<u32> {
        self.describe(through, topic).leader.map(|leader| leader.0)
    }

    pub(super) fn produce(&mut self, to: u32, partition: TopicPartition) -> ErrorCode {
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(0), None, Some(b"x"), &[]);
        let request = ProduceRequest {
            acks: Acks::All,
            timeout: 30 * SECOND,
            partitions: [(partition, builder.build())].into(),
        };
        match self.ask(to, request) {
            Response::Produce(body) => body.partitions[0].error,
            other => panic!("{other:?}"),
        }
    }

    /// How far a node says that it has flushed a partition.
    fn flushed(&self, node: u32, partition: TopicPartition) -> Option<Offset> {
        let mut flushed = self.events.iter().filter_map(|(stated_by, event)| match event {
            Event::Flushed(trace::Flushed { partition: of, end }) if *stated_by == node && *of == partition => {
                Some(*end)
            }
            _ => None,
        });
        flushed.next_back()
    }
}

#[test]
fn a_controlled_shutdown_moves_leaders_first() {
    let mut cluster = Cluster::new(Quirks::default());
    let orders = cluster.create_topic("orders");
    let leader = cluster.leader_of(1, "orders").unwrap();
    let other = BROKERS.into_iter().find(|id| *id != leader).unwrap();
    assert_eq!(cluster.produce(leader, orders), ErrorCode::None);
    cluster.pass(SECOND);
    assert_eq!(cluster.flushed(leader, orders), None, "Kafka flushes lazily");
    // Somebody else leads before the broker has ended.
    cluster.post(leader, None, Input::Stop);
    cluster.pass(SECOND / 10);
    assert!(cluster.nodes[&leader].machine.is_some());
    let moved = cluster.describe(other, "orders");
    assert!(moved.leader.is_some_and(|now| now.0 != leader), "{moved:?}");
    assert!(!moved.isr.contains(&NodeId(leader)), "{moved:?}");
    assert_eq!(moved.leader_epoch, LeaderEpoch(1));
    assert_eq!(cluster.produce(leader, orders), ErrorCode::NotLeaderOrFollower);
    assert_eq!(cluster.produce(moved.leader.unwrap().0, orders), ErrorCode::None);
    // It waits until all others know it, which they report every two seconds.
    let took = cluster.stop(leader).expect("it ends");
    assert!(took < 3 * SECOND, "{took:?}");
    assert!(
        cluster.flushed(leader, orders) >= Some(Offset(1)),
        "the log is on the disk"
    );
    // It is not taken for one that is still there: it comes back at once.
    cluster.start(leader);
    cluster.pass(2 * SECOND);
    assert_eq!(cluster.describe(other, "orders").isr.len(), 3);
}

#[test]
fn without_controlled_shutdown_the_session_times_out() {
    let config = BrokerConfig {
        controlled_shutdown_enable: false,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::with(config, Quirks::default(), 1);
    let orders = cluster.create_topic("orders");
    let leader = cluster.leader_of(1, "orders").unwrap();
    let other = BROKERS.into_iter().find(|id| *id != leader).unwrap();
    assert_eq!(cluster.produce(leader, orders), ErrorCode::None);
    let took = cluster.stop(leader).expect("it ends");
    assert!(took < SECOND / 10, "{took:?}");
    assert_eq!(
        cluster.flushed(leader, orders),
        Some(Offset(1)),
        "logs are flushed all the same"
    );
    cluster.pass(7 * SECOND);
    assert_eq!(
        cluster.leader_of(other, "orders"),
        Some(leader),
        "its session lasts nine seconds"
    );
    cluster.pass(3 * SECOND);
    assert_ne!(cluster.leader_of(other, "orders"), Some(leader));
}

#[test]
fn nobody_is_let_go_without_a_majority() {
    let mut cluster = Cluster::new(Quirks::default());
    cluster.create_topic("orders");
    let leader = cluster.leader_of(1, "orders").unwrap();
    for id in BROKERS.into_iter().filter(|id| *id != leader) {
        cluster.isolate(id);
    }
    assert_eq!(cluster.stop(leader), None);
    cluster.cut.clear();
    cluster.pass(5 * SECOND);
    assert!(cluster.nodes[&leader].machine.is_none(), "now somebody can");
}

#[test]
fn a_controller_that_ends_does_not_let_the_others_wait() {
    let mut cluster = Cluster::new(Quirks::default());
    cluster.create_topic("orders");
    let leads = |event: &Event| {
        let leader = crate::trace::QuorumRole::Leader;
        matches!(event, Event::QuorumRoleChanged(trace::QuorumRoleChanged { role, .. }) if *role == leader)
    };
    let last = |cluster: &Cluster| {
        cluster
            .events
            .iter()
            .rfind(|(_, event)| leads(event))
            .map(|(id, _)| *id)
    };
    let controller = last(&cluster).expect("somebody leads the quorum");
    cluster.stop(controller).expect("it ends");
    let known = cluster.now;
    while last(&cluster) == Some(controller) {
        assert!(cluster.step(known + 10 * SECOND), "nobody leads");
    }
    let took = cluster.now.since(known);
    assert!(
        took < SECOND,
        "sooner than by the fetch timeout of two seconds: {took:?}"
    );
}

#[test]
fn who_has_not_begun_ends_at_once() {
    let mut cluster = Cluster::new(Quirks::default());
    cluster.create_topic("orders");
    cluster.kill(1);
    cluster.start(1);
    let took = cluster.stop(1).expect("it ends");
    assert!(took <= 2 * LATENCY, "{took:?}");
}

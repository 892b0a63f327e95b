//! Topics that grow.

use super::*;
use crate::protocol::{CreatePartitionsRequest, MetadataRequest};

#[test]
fn new_partitions_reach_clients_and_have_leaders() {
    let mut cluster = Cluster::new(Quirks::default());
    cluster.create_topic("orders");
    let request = CreatePartitionsRequest {
        topic: TopicName::from("orders"),
        count: 4,
    };
    for (through, error) in [(2, ErrorCode::None), (3, ErrorCode::InvalidPartitions)] {
        let Response::CreatePartitions(body) = cluster.ask(through, request.clone()) else {
            panic!("another answer")
        };
        assert_eq!(body.error, error, "asked of {through}");
        cluster.pass(SECOND);
    }
    for through in BROKERS {
        let topics = Some([TopicName::from("orders")].into());
        let Response::Metadata(body) = cluster.ask(through, MetadataRequest { topics }) else {
            panic!("another answer")
        };
        assert_eq!(body.topics[0].partitions.len(), 4, "asked of {through}");
        assert!(
            body.topics[0]
                .partitions
                .iter()
                .all(|partition| partition.isr.len() == 3)
        );
    }
    let leaders = cluster.events.iter().filter(|(node, event)| match event {
        Event::BecameLeader(trace::BecameLeader { partition, .. }) => {
            partition.partition.0 > 0 && (1..=3).contains(node)
        }
        _ => false,
    });
    assert_eq!(leaders.count(), 3, "each new partition is led by one");
}

//! Requests that come to a node of another role, and those that a broker passes on to the controller.

use super::*;
use crate::protocol::{
    Acks, AllocateProducerIdsRequest, ApiVersionsRequest, BatchBuilder, CreatePartitionsRequest, InitProducerIdRequest,
    MetadataRequest, ProduceRequest,
};
use crate::types::{BrokerEpoch, Timestamp, TopicId};

/// A controller, and two brokers.
fn dedicated() -> Cluster {
    let roles = [Roles::Controller, Roles::Broker, Roles::Broker];
    let mut cluster = Cluster::of(roles, BrokerConfig::default(), Quirks::default(), 1);
    cluster.pass(5 * SECOND);
    cluster
}

fn more_partitions() -> CreatePartitionsRequest {
    CreatePartitionsRequest {
        topic: TopicName::from("orders"),
        count: 4,
    }
}

fn produce(acks: Acks) -> ProduceRequest {
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(0), None, Some(b"x"), &[]);
    ProduceRequest {
        acks,
        timeout: SECOND,
        partitions: [(TopicPartition::new(TopicId(100), 0), builder.build())].into(),
    }
}

/// As Kafka's `SocketServer` does.
#[test]
fn a_request_that_its_listener_does_not_serve_ends_the_connection() {
    let mut cluster = dedicated();
    let topics = || Some([TopicName::from("orders")].into());
    let of_brokers: [Request; 4] = [
        MetadataRequest { topics: topics() }.into(),
        InitProducerIdRequest { current: None }.into(),
        produce(Acks::All).into(),
        produce(Acks::None).into(),
    ];
    let of_controllers = Request::from(AllocateProducerIdsRequest {
        broker: NodeId(3),
        broker_epoch: BrokerEpoch(1),
    });
    let to_controller = of_brokers.into_iter().map(|body| (1, body));
    for (connection, (node, body)) in (200..).zip(to_controller.chain([(2, of_controllers)])) {
        let unserved = cluster.send_over(connection, node, body.clone());
        let behind = cluster.send_over(connection, node, more_partitions());
        cluster.pass(SECOND);
        let closed = (node, ConnectionId::Inbound(connection));
        assert!(cluster.hung_up.contains(&closed), "{body:?}");
        assert!(!cluster.answers.contains_key(&unserved) && !cluster.answers.contains_key(&behind));
    }
    let id = cluster.send(1, more_partitions());
    assert!(cluster.wait(id, SECOND).is_some(), "other connections go on");
}

#[test]
fn a_broker_is_not_the_controller() {
    let mut cluster = dedicated();
    // What comes to its controller is not passed on once more.
    cluster.cut.insert((2, 1));
    let reply_to = ReplyTo {
        node: NodeId(3),
        connection: ConnectionId::Inbound(3),
        id: RequestId(1_000_000),
    };
    let machine = cluster.nodes.get_mut(&2).and_then(|node| node.machine.as_mut());
    let machine = machine.expect("it runs");
    let opened = Input::Opened {
        connection: reply_to.connection,
        peer: Endpoint::of(NodeId(3), Listener::Broker),
        listener: Listener::Controller,
        client_id: None,
    };
    machine.handle(Now::at(cluster.now), opened);
    let body = more_partitions().into();
    machine.handle(Now::at(cluster.now), Input::Request { reply_to, body });
    let answers = core::iter::from_fn(|| machine.poll()).filter_map(|output| match output {
        Output::Response { to, body } if to == reply_to => Some(body),
        _ => None,
    });
    let answers: Vec<Response> = answers.collect();
    let [Response::CreatePartitions(body)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(body.error, ErrorCode::NotController);
}

#[test]
fn a_request_that_was_passed_on_is_answered_also_if_the_controller_is_silent() {
    let mut cluster = dedicated();
    let passed_on = |cluster: &mut Cluster| match cluster.ask(2, more_partitions()) {
        Response::CreatePartitions(body) => body.error,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        passed_on(&mut cluster),
        ErrorCode::UnknownTopicOrPartition,
        "the controller's own answer"
    );
    // The controller gets nothing more, and then its connection breaks.
    cluster.cut.extend([(1, 2), (2, 1)]);
    let id = cluster.send(2, more_partitions());
    cluster.pass(SECOND / 10);
    assert!(cluster.answers.is_empty(), "it waits");
    for lost in cluster.nodes[&2].peers.lost(NodeId(1)) {
        cluster.post(2, None, lost);
    }
    let Some(Response::CreatePartitions(body)) = cluster.wait(id, SECOND) else {
        panic!("no answer")
    };
    assert_eq!(body.error, ErrorCode::NotController);
    // No other connection can be established to it (`socket.connection.setup.timeout.ms`).
    let timed = |cluster: &mut Cluster, expected| {
        let begin = cluster.now;
        assert_eq!(passed_on(cluster), expected);
        cluster.now.since(begin)
    };
    let waited = timed(&mut cluster, ErrorCode::NotController);
    assert!(waited >= 8 * SECOND && waited < 13 * SECOND, "{waited:?}");
    // One is established, and then the controller falls silent.
    cluster.cut.clear();
    cluster.pass(5 * SECOND);
    timed(&mut cluster, ErrorCode::UnknownTopicOrPartition);
    cluster.cut.extend([(1, 2), (2, 1)]);
    let waited = timed(&mut cluster, ErrorCode::RequestTimedOut);
    let timeout = Duration::from_millis(BrokerConfig::default().controller_socket_timeout_ms);
    assert!(waited >= timeout && waited < timeout + SECOND, "{waited:?}");
}

/// Numbers and versions as Kafka 4.1.1 has them (`ApiKeys`), and by the listeners of its message definitions.
#[test]
fn a_listener_says_what_it_serves() {
    let mut cluster = dedicated();
    let mut ask = |node: u32, listener: Listener, name: &str| {
        let reply_to = ReplyTo {
            node: NodeId(9),
            connection: ConnectionId::Inbound(77),
            id: RequestId(1_000_000),
        };
        let opened = Input::Opened {
            connection: reply_to.connection,
            peer: Endpoint::of(NodeId(9), Listener::Broker),
            listener,
            client_id: None,
        };
        let body = ApiVersionsRequest {
            client_software_name: name.into(),
            client_software_version: "0.2.0".into(),
        };
        let machine = cluster.nodes.get_mut(&node).and_then(|node| node.machine.as_mut());
        let machine = machine.expect("it runs");
        machine.handle(Now::at(cluster.now), opened);
        let request = Input::Request {
            reply_to,
            body: body.into(),
        };
        machine.handle(Now::at(cluster.now), request);
        let answered = core::iter::from_fn(|| machine.poll()).find_map(|output| match output {
            Output::Response { to, body } if to == reply_to => Some(body),
            _ => None,
        });
        let Some(Response::ApiVersions(body)) = answered else {
            panic!("{answered:?}")
        };
        let versions = body.api_keys.iter();
        let versions = versions.map(|api| (api.api_key, api.min_version, api.max_version));
        (body.error, versions.collect::<Vec<_>>())
    };
    let of_broker = [
        (0, 3, 13),
        (1, 4, 18),
        (2, 1, 10),
        (3, 0, 13),
        (8, 2, 10),
        (9, 1, 10),
        (10, 0, 6),
        (11, 0, 9),
        (12, 0, 4),
        (13, 0, 5),
        (14, 0, 5),
        (18, 0, 4),
        (19, 2, 7),
        (22, 0, 6),
        (23, 2, 4),
        (37, 0, 3),
        (68, 0, 1),
    ];
    let of_controller = [
        (1, 4, 18),
        (18, 0, 4),
        (19, 2, 7),
        (37, 0, 3),
        (52, 0, 2),
        (53, 0, 1),
        (54, 0, 1),
        (56, 2, 3),
        (62, 0, 4),
        (63, 0, 1),
        (67, 0, 0),
    ];
    assert_eq!(ask(2, Listener::Broker, "trial"), (ErrorCode::None, of_broker.to_vec()));
    assert_eq!(
        ask(1, Listener::Controller, "apache-kafka-java"),
        (ErrorCode::None, of_controller.to_vec())
    );
    for name in ["", "-trial", "trial.", "tri al"] {
        assert_eq!(
            ask(2, Listener::Broker, name),
            (ErrorCode::InvalidRequest, Vec::new()),
            "{name:?}"
        );
    }
}

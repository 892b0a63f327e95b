//! Any requests in any order: no node panics or halts of them, and each is answered.

use proptest::prelude::*;

use super::*;
use crate::protocol::arbitrary::Arbitrary;
use crate::protocol::{CreateTopicsRequest, MetadataRequest, NewTopic};
use crate::types::TopicId;

const DEDICATED: [Roles; 3] = [Roles::Controller, Roles::Broker, Roles::Broker];

/// Longer than anything that a request may wait for, and those before it on its connection.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which requests are thrown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Those that clients send.
    Clients,
    /// All of them. A lie about the quorum's epoch can keep a node from its controller, and then what needs a block of
    /// producer ids waits on; everything else is answered still.
    Anybodys,
}

#[derive(Clone, Debug)]
enum Act {
    /// A request over one of the client's connections, or of a peer.
    Ask {
        to: u32,
        connection: u64,
        from: u32,
        seed: u64,
    },
    /// A peer opens a connection, perhaps one that is open already.
    Open {
        to: u32,
        connection: u64,
        is_controllers: bool,
    },
    Close {
        at: u32,
        connection: u64,
    },
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (1..=3u32, 100..104u64, prop_oneof![6 => Just(CLIENT.0), 1 => 1..=4u32], any::<u64>())
            .prop_map(|(to, connection, from, seed)| Act::Ask { to, connection, from, seed }),
        1 => (1..=3u32, 100..104u64, any::<bool>())
            .prop_map(|(to, connection, is_controllers)| Act::Open { to, connection, is_controllers }),
        1 => (1..=3u32, 100..104u64).prop_map(|(at, connection)| Act::Close { at, connection }),
        3 => (0..3_000u64).prop_map(Act::Pass),
    ]
}

impl Cluster {
    /// How often a node has closed a connection of this number.
    fn hang_ups(&self, node: u32, connection: u64) -> usize {
        let closed = (node, ConnectionId::Inbound(connection));
        self.hung_up.iter().filter(|hung_up| **hung_up == closed).count()
    }
}

/// The cluster with something in it to ask about.
fn cluster(roles: [Roles; 3], seed: u64) -> (Cluster, Vec<TopicId>) {
    let config = BrokerConfig {
        offsets_topic_num_partitions: 1,
        offsets_topic_replication_factor: 2,
        ..BrokerConfig::default()
    };
    let mut cluster = Cluster::of(roles, config, Quirks::default(), seed);
    cluster.pass(5 * SECOND);
    let topic = NewTopic {
        name: TopicName::from("orders"),
        partitions: 2,
        replication_factor: 2,
        config: crate::config::TopicConfig::default(),
    };
    let topics = [topic].into();
    cluster.ask(2, CreateTopicsRequest { topics });
    cluster.find(2, "workers", None);
    let Response::Metadata(known) = cluster.ask(2, MetadataRequest { topics: None }) else {
        panic!("another answer")
    };
    let ids: Vec<TopicId> = known.topics.iter().filter_map(|topic| topic.id).collect();
    assert_eq!(ids.len(), 2, "orders and the offsets topic");
    (cluster, ids)
}

fn play(roles: [Roles; 3], seed: u64, whose: Whose, acts: Vec<Act>) -> Result<(), TestCaseError> {
    let (mut cluster, topics) = cluster(roles, seed);
    let mut waiting = BTreeMap::new();
    for act in acts {
        match act {
            Act::Ask {
                to,
                connection,
                from,
                seed,
            } => {
                let body = Arbitrary(&mut Random::new(seed, "request"), &topics).request(whose == Whose::Anybodys);
                if from == CLIENT.0 {
                    let is_read = body.is_answered();
                    let may_wait = whose == Whose::Anybodys && matches!(body, Request::InitProducerId(_));
                    // Nothing behind it would be read.
                    let connection = if may_wait { 2_000 + cluster.requests } else { connection };
                    let id = cluster.send_over(connection, to, body.clone());
                    if is_read && !may_wait {
                        let closed = cluster.hang_ups(to, connection);
                        waiting.insert(id, (to, connection, closed, body));
                    }
                } else {
                    // Its answer goes to a node that has not asked.
                    cluster.requests += 1;
                    let reply_to = ReplyTo {
                        node: NodeId(from.min(3)),
                        connection: ConnectionId::Inbound(1_000 + cluster.requests),
                        id: RequestId(1_000_000 + cluster.requests),
                    };
                    let listener = match body.api_key().is_served_by(Listener::Controller) {
                        true => Listener::Controller,
                        false => Listener::Broker,
                    };
                    cluster.announce(to, reply_to.connection, from, listener);
                    cluster.post(to, None, Input::Request { reply_to, body });
                }
            }
            Act::Open {
                to,
                connection,
                is_controllers,
            } => {
                let opened = Input::Opened {
                    connection: ConnectionId::Inbound(connection),
                    peer: Endpoint::of(CLIENT, Listener::Broker),
                    listener: if is_controllers {
                        Listener::Controller
                    } else {
                        Listener::Broker
                    },
                    client_id: None,
                };
                cluster.post(to, None, opened);
            }
            Act::Close { at, connection } => {
                waiting.retain(|_, (to, over, ..)| (*to, *over) != (at, connection));
                cluster.close(at, connection);
            }
            Act::Pass(millis) => cluster.pass(Duration::from_millis(millis)),
        }
    }
    cluster.pass(PATIENCE);
    // A node may close a connection over a request that it cannot answer, and with it go those behind that.
    waiting.retain(|id, (to, connection, closed, _)| {
        !cluster.answers.contains_key(id) && cluster.hang_ups(*to, *connection) == *closed
    });
    prop_assert!(waiting.is_empty(), "not answered: {waiting:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clients_of_nodes_that_are_everything(seed in any::<u64>(), acts in proptest::collection::vec(act(), 1..80)) {
        play([Roles::Combined; 3], seed, Whose::Clients, acts)?;
    }

    #[test]
    fn clients_of_nodes_with_one_role(seed in any::<u64>(), acts in proptest::collection::vec(act(), 1..80)) {
        play(DEDICATED, seed, Whose::Clients, acts)?;
    }

    #[test]
    fn anybody_and_nodes_that_are_everything(seed in any::<u64>(), acts in proptest::collection::vec(act(), 1..80)) {
        play([Roles::Combined; 3], seed, Whose::Anybodys, acts)?;
    }

    #[test]
    fn anybody_and_nodes_with_one_role(seed in any::<u64>(), acts in proptest::collection::vec(act(), 1..80)) {
        play(DEDICATED, seed, Whose::Anybodys, acts)?;
    }
}

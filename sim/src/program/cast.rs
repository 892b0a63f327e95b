//! Who plays: the clients of a scenario, each with its node, its machine and its program.

use std::sync::Arc;

use broker_core::client::consumer::Consumer;
use broker_core::client::producer::Producer;
use broker_core::config::{AcksSetting, ProducerConfig};
use broker_core::protocol::{Acks, NewTopic};
use broker_core::random::Random;
use broker_core::types::{NodeId, PartitionIndex, TopicName};

use super::admin::Admin;
use super::clock::Clock;
use super::consumer::ConsumerClient;
use super::load::{self, KeySource};
use super::producer::ProducerClient;
use super::station::{ClientMachine, Shared};
use super::{probe, reader};
use crate::history::SimTime;
use crate::scenario::{ConsumerGroup, ProducerGroup, Scenario};

/// The node of the first client.
const FIRST_CLIENT: u32 = 1001;

/// One client.
pub(crate) struct Member {
    /// `<group>/<index from 1>`, `probe` or `admin`.
    pub(crate) name: String,
    /// Its node.
    pub(crate) id: NodeId,
    /// What it does.
    pub(crate) role: Role,
}

/// What a client does.
pub(crate) enum Role {
    /// Sends records at a rate.
    Load {
        group: Arc<ProducerGroup>,
        keys: Arc<KeySource>,
        /// The end of the safety phase.
        until: SimTime,
    },
    /// Reads some partitions.
    Reader {
        group: Arc<ConsumerGroup>,
        partitions: Vec<(TopicName, PartitionIndex)>,
    },
    /// Sends one record to every partition, after the heal.
    Probe {
        topics: Vec<(TopicName, u32)>,
        config: Box<ProducerConfig>,
    },
    /// Creates the topics. It is all machine and has no program.
    Admin { topics: Vec<NewTopic> },
    /// Does what a test wants.
    #[cfg(test)]
    Custom {
        library: super::custom::Library,
        main: super::custom::Main,
    },
}

/// The clients of `scenario`: producers, consumers, probe and admin, in this order.
pub(crate) fn cast(scenario: &Scenario) -> Vec<Member> {
    let mut roles: Vec<(String, Role)> = Vec::new();
    for group in &scenario.producers {
        let keys = Arc::new(KeySource::new(&group.keys));
        let group = Arc::new(group.clone());
        for number in 1..=group.count {
            let role = Role::Load {
                group: Arc::clone(&group),
                keys: Arc::clone(&keys),
                until: SimTime::after(scenario.duration),
            };
            roles.push((format!("{}/{number}", group.name), role));
        }
    }
    for group in &scenario.consumers {
        let topic = scenario.topics.iter().find(|topic| topic.name == group.topic);
        let partitions = topic.expect("a validated scenario names its topics").partitions;
        let group = Arc::new(group.clone());
        for number in 1..=group.count {
            let mine = (0..partitions).filter(|partition| partition % group.count == number - 1);
            let name = TopicName::from(group.topic.as_str());
            let role = Role::Reader {
                partitions: mine.map(|p| (name.clone(), PartitionIndex(p as i32))).collect(),
                group: Arc::clone(&group),
            };
            roles.push((format!("{}/{number}", group.name), role));
        }
    }
    roles.push(("probe".to_owned(), Role::probe(scenario)));
    roles.push(("admin".to_owned(), Role::admin(scenario)));
    let numbered = roles.into_iter().zip(FIRST_CLIENT..);
    let member = |((name, role), id)| Member {
        name,
        id: NodeId(id),
        role,
    };
    numbered.map(member).collect()
}

impl Role {
    fn probe(scenario: &Scenario) -> Role {
        let settle = scenario.settle.as_millis() as u64;
        let topics = scenario.topics.iter();
        Role::Probe {
            topics: topics
                .map(|topic| (topic.name.as_str().into(), topic.partitions))
                .collect(),
            config: Box::new(ProducerConfig {
                acks: AcksSetting::All,
                linger_ms: 0,
                request_timeout_ms: settle.clamp(1, 5_000),
                delivery_timeout_ms: settle.max(5_000),
                max_block_ms: settle,
                ..ProducerConfig::default()
            }),
        }
    }

    fn admin(scenario: &Scenario) -> Role {
        let topics = scenario.topics.iter();
        let new = topics.map(|topic| NewTopic {
            name: topic.name.as_str().into(),
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            config: topic.config.clone(),
        });
        Role::Admin { topics: new.collect() }
    }

    /// The machine of a new process, and the promise of its sends if it is a producer.
    pub(crate) fn machine(&self, bootstrap: Vec<NodeId>, random: Random) -> (ClientMachine, Option<Acks>) {
        let producer = |config: &ProducerConfig, bootstrap, random| {
            let machine = Producer::new(config.clone(), bootstrap, random);
            (ClientMachine::Producer(Box::new(machine)), Some(acks(config.acks)))
        };
        match self {
            Role::Load { group, .. } => producer(&group.config, bootstrap, random),
            Role::Probe { config, .. } => producer(config, bootstrap, random),
            Role::Reader { group, .. } => {
                let machine = Consumer::new(group.config.clone(), bootstrap, random);
                (ClientMachine::Consumer(Box::new(machine)), None)
            }
            Role::Admin { topics } => {
                let machine = Admin::new(topics.clone(), bootstrap);
                (ClientMachine::Admin(Box::new(machine)), None)
            }
            #[cfg(test)]
            Role::Custom { library, .. } => match library {
                super::custom::Library::Producer(config) => producer(config, bootstrap, random),
                super::custom::Library::Consumer(config) => {
                    let machine = Consumer::new((**config).clone(), bootstrap, random);
                    (ClientMachine::Consumer(Box::new(machine)), None)
                }
            },
        }
    }

    /// Whether the client starts with the trial; the others start with the heal.
    pub(crate) fn starts_at_once(&self) -> bool {
        !matches!(self, Role::Probe { .. })
    }
}

/// Runs the program of `member`, which is client `client`.
pub(crate) async fn play(shared: Shared, client: usize, member: Arc<Member>, seed: u64) {
    let clock = Clock::new(shared.clone());
    let incarnation = shared.lock().clients[client].incarnation;
    let random = Random::new(seed, &format!("program {} run {incarnation}", member.name));
    let producer = |config: &ProducerConfig| {
        let max_block = broker_core::config::millis(config.max_block_ms);
        ProducerClient::new(shared.clone(), client, max_block)
    };
    match &member.role {
        Role::Load { group, keys, until } => {
            load::run(group, keys, *until, producer(&group.config), clock, random).await;
        }
        Role::Reader { group, partitions } => {
            let consumer = ConsumerClient::new(shared.clone(), client);
            reader::run(group, partitions, consumer, clock).await;
        }
        Role::Probe { topics, config } => probe::run(topics, producer(config), clock).await,
        Role::Admin { .. } => {}
        #[cfg(test)]
        Role::Custom { library, main } => {
            use super::custom::{Library, Props};
            let (producer, consumer) = match library {
                Library::Producer(config) => (Some(producer(config)), None),
                Library::Consumer(_) => (None, Some(ConsumerClient::new(shared.clone(), client))),
            };
            let props = Props {
                clock,
                random,
                producer,
                consumer,
            };
            main(props).await;
        }
    }
}

fn acks(setting: AcksSetting) -> Acks {
    match setting {
        AcksSetting::None => Acks::None,
        AcksSetting::Leader => Acks::Leader,
        AcksSetting::All => Acks::All,
    }
}

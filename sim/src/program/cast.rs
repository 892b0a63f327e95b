//! Who plays: the programs of a scenario, each with its nodes, its libraries and its code.

use core::ops::Range;
use core::time::Duration;
use std::sync::Arc;

use broker_core::config::{AcksSetting, ProducerConfig};
use broker_core::protocol::{ErrorCode, NewTopic};
use broker_core::random::Random;
use broker_core::types::{NodeId, PartitionIndex, TopicName};

use super::client::{Admin, ClientMachine, NewClient};
use super::clock::Clock;
use super::driver::{KeySource, LagBrake, Load, Probe, Reader, Step};
use super::env::Env;
use super::guard::Guarded;
use super::outcome::PollError;
use super::own::{Main, OwnProgram};
use super::partition::TopicPartition;
use super::station::{Shared, Station};
use super::workers;
use crate::history::{SendPromise, SimTime};
use crate::scenario::{ConsumerGroup, ProducerGroup, Scenario, WorkerGroup};

/// The node of the first client.
const FIRST_CLIENT: u32 = 1001;

/// How many clients (producers and consumers together) a program of a user may have.
pub const MOST_CLIENTS: usize = 4;

/// The pause before a worker is started again that its group had no room for.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Everybody.
pub(crate) struct Cast {
    /// The programs.
    pub(crate) members: Vec<Member>,
    /// The nodes of their libraries, those of one program behind each other.
    pub(crate) endpoints: Vec<Endpoint>,
}

/// One program.
pub(crate) struct Member {
    /// `<group>/<index from 1>`, `probe` or `admin`.
    pub(crate) name: String,
    /// Its endpoints, by their places in the cast.
    pub(crate) endpoints: Range<usize>,
    /// What it does.
    pub(crate) role: Role,
}

/// Where one library of a program has its connections. All endpoints of a program live, stand still and die together.
pub(crate) struct Endpoint {
    /// Its node.
    pub(crate) id: NodeId,
    /// The program's name, with a word more for all but its first library.
    pub(crate) name: String,
    /// Whose it is, by the place in the cast.
    pub(crate) member: usize,
}

/// What a program does.
pub(crate) enum Role {
    /// Sends records at a rate.
    Load {
        group: Arc<ProducerGroup>,
        keys: Arc<KeySource>,
        /// Its topics, and how many partitions each has.
        topics: Vec<(TopicName, u32)>,
        /// The end of the safety phase.
        until: SimTime,
    },
    /// Reads some partitions.
    Reader {
        group: Arc<ConsumerGroup>,
        partitions: Vec<TopicPartition>,
    },
    /// Sends one record to every partition, after the heal.
    Probe {
        topics: Vec<(TopicName, u32)>,
        config: Box<ProducerConfig>,
    },
    /// Creates the topics. It is all machine and has no program.
    Admin { topics: Vec<NewTopic> },
    /// Works on records as a member of a group.
    Worker { group: Arc<WorkerGroup>, number: u32 },
    /// Runs code of a user.
    Own { main: Main, start: Duration },
}

/// Who plays in `scenario`: its producers, consumers and workers, probe, admin, and `own` programs, in this order.
pub(crate) fn cast(scenario: &Scenario, own: &[OwnProgram]) -> Cast {
    let mut cast = Cast {
        members: Vec::new(),
        endpoints: Vec::new(),
    };
    for group in &scenario.producers {
        let keys = Arc::new(KeySource::new(&group.keys, group.key_strategy));
        let group = Arc::new(group.clone());
        for number in 1..=group.count {
            let role = Role::Load {
                group: Arc::clone(&group),
                keys: Arc::clone(&keys),
                topics: group
                    .topics
                    .iter()
                    .map(|topic| (topic.as_str().into(), partitions_of(scenario, topic)))
                    .collect(),
                until: SimTime::after(scenario.duration),
            };
            cast.push(format!("{}/{number}", group.name), role);
        }
    }
    for group in &scenario.consumers {
        let partitions = partitions_of(scenario, &group.topic);
        let group = Arc::new(group.clone());
        for number in 1..=group.count {
            let mine = (0..partitions).filter(|partition| partition % group.count == number - 1);
            let name = TopicName::from(group.topic.as_str());
            let role = Role::Reader {
                partitions: mine
                    .map(|p| TopicPartition {
                        topic: name.clone(),
                        partition: PartitionIndex(p as i32),
                    })
                    .collect(),
                group: Arc::clone(&group),
            };
            cast.push(format!("{}/{number}", group.name), role);
        }
    }
    for group in &scenario.workers {
        let group = Arc::new(group.clone());
        for number in 1..=group.count {
            let role = Role::Worker {
                group: Arc::clone(&group),
                number,
            };
            cast.push(format!("{}/{number}", group.name), role);
        }
    }
    cast.push("probe".to_owned(), Role::probe(scenario));
    cast.push("admin".to_owned(), Role::admin(scenario));
    for program in own {
        for number in 1..=program.instances.count {
            let role = Role::Own {
                main: Arc::clone(&program.main),
                start: program.instances.start_of(number),
            };
            cast.push(format!("{}/{number}", program.name), role);
        }
    }
    cast
}

/// How many partitions the scenario creates `topic` with.
fn partitions_of(scenario: &Scenario, topic: &str) -> u32 {
    let topic = scenario.topics.iter().find(|known| known.name == topic);
    topic.map_or(0, |topic| topic.partitions)
}

impl Cast {
    fn push(&mut self, name: String, role: Role) {
        let first = self.endpoints.len();
        for library in role.libraries() {
            self.endpoints.push(Endpoint {
                id: NodeId(FIRST_CLIENT + self.endpoints.len() as u32),
                name: format!("{name}{library}"),
                member: self.members.len(),
            });
        }
        self.members.push(Member {
            endpoints: first..self.endpoints.len(),
            name,
            role,
        });
    }

    /// The program of this name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The program that has an endpoint.
    pub(crate) fn member_of(&self, endpoint: usize) -> &Member {
        &self.members[self.endpoints[endpoint].member]
    }

    /// The first endpoint of the program that has this one.
    pub(crate) fn head_of(&self, endpoint: usize) -> &Endpoint {
        &self.endpoints[self.member_of(endpoint).endpoints.start]
    }

    /// The program whose first endpoint this is.
    pub(crate) fn headed_by(&self, endpoint: usize) -> Option<usize> {
        let member = self.endpoints[endpoint].member;
        (self.members[member].endpoints.start == endpoint).then_some(member)
    }
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

    /// What distinguishes the names of its libraries.
    fn libraries(&self) -> &'static [&'static str] {
        match self {
            Role::Load { group, .. } if group.backpressure.is_some() => &["", " lag"],
            Role::Load { .. } | Role::Reader { .. } | Role::Probe { .. } | Role::Admin { .. } => &[""],
            Role::Worker { group, .. } if group.outputs().next().is_some() => &["", " producer"],
            Role::Worker { .. } => &[""],
            Role::Own { .. } => &["", " client 2", " client 3", " client 4"],
        }
    }

    /// The library that a new process has from the beginning, and the promise of its sends if it is a producer.
    pub(crate) fn machine(&self, new: NewClient) -> Option<(ClientMachine, Option<SendPromise>)> {
        let opened = match self {
            Role::Load { group, .. } => new.producer(&group.config),
            Role::Probe { config, .. } => new.producer(config),
            Role::Reader { group, .. } => new.consumer(group.config.clone()),
            Role::Admin { topics } => {
                let machine = Admin::new(topics.clone(), new.bootstrap, new.random);
                (ClientMachine::Admin(Box::new(machine)), None)
            }
            Role::Worker { .. } | Role::Own { .. } => return None,
        };
        Some(opened)
    }

    /// The code of one of Trial's own clients, whose first endpoint is `client`. The others are programs, or all machine.
    pub(crate) fn driver(&self, station: &mut Station, client: usize, mut random: Random) -> Option<Box<dyn Step>> {
        Some(match self {
            Role::Load {
                group,
                keys,
                topics,
                until,
            } => {
                let spec = group.backpressure.as_ref();
                let brake = spec.map(|spec| {
                    let random = Random::new(random.next_u64(), "lag probe");
                    LagBrake::new(station, client + 1, &group.topics[0], spec, random)
                });
                Box::new(Load::new(client, group, keys, topics, *until, brake, random))
            }
            Role::Reader { group, partitions } => Box::new(Reader::new(client, group, partitions)),
            Role::Probe { topics, config } => Box::new(Probe::new(client, topics, config)),
            Role::Admin { .. } | Role::Worker { .. } | Role::Own { .. } => return None,
        })
    }

    /// Whether the client starts with the trial; the others start with the heal.
    pub(crate) fn starts_at_once(&self) -> bool {
        !matches!(self, Role::Probe { .. })
    }
}

impl Member {
    /// The stream of a run of its code.
    pub(crate) fn random(&self, seed: u64, incarnation: u32) -> Random {
        Random::new(seed, &format!("program {} run {incarnation}", self.name))
    }
}

/// Runs the program `program` of `cast`.
pub(crate) async fn play(shared: Shared, cast: Arc<Cast>, program: usize, seed: u64) {
    let member = &cast.members[program];
    let clock = Clock::new(shared.clone());
    let incarnation = shared.lock().clients[member.endpoints.start].incarnation;
    let random = member.random(seed, incarnation);
    let env = |random| Env::new(shared.clone(), &member.name, program, seed, random);
    match &member.role {
        Role::Worker { group, number } => {
            clock.topics_exist().await;
            clock.sleep_until(SimTime::after(group.start_of(*number))).await;
            let ended = workers::run(Arc::clone(group), *number, env(random)).await;
            // The session of a static member's former process goes on: what supervises the process starts it again
            // until the group has room for it.
            if ended == Err(PollError::Group(ErrorCode::UnreleasedInstanceId)) {
                clock.sleep(RESTART_PAUSE).await;
                shared.lock().programs[program].is_restarting = true;
            }
        }
        Role::Own { main, start } => {
            clock.sleep_until(SimTime::after(*start)).await;
            let env = env(random);
            let of = (program, Arc::clone(&env.name));
            Guarded::new(shared.clone(), of, main(env)).await;
        }
        // They have a driver, or are all machine.
        Role::Load { .. } | Role::Reader { .. } | Role::Probe { .. } | Role::Admin { .. } => return,
    }
    shared.lock().ended.push(program);
}

//! What a fault knows of the scenario that it is in.

use core::time::Duration;

use super::Target;
use crate::nearest::nearest;

/// A scenario, as far as faults depend on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Surroundings {
    /// How long load and faults last.
    pub duration: Duration,
    /// How many brokers there are, with numbers from 1.
    pub brokers: u32,
    /// How many dedicated controllers, with numbers from 1.
    pub controllers: u32,
    /// The topics.
    pub topics: Vec<TopicShape>,
    /// Producers and consumers.
    pub clients: Vec<Programs>,
    /// Workers.
    pub workers: Vec<Programs>,
    /// Programs of a user.
    pub own: Vec<Programs>,
    /// The consumer groups of the workers.
    pub groups: Vec<String>,
    /// The services that workers call.
    pub services: Vec<String>,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicShape {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// How many replicas each of them has.
    pub replication_factor: u16,
}

/// Equal programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Programs {
    /// The name that they have together.
    pub name: String,
    /// How many they are, with numbers from 1.
    pub count: u32,
}

/// What is wrong with a fault in its surroundings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Objection {
    /// The path of the key below the fault.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: String,
}

/// What is wrong with a name, and the way out.
pub type Wrong = (String, String);

impl Objection {
    /// At this key below the fault.
    pub fn new(path: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Objection {
        Objection {
            path: path.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// What is wrong with the name at this key, if something is.
    #[must_use]
    pub fn of(path: impl Into<String>, result: Result<(), Wrong>) -> Vec<Objection> {
        let wrong = result.err().map(|(message, hint)| Objection::new(path, message, hint));
        wrong.into_iter().collect()
    }
}

impl Surroundings {
    /// How many brokers and controllers there are.
    #[must_use]
    pub fn servers(&self) -> u32 {
        self.brokers + self.controllers
    }

    /// The topic of this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&TopicShape> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    /// The names of those who can be stopped and slowed: the workers and a user's programs.
    fn programs(&self) -> impl Iterator<Item = &Programs> {
        self.workers.iter().chain(&self.own)
    }

    // ---- names that must exist

    /// Whether there is such a topic.
    ///
    /// # Errors
    /// What is wrong with the name, and the way out. The others likewise.
    pub fn topic_exists(&self, name: &str) -> Result<(), Wrong> {
        if self.topic(name).is_some() {
            return Ok(());
        }
        let hint = did_you_mean(
            name,
            self.topics.iter().map(|topic| &*topic.name),
            "declare it under `[[topics]]`",
        );
        Err((format!("there is no topic `{name}`"), hint))
    }

    /// Whether there is such a service.
    ///
    /// # Errors
    /// If there is none.
    pub fn service_exists(&self, name: &str) -> Result<(), Wrong> {
        if self.services.iter().any(|service| service == name) {
            return Ok(());
        }
        let services = self.services.iter().map(String::as_str);
        let hint = did_you_mean(name, services, "declare it under `[[services]]`");
        Err((format!("there is no service `{name}`"), hint))
    }

    /// Whether there is such a consumer group. Programs of a user may be in any.
    ///
    /// # Errors
    /// If there is none.
    pub fn group_exists(&self, name: &str) -> Result<(), Wrong> {
        if !self.own.is_empty() || self.groups.iter().any(|group| group == name) {
            return Ok(());
        }
        let groups = self.groups.iter().map(String::as_str);
        let hint = did_you_mean(name, groups, "groups are those of `[[workers]]`");
        Err((format!("there is no consumer group `{name}`"), hint))
    }

    /// Whether there are workers, or programs of a user, of this name.
    ///
    /// # Errors
    /// If there are none.
    pub fn workers_exist(&self, name: &str) -> Result<(), Wrong> {
        if self.programs().any(|programs| programs.name == name) {
            return Ok(());
        }
        let names = self.programs().map(|programs| &*programs.name);
        let hint = did_you_mean(name, names, "workers are the groups of `[[workers]]`");
        Err((format!("there are no workers called `{name}`"), hint))
    }

    /// Whether a target is a program whose code is a worker's.
    ///
    /// # Errors
    /// If it is none.
    pub fn is_worker(&self, target: &Target) -> Result<(), Wrong> {
        let is_one = match target {
            Target::Client(name) => {
                let group = name.rsplit_once('/').map_or(name.as_str(), |(group, _)| group);
                self.programs().any(|programs| programs.name == group)
            }
            _ => false,
        };
        match is_one {
            true => Ok(()),
            false => Err((
                format!("`{target}` is no worker"),
                "this fault is for the programs of `[[workers]]`: `client billing/1`".to_owned(),
            )),
        }
    }

    /// Whether a target has a disk.
    ///
    /// # Errors
    /// If it has none.
    pub fn has_disk(&self, target: &Target) -> Result<(), Wrong> {
        match target {
            Target::Client(_) => Err((
                "a client has no disk in the simulation".to_owned(),
                "aim at a broker, or use `kill` or `pause`".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    /// Whether a target can exist.
    ///
    /// # Errors
    /// If it cannot.
    pub fn target_exists(&self, target: &Target) -> Result<(), Wrong> {
        match target {
            Target::Broker(number) if *number > self.brokers => Err((
                format!("there is no broker {number}"),
                format!("the brokers are 1 to {}", self.brokers),
            )),
            Target::ControllerNode(number) if *number > self.controllers => {
                let hint = match self.controllers {
                    0 => "this cluster has no dedicated controllers; `the controller` is the active one".to_owned(),
                    count => format!("the dedicated controllers are 1 to {count}"),
                };
                Err((format!("there is no controller {number}"), hint))
            }
            Target::LeaderOf(name, partition)
            | Target::FollowerOf(name, partition)
            | Target::AnotherFollowerOf(name, partition) => self.partition_exists(name, *partition),
            Target::Client(program) => self.client_exists(program),
            Target::CoordinatorOf(group) => self.group_exists(group),
            Target::Broker(_) | Target::ControllerNode(_) | Target::Controller | Target::All => Ok(()),
        }
    }

    fn partition_exists(&self, name: &str, partition: i32) -> Result<(), Wrong> {
        self.topic_exists(name)?;
        let partitions = self.topic(name).map_or(0, |topic| topic.partitions);
        if partition.unsigned_abs() < partitions {
            return Ok(());
        }
        let hint = match partitions {
            1 => "it has one, number 0".to_owned(),
            count => format!("the partitions are 0 to {}", count - 1),
        };
        Err((format!("`{name}` has no partition {partition}"), hint))
    }

    fn client_exists(&self, program: &str) -> Result<(), Wrong> {
        let (name, number) = program.rsplit_once('/').unwrap_or((program, "0"));
        let mut all = self.clients.iter().chain(self.programs());
        let Some(Programs { count, .. }) = all.find(|programs| programs.name == name) else {
            let names = self
                .clients
                .iter()
                .chain(self.programs())
                .map(|programs| &*programs.name);
            let otherwise = "clients are the groups of `[[producers]]`, `[[consumers]]` and `[[workers]]`";
            return Err((
                format!("there are no clients called `{name}`"),
                did_you_mean(name, names, otherwise),
            ));
        };
        match number.parse::<u32>() {
            Ok(number) if (1..=*count).contains(&number) => Ok(()),
            _ => Err((
                format!("there is no client `{program}`"),
                match count {
                    1 => format!("there is one: `{name}/1`"),
                    count => format!("the clients are `{name}/1` to `{name}/{count}`"),
                },
            )),
        }
    }

    // ---- what has no effect

    /// Why a follower can never be found.
    #[must_use]
    pub fn too_few_replicas(&self, target: &Target) -> Option<String> {
        let (name, followers) = match target {
            Target::FollowerOf(name, _) => (name, 1),
            Target::AnotherFollowerOf(name, _) => (name, 2),
            _ => return None,
        };
        let count = self.topic(name)?.replication_factor;
        (count <= followers).then(|| format!("`{name}` has {count} replicas, too few for {target}"))
    }
}

/// The hint for a name that does not exist: the name that was probably meant, or `otherwise`.
fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>, otherwise: &str) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => otherwise.to_owned(),
    }
}

//! Who is struck: targets become nodes when a fault begins, and faults get names that people read.

use std::cell::{Cell, RefCell};

use broker_core::group::partition_for;
use broker_core::types::{NodeId, TopicName};

use super::FIRST_CONTROLLER;
use super::engine::World;
use crate::fault::{Fault, Rolling, Target};
use crate::history::Observer;

impl<O: Observer> World<'_, O> {
    /// The nodes that a target means now; none if it cannot be told.
    pub(super) fn resolve(&self, target: &Target) -> Vec<usize> {
        let node = |id| vec![self.place(id)];
        match target {
            Target::Broker(number) => node(NodeId(*number)),
            Target::ControllerNode(number) => node(NodeId(FIRST_CONTROLLER + number - 1)),
            Target::LeaderOf(topic, partition) => self.cluster.leader(topic, *partition).map_or(Vec::new(), node),
            Target::FollowerOf(topic, partition) => self.running_followers(topic, *partition).take(1).collect(),
            Target::AnotherFollowerOf(topic, partition) => {
                let is_one_down = self
                    .followers(topic, *partition)
                    .any(|place| !self.nodes[place].is_alive());
                let skipped = usize::from(!is_one_down);
                let others = self.running_followers(topic, *partition).skip(skipped);
                others.take(1).collect()
            }
            Target::Controller => self.cluster.controller().map_or(Vec::new(), node),
            Target::CoordinatorOf(group) => {
                let partitions = self.scenario.cluster.config.offsets_topic_num_partitions;
                let partition = partition_for(&group.as_str().into(), partitions);
                let leader = self.cluster.leader(TopicName::CONSUMER_OFFSETS, partition.0);
                leader.map_or(Vec::new(), node)
            }
            Target::All => (0..self.roles.len()).collect(),
            Target::Client(name) => {
                let endpoints = self.cast.member(name).map(|member| member.endpoints.clone());
                let places = endpoints.into_iter().flatten();
                places.map(|endpoint| self.roles.len() + endpoint).collect()
            }
        }
    }

    fn followers(&self, topic: &str, partition: i32) -> impl Iterator<Item = usize> {
        let followers = self.cluster.followers(topic, partition).into_iter();
        followers.map(|id| self.place(id))
    }

    fn running_followers(&self, topic: &str, partition: i32) -> impl Iterator<Item = usize> {
        self.followers(topic, partition)
            .filter(|place| self.nodes[*place].is_alive())
    }

    /// Every pair of two different nodes that the targets mean.
    pub(super) fn pairs(&self, from: &Target, to: &Target) -> Vec<(usize, usize)> {
        let to = self.resolve(to);
        let from = self.resolve(from).into_iter();
        from.flat_map(|from| to.iter().map(move |to| (from, *to)))
            .filter(|(from, to)| from != to)
            .collect()
    }

    /// What is done to whom, with the nodes that its targets mean now; `None` if some target means none, and if the one
    /// follower that runs would have to be two.
    pub(super) fn name(&self, fault: &Fault) -> Option<String> {
        let missing = Cell::new(false);
        let followers: RefCell<Option<(Target, Option<usize>)>> = RefCell::new(None);
        let name = describe(fault, |target| {
            let places = self.resolve(target);
            missing.set(missing.get() || places.is_empty());
            if matches!(target, Target::FollowerOf(..) | Target::AnotherFollowerOf(..)) {
                let this = (target.clone(), places.first().copied());
                let before = followers.replace(Some(this.clone()));
                let is_same = before.is_some_and(|before| before.0 != this.0 && before.1 == this.1);
                missing.set(missing.get() || is_same);
            }
            match (target, places.first()) {
                (Target::Broker(_) | Target::ControllerNode(_) | Target::All | Target::Client(_), _) | (_, None) => {
                    target.to_string()
                }
                (_, Some(place)) => {
                    let plain = target.to_string();
                    let role = plain.trim_start_matches("a ").trim_start_matches("the ");
                    format!("{} ({role})", self.nodes[*place].name)
                }
            }
        });
        (!missing.get()).then_some(name)
    }
}

/// What a fault does, in words.
pub(super) fn describe(fault: &Fault, name: impl Fn(&Target) -> String) -> String {
    match fault {
        Fault::Kill(target) => format!("kill {}", name(target)),
        Fault::PowerLoss(target) => format!("power loss of {}", name(target)),
        Fault::Restart(target) => format!("restart {}", name(target)),
        Fault::Pause(target) => format!("pause {}", name(target)),
        Fault::Partition(groups) => {
            let group = |group: &Vec<Target>| group.iter().map(&name).collect::<Vec<_>>().join(", ");
            match groups.as_slice() {
                [alone] => format!("isolate {}", group(alone)),
                groups => format!("partition {}", groups.iter().map(group).collect::<Vec<_>>().join(" | ")),
            }
        }
        Fault::OneWay(from, to) => format!("cut {} off from {}", name(to), name(from)),
        Fault::SlowDisk(target, factor) => format!("slow disk of {}, {factor} times", name(target)),
        Fault::Link { from, to, .. } => format!("trouble between {} and {}", name(from), name(to)),
        Fault::Hold {
            from,
            to,
            api,
            response,
        } => {
            let kind = match response {
                true => "response",
                false => "request",
            };
            format!("hold a {api:?} {kind} from {} to {}", name(from), name(to))
        }
        Fault::Drop {
            from,
            to,
            api,
            response,
        } => {
            let kind = match response {
                true => "responses",
                false => "requests",
            };
            format!("drop {api:?} {kind} from {} to {}", name(from), name(to))
        }
        Fault::Stop(target) => format!("stop {}", name(target)),
        Fault::StopInSync(target) => format!("stop {} in sync", name(target)),
        Fault::RollingRestart { of, .. } => match of {
            Rolling::Workers(workers) => format!("rolling restart of {workers}"),
            Rolling::Brokers { .. } => "rolling restart of the brokers".to_owned(),
        },
        Fault::SlowProgram(target, factor) => format!("slow {}, {factor} times", name(target)),
        Fault::StuckPoll(target) => format!("{} does not poll", name(target)),
        Fault::ServiceDown(service) => format!("service {service} down"),
        Fault::CreatePartitions { topic, partitions } => format!("{topic} gets {partitions} partitions"),
        Fault::OmitTopic { topic, on } => format!("{} does not know {topic}", name(on)),
    }
}

//! Which nodes faults affect: targets become nodes when a fault begins, and faults get names that people read.

use std::cell::{Cell, RefCell};

use broker_core::group::partition_for;
use broker_core::types::{NodeId, TopicName};

use super::FIRST_CONTROLLER;
use super::engine::World;
use crate::faults::{Fault, Target};
use crate::history::Observer;

impl<O: Observer> World<'_, O> {
    /// The nodes that a target means now; none if nobody knows.
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

    /// What is done, and to the nodes that its targets mean now; `None` if some target means none, and if the one
    /// follower that runs would have to be two.
    pub(super) fn name(&self, fault: &Fault) -> Option<String> {
        let missing = Cell::new(false);
        let followers: RefCell<Option<(Target, Option<usize>)>> = RefCell::new(None);
        let name = fault.text(&|target: &Target| {
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

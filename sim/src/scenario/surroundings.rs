//! A scenario as faults see it.

use super::Scenario;
use crate::faults::{Programs, Surroundings, TopicShape};

impl Scenario {
    /// What faults depend on. `own` are programs of a user that play too, by name and number of instances.
    #[must_use]
    pub fn surroundings(&self, own: &[(String, u32)]) -> Surroundings {
        let programs = |name: &String, count: u32| Programs {
            name: name.clone(),
            count,
        };
        let topics = self.topics.iter().map(|topic| TopicShape {
            name: topic.name.clone(),
            partitions: topic.partitions,
            replication_factor: topic.replication_factor,
        });
        let producers = self.producers.iter().map(|group| programs(&group.name, group.count));
        let consumers = self.consumers.iter().map(|group| programs(&group.name, group.count));
        Surroundings {
            duration: self.duration,
            brokers: self.cluster.brokers,
            controllers: self.cluster.dedicated_controllers,
            topics: topics.collect(),
            clients: producers.chain(consumers).collect(),
            workers: self
                .workers
                .iter()
                .map(|group| programs(&group.name, group.count))
                .collect(),
            own: own.iter().map(|(name, count)| programs(name, *count)).collect(),
            groups: self.workers.iter().map(|group| group.group.clone()).collect(),
            services: self.services.iter().map(|service| service.name.clone()).collect(),
        }
    }
}

//! What must hold of workers, services, and of faults on them.

use std::collections::BTreeMap;

use broker_core::config::{ConsumerConfig, GroupProtocol};
use broker_core::topic_pattern::TopicPattern;
use broker_core::types::TopicName;

use super::Judge;
use crate::nearest::nearest;
use crate::scenario::{CommitMode, WorkerGroup, WorkerProgram};
use crate::units::{show_count, show_duration};

/// The assignors of the classic protocol.
const CLASSIC: [&str; 4] = ["range", "roundrobin", "sticky", "cooperative-sticky"];
/// Those of the consumer protocol.
const SERVER_SIDE: [&str; 2] = ["uniform", "range"];

/// What a member of the consumer protocol cannot set (`ConsumerConfig.CONSUMER_PROTOCOL_UNSUPPORTED_CONFIGS`).
const NOT_UNDER_CONSUMER: &[&str] = &[
    "partition.assignment.strategy",
    "heartbeat.interval.ms",
    "session.timeout.ms",
];
/// What a classic member cannot (`CLASSIC_PROTOCOL_UNSUPPORTED_CONFIGS`).
const NOT_UNDER_CLASSIC: &[&str] = &["group.remote.assignor"];

impl Judge<'_> {
    pub(super) fn workers(&mut self) {
        let scenario = self.scenario;
        for (index, group) in scenario.workers.iter().enumerate() {
            let path = format!("workers.{index}");
            self.worker_topics(&path, group);
            self.worker_times(&path, group);
            if matches!(group.commit, CommitMode::AsyncPool { .. }) && group.program != WorkerProgram::Plain {
                self.add(
                    &format!("{path}.commit"),
                    "only `plain` programs have a pool",
                    "another `commit`, or `program = \"plain\"`",
                );
            }
            if let Some(service) = &group.service {
                self.service_exists(&format!("{path}.service"), service);
            }
            if group.group.is_empty() {
                self.add(
                    &format!("{path}.group"),
                    "a group has a name",
                    "leave it out to take the workers' name",
                );
            }
            self.settings(&format!("{path}.consumer"), &group.consumer);
            self.membership(&format!("{path}.consumer"), &group.consumer);
            self.settings(&format!("{path}.producer"), &group.producer);
            self.producer_settings(&format!("{path}.producer"), &group.producer);
        }
        let replicas = scenario.cluster.config.offsets_topic_replication_factor;
        if !scenario.workers.is_empty() && u32::from(replicas) > scenario.cluster.brokers {
            self.add(
                "cluster.config.offsets.topic.replication.factor",
                format!(
                    "{replicas} replicas of the offsets topic do not fit on {} brokers",
                    scenario.cluster.brokers
                ),
                format!(
                    "at most {}: without that topic no group works",
                    scenario.cluster.brokers
                ),
            );
        }
    }

    fn worker_topics(&mut self, path: &str, group: &WorkerGroup) {
        if let Some(pattern) = &group.pattern {
            self.worker_pattern(&format!("{path}.pattern"), group, pattern);
        } else if group.topics.is_empty() {
            self.add(
                &format!("{path}.topics"),
                "the workers subscribe to nothing",
                "name at least one topic",
            );
        }
        let named = group.topics.iter().filter(|_| group.pattern.is_none());
        for (place, topic) in named.enumerate() {
            self.topic_exists(&format!("{path}.topics.{place}"), topic);
            if group.topics[..place].contains(topic) {
                self.add(
                    &format!("{path}.topics.{place}"),
                    format!("`{topic}` is named twice"),
                    "remove one",
                );
            }
        }
        let outputs: Vec<(&str, &str)> = match &group.program {
            WorkerProgram::RetryTopic {
                retry_topic,
                dead_letter_topic,
                ..
            } => vec![("retry_topic", retry_topic), ("dead_letter_topic", dead_letter_topic)],
            WorkerProgram::BlockingRetry { dead_letter_topic, .. } => {
                let topic = dead_letter_topic.as_deref();
                topic.map(|topic| ("dead_letter_topic", topic)).into_iter().collect()
            }
            WorkerProgram::Aggregator { output_topic } => vec![("output_topic", output_topic)],
            WorkerProgram::Plain | WorkerProgram::Batch { .. } => Vec::new(),
        };
        let how = if group.pattern.is_some() { "pattern" } else { "topics" };
        let mut taken: Vec<(&str, &str)> = group.topics.iter().map(|topic| (how, topic.as_str())).collect();
        for (key, topic) in outputs {
            self.topic_exists(&format!("{path}.{key}"), topic);
            if let Some((other, _)) = taken.iter().find(|(_, other)| *other == topic) {
                self.add(
                    &format!("{path}.{key}"),
                    format!("`{topic}` is among `{other}` already: records would go round in circles"),
                    "use a topic of its own",
                );
            }
            taken.push((key, topic));
        }
    }

    fn worker_pattern(&mut self, path: &str, group: &WorkerGroup, pattern: &str) {
        if group.topics.is_empty() {
            let names = self.scenario.topics.iter().map(|topic| format!("`{}`", topic.name));
            self.add(
                path,
                "the pattern matches no topic of the scenario",
                format!(
                    "it must match whole names, which are {}",
                    names.collect::<Vec<_>>().join(", ")
                ),
            );
        }
        let matches = |topic: &str| TopicPattern::new(pattern).is_ok_and(|pattern| pattern.matches(&topic.into()));
        if group.consumer.group_protocol == GroupProtocol::Consumer && matches(TopicName::CONSUMER_OFFSETS) {
            self.add(
                path,
                "the pattern matches `__consumer_offsets` too, which a coordinator of the consumer protocol does not leave out",
                "a pattern that begins with a name, as `orders.*`",
            );
        }
        if let WorkerProgram::RetryTopic { retry_topic, .. } = &group.program {
            self.add(
                path,
                format!("a subscription by pattern has no place for the retry topic `{retry_topic}`"),
                "name the topics with `topics`",
            );
        }
    }

    fn worker_times(&mut self, path: &str, group: &WorkerGroup) {
        self.before_the_end(&format!("{path}.start"), "the workers would begin", group.start);
        let last = group.start_of(group.count);
        if group.start < self.scenario.duration && last >= self.scenario.duration {
            let message = format!(
                "the last worker would begin at {}, after the end of the scenario",
                show_duration(last)
            );
            self.add(
                &format!("{path}.stagger"),
                message,
                "a shorter `stagger`, or fewer workers",
            );
        }
        if let Some(stop) = group.stop.filter(|stop| *stop <= last) {
            let message = format!("the workers stop at {} before all have begun", show_duration(stop));
            self.add(
                &format!("{path}.stop"),
                message,
                format!("after {}", show_duration(last)),
            );
        }
    }

    /// What Kafka's consumer and coordinator refuse.
    fn membership(&mut self, path: &str, config: &ConsumerConfig) {
        if let Some(assignor) = config
            .group_remote_assignor
            .as_deref()
            .filter(|name| !SERVER_SIDE.contains(name))
        {
            let hint = format!("one of {}", SERVER_SIDE.join(", "));
            self.add(
                &format!("{path}.group.remote.assignor"),
                format!("there is no server-side assignor `{assignor}`"),
                hint,
            );
        }
        if config.group_instance_id.as_deref() == Some("") {
            self.add(
                &format!("{path}.group.instance.id"),
                "Kafka refuses an empty `group.instance.id`",
                "name the static members, or remove it",
            );
        }
        let (protocol, refused, hint) = match config.group_protocol {
            GroupProtocol::Consumer => (
                "consumer",
                NOT_UNDER_CONSUMER,
                "remove it: the broker decides, by `group.consumer.session.timeout.ms`, \
                 `group.consumer.heartbeat.interval.ms` and its assignors",
            ),
            GroupProtocol::Classic => (
                "classic",
                NOT_UNDER_CLASSIC,
                "remove it, or say `\"group.protocol\" = \"consumer\"`",
            ),
        };
        for key in refused {
            let place = format!("{path}.{key}");
            if self.marks.contains_key(&place) {
                let message = format!("Kafka refuses `{key}` under `group.protocol = \"{protocol}\"`");
                self.add(&place, message, hint);
            }
        }
        if config.group_protocol == GroupProtocol::Consumer {
            return;
        }
        let unknown = config
            .partition_assignment_strategy
            .iter()
            .find(|name| !CLASSIC.contains(&name.as_str()));
        if let Some(assignor) = unknown {
            let hint = match nearest(assignor, CLASSIC) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", CLASSIC.join(", ")),
            };
            self.add(
                &format!("{path}.partition.assignment.strategy"),
                format!("there is no assignor `{assignor}`"),
                hint,
            );
        }
        if config.partition_assignment_strategy.is_empty() {
            self.add(
                &format!("{path}.partition.assignment.strategy"),
                "a classic member supports at least one assignor",
                format!("one of {}", CLASSIC.join(", ")),
            );
        }
        let broker = &self.scenario.cluster.config;
        let allowed = broker.group_min_session_timeout_ms..=broker.group_max_session_timeout_ms;
        if !allowed.contains(&config.session_timeout_ms) {
            let (least, most) = (show_count(*allowed.start()), show_count(*allowed.end()));
            self.add(
                &format!("{path}.session.timeout.ms"),
                "the coordinator refuses this `session.timeout.ms`",
                format!("{least} to {most}, or change `group.min.session.timeout.ms` of the cluster"),
            );
        }
        if config.heartbeat_interval_ms >= config.session_timeout_ms {
            self.add(
                &format!("{path}.heartbeat.interval.ms"),
                "a member would be dropped before its next heartbeat",
                "`heartbeat.interval.ms` must be below `session.timeout.ms`",
            );
        }
    }

    pub(super) fn services(&mut self) {
        let mut seen = BTreeMap::new();
        for (index, service) in self.scenario.services.iter().enumerate() {
            if seen.insert(&service.name, index).is_some() {
                self.add(
                    &format!("services.{index}.name"),
                    format!("two services are called `{}`", service.name),
                    "rename one",
                );
            }
        }
    }

    fn service_exists(&mut self, path: &str, name: &str) {
        self.must(path, self.surroundings.service_exists(name));
    }

    pub(super) fn backpressure(&mut self) {
        for (index, group) in self.scenario.producers.iter().enumerate() {
            if let Some(backpressure) = &group.backpressure {
                let path = format!("producers.{index}.backpressure.group");
                self.must(&path, self.surroundings.group_exists(&backpressure.group));
            }
        }
    }
}

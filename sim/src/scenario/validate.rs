//! What must hold between the parts of a scenario: topologies are possible, names resolve, times fit.

mod measures;
mod workers;

use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::config::ProducerConfig;

use super::{ConsumerGroup, Keys, Scenario, schedule};
use crate::faults::Surroundings;
use crate::nearest::nearest;
use crate::toml_file::error::Problem;
use crate::toml_file::reader::Marks;
use crate::toml_file::settings;
use crate::units::{show_count, show_duration};

/// The most partitions, with their replicas, that a scenario may have.
const MOST_REPLICAS: u64 = 100_000;

/// Everything that makes the scenario impossible, in the order of the file. `marks` may be empty; `own` are programs of
/// a user that play too, by name and number of instances.
#[must_use]
pub fn problems(scenario: &Scenario, marks: &Marks, own: &[(String, u32)]) -> Vec<Problem> {
    let mut judge = Judge {
        scenario,
        surroundings: scenario.surroundings(own),
        marks,
        own,
        found: Vec::new(),
    };
    judge.cluster();
    judge.topics();
    judge.producers();
    judge.consumers();
    judge.workers();
    judge.services();
    judge.backpressure();
    judge.client_names();
    judge.load();
    judge.faults();
    judge.nemesis();
    judge.measures();
    judge.found.sort_by_key(|problem| problem.span.start);
    judge.found
}

/// The place of a path, or of the nearest table around it.
#[must_use]
pub fn place(marks: &Marks, path: &str) -> Range<usize> {
    let mut path = path;
    loop {
        if let Some(span) = marks.get(path) {
            return span.clone();
        }
        match path.rsplit_once('.') {
            Some((parent, _)) => path = parent,
            None => return 0..0,
        }
    }
}

struct Judge<'a> {
    scenario: &'a Scenario,
    surroundings: Surroundings,
    marks: &'a Marks,
    own: &'a [(String, u32)],
    found: Vec<Problem>,
}

impl Judge<'_> {
    fn add(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.found
            .push(Problem::new(place(self.marks, path), message).hint(hint));
    }

    fn cluster(&mut self) {
        let cluster = &self.scenario.cluster;
        if cluster.combined_controllers > cluster.brokers {
            self.add(
                "cluster.controllers",
                format!(
                    "{} of {} brokers cannot be controllers",
                    cluster.combined_controllers, cluster.brokers
                ),
                format!("at most {}, or use `dedicated_controllers`", cluster.brokers),
            );
        }
        if cluster.network.latency_mean < cluster.network.latency_min {
            self.add(
                "cluster.network.latency_mean",
                "the mean latency is below the shortest",
                format!("at least `latency_min`, {}", show_duration(cluster.network.latency_min)),
            );
        }
        self.settings("cluster.config", &cluster.config);
        let config = &cluster.config;
        if config.broker_session_timeout_ms <= config.broker_heartbeat_interval_ms {
            self.add(
                "cluster.config.broker.session.timeout.ms",
                "a broker would be fenced before its next heartbeat",
                "`broker.session.timeout.ms` must be above `broker.heartbeat.interval.ms`",
            );
        }
    }

    fn settings<T: serde::Serialize>(&mut self, path: &str, config: &T) {
        for (key, least) in settings::too_small(config) {
            self.add(
                &format!("{path}.{key}"),
                format!("`{key}` is too small"),
                format!("at least {}", show_count(least.unsigned_abs())),
            );
        }
        for key in settings::too_large(config) {
            self.add(
                &format!("{path}.{key}"),
                format!("`{key}` is too large"),
                format!("at most {}", show_count(i32::MAX.unsigned_abs().into())),
            );
        }
    }

    fn topics(&mut self) {
        let scenario = self.scenario;
        if scenario.topics.is_empty() {
            self.add("topics", "the scenario has no topic", "add `[[topics]]` with a `name`");
        }
        let mut replicas = 0;
        let mut seen = BTreeMap::new();
        for (index, topic) in scenario.topics.iter().enumerate() {
            let path = format!("topics.{index}");
            replicas += u64::from(topic.partitions) * u64::from(topic.replication_factor);
            if u32::from(topic.replication_factor) > scenario.cluster.brokers {
                self.add(
                    &format!("{path}.replication_factor"),
                    format!(
                        "{} replicas do not fit on {} brokers",
                        topic.replication_factor, scenario.cluster.brokers
                    ),
                    format!("at most {}, or more `brokers` in `[cluster]`", scenario.cluster.brokers),
                );
            }
            if seen.insert(&topic.name, index).is_some() {
                self.add(
                    &format!("{path}.name"),
                    format!("two topics are called `{}`", topic.name),
                    "rename one",
                );
            }
            if let Some(problem) = bad_topic_name(&topic.name) {
                self.add(
                    &format!("{path}.name"),
                    problem,
                    "Kafka's topic names have 1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`",
                );
            }
            self.settings(&format!("{path}.config"), &topic.config);
        }
        if replicas > MOST_REPLICAS {
            let message = format!(
                "the topics have {} replicas of partitions altogether",
                show_count(replicas)
            );
            self.add("topics", message, format!("at most {}", show_count(MOST_REPLICAS)));
        }
    }

    fn producers(&mut self) {
        for (index, group) in self.scenario.producers.iter().enumerate() {
            let path = format!("producers.{index}");
            match &group.topics[..] {
                [topic] => self.topic_exists(&format!("{path}.topic"), topic),
                topics => {
                    for (place, topic) in topics.iter().enumerate() {
                        self.topic_exists(&format!("{path}.topics.{place}"), topic);
                    }
                }
            }
            if group.tombstones > 0.0 && group.keys == Keys::None {
                self.add(
                    &format!("{path}.tombstones"),
                    "tombstones without keys delete nothing",
                    "give the records keys: `keys = { distribution = \"uniform\", count = 1000 }`",
                );
            }
            if group.backpressure.is_some() && group.topics.len() > 1 {
                self.add(
                    &format!("{path}.backpressure"),
                    "`backpressure` watches the readers of one topic, and these producers have several",
                    "remove it, or make a group of producers for each topic",
                );
            }
            self.before_the_end(&format!("{path}.start"), "the producers would begin", group.start);
            if let Some(stop) = group.stop.filter(|stop| *stop <= group.start) {
                let hint = format!("`stop` must be after `start`, {}", show_duration(group.start));
                self.add(
                    &format!("{path}.stop"),
                    format!("the producers stop at {} before they begin", show_duration(stop)),
                    hint,
                );
            }
            let config = format!("{path}.config");
            self.settings(&config, &group.config);
            self.producer_settings(&config, &group.config);
        }
    }

    /// What Kafka's producer refuses.
    fn producer_settings(&mut self, path: &str, config: &ProducerConfig) {
        if let Some((key, reason)) = settings::idempotence_conflict(config).filter(|_| config.enable_idempotence) {
            let hint = format!("{reason}; set `\"enable.idempotence\" = false` or change `{key}`");
            self.add(
                &format!("{path}.enable.idempotence"),
                "Kafka refuses this idempotent producer",
                hint,
            );
        }
        let least = config.linger_ms.saturating_add(config.request_timeout_ms);
        if config.delivery_timeout_ms < least {
            self.add(
                &format!("{path}.delivery.timeout.ms"),
                "Kafka refuses this `delivery.timeout.ms`",
                format!("at least `linger.ms` + `request.timeout.ms` = {least}"),
            );
        }
    }

    fn consumers(&mut self) {
        for (index, group) in self.scenario.consumers.iter().enumerate() {
            let path = format!("consumers.{index}");
            self.topic_exists(&format!("{path}.topic"), &group.topic);
            self.before_the_end(&format!("{path}.start"), "the consumers would begin", group.start);
            self.schedule(&format!("{path}.schedule"), group);
            self.settings(&format!("{path}.config"), &group.config);
        }
    }

    fn schedule(&mut self, path: &str, group: &ConsumerGroup) {
        for step in &group.schedule {
            self.before_the_end(path, "a step of the schedule would be", step.at);
            let topic = self.scenario.topics.iter().find(|topic| topic.name == group.topic);
            let partitions = topic.map_or(0, |topic| topic.partitions);
            if let Some(index) = step.partition.filter(|index| *index >= partitions) {
                let message = format!("`{}` has no partition {index}", group.topic);
                self.add(path, message, format!("it has {partitions}, counted from 0"));
            }
        }
        if let Some(place) = schedule::endless_pause(&group.schedule) {
            let at = show_duration(group.schedule[place].at);
            self.add(
                path,
                format!("a partition is paused and never resumed (at {at}): it is not read to its end"),
                "add a step behind it: `{ at = \"…\", resume = \"all\" }`",
            );
        }
    }

    fn client_names(&mut self) {
        let scenario = self.scenario;
        let named = |section: &'static str, names: Vec<&'_ str>| -> Vec<(String, String)> {
            let numbered = names.into_iter().enumerate();
            numbered
                .map(|(index, name)| (format!("{section}.{index}.name"), name.to_owned()))
                .collect()
        };
        let producers = named(
            "producers",
            scenario.producers.iter().map(|group| group.name.as_str()).collect(),
        );
        let consumers = named(
            "consumers",
            scenario.consumers.iter().map(|group| group.name.as_str()).collect(),
        );
        let workers = named(
            "workers",
            scenario.workers.iter().map(|group| group.name.as_str()).collect(),
        );
        let own = named("programs", self.own.iter().map(|(name, _)| name.as_str()).collect());
        let mut seen = BTreeMap::new();
        for (path, name) in producers.into_iter().chain(consumers).chain(workers).chain(own) {
            if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
                self.add(
                    &path,
                    format!("`{name}` is no name for clients"),
                    "a name has no spaces and no `/`",
                );
            }
            if seen.insert(name.clone(), path.clone()).is_some() {
                self.add(
                    &path,
                    format!("two groups of clients are called `{name}`"),
                    "rename one: faults and reports use the name",
                );
            }
        }
    }

    fn topic_exists(&mut self, path: &str, name: &str) {
        self.must(path, self.surroundings.topic_exists(name));
    }

    /// Adds what is wrong with a name, if something is.
    fn must(&mut self, path: &str, result: Result<(), (String, String)>) {
        if let Err((message, hint)) = result {
            self.add(path, message, hint);
        }
    }

    fn before_the_end(&mut self, path: &str, what: &str, at: Duration) {
        if at >= self.scenario.duration {
            let message = format!("{what} at {}, after the end of the scenario", show_duration(at));
            self.add(
                path,
                message,
                format!("before `duration`, {}", show_duration(self.scenario.duration)),
            );
        }
    }

    fn load(&mut self) {
        let scenario = self.scenario;
        let mut records = 0.0;
        for (index, group) in scenario.producers.iter().enumerate() {
            let stop = group.stop.unwrap_or(scenario.duration).min(scenario.duration);
            records += group.rate * f64::from(group.count) * stop.saturating_sub(group.start).as_secs_f64();
            if records > scenario.limits.records as f64 {
                let message = format!("the producers would send about {records:.0} records, above the limit");
                let hint = format!(
                    "lower `rate`, or raise `records` in `[limits]` above {}",
                    show_count(scenario.limits.records)
                );
                self.add(&format!("producers.{index}.rate"), message, hint);
                return;
            }
        }
        if scenario.limits.sim_time < scenario.duration {
            self.add(
                "limits.sim_time",
                "the limit ends the trial before its duration is over",
                format!("at least `duration`, {}", show_duration(scenario.duration)),
            );
        }
    }

    fn faults(&mut self) {
        for (index, planned) in self.scenario.faults.iter().enumerate() {
            let path = format!("faults.{index}");
            self.before_the_end(&format!("{path}.at"), "the fault would begin", planned.at);
            for problem in planned.fault.problems(planned.at, &self.surroundings) {
                self.add(&format!("{path}.{}", problem.path), problem.message, problem.hint);
            }
            for (key, target) in planned.fault.targets() {
                self.must(&format!("{path}.{key}"), self.surroundings.target_exists(target));
            }
        }
    }

    fn nemesis(&mut self) {
        let Some(nemesis) = &self.scenario.nemesis else { return };
        self.before_the_end("nemesis.start", "the nemesis would begin", nemesis.start);
        if nemesis.stop > self.scenario.duration {
            let hint = format!("at most `duration`, {}", show_duration(self.scenario.duration));
            self.add(
                "nemesis.stop",
                "the nemesis would go on after the end of the scenario",
                hint,
            );
        }
        if nemesis.stop <= nemesis.start && nemesis.start < self.scenario.duration {
            let hint = format!("`stop` must be after `start`, {}", show_duration(nemesis.start));
            self.add("nemesis.stop", "the nemesis stops before it begins", hint);
        }
        let faults = nemesis.stop.saturating_sub(nemesis.start).as_secs_f64() / nemesis.interval.as_secs_f64();
        if faults > 100_000.0 {
            self.add(
                "nemesis.interval",
                format!("the nemesis would begin about {faults:.0} faults"),
                "a longer `interval`: at most 100,000 faults",
            );
        }
    }
}

fn bad_topic_name(name: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.chars().all(legal) {
        return Some(format!("`{name}` is no name for a topic"));
    }
    name.starts_with("__")
        .then(|| format!("`{name}` is the name of an internal topic"))
}

//! What is possible but probably not meant.

mod settings;
mod workers;

use core::time::Duration;

use broker_core::config::AcksSetting;

use super::cost::estimate;
use super::validate::place;
use super::{Expectation, Keys, ProducerGroup, Scenario, Topic};
use crate::faults::{PlannedFault, Surroundings, Target, Victims};
use crate::toml_file::error::Problem;
use crate::toml_file::reader::Marks;
use crate::units::{show_count, show_duration, show_rounded};

/// Doubts about a valid scenario, in the order of the file.
#[must_use]
pub fn warnings(scenario: &Scenario, marks: &Marks) -> Vec<Problem> {
    let mut lint = Lint {
        scenario,
        surroundings: scenario.surroundings(&[]),
        marks,
        found: Vec::new(),
    };
    lint.expectation();
    lint.cluster();
    lint.topics();
    lint.clients();
    lint.workers();
    lint.settings();
    lint.faults();
    lint.nemesis();
    lint.cost();
    lint.found.sort_by_key(|problem| problem.span.start);
    lint.found
}

/// Whether nobody answers its sends.
fn is_unanswered(group: &ProducerGroup) -> bool {
    group.config.acks == AcksSetting::None
}

struct Lint<'a> {
    scenario: &'a Scenario,
    surroundings: Surroundings,
    marks: &'a Marks,
    found: Vec<Problem>,
}

impl<'a> Lint<'a> {
    fn add(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.found
            .push(Problem::new(place(self.marks, path), message).hint(hint));
    }

    fn expectation(&mut self) {
        let scenario = self.scenario;
        if scenario.teaches.trim().is_empty() {
            self.add(
                "teaches",
                "the scenario does not say what it teaches",
                "add `teaches = \"…\"`, one sentence",
            );
        }
        let has_faults = !scenario.faults.is_empty() || scenario.nemesis.is_some();
        // Workers can do wrong on the best of days.
        let calm = !has_faults && scenario.quirks.is_empty() && scenario.workers.is_empty();
        if matches!(scenario.expect, Expectation::Finds(_)) && calm {
            self.add(
                "expect",
                "nothing in the scenario can bring the expected anomaly about",
                "add a fault, a `[nemesis]` or a quirk",
            );
        }
        let silent = scenario.producers.iter().all(|group| group.rate == 0.0);
        if silent {
            self.add(
                "producers",
                "no record is ever sent, so nothing can be lost or found",
                "add `[[producers]]`",
            );
        } else if scenario.consumers.is_empty()
            && scenario.workers.is_empty()
            && scenario.producers.iter().all(is_unanswered)
        {
            self.add(
                "producers",
                "`acks=0` promises nothing, and nobody reads: no check of what clients rely on can fail",
                "raise `acks`, or add `[[consumers]]` or `[[workers]]`",
            );
        } else if scenario.consumers.is_empty() && scenario.workers.is_empty() {
            self.add(
                "consumers",
                "nobody reads: what consumers see cannot be checked",
                "add `[[consumers]]` or `[[workers]]`",
            );
        }
        if let Expectation::Finds(names) = &scenario.expect {
            for (index, name) in names
                .iter()
                .enumerate()
                .filter(|(index, name)| names[..*index].contains(name))
            {
                self.add(
                    &format!("expect.{index}"),
                    format!("`{name}` is named twice"),
                    "remove one",
                );
            }
        }
    }

    fn cluster(&mut self) {
        let cluster = &self.scenario.cluster;
        let (key, voters) = match cluster.dedicated_controllers {
            0 => ("cluster.controllers", cluster.combined_controllers),
            count => ("cluster.dedicated_controllers", count),
        };
        if voters.is_multiple_of(2) {
            let message = format!("{voters} controllers tolerate no more failures than {}", voters - 1);
            self.add(key, message, "use an odd number");
        }
    }

    /// Warns of a scenario that takes long, or does much, before it runs.
    fn cost(&mut self) {
        const LONG: Duration = Duration::from_secs(30);
        const MANY: u64 = 5_000;
        let cost = estimate(self.scenario);
        let events = show_rounded(cost.events);
        if cost.events > self.scenario.limits.events {
            let most = show_count(self.scenario.limits.events);
            self.add(
                "duration",
                format!("a trial would have about {events} events and be cut off at {most}, without a verdict"),
                "a shorter `duration` or a lower `rate`, a longer `linger.ms`, or raise `limits.events`",
            );
        } else if cost.wall >= LONG {
            let wall = show_duration(Duration::from_secs(cost.wall.as_secs()));
            self.add(
                "duration",
                format!("a trial has about {events} events and takes about {wall} of one core"),
                "a shorter `duration` or a lower `rate`, or a longer `linger.ms`",
            );
        }
        let topics = self.scenario.topics.iter();
        let replicas: u64 = topics
            .map(|topic| u64::from(topic.partitions) * u64::from(topic.replication_factor))
            .sum();
        if replicas > MANY {
            let message = format!(
                "{} replicas of partitions take long to set up and to watch",
                show_count(replicas)
            );
            self.add("topics", message, "a few partitions for each broker show the same");
        }
    }

    fn topics(&mut self) {
        for (index, topic) in self.scenario.topics.iter().enumerate() {
            let path = format!("topics.{index}");
            let (wanted, replicas) = (topic.config.min_insync_replicas, topic.replication_factor);
            if wanted > u32::from(replicas) {
                let message = format!(
                    "`{}` wants {wanted} replicas in sync but has {replicas}: the setting counts as {replicas}",
                    topic.name
                );
                self.add(
                    &format!("{path}.config.min.insync.replicas"),
                    message,
                    "raise `replication_factor`, or lower `min.insync.replicas`",
                );
            }
            let producers = self
                .scenario
                .producers
                .iter()
                .any(|group| group.topics.contains(&topic.name));
            let consumers = self.scenario.consumers.iter().any(|group| group.topic == topic.name);
            let workers = self.scenario.workers.iter().any(|group| {
                let mut topics = group.subscription().chain(group.outputs());
                topics.any(|name| name == topic.name)
            });
            if !producers && !consumers && !workers {
                self.add(
                    &format!("{path}.name"),
                    format!("nobody uses the topic `{}`", topic.name),
                    "remove it, or give it producers",
                );
            }
        }
    }

    fn clients(&mut self) {
        let mut bytes = 0.0;
        for (index, group) in self.scenario.producers.iter().enumerate() {
            let path = format!("producers.{index}");
            if group.rate == 0.0 {
                self.add(
                    &format!("{path}.rate"),
                    format!("the producers `{}` send nothing", group.name),
                    "give a rate above 0",
                );
            }
            if group.record_size >= group.config.max_request_size {
                let message = format!(
                    "a record of {} bytes does not fit into a request",
                    show_count(group.record_size.into())
                );
                self.add(
                    &format!("{path}.record_size"),
                    message,
                    "raise `max.request.size`, or make the records smaller",
                );
            }
            if let Some(stop) = group.stop.filter(|stop| *stop > self.scenario.duration) {
                let message = format!("the producers end with the scenario, before {}", show_duration(stop));
                self.add(&format!("{path}.stop"), message, "remove `stop`, or raise `duration`");
            }
            if let Keys::Hot { count: 1, .. } | Keys::Uniform { count: 1 } | Keys::Zipf { count: 1, .. } = group.keys
                && !group.config.partitioner_ignore_keys
            {
                self.add(
                    &format!("{path}.keys"),
                    "a single key sends everything to one partition",
                    "raise `count`",
                );
            }
            let config = &group.config;
            if config.partitioner_availability_timeout_ms > 0 && !config.partitioner_adaptive_partitioning_enable {
                let key = "partitioner.availability.timeout.ms";
                self.add(
                    &format!("{path}.config.{key}"),
                    format!("`{key}` has no effect without `partitioner.adaptive.partitioning.enable`"),
                    "remove one of the two",
                );
            }
            let seconds = group
                .stop
                .unwrap_or(self.scenario.duration)
                .min(self.scenario.duration)
                .saturating_sub(group.start);
            let copies = self
                .scenario
                .topics
                .iter()
                .filter(|topic| group.topics.contains(&topic.name))
                .map(|topic| topic.replication_factor)
                .max()
                .unwrap_or(1);
            bytes += group.rate
                * f64::from(group.count)
                * seconds.as_secs_f64()
                * f64::from(group.record_size)
                * f64::from(copies);
        }
        if bytes > self.scenario.limits.memory as f64 {
            let message =
                format!("about {bytes:.0} bytes are written, above the limit of memory: trials may be inconclusive");
            self.add(
                "producers",
                message,
                "smaller records, a lower rate, or a higher `memory` in `[limits]`",
            );
        }
        for (index, group) in self.scenario.consumers.iter().enumerate() {
            let partitions = self
                .scenario
                .topics
                .iter()
                .find(|topic| topic.name == group.topic)
                .map_or(0, |topic| topic.partitions);
            if group.count > partitions {
                let message = format!(
                    "{} of {} consumers have no partition",
                    group.count - partitions,
                    group.count
                );
                self.add(
                    &format!("consumers.{index}.count"),
                    message,
                    format!("`{}` has {partitions}", group.topic),
                );
            }
        }
    }

    fn faults(&mut self) {
        for (index, planned) in self.scenario.faults.iter().enumerate() {
            let path = format!("faults.{index}");
            if let Some(reason) = planned.fault.never_fires(&self.surroundings) {
                self.add(
                    &path,
                    format!("the fault can never fire: {reason}"),
                    "change it, or remove it",
                );
            }
            if let Some(down) = self.down_meanwhile(planned) {
                let message = format!("the fault changes nothing: {down} is down all the while");
                self.add(&path, message, "choose somebody who runs, or another time");
            }
            if planned.until.is_some_and(|until| until > self.scenario.duration) {
                let message = "the fault ends with the scenario, before its time is over";
                self.add(&format!("{path}.for"), message, "remove `for`, or raise `duration`");
            }
            if let Some((message, hint)) = planned.fault.takes_no_time().filter(|_| planned.until.is_some()) {
                self.add(&format!("{path}.for"), message, hint);
            }
        }
    }

    /// Who must run for a fault to change anything, if another fault keeps it down from before its beginning to behind its
    /// end.
    fn down_meanwhile(&self, planned: &'a PlannedFault) -> Option<&'a Target> {
        let needed = planned.fault.needs()?;
        let is_fixed = matches!(needed, Target::Broker(_) | Target::Client(_));
        let end = |planned: &PlannedFault| planned.until.unwrap_or(self.scenario.duration);
        let over = match planned.fault.takes_no_time() {
            Some(_) => planned.at,
            None => end(planned),
        };
        let keeps_down = |other: &PlannedFault| {
            other.fault.keeps_down() == Some(needed) && other.at < planned.at && end(other) >= over
        };
        Some(needed).filter(|_| is_fixed && self.scenario.faults.iter().any(keeps_down))
    }

    fn topic(&self, name: &str) -> Option<&Topic> {
        self.scenario.topics.iter().find(|topic| topic.name == name)
    }

    fn nemesis(&mut self) {
        let Some(nemesis) = &self.scenario.nemesis else { return };
        if nemesis.weights.concern(Victims::Workers) && self.scenario.workers.is_empty() {
            self.add(
                "nemesis.weights",
                "the scenario has no workers for these faults",
                "add `[[workers]]`, or remove their weights",
            );
        }
        if nemesis.interval > nemesis.stop.saturating_sub(nemesis.start) {
            let message = format!(
                "the nemesis begins a fault every {} in the mean, which is longer than it lasts",
                show_duration(nemesis.interval)
            );
            self.add(
                "nemesis.interval",
                message,
                "a shorter `interval`, or a longer `duration` of the scenario",
            );
        }
    }
}

//! Doubts about workers: settings that work against each other, and known mistakes that the scenario does not expect.

use core::time::Duration;

use broker_core::config::GroupProtocol;

use super::Lint;
use crate::scenario::{CommitMode, Expectation, WorkerGroup, WorkerProgram};
use crate::units::{show_count, show_duration};

impl Lint<'_> {
    pub(super) fn workers(&mut self) {
        let scenario = self.scenario;
        for (index, group) in scenario.workers.iter().enumerate() {
            let path = format!("workers.{index}");
            self.idle_workers(&path, group);
            self.commit_mode(&path, group);
            self.retries(&path, group);
            self.member_times(&path, group);
            self.overload(&path, group);
        }
        for (index, service) in scenario.services.iter().enumerate() {
            let path = format!("services.{index}");
            let is_called = scenario
                .workers
                .iter()
                .any(|group| group.service.as_ref() == Some(&service.name));
            if !is_called {
                self.add(
                    &format!("{path}.name"),
                    format!("nobody calls the service `{}`", service.name),
                    "remove it, or name it as the `service` of workers",
                );
            }
            if service.ambiguous > 0.0 && service.failure == 0.0 {
                self.add(
                    &format!("{path}.ambiguous"),
                    "calls that never fail are never ambiguous",
                    "give a `failure` above 0, or remove `ambiguous`",
                );
            }
        }
    }

    fn idle_workers(&mut self, path: &str, group: &WorkerGroup) {
        let topics = group.subscription().filter_map(|name| self.topic(name));
        let partitions: u32 = topics.map(|topic| topic.partitions).sum();
        let members: u32 = self
            .scenario
            .workers
            .iter()
            .filter(|other| other.group == group.group)
            .map(|other| other.count)
            .sum();
        if members > partitions {
            self.add(
                &format!("{path}.count"),
                format!(
                    "{} of {members} members of `{}` have no partition",
                    members - partitions,
                    group.group
                ),
                format!("their topics have {partitions}"),
            );
        }
    }

    fn commit_mode(&mut self, path: &str, group: &WorkerGroup) {
        let path = format!("{path}.commit");
        match group.commit {
            CommitMode::Before if !self.expects("skipped-processing") => self.add(
                &path,
                "what is committed before it is processed is lost in a crash",
                "commit `after`, or expect `skipped-processing`",
            ),
            CommitMode::AsyncPool { .. } if !self.expects("skipped-processing") => self.add(
                &path,
                "a pool that commits the highest position skips what is still in work in a crash",
                "commit `after`, or expect `skipped-processing`",
            ),
            CommitMode::None => self.add(
                &path,
                "without commits every restart and rebalance begins again where `auto.offset.reset` says",
                "commit `after`",
            ),
            _ => {}
        }
    }

    fn retries(&mut self, path: &str, group: &WorkerGroup) {
        match &group.program {
            WorkerProgram::RetryTopic { copy_first: false, .. } if !self.expects("terminal-outcome") => self.add(
                &format!("{path}.copy_first"),
                "a crash between the commit and the copy loses the record",
                "copy first, or expect `terminal-outcome`",
            ),
            WorkerProgram::BlockingRetry { attempts: 0, .. } if group.poison > 0.0 && !self.expects_anything() => self
                .add(
                    &format!("{path}.attempts"),
                    "a poison record is tried for ever, and blocks its partition",
                    "give a number of `attempts`, or expect what comes of it",
                ),
            WorkerProgram::BlockingRetry { attempts, backoff, .. } => {
                let longest = backoff.saturating_mul(attempts.saturating_sub(1));
                let allowed = Duration::from_millis(group.consumer.max_poll_interval_ms);
                if longest > allowed && !self.expects_anything() {
                    let message = format!(
                        "the attempts at one record may take {}, longer than `max.poll.interval.ms`",
                        show_duration(longest)
                    );
                    self.add(
                        &format!("{path}.backoff"),
                        message,
                        "a shorter `backoff`, fewer `attempts`, or a retry topic",
                    );
                }
            }
            WorkerProgram::Batch { .. } if group.poison > 0.0 && !self.expects_anything() => self.add(
                &format!("{path}.poison"),
                "a poison record fails its batch each time, and blocks its partition",
                "remove `poison`, or expect what comes of it",
            ),
            _ => {}
        }
    }

    fn member_times(&mut self, path: &str, group: &WorkerGroup) {
        let config = &group.consumer;
        let poll = group.processing.saturating_mul(config.max_poll_records);
        let allowed = Duration::from_millis(config.max_poll_interval_ms);
        if poll > allowed && !matches!(group.commit, CommitMode::AsyncPool { .. }) && !self.expects_anything() {
            let message = format!(
                "the {} records of a full poll take {}, longer than `max.poll.interval.ms`",
                show_count(config.max_poll_records.into()),
                show_duration(poll)
            );
            self.add(&format!("{path}.processing"), message, "a smaller `max.poll.records`");
        }
        let (session, heartbeat) = (config.session_timeout_ms, config.heartbeat_interval_ms);
        if config.group_protocol == GroupProtocol::Classic && heartbeat.saturating_mul(3) > session {
            self.add(
                &format!("{path}.consumer.heartbeat.interval.ms"),
                "one or two lost heartbeats end a session",
                "at most a third of `session.timeout.ms`",
            );
        }
    }

    /// More comes in than the workers can process, and the rest cannot be worked off within `settle`.
    fn overload(&mut self, path: &str, group: &WorkerGroup) {
        let scenario = self.scenario;
        let per_record = group.processing.as_secs_f64();
        if per_record == 0.0 || self.expects("overload") || scenario.forbid.iter().any(|name| name == "overload") {
            return;
        }
        let of_group = || scenario.workers.iter().filter(|other| other.group == group.group);
        // Each group is warned about once, and about what its workers have in common.
        if of_group().next().is_none_or(|first| first.name != group.name) {
            return;
        }
        let reads = |topic: &String| group.topics.contains(topic);
        let partitions: u32 = group
            .topics
            .iter()
            .filter_map(|name| self.topic(name))
            .map(|of| of.partitions)
            .sum();
        let hands = |workers: &WorkerGroup| match workers.commit {
            CommitMode::AsyncPool { tasks } => f64::from(workers.count) * f64::from(tasks),
            _ => f64::from(workers.count),
        };
        let most: f64 = of_group().map(hands).sum();
        let members: u32 = of_group().map(|workers| workers.count).sum();
        let busy = most * f64::from(partitions.min(members)) / f64::from(members.max(1));
        let work = busy / per_record;
        let (mut rate, mut records) = (0.0, 0.0);
        for producers in &scenario.producers {
            let of_group = producers.topics.iter().filter(|topic| reads(topic)).count();
            let share = of_group as f64 / producers.topics.len().max(1) as f64;
            if producers.backpressure.is_some() || share == 0.0 {
                continue;
            }
            let stop = producers.stop.unwrap_or(scenario.duration).min(scenario.duration);
            let of_these = producers.rate * f64::from(producers.count) * share;
            rate += of_these;
            records += of_these * stop.saturating_sub(producers.start).as_secs_f64();
        }
        let time = (scenario.duration.saturating_sub(group.start) + scenario.settle).as_secs_f64();
        if rate > work && records > work * time {
            let message = format!(
                "{} records/s come in for `{}`, whose workers process at most {} records/s: it ends in an overload",
                show_count(rate as u64),
                group.group,
                show_count(work as u64)
            );
            self.add(
                &format!("{path}.processing"),
                message,
                "more workers and partitions, or less work; `forbid = [\"overload\"]` makes it fail",
            );
        }
    }

    fn expects(&self, check: &str) -> bool {
        matches!(&self.scenario.expect, Expectation::Finds(names) if names.iter().any(|name| name == check))
    }

    fn expects_anything(&self) -> bool {
        matches!(self.scenario.expect, Expectation::Finds(_))
    }
}

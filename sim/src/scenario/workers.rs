//! Reads workers and services, and what producers do about keys and lag.

use core::time::Duration;

use broker_core::config::{ConsumerConfig, ProducerConfig};
use broker_core::topic_pattern::TopicPattern;

use super::{Backpressure, CommitMode, KeyStrategy, Service, Topic, WorkerGroup, WorkerProgram};
use crate::toml_file::reader::{Table, Value};
use crate::toml_file::settings::{self, consumer_defaults};

/// Reads one `[[workers]]` of a scenario with these topics.
pub fn worker(table: &Table<'_>, existing: &[Topic]) -> Option<WorkerGroup> {
    let text = |name: &str| table.get(name).and_then(|value| value.text()).map(str::to_owned);
    let duration = |name: &str| table.get(name).and_then(|value| value.duration());
    let chance = |name: &str| table.get(name).map_or(Some(0.0), |value| value.number());
    let name = table.required("name").and_then(|value| value.text());
    let pattern = table.get("pattern");
    let topics = match &pattern {
        Some(pattern) => matching(table, pattern, existing),
        None => table
            .required("topics")
            .and_then(|value| value.list())
            .map(|list| list.iter().filter_map(Value::text).map(str::to_owned).collect()),
    };
    let program = program(table);
    let commit = commit(table);
    let (failure, poison) = (chance("failure"), chance("poison"));
    let group = WorkerGroup {
        count: table.get("count").and_then(|value| value.count()).unwrap_or(1),
        group: text("group").or(name.map(str::to_owned)).unwrap_or_default(),
        topics: topics?,
        pattern: text("pattern"),
        program: program?,
        commit: commit?,
        processing: duration("processing").unwrap_or_default(),
        failure: failure?,
        poison: poison?,
        service: text("service"),
        start: duration("start").unwrap_or_default(),
        stagger: duration("stagger").unwrap_or_default(),
        stop: duration("stop"),
        consumer: consumer(table),
        producer: producer(table),
        name: name?.to_owned(),
    };
    Some(group)
}

/// The topics that a pattern matches.
fn matching(table: &Table<'_>, pattern: &Value<'_>, existing: &[Topic]) -> Option<Vec<String>> {
    if table.get("topics").is_some() {
        pattern.problem("`topics` and `pattern` exclude each other", "keep one of the two");
        return None;
    }
    match TopicPattern::new(pattern.text()?) {
        Ok(pattern) => {
            let names = existing.iter().map(|topic| &topic.name);
            let matching = names.filter(|name| pattern.matches(&name.as_str().into()));
            Some(matching.cloned().collect())
        }
        Err(error) => {
            pattern.problem(
                format!("no regular expression: {error}"),
                "RE2's syntax, as in `orders-.*` or `(orders|payments)-eu`",
            );
            None
        }
    }
}

fn program(table: &Table<'_>) -> Option<WorkerProgram> {
    let name = table.get("program").map_or(Some("plain"), |value| value.word())?;
    table.refuse_keys_of_others("program", name);
    let text = |name: &str| table.required(name).and_then(|value| value.text()).map(str::to_owned);
    let backoff = || {
        let backoff = table.get("backoff").and_then(|value| value.duration());
        backoff.unwrap_or(Duration::from_secs(1))
    };
    let attempts = |least| table.get("attempts").map_or(Some(5), |value| value.count_from(least));
    let program = match name {
        "plain" => WorkerProgram::Plain,
        "retry-topic" => {
            let (retry, dead) = (text("retry_topic"), text("dead_letter_topic"));
            WorkerProgram::RetryTopic {
                attempts: attempts(1)?,
                backoff: backoff(),
                retry_topic: retry?,
                dead_letter_topic: dead?,
                copy_first: table.get("copy_first").map_or(Some(true), |value| value.boolean())?,
            }
        }
        "blocking-retry" => WorkerProgram::BlockingRetry {
            attempts: attempts(0)?,
            backoff: backoff(),
            dead_letter_topic: match table.get("dead_letter_topic") {
                Some(value) => Some(value.text()?.to_owned()),
                None => None,
            },
        },
        "batch" => WorkerProgram::Batch {
            size: table.get("batch_size").map_or(Some(100), |value| value.count())?,
        },
        _ => WorkerProgram::Aggregator {
            output_topic: text("output_topic")?,
        },
    };
    Some(program)
}

fn commit(table: &Table<'_>) -> Option<CommitMode> {
    let name = table.get("commit").map_or(Some("after"), |value| value.word())?;
    table.refuse_keys_of_others("commit", name);
    let tasks = table.get("tasks");
    let mode = match name {
        "before" => CommitMode::Before,
        "after" => CommitMode::After,
        "auto" => CommitMode::Auto,
        "async-pool" => CommitMode::AsyncPool {
            tasks: tasks.map_or(Some(8), |value| value.count())?,
        },
        _ => CommitMode::None,
    };
    Some(mode)
}

fn consumer(table: &Table<'_>) -> ConsumerConfig {
    let default = consumer_defaults();
    let given = table
        .get("consumer")
        .and_then(|value| value.settings(ConsumerConfig::KEYS, &default));
    given.map_or(default, |(config, _)| config)
}

fn producer(table: &Table<'_>) -> ProducerConfig {
    let given = table
        .get("producer")
        .and_then(|value| value.settings(ProducerConfig::KEYS, &ProducerConfig::default()));
    let Some((mut config, given)) = given else {
        return ProducerConfig::default();
    };
    settings::complete_producer(&mut config, &given);
    config
}

/// Reads one `[[services]]`.
pub fn service(table: &Table<'_>) -> Option<Service> {
    let chance = |name: &str| table.get(name).map_or(Some(0.0), |value| value.number());
    let name = table.required("name").and_then(|value| value.text());
    let (failure, ambiguous) = (chance("failure"), chance("ambiguous"));
    let latency = table.get("latency").and_then(|value| value.duration());
    Some(Service {
        name: name?.to_owned(),
        latency: latency.unwrap_or(Duration::from_millis(10)),
        failure: failure?,
        ambiguous: ambiguous?,
    })
}

/// Reads what a producer makes of its keys from the table of its `keys`.
pub fn key_strategy(table: &Table<'_>) -> KeyStrategy {
    let (salted, compound) = (table.get("salted"), table.get("compound"));
    if let (Some(_), Some(compound)) = (&salted, &compound) {
        compound.problem("keys are `salted` or `compound`, not both", "remove one");
    }
    let count = |value: &Value<'_>| value.count();
    match (salted.as_ref().and_then(count), compound.as_ref().and_then(count)) {
        (Some(salts), _) => KeyStrategy::Salted(salts),
        (None, Some(values)) => KeyStrategy::Compound(values),
        (None, None) => KeyStrategy::Plain,
    }
}

/// Reads `backpressure` of a producer.
pub fn backpressure(value: &Value<'_>) -> Option<Backpressure> {
    let table = value.table()?;
    let group = table.required("group").and_then(|value| value.text());
    let lag = table.required("lag").and_then(|value| value.count());
    Some(Backpressure {
        group: group?.to_owned(),
        lag: lag?,
    })
}

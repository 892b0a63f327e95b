//! Reads workers and services, and what producers do about keys and lag.

use core::time::Duration;

use broker_core::config::{ConsumerConfig, ProducerConfig};

use super::keys;
use super::nearest::nearest;
use super::parse::consumer_defaults;
use super::reader::{Table, Value};
use super::{Backpressure, CommitMode, KeyStrategy, Service, WorkerGroup, WorkerProgram, settings};

/// The kinds of programs.
pub const PROGRAMS: [&str; 5] = ["plain", "retry-topic", "blocking-retry", "batch", "aggregator"];
/// The ways to commit.
pub const COMMITS: [&str; 5] = ["before", "after", "auto", "async-pool", "none"];

/// Keys that belong to some programs alone.
const OWNERS: [(&str, &[&str]); 7] = [
    ("attempts", &["retry-topic", "blocking-retry"]),
    ("backoff", &["retry-topic", "blocking-retry"]),
    ("dead_letter_topic", &["retry-topic", "blocking-retry"]),
    ("retry_topic", &["retry-topic"]),
    ("copy_first", &["retry-topic"]),
    ("batch_size", &["batch"]),
    ("output_topic", &["aggregator"]),
];

/// Reads one `[[workers]]`.
pub fn worker(table: &Table<'_>) -> Option<WorkerGroup> {
    let text = |name: &str| table.get(name).and_then(|value| value.text()).map(str::to_owned);
    let duration = |name: &str| table.get(name).and_then(|value| value.duration());
    let chance = |name: &str| table.get(name).map_or(Some(0.0), |value| value.number(0.0..=1.0));
    let name = table.required("name").and_then(|value| value.text());
    let topics = table.required("topics").and_then(|value| value.list());
    let topics = topics.map(|list| {
        list.iter()
            .filter_map(|topic| topic.text())
            .map(str::to_owned)
            .collect()
    });
    let program = program(table);
    let commit = commit(table);
    let (failure, poison) = (chance("failure"), chance("poison"));
    let group = WorkerGroup {
        count: table.get("count").and_then(|value| value.count(1..=1_000)).unwrap_or(1),
        group: text("group").or(name.map(str::to_owned)).unwrap_or_default(),
        topics: topics?,
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

fn program(table: &Table<'_>) -> Option<WorkerProgram> {
    let name = word(table, "program", &PROGRAMS, "plain")?;
    for (key, owners) in OWNERS {
        if let Some(value) = table.get(key).filter(|_| !owners.contains(&name)) {
            let owners: Vec<String> = owners.iter().map(|owner| format!("`{owner}`")).collect();
            value.problem(
                format!("`{key}` belongs to {} programs, not to `{name}`", owners.join(" and ")),
                "remove it, or change `program`",
            );
        }
    }
    let text = |name: &str| table.required(name).and_then(|value| value.text()).map(str::to_owned);
    let backoff = || {
        let backoff = table.get("backoff").and_then(|value| value.duration());
        backoff.unwrap_or(Duration::from_secs(1))
    };
    let attempts = |least| {
        table
            .get("attempts")
            .map_or(Some(5), |value| value.count(least..=1_000))
    };
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
            size: table
                .get("batch_size")
                .map_or(Some(100), |value| value.count(1..=1_000_000))?,
        },
        _ => WorkerProgram::Aggregator {
            output_topic: text("output_topic")?,
        },
    };
    Some(program)
}

fn commit(table: &Table<'_>) -> Option<CommitMode> {
    let name = word(table, "commit", &COMMITS, "after")?;
    let tasks = table.get("tasks");
    if let Some(value) = tasks.as_ref().filter(|_| name != "async-pool") {
        value.problem(
            format!("`tasks` belongs to `commit = \"async-pool\"`, not to `{name}`"),
            "remove it, or change `commit`",
        );
    }
    let mode = match name {
        "before" => CommitMode::Before,
        "after" => CommitMode::After,
        "auto" => CommitMode::Auto,
        "async-pool" => CommitMode::AsyncPool {
            tasks: tasks.map_or(Some(8), |value| value.count(1..=10_000))?,
        },
        _ => CommitMode::None,
    };
    Some(mode)
}

/// One of some words.
fn word(table: &Table<'_>, key: &str, words: &[&'static str], default: &'static str) -> Option<&'static str> {
    let Some(value) = table.get(key) else {
        return Some(default);
    };
    let text = value.text()?;
    let found = words.iter().find(|word| **word == text).copied();
    if found.is_none() {
        let hint = match nearest(text, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("one of {}", words.join(", ")),
        };
        value.problem(format!("`{key}` cannot be `{text}`"), hint);
    }
    found
}

fn consumer(table: &Table<'_>) -> ConsumerConfig {
    let default = consumer_defaults();
    let Some(value) = table.get("consumer") else {
        return default;
    };
    let Some((config, given)) = value.settings(ConsumerConfig::KEYS, &default) else {
        return default;
    };
    for (key, hint) in [
        ("group.id", "name the group with `group`"),
        (
            "enable.auto.commit",
            "say `commit = \"auto\"`, or another way to commit",
        ),
    ] {
        if given.iter().any(|name| name == key) {
            value.problem(format!("`{key}` of a worker follows from its other keys"), hint);
        }
    }
    // What was refused just now would be written twice otherwise.
    ConsumerConfig {
        group_id: None,
        enable_auto_commit: default.enable_auto_commit,
        ..config
    }
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
    let chance = |name: &str| table.get(name).map_or(Some(0.0), |value| value.number(0.0..=1.0));
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
    let count = |value: &Value<'_>| value.count(1..=1_000_000);
    match (salted.as_ref().and_then(count), compound.as_ref().and_then(count)) {
        (Some(salts), _) => KeyStrategy::Salted(salts),
        (None, Some(values)) => KeyStrategy::Compound(values),
        (None, None) => KeyStrategy::Plain,
    }
}

/// Reads `backpressure` of a producer.
pub fn backpressure(value: &Value<'_>) -> Option<Backpressure> {
    let table = value.table(&keys::BACKPRESSURE)?;
    let group = table.required("group").and_then(|value| value.text());
    let lag = table.required("lag").and_then(|value| value.count(1..=u64::MAX));
    Some(Backpressure {
        group: group?.to_owned(),
        lag: lag?,
    })
}

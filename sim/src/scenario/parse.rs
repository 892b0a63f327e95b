//! From the text of a file to a [`Scenario`]: syntax, keys, types, defaults. What the names mean together is judged
//! in [`super::validate`].

use core::ops::Range;
use core::time::Duration;

use broker_core::config::{BrokerConfig, ConsumerConfig, ProducerConfig, Quirks, TopicConfig};
use toml::de::DeTable;

use super::keys;
use super::schedule;
use super::{
    Cluster, ConsumerGroup, Hardware, KeyStrategy, Keys, Limits, Network, ProducerGroup, Scenario, Topic, expectation,
    faults, nemesis, validate, workers,
};
use crate::nearest::nearest;
use crate::toml_file::error::{Problem, ScenarioError};
use crate::toml_file::reader::{Marks, Notes, Table, Value};
use crate::toml_file::settings::{self, consumer_defaults};

/// A scenario and where its file says what.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The scenario.
    pub scenario: Scenario,
    /// Where each key stands.
    pub marks: Marks,
}

/// Reads the text of a scenario file. `path` is for messages.
///
/// # Errors
/// [`ScenarioError::Invalid`] with everything that is wrong.
pub fn parse(name: &str, path: &str, text: &str) -> Result<Parsed, ScenarioError> {
    parse_with(name, path, text, &[])
}

/// The same for a stage on which programs of a user play too, by name and number of instances: faults may affect them.
///
/// # Errors
/// [`ScenarioError::Invalid`] with everything that is wrong.
pub(crate) fn parse_with(name: &str, path: &str, text: &str, own: &[(String, u32)]) -> Result<Parsed, ScenarioError> {
    let invalid = |problems| ScenarioError::Invalid {
        path: path.to_owned(),
        text: text.to_owned(),
        problems,
    };
    // A date or a number that no table of TOML holds is found by the parser as well as wrong brackets.
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: toml::de::Error| {
            Problem::new(error.span().unwrap_or(0..0), error.message().trim().replace('\n', ", "))
        };
        let mut problems: Vec<Problem> = errors.into_iter().map(problem).collect();
        problems.dedup();
        return Err(invalid(problems));
    }
    if document.get_ref().is_empty() {
        let problem = Problem::new(0..0, "the file says nothing");
        return Err(invalid(vec![
            problem.hint("a scenario needs at least `[[topics]]` with a `name`"),
        ]));
    }
    let notes = Notes::default();
    let scenario = read(name, &Table::top(&notes, document.get_ref(), &keys::TOP));
    let (mut problems, marks) = notes.finish();
    if problems.is_empty() {
        problems = validate::problems(&scenario, &marks, own);
    }
    if problems.is_empty() {
        Ok(Parsed { scenario, marks })
    } else {
        Err(invalid(problems))
    }
}

/// Reads all sections. After a mistake a default stands in: the result is used only when there was none.
fn read(name: &str, top: &Table<'_>) -> Scenario {
    let duration = top
        .get("duration")
        .and_then(|value| value.duration())
        .unwrap_or(Duration::from_secs(60));
    let settle = top
        .get("settle")
        .and_then(|value| value.duration())
        .unwrap_or(Duration::from_secs(120));
    let quirks = top.get("quirks").and_then(|value| value.list()).unwrap_or_default();
    let quirks: Vec<String> = quirks.iter().filter_map(quirk).collect();
    let quirk_set = quirk_set(&quirks);
    let wanted = expectation::expectation(top);
    let tables = |key: &str| top.get(key).map(|value| value.tables()).unwrap_or_default();
    let topics = if top.required("topics").is_some() {
        tables("topics")
    } else {
        Vec::new()
    };
    let cluster = cluster(top.get("cluster").and_then(|value| value.table()).as_ref());
    let topics: Vec<Topic> = topics.iter().filter_map(|table| topic(table, &cluster)).collect();
    Scenario {
        name: name.to_owned(),
        teaches: top
            .get("teaches")
            .and_then(|value| value.text())
            .unwrap_or_default()
            .to_owned(),
        compare: top.get("compare").and_then(|value| value.text().map(str::to_owned)),
        duration,
        settle,
        seeds: top.get("seeds").and_then(|value| seeds(&value)).unwrap_or(0..3),
        producers: tables("producers").iter().filter_map(producer).collect(),
        consumers: tables("consumers").iter().filter_map(consumer).collect(),
        workers: tables("workers")
            .iter()
            .filter_map(|table| workers::worker(table, &topics))
            .collect(),
        topics,
        services: tables("services").iter().filter_map(workers::service).collect(),
        faults: tables("faults").iter().filter_map(faults::fault).collect(),
        nemesis: top
            .get("nemesis")
            .and_then(|value| value.table())
            .map(|table| nemesis::read(&table, duration)),
        quirks,
        quirk_set,
        expect: wanted.expect,
        forbid: wanted.forbid,
        at_most: wanted.at_most,
        at_least: wanted.at_least,
        measures: wanted.measures,
        limits: limits(
            top.get("limits").and_then(|value| value.table()).as_ref(),
            duration + settle,
        ),
        cluster,
    }
}

/// The core's switches for these quirks; unknown names were refused before.
#[must_use]
pub fn quirk_set(names: &[String]) -> Quirks {
    let mut set = Quirks::default();
    for name in names {
        // An unknown name is a problem of its own that was kept where it stands.
        let _ = set.enable(name);
    }
    set
}

fn quirk(value: &Value<'_>) -> Option<String> {
    let name = value.text()?;
    if let Err(error) = Quirks::default().enable(name) {
        value.problem(error.to_string(), quirk_hint(name));
        return None;
    }
    Some(name.to_owned())
}

/// The hint for an unknown quirk.
#[must_use]
pub fn quirk_hint(name: &str) -> String {
    match nearest(name, Quirks::ALL.iter().map(|(name, _)| *name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`trial list` lists the quirks".to_owned(),
    }
}

fn seeds(value: &Value<'_>) -> Option<Range<u64>> {
    let text = value.text_such_as("first and one past the last seed, in quotes: `\"0..3\"`")?;
    let parsed = text
        .split_once("..")
        .and_then(|(from, to)| Some(from.trim().parse().ok()?..to.trim().parse().ok()?));
    match parsed {
        Some(range) if !Range::is_empty(&range) => Some(range),
        Some(_) => {
            value.problem(
                format!("`seeds` names no seed: {text}"),
                "the range ends before its second number: `\"0..3\"` is 0, 1, 2",
            );
            None
        }
        None => {
            value.problem(
                format!("`seeds` cannot be `{text}`"),
                "write first and one past the last seed: `\"0..3\"`",
            );
            None
        }
    }
}

fn cluster(table: Option<&Table<'_>>) -> Cluster {
    let get = |name: &str| table.and_then(|table| table.get(name));
    let brokers = get("brokers").and_then(|value| value.count()).unwrap_or(3);
    let dedicated = get("dedicated_controllers")
        .and_then(|value| value.count())
        .unwrap_or(0);
    let combined = get("controllers").and_then(|value| value.count());
    if let (Some(table), Some(_), 1..) = (table, combined, dedicated) {
        table.problem(
            "`controllers` and `dedicated_controllers` exclude each other",
            "`controllers` makes brokers voters of the quorum too, `dedicated_controllers` adds nodes for it",
        );
    }
    // Even numbers of voters tolerate no more failures than one less.
    let default = if brokers >= 3 { 3 } else { 1 };
    // As with a topic's replicas: three, or what there is.
    let config_default = BrokerConfig {
        offsets_topic_replication_factor: brokers.min(3) as u16,
        ..BrokerConfig::default()
    };
    let config = get("config").and_then(|value| value.settings(BrokerConfig::KEYS, &config_default));
    Cluster {
        brokers,
        dedicated_controllers: dedicated,
        combined_controllers: if dedicated > 0 { 0 } else { combined.unwrap_or(default) },
        config: config.map_or(config_default, |(config, _)| config),
        hardware: hardware(get("hardware").and_then(|value| value.table()).as_ref()),
        network: network(get("network").and_then(|value| value.table()).as_ref()),
    }
}

fn hardware(table: Option<&Table<'_>>) -> Hardware {
    let get = |name: &str| table.and_then(|table| table.get(name));
    let default = Hardware::default();
    Hardware {
        cpu_per_request: get("cpu_per_request")
            .and_then(|value| value.duration())
            .unwrap_or(default.cpu_per_request),
        cpu_per_byte_ns: get("cpu_per_byte")
            .and_then(|value| value.nanoseconds())
            .unwrap_or(default.cpu_per_byte_ns),
        nic_bytes_per_sec: get("nic")
            .and_then(|value| value.bytes())
            .unwrap_or(default.nic_bytes_per_sec),
        disk_bytes_per_sec: get("disk")
            .and_then(|value| value.bytes())
            .unwrap_or(default.disk_bytes_per_sec),
        fsync: get("fsync").and_then(|value| value.duration()).unwrap_or(default.fsync),
    }
}

fn network(table: Option<&Table<'_>>) -> Network {
    let get = |name: &str| {
        table
            .and_then(|table| table.get(name))
            .and_then(|value| value.duration())
    };
    let default = Network::default();
    let latency_min = get("latency_min").unwrap_or(default.latency_min);
    // A scenario that raises the minimum alone asks for a slower network, not for an impossible one.
    let latency_mean = get("latency_mean").unwrap_or(default.latency_mean.max(latency_min));
    Network {
        latency_min,
        latency_mean,
    }
}

fn topic(table: &Table<'_>, cluster: &Cluster) -> Option<Topic> {
    let name = table.required("name").and_then(|value| value.text());
    let defaults = cluster.config.topic_defaults();
    let config = table
        .get("config")
        .and_then(|value| value.settings(TopicConfig::KEYS, &defaults));
    let topic = Topic {
        name: name?.to_owned(),
        partitions: table
            .get("partitions")
            .map_or(Some(1), |value| value.count())
            .unwrap_or(1),
        replication_factor: table
            .get("replication_factor")
            .and_then(|value| value.count())
            .unwrap_or(cluster.brokers.min(3) as u16),
        config: config.map_or(defaults, |(config, _)| config),
    };
    Some(topic)
}

fn producer(table: &Table<'_>) -> Option<ProducerGroup> {
    let name = table.required("name").and_then(|value| value.text());
    let topics = producer_topics(table);
    let rate = table.required("rate").and_then(|value| value.number());
    let config = table.get("config").and_then(|value| {
        let (mut config, given) = value.settings(ProducerConfig::KEYS, &ProducerConfig::default())?;
        settings::complete_producer(&mut config, &given);
        Some(config)
    });
    let (keys, key_strategy) = table
        .get("keys")
        .and_then(|value| record_keys(&value))
        .unwrap_or((Keys::None, KeyStrategy::Plain));
    let group = ProducerGroup {
        count: table.get("count").and_then(|value| value.count()).unwrap_or(1),
        record_size: table.get("record_size").and_then(|value| value.bytes()).unwrap_or(100) as u32,
        keys,
        key_strategy,
        headers: table.get("headers").and_then(|value| value.count()).unwrap_or(0),
        behind: table
            .get("timestamps")
            .and_then(|value| value.table())
            .and_then(|timestamps| timestamps.required("behind")?.duration())
            .unwrap_or_default(),
        tombstones: table.get("tombstones").and_then(|value| value.number()).unwrap_or(0.0),
        backpressure: table
            .get("backpressure")
            .and_then(|value| workers::backpressure(&value)),
        start: table
            .get("start")
            .and_then(|value| value.duration())
            .unwrap_or_default(),
        stop: table.get("stop").and_then(|value| value.duration()),
        config: config.unwrap_or_default(),
        name: name?.to_owned(),
        topics: topics?,
        rate: rate?,
    };
    Some(group)
}

/// `topic`, or `topics`.
fn producer_topics(table: &Table<'_>) -> Option<Vec<String>> {
    let Some(several) = table.get("topics") else {
        let topic = table.required("topic")?.text()?;
        return Some(vec![topic.to_owned()]);
    };
    if table.get("topic").is_some() {
        several.problem(
            "`topic` and `topics` exclude each other",
            "name all of them in `topics`",
        );
        return None;
    }
    let listed = several.list()?;
    if listed.is_empty() {
        several.problem("`topics` names no topic", "write at least one: `topics = [\"orders\"]`");
        return None;
    }
    listed.iter().map(|value| Some(value.text()?.to_owned())).collect()
}

fn record_keys(value: &Value<'_>) -> Option<(Keys, KeyStrategy)> {
    if !value.is_table() {
        return match value.text()? {
            "none" => Some((Keys::None, KeyStrategy::Plain)),
            other => {
                value.problem(
                    format!("`keys` cannot be `{other}`"),
                    "write `\"none\"` or `{ distribution = \"zipf\", count = 1000, exponent = 1.0 }`",
                );
                None
            }
        };
    }
    let table = value.table()?;
    let count = table.required("count").and_then(|value| value.count());
    let distribution = table.required("distribution")?.word()?;
    let strategy = workers::key_strategy(&table);
    table.refuse_keys_of_others("distribution", distribution);
    let number = |name: &str, default| table.get(name).map_or(Some(default), |value| value.number());
    let keys = match distribution {
        "uniform" => Keys::Uniform { count: count? },
        "zipf" => Keys::Zipf {
            count: count?,
            exponent: number("exponent", 1.0)?,
        },
        _ => Keys::Hot {
            count: count?,
            share: number("share", 0.5)?,
        },
    };
    Some((keys, strategy))
}

fn consumer(table: &Table<'_>) -> Option<ConsumerGroup> {
    let name = table.required("name").and_then(|value| value.text());
    let topic = table.required("topic").and_then(|value| value.text());
    let default = consumer_defaults();
    let config = table
        .get("config")
        .and_then(|value| value.settings(ConsumerConfig::KEYS, &default));
    let group = ConsumerGroup {
        count: table.get("count").and_then(|value| value.count()).unwrap_or(1),
        processing: table
            .get("processing")
            .and_then(|value| value.duration())
            .unwrap_or_default(),
        start: table
            .get("start")
            .and_then(|value| value.duration())
            .unwrap_or_default(),
        schedule: schedule::schedule(table, topic.unwrap_or_default()),
        config: config.map_or(default, |(config, _)| config),
        name: name?.to_owned(),
        topic: topic?.to_owned(),
    };
    Some(group)
}

fn limits(table: Option<&Table<'_>>, planned: Duration) -> Limits {
    let get = |name: &str| table.and_then(|table| table.get(name));
    let default = Limits::for_trials_of(planned);
    Limits {
        events: get("events").and_then(|value| value.count()).unwrap_or(default.events),
        records: get("records")
            .and_then(|value| value.count())
            .unwrap_or(default.records),
        sim_time: get("sim_time")
            .and_then(|value| value.duration())
            .unwrap_or(default.sim_time),
        memory: get("memory").and_then(|value| value.bytes()).unwrap_or(default.memory),
    }
}

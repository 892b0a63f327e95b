//! Writes a scenario as a file that reads back as the same scenario.

use core::fmt::{Display, Write as _};

use broker_core::config::{BrokerConfig, ProducerConfig};

use super::measures;
use super::schedule;
use super::{
    Backpressure, Cluster, CommitMode, Expectation, Hardware, KeyStrategy, Keys, Limits, NemesisSpec, Network,
    Scenario, WorkerGroup, WorkerProgram,
};
use crate::faults::PlannedFault;
use crate::toml_file::settings::consumer_defaults;
use crate::toml_file::writer::{duration, float, list, text};

/// The text of a scenario file with every key of the scenario, also where it has its default; of Kafka's settings only
/// those that differ from Kafka's defaults. The name is the file's own matter.
#[must_use]
pub fn to_toml(scenario: &Scenario) -> String {
    let mut file = File::default();
    file.put("teaches", text(&scenario.teaches));
    file.put_some("compare", scenario.compare.as_deref().map(text));
    file.put("duration", duration(scenario.duration));
    file.put("settle", duration(scenario.settle));
    file.put(
        "seeds",
        text(&format!("{}..{}", scenario.seeds.start, scenario.seeds.end)),
    );
    file.put(
        "expect",
        match &scenario.expect {
            Expectation::Pass => text("pass"),
            Expectation::Finds(names) => list(names.iter().map(|name| text(name))),
        },
    );
    file.put("forbid", list(scenario.forbid.iter().map(|name| text(name))));
    for (key, bounds) in [("at_most", &scenario.at_most), ("at_least", &scenario.at_least)] {
        if !bounds.is_empty() {
            let bounds = bounds.iter().map(|(check, count)| format!("{} = {count}", check.id()));
            file.put(key, format!("{{ {} }}", bounds.collect::<Vec<_>>().join(", ")));
        }
    }
    file.put("quirks", list(scenario.quirks.iter().map(|name| text(name))));
    file.cluster(&scenario.cluster);
    for topic in &scenario.topics {
        file.header("[[topics]]");
        file.put("name", text(&topic.name));
        file.put("partitions", topic.partitions);
        file.put("replication_factor", topic.replication_factor);
        file.put(
            "config",
            settings(&topic.config, &scenario.cluster.config.topic_defaults()),
        );
    }
    for group in &scenario.producers {
        file.header("[[producers]]");
        file.put("name", text(&group.name));
        file.put("count", group.count);
        match &group.topics[..] {
            [topic] => file.put("topic", text(topic)),
            topics => file.put("topics", list(topics.iter().map(|topic| text(topic)))),
        }
        file.put("rate", float(group.rate));
        file.put("record_size", group.record_size);
        file.put("keys", keys(&group.keys, group.key_strategy));
        if group.headers > 0 {
            file.put("headers", group.headers);
        }
        if !group.behind.is_zero() {
            file.put("timestamps", format!("{{ behind = {} }}", duration(group.behind)));
        }
        if group.tombstones > 0.0 {
            file.put("tombstones", float(group.tombstones));
        }
        file.put_some("backpressure", group.backpressure.as_ref().map(backpressure));
        file.put("start", duration(group.start));
        file.put_some("stop", group.stop.map(duration));
        file.put("config", settings(&group.config, &ProducerConfig::default()));
    }
    for group in &scenario.consumers {
        file.header("[[consumers]]");
        file.put("name", text(&group.name));
        file.put("count", group.count);
        file.put("topic", text(&group.topic));
        file.put("processing", duration(group.processing));
        file.put("start", duration(group.start));
        if !group.schedule.is_empty() {
            let steps = group.schedule.iter().map(|step| schedule::write(step, &group.topic));
            file.put("schedule", list(steps));
        }
        file.put("config", settings(&group.config, &consumer_defaults()));
    }
    for group in &scenario.workers {
        file.worker(group);
    }
    for service in &scenario.services {
        file.header("[[services]]");
        file.put("name", text(&service.name));
        file.put("latency", duration(service.latency));
        file.put("failure", float(service.failure));
        file.put("ambiguous", float(service.ambiguous));
    }
    for planned in &scenario.faults {
        file.fault(planned);
    }
    if let Some(spec) = &scenario.nemesis {
        file.nemesis(spec);
    }
    for measure in &scenario.measures {
        file.header("[[measures]]");
        for (key, value) in measures::write(measure) {
            file.put(key, value);
        }
    }
    file.limits(&scenario.limits);
    file.0
}

#[derive(Default)]
struct File(String);

impl File {
    fn header(&mut self, header: &str) {
        writeln!(self.0, "\n{header}").expect("a string takes all that is written");
    }

    fn put(&mut self, key: &str, value: impl Display) {
        writeln!(self.0, "{key} = {value}").expect("a string takes all that is written");
    }

    fn put_some(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn cluster(&mut self, cluster: &Cluster) {
        self.header("[cluster]");
        self.put("brokers", cluster.brokers);
        match cluster.dedicated_controllers {
            0 => self.put("controllers", cluster.combined_controllers),
            count => self.put("dedicated_controllers", count),
        }
        self.put("config", settings(&cluster.config, &BrokerConfig::default()));
        let Hardware {
            cpu_per_request,
            cpu_per_byte_ns,
            nic_bytes_per_sec,
            disk_bytes_per_sec,
            fsync,
        } = cluster.hardware;
        self.header("[cluster.hardware]");
        self.put("cpu_per_request", duration(cpu_per_request));
        self.put("cpu_per_byte", text(&format!("{cpu_per_byte_ns}ns")));
        self.put("nic", text(&format!("{nic_bytes_per_sec}B/s")));
        self.put("disk", text(&format!("{disk_bytes_per_sec}B/s")));
        self.put("fsync", duration(fsync));
        let Network {
            latency_min,
            latency_mean,
        } = cluster.network;
        self.header("[cluster.network]");
        self.put("latency_min", duration(latency_min));
        self.put("latency_mean", duration(latency_mean));
    }

    fn worker(&mut self, group: &WorkerGroup) {
        self.header("[[workers]]");
        self.put("name", text(&group.name));
        self.put("count", group.count);
        self.put("group", text(&group.group));
        match &group.pattern {
            Some(pattern) => self.put("pattern", text(pattern)),
            None => self.put("topics", list(group.topics.iter().map(|topic| text(topic)))),
        }
        self.worker_program(&group.program);
        let commit = match group.commit {
            CommitMode::Before => "before",
            CommitMode::After => "after",
            CommitMode::Auto => "auto",
            CommitMode::AsyncPool { .. } => "async-pool",
            CommitMode::None => "none",
        };
        self.put("commit", text(commit));
        if let CommitMode::AsyncPool { tasks } = group.commit {
            self.put("tasks", tasks);
        }
        self.put("processing", duration(group.processing));
        self.put("failure", float(group.failure));
        self.put("poison", float(group.poison));
        self.put_some("service", group.service.as_deref().map(text));
        self.put("start", duration(group.start));
        self.put("stagger", duration(group.stagger));
        self.put_some("stop", group.stop.map(duration));
        self.put("consumer", settings(&group.consumer, &consumer_defaults()));
        self.put("producer", settings(&group.producer, &ProducerConfig::default()));
    }

    fn worker_program(&mut self, program: &WorkerProgram) {
        match program {
            WorkerProgram::Plain => self.put("program", text("plain")),
            WorkerProgram::RetryTopic {
                attempts,
                backoff,
                retry_topic,
                dead_letter_topic,
                copy_first,
            } => {
                self.put("program", text("retry-topic"));
                self.put("attempts", attempts);
                self.put("backoff", duration(*backoff));
                self.put("retry_topic", text(retry_topic));
                self.put("dead_letter_topic", text(dead_letter_topic));
                self.put("copy_first", copy_first);
            }
            WorkerProgram::BlockingRetry {
                attempts,
                backoff,
                dead_letter_topic,
            } => {
                self.put("program", text("blocking-retry"));
                self.put("attempts", attempts);
                self.put("backoff", duration(*backoff));
                self.put_some("dead_letter_topic", dead_letter_topic.as_deref().map(text));
            }
            WorkerProgram::Batch { size } => {
                self.put("program", text("batch"));
                self.put("batch_size", size);
            }
            WorkerProgram::Aggregator { output_topic } => {
                self.put("program", text("aggregator"));
                self.put("output_topic", text(output_topic));
            }
        }
    }

    fn fault(&mut self, planned: &PlannedFault) {
        self.header("[[faults]]");
        self.put("at", duration(planned.at));
        self.put_some(
            "for",
            planned.until.map(|until| duration(until.saturating_sub(planned.at))),
        );
        self.put(planned.fault.entry().key.name, planned.fault.write());
    }

    fn nemesis(&mut self, spec: &NemesisSpec) {
        self.header("[nemesis]");
        self.put("start", duration(spec.start));
        self.put("stop", duration(spec.stop));
        self.put("interval", duration(spec.interval));
        self.put("duration", duration(spec.duration));
        self.put("max_concurrent", spec.max_concurrent);
        let weights = spec.weights.iter();
        let weights = weights.map(|(drawn, weight)| format!("{} = {weight}", drawn.weight.name));
        let weights: Vec<String> = weights.collect();
        self.put("weights", format_args!("{{ {} }}", weights.join(", ")));
    }

    fn limits(&mut self, limits: &Limits) {
        self.header("[limits]");
        self.put("events", limits.events);
        self.put("records", limits.records);
        self.put("sim_time", duration(limits.sim_time));
        self.put("memory", limits.memory);
    }
}

fn backpressure(spec: &Backpressure) -> String {
    format!("{{ group = {}, lag = {} }}", text(&spec.group), spec.lag)
}

fn keys(keys: &Keys, strategy: KeyStrategy) -> String {
    let plain = distribution(keys);
    match strategy {
        KeyStrategy::Salted(salts) => plain.replace(" }", &format!(", salted = {salts} }}")),
        KeyStrategy::Compound(values) => plain.replace(" }", &format!(", compound = {values} }}")),
        KeyStrategy::Plain => plain,
    }
}

fn distribution(keys: &Keys) -> String {
    match keys {
        Keys::None => text("none"),
        Keys::Uniform { count } => format!("{{ distribution = \"uniform\", count = {count} }}"),
        Keys::Zipf { count, exponent } => format!(
            "{{ distribution = \"zipf\", count = {count}, exponent = {} }}",
            float(*exponent)
        ),
        Keys::Hot { count, share } => format!(
            "{{ distribution = \"hot\", count = {count}, share = {} }}",
            float(*share)
        ),
    }
}

fn settings<T: serde::Serialize>(config: &T, defaults: &T) -> String {
    let table = |config| toml::Table::try_from(config).expect("settings are numbers, texts and truth values");
    let (config, defaults) = (table(config), table(defaults));
    let different = config.iter().filter(|(key, value)| defaults.get(*key) != Some(*value));
    let entries: Vec<String> = different.map(|(key, value)| format!("\"{key}\" = {value}")).collect();
    if entries.is_empty() {
        "{}".to_owned()
    } else {
        format!("{{ {} }}", entries.join(", "))
    }
}

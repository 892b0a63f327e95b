//! Kafka's settings as a scenario file knows them: where which may stand, and what Kafka itself derives or refuses.

use broker_core::config::{AcksSetting, BrokerConfig, ConsumerConfig, ProducerConfig, TopicConfig};
use toml::Value;

use super::kafka_keys::{Kind, unmodelled};
use super::parse::consumer_defaults;

/// A table of Kafka settings in a scenario file.
#[derive(Debug)]
pub struct SettingsSection {
    /// Where it stands: `producers.config`.
    pub place: &'static str,
    /// Whose settings they are.
    pub whose: &'static str,
    /// Every key.
    pub keys: &'static [&'static str],
    /// Key and default; without those that are unset by default.
    pub defaults: toml::Table,
}

impl SettingsSection {
    /// Whether it is a setting of these, modelled or not.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        let kind = Kind::at(self.place);
        self.keys.contains(&key) || kind.is_some_and(|kind| unmodelled(kind, key).is_some())
    }

    /// What there is to say about a key besides type and default.
    #[must_use]
    pub fn note_of(&self, key: &str) -> Option<&'static str> {
        match key {
            "auto.offset.reset" => Some(
                "where a consumer without a position begins: `earliest`, `latest`, `none` (its poll ends with an error), \
                 or `by_duration:PT1H` (KIP-1106). Kafka's default is `latest`, also for own programs; consumers and \
                 workers of scenario files begin at `earliest`, so that what they missed can be judged",
            ),
            "min.insync.replicas"
            | "log.segment.bytes"
            | "log.flush.interval.messages"
            | "unclean.leader.election.enable"
            | "message.max.bytes"
                if self.place == "cluster.config" =>
            {
                Some("the default of topics that do not say their own")
            }
            "partitioner.adaptive.partitioning.enable" => {
                Some("records without a key go more often to partitions with shorter queues (KIP-794)")
            }
            "partitioner.availability.timeout.ms" => Some(
                "records without a key leave out the partitions of a broker for which batches have waited for this long \
                 (KIP-794, with adaptive partitioning); 0: never",
            ),
            "partitioner.ignore.keys" => Some("records with a key are spread as those without one are (KIP-794)"),
            _ => None,
        }
    }

    /// Type and default of a key, as `explain` tells them.
    #[must_use]
    pub fn default_of(&self, key: &str) -> Option<(&'static str, String)> {
        if !self.keys.contains(&key) {
            return None;
        }
        let unset = ("string", "none".to_owned());
        Some(
            self.defaults
                .get(key)
                .map_or(unset, |default| (kind_of(default), default.to_string())),
        )
    }
}

/// All of them.
#[must_use]
pub fn settings_sections() -> Vec<SettingsSection> {
    let section = |place, whose, keys, defaults: Result<toml::Table, toml::ser::Error>| SettingsSection {
        place,
        whose,
        keys,
        defaults: defaults.expect("settings are numbers, texts and truth values"),
    };
    vec![
        section(
            "cluster.config",
            "a node",
            BrokerConfig::KEYS,
            toml::Table::try_from(BrokerConfig::default()),
        ),
        section(
            "topics.config",
            "a topic",
            TopicConfig::KEYS,
            toml::Table::try_from(TopicConfig::default()),
        ),
        section(
            "producers.config",
            "a producer",
            ProducerConfig::KEYS,
            toml::Table::try_from(ProducerConfig::default()),
        ),
        section(
            "consumers.config",
            "a consumer",
            ConsumerConfig::KEYS,
            toml::Table::try_from(consumer_defaults()),
        ),
    ]
}

/// What a setting with this default takes.
#[must_use]
fn kind_of(default: &Value) -> &'static str {
    match default {
        Value::Integer(_) => "number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "list of strings",
        Value::Float(_) | Value::String(_) | Value::Datetime(_) | Value::Table(_) => "string",
    }
}

/// Settles what the file left open, as Kafka's `ProducerConfig.postProcessParsedConfig` does: a producer that asks for
/// less than `acks=all`, for no retries, or for more than five requests in flight is not idempotent unless it says so
/// (and then it is refused), and a `delivery.timeout.ms` that nobody set is raised to `linger.ms + request.timeout.ms`.
pub fn complete_producer(config: &mut ProducerConfig, given: &[String]) {
    let is_given = |key: &str| given.iter().any(|name| name == key);
    if !is_given("enable.idempotence") && idempotence_conflict(config).is_some() {
        config.enable_idempotence = false;
    }
    if !is_given("delivery.timeout.ms") {
        config.delivery_timeout_ms = config
            .delivery_timeout_ms
            .max(config.linger_ms.saturating_add(config.request_timeout_ms));
    }
}

/// Key and reason why a producer of these settings cannot be idempotent.
#[must_use]
pub fn idempotence_conflict(config: &ProducerConfig) -> Option<(&'static str, &'static str)> {
    if config.acks != AcksSetting::All {
        return Some(("acks", "an idempotent producer needs `acks = \"all\"`"));
    }
    if config.retries == 0 {
        return Some(("retries", "an idempotent producer needs `retries` above 0"));
    }
    if config.max_in_flight_requests_per_connection > 5 {
        let reason = "an idempotent producer has at most 5 requests in flight on a connection";
        return Some(("max.in.flight.requests.per.connection", reason));
    }
    None
}

/// The least value of settings that cannot be zero.
const AT_LEAST: &[(&str, i64)] = &[
    ("replica.lag.time.max.ms", 1),
    ("replica.fetch.max.bytes", 1),
    ("replica.fetch.response.max.bytes", 1),
    ("replica.socket.timeout.ms", 1),
    ("replica.high.watermark.checkpoint.interval.ms", 1),
    ("broker.heartbeat.interval.ms", 1),
    ("broker.session.timeout.ms", 1),
    ("controller.quorum.election.timeout.ms", 1),
    ("controller.quorum.fetch.timeout.ms", 1),
    ("controller.quorum.request.timeout.ms", 1),
    ("offsets.retention.check.interval.ms", 1),
    ("message.max.bytes", 1),
    ("fetch.max.bytes", 1),
    ("min.insync.replicas", 1),
    ("segment.bytes", 1_024),
    ("log.segment.bytes", 1_024),
    ("log.flush.interval.messages", 1),
    ("flush.messages", 1),
    ("max.message.bytes", 1),
    ("request.timeout.ms", 1),
    ("max.in.flight.requests.per.connection", 1),
    ("max.request.size", 1),
    ("buffer.memory", 1),
    ("max.poll.records", 1),
    ("max.partition.fetch.bytes", 1),
    ("metadata.max.age.ms", 1),
    ("offsets.topic.num.partitions", 1),
    ("offsets.topic.replication.factor", 1),
    ("offsets.commit.timeout.ms", 1),
    ("group.max.size", 1),
    ("group.consumer.max.size", 1),
    ("group.consumer.session.timeout.ms", 1),
    ("group.consumer.heartbeat.interval.ms", 1),
    ("session.timeout.ms", 1),
    ("heartbeat.interval.ms", 1),
    ("max.poll.interval.ms", 1),
    ("auto.commit.interval.ms", 1),
    ("default.api.timeout.ms", 1),
];

/// Kafka's settings of type INT, whose values end at 2,147,483,647.
const INTS: &[&str] = &[
    "auto.commit.interval.ms",
    "batch.size",
    "broker.heartbeat.interval.ms",
    "broker.session.timeout.ms",
    "controller.quorum.election.backoff.max.ms",
    "controller.quorum.election.timeout.ms",
    "controller.quorum.fetch.timeout.ms",
    "controller.quorum.request.timeout.ms",
    "controller.quorum.retry.backoff.ms",
    "controller.socket.timeout.ms",
    "default.api.timeout.ms",
    "delivery.timeout.ms",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.consumer.heartbeat.interval.ms",
    "group.consumer.session.timeout.ms",
    "group.initial.rebalance.delay.ms",
    "group.max.session.timeout.ms",
    "group.min.session.timeout.ms",
    "heartbeat.interval.ms",
    "log.segment.bytes",
    "max.message.bytes",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.poll.records",
    "max.request.size",
    "message.max.bytes",
    "replica.fetch.backoff.ms",
    "replica.fetch.max.bytes",
    "replica.fetch.response.max.bytes",
    "replica.fetch.wait.max.ms",
    "replica.socket.timeout.ms",
    "request.timeout.ms",
    "retries",
    "segment.bytes",
    "session.timeout.ms",
];

/// The settings that are above what Kafka's INT can be.
#[must_use]
pub fn too_large<T: serde::Serialize>(config: &T) -> Vec<&'static str> {
    let settings = toml::Table::try_from(config).expect("settings are numbers, texts and truth values");
    let above = |key: &&&'static str| {
        let value = settings.get(**key).and_then(Value::as_integer);
        value.is_some_and(|value| value > i64::from(i32::MAX))
    };
    INTS.iter().filter(above).copied().collect()
}

/// The settings that are below the least value that they can have, with that value.
#[must_use]
pub fn too_small<T: serde::Serialize>(config: &T) -> Vec<(&'static str, i64)> {
    let settings = toml::Table::try_from(config).expect("settings are numbers, texts and truth values");
    let below = |(key, least): &&(&'static str, i64)| {
        settings
            .get(*key)
            .and_then(Value::as_integer)
            .is_some_and(|value| value < *least)
    };
    AT_LEAST.iter().filter(below).copied().collect()
}

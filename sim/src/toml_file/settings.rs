//! Kafka's settings as a scenario file knows them: where which may stand, and what Kafka itself derives or refuses.

use broker_core::config::{
    AcksSetting, AutoOffsetReset, BrokerConfig, ConsumerConfig, ProducerConfig, Setting, SettingType, TopicConfig,
};
use toml::Value;

use super::kafka_keys::{Kind, unmodelled};
use super::keys::{Type, one_of};

/// A table of Kafka settings in a scenario file.
#[derive(Debug)]
pub struct SettingsSection {
    /// Where it stands: `producers.config`.
    pub place: &'static str,
    /// The kind of its keys.
    pub kind: Kind,
    /// Whose settings they are.
    pub whose: &'static str,
    /// Every key that is modelled.
    pub settings: &'static [Setting],
    /// Key and default; without those that are unset by default.
    pub defaults: toml::Table,
}

impl SettingsSection {
    /// The setting of this key, if it is modelled.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// Whether it is a setting of these, modelled or not.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.setting(key).is_some() || unmodelled(self.kind, key).is_some()
    }

    /// The default of a key as it would stand in a file; none if it is unset.
    #[must_use]
    pub fn default_of(&self, key: &str) -> Option<String> {
        self.defaults.get(key).map(Value::to_string)
    }
}

/// What there is to say about a key besides its meaning.
#[must_use]
pub fn note_of(key: &str) -> Option<&'static str> {
    match key {
        "auto.offset.reset" => Some(
            "With `none` its poll ends with an error; `by_duration:PT1H` is an hour ago (KIP-1106). Own programs have Kafka's \
             default `latest`; consumers and workers of scenario files have `earliest`, so that what they missed can be \
             judged.",
        ),
        "acks" => {
            Some("Below `all` a producer is not idempotent (`enable.idempotence`), and is refused if it asks for that.")
        }
        "enable.idempotence" => Some(
            "It needs `acks` = \"all\", `retries` above 0 and at most 5 `max.in.flight.requests.per.connection`; a producer \
             with other settings is not idempotent. Without it retries may double records and change their order \
             (`duplicate`, `nonmonotonic-send`): that is allowed.",
        ),
        "delivery.timeout.ms" => {
            Some("At least `linger.ms` and `request.timeout.ms` together: if it is not given, it is raised to that.")
        }
        "flush.messages" | "log.flush.interval.messages" => Some(
            "By default what is acknowledged may still be in the page cache: that a power loss of all replicas in sync takes \
             it (`lost-write`) is allowed. With 1 it never is.",
        ),
        "unclean.leader.election.enable" => Some(
            "With true, a replica that lacks committed records may become leader, and their loss (`lost-write`) is allowed.",
        ),
        _ => None,
    }
}

/// In what a whole number counts; none for other types.
#[must_use]
pub fn unit_of(setting: &Setting) -> Option<&'static str> {
    let SettingType::Whole(_) = setting.takes else {
        return None;
    };
    let units = UNITS.iter().filter(|(end, _)| setting.key.ends_with(end));
    units.map(|(_, unit)| *unit).next()
}

/// The ends of keys, with what their numbers count.
const UNITS: [(&str, &str); 14] = [
    (".ms", "ms"),
    (".minutes", "minutes"),
    (".bytes", "bytes"),
    ("batch.size", "bytes"),
    ("request.size", "bytes"),
    ("buffer.memory", "bytes"),
    (".messages", "records"),
    (".records", "records"),
    (".partitions", "partitions"),
    ("in.flight.requests.per.connection", "requests"),
    (".replicas", "replicas"),
    ("replication.factor", "replicas"),
    ("cache.slots", "sessions"),
    ("max.size", "members"),
];

/// What a setting takes, in words.
#[must_use]
pub fn type_in_words(setting: &Setting) -> String {
    match setting.takes {
        SettingType::Whole(_) => {
            let (least, most) = bounds(setting);
            Type::Whole(least, most).to_string()
        }
        SettingType::Boolean => Type::Boolean.to_string(),
        SettingType::String => Type::String.to_string(),
        SettingType::Word(words) => Type::Word(words).to_string(),
        SettingType::WordOr(words, prefix) => {
            let mut choices = Type::Word(words).choices();
            choices.push(format!("`{prefix}…`"));
            one_of(choices)
        }
        SettingType::List => Type::List(&Type::String).to_string(),
    }
}

/// The least and the most of a whole number, as Kafka has them.
#[must_use]
pub fn bounds(setting: &Setting) -> (u64, u64) {
    let least = AT_LEAST.iter().find(|(key, _)| *key == setting.key);
    let most = match setting.takes {
        SettingType::Whole(most) => most,
        _ => u64::MAX,
    };
    let most = match INTS.contains(&setting.key) {
        true => most.min(i32::MAX.unsigned_abs().into()),
        false => most,
    };
    (least.map_or(0, |(_, least)| least.unsigned_abs()), most)
}

/// All of them.
#[must_use]
pub fn settings_sections() -> [SettingsSection; 4] {
    [Kind::Broker, Kind::Topic, Kind::Producer, Kind::Consumer].map(section)
}

/// The settings of one kind, where they stand first.
#[must_use]
pub fn section(kind: Kind) -> SettingsSection {
    let (place, whose, settings, defaults) = match kind {
        Kind::Broker => (
            "cluster.config",
            "a node",
            BrokerConfig::SETTINGS,
            toml::Table::try_from(BrokerConfig::default()),
        ),
        Kind::Topic => (
            "topics.config",
            "a topic",
            TopicConfig::SETTINGS,
            toml::Table::try_from(TopicConfig::default()),
        ),
        Kind::Producer => (
            "producers.config",
            "a producer",
            ProducerConfig::SETTINGS,
            toml::Table::try_from(ProducerConfig::default()),
        ),
        Kind::Consumer => (
            "consumers.config",
            "a consumer",
            ConsumerConfig::SETTINGS,
            toml::Table::try_from(consumer_defaults()),
        ),
    };
    SettingsSection {
        place,
        kind,
        whose,
        settings,
        defaults: defaults.expect("settings are numbers, texts and truth values"),
    }
}

/// A scenario's consumers begin at the first record unless the file says otherwise: what they missed could not be judged.
#[must_use]
pub fn consumer_defaults() -> ConsumerConfig {
    ConsumerConfig {
        auto_offset_reset: AutoOffsetReset::Earliest,
        ..ConsumerConfig::default()
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
    ("connections.max.idle.ms", 1),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(section: &SettingsSection, key: &str, value: &str) -> Result<(), String> {
        let value = toml::Value::String(value.to_owned());
        let table = toml::Value::Table(toml::Table::from_iter([(key.to_owned(), value)]));
        let read = match section.kind {
            Kind::Broker => table.try_into::<BrokerConfig>().err(),
            Kind::Topic => table.try_into::<TopicConfig>().err(),
            Kind::Producer => table.try_into::<ProducerConfig>().err(),
            Kind::Consumer => table.try_into::<ConsumerConfig>().err(),
        };
        read.map_or(Ok(()), |error| Err(error.message().to_owned()))
    }

    #[test]
    fn words_of_settings_are_those_that_are_read() {
        let mut seen = 0;
        for section in settings_sections() {
            for setting in section.settings {
                let (SettingType::Word(words) | SettingType::WordOr(words, _)) = setting.takes else {
                    continue;
                };
                for word in words {
                    assert_eq!(takes(&section, setting.key, word), Ok(()), "{word}");
                }
                let refused = takes(&section, setting.key, "nonsense").expect_err("no word");
                for known in refused.split('`').skip(3).step_by(2) {
                    let is_form = known.contains(':');
                    assert!(words.contains(&known) || is_form, "{}: {refused}", setting.key);
                }
                seen += 1;
            }
        }
        assert_eq!(seen, 4);
    }

    #[test]
    fn no_setting_is_modelled_and_not_modelled() {
        for section in settings_sections() {
            let both = section
                .settings
                .iter()
                .filter(|setting| unmodelled(section.kind, setting.key).is_some());
            let both: Vec<&str> = both.map(|setting| setting.key).collect();
            assert!(both.is_empty(), "{}: {both:?}", section.place);
        }
    }

    #[test]
    fn whole_numbers_have_a_unit() {
        for setting in settings_sections().iter().flat_map(|section| section.settings) {
            let is_whole = matches!(setting.takes, SettingType::Whole(_));
            let has_unit = unit_of(setting).is_some() || setting.key == "retries";
            assert!(has_unit || !is_whole, "{} counts what?", setting.key);
        }
    }

    #[test]
    fn bounds_are_those_of_settings_that_there_are() {
        let sections = settings_sections();
        let known = |key: &&str| sections.iter().any(|section| section.setting(key).is_some());
        assert!(AT_LEAST.iter().map(|(key, _)| key).all(known));
        assert!(INTS.iter().all(known));
        for setting in sections.iter().flat_map(|section| section.settings) {
            let (least, most) = bounds(setting);
            assert!(least < most && !setting.meaning.is_empty(), "{setting:?}");
        }
    }
}

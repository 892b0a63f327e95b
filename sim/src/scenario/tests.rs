//! Whole files in, scenarios or messages out.

mod records;
mod workers;

use core::time::Duration;
use std::fs;
use std::path::PathBuf;

use broker_core::config::{AcksSetting, AutoOffsetReset};
use proptest::prelude::*;

use super::examples::FULL;
use super::files::{MOST_BYTES, find, load, load_one};
use super::keys::sections;
use super::parse::parse;
use super::write::to_toml;
use super::*;
use crate::faults::Target;
use crate::faults::partition::Partition;
use crate::nemesis;
use crate::toml_file::error::{ScenarioError, Severity, render_problems};
use crate::toml_file::keys::{Default, Key, Section};

/// The shortest scenario: all else has defaults.
const TOPIC: &str = "[[topics]]\nname = \"orders\"\n";

fn read(text: &str) -> Scenario {
    match parse("test", "test.toml", text) {
        Ok(parsed) => parsed.scenario,
        Err(error) => panic!("{}", error.render(false)),
    }
}

fn refused(text: &str) -> String {
    match parse("test", "test.toml", text) {
        Ok(parsed) => panic!("{text}\nwas accepted: {:?}", parsed.scenario),
        Err(error) => error.render(false),
    }
}

/// The messages of some files, each under its file's text.
fn messages(files: &[&str], message: impl Fn(&str) -> String) -> String {
    files
        .iter()
        .map(|text| format!("{text}\n{}\n", message(text)))
        .collect::<Vec<_>>()
        .join("=====\n")
}

/// Files that have a valid topic above these lines.
fn below_topic(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| format!("{TOPIC}{line}")).collect()
}

fn refused_below_topic(lines: &[&str]) -> String {
    let files = below_topic(lines);
    messages(&files.iter().map(String::as_str).collect::<Vec<_>>(), refused)
}

#[test]
fn every_key_is_read() {
    insta::assert_debug_snapshot!("full", read(&FULL));
}

#[test]
fn the_full_file_really_has_every_key() {
    let has = |name: &str| {
        let name = name.to_owned();
        FULL.lines().any(|line| {
            let key = |part: &str| part.trim().trim_start_matches("{ ").split(" =").next() == Some(name.as_str());
            line.trim_matches(['[', ']']).rsplit('.').next() == Some(name.as_str()) || line.split([',', '{']).any(key)
        })
    };
    for section in sections() {
        for key in section.keys {
            // A cluster has either kind of controllers.
            assert!(
                has(key.name) || key.name == "dedicated_controllers",
                "full.toml lacks `{}` of `{}`",
                key.name,
                section.name
            );
        }
    }
}

/// The keys of a section that have a value by default, with that value.
fn defaults(section: &Section) -> impl Iterator<Item = (&Key, &'static str)> {
    section.keys.iter().filter_map(|key| match key.default {
        Default::Value(default) => Some((key, default)),
        Default::Required | Default::Words(_) => None,
    })
}

#[test]
fn the_defaults_are_those_that_explain_shows() {
    let plain = read(TOPIC);
    let parts = [
        ("", ""),
        ("cluster", "[cluster]"),
        ("cluster.hardware", "[cluster.hardware]"),
        ("cluster.network", "[cluster.network]"),
        ("topics", ""),
        ("limits", "[limits]"),
    ];
    for (name, header) in parts {
        let section = sections()
            .into_iter()
            .find(|section| section.name == name)
            .expect("a section");
        for (key, default) in defaults(section) {
            let line = format!("{} = {default}\n", key.name);
            let text = match name {
                "" => format!("{line}{TOPIC}"),
                "topics" => format!("{TOPIC}{line}"),
                _ => format!("{TOPIC}{header}\n{line}"),
            };
            assert_eq!(read(&text), plain, "{line} in `{name}`");
        }
    }
    let producer = "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\n";
    let consumer = "[[consumers]]\nname = \"c\"\ntopic = \"orders\"\n";
    for (name, header) in [
        ("producers", producer),
        ("consumers", consumer),
        ("workers", "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\n"),
        (
            "workers",
            "[[workers]]\nname = \"w\"\ntopics = [\"orders\"]\nprogram = \"blocking-retry\"\n",
        ),
        ("services", "[[services]]\nname = \"s\"\n"),
        ("nemesis", "[nemesis]\n"),
        (
            "nemesis.weights",
            "[nemesis.weights]\nkill = 3\nrestart = 1\npause = 1\npartition = 2\none_way = 1\nslow_disk = 1\nlink = 1\n",
        ),
    ] {
        let section = sections()
            .into_iter()
            .find(|section| section.name == name)
            .expect("a section");
        let without = read(&format!("{TOPIC}{header}"));
        for (key, default) in defaults(section) {
            // Some keys belong to some programs alone.
            let of_others = match header.contains("[[workers]]") {
                true if header.contains("blocking") => ["tasks", "batch_size", "copy_first", "", ""],
                true => ["tasks", "batch_size", "copy_first", "attempts", "backoff"],
                false => [""; 5],
            };
            if header.contains(&format!("{} =", key.name)) || of_others.contains(&key.name) {
                continue;
            }
            assert_eq!(
                read(&format!("{TOPIC}{header}{} = {default}\n", key.name)),
                without,
                "{} in `{name}`",
                key.name
            );
        }
    }
}

#[test]
fn what_kafka_derives_is_derived() {
    let producer = |config: &str| {
        let text = format!("{TOPIC}[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nconfig = {{ {config} }}");
        read(&text).producers[0].config.clone()
    };
    assert!(producer("").enable_idempotence);
    for one in [
        "acks = \"1\"",
        "acks = 1",
        "\"acks\" = \"0\"",
        "retries = 0",
        "\"max.in.flight.requests.per.connection\" = 6",
    ] {
        assert!(!producer(one).enable_idempotence, "{one}");
    }
    assert_eq!(producer("acks = -1").acks, AcksSetting::All);
    assert_eq!(producer("\"linger.ms\" = \"200\"").linger_ms, 200);
    assert_eq!(
        producer("\"request.timeout.ms\" = 300000, \"linger.ms\" = 5").delivery_timeout_ms,
        300_005
    );
    let consumer = format!("{TOPIC}[[consumers]]\nname = \"c\"\ntopic = \"orders\"\n");
    assert_eq!(
        read(&consumer).consumers[0].config.auto_offset_reset,
        AutoOffsetReset::Earliest
    );
    let latest = format!("{consumer}config = {{ \"auto.offset.reset\" = \"latest\" }}");
    assert_eq!(
        read(&latest).consumers[0].config.auto_offset_reset,
        AutoOffsetReset::Latest
    );
    let quiet = format!("{consumer}config = {{ \"fetch.max.wait.ms\" = 10 }}");
    assert_eq!(
        read(&quiet).consumers[0].config.auto_offset_reset,
        AutoOffsetReset::Earliest
    );
}

#[test]
fn small_clusters_have_small_defaults() {
    for (brokers, controllers, replicas) in [(1, 1, 1), (2, 1, 2), (3, 3, 3), (9, 3, 3)] {
        let scenario = read(&format!("{TOPIC}[cluster]\nbrokers = {brokers}"));
        assert_eq!(scenario.cluster.combined_controllers, controllers);
        assert_eq!(scenario.topics[0].replication_factor, replicas);
    }
    let dedicated = read(&format!("{TOPIC}[cluster]\ndedicated_controllers = 3"));
    assert_eq!(
        (
            dedicated.cluster.combined_controllers,
            dedicated.cluster.dedicated_controllers
        ),
        (0, 3)
    );
}

#[test]
fn a_single_group_is_isolated_from_all_others() {
    let faults = "[[faults]]\nat = \"1s\"\npartition = [[\"leader of orders/0\"]]";
    let scenario = read(&format!("{TOPIC}{faults}"));
    let groups = vec![vec![Target::LeaderOf("orders".to_owned(), 0)]];
    assert_eq!(scenario.faults[0].fault, Partition(groups).into());
    assert_eq!(
        (scenario.faults[0].at, scenario.faults[0].until),
        (Duration::from_secs(1), None)
    );
}

#[track_caller]
fn reads_back(scenario: &Scenario) {
    let text = to_toml(scenario);
    match parse(&scenario.name, "written.toml", &text) {
        Ok(parsed) => assert_eq!(parsed.scenario, *scenario, "{text}"),
        Err(error) => panic!("{text}\n{}", error.render(false)),
    }
}

#[test]
fn what_is_written_reads_back() {
    for text in [&**FULL, TOPIC] {
        reads_back(&read(text));
    }
    insta::assert_snapshot!("written", to_toml(&read(&FULL)));
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    for found in find(&[root]).expect("there are scenarios") {
        reads_back(&load(&found).expect("it is valid").scenario);
    }
}

#[test]
fn messages_about_syntax() {
    let files = [
        "",
        "# nothing but a comment",
        "duration = ",
        "duration = \"60s",
        "[[topics]\nname = \"orders\"",
        "duration = \"1s\"\nduration = \"2s\"",
        "cluster = 3\n[cluster.network]\n",
    ];
    insta::assert_snapshot!("syntax", messages(&files, refused));
}

#[test]
fn messages_about_keys() {
    let lines = [
        "partitons = 3",
        "[cluster]\nborkers = 3\ncolour = \"red\"",
        "[[producer]]\nname = \"p\"",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"",
        "[[faults]]\nat = \"1s\"\nslow_disk = { target = \"broker 1\" }",
        "[topics.config]\n\"min.insync.replica\" = 2\nacks = \"all\"\n\"some.thing.else\" = 1",
        "[topics.config]\nmin.insync.replicas = 2",
        "[cluster.config]\nreplica.lag.time.max = 10000",
    ];
    let mut text = messages(&["[[topics]]\npartitions = 3", "duration = \"10s\""], refused);
    text.push_str("=====\n");
    text.push_str(&refused_below_topic(&lines));
    insta::assert_snapshot!("keys", text);
}

#[test]
fn settings_of_kafka_that_are_not_modelled() {
    let client = |section: &str, config: &str| {
        let head = format!("[[{section}]]\nname = \"c\"\n");
        match section {
            "producers" => format!("{head}topic = \"orders\"\nrate = 1\nconfig = {{ {config} }}"),
            "consumers" => format!("{head}topic = \"orders\"\nconfig = {{ {config} }}"),
            _ => format!("{head}topics = [\"orders\"]\nconsumer = {{ {config} }}"),
        }
    };
    let lines = [
        "[topics.config]\n\"retention.ms\" = 20000\n\"cleanup.policy\" = \"compact\"".to_owned(),
        "[topics.config]\nretention.ms = 20000".to_owned(),
        "[topics.config]\n\"retention.msec\" = 20000".to_owned(),
        "[topics.config]\n\"linger.ms\" = 5".to_owned(),
        "[cluster.config]\n\"broker.rack\" = \"a\"\n\"auto.leader.rebalance.enable\" = true\n\"quota.producer.default\" = 1".to_owned(),
        client("producers", "\"transactional.id\" = \"t\", \"compression.type\" = \"zstd\", \"partitioner.class\" = \"x\""),
        client("producers", "\"linger.ms\" = \"5ms\", \"batch.size\" = \"16KiB\", \"delivery.timeout.ms\" = -1"),
        client("consumers", "\"client.rack\" = \"a\""),
        client("consumers", "\"isolation.level\" = \"read_committed\""),
        client("consumers", "\"auto.offset.reset\" = \"by_duration:1h\""),
        client("producers", "\"request.timeout.ms\" = 3000000000, \"delivery.timeout.ms\" = 3000000000000"),
        client("workers", "\"group.protocol\" = \"consumer\", \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 100, \"partition.assignment.strategy\" = \"range\""),
        client("workers", "\"group.remote.assignor\" = \"range\", \"group.instance.id\" = \"\""),
        "[[faults]]\nat = \"1s\"\nwipe = { target = \"broker 1\" }".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    insta::assert_snapshot!("not_modelled", refused_below_topic(&lines));
    // What a trial does anyway may be said, under any of Kafka's spellings.
    for harmless in [
        client(
            "producers",
            "\"compression.type\" = \"none\", \"client.id\" = \"app\", acks = -1",
        ),
        client(
            "consumers",
            "\"auto.offset.reset\" = \"by_duration:PT1H\", \"check.crcs\" = false, \"isolation.level\" = \"read_uncommitted\"",
        ),
        "[topics.config]\n\"cleanup.policy\" = \"delete\"\n\"retention.ms\" = \"604800000\"".to_owned(),
        "[cluster.config]\n\"auto.leader.rebalance.enable\" = false\n\"num.recovery.threads.per.data.dir\" = 4"
            .to_owned(),
    ] {
        read(&format!("{TOPIC}{harmless}"));
    }
}

#[test]
fn topics_take_their_defaults_from_the_brokers() {
    let cluster = "[cluster.config]\n\"min.insync.replicas\" = 2\n\"message.max.bytes\" = 5000\n\"log.segment.bytes\" = 2000\n\
                   \"log.flush.interval.messages\" = 1\n\"unclean.leader.election.enable\" = true\n";
    let scenario = read(&format!(
        "{cluster}{TOPIC}[topics.config]\n\"min.insync.replicas\" = 1\n[[topics]]\nname = \"plain\"\n"
    ));
    let [orders, plain] = [0, 1].map(|index| scenario.topics[index].config.clone());
    assert_eq!((orders.min_insync_replicas, plain.min_insync_replicas), (1, 2));
    assert_eq!((plain.max_message_bytes, plain.segment_bytes), (5000, 2000));
    assert_eq!((plain.flush_messages, plain.unclean_leader_election_enable), (1, true));
    reads_back(&scenario);
}

#[test]
fn lint_doubts_settings_that_do_nothing() {
    let text = format!(
        "teaches = \"something\"\n{TOPIC}[[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 1\nconfig = {{ \"send.buffer.bytes\" = 1000 }}\n\
         [[consumers]]\nname = \"reader\"\ntopic = \"orders\"\nconfig = {{ \"group.id\" = \"billing\", \"session.timeout.ms\" = 10 }}\n"
    );
    let parsed = parse("test", "test.toml", &text).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let warnings = super::lint::warnings(&parsed.scenario, &parsed.marks);
    insta::assert_snapshot!(
        "settings_without_effect",
        render_problems("test.toml", &text, &warnings, Severity::Warning, false)
    );
}

#[test]
fn messages_about_types_and_values() {
    let files = [
        "duration = 60\n",
        "duration = \"60\"\n",
        "duration = \"0s\"\n",
        "duration = true\n",
        "settle = \"100000h\"\n",
        "seeds = 3\n",
        "seeds = \"3\"\n",
        "seeds = \"3..3\"\n",
        "expect = \"lost-write\"\n",
        "expect = \"lost\"\n",
        "expect = []\n",
        "expect = [\"lost-writes\", 3]\n",
        "forbid = \"lost-write\"\n",
        "expect = [\"lost-write\"]\nforbid = [\"lost-write\", \"duplicates\"]\n",
        "at_most = 20\n",
        "at_most = { reproccessed = 20, elephant = 1 }\n",
        "at_most = { reprocessed = 0 }\nat_least = { lost-write = \"1\" }\n",
        "at_most = { reprocessed = 2 }\nat_least = { reprocessed = 3 }\n",
        "forbid = [\"lost-write\", \"duplicate\"]\nat_most.duplicate = 3\nat_least.lost-write = 1\n",
        "quirks = [\"ack-before-irs\"]\n",
        "quirks = \"ack-before-isr\"\n",
        "teaches = 2026-01-01\n",
        "topics = 3\n",
    ];
    let files: Vec<String> = files
        .iter()
        .map(|line| {
            if line.starts_with("topics") {
                (*line).to_owned()
            } else {
                format!("{line}{TOPIC}")
            }
        })
        .collect();
    let mut text = messages(&files.iter().map(String::as_str).collect::<Vec<_>>(), refused);
    let producer = |line: &str| format!("[[producers]]\nname = \"p\"\ntopic = \"orders\"\n{line}");
    let producers: Vec<String> = [
        "rate = -1",
        "rate = nan",
        "rate = inf",
        "rate = \"10\"",
        "rate = 99999999999999999999",
        "rate = 1\ncount = 0",
        "rate = 1\nrecord_size = 7",
        "rate = 1\nrecord_size = \"1ZB\"",
        "rate = 1\nkeys = \"some\"",
        "rate = 1\nkeys = { distribution = \"zpif\", count = 10 }",
        "rate = 1\nkeys = { distribution = \"hot\", count = 10, share = 1.5 }",
        "rate = 1\nkeys = { distribution = \"uniform\", count = 10, exponent = 2 }",
        "rate = 1\nconfig = { acks = \"some\", \"linger.ms\" = -1, \"enable.idempotence\" = 1, \"batch.size\" = 1.5, retries = [3] }",
        "rate = 1\nconfig = { acks = 2 }",
    ]
    .iter()
    .map(|line| producer(line))
    .collect();
    text.push_str("=====\n");
    text.push_str(&refused_below_topic(
        &producers.iter().map(String::as_str).collect::<Vec<_>>(),
    ));
    text.push_str("=====\n");
    text.push_str(&refused_below_topic(&[
        "partitions = 0",
        "partitions = 3.5",
        "replication_factor = 0",
        "[cluster]\nbrokers = 0",
        "[cluster.hardware]\nnic = \"fast\"\ncpu_per_byte = 1",
    ]));
    insta::assert_snapshot!("types", text);
}

#[test]
fn messages_about_impossible_scenarios() {
    let lines = [
        "replication_factor = 5",
        "[[topics]]\nname = \"orders\"",
        "[[topics]]\nname = \"a/b\"",
        "[[topics]]\nname = \"__consumer_offsets\"",
        "[cluster]\ncontrollers = 5",
        "[cluster]\ncontrollers = 3\ndedicated_controllers = 3",
        "[cluster.network]\nlatency_min = \"2ms\"\nlatency_mean = \"1ms\"",
        "[cluster.config]\n\"broker.session.timeout.ms\" = 2000",
        "[topics.config]\n\"min.insync.replicas\" = 0",
        "[[producers]]\nname = \"p\"\ntopic = \"order\"\nrate = 1",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nstart = \"2m\"",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nstart = \"20s\"\nstop = \"10s\"",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1000000\ncount = 100",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nconfig = { acks = 1, \"enable.idempotence\" = true }",
        "[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nconfig = { \"delivery.timeout.ms\" = 1000 }",
        "[[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 1\n[[consumers]]\nname = \"app\"\ntopic = \"payments\"",
        "[[consumers]]\nname = \"an app\"\ntopic = \"orders\"",
        "[limits]\nsim_time = \"10s\"",
    ];
    insta::assert_snapshot!("impossible", refused_below_topic(&lines));
}

#[test]
fn messages_about_faults() {
    let fault =
        |lines: &str| format!("[[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 1\n[[faults]]\n{lines}");
    let files: Vec<String> = [
        "kill = \"broker 1\"",
        "at = \"1s\"",
        "at = \"1s\"\nfor = \"2s\"\nkil = \"broker 1\"",
        "at = \"1s\"\nkill = \"broker 1\"\npause = \"broker 2\"",
        "at = \"60s\"\nkill = \"broker 1\"",
        "at = \"1s\"\nfor = \"0s\"\nkill = \"broker 1\"",
        "at = \"1s\"\nkill = \"broker 4\"",
        "at = \"1s\"\nkill = \"borker 1\"",
        "at = \"1s\"\nkill = \"controller 1\"",
        "at = \"1s\"\nkill = \"leader of orders\"",
        "at = \"1s\"\nkill = \"leader of order/0\"",
        "at = \"1s\"\nkill = \"leader of orders/1\"",
        "at = \"1s\"\nkill = \"client app\"",
        "at = \"1s\"\nkill = \"client ap/1\"",
        "at = \"1s\"\nkill = \"client app/2\"",
        "at = \"1s\"\nkill = \"another follower\"",
        "at = \"1s\"\npower_loss = \"client app/1\"",
        "at = \"1s\"\npartition = []",
        "at = \"1s\"\npartition = [[\"broker 1\"], []]",
        "at = \"1s\"\npartition = [\"broker 1\", \"broker 2\"]",
        "at = \"1s\"\nslow_disk = { target = \"broker 1\", factor = 0.5 }",
        "at = \"1s\"\nlink = { from = \"broker 1\", to = \"broker 2\", drop = 2 }",
        "at = \"1s\"\nlink = { from = \"broker 1\", to = \"broker 2\", duplicate = 0.1 }",
        "at = \"1s\"\nlink = { from = \"broker 1\", to = \"broker 2\", stall = true, delay = \"5ms\" }",
        "at = \"1s\"\nclock = { target = \"broker 1\" }",
        "at = \"1s\"\nclock = { target = \"broker 1\", jump = \"-5\", drift = -600_000, monotonic_drift = 0.5 }",
        "at = \"1s\"\nhold = { from = \"broker 1\", to = \"broker 2\", api = \"Fecth\" }",
        "at = \"1s\"\nhold = { from = \"broker 1\", to = \"broker 2\", api = \"Sausage\", response = 1 }",
    ]
    .iter()
    .map(|lines| fault(lines))
    .collect();
    let single = format!("{TOPIC}[faults]\nat = \"1s\"");
    let text = refused_below_topic(&files.iter().map(String::as_str).collect::<Vec<_>>());
    insta::assert_snapshot!("faults", format!("{text}=====\n{}", messages(&[&single], refused)));
}

#[test]
fn messages_about_the_nemesis() {
    let lines = [
        "[nemesis]\nstart = \"60s\"",
        "[nemesis]\nstop = \"61s\"",
        "[nemesis]\nstart = \"20s\"\nstop = \"10s\"",
        "[nemesis]\ninterval = \"0s\"",
        "[nemesis]\ninterval = \"1us\"",
        "[nemesis]\nmax_concurrent = 0",
        "[nemesis]\nweights = { kill = 0 }",
        "[nemesis]\nweights = { kil = 1 }",
    ];
    insta::assert_snapshot!("nemesis", refused_below_topic(&lines));
}

#[test]
fn messages_about_measures() {
    let clients = "[[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 1\n[[workers]]\nname = \"bills\"\ngroup = \"billing\"\ntopics = [\"orders\"]\n";
    let files: Vec<String> = [
        "{ below = 1 }",
        "{ that = \"lag(billing)\" }",
        "{ that = \"lag billing\", below = 1 }",
        "{ that = \"lags(billing)\", below = 1 }",
        "{ that = \"latency(billing)\", below = 1 }",
        "{ that = \"lag()\", below = 1 }",
        "{ that = 3, below = \"1\", abvoe = 3 }",
        "{ that = \"lag(bills)\", below = -1 }",
        "{ that = \"lag(bills)\", below = 1 }",
        "{ that = \"processed(other-group)\", below = 1 }",
        "{ that = \"sent(ap)\", below = 1 }",
        "{ that = \"committed(order)\", below = 1 }",
        "{ that = \"lag(billing)\", below = 1, above = 1 }",
        "{ that = \"lag(billing)\", below = 1, at = \"1s\", until = \"2s\" }",
        "{ that = \"lag(billing)\", below = 1, from = \"3s\", until = \"2s\" }",
        "{ that = \"lag(billing)\", below = 1, from = \"61s\" }",
        "{ that = \"lag(billing)\", below = 1, at = \"2m\" }",
        "{ that = \"lag(billing)\", below = 1, until = \"1h\" }",
        "{ that = \"lag(billing)\", below = 1, aggregate = \"median\" }",
        "{ that = \"failed()\", below = 1, aggregate = \"max\" }",
    ]
    .iter()
    .map(|measure| format!("measures = [{measure}]\n{TOPIC}{clients}"))
    .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let text = messages(&files, refused).replace(&format!("{TOPIC}{clients}"), "");
    insta::assert_snapshot!("measures", text);
}

#[test]
fn doubts_of_lint() {
    let doubts = |text: &str| {
        let parsed = parse("test", "test.toml", text).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let warnings = super::lint::warnings(&parsed.scenario, &parsed.marks);
        render_problems("test.toml", text, &warnings, Severity::Warning, false)
    };
    let load = "[[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 1\n[[consumers]]\nname = \"reader\"\ntopic = \"orders\"\n";
    let head = "teaches = \"something\"\n";
    let files: Vec<String> = [
        TOPIC.to_owned(),
        format!("{head}expect = [\"lost-write\", \"lost-write\"]\n{TOPIC}{load}"),
        format!("{head}[cluster]\ncontrollers = 2\n{TOPIC}{load}"),
        format!("{head}{TOPIC}replication_factor = 1\nconfig = {{ \"min.insync.replicas\" = 2 }}\n{load}"),
        format!("{head}{TOPIC}[[topics]]\nname = \"other\"\n{load}"),
        format!("{head}{TOPIC}{load}count = 4\n"),
        format!("{head}{TOPIC}[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 0\n{load}"),
        format!("{head}{TOPIC}[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1000\nrecord_size = \"2MiB\"\nstop = \"70s\"\nkeys = {{ distribution = \"uniform\", count = 1 }}\n{load}"),
        format!("{head}{TOPIC}{load}[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nkeys = {{ distribution = \"uniform\", count = 1 }}\nconfig = {{ \"partitioner.ignore.keys\" = true, \"partitioner.availability.timeout.ms\" = 100, \"partitioner.adaptive.partitioning.enable\" = false }}\n"),
        format!("{head}{TOPIC}replication_factor = 1\n{load}[[faults]]\nat = \"1s\"\nkill = \"a follower of orders/0\"\n"),
        format!("{head}{TOPIC}{load}[[faults]]\nat = \"1s\"\nfor = \"1s\"\nrestart = \"broker 1\"\n[[faults]]\nat = \"50s\"\nfor = \"20s\"\nlink = {{ from = \"broker 1\", to = \"broker 2\" }}\n[[faults]]\nat = \"1s\"\none_way = {{ from = \"broker 1\", to = \"broker 1\" }}\n"),
        format!("{head}{TOPIC}{load}[nemesis]\ninterval = \"2m\"\n"),
        format!("{head}duration = \"20 days\"\n{TOPIC}{load}"),
        format!("{head}duration = \"60s\"\n{TOPIC}partitions = 10000\n{load}"),
        format!("{head}{TOPIC}[[producers]]\nname = \"p\"\ntopic = \"orders\"\nrate = 1\nconfig = {{ acks = \"0\" }}\n"),
        format!("{head}{TOPIC}{load}[[faults]]\nat = \"5s\"\nfor = \"10s\"\nkill = \"broker 1\"\n[[faults]]\nat = \"6s\"\nfor = \"9s\"\npause = \"broker 1\"\n[[faults]]\nat = \"6s\"\nfor = \"9s\"\npartition = [[\"broker 1\"]]\n[[faults]]\nat = \"6s\"\nfor = \"10s\"\nslow_disk = {{ target = \"broker 1\", factor = 9 }}\n[[faults]]\nat = \"14s\"\nrestart = \"broker 1\"\n[[faults]]\nat = \"16s\"\nrestart = \"broker 1\"\n"),
        format!("{head}{TOPIC}{load}[[faults]]\nat = \"1s\"\npartition = [[\"broker 1\"], [\"broker 1\"]]\n"),
    ]
    .into();
    insta::assert_snapshot!(
        "doubts",
        messages(&files.iter().map(String::as_str).collect::<Vec<_>>(), doubts)
    );
    assert_eq!(
        doubts(&format!(
            "{head}{TOPIC}{load}[[faults]]\nat = \"1s\"\nfor = \"1s\"\nkill = \"leader of orders/0\"\n"
        )),
        ""
    );
}

#[test]
fn lint_reports_a_partition_that_cuts_nothing() {
    let cuts_nothing = |cluster: &str, groups: &str| {
        let text = format!(
            "teaches = \"something\"\n[cluster]\n{cluster}\n{TOPIC}replication_factor = 1\n\
             [[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 1\n\
             [[consumers]]\nname = \"reader\"\ntopic = \"orders\"\n\
             [[faults]]\nat = \"1s\"\npartition = {groups}\n"
        );
        let parsed = parse("test", "test.toml", &text).unwrap_or_else(|error| panic!("{}", error.render(false)));
        let warnings = super::lint::warnings(&parsed.scenario, &parsed.marks);
        warnings
            .iter()
            .any(|problem| problem.message.contains("can never fire"))
    };
    let (three, one, both) = (
        "brokers = 3",
        "brokers = 1\ncontrollers = 1",
        "brokers = 1\ndedicated_controllers = 1",
    );
    for (cluster, groups, nothing) in [
        (three, "[[\"broker 1\"], [\"broker 1\"]]", true),
        (three, "[[\"leader of orders/0\"], [\"leader of orders/0\"]]", true),
        (three, "[[\"all\"]]", true),
        (three, "[[\"broker 1\", \"broker 2\", \"broker 3\"]]", true),
        (three, "[[\"broker 1\"]]", false),
        (three, "[[\"broker 1\"], [\"broker 2\"]]", false),
        (three, "[[\"broker 1\", \"broker 2\"], [\"broker 1\"]]", false),
        (three, "[[\"all\"], [\"all\"]]", false),
        (three, "[[\"client app/1\"]]", false),
        (one, "[[\"broker 1\"]]", true),
        (one, "[[\"broker 1\"], [\"the controller\"]]", true),
        (one, "[[\"broker 1\"], [\"client app/1\"]]", false),
        (both, "[[\"broker 1\"]]", false),
        (both, "[[\"broker 1\", \"controller 1\"]]", true),
    ] {
        assert_eq!(cuts_nothing(cluster, groups), nothing, "{cluster}: {groups}");
    }
}

#[test]
fn a_file_with_many_problems_shows_the_first_twenty() {
    let text: String = (0..30).map(|number| format!("key_{number} = 1\n")).collect();
    let shown = refused(&text);
    assert_eq!(shown.matches("error:").count(), 20);
    assert!(shown.ends_with("… and 11 more in test.toml\n"), "{shown}");
}

#[test]
fn the_shipped_scenarios_are_valid_and_without_doubts() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let found = find(&[root]).expect("there are scenarios");
    assert!(found.len() >= 16);
    for found in found {
        let loaded = load(&found).unwrap_or_else(|error| panic!("{}", error.render(false)));
        assert_eq!(
            super::lint::warnings(&loaded.scenario, &loaded.marks),
            [],
            "{}",
            found.name
        );
    }
}

// ---- files

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("trial-files-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

#[test]
fn messages_about_files() {
    let folder = scratch("messages");
    let at = |name: &str| folder.join(name);
    fs::create_dir_all(at("empty")).expect("made");
    fs::create_dir_all(at("one")).expect("made");
    fs::create_dir_all(at("two")).expect("made");
    fs::write(at("one/same.toml"), TOPIC).expect("written");
    fs::write(at("two/same.toml"), TOPIC).expect("written");
    fs::write(at("large.toml"), vec![b'#'; MOST_BYTES as usize + 1]).expect("written");
    fs::write(at("latin1.toml"), b"teaches = \"caf\xe9\"").expect("written");
    let mut text = String::new();
    for path in ["missing.toml", "empty", "large.toml", "latin1.toml", "/dev/null"] {
        let error = find(&[folder.join(path)])
            .and_then(|found| load(&found[0]))
            .expect_err(path);
        text.push_str(&error.render(false));
    }
    text.push_str(&load_one(&at("one")).expect_err("a folder").render(false));
    text.push_str(&find(&[at("one"), at("two")]).expect_err("two names").render(false));
    insta::assert_snapshot!("files", text.replace(&folder.display().to_string(), "FOLDER"));
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn names_are_paths_below_the_scenarios() {
    let folder = scratch("names");
    for file in [
        "suite/scenarios/a/one.toml",
        "suite/scenarios/two.toml",
        "other/deep/three.toml",
        "other/notes.txt",
        "other/.hidden.toml",
    ] {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, TOPIC).expect("written");
    }
    let names = |paths: &[&str]| -> Vec<String> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.join(path)).collect();
        find(&paths)
            .expect("found")
            .into_iter()
            .map(|found| found.name)
            .collect()
    };
    assert_eq!(names(&["suite"]), ["a/one", "two"]);
    assert_eq!(names(&["suite/scenarios/a"]), ["a/one"]);
    assert_eq!(names(&["suite/scenarios/a/one.toml"]), ["a/one"]);
    assert_eq!(names(&["other"]), ["deep/three"]);
    assert_eq!(names(&["other/deep/three.toml"]), ["three"]);
    assert_eq!(
        names(&["suite", "suite/scenarios/two.toml", "other"]),
        ["a/one", "two", "deep/three"]
    );
    fs::remove_dir_all(folder).expect("removed");
}

proptest! {
    /// Also with times and rates that nobody would write.
    #[test]
    fn what_is_drawn_reads_back(
        seed in any::<u64>(),
        teaches in "\\PC{0,20}[\"'\\\\\n\t]{0,3}",
        rate in 0.0..100.0,
        cpu in 0.0..1e4,
        share in 0.0..=1.0,
        start in 0u64..1_000_000_000,
    ) {
        let mut scenario = read(&FULL);
        scenario.faults = nemesis::plan(&scenario, seed);
        scenario.teaches = teaches;
        scenario.producers[0].rate = rate;
        scenario.producers[1].keys = Keys::Hot { count: 3, share };
        scenario.producers[1].start = Duration::from_nanos(start);
        scenario.cluster.hardware.cpu_per_byte_ns = cpu;
        scenario.nemesis = None;
        reads_back(&scenario);
    }

    /// Any damage to a file gives a scenario or a message, and every message shows a place in the file.
    #[test]
    fn no_file_breaks_the_reader(start in 0usize..FULL.len(), length in 0usize..60, put in "[\\PC\n]{0,12}") {
        let end = (start + length).min(FULL.len());
        prop_assume!(FULL.is_char_boundary(start) && FULL.is_char_boundary(end));
        let text = format!("{}{put}{}", &FULL[..start], &FULL[end..]);
        if let Err(error) = parse("test", "test.toml", &text) {
            prop_assert!(error.render(false).contains("test.toml:"));
            let ScenarioError::Invalid { problems, .. } = error else { panic!("only the content can be wrong") };
            for problem in problems {
                prop_assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len());
            }
        }
    }

    #[test]
    fn no_value_breaks_the_reader(
        key in prop::sample::select(sections().into_iter().flat_map(|section| section.keys.iter().map(move |key| (section.name, key.name))).collect::<Vec<_>>()),
        value in prop::sample::select(vec!["0", "-1", "1e308", "nan", "inf", "-0.0", "9223372036854775807", "99999999999999999999", "0xffff_ffff", "true", "\"\"", "\"x\"", "\"9999999h\"", "[]", "[[]]", "{}", "{ a = 1 }", "1979-05-27"]),
    ) {
        let (section, name) = key;
        let mut table: toml::Table = FULL.parse().expect("the file is TOML");
        let value: toml::Value = toml::from_str::<toml::Table>(&format!("v = {value}")).map(|table| table["v"].clone()).unwrap_or(toml::Value::Integer(0));
        let mut place = &mut table;
        for part in section.split('.').filter(|part| !part.is_empty()) {
            let next = place.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            place = match next {
                toml::Value::Array(items) => items[0].as_table_mut().expect("a list of tables"),
                toml::Value::Table(table) => table,
                _ => return Ok(()),
            };
        }
        place.insert(name.to_owned(), value);
        let text = table.to_string();
        if let Err(error) = parse("test", "test.toml", &text) {
            prop_assert!(error.render(false).contains("test.toml:"));
        }
    }
}

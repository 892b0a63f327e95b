//! Real groups under real faults: what they do is legal, so no check may call it a violation.

use core::time::Duration;

use broker_core::config::{AutoOffsetReset, ConsumerConfig, GroupProtocol};

use crate::history::ProcessOutcome;
use crate::program::Env;
use crate::program::Instances;
use crate::trial::{Trial, Verdict};

const STAGE: &str = r#"
duration = "40s"
settle = "90s"

[cluster]
brokers = 3

[cluster.config]
"broker.session.timeout.ms" = 6000
"replica.lag.time.max.ms" = 10000
"offsets.topic.num.partitions" = 2
"group.initial.rebalance.delay.ms" = 500
"group.consumer.session.timeout.ms" = 8000
"group.consumer.heartbeat.interval.ms" = 2000

[[topics]]
name = "orders"
partitions = 6
replication_factor = 3
config = { "min.insync.replicas" = 2 }

[[producers]]
name = "checkout"
topic = "orders"
rate = 200
record_size = 100
config = { acks = "all", "linger.ms" = 50, "request.timeout.ms" = 5000, "delivery.timeout.ms" = 30000 }

[nemesis]
start = "8s"
stop = "38s"
interval = "5s"
duration = "4s"
max_concurrent = 1
weights = { kill = 3, restart = 2, pause = 2, partition = 2, one_way = 1, slow_disk = 1, link = 1 }
"#;

async fn work(env: Env, protocol: GroupProtocol, strategy: Option<&str>) {
    let mut config = ConsumerConfig {
        group_id: Some("billing".to_owned()),
        group_protocol: protocol,
        auto_offset_reset: AutoOffsetReset::Earliest,
        enable_auto_commit: false,
        max_poll_records: 50,
        session_timeout_ms: 6_000,
        ..ConsumerConfig::default()
    };
    if let Some(strategy) = strategy {
        config.partition_assignment_strategy = vec![strategy.to_owned()];
    }
    let mut consumer = env.consumer(config);
    consumer.subscribe(&["orders"]);
    loop {
        let records = consumer.poll(Duration::from_millis(500)).await;
        for record in &records {
            let work = env.process(record);
            env.work(Duration::from_micros(500)).await;
            work.end(ProcessOutcome::Processed);
        }
        if !records.is_empty() {
            let _ = consumer.commit().await;
        }
    }
}

#[test]
fn groups_pass() {
    let mut wrong = Vec::new();
    for (protocol, strategy) in [
        (GroupProtocol::Consumer, None),
        (GroupProtocol::Classic, Some("range")),
        (GroupProtocol::Classic, Some("cooperative-sticky")),
    ] {
        let stage = std::env::var("STAGE").map_or(STAGE.to_owned(), |path| std::fs::read_to_string(path).unwrap());
        let trial = Trial::from_toml(&stage).programs(
            "worker",
            Instances {
                count: 3,
                start: Duration::from_secs(1),
                stagger: Duration::from_secs(4),
            },
            move |env| work(env, protocol, strategy),
        );
        let seeds = std::env::var("SEEDS").map_or(0..3, |seeds| 0..seeds.parse().unwrap());
        for seed in seeds {
            let outcome = trial.run(seed);
            let name = format!("{protocol:?} {strategy:?} seed {seed}: {:?}", outcome.verdict);
            println!("{name}, consumed {}", outcome.records_consumed);
            for finding in outcome.findings.kept() {
                println!(
                    "   {} {:?} {}: {}",
                    finding.check.name(),
                    finding.ruling,
                    finding.at.time,
                    finding.evidence
                );
                if finding.ruling == crate::verdict::Ruling::Violation {
                    for line in &finding.witness {
                        println!("          {line}");
                    }
                }
            }
            if outcome.verdict != Verdict::Pass {
                wrong.push(name);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

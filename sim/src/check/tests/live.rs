//! Real groups under real faults: what they do is legal, so no check may call it a violation.

use core::time::Duration;

use broker_core::config::{AutoOffsetReset, ConsumerConfig, GroupProtocol};

use crate::program::{Env, Instances};
use crate::trial::Trial;

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

/// Processes what it polls and commits it, for ever.
async fn work(env: Env, protocol: GroupProtocol, strategy: &str) {
    let mut consumer = env.consumer(ConsumerConfig {
        group_id: Some("billing".to_owned()),
        group_protocol: protocol,
        partition_assignment_strategy: vec![strategy.to_owned()],
        auto_offset_reset: AutoOffsetReset::Earliest,
        enable_auto_commit: false,
        max_poll_records: 50,
        session_timeout_ms: 6_000,
        ..ConsumerConfig::default()
    });
    consumer.subscribe(&["orders"]);
    loop {
        let records = consumer
            .poll(Duration::from_millis(500))
            .await
            .expect("it has a reset policy");
        for record in &records {
            let work = env.process(record);
            env.work(Duration::from_micros(500)).await;
            work.done();
        }
        if !records.is_empty() {
            // The next owner of the partition processes again what could not be committed.
            let _ = consumer.commit().await;
        }
    }
}

#[test]
fn what_groups_do_under_faults_is_legal() {
    for (protocol, strategy) in [
        (GroupProtocol::Consumer, "range"),
        (GroupProtocol::Classic, "range"),
        (GroupProtocol::Classic, "cooperative-sticky"),
    ] {
        let workers = Instances {
            count: 3,
            start: Duration::from_secs(1),
            stagger: Duration::from_secs(4),
        };
        let trial = Trial::from_toml(STAGE).programs("worker", workers, move |env| work(env, protocol, strategy));
        let outcomes = (0..4).map(|seed| trial.run(seed));
        for outcome in outcomes {
            assert!(outcome.assert_pass().groups.processed > 5_000);
        }
    }
}

//! What the checks say of clients of own code: what their sends are promised, and what they run into.

use std::time::Duration;

use sim::program::{AcksSetting, AutoOffsetReset, ConsumerConfig, Env, Instances, ProducerConfig, ProducerRecord};
use sim::trial::{Keep, Run, Trial, Verdict};
use sim::verdict::Check;

/// Sends an order every so often for as long as it may, and does not wait for answers.
async fn shop(env: Env, config: ProducerConfig, pause: Duration) {
    let producer = env.producer(config);
    while !env.is_stopping() {
        drop(producer.send(ProducerRecord::to("orders").payload("an order")));
        env.clock.sleep(pause).await;
    }
}

/// A leader that is cut off from the other brokers, and takes the records of one producer of the scenario and one of
/// a program.
fn isolated_leader(of_scenario: &str, of_program: AcksSetting) -> Run {
    let stage = include_str!("../../scenarios/durability/isolated-leader-acks-1.toml")
        .replace("expect = [\"lost-write\"]\n", "")
        .replace("rate = 150", "rate = 1")
        .replace("acks = \"1\"", &format!("acks = \"{of_scenario}\""));
    let trial = Trial::from_toml(&stage)
        .keep(Keep::Nothing)
        .quirk("ack-before-isr")
        .program("shop", move |env| {
            let config = ProducerConfig {
                acks: of_program,
                enable_idempotence: false,
                ..ProducerConfig::default()
            };
            shop(env, config, Duration::from_millis(50))
        });
    trial.run(0)
}

/// By a planted defect the leader acknowledges acks=all as it does acks=1, and loses both when it comes back.
#[test]
fn a_loss_is_allowed_by_what_the_own_producer_was_promised() {
    let lost = |of_scenario, of_program| {
        let run = isolated_leader(of_scenario, of_program);
        let findings = &run.findings;
        let of_shop = |evidence: &str| evidence.contains("an order");
        assert!(findings.kept().iter().any(|finding| of_shop(&finding.evidence)));
        (
            findings.violations(Check::LostWrite) > 50,
            findings.allowed(Check::LostWrite) > 50,
        )
    };
    assert_eq!(lost("all", AcksSetting::Leader), (false, true), "acks=1");
    assert_eq!(lost("all", AcksSetting::None), (false, true), "acks=0");
    assert_eq!(lost("1", AcksSetting::All), (true, false), "acks=all");
}

/// A member of a group that nobody has promised anything of; it stops polling once it has its partitions, or goes on.
async fn audit(env: Env, goes_on: bool) {
    let mut consumer = env.consumer(ConsumerConfig {
        group_id: Some("audit".to_owned()),
        auto_offset_reset: AutoOffsetReset::Latest,
        ..ConsumerConfig::default()
    });
    consumer.subscribe(&["orders"]);
    while goes_on || consumer.assignment().is_empty() {
        let polled = consumer.poll(Duration::from_millis(100)).await;
        polled.expect("a place in the group");
    }
    env.clock.sleep(Duration::from_secs(600)).await;
}

#[test]
fn a_group_that_stops_polling_before_it_has_anything_is_idle() {
    let stage = "duration = \"40s\"\ncluster = { brokers = 3, config = { \"offsets.topic.num.partitions\" = 4 } }\n\
                 topics = [{ name = \"orders\", partitions = 2 }]\n";
    let verdict = |goes_on: bool| {
        let trial = Trial::from_toml(stage)
            .keep(Keep::Nothing)
            .program("shop", |env| {
                shop(env, ProducerConfig::default(), Duration::from_millis(100))
            })
            .programs("audit", Instances::of(1), move |env| audit(env, goes_on));
        let run = trial.run(0);
        let evidence = run
            .findings
            .kept()
            .iter()
            .map(|finding| finding.evidence.clone())
            .collect();
        (run.verdict.clone(), evidence)
    };
    let (idle, evidence): (Verdict, Vec<String>) = verdict(false);
    let signature = "idle-group: a group processes nothing".to_owned();
    assert_eq!(idle, Verdict::Violation { signature }, "{evidence:?}");
    let [evidence] = &evidence[..] else {
        panic!("{evidence:?}")
    };
    assert!(
        evidence.starts_with("no member of group audit ever got a record, though ")
            && evidence.contains("audit/1 has owned orders/"),
        "{evidence}"
    );
    assert_eq!(verdict(true), (Verdict::Pass, Vec::new()));
}

//! A user's own program on trial. The README shows the part between the marks; the last test holds the two together.

// README begins
use std::time::Duration;

use sim::program::{AutoOffsetReset, ConsumerConfig, Env, Instances};
use sim::trial::Trial;

async fn billing(env: Env) {
    let mut consumer = env.consumer(ConsumerConfig {
        group_id: Some("billing".to_owned()),
        auto_offset_reset: AutoOffsetReset::Earliest,
        enable_auto_commit: false,
        ..ConsumerConfig::default()
    });
    consumer.subscribe(&["orders"]);
    while !env.is_stopping() {
        let records = consumer.poll(Duration::from_secs(1)).await;
        for record in records.expect("a place in the group") {
            let work = env.process(&record);
            env.work(Duration::from_millis(5)).await; // your code, with record.payload()
            work.done();
        }
        let _ = consumer.commit().await;
    }
    consumer.close().await;
}

#[test]
fn billing_survives_the_death_of_an_instance() {
    let trial = Trial::from_toml(include_str!("own_program.toml"))
        .programs("billing", Instances::of(3), billing)
        .drains("billing", &["orders"]);
    trial.sweep(0..3).assert_pass();
}
// README ends

use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::program::{ProducerConfig, ProducerRecord};
use sim::trial::{Keep, Verdict};
use sim::verdict::Check;

/// The same program with a mistake: it commits before it works.
async fn hasty(env: Env) {
    let mut consumer = env.consumer(ConsumerConfig {
        group_id: Some("billing".to_owned()),
        auto_offset_reset: AutoOffsetReset::Earliest,
        enable_auto_commit: false,
        ..ConsumerConfig::default()
    });
    consumer.subscribe(&["orders"]);
    loop {
        let Ok(records) = consumer.poll(Duration::from_secs(1)).await else {
            return;
        };
        let _ = consumer.commit().await;
        for record in records {
            let work = env.process(&record);
            env.work(Duration::from_millis(5)).await;
            work.done();
        }
    }
}

#[test]
fn a_mistake_is_found_and_reported() {
    let trial = Trial::from_toml(include_str!("own_program.toml"))
        .programs("billing", Instances::of(3), hasty)
        .drains("billing", &["orders"])
        .keep(Keep::Nothing);
    let outcome = trial.run(0);
    assert!(
        outcome.findings.violations(Check::SkippedProcessing) > 0,
        "{:?}",
        outcome.verdict
    );
    assert_eq!(trial.run(0).digest, outcome.digest, "a seed is a trial");
    let panic = catch_unwind(AssertUnwindSafe(|| {
        outcome.assert_pass();
    }));
    let message = *panic
        .expect_err("it did not pass")
        .downcast::<String>()
        .expect("a message");
    assert!(
        message.starts_with("seed 0: violation: skipped-processing"),
        "{message}"
    );
}

/// What one program sends, another one gets, byte for byte.
#[test]
fn payloads_keys_and_headers_arrive() {
    let stage = "duration = \"10s\"\n[[topics]]\nname = \"greetings\"\n";
    let trial = Trial::from_toml(stage)
        .program("writer", |env| async move {
            let producer = env.producer(ProducerConfig::default());
            let record = ProducerRecord::to("greetings")
                .key("k")
                .payload("hello")
                .header("lang", "en");
            let sent = producer.send(record).await.expect("a calm cluster");
            assert_eq!(sent.offset.expect("an ack with an offset").0, 0);
        })
        .program("reader", |env| async move {
            let mut consumer = env.consumer(ConsumerConfig {
                auto_offset_reset: AutoOffsetReset::Earliest,
                ..ConsumerConfig::default()
            });
            consumer.assign([("greetings", 0)]);
            let records = consumer.poll(Duration::from_secs(5)).await.expect("a reset policy");
            let [record] = &records[..] else {
                panic!("{} records", records.len());
            };
            assert_eq!(
                (record.topic(), record.key(), record.payload()),
                ("greetings", Some(&b"k"[..]), &b"hello"[..])
            );
            assert_eq!(record.headers()[0].value.as_deref(), Some(&b"en"[..]));
        });
    let outcome = trial.run(1);
    assert_eq!(outcome.assert_pass().records_consumed, 1);
}

#[test]
fn a_wrong_stage_is_reported_with_its_place() {
    let trial = Trial::from_toml("[[topics]]\nname = \"orders\"\n[[faults]]\nat = \"1s\"\nkill = \"client biling/1\"");
    let error = trial
        .program("billing", |_| async {})
        .scenario()
        .expect_err("a wrong name");
    let rendered = error.render(false);
    assert!(
        rendered.contains("there are no clients called `biling`") && rendered.contains("did you mean `billing`?"),
        "{rendered}"
    );
}

#[test]
fn a_program_may_end_and_is_started_again_only_when_it_was_stopped() {
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = std::sync::Arc::clone(&runs);
    let stage = "duration = \"10s\"\n[[topics]]\nname = \"orders\"\n\
                 [[faults]]\nat = \"2s\"\nfor = \"2s\"\nstop = \"client patient/1\"\n";
    let trial = Trial::from_toml(stage)
        .program("brief", |_| async {})
        .program("patient", move |env| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { env.stopping().await }
        });
    let outcome = trial.run(1);
    assert_eq!((&outcome.verdict, outcome.faults_fired()), (&Verdict::Pass, 1));
    assert_eq!(runs.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn the_readme_shows_this_file() {
    let source = include_str!("own_program.rs");
    let (_, shown) = source.split_once("// README begins\n").expect("a mark");
    let (shown, _) = shown.split_once("// README ends\n").expect("a mark");
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&format!("```rust\n{shown}```")),
        "README.md does not show tests/suites/own_program.rs"
    );
    let stage = include_str!("own_program.toml");
    assert!(
        readme.contains(&format!("```toml\n{stage}```")),
        "README.md does not show tests/suites/own_program.toml"
    );
}

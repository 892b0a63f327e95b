//! `Trial::verify`: one seed in two processes, and the first event that differs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sim::program::{ProducerConfig, ProducerRecord};
use sim::trial::{Outcome, Trial};

/// A program that sends what `key` gives, after three seconds.
fn trial(key: fn() -> u64) -> Trial {
    let stage =
        "duration = \"5s\"\ncluster = { brokers = 1 }\ntopics = [{ name = \"orders\", replication_factor = 1 }]";
    Trial::from_toml(stage).program("app", move |env| async move {
        let producer = env.producer(ProducerConfig::default());
        env.clock.sleep(Duration::from_secs(3)).await;
        let record = ProducerRecord::to("orders").key(key().to_be_bytes());
        producer.send(record).await.expect("a calm cluster");
    })
}

/// What `verify` says against a trial that is not deterministic.
fn difference(trial: &Trial) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop::<Outcome>(trial.verify(1))));
    *panic
        .expect_err("it is not deterministic")
        .downcast::<String>()
        .expect("a message")
}

#[test]
fn a_seed_is_the_same_in_two_processes() {
    let trial = trial(|| 7);
    let digests: Vec<u64> = (0..3).map(|seed| trial.verify(seed).assert_pass().digest).collect();
    assert_eq!(digests[1], trial.run(1).digest);
}

/// The second call of a test, too, finds its own second run.
#[test]
fn what_a_process_has_for_itself_is_caught_where_it_shows() {
    trial(|| 7).verify(0).assert_pass();
    let message = difference(&trial(|| std::process::id().into()));
    let lines: Vec<&str> = message.lines().collect();
    assert!(message.starts_with("seed 1 is not deterministic\n"), "{message}");
    assert_eq!(lines.len(), 5, "{message}");
    for line in [lines[2], lines[4]] {
        let named = line.contains(" 3.") && line.contains("s client app/1: sent uid 1 (key 0x");
        assert!(named, "time, node and event: {message}");
    }
}

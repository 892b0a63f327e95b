//! What a trial of own code has besides one run: own checks and invariants, panics as findings, sweeps, kept files,
//! and the replay of one seed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sim::program::{AutoOffsetReset, ConsumerConfig, Env, Instances, ProducerConfig, ProducerRecord};
use sim::trial::{Happened, Keep, Trial, Verdict};
use sim::verdict::Check;

const STAGE: &str = "duration = \"10s\"\ncluster = { brokers = 3, config = { \"offsets.topic.num.partitions\" = 4 } }\n\
                     topics = [{ name = \"orders\", partitions = 2 }]\n";

/// Sends ten orders, one in half a second.
async fn shop(env: Env) {
    let producer = env.producer(ProducerConfig::default());
    for number in 1..=10 {
        let record = ProducerRecord::to("orders")
            .key(format!("customer-{number}"))
            .payload(format!("order {number}"));
        producer.send(record).await.expect("a calm cluster");
        env.clock.sleep(Duration::from_millis(500)).await;
    }
}

/// Processes orders, and what `each` does besides.
async fn billing(env: Env, each: impl Fn(&Env, &str)) {
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
            each(&env, std::str::from_utf8(record.payload()).unwrap_or_default());
            work.done();
        }
        let _ = consumer.commit().await;
    }
    consumer.close().await;
}

fn calm() -> Trial {
    Trial::from_toml(STAGE)
        .keep(Keep::Nothing)
        .program("shop", shop)
        .programs("billing", Instances::of(2), |env| billing(env, |_, _| ()))
        .drains("billing", &["orders"])
}

/// One of the two dies of order 3.
fn panics_at_order_3() -> Trial {
    Trial::from_toml(STAGE)
        .keep(Keep::Nothing)
        .program("shop", shop)
        .programs("billing", Instances::of(2), |env| {
            billing(env, |_, order| {
                tracing::info!(order, "looks a rate up");
                assert_ne!(order, "order 3", "no rate for it");
            })
        })
        .drains("billing", &["orders"])
}

fn message(failing: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(failing)).expect_err("it fails");
    *panic.downcast::<String>().expect("a message")
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("own-trials-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

#[test]
fn an_own_check_reads_who_did_what_by_names() {
    let trial = calm().check("all orders are billed", |history| {
        for order in history.sent() {
            let payload = String::from_utf8_lossy(&order.payload);
            let billed = history.processed().filter(|(_, sent)| sent.uid == order.uid);
            let by: Vec<&str> = billed.map(|(event, _)| &*event.who).collect();
            let &[by] = &by[..] else {
                return Err(format!("{payload} was billed by {by:?}"));
            };
            assert!(
                by.starts_with("billing/") && payload.starts_with("order "),
                "{by}, {payload}"
            );
            assert!(order.key.as_ref().is_some_and(|key| key.starts_with(b"customer-")));
        }
        assert_eq!(history.sent().count(), 10, "the probe's records are not the user's");
        assert!(history.acked().count() == 10 && history.polled().count() >= 10);
        let committed: i64 = (0..2)
            .filter_map(|index| history.committed("billing", &format!("orders/{index}")))
            .map(|offset| offset.0)
            .sum();
        assert!(committed >= 10, "{committed}");
        assert!(history.environment().any(|(event, _)| &*event.who == "broker 3"));
        Ok(())
    });
    trial.run(0).assert_pass();
}

#[test]
fn a_broken_own_check_is_a_finding_like_any_other() {
    let folder = scratch("check");
    let trial = calm()
        .check("nobody buys", |history| {
            let bought = history.sent().filter(|sent| &*sent.by == "shop/1").count();
            if bought == 0 {
                Ok(())
            } else {
                Err(format!("{bought} orders were bought"))
            }
        })
        .named("broken check")
        .out(&folder)
        .keep(Keep::Failures);
    let run = trial.run(3);
    let signature = "own: nobody buys".to_owned();
    assert_eq!(run.verdict, Verdict::Violation { signature });
    assert_eq!(run.findings.violations(Check::Own), 1);
    let kept = run.folder.clone().expect("a failure is kept");
    assert_eq!(kept, folder.join("broken check/3"));
    let record = std::fs::read_to_string(kept.join("record.json")).expect("is there");
    assert!(record.contains("10 orders were bought"));
    assert!(kept.join("scenario.toml").exists() && kept.join("throughput.svg").exists());
    let failure = message(|| _ = run.assert_pass());
    assert!(
        failure.starts_with("seed 3: violation: own: nobody buys\n  at "),
        "{failure}"
    );
    assert!(failure.contains("s: 10 orders were bought\n"), "{failure}");
    let last = "\nTRIAL_SEED=3 cargo test a_broken_own_check_is_a_finding_like_any_other";
    assert!(failure.ends_with(last), "{failure}");
    std::fs::remove_dir_all(folder).expect("is removed");
}

#[test]
fn an_invariant_says_when_it_broke_first() {
    let trial = calm().invariant("at most three orders", |view| {
        let Happened::Sent(uid) = view.event.what else {
            return Ok(());
        };
        let bought = view.history.sent().filter(|sent| &*sent.by == "shop/1").count();
        if bought <= 3 {
            Ok(())
        } else {
            Err(format!("record {} is number {bought}", uid.0))
        }
    });
    let run = trial.run(0);
    assert_eq!(run.findings.violations(Check::Own), 1, "it is reported once");
    let finding = run.findings.worst().expect("one");
    assert_eq!(finding.signature(), "own: at most three orders");
    assert!(finding.evidence.ends_with("is number 4"), "{}", finding.evidence);
    let seconds = finding.at.time.seconds();
    assert!((1.5..4.0).contains(&seconds), "the fourth order leaves at {seconds} s");
    assert_eq!(finding.witness.len(), 8);
    assert!(
        finding.witness[7].contains("shop/1 sends record"),
        "{:?}",
        finding.witness
    );
}

#[test]
fn a_panic_of_a_program_is_a_finding_and_the_others_go_on() {
    let trial = panics_at_order_3();
    let run = trial.run(0);
    let finding = run.findings.worst().expect("one");
    assert_eq!(finding.check, Check::Panic);
    assert!(
        finding.signature().contains("own_trials.rs:"),
        "{}",
        finding.signature()
    );
    assert!(finding.evidence.starts_with("billing/"), "{}", finding.evidence);
    assert!(finding.evidence.contains("no rate for it"), "{}", finding.evidence);
    assert!(finding.at.time.seconds() > 1.0, "{:?}", finding.at);
    let failure = message(|| _ = run.assert_pass());
    assert!(failure.starts_with("seed 0: violation: panic: "), "{failure}");
    assert!(
        failure.ends_with("TRIAL_SEED=0 cargo test a_panic_of_a_program_is_a_finding_and_the_others_go_on"),
        "{failure}"
    );
    assert!(run.records_acked >= 10, "the shop went on");
    assert_eq!(trial.run(0).digest, run.digest, "a seed is a trial");
}

#[test]
fn a_panic_beside_a_program_ends_its_process_too() {
    let trial = Trial::from_toml(STAGE)
        .keep(Keep::Nothing)
        .program("pair", |env| async move {
            drop(env.spawn(async { panic!("beside") }));
            env.stopping().await;
        });
    let run = trial.run(0);
    let finding = run.findings.worst().expect("one");
    assert_eq!(
        (finding.check, &*finding.evidence),
        (Check::Panic, "pair/1 panicked: beside")
    );
}

#[test]
fn a_panic_of_a_check_or_an_invariant_is_a_finding() {
    let run = calm().check("hasty", |_| panic!("in the check")).run(0);
    let evidence = |run: &sim::trial::Run| run.findings.worst().map(|finding| finding.evidence.clone());
    assert_eq!(
        evidence(&run).as_deref(),
        Some("the check `hasty` panicked: in the check")
    );
    let run = calm().invariant("hasty", |_| panic!("in the invariant")).run(0);
    assert_eq!(
        evidence(&run).as_deref(),
        Some("the check `hasty` panicked: in the invariant")
    );
    assert_eq!(run.findings.violations(Check::Panic), 1);
}

#[test]
fn a_sweep_groups_its_failures_and_keeps_the_first() {
    let folder = scratch("sweep");
    let trial = panics_at_order_3()
        .check("even seeds only", |history| {
            // Which seed it is shows in what the seed decides.
            if history.events().len() % 2 == 0 {
                Ok(())
            } else {
                Err("odd".to_owned())
            }
        })
        .named("sweep")
        .out(&folder)
        .keep(Keep::Failures);
    let sweep = trial.sweep(0..6);
    assert_eq!((sweep.trials(), sweep.failed()), (6, 6));
    let signatures: Vec<_> = sweep.signatures().collect();
    let [(signature, 6, 0)] = signatures[..] else {
        panic!("{signatures:?}");
    };
    assert!(signature.starts_with("panic: "), "{signature}");
    let failure = message(|| _ = sweep.assert_pass());
    assert!(
        failure.starts_with("sweep: 6 of 6 trials failed\n1 signature in 6 trials\n\npanic: "),
        "{failure}"
    );
    assert!(
        failure.contains("\n  6 of 6 trials (100.0 %), first in sweep, seed 0\n"),
        "{failure}"
    );
    assert!(
        failure.contains(&format!("\n  {}\n", folder.join("sweep/0").display())),
        "{failure}"
    );
    assert!(
        failure.ends_with("\nTRIAL_SEED=0 cargo test a_sweep_groups_its_failures_and_keeps_the_first"),
        "{failure}"
    );
    for (seed, is_kept) in [(0, true), (2, true), (3, false)] {
        assert_eq!(
            folder.join(format!("sweep/{seed}/record.json")).exists(),
            is_kept,
            "{seed}"
        );
    }
    std::fs::remove_dir_all(folder).expect("is removed");
}

#[test]
fn what_the_scenario_expects_is_no_failure() {
    let stage = include_str!("../../scenarios/durability/isolated-leader-acks-1.toml");
    let trial = Trial::from_toml(stage).keep(Keep::Nothing);
    trial.sweep(0..2).assert_pass();
    trial.run(0).assert_pass();
    // Without the isolation nothing is lost.
    let (calm, _) = stage.split_once("[[faults]]").expect("its fault stands last");
    let sweep = Trial::from_toml(calm).keep(Keep::Nothing).sweep(0..2);
    let failure = message(|| _ = sweep.assert_pass());
    assert!(
        failure.contains("expected lost-write, which no trial showed"),
        "{failure}"
    );
}

#[test]
fn a_quirk_is_found_and_the_lost_records_are_named() {
    let stage = include_str!("../../scenarios/durability/two-elections.toml");
    let trial = Trial::from_toml(&stage.replace("rate = 80", "rate = 0.1"))
        .keep(Keep::Nothing)
        .programs("shop", Instances::of(2), |env| async move {
            let producer = env.producer(ProducerConfig {
                linger_ms: 10,
                ..ProducerConfig::default()
            });
            for number in 1.. {
                let record = ProducerRecord::to("orders")
                    .key("ada")
                    .payload(format!("order {number}"));
                drop(producer.send(record));
                env.clock.sleep(Duration::from_millis(12)).await;
            }
        })
        .quirk("truncate-to-high-watermark");
    let failure = message(|| _ = trial.sweep(0..4).assert_pass());
    assert!(
        failure.contains("\nlost-write: an acked write was committed"),
        "{failure}"
    );
    let lost = failure.lines().find(|line| line.contains("(key ada, payload \"order "));
    let lost = lost.unwrap_or_else(|| panic!("{failure}"));
    assert!(
        lost.contains("s: uid ") && lost.contains(" of orders/0 and is not"),
        "{lost}"
    );
}

#[test]
#[should_panic(expected = "did you mean `truncate-to-high-watermark`?")]
fn a_wrong_quirk_is_reported_with_a_hint() {
    let _ = calm().quirk("truncate-to-high-watermarks");
}

/// Does nothing unless the next test calls it in a process of its own.
#[test]
fn stand_in_for_a_users_test() {
    if let Some(folder) = std::env::var_os("OWN_TRIALS_FOLDER") {
        let sweep = panics_at_order_3().out(folder).keep(Keep::Failures).sweep(0..4);
        sweep.assert_pass();
    }
}

#[test]
fn trial_seed_runs_one_seed_and_prints_its_story() {
    let folder = scratch("seed");
    let stand_in = |seed: &str| {
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        command.args([
            "--exact",
            "stand_in_for_a_users_test",
            "--nocapture",
            "--test-threads=2",
        ]);
        command.env("OWN_TRIALS_FOLDER", &folder).env("TRIAL_SEED", seed);
        let output = command.output().expect("it runs");
        let both = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&both).into_owned())
    };
    let (passed, output) = stand_in("2");
    assert!(!passed && output.contains("1 of 1 trial failed"), "{output}");
    assert!(output.contains("seed 2\n0 of 0 faults took effect\n"), "{output}");
    assert!(
        output.contains("s  billing/2 panicked\n") && output.contains("\npanic: "),
        "{output}"
    );
    assert!(
        output.contains("TRIAL_SEED=2 cargo test stand_in_for_a_users_test"),
        "{output}"
    );
    let kept = folder.join("stand_in_for_a_users_test/2");
    let trace = std::fs::read_to_string(kept.join("trace.txt")).expect("is there");
    assert!(
        trace.lines().count() > 1_000 && trace.contains("broker 2: "),
        "{}",
        trace.len()
    );
    assert!(
        trace.contains("s billing/2: says INFO: looks a rate up order=order 3\n"),
        "what programs say is in it"
    );
    assert!(kept.join("story.txt").exists() && kept.join("record.json").exists());
    let (passed, output) = stand_in("two");
    assert!(
        !passed && output.contains("TRIAL_SEED is `two`, but a seed is a decimal number"),
        "{output}"
    );
    std::fs::remove_dir_all(folder).expect("is removed");
}

/// What a send is promised follows from the producer that makes it, whatever producers the scenario has.
#[test]
fn the_promise_of_a_send_is_that_of_its_own_producer() {
    let stage = include_str!("../../scenarios/ordering/retries-without-idempotence.toml");
    let duplicates = |of_scenario: bool, of_program: bool| {
        let stage = stage
            .replace("expect = [\"duplicate\"]\n", "")
            .replace(
                "\"enable.idempotence\" = false",
                &format!("\"enable.idempotence\" = {of_scenario}"),
            )
            .replace("rate = 150", "rate = 1")
            .replace("client checkout/1", "client shop/1");
        let trial = Trial::from_toml(&stage)
            .keep(Keep::Nothing)
            .program("shop", move |env| async move {
                let producer = env.producer(ProducerConfig {
                    enable_idempotence: of_program,
                    request_timeout_ms: 3_000,
                    ..ProducerConfig::default()
                });
                loop {
                    drop(producer.send(ProducerRecord::to("orders").payload("an order")));
                    env.clock.sleep(Duration::from_millis(7)).await;
                }
            });
        let run = trial.run(0);
        (
            run.findings.violations(Check::Duplicate),
            run.findings.allowed(Check::Duplicate) > 0,
        )
    };
    assert_eq!(duplicates(true, false), (0, true), "its own producer may double");
    assert_eq!(duplicates(false, true), (0, false), "its own producer does not");
}

#[test]
fn bounds_and_measures_of_the_scenario_count_for_own_code() {
    let on = |says: &str| {
        let trial = Trial::from_toml(&format!("{says}\n{STAGE}")).keep(Keep::Nothing);
        let trial = trial.program("shop", shop);
        trial.programs("billing", Instances::of(2), |env| billing(env, |_, _| ()))
    };
    let good = "measures = [{ that = \"lag(billing)\", below = 11 }, { that = \"sent(shop)\", below = 3 }, { that = \"failed()\", below = 1 }]";
    let run = on(good).run(1);
    run.assert_pass();
    let figures: Vec<Option<f64>> = run.measures.iter().map(|measured| measured.value).collect();
    assert!(
        figures[0] > Some(0.0),
        "the lag of a group that its programs alone name: {figures:?}"
    );
    assert_eq!(figures[1..], [Some(2.0), Some(0.0)]);
    assert!(
        run.story().contains("measure met: sent(shop) was 2/s at "),
        "{}",
        run.story()
    );
    for (says, signature, expected) in [
        (
            "measures = [{ that = \"processed(billing)\", above = 100 }]",
            "measure: processed(billing)",
            "above 100 wanted",
        ),
        (
            "measures = [{ that = \"lag(nobody)\", below = 100 }]",
            "measure: lag(nobody)",
            "lag(nobody) was never measured, below 100 wanted",
        ),
        (
            "at_least = { reprocessed = 1 }",
            "at_least: reprocessed",
            "reprocessed 0 times, at least 1",
        ),
    ] {
        let sweep = on(says).sweep(1..3);
        assert_eq!(sweep.signatures().collect::<Vec<_>>(), [(signature, 2, 1)]);
        let failure = catch_unwind(AssertUnwindSafe(|| on(says).run(1).assert_pass().seed)).expect_err("missed");
        let failure = failure.downcast_ref::<String>().expect("a message");
        assert!(
            failure.starts_with(&format!("seed 1: missed: {signature}")),
            "{failure}"
        );
        assert!(failure.contains(expected), "{failure}");
    }
    let wrong = on("measures = [{ that = \"sent(shops)\", below = 1 }]")
        .scenario()
        .expect_err("nobody");
    let wrong = wrong.render(false);
    assert!(wrong.contains("did you mean `sent(shop)`?"), "{wrong}");
}

#[test]
fn a_sweep_of_trials_that_test_nothing_says_so() {
    let struck = format!("{STAGE}faults = [{{ at = \"5s\", for = \"1s\", kill = \"client shop/1\" }}]\n");
    let on = |stage: &str| Trial::from_toml(stage).keep(Keep::Nothing);
    let idle = on(&struck).program("shop", |_| async {}).sweep(0..2);
    idle.assert_pass();
    let said = idle.to_string();
    for expected in [
        "warning: none of 2 planned faults ever took effect",
        "warning: no send was promised anything, and nobody got a record",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let busy = on(&struck).program("shop", shop).sweep(0..2).to_string();
    assert!(!busy.contains("warning"), "{busy}");
}

#[test]
fn a_service_that_is_down_while_nobody_calls_it_is_an_idle_fault() {
    let idle = |rate: u32| {
        let trial = Trial::from_toml(&format!(
            "{STAGE}producers = [{{ name = \"shop\", topic = \"orders\", rate = {rate} }}]\n\
             services = [{{ name = \"mail\" }}]\n\
             workers = [{{ name = \"billing\", topics = [\"orders\"], service = \"mail\" }}]\n\
             faults = [{{ at = \"6s\", for = \"2s\", service_down = \"mail\" }}]\n"
        ));
        trial.keep(Keep::Nothing).run(0).idle_faults.clone()
    };
    assert_eq!(idle(10), Vec::<String>::new());
    assert_eq!(idle(0).len(), 1);
}

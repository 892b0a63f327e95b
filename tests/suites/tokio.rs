//! `tokio`, by way of madsim-tokio, in the programs of users: its timers keep the time of the simulation, its channels,
//! `select!` and `spawn` work, and what is spawned dies with its node.

#![allow(clippy::disallowed_types, reason = "the clocks of std are simulated too")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use sim::history::SimTime;
use sim::program::{Env, ProducerConfig, ProducerRecord};
use sim::trial::{Outcome, Trial};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::{interval, sleep, timeout};

const STAGE: &str =
    "duration = \"30s\"\ncluster = { brokers = 1 }\ntopics = [{ name = \"orders\", replication_factor = 1 }]";
/// How far the world's clock and that of std may be apart: running a task takes 50 to 100 ns of the latter.
const SLACK: Duration = Duration::from_micros(20);

const SECOND: Duration = Duration::from_secs(1);

/// What a program noted.
type Log<T> = Arc<Mutex<Vec<T>>>;

/// Runs `main` as the program `app/1`, with something to note in.
fn play<T: Send + 'static, F: Future<Output = ()> + 'static>(
    stage: &str,
    main: impl Fn(Env, Log<T>) -> F + Send + Sync + 'static,
) -> (Vec<T>, Outcome) {
    let log = Log::default();
    let inside = Arc::clone(&log);
    let trial = Trial::from_toml(stage).program("app", move |env| main(env, Arc::clone(&inside)));
    let outcome = trial.run(3).outcome;
    let noted = std::mem::take(&mut *log.lock().expect("no panic"));
    (noted, outcome)
}

fn since(env: &Env, begin: SimTime) -> Duration {
    Duration::from_nanos(env.clock.now().0 - begin.0)
}

fn assert_near(took: Duration, expected: Duration) {
    assert!(took.abs_diff(expected) <= SLACK, "{took:?} instead of {expected:?}");
}

#[test]
fn sleeps_take_their_time_by_both_clocks() {
    let (took, outcome) = play(STAGE, |env, log| async move {
        for millis in [1_000, 1, 2_500, 10] {
            let (begin, instant) = (env.clock.now(), Instant::now());
            sleep(Duration::from_millis(millis)).await;
            assert!(instant.elapsed() >= Duration::from_millis(millis), "never early");
            log.lock()
                .expect("no panic")
                .push((millis, since(&env, begin), instant.elapsed()));
        }
    });
    outcome.assert_pass();
    assert_eq!(took.len(), 4);
    for (millis, world, std) in took {
        assert_near(world, Duration::from_millis(millis));
        assert_near(std, Duration::from_millis(millis));
    }
}

#[test]
fn a_timeout_ends_what_takes_longer_and_nothing_else() {
    let (ended, outcome) = play(STAGE, |env, log| async move {
        for (limit, work) in [(2, 5), (5, 2)] {
            let begin = env.clock.now();
            let by_tokio = timeout(SECOND * limit, sleep(SECOND * work)).await.is_ok();
            let by_world = timeout(SECOND * limit, env.clock.sleep(SECOND * work)).await.is_ok();
            log.lock()
                .expect("no panic")
                .push((by_tokio, by_world, since(&env, begin)));
        }
    });
    outcome.assert_pass();
    let [late, timely] = ended[..] else { panic!("{ended:?}") };
    assert_eq!((late.0, late.1), (false, false));
    assert_near(late.2, SECOND * 4);
    assert_eq!((timely.0, timely.1), (true, true));
    assert_near(timely.2, SECOND * 4);
}

#[test]
fn an_interval_ticks_without_drift_while_the_world_is_busy() {
    let stage = format!("{STAGE}\nproducers = [{{ name = \"checkout\", topic = \"orders\", rate = 200 }}]");
    let (ticks, outcome) = play(&stage, |env, log| async move {
        let mut ticks = interval(Duration::from_millis(100));
        ticks.tick().await;
        let begin = env.clock.now();
        for _ in 1..=100 {
            ticks.tick().await;
            log.lock().expect("no panic").push(since(&env, begin));
        }
    });
    outcome.assert_pass();
    assert_eq!(ticks.len(), 100);
    for (number, tick) in (1..).zip(ticks) {
        assert_near(tick, Duration::from_millis(100) * number);
    }
}

/// What a program does when its own timer wakes it reaches the world at that time, not with the world's next event.
#[test]
fn records_sent_after_a_sleep_are_sent_then() {
    let (sent, outcome) = play(STAGE, |env, log| async move {
        let producer = env.producer(ProducerConfig::default());
        for _ in 0..10 {
            sleep(SECOND).await;
            let begin = env.clock.now();
            producer
                .send(ProducerRecord::to("orders").key("k"))
                .await
                .expect("a calm cluster");
            log.lock().expect("no panic").push(since(&env, begin));
        }
    });
    assert_eq!(outcome.assert_pass().records_acked, 10, "its own");
    assert!(sent.iter().all(|took| *took < Duration::from_millis(100)), "{sent:?}");
}

#[test]
fn channels_locks_and_select_work() {
    let (noted, outcome) = play(STAGE, |env, log| async move {
        let (numbers, mut received) = mpsc::channel(2);
        let (done, is_done) = oneshot::channel();
        let (latest, mut watched) = watch::channel(0);
        let notify = Arc::new(Notify::new());
        let permits = Arc::new(Semaphore::new(1));
        let notified = Arc::clone(&notify);
        tokio::spawn(async move {
            for number in 0..5 {
                sleep(Duration::from_millis(10)).await;
                numbers.send(number).await.expect("it is received");
            }
            notified.notify_one();
            done.send("done").expect("somebody waits");
        });
        let mut sum = 0;
        loop {
            tokio::select! {
                biased;
                number = received.recv() => match number {
                    Some(number) => sum += number,
                    None => break,
                },
                () = env.clock.sleep(SECOND) => panic!("a number every 10 ms"),
            }
        }
        notify.notified().await;
        let tasks = (0..3).map(|number| {
            let (permits, clock) = (Arc::clone(&permits), env.clock.clone());
            env.spawn(async move {
                let _permit = permits.acquire().await.expect("open");
                clock.sleep(SECOND).await;
                number
            })
        });
        let begin = env.clock.now();
        let numbers: Vec<u64> = join_all(tasks).await;
        assert_near(since(&env, begin), SECOND * 3);
        latest.send(7).expect("it is watched");
        watched.changed().await.expect("it was changed");
        let all = (sum, is_done.await.expect("sent"), numbers, *watched.borrow());
        log.lock().expect("no panic").push(all);
    });
    outcome.assert_pass();
    assert_eq!(noted, [(10, "done", vec![0, 1, 2], 7)]);
}

/// A task belongs to its node: it stops where the process is killed, and the next run starts its own.
#[test]
fn what_is_spawned_dies_with_its_node() {
    let stage = format!("{STAGE}\nfaults = [{{ at = \"10s\", for = \"10s\", kill = \"client app/1\" }}]");
    let beats = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&beats);
    let (seen, outcome) = play(&stage, move |env, log| {
        let beats = Arc::clone(&counted);
        async move {
            let before = beats.load(Ordering::Relaxed);
            log.lock().expect("no panic").push((env.clock.now(), before));
            tokio::spawn(async move {
                let mut ticks = interval(SECOND);
                loop {
                    ticks.tick().await;
                    beats.fetch_add(1, Ordering::Relaxed);
                }
            });
            sleep(SECOND * 3_600).await;
        }
    });
    outcome.assert_pass();
    let [(_, 0), (again, beats_before)] = seen[..] else {
        panic!("{seen:?}")
    };
    assert!(again.0 >= 20_000_000_000, "{again}");
    assert!(
        (9..=11).contains(&beats_before),
        "{beats_before} beats in ten seconds, none while it was dead"
    );
}

#[test]
fn a_seed_with_timers_is_a_trial() {
    let digest = || {
        let (_, outcome) = play::<(), _>(STAGE, |env, _| async move {
            let producer = env.producer(ProducerConfig::default());
            let mut ticks = interval(Duration::from_millis(70));
            for number in 0..50_u64 {
                ticks.tick().await;
                let record = ProducerRecord::to("orders").key(number.to_be_bytes());
                let _ = timeout(Duration::from_millis(number % 7), producer.send(record)).await;
            }
        });
        outcome.digest
    };
    assert_eq!(digest(), digest());
}

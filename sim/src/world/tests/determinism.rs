//! One seed is one trial; and what ends a trial.

use std::collections::BTreeSet;

use super::*;
use crate::scenario::Limits;
use broker_core::types::TopicId;

/// Servers that talk, write and die, with load on them that nobody answers.
fn busy() -> Stage {
    let mut stage = Stage::new(|node, run| {
        let others = [2, 3, 1][node as usize - 1];
        let asks = (0..300).map(move |number| (MS * 3 * number as u32, Act::Ask(others, number, 1 + node as usize)));
        let writes = (0..50).map(move |number| (MS * 17 * number, write(0, 600 + run as usize)));
        let mut script: Vec<(Duration, Act)> = asks.chain(writes).chain([(MS * 40, sync())]).collect();
        script.sort_by_key(|(time, _)| *time);
        script
    });
    stage.scenario.cluster.network.latency_mean = MS * 5;
    stage.scenario.cluster.hardware.cpu_per_request = US * 40;
    stage.scenario.cluster.hardware.nic_bytes_per_sec = 1_000_000;
    stage.scenario.cluster.hardware.disk_bytes_per_sec = 10_000_000;
    stage.scenario.cluster.hardware.fsync = MS;
    programs::add_load(&mut stage, 200.0);
    let groups = vec![vec![Target::Broker(1)], vec![Target::Broker(2), Target::Broker(3)]];
    stage
        .fault(MS * 200, Some(MS * 300), Partition(groups))
        .fault(MS * 400, Some(MS * 500), PowerLoss(Target::Broker(2)))
        .fault(MS * 600, Some(MS * 700), Kill(Target::All))
        .fault(MS * 650, Some(MS * 800), Kill(Target::Client("load/1".to_owned())))
}

#[test]
fn one_seed_gives_one_digest() {
    let here = busy().run();
    assert!(here.report.events > 2_000, "{}", here.report.events);
    assert!(here.report.records_sent > 100, "{}", here.report.records_sent);
    let again = busy().run();
    assert_eq!(here.report, again.report);
    assert_eq!(here.seen, again.seen);
    assert_eq!(busy().run_traced(true).report, here.report, "looking changes nothing");
    #[allow(clippy::disallowed_methods)] // that a thread makes no difference is what is tested
    let there = std::thread::spawn(|| busy().run().report).join().unwrap();
    assert_eq!(here.report, there);
}

/// Keeps what is printed.
#[derive(Clone, Default)]
struct Page(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_trace_has_every_event_with_the_scenarios_names() {
    let page = Page::default();
    let printer = page.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || printer.clone())
        .finish();
    let mut stage = programs::one_broker();
    programs::add_load(&mut stage, 20.0);
    let (play, quiet) = (
        tracing::subscriber::with_default(subscriber, || stage.run_for_real(true)),
        stage.run_for_real(false),
    );
    assert_eq!(play.report, quiet.report, "looking changes nothing");
    let page = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = page
        .lines()
        .filter_map(|line| Some(line.split_once(" trial: ")?.1))
        .collect();
    let steps: BTreeSet<u64> = lines
        .iter()
        .map(|line| {
            line.strip_prefix("step=")
                .unwrap()
                .split_once(' ')
                .unwrap()
                .0
                .parse()
                .unwrap()
        })
        .collect();
    assert_eq!(steps, (0..=play.report.events).collect(), "every step has a line");
    for words in [
        "node=broker 1 got request",
        "node=broker 1 began to lead orders/0",
        "node=client load/1 got the answer of broker 1 to request",
        "node=client load/1 got the ack: uid",
        "node=everywhere all faults are over",
    ] {
        assert!(lines.iter().any(|line| line.contains(words)), "{words}");
    }
    // A story is for people: no structs, no options, no ids where there are names.
    let strange = [" { ", "Some(", "None", "NodeId", "TopicPartition"];
    let is_id = |word: &str| word.get(..22).is_some_and(|start| start.parse::<TopicId>().is_ok());
    let is_strange =
        |line: &&&str| strange.iter().any(|word| line.contains(word)) || line.split([' ', '=', '/']).any(is_id);
    let strange: Vec<&&str> = lines.iter().filter(is_strange).take(5).collect();
    assert!(strange.is_empty(), "{strange:#?}");
}

#[test]
fn another_seed_gives_another_digest() {
    let mut stage = busy();
    let digests: BTreeSet<u64> = (0..5)
        .map(|seed| {
            stage.seed = seed;
            stage.run().report.digest
        })
        .collect();
    assert_eq!(digests.len(), 5);
}

#[test]
fn a_removed_fault_leaves_the_rest_as_it_was() {
    let quiet = |plan: FaultPlan| {
        let mut stage = busy();
        stage.plan = plan;
        stage.run().seen
    };
    let late = |at| PlannedFault {
        at,
        until: None,
        fault: Kill(Target::Broker(3)).into(),
    };
    let (with, without) = (quiet(vec![late(MS * 500)]), quiet(vec![]));
    let before = |seen: &[Seen]| {
        seen.iter()
            .take_while(|seen| seen.time < 500_000_000)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(before(&with), before(&without));
    assert_ne!(with, without);
}

#[test]
fn two_hundred_runs_leave_nothing_behind() {
    let mut stage = busy();
    stage.scenario.duration = MS * 100;
    stage.scenario.settle = MS * 100;
    for seed in 0..200 {
        stage.seed = seed;
        let play = stage.run();
        assert_eq!(play.survivors, 0, "machines");
        assert_eq!(crate::program::station::living(), 0, "what programs hold");
    }
}

#[test]
fn limits_end_a_trial_with_words() {
    let unlimited = bare_scenario(3).limits;
    let rows: [(Limits, &str); 4] = [
        (
            Limits {
                events: 500,
                ..unlimited.clone()
            },
            "more than 500 events",
        ),
        (
            Limits {
                records: 20,
                ..unlimited.clone()
            },
            "more than 20 records",
        ),
        (
            Limits {
                sim_time: MS * 300,
                ..unlimited.clone()
            },
            "more than 300ms of simulated time",
        ),
        (
            Limits {
                memory: 10_000,
                ..unlimited
            },
            "more than 10000 bytes of logs and history",
        ),
    ];
    for (limits, words) in rows {
        let mut stage = busy();
        stage.scenario.limits = limits;
        let report = stage.run().report;
        assert_eq!(report.end, End::Limit(words.to_owned()));
        let is_prompt = report.events <= 1_000 && report.records_sent < 100 && report.sim_time <= SimTime::after(S);
        assert!(is_prompt, "{report:?}");
    }
}

#[test]
fn the_end_waits_for_the_observer_until_time_is_up() {
    let mut stage = Stage::new(|_, _| Vec::new());
    stage.scenario.settle = S * 3;
    for (settles_at, end, time) in [
        (Duration::ZERO, End::Settled, MS * 2100),
        (MS * 3050, End::Settled, MS * 3100),
        (S * 60, End::NotSettled(vec!["the witness waits".to_owned()]), S * 5),
    ] {
        stage.settles_at = settles_at;
        let report = stage.run().report;
        assert_eq!((report.end, report.sim_time), (end, SimTime::after(time)));
    }
}

#[test]
fn the_end_waits_for_every_send() {
    let mut stage = Stage::new(|_, _| Vec::new());
    stage.scenario.settle = S;
    programs::add_load(&mut stage, 50.0);
    let report = stage.run().report;
    let End::NotSettled(lines) = &report.end else {
        panic!("{report:?}")
    };
    assert!(
        lines[0].starts_with("client load/1: ") && lines[0].ends_with(" sends have not ended"),
        "{lines:?}"
    );
    assert_eq!(report.sim_time, SimTime::after(S * 3));
}

//! What CPU and disk cost, and when machines are woken.

use super::*;

#[test]
fn the_cpu_takes_one_input_after_the_other() {
    // CPU µs a request, ns a byte; then µs from the send to each handling, and to the first answer. The connection takes
    // 2000 µs of each.
    let rows: [(u32, f64, [f64; 3], f64); 3] = [
        (0, 0.0, [3000.0, 3000.0, 3000.0], 4000.0),
        (300, 0.0, [3000.0, 3300.0, 3600.0], 4300.0),
        (300, 1250.0, [3000.0, 3400.0, 3800.0], 4400.0),
    ];
    for (cpu, per_byte, expected, answered) in rows {
        let mut stage = Stage::new(|node, _| match node {
            1 => (1..=3).map(|number| (S, Act::Ask(2, number, 1))).collect(),
            _ => Vec::new(),
        });
        stage.scenario.cluster.hardware.cpu_per_request = US * cpu;
        stage.scenario.cluster.hardware.cpu_per_byte_ns = per_byte;
        let play = stage.run();
        let since = |node, mark: &str| play.micros((1, "sends 1 to 2"), (node, mark));
        for (number, expected) in (1..).zip(expected) {
            let handled = since(2, &format!("request {number} from 1"));
            assert!(
                (handled - expected).abs() < 1.0,
                "{cpu} {per_byte}: {number} after {handled}"
            );
        }
        assert!(
            (since(1, "response 1 from 2") - answered).abs() < 1.0,
            "{cpu} {per_byte}"
        );
    }
}

#[test]
fn disk_operations_take_their_time_one_after_the_other() {
    // Slowness, then µs from the beginning to the ends of: sync of 1000 bytes, read of 500, sync of nothing.
    for (slowness, expected) in [
        (1.0, [1000.0 + 2000.0 + 1000.0, 4500.0, 6500.0]),
        (3.0, [12_000.0, 13_500.0, 19_500.0]),
    ] {
        let mut stage = Stage::new(|node, _| match node {
            1 => vec![
                (MS * 999, Act::Ask(2, 0, 1)),
                (S, Act::Nothing),
                (S, write(0, 1000)),
                (S, sync()),
                (
                    S,
                    Act::Disk(DiskOp::Read {
                        file: FILE,
                        at: 200,
                        len: 500,
                    }),
                ),
                (S, sync()),
            ],
            _ => Vec::new(),
        });
        stage.scenario.cluster.hardware.disk_bytes_per_sec = 1_000_000;
        stage.scenario.cluster.hardware.fsync = MS * 2;
        let play = stage.fault(MS, None, SlowDisk(Target::Broker(1), slowness)).run();
        // The write itself is operation 1; it keeps the process busy before the sync begins.
        for (op, expected) in (2..).zip(expected) {
            let done = play.micros((1, "woken"), (1, &format!("disk {op}")));
            assert!((done - expected).abs() < 1.0, "{slowness}: operation {op} after {done}");
        }
    }
}

#[test]
fn a_write_keeps_the_process_busy() {
    let mut stage = Stage::new(|node, _| match node {
        1 => vec![(S, Act::Ask(2, 1, 1))],
        2 => vec![(S, write(0, 5000))],
        _ => Vec::new(),
    });
    stage.scenario.cluster.hardware.disk_bytes_per_sec = 1_000_000;
    let play = stage.run();
    let handled = play.micros((1, "sends 1 to 2"), (2, "request 1 from 1"));
    assert!(
        (handled - 5000.0).abs() < 200.0,
        "handled after {handled} µs, when the write was done"
    );
}

#[test]
fn machines_are_woken_once_at_each_deadline() {
    let times = [MS, MS * 10, MS * 10, MS * 500, S];
    let play = Stage::new(move |node, _| match node {
        1 => times.map(|time| (time, Act::Nothing)).to_vec(),
        _ => Vec::new(),
    });
    let play = play.run();
    let woken: Vec<u64> = play
        .seen
        .iter()
        .filter(|seen| seen.what == "woken")
        .map(|seen| seen.time)
        .collect();
    assert_eq!(woken.len(), times.len());
    for (woken, time) in woken.iter().zip(times) {
        let time = time.as_nanos() as u64;
        assert!(woken.abs_diff(time) <= time / 20_000 + 1, "{woken} is not {time}");
    }
    // Four distinct times, the start and the heal count; nothing else was delivered.
    assert!(play.report.events < 20, "{}", play.report.events);
}

#[test]
fn a_deadline_that_moves_away_is_kept_all_the_same() {
    // Requests put the deadline off; the alarm of the first one rings too early.
    let stage = Stage::new(|node, _| match node {
        1 => vec![(MS * 300, Act::Ask(2, PUT_OFF, 1)), (MS * 700, Act::Ask(2, PUT_OFF, 1))],
        2 => vec![(MS * 500, Act::Nothing), (MS * 1400, Act::Nothing)],
        _ => Vec::new(),
    });
    let play = stage.run();
    let woken = play
        .seen
        .iter()
        .filter(|seen| seen.what == "woken")
        .map(|seen| seen.time / 1_000_000);
    assert_eq!(woken.collect::<Vec<_>>(), [1100, 1400]);
}

#[test]
fn a_paused_process_does_everything_later() {
    let stage = Stage::new(|node, _| match node {
        1 => vec![(MS * 100, Act::Ask(2, 1, 1)), (MS * 400, Act::Ask(2, 2, 1))],
        2 => vec![(MS * 450, Act::Nothing)],
        _ => Vec::new(),
    });
    let play = stage.fault(MS * 300, Some(MS * 700), Pause(Target::Broker(2))).run();
    assert_eq!(
        play.marks(2, Duration::ZERO, S),
        ["request 1 from 1", "Paused", "Resumed", "request 2 from 1", "woken"]
    );
    assert_eq!(
        play.marks(1, Duration::ZERO, S),
        ["sends 1 to 2", "response 1 from 2", "sends 2 to 2", "response 2 from 2"],
        "nobody was notified of anything"
    );
    assert_eq!(play.time(2, "request 2 from 1"), 700_000_000);
}

#[test]
fn a_process_killed_while_paused_starts_running_and_can_be_paused_again() {
    let stage = Stage::new(asks_often)
        .fault(MS * 100, Some(MS * 500), Pause(Target::Broker(2)))
        .fault(MS * 200, Some(MS * 300), Kill(Target::Broker(2)))
        .fault(MS * 700, Some(MS * 800), Pause(Target::Broker(2)));
    let play = stage.run();
    let environment = play
        .seen
        .iter()
        .filter(|seen| seen.node == 2 && !seen.what.starts_with("request"));
    let events: Vec<(u64, &str)> = environment
        .map(|seen| (seen.time / 1_000_000, seen.what.as_str()))
        .filter(|(_, what)| *what != "closed")
        .collect();
    assert_eq!(
        events,
        [(100, "Paused"), (200, "Killed"), (700, "Paused"), (800, "Resumed")]
    );
    assert!(!play.marks(2, MS * 310, MS * 690).is_empty(), "the new process runs");
    assert!(
        !play.marks(2, MS * 801, S).is_empty(),
        "and goes on after its own pause"
    );
}

fn asks_often(node: u32, _: u32) -> Vec<(Duration, Act)> {
    match node {
        1 => (1..100)
            .map(|number| (MS * 10 * number, Act::Ask(2, u64::from(number), 1)))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn two_faults_slow_a_disk_together_and_end_one_by_one() {
    let mut stage = Stage::new(|node, _| match node {
        1 => [50u32, 150, 250, 350, 450]
            .into_iter()
            .flat_map(|at| [(MS * at, Act::Nothing), (MS * at, sync())])
            .collect(),
        _ => Vec::new(),
    })
    .fault(MS * 100, Some(MS * 300), SlowDisk(Target::Broker(1), 1.7))
    .fault(MS * 200, Some(MS * 400), SlowDisk(Target::Broker(1), 10.0));
    stage.scenario.cluster.hardware.fsync = MS;
    let play = stage.run();
    let times = |what: &str| -> Vec<u64> {
        let seen = play.seen.iter().filter(|seen| seen.what.starts_with(what));
        seen.map(|seen| seen.time).collect()
    };
    let took = times("disk")
        .into_iter()
        .zip(times("woken"))
        .map(|(done, asked)| (done - asked) / 1_000);
    assert_eq!(took.collect::<Vec<_>>(), [1_000, 1_700, 17_000, 10_000, 1_000]);
}

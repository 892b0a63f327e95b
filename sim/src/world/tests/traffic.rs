//! Latency, bandwidth and order of messages.

use super::*;

#[test]
fn messages_of_one_connection_keep_their_order() {
    let asks = |to: u32| (0..200).map(move |number| (MS * (100 + number as u32 / 20), Act::Ask(to, number, 1)));
    let mut stage = Stage::new(move |node, _| match node {
        1 | 3 => asks(2).collect(),
        _ => Vec::new(),
    });
    stage.scenario.cluster.network.latency_mean = MS * 20;
    let play = stage.run();
    let arrivals = play.marks(2, Duration::ZERO, FOREVER);
    for client in [1, 3] {
        let expected: Vec<String> = (0..200)
            .map(|number| format!("request {number} from {client}"))
            .collect();
        let mine: Vec<&str> = arrivals
            .iter()
            .copied()
            .filter(|mark| mark.ends_with(&format!("from {client}")))
            .collect();
        assert_eq!(mine, expected);
        let answers: Vec<&str> = play.marks(client, Duration::ZERO, FOREVER);
        let answers: Vec<&str> = answers
            .into_iter()
            .filter(|mark| mark.starts_with("response"))
            .collect();
        let expected: Vec<String> = (0..200).map(|number| format!("response {number} from 2")).collect();
        assert_eq!(answers, expected);
    }
    let number = |mark: &str| mark.split(' ').nth(1).unwrap().parse::<u32>().unwrap();
    let overtaken = arrivals
        .windows(2)
        .filter(|pair| number(pair[0]) > number(pair[1]))
        .count();
    assert!(overtaken > 0, "messages of different connections overtake each other");
}

#[test]
fn latency_and_bandwidth_decide_when_a_message_arrives() {
    // Latency in µs, NIC in bytes a µs, entries of the requests; then µs from the connection to each arrival.
    let rows: [(u32, u64, [usize; 2], [f64; 2]); 5] = [
        (1000, 1_000_000, [1, 1], [1000.0, 1000.0]),
        (0, 1, [1, 1], [80.0, 160.0]),
        (500, 1, [1, 1], [580.0, 660.0]),
        (500, 8, [1, 1], [510.0, 520.0]),
        (500, 1, [101, 1], [500.0 + 4880.0, 500.0 + 4880.0 + 80.0]),
    ];
    for (latency, nic, entries, expected) in rows {
        let mut stage = Stage::new(move |node, _| match node {
            1 => vec![(S, Act::Ask(2, 1, entries[0])), (S, Act::Ask(2, 2, entries[1]))],
            _ => Vec::new(),
        });
        stage.scenario.cluster.network.latency_min = US * latency;
        stage.scenario.cluster.network.latency_mean = US * latency;
        stage.scenario.cluster.hardware.nic_bytes_per_sec = nic * 1_000_000;
        let play = stage.run();
        let since = |mark| play.micros((1, "sends 1 to 2"), (2, mark)) - f64::from(2 * latency);
        let arrivals = ["request 1 from 1", "request 2 from 1"].map(since);
        for (arrival, expected) in arrivals.iter().zip(expected) {
            assert!(
                (arrival - expected).abs() < 0.5,
                "{latency} {nic} {entries:?}: {arrivals:?}"
            );
        }
    }
}

#[test]
fn two_senders_share_the_receivers_bandwidth() {
    let mut stage = Stage::new(|node, _| match node {
        1 | 3 => vec![(S, Act::Ask(2, u64::from(node), 100))],
        _ => Vec::new(),
    });
    stage.scenario.cluster.hardware.nic_bytes_per_sec = 100_000;
    let play = stage.run();
    let size = (SMALL + 99 * ENTRY) as f64;
    let times = [1, 3].map(|node| play.time(2, &format!("request {node} from {node}")));
    let apart = times[0].abs_diff(times[1]) as f64 / 1e3;
    assert!(
        (apart - size * 10.0).abs() < 100.0,
        "{apart} µs apart instead of {}",
        size * 10.0
    );
}

#[test]
fn what_was_sent_over_a_closed_connection_arrives_and_is_not_answered() {
    let play = Stage::new(|node, _| match node {
        1 => vec![
            (MS * 100, Act::Ask(2, 1, 1)),
            (MS * 103, Act::Disconnect(2)),
            (MS * 200, Act::Ask(2, 2, 1)),
        ],
        _ => Vec::new(),
    })
    .run();
    assert_eq!(
        play.marks(2, Duration::ZERO, S),
        ["request 1 from 1", "closed", "request 2 from 1"]
    );
    assert_eq!(
        play.marks(1, Duration::ZERO, S),
        ["sends 1 to 2", "sends 2 to 2", "response 2 from 2"],
        "nobody says that its own connection is closed"
    );
}

#[test]
fn a_dead_process_refuses_and_a_dead_machine_is_silent() {
    let script = |node: u32, _: u32| match node {
        1 => vec![(MS * 100, Act::Ask(2, 1, 1)), (MS * 500, Act::Ask(2, 2, 1))],
        _ => Vec::new(),
    };
    let (kill, power) = (Kill(Target::Broker(2)), PowerLoss(Target::Broker(2)));
    let killed = Stage::new(script).fault(MS * 300, Some(MS * 900), kill).run();
    let expected = [
        "sends 1 to 2",
        "response 1 from 2",
        "unreachable 2",
        "sends 2 to 2",
        "unreachable 2",
    ];
    assert_eq!(killed.marks(1, Duration::ZERO, S), expected);
    let times: Vec<u64> = killed
        .seen
        .iter()
        .filter(|seen| seen.what == "unreachable 2")
        .map(|s| s.time)
        .collect();
    assert_eq!(times[0] / 1_000_000, 301, "the kernel closes connections: one way");
    assert!(
        (times[1] - killed.time(1, "sends 2 to 2")).abs_diff(2_000_000) < 1_000,
        "refused: there and back"
    );

    let dark = Stage::new(script).fault(MS * 300, Some(MS * 900), power).run();
    assert_eq!(
        dark.marks(1, Duration::ZERO, S),
        ["sends 1 to 2", "response 1 from 2", "sends 2 to 2", "unreachable 2"]
    );
    assert_eq!(
        dark.time(1, "unreachable 2") / 1_000_000,
        901,
        "the machine is back and knows nothing"
    );
}

#[test]
fn what_would_leave_after_the_death_never_leaves() {
    let mut stage = Stage::new(|node, _| match node {
        1 => vec![(MS * 100, Act::Ask(2, 1, 1))],
        _ => Vec::new(),
    });
    stage.scenario.cluster.hardware.cpu_per_request = MS * 50;
    let kill = |at| PlannedFault {
        at,
        until: None,
        fault: Kill(Target::Broker(2)).into(),
    };
    stage.plan = vec![kill(MS * 140)];
    let early = stage.run();
    assert_eq!(early.marks(2, Duration::ZERO, S), ["request 1 from 1", "Killed"]);
    assert_eq!(early.marks(1, Duration::ZERO, S), ["sends 1 to 2", "unreachable 2"]);
    stage.plan = vec![kill(MS * 160)];
    let late = stage.run();
    assert_eq!(
        late.marks(1, Duration::ZERO, S),
        ["sends 1 to 2", "response 1 from 2", "unreachable 2"]
    );
}

#[test]
fn a_server_learns_that_its_client_is_gone() {
    let stage = Stage::new(|node, run| match (node, run) {
        (1, 0) => vec![(MS * 100, Act::Ask(2, 1, 1))],
        (1, 1) => vec![(MS * 100, Act::Ask(2, 2, 1))],
        _ => Vec::new(),
    });
    let play = stage.fault(MS * 300, None, Restart(Target::Broker(1))).run();
    assert_eq!(
        play.marks(2, Duration::ZERO, S),
        ["request 1 from 1", "closed", "request 2 from 1"]
    );
    assert_eq!(play.marks(1, MS * 301, S), ["sends 2 to 2", "response 2 from 2"]);
}

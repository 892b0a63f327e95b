//! Partitions, troubles and holds, and what the history says of faults.

use broker_core::protocol::ApiKey;

use super::*;
use crate::faults::clock::Clock;
use crate::faults::hold::Hold;
use crate::faults::link::Link;
use crate::faults::one_way::OneWay;
use crate::faults::stop::Stop;
use crate::faults::stop_in_sync::StopInSync;
use crate::faults::{Drift, Ends, Messages};

/// Between two brokers.
fn ends(from: u32, to: u32) -> Ends {
    Ends {
        from: Target::Broker(from),
        to: Target::Broker(to),
    }
}

/// Node 1 asks node 2 every 100 ms, from 100 ms on, with numbers from 1.
fn asks_every_100_ms(node: u32, _: u32) -> Vec<(Duration, Act)> {
    match node {
        1 => (1..=15)
            .map(|number| (MS * 100 * number as u32, Act::Ask(2, number, 1)))
            .collect(),
        _ => Vec::new(),
    }
}

fn answered(play: &Play) -> Vec<u32> {
    let marks = play.marks(1, Duration::ZERO, FOREVER);
    let answers = marks
        .iter()
        .filter_map(|mark| mark.strip_prefix("response ")?.strip_suffix(" from 2"));
    answers.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn a_partition_is_silent_and_ends_with_new_connections() {
    let groups = vec![vec![Target::Broker(1)], vec![Target::Broker(2)]];
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 750), Partition(groups))
        .run();
    assert_eq!(answered(&play), [1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(
        play.marks(1, MS * 350, MS * 750),
        ["sends 4 to 2", "sends 5 to 2", "sends 6 to 2", "sends 7 to 2"]
    );
    assert_eq!(
        play.marks(1, MS * 750, MS * 760),
        ["unreachable 2"],
        "after the heal the connection is reset"
    );
    assert_eq!(play.marks(2, MS * 750, MS * 760), ["closed"]);
    assert_eq!(play.report.faults[0].name, "partition broker 1 | broker 2");
    let history: Vec<&str> = play.marks(0, Duration::ZERO, S);
    let expected = [
        "FaultBegan(\"partition broker 1 | broker 2\")",
        "FaultEnded(\"partition broker 1 | broker 2\")",
    ];
    assert_eq!(history, expected);
}

#[test]
fn a_node_in_no_group_reaches_everybody() {
    let groups = vec![vec![Target::Broker(1)], vec![Target::Broker(3)]];
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 750), Partition(groups))
        .run();
    assert_eq!(answered(&play).len(), 15);
}

#[test]
fn a_group_of_its_own_is_cut_off_from_all_other_servers() {
    for (alone, missing) in [(1, 4), (2, 4), (3, 0)] {
        let isolate = Partition(vec![vec![Target::Broker(alone)]]);
        let play = Stage::new(asks_every_100_ms)
            .fault(MS * 350, Some(MS * 750), isolate)
            .run();
        assert_eq!(15 - answered(&play).len(), missing, "{alone}");
        assert_eq!(play.report.faults[0].name, format!("isolate broker {alone}"));
    }
}

#[test]
fn one_way_means_one_way() {
    let one_way = |from, to| OneWay(ends(from, to));
    // The cut, then what arrives at 2 meanwhile: requests if only the way back is cut.
    for (cut, arrive) in [(one_way(1, 2), 0), (one_way(2, 1), 1), (one_way(3, 2), 4)] {
        let play = Stage::new(asks_every_100_ms)
            .fault(MS * 350, Some(MS * 750), cut.clone())
            .run();
        let marks = play.marks(2, MS * 350, MS * 750);
        assert_eq!(marks.len(), arrive, "{cut:?}: {marks:?}");
        let missing = 15 - answered(&play).len();
        assert_eq!(missing, if arrive == 4 { 0 } else { 4 }, "{cut:?}");
    }
}

#[test]
fn a_lost_message_breaks_its_connection_and_both_ends_learn_of_it() {
    let link = |drop| Link {
        ends: ends(1, 2),
        drop,
        delay: Duration::ZERO,
        stall: false,
    };
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 450), link(1.0))
        .run();
    // What follows the lost message is lost too, for the second that TCP keeps trying.
    assert_eq!(answered(&play), [1, 2, 3, 14, 15]);
    assert_eq!(play.time(1, "unreachable 2") / 1_000_000, 1400);
    assert_eq!(play.time(2, "closed") / 1_000_000, 1400);
    assert_eq!(
        answered(&Stage::new(asks_every_100_ms).fault(MS * 350, None, link(0.0)).run()).len(),
        15
    );
}

#[test]
fn a_link_delays() {
    let link = Link {
        ends: ends(2, 1),
        drop: 0.0,
        delay: MS * 30,
        stall: false,
    };
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 450), link)
        .run();
    assert_eq!(play.marks(2, MS * 400, MS * 500), ["request 4 from 1"]);
    assert_eq!(play.marks(1, MS * 400, MS * 490), ["sends 4 to 2", "response 4 from 2"]);
    let there = play.micros((1, "sends 4 to 2"), (2, "request 4 from 1"));
    let back = play.micros((2, "request 4 from 1"), (1, "response 4 from 2"));
    assert!(
        (there - 31_000.0).abs() < 1.0 && (back - 31_000.0).abs() < 1.0,
        "{there} {back}"
    );
}

fn stall() -> Link {
    Link {
        ends: ends(2, 1),
        drop: 0.0,
        delay: Duration::ZERO,
        stall: true,
    }
}

#[test]
fn what_stalls_arrives_in_order_when_it_ends_and_nothing_is_lost() {
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 650), stall())
        .run();
    assert_eq!(answered(&play), (1..=15).collect::<Vec<_>>());
    for late in [4, 5, 6] {
        assert_eq!(play.time(2, &format!("request {late} from 1")) / 1_000_000, 651);
    }
    assert!(play.report.faults[0].fired);
    assert_eq!(play.report.faults[0].name, "stall between broker 2 and broker 1");
    let others = Stage::new(|node, _| match node {
        1 => vec![(MS * 400, Act::Ask(3, 1, 1))],
        _ => Vec::new(),
    });
    let play = others.fault(MS * 350, Some(MS * 650), stall()).run();
    // The connection takes a round trip before.
    assert_eq!(play.time(3, "request 1 from 1") / 1_000_000, 403, "another link");
}

#[test]
fn the_end_of_a_connection_comes_behind_what_stalls() {
    let stage = Stage::new(asks_every_100_ms).fault(MS * 350, Some(MS * 650), stall());
    let play = stage.fault(MS * 550, None, Kill(Target::Broker(1))).run();
    let marks = play.marks(2, MS * 400, S);
    assert_eq!(marks, ["request 4 from 1", "request 5 from 1", "closed"]);
}

fn hold(response: bool) -> Fault {
    let (from, to) = match response {
        true => (2, 1),
        false => (1, 2),
    };
    Hold(Messages {
        ends: ends(from, to),
        api: ApiKey::ListOffsets,
        response,
    })
    .into()
}

#[test]
fn a_held_request_comes_late_and_so_does_what_is_behind_it() {
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 650), hold(false))
        .run();
    assert_eq!(answered(&play), (1..=15).collect::<Vec<_>>());
    for late in [4, 5, 6] {
        assert_eq!(play.time(2, &format!("request {late} from 1")) / 1_000_000, 651);
    }
    assert!(play.report.faults[0].fired);
    assert_eq!(
        play.report.faults[0].name,
        "hold a ListOffsets request from broker 1 to broker 2"
    );
}

#[test]
fn a_held_response_comes_late_and_so_does_what_is_behind_it() {
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 650), hold(true))
        .run();
    assert_eq!(answered(&play), (1..=15).collect::<Vec<_>>());
    assert_eq!(play.time(2, "request 4 from 1") / 1_000_000, 401);
    for late in [4, 5, 6] {
        assert_eq!(play.time(1, &format!("response {late} from 2")) / 1_000_000, 651);
    }
}

#[test]
fn a_held_request_is_for_the_process_that_it_was_sent_to() {
    let stage = Stage::new(asks_every_100_ms).fault(MS * 350, Some(MS * 650), hold(false));
    let play = stage.fault(MS * 500, None, Restart(Target::Broker(2))).run();
    assert!(
        !answered(&play).contains(&4),
        "the new process never had that connection"
    );
    let of_a_dead = Stage::new(asks_every_100_ms).fault(MS * 350, Some(MS * 650), hold(false));
    let play = of_a_dead.fault(MS * 500, None, Kill(Target::Broker(1))).run();
    assert_eq!(
        play.time(2, "request 4 from 1") / 1_000_000,
        651,
        "it outlives its sender"
    );
}

#[test]
fn a_fault_without_a_target_does_not_fire() {
    let unknown = || Target::LeaderOf("orders".to_owned(), 0);
    let faults = [
        (Fault::from(Kill(unknown())), "kill leader of orders/0"),
        (Pause(Target::Controller).into(), "pause the controller"),
        (
            Partition(vec![vec![unknown()], vec![Target::Broker(1)]]).into(),
            "partition leader of orders/0 | broker 1",
        ),
        (
            Kill(Target::Client("nobody/1".to_owned())).into(),
            "kill client nobody/1",
        ),
        (hold(true), "hold a ListOffsets response from broker 2 to broker 1"),
    ];
    for (fault, name) in faults {
        let play = Stage::new(|_, _| Vec::new())
            .fault(MS * 100, Some(MS * 200), fault)
            .run();
        let fired = &play.report.faults[0];
        assert_eq!((fired.name.as_str(), fired.fired), (name, false));
    }
    let late = Stage::new(|_, _| Vec::new())
        .fault(S * 3, None, Kill(Target::Broker(1)))
        .run();
    assert!(!late.report.faults[0].fired, "after the heal no fault begins");
    let twice = Stage::new(|_, _| Vec::new())
        .fault(MS * 100, None, Kill(Target::Broker(1)))
        .fault(MS * 200, None, Kill(Target::Broker(1)));
    let fired: Vec<bool> = twice.run().report.faults.iter().map(|fault| fault.fired).collect();
    assert_eq!(fired, [true, false], "who is dead cannot be killed");
}

#[test]
fn a_fault_that_changes_nothing_does_not_fire() {
    let alone = || Partition(vec![vec![Target::Broker(1)]]);
    let link = || Link {
        ends: ends(1, 2),
        drop: 0.5,
        delay: Duration::ZERO,
        stall: false,
    };
    let faults: [fn() -> Fault; 5] = [
        || Partition(vec![vec![Target::Broker(1)]]).into(),
        || OneWay(ends(2, 1)).into(),
        || SlowDisk(Target::Broker(1), 9.0).into(),
        || Pause(Target::Broker(1)).into(),
        || Restart(Target::Broker(1)).into(),
    ];
    let fired = |stage: Stage| {
        stage
            .run()
            .report
            .faults
            .iter()
            .map(|fault| fault.fired)
            .collect::<Vec<bool>>()
    };
    let idle = || Stage::new(|_, _| Vec::new());
    let dead = |until| idle().fault(MS * 100, Some(until), Kill(Target::Broker(1)));
    for fault in faults.map(|fault| fault()).into_iter().chain([link().into()]) {
        let name = format!("{fault:?}");
        let alive = fired(idle().fault(MS * 200, Some(MS * 300), fault.clone()));
        assert_eq!(alive, [true], "{name}");
        let of_the_dead = fired(dead(MS * 400).fault(MS * 200, Some(MS * 300), fault));
        assert_eq!(of_the_dead, [true, false], "{name}");
    }
    for fault in [
        alone().into(),
        link().into(),
        Fault::from(SlowDisk(Target::Broker(1), 9.0)),
    ] {
        let name = format!("{fault:?}");
        let until_it_lives = fired(dead(MS * 250).fault(MS * 200, Some(MS * 300), fault));
        assert_eq!(until_it_lives, [true, true], "{name}: broker 1 starts meanwhile");
    }
    let within = idle().fault(MS * 100, Some(MS * 400), alone());
    assert_eq!(
        fired(within.fault(MS * 200, Some(MS * 300), alone())),
        [true, false],
        "what is cut already cannot be cut"
    );
    let beyond = idle().fault(MS * 100, Some(MS * 300), alone());
    assert_eq!(fired(beyond.fault(MS * 200, Some(MS * 400), alone())), [true, true]);
}

#[test]
fn all_faults_end_with_the_safety_phase() {
    let groups = vec![vec![Target::Broker(1)], vec![Target::Broker(2), Target::Broker(3)]];
    let stage = Stage::new(|node, run| match (node, run) {
        (1, 0) => vec![(MS * 2100, Act::Ask(2, 1, 1))],
        (3, 1) => vec![(MS * 100, Act::Ask(1, 2, 1))],
        _ => Vec::new(),
    });
    let mut stage = stage
        .fault(MS * 100, None, Partition(groups))
        .fault(MS * 200, None, Kill(Target::Broker(3)))
        .fault(MS * 300, None, Pause(Target::Broker(2)));
    stage.settles_at = MS * 2500;
    let play = stage.run();
    assert_eq!(
        play.marks(1, S * 2, S * 3),
        ["sends 1 to 2", "request 2 from 3", "response 1 from 2"]
    );
    assert!(play.marks(0, S * 2, S * 3).contains(&"Healed"));
    for fault in &play.report.faults {
        assert!(fault.fired && fault.to == SimTime(2_000_000_000), "{fault:?}");
    }
    assert_eq!(play.report.end, End::Settled);
    assert_eq!(play.report.sim_time, SimTime(2_500_000_000));
}

#[test]
fn a_server_that_is_asked_to_stop_ends_by_itself_and_starts_when_the_fault_is_over() {
    let stop = Stop(Target::Broker(2));
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 750), stop)
        .run();
    assert_eq!(play.marks(2, MS * 350, MS * 800), ["Ended"]);
    assert_eq!(answered(&play), [1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(play.report.faults[0].name, "stop broker 2");
    assert!(play.report.faults[0].fired);
}

#[test]
fn a_server_that_ends_after_the_fault_is_over_starts_at_once() {
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 340, Some(MS * 960), Pause(Target::Broker(2)))
        .fault(MS * 350, Some(MS * 750), Stop(Target::Broker(2)))
        .run();
    assert_eq!(play.marks(2, MS * 340, MS * 961), ["Paused", "Resumed", "Ended"]);
    let starts = play.entries.iter().filter(|entry| {
        let is_start = matches!(entry.what, What::Environment(Environment::Started));
        entry.process == NodeId(2) && is_start && entry.at.time.0 > 0
    });
    let starts: Vec<u64> = starts.map(|entry| entry.at.time.0 / 1_000_000).collect();
    assert_eq!(starts, [960]);
}

/// The cluster of puppets has no partitions: only who is down keeps the second from stopping.
#[test]
fn a_stop_in_sync_waits_and_lasts_as_long_as_planned() {
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 850), Stop(Target::Broker(2)))
        .fault(MS * 400, Some(MS * 700), StopInSync(Target::Broker(3)))
        .run();
    let ended: Vec<&Seen> = play.seen.iter().filter(|seen| seen.what == "Ended").collect();
    assert_eq!(ended.iter().map(|seen| seen.node).collect::<Vec<_>>(), [2, 3]);
    let [first, second] = &play.report.faults[..] else {
        panic!("two faults")
    };
    assert_eq!(second.name, "stop broker 3 in sync");
    assert!(second.from >= first.to, "{first:?} {second:?}");
    assert_eq!(second.to.0 - second.from.0, (MS * 300).as_nanos() as u64);
}

/// Two faults of the monotonic clock of broker 1, which asks by it: together it goes three times as fast.
#[test]
fn clocks_drift_as_long_as_faults_last_and_what_they_gained_stays() {
    let fast = || Clock {
        target: Target::Broker(1),
        jump: -5_000_000_000,
        drift: Drift {
            wall: 0,
            monotonic: 1_000_000,
        },
    };
    let play = Stage::new(asks_every_100_ms)
        .fault(MS * 350, Some(MS * 650), fast())
        .fault(MS * 450, Some(MS * 550), fast())
        .run();
    let asked = |number: u32| play.time(1, &format!("sends {number} to 2")) as f64 / 1e6;
    // The clock shows 550 at 450, 850 at 550, 1,050 at 650.
    for (number, time) in [
        (3, 300.0),
        (4, 375.0),
        (6, 467.0),
        (8, 533.0),
        (10, 625.0),
        (12, 800.0),
        (15, 1_100.0),
    ] {
        assert!((asked(number) - time).abs() < 1.0, "{number}: {}", asked(number));
    }
    assert!(play.report.faults.iter().all(|fault| fault.fired));
    assert_eq!(
        play.report.faults[0].name,
        "wrong clock of broker 1: jump by -5s, monotonic drift of 1,000,000 ppm"
    );
}

//! How connections are established, or not.

use super::*;
use crate::faults::Ends;
use crate::faults::one_way::OneWay;

/// The first run of node 1 asks node 2 at 1 s.
fn one_request() -> Stage {
    let mut stage = Stage::new(|node, run| match (node, run) {
        (1, 0) => vec![(S, Act::Ask(2, 1, 1))],
        _ => Vec::new(),
    });
    stage.scenario.duration = S * 200;
    stage
}

/// Milliseconds from the send to the mark.
fn millis(play: &Play, node: u32, what: &str) -> u64 {
    (play.time(node, what) - play.time(1, "sends 1 to 2")) / 1_000_000
}

#[test]
fn a_connection_takes_a_round_trip_and_the_next_request_none() {
    let play = Stage::new(|node, _| match node {
        1 => vec![
            (MS * 100, Act::Ask(2, 1, 1)),
            (MS * 101, Act::Ask(2, 2, 1)),
            (MS * 200, Act::Ask(2, 3, 1)),
        ],
        _ => Vec::new(),
    })
    .run();
    assert_eq!(millis(&play, 2, "request 1 from 1"), 3);
    assert_eq!(
        millis(&play, 2, "request 2 from 1"),
        3,
        "it waits for the connection, too"
    );
    assert_eq!(play.micros((1, "sends 3 to 2"), (2, "request 3 from 1")), 1000.0);
}

/// Linux: after 1 s, 2 s, 4 s, …, six times in all.
#[test]
fn a_syn_that_is_lost_goes_out_again() {
    let isolation = || Fault::from(Partition(vec![vec![Target::Broker(2)]]));
    // How long nothing reaches node 2 after the send, and when its request gets there: the SYN that gets through and then
    // the request, in milliseconds after the send.
    for (silent, arrives) in [(S / 2, 1_003), (MS * 1_500, 3_003), (S * 5, 7_003), (S * 62, 63_003)] {
        for fault in [isolation(), PowerLoss(Target::Broker(2)).into()] {
            let play = one_request().fault(MS * 500, Some(S + silent), fault).run();
            assert_eq!(millis(&play, 2, "request 1 from 1"), arrives, "{silent:?}");
            assert!(play.marks(1, Duration::ZERO, FOREVER).contains(&"response 1 from 2"));
        }
    }
    let play = one_request().fault(MS * 500, Some(S * 190), isolation()).run();
    assert_eq!(millis(&play, 1, "unreachable 2"), 127_000, "the machine has given up");
}

#[test]
fn the_answer_to_a_syn_may_be_lost_as_well() {
    let mut one_way = one_request();
    let mute = OneWay(Ends {
        from: Target::Broker(2),
        to: Target::Broker(1),
    });
    one_way.plan = vec![PlannedFault {
        at: MS * 500,
        until: Some(MS * 2_500),
        fault: mute.into(),
    }];
    assert_eq!(millis(&one_way.run(), 2, "request 1 from 1"), 3_003);
}

#[test]
fn a_process_that_stands_still_accepts_and_one_that_is_gone_refuses() {
    let paused = one_request()
        .fault(MS * 500, Some(S * 20), Pause(Target::Broker(2)))
        .run();
    let read = paused.time(2, "request 1 from 1");
    assert_eq!(read / 1_000_000, 20_000, "its machine has the request");
    let dead = one_request()
        .fault(MS * 500, Some(S * 20), Kill(Target::Broker(2)))
        .run();
    assert_eq!(millis(&dead, 1, "unreachable 2"), 2);
    assert!(dead.marks(2, S * 20, FOREVER).is_empty(), "the request never left");
}

#[test]
fn a_process_that_ends_meanwhile_takes_its_connections_along() {
    // The SYN has arrived, its answer has not.
    let server = one_request()
        .fault(S + MS * 3 / 2, None, Restart(Target::Broker(2)))
        .run();
    assert_eq!(server.marks(1, S, FOREVER), ["sends 1 to 2", "unreachable 2"]);
    assert!(!server.marks(2, S, FOREVER).contains(&"request 1 from 1"));
    let client = one_request()
        .fault(S + MS * 3 / 2, Some(S * 2), Kill(Target::Broker(1)))
        .run();
    assert_eq!(client.marks(2, S, FOREVER), [] as [&str; 0]);
}

#[test]
fn a_connection_to_where_nobody_listens_is_refused() {
    // The puppets know an endpoint of node 15, and none of node 77.
    for absent in [15, 77] {
        let nobody = Stage::new(move |node, _| match node {
            1 => vec![(MS * 100, Act::Ask(absent, 1, 1)), (MS * 200, Act::Ask(2, 2, 1))],
            _ => Vec::new(),
        })
        .run();
        let marks = nobody.marks(1, Duration::ZERO, FOREVER);
        let sends = [format!("sends 1 to {absent}"), format!("unreachable {absent}")];
        assert_eq!(marks, [&*sends[0], &*sends[1], "sends 2 to 2", "response 2 from 2"]);
    }
}

#[test]
fn a_client_that_gives_up_meanwhile_sends_nothing() {
    let play = Stage::new(|node, _| match node {
        1 => vec![
            (MS * 100, Act::Ask(2, 1, 1)),
            (MS * 101, Act::Disconnect(2)),
            (MS * 300, Act::Ask(2, 2, 1)),
        ],
        _ => Vec::new(),
    })
    .run();
    assert_eq!(play.marks(2, Duration::ZERO, FOREVER), ["request 2 from 1"]);
    let marks = play.marks(1, Duration::ZERO, FOREVER);
    assert_eq!(marks, ["sends 1 to 2", "sends 2 to 2", "response 2 from 2"]);
}

//! Lost connections, timeouts, and metadata.

use super::*;
use crate::machine::{Channel, CloseReason};

fn is_metadata(sent: &Sent) -> bool {
    matches!(sent.body, Request::Metadata(_))
}

#[test]
fn an_unanswered_request_takes_its_connection_along() {
    let mut bench = Bench::warm(config(), 1);
    bench.send("a");
    bench.pass(ms(10_000));
    bench.send("b");
    let sent = bench.requests();
    assert_eq!(sent.len(), 2);
    bench.pass(ms(20_000) - Duration::from_nanos(1));
    assert!(bench.requests().is_empty());
    bench.pass(Duration::from_nanos(1));
    let metadata = bench.request();
    assert!(is_metadata(&metadata), "{:?}", metadata.body);
    assert_eq!(metadata.to, NodeId(2), "the other broker is asked");
    bench.pass(ms(120));
    assert_eq!(
        bench.request().values(),
        [b"a"],
        "both are sent again, the older one first"
    );
    // What the old connection still brings counts for nothing.
    bench.answer(&sent[0], ErrorCode::None, Some(5));
    assert_eq!(bench.results(), []);
}

#[test]
fn a_lost_connection_is_tried_again_ever_more_slowly() {
    let mut bench = Bench::warm(
        ProducerConfig {
            retry_backoff_ms: 0,
            retry_backoff_max_ms: 0,
            ..config()
        },
        1,
    );
    bench.refusing = [NodeId(1)].into();
    bench.send("a");
    bench.lose(1);
    bench.lose(1); // Notified twice, counted once.
    let before = Duration::from_nanos(1);
    for pause in [50, 100, 200, 400, 800, 1000, 1000] {
        bench.settle();
        bench.requests();
        let retry_at = |bench: &Bench| bench.producer.network.ready_at((NodeId(1), Channel::Client));
        let at = retry_at(&bench).expect("it waits for its back-off");
        let waits = at.since(bench.now);
        assert!(
            waits >= ms(pause * 4 / 5) && waits <= ms(pause * 6 / 5),
            "{waits:?}, not {pause} ms"
        );
        bench.pass(waits - before);
        bench.settle();
        assert!(bench.requests().is_empty(), "within the pause of {pause} ms");
        assert_eq!(retry_at(&bench), Some(at));
        bench.pass(before);
    }
    bench.refusing.clear();
    bench.pass(ms(1_200));
    bench.settle();
    // An answer begins the row anew.
    let sent = bench.request();
    bench.answer(&sent, ErrorCode::None, Some(1));
    bench.send("b");
    bench.request();
    bench.lose(1);
    bench.settle();
    bench.pass(ms(60));
    assert_eq!(bench.request().values(), [b"b"]);
}

#[test]
fn a_connection_that_timed_out_has_no_say_in_what_goes_over_the_next_one() {
    let mut bench = Bench::warm(config(), 1);
    bench.send("a");
    let first = bench.request();
    bench.pass(ms(config().request_timeout_ms));
    bench.settle();
    bench.pass(ms(1_200));
    bench.settle();
    let second = bench.request();
    assert_eq!((second.to, second.values()), (first.to, first.values()));
    assert_ne!(second.connection, first.connection);
    // The late answer to the first attempt, and then the end of its connection.
    bench.answer(&first, ErrorCode::None, Some(7));
    let (connection, reason) = (first.connection, CloseReason::Peer);
    bench.handle(Input::Closed { connection, reason });
    bench.settle();
    assert!(bench.results().is_empty() && bench.requests().is_empty());
    bench.answer(&second, ErrorCode::None, Some(8));
    assert_eq!(bench.results(), [Ok(Some(8))]);
}

#[test]
fn metadata_is_asked_for_ever_more_slowly_while_it_brings_nothing() {
    let mut bench = Bench::fresh(config(), 1);
    bench.leaders[0] = None;
    bench.send("a");
    bench.settle();
    let mut at = Vec::new();
    for _ in 0..7 {
        let due = bench.producer.deadline().unwrap();
        at.push(due.since(bench.now).as_millis() as u64);
        bench.pass(due.since(bench.now));
        bench.settle();
    }
    for (pause, expected) in at.iter().zip([100, 100, 200, 400, 800, 1000, 1000]) {
        assert!((expected * 4 / 5..=expected * 6 / 5).contains(pause), "{at:?}");
    }
    (bench.leaders[0], bench.epoch) = (Some(2), 1);
    bench.pass(ms(1000));
    bench.settle();
    assert_eq!(bench.request().to, NodeId(2));
}

/// A broker that lags behind may name a leader of whom a newer answer said that it is none any more.
#[test]
fn metadata_is_asked_for_while_a_leader_is_missing() {
    let mut bench = Bench::warm(config(), 1);
    (bench.leaders[0], bench.epoch) = (None, 1);
    bench.pass(ms(301_000));
    bench.settle();
    bench.send("a");
    (bench.leaders[0], bench.epoch) = (Some(1), 0);
    bench.pass(ms(1_200));
    bench.settle();
    assert!(bench.requests().is_empty(), "nobody leads");
    (bench.leaders[0], bench.epoch) = (Some(2), 2);
    bench.pass(ms(2_400));
    bench.settle();
    assert_eq!(bench.request().to, NodeId(2));
}

#[test]
fn older_metadata_does_not_undo_newer() {
    let mut bench = Bench::warm(config(), 1);
    // (epoch, leader told, leader used)
    for (epoch, told, used) in [(3, 2, 2), (2, 1, 2), (3, 2, 2), (4, 1, 1)] {
        (bench.leaders[0], bench.epoch) = (Some(told), epoch);
        bench.pass(ms(301_000));
        bench.settle();
        bench.send("a");
        let sent = bench.request();
        assert_eq!(sent.to, NodeId(used), "after epoch {epoch}");
        bench.answer(&sent, ErrorCode::None, Some(0));
    }
}

#[test]
fn when_all_brokers_are_away_the_bootstrap_ones_are_asked() {
    let mut bench = Bench::warm(config(), 1);
    bench.send("a");
    let mut asked = [0; 3];
    for _ in 0..40 {
        let at = bench.producer.deadline().unwrap();
        bench.pass(at.since(bench.now));
        for sent in bench.requests() {
            asked[sent.to.0 as usize] += usize::from(is_metadata(&sent));
            bench.lose(sent.to.0);
        }
    }
    assert!(asked[1] > 0 && asked[2] > 0, "{asked:?}");
    bench.settle();
}

#[test]
fn least_loaded_prefers_brokers_that_answer() {
    let config = ProducerConfig {
        connections_max_idle_ms: crate::config::NEVER,
        ..config()
    };
    let mut bench = Bench::warm(config, 1);
    bench.lose(1);
    bench.settle();
    for _ in 0..8 {
        bench.lose(1);
        bench.settle();
        bench.pass(bench.producer.deadline().unwrap().since(bench.now));
        let sent = bench.request();
        assert_eq!(sent.to, NodeId(2), "broker 1 has failed and not answered since");
        let answer = bench.serve(&sent).unwrap();
        bench.respond(&sent, answer);
    }
}

//! What a kill leaves and what a power loss leaves.

use super::*;

/// 2 writes and syncs 1000 bytes, writes 3000 more, and suffers the fault; its next run says what it finds.
fn after<F: Into<Fault>>(fault: fn(Target) -> F, seed: u64) -> (u64, Option<u64>) {
    let mut stage = Stage::new(|node, run| match (node, run) {
        (2, 0) => vec![(MS, write(0, 1000)), (MS, sync()), (MS * 10, write(1000, 3000))],
        (2, _) => vec![(MS, list())],
        _ => Vec::new(),
    })
    .fault(MS * 100, Some(MS * 200), fault(Target::Broker(2)));
    stage.seed = seed;
    let play = stage.run();
    let found = play
        .seen
        .iter()
        .find_map(|seen| seen.what.strip_prefix("files of ")?.strip_suffix(" bytes"));
    let lost = play.entries.iter().find_map(|entry| match entry.what {
        What::Environment(Environment::PowerLost { lost_bytes }) => Some(lost_bytes),
        _ => None,
    });
    (found.expect("it looks").parse().unwrap(), lost)
}

#[test]
fn a_kill_keeps_the_page_cache() {
    for seed in 0..20 {
        assert_eq!(after(Kill, seed), (4000, None));
    }
}

#[test]
fn a_power_loss_keeps_what_was_synced_and_some_of_what_was_not() {
    let outcomes: Vec<(u64, Option<u64>)> = (0..60).map(|seed| after(PowerLoss, seed)).collect();
    for (found, lost) in &outcomes {
        let lost = lost.expect("the loss is counted");
        assert!((1000..=4000).contains(found) && lost <= 3000, "{found} {lost}");
        assert!(found + lost >= 4000, "what is missing was counted: {found} {lost}");
    }
    assert!(
        outcomes.iter().any(|(found, _)| *found == 1000),
        "sometimes nothing survives"
    );
    assert!(
        outcomes.iter().any(|(found, _)| *found == 4000),
        "sometimes everything does"
    );
    assert!(
        outcomes
            .iter()
            .any(|(_, lost)| lost.is_some_and(|lost| 0 < lost && lost < 3000)),
        "mostly some"
    );
}

#[test]
fn a_power_loss_befalls_a_dead_process_too() {
    let stage = Stage::new(|node, run| match (node, run) {
        (2, 0) => vec![(MS, write(0, 512))],
        (2, _) => vec![(MS, list())],
        _ => Vec::new(),
    })
    .fault(MS * 100, Some(MS * 300), Kill(Target::Broker(2)))
    .fault(MS * 200, Some(MS * 400), PowerLoss(Target::Broker(2)));
    let play = stage.run();
    let expected = play.marks(2, Duration::ZERO, MS * 399);
    assert!(
        matches!(expected[..], ["Killed", lost] if lost.starts_with("PowerLost")),
        "{expected:?}"
    );
    assert_eq!(
        play.marks(2, MS * 400, S).len(),
        1,
        "it starts again when both faults have ended"
    );
    assert!(play.report.faults.iter().all(|fault| fault.fired));
}

#[test]
fn a_machine_that_halts_stays_down_until_the_heal() {
    let play = Stage::new(|node, run| match (node, run) {
        (1, 0) => vec![(MS * 500, Act::Ask(2, 1, 1))],
        (2, 0) => vec![(MS * 100, Act::Halt), (MS * 200, Act::Nothing)],
        (2, 1) => vec![(MS * 5, Act::Nothing)],
        _ => Vec::new(),
    });
    let play = play.run();
    assert_eq!(play.marks(2, Duration::ZERO, S * 2), ["Halted"]);
    assert_eq!(play.marks(1, Duration::ZERO, S), ["sends 1 to 2", "unreachable 2"]);
    assert_eq!(play.marks(2, S * 2, S * 3), ["woken"]);
    assert_eq!(play.report.end, End::Settled);
}

#[test]
fn runs_of_a_process_have_numbers_and_draws_of_their_own() {
    let stage = Stage::new(|_, _| Vec::new()).fault(MS * 100, None, Restart(Target::Broker(2)));
    let play = stage.run();
    let starts = play
        .entries
        .iter()
        .filter(|entry| entry.process == NodeId(2) && matches!(entry.what, What::Environment(Environment::Started)));
    let runs: Vec<u32> = starts.map(|entry| entry.incarnation).collect();
    assert_eq!(runs, [0, 1]);
}

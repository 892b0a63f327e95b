//! What a person reads next to a finding: the events that brought it about, chosen by each check.

use core::fmt::Write as _;

use broker_core::config::AutoOffsetReset;

use super::script::{Contract, PLAIN, WORK, Work, judge};
use super::{BEGIN, ONE};
use crate::scenario::CommitMode;
use crate::verdict::Check;

/// The first finding of the check: when, evidence, witness.
fn first(script: &str, contract: Contract, check: Check) -> String {
    let judged = judge(&format!("{BEGIN}{script}"), contract);
    let kept = judged.findings.kept();
    let Some(finding) = kept.iter().find(|finding| finding.check == check) else {
        panic!("{} is not among {kept:#?}", check.id());
    };
    let mut text = format!("step {}: {}\n", finding.at.step, finding.evidence);
    for line in &finding.witness {
        let (_, line) = line.split_once(' ').expect("a time");
        let _ = writeln!(text, "  {line}");
    }
    text
}

const AT_LEAST_ONCE: Contract = Contract {
    work: Some(WORK),
    ..PLAIN
};

/// `w1` has processed `a` and `b` of four records, and committed the position behind `a`.
const WORKED: &str = "
    1 coordinates
    send a b c d
    commit a b
    commit c d
    ok a@0 b@1 c@2 d@3
    group Reconciling 1 1
    member w1 1 0
    group Stable 1 1
    w1 joins 0 -
    w1 polls a@0 b@1
    w1 does a@0
    w1 commits 0 1 1
    w1 does b@1";

#[test]
fn a_committed_write_is_lost_where_a_leader_begins_without_it() {
    let script = "
        send a=k b=k
        commit a
        ok a@0
        commit b
        ok b@1
        power 1 2 3
        start 1 2 3
        1 recovers 1
        2 recovers 1
        3 recovers 1
        elect 1 isr 1
        1 leads
        2 follows
        3 follows
        isr 1,2,3";
    insta::assert_snapshot!(first(script, PLAIN, Check::LostWrite));
}

#[test]
fn an_uncommitted_write_is_lost_with_the_next_leader() {
    let script = "
        send a b
        commit a
        ok a@0
        1 appends b
        1 answers 1 1-1
        ok acks=1 b@1
        kill 1
        elect 2 isr 2,3
        2 leads
        3 follows
        start 1
        1 recovers
        1 follows
        1 cuts 1";
    insta::assert_snapshot!(first(script, ONE, Check::LostWrite));
}

#[test]
fn an_expired_position_is_why_a_record_is_processed_again() {
    let script = format!(
        "{WORKED}
        w1 commits 0 2 1
        w1 gives 0
        remove w1 Left
        group Empty 2 0
        wait 90
        expire 0
        group Reconciling 3 1
        member w1 3 0
        group Stable 3 1
        w1 joins 0 -
        w1 polls a@0
        w1 works a@0"
    );
    let contract = Contract {
        work: Some(Work {
            resets: AutoOffsetReset::Earliest,
            ..WORK
        }),
        ..PLAIN
    };
    insta::assert_snapshot!(first(&script, contract, Check::Reprocessed));
    // It is no broken word of who commits before it processes either: the position was there, and was kept its time.
    let before = Contract {
        work: Some(Work {
            commit: CommitMode::Before,
            resets: AutoOffsetReset::Earliest,
            ..WORK
        }),
        ..PLAIN
    };
    let judged = judge(&format!("{BEGIN}{script}"), before);
    assert_eq!(judged.findings.violations(Check::Reprocessed), 0);
    assert_eq!(judged.findings.allowed(Check::Reprocessed), 1);
}

#[test]
fn a_refused_commit_is_why_a_record_is_processed_again() {
    let script = format!(
        "{WORKED}
        w1 asks 0 2
        w1 answered 0 2 IllegalGeneration
        w1 loses 0
        group Reconciling 2 1
        member w2 2 0
        group Stable 2 1
        w2 joins 0 1
        w2 polls b@1
        w2 works b@1"
    );
    insta::assert_snapshot!(first(&script, AT_LEAST_ONCE, Check::Reprocessed));
}

#[test]
fn the_death_of_a_worker_is_why_a_record_is_processed_again() {
    let script = format!(
        "{WORKED}
        kill 301
        remove w1 SessionTimeout
        group Reconciling 2 1
        member w2 2 0
        group Stable 2 1
        w2 joins 0 1
        w2 polls b@1
        w2 works b@1"
    );
    insta::assert_snapshot!(first(&script, AT_LEAST_ONCE, Check::Reprocessed));
}

#[test]
fn a_refused_commit_is_why_a_group_stays_behind() {
    let script = format!(
        "{WORKED}
        elect 1 isr 1,2,3
        1 leads
        heal
        w1 polls c@2 d@3
        w1 does c@2 d@3
        w1 asks 0 4
        w1 answered 0 4 IllegalGeneration
        unsettled"
    );
    let judged = judge(&format!("{BEGIN}{script}"), AT_LEAST_ONCE);
    let behind = judged.findings.kept().iter();
    let behind: Vec<_> = behind
        .filter(|finding| finding.check == Check::L8 && finding.evidence.contains("group g stands"))
        .collect();
    assert_eq!(behind.len(), 1, "{:#?}", judged.findings.kept());
    let refused = "a commit of w/1 was not taken (IllegalGeneration): orders/0 4";
    assert!(
        behind[0].witness.iter().any(|line| line.ends_with(refused)),
        "{:#?}",
        behind[0].witness
    );
    assert!(
        !behind[0].witness.iter().any(|line| line.contains("elected")),
        "{:#?}",
        behind[0].witness
    );
}

#[test]
fn a_duplicate_shows_both_places_and_what_was_between() {
    let script = "
        send a
        commit a
        ok a@0
        kill 1
        elect 2 isr 2,3
        2 leads
        3 follows
        commit a";
    insta::assert_snapshot!(first(script, PLAIN, Check::Duplicate));
}

#[test]
fn a_new_leader_without_committed_records_shows_what_took_them() {
    let script = "
        send a
        commit a
        ok a@0
        2 cuts 0
        elect 2 isr 2,3
        2 leads";
    insta::assert_snapshot!(first(script, PLAIN, Check::R3));
}

#[test]
fn skipped_records_show_when_their_position_was_asked_for() {
    let script = format!(
        "{WORKED}
        w1 commits 0 4 1"
    );
    insta::assert_snapshot!(first(&script, AT_LEAST_ONCE, Check::SkippedProcessing));
}

#[test]
fn overlapping_owners_show_how_each_came_to_own() {
    let script = format!(
        "{WORKED}
        group Reconciling 2 2
        member w2 2 0
        w2 owns 0"
    );
    insta::assert_snapshot!(first(&script, AT_LEAST_ONCE, Check::OverlappingOwners));
}

//! Histories that look bad and that the contract allows: the clause must be named, and nothing may be called a
//! violation that follows from it.

use super::script::{Contract, PLAIN, judge};
use super::{BEGIN, LOOSE, ONE, Story, UNCLEAN, check_stories};
use crate::verdict::{Check, Ruling};

/// Broker 1 acks `b` alone and is replaced by broker 2.
const LEADER_CHANGE: &str = "
    send a b
    commit a
    ok a@0
    1 appends b
    1 answers 1 1-1
    ok acks=1 b@1
    kill 1
    elect 2 isr 2,3
    2 leads
    3 follows";

/// All replicas lose power before anything is flushed.
const CORRELATED: &str = "
    send a b c
    commit a
    commit b
    ok a@0 b@1
    poll a@0 b@1
    power 1 2 3
    start 1 2 3
    1 recovers 1
    2 recovers 1
    3 recovers 1
    elect 1 isr 1
    1 leads
    2 follows
    3 follows
    isr 1,2,3
    1 adopts 1,2,3
    commit c
    ok c@1
    reset 2 1
    poll c@1";

/// Broker 1 is cut off with an ISR of itself, and broker 2 is elected without it.
const OUTSIDE: &str = "
    send a b c d
    commit a
    ok a@0
    isr 1
    1 adopts 1
    commit b
    ok b@1
    poll a@0 b@1
    elect 2 isr 2
    2 leads
    3 follows
    3 copies
    3 fetches
    1 appends c
    1 hw 3
    1 answers all 2-2
    ok c@2
    poll c@2
    1 follows
    1 cuts 1";

const STORIES: &[Story<'_>] = &[
    Story {
        name: "acks=0",
        contract: PLAIN,
        script: "
            send a
            ok acks=0 a@?",
        finds: "(lost-write)",
    },
    Story {
        name: "acks=1 and a leader change",
        contract: PLAIN,
        script: LEADER_CHANGE,
        finds: "(lost-write)",
    },
    Story {
        name: "acks=1 by a leader that was deposed already",
        contract: PLAIN,
        script: "
            send a
            elect 2 isr 2,3
            2 leads
            3 follows
            1 appends a
            1 answers 1 0-0
            ok acks=1 a@0
            1 follows
            1 cuts 0",
        finds: "(lost-write)",
    },
    Story {
        name: "acks=1 and another record at the offset",
        contract: PLAIN,
        script: "
            send a b
            1 appends a
            1 answers 1 0-0
            ok acks=1 a@0
            kill 1
            elect 2 isr 2,3
            2 leads
            3 follows
            commit b
            ok b@0
            poll b@0",
        finds: "(lost-write) (inconsistent-offset) (false-ack-offset)",
    },
    Story {
        name: "acks=1 and a power loss of the leader, which leads again",
        contract: ONE,
        script: "
            send a b
            1 appends a
            1 answers 1 0-0
            ok acks=1 a@0
            power 1
            start 1
            1 recovers 0
            1 leads",
        finds: "(lost-write)",
    },
    Story {
        name: "acks=1 when the trial is cut off",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            1 answers 1 0-0
            ok acks=1 a@0
            cut off",
        finds: "(lost-write?)",
    },
    Story {
        name: "every in-sync replica lost it",
        contract: PLAIN,
        script: CORRELATED,
        finds: "(lost-write) (inconsistent-offset) (R3)",
    },
    Story {
        name: "every in-sync replica lost it, min.insync.replicas=1",
        contract: ONE,
        script: CORRELATED,
        finds: "(lost-write) (inconsistent-offset) (R3)",
    },
    Story {
        name: "a loss takes what the leader knew of its producer, and what was in flight comes in another order",
        contract: PLAIN,
        script: "
            send a b c d
            commit a
            commit b
            ok a@0 b@1
            power 1 2 3
            start 1 2 3
            1 recovers 1
            2 recovers 1
            3 recovers 1
            elect 1 isr 1
            1 leads
            2 follows
            3 follows
            isr 1,2,3
            1 adopts 1,2,3
            commit d
            commit c
            ok d@1 c@2",
        finds: "(lost-write) (inconsistent-offset) (nonmonotonic-send) (R3)",
    },
    Story {
        name: "the last replica standing",
        contract: ONE,
        script: "
            send a b
            commit a
            isr 1
            1 adopts 1
            kill 2 3
            commit b
            ok a@0 b@1
            power 1
            start 1
            1 recovers 1
            elect 1 isr 1
            1 leads
            start 2
            2 recovers
            2 follows
            2 fetches
            2 hw 1
            isr 1,2
            1 adopts 1,2",
        finds: "(lost-write) (R3)",
    },
    Story {
        name: "min.insync.replicas=2 and two power losses",
        contract: PLAIN,
        script: "
            send a b
            commit a
            commit b
            ok a@0 b@1
            power 1 2
            start 1 2
            1 recovers 1
            2 recovers 1
            elect 1 isr 1,2,3
            1 leads
            2 follows
            3 follows
            3 cuts 1",
        finds: "(lost-write) (R3)",
    },
    Story {
        name: "an election outside the ISR, while the old leader goes on committing",
        contract: UNCLEAN,
        script: OUTSIDE,
        finds: "(lost-write) (R3)",
    },
    Story {
        name: "a record twice without idempotence",
        contract: LOOSE,
        script: "
            send a b
            commit a
            commit b
            commit a
            ok a@0 b@1",
        finds: "(duplicate)",
    },
    Story {
        name: "another order without idempotence",
        contract: LOOSE,
        script: "
            send a b
            commit b
            commit a
            ok b@0 a@1",
        finds: "(nonmonotonic-send)",
    },
    Story {
        name: "a late attempt without idempotence",
        contract: Contract { in_flight: 1, ..LOOSE },
        script: "
            send a b
            unknown a
            commit b
            commit a
            ok b@0",
        finds: "(nonmonotonic-send)",
    },
    Story {
        name: "progress when the trial is cut off",
        contract: PLAIN,
        script: "
            heal
            cut off",
        finds: "(L1?)",
    },
];

#[test]
fn what_the_contract_allows_is_no_violation() {
    check_stories(STORIES);
}

#[test]
fn the_clause_is_the_right_one() {
    let cases = [
        (
            LEADER_CHANGE,
            PLAIN,
            "acks=1 promises the leader's log alone: it was never committed and the leader changed after the ack",
        ),
        (
            CORRELATED,
            PLAIN,
            "every in-sync replica of the commit lost it to a power loss before a flush",
        ),
        (
            OUTSIDE,
            UNCLEAN,
            "unclean.leader.election.enable=true: a replica outside the ISR was elected",
        ),
    ];
    for (script, contract, clause) in cases {
        let judged = judge(&format!("{BEGIN}{script}"), contract);
        let lost = judged
            .findings
            .kept()
            .iter()
            .find(|finding| finding.check == Check::LostWrite);
        let lost = lost.expect("the story loses a write");
        assert_eq!(lost.ruling, Ruling::Allowed(clause.to_owned()));
        assert!(
            lost.evidence.contains("uid 98") && lost.evidence.contains("orders/0"),
            "{}",
            lost.evidence
        );
        assert!((1..=8).contains(&lost.witness.len()), "{:?}", lost.witness);
    }
}

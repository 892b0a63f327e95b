//! Histories of a system that keeps its word: no check may say anything.

use super::script::{Contract, PLAIN, steps, watch};
use super::{Story, check_stories};

#[test]
fn good_histories_pass() {
    check_stories(&[
        Story {
            name: "a quiet day",
            contract: PLAIN,
            script: "
                send a b c
                commit a b
                ok a@0 b@1
                1 serves 0-2
                poll a@0 b@1
                commit c
                ok c@2
                poll c@2",
            finds: "",
        },
        Story {
            name: "one of many sends comes through",
            contract: PLAIN,
            script: "
                send a b c d e f
                fail a b c d e
                commit f
                ok f@0",
            finds: "",
        },
        Story {
            name: "some sends fail",
            contract: PLAIN,
            script: "
                send a b c
                fail a b
                commit c
                ok c@0",
            finds: "",
        },
        Story {
            name: "a leader is killed and a follower cuts what was never committed",
            contract: PLAIN,
            script: "
                send a b c
                commit a
                ok a@0
                1 appends b
                kill 1
                elect 2 isr 2,3
                2 leads
                3 follows
                3 fetches
                commit c
                ok c@1
                start 1
                1 recovers
                1 follows
                1 cuts 1
                1 copies
                1 fetches
                1 hw 2
                2 proposes 1,2,3
                isr 1,2,3
                2 adopts 1,2,3
                unknown b
                poll a@0 c@1",
            finds: "",
        },
        Story {
            name: "an unknown send appears later",
            contract: PLAIN,
            script: "
                send a b
                unknown a
                commit b
                ok b@0
                poll b@0",
            finds: "",
        },
        Story {
            name: "a new leader's high watermark lags behind what is committed",
            contract: PLAIN,
            script: "
                send a b
                commit a
                ok a@0
                1 appends b
                2 copies
                3 copies
                2 fetches
                3 fetches
                1 hw 2
                1 answers all 1-1
                ok b@1
                kill 1
                elect 2 isr 2,3
                2 leads
                3 follows
                poll a@0
                3 fetches
                2 hw 2
                3 hw 2
                poll b@1",
            finds: "",
        },
        Story {
            name: "a follower's high watermark falls with its log",
            contract: PLAIN,
            script: "
                send a b
                commit a
                1 appends b
                kill 2
                isr 1,3
                1 adopts 1,3
                3 copies
                3 fetches
                1 hw 2
                1 answers all 1-1
                ok a@0 b@1
                start 2
                2 recovers
                2 follows
                2 copies
                2 fetches
                2 hw 2",
            finds: "",
        },
        Story {
            name: "an in-sync replica that lost power catches up before anybody needs it",
            contract: PLAIN,
            script: "
                send a b
                commit a
                commit b
                ok a@0 b@1
                power 2
                start 2
                2 recovers 1
                2 follows
                2 copies
                2 fetches
                2 hw 2",
            finds: "",
        },
        Story {
            name: "a power loss keeps what was flushed and brings back what was cut",
            contract: PLAIN,
            script: "
                send a b c
                commit a
                1 appends b
                kill 1
                elect 2 isr 2,3
                2 leads
                3 follows
                3 fetches
                start 1
                1 recovers
                1 flushes
                1 follows
                ok a@0
                unknown b",
            finds: "",
        },
        Story {
            name: "a consumer starts late, seeks, and is reset",
            contract: PLAIN,
            script: "
                send a b c d
                commit a b
                commit c d
                ok a@0 b@1 c@2 d@3
                reset - 1
                poll b@1 c@2
                seek 0
                poll a@0 b@1
                reset 2 1
                poll b@1 c@2 d@3",
            finds: "",
        },
        Story {
            name: "a deposed leader commits what its followers had fetched before they left it",
            contract: PLAIN,
            script: "
                send a b
                commit a
                ok a@0
                1 appends b
                2 copies
                3 copies
                elect 2 isr 1,2,3
                2 leads
                1 learns 2 2
                1 learns 3 2
                1 hw 2
                1 answers all 1-1
                ok b@1
                3 follows
                1 follows
                3 fetches
                1 fetches
                2 hw 2
                poll a@0 b@1",
            finds: "",
        },
        Story {
            name: "a restarted broker lives through old epochs again",
            contract: PLAIN,
            script: "
                send a b
                commit a
                ok a@0
                kill 1
                elect 2 isr 2,3
                2 leads
                3 follows
                commit b
                ok b@1
                start 1
                1 recovers
                1 leads epoch 0
                1 follows
                1 copies
                1 fetches
                1 hw 2",
            finds: "",
        },
        Story {
            name: "a proposed ISR counts until the leader gives it up",
            contract: PLAIN,
            script: "
                send a b c
                commit a
                ok a@0
                kill 3
                isr 1,2
                1 adopts 1,2
                commit b
                ok b@1
                start 3
                3 recovers
                3 follows
                3 copies
                3 fetches
                1 proposes 1,2,3
                1 withdraws
                commit c
                ok c@2",
            finds: "",
        },
        Story {
            name: "a power loss brings back what was cut and not yet flushed",
            contract: PLAIN,
            script: "
                send a b c
                commit a
                1 appends b
                kill 1
                elect 2 isr 2,3
                2 leads
                3 follows
                3 fetches
                start 1
                1 recovers
                1 follows
                1 cuts 1
                power 1
                start 1
                1 revives
                1 follows
                1 cuts 1
                commit c
                1 copies
                1 fetches
                1 hw 2
                ok a@0 c@1
                unknown b",
            finds: "",
        },
        Story {
            name: "a consumer is killed and restarts",
            contract: PLAIN,
            script: "
                send a b
                commit a b
                ok a@0 b@1
                reset - 0
                poll a@0 b@1
                kill 201
                start 201
                reset - 0
                poll a@0 b@1",
            finds: "",
        },
        Story {
            name: "a log that nobody ever wrote to leaves no file",
            contract: PLAIN,
            script: "
                kill 3
                start 3
                3 follows
                send a
                commit a
                ok a@0",
            finds: "",
        },
        Story {
            name: "votes and leaders of the quorum",
            contract: PLAIN,
            script: "
                meta 1 stores 1 1
                meta 1 votes 1 1
                meta 2 stores 1 1
                meta 2 votes 1 1
                meta 1 leader 1
                meta 2 follower 1 1
                meta 3 follower 1 1
                meta 1 appends 1
                meta 1 appends 1
                meta 2 copies 1
                meta 1 flushes
                meta 2 flushes
                meta 1 hw 1 2
                meta 1 applied 2 77
                meta 1 appends 1
                meta 3 copies 1
                meta 3 applied 2 77
                power 1
                meta 3 stores 2 3
                meta 2 stores 2 3
                meta 3 leader 2
                meta 3 appends 2
                start 1
                meta 1 recovers 2
                meta 1 copies 3
                meta 2 copies 3
                meta 3 hw 2 4
                meta 1 follower 2 3
                meta 1 applied 4 88
                meta 2 applied 4 88",
            finds: "",
        },
        Story {
            name: "a voter cuts what was never committed",
            contract: PLAIN,
            script: "
                meta 1 leader 1
                meta 1 appends 1
                meta 2 copies 1
                meta 1 hw 1 1
                meta 1 appends 1
                meta 2 leader 2
                meta 2 appends 2
                meta 1 follower 2 2
                meta 1 cuts 1
                meta 1 copies 2
                meta 2 hw 2 2",
            finds: "",
        },
        Story {
            name: "a consumer need not read a partition that was added",
            contract: Contract { consumers: 1, ..PLAIN },
            script: "
                meta 1 leader 1
                send a b
                commit a
                ok a@0
                keep 1 b
                unknown b
                heal
                reset - 0
                poll a@0
                unsettled",
            finds: "",
        },
        Story {
            name: "the healed cluster drains",
            contract: Contract { consumers: 1, ..PLAIN },
            script: "
                meta 1 leader 1
                send a
                commit a
                ok a@0
                heal
                send b
                commit b
                ok b@1
                reset - 0
                poll a@0 b@1
                unsettled",
            finds: "",
        },
    ]);
}

#[test]
fn the_cluster_has_settled_when_nothing_is_waited_for() {
    let contract = Contract { consumers: 1, ..PLAIN };
    // Each line is what happens next, and what is waited for then.
    let story = [
        (
            "elect 1 isr 1,2",
            "no node leads the metadata quorum; orders/0 has no leader that leads; 0 of 1 consumers have read orders/0 up to 0",
        ),
        (
            "meta 1 leader 1",
            "orders/0 has no leader that leads; 0 of 1 consumers have read orders/0 up to 0",
        ),
        (
            "1 leads",
            "broker 3 is not in sync for orders/0; 0 of 1 consumers have read orders/0 up to 0",
        ),
        ("reset - 0", "broker 3 is not in sync for orders/0"),
        ("isr 1,2,3", ""),
        ("send a", "1 sends have not ended"),
        (
            "1 appends a",
            "the high watermark of orders/0 is 0 of 1; 1 sends have not ended",
        ),
        (
            "2 copies\n2 fetches\n3 copies\n3 fetches\n1 hw 1",
            "1 sends have not ended; 0 of 1 consumers have read orders/0 up to 1",
        ),
        ("ok a@0", "0 of 1 consumers have read orders/0 up to 1"),
        ("poll a@0", ""),
        ("send b\nfail b", ""),
        ("heal", ""),
        (
            "send c\nfail c",
            "p/1 cannot send: uid 99, sent to orders after the heal, failed with MessageTooLarge",
        ),
        ("send d\nok d@1", ""),
        (
            "kill 2",
            "broker 2 is not running; broker 2 has not taken up its replica of orders/0",
        ),
        ("start 2", "broker 2 has not taken up its replica of orders/0"),
        ("2 recovers 0", "broker 2 lacks committed records of orders/0"),
        ("2 copies 1", ""),
        ("kill 201\nstart 201", "0 of 1 consumers have read orders/0 up to 1"),
        ("reset - 1", ""),
    ];
    let mut script = String::new();
    for (next, waits) in story {
        script.push_str(next);
        script.push('\n');
        let settled = watch(&steps(&script, contract), contract).settled();
        assert_eq!(settled.err().unwrap_or_default().join("; "), waits, "after {next}");
    }
}

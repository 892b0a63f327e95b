//! What breaks a word where the contract allows it, and what follows from a loss.

use super::*;

#[test]
fn what_the_contract_allows_is_no_violation() {
    let stories = [
        (
            "a position is committed before its records are processed",
            BEFORE,
            "w1 commits 0 2 1
             w1 does a@0 b@1",
            "(skipped-processing)",
        ),
        (
            "a program processes what it could not commit",
            BEFORE,
            "w1 asks 0 2
             w1 answered 0 2 NotCoordinator
             w1 does a@0
             w1 gives 0
             w1 joins 0 -
             w1 does a@0",
            "(reprocessed)",
        ),
        (
            "a pool's position passes what it still works on",
            POOL,
            "w1 works a@0
             w1 does b@1
             w1 commits 0 2 1
             w1 done a@0",
            "(skipped-processing)",
        ),
        (
            "a group without a position begins at the end, behind what came meanwhile",
            AFTER,
            "w1 gives 0
             send e
             commit e
             ok e@4
             w1 owns 0
             w1 fetched 0 -
             w1 begins 0 5",
            "(poll-skip)",
        ),
        (
            "a position is committed before the copy is made, as the program means it",
            LATE,
            "w1 works a@0
             w1 commits 0 1 1
             w1 copies x a@0 1
             w1 copied x@0
             w1 retried a@0 x",
            "(hop-before-commit)",
        ),
        (
            "a program ends between commit and copy",
            LATE,
            "w1 works a@0
             w1 commits 0 1 1
             kill 301",
            "(terminal-outcome)",
        ),
        (
            "a program of one of two groups ends between commit and copy",
            LATE_RIVALS,
            "member v1 1 0
             v1 joins 0 -
             w1 works a@0
             w1 commits 0 1 1
             kill 301
             v1 works a@0
             v1 commits 0 1 1
             v1 copies x a@0 1
             v1 copied x@0
             v1 retried a@0 x",
            "(terminal-outcome) (hop-before-commit)",
        ),
        (
            "a record is skipped, and processed when its owner has gone back behind later ones of its key",
            BLOCKING,
            "send e=k f=k
             commit e f
             w1 works e@4
             w1 drops e@4
             w1 does f@5
             w1 gives 0
             w1 joins 0 -
             w1 does e@4",
            "(reprocessed) (retry-key-order)",
        ),
        (
            "a program ends between copy and commit",
            RETRY,
            "w1 works a@0
             w1 copies x a@0 1
             w1 copied x@0
             kill 301 311
             start 301 311
             remove w1 SessionTimeout
             member w2 2 0
             w2 joins 0 -
             w2 works a@0
             w2 copies y a@0 1
             w2 copied y@1
             w2 retried a@0 y
             w2 commits 0 1 2",
            "(duplicate-hop)",
        ),
        (
            "a record is given up, and processed after its owner has changed",
            BLOCKING,
            "w1 works a@0 3
             w1 copies z a@0 3 dead
             w1 copied z@0 dead
             w1 buried a@0 z
             kill 301 311
             remove w1 SessionTimeout
             member w2 2 0
             w2 joins 0 -
             w2 does a@0
             w2 commits 0 1 2",
            "(reprocessed) (terminal-outcome)",
        ),
        (
            "a record that waits in a retry topic is passed",
            RETRY,
            "send e=k f=k
             commit e f
             w1 works e@4
             w1 copies x e@4 1
             w1 copied x@0
             w1 retried e@4 x
             w1 does f@5
             w1 works x@r0 2
             w1 done x@r0 2",
            "(retry-key-order)",
        ),
        (
            "a topic gets more partitions",
            AFTER,
            "send e=k f=k
             commit e
             keep 1 f",
            "(key-moved)",
        ),
    ];
    check_group_stories(&stories);
}

/// Everybody loses power, and the offsets topic all that it had.
const FORGOTTEN: &str = "
    w1 does a@0 b@1
    w1 commits 0 2 1
    power 1 2 3
    start 1 2 3
    1 recovers
    2 recovers
    3 recovers
    1 regains 0
    2 regains 0
    3 regains 0
    elect 1 isr 1,2,3
    1 leads
    2 follows
    3 follows
    1 coordinates
    group Stable 0 1
    member w2 1 0
    w2 joins 0 -
    w2 polls a@0 b@1
    w2 does a@0";

/// The only replica of `retry` loses a copy.
const COPY_LOST: &str = "
    w1 works a@0
    w1 copies x a@0 1
    w1 copied x@0
    w1 retried a@0 x
    w1 commits 0 1 1
    power 1
    start 1
    1 recovers
    elect 2 isr 2,3
    2 leads
    3 follows
    1 follows
    1 regains r 0";

#[test]
fn what_follows_from_a_loss_is_ruled_as_the_loss_was() {
    let stories = [
        (
            "a coordinator forgets a group because every replica lost it",
            AFTER,
            FORGOTTEN.to_owned(),
            "(overlapping-owners) (reprocessed) (R3) (G2)",
        ),
        (
            "a coordinator forgets a group although nobody lost power",
            AFTER,
            FORGOTTEN.replace("power", "kill"),
            "overlapping-owners (reprocessed) R3 D2 G2",
        ),
        (
            "a coordinator forgets a group, and nobody had received its epoch since",
            AFTER,
            FORGOTTEN
                .replace("Stable 0 1", "Stable 2 1")
                .replace("w2 joins", "remove w1 Left\n w1 loses 0\n w2 joins"),
            "(reprocessed) (R3)",
        ),
        (
            "a loss long before does not excuse a generation that falls",
            AFTER,
            format!("{FORGOTTEN}\nwait 60\nw2 gives 0\nmember w2 7 0\nw2 joins 0 -\n2 coordinates\ngroup Stable 6 1"),
            "(overlapping-owners) (reprocessed) (R3) G2 (G2)",
        ),
        (
            "a copy is lost, and with it the record's outcome",
            RETRY,
            COPY_LOST.to_owned(),
            "(lost-write) (terminal-outcome) (R3)",
        ),
        (
            "a copy is lost although its broker did not lose power",
            RETRY,
            COPY_LOST.replace("power", "kill"),
            "lost-write terminal-outcome R3 D2",
        ),
    ];
    let stories: Vec<(&'static str, Contract, &str, &'static str)> = stories
        .iter()
        .map(|(name, contract, script, finds)| (*name, *contract, &**script, *finds))
        .collect();
    check_scripts(&stories);
}

/// Eight records more come into another partition, and w2, which has it, begins behind them.
const OTHERS: &str = "
     send k l m n o p q r
     keep 1 k\nkeep 1 l\nkeep 1 m\nkeep 1 n\nkeep 1 o\nkeep 1 p\nkeep 1 q\nkeep 1 r
     unknown k l m n o p q r
     member w2 1 1
     w2 owns 1\nw2 fetched 1 -\nw2 begins 1 8
     wait 150";

/// Each of ten records takes ten seconds, and all of them came within milliseconds.
pub(in crate::check::tests) const OVERLOAD: GroupStory = (
    "more comes in than a busy worker can do",
    AFTER,
    "meta 1 leader 1
     send e f g h i j
     commit e f g h i j
     ok e@4 f@5 g@6 h@7 i@8 j@9
     heal
     w1 works a@0\nwait 10\nw1 done a@0
     w1 works b@1\nwait 10\nw1 done b@1
     w1 commits 0 2 1
     w1 polls c@2 d@3 e@4
     w1 works c@2\nwait 10\nw1 done c@2
     w1 works d@3\nwait 10\nw1 done d@3
     w1 works e@4\nwait 10\nw1 done e@4
     w1 commits 0 5 1
     w1 polls f@5
     w1 works f@5\nwait 10
     unsettled",
    "(overload)",
);

#[test]
fn an_overload_is_distinguished_from_what_keeps_records_away() {
    let (name, contract, script, finds) = OVERLOAD;
    let stories = [
        (name, contract, script.to_owned(), finds),
        ("it has nothing to do", contract, script.replace("wait 10", ""), "L8"),
        (
            "it has been stuck at one record for long",
            contract,
            script.replace("unsettled", "wait 1000\nw1 asks 0 5\nunsettled"),
            "L8",
        ),
        (
            "it would have caught up",
            contract,
            script.replace("send e", "wait 500\nsend e"),
            "(L8?)",
        ),
        (
            "it would have caught up, whatever comes in for a member that is done",
            contract,
            script.replace("send e", &format!("{OTHERS}\nsend e")),
            "(poll-skip) (L8?)",
        ),
    ];
    let stories: Vec<(&'static str, Contract, &str, &'static str)> = stories
        .iter()
        .map(|(name, contract, script, finds)| (*name, *contract, &**script, *finds))
        .collect();
    check_scripts(&stories);
}

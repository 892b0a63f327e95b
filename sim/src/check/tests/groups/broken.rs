//! Histories that break a word, and which.

use super::*;

#[test]
fn broken_histories_are_caught() {
    check_group_stories(BROKEN);
}

/// Histories that break a word, and which.
pub(in crate::check::tests) const BROKEN: &[GroupStory] = &[
    (
        "a commit passes a record that nobody has processed",
        AFTER,
        "w1 does a@0
             w1 commits 0 2 1",
        "skipped-processing",
    ),
    (
        "a process gets a record twice",
        AFTER,
        "w1 does a@0 b@1
             w1 works a@0",
        "unexplained-reprocess",
    ),
    (
        "a coordinator forgets a position",
        AFTER,
        "w1 does a@0 b@1
             w1 commits 0 1 1
             w1 commits 0 2 1
             wait 20
             w1 gives 0
             w1 joins 0 1",
        "lost-committed-offset",
    ),
    (
        "a coordinator that is loading says that there is no position",
        AFTER,
        "w1 does a@0 b@1
             w1 commits 0 2 1
             w1 gives 0
             2 loads
             w1 joins 0 -",
        "lost-committed-offset unexplained-reset G1",
    ),
    (
        "a member makes up that it has no position",
        AFTER,
        "w1 does a@0 b@1
             w1 commits 0 2 1
             w1 gives 0
             w1 owns 0
             w1 fetched 0 2
             w1 begins 0 0",
        "unexplained-reset",
    ),
    (
        "a member is thrown back although the log reaches it",
        AFTER,
        "w1 thrown 0 2 0",
        "unexplained-reset",
    ),
    (
        "a commit is answered before it is committed",
        AFTER,
        "w1 does a@0 b@1
             w1 asks 0 2
             w1 taken 0 2 1 is uncommitted
             w1 answered 0 2",
        "lost-committed-offset",
    ),
    (
        "a member that was removed commits",
        AFTER,
        "w1 does a@0 b@1
             remove w1 SessionTimeout
             w1 commits 0 2 1",
        "stale-owner-commit",
    ),
    (
        "a member commits in an earlier epoch",
        AFTER,
        "w1 does a@0 b@1
             member w1 2 0
             w1 commits 0 2 1",
        "stale-owner-commit",
    ),
    (
        "a member of an earlier generation commits to the next coordinator",
        AFTER,
        "w1 does a@0 b@1
             group PreparingRebalance 1 1
             remove w1 SessionTimeout
             member w2 2 0
             group Stable 2 1
             w2 owns 0 2
             2 coordinates
             w1 commits 0 2 1",
        "stale-owner-commit (overlapping-owners)",
    ),
    (
        "a stranger commits",
        AFTER,
        "w1 does a@0 b@1
             w2 commits 0 2 1",
        "G3",
    ),
    (
        "a coordinator takes a position that nobody asked for",
        AFTER,
        "w1 does a@0 b@1
             w1 taken 0 2 1",
        "G3",
    ),
    (
        "no member commits into a group with members",
        AFTER,
        "w1 does a@0 b@1
             w1 commits 0 2 -1",
        "G3",
    ),
    (
        "two live members own a partition",
        AFTER,
        "member w2 1
             w2 owns 0",
        "overlapping-owners G2",
    ),
    (
        "a member gets records of a partition that it gave up",
        AFTER,
        "w1 does a@0 b@1
             w1 gives 0
             w1 polls c@2",
        "overlapping-owners",
    ),
    (
        "a partition is handed out before it is given up",
        AFTER,
        "member w1 1 - releasing 0
             member w2 2 0",
        "G4",
    ),
    (
        "a group that goes over to the consumer protocol gives away what a classic member has",
        CLASSIC,
        "group PreparingRebalance 1 1
             group CompletingRebalance 2 1
             member w1 2 0,1
             group Stable 2 1
             group Assigning 2 1
             member w1 2 0,1
             member w2 3 0
             group Reconciling 3 2",
        "G4",
    ),
    (
        "a stable group has a partition twice",
        CLASSIC,
        "group PreparingRebalance 1 2
             group CompletingRebalance 2 2
             member w1 2 0
             member w2 2 0
             group Stable 2 2",
        "G2",
    ),
    (
        "a stable group lacks a partition",
        AFTER,
        "group Assigning 2 2
             member w1 2 0
             member w2 2 2
             group Stable 2 2",
        "G2",
    ),
    ("a generation falls", AFTER, "group Stable 3 1\ngroup Stable 2 1", "G2"),
    (
        "a generation falls below what a member received",
        AFTER,
        "member w1 5 0,1
             w1 owns 1 5
             2 coordinates
             group Stable 4 1",
        "G2",
    ),
    ("two coordinators of one epoch", AFTER, "2 loaded", "G1"),
    (
        "a coordinator loads something else than its log",
        AFTER,
        "w1 does a@0 b@1
             w1 commits 0 2 1
             2 loads
             2 loaded 77",
        "G1",
    ),
    (
        "a position expires too early",
        AFTER,
        "w1 does a@0 b@1
             w1 commits 0 2 1
             w1 gives 0
             expire 0",
        "G5",
    ),
    (
        "a position expires that is in use",
        AFTER,
        "w1 does a@0 b@1
             w1 commits 0 2 1
             wait 100
             expire 0",
        "G5",
    ),
    (
        "a new owner begins behind the committed position",
        AFTER,
        "w1 does a@0
             w1 commits 0 1 1
             w1 gives 0
             w1 owns 0
             w1 fetched 0 1
             w1 at 0 1
             w1 polls c@2",
        "poll-skip",
    ),
    (
        "a program that promised at most once processes twice what it had committed",
        BEFORE,
        "w1 commits 0 2 1
             w1 does a@0 b@1
             w1 commits 0 0 1
             w1 gives 0
             w1 joins 0 0
             w1 does a@0",
        "(skipped-processing) reprocessed",
    ),
    (
        "a position is committed before the copy is made",
        RETRY,
        "w1 works a@0
         w1 commits 0 1 1
         w1 copies x a@0 1
         w1 copied x@0
         w1 retried a@0 x",
        "skipped-processing hop-before-commit",
    ),
    (
        "one attempt is handed on twice",
        RETRY,
        "w1 works a@0
         w1 copies x a@0 1
         w1 copied x@0
         w1 copies y a@0 1
         w1 copied y@1
         w1 retried a@0 y
         w1 commits 0 1 1",
        "duplicate-hop",
    ),
    (
        "a copy counts too many attempts",
        RETRY,
        "w1 works a@0
         w1 copies x a@0 2
         w1 copied x@0
         w1 retried a@0 x",
        "provenance",
    ),
    (
        "a copy counts other attempts than its program made",
        BLOCKING,
        "w1 works a@0 2
         w1 copies z a@0 3 dead
         w1 copied z@0 dead
         w1 buried a@0 z",
        "provenance",
    ),
    (
        "a copy has another payload",
        RETRY,
        "w1 works a@0
         w1 copies x a@0 1 other
         w1 copied x@0
         w1 retried a@0 x",
        "provenance",
    ),
    (
        "a copy says that it is of another record",
        RETRY,
        "w1 works a@0
         w1 copies x a@0 1 of b
         w1 copied x@0
         w1 retried a@0 x",
        "provenance",
    ),
    (
        "a copy is of a record that nobody sent",
        RETRY,
        "w1 works a@0
         w1 copies x a@0 1 of q
         w1 copied x@0
         w1 retried a@0 x",
        "provenance",
    ),
    (
        "a record is given up too early",
        RETRY,
        "w1 works a@0
         w1 copies x a@0 1 dead
         w1 copied x@0 dead
         w1 buried a@0 x",
        "provenance",
    ),
    (
        "a copy is tried before its time",
        RETRY,
        "w1 works a@0
         w1 copies x a@0 1 after 100
         w1 copied x@0
         w1 retried a@0 x
         wait 50
         w1 works x@r0 2",
        "early-retry",
    ),
    (
        "a record is neither processed nor handed on",
        RETRY,
        "w1 does a@0
         w1 commits 0 2 1",
        "skipped-processing terminal-outcome",
    ),
    (
        "a copy that another group made is no outcome",
        RIVALS,
        "member v1 1 0
             v1 joins 0 -
             v1 works a@0
             v1 copies x a@0 1
             v1 copied x@0
             v1 retried a@0 x
             v1 commits 0 1 1
             w1 commits 0 1 1",
        "skipped-processing terminal-outcome",
    ),
    (
        "a record is processed, and is a dead letter",
        BLOCKING,
        "w1 works a@0 3
         w1 copies z a@0 3 dead
         w1 copied z@0 dead
         w1 done a@0
         w1 buried a@0 z
         w1 commits 0 1 1",
        "terminal-outcome",
    ),
    (
        "records of one key are processed in another order",
        BLOCKING,
        "send e=k f=k
         commit e f
         w1 does f@5
         w1 does e@4",
        "retry-key-order",
    ),
    (
        "one key is in two partitions",
        Contract {
            partitions: 2,
            ..PLAIN
        },
        "send e=k f=k
         commit e
         keep 1 f",
        "key-moved",
    ),
    (
        "a partition has no owner",
        AFTER,
        "meta 1 leader 1
         w1 polls c@2 d@3
         w1 does a@0 b@1 c@2 d@3
         w1 commits 0 4 1
         w1 gives 0
         heal
         unsettled",
        "L7",
    ),
    (
        "a group does not settle",
        AFTER,
        "meta 1 leader 1
         w1 polls c@2 d@3
         w1 does a@0 b@1 c@2 d@3
         w1 commits 0 4 1
         group Reconciling 2 1
         heal
         unsettled",
        "L7",
    ),
    (
        "a copy is left",
        RETRY,
        "meta 1 leader 1
         w1 polls c@2 d@3
         w1 works a@0
         w1 copies x a@0 1
         w1 copied x@0
         w1 retried a@0 x
         w1 does b@1 c@2 d@3
         w1 commits 0 4 1
         member w1 1 0,r
         w1 joins r -
         heal
         unsettled",
        "L9",
    ),
    (
        "a group is behind",
        AFTER,
        "meta 1 leader 1
         w1 does a@0 b@1
         w1 commits 0 2 1
         heal
         unsettled",
        "L8",
    ),
    (
        "a group that cannot begin by itself has begun, and is behind",
        NOWHERE,
        "meta 1 leader 1
         w1 does a@0 b@1
         w1 commits 0 2 1
         heal
         unsettled",
        "L8",
    ),
    (
        "a program is stuck, and takes part in no rebalance",
        AFTER,
        "meta 1 leader 1
         w1 works a@0
         group Reconciling 2 1
         heal
         unsettled",
        "L8",
    ),
    (
        "a member has no place in its group",
        AFTER,
        "w1 unseated FencedInstanceId",
        "dead-worker",
    ),
    (
        "no member has a place in the group",
        AFTER,
        "meta 1 leader 1
         w1 does a@0
         w1 unseated GroupMaxSizeReached
         w2 unseated GroupMaxSizeReached
         w1 loses 0
         heal
         unsettled",
        "dead-worker",
    ),
    (
        "every member is fenced, perhaps by a coordinator that forgot them",
        AFTER,
        "meta 1 leader 1
         w1 does a@0
         w1 unseated FencedInstanceId
         w2 unseated FencedInstanceId
         w1 loses 0
         heal
         unsettled",
        "dead-worker L7 L8",
    ),
    (
        "a consumer has no position, and nobody seeks",
        NOWHERE,
        "w2 stuck 0",
        "thrown-out",
    ),
    (
        "a group never begins to work",
        AFTER,
        "meta 1 leader 1
         heal
         unsettled",
        "idle-group",
    ),
    (
        "a group never begins to work, and a partition has no leader",
        AFTER,
        "meta 1 leader 1
         heal
         elect - isr 1
         unsettled",
        "L2 L8",
    ),
    (
        "work on a poll takes longer than max.poll.interval.ms, twice",
        AFTER,
        "meta 1 leader 1
         heal
         w1 works a@0
         wait 300
         remove w1 Left
         group Empty 2 0
         w1 loses 0
         w1 done a@0
         group Reconciling 3 1
         member w1 3 0
         group Stable 3 1
         w1 joins 0 -
         w1 polls a@0
         w1 works a@0
         wait 300
         remove w1 Left
         group Empty 4 0
         w1 loses 0
         unsettled",
        "(reprocessed) slow-poll",
    ),
    (
        "rebalances go on and on",
        AFTER,
        "heal
         group Stable 2 1\ngroup Stable 3 1\ngroup Stable 4 1\ngroup Stable 5 1\ngroup Stable 6 1\ngroup Stable 7 1
         group Stable 8 1\ngroup Stable 9 1\ngroup Stable 10 1\ngroup Stable 11 1\ngroup Stable 12 1\ngroup Stable 13 1
         group Stable 14 1\ngroup Stable 15 1\ngroup Stable 16 1\ngroup Stable 17 1\ngroup Stable 18 1\ngroup Stable 19 1
         group Stable 20 1\ngroup Stable 21 1",
        "L11",
    ),
];

//! Stories of consumer groups.

use broker_core::config::{AutoOffsetReset, GroupProtocol};

use super::script::{Contract, PLAIN, Program, WORK, Work, steps, watch};
use super::{BEGIN, Story, tell};
use crate::scenario::CommitMode;

/// Workers that process at least once.
pub(super) const AFTER: Contract = Contract {
    work: Some(WORK),
    ..PLAIN
};
/// Workers that process at most once.
const BEFORE: Contract = Contract {
    work: Some(Work {
        commit: CommitMode::Before,
        ..WORK
    }),
    ..PLAIN
};
/// Workers with pools.
const POOL: Contract = Contract {
    work: Some(Work {
        commit: CommitMode::AsyncPool { tasks: 4 },
        ..WORK
    }),
    ..PLAIN
};
const fn working(program: Program) -> Contract {
    Contract {
        work: Some(Work { program, ..WORK }),
        ..PLAIN
    }
}

/// Workers with a retry topic.
const RETRY: Contract = working(Program::Retry { copy_first: true });
/// Workers that commit before they hand a record on.
const LATE: Contract = working(Program::Retry { copy_first: false });
/// Two groups of workers with a retry topic.
const RIVALS: Contract = Contract { rival: true, ..RETRY };
/// Two groups of workers that commit before they hand a record on.
const LATE_RIVALS: Contract = Contract { rival: true, ..LATE };
/// Workers that have to be told where to begin.
const NOWHERE: Contract = Contract {
    work: Some(Work {
        resets: AutoOffsetReset::None,
        ..WORK
    }),
    ..PLAIN
};
/// Workers that try again before they go on.
const BLOCKING: Contract = working(Program::Blocking);
/// Workers of the classic protocol.
const CLASSIC: Contract = Contract {
    work: Some(Work {
        protocol: GroupProtocol::Classic,
        ..WORK
    }),
    ..PLAIN
};

/// Records a to d are committed, and w1 is the only member.
const ONE: &str = "
    send a b c d
    commit a b
    commit c d
    ok a@0 b@1 c@2 d@3
    1 coordinates
    group Assigning 1 1
    member w1 1 0
    group Stable 1 1
    w1 joins 0 -
    w1 polls a@0 b@1";

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
            "a coordinator forgets a group, and nobody had been told of it since",
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
    tell_scripts(&stories);
}

fn after_one(rest: &str) -> String {
    format!("{ONE}\n{rest}")
}

#[test]
fn good_histories_pass() {
    let stories = [
        (
            "a quiet day",
            AFTER,
            "w1 does a@0 b@1
             w1 commits 0 2 1
             w1 polls c@2 d@3
             w1 does c@2 d@3
             w1 commits 0 4 1",
            "",
        ),
        (
            "a partition moves in good order",
            AFTER,
            "w1 does a@0 b@1
             group Assigning 2 2
             member w2 2
             member w1 1 - releasing 0
             group Reconciling 2 2
             w1 commits 0 2 1
             w1 gives 0
             member w1 2
             member w2 2 0
             group Stable 2 2
             w2 joins 0 2
             w2 polls c@2 d@3
             w2 does c@2 d@3
             w2 commits 0 4 2",
            "",
        ),
        (
            "a member is killed, and another works on from the committed position",
            AFTER,
            "w1 does a@0
             w1 commits 0 1 1
             w1 works b@1
             kill 301
             remove w1 SessionTimeout
             member w2 2 0
             group Stable 2 1
             w2 joins 0 1
             w2 polls b@1 c@2
             w2 does b@1 c@2
             w2 commits 0 3 2",
            "",
        ),
        (
            "a coordinator dies before the removal of a member is committed",
            AFTER,
            "w1 does a@0 b@1
             remove w1 SessionTimeout
             group PreparingRebalance 1 1
             2 coordinates
             w1 commits 0 2 1",
            "",
        ),
        (
            "processing again after a commit that was refused is allowed",
            AFTER,
            "w1 does a@0 b@1
             w1 asks 0 2
             remove w1 SessionTimeout
             w1 hears 0 2 IllegalGeneration
             member w2 2 0
             group Stable 2 1
             w2 joins 0 -
             w2 polls a@0 b@1
             w2 does a@0 b@1
             w2 commits 0 2 2",
            "(overlapping-owners) (reprocessed)",
        ),
        (
            "a member that has not been told works on beside the new owner",
            AFTER,
            "w1 works a@0
             remove w1 SessionTimeout
             member w2 2 0
             group Stable 2 1
             w2 joins 0 -
             w2 polls a@0
             w2 does a@0
             w1 done a@0
             w1 works b@1
             w2 commits 0 1 2
             w1 loses 0
             w1 done b@1",
            "(overlapping-owners)",
        ),
        (
            "a coordinator's successor tells what is committed, and not what was not",
            AFTER,
            "w1 does a@0
             w1 commits 0 1 1
             w1 does b@1
             w1 asks 0 2
             w1 taken 0 2 1 is uncommitted
             2 coordinates
             w1 hears 0 2 NotCoordinator
             w1 gives 0
             w1 joins 0 1
             w1 polls b@1
             w1 works b@1",
            "(reprocessed)",
        ),
        (
            "a position may go down",
            AFTER,
            "w1 does a@0 b@1
             w1 commits 0 2 1
             w1 commits 0 1 1
             w1 gives 0
             w1 joins 0 1",
            "",
        ),
        (
            "an answer that was on its way while another position was taken",
            AFTER,
            "w1 does a@0 b@1
             w1 commits 0 1 1
             w1 asks 0 2
             w1 taken 0 2 1
             w2 told 0 1",
            "",
        ),
        (
            "a program that fails tries again before it goes on",
            AFTER,
            "w1 works a@0
             w1 again a@0
             w1 works a@0 2
             w1 done a@0 2
             w1 works b@1
             w1 drops b@1
             w1 commits 0 2 1",
            "",
        ),
        (
            "the position that a program was killed with comes back",
            AFTER,
            "w1 does a@0 b@1
             kill 301
             start 301
             remove w1 Replaced
             member w2 2 0
             w2 joins 0 -
             w2 polls a@0
             w2 does a@0",
            "(reprocessed)",
        ),
        (
            "a classic group is rebalanced",
            CLASSIC,
            "w1 does a@0 b@1
             group PreparingRebalance 1 1
             w1 commits 0 2 1
             w1 gives 0
             group CompletingRebalance 2 2
             member w2 2 0
             member w1 2
             group Stable 2 2
             w2 joins 0 2
             w2 polls c@2
             w2 does c@2
             w2 commits 0 3 2",
            "",
        ),
        (
            "an old position expires",
            AFTER,
            "w1 does a@0 b@1
             w1 commits 0 2 1
             w1 gives 0
             remove w1 Left
             group Empty 2 0
             wait 70
             expire 0
             member w2 3 0
             group Stable 3 1
             w2 joins 0 -
             w2 polls a@0",
            "",
        ),
        (
            "a failed record is handed on, and processed",
            RETRY,
            "w1 works a@0
             w1 copies x a@0 1
             w1 copied x@0
             w1 retried a@0 x
             w1 does b@1
             w1 commits 0 2 1
             w1 works x@r0 2
             w1 done x@r0 2",
            "",
        ),
        (
            "a record ends as a dead letter",
            RETRY,
            "w1 works a@0
             w1 copies x a@0 1 after 1
             w1 copied x@0
             w1 retried a@0 x
             w1 commits 0 1 1
             wait 2
             w1 works x@r0 2
             w1 copies y x@r0 2 of a
             w1 copied y@1
             w1 retried x@r0 y
             w1 works y@r1 3
             w1 copies z y@r1 3 of a dead
             w1 copied z@0 dead
             w1 buried y@r1 z",
            "",
        ),
        (
            "one group processes what another gives up",
            RIVALS,
            "member v1 1 0
             v1 joins 0 -
             w1 does a@0
             w1 works b@1
             w1 copies u b@1 1
             w1 copied u@0
             w1 retried b@1 u
             w1 commits 0 2 1
             v1 works a@0
             v1 copies x a@0 1
             v1 copied x@1
             v1 retried a@0 x
             v1 works b@1
             v1 copies t b@1 1
             v1 copied t@2
             v1 retried b@1 t
             v1 commits 0 2 1
             v1 works x@r1 2
             v1 copies y x@r1 2 of a
             v1 copied y@3
             v1 retried x@r1 y
             v1 works y@r3 3
             v1 copies z y@r3 3 of a dead
             v1 copied z@0 dead
             v1 buried y@r3 z",
            "",
        ),
        (
            "a record is tried three times on the spot, and is a dead letter then",
            BLOCKING,
            "w1 works a@0
             w1 again a@0
             w1 works a@0 2
             w1 again a@0
             w1 works a@0 3
             w1 copies z a@0 3 dead
             w1 copied z@0 dead
             w1 buried a@0 z
             w1 does b@1
             w1 commits 0 2 1",
            "",
        ),
    ];
    tell_all(&stories);
}

#[test]
fn broken_histories_are_caught() {
    tell_all(BROKEN);
}

/// Histories that break a word, and which.
pub(super) const BROKEN: &[GroupStory] = &[
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
             w1 told 0 2
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
             w1 hears 0 2",
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
        "a generation falls below what a member was told",
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
             w1 told 0 1
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
        "a group does not come to rest",
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
             w1 hears 0 2 NotCoordinator
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
             w1 told 0 -
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
    tell_all(&stories);
}

#[test]
fn groups_have_settled_when_nothing_is_waited_for() {
    // Each line is what happens next, and what is waited for then.
    let story = [
        ("meta 1 leader 1", "group g stands at 2 of 4 in orders/0"),
        (
            "w1 does a@0 b@1\nw1 commits 0 2 1",
            "group g stands at 2 of 4 in orders/0",
        ),
        ("w1 polls c@2 d@3\nw1 does c@2 d@3\nw1 commits 0 4 1", ""),
        ("w1 gives 0", "orders/0 has 0 owners in group g"),
        (
            "group Reconciling 2 1",
            "orders/0 has 0 owners in group g; group g is not stable (Some(Reconciling))",
        ),
        ("w1 owns 0\ngroup Stable 2 1", ""),
        ("w2 owns 0", "orders/0 has 2 owners in group g"),
        ("kill 302\nstart 302", ""),
    ];
    tell_waits(AFTER, &story);
}

#[test]
fn a_retry_topic_is_drained_by_who_reads_it_to_its_end_without_commits() {
    let none = Contract {
        work: Some(Work {
            commit: CommitMode::None,
            program: Program::Retry { copy_first: true },
            ..WORK
        }),
        ..PLAIN
    };
    let story = [
        (
            "meta 1 leader 1
             w1 polls c@2 d@3
             w1 works a@0
             w1 copies x a@0 1
             w1 copied x@0
             w1 retried a@0 x
             w1 does b@1 c@2 d@3
             member w1 1 0,r
             w1 joins r -",
            "group g stands at 0 of 1 in retry/0",
        ),
        // It came before its time: the program goes back to it and waits.
        ("w1 polls x@r0", ""),
        ("w1 seeks r 0", "group g stands at 0 of 1 in retry/0"),
        ("w1 moves r 1 0", "group g stands at 0 of 1 in retry/0"),
        ("w1 polls x@r0", ""),
    ];
    tell_waits(none, &story);
}

#[test]
fn a_group_that_cannot_begin_by_itself_is_not_waited_for() {
    let begun = ONE.replace("w1 joins 0 -\n    w1 polls a@0 b@1", "w1 owns 0\n    w1 told 0 -");
    let script = format!("{BEGIN}{begun}\nmeta 1 leader 1");
    let waits = |contract| watch(&steps(&script, contract), contract).settled();
    assert_eq!(
        waits(AFTER),
        Err(vec!["group g has no position, of 4 in orders/0".to_owned()])
    );
    assert_eq!(waits(NOWHERE), Ok(()));
}

/// What happens next after [`ONE`], and what is waited for then.
fn tell_waits(contract: Contract, story: &[(&str, &str)]) {
    let mut script = format!("{BEGIN}{ONE}\n");
    for (next, waits) in story {
        script.push_str(next);
        script.push('\n');
        let settled = watch(&steps(&script, contract), contract).settled();
        let found = settled.err().unwrap_or_default().join("; ");
        assert_eq!(found, *waits, "after {next}");
    }
}

/// Name, contract, what happens after [`ONE`], and what is found.
pub(super) type GroupStory = (&'static str, Contract, &'static str, &'static str);

fn tell_all(stories: &[GroupStory]) {
    tell_scripts(stories);
}

fn tell_scripts(stories: &[(&'static str, Contract, &str, &'static str)]) {
    let scripts: Vec<String> = stories.iter().map(|(_, _, script, _)| after_one(script)).collect();
    let stories = stories.iter().zip(&scripts);
    let stories: Vec<Story<'_>> = stories
        .map(|((name, contract, _, finds), script)| Story {
            name,
            contract: *contract,
            script,
            finds,
        })
        .collect();
    tell(&stories);
}

//! Histories that break no word.

use super::*;

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
             w1 answered 0 2 IllegalGeneration
             member w2 2 0
             group Stable 2 1
             w2 joins 0 -
             w2 polls a@0 b@1
             w2 does a@0 b@1
             w2 commits 0 2 2",
            "(overlapping-owners) (reprocessed)",
        ),
        (
            "a member that has not learned of its removal works on beside the new owner",
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
            "a coordinator's successor answers with what is committed, and nothing else",
            AFTER,
            "w1 does a@0
             w1 commits 0 1 1
             w1 does b@1
             w1 asks 0 2
             w1 taken 0 2 1 is uncommitted
             2 coordinates
             w1 answered 0 2 NotCoordinator
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
             w2 fetched 0 1",
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
            "a classic group goes over to the consumer protocol with its members",
            CLASSIC,
            "w1 does a@0 b@1
             group PreparingRebalance 1 1
             w1 commits 0 2 1
             w1 gives 0
             group CompletingRebalance 2 1
             member w1 2 0
             group Stable 2 1
             w1 joins 0 2
             group Assigning 2 1
             member w1 2 0
             member w2 3
             group Reconciling 3 2
             w1 commits 0 2 2
             w1 gives 0
             member w1 3
             member w2 3 0
             group Stable 3 2
             w2 joins 0 2
             w2 polls c@2
             w2 does c@2
             w2 commits 0 3 3",
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
            "a consumer without a position seeks to one",
            NOWHERE,
            "w2 stuck 0
             w2 seeks 0 3",
            "",
        ),
        (
            "a member without a place comes back as a new process",
            AFTER,
            "w2 unseated UnreleasedInstanceId
             kill 302
             start 302",
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
    check_group_stories(&stories);
}

//! The history of a group: a new member, a crash, a new coordinator, a position that expires.

use super::super::BEGIN;
use super::super::groups::{AFTER, ONE};
use super::{AsGood, hunt};

/// After [`ONE`].
const GOOD: &str = "
w1 does a@0 b@1
w1 commits 0 1 1
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
w2 does c@2
w2 commits 0 3 2
kill 302
remove w2 SessionTimeout
member w1 3 0
group Stable 3 1
w1 joins 0 3
w1 polls d@3
w1 does d@3
2 coordinates
w1 commits 0 4 3
heal
";

fn is_of_groups(change: &str) -> bool {
    let kinds = [
        "Coordinator",
        "Group",
        "Member",
        "Offset",
        "Partitions",
        "PositionReset",
        "Process",
        "Commit",
        "Polled",
    ];
    kinds.iter().any(|kind| change.starts_with(kind))
}

const AS_GOOD: AsGood = &[
    ("CoordinatorLoading", "asked for only where it answers too early"),
    ("CoordinatorLoaded.end", "what it has read is compared by its digest"),
    ("GroupChanged.state~", "a state of which nothing is asked"),
    ("GroupChanged.members", "who they are is known from other facts"),
    ("GroupChanged.epoch", "an epoch that not every member has reached"),
    ("GroupChanged.node~", "nobody believes it: it does not coordinate"),
    ("MemberChanged.node~", "nobody believes it: it does not coordinate"),
    ("MemberChanged.member~", "a member that does nothing in that epoch"),
    ("MemberChanged.epoch", "an epoch in which the member does nothing"),
    ("MemberChanged.assigned+", "a partition that nobody takes"),
    ("MemberChanged.revoking", "given up before anybody gets it"),
    ("MemberRemoved.cause~", "removed all the same"),
    ("OffsetCommitted.at-", "an earlier place, which is committed too"),
    ("OffsetCommitted.member~", "another member that may commit"),
    (
        "OffsetCommitted.epoch",
        "the new coordinator has not stated the member's epoch",
    ),
    ("PartitionsRevoked.member~", "who gives up is known from the node"),
    ("PartitionsRevoked.epoch", "given up in any epoch"),
    ("PartitionsRevoked.partitions+", "a partition that it does not have"),
    ("PositionReset.node~", "the first record polled decides"),
    ("PositionReset.partition~", "the first record polled decides"),
    ("PositionReset.to-", "before the first record there is none"),
    ("ProcessBegun.partition~", "work that never ends"),
    ("ProcessBegun.offset", "work that never ends"),
    ("ProcessBegun.uid~", "a record is known by its place"),
    (
        "ProcessBegun.attempt",
        "only shown to people where there is no retry topic",
    ),
    ("ProcessEnded.processing.uid~", "a record is known by its place"),
    (
        "ProcessEnded.processing.attempt",
        "only shown to people where there is no retry topic",
    ),
    ("ProcessEnded.outcome~", "a program may go on without a record"),
    ("CommitEnded.offsets-", "less is promised"),
    ("CommitEnded.error~", "less is promised"),
];

#[test]
fn every_change_of_one_field_is_caught_or_as_good() {
    let caught = hunt(&format!("{BEGIN}{ONE}{GOOD}"), AFTER, is_of_groups, AS_GOOD);
    assert!(caught > 100, "only {caught} changes were caught");
}

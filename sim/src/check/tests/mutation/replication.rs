//! The history of a replicated partition and its quorum.

use super::super::script::{Contract, PLAIN};
use super::{AsGood, hunt};

/// A history with everything in it: commits, a kill, a new leader, a cut, a power loss, ISR changes, polls, votes.
const GOOD: &str = "
meta 1 stores 1 1
meta 1 votes 1 1
meta 2 stores 1 1
meta 1 leader 1
meta 2 follower 1 1
meta 3 follower 1 1
meta 1 appends 1
meta 1 appends 1
meta 2 copies 1
meta 3 copies 1
meta 1 flushes
meta 1 hw 1 2
meta 1 applied 2 77
meta 2 applied 2 77
meta 3 applied 2 77
elect 1 isr 1,2,3
1 leads
2 follows
3 follows
send a b c d e f g h i
reset - 0
commit a b
ok a@0 b@1
1 serves 0-2
poll a@0 b@1
commit c
ok c@2
1 flushes
2 flushes
3 flushes
1 appends d
2 copies
2 fetches
kill 1
elect 2 isr 2,3
2 leads
3 follows
3 copies
3 fetches
2 hw 4
3 hw 4
2 answers all 3-3
ok d@3
2 appends e
2 answers 1 4-4
3 copies
3 fetches
2 hw 5
3 hw 5
ok acks=1 e@4
start 1
meta 1 recovers
1 recovers
1 follows
2 appends f
kill 2
elect 3 isr 3
isr 3
3 leads
3 adopts 3
1 follows
1 copies
1 fetches
3 proposes 1,3
isr 1,3
3 adopts 1,3
commit g
ok g@5
start 2
meta 2 recovers
2 recovers
2 follows
2 cuts 5
2 copies
2 fetches
3 proposes 1,2,3
isr 1,2,3
3 adopts 1,2,3
unknown f
fail i
commit h
ok h@6
3 serves 2-7
poll c@2 d@3
poll e@4 g@5 h@6
meta 2 stores 2 2
meta 3 stores 2 2
meta 2 leader 2
meta 1 follower 2 2
meta 2 appends 2
meta 1 copies 2
meta 2 hw 2 3
meta 2 applied 3 88
meta 1 applied 3 88
heal
";

/// Changes that leave it as good as it was.
const AS_GOOD: AsGood = &[
    ("Flushed.end-", "a weaker promise, and no power is lost"),
    ("Flushed.node~", "another log that is as long"),
    ("Appended.role~", "who leads is known from other facts"),
    ("Truncated.cause~", "an answer of another kind"),
    ("BecameLeader.partition_epoch", "a copy of the committed state's"),
    ("BecameLeader.high_watermark-", "it may lag behind"),
    (
        "BecameLeader.isr~",
        "who else is asked is known from the committed state",
    ),
    (
        "BecameFollower.leader~",
        "where it fetches from is known from what it gets",
    ),
    ("BecameFollower.high_watermark-", "it may lag behind"),
    ("BecameFollower.high_watermark+", "what it has below that is committed"),
    ("BecameFollower.node~", "another that follows as well"),
    ("BecameFollower.leader_epoch", "an epoch in which nothing else happens"),
    (
        "BecameFollower.partition~",
        "a partition of which nothing else is known",
    ),
    (
        "HighWatermarkChanged.leader_epoch",
        "a follower gets it from its leader",
    ),
    (
        "HighWatermarkChanged.from",
        "where it was before is known from other facts",
    ),
    (
        "HighWatermarkChanged.to-",
        "it may lag behind as long as nobody relies on it",
    ),
    ("HighWatermarkChanged.role~", "it came from the leader before"),
    (
        "HighWatermarkChanged.node~",
        "it may lag behind as long as nobody relies on it",
    ),
    ("FollowerFetched.broker_epoch", "compared where ISRs grow"),
    (
        "FollowerFetched.fetch_offset+",
        "believed only as far as the follower's log reaches",
    ),
    ("FollowerFetched.node~", "reported to a replica that does not lead"),
    ("FollowerFetched.follower~", "of a replica that is not asked"),
    ("FollowerFetched.leader_epoch", "of a replica that is not asked"),
    ("FollowerFetched.partition~", "of a replica that is not asked"),
    ("FollowerFetched.fetch_offset-", "of a replica that is not asked"),
    ("IsrProposed", "more or fewer are asked, and all have it"),
    ("IsrChanged", "more or fewer are asked, and all have it"),
    ("ProduceAnswered.acks~", "less is promised"),
    ("ProduceAnswered.error~", "less is promised"),
    ("ProduceAnswered.leader_epoch", "asked for only where a record is lost"),
    ("ProduceAnswered.partition~", "asked for only where a record is lost"),
    ("ProduceAnswered.node~", "asked for only where a record is lost"),
    ("ProduceAnswered.offsets-", "less is promised"),
    ("ProduceAnswered.isr_at_append+", "more than asked for"),
    ("ProduceAnswered.high_watermark+", "the smaller one counts"),
    (
        "ProduceAnswered.offsets+",
        "acks=1 promises nothing of the high watermark",
    ),
    ("ProduceAnswered.isr_at_append-", "still as many as are asked for"),
    (
        "ProduceAnswered.high_watermark-",
        "acks=1 promises nothing of the high watermark",
    ),
    ("FetchServed", "less was served"),
    ("QuorumRoleChanged.role~", "a follower like any"),
    ("QuorumRoleChanged.epoch", "an epoch in which nothing else happens"),
    ("QuorumRoleChanged.leader~", "a leader is known by what it does"),
    ("QuorumRoleChanged.node~", "another follower"),
    ("VoteStored", "a vote of another epoch or voter"),
    ("VoteGranted", "a vote of another epoch or voter"),
    ("MetadataApplied.end", "a state to which no other is compared"),
    ("MetadataApplied.node~", "another node that has it"),
    ("PartitionChanged.node~", "everybody states it"),
    ("TopicCreated.node~", "everybody states it"),
    ("TopicCreated.offset", "a record that nobody else states"),
    ("PositionReset.node~", "a consumer that reads nothing"),
    ("PositionReset.partition~", "a partition that is not read"),
    ("PositionReset.to", "the first record polled decides"),
    ("SendOk.acks~", "less is promised"),
    ("SendInvoked", "a record that nobody sees"),
];

#[test]
fn every_change_of_one_field_is_caught_or_as_good() {
    let contract = Contract { consumers: 1, ..PLAIN };
    let caught = hunt(GOOD, contract, |_| true, AS_GOOD);
    assert!(caught > 500, "only {caught} changes were caught");
}

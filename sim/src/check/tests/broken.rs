//! Histories of a system that breaks its word: the right checks must answer, and no others.

use super::script::{Contract, PLAIN};
use super::{LOOSE, ONE, Story, check_stories};
use crate::verdict::Check;

const STORIES: &[Story<'_>] = &[
    Story {
        name: "acks=all is answered at once, and the leader dies",
        contract: PLAIN,
        script: "
            send a b
            commit a
            ok a@0
            1 appends b
            1 answers all 1-1
            ok b@1
            kill 1
            elect 2 isr 2,3
            2 leads
            3 follows",
        finds: "lost-write R13",
    },
    Story {
        name: "acks=all is answered at once, and nothing happens",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            1 answers all 0-0",
        finds: "R13",
    },
    Story {
        name: "acks=all is accepted with too small an ISR",
        contract: PLAIN,
        script: "
            send a
            commit a
            1 answers all 0-0 isr 1",
        finds: "R13",
    },
    Story {
        name: "a refused record is appended",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            1 answers all 0-0 error NotEnoughReplicas",
        finds: "R13",
    },
    Story {
        name: "KIP-101 undone: a follower cuts to its own high watermark and is elected",
        contract: ONE,
        script: "
            send a b c
            commit a
            1 appends b
            2 copies
            3 copies
            2 fetches
            3 fetches
            1 hw 2
            1 answers all 1-1
            ok a@0 b@1
            poll a@0 b@1
            kill 1
            elect 2 isr 2,3
            2 leads
            3 follows
            3 cuts 1 by hw
            kill 2
            elect 3 isr 3
            3 leads
            commit c
            ok c@1
            seek 1
            poll c@1",
        finds: "lost-write inconsistent-offset R3 R11",
    },
    Story {
        name: "an ack names an offset where something else stands",
        contract: PLAIN,
        script: "
            send a b
            commit a b
            ok a@1 b@1",
        finds: "inconsistent-offset false-ack-offset",
    },
    Story {
        name: "a record is stored with other content",
        contract: PLAIN,
        script: "
            send a
            commit a!
            ok a@0
            poll a!@0",
        finds: "corruption",
    },
    Story {
        name: "a record is delivered with other content",
        contract: PLAIN,
        script: "
            send a
            commit a
            ok a@0
            poll a!@0",
        finds: "corruption uncommitted-read",
    },
    Story {
        name: "a record that nobody sent is committed",
        contract: PLAIN,
        script: "commit z",
        finds: "phantom",
    },
    Story {
        name: "a record that nobody sent is delivered",
        contract: PLAIN,
        script: "
            send a
            commit a
            poll z@0",
        finds: "phantom uncommitted-read",
    },
    Story {
        name: "a failed write is committed",
        contract: PLAIN,
        script: "
            send a
            fail a
            commit a",
        finds: "failed-write-visible failed-sends",
    },
    Story {
        name: "a failed write is read but never committed",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            fail a
            poll a@0",
        finds: "failed-write-visible uncommitted-read failed-sends",
    },
    Story {
        name: "a record is read above the high watermark",
        contract: PLAIN,
        script: "
            send a b
            commit a
            ok a@0
            1 appends b
            poll a@0 b@1",
        finds: "uncommitted-read",
    },
    Story {
        name: "a record is served above the high watermark",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            1 serves 0-1",
        finds: "uncommitted-read",
    },
    Story {
        name: "a follower has other records than the leader",
        contract: PLAIN,
        script: "
            send a b
            isr 1,2
            1 adopts 1,2
            commit a
            3 writes b
            3 hw 1",
        finds: "replica-divergence R1",
    },
    Story {
        name: "an idempotent producer's record stands twice",
        contract: PLAIN,
        script: "
            send a
            commit a
            commit a
            ok a@0",
        finds: "duplicate",
    },
    Story {
        name: "records stand in another order than they were sent in",
        contract: PLAIN,
        script: "
            send a b
            commit b
            commit a
            ok b@0 a@1",
        finds: "nonmonotonic-send",
    },
    Story {
        name: "records stand in another order although only one request is in flight",
        contract: Contract { in_flight: 1, ..LOOSE },
        script: "
            send a b
            commit b
            commit a
            ok b@0 a@1",
        finds: "nonmonotonic-send",
    },
    Story {
        name: "a consumer jumps over a record within a poll",
        contract: PLAIN,
        script: "
            send a b c
            commit a b c
            reset - 0
            poll a@0 c@2",
        finds: "poll-skip",
    },
    Story {
        name: "a consumer jumps over a record between polls",
        contract: PLAIN,
        script: "
            send a b c
            commit a b c
            poll a@0
            poll c@2",
        finds: "poll-skip",
    },
    Story {
        name: "a consumer begins behind its position",
        contract: PLAIN,
        script: "
            send a b
            commit a b
            reset - 0
            poll b@1",
        finds: "poll-skip",
    },
    Story {
        name: "a consumer gets a record twice",
        contract: PLAIN,
        script: "
            send a b
            commit a b
            poll a@0 b@1
            poll b@1",
        finds: "nonmonotonic-poll",
    },
    Story {
        name: "a high watermark passes the log's end",
        contract: PLAIN,
        script: "
            send a
            commit a
            2 hw 2",
        finds: "R2 R6",
    },
    Story {
        name: "a leader's high watermark falls",
        contract: PLAIN,
        script: "
            send a
            commit a
            1 hw 0",
        finds: "R2",
    },
    Story {
        name: "a committed ISR contains a replica that lacks committed records",
        contract: PLAIN,
        script: "
            send a
            isr 1,2
            1 adopts 1,2
            commit a
            isr 1,2,3",
        finds: "R3",
    },
    Story {
        name: "a replica that lacks committed records is elected",
        contract: PLAIN,
        script: "
            send a b
            isr 1,2
            1 adopts 1,2
            commit a
            ok a@0
            elect 3 isr 3
            3 leads",
        finds: "lost-write R3",
    },
    Story {
        name: "a high watermark advances without an in-sync follower's fetch",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            2 copies
            3 copies
            2 fetches
            1 hw 1",
        finds: "R6",
    },
    Story {
        name: "a high watermark advances by a fetch that claims too much",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            2 copies
            2 fetches
            1 learns 3 1
            1 hw 1",
        finds: "R3 R6",
    },
    Story {
        name: "a high watermark ignores a proposed ISR",
        contract: PLAIN,
        script: "
            send a b
            isr 1,2
            1 adopts 1,2
            commit a
            3 copies
            3 fetches
            1 proposes 1,2,3
            commit b",
        finds: "R6",
    },
    Story {
        name: "a high watermark advances with too small an ISR",
        contract: PLAIN,
        script: "
            send a
            isr 1
            1 adopts 1
            1 appends a
            1 hw 1",
        finds: "R6",
    },
    Story {
        name: "a restarted broker takes an old ISR of itself alone for true",
        contract: ONE,
        script: "
            isr 1
            1 adopts 1
            send a b c
            commit a
            2 copies
            isr 1,2
            1 adopts 1,2
            1 appends b
            kill 1
            elect 2 isr 2
            2 leads
            commit c
            start 1
            1 recovers
            1 leads epoch 0
            1 adopts 1
            1 hw 2",
        finds: "R1 R6",
    },
    Story {
        name: "two leaders in one epoch",
        contract: PLAIN,
        script: "2 leads",
        finds: "R9",
    },
    Story {
        name: "epochs fall along a log",
        contract: PLAIN,
        script: "
            send a b
            elect 1 isr 1,2,3
            1 leads
            1 appends a
            1 appends b epoch 0",
        finds: "R9",
    },
    Story {
        name: "a leader cuts its own log",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            1 cuts 0",
        finds: "R11",
    },
    Story {
        name: "an in-sync follower cuts what is committed",
        contract: PLAIN,
        script: "
            send a b
            commit a
            commit b
            ok a@0 b@1
            2 cuts 1",
        finds: "R3 R11",
    },
    Story {
        name: "a follower obeys the answer of an earlier epoch",
        contract: PLAIN,
        script: "
            send a
            elect 2 isr 1,2,3
            2 leads
            3 follows
            3 writes a epoch 0
            3 cuts 0 epoch 0",
        finds: "R11",
    },
    Story {
        name: "a kill takes records",
        contract: PLAIN,
        script: "
            send a b
            commit a
            commit b
            ok a@0 b@1
            kill 2
            start 2
            2 recovers 1",
        finds: "R3 D2",
    },
    Story {
        name: "a power loss takes flushed records",
        contract: PLAIN,
        script: "
            send a b
            commit a
            commit b
            2 flushes 2
            power 2
            start 2
            2 recovers 1",
        finds: "R3 D2",
    },
    Story {
        name: "a log vanishes in a kill",
        contract: PLAIN,
        script: "
            send a
            commit a
            kill 2
            isr 1,3
            1 adopts 1,3
            start 2
            2 vanishes
            2 follows",
        finds: "D2",
    },
    Story {
        name: "recovery invents records",
        contract: PLAIN,
        script: "
            send a b
            commit a
            kill 2
            start 2
            2 invents b",
        finds: "D2",
    },
    Story {
        name: "all replicas lose power although everything was flushed",
        contract: PLAIN,
        script: "
            send a
            commit a
            ok a@0
            1 flushes
            2 flushes
            3 flushes
            power 1 2 3
            start 1 2 3
            1 recovers 0
            2 recovers 0
            3 recovers 0
            elect 1 isr 1
            1 leads",
        finds: "lost-write R3 D2",
    },
    Story {
        name: "min.insync.replicas=2 and one power loss",
        contract: PLAIN,
        script: "
            send a b
            commit a
            commit b
            ok a@0 b@1
            power 1
            start 1
            1 recovers 1
            elect 1 isr 1,2,3
            1 leads
            2 follows
            2 cuts 1
            3 follows
            3 cuts 1",
        finds: "lost-write R3",
    },
    Story {
        name: "an election outside the ISR although the topic forbids it",
        contract: ONE,
        script: "
            send a
            isr 1
            1 adopts 1
            commit a
            ok a@0
            kill 1
            elect 2 isr 2
            2 leads",
        finds: "lost-write R3",
    },
    Story {
        name: "an acks=1 write is gone although nothing happened",
        contract: PLAIN,
        script: "
            send a
            1 appends a
            1 answers 1 0-0
            ok acks=1 a@0",
        finds: "lost-write",
    },
    Story {
        name: "two leaders of the quorum in one epoch",
        contract: PLAIN,
        script: "
            meta 1 leader 3
            meta 2 leader 3",
        finds: "Q1",
    },
    Story {
        name: "a voter votes twice, with a power loss between",
        contract: PLAIN,
        script: "
            meta 1 votes 3 2
            power 1
            start 1
            meta 1 votes 3 3",
        finds: "Q1",
    },
    Story {
        name: "metadata logs part below an entry that they share",
        contract: PLAIN,
        script: "
            meta 1 appends 1 x
            meta 1 appends 2 y
            meta 2 appends 1 z
            meta 2 appends 2 y",
        finds: "Q3",
    },
    Story {
        name: "a quorum leader lacks a committed entry",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            meta 1 appends 1
            meta 1 hw 1 1
            meta 2 leader 2",
        finds: "Q4",
    },
    Story {
        name: "equal metadata, different states",
        contract: PLAIN,
        script: "
            meta 1 appends 1
            meta 2 copies 1
            meta 1 applied 1 77
            meta 2 applied 1 78",
        finds: "Q5",
    },
    Story {
        name: "a durable epoch falls",
        contract: PLAIN,
        script: "
            meta 1 stores 3
            kill 1
            start 1
            meta 1 stores 2",
        finds: "Q6",
    },
    Story {
        name: "a prior epoch's entry is committed by counting (Raft figure 8)",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            meta 1 appends 1
            meta 2 copies 1
            meta 2 leader 2
            meta 2 hw 2 1",
        finds: "Q7",
    },
    Story {
        name: "the quorum leader's high watermark falls",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            meta 1 appends 1
            meta 1 appends 1
            meta 1 hw 1 2
            meta 1 hw 1 1 2",
        finds: "Q7",
    },
    Story {
        name: "committed metadata is cut",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            meta 1 appends 1
            meta 2 copies 1
            meta 1 hw 1 1
            meta 2 cuts 0",
        finds: "R11",
    },
    Story {
        name: "nothing comes right after the heal",
        contract: Contract { consumers: 1, ..PLAIN },
        script: "
            send a b
            commit a
            1 appends b
            ok a@0
            heal
            wait 5
            reset - 0
            unsettled",
        finds: "L1 L2 L5 L8",
    },
    Story {
        name: "no leader after the heal",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            elect - isr 1
            heal
            unsettled",
        finds: "L2",
    },
    Story {
        name: "a record stays uncommitted after the heal",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            heal
            send a
            1 appends a
            wait 5
            reset - 0
            unsettled",
        finds: "L2 L5",
    },
    Story {
        name: "a record was appended just before the end, and nothing else is left to do",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            heal
            send a
            1 appends a
            reset - 0
            unsettled",
        finds: "(L2?) (L5?)",
    },
    Story {
        name: "a record was appended just before the end, and a replica stays out of sync",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            isr 1,2
            heal
            send a
            1 appends a
            reset - 0
            unsettled",
        finds: "L8",
    },
    Story {
        name: "a replica stays out of sync after the heal",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            isr 1,2
            1 adopts 1,2
            heal
            unsettled",
        finds: "L8",
    },
    Story {
        name: "a consumer does not read the second of its partitions",
        contract: Contract {
            consumers: 1,
            partitions: 2,
            ..PLAIN
        },
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
        finds: "L8",
    },
    Story {
        name: "a load cannot send to one of two partitions after the heal",
        contract: Contract { partitions: 2, ..PLAIN },
        script: "
            meta 1 leader 1
            heal
            send a b
            fail b
            commit a
            ok a@0",
        finds: "L5",
    },
    Story {
        name: "no send of a producer comes through",
        contract: PLAIN,
        script: "
            send a b c d e
            fail a b c d
            unknown e",
        finds: "failed-sends",
    },
    Story {
        name: "the only send of a producer fails",
        contract: PLAIN,
        script: "
            send a
            fail a",
        finds: "failed-sends",
    },
    Story {
        name: "no send of a producer comes through since the heal",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            send a
            commit a
            ok a@0
            heal
            send b c d e f
            fail b c d e f",
        finds: "failed-sends L5",
    },
    Story {
        name: "a load cannot send after the heal",
        contract: PLAIN,
        script: "
            meta 1 leader 1
            send a
            commit a
            ok a@0
            heal
            send b
            unknown b
            send c
            fail c",
        finds: "L5",
    },
];

#[test]
fn every_broken_word_is_caught() {
    check_stories(STORIES);
}

#[test]
fn every_check_has_a_story() {
    let of_groups = super::groups::BROKEN.iter().map(|(.., finds)| *finds);
    let finds: Vec<&str> = STORIES.iter().map(|story| story.finds).chain(of_groups).collect();
    for check in Check::ALL {
        let name = check.id();
        // Code of a user speaks in whole trials only: the suite `own_trials` has its stories.
        if matches!(check, Check::Own | Check::Panic) {
            continue;
        }
        let is_caught = match check {
            // It breaks no word.
            Check::Overload => super::groups::OVERLOAD.3 == "(overload)",
            _ => finds.iter().any(|finds| finds.split(' ').any(|found| found == name)),
        };
        assert!(is_caught, "{name} never caught anything: {check:?}");
    }
}

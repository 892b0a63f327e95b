//! One row a story: what happens, and which checks answer. Names alone are violations; in brackets stands what the
//! contract allows, with a question mark what cannot be told.

use super::script::{Contract, PLAIN, found, judge};

/// Three replicas in sync, broker 1 leading.
const BEGIN: &str = "
elect 1 isr 1,2,3
1 leads
2 follows
3 follows
";

struct Story {
    name: &'static str,
    contract: Contract,
    script: &'static str,
    finds: &'static str,
}

fn tell(stories: &[Story]) {
    let mut wrong = Vec::new();
    for story in stories {
        let judged = judge(&format!("{BEGIN}{}", story.script), story.contract);
        let found = found(&judged);
        if found != story.finds {
            let shapes: Vec<&String> = judged.findings.kept().iter().map(|finding| &finding.evidence).collect();
            wrong.push(format!(
                "{}\n  expected: {}\n  found:    {found}\n  {shapes:#?}",
                story.name, story.finds
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const LOOSE: Contract = Contract {
    idempotent: false,
    ..PLAIN
};
const ONE: Contract = Contract {
    min_insync_replicas: 1,
    ..PLAIN
};
const UNCLEAN: Contract = Contract {
    min_insync_replicas: 1,
    unclean: true,
    ..PLAIN
};

#[test]
fn good_histories_pass() {
    tell(&[
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
                elect 2 isr 2,3
                2 leads
                1 appends b epoch 0   # nobody will see this one
                ",
            finds: "",
        },
    ]);
}

#[test]
fn every_broken_word_is_caught() {
    tell(&[Story {
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
    }]);
    let _ = (LOOSE, ONE, UNCLEAN);
}

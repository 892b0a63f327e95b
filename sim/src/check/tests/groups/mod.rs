//! Stories of consumer groups.

mod allowed;
mod broken;
mod good;

use broker_core::config::{AutoOffsetReset, GroupProtocol};

use super::script::{Contract, PLAIN, Program, WORK, Work, steps, watch};
use super::{BEGIN, Story, check_stories};
use crate::scenario::CommitMode;
pub(super) use allowed::OVERLOAD;
pub(super) use broken::BROKEN;

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
/// Workers that have to seek to where they begin.
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
pub(super) const ONE: &str = "
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

fn after_one(rest: &str) -> String {
    format!("{ONE}\n{rest}")
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
            "orders/0 has 0 owners in group g; group g is not stable (on its way to its assignment)",
        ),
        ("w1 owns 0\ngroup Stable 2 1", ""),
        ("w2 owns 0", "orders/0 has 2 owners in group g"),
        ("kill 302\nstart 302", ""),
    ];
    check_waits(AFTER, &story);
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
    check_waits(none, &story);
}

#[test]
fn a_group_that_cannot_begin_by_itself_is_not_waited_for() {
    let begun = ONE.replace("w1 joins 0 -\n    w1 polls a@0 b@1", "w1 owns 0\n    w1 fetched 0 -");
    let script = format!("{BEGIN}{begun}\nmeta 1 leader 1");
    let waits = |contract| watch(&steps(&script, contract), contract).settled();
    assert_eq!(
        waits(AFTER),
        Err(vec!["group g has no position, of 4 in orders/0".to_owned()])
    );
    assert_eq!(waits(NOWHERE), Ok(()));
}

/// Nobody has said what group g is to process: it is an own program's.
#[test]
fn a_group_that_gets_none_of_what_comes_in_is_idle() {
    let begun = ONE.replace("w1 joins 0 -\n    w1 polls a@0 b@1", "w1 owns 0");
    let later = "send e f\ncommit e f\nok e@4 f@5";
    let stories = [
        (
            "it gets nothing",
            format!("{later}\nwait 20\nmeta 1 leader 1"),
            "idle-group",
        ),
        ("nothing comes in", "wait 20\nmeta 1 leader 1".to_owned(), ""),
        ("it comes late", format!("wait 20\n{later}\nmeta 1 leader 1"), ""),
        (
            "it gets something",
            format!("{later}\nw1 fetched 0 -\nw1 begins 0 4\nw1 polls e@4\nwait 20\nmeta 1 leader 1"),
            "",
        ),
        (
            "something held it up",
            format!("{later}\nwait 20\nkill 3\nstart 3\nmeta 1 leader 1"),
            "",
        ),
        (
            "it is gone",
            format!("{later}\nwait 20\nw1 gives 0\nmeta 1 leader 1"),
            "",
        ),
        (
            "the trial was cut off",
            format!("{later}\nwait 20\nmeta 1 leader 1\ncut off"),
            "",
        ),
    ];
    let scripts: Vec<String> = stories
        .iter()
        .map(|(_, script, _)| format!("{begun}\n{script}"))
        .collect();
    let stories = stories.iter().zip(&scripts).map(|((name, _, finds), script)| Story {
        name,
        contract: PLAIN,
        script,
        finds,
    });
    check_stories(&stories.collect::<Vec<_>>());
}

/// What happens next after [`ONE`], and what is waited for then.
fn check_waits(contract: Contract, story: &[(&str, &str)]) {
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

fn check_group_stories(stories: &[GroupStory]) {
    check_scripts(stories);
}

fn check_scripts(stories: &[(&'static str, Contract, &str, &'static str)]) {
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
    check_stories(&stories);
}

//! Stories that the checks must pass, and for each check some that it must catch.

mod allowed;
mod broken;
mod good;
mod groups;
mod live;
mod mutation;
mod script;
mod stage;
mod stage_groups;
mod witness;

use super::Judged;
use script::{Contract, PLAIN, found, judge};

/// Three replicas in sync, broker 1 leading.
const BEGIN: &str = "
elect 1 isr 1,2,3
1 leads
2 follows
3 follows
";

/// Producers without idempotence.
const LOOSE: Contract = Contract {
    idempotent: false,
    ..PLAIN
};
/// `min.insync.replicas=1`.
const ONE: Contract = Contract {
    min_insync_replicas: 1,
    ..PLAIN
};
/// `unclean.leader.election.enable=true`.
const UNCLEAN: Contract = Contract { unclean: true, ..ONE };

/// What happens, and which checks answer.
struct Story<'a> {
    name: &'static str,
    contract: Contract,
    script: &'a str,
    /// Names alone are violations; in brackets stands what the contract allows, with a question mark what cannot be
    /// decided.
    finds: &'static str,
}

/// A witness is at most eight events in the order in which they happened, none of them after the finding.
fn unfit_witnesses(judged: &Judged) -> impl Iterator<Item = String> {
    let step = |line: &String| -> u64 {
        let (_, rest) = line.split_once(" step ").expect("a step");
        let (step, _) = rest.split_once(": ").expect("words");
        step.parse().expect("a number")
    };
    judged.findings.kept().iter().filter_map(move |finding| {
        let steps: Vec<u64> = finding.witness.iter().map(step).collect();
        let fits = steps.len() <= 8
            && steps.is_sorted()
            && steps.iter().all(|step| *step <= finding.at.step)
            && !finding.witness.iter().any(|line| line.contains(" node "));
        (!fits).then(|| format!("{} at {}: {:#?}", finding.check.id(), finding.at.step, finding.witness))
    })
}

/// Runs every story, then reports which of them came out wrong.
fn check_stories(stories: &[Story<'_>]) {
    let mut wrong = Vec::new();
    for story in stories {
        let judged = judge(&format!("{BEGIN}{}", story.script), story.contract);
        let found = found(&judged);
        wrong.extend(unfit_witnesses(&judged).map(|why| format!("{}: {why}", story.name)));
        if found != story.finds {
            let evidence = judged
                .findings
                .kept()
                .iter()
                .map(|finding| format!("  {} {:?}: {}", finding.check.id(), finding.ruling, finding.evidence));
            let evidence: Vec<String> = evidence.collect();
            wrong.push(format!(
                "{}\n  expected: {}\n  found:    {found}\n{}",
                story.name,
                story.finds,
                evidence.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

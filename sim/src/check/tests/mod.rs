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
    /// told.
    finds: &'static str,
}

/// Tells every story, and then which of them came out wrong.
fn tell(stories: &[Story<'_>]) {
    let mut wrong = Vec::new();
    for story in stories {
        let judged = judge(&format!("{BEGIN}{}", story.script), story.contract);
        let found = found(&judged);
        if found != story.finds {
            let evidence = judged
                .findings
                .kept()
                .iter()
                .map(|finding| format!("  {} {:?}: {}", finding.check.name(), finding.ruling, finding.evidence));
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

//! From what the checks found, and what the scenario expects, to one word.

use reports::record::Measured;

use crate::scenario::{Expectation, Scenario};
use crate::units::show_count;
use crate::verdict::{Check, Finding, Findings, Ruling, Word};

/// How a trial ended, by its checks alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// No check was violated.
    Pass,
    /// Some check was, by this signature.
    Violation {
        /// Check and shape.
        signature: String,
    },
    /// The trial could not be judged, for this reason (a limit, mostly).
    Inconclusive {
        /// Why.
        reason: String,
    },
}

/// How a trial came out, seen from what its scenario expects. Table, plots, record and `--json` all say this word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// In one word.
    pub word: Word,
    /// Check and shape of what was found, or why there is no verdict: equal for failures of one cause.
    pub signature: Option<String>,
    /// One sentence about what happened; may be empty.
    pub evidence: String,
    /// The expected anomalies that the trial showed.
    pub found: Vec<&'static str>,
}

impl Judgement {
    /// Judges a trial of `scenario`, whose measures came to `measured`.
    #[must_use]
    pub fn of(scenario: &Scenario, findings: &Findings, verdict: &Verdict, measured: &[Measured]) -> Judgement {
        let expected: &[String] = match &scenario.expect {
            Expectation::Pass => &[],
            Expectation::Finds(names) => names,
        };
        let is_expected = |check: Check| expected.iter().any(|name| name == check.id());
        let is_forbidden = |check: Check| scenario.forbid.iter().any(|name| name == check.id());
        let is_found = |check: Check| findings.found(check) > 0;
        let found = Check::ALL.iter().copied();
        let found = found.filter(|check| is_expected(*check) && is_found(*check));
        let found: Vec<&'static str> = found.map(Check::id).collect();
        let worst = |is_meant: &dyn Fn(&Finding) -> bool| {
            let meant = findings.kept().iter().filter(|finding| is_meant(finding));
            meant.min_by_key(|finding| (finding.check, finding.at))
        };
        let fails = worst(&|finding| match finding.ruling {
            Ruling::Violation => !is_expected(finding.check),
            Ruling::Allowed(_) => is_forbidden(finding.check),
            Ruling::Unknown(_) => false,
        });
        if let Some(finding) = fails {
            return Judgement::by(Word::Violation, finding, found);
        }
        // What was seen before a limit ended the trial was seen; what was not seen might still have come.
        let is_whole = !matches!(verdict, Verdict::Inconclusive { .. });
        let mut misses = out_of_bounds(scenario, findings, is_whole);
        misses.extend(
            measured
                .iter()
                .filter(|measured| measured.is_met == Some(false))
                .map(|missed| Miss {
                    signature: format!("measure: {}", missed.what),
                    evidence: missed.evidence.clone(),
                }),
        );
        if let Some(first) = misses.first() {
            let evidence: Vec<&str> = misses.iter().map(|miss| &*miss.evidence).collect();
            return Judgement {
                word: Word::Missed,
                signature: Some(first.signature.clone()),
                evidence: evidence.join("; "),
                found,
            };
        }
        if let Verdict::Inconclusive { reason } = verdict {
            // What follows the colon is of this seed alone.
            let (head, rest) = reason.split_once(": ").unwrap_or((reason, ""));
            return Judgement {
                word: Word::Inconclusive,
                signature: Some(format!("inconclusive: {head}")),
                evidence: rest.to_owned(),
                found,
            };
        }
        let shown = worst(&|finding| is_expected(finding.check) && !matches!(finding.ruling, Ruling::Unknown(_)));
        if let Some(finding) = shown {
            return Judgement::by(Word::Found, finding, found);
        }
        let is_allowed = Check::ALL.iter().any(|check| findings.allowed(*check) > 0);
        Judgement {
            word: if is_allowed { Word::Allowed } else { Word::Pass },
            signature: None,
            evidence: String::new(),
            found,
        }
    }

    /// A trial that Trial itself broke.
    #[must_use]
    pub fn error(signature: String, evidence: String) -> Judgement {
        Judgement {
            word: Word::Error,
            signature: Some(signature),
            evidence,
            found: Vec::new(),
        }
    }

    fn by(word: Word, finding: &Finding, found: Vec<&'static str>) -> Judgement {
        let forbidden = match (word, &finding.ruling) {
            (Word::Violation, Ruling::Allowed(_)) => "; the contract allows it, and the scenario forbids it",
            _ => "",
        };
        let (time, step) = (finding.at.time, finding.at.step);
        Judgement {
            word,
            signature: Some(finding.signature()),
            evidence: format!("{}{forbidden} (at {time}, step {step})", finding.evidence),
            found,
        }
    }
}

/// Something that the scenario wants, and that the trial did not give.
struct Miss {
    /// Equal for misses of one kind.
    signature: String,
    /// What was wanted, and what came, in a phrase.
    evidence: String,
}

/// The checks that found too much, or too little; the latter only of a trial that is whole.
fn out_of_bounds(scenario: &Scenario, findings: &Findings, is_whole: bool) -> Vec<Miss> {
    let miss = |key: &str, check: Check, wanted: String| {
        let count = findings.found(check);
        let times = if count == 1 { "time" } else { "times" };
        Miss {
            signature: format!("{key}: {}", check.id()),
            evidence: format!("{} {} {times}, {wanted}", check.title(), show_count(count)),
        }
    };
    let above = scenario.at_most.iter();
    let above = above.filter(|(check, most)| findings.found(**check) > **most);
    let above = above.map(|(check, most)| miss("at_most", *check, format!("at most {}", show_count(*most))));
    let below = scenario.at_least.iter();
    let below = below.filter(|(check, least)| is_whole && findings.found(**check) < **least);
    let below = below.map(|(check, least)| miss("at_least", *check, format!("at least {}", show_count(*least))));
    above.chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::At;
    use crate::scenario::parse::parse;

    /// What the scenario says, what was found (in brackets what the contract allows), how it ended, and the word.
    const JUDGED: &[(&str, &str, &str, Word)] = &[
        ("", "", "", Word::Pass),
        ("", "[lost-write]", "", Word::Allowed),
        ("", "lost-write", "", Word::Violation),
        ("", "", "a limit", Word::Inconclusive),
        ("", "lost-write", "a limit", Word::Violation),
        // A name in words means the same check as its id.
        ("forbid = [\"isr-member-lacks-committed\"]", "[R3]", "", Word::Violation),
        ("expect = [\"isr-member-lacks-committed\"]", "R3", "", Word::Found),
        ("expect = [\"isr-member-lacks-committed\"]", "R6", "", Word::Violation),
        ("at_most = { livelock = 1 }", "[L11] [L11]", "", Word::Missed),
        ("expect = [\"lost-write\"]", "", "", Word::Pass),
        ("expect = [\"lost-write\"]", "[duplicate]", "", Word::Allowed),
        ("expect = [\"lost-write\"]", "lost-write", "", Word::Found),
        ("expect = [\"lost-write\"]", "[lost-write] [duplicate]", "", Word::Found),
        ("expect = [\"lost-write\"]", "lost-write duplicate", "", Word::Violation),
        (
            "expect = [\"lost-write\"]",
            "[lost-write]",
            "a limit",
            Word::Inconclusive,
        ),
        ("forbid = [\"lost-write\"]", "[duplicate]", "", Word::Allowed),
        ("forbid = [\"lost-write\"]", "[lost-write]", "", Word::Violation),
        ("forbid = [\"lost-write\"]", "[lost-write]", "a limit", Word::Violation),
        (
            "expect = [\"duplicate\"]\nforbid = [\"lost-write\"]",
            "[duplicate] [lost-write]",
            "",
            Word::Violation,
        ),
        (
            "expect = [\"duplicate\"]\nforbid = [\"lost-write\"]",
            "[duplicate]",
            "",
            Word::Found,
        ),
        ("at_most = { duplicate = 1 }", "[duplicate]", "", Word::Allowed),
        (
            "at_most = { duplicate = 1 }",
            "[duplicate] [duplicate]",
            "",
            Word::Missed,
        ),
        (
            "at_most = { duplicate = 1 }",
            "[duplicate] [duplicate]",
            "a limit",
            Word::Missed,
        ),
        ("at_most = { duplicate = 1 }", "duplicate", "", Word::Violation),
        (
            "at_most = { duplicate = 1 }",
            "duplicate [duplicate]",
            "",
            Word::Violation,
        ),
        (
            "at_least = { duplicate = 2 }",
            "[duplicate] [duplicate]",
            "",
            Word::Allowed,
        ),
        ("at_least = { duplicate = 2 }", "[duplicate]", "", Word::Missed),
        ("at_least = { duplicate = 2 }", "", "", Word::Missed),
        // It might still have come.
        (
            "at_least = { duplicate = 2 }",
            "[duplicate]",
            "a limit",
            Word::Inconclusive,
        ),
        ("at_least = { duplicate = 1 }", "lost-write", "", Word::Violation),
        (
            "expect = [\"duplicate\"]\nat_least = { duplicate = 2 }",
            "duplicate [duplicate]",
            "",
            Word::Found,
        ),
        (
            "expect = [\"duplicate\"]\nat_least = { duplicate = 2 }",
            "duplicate",
            "",
            Word::Missed,
        ),
    ];

    #[test]
    fn what_is_out_of_bounds_is_reported_with_its_numbers() {
        let text = "at_most = { duplicate = 1_000 }\nat_least = { lost-write = 1 }\ntopics = [{ name = \"orders\" }]";
        let scenario = parse("s", "s.toml", text).expect("a scenario").scenario;
        let mut findings = Findings::default();
        for _ in 0..1_001 {
            findings.add(finding(Check::Duplicate, Ruling::Allowed("a clause".to_owned())));
        }
        let judgement = Judgement::of(&scenario, &findings, &Verdict::Pass, &[]);
        assert_eq!(judgement.signature.as_deref(), Some("at_most: duplicate"));
        assert_eq!(
            judgement.evidence,
            "duplicate 1,001 times, at most 1,000; lost-write 0 times, at least 1"
        );
    }

    fn finding(check: Check, ruling: Ruling) -> Finding {
        Finding {
            check,
            ruling,
            shape: "a shape".to_owned(),
            evidence: "evidence".to_owned(),
            at: At::default(),
            witness: Vec::new(),
        }
    }

    #[test]
    fn every_trial_has_one_word() {
        for (says, finds, end, word) in JUDGED {
            let text = format!("{says}\ntopics = [{{ name = \"orders\" }}]");
            let scenario = parse("s", "s.toml", &text).expect("a scenario").scenario;
            let mut findings = Findings::default();
            for name in finds.split_whitespace() {
                let ruling = match name.starts_with('[') {
                    true => Ruling::Allowed("a clause".to_owned()),
                    false => Ruling::Violation,
                };
                let check = Check::from_name(name.trim_matches(['[', ']'])).expect("a check");
                findings.add(finding(check, ruling));
            }
            let verdict = match (findings.worst(), *end) {
                (Some(worst), _) => Verdict::Violation {
                    signature: worst.signature(),
                },
                (None, "") => Verdict::Pass,
                (None, reason) => Verdict::Inconclusive {
                    reason: reason.to_owned(),
                },
            };
            let judgement = Judgement::of(&scenario, &findings, &verdict, &[]);
            assert_eq!(judgement.word, *word, "{says}: {finds} {end}");
            let is_plain = matches!(word, Word::Pass | Word::Allowed);
            assert_eq!(judgement.signature.is_none(), is_plain, "{says}: {finds} {end}");
        }
    }
}

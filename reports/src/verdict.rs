//! The word for how a trial, or all trials of a scenario, came out: one and the same in the table, the plots, the record
//! and `--json`.

use core::fmt;
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How it came out, from good to bad. The worst trial of a scenario gives the scenario its word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Nothing was found.
    Pass,
    /// Anomalies were found, and the contract allows all of them.
    Allowed,
    /// What the scenario expects was found, and nothing else that is wrong.
    Found,
    /// It could not be judged.
    Inconclusive,
    /// A bound or a measure of the scenario was not kept, or no trial showed what the scenario expects.
    Missed,
    /// The contract was broken, or what the scenario forbids was found.
    Violation,
    /// Trial itself failed.
    Error,
}

impl Word {
    /// Every word with its meaning, from good to bad.
    pub const ALL: [(Word, &'static str); 7] = [
        (Word::Pass, "nothing was found"),
        (
            Word::Allowed,
            "anomalies were found, and the contract allows all of them",
        ),
        (
            Word::Found,
            "what the scenario expects was found, and nothing else that is wrong",
        ),
        (
            Word::Inconclusive,
            "it could not be judged: a limit ended it, or it never came to rest",
        ),
        (
            Word::Missed,
            "a bound or a measure was not kept, or no trial showed what the scenario expects",
        ),
        (
            Word::Violation,
            "the contract was broken, or what the scenario forbids was found",
        ),
        (Word::Error, "Trial itself failed"),
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Pass => "pass",
            Word::Allowed => "allowed",
            Word::Found => "found",
            Word::Inconclusive => "inconclusive",
            Word::Missed => "missed",
            Word::Violation => "violation",
            Word::Error => "error",
        }
    }

    /// True when the scenario did what it says.
    #[must_use]
    pub fn is_as_expected(self) -> bool {
        matches!(self, Word::Pass | Word::Allowed | Word::Found)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A check's id and, if it has one besides, its name in words.
pub(crate) fn titled<'a>(id: &'a str, name: Option<&str>) -> Cow<'a, str> {
    match name {
        Some(name) => format!("{id} {name}").into(),
        None => id.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_written_the_same_everywhere_and_stands_in_its_order() {
        for (word, _) in Word::ALL {
            let json = serde_json::to_string(&word).expect("a word is JSON");
            assert_eq!(json, format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<Word>(&json).expect("and comes back"), word);
        }
        assert!(Word::ALL.is_sorted_by_key(|(word, _)| *word));
    }
}

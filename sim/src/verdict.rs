//! What the checkers found, and what follows from it.

use crate::history::At;

mod caught;
mod checks;
mod way_out;

pub use caught::{CAUGHT, Caught};
pub(crate) use checks::title;
pub use checks::{Check, readable};
pub use reports::verdict::Word;
pub(crate) use way_out::{way_out_of, with_way_out};

/// How one check answered about one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// The system broke its word.
    Violation,
    /// It looks bad, but the contract allows it, by this clause.
    Allowed(String),
    /// It cannot be decided, for this reason.
    Unknown(String),
}

/// One finding of one check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// Its answer.
    pub ruling: Ruling,
    /// What the finding has in common with others of its kind, for grouping: no ids, no offsets, no times.
    pub shape: String,
    /// One sentence of evidence: uid, partition, offset, clause.
    pub evidence: String,
    /// When it became true.
    pub at: At,
    /// At most eight events that show it, oldest first.
    pub witness: Vec<String>,
}

/// All findings of a trial. At most [`Findings::KEPT`] of each check and ruling are kept whole; all are counted.
#[derive(Clone, Default, Debug)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: std::collections::BTreeMap<(Check, u8), u64>,
}

impl Findings {
    /// How many findings of one check and kind of ruling are kept whole.
    pub const KEPT: u64 = 8;

    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        if self.count(finding.check, &finding.ruling) {
            self.kept.push(finding);
        }
    }

    /// Adds a finding of this check and ruling, and has it described only if it is kept: there may be thousands.
    pub fn add_with(&mut self, check: Check, ruling: Ruling, describe: impl FnOnce(Check, Ruling) -> Finding) {
        if self.count(check, &ruling) {
            self.kept.push(describe(check, ruling));
        }
    }

    /// Counts one more; returns whether it is to be kept whole.
    fn count(&mut self, check: Check, ruling: &Ruling) -> bool {
        let count = self.counts.entry((check, kind(ruling))).or_default();
        *count += 1;
        *count <= Findings::KEPT
    }

    /// How often `check` was violated.
    #[must_use]
    pub fn violations(&self, check: Check) -> u64 {
        self.counts.get(&(check, 0)).copied().unwrap_or(0)
    }

    /// How often `check` found something that the contract allows.
    #[must_use]
    pub fn allowed(&self, check: Check) -> u64 {
        self.counts.get(&(check, 1)).copied().unwrap_or(0)
    }

    /// How often `check` found something: violations, and what the contract allows.
    #[must_use]
    pub fn found(&self, check: Check) -> u64 {
        self.violations(check) + self.allowed(check)
    }

    /// How often `check` could not decide.
    #[must_use]
    pub fn unknown(&self, check: Check) -> u64 {
        self.counts.get(&(check, 2)).copied().unwrap_or(0)
    }

    /// The findings that were kept, in the order in which they came.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// The first violation to show: of the worst check, the earliest.
    #[must_use]
    pub fn worst(&self) -> Option<&Finding> {
        let violations = self.kept.iter().filter(|finding| finding.ruling == Ruling::Violation);
        violations.min_by_key(|finding| (finding.check, finding.at))
    }

    /// True when no check was violated.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.counts.keys().all(|(_, kind)| *kind != 0)
    }
}

fn kind(ruling: &Ruling) -> u8 {
    match ruling {
        Ruling::Violation => 0,
        Ruling::Allowed(_) => 1,
        Ruling::Unknown(_) => 2,
    }
}

impl Finding {
    /// Check and shape: equal for failures of one cause.
    #[must_use]
    pub fn signature(&self) -> String {
        if self.shape.is_empty() {
            return self.check.id().to_owned();
        }
        format!("{}: {}", self.check.id(), self.shape)
    }
}

//! What the checkers found, and what follows from it.

use crate::history::At;

mod judgement;
mod way_out;

pub use judgement::{Judgement, Verdict};
pub use reports::verdict::Word;
pub(crate) use way_out::{way_out_of, with_way_out};

/// The checks, by the names that reports and scenario files use.
macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $meaning:literal;)*) => {
        /// A check of the catalogue. Ordered as failures are ranked: the most telling first.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[allow(missing_docs)] // `Check::ALL` holds name and meaning of each
        pub enum Check { $($variant,)* }

        impl Check {
            /// Every check with its name and what a violation of it means.
            pub const ALL: &'static [(Check, &'static str, &'static str)] = &[$((Check::$variant, $name, $meaning),)*];

            /// The name in reports and scenario files.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Check::$variant => $name,)* }
            }

            /// The check of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Check> {
                match name { $($name => Some(Check::$variant),)* _ => None }
            }
        }
    };
}

checks! {
    Panic = "panic", "code of the user panicked: a program on its node, a check or an invariant";
    LostWrite = "lost-write", "a send that was answered ok is not in the committed log";
    InconsistentOffset = "inconsistent-offset", "two different records were observed at one offset";
    FalseAckOffset = "false-ack-offset", "a send was answered with an offset that holds another record";
    Corruption = "corruption", "a record was delivered with another key, value, header or partition than it was sent with";
    Phantom = "phantom", "a record was delivered that nobody sent";
    FailedWriteVisible = "failed-write-visible", "a send that failed for certain is in the committed log or was read";
    UncommittedRead = "uncommitted-read", "a consumer got a record at or above the high watermark, or one that is not the committed one";
    ReplicaDivergence = "replica-divergence", "two replicas differ below the high watermark at the end";
    Duplicate = "duplicate", "one record stands at two offsets of a partition";
    NonmonotonicSend = "nonmonotonic-send", "two records of one producer stand in another order than they were sent in";
    PollSkip = "poll-skip", "a consumer jumped over a visible record";
    NonmonotonicPoll = "nonmonotonic-poll", "a consumer went backwards without a reason";
    SkippedProcessing = "skipped-processing", "a group's committed position passed a record that nobody had processed or handed on";
    LostCommittedOffset = "lost-committed-offset", "a coordinator answered another position than the last one committed";
    StaleOwnerCommit = "stale-owner-commit", "a commit was taken from a member or generation that was not current";
    OverlappingOwners = "overlapping-owners", "two live members of a group owned one partition at once";
    UnexplainedReset = "unexplained-reset", "a consumer's position jumped to the beginning or the end without a true cause";
    Reprocessed = "reprocessed", "a record was processed twice";
    UnexplainedReprocess = "unexplained-reprocess", "a record was processed again without a crash, rebalance, failed commit, reset or seek";
    TerminalOutcome = "terminal-outcome", "a record below the committed position has no outcome, or two of them";
    HopBeforeCommit = "hop-before-commit", "a record was committed before its copy to a retry or dead-letter topic was";
    DuplicateHop = "duplicate-hop", "one attempt of a record was handed on twice";
    Provenance = "provenance", "a record of a retry or dead-letter topic has no origin, another payload, or a wrong count of attempts";
    EarlyRetry = "early-retry", "a record was tried again before its time";
    RetryKeyOrder = "retry-key-order", "records of one key were processed in another order than they were sent in";
    KeyMoved = "key-moved", "one key is on two partitions though their number is unchanged";
    FailedSends = "failed-sends", "no send of a producer comes through, at all or since the heal";
    ThrownOut = "thrown-out", "a consumer has no position, auto.offset.reset=none names none, and its program sought none";
    DeadWorker = "dead-worker", "a member has no place in its group and does not come back: fenced, group full, no common assignor";
    SlowPoll = "slow-poll", "members lose their place again and again, because the work on a poll takes longer than max.poll.interval.ms";
    IdleGroup = "idle-group", "a group with records to read never begins to work on any";
    Overload = "overload", "records come in faster than a group's busy workers process them, which is no fault of the cluster";
    Own = "own", "a check or an invariant of the user's own did not pass";
    R1 = "R1", "an entry below a replica's high watermark differs from the committed one";
    R2 = "R2", "start, high watermark and end of a log are out of order, or a leader's high watermark fell within an epoch";
    R3 = "R3", "the leader or a running member of the ISR lacks a committed record";
    R6 = "R6", "a high watermark advanced beyond what the whole maximal ISR holds, or under min.insync.replicas";
    R9 = "R9", "an epoch fell or had two leaders";
    R11 = "R11", "a log was cut below committed records, or without a leader's answer";
    R13 = "R13", "acks=all was answered ok before the record was committed, or with too small an ISR";
    Q1 = "Q1", "an epoch of the quorum had two leaders, or a voter voted twice in it";
    Q3 = "Q3", "two metadata logs differ below an entry that they share";
    Q4 = "Q4", "a quorum leader lacks a committed entry";
    Q5 = "Q5", "two nodes applied the same metadata and came to different states";
    Q6 = "Q6", "a voter's durable epoch fell";
    Q7 = "Q7", "the quorum's high watermark fell, or moved without an entry of the leader's own epoch";
    D2 = "D2", "recovery kept something else than the longest intact prefix, or lost durable bytes";
    G1 = "G1", "two coordinators of one epoch, a state that is not the replay of its log, or an answer while loading";
    G2 = "G2", "a generation fell, or an assignment overlaps, has gaps, or names a stranger";
    G3 = "G3", "a commit was taken from a stranger, or refused to a current member";
    G4 = "G4", "a partition was handed out before its old owner had released it";
    G5 = "G5", "a position expired too early";
    L1 = "L1", "the healed cluster has no single controller";
    L2 = "L2", "a partition of the healed cluster has no leader, or its high watermark stays behind";
    L5 = "L5", "an operation never ended after the heal";
    L7 = "L7", "a group never became stable after the heal, or some partition had not exactly one owner";
    L8 = "L8", "a consumer never caught up, or a replica never got all committed records, after the heal";
    L9 = "L9", "records were left in a retry topic, or without an outcome, after the heal";
    L11 = "L11", "rebalances or elections never came to an end after the heal";
}

/// How one check answered about one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// The system broke its word.
    Violation,
    /// It looks bad, but the contract allows it, by this clause.
    Allowed(String),
    /// It cannot be told, for this reason.
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

    /// How often `check` could not tell.
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
            return self.check.name().to_owned();
        }
        format!("{}: {}", self.check.name(), self.shape)
    }
}

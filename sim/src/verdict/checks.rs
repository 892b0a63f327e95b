//! The catalogue of checks: the id and the name of each, what a violation of it means, and when the contract allows what
//! it finds.

/// `Variant = "id": "meaning";`, of a check whose id is short with its name in words: `Variant = "id" "name": "meaning";`.
/// What the contract allows stands behind the meaning.
macro_rules! checks {
    ($($variant:ident = $id:literal $($name:literal)?: $meaning:literal $(, allowed $allowed:literal)?;)*) => {
        /// A check of the catalogue. Ordered as failures are ranked: the most informative first.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
        #[allow(missing_docs)] // `Check::meaning` says it of each
        pub enum Check { $($variant,)* }

        impl Check {
            /// Every check, in its order.
            pub const ALL: &'static [Check] = &[$(Check::$variant,)*];

            /// The stable id: in signatures, records and `--json`.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Check::$variant => $id,)* }
            }

            /// The name in words, if the id is not one already.
            #[must_use]
            pub fn words(self) -> Option<&'static str> {
                match self { $(Check::$variant => [$($name,)?].first().copied(),)* }
            }

            /// What a violation means, as a sentence without its full stop.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Check::$variant => $meaning,)* }
            }

            /// When the contract allows what this check finds; `None` if never.
            #[must_use]
            pub fn allowed_when(self) -> Option<&'static str> {
                match self { $(Check::$variant => [$($allowed,)?].first().copied(),)* }
            }
        }
    };
}

checks! {
    Panic = "panic": "code of the user panicked: a program on its node, a check or an invariant";
    LostWrite = "lost-write": "a send that was answered ok is not in the committed log",
        allowed "acks=0; acks=1, when the leader changed or lost power before the record was committed; acks=all, when unclean election, or power losses before a flush that the topic's replicas do not cover, took it";
    InconsistentOffset = "inconsistent-offset": "two different records were observed at one offset",
        allowed "the record that was observed first was lost, and the contract allows that loss (see lost-write)";
    FalseAckOffset = "false-ack-offset": "a send was answered with an offset that holds another record",
        allowed "acks=0 or acks=1, when the leader changed or lost power before the record was committed";
    Corruption = "corruption": "a record was delivered with another key, value, header or partition than it was sent with";
    Phantom = "phantom": "a record was delivered that nobody sent";
    FailedWriteVisible = "failed-write-visible": "a send that failed for certain is in the committed log or was read";
    UncommittedRead = "uncommitted-read": "a consumer got a record at or above the high watermark, or one that is not the committed one";
    ReplicaDivergence = "replica-divergence": "two replicas differ below the high watermark at the end";
    Duplicate = "duplicate": "one record stands at two offsets of a partition",
        allowed "enable.idempotence=false with retries; the leader lost what it knew of the producer, by a loss that the contract allows";
    NonmonotonicSend = "nonmonotonic-send": "two records of one producer stand in another order than they were sent in",
        allowed "enable.idempotence=false with retries and several requests in flight, or when the attempt arrived after its producer had given it up; the leader lost what it knew of the producer, by a loss that the contract allows";
    PollSkip = "poll-skip": "a consumer jumped over a visible record",
        allowed "auto.offset.reset=latest: a group without a position begins at the end";
    NonmonotonicPoll = "nonmonotonic-poll": "a consumer went backwards without a reason";
    SkippedProcessing = "skipped-processing": "a group's committed position passed a record that nobody had processed or handed on",
        allowed "the program commits before it processes (at most once), or a pool works on records side by side";
    LostCommittedOffset = "lost-committed-offset": "a coordinator answered another position than the last one committed";
    StaleOwnerCommit = "stale-owner-commit": "a commit was taken from a member or generation that was not current",
        allowed "the coordinator's log lost committed records, and the contract allows that loss";
    OverlappingOwners = "overlapping-owners": "two live members of a group owned one partition at once",
        allowed "a member that the coordinator removed has not learned of it yet; the coordinator's log lost committed records, and the contract allows that loss";
    UnexplainedReset = "unexplained-reset": "a consumer's position jumped to the beginning or the end without a true cause";
    Reprocessed = "reprocessed": "a record was processed twice",
        allowed "at least once: its owner crashed, lost the partition, or went back to an earlier position before the commit; the position had expired";
    UnexplainedReprocess = "unexplained-reprocess": "a record was processed again without a crash, rebalance, failed commit, reset or seek",
        allowed "the log lost the record, and the contract allows that loss";
    TerminalOutcome = "terminal-outcome": "a record below the committed position has no outcome, or two of them",
        allowed "the program commits before it processes or hands on, or a pool works on records side by side; a record was worked on again after its owner had changed; a log lost committed records, and the contract allows that loss";
    HopBeforeCommit = "hop-before-commit": "a record was committed before its copy to a retry or dead-letter topic was",
        allowed "the program commits the position before it hands the record on, or before it processes it";
    DuplicateHop = "duplicate-hop": "one attempt of a record was handed on twice",
        allowed "at least once: its program was gone before it had committed, and another did it again; the first copy was sent without a known answer";
    Provenance = "provenance": "a record of a retry or dead-letter topic has no origin, another payload, or a wrong count of attempts";
    EarlyRetry = "early-retry": "a record was tried again before its time";
    RetryKeyOrder = "retry-key-order": "records of one key were processed in another order than they were sent in",
        allowed "the number of partitions was raised; a record that waits in a retry topic is passed by later ones of its key; a pool works on records side by side; the partition had changed its owner, or gone back to an earlier position";
    KeyMoved = "key-moved": "one key is on two partitions though their number is unchanged",
        allowed "the number of partitions was raised";
    FailedSends = "failed-sends": "no send of a producer comes through, at all or since the heal";
    ThrownOut = "thrown-out": "a consumer has no position, auto.offset.reset=none names none, and its program sought none";
    DeadWorker = "dead-worker": "a member has no place in its group and does not come back: fenced, group full, no common assignor";
    SlowPoll = "slow-poll": "members lose their place again and again, because the work on a poll takes longer than max.poll.interval.ms";
    IdleGroup = "idle-group": "a group with records to read never begins to work on any";
    Overload = "overload": "records come in faster than a group's busy workers process them, which is no fault of the cluster",
        allowed "always: the load is what the scenario asks for";
    Own = "own": "a check or an invariant of the user's own did not pass";
    R1 = "R1" "committed-record-differs": "an entry below a replica's high watermark differs from the committed one";
    R2 = "R2" "log-offsets-out-of-order": "start, high watermark and end of a log are out of order, or a leader's high watermark fell within an epoch";
    R3 = "R3" "isr-member-lacks-committed": "the leader or a running member of the ISR lacks a committed record",
        allowed "the records were lost, and the contract allows that loss (see lost-write)";
    R6 = "R6" "premature-high-watermark": "a high watermark advanced beyond what the whole maximal ISR holds, or under min.insync.replicas";
    R9 = "R9" "leader-epoch-conflict": "an epoch fell or had two leaders";
    R11 = "R11" "illegal-truncation": "a log was cut below committed records, or without a leader's answer";
    R13 = "R13" "premature-ack": "acks=all was answered ok before the record was committed, or with too small an ISR";
    Q1 = "Q1" "quorum-election-unsafe": "an epoch of the quorum had two leaders, or a voter voted twice in it";
    Q3 = "Q3" "quorum-log-mismatch": "two metadata logs differ below an entry that they share";
    Q4 = "Q4" "quorum-leader-incomplete": "a quorum leader lacks a committed entry";
    Q5 = "Q5" "metadata-state-divergence": "two nodes applied the same metadata and came to different states";
    Q6 = "Q6" "quorum-epoch-regression": "a voter's durable epoch fell";
    Q7 = "Q7" "quorum-illegal-high-watermark": "the quorum's high watermark fell, or moved without an entry of the leader's own epoch";
    D2 = "D2" "incorrect-log-recovery": "recovery kept something else than the longest intact prefix, or lost durable bytes";
    G1 = "G1" "inconsistent-coordinator": "two coordinators of one epoch, a state that is not the replay of its log, or an answer while loading";
    G2 = "G2" "invalid-assignment": "a generation fell, or an assignment overlaps, has gaps, or names a stranger",
        allowed "a generation fell because the coordinator's log lost committed records, and the contract allows that loss";
    G3 = "G3" "wrong-commit-fencing": "a commit was taken from a stranger, or refused to a current member";
    G4 = "G4" "assigned-before-revoked": "a partition was handed out before its old owner had released it";
    G5 = "G5" "early-offset-expiration": "a position expired too early",
        allowed "the coordinator's log lost committed records, and the contract allows that loss";
    L1 = "L1" "no-single-controller": "the healed cluster has no single controller";
    L2 = "L2" "partition-not-recovered": "a partition of the healed cluster has no leader, or its high watermark stays behind";
    L5 = "L5" "unfinished-operation": "an operation never ended after the heal";
    L7 = "L7" "unstable-group": "a group never became stable after the heal, or some partition had not exactly one owner";
    L8 = "L8" "never-caught-up": "a consumer never caught up, or a replica never got all committed records, after the heal";
    L9 = "L9" "undrained-retry-topic": "records were left in a retry topic, or without an outcome, after the heal";
    L11 = "L11" "livelock": "rebalances or elections never came to an end after the heal";
}

impl Check {
    /// The name in words: `isr-member-lacks-committed`, `lost-write`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.words().unwrap_or_else(|| self.id())
    }

    /// Id and name for a reader, once if they are the same: `R3 isr-member-lacks-committed`, `lost-write`.
    #[must_use]
    pub fn title(self) -> String {
        match self.words() {
            Some(words) => format!("{} {words}", self.id()),
            None => self.id().to_owned(),
        }
    }

    /// All that checks are called: each id, and each name that is not an id.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        let names = |check: &Check| [Some(check.id()), check.words()].into_iter().flatten();
        Check::ALL.iter().flat_map(names)
    }

    /// The check of this id or name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Check> {
        let is_called = |check: &&Check| check.id() == name || check.words() == Some(name);
        Check::ALL.iter().find(is_called).copied()
    }
}

/// A signature for a reader: an id of a check at its beginning, or behind a key such as `at_most`, has its name beside it.
#[must_use]
pub fn readable(signature: &str) -> String {
    let (key, rest) = match signature.split_once(": ") {
        Some((key @ ("at_most" | "at_least"), rest)) => (format!("{key}: "), rest),
        _ => (String::new(), signature),
    };
    let (id, shape) = rest
        .split_once(": ")
        .map_or((rest, None), |(id, shape)| (id, Some(shape)));
    let title = Check::from_name(id).map_or_else(|| id.to_owned(), Check::title);
    match shape {
        Some(shape) => format!("{key}{title}: {shape}"),
        None => key + &title,
    }
}

/// [`readable`], if it says more than the signature.
pub(crate) fn title(signature: &str) -> Option<String> {
    Some(readable(signature)).filter(|title| title != signature)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn id_and_name_mean_the_same_check_and_no_other() {
        let names: Vec<&str> = Check::names().collect();
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>().len(),
            names.len(),
            "a name is used twice"
        );
        for check in Check::ALL {
            assert_eq!(Check::from_name(check.id()), Some(*check));
            assert_eq!(Check::from_name(check.name()), Some(*check));
            let is_in_words = |name: &str| {
                name.starts_with(|first: char| first.is_ascii_lowercase())
                    && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
            };
            assert!(is_in_words(check.name()), "{} is no name in words", check.name());
            assert_ne!(check.words(), Some(check.id()));
        }
        assert_eq!(Check::from_name("isr-member-lacks-committed"), Some(Check::R3));
        assert_eq!(Check::from_name("R4"), None);
    }

    #[test]
    fn a_signature_is_read_with_the_name_once() {
        for (signature, read) in [
            (
                "R3: a new leader: stale",
                "R3 isr-member-lacks-committed: a new leader: stale",
            ),
            ("L5", "L5 unfinished-operation"),
            ("lost-write: gone", "lost-write: gone"),
            ("at_most: G5", "at_most: G5 early-offset-expiration"),
            ("inconclusive: L5 is late", "inconclusive: L5 is late"),
            ("own: R3", "own: R3"),
            ("", ""),
        ] {
            assert_eq!(readable(signature), read);
        }
    }
}

//! Which check finds which planted defect.

use super::Check;

/// A quirk, with the check that it violates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caught {
    /// The name of the quirk.
    pub quirk: &'static str,
    /// The check that is violated.
    pub by: Check,
    /// A shipped scenario in which that comes up, if there is one.
    pub shipped: Option<&'static str>,
}

/// Every quirk. The suite of quirks plants each and sees its check violated.
pub const CAUGHT: [Caught; 15] = [
    caught(
        "truncate-to-high-watermark",
        Check::LostWrite,
        Some("durability/two-elections"),
    ),
    caught("ack-before-isr", Check::LostWrite, Some("durability/nemesis")),
    caught(
        "zombie-offset-commit",
        Check::StaleOwnerCommit,
        Some("groups/zombie-past-its-session"),
    ),
    caught(
        "relaxed-commit-check",
        Check::StaleOwnerCommit,
        Some("groups/nemesis-consumer-protocol"),
    ),
    caught(
        "two-owners-one-epoch",
        Check::OverlappingOwners,
        Some("groups/scale-up-and-down"),
    ),
    caught("static-member-id-in-memory", Check::L7, None),
    caught(
        "group-load-partial-state",
        Check::UnexplainedReset,
        Some("groups/coordinator-killed"),
    ),
    caught("rebalance-waits-for-ever", Check::L7, None),
    caught("sequence-reset-on-metadata-loss", Check::LostWrite, None),
    caught("sequence-burned-for-unsent", Check::L5, None),
    caught(
        "inflight-accounting",
        Check::NonmonotonicSend,
        Some("ordering/retries-with-idempotence"),
    ),
    caught("buffer-reused-in-flight", Check::Corruption, None),
    caught("flush-misses-split-batch", Check::LostWrite, None),
    caught("prefetch-autocommit", Check::SkippedProcessing, None),
    caught(
        "reset-on-transient-error",
        Check::UnexplainedReset,
        Some("groups/nemesis-classic"),
    ),
];

const fn caught(quirk: &'static str, by: Check, shipped: Option<&'static str>) -> Caught {
    Caught { quirk, by, shipped }
}

#[cfg(test)]
mod tests {
    use broker_core::config::Quirks;

    use super::*;

    #[test]
    fn every_quirk_is_caught_by_a_check() {
        let mut quirks: Vec<&str> = Quirks::ALL.iter().map(|(quirk, _)| *quirk).collect();
        let mut caught: Vec<&str> = CAUGHT.iter().map(|caught| caught.quirk).collect();
        quirks.sort_unstable();
        caught.sort_unstable();
        assert_eq!(caught, quirks);
    }
}

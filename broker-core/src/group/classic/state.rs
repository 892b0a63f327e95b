//! The states of a classic group and the ways between them (Kafka `ClassicGroupState`).

use crate::trace::GroupState;

/// Whether a classic group may go from one state to another.
pub(super) fn may_become(from: GroupState, to: GroupState) -> bool {
    use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
    matches!(
        (from, to),
        (Empty | CompletingRebalance | Stable, PreparingRebalance)
            | (PreparingRebalance, Empty | CompletingRebalance)
            | (CompletingRebalance, Stable)
            | (_, Dead)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transitions() {
        use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        let all = [Empty, PreparingRebalance, CompletingRebalance, Stable, Dead];
        for (from, allowed) in [
            (Empty, [false, true, false, false, true]),
            (PreparingRebalance, [true, false, true, false, true]),
            (CompletingRebalance, [false, true, false, true, true]),
            (Stable, [false, true, false, false, true]),
            (Dead, [false, false, false, false, true]),
        ] {
            for (to, allowed) in all.into_iter().zip(allowed) {
                assert_eq!(may_become(from, to), allowed, "{from:?} to {to:?}");
            }
        }
    }
}

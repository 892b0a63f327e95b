//! How many voters decide.

/// More than half of `voters`.
pub(super) fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

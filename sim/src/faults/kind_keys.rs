//! The keys that kinds of faults have of themselves: what a fault does, and how often it is drawn.

use crate::toml_file::keys::{Default, Key, Type, key};

/// The key of a weight.
#[must_use]
pub(super) const fn weight(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    key(name, Type::Whole(0, 1_000_000), Default::Value(default), meaning)
}

/// The key of a kind: a fault has one of them, so that none has a default.
#[must_use]
pub(super) const fn kind(name: &'static str, takes: Type, meaning: &'static str) -> Key {
    key(name, takes, Default::Words("none"), meaning)
}

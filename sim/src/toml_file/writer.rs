//! Writes values as they stand in a TOML file.

use core::time::Duration;

use crate::units::{show_duration, show_signed_duration};

/// A string.
#[must_use]
pub fn text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A length of time.
#[must_use]
pub fn duration(duration: Duration) -> String {
    format!("\"{}\"", show_duration(duration))
}

/// A length of time that may go back, in nanoseconds.
#[must_use]
pub fn signed_duration(nanos: i64) -> String {
    format!("\"{}\"", show_signed_duration(nanos))
}

/// A number, with a point or an exponent, so that it is a float for every reader of TOML.
#[must_use]
pub fn float(number: f64) -> String {
    format!("{number:?}")
}

/// A list.
#[must_use]
pub fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

//! Lists for people.

use core::fmt::Write as _;

/// A title and two columns below it.
pub(super) fn columns(title: &str, entries: &[(&str, &str)]) -> String {
    let widest = entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{title}\n");
    for (name, meaning) in entries {
        let _ = writeln!(text, "  {name:<widest$}  {meaning}");
    }
    text
}

//! The two ends of a link.

use super::{Target, target};
use crate::toml_file::reader::Table;

/// Where messages come from and where they go.
#[derive(Clone, PartialEq, Debug)]
pub struct Ends {
    /// One end.
    pub from: Target,
    /// The other end.
    pub to: Target,
}

impl Ends {
    /// Reads `from` and `to`.
    pub(super) fn read(table: &Table<'_>) -> Option<Ends> {
        let end = |name: &str| table.required(name).and_then(|value| target::read(&value));
        let (from, to) = (end("from"), end("to"));
        Some(Ends { from: from?, to: to? })
    }

    /// As they stand in a table.
    pub(super) fn write(&self) -> String {
        format!("from = {}, to = {}", target::write(&self.from), target::write(&self.to))
    }

    /// Both, with their paths below a fault of this name.
    pub(super) fn targets(&self, name: &str) -> [(String, &Target); 2] {
        [(format!("{name}.from"), &self.from), (format!("{name}.to"), &self.to)]
    }

    /// Whether both are the same node, so that no message goes from one to the other.
    pub(super) fn are_one(&self) -> bool {
        self.from == self.to && self.from != Target::All
    }
}

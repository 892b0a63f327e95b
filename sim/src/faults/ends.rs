//! The two ends of a link.

use super::{Entry, Surroundings, Target, target};
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

    /// Both, with their paths below a fault.
    pub(super) fn targets(&self, entry: &Entry) -> Vec<(String, &Target)> {
        let name = entry.key.name;
        vec![(format!("{name}.from"), &self.from), (format!("{name}.to"), &self.to)]
    }

    /// Why no message can go from one to the other.
    pub(super) fn never_meet(&self, scenario: &Surroundings) -> Option<String> {
        if self.from == self.to && self.from != Target::All {
            return Some("both ends are the same node".to_owned());
        }
        let mut ends = [&self.from, &self.to].into_iter();
        ends.find_map(|end| scenario.too_few_replicas(end))
    }
}

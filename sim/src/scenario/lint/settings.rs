//! Doubts about settings that do nothing.

use super::Lint;
use crate::toml_file::kafka_keys::{Accepted, Kind, unmodelled};

/// What only a member of a group makes use of.
const OF_MEMBERS: [&str; 7] = [
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
];

impl Lint<'_> {
    /// The settings that the file names.
    pub(super) fn settings(&mut self) {
        let marks = self.marks;
        for path in marks.keys() {
            let Some((place, key)) = setting(path) else {
                continue;
            };
            if Kind::at(&place).and_then(|kind| unmodelled(kind, key)) == Some(Accepted::Anything) {
                self.add(path, format!("`{key}` means nothing in a trial"), "remove it");
            }
            if place != "consumers.config" {
                continue;
            }
            let by_hand = "`[[consumers]]` are assigned their partitions by hand";
            let hint = "`[[workers]]` share the partitions of their topics as the members of a group";
            if key == "group.id" {
                let message = format!("{by_hand}: `group.id` only names whose positions they commit");
                self.add(path, message, hint);
            } else if OF_MEMBERS.contains(&key) {
                self.add(path, format!("{by_hand}: `{key}` has no effect"), hint);
            }
        }
    }
}

/// The place and the key of a path that leads to a setting: `topics.0.config.segment.bytes` is `segment.bytes` in
/// `topics.config`.
fn setting(path: &str) -> Option<(String, &str)> {
    let (section, rest) = path.split_once('.')?;
    let rest = match rest.split_once('.') {
        Some((number, rest)) if number.parse::<usize>().is_ok() => rest,
        _ => rest,
    };
    let (table, key) = rest.split_once('.')?;
    let place = format!("{section}.{table}");
    Kind::at(&place)?;
    Some((place, key))
}

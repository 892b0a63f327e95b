//! An example of every key, for `trial explain`: as it stands in a scenario file that has all of them and that the tests read.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::faults::registry::{DRAWN, REGISTRY};

/// A scenario file that has every key.
pub static FULL: LazyLock<String> = LazyLock::new(|| {
    let weights = (1..)
        .zip(DRAWN)
        .map(|(weight, drawn)| format!("{} = {weight}", drawn.weight.name));
    let weights = weights.collect::<Vec<_>>().join(", ");
    let mut file = include_str!("full.toml").replace("weights = {}", &format!("weights = {{ {weights} }}"));
    let examples = REGISTRY.iter().flat_map(|entry| {
        let named = |example| (entry.key.name, example);
        entry.examples.iter().map(named)
    });
    for (second, (name, example)) in (20..).zip(examples) {
        let fault = format!("\n[[faults]]\nat = \"{second}s\"\nfor = \"10s\"\n{name} = {example}");
        writeln!(file, "{fault}").expect("a string takes all that is written");
    }
    file
});

/// The line, or the lines of a list, in which the key `key` of the table `section` stands; the top level is an empty name,
/// and `producers.keys` the inline table behind `keys` of a producer.
#[must_use]
pub fn of(section: &str, key: &str) -> Option<String> {
    let path = format!("{section}.{key}");
    let headers = [format!("[{}]", path.trim_start_matches('.')), format!("[[{key}]]")];
    let mut headers = headers
        .into_iter()
        .filter(|_| section.is_empty() || section == "cluster");
    if let Some(header) = headers.find(|header| FULL.lines().any(|line| line == header)) {
        return Some(header);
    }
    let own = |line: &str| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    if let Some(line) = find(section, own) {
        return Some(line);
    }
    let (table, inline) = section.rsplit_once('.')?;
    let has = |line: &str| line.contains(&format!("{key} = "));
    let behind = |line: &str| line.starts_with(inline) && has(line);
    find(table, behind).or_else(|| find(table, |line| line.starts_with('{') && has(line)))
}

/// The first table `section` with its header and its keys; of a table in one line, that line; of the table of a fault, a
/// whole fault with it. The top level is an empty name, of which this is a small file.
#[must_use]
pub fn table(section: &str) -> Option<String> {
    if section.is_empty() {
        return Some(SMALL.to_owned());
    }
    if let Some((parent, inline)) = section.rsplit_once('.')
        && let Some(line) = of(parent, inline).filter(|line| !line.starts_with('['))
    {
        return match parent {
            "faults" => fault(inline),
            _ => Some(line),
        };
    }
    let headers = [format!("[{section}]"), format!("[[{section}]]")];
    blocks().find(|block| headers.iter().any(|header| block.lines().next() == Some(header)))
}

/// The first fault of this kind, whole.
#[must_use]
pub fn fault(kind: &str) -> Option<String> {
    let own = format!("{kind} = ");
    blocks().find(|block| block.starts_with("[[faults]]") && block.lines().any(|line| line.starts_with(&own)))
}

/// The tables of the full file, each with its header.
fn blocks() -> impl Iterator<Item = String> {
    let blocks = FULL.split("\n\n").map(str::trim).filter(|block| block.starts_with('['));
    blocks.map(|block| {
        let lines = block.lines().filter(|line| !line.starts_with('#'));
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// A small scenario file.
const SMALL: &str = "\
teaches = \"With acks=all a killed leader takes no acknowledged write with it.\"
duration = \"30s\"
seeds = \"0..10\"

[[topics]]
name = \"orders\"
config = { \"min.insync.replicas\" = 2 }

[[producers]]
name = \"checkout\"
topic = \"orders\"
rate = 50

[[workers]]
name = \"billing\"
topics = [\"orders\"]

[[faults]]
at = \"10s\"
for = \"5s\"
kill = \"leader of orders/0\"";

/// The first line of a table for which `is_it` says yes; with the rest of a list that begins there.
fn find(section: &str, is_it: impl Fn(&str) -> bool) -> Option<String> {
    let mut table = "";
    // What excludes another key stands there as a comment.
    let mut lines = FULL.lines().map(|line| line.trim().trim_start_matches("# "));
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name.trim_matches(['[', ']']);
        } else if table == section && is_it(line) {
            let mut text = line.trim_end_matches(',').to_owned();
            if line.ends_with('[') {
                for line in lines.by_ref() {
                    text += line;
                    if line == "]" {
                        break;
                    }
                    text.push(' ');
                }
            }
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::keys::sections;

    #[test]
    fn every_key_has_an_example() {
        let keys = sections()
            .into_iter()
            .flat_map(|section| section.keys.iter().map(|key| (section.name, key.name)));
        let missing: Vec<String> = keys
            .filter(|(section, key)| of(section, key).is_none())
            .map(|(section, key)| format!("{section}.{key}"))
            .collect();
        assert!(missing.is_empty(), "{}", missing.join(", "));
        assert_eq!(of("cluster", "brokers").as_deref(), Some("brokers = 4"));
        assert!(of("producers.keys", "salted").is_some_and(|line| line.starts_with("keys = { distribution = ")));
        assert!(
            of("consumers", "schedule").is_some_and(|list| list.starts_with("schedule = [") && list.ends_with(']'))
        );
    }
}

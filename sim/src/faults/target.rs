//! Which nodes a fault affects: how targets are written and read.

use core::fmt;

use crate::toml_file::reader::Value;
use crate::toml_file::writer::text;

/// Who is meant, decided when the fault begins.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub enum Target {
    /// A broker by number, from 1.
    Broker(u32),
    /// A dedicated controller by number, from 1.
    ControllerNode(u32),
    /// The leader of a partition.
    LeaderOf(String, i32),
    /// Some follower of a partition, the one with the lowest number that runs.
    FollowerOf(String, i32),
    /// Another one: while one is down the running follower with the lowest number, else the one with the next number after
    /// [`Target::FollowerOf`].
    AnotherFollowerOf(String, i32),
    /// The active controller.
    Controller,
    /// Every broker and controller.
    All,
    /// The coordinator of a consumer group.
    CoordinatorOf(String),
    /// A client program by its name in the scenario (`<name>/<index>`, index from 1): all of its clients.
    Client(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Broker(number) => write!(f, "broker {number}"),
            Target::ControllerNode(number) => write!(f, "controller {number}"),
            Target::LeaderOf(topic, partition) => write!(f, "leader of {topic}/{partition}"),
            Target::FollowerOf(topic, partition) => write!(f, "a follower of {topic}/{partition}"),
            Target::AnotherFollowerOf(topic, partition) => write!(f, "another follower of {topic}/{partition}"),
            Target::Controller => f.write_str("the controller"),
            Target::CoordinatorOf(group) => write!(f, "the coordinator of {group}"),
            Target::All => f.write_str("all"),
            Target::Client(name) => write!(f, "client {name}"),
        }
    }
}

/// How targets are written, and which nodes they mean when the fault begins.
pub const TARGETS: [(&str, &str); 9] = [
    ("broker 2", "a broker by number, from 1"),
    ("controller 1", "a dedicated controller by number, from 1"),
    ("leader of orders/0", "the leader of a partition"),
    ("a follower of orders/0", "the running follower with the lowest number"),
    (
        "another follower of orders/0",
        "the next one; while one is down, the running follower with the lowest number",
    ),
    ("the controller", "the active controller"),
    ("the coordinator of billing", "the coordinator of a consumer group"),
    (
        "client checkout/1",
        "a program by name and number, with all of its clients",
    ),
    ("all", "every broker and controller"),
];

/// Reads a target.
pub(super) fn read(value: &Value<'_>) -> Option<Target> {
    let text = value.text()?;
    let target = parse(text);
    if target.is_none() {
        let hint = match text.split_once(' ').map_or((text, ""), |(first, _)| (first, "")).0 {
            "client" => "a client program is `client <name>/<number>`, numbers from 1: `client app/1`",
            "leader" | "a" | "another" | "follower" => {
                "write `leader of orders/0`, `a follower of orders/0` or `another follower of orders/0`: topic and partition"
            }
            _ => {
                "a target is `broker 2`, `controller 1`, `leader of orders/0`, `a follower of orders/0`, `the controller`, `the coordinator of billing`, `client app/1` or `all`"
            }
        };
        value.problem(format!("`{text}` is no target"), hint);
    }
    target
}

/// Reads a target as [`Target`]'s `Display` writes it; articles may be left out.
#[must_use]
pub fn parse(text: &str) -> Option<Target> {
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| !matches!(*word, "the" | "a"))
        .collect();
    let partition = |place: &str| {
        let (topic, partition) = place.rsplit_once('/')?;
        let partition: u16 = partition.parse().ok()?;
        Some((topic.to_owned(), i32::from(partition)))
    };
    match words.as_slice() {
        ["all"] => Some(Target::All),
        ["controller"] => Some(Target::Controller),
        ["controller", number] => Some(Target::ControllerNode(
            number.parse().ok().filter(|number| *number > 0)?,
        )),
        ["broker", number] => Some(Target::Broker(number.parse().ok().filter(|number| *number > 0)?)),
        ["leader", "of", place] => partition(place).map(|(topic, partition)| Target::LeaderOf(topic, partition)),
        ["another", "follower", "of", place] => {
            partition(place).map(|(topic, partition)| Target::AnotherFollowerOf(topic, partition))
        }
        ["follower", "of", place] => partition(place).map(|(topic, partition)| Target::FollowerOf(topic, partition)),
        ["coordinator", "of", group] => Some(Target::CoordinatorOf((*group).to_owned())),
        ["client", name] => {
            let (group, number) = name.rsplit_once('/')?;
            let number: u32 = number.parse().ok()?;
            (number > 0 && !group.is_empty()).then(|| Target::Client(format!("{group}/{number}")))
        }
        _ => None,
    }
}

/// A regular expression (ECMA-262) of what [`parse`] reads.
#[must_use]
pub fn pattern() -> String {
    const NUMBER: &str = r"\+?0*[1-9][0-9]*";
    const PLACE: &str = r"\S*/\+?[0-9]+";
    let forms = [
        &["all"][..],
        &["controller"],
        &["(controller|broker)", NUMBER],
        &["(leader|(another )?follower)", "of", PLACE],
        &["coordinator", "of", r"(?!(the|a)(\s|$))\S+"],
        &["client", &format!(r"\S+/{NUMBER}")],
    ];
    let forms = forms.map(|words| words.join(" "));
    // Articles may stand between any two words.
    let spaced = format!("({})", forms.join("|")).replace(' ', r"\s+((the|a)\s+)*");
    format!(r"^\s*((the|a)\s+)*{spaced}(\s+(the|a))*\s*$")
}

/// A target as it stands in a file.
pub(super) fn write(target: &Target) -> String {
    text(&target.to_string())
}

/// How many nodes these targets are, and those that are known before a fault begins. `everybody` is how many nodes there
/// are.
pub(super) fn affected<'a>(targets: impl IntoIterator<Item = &'a Target>, everybody: u32) -> (u32, Vec<Target>) {
    let mut nodes = 0;
    let mut known = Vec::new();
    for target in targets {
        nodes += if *target == Target::All { everybody } else { 1 };
        if matches!(target, Target::Broker(_) | Target::ControllerNode(_)) {
            known.push(target.clone());
        }
    }
    (nodes, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_as_it_is_written() {
        for target in [
            Target::Broker(2),
            Target::ControllerNode(1),
            Target::LeaderOf("orders".to_owned(), 0),
            Target::FollowerOf("a/b".to_owned(), 7),
            Target::AnotherFollowerOf("orders".to_owned(), 0),
            Target::Controller,
            Target::CoordinatorOf("billing".to_owned()),
            Target::All,
            Target::Client("app/1".to_owned()),
        ] {
            assert_eq!(parse(&target.to_string()), Some(target));
        }
    }

    #[test]
    fn what_is_no_target_is_none() {
        for text in [
            "",
            "broker",
            "broker 0",
            "broker -1",
            "broker two",
            "leader of orders",
            "leader orders/0",
            "client app",
            "client /1",
            "everybody",
            "leader of orders/-1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_target_is_read_as_it_is_written() {
        for (text, _) in TARGETS {
            let target = parse(text).unwrap_or_else(|| panic!("{text}"));
            let plain = |text: &str| text.trim_start_matches("the ").to_owned();
            assert_eq!(plain(&target.to_string()), plain(text));
        }
    }
}

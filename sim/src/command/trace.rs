//! Prints the events of a trial as they happen, all of them or those of one node, partition or group.
//!
//! What libraries state about themselves is no event of a trial.

use std::io::{self, BufWriter, Write};
use std::sync::Mutex;

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::moment::Moment;
use crate::journey::RecordSelector;
use crate::nearest::nearest;
use crate::scenario::Scenario;
use crate::traced::{self, Line};
use crate::world;

/// The part of a trial that is printed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Window {
    /// Nothing before.
    pub since: Option<Moment>,
    /// Nothing after.
    pub until: Option<Moment>,
}

impl Window {
    /// Whether what happened in this step, so many seconds after the beginning, is in it.
    #[must_use]
    pub fn has(self, step: u64, seconds: f64) -> bool {
        self.since.is_none_or(|since| since.is_by(step, seconds))
            && self.until.is_none_or(|until| until.is_from(step, seconds))
    }
}

/// What can be followed, for `trial explain follow`.
pub const FORMS: &[(&str, &str)] = &[
    (
        "broker 2",
        "every event of a node; a client is `checkout/1`, a controller `controller 1`",
    ),
    ("checkout", "every event of all clients of that name"),
    (
        "billing",
        "every event of a group, of its coordinators and of its members",
    ),
    ("orders/0", "every event that is about a partition"),
    (
        "orders/0@3046",
        "the journey of what stood at an offset: sent, appended at each replica, replicated, committed, polled, processed, passed by a committed position, cut off",
    ),
    (
        "uid:3047",
        "the journey of one record and of its copies in retry and dead-letter topics",
    ),
    ("key:customer-17", "the journey of every record of a key"),
    (
        "--since, --until",
        "with a step (`5000`) or a simulated time (`12s`): only what happened between them",
    ),
];

/// The records that `--follow` names, if it names records: `key:customer-17`, `orders/0@3046`, `uid:3047`.
#[must_use]
pub fn followed_records(text: &str) -> Option<RecordSelector> {
    if let Some(key) = text.strip_prefix("key:") {
        return Some(RecordSelector::Key(key.to_owned()));
    }
    if let Some(uid) = text.strip_prefix("uid:") {
        return Some(RecordSelector::Uid(uid.trim().parse().ok()?));
    }
    let (partition, offset) = text.rsplit_once('@')?;
    let (topic, partition) = partition.rsplit_once('/')?;
    Some(RecordSelector::Offset {
        topic: topic.to_owned(),
        partition: partition.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

/// Which events are printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Follow {
    window: Window,
    /// Only those of this one.
    what: Option<Followed>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Followed {
    /// A server by its name, a client by its name without the word `client`.
    Node(String),
    Partition(String),
    /// All clients of a name: `checkout` for `checkout/1` and `checkout/2`; and a group, with the names of its workers.
    Group {
        group: Option<String>,
        clients: Vec<String>,
    },
}

/// Nothing in the scenario has the name that should be followed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("nothing in this scenario is called `{name}`")]
pub struct Unknown {
    name: String,
    /// The name that was probably meant.
    pub near: Option<String>,
}

impl Follow {
    /// The events in a window, of what `name` names in the scenario: a node (`broker 2`, `controller 1`, `checkout/1` or
    /// `client checkout/1`), a partition (`orders/0`), all clients of a name (`checkout`) or a group (`billing`).
    ///
    /// # Errors
    /// When the scenario has nothing of that name.
    pub fn new(scenario: &Scenario, window: Window, name: Option<&str>) -> Result<Follow, Unknown> {
        let what = name.map(|name| followed(scenario, name)).transpose()?;
        Ok(Follow { window, what })
    }
}

fn followed(scenario: &Scenario, text: &str) -> Result<Followed, Unknown> {
    let mut nodes = world::names(scenario).into_values();
    let plain = without_client(text);
    if nodes.any(|name| name == plain) {
        return Ok(Followed::Node(plain.to_owned()));
    }
    let partition = text
        .rsplit_once('/')
        .and_then(|(topic, number)| Some((topic, number.parse::<u32>().ok()?)));
    if let Some((topic, number)) = partition
        && scenario
            .topics
            .iter()
            .any(|known| known.name == topic && number < known.partitions)
    {
        return Ok(Followed::Partition(format!("{topic}/{number}")));
    }
    let of_workers = scenario.workers.iter();
    let mut clients: Vec<String> = of_workers
        .filter(|workers| workers.group == text || workers.name == text)
        .map(|workers| workers.name.clone())
        .collect();
    let group = scenario.workers.iter().any(|workers| workers.group == text);
    let others = scenario.producers.iter().map(|group| &group.name);
    let others = others.chain(scenario.consumers.iter().map(|group| &group.name));
    clients.extend(others.filter(|name| *name == text).cloned());
    if !clients.is_empty() {
        let group = group.then(|| text.to_owned());
        return Ok(Followed::Group { group, clients });
    }
    let partitions = scenario.topics.iter().map(|topic| format!("{}/0", topic.name));
    let groups = scenario.workers.iter().map(|workers| workers.group.clone());
    let known = world::names(scenario).into_values().chain(partitions).chain(groups);
    let known: Vec<String> = known.collect();
    let near = nearest(text, known.iter().map(String::as_str)).map(str::to_owned);
    Err(Unknown {
        name: text.to_owned(),
        near,
    })
}

/// A client is `client checkout/1` in events and `checkout/1` in its scenario.
fn without_client(name: &str) -> &str {
    name.strip_prefix("client ").unwrap_or(name)
}

/// Does `work` with its events printed to standard output, or to standard error.
pub fn with_trace<T>(follow: Follow, to_stderr: bool, work: impl FnOnce() -> T) -> T {
    let out: Box<dyn Write + Send> = if to_stderr {
        Box::new(io::stderr())
    } else {
        Box::new(io::stdout())
    };
    let printer = Printer {
        follow,
        out: Mutex::new(BufWriter::new(out)),
    };
    tracing::subscriber::with_default(tracing_subscriber::registry().with(printer), work)
}

struct Printer {
    follow: Follow,
    out: Mutex<BufWriter<Box<dyn Write + Send>>>,
}

impl<S: Subscriber> Layer<S> for Printer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        traced::is_of_world(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = Line::of(event);
        if self.follow.wants(&line) {
            let mut out = self.out.lock().expect("nothing panics while it prints");
            // Nobody may be left to read it.
            let _ = writeln!(out, "{line}");
        }
    }
}

impl Follow {
    fn wants(&self, line: &Line) -> bool {
        self.window.has(line.step, seconds(line))
            && match &self.what {
                None => true,
                Some(Followed::Node(name)) => without_client(&line.node) == name,
                Some(Followed::Partition(name)) => contains(&line.text, name),
                Some(Followed::Group { group, clients }) => {
                    let node = without_client(&line.node).split(['/', ' ']).next().unwrap_or_default();
                    let of_group = group.as_ref().map(|group| format!("group {group}"));
                    clients.iter().any(|client| client == node)
                        || of_group.is_some_and(|group| contains(&line.text, &group))
                }
            }
    }
}

/// The time of an event, in seconds.
fn seconds(line: &Line) -> f64 {
    line.time.trim_end_matches('s').parse().unwrap_or_default()
}

/// True when `text` has `name` in it as a whole: `orders/1` is neither in `orders/12` nor in `my-orders/1`.
fn contains(text: &str, name: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let whole = |(start, _): (usize, &str)| {
        let (before, after) = (&text[..start], &text[start + name.len()..]);
        !joins(before.chars().next_back()) && !joins(after.chars().next())
    };
    text.match_indices(name).any(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse::parse;

    #[test]
    fn a_name_is_a_node_or_a_partition_or_a_mistake() {
        let text = "[cluster]\nbrokers = 12\ndedicated_controllers = 3\n[[topics]]\nname = \"orders\"\npartitions = 13\n\
                    [[producers]]\nname = \"app\"\ntopic = \"orders\"\nrate = 1\ncount = 2\n";
        let scenario = parse("test", "test.toml", text)
            .expect("the scenario is valid")
            .scenario;
        let node = |name: &str| Ok(Followed::Node(name.to_owned()));
        let partition = |name: &str| Ok(Followed::Partition(name.to_owned()));
        let unknown = |near: Option<&str>| Err(near.map(str::to_owned));
        for (name, what) in [
            ("broker 1", node("broker 1")),
            ("controller 3", node("controller 3")),
            ("app/2", node("app/2")),
            ("client app/2", node("app/2")),
            ("orders/0", partition("orders/0")),
            ("orders/12", partition("orders/12")),
            ("orders/13", unknown(Some("orders/0"))),
            ("borker 1", unknown(Some("broker 1"))),
            ("everything", unknown(None)),
            (
                "app",
                Ok(Followed::Group {
                    group: None,
                    clients: vec!["app".to_owned()],
                }),
            ),
        ] {
            assert_eq!(followed(&scenario, name).map_err(|error| error.near), what, "{name}");
        }
    }

    #[test]
    fn records_are_named_by_key_offset_or_uid() {
        let offset = |topic: &str, partition, offset| {
            Some(RecordSelector::Offset {
                topic: topic.to_owned(),
                partition,
                offset,
            })
        };
        for (text, selector) in [
            ("key:customer-17", Some(RecordSelector::Key("customer-17".to_owned()))),
            ("key:a@b/1", Some(RecordSelector::Key("a@b/1".to_owned()))),
            ("uid:3047", Some(RecordSelector::Uid(3047))),
            ("orders/0@3046", offset("orders", 0, 3046)),
            ("a/b/2@5", offset("a/b", 2, 5)),
            ("orders/0", None),
            ("broker 1", None),
            ("uid:first", None),
            ("orders@5", None),
        ] {
            assert_eq!(followed_records(text), selector, "{text}");
        }
    }

    #[test]
    fn a_partition_is_found_as_a_whole() {
        for (text, found) in [
            ("appended offset 1 to orders/1, as the leader of epoch 0", true),
            ("appended offset 1 to orders/12", false),
            ("appended offset 1 to my-orders/1", false),
            ("appended offset 1 to my.orders/1", false),
            ("orders/12 and orders/1", true),
            ("orders/1", true),
            ("", false),
        ] {
            assert_eq!(contains(text, "orders/1"), found, "{text}");
        }
    }
}

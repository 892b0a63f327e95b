//! `link`: messages between two nodes suffer, both ways.

use core::time::Duration;

use super::primitives::Trouble;
use super::registry::{kind, weight};
use super::{
    Applied, Draw, Drawn, Ends, Entry, Fault, FaultKind, Lasting, Node, Primitives, Surroundings, Target, Victims,
    below,
};
use crate::toml_file::keys::{Default::*, Section, Type, key};
use crate::toml_file::reader;
use crate::toml_file::writer::{duration, float};

/// See [`Link`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "link",
        Type::Table(&SECTION),
        "messages between two nodes are lost, late or doubled, both ways",
    ),
    examples: &["{ from = \"broker 1\", to = \"broker 2\", drop = 0.01, delay = \"5ms\", duplicate = 0.02 }"],
    read,
    drawn: &[Drawn {
        weight: weight("link", "1", "lose, delay and double messages between two nodes"),
        of: Victims::Nodes,
        draw,
    }],
};

const SECTION: Section = Section {
    name: "faults.link",
    meaning: "messages between two nodes suffer, both ways",
    rules: &[],
    keys: &[
        key("from", Type::Target, Required, "one end"),
        key("to", Type::Target, Required, "the other end"),
        key(
            "drop",
            Type::Probability,
            Value("0.0"),
            "that a message is lost, which breaks the connection",
        ),
        key(
            "delay",
            Type::Duration,
            Value("\"0ms\""),
            "added to the latency of each message",
        ),
        key(
            "duplicate",
            Type::Probability,
            Value("0.0"),
            "that a request is delivered twice",
        ),
    ],
};

/// Messages between the two (both ways) suffer.
#[derive(Clone, PartialEq, Debug)]
pub struct Link {
    /// The two.
    pub ends: Ends,
    /// Probability that a message is lost. A lost message breaks the connection (TCP).
    pub drop: f64,
    /// Added to the latency of each message.
    pub delay: Duration,
    /// Probability that a request is delivered twice.
    pub duplicate: f64,
}

impl FaultKind for Link {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        let (drop, delay, duplicate) = (float(self.drop), duration(self.delay), float(self.duplicate));
        format!(
            "{{ {}, drop = {drop}, delay = {delay}, duplicate = {duplicate} }}",
            self.ends.write()
        )
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("trouble between {} and {}", name(&self.ends.from), name(&self.ends.to))
    }

    fn ends(&self) -> Option<&Ends> {
        Some(&self.ends)
    }

    fn never_fires(&self, scenario: &Surroundings) -> Option<String> {
        if self.ends.are_one() {
            return Some("both ends are the same node".to_owned());
        }
        if self.drop == 0.0 && self.delay.is_zero() && self.duplicate == 0.0 {
            return Some("it drops, delays and doubles nothing".to_owned());
        }
        let mut ends = [&self.ends.from, &self.ends.to].into_iter();
        ends.find_map(|end| scenario.too_few_replicas(end))
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let mut pairs = world.pairs(&self.ends.from, &self.ends.to);
        pairs.extend(world.pairs(&self.ends.to, &self.ends.from));
        // Where both ends mean many nodes, a link is named from either end.
        pairs.sort_unstable();
        pairs.dedup();
        let trouble = Trouble {
            drop: self.drop,
            delay: self.delay.as_nanos() as u64,
            duplicate: self.duplicate,
        };
        for (from, to) in &pairs {
            world.trouble(*from, *to, trouble);
        }
        Applied::Lasting(Box::new(Troubled(pairs)))
    }
}

struct Troubled(Vec<(Node, Node)>);

impl Lasting for Troubled {
    fn has_effect(&self, world: &dyn Primitives) -> bool {
        let mut pairs = self.0.iter();
        pairs.any(|(from, to)| world.is_alive(*from) && world.is_alive(*to) && world.cuts(*from, *to) == 0)
    }

    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        for (from, to) in self.0 {
            world.relieve(from, to);
        }
    }
}

fn read(value: &reader::Value<'_>) -> Option<Fault> {
    let table = value.table()?;
    let ends = Ends::read(&table);
    let chance = |name: &str| table.get(name).map_or(Some(0.0), |value| value.number());
    let (drop, duplicate) = (chance("drop"), chance("duplicate"));
    let delay = table.get("delay");
    let delay = delay.map_or(Some(Duration::ZERO), |value| value.duration());
    let link = Link {
        ends: ends?,
        drop: drop?,
        delay: delay?,
        duplicate: duplicate?,
    };
    Some(link.into())
}

fn draw(draw: &Draw<'_>) -> Option<Fault> {
    let (from, to) = draw.two_nodes()?;
    let link = Link {
        ends: Ends { from, to },
        drop: draw.degree * 0.2,
        delay: Duration::from_micros(below(draw.other, 50_000)),
        duplicate: (1.0 - draw.degree) * 0.2,
    };
    Some(link.into())
}

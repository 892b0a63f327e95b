//! `link`: messages between two nodes suffer, both ways.

use core::time::Duration;

use super::kind_keys::{kind, weight};
use super::primitives::Trouble;
use super::{
    Applied, Draw, Drawn, Ends, Entry, Fate, Fault, FaultKind, Filter, Lasting, Node, Passing, Primitives,
    Surroundings, Target, Victims, below,
};
use crate::toml_file::keys::{Default::*, Rule, Section, Type, key};
use crate::toml_file::reader;
use crate::toml_file::writer::{duration, float};

/// See [`Link`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "link",
        Type::Table(&SECTION),
        "messages between two nodes are lost or late, or wait, both ways",
    ),
    allows: "sends whose answers are lost or late are repeated, with `enable.idempotence` = false twice in the log or out \
             of order (`duplicate`, `nonmonotonic-send`); a node or member whose heartbeats come too late is replaced, as \
             with `pause`",
    examples: &[
        "{ from = \"broker 1\", to = \"broker 2\", drop = 0.01, delay = \"5ms\" }",
        "{ from = \"client app/1\", to = \"broker 2\", stall = true }",
    ],
    read,
    drawn: &[Drawn {
        weight: weight("link", "1", "lose and delay messages between two nodes"),
        of: Victims::Nodes,
        draw,
    }],
};

const SECTION: Section = Section {
    name: "faults.link",
    meaning: "messages between two nodes suffer, both ways, as far as TCP allows it",
    rules: &[
        Rule::Excludes("stall", &["drop", "delay"]),
        Rule::Refused(&[(
            "duplicate",
            "TCP delivers nothing twice: a link has no `duplicate`",
            "a retry doubles records by itself when its request times out while the first copy still waits: `hold` the request, \
             or `stall` the link, for longer than `request.timeout.ms`",
        )]),
    ],
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
            "stall",
            Type::Boolean,
            Value("false"),
            "nothing arrives until the fault ends, and then everything does, in the order of each connection; nothing is lost",
        ),
    ],
};

/// Messages between the two (both ways) suffer, as far as TCP allows it: in each direction of a connection they keep
/// their order, and none arrives twice.
#[derive(Clone, PartialEq, Debug)]
pub struct Link {
    /// The two.
    pub ends: Ends,
    /// Probability that a message is lost. A lost message breaks the connection (TCP).
    pub drop: f64,
    /// Added to the latency of each message.
    pub delay: Duration,
    /// Nothing arrives until the fault ends.
    pub stall: bool,
}

impl FaultKind for Link {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        let ends = self.ends.write();
        match self.stall {
            true => format!("{{ {ends}, stall = true }}"),
            false => format!(
                "{{ {ends}, drop = {}, delay = {} }}",
                float(self.drop),
                duration(self.delay)
            ),
        }
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        let what = if self.stall { "stall" } else { "trouble" };
        format!("{what} between {} and {}", name(&self.ends.from), name(&self.ends.to))
    }

    fn ends(&self) -> Option<&Ends> {
        Some(&self.ends)
    }

    fn never_fires(&self, scenario: &Surroundings) -> Option<String> {
        if self.ends.are_one() {
            return Some("both ends are the same node".to_owned());
        }
        if self.drop == 0.0 && self.delay.is_zero() && !self.stall {
            return Some("it drops, delays and stalls nothing".to_owned());
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
        if self.stall {
            world.filter(Box::new(Stalled(pairs.clone())));
        }
        let trouble = Trouble {
            drop: self.drop,
            delay: self.delay.as_nanos() as u64,
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
        world.end_filters();
        for (from, to) in self.0 {
            world.relieve(from, to);
        }
    }
}

/// Holds every message between these.
struct Stalled(Vec<(Node, Node)>);

impl Filter for Stalled {
    fn pass(&mut self, message: &mut Passing<'_>) -> Fate {
        match !message.is_held && self.0.contains(&(message.from, message.to)) {
            true => Fate::Held,
            false => Fate::Sent,
        }
    }
}

fn read(value: &reader::Value<'_>) -> Option<Fault> {
    let table = value.table()?;
    let ends = Ends::read(&table);
    let drop = table.get("drop");
    let delay = table.get("delay");
    let stall = table.get("stall");
    if let Some(stall) = stall.as_ref().filter(|_| drop.is_some() || delay.is_some()) {
        stall.problem(
            "what stalls is neither lost nor late: `stall` excludes `drop` and `delay`",
            "write a `[[faults]]` for each",
        );
        return None;
    }
    let drop = drop.map_or(Some(0.0), |value| value.number());
    let delay = delay.map_or(Some(Duration::ZERO), |value| value.duration());
    let stall = stall.map_or(Some(false), |value| value.boolean());
    let link = Link {
        ends: ends?,
        drop: drop?,
        delay: delay?,
        stall: stall?,
    };
    Some(link.into())
}

fn draw(draw: &Draw<'_>) -> Option<Fault> {
    let (from, to) = draw.two_nodes()?;
    let link = Link {
        ends: Ends { from, to },
        drop: draw.degree * 0.2,
        delay: Duration::from_micros(below(draw.other, 50_000)),
        stall: false,
    };
    Some(link.into())
}

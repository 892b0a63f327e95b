//! `clock`: the clocks of a node are wrong.

use super::kind_keys::{kind, weight};
use super::{Applied, Draw, Drawn, Drift, Entry, Fault, FaultKind, Lasting, Node, Primitives, Target, Victims, below};
use super::{Surroundings, target};
use crate::toml_file::keys::{Default::*, Key, Rule, Section, Type, key};
use crate::toml_file::reader;
use crate::toml_file::writer::signed_duration;
use crate::units::{show_signed, show_signed_duration};

/// See [`Clock`].
pub const ENTRY: Entry = Entry {
    key: kind("clock", Type::Table(&SECTION), SECTION.meaning),
    allows: "nothing by itself: no promise rests on clocks. A node whose timeouts pass too early or too late may be \
             replaced, as with `pause`",
    examples: &["{ target = \"broker 2\", jump = \"-90s\", drift = 500, monotonic_drift = -200 }"],
    read,
    drawn: &[Drawn {
        weight: weight(
            "clock",
            "0",
            "set a node's wall clock wrong by up to a minute, and have it drift by up to 1,000 ppm",
        ),
        of: Victims::Nodes,
        draw,
    }],
};

const SECTION: Section = Section {
    name: "faults.clock",
    meaning: "the clocks of a node are wrong: the wall clock for timestamps, the monotonic one for timeouts",
    rules: &[Rule::AtLeastOne(&["jump", "drift", "monotonic_drift"])],
    keys: &[
        key("target", Type::Target, Required, "whose clocks"),
        key(
            "jump",
            Type::SignedDuration,
            Value("\"0s\""),
            "the wall clock jumps by this when the fault begins, and back when it ends",
        ),
        drift(
            "drift",
            "how many microseconds a second the wall clock gains; what it has gained stays when the fault ends",
        ),
        drift(
            "monotonic_drift",
            "how many microseconds a second the monotonic clock gains, by which timeouts go",
        ),
    ],
};

const fn drift(name: &'static str, meaning: &'static str) -> Key {
    key(name, Type::Signed(-500_000, 1_000_000), Value("0"), meaning)
}

/// The clocks of a node are wrong.
#[derive(Clone, PartialEq, Debug)]
pub struct Clock {
    /// Whose.
    pub target: Target,
    /// By how many nanoseconds the wall clock jumps when the fault begins; it jumps back when it ends.
    pub jump: i64,
    /// What the clocks gain as long as it lasts.
    pub drift: Drift,
}

impl FaultKind for Clock {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        let Clock { target, jump, drift } = self;
        format!(
            "{{ target = {}, jump = {}, drift = {}, monotonic_drift = {} }}",
            target::write(target),
            signed_duration(*jump),
            drift.wall,
            drift.monotonic
        )
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        let mut wrong = Vec::new();
        if self.jump != 0 {
            wrong.push(format!("jump by {}", show_signed_duration(self.jump)));
        }
        if self.drift.wall != 0 {
            wrong.push(format!("drift of {} ppm", show_signed(self.drift.wall)));
        }
        if self.drift.monotonic != 0 {
            wrong.push(format!("monotonic drift of {} ppm", show_signed(self.drift.monotonic)));
        }
        format!("wrong clock of {}: {}", name(&self.target), wrong.join(", "))
    }

    fn targets(&self) -> Vec<(String, &Target)> {
        vec![("clock.target".to_owned(), &self.target)]
    }

    fn never_fires(&self, scenario: &Surroundings) -> Option<String> {
        if self.jump == 0 && self.drift == Drift::default() {
            return Some("the clocks stay as they are".to_owned());
        }
        scenario.too_few_replicas(&self.target)
    }

    fn needs(&self) -> Option<&Target> {
        Some(&self.target)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let nodes = world.resolve(&self.target);
        for node in &nodes {
            world.jump_wall_clock(*node, self.jump);
            world.drift_clocks(*node, self.drift);
        }
        Applied::Lasting(Box::new(Wrong {
            nodes,
            jump: self.jump,
            drift: self.drift,
        }))
    }
}

/// Nodes whose clocks are wrong.
struct Wrong {
    nodes: Vec<Node>,
    jump: i64,
    drift: Drift,
}

impl Lasting for Wrong {
    fn has_effect(&self, world: &dyn Primitives) -> bool {
        self.nodes.iter().any(|node| world.is_alive(*node))
    }

    fn undo(self: Box<Self>, world: &mut dyn Primitives) {
        let Drift { wall, monotonic } = self.drift;
        let back = Drift {
            wall: -wall,
            monotonic: -monotonic,
        };
        for node in self.nodes {
            world.jump_wall_clock(node, -self.jump);
            world.drift_clocks(node, back);
        }
    }
}

fn read(value: &reader::Value<'_>) -> Option<Fault> {
    let table = value.table()?;
    let target = table.required("target").and_then(|value| target::read(&value));
    let given = ["jump", "drift", "monotonic_drift"].map(|name| table.get(name));
    if given.iter().all(Option::is_none) && !table.has_unknown_key {
        table.problem(
            "the fault does not say what is wrong with the clocks",
            "add `jump = \"-90s\"`, `drift = 500` or `monotonic_drift = 500`, in parts per million",
        );
        return None;
    }
    let [jump, wall, monotonic] = given;
    let jump = jump.map_or(Some(0), |value| value.signed_duration());
    let wall = wall.map_or(Some(0), |value| value.signed());
    let monotonic = monotonic.map_or(Some(0), |value| value.signed());
    let clock = Clock {
        target: target?,
        jump: jump?,
        drift: Drift {
            wall: wall?,
            monotonic: monotonic?,
        },
    };
    Some(clock.into())
}

fn draw(draw: &Draw<'_>) -> Option<Fault> {
    let clock = Clock {
        target: draw.node()?,
        jump: below(draw.other, 120_001) as i64 * 1_000_000 - 60_000_000_000,
        drift: Drift {
            wall: (draw.degree * 2_000.0) as i64 - 1_000,
            monotonic: 0,
        },
    };
    Some(clock.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_wrong() {
        let clock = |jump, wall, monotonic| Clock {
            target: Target::Broker(2),
            jump,
            drift: Drift { wall, monotonic },
        };
        for (clock, text) in [
            (clock(-90_000_000_000, 0, 0), "wrong clock of broker 2: jump by -1m30s"),
            (clock(0, 500, 0), "wrong clock of broker 2: drift of 500 ppm"),
            (
                clock(1_000_000, 0, -2_000),
                "wrong clock of broker 2: jump by 1ms, monotonic drift of -2,000 ppm",
            ),
        ] {
            assert_eq!(clock.text(&Target::to_string), text);
        }
    }
}

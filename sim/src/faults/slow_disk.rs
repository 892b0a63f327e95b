//! `slow_disk`: a disk takes a multiple of its time.

use core::time::Duration;

use super::kind_keys::{kind, weight};
use super::{Applied, Drawn, Entry, FaultKind, Objection, Primitives, Surroundings, Target, Victims, slowed};
use crate::toml_file::keys::{Section, Type};

/// See [`SlowDisk`].
pub const ENTRY: Entry = Entry {
    key: kind(
        "slow_disk",
        Type::Table(&SECTION),
        "the disk takes a multiple of its time",
    ),
    allows: "nothing by itself: a slow disk delays, and loses nothing. A leader that is replaced because of it loses what \
             `pause` allows",
    examples: &["{ target = \"all\", factor = 20 }"],
    read: |value| slowed::read(value).map(|(target, factor)| SlowDisk(target, factor).into()),
    drawn: &[Drawn {
        weight: weight("slow_disk", "1", "slow a disk down, 2 to 100 times"),
        of: Victims::Nodes,
        draw: |draw| {
            let factor = libm::exp2(1.0 + draw.degree * 5.6);
            draw.node().map(|node| SlowDisk(node, factor).into())
        },
    }],
};

const SECTION: Section = Section {
    name: "faults.slow_disk",
    meaning: "a disk takes a multiple of its time",
    rules: &[],
    keys: &slowed::keys("whose disk"),
};

/// The disk takes this many times as long.
#[derive(Clone, PartialEq, Debug)]
pub struct SlowDisk(pub Target, pub f64);

impl FaultKind for SlowDisk {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        slowed::write(&self.0, self.1)
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("slow disk of {}, {} times", name(&self.0), self.1)
    }

    fn targets(&self) -> Vec<(String, &Target)> {
        vec![(slowed::path(&ENTRY), &self.0)]
    }

    fn problems(&self, _: Duration, scenario: &Surroundings) -> Vec<Objection> {
        Objection::of(slowed::path(&ENTRY), scenario.has_disk(&self.0))
    }

    fn never_fires(&self, scenario: &Surroundings) -> Option<String> {
        slowed::never_fires(self.1).or_else(|| scenario.too_few_replicas(&self.0))
    }

    fn needs(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let nodes = world.resolve(&self.0);
        for node in &nodes {
            world.slow_disk(*node, self.1);
        }
        slowed::lasting(nodes, self.1, |world, node, factor| world.end_slow_disk(node, factor))
    }
}

//! `slow_program`: a worker takes a multiple of its time.

use core::time::Duration;

use super::kind_keys::kind;
use super::{Applied, Entry, FaultKind, Objection, Primitives, Surroundings, Target, slowed};
use crate::toml_file::keys::{Section, Type};

/// See [`SlowProgram`].
pub const ENTRY: Entry = Entry {
    key: kind("slow_program", Type::Table(&SECTION), SECTION.meaning),
    allows: "a worker that works on a poll for longer than `max.poll.interval.ms` loses its partitions: others work on \
             its records again (`reprocessed`). Work that cannot keep up with what comes in is an `overload`",
    examples: &["{ target = \"client billing/1\", factor = 10 }"],
    read: |value| slowed::read(value).map(|(target, factor)| SlowProgram(target, factor).into()),
    drawn: &[],
};

const SECTION: Section = Section {
    name: "faults.slow_program",
    meaning: "a worker takes a multiple of its time for each record",
    rules: &[],
    keys: &slowed::keys("which worker"),
};

/// The work of a program takes this many times as long.
#[derive(Clone, PartialEq, Debug)]
pub struct SlowProgram(pub Target, pub f64);

impl FaultKind for SlowProgram {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        slowed::write(&self.0, self.1)
    }

    fn text(&self, name: &dyn Fn(&Target) -> String) -> String {
        format!("slow {}, {} times", name(&self.0), self.1)
    }

    fn targets(&self) -> Vec<(String, &Target)> {
        vec![(slowed::path(&ENTRY), &self.0)]
    }

    fn problems(&self, _: Duration, scenario: &Surroundings) -> Vec<Objection> {
        Objection::of(slowed::path(&ENTRY), scenario.is_worker(&self.0))
    }

    fn never_fires(&self, _: &Surroundings) -> Option<String> {
        slowed::never_fires(self.1)
    }

    fn needs(&self) -> Option<&Target> {
        Some(&self.0)
    }

    fn apply(&self, world: &mut dyn Primitives) -> Applied {
        let mut nodes = world.resolve(&self.0);
        nodes.retain(|node| world.has_program(*node));
        if nodes.is_empty() {
            return Applied::Nothing;
        }
        for node in &nodes {
            world.slow_program(*node, self.1);
        }
        slowed::lasting(nodes, self.1, |world, node, factor| {
            world.end_slow_program(node, factor)
        })
    }
}

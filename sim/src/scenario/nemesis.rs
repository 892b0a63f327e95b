//! The nemesis of a scenario: its keys, how they are read, and what they say.

use core::fmt;
use core::time::Duration;

use crate::faults::registry::{DRAWN, WEIGHT_COUNT, WEIGHTS};
use crate::faults::{Drawn, Victims};
use crate::toml_file::keys::{Default::*, Section, Type, key};
use crate::toml_file::reader::{self, Table};

/// `[nemesis]`
pub const NEMESIS: Section = Section {
    name: "nemesis",
    meaning: "faults drawn from the seed",
    rules: &[],
    keys: &[
        key("start", Type::Duration, Value("\"5s\""), "when it begins"),
        key(
            "stop",
            Type::Duration,
            Words("the end of the scenario's duration"),
            "when it begins no more faults, and ends those that last",
        ),
        key(
            "interval",
            Type::PositiveDuration,
            Value("\"10s\""),
            "the mean time between the beginnings of two faults",
        ),
        key(
            "duration",
            Type::PositiveDuration,
            Value("\"5s\""),
            "how long a fault holds in the mean; each holds half to one and a half of it",
        ),
        key(
            "max_concurrent",
            Type::Whole(1, 1_000),
            Value("1"),
            "never more nodes than these are affected at once, fixed faults included",
        ),
        key(
            "weights",
            Type::Table(&WEIGHTS),
            Value("{}"),
            "how often each kind of fault is drawn",
        ),
    ],
};

/// How the nemesis behaves.
#[derive(Clone, PartialEq, Debug)]
pub struct NemesisSpec {
    /// When it begins.
    pub start: Duration,
    /// When it begins no more faults, and ends those that last.
    pub stop: Duration,
    /// The mean time between the beginnings of two faults; the gaps are exponentially distributed.
    pub interval: Duration,
    /// How long a fault holds in the mean; each holds half to one and a half of it.
    pub duration: Duration,
    /// Never more nodes than these are affected at once, by it and by the scenario's fixed faults together.
    pub max_concurrent: u32,
    /// How often each kind of fault is drawn.
    pub weights: Weights,
}

impl NemesisSpec {
    /// The defaults in a scenario of this duration.
    #[must_use]
    pub fn lasting(scenario_duration: Duration) -> NemesisSpec {
        NemesisSpec {
            start: Duration::from_secs(5).min(scenario_duration / 10),
            stop: scenario_duration,
            interval: Duration::from_secs(10),
            duration: Duration::from_secs(5),
            max_concurrent: 1,
            weights: Weights::default(),
        }
    }
}

/// How often each kind of fault is drawn, relative to the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Weights([u32; WEIGHT_COUNT]);

impl Default for Weights {
    fn default() -> Weights {
        Weights(DRAWN.map(|drawn| match drawn.weight.default {
            Value(weight) => weight.parse().expect("weights are whole numbers"),
            Required | Words(_) => 0,
        }))
    }
}

impl Weights {
    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|weight| u64::from(*weight)).sum()
    }

    /// Everything that can be drawn, with its weight.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Drawn, u32)> {
        DRAWN.into_iter().zip(self.0)
    }

    /// Whether faults of these are drawn.
    #[must_use]
    pub fn concern(&self, victims: Victims) -> bool {
        self.iter().any(|(drawn, weight)| drawn.of == victims && weight > 0)
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights = self.iter().map(|(drawn, weight)| (drawn.weight.name, weight));
        f.debug_map().entries(weights).finish()
    }
}

/// Reads `[nemesis]`.
pub fn read(table: &Table<'_>, scenario_duration: Duration) -> NemesisSpec {
    let default = NemesisSpec::lasting(scenario_duration);
    let duration =
        |name: &str, default: Duration| table.get(name).and_then(|value| value.duration()).unwrap_or(default);
    let positive =
        |name: &str, default: Duration| table.get(name).and_then(|value| value.duration()).unwrap_or(default);
    NemesisSpec {
        start: duration("start", default.start),
        stop: duration("stop", default.stop),
        interval: positive("interval", default.interval),
        duration: positive("duration", default.duration),
        max_concurrent: table
            .get("max_concurrent")
            .and_then(|value| value.count())
            .unwrap_or(default.max_concurrent),
        weights: table
            .get("weights")
            .and_then(|value| weights(&value))
            .unwrap_or(default.weights),
    }
}

fn weights(value: &reader::Value<'_>) -> Option<Weights> {
    let table = value.table()?;
    if table.is_empty() {
        return None;
    }
    let mut weights = Weights([0; WEIGHT_COUNT]);
    for (weight, drawn) in weights.0.iter_mut().zip(DRAWN) {
        if let Some(value) = table.get(drawn.weight.name) {
            *weight = value.count()?;
        }
    }
    if weights.total() == 0 {
        if table.has_unknown_key {
            return None;
        }
        value.problem(
            "all weights are 0",
            "give at least one kind of fault a weight, or remove `[nemesis]`",
        );
        return None;
    }
    Some(weights)
}

//! Measures: figures of a trial that must keep within bounds. `that = "lag(billing)", below = 100, from = "90s"`.

use core::fmt::{self, Write as _};
use core::time::Duration;

use crate::nearest::nearest;
use crate::toml_file::reader::{Table, Value};
use crate::units::show_duration;

/// A figure and its bounds.
#[derive(Clone, PartialEq, Debug)]
pub struct Measure {
    /// What is measured.
    pub quantity: Quantity,
    /// Of what: a consumer group, programs or a topic; none: of all.
    pub of: Option<String>,
    /// It must be less than this.
    pub below: Option<f64>,
    /// It must be more than this.
    pub above: Option<f64>,
    /// From when on, in simulated time.
    pub from: Duration,
    /// Until when; none: what [`Measure::end`] says.
    pub until: Option<Duration>,
    /// Which figure is made of all values in that time; none: each of them must keep within the bounds. A count has none.
    pub aggregate: Option<Aggregate>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "`Quantity::ALL` says what each is")]
pub enum Quantity {
    Lag,
    Sent,
    Acked,
    Committed,
    Consumed,
    Processed,
    Failed,
    Unknown,
    Retried,
    DeadLettered,
    Rebalances,
}

/// How a quantity is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// At the end of each bucket of the run record.
    Level,
    /// A second, in each bucket.
    Rate,
    /// So many in the whole time.
    Count,
}

/// Whose a quantity is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// Of a consumer group, or of plain consumers; never of all.
    Readers,
    /// Of programs, by their name.
    Programs,
    /// Of a topic.
    Topic,
    /// Of a consumer group.
    Group,
}

/// A figure that is made of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Aggregate {
    Max,
    Min,
    Mean,
    Last,
}

impl Quantity {
    /// Every quantity: its name, whose it is, how it is read, its unit and what it is.
    pub const ALL: &'static [(Quantity, &'static str, Whose, Reading, &'static str, &'static str)] = &[
        (
            Quantity::Lag,
            "lag",
            Whose::Readers,
            Reading::Level,
            "records",
            "committed records that a consumer group's committed positions have not passed, or that plain consumers have \
             not got",
        ),
        (
            Quantity::Sent,
            "sent",
            Whose::Programs,
            Reading::Rate,
            "records/s",
            "records that programs hand to their producers",
        ),
        (
            Quantity::Acked,
            "acked",
            Whose::Programs,
            Reading::Rate,
            "records/s",
            "sends that are answered ok",
        ),
        (
            Quantity::Committed,
            "committed",
            Whose::Topic,
            Reading::Rate,
            "records/s",
            "records that high watermarks pass",
        ),
        (
            Quantity::Consumed,
            "consumed",
            Whose::Programs,
            Reading::Rate,
            "records/s",
            "records that polls return",
        ),
        (
            Quantity::Processed,
            "processed",
            Whose::Group,
            Reading::Rate,
            "records/s",
            "records that the programs of a consumer group process",
        ),
        (
            Quantity::Failed,
            "failed",
            Whose::Programs,
            Reading::Count,
            "sends",
            "sends that failed for certain",
        ),
        (
            Quantity::Unknown,
            "unknown",
            Whose::Programs,
            Reading::Count,
            "sends",
            "sends that ended with an unknown outcome",
        ),
        (
            Quantity::Retried,
            "retried",
            Whose::Group,
            Reading::Count,
            "records",
            "records handed to a retry topic",
        ),
        (
            Quantity::DeadLettered,
            "dead_lettered",
            Whose::Group,
            Reading::Count,
            "records",
            "records handed to a dead-letter topic, or skipped over",
        ),
        (
            Quantity::Rebalances,
            "rebalances",
            Whose::Group,
            Reading::Count,
            "rebalances",
            "new generations or epochs of a consumer group",
        ),
    ];

    fn row(self) -> &'static (Quantity, &'static str, Whose, Reading, &'static str, &'static str) {
        let row = Quantity::ALL.iter().find(|(quantity, ..)| *quantity == self);
        row.expect("`ALL` has every quantity")
    }

    /// Its name in a scenario file.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Whose it is.
    #[must_use]
    pub fn whose(self) -> Whose {
        self.row().2
    }

    /// How it is read.
    #[must_use]
    pub fn reading(self) -> Reading {
        self.row().3
    }

    /// Its unit.
    #[must_use]
    pub fn unit(self) -> &'static str {
        self.row().4
    }
}

/// The names of [`Aggregate`]s in a scenario file.
pub const AGGREGATES: [&str; 4] = ["max", "min", "mean", "last"];

impl Aggregate {
    const ALL: [Aggregate; 4] = [Aggregate::Max, Aggregate::Min, Aggregate::Mean, Aggregate::Last];

    /// Its name in a scenario file.
    #[must_use]
    pub fn name(self) -> &'static str {
        AGGREGATES[self as usize]
    }

    fn from_name(name: &str) -> Option<Aggregate> {
        Aggregate::ALL.into_iter().find(|aggregate| aggregate.name() == name)
    }
}

impl Measure {
    /// Until when it is measured in a scenario of this duration: while load and faults last, and what is counted to the end
    /// of the trial.
    #[must_use]
    pub fn end(&self, duration: Duration) -> Duration {
        let end = match self.quantity.reading() {
            Reading::Count => Duration::MAX,
            Reading::Level | Reading::Rate => duration,
        };
        self.until.unwrap_or(end)
    }

    /// `below 100`
    #[must_use]
    pub fn bounds(&self) -> String {
        let bound = |name: &str, bound: Option<f64>| {
            let bound = bound?;
            Some(format!("{name} {}", reports::numbers::decimal(bound)))
        };
        let bounds = [bound("above", self.above), bound("below", self.below)];
        bounds.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }

    /// `from 90s until 2m`; empty for all the time.
    #[must_use]
    pub fn window(&self) -> String {
        let mut text = String::new();
        if self.until == Some(self.from) {
            return format!("at {}", show_duration(self.from));
        }
        if !self.from.is_zero() {
            let _ = write!(text, "from {}", show_duration(self.from));
        }
        if let Some(until) = self.until {
            let space = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{space}until {}", show_duration(until));
        }
        text
    }

    /// `lag(billing)`
    #[must_use]
    pub fn that(&self) -> String {
        format!("{}({})", self.quantity.name(), self.of.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for Measure {
    /// `lag(billing)`, `mean of sent(app)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(aggregate) = self.aggregate {
            write!(f, "{} of ", aggregate.name())?;
        }
        f.write_str(&self.that())
    }
}

/// Reads an entry of `measures`.
pub(super) fn measure(table: &Table<'_>) -> Option<Measure> {
    let that = table.required("that").and_then(|value| quantity(&value));
    let get = |name: &str| table.get(name);
    let number = |name: &str| get(name).and_then(|value| value.number());
    let (below, above) = (number("below"), number("above"));
    if table.given(&["below", "above"]).is_empty() {
        table.problem(
            "a measure needs a bound",
            "add `below = 100` or `above = 100`: what the figure must be",
        );
    }
    if let (Some(below), Some(above), Some(value)) = (below, above, get("above"))
        && above >= below
    {
        value.problem(
            "no figure is above this and below that",
            "`above` must be less than `below`",
        );
    }
    let time = |name: &str| get(name).and_then(|value| value.duration());
    let (at, from, until) = (time("at"), time("from"), time("until"));
    if let ([(first, _), ..], Some(value)) = (&table.given(&["from", "until"])[..], get("at")) {
        value.problem(
            format!("`at` is one moment, and excludes `{first}`"),
            "write `at` alone, or `from` and `until`",
        );
    }
    if let (Some(from), Some(until), Some(value)) = (from, until, get("until"))
        && until < from
    {
        value.problem("it ends before it begins", "`until` must not be before `from`");
    }
    let aggregate = get("aggregate").and_then(|value| value.word());
    let aggregate = aggregate.and_then(Aggregate::from_name);
    let (quantity, of) = that?;
    if let (Some(value), Reading::Count) = (get("aggregate"), quantity.reading()) {
        let message = format!("`{}` is one count of the whole time", quantity.name());
        value.problem(message, "remove `aggregate`");
    }
    Some(Measure {
        quantity,
        of,
        below,
        above,
        from: at.or(from).unwrap_or_default(),
        until: at.or(until),
        aggregate,
    })
}

fn quantity(value: &Value<'_>) -> Option<(Quantity, Option<String>)> {
    let text = value.text_such_as("what is measured, and of what: `\"lag(billing)\"`")?;
    let known = || Quantity::ALL.iter().map(|(_, name, ..)| *name);
    let parts = text.trim().split_once('(');
    let parts = parts.and_then(|(name, rest)| Some((name.trim(), rest.strip_suffix(')')?.trim())));
    let Some((name, of)) = parts else {
        let name = text
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .next()
            .unwrap_or_default();
        let like = nearest(name, known()).unwrap_or("lag");
        value.problem(
            format!("`that` cannot be `{text}`"),
            format!("write a name and whose it is in parentheses: `{like}(billing)`"),
        );
        return None;
    };
    let row = Quantity::ALL.iter().find(|(_, known, ..)| *known == name);
    let Some((quantity, _, whose, ..)) = row else {
        let hint = match nearest(name, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "what can be measured: {}; `trial explain measures` says more",
                known().collect::<Vec<_>>().join(", ")
            ),
        };
        value.problem(format!("nothing to measure is called `{name}`"), hint);
        return None;
    };
    if of.is_empty() && *whose == Whose::Readers {
        value.problem(
            format!("`{name}` of what?"),
            format!("name a consumer group, or plain consumers: `{name}(billing)`"),
        );
        return None;
    }
    Some((*quantity, Some(of.to_owned()).filter(|of| !of.is_empty())))
}

/// A regular expression (ECMA-262) of what [`quantity`] reads.
pub(super) fn that_pattern() -> String {
    let of = |readers: bool| {
        let rows = Quantity::ALL.iter();
        let names = rows.filter(|(_, _, whose, ..)| (*whose == Whose::Readers) == readers);
        names.map(|(_, name, ..)| *name).collect::<Vec<_>>().join("|")
    };
    format!(r"^\s*(({})\s*\(\s*\S.*|({})\s*\(.*)\)\s*$", of(true), of(false))
}

/// The tables of a scenario file for these measures, each key with its value as text.
pub(super) fn write(measure: &Measure) -> Vec<(&'static str, String)> {
    let text = |text: &str| format!("\"{text}\"");
    let number = |name, bound: Option<f64>| bound.map(|bound| (name, format!("{bound:?}")));
    let time = |name, time: Duration| (name, text(&show_duration(time)));
    let mut keys = vec![("that", text(&measure.that()))];
    keys.extend(number("above", measure.above));
    keys.extend(number("below", measure.below));
    if measure.until == Some(measure.from) {
        keys.push(time("at", measure.from));
    } else {
        keys.push(time("from", measure.from));
        keys.extend(measure.until.map(|until| time("until", until)));
    }
    let aggregate = measure.aggregate.map(|aggregate| ("aggregate", text(aggregate.name())));
    keys.extend(aggregate);
    keys
}

/// Reads `measures`.
pub(super) fn measures(top: &Table<'_>) -> Vec<Measure> {
    let tables = top.get("measures").map(|value| value.tables());
    tables
        .into_iter()
        .flatten()
        .filter_map(|table| measure(&table))
        .collect()
}

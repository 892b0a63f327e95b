//! What plain consumers do by the clock besides reading: seek, pause, resume.

use core::time::Duration;

use crate::toml_file::reader::{Table, Value};
use crate::units::show_duration;

/// Something that consumers do at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScheduledStep {
    /// When; a consumer that works on records then does it behind them.
    pub at: Duration,
    /// What.
    pub step: ConsumerStep,
    /// With which partition of their topic; none: with all of them.
    pub partition: Option<u32>,
}

/// Something that consumers do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsumerStep {
    /// Move the position.
    Seek(SeekTarget),
    /// Stop fetching.
    Pause,
    /// Fetch again.
    Resume,
}

/// Where a position moves to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeekTarget {
    /// The first record that there is.
    Beginning,
    /// The next record that comes.
    End,
    /// This offset.
    Offset(u32),
    /// So many offsets back, at most to the first.
    Back(u32),
}

const TARGETS: &str = "write `\"beginning\"`, `\"end\"`, `\"back 100\"`, or an offset: `500`";

/// Reads `schedule` of the consumers of `topic`.
pub(super) fn schedule(table: &Table<'_>, topic: &str) -> Vec<ScheduledStep> {
    let steps = table.get("schedule").map(|value| value.tables());
    let steps = steps.into_iter().flatten();
    let mut steps: Vec<ScheduledStep> = steps.filter_map(|table| step(&table, topic)).collect();
    steps.sort_by_key(|step| step.at);
    steps
}

fn step(table: &Table<'_>, topic: &str) -> Option<ScheduledStep> {
    let at = table.required("at").and_then(|value| value.duration());
    let given = table.given(&["seek", "pause", "resume"]);
    let [(what, _)] = given[..] else {
        let (message, hint) = match given.is_empty() {
            true => (
                "a step of a schedule says what to do",
                "add `seek`, `pause` or `resume`",
            ),
            false => ("a step of a schedule does one thing", "make a step of each"),
        };
        table.problem(message, hint);
        return None;
    };
    let value = table.get(what)?;
    let named = table.get("partition");
    let (step, partition) = match what {
        "seek" => {
            let partition = named.map_or(Some(None), |named| partition_of(&named, topic).map(Some))?;
            (ConsumerStep::Seek(seek_target(&value)?), partition)
        }
        _ => {
            if let Some(named) = named {
                named.problem(
                    format!("`partition` belongs to `seek`, not to `{what}`"),
                    format!("name it there: `{what} = \"{topic}/0\"`"),
                );
            }
            let step = match what {
                "pause" => ConsumerStep::Pause,
                _ => ConsumerStep::Resume,
            };
            let partition = match value.text()? {
                "all" => None,
                _ => Some(partition_of(&value, topic)?),
            };
            (step, partition)
        }
    };
    Some(ScheduledStep {
        at: at?,
        step,
        partition,
    })
}

fn seek_target(value: &Value<'_>) -> Option<SeekTarget> {
    if !value.is_text() {
        return value.count().map(SeekTarget::Offset);
    }
    let text = value.text()?;
    let back = text.strip_prefix("back ").and_then(|count| count.parse().ok());
    match (text, back) {
        ("beginning", _) => Some(SeekTarget::Beginning),
        ("end", _) => Some(SeekTarget::End),
        (_, Some(count)) => Some(SeekTarget::Back(count)),
        _ => {
            value.problem(format!("consumers cannot seek to `{text}`"), TARGETS);
            None
        }
    }
}

fn partition_of(value: &Value<'_>, topic: &str) -> Option<u32> {
    let text = value.text()?;
    let index = text
        .rsplit_once('/')
        .filter(|(name, _)| *name == topic)
        .and_then(|(_, index)| index.parse().ok());
    if index.is_none() {
        value.problem(
            format!("`{text}` is no partition of what these consumers read"),
            format!("write `\"{topic}/0\"`"),
        );
    }
    index
}

/// A step as it stands in a file.
pub(super) fn write(step: &ScheduledStep, topic: &str) -> String {
    let at = show_duration(step.at);
    let partition = step.partition.map(|index| format!("{topic}/{index}"));
    let which = partition.as_deref().unwrap_or("all");
    let target = match step.step {
        ConsumerStep::Pause => return format!("{{ at = \"{at}\", pause = \"{which}\" }}"),
        ConsumerStep::Resume => return format!("{{ at = \"{at}\", resume = \"{which}\" }}"),
        ConsumerStep::Seek(SeekTarget::Beginning) => "\"beginning\"".to_owned(),
        ConsumerStep::Seek(SeekTarget::End) => "\"end\"".to_owned(),
        ConsumerStep::Seek(SeekTarget::Offset(offset)) => offset.to_string(),
        ConsumerStep::Seek(SeekTarget::Back(count)) => format!("\"back {count}\""),
    };
    match partition {
        Some(name) => format!("{{ at = \"{at}\", seek = {target}, partition = \"{name}\" }}"),
        None => format!("{{ at = \"{at}\", seek = {target} }}"),
    }
}

/// The first pause that nothing ends: its partition is never read to the end.
pub(super) fn endless_pause(steps: &[ScheduledStep]) -> Option<usize> {
    let ends = |pause: &ScheduledStep, later: &ScheduledStep| {
        later.step == ConsumerStep::Resume && (later.partition.is_none() || later.partition == pause.partition)
    };
    let is_endless = |(place, pause): (usize, &ScheduledStep)| {
        let mut later = steps[place + 1..].iter();
        (pause.step == ConsumerStep::Pause && !later.any(|later| ends(pause, later))).then_some(place)
    };
    steps.iter().enumerate().find_map(is_endless)
}

//! `rolling_restart`: workers or brokers are stopped one after the other.

use core::time::Duration;

use super::kind_keys::kind;
use super::stop::Stop;
use super::stop_in_sync::StopInSync;
use super::{Applied, Entry, Fault, FaultKind, Objection, PlannedFault, Primitives, Surroundings, Target};
use crate::toml_file::keys::{Default::*, Rule, Section, Type, key};
use crate::toml_file::reader::{self, Table};
use crate::toml_file::writer::{duration, text};
use crate::units::show_duration;

/// See [`RollingRestart`].
pub const ENTRY: Entry = Entry {
    key: kind("rolling_restart", Type::Table(&SECTION), SECTION.meaning),
    allows: "what `stop` allows, of each in turn",
    examples: &[
        "{ workers = \"billing\", every = \"8s\", down = \"1s\" }",
        "{ brokers = true, wait_for_isr = false, every = \"8s\", down = \"1s\" }",
    ],
    read,
    drawn: &[],
};

const SECTION: Section = Section {
    name: "faults.rolling_restart",
    meaning: "stops the workers of a group, or the brokers, one after the other, each for a while",
    rules: &[
        Rule::AtLeastOne(&["workers", "brokers"]),
        Rule::Excludes("wait_for_isr", &["workers"]),
    ],
    keys: &[
        key("workers", Type::String, Words("none"), "the name of the workers"),
        key(
            "brokers",
            Type::Boolean,
            Value("false"),
            "all brokers, instead of workers",
        ),
        key(
            "wait_for_isr",
            Type::Boolean,
            Value("true"),
            "a broker is stopped only when no other is down and every ISR is complete",
        ),
        key(
            "every",
            Type::PositiveDuration,
            Value("\"10s\""),
            "the time between the stops of two of them",
        ),
        key(
            "down",
            Type::PositiveDuration,
            Value("\"2s\""),
            "how long each is down, counted from when it is asked to end",
        ),
    ],
};

/// Stops the programs of a group, or the brokers, one after the other, each for a while.
#[derive(Clone, PartialEq, Debug)]
pub struct RollingRestart {
    /// Whose.
    pub of: Rolling,
    /// The time between the stops of two of them.
    pub every: Duration,
    /// How long each is down, counted from when it is asked to end.
    pub down: Duration,
}

/// Who is restarted one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rolling {
    /// The programs of the group with this name in the scenario.
    Workers(String),
    /// All brokers, in order of their numbers.
    Brokers {
        /// Each waits until every ISR is complete.
        wait_for_isr: bool,
    },
}

impl RollingRestart {
    /// How many are restarted.
    fn count(&self, scenario: &Surroundings) -> u32 {
        match &self.of {
            Rolling::Workers(name) => {
                let group = scenario.workers.iter().find(|group| group.name == *name);
                group.map_or(0, |group| group.count)
            }
            Rolling::Brokers { .. } => scenario.brokers,
        }
    }

    /// The stop of the one with this number.
    fn stop(&self, number: u32) -> Fault {
        match &self.of {
            Rolling::Workers(name) => Stop(Target::Client(format!("{name}/{number}"))).into(),
            Rolling::Brokers { wait_for_isr: true } => StopInSync(Target::Broker(number)).into(),
            Rolling::Brokers { wait_for_isr: false } => Stop(Target::Broker(number)).into(),
        }
    }
}

impl FaultKind for RollingRestart {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn write(&self) -> String {
        let of = match &self.of {
            Rolling::Workers(workers) => format!("workers = {}", text(workers)),
            Rolling::Brokers { wait_for_isr } => format!("brokers = true, wait_for_isr = {wait_for_isr}"),
        };
        format!(
            "{{ {of}, every = {}, down = {} }}",
            duration(self.every),
            duration(self.down)
        )
    }

    fn text(&self, _: &dyn Fn(&Target) -> String) -> String {
        match &self.of {
            Rolling::Workers(workers) => format!("rolling restart of {workers}"),
            Rolling::Brokers { .. } => "rolling restart of the brokers".to_owned(),
        }
    }

    fn problems(&self, at: Duration, scenario: &Surroundings) -> Vec<Objection> {
        let mut found = match &self.of {
            Rolling::Workers(name) => Objection::of("rolling_restart.workers", scenario.workers_exist(name)),
            Rolling::Brokers { .. } => Vec::new(),
        };
        let rounds = self.count(scenario).saturating_sub(1);
        let end = at + self.every * rounds + self.down;
        if end > scenario.duration && at < scenario.duration {
            let message = format!(
                "the rolling restart ends at {}, after the end of the scenario",
                show_duration(end)
            );
            found.push(Objection::new(
                ENTRY.key.name,
                message,
                "begin earlier, or restart faster",
            ));
        }
        found
    }

    fn takes_no_time(&self) -> Option<(&'static str, &'static str)> {
        Some(("a rolling restart has its own times", "remove `for`"))
    }

    /// One broker after the other.
    fn affects(&self, _: u32) -> (u32, Vec<Target>) {
        match self.of {
            Rolling::Brokers { .. } => (1, Vec::new()),
            Rolling::Workers(_) => (0, Vec::new()),
        }
    }

    fn series(&self, at: Duration, scenario: &Surroundings) -> Option<Vec<PlannedFault>> {
        let stop = |number: u32| {
            let at = at.saturating_add(self.every.saturating_mul(number - 1));
            PlannedFault {
                at,
                until: Some(at.saturating_add(self.down)),
                fault: self.stop(number),
            }
        };
        Some((1..=self.count(scenario)).map(stop).collect())
    }

    fn apply(&self, _: &mut dyn Primitives) -> Applied {
        unreachable!("the plan has a stop for each")
    }
}

fn read(value: &reader::Value<'_>) -> Option<Fault> {
    let table = value.table()?;
    let of = rolling(&table);
    let time = |name: &str, default| table.get(name).map_or(Some(default), |value| value.duration());
    let every = time("every", Duration::from_secs(10));
    let down = time("down", Duration::from_secs(2));
    let restart = RollingRestart {
        of: of?,
        every: every?,
        down: down?,
    };
    Some(restart.into())
}

/// Who is restarted one after the other: workers or brokers.
fn rolling(table: &Table<'_>) -> Option<Rolling> {
    let workers = table.get("workers").map(|value| value.text().map(str::to_owned));
    let brokers = table.get("brokers").map(|value| value.boolean());
    let wait_for_isr = table.get("wait_for_isr");
    match (workers, brokers) {
        (Some(name), None | Some(Some(false))) => {
            if let Some(value) = wait_for_isr {
                value.problem(
                    "workers wait for no ISR",
                    "remove `wait_for_isr`, or write `brokers = true`",
                );
                return None;
            }
            name.map(Rolling::Workers)
        }
        (None, Some(Some(true))) => {
            let wait_for_isr = wait_for_isr.map_or(Some(true), |value| value.boolean())?;
            Some(Rolling::Brokers { wait_for_isr })
        }
        (_, Some(None)) => None,
        (Some(_), Some(_)) => {
            let hint = "write a `[[faults]]` for each";
            table.problem(
                "a rolling restart is of workers or of brokers, but this one is of both",
                hint,
            );
            None
        }
        (None, None | Some(Some(false))) => {
            let hint = "add `workers = \"<name>\"`, or `brokers = true`";
            table.problem("the rolling restart does not say of what", hint);
            None
        }
    }
}

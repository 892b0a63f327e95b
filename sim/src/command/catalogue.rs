//! `trial list` and `trial schema`: what there is, and what a scenario file may say.

use std::path::PathBuf;

use broker_core::config::Quirks;

use super::columns::columns;
use super::exit::Exit;
use super::filter::Filter;
use super::plan::{PlanError, selected};
use super::voice::Voice;
use crate::faults::registry::REGISTRY;
use crate::scenario::files::{find, load};
use crate::scenario::schema;
use crate::toml_file::error::ScenarioError;
use crate::verdict::Check;

/// Where scenarios are looked for if nobody says where.
pub const SCENARIOS: &str = "scenarios";

/// Lists the scenarios of `paths`, and all checks, quirks and faults. Without paths there need not be scenarios: all else
/// is known everywhere. With filters only the scenarios that they mean are listed.
pub fn list(paths: &[PathBuf], filters: &[Filter]) -> Exit {
    let mut voice = Voice::new(false, false);
    let found = match paths {
        [] => find(&[PathBuf::from(SCENARIOS)]),
        paths => find(paths),
    };
    let found = match found {
        Ok(found) => found,
        Err(error @ (ScenarioError::Missing { .. } | ScenarioError::NothingThere { .. })) if paths.is_empty() => {
            voice.report(format!("note: no scenarios are listed: {error}"));
            Vec::new()
        }
        Err(error) => {
            voice.report(error.render(voice.terminal));
            return voice.end(PlanError::from(error).exit());
        }
    };
    let mut exit = Exit::AsExpected;
    let mut all = Vec::new();
    for found in found {
        match load(&found) {
            Ok(loaded) => all.push(loaded),
            Err(error) => {
                voice.report(error.render(voice.terminal));
                exit = Exit::Usage;
            }
        }
    }
    let scenarios = match selected(all, filters) {
        Ok(scenarios) => scenarios,
        Err(error) => {
            voice.report(error.render(voice.terminal));
            return voice.end(exit.or_worse(error.exit()));
        }
    };
    let borrowed: Vec<(&str, &str)> = scenarios
        .iter()
        .map(|loaded| (loaded.scenario.name.as_str(), loaded.scenario.teaches.as_str()))
        .collect();
    let checks: Vec<(String, &str)> = Check::ALL
        .iter()
        .map(|check| (check.title(), check.meaning()))
        .collect();
    let checks: Vec<(&str, &str)> = checks.iter().map(|(title, meaning)| (&**title, *meaning)).collect();
    let faults: Vec<(&str, &str)> = REGISTRY
        .iter()
        .map(|entry| (entry.key.name, entry.key.meaning))
        .collect();
    let parts = [
        ("scenarios", borrowed.as_slice()),
        ("checks", &checks),
        ("quirks", Quirks::ALL),
        ("faults", &faults),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(title, _)| filters.is_empty() || *title == "scenarios")
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(title, entries)| columns(title, entries))
        .collect();
    voice.say(parts.join("\n"));
    voice.end(exit)
}

/// Prints the JSON Schema of scenario files.
pub fn schema() -> Exit {
    let mut voice = Voice::new(false, false);
    voice.say(format!("{:#}", schema::schema()));
    voice.end(Exit::AsExpected)
}

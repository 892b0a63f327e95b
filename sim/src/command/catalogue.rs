//! `trial list`, `trial explain` and `trial schema`: what there is, what a name means, and what a scenario file may say.

use core::fmt::Write as _;
use std::path::PathBuf;

use broker_core::config::{Quirks, Setting};

use super::columns::columns;
use super::exit::Exit;
use super::filter::Filter;
use super::meanings;
use super::plan::{PlanError, selected};
use super::voice::Voice;
use crate::faults::registry::REGISTRY;
use crate::nearest::nearest;
use crate::scenario::examples;
use crate::scenario::files::{find, load};
use crate::scenario::keys::sections;
use crate::scenario::schema;
use crate::toml_file::error::ScenarioError;
use crate::toml_file::keys::Default;
use crate::toml_file::settings::{self, SettingsSection, settings_sections};
use crate::verdict::Check;

/// Where scenarios are looked for if nobody says where.
const SCENARIOS: &str = "scenarios";

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

/// Explains what a name means. One name may mean several things.
pub fn explain(name: &str) -> Exit {
    let mut voice = Voice::new(false, false);
    match explanation(name) {
        Ok(text) => {
            voice.say(text);
            voice.end(Exit::AsExpected)
        }
        Err(hint) => {
            voice.report(format!("error: nothing is called `{name}`\n  hint: {hint}"));
            voice.end(Exit::Usage)
        }
    }
}

/// What `name` means, or the way out if it means nothing.
fn explanation(name: &str) -> Result<String, String> {
    // One of them is looked for as well as all.
    let name = if name == "measure" { "measures" } else { name };
    let mut texts = Vec::new();
    texts.extend(Check::from_name(name).map(check_text));
    for (quirk, mechanism) in Quirks::ALL {
        if *quirk == name {
            texts.push(format!("{quirk} (quirk)\n  A planted defect: {mechanism}.\n  In a scenario: quirks = [\"{quirk}\"]; on the command line: --quirk {quirk}\n"));
        }
    }
    for section in sections() {
        let known_as = if section.name.is_empty() {
            "scenario"
        } else {
            section.name
        };
        if known_as == name {
            let entries: Vec<(&str, &str)> = section.keys.iter().map(|key| (key.name, key.meaning)).collect();
            texts.push(columns(&format!("{name}: {}", section.meaning), &entries));
        }
        for key in section.keys {
            if key.name == name || format!("{}.{}", section.name, key.name) == name {
                let default = match key.default {
                    Default::Required => "none, it must be given",
                    Default::Value(default) | Default::Words(default) => default,
                };
                let mut text = key_text(section.name, key.name, &key.takes.to_string(), default, key.meaning);
                if let Some(example) = examples::of(section.name, key.name) {
                    let _ = writeln!(text, "  example: {example}");
                }
                texts.push(text);
            }
        }
    }
    for section in settings_sections() {
        if section.place == name || name == "config" {
            let default = |key| section.default_of(key).unwrap_or_else(|| "none".to_owned());
            let keys = section.settings.iter().map(|setting| setting.key);
            let defaults: Vec<(&str, String)> = keys.map(|key| (key, default(key))).collect();
            let entries: Vec<(&str, &str)> = defaults.iter().map(|(key, default)| (*key, default.as_str())).collect();
            texts.push(columns(
                &format!(
                    "{}: Kafka's settings of {}, with their defaults",
                    section.place, section.whose
                ),
                &entries,
            ));
        }
        if let Some(setting) = section.setting(name) {
            texts.push(setting_text(&section, setting));
        }
    }
    texts.extend(meanings::of(name));
    if name == "follow" {
        let forms = super::trace::FORMS;
        texts.push(columns(
            "follow: what `trial replay FILE --seed N --follow WHAT` prints",
            forms,
        ));
    }
    if texts.is_empty() {
        Err(unknown(name))
    } else {
        Ok(texts.join("\n"))
    }
}

fn check_text(check: Check) -> String {
    let mut text = format!("{} (check)\n  A violation means: {}.\n", check.title(), check.meaning());
    let _ = writeln!(text, "  Allowed when: {}.", check.allowed_when().unwrap_or("never"));
    if let Some(way_out) = check.way_out() {
        let _ = writeln!(text, "  The way out: {way_out}.");
    }
    let _ = writeln!(text, "  In a scenario: expect = [\"{}\"]", check.name());
    text
}

fn unknown(name: &str) -> String {
    let topics = meanings::NAMES.iter().copied();
    let settings = settings_sections();
    let checks = Check::names();
    let quirks = Quirks::ALL.iter().map(|(name, _)| *name);
    let keys = sections()
        .into_iter()
        .flat_map(|section| section.keys)
        .map(|key| key.name);
    let settings = settings.iter().flat_map(|section| section.settings);
    let settings = settings.map(|setting| setting.key);
    match nearest(name, topics.chain(checks).chain(quirks).chain(keys).chain(settings)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`trial list` lists checks, quirks and faults; `trial explain scenario` the keys of a scenario file"
            .to_owned(),
    }
}

fn setting_text(section: &SettingsSection, setting: &Setting) -> String {
    let name = setting.key;
    let mut meaning = format!(
        "{}\n  Kafka's setting of {}; times are milliseconds, sizes bytes",
        setting.meaning, section.whose
    );
    if let Some(note) = settings::note_of(name) {
        let _ = write!(meaning, "\n  {note}");
    }
    let default = section.default_of(name);
    let default_text = default.as_deref().unwrap_or("none");
    let kind = settings::type_in_words(setting);
    let mut text = key_text(section.place, &format!("\"{name}\""), &kind, default_text, &meaning);
    if let Some(default) = default {
        let (_, table) = section.place.rsplit_once('.').unwrap_or(("", section.place));
        let _ = writeln!(text, "  example: {table} = {{ \"{name}\" = {default} }}");
    }
    text
}

fn key_text(place: &str, name: &str, kind: &str, default: &str, meaning: &str) -> String {
    let place = if place.is_empty() {
        "the top level of a scenario file".to_owned()
    } else {
        format!("`{place}`")
    };
    format!("{name} (key of {place})\n  {meaning}\n  type: {kind}\n  default: {default}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_explained_by_its_id_and_by_its_name() {
        for check in Check::ALL {
            let text = explanation(check.id()).expect("an id means something");
            assert_eq!(explanation(check.name()).as_ref(), Ok(&text));
            for part in [&check.title(), check.meaning(), "Allowed when: "] {
                assert!(text.contains(part), "{text}");
            }
        }
        assert_eq!(
            explanation("isr-member-lacks-commited"),
            Err("did you mean `isr-member-lacks-committed`?".to_owned())
        );
    }
}

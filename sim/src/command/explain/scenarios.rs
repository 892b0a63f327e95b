//! Scenarios: those below `scenarios`, and those that the program brings along.

use core::fmt::Write as _;
use std::path::PathBuf;

use crate::command::catalogue::SCENARIOS;
use crate::command::columns::columns;
use crate::scenario::Expectation;
use crate::scenario::files::{Loaded, load, survey};
use crate::scenario::shipped;
use crate::verdict::Check;

/// What there is to say of scenarios, or a folder of them, of this name: the whole name, or its last part.
pub fn named(name: &str) -> Vec<String> {
    let wanted = name
        .trim_start_matches("shipped:")
        .trim_end_matches(".toml")
        .trim_matches('/');
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut names: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    let mut folder: Vec<(String, String)> = Vec::new();
    // A file of one's own stands before a shipped one of the same name.
    for found in survey(&[PathBuf::from(SCENARIOS)])
        .found
        .into_iter()
        .chain(survey(&[shipped::path("")]).found)
    {
        let is_in = found
            .name
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with('/'));
        let is_meant = found.name == wanted || last_part(&found.name) == wanted;
        if !is_in && !is_meant || names.contains(&found.name) {
            continue;
        }
        let Ok(loaded) = load(&found) else { continue };
        names.push(found.name.clone());
        match is_meant {
            true => texts.push(text(&loaded)),
            false => folder.push((found.name, loaded.scenario.teaches)),
        }
    }
    if !folder.is_empty() {
        let rows: Vec<(&str, &str)> = folder.iter().map(|(name, teaches)| (&**name, &**teaches)).collect();
        texts.push(columns(&format!("{wanted}: scenarios of this folder"), &rows));
    }
    texts
}

/// The name without its folders.
pub fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn text(loaded: &Loaded) -> String {
    let scenario = &loaded.scenario;
    let path = loaded.path.display();
    let mut text = format!("{} (scenario)\n  {}\n", scenario.name, scenario.teaches);
    let title = |id: &str| Check::from_name(id).map_or_else(|| id.to_owned(), Check::title);
    let titles = |ids: &[String]| ids.iter().map(|id| title(id)).collect::<Vec<_>>().join(", ");
    let expected = match &scenario.expect {
        Expectation::Pass => "no violation in any trial".to_owned(),
        Expectation::Finds(ids) => format!("some trial finds {}; nothing else is violated", titles(ids)),
    };
    let _ = writeln!(text, "  expected: {expected}");
    if !scenario.forbid.is_empty() {
        let _ = writeln!(
            text,
            "  forbidden, also where the contract allows it: {}",
            titles(&scenario.forbid)
        );
    }
    for (what, bounds) in [("at most", &scenario.at_most), ("at least", &scenario.at_least)] {
        for (check, count) in bounds {
            let _ = writeln!(text, "  in each trial {what}: {count} {}", check.title());
        }
    }
    let _ = writeln!(
        text,
        "  allowed: what the contract allows, by configuration and fault: `trial explain` of a check says when"
    );
    let seeds = &scenario.seeds;
    let _ = writeln!(
        text,
        "  run it: trial run {path}  (seeds {}..{}, {:?} simulated)",
        seeds.start, seeds.end, scenario.duration
    );
    text += "  the file:\n";
    for line in loaded.text.lines() {
        let _ = writeln!(text, "{}", format!("    {line}").trim_end());
    }
    text
}

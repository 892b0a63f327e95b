//! Checks, and the planted defects that they find.

use core::fmt::Write as _;

use broker_core::config::Quirks;

use crate::scenario::keys::TOP;
use crate::toml_file::keys::Default;
use crate::verdict::{CAUGHT, Check};

/// What there is to say of a check.
pub fn check(check: Check) -> String {
    let mut text = format!("{} (check)\n  A violation means: {}.\n", check.title(), check.meaning());
    let _ = writeln!(text, "  Allowed when: {}.", check.allowed_when().unwrap_or("never"));
    if let Some(way_out) = check.way_out() {
        let _ = writeln!(text, "  The way out: {way_out}.");
    }
    let name = check.name();
    let id = match check.words() {
        Some(_) => format!(", by its name or its id {}", check.id()),
        None => String::new(),
    };
    let _ = writeln!(text, "  In a scenario{id}:");
    let examples = [
        ("expect", format!("[\"{name}\"]"), "some trial must find it"),
        (
            "forbid",
            format!("[\"{name}\"]"),
            "no trial may find it, allowed or not",
        ),
        ("at_most", format!("{{ {name} = 20 }}"), "so often in one trial"),
        ("at_least", format!("{{ {name} = 1 }}"), "so often in every trial"),
    ];
    let rows = examples.map(|(key, example, meaning)| (format!("{key} = {example}"), meaning, default_of(key)));
    let widest = rows.iter().map(|(line, ..)| line.len()).max().unwrap_or(0);
    for (line, meaning, default) in rows {
        let _ = writeln!(text, "    {line:<widest$}  # {meaning}; default: {default}");
    }
    let _ = writeln!(text, "  Scenarios that name it: trial list -E check:{name}");
    let quirks = CAUGHT
        .iter()
        .filter(|caught| caught.by == check)
        .map(|caught| caught.quirk);
    let quirks: Vec<&str> = quirks.collect();
    if !quirks.is_empty() {
        let _ = writeln!(text, "  Planted defects that it finds: {}", quirks.join(", "));
    }
    text
}

/// What there is to say of a quirk of this name.
pub fn quirk(name: &str) -> Option<String> {
    let (quirk, mechanism) = Quirks::ALL.iter().find(|(quirk, _)| *quirk == name)?;
    let mut text = format!("{quirk} (quirk)\n  A planted defect: {mechanism}.\n");
    if let Some(caught) = CAUGHT.iter().find(|caught| caught.quirk == *quirk) {
        let _ = write!(text, "  Found by: {}", caught.by.title());
        if let Some(scenario) = caught.shipped {
            let _ = write!(
                text,
                ", as in `trial run --shipped {scenario} --seeds 0..200 --quirk {quirk}`"
            );
        }
        text.push('\n');
    }
    text += "  Allowed when: never: the contract makes no exception for a defect.\n";
    let _ = writeln!(
        text,
        "  In a scenario: quirks = [\"{quirk}\"] (default: {}); on the command line: --quirk {quirk}",
        default_of("quirks"),
    );
    Some(text)
}

/// The default of a key of the top level.
fn default_of(key: &str) -> &'static str {
    match TOP.key(key).map(|key| key.default) {
        Some(Default::Value(default) | Default::Words(default)) => default,
        Some(Default::Required) | None => "none",
    }
}

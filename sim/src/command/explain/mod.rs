//! `trial explain`: what a name means, what its keys are with their defaults and units, how it is written, and what is
//! allowed when.
//!
//! All of it comes from where the thing itself is defined: the checks, quirks, faults, keys, settings and scenarios.

mod findings;
mod keys;
mod scenarios;
mod settings;
#[cfg(test)]
mod tests;

use broker_core::config::Quirks;

use super::columns::columns;
use super::exit::Exit;
use super::voice::Voice;
use super::{meanings, trace};
use crate::nearest::nearest;
use crate::scenario::shipped::SHIPPED;
use crate::verdict::Check;

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
    texts.extend(Check::from_name(name).map(findings::check));
    texts.extend(findings::quirk(name));
    texts.extend(keys::named(name));
    texts.extend(settings::named(name));
    texts.extend(meanings::of(name));
    if name == "follow" {
        let title = "follow: what `trial replay FILE --seed N --follow WHAT` prints";
        texts.push(columns(title, trace::FORMS));
    }
    texts.extend(scenarios::named(name));
    if texts.is_empty() {
        Err(unknown(name))
    } else {
        Ok(texts.join("\n"))
    }
}

fn unknown(name: &str) -> String {
    let topics = meanings::NAMES.iter().copied().chain(["follow"]);
    let checks = Check::names();
    let quirks = Quirks::ALL.iter().map(|(name, _)| *name);
    let shipped = SHIPPED.iter().flat_map(|(name, _)| [*name, scenarios::last_part(name)]);
    let keys = keys::names();
    let settings = settings::names();
    let names = topics
        .chain(checks)
        .chain(quirks)
        .chain(keys)
        .chain(settings)
        .chain(shipped);
    match nearest(name, names).filter(|_| !name.is_empty()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`trial list` lists checks, quirks, faults and scenarios; `trial explain scenario` the keys of a scenario file"
            .to_owned(),
    }
}

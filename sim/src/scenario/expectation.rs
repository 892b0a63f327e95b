//! What must come out of the trials, as a scenario file says it: `expect`, `forbid`, `at_most`, `at_least`, `measures`.

use super::{Bounds, Expectation, Measure, measures};
use crate::nearest::nearest;
use crate::toml_file::reader::{Named, Table, Value};
use crate::verdict::Check;

/// The keys of the top level that say it.
pub(super) struct Wanted {
    pub expect: Expectation,
    pub forbid: Vec<String>,
    pub at_most: Bounds,
    pub at_least: Bounds,
    pub measures: Vec<Measure>,
}

/// Reads them. What they say must be possible together.
pub(super) fn expectation(top: &Table<'_>) -> Wanted {
    let expect = top.get("expect").map_or(Expectation::Pass, |value| expected(&value));
    let forbid = forbidden(top.get("forbid").as_ref(), &expect);
    let at_most = bounds(top.get("at_most").as_ref(), "reprocessed = 20", &forbid);
    let at_least = bounds(top.get("at_least").as_ref(), "lost-write = 1", &forbid);
    for (bound, check, least) in &at_least {
        let most = at_most.iter().find(|(_, bounded, _)| bounded == check);
        if let Some((_, _, most)) = most.filter(|(_, _, most)| least > most) {
            let message = format!(
                "`{}` cannot be found at least {least} and at most {most} times",
                bound.name
            );
            bound.problem(message, "lower `at_least`, or raise `at_most`");
        }
    }
    let counts = |bounds: Vec<Bound<'_>>| bounds.into_iter().map(|(_, check, count)| (check, count)).collect();
    Wanted {
        expect,
        forbid,
        at_most: counts(at_most),
        at_least: counts(at_least),
        measures: measures::measures(top),
    }
}

fn expected(value: &Value<'_>) -> Expectation {
    if value.is_list() {
        let names = value.list().unwrap_or_default();
        if names.is_empty() {
            value.problem(
                "`expect` names no check",
                "write `expect = \"pass\"` if nothing should be found",
            );
        }
        return Expectation::Finds(names.iter().filter_map(check).collect());
    }
    match value.text() {
        Some("pass") | None => Expectation::Pass,
        Some(name) => {
            let hint = match Check::from_name(name) {
                Some(_) => format!("write a list: `expect = [\"{name}\"]`"),
                None => "write `\"pass\"`, or a list of checks: `[\"lost-write\"]`".to_owned(),
            };
            value.problem(format!("`expect` cannot be `{name}`"), hint);
            Expectation::Pass
        }
    }
}

/// What is expected cannot be forbidden as well.
fn forbidden(value: Option<&Value<'_>>, expect: &Expectation) -> Vec<String> {
    let values = value.and_then(Value::list).unwrap_or_default();
    let mut names = Vec::new();
    for value in &values {
        let Some(name) = check(value) else { continue };
        if matches!(expect, Expectation::Finds(expected) if expected.contains(&name)) {
            let message = format!("`{}` is expected and forbidden", value.text().unwrap_or_default());
            value.problem(message, "remove it from `expect`, or from `forbid`");
        }
        names.push(name);
    }
    names
}

/// Where the bound stands, the check, and how often.
type Bound<'a> = (Named<'a>, Check, u64);

/// The counts of a table such as `{ reprocessed = 20 }`.
fn bounds<'a>(value: Option<&Value<'a>>, example: &str, forbid: &[String]) -> Vec<Bound<'a>> {
    let entries = value.and_then(|value| value.named(example)).unwrap_or_default();
    let key = value.map_or_else(String::new, |value| value.name().to_owned());
    let bound = |entry: Named<'a>| {
        let Some(check) = Check::from_name(entry.name) else {
            entry.problem(format!("unknown check `{}`", entry.name), check_hint(entry.name));
            return None;
        };
        if entry.value.is_zero() {
            let message = format!("a bound of `{}` cannot be 0", entry.name);
            let hint = match key.as_str() {
                "at_most" => format!("`forbid = [\"{}\"]` fails a trial that finds any", entry.name),
                _ => "at least 1, or remove it".to_owned(),
            };
            entry.value.problem(message, hint);
            return None;
        }
        let count = entry.value.count()?;
        if forbid.iter().any(|name| name == check.id()) {
            let message = format!("`{}` is forbidden, and has a bound", entry.name);
            entry.problem(message, "remove the bound, or remove the check from `forbid`");
        }
        Some((entry, check, count))
    };
    let bounds: Vec<Bound<'_>> = entries.into_iter().filter_map(bound).collect();
    for (place, (entry, check, _)) in bounds.iter().enumerate() {
        if bounds[..place].iter().any(|(_, before, _)| before == check) {
            let message = format!("`{}` has a bound already", check.title());
            entry.problem(message, "its id and its name mean one check: remove one of them");
        }
    }
    bounds
}

/// The id of the check that is named.
fn check(value: &Value<'_>) -> Option<String> {
    let name = value.text()?;
    let check = Check::from_name(name);
    if check.is_none() {
        value.problem(format!("unknown check `{name}`"), check_hint(name));
    }
    check.map(|check| check.id().to_owned())
}

fn check_hint(name: &str) -> String {
    match nearest(name, Check::names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`trial list` lists the checks".to_owned(),
    }
}

//! Reads tables of Kafka's settings, whose keys have dots in them and whose values people write as numbers or as text.

use core::ops::Range;
use core::time::Duration;

use serde::de::DeserializeOwned;
use toml::de::DeValue;

use super::Value;
use crate::nearest::nearest;
use crate::toml_file::error::Problem;
use crate::toml_file::kafka_keys::{self, Accepted, Kind, unmodelled};
use crate::toml_file::keys::Type;
use crate::toml_file::settings::settings_sections;
use crate::units;

impl Value<'_> {
    /// A table of Kafka settings over the defaults `base`, and the names of the keys that were given.
    #[must_use]
    pub fn settings<T: DeserializeOwned + serde::Serialize>(
        &self,
        known: &'static [&'static str],
        base: &T,
    ) -> Option<(T, Vec<String>)> {
        let DeValue::Table(entries) = self.value else {
            return self.wrong("a table", "`{ \"min.insync.replicas\" = 2 }`");
        };
        let section = self.of_type(Type::settings);
        let mut settings = toml::Table::try_from(base).expect("settings are numbers, texts and truth values");
        let mut given = Vec::new();
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            self.notes
                .marks
                .borrow_mut()
                .insert(format!("{}.{name}", self.path), value.span());
            if let Some((_, hint)) = section.derived.iter().find(|(derived, _)| *derived == name) {
                let message = format!("`{name}` of a worker follows from its other keys");
                self.notes.problem(Problem::new(key.span(), message).hint(*hint));
                continue;
            }
            if !known.contains(&name) {
                let place = plain(&self.path);
                match unmodelled(section.kind, name) {
                    Some(accepted) if is_accepted(accepted, value.get_ref()) => {}
                    Some(accepted) => self.notes.problem(not_modelled(name, key.span(), accepted)),
                    None => {
                        let problem = unknown_setting(name, key.span(), value.get_ref(), known, &place, section.kind);
                        self.notes.problem(problem);
                    }
                }
                continue;
            }
            let is_list = settings.get(name).is_some_and(toml::Value::is_array);
            match setting::<T>(name, value.get_ref(), is_list) {
                Ok(value) => {
                    settings.insert(name.to_owned(), value);
                    given.push(name.to_owned());
                }
                Err(why) => {
                    let problem = Problem::new(value.span(), format!("`{name}` cannot have this value: {why}"));
                    let hint = in_its_unit(name, value.get_ref());
                    let hint = hint.unwrap_or_else(|| format!("`trial explain {name}` shows type and default"));
                    self.notes.problem(problem.hint(hint));
                }
            }
        }
        let parsed = toml::Value::Table(settings).try_into();
        Some((parsed.expect("each setting was tried by itself"), given))
    }
}

/// The path without the numbers of list items: `topics.config` for `topics.0.config`.
fn plain(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').filter(|part| part.parse::<usize>().is_err()).collect();
    parts.join(".")
}

/// Whether a trial does anyway what a key says that is not modelled.
fn is_accepted(accepted: Accepted, value: &DeValue<'_>) -> bool {
    let said = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => String::new(),
    };
    match accepted {
        Accepted::Nothing => false,
        Accepted::Only(value) => said.eq_ignore_ascii_case(value),
        Accepted::Anything => true,
    }
}

fn not_modelled(name: &str, span: Range<usize>, accepted: Accepted) -> Problem {
    let problem = Problem::new(span, format!("Kafka has `{name}`, Trial does not model it yet"));
    match accepted {
        Accepted::Only(value) => problem.hint(format!("remove it, or say `{value}`: that is what a trial does")),
        Accepted::Nothing | Accepted::Anything => problem.hint("remove it: a trial behaves as if nobody had set it"),
    }
}

/// What to write for a value with a unit: Kafka's keys name theirs.
fn in_its_unit(name: &str, value: &DeValue<'_>) -> Option<String> {
    let DeValue::String(text) = value else {
        return None;
    };
    if name.ends_with(".ms") {
        let time = units::duration(text).ok()?;
        let whole = time.as_millis();
        let is_whole = Duration::from_millis(u64::try_from(whole).ok()?) == time;
        return is_whole.then(|| format!("it is in milliseconds: `{whole}`"));
    }
    let size = units::bytes(text).ok()?;
    Some(format!("it is in bytes: `{size}`"))
}

fn unknown_setting(
    name: &str,
    span: Range<usize>,
    value: &DeValue<'_>,
    known: &[&'static str],
    path: &str,
    kind: Kind,
) -> Problem {
    let problem = Problem::new(span, format!("unknown setting `{name}` in `{path}`"));
    // `min.insync.replicas = 2` without quotes is a table in a table in a table for TOML.
    if let Some(dotted) = dotted_key(name, value) {
        let is_kafkas = unmodelled(kind, &dotted).is_some();
        let whole = if is_kafkas || known.contains(&dotted.as_str()) {
            dotted
        } else {
            nearest(&dotted, known.iter().copied()).unwrap_or(&dotted).to_owned()
        };
        return problem.hint(format!(
            "Kafka's keys contain dots, so they need quotes: `\"{whole}\" = …`"
        ));
    }
    if let Some(section) = settings_sections().iter().find(|section| section.has(name)) {
        return problem.hint(format!("it is a setting of `{}`", section.place));
    }
    let known = known.iter().copied();
    problem.hint(match nearest(name, known.chain(kafka_keys::names(kind))) {
        Some(near) => format!("did you mean `\"{near}\"`?"),
        None => "`trial explain config` lists the settings that are modelled".to_owned(),
    })
}

/// The key that was meant by nested tables of one entry each.
fn dotted_key(name: &str, value: &DeValue<'_>) -> Option<String> {
    let mut whole = name.to_owned();
    let mut value = value;
    let mut depth = 0;
    while let DeValue::Table(entries) = value {
        let (key, inner) = entries.iter().next()?;
        whole = format!("{whole}.{}", key.get_ref());
        value = inner.get_ref();
        depth += 1;
    }
    (depth > 0).then_some(whole)
}

/// One setting as its type wants it. Kafka's own files write everything as text, and `acks = 1` is natural too.
fn setting<T: DeserializeOwned>(name: &str, value: &DeValue<'_>, is_list: bool) -> Result<toml::Value, String> {
    let (first, second) = match value {
        DeValue::String(text) if is_list => {
            let items = text.split(',').map(|item| toml::Value::String(item.trim().to_owned()));
            (toml::Value::Array(items.collect()), None)
        }
        DeValue::String(text) => {
            let number = text.parse::<i64>().map(toml::Value::Integer);
            let other = number
                .ok()
                .or_else(|| text.parse::<bool>().ok().map(toml::Value::Boolean));
            (toml::Value::String(text.to_string()), other)
        }
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => (
                toml::Value::Integer(number),
                Some(toml::Value::String(number.to_string())),
            ),
            Err(_) => return Err(format!("{integer} is too large")),
        },
        DeValue::Boolean(value) => (toml::Value::Boolean(*value), None),
        DeValue::Float(float) => return Err(format!("{float} is not a whole number")),
        DeValue::Array(items) if is_list => {
            let text = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::String(text) => Ok(toml::Value::String(text.to_string())),
                _ => Err("it is a list of something else than strings".to_owned()),
            };
            let items: Result<Vec<_>, String> = items.iter().map(text).collect();
            (toml::Value::Array(items?), None)
        }
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            return Err("it is not a single value".to_owned());
        }
    };
    let alone = |value: &toml::Value| {
        let table = toml::Table::from_iter([(name.to_owned(), value.clone())]);
        toml::Value::Table(table)
            .try_into::<T>()
            .map(|_| ())
            .map_err(|error| in_words(error.message()))
    };
    match (alone(&first), second) {
        (Ok(()), _) => Ok(first),
        (Err(why), None) => Err(why),
        (Err(why), Some(second)) => match alone(&second) {
            Ok(()) => Ok(second),
            Err(other) if why.contains("invalid type") => Err(other),
            Err(_) => Err(why),
        },
    }
}

/// The deserializer's message without the names of Rust's types.
fn in_words(message: &str) -> String {
    let (message, expected) = message.trim().rsplit_once("expected ").unwrap_or((message, ""));
    match expected {
        "u32" => format!("{message}expected a whole number from 0 to 4,294,967,295"),
        "u64" => format!("{message}expected a whole number of at least 0"),
        "" => message.to_owned(),
        other => format!("{message}expected {other}"),
    }
}

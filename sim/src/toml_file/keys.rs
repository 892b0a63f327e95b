//! What may stand behind a key: one value of [`Type`], from which the reader takes its bounds and tables, `explain` its
//! words, and the JSON Schema its types.

use core::fmt::{self, Display};
use core::time::Duration;

use crate::toml_file::kafka_keys::Kind;
use crate::units::{show_count, show_signed};

/// One key. Without a type it does not compile:
///
/// ```
/// use sim::toml_file::keys::{Default, Key, Type};
/// let key = Key { name: "count", takes: Type::Whole(1, 9), default: Default::Value("1"), meaning: "how many" };
/// ```
///
/// ```compile_fail,E0063
/// use sim::toml_file::keys::{Default, Key, Type};
/// let key = Key { name: "count", default: Default::Value("1"), meaning: "how many" };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand behind it.
    pub takes: Type,
    /// What it is if it is not given.
    pub default: Default,
    /// What it means.
    pub meaning: &'static str,
}

/// A table of a scenario file.
#[derive(Debug)]
pub struct Section {
    /// Its path in the file: `cluster.hardware`; empty for the top level.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// What its keys demand of each other.
    pub rules: &'static [Rule],
    /// Its keys.
    pub keys: &'static [Key],
}

impl Section {
    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A key, for tables of them.
#[must_use]
pub const fn key(name: &'static str, takes: Type, default: Default, meaning: &'static str) -> Key {
    Key {
        name,
        takes,
        default,
        meaning,
    }
}

/// What may stand behind a key.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// Any string.
    String,
    /// A string of a form.
    Form(&'static Form),
    /// One of some words.
    Word(&'static [&'static str]),
    /// The name of a check.
    Check,
    /// The name of a quirk.
    Quirk,
    /// Kafka's name of an API.
    Api,
    /// What a fault is aimed at: `leader of orders/0`.
    Target,
    /// What is measured, and of what: `lag(billing)`.
    Measured,
    /// `true` or `false`.
    Boolean,
    /// A whole number, at least the first and at most the second.
    Whole(u64, u64),
    /// A whole number that may be negative, at least the first and at most the second.
    Signed(i64, i64),
    /// A number, at least the first and at most the second.
    Number(f64, f64),
    /// A number from 0 to 1.
    Probability,
    /// A length of time: `30s`.
    Duration,
    /// A length of time above zero.
    PositiveDuration,
    /// A length of time, forward or back: `-30s`.
    SignedDuration,
    /// A length of time that may be a fraction of a nanosecond, at most a second.
    Nanoseconds,
    /// A number of bytes, at least the first and at most the second, or a size with its unit: `64KiB`.
    Bytes(u64, u64),
    /// A bandwidth: `125MB/s`.
    Bandwidth,
    /// A list.
    List(&'static Type),
    /// A list of at least one.
    NonEmpty(&'static Type),
    /// A table.
    Table(&'static Section),
    /// A list of tables.
    Tables(&'static Section),
    /// A list of at least one table.
    NonEmptyTables(&'static Section),
    /// A table whose keys are checks, and whose values are whole numbers of at least 1.
    Counts,
    /// A table of Kafka's settings.
    Settings(&'static Settings),
    /// One of several types, of which no two are numbers, tables or lists.
    Either(&'static [Type]),
}

/// A form that strings have.
#[derive(Debug)]
pub struct Form {
    /// In words.
    pub words: &'static str,
    /// As a regular expression (ECMA-262) of the whole string.
    pub pattern: &'static str,
}

/// A table of Kafka's settings.
#[derive(Debug)]
pub struct Settings {
    /// Whose they are.
    pub kind: Kind,
    /// Those that follow from other keys of the scenario file, each with what to write.
    pub derived: &'static [(&'static str, &'static str)],
}

/// What a key is if the file does not give it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Default {
    /// The key must be given.
    Required,
    /// This value, as it would stand in the file.
    Value(&'static str),
    /// What these words say.
    Words(&'static str),
}

/// What keys of a table demand of each other.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Exactly one of these is given.
    ExactlyOne(&'static [&'static str]),
    /// At least one of these is given.
    AtLeastOne(&'static [&'static str]),
    /// With this key none of the others is given.
    Excludes(&'static str, &'static [&'static str]),
    /// None of these is modelled yet: they are known names, not typing errors.
    Planned(&'static [&'static str]),
    /// None of these is possible: key, why, and the way out.
    Refused(&'static [(&'static str, &'static str, &'static str)]),
    /// A key that is only given with certain words of another.
    Belongs {
        /// The key.
        key: &'static str,
        /// The key that has the words.
        to: &'static str,
        /// With any of these words.
        words: &'static [&'static str],
        /// The words with which it must be given.
        required_by: &'static [&'static str],
    },
}

impl Rule {
    /// Whether it says something about this key.
    #[must_use]
    pub fn concerns(&self, name: &str) -> bool {
        match self {
            Rule::ExactlyOne(keys) | Rule::AtLeastOne(keys) | Rule::Planned(keys) => keys.contains(&name),
            Rule::Excludes(key, others) => *key == name || others.contains(&name),
            Rule::Refused(keys) => keys.iter().any(|(key, ..)| *key == name),
            Rule::Belongs { key, .. } => *key == name,
        }
    }
}

impl Display for Rule {
    /// As a sentence without its full stop: `exactly one of `topic` or `topics``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |words: &[&str]| one_of(words.iter().map(|word| format!("`{word}`")).collect());
        match self {
            Rule::ExactlyOne(keys) => write!(f, "exactly one of {}", quoted(keys)),
            Rule::AtLeastOne(keys) => write!(f, "at least one of {}", quoted(keys)),
            Rule::Excludes(key, others) => write!(f, "`{key}` not together with {}", quoted(others)),
            Rule::Planned(keys) => write!(f, "not modelled yet: {}", quoted(keys)),
            Rule::Refused(keys) => {
                for (place, (_, why, way_out)) in keys.iter().enumerate() {
                    let before = if place == 0 { "" } else { "; " };
                    write!(f, "{before}{why}; {way_out}")?;
                }
                Ok(())
            }
            Rule::Belongs {
                key,
                to,
                words,
                required_by,
            } => {
                write!(f, "`{key}` only with `{to}` {}", quoted(words))?;
                if !required_by.is_empty() {
                    write!(f, "; needed with {}", quoted(required_by))?;
                }
                Ok(())
            }
        }
    }
}

impl Type {
    /// The one of [`Type::Either`] for which `is_it` says yes, or the type itself.
    fn find<T>(self, is_it: impl Fn(Type) -> Option<T>) -> Option<T> {
        match self {
            Type::Either(types) => types.iter().find_map(|one| is_it(*one)),
            one => is_it(one),
        }
    }

    /// The least and the most of a whole number or a number of bytes.
    #[must_use]
    pub fn whole(self) -> Option<(u64, u64)> {
        self.find(|one| match one {
            Type::Whole(least, most) | Type::Bytes(least, most) => Some((least, most)),
            Type::Bandwidth => Some((1, u64::MAX)),
            _ => None,
        })
    }

    /// The least and the most of a whole number that may be negative.
    #[must_use]
    pub fn signed(self) -> Option<(i64, i64)> {
        self.find(|one| match one {
            Type::Signed(least, most) => Some((least, most)),
            _ => None,
        })
    }

    /// The least and the most of a number.
    #[must_use]
    pub fn number(self) -> Option<(f64, f64)> {
        self.find(|one| match one {
            Type::Number(least, most) => Some((least, most)),
            Type::Probability => Some((0.0, 1.0)),
            _ => None,
        })
    }

    /// The shortest duration.
    #[must_use]
    pub fn shortest(self) -> Option<Duration> {
        self.find(|one| match one {
            Type::Duration => Some(Duration::ZERO),
            Type::PositiveDuration => Some(Duration::from_nanos(1)),
            _ => None,
        })
    }

    /// The words of which it is one.
    #[must_use]
    pub fn words(self) -> Option<&'static [&'static str]> {
        self.find(|one| match one {
            Type::Word(words) => Some(words),
            _ => None,
        })
    }

    /// What the items of a list are.
    #[must_use]
    pub fn items(self) -> Option<Type> {
        self.find(|one| match one {
            Type::List(item) | Type::NonEmpty(item) => Some(*item),
            Type::Tables(section) | Type::NonEmptyTables(section) => Some(Type::Table(section)),
            _ => None,
        })
    }

    /// The section of a table, or of the tables of a list.
    #[must_use]
    pub fn section(self) -> Option<&'static Section> {
        self.find(|one| match one {
            Type::Table(section) | Type::Tables(section) | Type::NonEmptyTables(section) => Some(section),
            _ => None,
        })
    }

    /// The settings of a table of them.
    #[must_use]
    pub fn settings(self) -> Option<&'static Settings> {
        self.find(|one| match one {
            Type::Settings(settings) => Some(settings),
            _ => None,
        })
    }

    /// Each that it may be, in words.
    #[must_use]
    pub fn choices(self) -> Vec<String> {
        match self {
            Type::Word(words) => words.iter().map(|word| format!("`{word}`")).collect(),
            Type::Either(types) => types.iter().flat_map(|one| one.choices()).collect(),
            other => vec![other.to_string()],
        }
    }

    /// Several of them, in words: `strings`.
    fn plural(self) -> String {
        match self {
            Type::String => "strings".to_owned(),
            Type::Check => "checks".to_owned(),
            Type::Quirk => "quirks".to_owned(),
            Type::Target => "targets".to_owned(),
            Type::List(item) | Type::NonEmpty(item) => format!("lists of {}", item.plural()),
            other => format!("values, each {other}"),
        }
    }
}

impl Display for Type {
    /// In words, as `explain` says it: `list of strings`, `whole number, 1 to 100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Type::String => f.write_str("string"),
            Type::Form(form) => f.write_str(form.words),
            Type::Word(_) => f.write_str(&one_of(self.choices())),
            Type::Check => f.write_str("check"),
            Type::Quirk => f.write_str("quirk"),
            Type::Api => f.write_str("API by Kafka's name"),
            Type::Target => f.write_str("target"),
            Type::Measured => f.write_str("string such as `lag(billing)`"),
            Type::Boolean => f.write_str("true or false"),
            Type::Whole(least, u64::MAX) => write!(f, "whole number of at least {}", show_count(least)),
            Type::Whole(least, most) => {
                let (least, most) = (show_count(least), show_count(most));
                write!(f, "whole number, {least} to {most}")
            }
            Type::Signed(least, most) => {
                let [least, most] = [least, most].map(show_signed);
                write!(f, "whole number, {least} to {most}")
            }
            Type::Number(least, f64::MAX) => write!(f, "number of at least {least}"),
            Type::Number(least, most) => write!(f, "number, {least} to {}", show_count(most as u64)),
            Type::Probability => f.write_str("probability, 0 to 1"),
            Type::Duration => f.write_str("duration"),
            Type::PositiveDuration => f.write_str("duration above zero"),
            Type::SignedDuration => f.write_str("duration, with `-` before it if it goes back"),
            Type::Nanoseconds => f.write_str("duration of at most a second"),
            Type::Bytes(least, u64::MAX) => write!(f, "bytes, at least {}", show_count(least)),
            Type::Bytes(least, most) => write!(f, "bytes, {} to {}", show_count(least), show_count(most)),
            Type::Bandwidth => f.write_str("bytes a second"),
            Type::List(item) => write!(f, "list of {}", item.plural()),
            Type::NonEmpty(item) => write!(f, "list of {}, at least one", item.plural()),
            Type::Table(_) => f.write_str("table"),
            Type::Tables(_) => f.write_str("list of tables"),
            Type::NonEmptyTables(_) => f.write_str("list of tables, at least one"),
            Type::Counts => f.write_str("table of checks and whole numbers of at least 1"),
            Type::Settings(_) => f.write_str("table of Kafka keys in quotes"),
            Type::Either(_) => f.write_str(&one_of(self.choices())),
        }
    }
}

/// `a, b or c`
#[must_use]
pub fn one_of(mut words: Vec<String>) -> String {
    let last = words.pop().unwrap_or_default();
    if words.is_empty() {
        return last;
    }
    format!("{} or {last}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_in_words() {
        for (of, words) in [
            (Type::Whole(1, u64::MAX), "whole number of at least 1"),
            (Type::Whole(1, 10_000), "whole number, 1 to 10,000"),
            (Type::Signed(-5_000, 10_000), "whole number, -5,000 to 10,000"),
            (Type::Number(0.0, f64::MAX), "number of at least 0"),
            (Type::Bytes(8, 1_024), "bytes, 8 to 1,024"),
            (Type::List(&Type::Check), "list of checks"),
            (
                Type::NonEmpty(&Type::NonEmpty(&Type::Target)),
                "list of lists of targets, at least one",
            ),
            (Type::Word(&["max", "min", "mean"]), "`max`, `min` or `mean`"),
            (
                Type::Either(&[Type::Word(&["pass"]), Type::List(&Type::Check)]),
                "`pass` or list of checks",
            ),
            (
                Type::Either(&[Type::Word(&["beginning", "end"]), Type::Whole(0, u64::MAX)]),
                "`beginning`, `end` or whole number of at least 0",
            ),
        ] {
            assert_eq!(of.to_string(), words);
        }
    }
}

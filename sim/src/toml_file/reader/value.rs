//! Reads one value: as the type of its key says, or not at all.

use core::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::{LONGEST, Named, Table, Value, join};
use crate::nearest::nearest;
use crate::toml_file::error::Problem;
use crate::toml_file::keys::Type;
use crate::units;

impl<'a> Value<'a> {
    /// Keeps a mistake at this value.
    pub fn problem(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.notes.problem(Problem::new(self.span.clone(), message).hint(hint));
    }

    /// The last part of the path: the key.
    #[must_use]
    pub fn name(&self) -> &str {
        let parts = self.path.rsplit('.');
        parts
            .into_iter()
            .find(|part| part.parse::<usize>().is_err())
            .unwrap_or("")
    }

    /// A table with the keys of its section.
    ///
    /// # Panics
    /// When the key's type has no table. The other readers panic likewise.
    #[must_use]
    pub fn table(&self) -> Option<Table<'a>> {
        let section = self.of_type(Type::section);
        match self.value {
            DeValue::Table(entries) => Some(Table::new(
                self.notes,
                entries,
                section,
                self.path.clone(),
                self.span.clone(),
            )),
            _ => self.wrong("a table", &format!("`{{ … }}` or `[{}]`", self.path)),
        }
    }

    /// A table whose keys are names of something and whose values are counts, such as `example`; its entries.
    #[must_use]
    pub fn named(&self, example: &str) -> Option<Vec<Named<'a>>> {
        let DeValue::Table(entries) = self.value else {
            return self.wrong("a table", &format!("`{{ {example} }}`"));
        };
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a DeString<'a> = key.get_ref();
            let path = join(&self.path, name);
            self.notes.marks.borrow_mut().insert(path.clone(), value.span());
            Named {
                name,
                at: key.span(),
                value: Value {
                    notes: self.notes,
                    value: value.get_ref(),
                    takes: Type::Whole(1, u64::MAX),
                    path,
                    span: value.span(),
                },
            }
        };
        Some(entries.iter().map(entry).collect())
    }

    /// A list of values.
    #[must_use]
    pub fn list(&self) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(items) = self.value else {
            return self.wrong("a list", "put it into brackets: `[…]`");
        };
        let takes = self.of_type(Type::items);
        let item = |(index, item): (usize, &'a Spanned<DeValue<'a>>)| {
            let path = format!("{}.{index}", self.path);
            self.notes.marks.borrow_mut().insert(path.clone(), item.span());
            Value {
                notes: self.notes,
                value: item.get_ref(),
                takes,
                path,
                span: item.span(),
            }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A list of tables, as `[[name]]` makes it.
    #[must_use]
    pub fn tables(&self) -> Vec<Table<'a>> {
        match self.value {
            DeValue::Array(_) => self
                .list()
                .unwrap_or_default()
                .iter()
                .filter_map(Value::table)
                .collect(),
            DeValue::Table(_) => {
                let name = self.name();
                self.problem(
                    format!("`{name}` is a list of tables"),
                    format!("write `[[{name}]]` with two brackets"),
                );
                Vec::new()
            }
            _ => {
                let hint = format!("`[[{}]]`", self.name());
                self.wrong::<()>("a list of tables", &hint);
                Vec::new()
            }
        }
    }

    /// A string.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.text_such_as("put it into quotes")
    }

    /// A string; `hint` goes with the error for any other type.
    #[must_use]
    pub fn text_such_as(&self, hint: &str) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.wrong("a string", hint),
        }
    }

    /// One of the words of its type.
    #[must_use]
    pub fn word(&self) -> Option<&'static str> {
        let words = self.of_type(Type::words);
        let text = self.text()?;
        let found = words.iter().find(|word| **word == text).copied();
        if found.is_none() {
            let hint = match nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", words.join(", ")),
            };
            self.problem(format!("`{}` cannot be `{text}`", self.name()), hint);
        }
        found
    }

    /// `true` or `false`.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong("true or false", "`true` or `false` without quotes"),
        }
    }

    /// A whole number within the bounds of its type.
    #[must_use]
    pub fn count<N: TryFrom<u64>>(&self) -> Option<N> {
        self.count_from(0)
    }

    /// A whole number within the bounds of its type, and of at least `least`.
    #[must_use]
    pub fn count_from<N: TryFrom<u64>>(&self, least: u64) -> Option<N> {
        let (lower, most) = self.of_type(Type::whole);
        let least = least.max(lower);
        let DeValue::Integer(integer) = self.value else {
            return self.wrong("a whole number", "digits without quotes");
        };
        let parsed = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = parsed
            .and_then(|number| u64::try_from(number).ok())
            .filter(|number| (least..=most).contains(number));
        let converted = number.and_then(|number| N::try_from(number).ok());
        if converted.is_none() {
            let hint = match most {
                u64::MAX => format!("at least {}", units::show_count(least)),
                _ => format!("{} to {}", units::show_count(least), units::show_count(most)),
            };
            self.problem(format!("`{}` cannot be {integer}", self.name()), hint);
        }
        converted
    }

    /// A whole number within the bounds of its type, which may be negative.
    #[must_use]
    pub fn signed(&self) -> Option<i64> {
        let (least, most) = self.of_type(Type::signed);
        let DeValue::Integer(integer) = self.value else {
            return self.wrong("a whole number", "digits without quotes");
        };
        let parsed = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = parsed.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let hint = format!("{} to {}", units::show_signed(least), units::show_signed(most));
            self.problem(format!("`{}` cannot be {integer}", self.name()), hint);
        }
        number
    }

    /// A number within the bounds of its type, whole or not; never NaN.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        let (least, most) = self.of_type(Type::number);
        let (number, shown) = match self.value {
            DeValue::Integer(integer) => {
                let number = i128::from_str_radix(integer.as_str(), integer.radix())
                    .ok()
                    .map(|number| number as f64);
                (number, integer.to_string())
            }
            DeValue::Float(float) => (float.as_str().parse::<f64>().ok(), float.to_string()),
            _ => return self.wrong("a number", "digits without quotes"),
        };
        let inside = number.filter(|number| (least..=most).contains(number));
        if inside.is_none() {
            let hint = match most {
                f64::MAX => format!("a number of at least {least}"),
                most if most > 1_000.0 => format!("a number from {least} to {}", units::show_count(most as u64)),
                most => format!("a number from {least} to {most}"),
            };
            self.problem(format!("`{}` cannot be {shown}", self.name()), hint);
        }
        inside
    }

    /// A duration such as `"30s"`, above zero if its type says so.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        let least = self.of_type(Type::shortest);
        let text = self.unit_text("s")?;
        self.duration_of(text, least)
    }

    /// A duration such as `"30s"`, or `"-30s"` if it goes back, in nanoseconds.
    #[must_use]
    pub fn signed_duration(&self) -> Option<i64> {
        let text = self.unit_text("s")?;
        let length = text.trim_start().strip_prefix('-');
        let duration = self.duration_of(length.unwrap_or(text), Duration::ZERO)?;
        let nanos = i64::try_from(duration.as_nanos()).ok()?;
        Some(if length.is_some() { -nanos } else { nanos })
    }

    fn duration_of(&self, text: &str, least: Duration) -> Option<Duration> {
        match units::duration(text) {
            Ok(duration) if duration > LONGEST => {
                self.problem(
                    format!("`{}` cannot be {text}", self.name()),
                    "at most 365 days (`\"365d\"`)",
                );
                None
            }
            Ok(duration) if duration < least => {
                self.problem(format!("`{}` cannot be zero", self.name()), "give a time above zero");
                None
            }
            Ok(duration) => Some(duration),
            Err(why) => {
                self.problem(
                    format!("`{}` is not a duration: {why}", self.name()),
                    format!("write `\"30s\"`, `\"1m30s\"` or `\"5 min\"`; {}", units::TIMES),
                );
                None
            }
        }
    }

    /// A duration that may be a fraction of a nanosecond, in nanoseconds.
    #[must_use]
    pub fn nanoseconds(&self) -> Option<f64> {
        let text = self.unit_text("ns")?;
        match units::nanoseconds(text) {
            Ok(nanos) if nanos > 1e9 => {
                self.problem(format!("`{}` cannot be {text}", self.name()), "at most `\"1s\"`");
                None
            }
            Ok(nanos) => Some(nanos),
            Err(why) => {
                self.problem(
                    format!("`{}` is not a duration: {why}", self.name()),
                    "write `\"1ns\"` or `\"0.5ns\"`",
                );
                None
            }
        }
    }

    /// A number of bytes: an integer, or text such as `"1MiB"`.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let (least, most) = self.of_type(Type::whole);
        let DeValue::String(text) = self.value else {
            return match self.value {
                DeValue::Integer(_) => self.count(),
                _ => self.wrong(
                    "a size",
                    "a number of bytes, or a string such as `\"64KiB\"` or `\"125MB/s\"`",
                ),
            };
        };
        match units::bytes(text) {
            Ok(size) if (least..=most).contains(&size) => Some(size),
            Ok(_) => {
                let (least, most) = (units::show_count(least), units::show_count(most));
                self.problem(
                    format!("`{}` cannot be {text}", self.name()),
                    format!("{least} to {most} bytes"),
                );
                None
            }
            Err(why) => {
                self.problem(
                    format!("`{}` is not a size: {why}", self.name()),
                    format!("write `512`, `\"64KiB\"` or `\"125MB/s\"`; {}", units::SIZES),
                );
                None
            }
        }
    }

    /// True when the value is the number 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        matches!(self.value, DeValue::Integer(number) if number.as_str().parse() == Ok(0))
    }

    /// True when the value is a table.
    #[must_use]
    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// True when the value is text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// True when the value is a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// What the type of the key says of the kind of value that is read.
    pub(super) fn of_type<T>(&self, say: impl Fn(Type) -> Option<T>) -> T {
        match say(self.takes) {
            Some(said) => said,
            None => panic!("`{}` is read as something else than `{}`", self.path, self.takes),
        }
    }

    /// The text of a duration; `unit` is the usual one.
    fn unit_text(&self, unit: &str) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            DeValue::Integer(number) => self.wrong("a duration", &format!("say the unit: `\"{number}{unit}\"`")),
            _ => self.wrong("a duration", &format!("a string such as `\"30{unit}\"`")),
        }
    }

    /// Keeps the mistake of a wrong type.
    pub(super) fn wrong<T>(&self, wanted: &str, hint: &str) -> Option<T> {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a truth value",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.problem(format!("`{}` must be {wanted}, not {found}", self.name()), hint);
        None
    }
}

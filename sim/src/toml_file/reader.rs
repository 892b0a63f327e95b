//! Reads TOML with its places: each value knows where it stands, and each mistake is kept with its place.
//!
//! A [`Table`] refuses keys that its [`Section`] does not list, and a [`Value`] has the bounds, words and tables of its
//! key's [`Type`]. Reading a value returns `None` after a mistake, with the mistake kept, so that one look at a file
//! finds all of them.

mod settings;
mod value;

use core::cell::RefCell;
use core::ops::Range;
use core::time::Duration;
use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::keys::{Rule, Section, Type};
use crate::nearest::nearest;

/// Where each key of a file stands, by its path: `topics.0.config`.
pub type Marks = BTreeMap<String, Range<usize>>;

/// The longest duration that a file may name.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// What reading a file has found so far.
#[derive(Default)]
pub struct Notes {
    problems: RefCell<Vec<Problem>>,
    marks: RefCell<Marks>,
}

impl Notes {
    /// Keeps a mistake.
    pub fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// The mistakes in the order of the file, and where everything stands.
    #[must_use]
    pub fn finish(self) -> (Vec<Problem>, Marks) {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        (problems, self.marks.into_inner())
    }
}

/// A table whose keys are known.
pub struct Table<'a> {
    notes: &'a Notes,
    entries: &'a DeTable<'a>,
    section: &'static Section,
    path: String,
    span: Range<usize>,
    /// True when it has a key that its section does not list, which was noted.
    pub has_unknown_key: bool,
}

/// A value and where it stands.
#[derive(Clone)]
pub struct Value<'a> {
    notes: &'a Notes,
    value: &'a DeValue<'a>,
    takes: Type,
    path: String,
    /// Of the value, in bytes.
    pub span: Range<usize>,
}

/// An entry of a table whose keys are names of something.
pub struct Named<'a> {
    /// The name.
    pub name: &'a str,
    /// What stands behind it.
    pub value: Value<'a>,
    /// Where the name stands.
    at: Range<usize>,
}

impl Named<'_> {
    /// Keeps a mistake at the name.
    pub fn problem(&self, message: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::new(self.at.clone(), message);
        self.value.notes.problem(problem.hint(hint));
    }
}

impl<'a> Table<'a> {
    /// The top level of a file.
    #[must_use]
    pub fn top(notes: &'a Notes, entries: &'a DeTable<'a>, section: &'static Section) -> Table<'a> {
        Table::new(notes, entries, section, String::new(), 0..0)
    }

    fn new(
        notes: &'a Notes,
        entries: &'a DeTable<'a>,
        section: &'static Section,
        path: String,
        span: Range<usize>,
    ) -> Table<'a> {
        let mut has_unknown_key = false;
        for name in entries.keys().filter(|name| section.key(name.get_ref()).is_none()) {
            notes.problem(unknown_key(name.get_ref(), name.span(), section));
            has_unknown_key = true;
        }
        Table {
            notes,
            entries,
            section,
            path,
            span,
            has_unknown_key,
        }
    }

    /// The value of `name`, if the file gives one.
    ///
    /// # Panics
    /// When the section does not list `name`: then `explain` would not know it either.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        let takes = match self.section.key(name) {
            Some(key) => key.takes,
            None => panic!("`{name}` is not listed in section `{}`", self.section.name),
        };
        let (key, value) = self.entries.get_key_value(name)?;
        let path = join(&self.path, name);
        self.notes.marks.borrow_mut().insert(path.clone(), value.span());
        self.notes.marks.borrow_mut().insert(format!("{path}#key"), key.span());
        Some(Value {
            notes: self.notes,
            value: value.get_ref(),
            takes,
            path,
            span: value.span(),
        })
    }

    /// The value of `name`, which must be given.
    #[must_use]
    pub fn required(&self, name: &str) -> Option<Value<'a>> {
        let value = self.get(name);
        if value.is_none() {
            let problem = Problem::new(self.span.clone(), format!("`{name}` is missing{}", self.place()));
            let meaning = self.section.key(name).map_or("", |key| key.meaning);
            self.notes.problem(problem.hint(format!("add `{name} = …`: {meaning}")));
        }
        value
    }

    /// The names of the given keys that are among `names`, with their places, in the order of the file.
    #[must_use]
    pub fn given(&self, names: &[&'static str]) -> Vec<(&'static str, Range<usize>)> {
        let keys = self.entries.keys();
        let mut given: Vec<_> = keys
            .filter_map(|key| {
                names
                    .iter()
                    .find(|name| **name == key.get_ref().as_ref())
                    .map(|name| (*name, key.span()))
            })
            .collect();
        given.sort_by_key(|(_, span)| span.start);
        given
    }

    /// Keeps a mistake of each key that belongs to other words of `to` than `word`.
    pub fn refuse_keys_of_others(&self, to: &str, word: &str) {
        for rule in self.section.rules {
            let Rule::Belongs { key, to: of, words, .. } = rule else {
                continue;
            };
            if *of == to
                && !words.contains(&word)
                && let Some(value) = self.get(key)
            {
                let words: Vec<String> = words.iter().map(|word| format!("`{to} = \"{word}\"`")).collect();
                value.problem(
                    format!("`{key}` belongs to {}, not to `{word}`", words.join(" and ")),
                    format!("remove it, or change `{to}`"),
                );
            }
        }
    }

    /// True when no key is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keeps a mistake of the table as a whole.
    pub fn problem(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.notes.problem(Problem::new(self.span.clone(), message).hint(hint));
    }

    /// Where the table stands.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn place(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!(" in `{}`", self.section.name)
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn unknown_key(name: &str, span: Range<usize>, section: &'static Section) -> Problem {
    let place = if section.name.is_empty() {
        "a scenario".to_owned()
    } else {
        format!("`{}`", section.name)
    };
    let known = section.keys.iter().map(|key| key.name);
    for rule in section.rules {
        let Rule::Refused(keys) = rule else { continue };
        if let Some((_, message, hint)) = keys.iter().find(|(key, ..)| *key == name) {
            return Problem::new(span, *message).hint(*hint);
        }
    }
    let is_planned = |rule: &Rule| matches!(rule, Rule::Planned(keys) if keys.contains(&name));
    if section.rules.iter().any(is_planned) {
        let problem = Problem::new(
            span,
            format!("`{name}` in {place} is planned, Trial does not model it yet"),
        );
        return problem.hint(format!("what there is: {}", known.collect::<Vec<_>>().join(", ")));
    }
    let hint = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known keys: {}", known.collect::<Vec<_>>().join(", ")),
    };
    Problem::new(span, format!("unknown key `{name}` in {place}")).hint(hint)
}

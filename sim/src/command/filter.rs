//! Which scenarios are meant: `-E durability`, `-E 'groups/*'`, `-E check:lost-write`, `-E '!nemesis'`.

use core::str::FromStr;

use wildmatch::WildMatch;

use crate::nearest::nearest;
use crate::scenario::{Expectation, Scenario};
use crate::verdict::Check;

/// One `-E`.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whether it begins with `!`: what it means is left out.
    excludes: bool,
    means: Means,
}

#[derive(Clone, Debug)]
enum Means {
    /// Scenarios with such a name.
    Name(WildMatch),
    /// Scenarios whose verdict names this check.
    Check(Check),
}

/// Why a text is no filter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FilterError {
    /// Nothing, or nothing after `!`.
    #[error(
        "a filter is a part of a scenario's name, a pattern with `*` and `?` for all of it, or check:NAME; `!` before it leaves out"
    )]
    Empty,
    /// `check:` and the name of no check.
    #[error("no check is called `{0}`{1}")]
    UnknownCheck(String, String),
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Filter, FilterError> {
        let (excludes, term) = match text.trim().strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text.trim()),
        };
        let means = match term.strip_prefix("check:") {
            Some(name) => Means::Check(check(name.trim())?),
            None if term.is_empty() => return Err(FilterError::Empty),
            None if term.contains(['*', '?']) => Means::Name(WildMatch::new(term)),
            None => Means::Name(WildMatch::new(&format!("*{term}*"))),
        };
        Ok(Filter { excludes, means })
    }
}

impl Filter {
    fn means(&self, scenario: &Scenario) -> bool {
        match &self.means {
            Means::Name(pattern) => pattern.matches(&scenario.name),
            Means::Check(check) => {
                let is_expected = match &scenario.expect {
                    Expectation::Finds(names) => names.iter().any(|expected| expected == check.id()),
                    Expectation::Pass => false,
                };
                let bounded = scenario.at_most.keys().chain(scenario.at_least.keys());
                is_expected
                    || scenario.forbid.iter().any(|forbidden| forbidden == check.id())
                    || bounded.into_iter().any(|bounded| bounded == check)
            }
        }
    }
}

/// Whether the scenario is selected: one of the filters means it, unless all of them leave out, and none leaves it out.
#[must_use]
pub fn selects(filters: &[Filter], scenario: &Scenario) -> bool {
    let (leave_out, take): (Vec<&Filter>, Vec<&Filter>) = filters.iter().partition(|filter| filter.excludes);
    let is_meant = |filters: &[&Filter]| filters.iter().any(|filter| filter.means(scenario));
    (take.is_empty() || is_meant(&take)) && !is_meant(&leave_out)
}

/// The way out when `typed` filters select none of `names`.
#[must_use]
pub fn nothing_selected_hint(typed: &[Filter], names: &[String]) -> String {
    let take = typed.iter().filter(|filter| !filter.excludes);
    let near = take.filter_map(|filter| match &filter.means {
        Means::Name(pattern) if names.iter().any(|name| pattern.matches(name)) => None,
        Means::Name(pattern) => near_name(&pattern.to_string(), names),
        Means::Check(_) => None,
    });
    let near: Vec<String> = near.map(|name| format!("`{name}`")).collect();
    if near.is_empty() {
        "`trial list` lists the scenarios; a filter that begins with `!` leaves out what another takes".to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    }
}

/// The scenario, folder, or last part of a name that was probably meant.
fn near_name<'a>(pattern: &str, names: &'a [String]) -> Option<&'a str> {
    let parts = names.iter().flat_map(|name| name.split('/'));
    nearest(
        &pattern.replace(['*', '?'], ""),
        names.iter().map(String::as_str).chain(parts),
    )
}

fn check(name: &str) -> Result<Check, FilterError> {
    Check::from_name(name).ok_or_else(|| {
        let near = nearest(name, Check::names()).map(|near| format!("; did you mean `{near}`?"));
        FilterError::UnknownCheck(
            name.to_owned(),
            near.unwrap_or_else(|| "; `trial list` lists them".to_owned()),
        )
    })
}

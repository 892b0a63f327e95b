//! The scenarios that `trial` brings along: files that are read from the program rather than from the disk.
//!
//! Everywhere a path is taken, `shipped:durability/nemesis` names one of them, `shipped:durability` all of a folder, and
//! `shipped:` all.

use std::path::{Path, PathBuf};

use crate::nearest::nearest;
use crate::toml_file::error::ScenarioError;

/// Name and text of each, in the order of names. The library without the command has none.
#[cfg(feature = "command")]
pub const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));
/// Name and text of each, in the order of names. The library without the command has none.
#[cfg(not(feature = "command"))]
pub const SHIPPED: &[(&str, &str)] = &[];

const PREFIX: &str = "shipped:";

/// The path of the shipped scenarios below `filter`: a name, a folder of names, or nothing.
#[must_use]
pub fn path(filter: &str) -> PathBuf {
    PathBuf::from(format!("{PREFIX}{filter}"))
}

/// What follows `shipped:`, if the path begins with it.
pub(super) fn filter(path: &Path) -> Option<&str> {
    path.to_str()?.strip_prefix(PREFIX)
}

/// The names of the scenarios that `filter` means.
///
/// # Errors
/// When there is none.
pub(super) fn matching(filter: &str) -> Result<Vec<&'static str>, ScenarioError> {
    let wanted = filter.trim_matches('/').trim_end_matches(".toml");
    let means = |name: &str| {
        let rest = name.strip_prefix(wanted);
        wanted.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let names: Vec<&str> = SHIPPED
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| means(name))
        .collect();
    if names.is_empty() {
        let folders = SHIPPED.iter().filter_map(|(name, _)| name.split('/').next());
        let known = SHIPPED.iter().map(|(name, _)| *name).chain(folders);
        return Err(ScenarioError::NotShipped {
            name: wanted.to_owned(),
            nearest: nearest(wanted, known),
        });
    }
    Ok(names)
}

/// The text of the scenario with this name.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let at = SHIPPED.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    Some(SHIPPED[at].1)
}

#[cfg(all(test, feature = "command"))]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::files::{find, load, load_one};
    use super::{SHIPPED, path};

    #[test]
    fn they_are_the_files_of_the_repository() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let files = find(&[folder]).expect("scenarios");
        let shipped = find(&[path("")]).expect("scenarios");
        let names = |found: &[super::super::files::Found]| -> Vec<String> {
            let mut names: Vec<String> = found.iter().map(|found| found.name.clone()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&shipped), names(&files));
        for found in &shipped {
            let file = files.iter().find(|file| file.name == found.name).expect("as above");
            let text = load(found)
                .unwrap_or_else(|error| panic!("{}", error.render(false)))
                .text;
            assert_eq!(text, load(file).expect("a scenario").text, "{}", found.name);
        }
    }

    #[test]
    fn a_filter_is_a_name_or_a_folder_of_names() {
        let count = |filter: &str| find(&[path(filter)]).map_or(0, |found| found.len());
        assert_eq!(count(""), SHIPPED.len());
        assert_eq!(count("durability/nemesis"), 1);
        assert!(count("durability") > 1 && count("durability/") == count("durability"));
        assert_eq!(count("dura"), 0, "a part of a name is none");
        let twice = [path("durability"), path("durability/nemesis")];
        assert_eq!(find(&twice).expect("scenarios").len(), count("durability"));
    }

    #[test]
    fn a_wrong_name_is_reported_with_the_nearest() {
        let error = find(&[path("durability/nemesi")]).expect_err("no such scenario");
        insta::assert_snapshot!(error.render(false), @"
        error: no shipped scenario or folder of them is called `durability/nemesi`
          hint: did you mean `durability/nemesis`? `trial list --shipped` shows all
        ");
        let error = load_one(&PathBuf::from("shipped:groups")).expect_err("a folder");
        assert!(error.render(false).contains("is a folder"), "{error}");
    }
}

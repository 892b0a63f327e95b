//! Finds and reads scenario files, those that the program brings along ([`shipped`]) included.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use super::Scenario;
use super::parse::parse;
use super::shipped;
use crate::toml_file::error::ScenarioError;
use crate::toml_file::reader::Marks;

/// The largest file that is read.
pub const MOST_BYTES: u64 = 1 << 20;

/// A scenario file that was found, not read yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The scenario's name.
    pub name: String,
    /// The file as the user named it.
    pub path: PathBuf,
}

/// A scenario and the file that says it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file as the user named it.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
    /// What that means.
    pub scenario: Scenario,
    /// Where what stands.
    pub marks: Marks,
}

/// All scenario files that `paths` name, folders with all that is below them, in the order of names within each path.
/// A file that is named twice is found once.
///
/// # Errors
/// When a path does not exist, a folder holds no scenario, or two files have one name: the first such error.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Found>, ScenarioError> {
    let Survey { found, errors } = survey(paths);
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

/// What [`find`] finds, and every error on the way.
#[derive(Debug, Default)]
pub struct Survey {
    /// The files.
    pub found: Vec<Found>,
    /// Why there are not more.
    pub errors: Vec<ScenarioError>,
}

/// Looks through all of `paths`, whatever is wrong with some of them.
#[must_use]
pub fn survey(paths: &[PathBuf]) -> Survey {
    let mut survey = Survey::default();
    let mut seen = Seen::default();
    for path in paths {
        if let Some(filter) = shipped::filter(path) {
            match shipped::matching(filter) {
                Ok(scenarios) => survey.take(&mut seen, scenarios.into_iter().map(embedded)),
                Err(error) => survey.errors.push(error),
            }
            continue;
        }
        let is_folder = match fs::metadata(path) {
            Ok(kind) => kind.is_dir(),
            Err(error) => {
                survey.errors.push(unreadable(path, &error));
                continue;
            }
        };
        let files = if is_folder {
            survey.folder(path)
        } else {
            vec![path.clone()]
        };
        let candidates = files.into_iter().map(|file| {
            let canonical = canonical(&file);
            Candidate {
                name: name_of(&canonical, is_folder.then_some(path)),
                canonical,
                file,
            }
        });
        survey.take(&mut seen, candidates);
    }
    survey
}

/// A file that may be a scenario's, and perhaps not for the first time.
struct Candidate {
    name: String,
    canonical: PathBuf,
    file: PathBuf,
}

/// What a survey has come across.
#[derive(Default)]
struct Seen {
    files: BTreeSet<PathBuf>,
    names: BTreeMap<String, PathBuf>,
}

/// A shipped scenario is its own file.
fn embedded(name: &str) -> Candidate {
    let file = shipped::path(name);
    Candidate {
        name: name.to_owned(),
        canonical: file.clone(),
        file,
    }
}

impl Survey {
    /// Adds the files that are new, unless their names are taken.
    fn take(&mut self, seen: &mut Seen, candidates: impl Iterator<Item = Candidate>) {
        for Candidate { name, canonical, file } in candidates {
            if !seen.files.insert(canonical) {
                continue;
            }
            if let Some(first) = seen.names.get(&name) {
                self.errors.push(ScenarioError::SameName {
                    name,
                    first: show(first),
                    second: show(&file),
                });
                continue;
            }
            seen.names.insert(name.clone(), file.clone());
            self.found.push(Found { name, path: file });
        }
    }

    /// The files below a folder.
    fn folder(&mut self, path: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        match walk(path, &mut files) {
            Err(error) => self.errors.push(error),
            Ok(()) if files.is_empty() => self.errors.push(ScenarioError::NothingThere { path: show(path) }),
            Ok(()) => {}
        }
        files
    }
}

/// The file without links on its path. One that leads nowhere stands for itself: its reading says what is wrong.
fn canonical(file: &Path) -> PathBuf {
    let beside = |file: &Path| Some(fs::canonicalize(file.parent()?).ok()?.join(file.file_name()?));
    let followed = fs::canonicalize(file).ok();
    followed.or_else(|| beside(file)).unwrap_or_else(|| file.to_owned())
}

/// Reads one scenario file.
///
/// # Errors
/// When it cannot be read or does not say a possible scenario.
pub fn load(found: &Found) -> Result<Loaded, ScenarioError> {
    let path = show(&found.path);
    let text = read(&found.path)?;
    let parsed = parse(&found.name, &path, &text)?;
    Ok(Loaded {
        path: found.path.clone(),
        text,
        scenario: parsed.scenario,
        marks: parsed.marks,
    })
}

/// Reads the one scenario that `path` names.
///
/// # Errors
/// As [`load`], and when `path` is a folder.
pub fn load_one(path: &Path) -> Result<Loaded, ScenarioError> {
    if path.is_dir() {
        return Err(ScenarioError::IsAFolder { path: show(path) });
    }
    let found = find(&[path.to_owned()])?;
    match &found[..] {
        [one] => load(one),
        _ => Err(ScenarioError::IsAFolder { path: show(path) }),
    }
}

/// The file's text. Its size is asked before its content, and no more than the limit is ever read.
fn read(path: &Path) -> Result<String, ScenarioError> {
    if let Some(text) = shipped::filter(path).and_then(shipped::text) {
        return Ok(text.to_owned());
    }
    let failed = |error: io::Error| unreadable(path, &error);
    let too_large = |bytes| ScenarioError::TooLarge {
        path: show(path),
        bytes,
        limit: MOST_BYTES,
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(ScenarioError::IsAFolder { path: show(path) });
    }
    if !metadata.is_file() {
        return Err(ScenarioError::NotAFile { path: show(path) });
    }
    if metadata.len() > MOST_BYTES {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    String::from_utf8(bytes).map_err(|error| ScenarioError::NotUtf8 {
        path: show(path),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// Collects the `.toml` files below a folder. Hidden ones are left out, and links to folders are not followed: they
/// may lead in circles.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), ScenarioError> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut found: Vec<(PathBuf, FileType)> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let kind = entry.file_type().map_err(|error| unreadable(&entry.path(), &error))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push((entry.path(), kind));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in found {
        if kind.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") && !path.is_dir() {
            files.push(path);
        }
    }
    Ok(())
}

/// The path below the last folder called `scenarios`, else below the folder that was given, else the file's own name;
/// without the ending.
fn name_of(file: &Path, given: Option<&PathBuf>) -> String {
    let parts: Vec<Component<'_>> = file.components().collect();
    let root = parts.iter().rposition(|part| part.as_os_str() == "scenarios");
    let below: PathBuf = match (root, given.and_then(|given| fs::canonicalize(given).ok())) {
        (Some(root), _) if root + 1 < parts.len() => parts[root + 1..].iter().collect(),
        (_, Some(given)) => file.strip_prefix(&given).unwrap_or(file).to_owned(),
        (_, None) => file.file_name().map(PathBuf::from).unwrap_or_default(),
    };
    let named = below.with_extension("");
    let parts: Vec<String> = named
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    parts.join("/")
}

fn unreadable(path: &Path, error: &io::Error) -> ScenarioError {
    match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => ScenarioError::Unreadable {
            path: show(path),
            cause: "it is a link to what does not exist".to_owned(),
        },
        io::ErrorKind::NotFound => ScenarioError::Missing { path: show(path) },
        _ => ScenarioError::Unreadable {
            path: show(path),
            cause: error.to_string(),
        },
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

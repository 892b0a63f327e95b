//! The file `record.json`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use super::{Invalid, RunRecord, SCHEMA_VERSION, to_json};
use crate::whole;

/// Why a record could not be saved. Reads on after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Its parts do not fit together.
    #[error("save {}: the record contradicts itself: {why}\nhint: this is a defect of Trial; please report it with the scenario and its seed", path.display())]
    Invalid {
        /// Where it should have gone.
        path: PathBuf,
        /// What does not fit.
        why: Invalid,
    },
    /// The file system refused.
    #[error("save {}: {source}\nhint: create the folder, make room or choose another one with --out", path.display())]
    Io {
        /// Where it should have gone.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Why a record could not be loaded. Reads on after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("load {}: there is no such file\nhint: name the folder of one trial, such as trial-runs/latest/<scenario>/<seed>; passing trials leave no files unless they run with --keep", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("load {}: {source}\nhint: check that it is a file and that you may read it", path.display())]
    Io {
        /// Where it was looked for.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file is not JSON.
    #[error("load {}: it is not JSON: {source}\nhint: records are written whole or not at all, so another program wrote or cut this file; run the trial again with --keep", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where it stops being JSON.
        source: serde_json::Error,
    },
    /// The file is JSON, but no record.
    #[error("load {}: it is not a run record: {source}\nhint: the record of a trial is its file record.json", path.display())]
    NotARecord {
        /// The file.
        path: PathBuf,
        /// The first thing that a record would have.
        source: serde_json::Error,
    },
    /// A newer Trial wrote it.
    #[error("load {}: its schema version is {found}, and this Trial knows versions up to {SCHEMA_VERSION}\nhint: use the Trial that wrote it ({build}) or a newer one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version of Trial that wrote it, as far as it is known.
        build: String,
    },
    /// Its parts do not fit together.
    #[error("load {}: the record contradicts itself: {why}\nhint: it was changed after it was written; run the trial again with --keep", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: Invalid,
    },
}

/// Writes the record to `path`, whole or not at all.
///
/// # Errors
/// [`SaveError::Invalid`] for a record that [`load`] would refuse, [`SaveError::Io`] if the file cannot be written.
pub fn save(record: &RunRecord, path: &Path) -> Result<(), SaveError> {
    record.validate().map_err(|why| SaveError::Invalid {
        path: path.to_owned(),
        why,
    })?;
    whole::write(path, to_json(record).as_bytes()).map_err(|source| SaveError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Reads the record at `path`.
///
/// # Errors
/// One for each way in which a file can be no record that this version understands; each says what to do about it.
pub fn load(path: &Path) -> Result<RunRecord, LoadError> {
    let path = path.to_owned();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(LoadError::Missing { path }),
        Err(source) => return Err(LoadError::Io { path, source }),
    };
    // The version comes first: what a newer version changed would otherwise be reported as a missing field.
    let Version {
        schema_version: found,
        build,
    } = match serde_json::from_slice(&text) {
        Ok(version) => version,
        Err(source) if source.is_data() => return Err(LoadError::NotARecord { path, source }),
        Err(source) => return Err(LoadError::NotJson { path, source }),
    };
    if found > SCHEMA_VERSION {
        return Err(LoadError::Newer { path, found, build });
    }
    let record: RunRecord = match serde_json::from_slice(&text) {
        Ok(record) => record,
        Err(source) => return Err(LoadError::NotARecord { path, source }),
    };
    match record.validate() {
        Ok(()) => Ok(record),
        Err(why) => Err(LoadError::Invalid { path, why }),
    }
}

/// What every version of the schema has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
    #[serde(default)]
    build: String,
}

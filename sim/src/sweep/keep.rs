//! What is kept of a trial: `<folder of the run>/<scenario>/<seed>/` with the scenario as it was
//! understood (defaults and planted defects included), the record and, with the feature `plots`, its plots.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

#[cfg(feature = "plots")]
use reports::plot;
use reports::record::{SaveError, save};
use reports::whole;

use crate::outcome::Outcome;
use crate::scenario::Scenario;
use crate::scenario::write::to_toml;

/// The folder above all runs whose place nobody chose.
const RUNS: &str = "trial-runs";

/// Why the files of a trial were not written.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The file system refused.
    #[error("write to {path}: {cause}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The record was not written.
    #[error(transparent)]
    Record(#[from] SaveError),
    /// The plots were not drawn.
    #[cfg(feature = "plots")]
    #[error(transparent)]
    Plots(#[from] plot::PlotError),
}

/// Where the files of one run go. Its own folder is not made before the first trial is kept.
#[derive(Debug)]
pub struct Store {
    folder: Mutex<Folder>,
}

#[derive(Debug)]
enum Folder {
    /// It will be named by the time of its making, which this gives.
    ByTime(fn() -> String),
    /// It is known; `latest` is set once something is in it.
    Known { path: PathBuf, latest: Latest },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Latest {
    /// The user chose the place.
    Never,
    /// With the first trial that is kept.
    Wanted,
    /// It points here.
    Set,
}

impl Store {
    /// A new folder below `trial-runs`, called by the time that `now` gives when the folder is made.
    #[must_use]
    pub fn by_time(now: fn() -> String) -> Store {
        Store {
            folder: Mutex::new(Folder::ByTime(now)),
        }
    }

    /// The folder that the user chose.
    #[must_use]
    pub fn at(path: &Path) -> Store {
        Store {
            folder: Mutex::new(Folder::Known {
                path: path.to_owned(),
                latest: Latest::Never,
            }),
        }
    }

    /// The folder of a sweep, below `trial-runs`.
    #[must_use]
    pub fn of_sweep(path: PathBuf) -> Store {
        Store {
            folder: Mutex::new(Folder::Known {
                path,
                latest: Latest::Wanted,
            }),
        }
    }

    /// The folder of the sweep with this hash.
    #[must_use]
    pub fn sweep_folder(hash: &str) -> PathBuf {
        Path::new(RUNS).join("sweeps").join(hash)
    }

    /// Makes the folder above all that will be kept, and tries whether it takes files.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn prepare(&self) -> Result<(), KeepError> {
        let folder = self.folder.lock().expect("no thread panics while it holds the folder");
        let place = match &*folder {
            Folder::ByTime(_) => Path::new(RUNS),
            Folder::Known { path, .. } => path,
        };
        fs::create_dir_all(place).map_err(at(place))?;
        let probe = place.join(format!(".{}.part", std::process::id()));
        File::create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(at(place))
    }

    /// Where the files of a trial are, if it was kept.
    #[must_use]
    pub fn kept(&self, scenario: &str, seed: u64) -> Option<PathBuf> {
        let folder = self.folder.lock().expect("no thread panics while it holds the folder");
        let Folder::Known { path, .. } = &*folder else {
            return None;
        };
        Some(path.join(scenario).join(seed.to_string())).filter(|path| path.is_dir())
    }

    /// Writes the files of a trial, all or none, and returns their folder. What was there before is replaced.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn keep(&self, scenario: &Scenario, outcome: &Outcome) -> Result<PathBuf, KeepError> {
        let parent = self.folder()?.join(&scenario.name);
        let folder = parent.join(outcome.seed.to_string());
        let unfinished = parent.join(format!(".{}.{}.part", outcome.seed, std::process::id()));
        let written = write(&unfinished, scenario, outcome);
        let written = written.and_then(|()| replace(&folder, &unfinished).map_err(at(&folder)));
        if let Err(error) = written {
            // The first error is the one to report.
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error);
        }
        Ok(folder)
    }

    /// Draws runs of different scenarios side by side, into the folder of the run.
    ///
    /// # Errors
    /// When something cannot be written.
    #[cfg(feature = "plots")]
    pub fn compare(&self, name: &str, records: &[reports::record::RunRecord]) -> Result<(), KeepError> {
        plot::compare(name, records, &self.folder()?)?;
        Ok(())
    }

    /// The folder of the run, made now if it is not there, with `trial-runs/latest` pointing to it.
    fn folder(&self) -> Result<PathBuf, KeepError> {
        let mut folder = self.folder.lock().expect("no thread panics while it holds the folder");
        if let Folder::ByTime(now) = *folder {
            *folder = Folder::Known {
                path: make_by_time(&now())?,
                latest: Latest::Wanted,
            };
        }
        let Folder::Known { path, latest } = &mut *folder else {
            unreachable!("it was named above")
        };
        fs::create_dir_all(&*path).map_err(at(path))?;
        if *latest == Latest::Wanted {
            point_latest_to(path)?;
            *latest = Latest::Set;
        }
        Ok(path.clone())
    }
}

/// Two runs of one second get different folders.
fn make_by_time(time: &str) -> Result<PathBuf, KeepError> {
    let runs = Path::new(RUNS);
    fs::create_dir_all(runs).map_err(at(runs))?;
    for number in 1_u32.. {
        let name = if number == 1 {
            time.to_owned()
        } else {
            format!("{time}-{number}")
        };
        let path = runs.join(name);
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(KeepError::Io { path, cause }),
        }
    }
    unreachable!("no second has four billion runs")
}

/// Takes the place of the old link in one step: there is a `latest` at every moment.
fn point_latest_to(path: &Path) -> Result<(), KeepError> {
    let latest = Path::new(RUNS).join("latest");
    let target = path.strip_prefix(RUNS).unwrap_or(path);
    let new = Path::new(RUNS).join(format!(".latest.{}", std::process::id()));
    let _ = fs::remove_file(&new);
    link(target, &new).map_err(at(&new))?;
    fs::rename(&new, &latest).map_err(at(&latest))
}

#[cfg(unix)]
fn link(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

/// Elsewhere links need rights that few have: a file with the path in it does.
#[cfg(not(unix))]
fn link(target: &Path, link: &Path) -> io::Result<()> {
    fs::write(link, target.to_string_lossy().as_bytes())
}

fn write(folder: &Path, scenario: &Scenario, outcome: &Outcome) -> Result<(), KeepError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let file = folder.join("scenario.toml");
    whole::write(&file, to_toml(scenario).as_bytes()).map_err(at(&file))?;
    if let Some(record) = &outcome.record {
        save(record, &folder.join("record.json"))?;
        #[cfg(feature = "plots")]
        plot::write_plots(record, folder)?;
    }
    Ok(())
}

/// Puts `new` into the place of `folder`. Two commands may keep the same trial in one place at the same time: the last
/// one stays.
fn replace(folder: &Path, new: &Path) -> io::Result<()> {
    loop {
        let replaced = match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => fs::rename(new, folder),
        };
        match replaced {
            // The other one has put its files there in between.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            done => return done,
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeepError {
    let path = path.to_owned();
    |cause| KeepError::Io { path, cause }
}

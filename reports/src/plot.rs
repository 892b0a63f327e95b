//! Throughput, lag and groups over time, as SVG and PNG.
//!
//! A record becomes a `Scene`, the scene becomes files: `throughput`, `lag` and `groups` decide what is shown, `compare`
//! draws several records side by side, `frame` is what the plots of one record share (`events`, `lanes`, `ticks`), `svg` and `raster` paint it with plotters. Equal records give equal files.

mod compare;
mod events;
mod frame;
mod groups;
mod lag;
mod lanes;
mod paint;
mod raster;
mod rebalances;
mod scene;
mod sheet;
mod svg;
mod text;
mod throughput;
mod ticks;

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::record::{Invalid, RunRecord};
use crate::whole;

/// Why a record was not drawn. Reads on after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// Its parts do not fit together.
    #[error(
        "draw the run record: it contradicts itself: {0}\nhint: load records with `record::load`, which reports where they come from"
    )]
    Invalid(#[from] Invalid),
    /// The drawing library refused.
    #[error("draw {}: {why}\nhint: this is a defect of Trial; please report it with the record", path.display())]
    Drawing {
        /// The plot.
        path: PathBuf,
        /// What it said.
        why: String,
    },
    /// The file system refused.
    #[error("write {}: {source}\nhint: make room or choose another folder with --out", path.display())]
    Io {
        /// The plot or its folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Draws `throughput` and `lag`, and if there were consumer groups `group-lag`, `assignment` and `processing`, each as
/// `.svg` and `.png`, into the folder `dir`, which is created if need be, and returns their paths in this order. Each
/// file is there whole or not at all.
///
/// # Errors
/// [`PlotError::Invalid`] for a record that does not pass [`RunRecord::validate`], and what the file system says.
pub fn write_plots(record: &RunRecord, dir: &Path) -> Result<Vec<PathBuf>, PlotError> {
    record.validate()?;
    let mut scenes = vec![
        ("throughput".to_owned(), throughput::scene(record)),
        ("lag".to_owned(), lag::scene(record)),
    ];
    if !record.groups.is_empty() {
        scenes.push(("group-lag".to_owned(), groups::lag_scene(record)));
        scenes.push(("assignment".to_owned(), groups::assignment_scene(record)));
        scenes.push(("processing".to_owned(), groups::processing_scene(record)));
    }
    write(scenes, dir)
}

/// Draws the lag of several runs side by side, in the same scale, into `compare-<name>.svg` and `.png` in the folder
/// `dir`; each run in a field of its own, the worst first.
///
/// # Errors
/// As [`write_plots`].
pub fn compare(name: &str, records: &[RunRecord], dir: &Path) -> Result<Vec<PathBuf>, PlotError> {
    records.iter().try_for_each(RunRecord::validate)?;
    write(vec![(format!("compare-{name}"), compare::scene(name, records))], dir)
}

fn write(scenes: Vec<(String, scene::Scene)>, dir: &Path) -> Result<Vec<PathBuf>, PlotError> {
    fs::create_dir_all(dir).map_err(|source| PlotError::Io {
        path: dir.to_owned(),
        source,
    })?;
    let mut written = Vec::new();
    for (name, scene) in scenes {
        let files = [
            ("svg", svg::draw(&scene).map(String::into_bytes)),
            ("png", raster::draw(&scene)),
        ];
        for (ending, drawn) in files {
            let path = dir.join(format!("{name}.{ending}"));
            let bytes = drawn.map_err(|why| PlotError::Drawing {
                path: path.clone(),
                why,
            })?;
            whole::write(&path, &bytes).map_err(|source| PlotError::Io {
                path: path.clone(),
                source,
            })?;
            written.push(path);
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests;

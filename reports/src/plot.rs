//! Throughput and lag over time, as SVG and PNG.
//!
//! A record becomes a `Scene`, the scene becomes files: `throughput` and `lag` decide what is shown, `frame` what
//! both share (`events`, `lanes`, `ticks`), `svg` and `raster` paint it with plotters. Equal records give equal files.

mod events;
mod frame;
mod lag;
mod lanes;
mod paint;
mod raster;
mod scene;
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
        "draw the run record: it contradicts itself: {0}\nhint: load records with `record::load`, which tells where they come from"
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

/// Draws `throughput.svg`, `throughput.png`, `lag.svg` and `lag.png` into the folder `dir`, which is
/// created if need be, and returns their paths in this order. Each file is there whole or not at all.
///
/// # Errors
/// [`PlotError::Invalid`] for a record that does not pass [`RunRecord::validate`], and what the file system says.
pub fn write_plots(record: &RunRecord, dir: &Path) -> Result<Vec<PathBuf>, PlotError> {
    record.validate()?;
    fs::create_dir_all(dir).map_err(|source| PlotError::Io {
        path: dir.to_owned(),
        source,
    })?;
    let mut written = Vec::new();
    for (name, scene) in [("throughput", throughput::scene(record)), ("lag", lag::scene(record))] {
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

//! `trial lint`: all scenario files, all that is wrong with them, and what is probably not meant.

use std::path::PathBuf;

use miette::Severity;

use super::exit::Exit;
use super::plan::PlanError;
use super::summary::counted;
use super::voice::Voice;
use crate::scenario::error::render_problems;
use crate::scenario::files::{find, load};
use crate::scenario::lint::warnings;

/// Validates the scenarios of `paths`.
pub fn lint(paths: &[PathBuf]) -> Exit {
    let mut voice = Voice::new(false, false);
    let files = match find(paths) {
        Ok(files) => files,
        Err(error) => {
            voice.tell(error.render(voice.terminal));
            return voice.end(PlanError::from(error).exit());
        }
    };
    let (mut wrong, mut doubtful) = (0, 0);
    for file in &files {
        match load(file) {
            Ok(loaded) => {
                let doubts = warnings(&loaded.scenario, &loaded.marks);
                doubtful += u64::from(!doubts.is_empty());
                let path = loaded.path.display().to_string();
                if !doubts.is_empty() {
                    voice.tell(render_problems(
                        &path,
                        &loaded.text,
                        &doubts,
                        Severity::Warning,
                        voice.terminal,
                    ));
                }
            }
            Err(error) => {
                wrong += 1;
                voice.tell(error.render(voice.terminal));
            }
        }
    }
    voice.say(format!(
        "{}: {wrong} wrong, {doubtful} doubtful",
        counted(files.len() as u64, "scenario")
    ));
    voice.end(if wrong > 0 { Exit::Usage } else { Exit::AsExpected })
}

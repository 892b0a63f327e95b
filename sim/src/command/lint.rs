//! `trial lint`: all scenario files, all that is wrong with them, and what is probably not meant.

use std::path::PathBuf;

use super::exit::Exit;
use super::plan::PlanError;
use super::voice::Voice;
use crate::scenario::files::{Survey, load, survey};
use crate::scenario::lint::warnings;
use crate::sweep::failures::counted;
use crate::toml_file::error::{Severity, render_problems};

/// Validates the scenarios of `paths`: all that there are, whatever is wrong with other paths.
pub fn lint(paths: &[PathBuf]) -> Exit {
    let mut voice = Voice::new(false, false);
    let Survey { found, errors } = survey(paths);
    let unusable = errors.len() as u64;
    let mut exit = Exit::AsExpected;
    for error in errors {
        voice.report(error.render(voice.terminal));
        exit = exit.or_worse(PlanError::from(error).exit());
    }
    if found.is_empty() {
        return voice.end(exit);
    }
    let (mut wrong, mut doubtful) = (0, 0);
    for file in &found {
        match load(file) {
            Ok(loaded) => {
                let doubts = warnings(&loaded.scenario, &loaded.marks);
                doubtful += u64::from(!doubts.is_empty());
                let path = loaded.path.display().to_string();
                if !doubts.is_empty() {
                    voice.report(render_problems(
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
                exit = exit.or_worse(Exit::Usage);
                voice.report(error.render(voice.terminal));
            }
        }
    }
    let unused = match unusable {
        0 => String::new(),
        count => format!("; {} cannot be used", counted(count, "path")),
    };
    voice.say(format!(
        "{}: {wrong} wrong, {doubtful} doubtful{unused}",
        counted(found.len() as u64, "scenario")
    ));
    voice.end(exit)
}

//! A trial again in a second process: what one process keeps between trials cannot hide there.

use core::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use super::line::TrialLine;
use crate::units::show_count;

/// The trial to compare with.
pub struct Again<'a> {
    /// Its scenario file.
    pub file: &'a Path,
    pub seed: u64,
    /// The defects planted from the command line.
    pub quirks: &'a [String],
}

/// How two processes differ in one trial.
pub struct Difference {
    here: TrialLine,
    there: TrialLine,
    first: First,
}

/// The first event that differs.
enum First {
    /// What happened in the one and in the other process.
    Event(String, String),
    /// Two new processes agree with each other.
    None,
}

impl Again<'_> {
    /// Runs the trial in a second process. None if it is the same there.
    ///
    /// # Errors
    /// When that process cannot be started, or does not answer.
    pub fn compare(&self, here: &TrialLine) -> Result<Option<Difference>, String> {
        let there = self.line()?;
        if here.same_run(&there) {
            return Ok(None);
        }
        Ok(Some(Difference {
            here: here.clone(),
            there,
            first: self.first_difference()?,
        }))
    }

    fn command(&self) -> Result<Command, String> {
        let executable = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(executable);
        command
            .args(["replay", "--json", "--quiet", "--seed"])
            .arg(self.seed.to_string());
        for quirk in self.quirks {
            command.arg("--quirk").arg(quirk);
        }
        Ok(command)
    }

    fn line(&self) -> Result<TrialLine, String> {
        let output = self.command()?.arg("--").arg(self.file).output();
        let output = output.map_err(|error| error.to_string())?;
        let line = output.stdout.split(|byte| *byte == b'\n').next().unwrap_or_default();
        serde_json::from_slice(line)
            .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Two new processes state their events side by side, until these differ. Stories of whole trials are long: neither
    /// is kept.
    fn first_difference(&self) -> Result<First, String> {
        let (mut one, mut other) = (Story::begin(self)?, Story::begin(self)?);
        loop {
            let (here, there) = (one.line(), other.line());
            if here != there {
                let or_end = |line: Option<String>| line.unwrap_or_else(|| "the end".to_owned());
                return Ok(First::Event(or_end(here), or_end(there)));
            }
            if here.is_none() {
                return Ok(First::None);
            }
        }
    }
}

/// The events of a trial in another process, one line each.
struct Story {
    child: Child,
    lines: BufReader<ChildStderr>,
}

impl Story {
    fn begin(again: &Again<'_>) -> Result<Story, String> {
        let mut command = again.command()?;
        command.arg("--trace").arg("--").arg(again.file);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| error.to_string())?;
        let lines = BufReader::new(child.stderr.take().expect("it is piped"));
        Ok(Story { child, lines })
    }

    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.lines.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(String::from_utf8_lossy(&line).trim().to_owned()),
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { here, there, first } = self;
        write!(
            f,
            "digest {} after {} events ({}) here, {} after {} ({}) in a second process",
            here.digest,
            show_count(here.events),
            here.verdict,
            there.digest,
            show_count(there.events),
            there.verdict
        )?;
        match first {
            First::Event(one, other) => write!(
                f,
                "\n  first difference (step, time, node: what)\n    {one}\n  in another process\n    {other}"
            ),
            First::None => f.write_str(
                "\n  two new processes agree: what this one keeps from earlier trials (a static, a counter) decides too",
            ),
        }
    }
}

//! Where the command speaks: standard output for results, standard error for progress and mistakes.

use std::io::{self, BufWriter, IsTerminal, Write};

use super::exit::Exit;

/// The two streams, and what may be said on them.
pub struct Voice {
    out: BufWriter<Box<dyn Write>>,
    json: bool,
    quiet: bool,
    failed: Option<io::Error>,
    /// Whether standard error is a terminal.
    pub terminal: bool,
}

impl Voice {
    /// The process's own streams. With `json`, standard output is for JSON alone.
    #[must_use]
    pub fn new(json: bool, quiet: bool) -> Voice {
        let out: Box<dyn Write> = Box::new(io::stdout());
        Voice {
            out: BufWriter::new(out),
            json,
            quiet,
            failed: None,
            terminal: io::stderr().is_terminal(),
        }
    }

    /// Something that belongs to the result: a summary, a failure, a list.
    pub fn say(&mut self, text: impl AsRef<str>) {
        if self.json {
            self.report(text)
        } else {
            self.print(text.as_ref())
        }
    }

    /// Something on the way there; not said when quiet.
    pub fn remark(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// A line for machines, only with `--json`. It is handed to the system at once; false when such a line was lost.
    pub fn json(&mut self, line: &impl serde::Serialize) -> bool {
        if !self.json {
            return true;
        }
        self.print(&serde_json::to_string(line).expect("numbers and texts are JSON"));
        self.flush();
        self.failed.is_none()
    }

    /// Something that is wrong, on standard error.
    pub fn report(&mut self, text: impl AsRef<str>) {
        self.flush();
        // When standard error is gone there is nobody left to report to.
        let _ = writeln!(io::stderr(), "{}", text.as_ref().trim_end_matches('\n'));
    }

    /// True when nothing but the result is wanted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// True when standard output is a terminal that may show colours.
    #[must_use]
    pub fn colour(&self) -> bool {
        let stream_is_terminal = if self.json {
            self.terminal
        } else {
            io::stdout().is_terminal()
        };
        stream_is_terminal && std::env::var_os("NO_COLOR").is_none()
    }

    /// Ends the speech: `exit`, or an internal error when standard output did not take what was said. A reader that has
    /// seen enough and is gone (`| head`) is no error.
    pub fn end(mut self, exit: Exit) -> Exit {
        self.flush();
        match self.failed.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.report(format!("error: standard output cannot be written: {error}"));
                exit.or_worse(Exit::Internal)
            }
            _ => exit,
        }
    }

    /// Hands what was said to the system.
    pub fn flush(&mut self) {
        let flushed = self.out.flush();
        self.note(flushed);
    }

    fn print(&mut self, text: &str) {
        let written = writeln!(self.out, "{}", text.trim_end_matches('\n'));
        self.note(written);
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }
}

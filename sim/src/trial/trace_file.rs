//! Every event of a trial as a line of a file.

use core::fmt::{self, Write as _};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Does `work`, whose events are written to a new file at `path`; they are lost if it takes none.
pub(super) fn traced<T>(path: &Path, work: impl FnOnce() -> T) -> T {
    let folder_is_there = path
        .parent()
        .is_none_or(|folder| std::fs::create_dir_all(folder).is_ok());
    let file = folder_is_there.then(|| File::create(path).ok()).flatten();
    match file {
        Some(file) => tracing::subscriber::with_default(Lines(Mutex::new(BufWriter::new(file))), work),
        None => work(),
    }
}

/// Writes the events of the world, which have the target `trial`; there are no spans.
struct Lines(Mutex<BufWriter<File>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "trial"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let Line { step, time, node, text } = line;
        let mut out = self.0.lock().expect("nothing panics while it writes");
        // A full disk must not change the trial.
        let _ = writeln!(out, "{step:>8} {time:>12} {node}: {text}");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    step: u64,
    time: String,
    node: String,
    text: String,
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "step" => self.step = value,
            _ => self.record_debug(field, &value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "time" => write!(self.time, "{value:?}"),
            "node" => write!(self.node, "{value:?}"),
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.text, " {name}={value:?}"),
        };
    }
}

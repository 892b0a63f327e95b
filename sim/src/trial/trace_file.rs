//! Every event of a trial as a line of a file, with what the programs of a user say through `tracing`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use tracing::dispatcher::{self, Dispatch};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::traced::{self, Line};

/// Does `work`, whose events are written to a new file at `path`; they are lost if it takes none.
pub(super) fn traced<T>(path: &Path, work: impl FnOnce() -> T) -> T {
    let folder_is_there = path
        .parent()
        .is_none_or(|folder| std::fs::create_dir_all(folder).is_ok());
    let file = folder_is_there.then(|| File::create(path).ok()).flatten();
    match file {
        Some(file) => tracing::subscriber::with_default(Lines::new(file), work),
        None => work(),
    }
}

/// Writes the events of the world, and of programs those of level `INFO` and above. Everything goes on to the subscriber
/// that was there before.
struct Lines {
    before: Dispatch,
    written: Mutex<Written>,
}

struct Written {
    out: BufWriter<File>,
    /// The step of the world's last event.
    step: u64,
    /// The task of a program that runs now: its span, who it is of, and when.
    running: Option<(Id, Line)>,
}

/// The number of spans that the subscriber before does not want.
const UNWANTED: u64 = u64::MAX;

impl Lines {
    fn new(file: File) -> Lines {
        Lines {
            before: dispatcher::get_default(Clone::clone),
            written: Mutex::new(Written {
                out: BufWriter::new(file),
                step: 0,
                running: None,
            }),
        }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().expect("nothing panics while it writes")
    }

    /// Does this for a span that the subscriber before has.
    fn go_on(&self, span: &Id, what: impl FnOnce(&Dispatch)) {
        if span.into_u64() != UNWANTED {
            what(&self.before);
        }
    }

    fn write(&self, event: &Event<'_>) {
        let mut line = Line::of(event);
        let mut written = self.written();
        if traced::is_of_world(event.metadata()) {
            written.step = line.step;
        } else if let Some((_, running)) = &written.running {
            line.step = written.step;
            line.time.clone_from(&running.time);
            line.node.clone_from(&running.node);
            line.text = format!("says {}: {}", event.metadata().level(), line.text);
        } else {
            return;
        }
        // A full disk must not change the trial.
        let _ = writeln!(written.out, "{line}");
    }
}

/// Whether the file has it. The executor has much to say about itself.
fn is_written(metadata: &Metadata<'_>) -> bool {
    let is_of_user = *metadata.level() <= Level::INFO && !metadata.target().starts_with("madsim");
    match metadata.is_span() {
        true => metadata.target() == traced::PROGRAM,
        false => traced::is_of_world(metadata) || is_of_user,
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_written(metadata) || self.before.enabled(metadata)
    }

    fn event(&self, event: &Event<'_>) {
        if is_written(event.metadata()) {
            self.write(event);
        }
        if self.before.enabled(event.metadata()) {
            self.before.event(event);
        }
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = match self.before.enabled(span.metadata()) {
            true => self.before.new_span(span),
            false => Id::from_u64(UNWANTED),
        };
        if is_written(span.metadata()) {
            let mut running = Line::default();
            span.record(&mut running);
            self.written().running = Some((id.clone(), running));
        }
        id
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.go_on(span, |before| before.record(span, values));
    }

    fn record_follows_from(&self, span: &Id, other: &Id) {
        self.go_on(span, |before| before.record_follows_from(span, other));
    }

    fn enter(&self, span: &Id) {
        self.go_on(span, |before| before.enter(span));
    }

    fn exit(&self, span: &Id) {
        let running = &mut self.written().running;
        running.take_if(|(id, _)| id == span);
        self.go_on(span, |before| before.exit(span));
    }

    fn clone_span(&self, span: &Id) -> Id {
        match span.into_u64() {
            UNWANTED => span.clone(),
            _ => self.before.clone_span(span),
        }
    }

    fn try_close(&self, span: Id) -> bool {
        span.into_u64() != UNWANTED && self.before.try_close(span)
    }
}

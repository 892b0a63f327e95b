//! Prints the events of a trial as they happen, all of them or those of one node or partition.
//!
//! A trial states its events through `tracing`; the fields `step` (a number) and any of its others are looked at here.

use core::fmt::{self, Write as _};
use std::io::{self, BufWriter, Write};
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Which events are printed.
#[derive(Clone, Default, Debug)]
pub struct Follow {
    /// None after this step.
    pub until: Option<u64>,
    /// Only those that name this node or partition.
    pub text: Option<String>,
}

/// Does `work` with its events printed to standard output, or to standard error.
pub fn with_trace<T>(follow: Follow, to_stderr: bool, work: impl FnOnce() -> T) -> T {
    let out: Box<dyn Write + Send> = if to_stderr {
        Box::new(io::stderr())
    } else {
        Box::new(io::stdout())
    };
    let printer = Printer {
        follow,
        out: Mutex::new(BufWriter::new(out)),
    };
    let subscriber = tracing_subscriber::registry().with(printer);
    tracing::subscriber::with_default(subscriber, work)
}

struct Printer {
    follow: Follow,
    out: Mutex<BufWriter<Box<dyn Write + Send>>>,
}

impl<S: Subscriber> Layer<S> for Printer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        if self.follow.wants(&line) {
            let mut out = self.out.lock().expect("nothing panics while it prints");
            // Nobody may be left to read it.
            let _ = writeln!(out, "{}", line.text.trim_start());
        }
    }
}

#[derive(Default)]
struct Line {
    step: Option<u64>,
    text: String,
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "step" {
            self.step = Some(value);
        }
        self.record_debug(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.text, " {value:?}"),
            name => write!(self.text, " {name}={value:?}"),
        };
    }
}

impl Follow {
    fn wants(&self, line: &Line) -> bool {
        let early = match (self.until, line.step) {
            (Some(until), Some(step)) => step <= until,
            (None, _) | (_, None) => true,
        };
        early && self.text.as_ref().is_none_or(|text| names(&line.text, text))
    }
}

/// True when `line` has `name` in it as a whole: `broker 1` is not in `broker 12`, nor `orders/1` in `my-orders/1`.
fn names(line: &str, name: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
    let whole = |(start, _): (usize, &str)| {
        let (before, after) = (&line[..start], &line[start + name.len()..]);
        !joins(before.chars().next_back()) && !joins(after.chars().next())
    };
    !name.is_empty() && line.match_indices(name).any(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_followed_as_a_whole() {
        for (line, name, named) in [
            ("step=1 broker 1: Appended", "broker 1", true),
            ("step=1 broker 12: Appended", "broker 1", false),
            ("broker 12 asks broker 1", "broker 1", true),
            ("append to orders/0", "orders/0", true),
            ("append to my-orders/0", "orders/0", false),
            ("append to orders/01", "orders/0", false),
            ("anything", "", false),
        ] {
            assert_eq!(names(line, name), named, "{name} in {line}");
        }
    }
}

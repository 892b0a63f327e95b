//! What a trial says through `tracing`: events of the world, and what programs of users say beside them.
//!
//! The world's events have the target [`WORLD`], the fields `step`, `time`, `node` (a node's name), and a message that
//! calls partitions `orders/0`. A task of a program runs in a span of the target [`PROGRAM`] with the program's name and
//! the simulated time.

use core::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

/// The target of the world's events.
pub(crate) const WORLD: &str = "trial";

/// The target of the spans in which programs run.
pub(crate) const PROGRAM: &str = "trial::program";

/// Whether this is an event of the world.
pub(crate) fn is_of_world(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target() == WORLD
}

/// The fields of an event or a span as text.
#[derive(Clone, Default, Debug)]
pub(crate) struct Line {
    /// The world's step; an event of a program has none.
    pub step: u64,
    /// As the world writes it: `12.000345s`.
    pub time: String,
    /// Who says it.
    pub node: String,
    /// The message, and fields that nobody else reads.
    pub text: String,
}

impl Line {
    /// The fields of an event of the world.
    pub fn of(event: &Event<'_>) -> Line {
        let mut line = Line::default();
        event.record(&mut line);
        line
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { step, time, node, text } = self;
        write!(f, "{step:>8} {time:>12} {node}: {text}")
    }
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

//! Filters that messages pass before they are sent, and the messages that faults hold.

use super::network::{Body, Connection, Direction, Message};
use crate::faults::{Fate, Filter, Passing};

/// The filters of all faults.
#[derive(Default)]
pub(super) struct Filters {
    /// Each with its fault.
    filters: Vec<(usize, Box<dyn Filter>)>,
    streams: Vec<Stream>,
}

/// One direction of a connection that a fault holds.
pub(super) struct Stream {
    fault: usize,
    pub(super) connection: Connection,
    pub(super) direction: Direction,
    pub(super) messages: Vec<Message>,
    /// Whether its sender has closed the connection behind them.
    pub(super) is_closed: bool,
}

/// What becomes of a message, and by which fault.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    pub(super) fate: Fate,
    pub(super) fault: usize,
}

impl Filters {
    /// Has a message pass all filters; `is_held` says whether it is held anyway. Of several fates the gravest comes true.
    pub(super) fn pass(&mut self, (from, to): (usize, usize), body: &mut Body, is_held: bool) -> Option<Verdict> {
        let mut found: Option<Verdict> = None;
        for (fault, filter) in &mut self.filters {
            let mut message = Passing {
                from,
                to,
                is_held,
                api: body.api_key(),
                response: match body {
                    Body::Request(_) => None,
                    Body::Response(response) => Some(response),
                },
            };
            let fate = filter.pass(&mut message);
            if found.is_none_or(|found| rank(fate) > rank(found.fate)) {
                found = Some(Verdict { fate, fault: *fault });
            }
        }
        found.filter(|found| found.fate != Fate::Sent)
    }

    pub(super) fn add(&mut self, fault: usize, filter: Box<dyn Filter>) {
        self.filters.push((fault, filter));
    }

    /// A fault holds a message; all behind it follows with [`Filters::hold_behind`].
    pub(super) fn hold(&mut self, fault: usize, message: Message) {
        self.streams.push(Stream {
            fault,
            connection: message.connection,
            direction: message.body.direction(),
            messages: vec![message],
            is_closed: false,
        });
    }

    /// Holds a message behind one that is held. Returns the fault.
    pub(super) fn hold_behind(&mut self, message: Message) -> usize {
        let stream = self.stream(message.connection, message.body.direction());
        stream.messages.push(message);
        stream.fault
    }

    /// The sender of a stream that is held closes its connection: the receiver learns of it behind the last message.
    pub(super) fn close_behind(&mut self, connection: Connection, direction: Direction) {
        self.stream(connection, direction).is_closed = true;
    }

    fn stream(&mut self, connection: Connection, direction: Direction) -> &mut Stream {
        let mut streams = self.streams.iter_mut();
        let stream = streams.find(|stream| stream.connection == connection && stream.direction == direction);
        stream.expect("a fault holds the stream")
    }

    /// Ends the filters of a fault, and gives back what it held.
    pub(super) fn end(&mut self, fault: usize) -> Vec<Stream> {
        self.filters.retain(|(of, _)| *of != fault);
        let streams = std::mem::take(&mut self.streams).into_iter();
        let (ended, others) = streams.partition(|stream| stream.fault == fault);
        self.streams = others;
        ended
    }
}

/// Of two fates of one message the one with the higher number comes true.
fn rank(fate: Fate) -> u8 {
    match fate {
        Fate::Sent => 0,
        Fate::Changed => 1,
        Fate::Lost => 2,
        Fate::Held => 3,
    }
}

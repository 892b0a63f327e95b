//! Filters that messages pass before they are sent, and the messages that faults hold.

use crate::faults::{Fate, Filter, Passing};
use crate::world::network::{Body, Connection, Direction, Message};

/// The filters of all faults.
#[derive(Default)]
pub(in crate::world) struct Filters {
    /// Each with its fault.
    filters: Vec<(usize, Box<dyn Filter>)>,
    streams: Vec<Stream>,
}

/// One direction of a connection that a fault holds.
struct Stream {
    fault: usize,
    connection: Connection,
    direction: Direction,
    messages: Vec<Message>,
}

/// What becomes of a message, and by which fault.
#[derive(Clone, Copy)]
pub(in crate::world) struct Verdict {
    pub(in crate::world) fate: Fate,
    pub(in crate::world) fault: usize,
}

impl Filters {
    /// Has a message pass all filters; `is_held` says whether it is held anyway. Of several fates the gravest comes true.
    pub(in crate::world) fn pass(
        &mut self,
        (from, to): (usize, usize),
        body: &mut Body,
        is_held: bool,
    ) -> Option<Verdict> {
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
    pub(in crate::world) fn hold(&mut self, fault: usize, message: Message) {
        self.streams.push(Stream {
            fault,
            connection: message.connection,
            direction: message.body.direction(),
            messages: vec![message],
        });
    }

    /// Holds a message behind one that is held. Returns the fault.
    pub(in crate::world) fn hold_behind(&mut self, message: Message) -> usize {
        let (connection, direction) = (message.connection, message.body.direction());
        let mut streams = self.streams.iter_mut();
        let stream = streams.find(|stream| stream.connection == connection && stream.direction == direction);
        let stream = stream.expect("a fault holds the stream");
        stream.messages.push(message);
        stream.fault
    }

    /// Ends the filters of a fault, and gives back what it held, in order.
    pub(super) fn end(&mut self, fault: usize) -> Vec<(Connection, Direction, Vec<Message>)> {
        self.filters.retain(|(of, _)| *of != fault);
        let (ended, others) = std::mem::take(&mut self.streams)
            .into_iter()
            .partition(|stream| stream.fault == fault);
        self.streams = others;
        let ended: Vec<Stream> = ended;
        let held = |stream: Stream| (stream.connection, stream.direction, stream.messages);
        ended.into_iter().map(held).collect()
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

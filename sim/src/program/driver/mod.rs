//! What Trial's own clients do, loads, plain readers and the probe: machines in the world's loop, with no task and no
//! lock. They use the same libraries as the programs of users.

mod blocked;
mod brake;
mod keys;
mod load;
mod probe;
mod reader;

pub(crate) use brake::LagBrake;
pub(crate) use keys::KeySource;
pub(crate) use load::Load;
pub(crate) use probe::Probe;
pub(crate) use reader::Reader;

use super::station::Station;
use crate::history::SimTime;

/// The code of one of these clients in one run of its process.
pub(crate) trait Step {
    /// Does all that it can do now, and says what it waits for. A step without a reason changes nothing.
    fn step(&mut self, station: &mut Station) -> Pause;
}

/// What is waited for: whatever comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pause {
    /// This time.
    pub(crate) until: Option<SimTime>,
    /// The end of a send, records, or that the topics exist.
    pub(crate) news: bool,
}

impl Pause {
    /// It has nothing more to do.
    pub(crate) const END: Pause = Pause {
        until: None,
        news: false,
    };

    pub(crate) fn until(time: SimTime) -> Pause {
        Pause {
            until: Some(time),
            ..Pause::END
        }
    }

    pub(crate) fn for_news() -> Pause {
        Pause {
            news: true,
            ..Pause::END
        }
    }
}

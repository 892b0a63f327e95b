//! The hall: each input goes to one room, the facts that come back go to the others.

use alloc::vec::Vec;

use crate::config::{BrokerConfig, Quirks};
use crate::machine::{Input, Instant, Machine, Output};
use crate::random::Random;
use crate::types::NodeId;

/// Which parts a node plays (`process.roles`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Roles {
    /// Partitions only.
    Broker,
    /// The metadata quorum only.
    Controller,
    /// Both.
    Combined,
}

/// A node of the cluster: broker, controller or both.
pub struct Broker {
    _todo: (),
}

impl Broker {
    /// A node that starts at `now` with whatever its disk holds: its first output asks for the list of files.
    #[must_use]
    pub fn new(
        _now: Instant,
        _id: NodeId,
        _roles: Roles,
        _voters: Vec<NodeId>,
        _config: BrokerConfig,
        _quirks: Quirks,
        _rng: Random,
    ) -> Broker {
        todo!()
    }
}

impl Machine for Broker {
    fn handle(&mut self, _now: Instant, _input: Input) {
        todo!()
    }

    fn poll(&mut self) -> Option<Output> {
        todo!()
    }

    fn deadline(&self) -> Option<Instant> {
        todo!()
    }
}

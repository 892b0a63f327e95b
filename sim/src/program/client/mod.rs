//! The libraries that clients run on: machines that know the cluster alone, and nothing of programs.

mod admin;
mod lag;

use broker_core::client::consumer::Consumer;
use broker_core::client::producer::Producer;
use broker_core::config::{ConsumerConfig, ProducerConfig, Quirks};
use broker_core::machine::Machine;
use broker_core::random::Random;

pub(crate) use admin::Admin;
pub(crate) use lag::LagProbe;

use crate::address::Bootstrap;
use crate::history::SendPromise;

/// The library that a client runs on.
pub(crate) enum ClientMachine {
    Producer(Box<Producer>),
    Consumer(Box<Consumer>),
    Admin(Box<Admin>),
    Lag(Box<LagProbe>),
}

impl ClientMachine {
    pub(crate) fn as_machine(&mut self) -> &mut dyn Machine {
        match self {
            ClientMachine::Producer(machine) => &mut **machine,
            ClientMachine::Consumer(machine) => &mut **machine,
            ClientMachine::Admin(machine) => &mut **machine,
            ClientMachine::Lag(machine) => &mut **machine,
        }
    }
}

/// What every library is made with. A library comes with the promise of its sends if it is a producer.
pub(crate) struct NewClient {
    /// The brokers that it knows at first.
    pub(crate) bootstrap: Bootstrap,
    /// The defects that it has.
    pub(crate) quirks: Quirks,
    pub(crate) random: Random,
}

impl NewClient {
    pub(crate) fn producer(self, config: &ProducerConfig) -> (ClientMachine, Option<SendPromise>) {
        let machine = Producer::new(config.clone(), self.bootstrap, self.random).with_quirks(self.quirks);
        (
            ClientMachine::Producer(Box::new(machine)),
            Some(SendPromise::of(config)),
        )
    }

    pub(crate) fn consumer(self, config: ConsumerConfig) -> (ClientMachine, Option<SendPromise>) {
        let machine = Consumer::new(config, self.bootstrap, self.random).with_quirks(self.quirks);
        (ClientMachine::Consumer(Box::new(machine)), None)
    }
}

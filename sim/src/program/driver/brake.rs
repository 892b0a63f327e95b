//! Slows a load while its readers are behind.

use broker_core::random::Random;

use crate::program::client::{ClientMachine, LagProbe};
use crate::program::station::Station;
use crate::scenario::Backpressure;

/// Slows a producer while its readers are behind.
pub(crate) struct LagBrake {
    client: usize,
    /// What a partition may be behind.
    allowed: u64,
}

impl LagBrake {
    /// Starts the probe on the endpoint `client`.
    pub(crate) fn new(
        station: &mut Station,
        client: usize,
        topic: &str,
        spec: &Backpressure,
        random: Random,
    ) -> LagBrake {
        let brokers = station.bootstrap();
        let now = station.local_time(client).monotonic;
        let probe = LagProbe::new(now, topic.into(), spec.group.as_str().into(), brokers, random);
        station.open(client, ClientMachine::Lag(Box::new(probe)), None);
        LagBrake {
            client,
            allowed: spec.lag,
        }
    }

    /// How many times as long to wait between two records: 1 while no partition is further behind than allowed.
    pub(super) fn factor(&self, station: &Station) -> f64 {
        let lag = match &station.clients[self.client].machine {
            Some(ClientMachine::Lag(probe)) => probe.lag(),
            _ => 0,
        };
        (lag as f64 / self.allowed as f64).max(1.0)
    }
}

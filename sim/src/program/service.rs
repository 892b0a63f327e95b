//! Services outside the cluster, as programs call them.

use std::sync::Arc;

use broker_core::random::Random;

use super::clock::Clock;
use super::received::ConsumerRecord;
use super::station::Shared;
use crate::history::{ServiceCalled, What};
use crate::scaled::exponential;

/// A client of a service.
pub struct ServiceClient {
    shared: Shared,
    /// The endpoint whose history has the calls.
    client: usize,
    name: Arc<str>,
    random: Random,
}

/// A call of a service failed, as far as its caller knows: it may have taken effect.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the service {0} did not answer that it had succeeded")]
pub struct ServiceError(pub Arc<str>);

impl ServiceClient {
    pub(super) fn new(shared: Shared, client: usize, name: &str, random: Random) -> ServiceClient {
        let known = shared.lock().service(name).map(|service| Arc::clone(&service.name));
        let Some(name) = known else {
            panic!("the scenario has no service `{name}`");
        };
        ServiceClient {
            shared,
            client,
            name,
            random,
        }
    }

    /// Calls the service about a record. It takes the service's latency, exponentially distributed.
    ///
    /// # Errors
    /// When the service fails, or its answer is lost: then the call took effect all the same.
    pub async fn call(&mut self, record: &ConsumerRecord) -> Result<(), ServiceError> {
        let spec = self.spec();
        let latency = exponential(spec.latency.as_nanos() as f64, &mut self.random);
        let (fails, takes_effect) = (self.random.chance(spec.failure), self.random.chance(spec.ambiguous));
        let clock = Clock::new(self.shared.clone());
        if !spec.latency.is_zero() {
            clock.sleep(std::time::Duration::from_nanos(latency)).await;
        }
        let is_down = self.is_refused();
        let ok = !fails && !is_down;
        let what = What::ServiceCalled(ServiceCalled {
            service: Arc::clone(&self.name),
            uid: record.uid(),
            effect: ok || (takes_effect && !is_down),
            ok,
        });
        self.shared.lock().write(self.client, what);
        match ok {
            true => Ok(()),
            false => Err(ServiceError(Arc::clone(&self.name))),
        }
    }

    /// What it is like.
    fn spec(&self) -> crate::scenario::Service {
        let mut station = self.shared.lock();
        let service = station.service(&self.name).expect("it was there when this was made");
        service.spec.clone()
    }

    /// Whether it is down and refuses this call.
    fn is_refused(&self) -> bool {
        let mut station = self.shared.lock();
        let service = station.service(&self.name).expect("it was there when this was made");
        let is_down = service.down > 0;
        service.refused += u64::from(is_down);
        is_down
    }
}

//! The work itself: what a worker does with one record, whatever happens around it.

use std::sync::Arc;

use broker_core::random::Random;

use crate::history::SimTime;
use crate::program::consumer::ConsumerClient;
use crate::program::env::Env;
use crate::program::hop;
use crate::program::received::ConsumerRecord;
use crate::program::service::ServiceClient;
use crate::scenario::WorkerGroup;

/// A worker's hands.
pub(super) struct Hands {
    pub(super) env: Env,
    pub(super) group: Arc<WorkerGroup>,
    service: Option<ServiceClient>,
}

impl Hands {
    pub(super) fn new(group: Arc<WorkerGroup>, env: Env) -> Hands {
        Hands {
            service: group.service.as_deref().map(|name| env.service(name)),
            group,
            env,
        }
    }

    /// Hands of a task beside the program, with randomness of their own.
    pub(super) fn of_task(&self, number: u32) -> Hands {
        Hands::new(Arc::clone(&self.group), self.env.of_task(number))
    }

    /// Whether the worker has to end: it was asked to, its time is over, or its group has no place for it.
    pub(super) fn are_done(&self, consumer: &ConsumerClient) -> bool {
        let is_over = |stop| self.env.clock.now() >= SimTime::after(stop);
        self.env.is_stopping() || self.group.stop.is_some_and(is_over) || consumer.failure().is_some()
    }

    /// Works on a record. False if it fails.
    pub(super) async fn work_on(&mut self, record: &ConsumerRecord) -> bool {
        self.env.work(self.group.processing).await;
        if self.is_poison(record) || self.env.random.chance(self.group.failure) {
            return false;
        }
        match &mut self.service {
            Some(service) => service.call(record).await.is_ok(),
            None => true,
        }
    }

    /// Whether the record fails at each attempt, in this topic and those that copies of it reach.
    fn is_poison(&self, record: &ConsumerRecord) -> bool {
        if self.group.poison == 0.0 {
            return false;
        }
        let origin = hop::read(record.headers()).map(|hop| hop.origin).or(record.uid());
        let label = format!("poison {}", origin.map_or(0, |uid| uid.0));
        Random::new(self.env.seed(), &label).chance(self.group.poison)
    }
}

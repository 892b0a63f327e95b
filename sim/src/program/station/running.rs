//! The state that programs and the world share about a program as a whole, and about the services that it calls.

use core::ops::Range;
use std::sync::Arc;
use std::task::Waker;

use super::Station;
use crate::scenario::{Scenario, Service};

/// One program of the cast.
pub(crate) struct Running {
    /// The endpoints that it has, by their places in the cast.
    pub(crate) endpoints: Range<usize>,
    /// How many of them this run of it has opened.
    pub(crate) opened: usize,
    /// Whether it was asked to end in good order.
    pub(crate) is_stopping: bool,
    /// Whether it is to be started again when it ends.
    pub(crate) is_restarting: bool,
    /// How many times as long its work takes, for each fault that slows it.
    pub(crate) slowness: Vec<f64>,
    awaiting_stop: Vec<Waker>,
}

/// Something outside the cluster that programs call.
pub(crate) struct ServiceState {
    pub(crate) name: Arc<str>,
    pub(crate) spec: Service,
    /// How many faults keep it down.
    pub(crate) down: u32,
    /// How many calls failed because of that.
    pub(crate) refused: u64,
}

impl Running {
    /// A program that has not started.
    pub(crate) fn new(endpoints: Range<usize>) -> Running {
        Running {
            endpoints,
            opened: 0,
            is_stopping: false,
            is_restarting: false,
            slowness: Vec::new(),
            awaiting_stop: Vec::new(),
        }
    }

    /// A new run of it begins.
    pub(crate) fn start(&mut self) {
        self.opened = 0;
        self.is_stopping = false;
        self.is_restarting = false;
        self.awaiting_stop.clear();
    }

    /// How many times as long its work takes now.
    pub(crate) fn slowed(&self) -> f64 {
        self.slowness.iter().product()
    }
}

impl Station {
    /// Asks a program to end in good order.
    pub(crate) fn ask_to_stop(&mut self, program: usize) {
        let running = &mut self.programs[program];
        running.is_stopping = true;
        for waker in std::mem::take(&mut running.awaiting_stop) {
            self.wake(waker);
        }
    }

    /// Whether a program was asked to end; if not, `waker` is woken when it is.
    pub(crate) fn is_stopping(&mut self, program: usize, waker: &Waker) -> bool {
        let running = &mut self.programs[program];
        if !running.is_stopping {
            running.awaiting_stop.push(waker.clone());
        }
        running.is_stopping
    }

    /// The service of this name.
    pub(crate) fn service(&mut self, name: &str) -> Option<&mut ServiceState> {
        self.services.iter_mut().find(|service| &*service.name == name)
    }
}

pub(super) fn services(scenario: &Scenario) -> Vec<ServiceState> {
    let state = |spec: &Service| ServiceState {
        name: spec.name.as_str().into(),
        spec: spec.clone(),
        down: 0,
        refused: 0,
    };
    scenario.services.iter().map(state).collect()
}

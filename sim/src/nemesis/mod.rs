//! The nemesis draws a fault plan from a seed and weights.
//!
//! The plan is complete before the run starts, so that it can be printed, kept, and cut down to what a failure needs.
//! Each strike takes the same number of draws whatever comes of it: a changed weight or limit leaves the times of all
//! other strikes as they were.

mod strike;

use core::time::Duration;

use broker_core::random::Random;

use crate::fault::{Fault, FaultPlan, PlannedFault, Rolling, Target};
use crate::scaled::scaled;
use crate::scenario::Scenario;
use strike::{Draws, Occupied, strike};

/// How the nemesis behaves.
#[derive(Clone, PartialEq, Debug)]
pub struct NemesisSpec {
    /// When it begins.
    pub start: Duration,
    /// When it begins no more faults, and ends those that last.
    pub stop: Duration,
    /// The mean time between the beginnings of two faults; the gaps are exponentially distributed.
    pub interval: Duration,
    /// How long a fault holds in the mean; each holds half to one and a half of it.
    pub duration: Duration,
    /// Never more nodes than these are struck at once, by it and by the scenario's fixed faults together.
    pub max_concurrent: u32,
    /// How often each kind of fault is drawn.
    pub weights: Weights,
}

impl NemesisSpec {
    /// The defaults in a scenario of this duration.
    #[must_use]
    pub fn lasting(scenario_duration: Duration) -> NemesisSpec {
        NemesisSpec {
            start: Duration::from_secs(5).min(scenario_duration / 10),
            stop: scenario_duration,
            interval: Duration::from_secs(10),
            duration: Duration::from_secs(5),
            max_concurrent: 1,
            weights: Weights::default(),
        }
    }
}

/// How often each kind of fault is drawn, relative to the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names are the faults'
pub struct Weights {
    pub kill: u32,
    pub power_loss: u32,
    pub restart: u32,
    pub pause: u32,
    pub partition: u32,
    pub one_way: u32,
    pub slow_disk: u32,
    pub link: u32,
    pub kill_worker: u32,
    pub restart_worker: u32,
    pub pause_worker: u32,
    pub stop: u32,
}

impl Default for Weights {
    /// No power loss: what it takes away, Kafka's lazy flush never promised.
    fn default() -> Weights {
        Weights {
            kill: 3,
            power_loss: 0,
            restart: 1,
            pause: 1,
            partition: 2,
            one_way: 1,
            slow_disk: 1,
            link: 1,
            kill_worker: 0,
            restart_worker: 0,
            pause_worker: 0,
            stop: 0,
        }
    }
}

impl Weights {
    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_kind().iter().map(|(_, weight)| u64::from(*weight)).sum()
    }

    /// Each kind, by its key in a scenario file, with its weight.
    #[must_use]
    pub fn by_kind(&self) -> [(&'static str, u32); 12] {
        [
            ("kill", self.kill),
            ("power_loss", self.power_loss),
            ("restart", self.restart),
            ("pause", self.pause),
            ("partition", self.partition),
            ("one_way", self.one_way),
            ("slow_disk", self.slow_disk),
            ("link", self.link),
            ("kill_worker", self.kill_worker),
            ("restart_worker", self.restart_worker),
            ("pause_worker", self.pause_worker),
            ("stop", self.stop),
        ]
    }
}

/// Everything that the environment will do in the trial of this seed, in order of time: the scenario's fixed faults and
/// the nemesis' strikes.
#[must_use]
pub fn plan(scenario: &Scenario, seed: u64) -> FaultPlan {
    let mut plan: FaultPlan = Vec::new();
    for planned in &scenario.faults {
        match &planned.fault {
            Fault::RollingRestart { of, every, down } => {
                plan.extend(rolling_restart(scenario, planned.at, of, *every, *down));
            }
            _ => plan.push(planned.clone()),
        }
    }
    if let Some(spec) = &scenario.nemesis {
        plan.extend(strikes(scenario, spec, seed));
    }
    // Stable: faults of one moment keep the order of the file, fixed ones first.
    plan.sort_by_key(|planned| planned.at);
    plan
}

/// One stop for each worker of a group, or each broker.
fn rolling_restart(
    scenario: &Scenario,
    at: Duration,
    of: &Rolling,
    every: Duration,
    down: Duration,
) -> Vec<PlannedFault> {
    let fault = |number: u32| match of {
        Rolling::Workers(name) => Fault::Stop(Target::Client(format!("{name}/{number}"))),
        Rolling::Brokers { wait_for_isr: true } => Fault::StopInSync(Target::Broker(number)),
        Rolling::Brokers { wait_for_isr: false } => Fault::Stop(Target::Broker(number)),
    };
    let stop = |number: u32| {
        let at = at.saturating_add(every.saturating_mul(number - 1));
        PlannedFault {
            at,
            until: Some(at.saturating_add(down)),
            fault: fault(number),
        }
    };
    (1..=rolled(scenario, of)).map(stop).collect()
}

/// How many are restarted.
#[must_use]
pub fn rolled(scenario: &Scenario, of: &Rolling) -> u32 {
    match of {
        Rolling::Workers(name) => {
            let group = scenario.workers.iter().find(|group| group.name == *name);
            group.map_or(0, |group| group.count)
        }
        Rolling::Brokers { .. } => scenario.cluster.brokers,
    }
}

fn strikes(scenario: &Scenario, spec: &NemesisSpec, seed: u64) -> Vec<PlannedFault> {
    let mut random = Random::new(seed, "nemesis");
    let mut occupied = Occupied::by(&scenario.faults, scenario);
    let mut strikes = Vec::new();
    let mut at = spec.start;
    loop {
        let draws = Draws::take(&mut random);
        at = at.saturating_add(scaled(spec.interval, draws.exponential()));
        if at >= spec.stop {
            return strikes;
        }
        let until = at
            .saturating_add(scaled(spec.duration, 0.5 + draws.length()))
            .min(spec.stop);
        if let Some(fault) = strike(scenario, spec, &draws, &mut occupied, at, until) {
            strikes.push(PlannedFault {
                at,
                until: Some(until),
                fault,
            });
        }
    }
}

#[cfg(test)]
mod tests;

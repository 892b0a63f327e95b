//! The nemesis draws a fault plan from a seed and weights.
//!
//! The plan is complete before the run starts, so that it can be printed, kept, and cut down to what a failure needs.
//! Each fault takes the same number of draws whatever comes of it: a changed weight or limit leaves the times of all
//! other faults as they were.

mod draws;

use broker_core::random::Random;

use crate::faults::{FaultPlan, PlannedFault, Surroundings};
use crate::scaled::scaled;
use crate::scenario::{NemesisSpec, Scenario};
use draws::{Draws, Occupied};

/// Everything that the environment will do in the trial of this seed, in order of time: the scenario's fixed faults and
/// those of the nemesis.
#[must_use]
pub fn plan(scenario: &Scenario, seed: u64) -> FaultPlan {
    let surroundings = scenario.surroundings(&[]);
    let mut plan: FaultPlan = Vec::new();
    for planned in &scenario.faults {
        match planned.fault.series(planned.at, &surroundings) {
            Some(series) => plan.extend(series),
            None => plan.push(planned.clone()),
        }
    }
    if let Some(spec) = &scenario.nemesis {
        plan.extend(draw(scenario, &surroundings, spec, seed));
    }
    // Stable: faults of one moment keep the order of the file, fixed ones first.
    plan.sort_by_key(|planned| planned.at);
    plan
}

fn draw(scenario: &Scenario, surroundings: &Surroundings, spec: &NemesisSpec, seed: u64) -> Vec<PlannedFault> {
    let mut random = Random::new(seed, "nemesis");
    let mut occupied = Occupied::by(&scenario.faults, surroundings);
    let mut drawn = Vec::new();
    let mut at = spec.start;
    loop {
        let draws = Draws::take(&mut random);
        at = at.saturating_add(scaled(spec.interval, draws.exponential()));
        if at >= spec.stop {
            return drawn;
        }
        let until = at
            .saturating_add(scaled(spec.duration, 0.5 + draws.length()))
            .min(spec.stop);
        if let Some(fault) = draws.fault(surroundings, spec, &mut occupied, (at, until)) {
            drawn.push(PlannedFault {
                at,
                until: Some(until),
                fault,
            });
        }
    }
}

#[cfg(test)]
mod tests;

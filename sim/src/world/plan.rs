//! The fault plan, and what has become of each fault.

use super::FiredFault;
use super::event::WorldEvent;
use super::filters::Filters;
use super::queue::Queue;
use crate::faults::{FaultPlan, Lasting, PlannedFault, Target};
use crate::history::SimTime;

/// The plan and what has become of it.
pub(super) struct Faults<'a> {
    pub(super) plan: &'a FaultPlan,
    pub(super) courses: Vec<Course>,
    pub(super) filters: Filters,
    pub(super) healed: bool,
}

/// What has become of one fault.
#[derive(Default)]
pub(super) struct Course {
    pub(super) name: String,
    pub(super) began: Option<SimTime>,
    pub(super) ended: Option<SimTime>,
    /// When it ends, if it began later than planned.
    pub(super) ends_at: Option<u64>,
    pub(super) fired: bool,
    /// What its end has to undo.
    pub(super) lasting: Option<Box<dyn Lasting>>,
}

impl Course {
    /// Whether it lasts now.
    pub(super) fn is_on(&self) -> bool {
        self.began.is_some() && self.ended.is_none()
    }
}

impl<'a> Faults<'a> {
    pub(super) fn new(plan: &'a FaultPlan) -> Faults<'a> {
        let course = |planned: &PlannedFault| Course {
            name: planned.fault.text(&Target::to_string),
            ..Course::default()
        };
        Faults {
            plan,
            courses: plan.iter().map(course).collect(),
            filters: Filters::default(),
            healed: false,
        }
    }

    pub(super) fn schedule(&self, queue: &mut Queue<WorldEvent>) {
        for (number, planned) in self.plan.iter().enumerate() {
            queue.push(SimTime::after(planned.at).0, WorldEvent::Begin(number));
            if let Some(until) = planned.until {
                queue.push(SimTime::after(until).0, WorldEvent::End(number));
            }
        }
    }

    /// A fault had an effect.
    pub(super) fn had_effect(&mut self, number: usize) {
        self.courses[number].fired = true;
    }

    /// The plan as it came out by `now`.
    pub(super) fn outcome(&self, now: SimTime) -> Vec<FiredFault> {
        let came_out = |(course, planned): (&Course, &PlannedFault)| {
            let from = course.began.unwrap_or(SimTime::after(planned.at));
            FiredFault {
                name: course.name.clone(),
                from,
                to: course.ended.unwrap_or(now.max(from)),
                fired: course.fired,
            }
        };
        self.courses.iter().zip(self.plan).map(came_out).collect()
    }
}

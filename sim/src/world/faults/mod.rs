//! The fault plan: the nodes that a fault affects are decided when it begins, and all is undone when it ends.

mod primitives;

use std::time::Duration;

use super::engine::World;
use super::event::{Kind, NOWHERE, WorldEvent, fold};
use crate::faults::{Applied, Fault, PlannedFault};
use crate::history::{Environment, Observer, SimTime};
use primitives::Acting;

/// How often a fault that waits for a condition looks.
const CHECK: Duration = Duration::from_millis(100);

impl<O: Observer> World<'_, O> {
    // ---- beginning

    pub(super) fn begin_fault(&mut self, number: usize) {
        if self.faults.healed {
            return;
        }
        let PlannedFault { at, until, fault } = &self.faults.plan[number];
        if let Some(holds) = fault.condition() {
            if !holds(&self.acting(number)) {
                let again = self.now + SimTime::after(CHECK).0;
                return self.queue.push(again, WorldEvent::Begin(number));
            }
            // It lasts from now on, not from when it was to begin.
            if let Some(until) = until {
                let ends_at = self.now + SimTime::after(until.saturating_sub(*at)).0;
                self.faults.courses[number].ends_at = Some(ends_at);
                self.queue.push(ends_at, WorldEvent::End(number));
            }
        }
        self.count(Kind::FaultBegins, NOWHERE, fold(number));
        self.faults.courses[number].began = Some(SimTime(self.now));
        // A target that cannot be found leaves the fault unfired, with the name that the plan gives it.
        let Some(name) = self.name(fault) else { return };
        self.faults.courses[number].name = name;
        self.apply_fault(number, fault);
        self.look_for_effects();
    }

    fn apply_fault(&mut self, number: usize, fault: &Fault) {
        match fault.apply(&mut self.acting(number)) {
            Applied::Nothing => {}
            Applied::AtOnce => self.faults.had_effect(number),
            Applied::Lasting(lasting) => {
                self.faults.courses[number].lasting = Some(lasting);
                if fault.is_in_history() {
                    let name = self.faults.courses[number].name.clone();
                    self.note_everywhere(Environment::FaultBegan(name));
                }
            }
        }
    }

    /// The world, for this fault to act on.
    fn acting(&mut self, fault: usize) -> Acting<'_, Self> {
        Acting { world: self, fault }
    }

    /// Notes which of the faults that last have an effect: to cut the links of a node that is dead all the time changes
    /// nothing. Asked when a fault begins, when one ends, and when a node starts that one may be waiting for. What faults
    /// do to single messages is noted when it happens.
    pub(super) fn look_for_effects(&mut self) {
        for number in 0..self.faults.courses.len() {
            let course = &mut self.faults.courses[number];
            if !course.is_on() || course.fired {
                continue;
            }
            if let Some(lasting) = course.lasting.take() {
                let has_effect = lasting.has_effect(&self.acting(number));
                let course = &mut self.faults.courses[number];
                course.fired = has_effect;
                course.lasting = Some(lasting);
            }
        }
    }

    // ---- ending

    /// A fault's time may be over: not yet, if it began later than planned.
    pub(super) fn time_is_up(&mut self, number: usize) {
        let ends_at = self.faults.courses[number].ends_at;
        if ends_at.is_none_or(|ends_at| ends_at <= self.now) {
            self.end_fault(number);
        }
    }

    fn end_fault(&mut self, number: usize) {
        if !self.faults.courses[number].is_on() {
            return;
        }
        self.look_for_effects();
        let course = &mut self.faults.courses[number];
        course.ended = Some(SimTime(self.now));
        let lasting = course.lasting.take();
        self.count(Kind::FaultEnds, NOWHERE, fold(number));
        if let Some(lasting) = lasting {
            lasting.undo(&mut self.acting(number));
            if self.faults.plan[number].fault.is_in_history() {
                let name = self.faults.courses[number].name.clone();
                self.note_everywhere(Environment::FaultEnded(name));
            }
        }
        self.end_silence();
    }

    /// The safety phase is over: every fault ends, and everything runs.
    pub(super) fn heal(&mut self) {
        for number in 0..self.faults.plan.len() {
            self.end_fault(number);
        }
        self.faults.healed = true;
        for index in 0..self.nodes.len() {
            if !self.nodes[index].is_alive() && !self.nodes[index].has_ended {
                self.start(index);
            }
        }
        self.end_silence();
        self.count(Kind::Heal, NOWHERE, |_| {});
        self.note_everywhere(Environment::Healed);
        self.ask_later();
    }
}

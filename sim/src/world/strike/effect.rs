//! Whether a fault had an effect: to cut the links of a node that is dead all the time changes nothing.

use super::Undo;
use crate::history::Observer;
use crate::world::engine::World;

impl<O: Observer> World<'_, O> {
    /// Notes which of the faults that hold have an effect. Asked when a fault begins, when one ends, and when a node starts
    /// that one may be waiting for. Faults that catch single messages note for themselves that they did.
    pub(in crate::world) fn look_for_effects(&mut self) {
        for number in 0..self.strikes.strikes.len() {
            let strike = &self.strikes.strikes[number];
            if strike.is_on() && !strike.fired {
                let fired = strike.undo.iter().any(|step| self.undoes_something(step));
                self.strikes.strikes[number].fired = fired;
            }
        }
    }

    fn undoes_something(&self, step: &Undo) -> bool {
        let lives = |node: &usize| self.nodes[*node].is_alive();
        match step {
            Undo::Start(_) | Undo::Resume(..) | Undo::Unstick(..) => true,
            Undo::Mend(from, to) => lives(from) && lives(to) && self.network.cuts(*from, *to) == 1,
            Undo::Relieve(from, to) => lives(from) && lives(to) && self.network.cuts(*from, *to) == 0,
            Undo::Disk(node, _) => lives(node),
            Undo::Hasten { head, .. } => lives(head),
            Undo::Service { name, refused } => {
                let mut services = self.station.services.iter();
                services.any(|service| *service.name == **name && service.refused > *refused)
            }
            Undo::Release | Undo::Arrive | Undo::Tell => false,
        }
    }
}

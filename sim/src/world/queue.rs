//! The event queue: one binary heap, ordered by time and then by the order of scheduling.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events to come. Bodies lie in a slab, so that the heap moves small keys only.
pub(super) struct Queue<E> {
    heap: BinaryHeap<Reverse<Key>>,
    bodies: Vec<Option<E>>,
    free: Vec<u32>,
    sequence: u64,
}

/// Field order is the order of delivery. `sequence` is unique, so `slot` never decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    time: u64,
    sequence: u64,
    slot: u32,
}

impl<E> Queue<E> {
    pub(super) fn new() -> Queue<E> {
        Queue {
            heap: BinaryHeap::new(),
            bodies: Vec::new(),
            free: Vec::new(),
            sequence: 0,
        }
    }

    /// Schedules `event`; events of one time come in the order in which they were scheduled.
    pub(super) fn push(&mut self, time: u64, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.bodies[slot as usize] = Some(event);
                slot
            }
            None => {
                self.bodies.push(Some(event));
                (self.bodies.len() - 1) as u32
            }
        };
        self.sequence += 1;
        self.heap.push(Reverse(Key {
            time,
            sequence: self.sequence,
            slot,
        }));
    }

    /// When the next event is.
    pub(super) fn next_time(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(key)| key.time)
    }

    /// Takes the next event.
    pub(super) fn pop(&mut self) -> Option<(u64, E)> {
        let Reverse(key) = self.heap.pop()?;
        let event = self.bodies[key.slot as usize].take().expect("a key owns its slot");
        self.free.push(key.slot);
        Some((key.time, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_scheduling() {
        let mut queue = Queue::new();
        for (time, name) in [(5, "c"), (1, "a"), (5, "d"), (3, "b"), (5, "e")] {
            queue.push(time, name);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [(1, "a"), (3, "b"), (5, "c"), (5, "d"), (5, "e")]);
        queue.push(9, "again");
        assert_eq!(queue.bodies.len(), 5, "slots are used again");
    }
}

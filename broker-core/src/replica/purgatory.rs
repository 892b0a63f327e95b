//! Requests that wait (Kafka's purgatory): until when, and at which partition for what.

use alloc::collections::{BTreeMap, BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::machine::{ConnectionId, Instant, ReplyTo};
use crate::types::{Offset, TopicPartition};

/// Names one parked request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ParkedId(u64);

/// Requests by id, with the times at which they are given up.
pub(super) struct Parked<T> {
    requests: BTreeMap<ParkedId, T>,
    deadlines: BinaryHeap<Reverse<(Instant, ParkedId)>>,
    last: u64,
}

impl<T> Default for Parked<T> {
    fn default() -> Self {
        Parked {
            requests: BTreeMap::new(),
            deadlines: BinaryHeap::new(),
            last: 0,
        }
    }
}

impl<T> Parked<T> {
    /// Parks a request until `deadline`.
    pub fn insert(&mut self, deadline: Instant, request: T) -> ParkedId {
        self.last += 1;
        let id = ParkedId(self.last);
        self.requests.insert(id, request);
        self.deadlines.push(Reverse((deadline, id)));
        id
    }

    pub fn get(&self, id: ParkedId) -> Option<&T> {
        self.requests.get(&id)
    }

    pub fn get_mut(&mut self, id: ParkedId) -> Option<&mut T> {
        self.requests.get_mut(&id)
    }

    /// Takes a request out.
    pub fn remove(&mut self, id: ParkedId) -> Option<T> {
        let request = self.requests.remove(&id);
        self.forget_gone();
        request
    }

    /// Takes out those for which `gone` holds.
    pub fn discard(&mut self, mut gone: impl FnMut(&T) -> bool) {
        self.requests.retain(|_, request| !gone(request));
        self.forget_gone();
    }

    /// Takes out the next request whose time has come.
    pub fn next_expired(&mut self, now: Instant) -> Option<(ParkedId, T)> {
        while let Some(Reverse((deadline, id))) = self.deadlines.peek().copied() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop();
            if let Some(request) = self.requests.remove(&id) {
                self.forget_gone();
                return Some((id, request));
            }
        }
        None
    }

    /// When the next request is given up.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// Keeps the first deadline one of a request that is still here, so that no wake is for nothing.
    fn forget_gone(&mut self) {
        while let Some(Reverse((_, id))) = self.deadlines.peek()
            && !self.requests.contains_key(id)
        {
            self.deadlines.pop();
        }
    }
}

/// Who waits at one partition for which offset, ascending.
#[derive(Default)]
struct AppendQueue(VecDeque<(Offset, ParkedId)>);

impl AppendQueue {
    /// `request` waits until everything below `required` is there.
    fn push(&mut self, required: Offset, request: ParkedId) {
        let behind = self.0.iter().rposition(|(other, _)| *other <= required);
        self.0.insert(behind.map_or(0, |at| at + 1), (required, request));
    }

    /// The next request that waits for nothing above `reached`.
    fn pop_reached(&mut self, reached: Offset) -> Option<ParkedId> {
        let (required, _) = self.0.front()?;
        if *required > reached {
            return None;
        }
        self.0.pop_front().map(|(_, request)| request)
    }
}

/// Who waits for what at which partition.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<TopicPartition, AppendQueue>);

impl Waiting {
    /// `request` waits until everything below `required` is there.
    pub fn push(&mut self, partition: TopicPartition, required: Offset, request: ParkedId) {
        self.0.entry(partition).or_default().push(required, request);
    }

    /// The next request that waits for nothing above `reached`.
    pub fn pop_reached(&mut self, partition: TopicPartition, reached: Offset) -> Option<ParkedId> {
        self.0.get_mut(&partition)?.pop_reached(reached)
    }

    /// Every request that waits there, ascending by what it waits for.
    pub fn drain(&mut self, partition: TopicPartition) -> Vec<ParkedId> {
        let queue = self.0.remove(&partition).unwrap_or_default();
        queue.0.into_iter().map(|(_, request)| request).collect()
    }
}

/// True if the request came over this connection.
pub(super) fn came_over(reply_to: &ReplyTo, connection: ConnectionId) -> bool {
    reply_to.connection == connection
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn the_first_deadline_is_that_of_a_request_that_still_waits() {
        let mut parked = Parked::default();
        let first = parked.insert(Instant(10), 'a');
        let second = parked.insert(Instant(5), 'b');
        assert_eq!(parked.deadline(), Some(Instant(5)));
        assert_eq!(parked.remove(second), Some('b'));
        assert_eq!(parked.deadline(), Some(Instant(10)));
        assert_eq!(parked.next_expired(Instant(9)), None);
        assert_eq!(parked.next_expired(Instant(10)), Some((first, 'a')));
        assert_eq!(parked.deadline(), None);
    }

    #[test]
    fn requests_leave_the_queue_in_the_order_of_their_offsets() {
        let mut parked = Parked::default();
        let ids: Vec<ParkedId> = (0..4).map(|_| parked.insert(Instant(0), ())).collect();
        let at = TopicPartition::CLUSTER_METADATA;
        let mut waiting = Waiting::default();
        for (offset, id) in [(10, ids[0]), (20, ids[1]), (5, ids[2]), (20, ids[3])] {
            waiting.push(at, Offset(offset), id);
        }
        assert_eq!(waiting.pop_reached(at, Offset(4)), None);
        assert_eq!(waiting.pop_reached(at, Offset(10)), Some(ids[2]));
        assert_eq!(waiting.pop_reached(at, Offset(10)), Some(ids[0]));
        assert_eq!(waiting.pop_reached(at, Offset(19)), None);
        assert_eq!(waiting.drain(at), [ids[1], ids[3]]);
        assert_eq!(waiting.drain(at), []);
    }
}

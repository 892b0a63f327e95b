//! The last step of a replicated state machine: a reply waits until what it says is committed.
//!
//! The controller and the coordinators decide on the state at the end of their log, append what they decided and
//! replay it at once, so that the next decision sees it. Nobody is answered before it is committed: [`Replies`] holds the
//! answers, also those of decisions that wrote nothing, since they were made from what may not be committed yet.

use alloc::collections::VecDeque;

use crate::machine::Instant;
use crate::types::Offset;

/// Replies in the order in which they were decided.
///
/// Invariant: what each waits for is not below what the one before waits for, and not committed yet.
#[derive(Debug)]
pub struct Replies<T> {
    waiting: VecDeque<Waiting<T>>,
    committed_end: Offset,
}

#[derive(Debug)]
struct Waiting<T> {
    end: Offset,
    give_up_at: Option<Instant>,
    reply: T,
}

impl<T> Replies<T> {
    /// Nobody waits, and everything below `committed_end` is committed.
    #[must_use]
    pub fn new(committed_end: Offset) -> Replies<T> {
        Replies {
            waiting: VecDeque::new(),
            committed_end,
        }
    }

    /// Keeps a reply until everything below `end` is committed, or its time is up; gives it back if that is so already.
    ///
    /// # Panics
    /// When `end` is below that of an earlier reply that waits: a log's end does not fall under its leader.
    #[must_use = "what is given back is to be sent"]
    pub fn hold(&mut self, end: Offset, give_up_at: Option<Instant>, reply: T) -> Option<T> {
        if end <= self.committed_end {
            return Some(reply);
        }
        let last = self.waiting.back().map_or(end, |last| last.end);
        assert!(last <= end, "a reply at {end} behind one at {last}");
        self.waiting.push_back(Waiting { end, give_up_at, reply });
        None
    }

    /// Everything below `end` is committed: take out what may go with [`Replies::next_committed`].
    pub fn commit(&mut self, end: Offset) {
        self.committed_end = self.committed_end.max(end);
    }

    /// The next reply that waits for nothing any more.
    pub fn next_committed(&mut self) -> Option<T> {
        let first = self.waiting.front()?;
        let is_committed = first.end <= self.committed_end;
        is_committed.then(|| self.waiting.pop_front().expect("it was just there").reply)
    }

    /// The next reply whose time is up. They are looked at in order: after a clock has jumped back, a reply waits as
    /// long as the one before it.
    pub fn next_expired(&mut self, now: Instant) -> Option<T> {
        let first = self.waiting.front()?;
        let is_late = first.give_up_at.is_some_and(|at| at <= now);
        is_late.then(|| self.waiting.pop_front().expect("it was just there").reply)
    }

    /// Takes out everything: leadership is lost.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.waiting.drain(..).map(|waiting| waiting.reply)
    }

    /// Forgets those that nobody waits for any more.
    pub fn discard(&mut self, mut is_gone: impl FnMut(&T) -> bool) {
        self.waiting.retain(|waiting| !is_gone(&waiting.reply));
    }

    /// When the time of the next reply is up.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.front()?.give_up_at
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn committed(replies: &mut Replies<char>) -> Vec<char> {
        core::iter::from_fn(|| replies.next_committed()).collect()
    }

    #[test]
    fn replies_leave_in_order_once_committed() {
        let mut replies = Replies::new(Offset(5));
        assert_eq!(replies.hold(Offset(5), None, 'a'), Some('a'), "committed already");
        for (end, reply) in [(6, 'b'), (8, 'c'), (8, 'd'), (9, 'e')] {
            assert_eq!(replies.hold(Offset(end), None, reply), None);
        }
        for (end, left) in [(5, ""), (7, "b"), (6, ""), (8, "cd")] {
            replies.commit(Offset(end));
            assert_eq!(committed(&mut replies), left.chars().collect::<Vec<_>>(), "at {end}");
        }
        assert_eq!(replies.drain().collect::<Vec<_>>(), ['e']);
    }

    #[test]
    fn replies_are_given_up_or_forgotten() {
        let mut replies = Replies::new(Offset(0));
        for (at, reply) in [(10, 'a'), (20, 'b'), (30, 'c')] {
            assert_eq!(replies.hold(Offset(1), Some(Instant(at)), reply), None);
        }
        assert_eq!(replies.deadline(), Some(Instant(10)));
        assert_eq!(replies.next_expired(Instant(9)), None);
        assert_eq!(replies.next_expired(Instant(10)), Some('a'));
        assert_eq!(replies.next_expired(Instant(10)), None);
        replies.discard(|reply| *reply == 'b');
        assert_eq!(replies.deadline(), Some(Instant(30)));
        replies.commit(Offset(1));
        assert_eq!(committed(&mut replies), ['c']);
        assert_eq!(replies.deadline(), None);
    }

    #[test]
    #[should_panic(expected = "a reply at 3 behind one at 4")]
    fn ends_do_not_fall() {
        let mut replies = Replies::new(Offset(0));
        assert_eq!(replies.hold(Offset(4), None, 'a'), None);
        let _ = replies.hold(Offset(3), None, 'b');
    }
}

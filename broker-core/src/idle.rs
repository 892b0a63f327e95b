//! Connections without use: which are to be closed, and when to look for them (`connections.max.idle.ms`).

use core::time::Duration;

use crate::machine::Instant;

/// When to look again for connections without use. One deadline for all of them: until it comes, use costs nothing.
#[derive(Debug)]
pub(crate) struct IdleCheck {
    max_idle: Duration,
    /// No connection is idle for too long before; the end of time while none is open.
    next: Instant,
}

impl IdleCheck {
    pub fn new(max_idle: Duration) -> IdleCheck {
        let next = Instant::NEVER;
        IdleCheck { max_idle, next }
    }

    /// A connection is used, perhaps for the first time.
    pub fn used(&mut self, now: Instant) {
        if self.next == Instant::NEVER {
            self.next = now + self.max_idle;
        }
    }

    /// When to ask [`IdleCheck::next`].
    pub fn deadline(&self) -> Option<Instant> {
        Some(self.next).filter(|next| *next < Instant::NEVER)
    }

    /// The next of the open connections that is to be closed; each is given with the time at which it was last used. Ask
    /// until there is none.
    pub fn next<C>(&mut self, now: Instant, open: impl Iterator<Item = (C, Instant)>) -> Option<C> {
        if now < self.next {
            return None;
        }
        let Some((oldest, used_at)) = open.min_by_key(|(_, used_at)| *used_at) else {
            self.next = Instant::NEVER;
            return None;
        };
        let due = used_at + self.max_idle;
        if due <= now {
            return Some(oldest);
        }
        self.next = due;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_closed_first_and_one_deadline_serves_all() {
        let at = |seconds: u64| Instant(seconds * 1_000_000_000);
        let mut idle = IdleCheck::new(Duration::from_secs(10));
        assert_eq!(
            (idle.deadline(), idle.next::<u32>(at(5), core::iter::empty())),
            (None, None)
        );
        idle.used(at(1));
        idle.used(at(4));
        assert_eq!(idle.deadline(), Some(at(11)), "use does not move it");
        let open = [("a", at(9)), ("b", at(4))];
        assert_eq!(idle.next(at(10), open.into_iter()), None);
        assert_eq!(
            (idle.next(at(11), open.into_iter()), idle.deadline()),
            (None, Some(at(14)))
        );
        assert_eq!(idle.next(at(14), open.into_iter()), Some("b"));
        assert_eq!(
            (idle.next(at(14), open.into_iter().take(1)), idle.deadline()),
            (None, Some(at(19)))
        );
        assert_eq!(idle.next(at(30), open.into_iter().take(1)), Some("a"));
        assert_eq!(
            (idle.next(at(30), open.into_iter().take(0)), idle.deadline()),
            (None, None)
        );
        idle.used(at(40));
        assert_eq!(idle.deadline(), Some(at(50)));
    }
}

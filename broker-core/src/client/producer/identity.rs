//! Getting a producer id, and going on to the next epoch of it.

use crate::backoff::Backoff;
use crate::machine::{Context, Instant};
use crate::protocol::InitProducerIdRequest;
use crate::types::ProducerEpoch;

use super::sequence::ProducerIdentity;

/// The producer's identity (`TransactionManager` of a producer without transactional id). Any broker is asked for an id;
/// the producer alone has it, and goes on to its next epoch without asking (`bumpIdempotentProducerEpoch`).
pub(super) struct Identity {
    current: Option<ProducerIdentity>,
    /// An id is to be asked for, or is being asked for.
    wants_id: bool,
    is_asked: bool,
    retry_at: Instant,
    attempts: u32,
    backoff: Backoff,
}

impl Identity {
    pub fn new(backoff: Backoff) -> Identity {
        Identity {
            current: None,
            wants_id: false,
            is_asked: false,
            retry_at: Instant(0),
            attempts: 0,
            backoff,
        }
    }

    /// The identity, once there is one.
    pub fn current(&self) -> Option<ProducerIdentity> {
        self.current
    }

    /// Asks for an id, if there is none.
    pub fn want(&mut self) {
        self.wants_id |= self.current.is_none();
    }

    /// Goes on to the next epoch. After the last one of an id there is none until a new id is given.
    pub fn next_epoch(&mut self) -> Option<ProducerIdentity> {
        let current = self.current?;
        match current.epoch.0.checked_add(1) {
            None => self.renounce(),
            Some(epoch) => {
                let epoch = ProducerEpoch(epoch);
                self.current = Some(ProducerIdentity { epoch, ..current });
            }
        }
        self.current
    }

    /// Gives the identity up and asks for a new one.
    pub fn renounce(&mut self) {
        self.current = None;
        self.wants_id = true;
    }

    /// When a request is due.
    pub fn due(&self) -> Option<Instant> {
        (self.wants_id && !self.is_asked).then_some(self.retry_at)
    }

    /// The request, which is out from now on.
    pub fn request(&mut self) -> InitProducerIdRequest {
        self.is_asked = true;
        InitProducerIdRequest { current: None }
    }

    /// The request failed.
    pub fn failed(&mut self, cx: &mut Context<'_>) {
        self.is_asked = false;
        self.retry_at = cx.now + self.backoff.after(self.attempts, cx.rng);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// The answer.
    pub fn answered(&mut self, answer: ProducerIdentity) {
        self.attempts = 0;
        self.retry_at = Instant(0);
        self.is_asked = false;
        self.wants_id = false;
        self.current = Some(answer);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::types::ProducerId;

    #[test]
    fn epochs_go_on_by_themselves_until_the_last_one() {
        let pause = Duration::from_millis(100);
        let mut identity = Identity::new(Backoff {
            initial: pause,
            max: pause,
        });
        assert_eq!(identity.next_epoch(), None, "there is no id yet");
        let of = |epoch| ProducerIdentity {
            id: ProducerId(7),
            epoch: ProducerEpoch(epoch),
        };
        identity.answered(of(i16::MAX - 1));
        assert_eq!(identity.next_epoch(), Some(of(i16::MAX)));
        assert_eq!(identity.due(), None, "nobody is asked");
        assert_eq!(identity.next_epoch(), None);
        assert!(identity.due().is_some(), "a new id is asked for");
    }
}

//! Getting a producer id, and the next epoch of it.

use crate::client::network::Backoff;
use crate::machine::{Context, Instant};
use crate::protocol::{ErrorCode, InitProducerIdRequest};

use super::sequence::ProducerIdentity;

/// The producer's identity and the request for the next one (`TransactionManager` of a producer without
/// transactional id). Any broker is asked: for a new id, or for the next epoch of the one there is (KIP-360).
pub(super) struct Identity {
    current: Option<ProducerIdentity>,
    wanted: Wanted,
    /// The identity that the request that is out was made for.
    asked_for: Option<Option<ProducerIdentity>>,
    retry_at: Instant,
    attempts: u32,
    backoff: Backoff,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Nothing,
    NewId,
    NextEpoch,
}

impl Identity {
    pub fn new(backoff: Backoff) -> Identity {
        Identity {
            current: None,
            wanted: Wanted::Nothing,
            asked_for: None,
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
        if self.current.is_none() {
            self.wanted = Wanted::NewId;
        }
    }

    /// Asks for the next epoch.
    pub fn want_next_epoch(&mut self) {
        if self.wanted == Wanted::Nothing {
            self.wanted = Wanted::NextEpoch;
        }
    }

    /// Gives the identity up and asks for a new one.
    pub fn renounce(&mut self) {
        self.current = None;
        self.wanted = Wanted::NewId;
    }

    /// When a request is due.
    pub fn due(&self) -> Option<Instant> {
        (self.wanted != Wanted::Nothing && self.asked_for.is_none()).then_some(self.retry_at)
    }

    /// The request, which is out from now on.
    pub fn request(&mut self) -> InitProducerIdRequest {
        self.asked_for = Some(self.current);
        InitProducerIdRequest {
            current: self.current.map(|current| (current.id, current.epoch)),
        }
    }

    /// The request failed.
    pub fn failed(&mut self, cx: &mut Context<'_>, error: ErrorCode) {
        self.asked_for = None;
        self.retry_at = cx.now + self.backoff.after(self.attempts, cx.rng);
        self.attempts = self.attempts.saturating_add(1);
        // There will be no next epoch of an id that the broker refuses.
        let is_refused = matches!(
            error,
            ErrorCode::InvalidProducerEpoch | ErrorCode::ProducerFenced | ErrorCode::UnknownProducerId
        );
        if is_refused {
            self.renounce();
        }
    }

    /// The answer; `None` if the identity that it continues was given up in the meantime.
    pub fn answered(&mut self, answer: ProducerIdentity) -> Option<ProducerIdentity> {
        self.attempts = 0;
        self.retry_at = Instant(0);
        if self.asked_for.take() != Some(self.current) {
            return None;
        }
        self.current = Some(answer);
        self.wanted = Wanted::Nothing;
        Some(answer)
    }
}

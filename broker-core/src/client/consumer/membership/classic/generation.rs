//! Where a member of the classic protocol stands: who it is, the generation that it is in, and how far it has come there.

use core::time::Duration;

use super::leadership::Leadership;
use crate::config::{ConsumerConfig, millis};
use crate::machine::Instant;
use crate::types::{GroupEpoch, MemberId};

/// Where a member stands.
pub(super) enum State {
    /// It is to join, but not before `retry_at`.
    Unjoined { retry_at: Instant, identity: Identity },
    /// JoinGroup is out.
    Joining { identity: Identity },
    /// It is in a generation.
    Joined { generation: Generation, progress: Progress },
}

/// Who a member is that is to join.
#[derive(Default)]
pub(super) enum Identity {
    /// Nobody whom the coordinator knows.
    #[default]
    Unknown,
    /// The coordinator has given it an id.
    Named(MemberId),
    /// It is in the generation that it joined last, until it is in the next one.
    Member(Generation),
}

/// How far a member of a generation has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// It leads, and waits for the metadata of the group's topics.
    Assigning,
    /// SyncGroup is out.
    Syncing,
    /// It has its assignment.
    Stable,
}

/// A generation that it has joined.
pub(super) struct Generation {
    pub member: MemberId,
    pub epoch: GroupEpoch,
    /// What it knows as the leader.
    pub leadership: Option<Leadership>,
    heartbeat_at: Instant,
    heartbeat_is_out: bool,
    /// Without an answer until then the coordinator counts as lost.
    session_ends: Instant,
}

/// What is due about heartbeats.
pub(super) struct Heartbeats {
    pub member: MemberId,
    pub generation: GroupEpoch,
    pub turn: u64,
    /// When the next one is to be sent; none while one is out.
    pub next: Option<Instant>,
    pub session_ends: Instant,
    /// The coordinator has not answered for a whole session.
    pub is_silent: bool,
}

impl Identity {
    pub fn id(&self) -> Option<&MemberId> {
        match self {
            Identity::Unknown => None,
            Identity::Named(id) => Some(id),
            Identity::Member(generation) => Some(&generation.member),
        }
    }

    pub fn generation(&self) -> Option<&Generation> {
        match self {
            Identity::Unknown | Identity::Named(_) => None,
            Identity::Member(generation) => Some(generation),
        }
    }
}

impl State {
    pub const UNJOINED: State = State::Unjoined {
        retry_at: Instant(0),
        identity: Identity::Unknown,
    };

    /// The generation that it joined last, and has not lost.
    pub fn generation(&self) -> Option<&Generation> {
        match self {
            State::Unjoined { identity, .. } | State::Joining { identity } => identity.generation(),
            State::Joined { generation, .. } => Some(generation),
        }
    }

    pub fn generation_mut(&mut self) -> Option<&mut Generation> {
        match self {
            State::Unjoined {
                identity: Identity::Member(generation),
                ..
            }
            | State::Joining {
                identity: Identity::Member(generation),
            }
            | State::Joined { generation, .. } => Some(generation),
            State::Unjoined { .. } | State::Joining { .. } => None,
        }
    }

    pub fn into_identity(self) -> Identity {
        match self {
            State::Unjoined { identity, .. } | State::Joining { identity } => identity,
            State::Joined { generation, .. } => Identity::Member(generation),
        }
    }
}

impl Generation {
    /// A generation that it joins now.
    pub fn new(
        now: Instant,
        config: &ConsumerConfig,
        member: MemberId,
        epoch: GroupEpoch,
        leadership: Option<Leadership>,
    ) -> Generation {
        Generation {
            member,
            epoch,
            leadership,
            heartbeat_at: now + millis(config.heartbeat_interval_ms),
            heartbeat_is_out: false,
            session_ends: now + millis(config.session_timeout_ms),
        }
    }

    /// What is due about heartbeats in this turn. A session that is over begins anew.
    pub fn heartbeats(&mut self, now: Instant, session: Duration, turn: u64) -> Heartbeats {
        let is_silent = self.session_ends <= now;
        if is_silent {
            self.session_ends = now + session;
        }
        Heartbeats {
            member: self.member.clone(),
            generation: self.epoch,
            turn,
            next: (!self.heartbeat_is_out).then_some(self.heartbeat_at),
            session_ends: self.session_ends,
            is_silent,
        }
    }

    /// A heartbeat goes out; the one behind it is due then.
    pub fn heartbeat_sent(&mut self, next: Instant) {
        self.heartbeat_is_out = true;
        self.heartbeat_at = next;
    }

    /// A heartbeat was answered, or its connection was lost.
    pub fn heartbeat_ended(&mut self) {
        self.heartbeat_is_out = false;
    }

    /// The coordinator has answered: the session ends then.
    pub fn extend_session(&mut self, ends: Instant) {
        self.session_ends = ends;
    }

    /// The heartbeat failed; the next one is tried then.
    pub fn retry_heartbeat(&mut self, at: Instant) {
        self.heartbeat_at = at;
    }
}

//! How the sends of one client ended.

use broker_core::protocol::ErrorCode;

use crate::history::At;

/// The sends of one client, without those that close a trial.
#[derive(Clone, Copy, Default)]
pub(super) struct SendCounts {
    pub ok: u64,
    pub failed: u64,
    /// Those of a process that died apart.
    pub unknown: u64,
    pub bad: Option<Bad>,
}

/// The sends of one client that did not end well.
#[derive(Clone, Copy)]
pub(super) struct Bad {
    /// When the first of them ended.
    pub first: At,
    /// When the last did.
    pub last: At,
    /// How the last did.
    pub error: ErrorCode,
    /// The place of the topic that they went to; none if there are several.
    pub topic: Option<u32>,
}

impl SendCounts {
    /// Adds those of another run of the same client.
    pub fn add(&mut self, other: &SendCounts) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.bad = match (self.bad, other.bad) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
    }

    pub fn ended_badly(&mut self, at: At, error: ErrorCode, topic: u32) {
        let one = Bad {
            first: at,
            last: at,
            error,
            topic: Some(topic),
        };
        self.bad = Some(self.bad.map_or(one, |bad| bad.and(one)));
    }
}

impl Bad {
    fn and(self, other: Bad) -> Bad {
        let last = if other.last >= self.last { other } else { self };
        Bad {
            first: self.first.min(other.first),
            topic: self.topic.filter(|topic| other.topic == Some(*topic)),
            ..last
        }
    }
}

//! A broker that partitions are fetched from. At most one fetch to it is unanswered at a time, and while one is, what it
//! asks for stands: the fetch session can be changed through [`Idle`] alone.

use crate::config::{ConsumerConfig, wire_millis};
use crate::fetch_session::FetchSession;
use crate::protocol::{FetchPartition, FetchRequest, IsolationLevel};
use crate::types::TopicPartition;

/// A broker that partitions are fetched from.
#[derive(Default)]
pub(super) struct Source {
    session: FetchSession,
    state: State,
    /// The session may name partitions that are not assigned any more.
    has_strangers: bool,
}

#[derive(Clone, Copy, Default)]
enum State {
    /// No fetch is out.
    #[default]
    Idle,
    /// A fetch is out.
    Fetching,
}

/// A broker to which no fetch is out.
pub(in super::super) struct Idle<'a>(&'a mut Source);

impl Source {
    /// The broker, to change what is fetched from it or to fetch; none while a fetch is out.
    pub fn idle(&mut self) -> Option<Idle<'_>> {
        match self.state {
            State::Idle => Some(Idle(self)),
            State::Fetching => None,
        }
    }

    /// The fetch has ended. What its answer means is up to the session.
    pub fn ended(&mut self) -> &mut FetchSession {
        self.state = State::Idle;
        &mut self.session
    }

    /// Partitions have left the assignment, maybe some of this broker.
    pub fn suspect_strangers(&mut self) {
        self.has_strangers = true;
    }
}

impl Idle<'_> {
    /// The next fetch asks this for a partition.
    pub(super) fn set(&mut self, partition: FetchPartition) {
        self.0.session.set(partition);
    }

    /// The next fetch asks nothing for a partition.
    pub(super) fn forget(&mut self, partition: TopicPartition) {
        self.0.session.forget(partition);
    }

    /// The next fetch asks nothing for partitions that have left the assignment, if any may have.
    pub(super) fn drop_strangers(&mut self, is_fetched: impl FnMut(TopicPartition) -> bool) {
        if core::mem::take(&mut self.0.has_strangers) {
            self.0.session.retain(is_fetched);
        }
    }

    /// Whether nothing is fetched from it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.session.is_empty()
    }

    /// The next fetch, which is out from now on.
    pub fn fetch(self, config: &ConsumerConfig) -> FetchRequest {
        self.0.state = State::Fetching;
        let contents = self.0.session.next_fetch();
        FetchRequest {
            replica: None,
            metadata: contents.metadata,
            max_wait_ms: wire_millis(config.fetch_max_wait_ms),
            min_bytes: config.fetch_min_bytes,
            max_bytes: config.fetch_max_bytes,
            isolation: IsolationLevel::ReadUncommitted,
            partitions: contents.partitions,
            forgotten: contents.forgotten,
        }
    }
}

//! A reader's side of fetch sessions (KIP-227; Kafka `FetchSessionHandler`): a broker remembers what the reader wants, so
//! that each fetch names only what has changed since the one before, and its answer only that about which there is
//! something to say.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::protocol::{ErrorCode, FetchMetadata, FetchPartition, FetchResponse};
use crate::types::TopicPartition;

/// What one reader reads from one broker, and how much of that the broker knows already.
#[derive(Debug)]
pub(crate) struct FetchSession {
    next: FetchMetadata,
    partitions: BTreeMap<TopicPartition, Wanted>,
    turns: u64,
    changed: BTreeSet<TopicPartition>,
    forgotten: BTreeSet<TopicPartition>,
}

#[derive(Debug)]
struct Wanted {
    fetch: FetchPartition,
    /// When it gave records last: who has waited for longest is named first.
    turn: u64,
}

/// The part of a fetch request that its session decides.
#[derive(Debug)]
pub(crate) struct FetchContents {
    pub metadata: FetchMetadata,
    pub partitions: Vec<FetchPartition>,
    pub forgotten: Box<[TopicPartition]>,
}

impl Default for FetchSession {
    fn default() -> Self {
        FetchSession {
            next: FetchMetadata::INITIAL,
            partitions: BTreeMap::new(),
            turns: 0,
            changed: BTreeSet::new(),
            forgotten: BTreeSet::new(),
        }
    }
}

impl FetchSession {
    /// From the next fetch on, this is what is wanted of the partition.
    pub fn set(&mut self, fetch: FetchPartition) {
        let id = fetch.partition;
        match self.partitions.get_mut(&id) {
            Some(wanted) if wanted.fetch == fetch => return,
            Some(wanted) => wanted.fetch = fetch,
            None => {
                let turn = self.turns;
                self.partitions.insert(id, Wanted { fetch, turn });
                self.forgotten.remove(&id);
            }
        }
        self.changed.insert(id);
    }

    /// From the next fetch on, nothing is wanted of the partition.
    pub fn forget(&mut self, id: TopicPartition) {
        if self.partitions.remove(&id).is_some() {
            self.changed.remove(&id);
            self.forgotten.insert(id);
        }
    }

    /// From the next fetch on, nothing is wanted of other partitions than these.
    pub fn retain(&mut self, mut wanted: impl FnMut(TopicPartition) -> bool) {
        let gone = self.partitions.keys().copied().filter(|id| !wanted(*id));
        for id in gone.collect::<Vec<_>>() {
            self.forget(id);
        }
    }

    /// What is wanted of a partition, if something is.
    pub fn get(&self, id: TopicPartition) -> Option<&FetchPartition> {
        self.partitions.get(&id).map(|wanted| &wanted.fetch)
    }

    /// All of which something is wanted.
    #[cfg(test)]
    pub fn partitions(&self) -> impl Iterator<Item = TopicPartition> {
        self.partitions.keys().copied()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// What the next fetch carries. One fetch is under way at a time.
    pub fn next_fetch(&mut self) -> FetchContents {
        let changed = core::mem::take(&mut self.changed);
        let forgotten = core::mem::take(&mut self.forgotten);
        if self.next.is_full() {
            let mut all: Vec<&Wanted> = self.partitions.values().collect();
            all.sort_by_key(|wanted| wanted.turn);
            return FetchContents {
                metadata: self.next,
                partitions: all.into_iter().map(|wanted| wanted.fetch.clone()).collect(),
                forgotten: Box::default(),
            };
        }
        FetchContents {
            metadata: self.next,
            partitions: changed.iter().map(|id| self.partitions[id].fetch.clone()).collect(),
            forgotten: forgotten.into_iter().collect(),
        }
    }

    /// Takes note of a fetch's answer. What it says of partitions counts only if this returns true; the fetch after an
    /// answer that does not count names all partitions.
    pub fn on_response(&mut self, response: &FetchResponse) -> bool {
        let asked = self.next;
        let (next, counts) = match response.error {
            ErrorCode::None if self.is_answered_by(response) => {
                let next = match response.session_id {
                    0 => FetchMetadata::INITIAL,
                    session_id => asked.next(session_id),
                };
                (next, true)
            }
            ErrorCode::FetchSessionIdNotFound => (FetchMetadata::INITIAL, false),
            _ => (asked.replace(), false),
        };
        self.next = next;
        for answer in response.partitions.iter().filter(|answer| !answer.records.is_empty()) {
            if let Some(wanted) = self.partitions.get_mut(&answer.partition) {
                self.turns += 1;
                wanted.turn = self.turns;
            }
        }
        counts
    }

    /// A fetch was lost, or its answer: what the broker knows is not known any more.
    pub fn on_lost(&mut self) {
        self.next = self.next.replace();
    }

    /// Whether the answer names all partitions of a full request, or else none that is not of the session.
    fn is_answered_by(&self, response: &FetchResponse) -> bool {
        let known = |id: TopicPartition| self.partitions.contains_key(&id);
        let answered = &response.partitions;
        let is_whole = !self.next.is_full() || answered.len() == self.partitions.len();
        is_whole && answered.iter().all(|answer| known(answer.partition))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::protocol::FetchPartitionResponse;
    use crate::types::{Offset, PartitionIndex, TopicId};

    fn id(partition: i32) -> TopicPartition {
        TopicPartition {
            topic: TopicId(7),
            partition: PartitionIndex(partition),
        }
    }

    fn fetch(partition: i32, offset: i64) -> FetchPartition {
        FetchPartition {
            partition: id(partition),
            current_leader_epoch: None,
            fetch_offset: Offset(offset),
            last_fetched_epoch: None,
            log_start_offset: Offset(-1),
            max_bytes: 1,
        }
    }

    fn answer(error: ErrorCode, session_id: i32, partitions: &[i32]) -> FetchResponse {
        let nothing = |partition: &i32| FetchPartitionResponse::error(id(*partition), ErrorCode::None);
        FetchResponse {
            error,
            session_id,
            partitions: partitions.iter().map(nothing).collect(),
        }
    }

    /// Session, epoch, partition and offset of what is read, and what is forgotten.
    type Sent = ((i32, i32), Vec<(i32, i64)>, Vec<i32>);

    fn sent(session: &mut FetchSession) -> Sent {
        let contents = session.next_fetch();
        let partitions = contents.partitions.iter();
        (
            (contents.metadata.session_id, contents.metadata.epoch),
            partitions
                .map(|fetch| (fetch.partition.partition.0, fetch.fetch_offset.0))
                .collect(),
            contents.forgotten.iter().map(|id| id.partition.0).collect(),
        )
    }

    /// A session 9 that has begun over partitions 0 and 1.
    fn begun() -> FetchSession {
        let mut session = FetchSession::default();
        session.set(fetch(0, 5));
        session.set(fetch(1, 6));
        assert_eq!(sent(&mut session), ((0, 0), vec![(0, 5), (1, 6)], vec![]));
        assert!(session.on_response(&answer(ErrorCode::None, 9, &[0, 1])));
        session
    }

    /// The cases of Kafka's `FetchSessionHandlerTest`.
    #[test]
    fn within_a_session_only_changes_are_named() {
        let mut session = begun();
        session.set(fetch(1, 6));
        assert_eq!(sent(&mut session), ((9, 1), vec![], vec![]), "nothing is new");
        assert!(session.on_response(&answer(ErrorCode::None, 9, &[])));
        session.set(fetch(1, 7));
        session.set(fetch(2, 0));
        session.forget(id(0));
        session.forget(id(8));
        assert_eq!(sent(&mut session), ((9, 2), vec![(1, 7), (2, 0)], vec![0]));
        assert!(session.on_response(&answer(ErrorCode::None, 9, &[2])));
        session.forget(id(1));
        session.set(fetch(1, 7));
        assert_eq!(
            sent(&mut session),
            ((9, 3), vec![(1, 7)], vec![]),
            "it came back in time"
        );
        assert!(session.on_response(&answer(ErrorCode::None, 9, &[])));
        session.retain(|of| of != id(2));
        assert_eq!(sent(&mut session), ((9, 4), vec![], vec![2]));
    }

    #[test]
    fn what_the_broker_may_not_know_is_named_again() {
        let all = || vec![(0, 5), (1, 6)];
        let rows = [
            ("the session ended", Some(answer(ErrorCode::None, 0, &[])), (0, 0), true),
            (
                "the broker forgot it",
                Some(answer(ErrorCode::FetchSessionIdNotFound, 0, &[])),
                (0, 0),
                false,
            ),
            (
                "the broker counts otherwise",
                Some(answer(ErrorCode::InvalidFetchSessionEpoch, 0, &[])),
                (9, 0),
                false,
            ),
            (
                "another error",
                Some(answer(ErrorCode::UnknownServerError, 0, &[])),
                (9, 0),
                false,
            ),
            (
                "a partition that is not of the session",
                Some(answer(ErrorCode::None, 9, &[2])),
                (9, 0),
                false,
            ),
            ("the connection was lost", None, (9, 0), false),
        ];
        for (row, response, next, counts) in rows {
            let mut session = begun();
            assert_eq!(sent(&mut session).0, (9, 1), "{row}");
            match response {
                Some(response) => assert_eq!(session.on_response(&response), counts, "{row}"),
                None => session.on_lost(),
            }
            assert_eq!(sent(&mut session), (next, all(), vec![]), "{row}");
        }
    }

    #[test]
    fn a_full_answer_names_all_and_a_broker_without_sessions_is_asked_in_full() {
        let mut session = FetchSession::default();
        session.set(fetch(0, 5));
        session.set(fetch(1, 6));
        for _ in 0..2 {
            assert_eq!(sent(&mut session), ((0, 0), vec![(0, 5), (1, 6)], vec![]));
            assert!(session.on_response(&answer(ErrorCode::None, 0, &[0, 1])));
        }
        assert_eq!(sent(&mut session).0, (0, 0));
        assert!(!session.on_response(&answer(ErrorCode::None, 9, &[0])));
        assert_eq!(sent(&mut session), ((0, 0), vec![(0, 5), (1, 6)], vec![]));
    }

    #[test]
    fn epochs_go_round() {
        let before = FetchMetadata {
            session_id: 9,
            epoch: i32::MAX,
        };
        assert_eq!(before.next(9).epoch, 1);
        assert_eq!(FetchMetadata::INITIAL.next(9).epoch, 1);
    }
}

//! Fetch sessions at the broker that is read from (KIP-227; Kafka `FetchSession`, `FetchSessionCache`): what each reader
//! wants, and at which of its partitions there may be something to say.
//!
//! A fetch costs as much as there is news, not as there are partitions: each partition notifies the sessions that read it
//! when something about it changes, and a session looks at no other. A reader without a session has one for a single
//! fetch.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::machine::{ConnectionId, Instant};
use crate::protocol::{ErrorCode, FetchPartition, FetchRequest, FetchingReplica};
use crate::replica::purgatory::ParkedId;
use crate::types::{Offset, TopicPartition};

/// How long a session has a right to its slot (Kafka `KafkaBroker.MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS`).
const MIN_EVICTION: Duration = Duration::from_secs(120);

/// Names a session, also one of a single fetch. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SessionId(pub i32);

/// All sessions of a broker.
pub(super) struct Sessions {
    /// How many sessions may outlive their first fetch (`max.incremental.fetch.session.cache.slots`).
    slots: usize,
    last_id: i32,
    sessions: BTreeMap<SessionId, Session>,
    /// Who reads a partition.
    readers: BTreeMap<TopicPartition, Vec<SessionId>>,
}

/// What one reader wants.
pub(super) struct Session {
    connection: ConnectionId,
    /// The replica that reads, as its latest fetch says.
    pub replica: Option<FetchingReplica>,
    /// Whether it outlives its first fetch.
    is_kept: bool,
    /// The number of the next fetch.
    epoch: i32,
    created_at: Instant,
    /// When its latest fetch came.
    pub fetched_at: Instant,
    partitions: BTreeMap<TopicPartition, Wanted>,
    /// Partitions about which there may be something to say, those first that have waited for longest.
    news: BTreeSet<(u64, TopicPartition)>,
    turns: u64,
    /// The answer that is due names all partitions.
    answers_all: bool,
    /// The fetch that waits.
    pub parked: Option<ParkedId>,
}

/// What every answer says of a partition: its high watermark and the start of its log.
pub(super) type High = (Offset, Offset);

/// What an answer says of a partition.
pub(super) struct Said {
    /// What the reader knows from now on; nothing if something is wrong.
    pub known: Option<High>,
    /// It has records: the partition is read last from now on.
    pub has_records: bool,
    /// Nothing but a change will bring something new.
    pub is_settled: bool,
}

/// What a session wants of one partition.
struct Wanted {
    fetch: FetchPartition,
    /// Partitions are read in this order, and one that gave records goes to the end.
    turn: u64,
    /// What the reader knows of the high watermark and the start of the log.
    known: Option<High>,
}

impl Sessions {
    /// No sessions; ids begin behind `seed`, so that those of a broker's earlier life are unknown.
    pub fn new(slots: u32, seed: u64) -> Sessions {
        Sessions {
            slots: slots as usize,
            last_id: (seed as i32) & i32::MAX,
            sessions: BTreeMap::new(),
            readers: BTreeMap::new(),
        }
    }

    /// Finds or begins the session of a request, and takes over what it wants. All that it names is news.
    ///
    /// # Errors
    /// FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH.
    pub fn take(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: FetchRequest,
    ) -> Result<SessionId, ErrorCode> {
        let metadata = request.metadata;
        let id = if metadata.is_full() {
            // The caller has ended the session that this one replaces.
            self.begin(now, connection, &request)
        } else {
            SessionId(metadata.session_id)
        };
        let session = self.sessions.get_mut(&id);
        let session = session
            .filter(|session| session.is_kept || metadata.is_full())
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if !metadata.is_full() {
            if session.epoch != metadata.epoch {
                return Err(ErrorCode::InvalidFetchSessionEpoch);
            }
            session.epoch = metadata.next(id.0).epoch;
            if session.replica != request.replica {
                // Another registration of the broker: what it has counts anew everywhere.
                session.all_is_news();
            }
        }
        session.replica = request.replica;
        session.connection = connection;
        for fetch in request.partitions {
            let partition = fetch.partition;
            if session.set(fetch) {
                let readers = self.readers.entry(partition).or_default();
                if let Err(at) = readers.binary_search(&id) {
                    readers.insert(at, id);
                }
            }
        }
        for forgotten in &request.forgotten {
            session.forget(*forgotten);
            unlist(&mut self.readers, *forgotten, id);
        }
        Ok(id)
    }

    fn begin(&mut self, now: Instant, connection: ConnectionId, request: &FetchRequest) -> SessionId {
        let wants_one = request.metadata.epoch == 0 && !request.partitions.is_empty();
        let is_kept = wants_one && self.has_slot(now, request);
        let id = self.next_id();
        self.sessions.insert(
            id,
            Session {
                connection,
                replica: request.replica,
                is_kept,
                epoch: 1,
                created_at: now,
                fetched_at: now,
                partitions: BTreeMap::new(),
                news: BTreeSet::new(),
                turns: 0,
                answers_all: true,
                parked: None,
            },
        );
        id
    }

    fn next_id(&mut self) -> SessionId {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = SessionId(self.last_id);
            if !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// Whether there is a slot for the session of this request. One that has not been used for two minutes gives way to
    /// any, a consumer's to a replica's, and an old one to one of more partitions. A fetch that waits protects its
    /// session.
    fn has_slot(&mut self, now: Instant, request: &FetchRequest) -> bool {
        let kept = || self.sessions.iter().filter(|(_, session)| session.is_kept);
        if kept().count() < self.slots {
            return true;
        }
        let idle = kept().filter(|(_, session)| session.parked.is_none());
        let newcomer = (request.replica.is_some(), request.partitions.len());
        let rank = |session: &Session| (session.replica.is_some(), session.partitions.len());
        let gives_way = |session: &Session| {
            let is_old = now.since(session.created_at) > MIN_EVICTION;
            let is_lower = request.replica.is_some() && session.replica.is_none();
            now.since(session.fetched_at) > MIN_EVICTION || ((is_old || is_lower) && rank(session) < newcomer)
        };
        let evicted = idle
            .filter(|(_, session)| gives_way(session))
            .min_by_key(|(id, session)| (session.fetched_at, **id))
            .map(|(id, _)| *id);
        if let Some(id) = evicted {
            self.end(id);
        }
        evicted.is_some()
    }

    /// A session, if there is one.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// A session, if there is one.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// Ends a session. Returns the fetch that waits in it.
    pub fn end(&mut self, id: SessionId) -> Option<ParkedId> {
        let session = self.sessions.remove(&id)?;
        for partition in session.partitions.keys() {
            unlist(&mut self.readers, *partition, id);
        }
        session.parked
    }

    /// Ends the sessions whose latest fetch came over a connection that is gone, no client
    /// continues a session over another one. The fetches that wait in them are the caller's to end.
    pub fn end_all_of(&mut self, connection: ConnectionId) {
        let gone = self
            .sessions
            .iter()
            .filter(|(_, session)| session.connection == connection);
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id);
        }
    }

    /// Something about a partition changed that the sessions may have to answer for which `concerns` holds. Calls
    /// `first` for each session that had nothing to say about it before.
    pub fn notify(
        &mut self,
        id: TopicPartition,
        concerns: impl Fn(&Session) -> bool,
        mut first: impl FnMut(&Session, &FetchPartition),
    ) {
        for reader in self.readers.get(&id).into_iter().flatten() {
            if let Some(session) = self.sessions.get_mut(reader)
                && concerns(session)
                && session.note_news(id)
            {
                first(session, &session.partitions[&id].fetch);
            }
        }
    }

    /// Who reads a partition, in the order in which their sessions began.
    pub fn readers(&self, id: TopicPartition) -> &[SessionId] {
        self.readers.get(&id).map_or(&[], |readers| readers)
    }

    /// The session's id as its reader learns it, after an answer; ends one that was for this fetch only, or has nothing
    /// left to read. 0: there is no session to continue.
    pub fn answered(&mut self, id: SessionId) -> i32 {
        match self.sessions.get(&id) {
            Some(session) if session.is_kept && !session.is_empty() => id.0,
            _ => {
                self.end(id);
                0
            }
        }
    }
}

impl Session {
    /// Takes over what is wanted of a partition. Whether nothing was wanted of it before.
    fn set(&mut self, fetch: FetchPartition) -> bool {
        let id = fetch.partition;
        if let Some(wanted) = self.partitions.get_mut(&id) {
            wanted.fetch = fetch;
            self.news.insert((wanted.turn, id));
            return false;
        }
        self.turns += 1;
        let wanted = Wanted {
            fetch,
            turn: self.turns,
            known: None,
        };
        self.partitions.insert(id, wanted);
        self.news.insert((self.turns, id));
        true
    }

    fn forget(&mut self, id: TopicPartition) {
        if let Some(wanted) = self.partitions.remove(&id) {
            self.news.remove(&(wanted.turn, id));
        }
    }

    fn note_news(&mut self, id: TopicPartition) -> bool {
        let Some(wanted) = self.partitions.get(&id) else {
            return false;
        };
        self.news.insert((wanted.turn, id))
    }

    fn all_is_news(&mut self) {
        let all = self.partitions.iter().map(|(id, wanted)| (wanted.turn, *id));
        self.news.extend(all);
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// What is wanted of a partition.
    pub fn wanted(&self, id: TopicPartition) -> Option<&FetchPartition> {
        self.partitions.get(&id).map(|wanted| &wanted.fetch)
    }

    /// What is wanted where there may be something to say, in the order in which it is read.
    pub fn news(&self) -> impl Iterator<Item = &FetchPartition> {
        self.news.iter().map(|(_, id)| &self.partitions[id].fetch)
    }

    /// Whether the answer that is due names all partitions. From now on answers name what is new.
    pub fn take_answers_all(&mut self) -> bool {
        let answers_all = core::mem::take(&mut self.answers_all);
        if answers_all {
            self.all_is_news();
        }
        answers_all
    }

    /// Makes an answer of what there may be to say, in the order in which it is read: `say` is given what is wanted of a
    /// partition and what the reader knows of it, and returns what the answer says.
    pub fn answer(&mut self, mut say: impl FnMut(&FetchPartition, Option<High>) -> Said) {
        let due: Vec<(u64, TopicPartition)> = self.news.iter().copied().collect();
        for (turn, id) in due {
            let Some(wanted) = self.partitions.get_mut(&id) else {
                continue;
            };
            let said = say(&wanted.fetch, wanted.known);
            wanted.known = said.known;
            if said.has_records {
                self.turns += 1;
                wanted.turn = self.turns;
                self.news.remove(&(turn, id));
                self.news.insert((self.turns, id));
            } else if said.is_settled {
                self.news.remove(&(turn, id));
            }
        }
    }

    /// Whether the reader knows this already.
    pub fn knows(&self, id: TopicPartition, now: High) -> bool {
        self.partitions.get(&id).is_some_and(|wanted| wanted.known == Some(now))
    }

    /// There is nothing more to say about a partition.
    pub fn settle(&mut self, id: TopicPartition) {
        if let Some(wanted) = self.partitions.get(&id) {
            self.news.remove(&(wanted.turn, id));
        }
    }
}

fn unlist(readers: &mut BTreeMap<TopicPartition, Vec<SessionId>>, partition: TopicPartition, id: SessionId) {
    let Some(list) = readers.get_mut(&partition) else {
        return;
    };
    if let Ok(at) = list.binary_search(&id) {
        list.remove(at);
    }
    if list.is_empty() {
        readers.remove(&partition);
    }
}

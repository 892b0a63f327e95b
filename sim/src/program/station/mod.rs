//! Where programs and the world meet: what they share while neither of them runs at the other's expense.
//!
//! The world has the station to itself while it handles an event, without a lock. It lends it while programs run, which
//! reach it by a [`Shared`]: the lock is never contended, and is there because the futures of programs must be `Send`.

mod consuming;
mod records;
mod running;
mod sends;
mod timers;

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use broker_core::config::Quirks;
use broker_core::machine::Now;
use broker_core::protocol::ErrorCode;
use broker_core::random::Random;
use broker_core::types::{Endpoint, NodeId};
use bytes::BytesMut;

use self::consuming::Consuming;
pub(crate) use self::consuming::Wish;
pub(crate) use self::running::{Running, ServiceState};
use self::sends::Sends;
use self::timers::Unwatched;
use super::client::{ClientMachine, NewClient};
use crate::address;
use crate::clocks::NodeClocks;
use crate::history::{At, Entry, SendPromise, SendUnknown, SimTime, What};
use crate::panics::Panic;
use crate::scenario::Scenario;

/// The programs' way to the [`Station`], which is there while they run.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Box<Station>>>);

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared(Arc::new(Mutex::new(Box::new(Station::empty()))))
    }

    /// Lends the world's station to the programs, or takes it back: what is here and what is there change places.
    #[inline]
    pub(crate) fn swap(&self, station: &mut Box<Station>) {
        mem::swap(&mut *self.as_it_is(), station);
    }

    /// The station. A panic inside it would be a defect of Trial's own, and of a program's own code none runs inside.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Box<Station>> {
        let mut station = self.as_it_is();
        if station.unwatched.is_some() {
            station.enter();
        }
        station
    }

    /// The time, for what must not change the trial by asking.
    pub(crate) fn time(&self) -> SimTime {
        self.as_it_is().time()
    }

    #[inline]
    fn as_it_is(&self) -> MutexGuard<'_, Box<Station>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state that programs and the world share.
pub(crate) struct Station {
    /// The world's clock and step.
    pub(crate) at: At,
    /// All clients, by the places of their endpoints in the cast.
    pub(crate) clients: Vec<Client>,
    /// All programs, by their places in the cast.
    pub(crate) programs: Vec<Running>,
    /// What programs call besides the cluster.
    pub(crate) services: Vec<ServiceState>,
    /// Defects that clients are to have.
    pub(crate) quirks: Quirks,
    /// How many brokers there are: what a client knows of the cluster at first.
    pub(crate) brokers: u32,
    /// Programs that came to their end, and whose processes the world has not ended yet.
    pub(crate) ended: Vec<usize>,
    /// Programs that panicked, whose processes the world has not ended yet.
    pub(crate) panicked: Vec<(usize, Panic)>,
    /// History that the world has not passed on yet.
    pub(crate) entries: Vec<Entry>,
    /// Alarms that the world has not scheduled yet.
    pub(crate) new_timers: Vec<(SimTime, SleeperId)>,
    /// Clients whose machines were used and may have outputs.
    touched: VecDeque<usize>,
    /// Room for the values of records, so that not each of them is allocated.
    values: BytesMut,
    /// How many records were handed to producers; also the last uid.
    pub(crate) records: u64,
    topics_ready: bool,
    awaiting_topics: Vec<Waker>,
    sleepers: Vec<Sleeper>,
    free_sleepers: Vec<u32>,
    woken: u32,
    /// While programs run by timers of the executor, and the world does not look.
    unwatched: Option<Unwatched>,
}

/// One client of the cluster: the machine of a library and what its program waits for.
pub(crate) struct Client {
    /// Its node.
    pub(crate) node: NodeId,
    /// The name of its endpoint.
    pub(crate) name: String,
    /// Which run of its process.
    pub(crate) incarnation: u32,
    /// The clocks of its node.
    pub(crate) clocks: NodeClocks,
    /// The machine; none while the process is dead, before the program asks for it, or while the world drives it.
    pub(crate) machine: Option<ClientMachine>,
    sends: Sends,
    pub(crate) consuming: Consuming,
    /// Its program wants a record in every partition before the trial ends ([`super::probe`]).
    pub(crate) is_probing: bool,
    /// Whether it is in [`Station::touched`].
    is_touched: bool,
}

/// Names a sleeper and, by its round, one use of its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SleeperId {
    slot: u32,
    round: u32,
}

#[derive(Default)]
struct Sleeper {
    round: u32,
    rung: bool,
    waker: Option<Waker>,
}

impl Client {
    pub(crate) fn new(node: NodeId, name: String, clocks: NodeClocks) -> Client {
        Client {
            node,
            name,
            incarnation: 0,
            clocks,
            machine: None,
            sends: Sends::default(),
            consuming: Consuming::default(),
            is_probing: false,
            is_touched: false,
        }
    }

    /// How many sends have not ended.
    pub(crate) fn open_sends(&self) -> usize {
        self.sends.open
    }
}

impl Station {
    pub(crate) fn new(clients: Vec<Client>, programs: Vec<Running>, scenario: &Scenario) -> Station {
        let mut station = Station::empty();
        station.clients = clients;
        station.programs = programs;
        station.services = running::services(scenario);
        station.quirks = scenario.quirk_set;
        station.brokers = scenario.cluster.brokers;
        station
    }

    /// A station of no clients: what one side has while the other has the station.
    fn empty() -> Station {
        #[cfg(test)]
        LIVING.set(LIVING.get() + 1);
        Station {
            at: At::default(),
            clients: Vec::new(),
            programs: Vec::new(),
            services: Vec::new(),
            quirks: Quirks::default(),
            brokers: 0,
            ended: Vec::new(),
            panicked: Vec::new(),
            entries: Vec::new(),
            new_timers: Vec::new(),
            sleepers: Vec::new(),
            free_sleepers: Vec::new(),
            touched: VecDeque::new(),
            values: BytesMut::new(),
            records: 0,
            topics_ready: false,
            awaiting_topics: Vec::new(),
            woken: 0,
            unwatched: None,
        }
    }

    /// What the clocks of client `index` show.
    pub(crate) fn local_time(&self, index: usize) -> Now {
        self.clients[index].clocks.at(self.at.time)
    }

    /// How many tasks were woken since the last call.
    pub(crate) fn take_woken(&mut self) -> u32 {
        mem::take(&mut self.woken)
    }

    /// The machine of client `index` was used and may have outputs.
    pub(crate) fn touch(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if !client.is_touched {
            client.is_touched = true;
            self.touched.push_back(index);
        }
    }

    /// The next client that was touched.
    pub(crate) fn next_touched(&mut self) -> Option<usize> {
        let touched = self.touched.pop_front()?;
        self.clients[touched].is_touched = false;
        Some(touched)
    }

    fn wake(&mut self, waker: Waker) {
        self.woken += 1;
        waker.wake();
    }

    // ---- life and death

    /// A new run of the process of client `index` begins.
    pub(crate) fn start(&mut self, index: usize, incarnation: u32) {
        self.clients[index].incarnation = incarnation;
    }

    /// What a client knows of the cluster at first.
    pub(crate) fn bootstrap(&self) -> Vec<(NodeId, Endpoint)> {
        address::bootstrap((1..=self.brokers).map(NodeId))
    }

    /// What a new library is made with.
    pub(crate) fn new_client(&self, random: Random) -> NewClient {
        NewClient {
            bootstrap: self.bootstrap(),
            quirks: self.quirks,
            random,
        }
    }

    /// The process of client `index` has a library now; with the promise of its sends if that is a producer.
    pub(crate) fn open(&mut self, index: usize, machine: ClientMachine, promise: Option<SendPromise>) {
        let client = &mut self.clients[index];
        client.machine = Some(machine);
        client.sends.acks = promise.map(|promise| promise.acks);
        self.touch(index);
        if let Some(promise) = promise {
            self.write(index, What::ProducerOpened(promise));
        }
    }

    /// The process of client `index` died: its machine is gone, and what it was sending is anybody's guess.
    pub(crate) fn die(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.machine = None;
        client.is_probing = false;
        client.consuming = Consuming::default();
        let sends = mem::take(&mut client.sends);
        for uid in sends.open_uids() {
            let error = ErrorCode::UnknownServerError;
            self.write(index, What::SendUnknown(SendUnknown { uid, error }));
        }
    }

    /// Adds a line to the history of client `index`.
    #[inline]
    pub(crate) fn write(&mut self, index: usize, what: What) {
        let client = &self.clients[index];
        self.entries.push(Entry {
            at: self.at,
            process: client.node,
            incarnation: client.incarnation,
            what,
        });
    }

    // ---- topics

    /// The topics exist: programs may begin.
    pub(crate) fn announce_topics(&mut self) {
        self.topics_ready = true;
        for waker in mem::take(&mut self.awaiting_topics) {
            self.wake(waker);
        }
    }

    /// Whether the topics exist; if not, `waker` is woken when they do.
    pub(crate) fn topics_ready(&mut self, waker: &Waker) -> bool {
        if !self.topics_ready {
            self.awaiting_topics.push(waker.clone());
        }
        self.topics_ready
    }

    /// Whether the topics exist.
    pub(crate) fn has_topics(&self) -> bool {
        self.topics_ready
    }

    // ---- turns

    /// Looks what the machine of client `index` has got for its program, writes the history and wakes the tasks that wait.
    /// True if there is something.
    pub(crate) fn after_turn(&mut self, index: usize) -> bool {
        let mut ended = false;
        match &mut self.clients[index].machine {
            Some(ClientMachine::Producer(_)) => {
                while let Some(ClientMachine::Producer(producer)) = &mut self.clients[index].machine
                    && let Some(completion) = producer.next_completion()
                {
                    ended = true;
                    self.end_send(index, completion);
                }
            }
            Some(ClientMachine::Consumer(_)) => return self.after_consumer_turn(index),
            Some(ClientMachine::Admin(admin)) => {
                if admin.is_done() && !self.topics_ready {
                    self.announce_topics();
                }
            }
            // The lag is read when it is asked for.
            Some(ClientMachine::Lag(_)) | None => {}
        }
        if ended {
            for waker in mem::take(&mut self.clients[index].sends.waiting) {
                self.wake(waker);
            }
        }
        ended
    }

    // ---- sleeping

    /// A new sleeper that is woken at `time`.
    pub(crate) fn sleeper(&mut self, time: SimTime) -> SleeperId {
        let slot = self.free_sleepers.pop().unwrap_or_else(|| {
            self.sleepers.push(Sleeper::default());
            (self.sleepers.len() - 1) as u32
        });
        let sleeper = &mut self.sleepers[slot as usize];
        sleeper.rung = false;
        let id = SleeperId {
            slot,
            round: sleeper.round,
        };
        self.new_timers.push((time, id));
        id
    }

    /// Whether the time of `id` has come; if not, `waker` is woken when it does.
    pub(crate) fn has_rung(&mut self, id: SleeperId, waker: &Waker) -> bool {
        let sleeper = &mut self.sleepers[id.slot as usize];
        if !sleeper.rung {
            sleeper.waker = Some(waker.clone());
        }
        sleeper.rung
    }

    /// The time of `id` has come. Returns false if nobody sleeps there any more.
    pub(crate) fn ring(&mut self, id: SleeperId) -> bool {
        let sleeper = &mut self.sleepers[id.slot as usize];
        if sleeper.round != id.round {
            return false;
        }
        sleeper.rung = true;
        if let Some(waker) = sleeper.waker.take() {
            self.wake(waker);
        }
        true
    }

    /// Nobody sleeps on `id` any more. After a panic the station may be gone already.
    pub(crate) fn forget(&mut self, id: SleeperId) {
        let Some(sleeper) = self.sleepers.get_mut(id.slot as usize) else {
            return;
        };
        sleeper.round = sleeper.round.wrapping_add(1);
        sleeper.waker = None;
        self.free_sleepers.push(id.slot);
    }
}

#[cfg(test)]
thread_local! {
    static LIVING: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many stations of this thread are still held by somebody.
#[cfg(test)]
pub(crate) fn living() -> usize {
    LIVING.get()
}

#[cfg(test)]
impl Drop for Station {
    fn drop(&mut self) {
        LIVING.set(LIVING.get() - 1);
    }
}

//! Where programs and the world meet: what they share while neither of them runs at the other's expense.
//!
//! Programs run only between two events of the world, so that the lock is never contended; it is there because
//! program futures must be able to travel with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use broker_core::client::consumer::Consumer;
use broker_core::client::producer::{Producer, SendCompletion, SendId};
use broker_core::machine::{Instant, Machine};
use broker_core::protocol::{Acks, ErrorCode};
use broker_core::types::NodeId;
use bytes::BytesMut;

use super::admin::Admin;
use super::producer::{RecordMetadata, SendError};
use crate::history::{At, Entry, SimTime, Uid, What};
use crate::world::clock::NodeClock;

/// A shared [`Station`].
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Station>>);

impl Shared {
    pub(crate) fn new(clients: Vec<Client>) -> Shared {
        #[cfg(test)]
        LIVING.set(LIVING.get() + 1);
        Shared(Arc::new(Mutex::new(Station {
            at: At::default(),
            clients,
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
        })))
    }

    /// The station; a program that panicked ends the whole run, so its half-done work is never looked at.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Station> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state that programs and the world share.
pub(crate) struct Station {
    /// The world's clock and step.
    pub(crate) at: At,
    /// All clients, by their place in the cast.
    pub(crate) clients: Vec<Client>,
    /// History that the world has not passed on yet.
    pub(crate) entries: Vec<Entry>,
    /// Alarms that the world has not scheduled yet.
    pub(crate) new_timers: Vec<(SimTime, SleeperId)>,
    /// Clients whose machines were used and may have outputs.
    touched: VecDeque<usize>,
    /// Room for the values of records, so that not each of them is allocated.
    pub(crate) values: BytesMut,
    /// How many records were handed to producers; also the last uid.
    pub(crate) records: u64,
    topics_ready: bool,
    awaiting_topics: Vec<Waker>,
    sleepers: Vec<Sleeper>,
    free_sleepers: Vec<u32>,
    woken: u32,
}

/// One client of the cluster: the machine of its library and what its program waits for.
pub(crate) struct Client {
    /// Its node.
    pub(crate) node: NodeId,
    /// Which run of its process.
    pub(crate) incarnation: u32,
    /// The clock of its node.
    pub(crate) clock: NodeClock,
    /// The machine; none while the process is dead, or while the world drives it.
    pub(crate) machine: Option<ClientMachine>,
    sends: Sends,
    poller: Option<Waker>,
    /// Whether it is in [`Station::touched`].
    is_touched: bool,
}

/// The library that a client runs on.
pub(crate) enum ClientMachine {
    Producer(Box<Producer>),
    Consumer(Box<Consumer>),
    Admin(Box<Admin>),
}

/// The sends of a producer that have not ended, or whose ends nobody has taken yet.
#[derive(Default)]
struct Sends {
    /// The promise under which they are made.
    acks: Option<Acks>,
    /// The id of the first slot.
    first: u64,
    slots: VecDeque<Option<Send>>,
    /// How many have not ended.
    open: usize,
    /// Those that wait for room in the buffer, or for the end of all sends.
    waiting: Vec<Waker>,
}

struct Send {
    uid: Uid,
    /// Whether a program still holds the future of this send.
    watched: bool,
    waker: Option<Waker>,
    end: Option<Result<RecordMetadata, SendError>>,
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

impl ClientMachine {
    pub(crate) fn as_machine(&mut self) -> &mut dyn Machine {
        match self {
            ClientMachine::Producer(machine) => &mut **machine,
            ClientMachine::Consumer(machine) => &mut **machine,
            ClientMachine::Admin(machine) => &mut **machine,
        }
    }
}

impl Client {
    pub(crate) fn new(node: NodeId, clock: NodeClock) -> Client {
        Client {
            node,
            incarnation: 0,
            clock,
            machine: None,
            sends: Sends::default(),
            poller: None,
            is_touched: false,
        }
    }

    /// How many sends have not ended.
    pub(crate) fn open_sends(&self) -> usize {
        self.sends.open
    }
}

impl Station {
    /// The clock of client `index`.
    pub(crate) fn local_time(&self, index: usize) -> Instant {
        self.clients[index].clock.at(self.at.time)
    }

    /// How many tasks were woken since the last call.
    pub(crate) fn take_woken(&mut self) -> u32 {
        std::mem::take(&mut self.woken)
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

    /// A new run of the process of client `index` begins, with a fresh machine.
    pub(crate) fn start(&mut self, index: usize, incarnation: u32, machine: ClientMachine, acks: Option<Acks>) {
        let client = &mut self.clients[index];
        client.incarnation = incarnation;
        client.machine = Some(machine);
        client.sends.acks = acks;
        self.touch(index);
    }

    /// The process of client `index` died: its machine is gone, and what it was sending is anybody's guess.
    pub(crate) fn die(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.machine = None;
        client.poller = None;
        let sends = std::mem::take(&mut client.sends);
        let open = sends.slots.into_iter().flatten().filter(|send| send.end.is_none());
        let uids: Vec<Uid> = open.map(|send| send.uid).collect();
        for uid in uids {
            let error = ErrorCode::UnknownServerError;
            self.write(index, What::SendUnknown { uid, error });
        }
    }

    /// Adds a line to the history of client `index`.
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
        for waker in std::mem::take(&mut self.awaiting_topics) {
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

    /// Nobody sleeps on `id` any more.
    pub(crate) fn forget(&mut self, id: SleeperId) {
        let sleeper = &mut self.sleepers[id.slot as usize];
        sleeper.round = sleeper.round.wrapping_add(1);
        sleeper.waker = None;
        self.free_sleepers.push(id.slot);
    }

    // ---- sends and polls

    /// A producer took a record.
    pub(crate) fn add_send(&mut self, index: usize, id: SendId, uid: Uid) {
        let sends = &mut self.clients[index].sends;
        assert_eq!(
            id.0,
            sends.first + sends.slots.len() as u64,
            "a producer counts its sends from 0"
        );
        sends.slots.push_back(Some(Send {
            uid,
            watched: true,
            waker: None,
            end: None,
        }));
        sends.open += 1;
    }

    /// How send `id` ended, if it has; if not, `waker` is woken when it does.
    pub(crate) fn take_end(
        &mut self,
        index: usize,
        id: SendId,
        waker: &Waker,
    ) -> Option<Result<RecordMetadata, SendError>> {
        let sends = &mut self.clients[index].sends;
        let slot = (id.0 - sends.first) as usize;
        let send = sends.slots[slot].as_mut().expect("the future holds the slot");
        match send.end.take() {
            Some(end) => {
                sends.slots[slot] = None;
                sends.trim();
                Some(end)
            }
            None => {
                send.waker = Some(waker.clone());
                None
            }
        }
    }

    /// Nobody waits for send `id` any more.
    pub(crate) fn stop_watching(&mut self, index: usize, incarnation: u32, id: SendId) {
        let client = &mut self.clients[index];
        if client.incarnation != incarnation || client.machine.is_none() {
            return;
        }
        let slot = (id.0 - client.sends.first) as usize;
        let Some(send) = client.sends.slots.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        send.watched = false;
        send.waker = None;
        if send.end.is_some() {
            client.sends.slots[slot] = None;
            client.sends.trim();
        }
    }

    /// Wakes `waker` at the next end of a send of client `index`.
    pub(crate) fn await_any_end(&mut self, index: usize, waker: &Waker) {
        self.clients[index].sends.waiting.push(waker.clone());
    }

    /// Wakes `waker` when the consumer of client `index` has something.
    pub(crate) fn await_records(&mut self, index: usize, waker: &Waker) {
        self.clients[index].poller = Some(waker.clone());
    }

    /// Looks what the machine of client `index` has got for its program, writes the history and wakes whoever waits.
    pub(crate) fn after_turn(&mut self, index: usize) {
        let mut ended = false;
        loop {
            match &mut self.clients[index].machine {
                Some(ClientMachine::Producer(producer)) => {
                    let Some(completion) = producer.next_completion() else {
                        break;
                    };
                    ended = true;
                    self.end_send(index, completion);
                }
                Some(ClientMachine::Consumer(consumer)) => {
                    if consumer.has_records()
                        && let Some(waker) = self.clients[index].poller.take()
                    {
                        self.wake(waker);
                    }
                    break;
                }
                Some(ClientMachine::Admin(admin)) => {
                    if admin.is_done() && !self.topics_ready {
                        self.announce_topics();
                    }
                    break;
                }
                None => break,
            }
        }
        if ended {
            for waker in std::mem::take(&mut self.clients[index].sends.waiting) {
                self.wake(waker);
            }
        }
    }

    fn end_send(&mut self, index: usize, completion: SendCompletion) {
        let sends = &mut self.clients[index].sends;
        let acks = sends.acks.expect("a producer has acks");
        let slot = (completion.id.0 - sends.first) as usize;
        let send = sends.slots[slot].as_mut().expect("a send ends once");
        let uid = send.uid;
        sends.open -= 1;
        let end = match completion.result {
            Ok(ok) => Ok(RecordMetadata {
                partition: completion.partition.expect("a send that succeeded went somewhere"),
                offset: ok.offset,
            }),
            Err(failed) => Err(SendError::Failed(failed)),
        };
        let what = match (&end, completion.result) {
            (Ok(metadata), _) => What::SendOk {
                uid,
                partition: metadata.partition,
                offset: metadata.offset,
                acks,
            },
            (Err(_), Err(failed)) if failed.maybe_appended => What::SendUnknown {
                uid,
                error: failed.error,
            },
            (Err(_), Err(failed)) => What::SendFailed {
                uid,
                error: failed.error,
            },
            (Err(_), Ok(_)) => unreachable!("the end was made from the result"),
        };
        let waker = send.waker.take();
        if send.watched {
            send.end = Some(end);
        } else {
            sends.slots[slot] = None;
            sends.trim();
        }
        if let Some(waker) = waker {
            self.wake(waker);
        }
        self.write(index, what);
    }
}

impl Sends {
    fn trim(&mut self) {
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
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

//! The sends of a producer's program, from the hand-over to the end.

use std::collections::VecDeque;
use std::task::Waker;

use broker_core::client::producer::{Producer, ProducerRecord, SendCompletion, SendId, SendRefused};
use broker_core::protocol::{Acks, ErrorCode};
use broker_core::types::TopicName;

use super::Station;
use super::records::sent_record;
use crate::history::{SendFailed, SendOk, SendUnknown, Uid, What};
use crate::program::client::ClientMachine;
use crate::program::outcome::{RecordMetadata, SendError};
use crate::program::partition::TopicPartition;

/// The sends of a producer that have not ended, or whose ends nobody has taken yet.
#[derive(Default)]
pub(super) struct Sends {
    /// The promise under which they are made.
    pub(super) acks: Option<Acks>,
    /// The id of the first slot.
    first: u64,
    slots: VecDeque<Option<Send>>,
    /// How many have not ended.
    pub(super) open: usize,
    /// Those that wait for room in the buffer, or for the end of all sends.
    pub(super) waiting: Vec<Waker>,
}

struct Send {
    uid: Uid,
    topic: TopicName,
    /// Whether a program still holds the future of this send.
    watched: bool,
    waker: Option<Waker>,
    end: Option<Result<RecordMetadata, SendError>>,
}

impl Station {
    fn producer(&mut self, index: usize) -> &mut Producer {
        match &mut self.clients[index].machine {
            Some(ClientMachine::Producer(producer)) => producer,
            _ => unreachable!("a program runs only while its machine is there"),
        }
    }

    /// Hands a record to the producer of client `index`. The end of its send is kept if that is watched. A record that
    /// is refused is in the history as failed, unless it may be tried again when there is room.
    pub(crate) fn enqueue(
        &mut self,
        index: usize,
        record: &ProducerRecord,
        watched: bool,
    ) -> Result<SendId, SendRefused> {
        let now = self.local_time(index);
        let taken = self.producer(index).send(now, record.clone());
        match taken {
            Ok(id) => {
                let sent = sent_record(record);
                let uid = sent.uid;
                self.write(index, What::SendInvoked(sent));
                self.add_send(index, id, uid, record.topic.clone(), watched);
                self.touch(index);
            }
            // What lingers goes out now that others wait for its room.
            Err(SendRefused::BufferFull) => self.touch(index),
            Err(refused) => self.refuse(index, record, refused),
        }
        taken
    }

    /// The producer of client `index` does not take a record.
    pub(crate) fn refuse(&mut self, index: usize, record: &ProducerRecord, refused: SendRefused) {
        let sent = sent_record(record);
        let uid = sent.uid;
        let error = match refused {
            SendRefused::RecordTooLarge => ErrorCode::MessageTooLarge,
            SendRefused::BufferFull => ErrorCode::RequestTimedOut,
            SendRefused::Closed => ErrorCode::InvalidRequest,
        };
        self.write(index, What::SendInvoked(sent));
        self.write(index, What::SendFailed(SendFailed { uid, error }));
    }

    /// The producer of client `index` sends what lingers.
    pub(crate) fn flush(&mut self, index: usize) {
        let now = self.local_time(index);
        self.producer(index).flush(now);
        self.touch(index);
    }

    /// A producer took a record.
    fn add_send(&mut self, index: usize, id: SendId, uid: Uid, topic: TopicName, watched: bool) {
        let sends = &mut self.clients[index].sends;
        assert_eq!(
            id.0,
            sends.first + sends.slots.len() as u64,
            "a producer counts its sends from 0"
        );
        sends.slots.push_back(Some(Send {
            uid,
            topic,
            watched,
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
        let end = self.end_of(index, id);
        if end.is_none() {
            let sends = &mut self.clients[index].sends;
            let slot = (id.0 - sends.first) as usize;
            let send = sends.slots[slot].as_mut().expect("the future holds the slot");
            send.waker = Some(waker.clone());
        }
        end
    }

    /// How the watched send `id` ended, if it has. It is said once.
    pub(crate) fn end_of(&mut self, index: usize, id: SendId) -> Option<Result<RecordMetadata, SendError>> {
        let sends = &mut self.clients[index].sends;
        let slot = (id.0 - sends.first) as usize;
        let send = sends.slots[slot].as_mut().expect("who watches holds the slot");
        let end = send.end.take()?;
        sends.slots[slot] = None;
        sends.trim();
        Some(end)
    }

    /// Nobody waits for send `id` any more. After a panic the station may be gone already.
    pub(crate) fn stop_watching(&mut self, index: usize, incarnation: u32, id: SendId) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
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

    pub(super) fn end_send(&mut self, index: usize, completion: SendCompletion) {
        let sends = &mut self.clients[index].sends;
        let acks = sends.acks.expect("a producer has acks");
        let slot = (completion.id.0 - sends.first) as usize;
        let send = sends.slots[slot].as_mut().expect("a send ends once");
        let uid = send.uid;
        sends.open -= 1;
        let what = match completion.result {
            Ok(ok) => What::SendOk(SendOk {
                uid,
                partition: completion.partition.expect("a send that succeeded went somewhere"),
                offset: ok.offset,
                acks,
            }),
            Err(failed) if failed.maybe_appended => What::SendUnknown(SendUnknown {
                uid,
                error: failed.error,
            }),
            Err(failed) => What::SendFailed(SendFailed {
                uid,
                error: failed.error,
            }),
        };
        let waker = send.waker.take();
        if send.watched {
            send.end = Some(match completion.result {
                Ok(ok) => Ok(RecordMetadata {
                    partition: TopicPartition {
                        topic: send.topic.clone(),
                        partition: completion.partition.expect("as before").partition,
                    },
                    offset: ok.offset,
                }),
                Err(failed) => Err(SendError::Failed(failed)),
            });
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
    /// The uids of those that have not ended.
    pub(super) fn open_uids(self) -> Vec<Uid> {
        let open = self.slots.into_iter().flatten().filter(|send| send.end.is_none());
        open.map(|send| send.uid).collect()
    }

    fn trim(&mut self) {
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
    }
}

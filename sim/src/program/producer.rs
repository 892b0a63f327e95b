//! The producer as an application sees it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use broker_core::client::producer::{Producer, ProducerRecord, SendFailed, SendId, SendRefused};
use broker_core::protocol::ErrorCode;
use broker_core::types::{Offset, TopicPartition};
use bytes::{BufMut, Bytes, BytesMut};

use super::clock::{Clock, Sleep};
use super::station::{ClientMachine, Shared, Station};
use crate::history::{SentRecord, Uid, What, fingerprint, uid_of};

/// A handle on a producer. Clones share it.
#[derive(Clone)]
pub struct ProducerClient {
    shared: Shared,
    client: usize,
    incarnation: u32,
    max_block: Duration,
}

/// Where a record went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct RecordMetadata {
    /// Its partition.
    pub partition: TopicPartition,
    /// Its offset, if the producer was told.
    pub offset: Option<Offset>,
}

/// Why a record was not sent, or not for certain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum SendError {
    /// The producer did not take it.
    #[error("the record was not taken: {0}")]
    Refused(#[from] SendRefused),
    /// The producer took it, and gave it up.
    #[error("the send failed with {:?}", .0.error)]
    Failed(SendFailed),
}

impl ProducerClient {
    pub(super) fn new(shared: Shared, client: usize, max_block: Duration) -> ProducerClient {
        let incarnation = shared.lock().clients[client].incarnation;
        ProducerClient {
            shared,
            client,
            incarnation,
            max_block,
        }
    }

    /// A value of `size` bytes (at least 8) that begins with a uid which no other record of the trial has.
    #[must_use]
    pub fn value(&self, size: usize) -> Bytes {
        let mut station = self.shared.lock();
        station.records += 1;
        value(Uid(station.records), size, &mut station.values)
    }

    /// Sends a record whose value comes from [`ProducerClient::value`]. It is enqueued by this call if the buffer has
    /// room, else when the returned future finds room; awaiting the future waits for the end of the send.
    pub fn send(&self, record: ProducerRecord) -> Delivery {
        let mut delivery = Delivery {
            producer: self.clone(),
            state: DeliveryState::Waiting(record),
            blocked: None,
        };
        delivery.try_enqueue(&mut self.shared.lock());
        delivery
    }

    /// Sends everything that lingers and waits until all sends have ended.
    pub async fn flush(&self) {
        let mut began = false;
        std::future::poll_fn(|context| {
            let mut station = self.shared.lock();
            if !began {
                began = true;
                let now = station.local_time(self.client);
                self.machine(&mut station).flush(now);
                station.touch(self.client);
            }
            if station.clients[self.client].open_sends() == 0 {
                return Poll::Ready(());
            }
            station.await_any_end(self.client, context.waker());
            Poll::Pending
        })
        .await;
    }

    /// How many sends have not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.lock().clients[self.client].open_sends()
    }

    fn machine<'a>(&self, station: &'a mut Station) -> &'a mut Producer {
        match &mut station.clients[self.client].machine {
            Some(ClientMachine::Producer(producer)) => producer,
            _ => unreachable!("a program runs only while its machine is there"),
        }
    }
}

/// The future of one send.
#[must_use = "a send that found no room is enqueued only when this is awaited"]
pub struct Delivery {
    producer: ProducerClient,
    state: DeliveryState,
    /// Ends the wait for room (`max.block.ms`).
    blocked: Option<Sleep>,
}

enum DeliveryState {
    Waiting(ProducerRecord),
    Sent(SendId),
    Refused(SendRefused),
    Taken,
}

impl Delivery {
    /// Waits until the producer has taken the record.
    ///
    /// # Errors
    /// When it never will.
    pub async fn enqueued(&mut self) -> Result<(), SendError> {
        std::future::poll_fn(|context| self.poll_enqueued(context)).await
    }

    fn poll_enqueued(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if matches!(self.state, DeliveryState::Waiting(_)) {
            let shared = self.producer.shared.clone();
            self.try_enqueue(&mut shared.lock());
        }
        match self.state {
            DeliveryState::Waiting(_) => {}
            DeliveryState::Refused(refused) => return Poll::Ready(Err(refused.into())),
            DeliveryState::Sent(_) | DeliveryState::Taken => return Poll::Ready(Ok(())),
        }
        let producer = &self.producer;
        let clock = Clock::new(producer.shared.clone());
        let blocked = self.blocked.get_or_insert_with(|| clock.sleep(producer.max_block));
        if Pin::new(blocked).poll(context).is_ready() {
            let shared = self.producer.shared.clone();
            self.refuse(&mut shared.lock(), SendRefused::BufferFull);
            return Poll::Ready(Err(SendRefused::BufferFull.into()));
        }
        let mut station = producer.shared.lock();
        station.await_any_end(producer.client, context.waker());
        Poll::Pending
    }

    fn try_enqueue(&mut self, station: &mut Station) {
        let DeliveryState::Waiting(record) = &self.state else {
            return;
        };
        let producer = &self.producer;
        let now = station.local_time(producer.client);
        match producer.machine(station).send(now, record.clone()) {
            Ok(id) => {
                let sent = sent_record(record);
                let uid = sent.uid;
                station.write(producer.client, What::SendInvoked(sent));
                station.add_send(producer.client, id, uid);
                station.touch(producer.client);
                self.state = DeliveryState::Sent(id);
            }
            Err(SendRefused::BufferFull) => {}
            Err(refused) => self.refuse(station, refused),
        }
    }

    fn refuse(&mut self, station: &mut Station, refused: SendRefused) {
        if let DeliveryState::Waiting(record) = &self.state {
            let sent = sent_record(record);
            let uid = sent.uid;
            let error = match refused {
                SendRefused::RecordTooLarge => ErrorCode::MessageTooLarge,
                SendRefused::BufferFull => ErrorCode::RequestTimedOut,
                SendRefused::Closed => ErrorCode::InvalidRequest,
            };
            station.write(self.producer.client, What::SendInvoked(sent));
            station.write(self.producer.client, What::SendFailed { uid, error });
        }
        self.state = DeliveryState::Refused(refused);
    }

    fn poll_end(&mut self, waker: &Waker) -> Poll<Result<RecordMetadata, SendError>> {
        let DeliveryState::Sent(id) = self.state else {
            panic!("a delivery is not polled after its end");
        };
        let end = self.producer.shared.lock().take_end(self.producer.client, id, waker);
        match end {
            Some(end) => {
                self.state = DeliveryState::Taken;
                Poll::Ready(end)
            }
            None => Poll::Pending,
        }
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.poll_enqueued(context) {
            Poll::Ready(Ok(())) => self.poll_end(context.waker()),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let DeliveryState::Sent(id) = self.state {
            let producer = &self.producer;
            let mut station = producer.shared.lock();
            station.stop_watching(producer.client, producer.incarnation, id);
        }
    }
}

/// Values are cut from pieces of this size.
const CHUNK: usize = 65_536;

/// The uid, big-endian, and then a byte that depends on it, over and over.
fn value(uid: Uid, size: usize, room: &mut BytesMut) -> Bytes {
    assert!(size >= 8, "a value of {size} bytes has no room for its uid");
    if room.capacity() < size {
        *room = BytesMut::with_capacity(size.max(CHUNK));
    }
    room.put_u64(uid.0);
    room.put_bytes((uid.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8, size - 8);
    room.split().freeze()
}

fn sent_record(record: &ProducerRecord) -> SentRecord {
    let value = record.value.as_ref();
    SentRecord {
        uid: uid_of(value).expect("a value begins with the uid that ProducerClient::value gave it"),
        topic: record.topic.clone(),
        key: record.key.clone(),
        fingerprint: fingerprint(record.key.as_deref(), value.map(|value| &value[..]), &record.headers),
        payload: crc32c::crc32c(value.map_or(&[], |value| &value[8..])),
        hop: None,
    }
}

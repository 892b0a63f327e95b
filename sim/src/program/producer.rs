//! The producer as an application sees it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use broker_core::client::producer::{Producer, ProducerRecord as Prepared, SendFailed, SendId, SendRefused};
use broker_core::config::{ProducerConfig, millis};
use broker_core::protocol::{ErrorCode, Header};
use broker_core::types::{Offset, PartitionIndex, TopicName, TopicPartition};
use bytes::{BufMut, Bytes, BytesMut};

use super::clock::{Clock, Sleep};
use super::hop;
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

/// A record to send.
///
/// On the wire its value is a uid of eight bytes, by which the trial follows it, and then the payload;
/// [`super::ConsumerRecord::payload`] gives the payload back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerRecord {
    topic: TopicName,
    partition: Option<PartitionIndex>,
    key: Option<Bytes>,
    payload: Bytes,
    headers: Vec<Header>,
}

impl ProducerRecord {
    /// A record for this topic, without key and payload.
    #[must_use]
    pub fn to(topic: impl AsRef<str>) -> ProducerRecord {
        ProducerRecord {
            topic: topic.as_ref().into(),
            partition: None,
            key: None,
            payload: Bytes::new(),
            headers: Vec::new(),
        }
    }

    /// With this key. Records of one key go to one partition.
    #[must_use]
    pub fn key(self, key: impl AsRef<[u8]>) -> ProducerRecord {
        ProducerRecord {
            key: Some(Bytes::copy_from_slice(key.as_ref())),
            ..self
        }
    }

    /// With this payload.
    #[must_use]
    pub fn payload(self, payload: impl AsRef<[u8]>) -> ProducerRecord {
        ProducerRecord {
            payload: Bytes::copy_from_slice(payload.as_ref()),
            ..self
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> ProducerRecord {
        self.headers.push(Header {
            key: Bytes::copy_from_slice(key.as_ref()),
            value: Some(Bytes::copy_from_slice(value.as_ref())),
        });
        self
    }

    /// For this partition, whatever its key.
    #[must_use]
    pub fn partition(self, partition: PartitionIndex) -> ProducerRecord {
        ProducerRecord {
            partition: Some(partition),
            ..self
        }
    }

    pub(super) fn headers(self, headers: Vec<Header>) -> ProducerRecord {
        ProducerRecord { headers, ..self }
    }
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
    pub(super) fn new(shared: Shared, client: usize, config: &ProducerConfig) -> ProducerClient {
        let incarnation = shared.lock().clients[client].incarnation;
        ProducerClient {
            shared,
            client,
            incarnation,
            max_block: millis(config.max_block_ms),
        }
    }

    /// Sends a record. It is enqueued by this call if the buffer has room, else when the returned future finds room;
    /// awaiting the future waits for the end of the send.
    pub fn send(&self, record: ProducerRecord) -> Delivery {
        let value = {
            let mut station = self.shared.lock();
            station.records += 1;
            let uid = Uid(station.records);
            let room = &mut station.values;
            reserve(room, 8 + record.payload.len());
            room.put_u64(uid.0);
            room.put_slice(&record.payload);
            room.split().freeze()
        };
        self.send_prepared(Prepared {
            topic: record.topic,
            partition: record.partition,
            key: record.key,
            value: Some(value),
            headers: record.headers,
            timestamp: None,
        })
    }

    /// A value of `size` bytes (at least 8) that begins with a uid which no other record of the trial has.
    #[must_use]
    pub(crate) fn value(&self, size: usize) -> Bytes {
        let mut station = self.shared.lock();
        station.records += 1;
        value(Uid(station.records), size, &mut station.values)
    }

    /// Sends a record whose value comes from [`ProducerClient::value`].
    pub(crate) fn send_prepared(&self, record: Prepared) -> Delivery {
        let mut delivery = Delivery {
            producer: self.clone(),
            uid: uid_of(record.value.as_ref()).expect("a value begins with its uid"),
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

    /// Whether the trial must wait for this producer although it may have no open sends.
    pub(super) fn set_probing(&self, is_probing: bool) {
        self.shared.lock().clients[self.client].is_probing = is_probing;
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
    uid: Uid,
    state: DeliveryState,
    /// Ends the wait for room (`max.block.ms`).
    blocked: Option<Sleep>,
}

enum DeliveryState {
    Waiting(Prepared),
    Sent(SendId),
    Refused(SendRefused),
    Taken,
}

impl Delivery {
    /// The record's name in the history.
    #[must_use]
    pub fn uid(&self) -> Uid {
        self.uid
    }

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
            // What lingers goes out now that others wait for its room.
            Err(SendRefused::BufferFull) => station.touch(producer.client),
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
    reserve(room, size);
    room.put_u64(uid.0);
    room.put_bytes((uid.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8, size - 8);
    room.split().freeze()
}

fn reserve(room: &mut BytesMut, size: usize) {
    if room.capacity() < size {
        *room = BytesMut::with_capacity(size.max(CHUNK));
    }
}

fn sent_record(record: &Prepared) -> SentRecord {
    let value = record.value.as_deref();
    SentRecord {
        uid: uid_of(value).expect("a value begins with the uid that ProducerClient::value gave it"),
        topic: record.topic.clone(),
        key: record.key.clone(),
        value: record.value.clone(),
        fingerprint: fingerprint(record.key.as_deref(), value, &record.headers),
        payload: crc32c::crc32c(value.map_or(&[], |value| &value[8..])),
        hop: hop::read(&record.headers).map(Box::new),
    }
}

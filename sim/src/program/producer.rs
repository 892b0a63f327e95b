//! The producer as an application sees it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use broker_core::client::producer::{ProducerRecord as Prepared, SendId, SendRefused};
use broker_core::config::{ProducerConfig, millis};
use broker_core::protocol::Header;
use broker_core::types::{PartitionIndex, Timestamp, TopicName};
use bytes::Bytes;

use super::clock::{Clock, Sleep};
use super::outcome::{RecordMetadata, SendError};
use super::station::{Shared, Station};
use crate::history::Uid;
use crate::mark;

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
/// On the wire its value is a uid of eight bytes, by which the trial follows it, and then the payload; a tombstone has the
/// uid in a header. A consumer of the record sees neither: [`super::ConsumerRecord::payload`] gives the payload back, and
/// [`super::ConsumerRecord::headers`] the headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerRecord {
    topic: TopicName,
    partition: Option<PartitionIndex>,
    key: Option<Bytes>,
    /// None in a tombstone.
    payload: Option<Bytes>,
    headers: Vec<Header>,
    timestamp: Option<Timestamp>,
}

impl ProducerRecord {
    /// A record for this topic, without key and payload.
    #[must_use]
    pub fn to(topic: impl AsRef<str>) -> ProducerRecord {
        ProducerRecord {
            topic: topic.as_ref().into(),
            partition: None,
            key: None,
            payload: Some(Bytes::new()),
            headers: Vec::new(),
            timestamp: None,
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
            payload: Some(Bytes::copy_from_slice(payload.as_ref())),
            ..self
        }
    }

    /// Without a value: in a compacted topic it deletes its key.
    #[must_use]
    pub fn tombstone(self) -> ProducerRecord {
        ProducerRecord { payload: None, ..self }
    }

    /// With one more header.
    ///
    /// # Panics
    /// When it has a name by which the trial marks records: `trial.uid` or `trial.probe`.
    #[must_use]
    pub fn header(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> ProducerRecord {
        let key = key.as_ref();
        assert!(
            !mark::is_reserved(key),
            "the header `{}` is the trial's own: take another name",
            String::from_utf8_lossy(key)
        );
        self.headers.push(Header {
            key: Bytes::copy_from_slice(key),
            value: Some(Bytes::copy_from_slice(value.as_ref())),
        });
        self
    }

    /// With this timestamp, in milliseconds since the Unix epoch ([`super::Env::timestamp`] is now). Without one it gets
    /// the time of the send, by the wall clock of the program's node.
    #[must_use]
    pub fn timestamp(self, timestamp: Timestamp) -> ProducerRecord {
        ProducerRecord {
            timestamp: Some(timestamp),
            ..self
        }
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
        let mut station = self.shared.lock();
        let uid = station.next_uid();
        let mut headers = record.headers;
        let value = record.payload.map(|payload| station.value_of(uid, &payload));
        if value.is_none() {
            headers.insert(0, mark::of_tombstone(uid));
        }
        let prepared = Prepared {
            topic: record.topic,
            partition: record.partition,
            key: record.key,
            value,
            headers,
            timestamp: record.timestamp,
        };
        let mut delivery = Delivery {
            producer: self.clone(),
            uid,
            state: DeliveryState::Waiting(prepared),
            blocked: None,
        };
        delivery.try_enqueue(&mut station);
        delivery
    }

    /// Sends everything that lingers and waits until all sends have ended.
    pub async fn flush(&self) {
        let mut began = false;
        std::future::poll_fn(|context| {
            let mut station = self.shared.lock();
            if !began {
                began = true;
                station.flush(self.client);
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
        match station.enqueue(self.producer.client, record, true) {
            Ok(id) => self.state = DeliveryState::Sent(id),
            Err(SendRefused::BufferFull) => {}
            Err(refused) => self.state = DeliveryState::Refused(refused),
        }
    }

    fn refuse(&mut self, station: &mut Station, refused: SendRefused) {
        if let DeliveryState::Waiting(record) = &self.state {
            station.refuse(self.producer.client, record, refused);
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

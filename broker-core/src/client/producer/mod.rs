//! The producer: partitioner, batches, the sender with its retries, idempotence.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::backoff::Backoff;
use crate::client::metadata::Metadata;
use crate::client::network::{Network, Reply};
use crate::config::{AcksSetting, ProducerConfig, Quirks, millis};
use crate::machine::{Input, Instant, Machine, Now, Outbox, Output};
use crate::protocol::record_batch::HEADER_SIZE;
use crate::protocol::{ErrorCode, Header};
use crate::random::Random;
use crate::types::{ClientId, Endpoint, NodeId, Offset, PartitionIndex, Timestamp, TopicName, TopicPartition};

mod accumulator;
mod batch;
mod completion;
mod identity;
mod outcome;
mod partition;
mod partitioner;
mod quirks;
mod sender;
mod sequence;
mod topics;

#[cfg(test)]
mod tests;

use accumulator::{Accumulator, Rules};
use identity::Identity;
use sender::Asked;
use topics::{Parked, Topics};

/// The most bytes that a record has besides its key, value and headers (`DefaultRecord.MAX_RECORD_OVERHEAD`).
const MAX_RECORD_OVERHEAD: usize = 21;

/// A record to be sent.
#[derive(Clone, Debug)]
pub struct ProducerRecord {
    /// Where to.
    pub topic: TopicName,
    /// The partition, if the application chooses; else by key, else sticky (KIP-794).
    pub partition: Option<PartitionIndex>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Vec<Header>,
    /// The timestamp; `None` takes the clock at the send.
    pub timestamp: Option<Timestamp>,
}

/// Names one send of a producer, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct SendId(pub u64);

/// Why a record was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum SendRefused {
    /// `buffer.memory` is used up; try again when something completed.
    #[error("the buffer is full")]
    BufferFull,
    /// The record is larger than `max.request.size` or `buffer.memory`.
    #[error("the record is too large")]
    RecordTooLarge,
    /// The producer met a fatal error or was closed.
    #[error("the producer is closed")]
    Closed,
}

/// How a send ended.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct SendCompletion {
    /// Which send.
    pub id: SendId,
    /// Its partition, once chosen.
    pub partition: Option<TopicPartition>,
    /// The result.
    pub result: Result<SendOk, SendFailed>,
}

/// A send that succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct SendOk {
    /// The record's offset; `None` at acks=0 and where the broker no longer knew it.
    pub offset: Option<Offset>,
}

/// A send that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct SendFailed {
    /// Why, as the application sees it.
    pub error: ErrorCode,
    /// Whether some attempt may have been appended, now or later: nobody answered it, or the answer does not
    /// exclude it. False means that the record is in no log and never will be.
    pub maybe_appended: bool,
}

/// A producer: the Java client's semantics without its threads.
///
/// [`Producer::send`] and [`Producer::flush`] come from the application, [`Machine::handle`] from the network and the
/// clock. After each of them drain [`Machine::poll`] and [`Producer::next_completion`], and ask [`Machine::deadline`].
/// Every accepted send ends exactly once.
///
/// Where the Java client blocks, this one waits on the application's behalf: records for a topic without metadata are
/// kept for up to `max.block.ms`, then fail with REQUEST_TIMED_OUT. A full buffer refuses instead.
///
/// As in Kafka, idempotence needs `acks=all`, retries, and at most 5 requests in flight; with other settings it is off.
pub struct Producer {
    config: ProducerConfig,
    quirks: Quirks,
    rng: Random,
    out: Outbox,
    network: Network<Asked>,
    metadata: Metadata,
    /// `None` without idempotence.
    identity: Option<Identity>,
    topics: Topics,
    accumulator: Accumulator,
    retry_backoff: Backoff,
    completions: VecDeque<SendCompletion>,
    next_send: u64,
    pending: usize,
    /// Bytes of `buffer.memory` in use.
    buffered: u64,
    /// A send was refused for want of memory: what waits is sent without lingering.
    exhausted_at: Option<Instant>,
    /// What the wall clock shows at this input or call.
    wall: Timestamp,
    /// The producer cannot go on.
    fatal: Option<ErrorCode>,
    /// The sends before this one were flushed.
    flushed: u64,
    /// Where requests are on their way whose buffers are free (`buffer-reused-in-flight`).
    freed_early: Vec<(TopicPartition, NodeId)>,
}

impl Producer {
    /// A producer that knows the cluster by `bootstrap`.
    #[must_use]
    pub fn new(config: ProducerConfig, bootstrap: Vec<(NodeId, Endpoint)>, rng: Random) -> Producer {
        let max_in_flight = config.max_in_flight_requests_per_connection.max(1) as usize;
        let idempotent = config.enable_idempotence
            && config.acks == AcksSetting::All
            && config.retries > 0
            && max_in_flight <= sequence::DUPLICATE_WINDOW;
        let retry_backoff = Backoff {
            initial: millis(config.retry_backoff_ms),
            max: millis(config.retry_backoff_max_ms),
        };
        let reconnect = Backoff {
            initial: millis(config.reconnect_backoff_ms),
            max: millis(config.reconnect_backoff_max_ms),
        };
        let rules = Rules {
            batch_size: u64::from(config.batch_size),
            linger: millis(config.linger_ms),
            delivery_timeout: millis(config.delivery_timeout_ms),
            max_request_size: u64::from(config.max_request_size),
            one_in_flight: max_in_flight == 1,
            idempotent,
        };
        let mut out = Outbox::with_set_up_timeout(
            millis(config.socket_connection_setup_timeout_ms),
            millis(config.socket_connection_setup_timeout_max_ms),
        )
        .with_client_id(ClientId::from(config.client_id.as_deref().unwrap_or("producer")));
        Producer {
            network: Network::new(
                millis(config.request_timeout_ms),
                millis(config.connections_max_idle_ms),
                reconnect,
                max_in_flight,
            ),
            metadata: Metadata::new(&mut out, bootstrap, millis(config.metadata_max_age_ms), retry_backoff),
            identity: idempotent.then(|| Identity::new(retry_backoff)),
            topics: Topics::default(),
            accumulator: Accumulator::new(rules),
            retry_backoff,
            config,
            quirks: Quirks::default(),
            rng,
            out,
            completions: VecDeque::new(),
            next_send: 0,
            pending: 0,
            buffered: 0,
            exhausted_at: None,
            wall: Timestamp::NONE,
            fatal: None,
            flushed: 0,
            freed_early: Vec::new(),
        }
    }

    /// Plants defects.
    #[must_use]
    pub fn with_quirks(mut self, quirks: Quirks) -> Producer {
        self.quirks = quirks;
        self
    }

    /// Takes a record. Its end comes from [`Producer::next_completion`]. Drain [`Machine::poll`] afterwards.
    ///
    /// # Errors
    /// When the record cannot be taken. A full buffer sends what lingers in it: drain [`Machine::poll`] then, too.
    pub fn send(&mut self, now: Now, record: ProducerRecord) -> Result<SendId, SendRefused> {
        let now = self.note(now);
        if self.fatal.is_some() {
            return Err(SendRefused::Closed);
        }
        let bound = size_upper_bound(&record);
        if bound > u64::from(self.config.max_request_size) || bound > self.config.buffer_memory {
            return Err(SendRefused::RecordTooLarge);
        }
        if self.buffered + bound > self.config.buffer_memory {
            if self.accumulator.has_open() {
                self.exhausted_at.get_or_insert(now);
            }
            return Err(SendRefused::BufferFull);
        }

        let id = SendId(self.next_send);
        self.next_send += 1;
        self.pending += 1;
        let topic = self.topics.index(&record.topic);
        let is_due = match self.choose_partition(now, topic, &record) {
            Some(partition) => self.append(now, topic, partition, &record, id),
            None => {
                self.metadata.want(&record.topic);
                self.buffered += bound;
                let expires = now + millis(self.config.max_block_ms);
                self.topics.park(
                    topic,
                    Parked {
                        id,
                        record,
                        expires,
                        charged: bound,
                    },
                );
                true
            }
        };
        if is_due {
            self.pump(now);
        }
        Ok(id)
    }

    /// Sends everything that waits, without lingering.
    pub fn flush(&mut self, now: Now) {
        let now = self.note(now);
        self.flushed = self.next_send;
        self.topics.flush_parked();
        self.accumulator.close_all(now);
        self.pump(now);
    }

    /// Takes the wall clock's time down, for all that this input or call leads to; returns the monotonic clock's.
    fn note(&mut self, now: Now) -> Instant {
        self.wall = now.wall;
        now.monotonic
    }

    /// How many sends have not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// The bytes of `buffer.memory` in use: of records that wait for metadata, for their batch to be sent, or for the
    /// answer to it. Unlike Kafka's pool it is charged with the size of a batch, not with `batch.size` for each.
    #[must_use]
    pub fn buffered_bytes(&self) -> u64 {
        self.buffered
    }

    /// How many records for this partition have not ended; 0 for a partition that the producer does not know.
    #[must_use]
    pub fn queued(&self, partition: TopicPartition) -> u64 {
        self.accumulator.queued(partition)
    }

    /// The next send that ended.
    pub fn next_completion(&mut self) -> Option<SendCompletion> {
        self.completions.pop_front()
    }

    /// Adds a record to a batch; true if something may have become due.
    fn append(&mut self, now: Instant, topic: usize, partition: usize, record: &ProducerRecord, id: SendId) -> bool {
        let timestamp = record.timestamp.unwrap_or(self.wall);
        let (bytes, is_due) = self.accumulator.append(now, partition, record, timestamp, id);
        self.buffered += bytes;
        if record.partition.is_none() && (record.key.is_none() || self.config.partitioner_ignore_keys) {
            let is_full = self.accumulator.all_batches_full(partition);
            let batch_size = u64::from(self.config.batch_size);
            self.topics.sticky(topic).0.produced(bytes, batch_size, is_full);
        }
        is_due
    }
}

impl Machine for Producer {
    fn handle(&mut self, now: Now, input: Input) {
        let now = self.note(now);
        match input {
            Input::Response { connection, id, body } => {
                if let Some(peer) = self.out.peer(connection)
                    && let Some((asked, body)) = self.network.answered(now, peer, id, body)
                {
                    self.replied(now, asked, Reply::Answer(body));
                }
            }
            Input::Connected { connection } => {
                if let Some(peer) = self.out.connected(connection) {
                    self.network.connected(&mut context!(self, now), peer);
                }
            }
            Input::Closed { connection, .. } => {
                if let Some(peer) = self.out.closed(connection) {
                    let lost = self.network.lost(&mut context!(self, now), peer);
                    self.connection_lost(now, lost);
                }
            }
            // A client serves nobody and has no disk.
            Input::Opened { .. } | Input::Request { .. } | Input::Disk { .. } | Input::Wake | Input::Stop => {}
        }
        self.keep_time(now);
        self.pump(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.poll()
    }

    fn deadline(&self) -> Option<Instant> {
        self.next_wake()
    }
}

/// The largest size that a batch of this record alone could have.
fn size_upper_bound(record: &ProducerRecord) -> u64 {
    let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    // Two lengths of at most 5 bytes each.
    let header = |header: &Header| 10 + header.key.len() + len(&header.value);
    let headers: usize = record.headers.iter().map(header).sum();
    (HEADER_SIZE + MAX_RECORD_OVERHEAD + len(&record.key) + len(&record.value) + headers) as u64
}

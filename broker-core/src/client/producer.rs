//! The producer: partitioner, batches, the sender with its retries, idempotence.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::config::ProducerConfig;
use crate::machine::{Input, Instant, Machine, Output};
use crate::protocol::{ErrorCode, Header};
use crate::random::Random;
use crate::types::{NodeId, Offset, PartitionIndex, Timestamp, TopicName, TopicPartition};

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

/// A producer.
pub struct Producer {
    _todo: (),
}

impl Producer {
    /// A producer that knows the cluster by `bootstrap`.
    #[must_use]
    pub fn new(_config: ProducerConfig, _bootstrap: Vec<NodeId>, _rng: Random) -> Producer {
        todo!()
    }

    /// Takes a record. Its end comes from [`Producer::next_completion`]. Drain [`Machine::poll`] afterwards.
    ///
    /// # Errors
    /// When the record cannot be taken; nothing changed then.
    pub fn send(&mut self, _now: Instant, _record: ProducerRecord) -> Result<SendId, SendRefused> {
        todo!()
    }

    /// Sends everything that waits, without lingering.
    pub fn flush(&mut self, _now: Instant) {
        todo!()
    }

    /// How many sends have not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        todo!()
    }

    /// The next send that ended.
    pub fn next_completion(&mut self) -> Option<SendCompletion> {
        todo!()
    }
}

impl Machine for Producer {
    fn handle(&mut self, _now: Instant, _input: Input) {
        todo!()
    }

    fn poll(&mut self) -> Option<Output> {
        todo!()
    }

    fn deadline(&self) -> Option<Instant> {
        todo!()
    }
}

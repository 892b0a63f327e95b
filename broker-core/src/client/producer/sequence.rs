//! Idempotence (KIP-98, KIP-360): the producer's id and epoch, and the sequence numbers of one partition.

use crate::types::{ProducerEpoch, ProducerId, Sequence};

/// A record's place in the order in which an idempotent producer has sent records to a partition in one epoch, from
/// 0. It is the sequence number before wrapping, so it has an order.
pub(super) type Ordinal = u64;

/// The sequence number that stands for an ordinal: it wraps past 2147483647 to 0.
pub(super) fn wrapped(ordinal: Ordinal) -> Sequence {
    Sequence((ordinal & 0x7fff_ffff) as i32)
}

/// Id and epoch, as a broker gave them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ProducerIdentity {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
}

/// The sequence numbers of one partition.
///
/// Kafka's `TxnPartitionEntry`: batches get their numbers when they are first sent, and keep them in every retry. A
/// new identity is taken over only while no numbered batch is incomplete.
#[derive(Clone, Default, Debug)]
pub(super) struct PartitionSequence {
    /// Whose numbers these are.
    pub identity: Option<ProducerIdentity>,
    /// The ordinal of the next record that gets one.
    pub next: Ordinal,
    /// The ordinal after the last record that a broker has acknowledged.
    pub acked: Ordinal,
    /// The ordinal after a batch that ended without anybody knowing whether it is in the log. No new numbers are
    /// given until the batches behind it have shown which it is.
    pub unresolved: Option<Ordinal>,
    /// There is a gap before the numbered batches that wait: they need new numbers under a new identity.
    pub must_renumber: bool,
}

/// What an answer of OUT_OF_ORDER_SEQUENCE_NUMBER says about the batch that it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OutOfOrder {
    /// An earlier batch is still to be sent again; this one follows it.
    Early,
    /// The broker's log has a gap that nothing will fill.
    Gap,
}

impl PartitionSequence {
    /// Begins at 0 under `identity`.
    pub fn begin(&mut self, identity: ProducerIdentity) {
        *self = PartitionSequence {
            identity: Some(identity),
            ..PartitionSequence::default()
        };
    }

    /// Numbers for the next `count` records.
    ///
    /// # Panics
    /// Before [`PartitionSequence::begin`].
    pub fn take(&mut self, count: u64) -> (ProducerIdentity, Ordinal) {
        let identity = self
            .identity
            .expect("a partition has an identity before its numbers are given");
        let first = self.next;
        self.next += count;
        (identity, first)
    }

    /// The records below `next` of this identity are in the log.
    pub fn acknowledge(&mut self, identity: ProducerIdentity, next: Ordinal) {
        if self.identity == Some(identity) {
            self.acked = self.acked.max(next);
        }
    }

    /// A numbered batch ended and may be in the log.
    pub fn leave_unresolved(&mut self, identity: ProducerIdentity, next: Ordinal) {
        if self.identity == Some(identity) {
            self.unresolved = self.unresolved.max(Some(next));
        }
    }

    /// `TransactionManager.canRetry` for OUT_OF_ORDER_SEQUENCE_NUMBER.
    pub fn out_of_order(&self, identity: ProducerIdentity, ordinal: Ordinal) -> OutOfOrder {
        let is_next = match self.unresolved {
            None => ordinal == self.acked,
            Some(unresolved) => ordinal == unresolved,
        };
        if self.identity == Some(identity) && is_next {
            OutOfOrder::Gap
        } else {
            OutOfOrder::Early
        }
    }
}

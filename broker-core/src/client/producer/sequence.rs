//! Idempotence (KIP-98, KIP-360): the producer's id and epoch, and the sequence numbers of one partition.

use crate::types::{ProducerEpoch, ProducerId, Sequence};

/// How many unanswered batches of one producer and partition a broker can tell duplicates of
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
pub(super) const DUPLICATE_WINDOW: usize = 5;

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
    /// The log knows the producer id: one of its batches was acknowledged.
    pub is_known: bool,
    /// The record with this ordinal is in no log and never will be. The batches before it go on as they are; those
    /// behind it cannot be in the log either, and get new numbers under another identity.
    pub gap: Option<Ordinal>,
}

/// What an answer of OUT_OF_ORDER_SEQUENCE_NUMBER says about the batch that it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OutOfOrder {
    /// An earlier batch is still to be sent again; this one follows it.
    Early,
    /// The batch before it has ended, and is not in the log so far.
    AfterUnresolved,
    /// The broker has lost what it had acknowledged.
    AfterLoss,
}

impl PartitionSequence {
    /// Begins at 0 under `identity`.
    pub fn begin(&mut self, identity: ProducerIdentity) {
        *self = PartitionSequence {
            is_known: self.is_known && self.identity.is_some_and(|old| old.id == identity.id),
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

    /// How many numbered batches may be incomplete at once.
    ///
    /// A broker takes any first sequence number from a producer that it does not know (KIP-360). If it refused the
    /// first batch for another reason, it would take the second one first: so the first one goes alone. Kafka's client
    /// does not wait here, and can reorder and repeat its first batches.
    pub fn window(&self) -> usize {
        if self.is_known { DUPLICATE_WINDOW } else { 1 }
    }

    /// The records below `next` of this identity are in the log.
    pub fn acknowledge(&mut self, identity: ProducerIdentity, next: Ordinal) {
        if self.identity == Some(identity) {
            self.acked = self.acked.max(next);
            self.is_known = true;
            // A log has no gaps: what comes before is there, too.
            self.unresolved = self.unresolved.filter(|unresolved| *unresolved > self.acked);
        }
    }

    /// A numbered batch ended and may be in the log.
    pub fn leave_unresolved(&mut self, identity: ProducerIdentity, next: Ordinal) {
        if self.identity == Some(identity) {
            self.unresolved = self.unresolved.max(Some(next));
        }
    }

    /// The record with this ordinal will never be in the log.
    pub fn leave_gap(&mut self, ordinal: Ordinal) {
        self.gap = Some(self.gap.map_or(ordinal, |gap| gap.min(ordinal)));
    }

    /// `TransactionManager.canRetry` for OUT_OF_ORDER_SEQUENCE_NUMBER.
    pub fn out_of_order(&self, identity: ProducerIdentity, ordinal: Ordinal) -> OutOfOrder {
        if self.identity != Some(identity) {
            OutOfOrder::Early
        } else if self.unresolved == Some(ordinal) {
            OutOfOrder::AfterUnresolved
        } else if self.unresolved.is_none() && self.acked == ordinal {
            OutOfOrder::AfterLoss
        } else {
            OutOfOrder::Early
        }
    }
}

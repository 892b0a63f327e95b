//! What an answer to a produce request means for the batch.

use crate::protocol::ErrorCode;

/// Whether `error` as an answer says that this attempt is in no log and never will be.
///
/// NOT_LEADER_OR_FOLLOWER is not among them: a leader that resigns while it waits for replicas answers with it after
/// the append. An unknown server error and a storage error can happen in the middle of one.
pub(super) fn excludes_append(error: ErrorCode) -> bool {
    use ErrorCode as E;
    matches!(
        error,
        E::CorruptMessage
            | E::UnknownTopicOrPartition
            | E::UnknownTopicId
            | E::MessageTooLarge
            | E::InvalidTopic
            | E::NotEnoughReplicas
            | E::InvalidRequiredAcks
            | E::InvalidRequest
            | E::OutOfOrderSequenceNumber
            | E::InvalidProducerEpoch
            | E::ProducerFenced
            | E::UnknownProducerId
            | E::InvalidRecord
            | E::InvalidTxnState
    )
}

/// What happens to a batch after an answer, before retries and `delivery.timeout.ms` are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It is in the log.
    Appended,
    /// It is sent again.
    Retry,
    /// It is sent again in two halves, if it has more than one record.
    Split,
    /// It is sent again, in sequence order; there may be a gap in the log (idempotent producers only).
    Reorder,
    /// It is sent again under a new epoch: the broker has lost the producer's state (idempotent producers only).
    Renumber,
    /// It has failed.
    Fail,
    /// It has failed, and the producer needs a new id.
    FailIdentity,
    /// It has failed, and so has the producer.
    FailProducer,
}

/// `Sender.completeBatch` and `TransactionManager.canRetry`, as a table.
pub(super) fn outcome(error: ErrorCode, idempotent: bool) -> Outcome {
    use ErrorCode as E;
    match error {
        E::None | E::DuplicateSequenceNumber => Outcome::Appended,
        E::MessageTooLarge => Outcome::Split,
        E::OutOfOrderSequenceNumber if idempotent => Outcome::Reorder,
        E::UnknownProducerId if idempotent => Outcome::Renumber,
        E::InvalidProducerEpoch if idempotent => Outcome::FailIdentity,
        E::ProducerFenced => Outcome::FailProducer,
        error if error.is_retriable() => Outcome::Retry,
        _ => Outcome::Fail,
    }
}

//! What clients and the environment did.

use broker_core::protocol::Acks;

use super::{Words, listed, span_of};
use crate::history::{
    CommitEnded, CommitInvoked, ConsumerFailure, Environment, PolledRecord, ProcessEnded, ProcessOutcome, Processing,
    SendFailed, SendOk, SendUnknown, SentRecord, ServiceCalled, Sought, What,
};

impl Words<'_> {
    /// A line of the history.
    pub fn what(&self, what: &What) -> String {
        match what {
            What::SendInvoked(record) => sent(record),
            What::SendOk(SendOk {
                uid,
                partition,
                offset,
                acks,
            }) => {
                let at = offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default();
                let label = self.0.partition(*partition);
                format!(
                    "got the ack: uid {} is stored{at} of {label} (acks={})",
                    uid.0,
                    acks_name(*acks)
                )
            }
            What::SendFailed(SendFailed { uid, error }) => {
                format!("got the error {error:?}: uid {} is not stored", uid.0)
            }
            What::SendUnknown(SendUnknown { uid, error }) => {
                format!("does not know whether uid {} is stored: {error:?}", uid.0)
            }
            What::ProducerOpened(promise) => format!("opened a producer with acks={}", acks_name(promise.acks)),
            What::ConsumerFailed(failure) => self.consumer_failure(failure),
            What::Polled(records) => self.polled(records),
            What::Sought(Sought { partition, to }) => {
                format!("moved its position in {} to {to}", self.0.partition(*partition))
            }
            What::ProcessBegun(processing) => {
                format!("began attempt {} at {}", processing.attempt, self.record(processing))
            }
            What::ProcessEnded(ProcessEnded { processing, outcome }) => {
                let record = self.record(processing);
                match outcome {
                    ProcessOutcome::Processed => format!("processed {record}"),
                    ProcessOutcome::WillRetry => format!("failed at {record}, and will try again"),
                    ProcessOutcome::Retried(copy) => {
                        format!("failed at {record}; its copy in the retry topic is uid {}", copy.0)
                    }
                    ProcessOutcome::DeadLettered(copy) => {
                        format!(
                            "failed at {record}; its copy in the dead-letter topic is uid {}",
                            copy.0
                        )
                    }
                    ProcessOutcome::Skipped => format!("failed at {record}, and went on without it"),
                }
            }
            What::CommitInvoked(CommitInvoked { group, offsets }) => {
                format!("asked to commit for group {group}: {}", self.positions(offsets))
            }
            What::CommitEnded(CommitEnded { group, offsets, error }) => {
                let positions = self.positions(offsets);
                match error.is_ok() {
                    true => format!("got the ack: the positions of group {group} are stored: {positions}"),
                    false => {
                        format!("got the error {error:?}: the commit for group {group} was not taken: {positions}")
                    }
                }
            }
            What::ServiceCalled(ServiceCalled {
                service,
                uid,
                effect,
                ok,
            }) => {
                let record = uid.map(|uid| format!(" for uid {}", uid.0)).unwrap_or_default();
                let how = match (effect, ok) {
                    (true, true) => "and it worked",
                    (true, false) => "and it worked, but the answer was an error",
                    (false, true) => "and it did nothing, but said that it had",
                    (false, false) => "and it failed",
                };
                format!("called {service}{record}, {how}")
            }
            What::Environment(environment) => environment_words(environment),
        }
    }

    /// Why a consumer cannot go on.
    pub fn consumer_failure(&self, failure: &ConsumerFailure) -> String {
        match failure {
            ConsumerFailure::NoPosition(partition) => format!(
                "has no position in {}, and auto.offset.reset=none names none",
                self.0.partition(*partition)
            ),
            ConsumerFailure::LogCut(partition, position) => format!(
                "stood at {position} of {}, whose log was cut below that, and auto.offset.reset=none names no other",
                self.0.partition(*partition)
            ),
            ConsumerFailure::NoPlace(group, error) => format!("has no place in group {group}: {error:?}"),
        }
    }

    fn polled(&self, records: &[PolledRecord]) -> String {
        if records.is_empty() {
            return "polled nothing".to_owned();
        }
        let of_one = records.chunk_by(|one, next| one.partition == next.partition);
        let spans = of_one.filter_map(|records| {
            let (first, last) = (records.first()?, records.last()?);
            let label = self.0.partition(first.partition);
            Some(format!("{} of {label}", span_of(first.offset, last.offset)))
        });
        format!("polled {}", listed(spans))
    }

    fn record(&self, processing: &Processing) -> String {
        let (label, offset) = (self.0.partition(processing.partition), processing.offset);
        match processing.uid {
            Some(uid) => format!("uid {}, offset {offset} of {label}", uid.0),
            None => format!("offset {offset} of {label}"),
        }
    }
}

fn sent(record: &SentRecord) -> String {
    let key = record
        .key
        .as_ref()
        .map(|key| format!(" (key {})", crate::words::key(key)));
    let copy = record.hop.as_ref().map(|hop| {
        let kind = if hop.dead_letter { "dead letter" } else { "copy" };
        format!(", a {kind} of uid {} after {} attempts", hop.origin.0, hop.attempts)
    });
    format!(
        "sent uid {}{} to {}{}",
        record.uid.0,
        key.unwrap_or_default(),
        record.topic,
        copy.unwrap_or_default()
    )
}

fn acks_name(acks: Acks) -> &'static str {
    match acks {
        Acks::None => "0",
        Acks::Leader => "1",
        Acks::All => "all",
    }
}

fn environment_words(environment: &Environment) -> String {
    match environment {
        Environment::Killed => "was killed".to_owned(),
        Environment::PowerLost { lost_bytes } => {
            format!("lost power, and with it {lost_bytes} bytes that were not flushed")
        }
        Environment::Started => "started".to_owned(),
        Environment::Paused => "was paused".to_owned(),
        Environment::Resumed => "went on after a pause".to_owned(),
        Environment::Halted => "stopped itself".to_owned(),
        Environment::Ended => "came to its end".to_owned(),
        Environment::Panicked { place, message } => format!("panicked at {place}: {message}"),
        Environment::FaultBegan(fault) => format!("a fault began: {fault}"),
        Environment::FaultEnded(fault) => format!("a fault ended: {fault}"),
        Environment::Healed => "all faults are over: everything is healed and running".to_owned(),
    }
}

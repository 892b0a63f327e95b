//! The history of a trial as people read it: with names in the place of ids.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_core::protocol::{Acks, ErrorCode};
use broker_core::types::{NodeId, Offset, TopicId};
use bytes::Bytes;

use crate::history::{
    At, CommitEnded, CommitInvoked, ConsumerFailure, Entry, Environment, ProcessEnded, ProcessOutcome, Processing,
    SendFailed, SendOk, SendUnknown, ServiceCalled, Sought, Uid, What,
};

/// What happened in a trial, in the order in which it happened: who sent, polled, processed and committed what, and what
/// the faults did. Checks of a user's own read it ([`super::Trial::check`], [`super::Trial::invariant`]).
#[derive(Clone, Default, Debug)]
pub struct History {
    events: Vec<Event>,
    records: BTreeMap<Uid, Sent>,
    /// The records that close a trial: they are not reported.
    probes: BTreeSet<Uid>,
    names: BTreeMap<NodeId, Arc<str>>,
    topics: BTreeMap<TopicId, Arc<str>>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: At,
    /// Whose doing: `billing/1`, `broker 3`, or `everywhere` for faults of network and disks.
    pub who: Arc<str>,
    /// Which run of that process, from 0.
    pub run: u32,
    /// What.
    pub what: Happened,
}

/// A partition by its topic's name: `orders/0`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic.
    pub topic: Arc<str>,
    /// Its number in the topic.
    pub index: i32,
}

/// A record that a program sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Its name in the trial; a record that is sent again has another one.
    pub uid: Uid,
    /// The program that sent it.
    pub by: Arc<str>,
    /// When it was handed to the producer.
    pub at: At,
    /// Where to.
    pub topic: Arc<str>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its payload.
    pub payload: Bytes,
}

/// Work on one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worked {
    /// For which group; none without one.
    pub group: Option<Arc<str>>,
    /// Where the record was read.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// Its name, if it was sent in this trial.
    pub uid: Option<Uid>,
    /// Counts the attempts at this record through all topics that it passes, from 1.
    pub attempt: u32,
}

/// A record that a poll returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Where from.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// Its name, if it was sent in this trial.
    pub uid: Option<Uid>,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Happened {
    /// A record was handed to a producer; [`History::record`] has it.
    Sent(Uid),
    /// The send took effect.
    Acked {
        /// Which record.
        uid: Uid,
        /// Where it went.
        partition: Partition,
        /// At which offset, if the ack has one.
        offset: Option<Offset>,
    },
    /// The send did not take effect and never will.
    SendFailed {
        /// Which record.
        uid: Uid,
        /// Why.
        error: ErrorCode,
    },
    /// The send may have taken effect, or may still.
    SendUnknown {
        /// Which record.
        uid: Uid,
        /// The error that the producer reported.
        error: ErrorCode,
    },
    /// A producer was opened.
    ProducerOpened {
        /// When its sends are answered.
        acks: Acks,
    },
    /// A consumer cannot go on by itself, for this reason.
    ConsumerFailed(String),
    /// A poll returned records, in this order.
    Polled(Vec<Read>),
    /// A program moved the position of its consumer.
    Sought {
        /// In which partition.
        partition: Partition,
        /// Where to.
        to: Offset,
    },
    /// A program began to work on a record.
    Began(Worked),
    /// It ended that work.
    Ended(Worked, ProcessOutcome),
    /// A commit was asked for.
    CommitAsked {
        /// Of which group.
        group: Arc<str>,
        /// The positions: the next offsets to read.
        offsets: Vec<(Partition, Offset)>,
    },
    /// A commit ended.
    CommitEnded {
        /// Of which group.
        group: Arc<str>,
        /// The positions.
        offsets: Vec<(Partition, Offset)>,
        /// Why it failed; none when it took effect.
        error: Option<ErrorCode>,
    },
    /// A program called a service.
    Called {
        /// Its name.
        service: Arc<str>,
        /// For which record.
        uid: Option<Uid>,
        /// Whether the call took effect.
        effect: bool,
        /// Whether the caller got a success.
        ok: bool,
    },
    /// A process started, died, stood still or went on, or a fault began or ended.
    Environment(Environment),
}

impl History {
    /// Of nothing yet, in a trial whose nodes people call so.
    pub(super) fn new(names: &BTreeMap<NodeId, String>) -> History {
        let names = names.iter().map(|(id, name)| (*id, name.as_str().into()));
        History {
            names: names.collect(),
            ..History::default()
        }
    }

    /// Everything, the oldest first.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The record of this name, if it was sent in this trial.
    #[must_use]
    pub fn record(&self, uid: Uid) -> Option<&Sent> {
        self.records.get(&uid)
    }

    /// All records that were handed to producers, the oldest first.
    pub fn sent(&self) -> impl Iterator<Item = &Sent> {
        self.records.values()
    }

    /// The records whose sends were answered ok, in the order of the answers.
    pub fn acked(&self) -> impl Iterator<Item = &Sent> {
        self.events.iter().filter_map(|event| match &event.what {
            Happened::Acked { uid, .. } => self.record(*uid),
            _ => None,
        })
    }

    /// The records that polls returned, each with the event and what was sent. Records that the trial did not send are
    /// left out.
    pub fn polled(&self) -> impl Iterator<Item = (&Event, &Sent)> {
        self.events.iter().flat_map(move |event| {
            let reads = match &event.what {
                Happened::Polled(reads) => &reads[..],
                _ => &[],
            };
            reads
                .iter()
                .filter_map(move |read| Some((event, self.record(read.uid?)?)))
        })
    }

    /// The records that programs said they had processed, each with the event and what was sent.
    pub fn processed(&self) -> impl Iterator<Item = (&Event, &Sent)> {
        self.events.iter().filter_map(|event| match &event.what {
            Happened::Ended(work, ProcessOutcome::Processed) => Some((event, self.record(work.uid?)?)),
            _ => None,
        })
    }

    /// Where the group's newest successful commit of this partition (`orders/0`) stands; none without one.
    #[must_use]
    pub fn committed(&self, group: &str, partition: &str) -> Option<Offset> {
        self.events.iter().rev().find_map(|event| match &event.what {
            Happened::CommitEnded {
                group: of,
                offsets,
                error: None,
            } if **of == *group => {
                let mut offsets = offsets.iter();
                let (_, offset) = offsets.find(|(place, _)| place.is(partition))?;
                Some(*offset)
            }
            _ => None,
        })
    }

    /// What the environment did: processes that started or ended, faults that began or were over.
    pub fn environment(&self) -> impl Iterator<Item = (&Event, &Environment)> {
        self.events.iter().filter_map(|event| match &event.what {
            Happened::Environment(what) => Some((event, what)),
            _ => None,
        })
    }

    // ---- making

    /// A topic exists.
    pub(super) fn name_topic(&mut self, topic: TopicId, name: &str) {
        self.topics.insert(topic, name.into());
    }

    /// Whether the line is about nothing but records that close a trial.
    pub(super) fn leaves_out(&mut self, entry: &Entry) -> bool {
        match &entry.what {
            What::SendInvoked(sent) if sent.is_probe => self.probes.insert(sent.uid),
            What::SendOk(SendOk { uid, .. })
            | What::SendFailed(SendFailed { uid, .. })
            | What::SendUnknown(SendUnknown { uid, .. }) => self.probes.contains(uid),
            What::Polled(records) => records.iter().all(|record| record.is_probe),
            _ => false,
        }
    }

    /// Adds a line, and returns the event that it became.
    pub(super) fn add(&mut self, entry: &Entry) -> &Event {
        let who = self.name_of(entry.process);
        if let What::SendInvoked(sent) = &entry.what {
            let payload = sent.value.as_ref().filter(|value| value.len() >= 8);
            let record = Sent {
                uid: sent.uid,
                by: Arc::clone(&who),
                at: entry.at,
                topic: (&*sent.topic.0).into(),
                key: sent.key.clone(),
                payload: payload.map_or_else(Bytes::new, |value| value.slice(8..)),
            };
            self.records.insert(sent.uid, record);
        }
        let event = Event {
            at: entry.at,
            who,
            run: entry.incarnation,
            what: self.happened(&entry.what),
        };
        self.events.push(event);
        self.events.last().expect("one was pushed")
    }

    fn happened(&self, what: &What) -> Happened {
        match what {
            What::SendInvoked(sent) => Happened::Sent(sent.uid),
            What::SendOk(SendOk {
                uid, partition, offset, ..
            }) => Happened::Acked {
                uid: *uid,
                partition: self.partition(*partition),
                offset: *offset,
            },
            What::SendFailed(SendFailed { uid, error }) => Happened::SendFailed {
                uid: *uid,
                error: *error,
            },
            What::SendUnknown(SendUnknown { uid, error }) => Happened::SendUnknown {
                uid: *uid,
                error: *error,
            },
            What::ProducerOpened(promise) => Happened::ProducerOpened { acks: promise.acks },
            What::ConsumerFailed(failure) => Happened::ConsumerFailed(match failure {
                ConsumerFailure::NoPosition(partition) => format!("no position in {}", self.partition(*partition)),
                ConsumerFailure::LogCut(partition, position) => {
                    format!("the log of {} was cut below {position}", self.partition(*partition))
                }
                ConsumerFailure::NoPlace(group, error) => format!("no place in group {group}: {error:?}"),
            }),
            What::Polled(records) => {
                let for_programs = records.iter().filter(|record| !record.is_probe);
                let reads = for_programs.map(|record| Read {
                    partition: self.partition(record.partition),
                    offset: record.offset,
                    uid: record.uid,
                });
                Happened::Polled(reads.collect())
            }
            What::Sought(Sought { partition, to }) => Happened::Sought {
                partition: self.partition(*partition),
                to: *to,
            },
            What::ProcessBegun(processing) => Happened::Began(self.worked(processing)),
            What::ProcessEnded(ProcessEnded { processing, outcome }) => {
                Happened::Ended(self.worked(processing), *outcome)
            }
            What::CommitInvoked(CommitInvoked { group, offsets }) => Happened::CommitAsked {
                group: (&*group.0).into(),
                offsets: self.positions(offsets),
            },
            What::CommitEnded(CommitEnded { group, offsets, error }) => Happened::CommitEnded {
                group: (&*group.0).into(),
                offsets: self.positions(offsets),
                error: (*error != ErrorCode::None).then_some(*error),
            },
            What::ServiceCalled(ServiceCalled {
                service,
                uid,
                effect,
                ok,
            }) => Happened::Called {
                service: Arc::clone(service),
                uid: *uid,
                effect: *effect,
                ok: *ok,
            },
            What::Environment(what) => Happened::Environment(what.clone()),
        }
    }

    fn name_of(&self, node: NodeId) -> Arc<str> {
        let name = self.names.get(&node).cloned();
        name.unwrap_or_else(|| "everywhere".into())
    }

    fn partition(&self, id: broker_core::types::TopicPartition) -> Partition {
        let topic = self.topics.get(&id.topic).cloned();
        Partition {
            topic: topic.unwrap_or_else(|| format!("topic {}", id.topic).into()),
            index: id.partition.0,
        }
    }

    fn worked(&self, processing: &Processing) -> Worked {
        Worked {
            group: processing.group.as_ref().map(|group| (&*group.0).into()),
            partition: self.partition(processing.partition),
            offset: processing.offset,
            uid: processing.uid,
            attempt: processing.attempt,
        }
    }

    fn positions(&self, offsets: &[(broker_core::types::TopicPartition, Offset)]) -> Vec<(Partition, Offset)> {
        let named = offsets.iter().map(|(id, offset)| (self.partition(*id), *offset));
        named.collect()
    }
}

impl Partition {
    /// Whether people call it so: `orders/0`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let parts = name.rsplit_once('/');
        parts.is_some_and(|(topic, index)| *topic == *self.topic && index.parse() == Ok(self.index))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.index)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Event {
    /// One line: when, who, what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at.time, self.who, self.what)
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let positions = |offsets: &[(Partition, Offset)]| {
            let named = offsets.iter().map(|(place, offset)| format!("{place}@{}", offset.0));
            named.collect::<Vec<_>>().join(", ")
        };
        match self {
            Happened::Sent(uid) => write!(f, "sends record {}", uid.0),
            Happened::Acked { uid, partition, offset } => match offset {
                Some(offset) => write!(f, "gets the ack: record {} is at {partition}@{}", uid.0, offset.0),
                None => write!(f, "gets the ack: record {} is in {partition}", uid.0),
            },
            Happened::SendFailed { uid, error } => write!(f, "failed to send record {}: {error:?}", uid.0),
            Happened::SendUnknown { uid, error } => {
                write!(f, "does not know what became of record {}: {error:?}", uid.0)
            }
            Happened::ProducerOpened { acks } => write!(f, "opens a producer, acks {acks:?}"),
            Happened::ConsumerFailed(why) => write!(f, "has a consumer that cannot go on: {why}"),
            Happened::Polled(reads) => match &reads[..] {
                [] => write!(f, "polls nothing"),
                [only] => write!(f, "polls {only}"),
                [first, .., last] => write!(f, "polls {} records, {first} to {last}", reads.len()),
            },
            Happened::Sought { partition, to } => write!(f, "seeks to {partition}@{}", to.0),
            Happened::Began(work) => write!(f, "begins to work on {work}"),
            Happened::Ended(work, ProcessOutcome::Processed) => write!(f, "has processed {work}"),
            Happened::Ended(work, outcome) => write!(f, "ends its work on {work}: {outcome:?}"),
            Happened::CommitAsked { group, offsets } => write!(f, "commits {} for {group}", positions(offsets)),
            Happened::CommitEnded { group, offsets, error } => match error {
                None => write!(f, "has committed {} for {group}", positions(offsets)),
                Some(error) => write!(f, "failed to commit {} for {group}: {error:?}", positions(offsets)),
            },
            Happened::Called {
                service,
                uid,
                effect,
                ok,
            } => {
                write!(f, "calls {service}")?;
                if let Some(uid) = uid {
                    write!(f, " for record {}", uid.0)?;
                }
                let effect = if *effect { "takes effect" } else { "has no effect" };
                let answer = if *ok { "success" } else { "a failure" };
                write!(f, ": it {effect}, and the answer is {answer}")
            }
            Happened::Environment(what) => match what {
                Environment::Killed => write!(f, "is killed"),
                Environment::PowerLost { lost_bytes } => write!(f, "loses power, and {lost_bytes} unsynced bytes"),
                Environment::Started => write!(f, "starts"),
                Environment::Paused => write!(f, "stands still"),
                Environment::Resumed => write!(f, "goes on"),
                Environment::Halted => write!(f, "halts"),
                Environment::Ended => write!(f, "has come to its end"),
                Environment::Panicked { place, message } => write!(f, "panics at {place}: {message}"),
                Environment::FaultBegan(fault) => write!(f, "begins: {fault}"),
                Environment::FaultEnded(fault) => write!(f, "ends: {fault}"),
                Environment::Healed => write!(f, "all faults are over"),
            },
        }
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset.0)
    }
}

impl fmt::Display for Worked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset.0)?;
        match self.attempt {
            1 => Ok(()),
            attempt => write!(f, " (attempt {attempt})"),
        }
    }
}

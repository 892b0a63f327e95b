//! The journey of single records through a trial: sent, appended at each replica, replicated, committed, polled,
//! processed, passed by a committed position; and what took them away again.
//!
//! A [`Journey`] watches a trial from its beginning and keeps a line for each station of the records that are followed.
//! If an offset is followed, which record that is becomes known only at the append: the line of its send is added then.

mod stations;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use broker_core::trace::{self, Event};
use broker_core::types::{GroupId, MemberId, NodeId, Offset, TopicId, TopicName, TopicPartition};

use crate::history::{
    At, Entry, Observer, ProcessEnded, SendFailed, SendOk, SendUnknown, SentRecord, ServiceCalled, Uid, What,
};
use crate::nearest::nearest;
use crate::words::{self, Names, Words};

/// Which records are followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecordSelector {
    /// All of this key.
    Key(String),
    /// Whatever stands at this offset.
    Offset {
        /// The topic's name.
        topic: String,
        /// The partition's number.
        partition: u32,
        /// The offset.
        offset: i64,
    },
    /// The one of this uid, and its copies in retry and dead-letter topics.
    Uid(u64),
}

/// One station.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Station {
    /// When.
    pub at: At,
    /// Who was at work: `broker 3`, `billing/1`.
    pub node: String,
    /// What it did, as a sentence without its subject.
    pub text: String,
}

/// No record of the trial is the one that should be followed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no record of this trial {what}")]
pub struct NoSuchRecord {
    what: String,
    /// The way out, if there is one.
    pub hint: Option<String>,
}

/// The stations of the followed records so far.
pub struct Journey {
    selector: RecordSelector,
    names: Known,
    /// Every send, needed when an offset is followed.
    sends: BTreeMap<Uid, (At, NodeId, SentRecord)>,
    followed: BTreeSet<Uid>,
    /// Where followed records stand, or stood.
    places: BTreeMap<(TopicPartition, Offset), BTreeSet<Uid>>,
    /// Where each replica's log ends.
    ends: BTreeMap<(NodeId, TopicPartition), Offset>,
    /// Which follower has which record, as leaders know.
    replicated: BTreeSet<(NodeId, NodeId, TopicPartition, Offset)>,
    positions: BTreeMap<(GroupId, TopicPartition), Offset>,
    stations: Vec<Station>,
}

/// What things are called, as far as the trial has said.
struct Known {
    nodes: BTreeMap<NodeId, String>,
    topics: BTreeMap<TopicId, TopicName>,
    members: BTreeMap<MemberId, NodeId>,
}

impl Names for Known {
    fn node(&self, node: NodeId) -> String {
        self.nodes.get(&node).cloned().unwrap_or_else(|| format!("node {node}"))
    }

    fn topic(&self, topic: TopicId) -> Option<TopicName> {
        self.topics.get(&topic).cloned()
    }

    fn member(&self, member: &MemberId) -> Option<NodeId> {
        self.members.get(member).copied()
    }
}

impl Journey {
    /// Of these records, through a trial with nodes of these names.
    #[must_use]
    pub fn new(selector: RecordSelector, names: BTreeMap<NodeId, String>) -> Journey {
        Journey {
            selector,
            names: Known {
                nodes: names,
                topics: BTreeMap::new(),
                members: BTreeMap::new(),
            },
            sends: BTreeMap::new(),
            followed: BTreeSet::new(),
            places: BTreeMap::new(),
            ends: BTreeMap::new(),
            replicated: BTreeSet::new(),
            positions: BTreeMap::new(),
            stations: Vec::new(),
        }
    }

    /// The stations, in the order in which they were reached.
    ///
    /// # Errors
    /// When no record is the one that should be followed.
    pub fn finish(mut self) -> Result<Vec<Station>, NoSuchRecord> {
        if self.followed.is_empty() {
            return Err(self.no_such_record());
        }
        self.stations.sort_by_key(|station| station.at);
        Ok(self.stations)
    }

    fn no_such_record(&self) -> NoSuchRecord {
        match &self.selector {
            RecordSelector::Key(key) => {
                let keys = self.sends.values().filter_map(|(_, _, sent)| sent.key.as_ref());
                let keys: BTreeSet<String> = keys.map(|key| words::key(key)).collect();
                let near = nearest(key, keys.iter().map(String::as_str));
                NoSuchRecord {
                    what: format!("has the key `{key}`"),
                    hint: match (near, keys.first()) {
                        (Some(near), _) => Some(format!("did you mean `key:{near}`?")),
                        (None, Some(first)) => Some(format!("there are {} keys, such as `key:{first}`", keys.len())),
                        (None, None) => Some("no record of this trial has a key".to_owned()),
                    },
                }
            }
            RecordSelector::Uid(uid) => {
                let (first, last) = (self.sends.first_key_value(), self.sends.last_key_value());
                NoSuchRecord {
                    what: format!("has the uid {uid}"),
                    hint: first
                        .zip(last)
                        .map(|((first, _), (last, _))| format!("uids go from {} to {}", first.0, last.0)),
                }
            }
            RecordSelector::Offset {
                topic,
                partition,
                offset,
            } => {
                let label = format!("{topic}/{partition}");
                let of_partition = self
                    .ends
                    .iter()
                    .filter(|((_, id), _)| self.names.partition(*id) == label);
                let end = of_partition.map(|(_, end)| end.0).max();
                NoSuchRecord {
                    what: format!("stood at offset {offset} of {label}"),
                    hint: end.map(|end| format!("{label} ends at offset {end}")),
                }
            }
        }
    }

    fn station(&mut self, at: At, node: NodeId, text: String) {
        let node = self.names.node(node);
        self.stations.push(Station { at, node, text });
    }

    /// From now on the record is followed; what was before is made up for.
    fn follow(&mut self, uid: Uid) {
        if !self.followed.insert(uid) {
            return;
        }
        if let Some((at, node, sent)) = self.sends.get(&uid) {
            let (at, node, sent) = (*at, *node, What::SendInvoked(sent.clone()));
            let text = Words(&self.names).what(&sent);
            self.station(at, node, text);
        }
    }

    fn sent(&mut self, entry: &Entry, sent: &SentRecord) {
        self.sends.insert(sent.uid, (entry.at, entry.process, sent.clone()));
        let is_copy = sent.hop.as_ref().is_some_and(|hop| self.followed.contains(&hop.origin));
        let is_it = match &self.selector {
            RecordSelector::Key(key) => sent.key.as_ref().is_some_and(|of| words::key(of) == *key),
            RecordSelector::Uid(uid) => sent.uid.0 == *uid,
            RecordSelector::Offset { .. } => false,
        };
        if is_copy || is_it {
            self.follow(sent.uid);
        }
    }

    /// Whether it is the place that is followed.
    fn is_wanted(&self, place: TopicPartition, at: Offset) -> bool {
        match &self.selector {
            RecordSelector::Offset {
                topic,
                partition,
                offset,
            } => {
                at.0 == *offset
                    && i64::from(place.partition.0) == i64::from(*partition)
                    && self
                        .names
                        .topics
                        .get(&place.topic)
                        .is_some_and(|name| *name.0 == **topic)
            }
            _ => false,
        }
    }
}

impl Observer for Journey {
    fn fact(&mut self, at: At, node: NodeId, event: &Event) {
        match event {
            Event::TopicCreated(trace::TopicCreated { name, topic, .. }) => {
                self.names.topics.insert(*topic, name.clone());
            }
            Event::PartitionsAssigned(trace::PartitionsAssigned { member, .. }) => {
                self.names.members.insert(member.clone(), node);
            }
            _ => {}
        }
        self.pass(at, node, event);
    }

    fn entry(&mut self, entry: &Entry) {
        let is_followed = |uid: Option<Uid>| uid.is_some_and(|uid| self.followed.contains(&uid));
        let is_about = match &entry.what {
            What::SendInvoked(sent) => return self.sent(entry, sent),
            What::SendOk(SendOk { uid, .. })
            | What::SendFailed(SendFailed { uid, .. })
            | What::SendUnknown(SendUnknown { uid, .. }) => is_followed(Some(*uid)),
            What::ProcessBegun(processing) | What::ProcessEnded(ProcessEnded { processing, .. }) => {
                is_followed(processing.uid)
            }
            What::ServiceCalled(ServiceCalled { uid, .. }) => is_followed(*uid),
            What::Polled(records) => {
                let followed: Vec<_> = records
                    .iter()
                    .filter(|record| is_followed(record.uid))
                    .copied()
                    .collect();
                for record in followed {
                    let text = format!(
                        "polled uid {}, offset {} of {}",
                        record.uid.map_or(0, |uid| uid.0),
                        record.offset,
                        self.names.partition(record.partition)
                    );
                    self.station(entry.at, entry.process, text);
                }
                return;
            }
            _ => false,
        };
        if is_about {
            let text = Words(&self.names).what(&entry.what);
            self.station(entry.at, entry.process, text);
        }
    }
}

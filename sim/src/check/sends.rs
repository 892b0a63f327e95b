//! Every send and how it ended. What became of it is judged at the end ([`super::judge`]), when every unknown outcome
//! has shown itself.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::protocol::{Acks, ErrorCode};
use broker_core::types::{NodeId, Offset, TopicName};
use bytes::Bytes;

use super::nodes::{Named, Nodes};
use super::send_counts::SendCounts;
use super::uids::UidIndex;
use crate::history::{At, Entry, SendFailed, SendOk, SendPromise, SendUnknown, SentRecord, Uid};
use crate::scenario::{ProducerGroup, Scenario};
use crate::words;

/// Every send.
pub(super) struct Sends {
    /// The place of each in [`Sends::sends`].
    pub index: UidIndex,
    /// In the order of invocation.
    pub sends: Vec<Send>,
    /// Runs of producers' programs.
    pub programs: BTreeMap<(NodeId, u32), u32>,
    /// The node of each of them, by [`Send::program`].
    pub nodes: Vec<NodeId>,
    /// What the newest producer of each node promises; a new one has a new node or a new run.
    promises: BTreeMap<NodeId, SendPromise>,
    last_program: Option<((NodeId, u32), u32)>,
    keys: BTreeMap<Bytes, u32>,
    /// How the payloads of applications begin, where that is text.
    texts: BTreeMap<Uid, Box<str>>,
    /// The scenario's topics, then others that something was sent to.
    topics: Vec<Topic>,
    healed: Option<At>,
    pending: u64,
    /// How the sends of each run of a program ended, by [`Send::program`]: all, and those since the heal.
    counts: Vec<(SendCounts, SendCounts)>,
    /// The nodes that send until every partition has taken a record after the heal: loads and the probe.
    loads: BTreeSet<NodeId>,
    /// The partitions of each topic that each of them has reached since the heal.
    reached: BTreeMap<(NodeId, u32), BTreeSet<usize>>,
    /// A send since the heal that did not end well, if some partition of its topic was not reached since either.
    unreached: BTreeMap<(NodeId, u32), usize>,
}

struct Topic {
    name: TopicName,
    /// How many partitions the scenario gives it.
    partitions: usize,
}

/// One send.
pub(super) struct Send {
    /// Its record.
    pub uid: Uid,
    /// The run of the program that sent it.
    pub program: u32,
    /// Where to, by its place in [`Sends::topics`].
    pub topic: u32,
    /// Of key, value and headers.
    pub fingerprint: u32,
    /// CRC-32C of the value behind its uid.
    pub payload: u32,
    /// Its key, by its place in the order of first use.
    pub key: Option<u32>,
    /// It only shows that its sender reaches the partition.
    pub is_probe: bool,
    /// When it began.
    pub invoked: At,
    /// How it ended.
    pub outcome: Outcome,
    /// The partition and the offset where it is committed at the end.
    pub place: Option<(usize, Offset)>,
    /// Where it was committed before a loss: the partition, the version, the offset.
    pub lost: Option<(usize, usize, Offset)>,
}

/// How a send ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has not.
    Pending,
    /// It took effect.
    Ok {
        /// When the program got the ack.
        at: At,
        /// The partition's place in the model.
        partition: usize,
        /// The offset in the ack.
        offset: Option<Offset>,
        /// Under which promise.
        acks: Acks,
    },
    /// It never takes effect.
    Failed(ErrorCode),
    /// It may have taken effect, or may still.
    Unknown,
}

impl Sends {
    /// No sends yet, from nodes that people call so.
    pub fn new(scenario: &Scenario, names: &BTreeMap<NodeId, String>) -> Sends {
        let topics = scenario.topics.iter().map(|topic| Topic {
            name: topic.name.as_str().into(),
            partitions: topic.partitions as usize,
        });
        Sends {
            index: UidIndex::default(),
            sends: Vec::with_capacity(expected(scenario)),
            programs: BTreeMap::new(),
            nodes: Vec::new(),
            promises: BTreeMap::new(),
            last_program: None,
            keys: BTreeMap::new(),
            texts: BTreeMap::new(),
            topics: topics.collect(),
            healed: None,
            pending: 0,
            counts: Vec::new(),
            loads: loads(scenario, names),
            reached: BTreeMap::new(),
            unreached: BTreeMap::new(),
        }
    }

    /// A node has a new producer.
    pub fn opened(&mut self, node: NodeId, promise: SendPromise) {
        self.promises.insert(node, promise);
    }

    /// A program sent a record.
    pub fn invoked(&mut self, entry: &Entry, record: &SentRecord) {
        if !self.index.insert(record.uid) {
            return;
        }
        let program = self.program(entry);
        let topic = topic_place(&mut self.topics, &record.topic) as u32;
        let key = record.key.as_ref().map(|key| self.key(key));
        if let Some(text) = record.value.as_deref().and_then(beginning) {
            self.texts.insert(record.uid, text);
        }
        self.pending += 1;
        self.sends.push(Send {
            uid: record.uid,
            program,
            topic,
            fingerprint: record.fingerprint,
            payload: record.payload,
            key,
            is_probe: record.is_probe,
            invoked: entry.at,
            outcome: Outcome::Pending,
            place: None,
            lost: None,
        });
    }

    fn key(&mut self, key: &Bytes) -> u32 {
        if let Some(place) = self.keys.get(key) {
            return *place;
        }
        let place = self.keys.len() as u32;
        self.keys.insert(key.clone(), place);
        place
    }

    fn program(&mut self, entry: &Entry) -> u32 {
        let key = (entry.process, entry.incarnation);
        if let Some((last, program)) = self.last_program
            && last == key
        {
            return program;
        }
        let program = *self.programs.entry(key).or_insert_with(|| {
            self.nodes.push(entry.process);
            self.counts.push(Default::default());
            self.nodes.len() as u32 - 1
        });
        self.last_program = Some((key, program));
        program
    }

    /// A send took effect.
    pub fn ok(&mut self, at: At, partition: usize, ok: &SendOk) {
        let &SendOk { uid, offset, acks, .. } = ok;
        let outcome = Outcome::Ok {
            at,
            partition,
            offset,
            acks,
        };
        self.end(uid, outcome, |counts, _| counts.ok += 1);
    }

    /// A send failed for certain.
    pub fn failed(&mut self, at: At, &SendFailed { uid, error }: &SendFailed) {
        self.end(uid, Outcome::Failed(error), |counts, topic| {
            counts.failed += 1;
            counts.ended_badly(at, error, topic);
        });
    }

    /// A send ended with an unknown outcome.
    pub fn unknown(&mut self, at: At, &SendUnknown { uid, error }: &SendUnknown) {
        self.end(uid, Outcome::Unknown, |counts, topic| {
            // The process died, which says nothing of its sends.
            if error != ErrorCode::UnknownServerError {
                counts.unknown += 1;
                counts.ended_badly(at, error, topic);
            }
        });
    }

    /// Each client's sends, without those that close a trial: all, and those since the heal.
    pub fn counts(&self) -> BTreeMap<NodeId, (SendCounts, SendCounts)> {
        let mut of_clients: BTreeMap<NodeId, (SendCounts, SendCounts)> = BTreeMap::new();
        for (node, (all, since_heal)) in self.nodes.iter().zip(&self.counts) {
            let counts = of_clients.entry(*node).or_default();
            counts.0.add(all);
            counts.1.add(since_heal);
        }
        of_clients
    }

    /// A send ended; `add` counts it for its client.
    fn end(&mut self, uid: Uid, outcome: Outcome, add: impl Fn(&mut SendCounts, u32)) {
        let Some(place) = self.index.get(uid) else { return };
        let send = &mut self.sends[place];
        if send.outcome != Outcome::Pending {
            return;
        }
        self.pending -= 1;
        send.outcome = outcome;
        let is_healed = self.healed.is_some_and(|healed| send.invoked >= healed);
        if !send.is_probe {
            let (all, since_heal) = &mut self.counts[send.program as usize];
            add(all, send.topic);
            if is_healed {
                add(since_heal, send.topic);
            }
        }
        let node = self.nodes[send.program as usize];
        if is_healed && self.loads.contains(&node) {
            // Where a failed send went to is not known: each partition must be reached then.
            let at = (node, send.topic);
            if let Outcome::Ok { partition, .. } = outcome {
                let reached = self.reached.entry(at).or_default();
                reached.insert(partition);
                if reached.len() >= self.topics[send.topic as usize].partitions {
                    self.unreached.remove(&at);
                }
            } else {
                self.unreached.insert(at, place);
            }
        }
    }

    /// The send of this name.
    pub fn find(&self, uid: Uid) -> Option<&Send> {
        Some(&self.sends[self.index.get(uid)?])
    }

    /// The send of this name, and how many were before it.
    pub fn numbered(&self, uid: Uid) -> Option<(&Send, usize)> {
        let number = self.index.get(uid)?;
        Some((&self.sends[number], number))
    }

    /// Every send to these topics, with the node that sent it.
    pub fn in_topics(&self, topics: &[&str]) -> impl Iterator<Item = (NodeId, &Send)> {
        let is_wanted: Vec<bool> = self
            .topics
            .iter()
            .map(|topic| topics.contains(&&*topic.name.0))
            .collect();
        let wanted = self.sends.iter().filter(move |send| is_wanted[send.topic as usize]);
        wanted.map(move |send| (self.nodes[send.program as usize], send))
    }

    /// The name of a topic that something was sent to.
    pub fn topic(&self, send: &Send) -> &TopicName {
        self.topic_at(send.topic)
    }

    /// The name of a topic, by [`Send::topic`].
    pub fn topic_at(&self, place: u32) -> &TopicName {
        &self.topics[place as usize].name
    }

    /// The record of a send, for people: its uid, its key if it has one, how its payload begins if that is text.
    pub fn record(&self, send: &Send) -> String {
        let uid = send.uid.0;
        let key = send
            .key
            .and_then(|place| self.keys.iter().find(|(_, of)| **of == place));
        let key = key.map(|(key, _)| format!("key {}", words::key(key)));
        let text = self.texts.get(&send.uid).map(|text| format!("payload {text:?}"));
        let more: Vec<String> = key.into_iter().chain(text).collect();
        match &more[..] {
            [] => format!("uid {uid}"),
            more => format!("uid {uid} ({})", more.join(", ")),
        }
    }

    /// Who made a send, for people.
    pub fn sender<'a>(&self, send: &Send, nodes: &'a Nodes) -> Named<'a> {
        nodes.named(self.nodes[send.program as usize])
    }

    /// The place of the oldest send that has not ended.
    pub fn oldest_pending(&self) -> Option<usize> {
        if self.pending == 0 {
            return None;
        }
        self.sends.iter().position(|send| send.outcome == Outcome::Pending)
    }

    /// What the configuration of its producer promises of a send.
    pub fn promise(&self, send: &Send) -> Option<SendPromise> {
        self.promises.get(&self.nodes[send.program as usize]).copied()
    }

    /// Everything is healed.
    pub fn healed(&mut self, at: At) {
        self.healed = Some(at);
    }

    /// Whether everything was healed.
    pub fn are_healed(&self) -> bool {
        self.healed.is_some()
    }

    /// How many sends have not ended.
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// The loads that cannot send although everything is healed, for people.
    pub fn unreached<'a>(&'a self, nodes: &'a Nodes) -> impl Iterator<Item = (String, usize)> + 'a {
        self.unreached.iter().map(move |((node, _), place)| {
            let send = &self.sends[*place];
            let how = match send.outcome {
                Outcome::Failed(error) => format!("failed with {error:?}"),
                _ => "ended with an unknown outcome".to_owned(),
            };
            let (node, record, topic) = (nodes.named(*node), self.record(send), self.topic(send));
            (
                format!("{node} cannot send: {record}, sent to {topic} after the heal, {how}"),
                *place,
            )
        })
    }
}

/// How the payload of a value begins, if that is text. Loads send one byte over and over, which says nothing.
fn beginning(value: &[u8]) -> Option<Box<str>> {
    const SHOWN: usize = 40;
    let payload = value.get(8..)?;
    let (first, second, last) = (payload.first()?, payload.get(1), payload.last()?);
    if payload.len() > 2 && first == last && second == Some(first) {
        return None;
    }
    let head = &payload[..payload.len().min(SHOWN)];
    let text = match core::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut in two.
        Err(error) if error.error_len().is_none() => core::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let more = if payload.len() > text.len() { "…" } else { "" };
    let is_text = text.chars().all(|c| !c.is_control());
    is_text.then(|| format!("{text}{more}").into())
}

/// The programs that do nothing but send.
fn loads(scenario: &Scenario, names: &BTreeMap<NodeId, String>) -> BTreeSet<NodeId> {
    let is_load = |name: &str| {
        let group = name.split('/').next();
        name == "probe" || scenario.producers.iter().any(|producer| group == Some(&producer.name))
    };
    let loads = names.iter().filter(|(_, name)| is_load(name));
    loads.map(|(node, _)| *node).collect()
}

/// About how many records the producers will send, so that the list of them need not be moved as it grows.
fn expected(scenario: &Scenario) -> usize {
    let of_group = |group: &ProducerGroup| {
        let stop = group.stop.unwrap_or(scenario.duration).min(scenario.duration);
        f64::from(group.count) * group.rate * stop.saturating_sub(group.start).as_secs_f64()
    };
    let records: f64 = scenario.producers.iter().map(of_group).sum();
    (records * 1.1).min(1e6) as usize
}

fn topic_place(topics: &mut Vec<Topic>, name: &TopicName) -> usize {
    topics.iter().position(|known| known.name == *name).unwrap_or_else(|| {
        topics.push(Topic {
            name: name.clone(),
            partitions: 1,
        });
        topics.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn payloads_are_shown_where_they_are_text() {
        let long = "a long order, and then some more of it that nobody needs";
        for (payload, shown) in [
            ("order 3", Some("order 3")),
            (long, Some("a long order, and then some more of it t…")),
            ("ööööööööööööööööööööööö", Some("öööööööööööööööööööö…")),
            ("xöööööööööööööööööööööö", Some("xööööööööööööööööööö…")),
            ("aaaaaaaa", None),
            ("", None),
            ("two\nlines", None),
        ] {
            let value = [&[0; 8], payload.as_bytes()].concat();
            assert_eq!(beginning(&value).as_deref(), shown, "{payload}");
        }
        assert_eq!(beginning(&[0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xfe]), None);
        assert_eq!(beginning(&[1, 2, 3]), None);
    }
}

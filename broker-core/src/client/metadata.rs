//! A client's view of the cluster: brokers, topics, leaders; and when it must be asked for again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::backoff::Backoff;
use crate::client::network::{Availability, Network};
use crate::machine::{Channel, Context, Instant, Outbox};
use crate::protocol::{ErrorCode, MetadataRequest, MetadataResponse, MetadataTopic};
use crate::topic_pattern::TopicPattern;
use crate::types::{Endpoint, LeaderEpoch, LeaderIdAndEpoch, Listener, NodeId, TopicId, TopicName, TopicPartition};

/// What is known of the cluster, merged from answers of brokers that may be behind one another: a partition's leader
/// is replaced only by one of the same or a later leader epoch (KIP-320).
///
/// It is asked for again when it is said to be [stale](Metadata::request_update), when a topic is
/// [new](Metadata::want), and when it is older than `metadata.max.age.ms`; never sooner than `retry.backoff.ms` after
/// the last answer, and ever more slowly while answers bring no news (KIP-580).
pub(super) struct Metadata {
    bootstrap: Vec<NodeId>,
    brokers: Vec<NodeId>,
    topics: BTreeMap<TopicName, Wanted>,
    /// All topics are asked for, and those that match are kept.
    pattern: Option<Pattern>,
    leaders: BTreeMap<TopicPartition, LeaderIdAndEpoch>,

    max_age: Duration,
    backoff: Backoff,
    stale: bool,
    is_asked: bool,
    /// The request that is out, or was the latest, is about all topics.
    is_of_all: bool,
    expires: Instant,
    /// Nothing is asked before.
    allowed_at: Instant,
    /// Answers and failures in a row that brought nothing new.
    fruitless: u32,
}

/// The topics of a subscription by pattern.
struct Pattern {
    pattern: TopicPattern,
    /// Whether those of the cluster itself are among them.
    has_internal: bool,
    /// An answer has listed the topics that there are.
    is_answered: bool,
}

impl Pattern {
    fn matches(&self, topic: &TopicName) -> bool {
        (self.has_internal || &*topic.0 != TopicName::CONSUMER_OFFSETS) && self.pattern.matches(topic)
    }
}

/// A topic that is asked for.
#[derive(Clone, Copy, Default)]
struct Wanted {
    topic: Option<Topic>,
    /// Some broker has described it, or that it does not exist.
    is_answered: bool,
}

/// A topic that exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Topic {
    pub id: TopicId,
    /// How many partitions it has.
    pub partitions: u32,
}

/// Learns where brokers listen.
fn learn(out: &mut Outbox, brokers: Vec<(NodeId, Endpoint)>) -> Vec<NodeId> {
    let learned = brokers.into_iter().map(|(node, endpoint)| {
        out.learn(node, Listener::Broker, endpoint);
        node
    });
    learned.collect()
}

impl Metadata {
    pub fn new(out: &mut Outbox, bootstrap: Vec<(NodeId, Endpoint)>, max_age: Duration, backoff: Backoff) -> Metadata {
        Metadata {
            bootstrap: learn(out, bootstrap),
            brokers: Vec::new(),
            topics: BTreeMap::new(),
            pattern: None,
            leaders: BTreeMap::new(),
            max_age,
            backoff,
            stale: false,
            is_asked: false,
            is_of_all: false,
            expires: Instant(0),
            allowed_at: Instant(0),
            fruitless: 0,
        }
    }

    /// Adds a topic to those that are asked for; a new one is asked for at once.
    pub fn want(&mut self, name: &TopicName) {
        if !self.topics.contains_key(name) {
            self.topics.insert(name.clone(), Wanted::default());
            self.stale = true;
            self.allowed_at = Instant(0);
        }
    }

    /// Adds all topics that match the pattern, now and later, or no longer those of an earlier one. The cluster's own topics
    /// are among them only if `has_internal`.
    pub fn want_matching(&mut self, pattern: Option<TopicPattern>, has_internal: bool) {
        self.pattern = pattern.map(|pattern| Pattern {
            pattern,
            has_internal,
            is_answered: false,
        });
        if self.pattern.is_some() {
            self.stale = true;
            self.allowed_at = Instant(0);
        }
    }

    /// The topics that match the pattern, in order; `None` before a broker has listed them.
    pub fn matching(&self) -> Option<Vec<TopicName>> {
        let pattern = self.pattern.as_ref().filter(|pattern| pattern.is_answered)?;
        let names = self.topics.keys().filter(|name| pattern.matches(name));
        Some(names.cloned().collect())
    }

    /// Forgets all topics but those that `keep` names and those that match the pattern.
    pub fn retain(&mut self, keep: impl Fn(&TopicName) -> bool) {
        let pattern = &self.pattern;
        let matches = |name: &TopicName| pattern.as_ref().is_some_and(|pattern| pattern.matches(name));
        self.topics.retain(|name, _| keep(name) || matches(name));
        let topics = &self.topics;
        self.leaders.retain(|partition, _| {
            topics
                .values()
                .any(|wanted| wanted.topic.is_some_and(|t| t.id == partition.topic))
        });
    }

    /// An answer of some broker contradicted the metadata, or a connection was lost.
    pub fn request_update(&mut self) {
        self.stale = true;
    }

    /// The topic, once a broker has described it.
    pub fn topic(&self, name: &TopicName) -> Option<Topic> {
        self.topics.get(name)?.topic
    }

    /// Whether an answer has described the topic, or said that it does not exist.
    pub fn is_answered(&self, name: &TopicName) -> bool {
        self.topics.get(name).is_some_and(|wanted| wanted.is_answered)
    }

    /// The name of a topic that is asked for.
    pub fn name(&self, id: TopicId) -> Option<&TopicName> {
        let mut known = self.topics.iter();
        let (name, _) = known.find(|(_, wanted)| wanted.topic.is_some_and(|topic| topic.id == id))?;
        Some(name)
    }

    /// Who leads, if anybody is known to.
    pub fn leader(&self, partition: TopicPartition) -> Option<(NodeId, LeaderEpoch)> {
        let known = self.leaders.get(&partition)?;
        known.leader.map(|leader| (leader, known.leader_epoch))
    }

    /// Whether an answer has described the partition, with a leader or without.
    pub fn knows(&self, partition: TopicPartition) -> bool {
        self.leaders.contains_key(&partition)
    }

    /// When a request is due; `None` while one is out or there is nothing to ask.
    pub fn refresh_at(&self) -> Option<Instant> {
        if self.is_asked || self.topics.is_empty() && self.pattern.is_none() {
            return None;
        }
        Some(if self.stale {
            self.allowed_at
        } else {
            self.expires.max(self.allowed_at)
        })
    }

    /// When some broker will be asked what is `due`, if that is before the `next` thing to happen anyway. `None` also
    /// while that waits for a broker.
    pub fn asks_at<K>(&self, network: &Network<K>, due: Option<Instant>, next: Option<Instant>) -> Option<Instant> {
        // This is asked for all the time, and metadata is good for minutes: the brokers are hardly ever looked at.
        let due = due.filter(|due| next.is_none_or(|next| *due < next))?;
        let at = match network.availability(&self.brokers) {
            Availability::Ready => Instant(0),
            Availability::Connecting => return None,
            Availability::From(at) => match network.availability(&self.bootstrap) {
                Availability::Ready => Instant(0),
                Availability::Connecting => at,
                Availability::From(other) => at.min(other),
            },
        };
        (at < Instant::NEVER).then(|| at.max(due))
    }

    /// A broker for what any broker can answer, if one can be asked now; the bootstrap brokers when no known one is ready
    /// (KIP-899). Connects to one if none is connected.
    pub fn any_broker<K>(&self, cx: &mut Context<'_>, network: &mut Network<K>) -> Option<NodeId> {
        let known = network.least_loaded(cx, &self.brokers);
        let node = known.or_else(|| network.least_loaded(cx, &self.bootstrap))?;
        network.ready(cx, (node, Channel::Client)).then_some(node)
    }

    /// The request, which is out from now on.
    pub fn request(&mut self) -> MetadataRequest {
        if !self.stale {
            self.fruitless = 0;
        }
        self.stale = false;
        self.is_asked = true;
        let topics = match self.pattern {
            Some(_) => None,
            None => Some(self.topics.keys().cloned().collect()),
        };
        self.is_of_all = topics.is_none();
        MetadataRequest { topics }
    }

    /// The request was lost.
    pub fn failed(&mut self, cx: &mut Context<'_>) {
        self.is_asked = false;
        self.stale = true;
        self.pause(cx, false);
    }

    /// Takes an answer over; true if anything changed.
    pub fn update(&mut self, cx: &mut Context<'_>, answer: MetadataResponse) -> bool {
        self.is_asked = false;
        self.expires = cx.now + self.max_age;
        if !answer.brokers.is_empty() {
            self.brokers = learn(cx.out, answer.brokers);
        }
        let mut changed = false;
        if let Some(pattern) = self.pattern.as_mut().filter(|_| self.is_of_all) {
            changed |= !core::mem::replace(&mut pattern.is_answered, true);
            for topic in answer.topics.iter().filter(|topic| topic.id.is_some()) {
                if pattern.matches(&topic.name) {
                    self.topics.entry(topic.name.clone()).or_default();
                }
            }
        }
        for topic in answer.topics {
            changed |= self.update_topic(topic);
        }
        if self.topics.values().any(|wanted| wanted.topic.is_none()) {
            self.stale = true;
        }
        self.pause(cx, changed);
        changed
    }

    /// A broker said who leads now (KIP-951); true if that was news.
    pub fn learn_leader(&mut self, partition: TopicPartition, news: LeaderIdAndEpoch) -> bool {
        let known = self.leaders.get(&partition).map(|known| known.leader_epoch);
        let is_news = news.leader.is_some() && known.is_some_and(|known| known < news.leader_epoch);
        if is_news {
            self.leaders.insert(partition, news);
        }
        is_news
    }

    fn update_topic(&mut self, answer: MetadataTopic) -> bool {
        // A topic that was dropped while the request was out.
        let Some(wanted) = self.topics.get_mut(&answer.name) else {
            return false;
        };
        wanted.is_answered = true;
        // A broker that has just started may not know a topic that others do: what is known stays.
        let (Some(id), ErrorCode::None) = (answer.id, answer.error) else {
            self.stale = true;
            return false;
        };
        let news = Topic {
            id,
            partitions: answer.partitions.len() as u32,
        };
        let mut changed = wanted.topic != Some(news);
        if let Some(old) = wanted.topic.replace(news).filter(|old| old.id != id) {
            self.leaders.retain(|partition, _| partition.topic != old.id);
        }
        for partition in answer.partitions {
            let key = TopicPartition {
                topic: id,
                partition: partition.index,
            };
            let news = LeaderIdAndEpoch {
                leader: partition.leader,
                leader_epoch: partition.leader_epoch,
            };
            let known = self.leaders.get(&key);
            if known.is_none_or(|known| known.leader_epoch <= news.leader_epoch && *known != news) {
                self.leaders.insert(key, news);
                changed = true;
            }
            // An older answer may name a leader of which a newer one said that it is none any more.
            let has_leader = self.leaders.get(&key).is_some_and(|known| known.leader.is_some());
            self.stale |= !partition.error.is_ok() || !has_leader;
        }
        changed
    }

    fn pause(&mut self, cx: &mut Context<'_>, news: bool) {
        self.fruitless = if news { 0 } else { self.fruitless.saturating_add(1) };
        self.allowed_at = cx.now + self.backoff.after(self.fruitless.saturating_sub(1), cx.rng);
    }
}

//! What the checks know about the cluster: nodes, partitions, replicas, and the controller's committed state.

use std::collections::BTreeMap;

use broker_core::protocol::RecordBatch;
use broker_core::trace::{BrokerChanged, TopicCreated};
use broker_core::types::{
    BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionEpoch, TopicId, TopicName, TopicPartition,
};

use super::ledger::Ledger;
use super::mirror::Mirror;
use super::nodes::{Named, Nodes};
use super::replica_set::ReplicaSet;
use super::witness::{Evidence, Notes};
use crate::history::At;
use crate::scenario::Scenario;
use crate::verdict::{Check, Finding, Findings, Ruling};

/// What a topic promises.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `unclean.leader.election.enable`.
    pub unclean_election: bool,
}

/// What most checks of one fact need besides the partition.
pub(super) struct Scene<'a> {
    /// When.
    pub at: At,
    /// Who stated the fact.
    pub node: NodeId,
    /// Every node's crashes.
    pub nodes: &'a Nodes,
    /// Where findings go.
    pub findings: &'a mut Findings,
}

/// One partition.
pub(super) struct Partition {
    /// Its id.
    pub id: TopicPartition,
    /// Its topic's name and its index, for people: `orders/0`.
    pub label: String,
    /// The topic's place in [`Model::topics`], if it has a name yet.
    pub topic: Option<usize>,
    /// It is of the offsets topic: its records are no program's.
    pub is_internal: bool,
    /// What its topic promises.
    pub promise: Promise,
    /// Every node that ever said something about a log of the partition.
    pub replicas: Vec<Replica>,
    /// The newest state that the controller committed.
    pub state: Option<ControllerState>,
    /// The leader of each epoch, as the first fact stated it.
    pub leaders: BTreeMap<LeaderEpoch, usize>,
    /// An election outside the ISR took place, and its leader has not begun yet.
    pub unclean_pending: bool,
    /// What is committed.
    pub ledger: Ledger,
    /// What power losses took from single logs.
    pub losses: Vec<Loss>,
    /// What leaders answered to `acks=1`.
    pub leader_acks: Vec<LeaderAck>,
    /// The batches that leaders appended, in the order of appending: where, when and whose.
    pub leader_appends: Vec<LeaderAppend>,
    /// What a person may want to see.
    pub notes: Notes,
}

/// A leader appended a batch.
#[derive(Clone, Copy)]
pub(super) struct LeaderAppend {
    /// When.
    pub at: At,
    /// Which leader.
    pub slot: u32,
    /// In which epoch.
    pub epoch: LeaderEpoch,
    /// The first record's offset.
    pub base: Offset,
}

/// A power loss took records of one log.
#[derive(Clone, Copy)]
pub(super) struct Loss {
    /// When the restarted node found out.
    pub at: At,
    /// Whose log.
    pub slot: usize,
    /// The first lost offset.
    pub from: Offset,
}

/// A leader answered ok under `acks=1`.
#[derive(Clone, Copy)]
pub(super) struct LeaderAck {
    /// When.
    pub at: At,
    /// Which leader.
    pub slot: usize,
    /// In which epoch.
    pub epoch: LeaderEpoch,
    /// The first record's offset.
    pub first: Offset,
    /// The last record's offset.
    pub last: Offset,
}

/// A partition's state in the metadata log.
#[derive(Clone)]
pub(super) struct ControllerState {
    /// The replicas.
    pub replicas: ReplicaSet,
    /// Those in sync.
    pub isr: ReplicaSet,
    /// The leader.
    pub leader: Option<usize>,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// The state's epoch.
    pub partition_epoch: PartitionEpoch,
}

/// One replica.
pub(super) struct Replica {
    /// On which node.
    pub node: NodeId,
    /// Its log.
    pub mirror: Mirror,
    /// Its high watermark, as last stated.
    pub high_watermark: Offset,
    /// The epoch in which it leads or follows.
    pub epoch: LeaderEpoch,
    /// What it knows as leader.
    pub leading: Option<Leading>,
    /// It was found to lack committed records, and nothing has changed since.
    pub lacking: bool,
}

/// What a leader knows.
pub(super) struct Leading {
    /// The committed ISR.
    pub isr: ReplicaSet,
    /// That and a proposed one together.
    pub maximal_isr: ReplicaSet,
    /// How far each follower is by its fetches in this epoch.
    pub fetched: Vec<Option<Offset>>,
}

impl Partition {
    fn new(id: TopicPartition, topic: Option<(usize, &Topic)>) -> Partition {
        let none = Promise {
            min_insync_replicas: 1,
            unclean_election: false,
        };
        let label = topic.map_or_else(
            || id.to_string(),
            |(_, topic)| format!("{}/{}", topic.name, id.partition),
        );
        Partition {
            id,
            notes: Notes::about(&label),
            label,
            topic: topic.map(|(index, _)| index),
            is_internal: topic.is_some_and(|(_, topic)| topic.name == TopicName::CONSUMER_OFFSETS),
            promise: topic.map_or(none, |(_, topic)| topic.promise),
            replicas: Vec::new(),
            state: None,
            leaders: BTreeMap::new(),
            unclean_pending: false,
            ledger: Ledger::default(),
            losses: Vec::new(),
            leader_acks: Vec::new(),
            leader_appends: Vec::new(),
        }
    }

    /// The place of the replica on `node`.
    pub fn slot(&mut self, node: NodeId) -> usize {
        if let Some(slot) = self.replicas.iter().position(|replica| replica.node == node) {
            return slot;
        }
        self.replicas.push(Replica {
            node,
            mirror: Mirror::default(),
            high_watermark: Offset::ZERO,
            epoch: LeaderEpoch::NONE,
            leading: None,
            lacking: false,
        });
        self.replicas.len() - 1
    }

    /// The newest append of the record at `offset` that a leader made until then.
    pub fn append_of(&self, offset: Offset, until: At) -> Option<&LeaderAppend> {
        let mut appends = self.leader_appends.iter().rev();
        // A leader writes upwards: going back in time, the first batch that begins below the offset has it.
        appends.find(|append| append.at <= until && append.base <= offset)
    }

    /// The places of the replicas on `nodes`.
    pub fn set(&mut self, nodes: &[NodeId]) -> ReplicaSet {
        let mut set = ReplicaSet::default();
        for node in nodes {
            set.insert(self.slot(*node));
        }
        set
    }

    /// The nodes of a set, for people: `1, 3`.
    pub fn names(&self, set: ReplicaSet) -> String {
        let names: Vec<String> = set.iter().map(|slot| self.replicas[slot].node.to_string()).collect();
        names.join(", ")
    }

    /// Whether the replica's node runs and its log takes part.
    pub fn is_live(&self, slot: usize, nodes: &Nodes) -> bool {
        let replica = &self.replicas[slot];
        nodes.is_up(replica.node) && replica.mirror.life == nodes.life(replica.node) && !replica.mirror.offline
    }

    /// Whether the replica has every committed record.
    pub fn holds_all(&self, slot: usize) -> bool {
        self.replicas[slot]
            .mirror
            .shares(&self.ledger.batches, self.ledger.batches.len())
    }

    /// The newest leader epoch that the controller committed.
    pub fn newest_epoch(&self) -> LeaderEpoch {
        self.state
            .as_ref()
            .map_or(LeaderEpoch::NONE, |state| state.leader_epoch)
    }

    /// How many replicas must be in sync for a commit: `min.insync.replicas`, but at most all.
    pub fn effective_min_isr(&self) -> u32 {
        let all = self.state.as_ref().map_or(u32::MAX, |state| state.replicas.len());
        self.promise.min_insync_replicas.min(all)
    }
}

impl Replica {
    /// Adds a batch and notes whether that gives back something lost.
    pub fn append(&mut self, batch: &RecordBatch, ledger: &Ledger) -> bool {
        let contiguous = self.mirror.append(batch);
        if self.mirror.lost.is_some() {
            self.mirror.regain(&ledger.batches);
        }
        contiguous
    }
}

/// A topic of the scenario.
pub(super) struct Topic {
    /// Its name.
    pub name: String,
    /// What it promises.
    pub promise: Promise,
    /// How many partitions the scenario gives it; none for another's topic.
    pub partitions: Option<u32>,
}

/// Partitions and topics.
pub(super) struct Model {
    /// The scenario's topics, then others as they are created.
    pub topics: Vec<Topic>,
    /// Every partition that was ever named, in the order of first naming.
    pub partitions: Vec<Partition>,
    places: BTreeMap<TopicPartition, usize>,
    last: Option<(TopicPartition, usize)>,
    ids: BTreeMap<TopicId, usize>,
    /// The newest registration of each broker.
    brokers: BTreeMap<NodeId, BrokerEpoch>,
}

impl Model {
    /// A partition as people call it.
    pub fn label(&self, partition: TopicPartition) -> String {
        self.find(partition)
            .map_or_else(|| partition.to_string(), |partition| partition.label.clone())
    }

    /// What `scenario` says before anything has happened.
    pub fn new(scenario: &Scenario) -> Model {
        let topics = scenario.topics.iter().map(|topic| Topic {
            name: topic.name.clone(),
            promise: Promise {
                min_insync_replicas: topic.config.min_insync_replicas,
                unclean_election: topic.config.unclean_leader_election_enable,
            },
            partitions: Some(topic.partitions),
        });
        Model {
            topics: topics.collect(),
            partitions: Vec::new(),
            places: BTreeMap::new(),
            last: None,
            ids: BTreeMap::new(),
            brokers: BTreeMap::new(),
        }
    }

    /// The place of a partition in [`Model::partitions`].
    pub fn place(&mut self, id: TopicPartition) -> usize {
        if let Some((last, place)) = self.last
            && last == id
        {
            return place;
        }
        let topic = self.ids.get(&id.topic).map(|index| (*index, &self.topics[*index]));
        let place = *self.places.entry(id).or_insert_with(|| {
            self.partitions.push(Partition::new(id, topic));
            self.partitions.len() - 1
        });
        self.last = Some((id, place));
        place
    }

    /// The partition of this id, if anything was ever said of it.
    pub fn find(&self, id: TopicPartition) -> Option<&Partition> {
        Some(&self.partitions[self.place_of(id)?])
    }

    /// Its place in [`Model::partitions`].
    pub fn place_of(&self, id: TopicPartition) -> Option<usize> {
        self.places.get(&id).copied()
    }

    /// Whether a topic got more partitions than the scenario gave it.
    pub fn was_raised(&self, id: TopicId) -> bool {
        let given = self.ids.get(&id).and_then(|topic| self.topics[*topic].partitions);
        let more = |given: u32| {
            let first = TopicPartition::new(id, given as i32);
            self.places
                .range(first..)
                .next()
                .is_some_and(|(found, _)| found.topic == id)
        };
        given.is_some_and(more)
    }

    /// The partitions of the topic of this name.
    pub fn partitions_of<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Partition> {
        let is_of = move |partition: &&Partition| partition.topic.is_some_and(|of| self.topics[of].name == topic);
        self.partitions.iter().filter(is_of)
    }

    /// The partition of this id.
    pub fn partition(&mut self, id: TopicPartition) -> &mut Partition {
        let place = self.place(id);
        &mut self.partitions[place]
    }

    /// A topic got its id.
    pub fn topic_created(&mut self, fact: &TopicCreated) {
        let (id, name) = (fact.topic, &*fact.name.0);
        if self.ids.contains_key(&id) {
            return;
        }
        let index = self
            .topics
            .iter()
            .position(|topic| topic.name == name)
            .unwrap_or_else(|| {
                let promise = Promise {
                    min_insync_replicas: 1,
                    unclean_election: false,
                };
                self.topics.push(Topic {
                    name: name.to_owned(),
                    promise,
                    partitions: None,
                });
                self.topics.len() - 1
            });
        self.ids.insert(id, index);
        for partition in self.partitions.iter_mut().filter(|partition| partition.id.topic == id) {
            partition.label = format!("{name}/{}", partition.id.partition);
            partition.notes.about.clone_from(&partition.label);
            partition.topic = Some(index);
            partition.is_internal = name == TopicName::CONSUMER_OFFSETS;
            partition.promise = self.topics[index].promise;
        }
    }

    /// The controller registered, fenced or unfenced a broker. R9.
    pub fn broker_changed(&mut self, scene: &mut Scene<'_>, fact: &BrokerChanged) {
        let (broker, epoch) = (fact.broker, fact.broker_epoch);
        let before = *self.brokers.entry(broker).or_insert(epoch);
        if epoch >= before {
            self.brokers.insert(broker, epoch);
            return;
        }
        scene.violation(Check::R9, "a broker epoch fell", &Notes::default(), || {
            format!("broker {broker} was given broker epoch {epoch} after {before}")
        });
    }
}

impl<'a> Scene<'a> {
    /// Who stated the fact, as people call it.
    pub fn name(&self) -> Named<'a> {
        self.nodes.named(self.node)
    }

    /// Adds a finding. Its witness are the causes that the evidence names, and those of `notes` that bear on the check.
    pub fn rule<E: Into<Evidence>>(
        &mut self,
        check: Check,
        ruling: Ruling,
        shape: &str,
        notes: &Notes,
        evidence: impl FnOnce() -> E,
    ) {
        let (at, nodes) = (self.at, self.nodes);
        self.findings.add_with(check, ruling, |check, ruling| {
            let mut evidence = evidence().into();
            Finding {
                check,
                ruling,
                shape: shape.to_owned(),
                at,
                witness: notes.witness(check, at, &mut evidence, nodes),
                evidence: evidence.text,
            }
        });
    }

    /// Adds a violation, as [`Scene::rule`] does.
    pub fn violation<E: Into<Evidence>>(
        &mut self,
        check: Check,
        shape: &str,
        notes: &Notes,
        evidence: impl FnOnce() -> E,
    ) {
        self.rule(check, Ruling::Violation, shape, notes, evidence);
    }
}

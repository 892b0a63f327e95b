//! The checks: they watch the facts and the history as they happen, and rule on them.
//!
//! [`Checks`] is driven as an [`Observer`]. It keeps an outline of every replica's log ([`mirror`]) and, per
//! partition, a ledger of what was committed ([`ledger`]) that no later event can change. Invariants of replication,
//! quorum and storage are checked at each fact, for what it changed; what clients saw is judged at the end, when every
//! unknown outcome has shown itself. Only violations and what the contract allows come out: [`blame`] knows which.
//!
//! The cost of a fact does not depend on the length of any log.

mod blame;
mod causes;
mod clients;
mod flow;
mod groups;
mod judge;
mod ledger;
mod liveness;
mod logs;
mod mirror;
mod model;
mod nodes;
mod overdue;
mod quorum;
mod reads;
mod replica_set;
mod roles;
mod send_counts;
mod sends;
mod storage;
#[cfg(test)]
mod tests;
mod uids;
mod wait;
mod watermark;
mod witness;

use core::hash::{Hash, Hasher};
use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::config::AutoOffsetReset;
use broker_core::trace::{Event, ReplicaRole};
use broker_core::types::{NodeId, TopicPartition};
use reports::record::{GroupTotals, Totals};

use crate::history::{At, Entry, Environment, Observer, What};
use crate::scenario::Scenario;
use crate::verdict::Findings;
use clients::Clients;
use groups::Groups;
use judge::Quiescence;
use model::{Model, Scene};
use nodes::Nodes;
use quorum::Quorum;
use reads::Reads;
use roles::StatedPartition;
use sends::Sends;
use watermark::Answer;
use witness::Noted;

/// All checks of one trial.
///
/// Hand it every fact and every line of the history in the order in which they happened, ask [`Checks::settled`]
/// after the heal, and take the findings with [`Checks::finish`].
pub struct Checks {
    model: Model,
    nodes: Nodes,
    quorum: Quorum,
    sends: Sends,
    reads: Reads,
    readers: Vec<Reader>,
    groups: Groups,
    clients: Clients,
    findings: Findings,
    now: At,
    /// When a fault last began or ended.
    quiet_since: At,
}

/// A group of consumers that must have read everything in the end.
struct Reader {
    name: String,
    topic: String,
    resets: AutoOffsetReset,
    /// How long its program works on a record.
    processing: Duration,
}

/// How the trial ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finish {
    /// The healed cluster recovered and drained in time.
    pub settled: bool,
    /// A limit ended the trial before its time: this one. Nothing can be said of progress then.
    pub cut_off: Option<String>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Violations, and what the contract allows.
    pub findings: Findings,
    /// Counts of records.
    pub totals: Totals,
    /// Records that somebody was promised to keep: their sends were answered ok with `acks=1` or `acks=all`.
    pub promised: u64,
    /// What all consumer groups together did.
    pub groups: GroupTotals,
    /// The cluster did all that it could: what is still waited for is explained by findings about its clients.
    pub is_explained: bool,
}

impl Checks {
    /// The checks of a trial of `scenario`, whose nodes people call so. Which faults are planned makes no difference:
    /// only what affects somebody counts.
    #[must_use]
    pub fn new(scenario: &Scenario, names: &BTreeMap<NodeId, String>) -> Checks {
        let readers = scenario
            .consumers
            .iter()
            .filter(|group| group.start < scenario.duration);
        Checks {
            model: Model::new(scenario),
            nodes: Nodes::new(names),
            quorum: Quorum::default(),
            sends: Sends::new(scenario, names),
            reads: Reads::default(),
            readers: readers
                .map(|group| Reader {
                    name: group.name.clone(),
                    processing: group.processing,
                    topic: group.topic.clone(),
                    resets: group.config.auto_offset_reset,
                })
                .collect(),
            groups: Groups::new(scenario, names),
            clients: Clients::default(),
            findings: Findings::default(),
            now: At::default(),
            quiet_since: At::default(),
        }
    }

    /// Whether the cluster has recovered and drained: one controller, every partition led and wholly committed, every
    /// replica in sync, every send ended, every consumer at the end.
    ///
    /// # Errors
    /// What is still waited for, one line each.
    pub fn settled(&self) -> Result<(), Vec<String>> {
        let waits = self.waits();
        if waits.is_empty() {
            return Ok(());
        }
        Err(waits.into_iter().map(|wait| wait.text).collect())
    }

    /// The findings, once nothing more will happen.
    #[must_use]
    pub fn finish(mut self, end: Finish) -> Judged {
        for partition in &mut self.model.partitions {
            let scene = &mut Scene {
                at: self.now,
                node: NodeId::default(),
                nodes: &self.nodes,
                findings: &mut self.findings,
            };
            partition.check_divergence(scene);
        }
        let is_explained = self.judge_progress(&end);
        if end.cut_off.is_none() {
            let (sends, model, nodes) = (&self.sends, &self.model, &self.nodes);
            self.clients.finish(sends, model, nodes, &mut self.findings);
        }
        let settled = (end.settled || is_explained) && end.cut_off.is_none();
        let quiescence = Quiescence {
            settled,
            reads: &self.reads,
            contracts: &self.groups.contracts,
            nodes: &self.nodes,
        };
        let totals = self.sends.judge(&mut self.model, &quiescence, &mut self.findings);
        let scene = &mut Scene {
            at: self.now,
            node: NodeId::default(),
            nodes: &self.nodes,
            findings: &mut self.findings,
        };
        self.groups.finish(scene, &self.model, &self.sends);
        if end.cut_off.is_none() {
            self.groups.check_idle(scene, &self.model, self.quiet_since);
        }
        Judged {
            groups: self.groups.totals(),
            findings: self.findings,
            totals,
            promised: self.sends.promised(),
            is_explained,
        }
    }

    /// Something affected a node, or came to its end.
    fn environment_changed(&mut self, at: At, node: NodeId, event: &Environment) {
        let is_relief = match event {
            Environment::Started => self.nodes.down_since(node).is_none(),
            Environment::Ended => true,
            _ => false,
        };
        if !is_relief {
            self.quiet_since = at;
        }
        if *event == Environment::Started {
            self.clients.started(node);
        }
        let Some(power_lost) = self.nodes.environment_changed(at, node, event) else {
            return;
        };
        let crashed = Noted::Crashed { power_lost };
        self.quorum.note(at, node, crashed.clone());
        for partition in &mut self.model.partitions {
            if partition.replicas.iter().any(|replica| replica.node == node) {
                partition.notes.add(at, node, crashed.clone());
            }
        }
        let scene = Scene {
            at,
            node,
            nodes: &self.nodes,
            findings: &mut self.findings,
        };
        self.groups.died(&scene);
    }
}

impl Observer for Checks {
    fn fact(&mut self, at: At, node: NodeId, event: &Event) {
        self.now = at;
        let scene = &mut Scene {
            at,
            node,
            nodes: &self.nodes,
            findings: &mut self.findings,
        };
        match event {
            Event::LogRecovered {
                partition,
                batches,
                cut_bytes,
                ..
            } => match *partition {
                TopicPartition::CLUSTER_METADATA => self.quorum.recovered(scene, batches, *cut_bytes),
                partition => self.model.partition(partition).recovered(scene, batches, *cut_bytes),
            },
            Event::Appended { partition, role, batch } => match *partition {
                TopicPartition::CLUSTER_METADATA => self.quorum.appended(scene, batch),
                partition => {
                    let of_log = self.model.partition(partition);
                    of_log.appended(scene, *role, batch);
                    if of_log.is_internal && *role == ReplicaRole::Leader {
                        self.groups.written(partition, batch);
                    }
                }
            },
            Event::Truncated {
                partition,
                to,
                leader_epoch,
                cause,
            } => match *partition {
                TopicPartition::CLUSTER_METADATA => self.quorum.truncated(scene, *to, *leader_epoch, *cause),
                partition => self
                    .model
                    .partition(partition)
                    .truncated(scene, *to, *leader_epoch, *cause),
            },
            Event::Flushed { partition, end } => match *partition {
                TopicPartition::CLUSTER_METADATA => self.quorum.flushed(scene, *end),
                partition => self.model.partition(partition).flushed(scene, *end),
            },
            Event::LogWentOffline { partition, .. } => self.model.partition(*partition).went_offline(scene),
            Event::BecameLeader {
                partition,
                leader_epoch,
                epoch_start_offset,
                high_watermark,
                isr,
                ..
            } => {
                let partition = self.model.partition(*partition);
                partition.became_leader(scene, *leader_epoch, *epoch_start_offset, *high_watermark, isr);
            }
            Event::BecameFollower {
                partition,
                leader_epoch,
                log_end_offset,
                high_watermark,
                ..
            } => {
                let partition = self.model.partition(*partition);
                partition.became_follower(scene, *leader_epoch, *log_end_offset, *high_watermark);
            }
            Event::HighWatermarkChanged {
                partition,
                role,
                leader_epoch,
                from,
                to,
            } => match *partition {
                TopicPartition::CLUSTER_METADATA => {
                    self.quorum
                        .high_watermark_changed(scene, *role, *leader_epoch, *from, *to);
                }
                partition => {
                    let partition = self.model.partition(partition);
                    partition.high_watermark_changed(scene, *role, *leader_epoch, *from, *to);
                }
            },
            Event::FollowerFetched {
                partition,
                follower,
                leader_epoch,
                fetch_offset,
                ..
            } => match *partition {
                TopicPartition::CLUSTER_METADATA => {}
                partition => {
                    let partition = self.model.partition(partition);
                    partition.follower_fetched(scene, *follower, *leader_epoch, *fetch_offset);
                }
            },
            Event::IsrProposed {
                partition, maximal_isr, ..
            } => {
                self.model.partition(*partition).isr_proposed(scene, maximal_isr);
            }
            Event::IsrChanged { partition, isr, .. } => {
                self.model.partition(*partition).isr_settled(scene, Some(isr));
            }
            Event::IsrProposalRejected { partition, .. } => {
                self.model.partition(*partition).isr_settled(scene, None);
            }
            Event::ProduceAnswered {
                partition,
                acks,
                error,
                offsets,
                leader_epoch,
                high_watermark,
                isr_at_append,
                ..
            } => {
                let answer = Answer {
                    acks: *acks,
                    error: *error,
                    offsets: *offsets,
                    epoch: *leader_epoch,
                    high_watermark: *high_watermark,
                    isr_at_append: *isr_at_append,
                };
                self.model.partition(*partition).produce_answered(scene, &answer);
            }
            Event::FetchServed {
                partition,
                from,
                to,
                high_watermark,
                ..
            } => {
                reads::served(scene, self.model.partition(*partition), *from, *to, *high_watermark);
            }
            Event::QuorumRoleChanged { role, epoch, leader } => {
                self.quorum.role_changed(scene, *role, *epoch, *leader);
            }
            Event::VoteStored { epoch, voted_for } => self.quorum.vote_stored(scene, *epoch, *voted_for),
            Event::VoteGranted { epoch, candidate } => self.quorum.vote_granted(scene, *epoch, *candidate),
            Event::MetadataApplied { end, digest } => self.quorum.applied(scene, *end, *digest),
            Event::TopicCreated { offset, name, topic } => {
                match self.model.state_once(*offset, digest(&(name, topic))) {
                    (true, _) => self.model.name_topic(*topic, &name.0),
                    (false, true) => {}
                    (false, false) => self.quorum.disagreed(scene, *offset),
                }
            }
            Event::PartitionChanged {
                offset,
                partition,
                replicas,
                isr,
                leader,
                leader_epoch,
                partition_epoch,
            } => {
                let (leader, leader_epoch, partition_epoch) = (*leader, *leader_epoch, *partition_epoch);
                let stated = StatedPartition {
                    replicas,
                    isr,
                    leader,
                    leader_epoch,
                    partition_epoch,
                };
                match self.model.state_once(*offset, digest(&(partition, &stated))) {
                    (true, _) => self.model.partition(*partition).state_changed(scene, *offset, &stated),
                    (false, true) => {}
                    (false, false) => self.quorum.disagreed(scene, *offset),
                }
            }
            Event::BrokerChanged {
                offset,
                broker,
                broker_epoch,
                fenced,
            } => match self.model.state_once(*offset, digest(&(broker, broker_epoch, fenced))) {
                (true, _) => self.model.broker_changed(scene, *broker, *broker_epoch),
                (false, true) => {}
                (false, false) => self.quorum.disagreed(scene, *offset),
            },
            Event::PositionReset {
                partition, from, to, ..
            } => {
                let place = self.model.place(*partition);
                self.reads.reset(scene, place, *from, *to);
                self.clients.has_position(node, *partition);
                self.groups.position_reset(scene, &self.model, event);
            }
            Event::PartitionsAssigned { partitions, .. }
            | Event::PartitionsRevoked { partitions, .. }
            | Event::PartitionsLost { partitions, .. } => {
                for partition in partitions {
                    let place = self.model.place(*partition);
                    self.reads.owner_changed(scene, place);
                }
                self.groups.fact(scene, &self.model, event);
            }
            Event::CoordinatorLoading { .. }
            | Event::CoordinatorLoaded { .. }
            | Event::CoordinatorUnloaded { .. }
            | Event::GroupChanged { .. }
            | Event::MemberChanged { .. }
            | Event::MemberRemoved { .. }
            | Event::OffsetCommitted { .. }
            | Event::OffsetsFetched { .. }
            | Event::OffsetExpired { .. } => self.groups.fact(scene, &self.model, event),
            Event::ProducerIdAssigned { .. } | Event::BatchSent { .. } | Event::BatchCompleted { .. } => {}
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.now = entry.at;
        let scene = &mut Scene {
            at: entry.at,
            node: entry.process,
            nodes: &self.nodes,
            findings: &mut self.findings,
        };
        match &entry.what {
            What::SendInvoked(record) => {
                self.sends.invoked(entry, record);
                if let Some(hop) = &record.hop {
                    self.groups.copied(&self.model, entry, record, hop);
                }
            }
            What::SendOk {
                uid,
                partition,
                offset,
                acks,
            } => {
                let place = self.model.place(*partition);
                self.sends.ok(entry.at, *uid, place, *offset, *acks);
                self.groups.copy_acked(scene, &self.model, *uid);
            }
            What::ProducerOpened(promise) => self.sends.opened(entry.process, *promise),
            What::ConsumerFailed(failure) => self.clients.failed(scene, failure),
            What::SendFailed { uid, error } => self.sends.failed(entry.at, *uid, *error),
            What::SendUnknown { uid, error } => self.sends.unknown(entry.at, *uid, *error),
            What::Polled(records) => {
                self.reads.polled(scene, &mut self.model, entry, records);
                self.clients.polled(entry.process, records, entry.at.time);
                self.groups.entry(scene, &self.model, &self.sends, entry);
            }
            What::Sought { partition, to } => {
                let place = self.model.place(*partition);
                self.reads.sought(scene, place, *to);
                self.clients.has_position(entry.process, *partition);
                self.groups.entry(scene, &self.model, &self.sends, entry);
            }
            What::ProcessBegun(_)
            | What::ProcessEnded { .. }
            | What::CommitInvoked { .. }
            | What::CommitEnded { .. } => self.groups.entry(scene, &self.model, &self.sends, entry),
            What::ServiceCalled { .. } => {}
            What::Environment(Environment::Healed) => {
                self.sends.healed(entry.at);
                self.groups.healed(entry.at.time);
                self.clients.healed(entry.at.time);
            }
            What::Environment(event) => self.environment_changed(entry.at, entry.process, event),
        }
    }

    fn settled(&self, _now: At) -> Result<(), Vec<String>> {
        Checks::settled(self)
    }
}

/// A digest that is the same on every machine: FNV-1a over what `what` hashes.
fn digest(what: &impl Hash) -> u64 {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    what.hash(&mut hasher);
    hasher.finish()
}

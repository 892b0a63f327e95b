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
mod found;
mod groups;
mod judge;
mod ledger;
mod liveness;
mod logs;
mod mirror;
mod model;
mod nodes;
mod overdue;
mod placing;
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

use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::config::AutoOffsetReset;
use broker_core::trace::Event;
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
use sends::Sends;
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
        const METADATA: TopicPartition = TopicPartition::CLUSTER_METADATA;
        self.now = at;
        let (model, quorum, groups) = (&mut self.model, &mut self.quorum, &mut self.groups);
        let scene = &mut Scene {
            at,
            node,
            nodes: &self.nodes,
            findings: &mut self.findings,
        };
        match event {
            Event::LogRecovered(fact) if fact.partition == METADATA => quorum.recovered(scene, fact),
            Event::LogRecovered(fact) => model.partition(fact.partition).recovered(scene, fact),
            Event::Appended(fact) if fact.partition == METADATA => quorum.appended(scene, fact),
            Event::Appended(fact) => {
                let partition = model.partition(fact.partition);
                partition.appended(scene, fact);
                if partition.is_internal {
                    groups.appended(fact);
                }
            }
            Event::Truncated(fact) if fact.partition == METADATA => quorum.truncated(scene, fact),
            Event::Truncated(fact) => model.partition(fact.partition).truncated(scene, fact),
            Event::Flushed(fact) if fact.partition == METADATA => quorum.flushed(scene, fact),
            Event::Flushed(fact) => model.partition(fact.partition).flushed(scene, fact),
            Event::LogWentOffline(fact) => model.partition(fact.partition).went_offline(scene),

            Event::BecameLeader(fact) => model.partition(fact.partition).became_leader(scene, fact),
            Event::BecameFollower(fact) => model.partition(fact.partition).became_follower(scene, fact),
            Event::HighWatermarkChanged(fact) if fact.partition == METADATA => {
                quorum.high_watermark_changed(scene, fact);
            }
            Event::HighWatermarkChanged(fact) => model.partition(fact.partition).high_watermark_changed(scene, fact),
            Event::FollowerFetched(fact) if fact.partition == METADATA => {}
            Event::FollowerFetched(fact) => model.partition(fact.partition).follower_fetched(scene, fact),
            Event::IsrProposed(fact) => model.partition(fact.partition).isr_proposed(scene, fact),
            Event::IsrChanged(fact) => model.partition(fact.partition).isr_settled(scene, Some(&fact.isr)),
            Event::IsrProposalRejected(fact) => model.partition(fact.partition).isr_settled(scene, None),
            Event::ProduceAnswered(fact) => model.partition(fact.partition).produce_answered(scene, fact),
            Event::FetchServed(fact) => reads::served(scene, model.partition(fact.partition), fact),

            Event::QuorumRoleChanged(fact) => quorum.role_changed(scene, fact),
            Event::VoteStored(fact) => quorum.vote_stored(scene, fact),
            Event::VoteGranted(fact) => quorum.vote_granted(scene, fact.epoch, fact.candidate),
            Event::MetadataApplied(fact) => quorum.applied(scene, fact),

            // Every node states these; they count once.
            Event::TopicCreated(fact) if quorum.is_stated(scene, fact.offset, fact) => {}
            Event::TopicCreated(fact) => model.topic_created(fact),
            Event::PartitionChanged(fact) if quorum.is_stated(scene, fact.offset, fact) => {}
            Event::PartitionChanged(fact) => model.partition(fact.partition).state_changed(scene, fact),
            Event::BrokerChanged(fact) if quorum.is_stated(scene, fact.offset, fact) => {}
            Event::BrokerChanged(fact) => model.broker_changed(scene, fact),

            Event::CoordinatorLoading(fact) => groups.coordinator_loading(scene, fact),
            Event::CoordinatorLoaded(fact) => groups.coordinator_loaded(scene, model, fact),
            Event::CoordinatorUnloaded(fact) => groups.coordinator_unloaded(scene, fact),
            Event::GroupChanged(fact) => groups.group_changed(scene, model, fact),
            Event::MemberChanged(fact) => groups.member_changed(scene, model, fact),
            Event::MemberRemoved(fact) => groups.member_removed(scene, fact),
            Event::OffsetCommitted(fact) => groups.offset_committed(scene, model, fact),
            Event::OffsetsFetched(fact) => groups.offsets_fetched(scene, model, fact),
            Event::OffsetExpired(fact) => groups.offset_expired(scene, model, fact),

            Event::PartitionsAssigned(fact) => {
                self.reads.owner_changed(scene, model, &fact.partitions);
                groups.partitions_assigned(scene, model, fact);
            }
            Event::PartitionsRevoked(fact) => {
                self.reads.owner_changed(scene, model, &fact.partitions);
                groups.partitions_revoked(scene, model, fact);
            }
            Event::PartitionsLost(fact) => {
                self.reads.owner_changed(scene, model, &fact.partitions);
                groups.partitions_lost(scene, model, fact);
            }
            Event::PositionReset(fact) => {
                self.reads.reset(scene, model, fact);
                self.clients.has_position(node, fact.partition);
                groups.position_reset(scene, model, fact);
            }
            Event::ProducerIdAssigned(_) | Event::BatchSent(_) | Event::BatchCompleted(_) => {}
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.now = entry.at;
        let (model, sends, groups) = (&mut self.model, &mut self.sends, &mut self.groups);
        let scene = &mut Scene {
            at: entry.at,
            node: entry.process,
            nodes: &self.nodes,
            findings: &mut self.findings,
        };
        match &entry.what {
            What::SendInvoked(record) => {
                sends.invoked(entry, record);
                groups.send_invoked(model, entry, record);
            }
            What::SendOk(ok) => {
                sends.ok(entry.at, model.place(ok.partition), ok);
                groups.copy_acked(scene, model, ok.uid);
            }
            What::SendFailed(failed) => sends.failed(entry.at, failed),
            What::SendUnknown(unknown) => sends.unknown(entry.at, unknown),
            What::ProducerOpened(promise) => sends.opened(entry.process, *promise),
            What::ConsumerFailed(failure) => self.clients.failed(scene, failure),
            What::Polled(records) => {
                self.reads.polled(scene, model, entry, records);
                self.clients.polled(entry.process, records, entry.at.time);
                groups.polled(scene, model, records);
            }
            What::Sought(sought) => {
                self.reads.sought(scene, model, sought);
                self.clients.has_position(entry.process, sought.partition);
                groups.sought(scene, model, sought);
            }
            What::ProcessBegun(processing) => groups.process_begun(scene, model, processing),
            What::ProcessEnded(ended) => groups.process_ended(scene, model, sends, ended),
            What::CommitInvoked(commit) => groups.commit_invoked(scene, model, commit),
            What::CommitEnded(commit) => groups.commit_ended(scene, model, commit),
            What::ServiceCalled(_) => {}
            What::Environment(Environment::Healed) => {
                sends.healed(entry.at);
                groups.healed(entry.at.time);
                self.clients.healed(entry.at.time);
            }
            What::Environment(event) => self.environment_changed(entry.at, entry.process, event),
        }
    }

    fn settled(&self, _now: At) -> Result<(), Vec<String>> {
        Checks::settled(self)
    }
}

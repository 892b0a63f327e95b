//! Consumer groups: their coordinators, their members, their positions, and what programs do with their records.
//!
//! | file | what it watches | checks |
//! |---|---|---|
//! | [`contract`] | what a scenario promises of its workers | |
//! | [`coordinator`] | who coordinates a partition of the offsets topic, and since when | G1 |
//! | [`members`] | groups and members as coordinators state them | G2, G3, G4, stale-owner-commit |
//! | [`commits`] | every position that a coordinator took, and what it answers | lost-committed-offset, G5 |
//! | [`ownership`] | who owns what, as the members themselves state it | overlapping-owners, G2 |
//! | [`positions`] | where members begin to read | unexplained-reset, poll-skip |
//! | [`again`] | why a record was worked on again | |
//! | [`processing`] | what programs did with each record | skipped-processing, reprocessed, unexplained-reprocess |
//! | [`hops`] | copies in retry and dead-letter topics | hop-before-commit, duplicate-hop, provenance, early-retry |
//! | [`outcomes`] | what in the end became of each record | terminal-outcome |
//! | [`losses`] | what follows from committed records that a log lost | |
//! | [`keys`] | the order of each key | retry-key-order |
//! | [`busy`] | how busy workers are, and who loses its place over that | |
//! | [`fate`] | why a group stays behind when the cluster is not to blame | overload, slow-poll, idle-group |
//! | [`progress`] | what healed groups must come to | L7, L8, L9, L11 |
//!
//! What nodes state comes in by [`facts`], what programs did by [`entries`].
//!
//! A coordinator that was deposed and does not know it yet may go on stating things. They count for little: only what
//! the newest coordinator of a group states is taken for a fact, and what an older one stated before is remembered as
//! not certain.

pub(super) mod again;
pub(super) mod busy;
pub(super) mod commits;
pub(super) mod contract;
pub(super) mod coordinator;
mod entries;
mod facts;
pub(in crate::check) mod fate;
pub(super) mod hops;
pub(super) mod keys;
pub(super) mod losses;
pub(super) mod members;
pub(super) mod outcomes;
pub(super) mod ownership;
pub(super) mod positions;
pub(super) mod processing;
pub(super) mod progress;

use std::collections::BTreeMap;

use broker_core::types::{GroupId, MemberId, NodeId, TopicPartition};
use reports::record::GroupTotals;

use super::model::{Model, Scene};
use super::nodes::Nodes;
use super::sends::Sends;
use super::witness::{Noted, Notes, OfGroup};
use crate::history::SimTime;
use crate::scenario::Scenario;
use busy::Busy;
use commits::Positions;
use contract::Contracts;
use coordinator::{Coordinators, Session};
use hops::Hops;
use keys::Keys;
use losses::OffsetsLog;
use members::Members;
use ownership::Owners;
use positions::Answered;
use processing::Lanes;

/// Everything about consumer groups.
pub(super) struct Groups {
    /// What the scenario promises.
    pub contracts: Contracts,
    coordinators: Coordinators,
    list: Vec<Group>,
    index: BTreeMap<GroupId, usize>,
    last: usize,
    /// Which group each member's node is in.
    of_node: BTreeMap<NodeId, usize>,
    answered: Answered,
    hops: Hops,
    healed: bool,
    totals: GroupTotals,
}

/// One group.
pub(super) struct Group {
    /// Its id.
    pub id: GroupId,
    /// Where its coordinator keeps what it knows.
    log: OffsetsLog,
    /// Its members, as its coordinator states them.
    members: Members,
    /// Which node each member id belongs to.
    of_members: OfMembers,
    /// Its committed positions.
    positions: Positions,
    /// Who owns what, as the members state it.
    owners: Owners,
    /// What became of its records.
    lanes: Lanes,
    /// How far each key is.
    keys: Keys,
    /// How busy its workers are.
    busy: Busy,
    /// Whether any member ever got a record that is for programs.
    has_polled: bool,
    /// What a person may want to see.
    pub notes: Notes,
}

impl Groups {
    /// No group yet; `names` has the scenario's name of each node.
    pub fn new(scenario: &Scenario, names: &BTreeMap<NodeId, String>) -> Groups {
        Groups {
            contracts: Contracts::new(scenario, names),
            coordinators: Coordinators::new(&scenario.cluster.config),
            list: Vec::new(),
            index: BTreeMap::new(),
            last: 0,
            of_node: BTreeMap::new(),
            answered: Answered::default(),
            hops: Hops::default(),
            totals: GroupTotals::default(),
            healed: false,
        }
    }

    /// Every group that was ever named.
    pub fn list(&self) -> &[Group] {
        &self.list
    }

    /// The place of the group of this name, if anything was ever said of it.
    fn named(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|group| *group.id.0 == *name)
    }

    fn place(&mut self, id: &GroupId) -> usize {
        if self.list.get(self.last).is_some_and(|group| group.id == *id) {
            return self.last;
        }
        let is_reported = self.contracts.of_group(id).next().is_some();
        let log = OffsetsLog(self.coordinators.partition_of(id));
        self.last = *self.index.entry(id.clone()).or_insert_with(|| {
            self.list.push(Group {
                id: id.clone(),
                log,
                members: Members::default(),
                of_members: OfMembers::default(),
                positions: Positions::default(),
                owners: Owners::default(),
                lanes: Lanes::new(is_reported),
                keys: Keys::default(),
                busy: Busy::default(),
                has_polled: false,
                notes: Notes::about(&format!("group {id}")),
            });
            self.list.len() - 1
        });
        self.last
    }

    /// The group and the coordinator's session in which the speaking node states something about it.
    fn stated(&mut self, scene: &Scene<'_>, id: &GroupId) -> (&mut Group, Option<Session>) {
        let session = self.coordinators.session(scene, id);
        let place = self.place(id);
        (&mut self.list[place], session)
    }

    /// What all groups together did.
    pub fn totals(&self) -> GroupTotals {
        GroupTotals {
            rebalances: self.list.iter().map(|group| group.members.rebalances).sum(),
            ..self.totals
        }
    }

    /// Everything is healed.
    pub fn healed(&mut self, now: SimTime) {
        self.healed = true;
        for group in &mut self.list {
            group.busy.healed(now);
        }
    }

    /// What can only be judged at the end.
    pub fn finish(&mut self, scene: &mut Scene<'_>, model: &Model, sends: &Sends) {
        for group in &mut self.list {
            members::check_stable(scene, model, group, true);
        }
        self.check_rest(scene);
        self.judge_hops(scene, model, sends);
        self.check_outcomes(scene, model, sends);
    }
}

impl Group {
    fn note(&mut self, scene: &Scene<'_>, what: OfGroup, partitions: &[TopicPartition], words: String) {
        let partitions = partitions.to_vec();
        let noted = Noted::OfGroup {
            what,
            partitions,
            words,
        };
        self.notes.add(scene.at, scene.node, noted);
    }
}

/// The nodes behind the ids that coordinators give their members, as far as the members themselves have said.
#[derive(Default)]
pub(super) struct OfMembers(BTreeMap<MemberId, NodeId>);

impl OfMembers {
    fn is(&mut self, member: &MemberId, node: NodeId) {
        if self.0.get(member) != Some(&node) {
            self.0.insert(member.clone(), node);
        }
    }

    /// The node of a member, if it has said who it is.
    pub fn node(&self, member: &MemberId) -> Option<NodeId> {
        self.0.get(member).copied()
    }

    /// A member as people call it: `billing/1`; by its id if it has not said who it is.
    pub fn name(&self, nodes: &Nodes, member: &MemberId) -> String {
        match self.0.get(member) {
            Some(node) => nodes.named(*node).to_string(),
            None => format!("member {}", short(&member.0)),
        }
    }
}

/// Partitions for people: `orders/0, orders/1`, at most eight of them by name.
fn labels(model: &Model, partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() {
        return "no partitions".to_owned();
    }
    let named = partitions.iter().take(8).map(|partition| model.label(*partition));
    let named = named.collect::<Vec<_>>().join(", ");
    match partitions.len().saturating_sub(8) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// The beginning of a long name, for people.
fn short(name: &str) -> &str {
    name.char_indices().nth(24).map_or(name, |(end, _)| &name[..end])
}

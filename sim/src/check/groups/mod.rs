//! Consumer groups: their coordinators, their members, their positions, and what programs do with their records.
//!
//! | file | what it watches | checks |
//! |---|---|---|
//! | [`contract`] | what a scenario promises of its workers | |
//! | [`coordinator`] | who coordinates a partition of the offsets topic, and since when | G1 |
//! | [`members`] | groups and members as coordinators state them | G2, G3, G4, stale-owner-commit |
//! | [`commits`] | every position that a coordinator took, and what it tells | lost-committed-offset, G5 |
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
//! A coordinator that was deposed and does not know it yet may go on stating things. They count for little: only what
//! the newest coordinator of a group states is taken for a fact, and what an older one stated before is remembered as
//! not certain.

pub(super) mod again;
pub(super) mod busy;
pub(super) mod commits;
pub(super) mod contract;
pub(super) mod coordinator;
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

use broker_core::protocol::{ErrorCode, RecordBatch};
use broker_core::trace::{Event, ResetCause};
use broker_core::types::{GroupId, MemberId, NodeId, Offset, TopicPartition};
use reports::record::GroupTotals;

use super::model::{Model, Scene};
use super::nodes::Nodes;
use super::sends::Sends;
use super::witness::{Noted, Notes, OfGroup};
use crate::history::{Entry, ProcessOutcome, Processing, SimTime, What};
use crate::scenario::Scenario;
use crate::units::show_duration;
use crate::words;
use busy::Busy;
use commits::Positions;
use contract::Contracts;
use coordinator::{Coordinators, Session};
use hops::Hops;
use keys::Keys;
use losses::OffsetsLog;
use members::Members;
use ownership::Owners;
use positions::Told;
use processing::{Ends, Lanes};

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
    told: Told,
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
    /// No group yet; `names` tells what the scenario calls each node.
    pub fn new(scenario: &Scenario, names: &BTreeMap<NodeId, String>) -> Groups {
        Groups {
            contracts: Contracts::new(scenario, names),
            coordinators: Coordinators::new(&scenario.cluster.config),
            list: Vec::new(),
            index: BTreeMap::new(),
            last: 0,
            of_node: BTreeMap::new(),
            told: Told::default(),
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
        let is_told = self.contracts.of_group(id).next().is_some();
        let log = OffsetsLog(self.coordinators.partition_of(id));
        self.last = *self.index.entry(id.clone()).or_insert_with(|| {
            self.list.push(Group {
                id: id.clone(),
                log,
                members: Members::default(),
                of_members: OfMembers::default(),
                positions: Positions::default(),
                owners: Owners::default(),
                lanes: Lanes::new(is_told),
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

    /// A node stated a fact.
    pub fn fact(&mut self, scene: &mut Scene<'_>, model: &Model, event: &Event) {
        match event {
            Event::CoordinatorLoading {
                partition,
                leader_epoch,
            } => {
                self.coordinators.loading(scene, *partition, *leader_epoch);
            }
            Event::CoordinatorLoaded {
                partition,
                leader_epoch,
                end,
                digest,
            } => {
                let told = (*end, *digest);
                self.coordinators.loaded(scene, model, *partition, *leader_epoch, told);
                let words = format!(
                    "{} became the coordinator, with the group's log up to {end}",
                    scene.name()
                );
                for group in &mut self.list {
                    if group.log.0 == partition.partition {
                        group.note(scene, OfGroup::Loaded, &[], words.clone());
                    }
                }
            }
            Event::CoordinatorUnloaded { partition, .. } => self.coordinators.unloaded(scene, *partition),
            Event::GroupChanged {
                group: id,
                state,
                epoch,
                members,
            } => {
                let healed = self.healed;
                let (group, session) = self.stated(scene, id);
                let state_now = words::group_state(*state);
                let words = format!("group {id} became {state_now} in epoch {epoch} with {members} members");
                group.note(scene, OfGroup::Became, &[], words);
                group.members.count_rebalance(*epoch, healed);
                if let Some(session) = session {
                    members::group_changed(scene, model, group, session, (*state, *epoch, *members));
                }
            }
            Event::MemberChanged {
                group: id,
                member,
                instance,
                epoch,
                assigned,
                revoking,
            } => {
                let (group, session) = self.stated(scene, id);
                let stated = members::Stated {
                    member,
                    instance: instance.as_ref(),
                    epoch: *epoch,
                    assigned,
                    revoking,
                };
                let words = group.given(scene, model, &stated);
                group.note(scene, OfGroup::Gave, assigned, words);
                group.members.give(&stated);
                if let Some(session) = session {
                    members::member_changed(scene, model, group, session, &stated);
                }
            }
            Event::MemberRemoved {
                group: id,
                member,
                cause,
            } => {
                let (group, session) = self.stated(scene, id);
                let name = group.of_members.name(scene.nodes, member);
                let words = format!(
                    "{} removed {name} from group {id}: {}",
                    scene.name(),
                    words::removal(*cause)
                );
                group.note(scene, OfGroup::Removed, &[], words);
                if let Some(session) = session {
                    group.members.removed(session, member, *cause);
                }
                let node = group.of_members.node(member).filter(|node| scene.nodes.is_up(*node));
                if let Some(node) = node
                    && let Some(workers) = self.contracts.of(node)
                {
                    let interval = workers.consumer.max_poll_interval_ms.saturating_mul(1_000_000);
                    let place = self.place(id);
                    self.list[place].busy.lost_place(node, interval, scene.at.time);
                }
            }
            Event::OffsetCommitted {
                group: id,
                member,
                epoch,
                partition,
                offset,
                at,
            } => {
                let (group, session) = self.stated(scene, id);
                let taken = commits::Commit {
                    partition: *partition,
                    offset: *offset,
                    log: *at,
                };
                members::check_committer(scene, model, group, session, (member.as_ref(), *epoch), &taken);
                group.positions.taken(scene, session, &taken);
                let contract = self.contracts.of_group(id).next();
                let group = &mut self.list[self.last];
                processing::position_passed(scene, model, group, contract, *partition, *offset);
            }
            Event::OffsetsFetched {
                group: id,
                client,
                partitions,
            } => {
                self.coordinators.check_answer(scene, id);
                let (group, session) = self.stated(scene, id);
                let answers = commits::check_told(scene, model, group, session, partitions);
                self.told.add(*client, &answers);
            }
            Event::OffsetExpired { group: id, partition } => {
                let retention = self.coordinators.retention;
                let (group, session) = self.stated(scene, id);
                commits::expired(scene, model, group, session, *partition, retention);
                let (label, kept) = (model.label(*partition), show_duration(retention));
                let words = format!("the position of group {id} in {label} expired, unused for {kept}");
                group.note(scene, OfGroup::Expired, &[*partition], words);
            }
            Event::PartitionsAssigned {
                group: id,
                member,
                epoch,
                partitions,
            } => {
                let place = self.place(id);
                self.of_node.insert(scene.node, place);
                let group = &mut self.list[place];
                group.of_members.is(member, scene.node);
                let (node, labels) = (scene.name(), labels(model, partitions));
                let words = format!("{node} owned {labels} from now on, in epoch {epoch} of group {id}");
                group.note(scene, OfGroup::Owns, partitions, words);
                group.members.told(scene.at, *epoch);
                ownership::assigned(scene, model, group, (member, *epoch), partitions);
            }
            Event::PartitionsRevoked {
                group: id, partitions, ..
            } => self.released(scene, model, id, partitions, "gave up"),
            Event::PartitionsLost {
                group: id, partitions, ..
            } => self.released(scene, model, id, partitions, "learnt that it had lost"),
            _ => {}
        }
    }

    /// A leader wrote to the offsets topic.
    pub fn written(&mut self, partition: TopicPartition, batch: &RecordBatch) {
        self.coordinators.written(partition, batch);
    }

    fn released(&mut self, scene: &Scene<'_>, model: &Model, id: &GroupId, partitions: &[TopicPartition], how: &str) {
        let place = self.place(id);
        let group = &mut self.list[place];
        let words = format!("{} {how} {}", scene.name(), labels(model, partitions));
        group.note(scene, OfGroup::Released, partitions, words);
        ownership::released(scene, group, partitions);
    }

    /// The process of a node ended.
    pub fn died(&mut self, scene: &Scene<'_>) {
        if let Some(place) = self.of_node.get(&scene.node) {
            let words = format!("the process of {} ended", scene.name());
            let group = &mut self.list[*place];
            group.note(scene, OfGroup::Died, &[], words);
            group.busy.died(scene.node);
        }
    }

    /// A consumer's machine moved its position.
    pub fn position_reset(&mut self, scene: &mut Scene<'_>, model: &Model, event: &Event) {
        let Event::PositionReset {
            partition,
            from,
            to,
            cause,
        } = event
        else {
            return;
        };
        let moved = positions::Moved {
            partition: *partition,
            from: *from,
            to: *to,
            cause: *cause,
        };
        let answers = self.told.take(scene.node, *partition);
        let mut group = self.of_node.get(&scene.node).map(|place| &mut self.list[*place]);
        positions::check(scene, model, group.as_deref_mut(), &moved, &answers);
        if let Some(group) = group {
            let (node, label) = (scene.name(), model.label(*partition));
            let words = match cause {
                ResetCause::NoPosition => format!("{node} began at {to} of {label}, since it knew of no position"),
                ResetCause::OutOfRange => {
                    format!("{node} was reset to {to} of {label}: the leader's log does not reach its position")
                }
                ResetCause::Truncated => format!("{node} went back to {to} of {label}: the log was cut below it"),
                ResetCause::Seek => format!("{node} moved to {to} of {label}, as its program asked"),
                ResetCause::Committed => format!("{node} took up the group's position {to} of {label}"),
            };
            group.note(scene, OfGroup::Moved, &[*partition], words);
        }
    }

    /// A line of the history.
    pub fn entry(&mut self, scene: &mut Scene<'_>, model: &Model, sends: &Sends, entry: &Entry) {
        match &entry.what {
            What::ProcessBegun(processing) => {
                let Some(id) = &processing.group else { return };
                let place = self.place(id);
                let group = &mut self.list[place];
                let contract = self.contracts.of(entry.process);
                group.busy.begun(entry.process, entry.at.time);
                processing::begun(scene, model, group, contract, processing);
                self.hops.check_time(scene, &group.notes, processing);
            }
            What::ProcessEnded { processing, outcome } => {
                self.process_ended(scene, model, sends, processing, *outcome);
            }
            What::CommitInvoked { group: id, offsets } => {
                let place = self.place(id);
                let group = &mut self.list[place];
                group.positions.asked(offsets);
                group.lanes.commit_invoked(scene.at, model, offsets);
            }
            What::CommitEnded {
                group: id,
                offsets,
                error,
            } => {
                let place = self.place(id);
                self.commit_ended(scene, model, place, offsets, *error);
            }
            What::Polled(records) => {
                if let Some(place) = self.of_node.get(&entry.process)
                    && records.iter().any(|record| !record.is_probe)
                {
                    self.list[*place].has_polled = true;
                }
                // Other programs than workers may leave their group, and read on without one.
                let Some(workers) = self.contracts.of(entry.process) else {
                    return;
                };
                let place = match self.of_node.get(&entry.process) {
                    Some(place) => *place,
                    None => {
                        let id = workers.group.as_str().into();
                        self.place(&id)
                    }
                };
                self.list[place].busy.polled(entry.process, entry.at.time);
                ownership::check_polled(scene, model, &self.list[place], records);
            }
            What::Sought { partition, to } => {
                if let Some(place) = self.of_node.get(&entry.process) {
                    let group = &mut self.list[*place];
                    group.lanes.moved(*partition, *to, true);
                    let (node, label) = (scene.name(), model.label(*partition));
                    let words = format!("the program of {node} moved its position in {label} to {to}");
                    group.note(scene, OfGroup::Sought, &[*partition], words);
                }
            }
            _ => {}
        }
    }

    fn process_ended(
        &mut self,
        scene: &mut Scene<'_>,
        model: &Model,
        sends: &Sends,
        processing: &Processing,
        outcome: ProcessOutcome,
    ) {
        let Some(id) = &processing.group else { return };
        match outcome {
            ProcessOutcome::WillRetry => {}
            ProcessOutcome::Processed => self.totals.processed += 1,
            ProcessOutcome::Retried(_) => self.totals.retried += 1,
            ProcessOutcome::DeadLettered(_) => self.totals.dead_lettered += 1,
            ProcessOutcome::Skipped => self.totals.skipped += 1,
        }
        let place = self.place(id);
        let group = &mut self.list[place];
        let is_for_good = outcome != ProcessOutcome::WillRetry;
        group
            .busy
            .ended(scene.node, processing.partition, scene.at.time, is_for_good);
        let Some((before, after)) = group.lanes.ended(scene, model, processing, outcome) else {
            return;
        };
        let Some(uid) = processing.uid else { return };
        let root = self.hops.root(uid, (processing.partition, processing.offset));
        let has = |ends: Ends| ends.has(Ends::PROCESSED);
        let of_root = group.lanes.get(root.place.0);
        let of_root = of_root.and_then(|lane| lane.mark_of(root.place.1, root.uid));
        let was_processed = has(before)
            || has(self.hops.ends(place, root.uid))
            || root.uid != uid && of_root.is_some_and(|mark| has(mark.ends));
        self.hops.ended(place, uid, after);
        if was_processed || !has(after) {
            return;
        }
        if let Some((send, number)) = sends.numbered(root.uid) {
            let contract = self.contracts.of(scene.node);
            let root = (root, group.lanes.stint(root.place.0));
            group
                .keys
                .processed(scene, model, contract, &group.notes, (send, number), root);
        }
    }

    fn commit_ended(
        &mut self,
        scene: &mut Scene<'_>,
        model: &Model,
        place: usize,
        offsets: &[(TopicPartition, Offset)],
        error: ErrorCode,
    ) {
        let group = &mut self.list[place];
        if !error.is_ok() {
            let positions = offsets
                .iter()
                .map(|(partition, offset)| format!("{} {offset}", model.label(*partition)));
            let positions = positions.collect::<Vec<_>>().join(", ");
            let words = format!("a commit of {} was not taken ({error:?}): {positions}", scene.name());
            let partitions: Vec<TopicPartition> = offsets.iter().map(|(partition, _)| *partition).collect();
            group.note(scene, OfGroup::Refused, &partitions, words);
            return;
        }
        group.lanes.commit_acked(offsets);
        commits::check_acked(scene, model, group, offsets);
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

    /// What a coordinator gave a member, in words.
    fn given(&self, scene: &Scene<'_>, model: &Model, stated: &members::Stated<'_>) -> String {
        let (coordinator, member) = (scene.name(), self.of_members.name(scene.nodes, stated.member));
        let (epoch, labels) = (stated.epoch, labels(model, stated.assigned));
        let mut words = format!("{coordinator}, the coordinator, gave {member} {labels} in epoch {epoch}");
        if !stated.revoking.is_empty() {
            words += &format!(", once it has given up {}", self::labels(model, stated.revoking));
        }
        words
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

//! Groups and members as their coordinators state them: G2, G3, G4 and stale-owner-commit.
//!
//! After a failover the new coordinator states only what changes. What an older one stated of a member is kept, but is
//! not certain: it may never have been committed. A violation is found only where both sides are certain.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::trace::{GroupChanged, GroupState, MemberChanged, MemberRemoved, OffsetCommitted, RemovalCause};
use broker_core::types::{GroupEpoch, GroupInstanceId, MemberId, TopicPartition};

use super::Group;
use super::coordinator::Session;
use crate::check::model::{Model, Scene};
use crate::check::witness::Evidence;
use crate::history::At;
use crate::verdict::{Check, Ruling};
use crate::words;

/// A group's members.
#[derive(Default)]
pub(super) struct Members {
    /// The newest session that stated anything.
    session: u32,
    /// The group's state, if that session has stated it.
    state: Option<(GroupState, GroupEpoch, u32)>,
    /// The state that was stated last, by whomever.
    last: Option<GroupState>,
    members: BTreeMap<MemberId, Member>,
    /// What any coordinator ever gave each member in each epoch.
    given: BTreeMap<(MemberId, GroupEpoch), BTreeSet<TopicPartition>>,
    /// The group has called its members to join: it speaks the classic protocol.
    is_classic: bool,
    /// The largest epoch that a member has received.
    received: GroupEpoch,
    /// When it was.
    received_at: At,
    /// Became stable then; judged when everything of that step is known.
    stable: Option<At>,
    epoch: Option<GroupEpoch>,
    /// How often the group got another epoch.
    pub rebalances: u64,
    /// And how often since everything was healed.
    pub rebalances_since_heal: u64,
}

struct Member {
    /// The session that stated it.
    session: u32,
    epoch: GroupEpoch,
    instance: Option<GroupInstanceId>,
    assigned: Vec<TopicPartition>,
    revoking: Vec<TopicPartition>,
    removed: Option<RemovalCause>,
}

impl Member {
    fn holds(&self, partition: TopicPartition) -> bool {
        self.assigned.contains(&partition) || self.revoking.contains(&partition)
    }
}

impl Members {
    /// Why the member is none any more, if a coordinator removed it.
    pub fn removal(&self, member: &MemberId) -> Option<RemovalCause> {
        self.members.get(member)?.removed
    }

    /// Whether the group is stable, as far as its newest coordinator has said.
    pub fn may_be_stable(&self) -> bool {
        self.state
            .is_none_or(|(state, ..)| matches!(state, GroupState::Stable | GroupState::Empty))
    }

    /// The state that was stated last.
    pub fn state(&self) -> Option<GroupState> {
        self.last
    }

    /// A member received this epoch, so it is committed.
    pub fn received(&mut self, at: At, epoch: GroupEpoch) {
        if epoch >= self.received {
            (self.received, self.received_at) = (epoch, at);
        }
    }

    /// A coordinator, if only one that was deposed since, gave a member these in this epoch.
    pub fn give(&mut self, stated: &MemberChanged) {
        let given = self.given.entry((stated.member.clone(), stated.epoch)).or_default();
        given.extend(&stated.assigned);
    }

    /// Whether any coordinator gave the member this partition in this epoch.
    pub fn was_given(&self, member: &MemberId, epoch: GroupEpoch, partition: TopicPartition) -> bool {
        let given = self.given.get(&(member.clone(), epoch));
        given.is_some_and(|given| given.contains(&partition))
    }

    /// A coordinator stated this epoch.
    pub fn count_rebalance(&mut self, epoch: GroupEpoch, healed: bool) {
        if self.epoch.replace(epoch) != Some(epoch) {
            self.rebalances += 1;
            self.rebalances_since_heal += u64::from(healed);
        }
    }

    /// A coordinator removed a member.
    pub fn removed(&mut self, session: Session, fact: &MemberRemoved) {
        if !self.enter(session) {
            return;
        }
        if let Some(member) = self.members.get_mut(&fact.member) {
            member.session = session.number;
            member.removed = Some(fact.cause);
        }
    }

    /// Takes the words of this session for facts; false if they are of one that was replaced.
    fn enter(&mut self, session: Session) -> bool {
        if !session.newest || session.number < self.session {
            return false;
        }
        if session.number > self.session {
            self.session = session.number;
            self.state = None;
            self.stable = None;
        }
        true
    }

    /// The members of which the newest session has said that they are.
    fn certain(&self) -> impl Iterator<Item = (&MemberId, &Member)> {
        let is_certain = |member: &Member| member.session == self.session && member.removed.is_none();
        self.members.iter().filter(move |(_, member)| is_certain(member))
    }
}

/// A group's state or epoch changed. G2.
pub(super) fn group_changed(
    scene: &mut Scene<'_>,
    model: &Model,
    group: &mut Group,
    session: Session,
    fact: &GroupChanged,
) {
    let (state, epoch, count) = (fact.state, fact.epoch, fact.members);
    check_stable(scene, model, group, false);
    let members = &mut group.members;
    if !members.enter(session) {
        return;
    }
    let starts_over = matches!(members.last, None | Some(GroupState::Empty | GroupState::Dead));
    let before = members.state.map(|(_, epoch, _)| epoch);
    let floor = before.unwrap_or(GroupEpoch::NONE).max(members.received);
    match state {
        GroupState::PreparingRebalance | GroupState::CompletingRebalance => members.is_classic = true,
        // A group that changed its protocol with members in it states that it does so.
        GroupState::Assigning | GroupState::Reconciling => members.is_classic = false,
        GroupState::Empty | GroupState::Stable | GroupState::Dead => {}
    }
    members.last = Some(state);
    members.state = Some((state, epoch, count));
    members.stable = (state == GroupState::Stable).then_some(scene.at);
    if matches!(state, GroupState::Dead) {
        members.received = GroupEpoch::NONE;
        return;
    }
    if epoch < floor && !starts_over {
        let (id, node) = (&group.id, scene.name());
        // What a coordinator has stated itself it cannot have lost.
        let ruling = match before.is_some_and(|before| epoch < before) {
            true => Ruling::Violation,
            false => group.log.forgotten(model, group.members.received_at, scene.at),
        };
        scene.rule(Check::G2, ruling, "a group's epoch fell", &group.notes, || {
            format!("{node} put group {id} at epoch {epoch} after {floor}")
        });
    }
    if epoch < floor {
        group.members.received = epoch;
    }
}

/// A member changed. G4.
pub(super) fn member_changed(
    scene: &mut Scene<'_>,
    model: &Model,
    group: &mut Group,
    session: Session,
    stated: &MemberChanged,
) {
    check_stable(scene, model, group, false);
    let Group {
        members,
        notes,
        id,
        of_members,
        ..
    } = group;
    if !members.enter(session) {
        return;
    }
    let nodes = scene.nodes;
    let had = members.members.get(&stated.member);
    let had = had.filter(|member| member.removed.is_none() && member.session == session.number);
    if !members.is_classic {
        let new = stated
            .assigned
            .iter()
            .filter(|new| had.is_none_or(|had| !had.assigned.contains(new)));
        for new in new {
            let held =
                |other: &Member| other.holds(*new) && (other.instance.is_none() || other.instance != stated.instance);
            let mut others = members.certain().filter(|(other, _)| *other != &stated.member);
            let Some((other, _)) = others.find(|(_, other)| held(other)) else {
                continue;
            };
            let shape = "a partition was handed out before its owner had released it";
            scene.violation(Check::G4, shape, notes, || {
                let (new_owner, old) = (of_members.name(nodes, &stated.member), of_members.name(nodes, other));
                let (epoch, label) = (stated.epoch, model.label(*new));
                let text = format!("group {id} gave {label} to {new_owner} in epoch {epoch} while {old} still held it");
                Evidence::from(text).on(*new)
            });
        }
    }
    let member = Member {
        session: session.number,
        epoch: stated.epoch,
        instance: stated.instance.clone(),
        assigned: stated.assigned.clone(),
        revoking: stated.revoking.clone(),
        removed: None,
    };
    members.members.insert(stated.member.clone(), member);
}

/// A stable group's assignment has every partition once, except a partition that moves by a cooperative rebalance of the
/// classic protocol: its old owner gives it up in one generation, and the next one hands it out. G2. Judged at the
/// first fact of a later step, or at the end.
pub(super) fn check_stable(scene: &mut Scene<'_>, model: &Model, group: &mut Group, at_end: bool) {
    let Some(at) = group.members.stable.filter(|at| at_end || at.step < scene.at.step) else {
        return;
    };
    group.members.stable = None;
    let (members, nodes) = (&group.members, scene.nodes);
    let Some((GroupState::Stable, epoch, count)) = members.state else {
        return;
    };
    // A member of which the newest coordinator has stated nothing may own the rest.
    let all_known = members.certain().count() == count as usize && members.certain().all(|(_, of)| of.epoch == epoch);
    if !all_known {
        return;
    }
    let of_member = |(id, member): (_, &Member)| -> Vec<(TopicPartition, MemberId)> {
        let id: &MemberId = id;
        member
            .assigned
            .iter()
            .map(|partition| (*partition, id.clone()))
            .collect()
    };
    let mut owned: Vec<(TopicPartition, MemberId)> = members.certain().flat_map(of_member).collect();
    owned.sort();
    let mut next = 0;
    for (place, (partition, owner)) in owned.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| &owned[before]);
        let topic_begins = before.is_none_or(|(before, _)| before.topic != partition.topic);
        next = if topic_begins { 0 } else { next };
        let id = &group.id;
        if let Some((_, other)) = before.filter(|(before, _)| before == partition) {
            scene.violation(Check::G2, "one partition is assigned twice", &group.notes, || {
                format!(
                    "group {id} became stable in epoch {epoch} ({}) with {} at {} and {}",
                    at.time,
                    model.label(*partition),
                    group.of_members.name(nodes, other),
                    group.of_members.name(nodes, owner)
                )
            });
        } else if partition.partition.0 != next && !members.is_classic {
            scene.violation(Check::G2, "a partition is assigned to nobody", &group.notes, || {
                let missing = model.label(TopicPartition::new(partition.topic, next));
                format!(
                    "group {id} became stable in epoch {epoch} ({}) without {missing}",
                    at.time
                )
            });
        }
        next = partition.partition.0 + 1;
    }
}

/// A commit was taken: was its committer a member, and current? G3 and stale-owner-commit.
pub(super) fn check_committer(
    scene: &mut Scene<'_>,
    model: &Model,
    group: &mut Group,
    session: Option<Session>,
    commit: &OffsetCommitted,
) {
    check_stable(scene, model, group, false);
    let Group {
        members,
        positions,
        notes,
        id,
        log,
        of_members,
        ..
    } = group;
    let (nodes, at) = (scene.nodes, model.label(commit.partition));
    let epoch = commit.epoch;
    if !positions.was_asked(commit) {
        let offset = commit.offset;
        let shape = "a position was taken that nobody had asked for";
        scene.violation(Check::G3, shape, notes, || {
            format!("group {id} took position {offset} of {at}, which no member had asked it to")
        });
    }
    // A coordinator that was replaced cannot have anything committed.
    let Some(session) = session else { return };
    if !members.enter(session) {
        return;
    }
    let offset = commit.offset;
    let Some(member) = &commit.member else {
        let count = members.certain().count();
        if count > 0 {
            scene.violation(
                Check::G3,
                "a commit without a member was taken from a stranger",
                notes,
                || format!("group {id} took position {offset} of {at} from no member while it had {count}"),
            );
        }
        return;
    };
    let shown = || of_members.name(nodes, member);
    let Some(known) = members.members.get(member) else {
        scene.violation(Check::G3, "a commit was taken from a stranger", notes, || {
            format!(
                "group {id} took position {offset} of {at} from {}, which never was a member",
                shown()
            )
        });
        return;
    };
    let (ruling, stale) = if known.session != members.session {
        // What an earlier coordinator stated need not have been committed, nor a removal; a generation that some
        // member received was.
        if !members.is_classic || epoch >= members.received {
            return;
        }
        let ruling = log.forgotten(model, members.received_at, scene.at);
        (ruling, format!("after a member received {}", members.received))
    } else if let Some(cause) = known.removed {
        (
            Ruling::Violation,
            format!("which was removed: {}", words::removal(cause)),
        )
    } else {
        let current = match members.state {
            Some((_, generation, _)) if members.is_classic => generation,
            _ if members.is_classic => return,
            _ => known.epoch,
        };
        if current == epoch {
            return;
        }
        (Ruling::Violation, format!("whose epoch is {current}"))
    };
    let shape = "a commit was taken from a member that was not current";
    scene.rule(Check::StaleOwnerCommit, ruling, shape, notes, || {
        format!(
            "group {id} took position {offset} of {at} in epoch {epoch} from {}, {stale}",
            shown()
        )
    });
}

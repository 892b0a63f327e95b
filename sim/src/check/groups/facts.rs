//! What coordinators state of their groups, and consumers of themselves.

use broker_core::trace::{
    Appended, CoordinatorLoaded, CoordinatorLoading, CoordinatorUnloaded, GroupChanged, MemberChanged, MemberRemoved,
    OffsetCommitted, OffsetExpired, OffsetsFetched, PartitionsAssigned, PartitionsLost, PartitionsRevoked,
    PositionReset, ReplicaRole, ResetCause,
};
use broker_core::types::{GroupId, TopicPartition};

use super::{Group, Groups, commits, labels, members, ownership, positions, processing};
use crate::check::model::{Model, Scene};
use crate::check::witness::OfGroup;
use crate::units::show_duration;
use crate::words;

/// Facts that coordinators state.
impl Groups {
    /// A batch was appended to the offsets topic.
    pub fn appended(&mut self, fact: &Appended) {
        if fact.role == ReplicaRole::Leader {
            self.coordinators.written(fact);
        }
    }

    /// A coordinator began to load.
    pub fn coordinator_loading(&mut self, scene: &mut Scene<'_>, fact: &CoordinatorLoading) {
        self.coordinators
            .loading(scene, fact.partition.partition, fact.leader_epoch);
    }

    /// It has loaded.
    pub fn coordinator_loaded(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &CoordinatorLoaded) {
        self.coordinators.loaded(scene, model, fact);
        let (node, end) = (scene.name(), fact.end);
        let words = format!("{node} became the coordinator, with the group's log up to {end}");
        for group in &mut self.list {
            if group.log.0 == fact.partition.partition {
                group.note(scene, OfGroup::Loaded, &[], words.clone());
            }
        }
    }

    /// It does not coordinate the partition any more.
    pub fn coordinator_unloaded(&mut self, scene: &Scene<'_>, fact: &CoordinatorUnloaded) {
        self.coordinators.unloaded(scene, fact.partition.partition);
    }

    /// A group's state or epoch changed.
    pub fn group_changed(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &GroupChanged) {
        let healed = self.healed;
        let (group, session) = self.stated(scene, &fact.group);
        let (id, epoch, count) = (&fact.group, fact.epoch, fact.members);
        let state = words::group_state(fact.state);
        let words = format!("group {id} became {state} in epoch {epoch} with {count} members");
        group.note(scene, OfGroup::Became, &[], words);
        group.members.count_rebalance(epoch, healed);
        if let Some(session) = session {
            members::group_changed(scene, model, group, session, fact);
        }
    }

    /// A member changed.
    pub fn member_changed(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &MemberChanged) {
        let (group, session) = self.stated(scene, &fact.group);
        let words = given(scene, model, group, fact);
        group.note(scene, OfGroup::Gave, &fact.assigned, words);
        group.members.give(fact);
        if let Some(session) = session {
            members::member_changed(scene, model, group, session, fact);
        }
    }

    /// A member is none any more.
    pub fn member_removed(&mut self, scene: &mut Scene<'_>, fact: &MemberRemoved) {
        let id = &fact.group;
        let (group, session) = self.stated(scene, id);
        let (coordinator, name) = (scene.name(), group.of_members.name(scene.nodes, &fact.member));
        let cause = words::removal(fact.cause);
        let words = format!("{coordinator} removed {name} from group {id}: {cause}");
        group.note(scene, OfGroup::Removed, &[], words);
        if let Some(session) = session {
            group.members.removed(session, fact);
        }
        let node = group.of_members.node(&fact.member);
        if let Some(node) = node.filter(|node| scene.nodes.is_up(*node))
            && let Some(workers) = self.contracts.of(node)
        {
            let interval = workers.consumer.max_poll_interval_ms.saturating_mul(1_000_000);
            let place = self.place(id);
            self.list[place].busy.lost_place(node, interval, scene.at.time);
        }
    }

    /// A coordinator took a position.
    pub fn offset_committed(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &OffsetCommitted) {
        let (group, session) = self.stated(scene, &fact.group);
        members::check_committer(scene, model, group, session, fact);
        group.positions.taken(scene, session, fact);
        let contract = self.contracts.of_group(&fact.group).next();
        let group = &mut self.list[self.last];
        processing::position_passed(scene, model, group, contract, fact.partition, fact.offset);
    }

    /// A coordinator answered with positions of a group.
    pub fn offsets_fetched(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &OffsetsFetched) {
        self.coordinators.check_answer(scene, &fact.group);
        let (group, session) = self.stated(scene, &fact.group);
        let answers = commits::check_answered(scene, model, group, session, &fact.partitions);
        self.answered.add(fact.client, &answers);
    }

    /// A position was too old and is gone.
    pub fn offset_expired(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &OffsetExpired) {
        let (id, partition) = (&fact.group, fact.partition);
        let retention = self.coordinators.retention;
        let (group, session) = self.stated(scene, id);
        commits::expired(scene, model, group, session, partition, retention);
        let (label, kept) = (model.label(partition), show_duration(retention));
        let words = format!("the position of group {id} in {label} expired, unused for {kept}");
        group.note(scene, OfGroup::Expired, &[partition], words);
    }
}

/// Facts that consumers state of themselves.
impl Groups {
    /// A consumer owns more partitions.
    pub fn partitions_assigned(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &PartitionsAssigned) {
        let (id, epoch) = (&fact.group, fact.epoch);
        let place = self.place(id);
        self.of_node.insert(scene.node, place);
        let group = &mut self.list[place];
        group.of_members.is(&fact.member, scene.node);
        let (node, labels) = (scene.name(), labels(model, &fact.partitions));
        let words = format!("{node} owned {labels} from now on, in epoch {epoch} of group {id}");
        group.note(scene, OfGroup::Owns, &fact.partitions, words);
        group.members.received(scene.at, epoch);
        ownership::assigned(scene, model, group, fact);
    }

    /// A consumer gave partitions up in good order.
    pub fn partitions_revoked(&mut self, scene: &Scene<'_>, model: &Model, fact: &PartitionsRevoked) {
        self.released(scene, model, &fact.group, &fact.partitions, "gave up");
    }

    /// A consumer learnt that it has lost partitions.
    pub fn partitions_lost(&mut self, scene: &Scene<'_>, model: &Model, fact: &PartitionsLost) {
        self.released(scene, model, &fact.group, &fact.partitions, "learnt that it had lost");
    }

    fn released(&mut self, scene: &Scene<'_>, model: &Model, id: &GroupId, partitions: &[TopicPartition], how: &str) {
        let place = self.place(id);
        let group = &mut self.list[place];
        let words = format!("{} {how} {}", scene.name(), labels(model, partitions));
        group.note(scene, OfGroup::Released, partitions, words);
        ownership::released(scene, group, partitions);
    }

    /// A consumer's machine moved its position.
    pub fn position_reset(&mut self, scene: &mut Scene<'_>, model: &Model, fact: &PositionReset) {
        let (partition, to) = (fact.partition, fact.to);
        let answers = self.answered.take(scene.node, partition);
        let mut group = self.of_node.get(&scene.node).map(|place| &mut self.list[*place]);
        positions::check(scene, model, group.as_deref_mut(), fact, &answers);
        let Some(group) = group else { return };
        let (node, label) = (scene.name(), model.label(partition));
        let words = match fact.cause {
            ResetCause::NoPosition => format!("{node} began at {to} of {label}, since it knew of no position"),
            ResetCause::OutOfRange => {
                format!("{node} was reset to {to} of {label}: the leader's log does not reach its position")
            }
            ResetCause::Truncated => format!("{node} went back to {to} of {label}: the log was cut below it"),
            ResetCause::Seek => format!("{node} moved to {to} of {label}, as its program asked"),
            ResetCause::Committed => format!("{node} took up the group's position {to} of {label}"),
        };
        group.note(scene, OfGroup::Moved, &[partition], words);
    }
}

/// What a coordinator gave a member, in words.
fn given(scene: &Scene<'_>, model: &Model, group: &Group, fact: &MemberChanged) -> String {
    let (coordinator, member) = (scene.name(), group.of_members.name(scene.nodes, &fact.member));
    let (epoch, assigned) = (fact.epoch, labels(model, &fact.assigned));
    let mut words = format!("{coordinator}, the coordinator, gave {member} {assigned} in epoch {epoch}");
    if !fact.revoking.is_empty() {
        words += &format!(", once it has given up {}", labels(model, &fact.revoking));
    }
    words
}

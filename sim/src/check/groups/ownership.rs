//! Who owns what, as the members themselves state it: overlapping-owners.

use std::collections::BTreeMap;

use broker_core::trace::PartitionsAssigned;
use broker_core::types::{MemberId, NodeId, TopicPartition};

use super::Group;
use crate::check::model::{Model, Scene};
use crate::check::nodes::Nodes;
use crate::check::witness::Evidence;
use crate::history::{At, PolledRecord};
use crate::verdict::{Check, Ruling};
use crate::words;

/// The owners of a group's partitions.
#[derive(Default)]
pub(super) struct Owners {
    owners: BTreeMap<TopicPartition, Vec<Owner>>,
    began: Option<At>,
}

/// A member that owns a partition.
struct Owner {
    node: NodeId,
    /// The run of its process.
    life: usize,
    member: MemberId,
    since: At,
}

impl Owner {
    fn is_alive(&self, nodes: &Nodes) -> bool {
        nodes.is_up(self.node) && nodes.life(self.node) == self.life
    }
}

impl Owners {
    /// The newest owner whose process runs.
    pub fn owner(&self, nodes: &Nodes, partition: TopicPartition) -> Option<NodeId> {
        self.alive(nodes, partition).last().map(|owner| owner.node)
    }

    /// Each partition with the newest owner whose process runs, and since when it owns that.
    pub fn now<'a>(&'a self, nodes: &'a Nodes) -> impl Iterator<Item = (TopicPartition, NodeId, At)> + 'a {
        self.owners.keys().filter_map(|partition| {
            let owner = self.alive(nodes, *partition).last()?;
            Some((*partition, owner.node, owner.since))
        })
    }

    /// How many owners' processes run.
    pub fn count(&self, nodes: &Nodes, partition: TopicPartition) -> usize {
        self.alive(nodes, partition).count()
    }

    /// When anybody first owned anything.
    pub fn began(&self) -> Option<At> {
        self.began
    }

    /// Whether the node owns the partition.
    pub fn owns(&self, nodes: &Nodes, node: NodeId, partition: TopicPartition) -> bool {
        self.alive(nodes, partition).any(|owner| owner.node == node)
    }

    fn alive<'a>(&'a self, nodes: &'a Nodes, partition: TopicPartition) -> impl Iterator<Item = &'a Owner> {
        let owners = self.owners.get(&partition).map_or(&[][..], |owners| owners);
        owners.iter().filter(|owner| owner.is_alive(nodes))
    }
}

/// A consumer owns these from now on, as that member in that epoch. G2 and overlapping-owners.
pub(super) fn assigned(scene: &mut Scene<'_>, model: &Model, group: &mut Group, fact: &PartitionsAssigned) {
    let PartitionsAssigned {
        member,
        epoch,
        partitions,
        ..
    } = fact;
    let Group {
        id,
        members,
        owners,
        lanes,
        notes,
        log,
        ..
    } = group;
    owners.began.get_or_insert(scene.at);
    for partition in partitions {
        lanes.owner_changed(*partition);
        if !members.was_given(member, *epoch, *partition) {
            let (node, at) = (scene.name(), model.label(*partition));
            let shape = "a member owns what no coordinator gave it";
            scene.violation(Check::G2, shape, notes, || {
                let text =
                    format!("{node} owns {at} of group {id} in epoch {epoch}, which no coordinator gave it then");
                Evidence::from(text).on(*partition)
            });
        }
        let owners = owners.owners.entry(*partition).or_default();
        owners.retain(|owner| owner.node != scene.node && owner.is_alive(scene.nodes));
        for other in owners.iter() {
            let (ruling, shape) = match members.removal(&other.member) {
                Some(cause) => (
                    Ruling::Allowed(format!(
                        "a member that the coordinator removed ({}) owns what it owned until it learns of it",
                        words::removal(cause)
                    )),
                    "a member that was removed has not learned of it yet",
                ),
                None => (
                    log.forgotten(model, other.since, scene.at),
                    "two live members own one partition",
                ),
            };
            let (node, since) = (scene.name(), other.since.time);
            let rival = scene.nodes.named(other.node);
            scene.rule(Check::OverlappingOwners, ruling, shape, notes, || {
                let label = model.label(*partition);
                let text = format!("{node} owns {label} of group {id}, which {rival} has owned since {since}");
                Evidence::from(text).on(*partition)
            });
        }
        owners.push(Owner {
            node: scene.node,
            life: scene.nodes.life(scene.node),
            member: member.clone(),
            since: scene.at,
        });
    }
}

/// A member got records: all of partitions that it owns? overlapping-owners.
pub(super) fn check_polled(scene: &mut Scene<'_>, model: &Model, group: &Group, records: &[PolledRecord]) {
    for of_one in records.chunk_by(|one, next| one.partition == next.partition) {
        let partition = of_one[0].partition;
        if group.owners.owns(scene.nodes, scene.node, partition) {
            continue;
        }
        let (id, node) = (&group.id, scene.name());
        let shape = "a member got records of a partition that it does not own";
        scene.violation(Check::OverlappingOwners, shape, &group.notes, || {
            let (count, label) = (of_one.len(), model.label(partition));
            let text = format!("{node} of group {id} got {count} records of {label}, which it does not own");
            Evidence::from(text).on(partition)
        });
    }
}

/// A consumer owns these no longer.
pub(super) fn released(scene: &Scene<'_>, group: &mut Group, partitions: &[TopicPartition]) {
    for partition in partitions {
        group.lanes.owner_changed(*partition);
        if let Some(owners) = group.owners.owners.get_mut(partition) {
            owners.retain(|owner| owner.node != scene.node);
        }
    }
}

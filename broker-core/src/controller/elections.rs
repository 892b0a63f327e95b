//! Who leads a partition, and what else changes with it (Kafka's `PartitionChangeBuilder`).

use alloc::vec;
use alloc::vec::Vec;

use super::image::PartitionImage;
use super::records::MetadataRecord;
use super::view::View;
use crate::types::{LeaderEpoch, NodeId, PartitionEpoch, TopicPartition};

/// The partition's state with `target_isr` and a leader among it that `is_acceptable`; `None` if nothing changes.
///
/// - The leader stays if it may; else the first replica in the preferred order that is in the ISR takes over.
/// - Without such a replica, an unclean election takes any acceptable replica and makes it the whole ISR; without
///   permission for that there is no leader.
/// - An ISR is never emptied: whoever was in it last has all that was committed, and is waited for.
/// - The leader epoch counts changes of the leader only; the partition epoch counts all changes.
pub(super) fn change_partition(
    current: &PartitionImage,
    target_isr: &[NodeId],
    is_acceptable: impl Fn(NodeId) -> bool,
    allow_unclean: bool,
) -> Option<PartitionImage> {
    let mut isr = target_isr.to_vec();
    if isr.is_empty() {
        isr.clone_from(&current.isr);
    }
    let mut candidates = current.leader.into_iter().chain(current.replicas.iter().copied());
    let clean = candidates.find(|replica| isr.contains(replica) && is_acceptable(*replica));
    let mut replicas = current.replicas.iter().copied();
    let unclean = replicas.find(|replica| allow_unclean && is_acceptable(*replica));
    let leader = clean.or(unclean);
    if let (None, Some(unclean)) = (clean, unclean) {
        isr = vec![unclean];
    }
    if leader == current.leader && isr == current.isr {
        return None;
    }
    let leader_changes = i32::from(leader != current.leader);
    Some(PartitionImage {
        replicas: current.replicas.clone(),
        isr,
        leader,
        leader_epoch: LeaderEpoch(current.leader_epoch.0 + leader_changes),
        partition_epoch: PartitionEpoch(current.partition_epoch.0 + 1),
    })
}

/// Takes `broker` out of every ISR and every leadership, where anybody else is left.
pub(super) fn without_broker(view: &View<'_>, broker: NodeId) -> Vec<MetadataRecord> {
    changes(view, |state| {
        let is_concerned = state.leader == Some(broker) || state.isr.contains(&broker);
        let others = state.isr.iter().copied().filter(|member| *member != broker);
        is_concerned.then(|| (others.collect(), Acceptable::Except(broker)))
    })
}

/// Gives a leader to every partition that has none and may take `broker`, which is active from now on.
pub(super) fn with_broker(view: &View<'_>, broker: NodeId) -> Vec<MetadataRecord> {
    changes(view, |state| {
        let is_concerned = state.leader.is_none() && state.replicas.contains(&broker);
        is_concerned.then(|| (state.isr.clone(), Acceptable::Also(broker)))
    })
}

/// A broker whose state changes with the decision, so that the view does not tell about it yet.
enum Acceptable {
    Also(NodeId),
    Except(NodeId),
}

fn changes(
    view: &View<'_>,
    concerned: impl Fn(&PartitionImage) -> Option<(Vec<NodeId>, Acceptable)>,
) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for (id, topic) in &view.image.topics {
        for (index, state) in topic.partitions.iter().enumerate() {
            let Some((target_isr, acceptable)) = concerned(state) else {
                continue;
            };
            let is_acceptable = |node| match acceptable {
                Acceptable::Also(broker) if broker == node => true,
                Acceptable::Except(broker) if broker == node => false,
                _ => view.is_active(node),
            };
            let allow_unclean = topic.config.unclean_leader_election_enable;
            if let Some(changed) = change_partition(state, &target_isr, is_acceptable, allow_unclean) {
                records.push(changed.to_record(TopicPartition::new(*id, index as i32)));
            }
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ids: &[u32]) -> Vec<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    /// Replicas, ISR and leader as in Kafka's `PartitionChangeBuilderTest`; epochs 100 and 200.
    fn partition(replicas: &[u32], isr: &[u32], leader: Option<u32>) -> PartitionImage {
        PartitionImage {
            replicas: nodes(replicas),
            isr: nodes(isr),
            leader: leader.map(NodeId),
            leader_epoch: LeaderEpoch(100),
            partition_epoch: PartitionEpoch(200),
        }
    }

    #[test]
    fn elections_follow_the_table() {
        let foo = partition(&[2, 1, 3], &[2, 1, 3], Some(1));
        let foo_4 = partition(&[2, 1, 3, 4], &[2, 1, 3], Some(1));
        let baz = partition(&[2, 1, 3], &[1, 3], Some(3));
        let offline = partition(&[2, 1, 3], &[3], None);
        // Partition, target ISR, acceptable brokers, unclean allowed; then leader, ISR, leader epoch, or no change.
        type Change = Option<(Option<u32>, &'static [u32], i32)>;
        type Case<'a> = (&'a str, &'a PartitionImage, &'a [u32], &'a [u32], bool, Change);
        let cases: &[Case<'_>] = &[
            ("foo keeps its leader", &foo, &[2, 1, 3], &[1, 2], false, None),
            (
                "foo keeps it with unclean allowed",
                &foo,
                &[2, 1, 3],
                &[1, 2],
                true,
                None,
            ),
            (
                "a shrink keeps the leader epoch",
                &foo,
                &[1, 3],
                &[1, 2],
                false,
                Some((Some(1), &[1, 3], 100)),
            ),
            (
                "no acceptable member, clean only",
                &foo,
                &[3],
                &[1, 2],
                false,
                Some((None, &[3], 101)),
            ),
            (
                "no acceptable member, unclean",
                &foo,
                &[3],
                &[1, 2],
                true,
                Some((Some(2), &[2], 101)),
            ),
            (
                "a clean member goes before an unclean one",
                &foo_4,
                &[4],
                &[1, 2, 4],
                true,
                Some((Some(4), &[4], 101)),
            ),
            (
                "the preferred replica is not in the ISR",
                &baz,
                &[1, 3],
                &[1, 2, 3],
                false,
                None,
            ),
            (
                "the leader leaves",
                &baz,
                &[1],
                &[1, 2],
                false,
                Some((Some(1), &[1], 101)),
            ),
            (
                "the leader is not acceptable any more",
                &baz,
                &[1, 3],
                &[1, 2],
                false,
                Some((Some(1), &[1, 3], 101)),
            ),
            ("offline waits for its last member", &offline, &[3], &[1], false, None),
            (
                "offline takes its last member back",
                &offline,
                &[3],
                &[1, 3],
                false,
                Some((Some(3), &[3], 101)),
            ),
            (
                "offline goes unclean",
                &offline,
                &[3],
                &[1],
                true,
                Some((Some(1), &[1], 101)),
            ),
            (
                "an empty target keeps the ISR",
                &baz,
                &[],
                &[],
                false,
                Some((None, &[1, 3], 101)),
            ),
            (
                "an expansion keeps the leader epoch",
                &baz,
                &[1, 3, 2],
                &[1, 2, 3],
                false,
                Some((Some(3), &[1, 3, 2], 100)),
            ),
            (
                "elected in preferred order",
                &partition(&[2, 1, 3], &[3, 1], None),
                &[3, 1],
                &[1, 3],
                false,
                Some((Some(1), &[3, 1], 101)),
            ),
        ];
        for (name, current, target_isr, acceptable, allow_unclean, expected) in cases {
            let is_acceptable = |node: NodeId| acceptable.contains(&node.0);
            let changed = change_partition(current, &nodes(target_isr), is_acceptable, *allow_unclean);
            let expected = expected.map(|(leader, isr, leader_epoch)| PartitionImage {
                leader_epoch: LeaderEpoch(leader_epoch),
                partition_epoch: PartitionEpoch(201),
                ..partition(&current.replicas.iter().map(|id| id.0).collect::<Vec<_>>(), isr, leader)
            });
            assert_eq!(changed, expected, "{name}");
        }
    }
}

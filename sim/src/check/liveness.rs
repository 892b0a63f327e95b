//! L1, L2, L5, L8: what the healed cluster must come to. What groups must come to is in [`super::groups::progress`].

use broker_core::config::AutoOffsetReset;

use super::Checks;
use super::model::Partition;
use crate::verdict::Check;

impl Checks {
    /// What is still waited for, and by which check. Empty when the cluster has recovered and drained.
    pub(super) fn waits(&self) -> Vec<(Check, String)> {
        let mut waits: Vec<(Check, String)> = self
            .quorum
            .waits_for(&self.nodes)
            .map(|wait| (Check::L1, wait))
            .into_iter()
            .collect();
        for node in self.nodes.down() {
            waits.push((Check::L8, format!("node {node} is not running")));
        }
        for partition in &self.model.partitions {
            self.partition_waits(partition, &mut waits);
        }
        if self.sends.pending() > 0 {
            waits.push((Check::L5, format!("{} sends have not ended", self.sends.pending())));
        }
        waits.extend(self.sends.unheard().map(|wait| (Check::L5, wait)));
        self.consumer_waits(&mut waits);
        self.groups.waits(&self.nodes, &self.model, &self.reads, &mut waits);
        waits
    }

    /// L2 and the replicas' half of L8.
    fn partition_waits(&self, partition: &Partition, waits: &mut Vec<(Check, String)>) {
        let label = &partition.label;
        let Some(state) = &partition.state else { return };
        let leader = state.leader.filter(|leader| {
            let replica = &partition.replicas[*leader];
            partition.is_live(*leader, &self.nodes) && replica.leading.is_some() && replica.epoch == state.leader_epoch
        });
        let Some(leader) = leader else {
            waits.push((Check::L2, format!("{label} has no leader that leads")));
            return;
        };
        let (end, high_watermark) = {
            let leader = &partition.replicas[leader];
            (leader.mirror.end(), leader.high_watermark)
        };
        if high_watermark < end {
            waits.push((
                Check::L2,
                format!("the high watermark of {label} is {high_watermark} of {end}"),
            ));
        }
        for slot in state.replicas.iter() {
            let node = partition.replicas[slot].node;
            if !partition.is_live(slot, &self.nodes) {
                waits.push((
                    Check::L8,
                    format!("node {node} has not taken up its replica of {label}"),
                ));
            } else if !partition.holds_all(slot) {
                waits.push((Check::L8, format!("node {node} lacks committed records of {label}")));
            } else if !state.isr.contains(slot) {
                waits.push((Check::L8, format!("node {node} is not in sync for {label}")));
            }
        }
    }

    /// The consumers' half of L8.
    fn consumer_waits(&self, waits: &mut Vec<(Check, String)>) {
        let reading = self
            .readers
            .iter()
            .filter(|reader| reader.resets != AutoOffsetReset::None);
        let mut wanted: Vec<(&str, usize)> = Vec::new();
        for reader in reading {
            match wanted.iter_mut().find(|(topic, _)| *topic == reader.topic) {
                Some((_, count)) => *count += 1,
                None => wanted.push((&reader.topic, 1)),
            }
        }
        for (place, partition) in self.model.partitions.iter().enumerate() {
            let Some(topic) = partition.topic.map(|topic| self.model.topics[topic].name.as_str()) else {
                continue;
            };
            // Consumers that are assigned by hand have what there was when they were.
            let given = partition.topic.and_then(|topic| self.model.topics[topic].partitions);
            if given.is_some_and(|given| partition.id.partition.0 >= given as i32) {
                continue;
            }
            let Some((_, wanted)) = wanted.iter().find(|(wanted, _)| *wanted == topic) else {
                continue;
            };
            let streams = self
                .reads
                .streams()
                .iter()
                .filter(|stream| stream.partition == place && stream.life == self.nodes.life(stream.node));
            let done = streams
                .filter(|stream| stream.next().is_some_and(|next| partition.is_drained(next)))
                .count();
            if done < *wanted {
                let end = partition.ledger.end();
                waits.push((
                    Check::L8,
                    format!("{done} of {wanted} consumers have read {} up to {end}", partition.label),
                ));
            }
        }
    }
}

impl Partition {
    /// Whether a consumer at this position has got everything visible.
    pub fn is_drained(&self, position: broker_core::types::Offset) -> bool {
        let rest = self.ledger.records.get(position.0 as usize..).unwrap_or(&[]);
        !rest.iter().any(|record| record.visible)
    }
}

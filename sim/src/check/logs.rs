//! What happens to a replica's log: R2, R9 and R11, D2 with [`storage`], and at the end replica-divergence.

use broker_core::protocol::RecordBatch;
use broker_core::trace::{Appended, Flushed, LogRecovered, ReplicaRole, Truncated, TruncationCause};
use broker_core::types::{LeaderEpoch, Offset};

use super::mirror::span;
use super::model::{LeaderAppend, Loss, Partition, Scene};
use super::storage;
use super::witness::Noted;
use crate::verdict::Check;

impl Partition {
    /// A log was recovered.
    pub fn recovered(&mut self, scene: &mut Scene<'_>, fact: &LogRecovered) {
        self.restarted(scene, &fact.batches, fact.cut_bytes);
    }

    fn restarted(&mut self, scene: &mut Scene<'_>, found: &[RecordBatch], cut_bytes: u64) {
        let slot = self.slot(scene.node);
        let replica = &mut self.replicas[slot];
        let lost = storage::recovered(
            scene,
            &self.label,
            &mut self.notes,
            &mut replica.mirror,
            found,
            cut_bytes,
        );
        replica.high_watermark = Offset::ZERO;
        replica.epoch = LeaderEpoch::NONE;
        replica.leading = None;
        replica.lacking = false;
        replica.mirror.forget_records(&self.ledger.batches);
        if let Some(lost) = lost {
            self.losses.push(Loss {
                at: scene.at,
                slot,
                from: lost.start,
            });
        }
        replica.mirror.regain(&self.ledger.batches);
        if self.is_in_sync(slot) {
            self.check_holds_all(scene, slot);
        }
    }

    /// A batch was appended.
    pub fn appended(&mut self, scene: &mut Scene<'_>, Appended { role, batch, .. }: &Appended) {
        let slot = self.speaker(scene);
        let node = scene.name();
        let replica = &mut self.replicas[slot];
        let last = replica.mirror.batches().last().map(|last| last.epoch);
        let end = replica.mirror.end();
        if !replica.append(batch, &self.ledger) {
            scene.violation(
                Check::R2,
                "a batch was not appended at the log's end",
                &self.notes,
                || {
                    format!(
                        "{node} appended {} to {} whose log ended at {end}",
                        span(batch),
                        self.label
                    )
                },
            );
        }
        if last.is_some_and(|last| last > batch.leader_epoch()) {
            scene.violation(Check::R9, "epochs fall along a log", &self.notes, || {
                format!(
                    "{node} appended {} to {} after a batch of a later epoch",
                    span(batch),
                    self.label
                )
            });
        }
        match role {
            ReplicaRole::Leader => {
                self.leader_appends.push(LeaderAppend {
                    at: scene.at,
                    slot: slot as u32,
                    epoch: batch.leader_epoch(),
                    base: batch.base_offset(),
                });
                self.claim(scene, slot, batch.leader_epoch());
            }
            ReplicaRole::Follower => self.replicas[slot].mirror.forget_records(&self.ledger.batches),
        }
    }

    /// A log was cut. R11.
    pub fn truncated(&mut self, scene: &mut Scene<'_>, fact: &Truncated) {
        let (to, epoch, cause) = (fact.to, fact.leader_epoch, fact.cause);
        let slot = self.speaker(scene);
        let node = scene.name();
        let replica = &mut self.replicas[slot];
        let from = replica.mirror.end();
        let held = replica.mirror.common(&self.ledger.batches);
        let stay = replica.mirror.truncate(to);
        replica.high_watermark = replica.high_watermark.min(to);
        self.notes
            .add(scene.at, scene.node, Noted::Truncated { from, to, epoch, cause });
        let shape = if replica.leading.is_some() {
            "a leader cut its own log"
        } else if epoch != replica.epoch {
            "a log was cut by the answer of another epoch's leader"
        } else if cause == TruncationCause::HighWatermark {
            "a log was cut without a leader's answer"
        } else if stay < held && !self.is_giving_up() && self.is_in_sync(slot) {
            "an in-sync replica cut committed records"
        } else if self.replicas[slot].mirror.end() != to {
            "a log was cut to an end that it does not have"
        } else {
            return;
        };
        scene.violation(Check::R11, shape, &self.notes, || {
            let committed = self.ledger.end();
            format!(
                "{node} cut {} from {from} to {to} in epoch {epoch}; committed up to {committed}",
                self.label
            )
        });
        if self.is_in_sync(slot) {
            self.check_holds_all(scene, slot);
        }
    }

    /// Part of the log is durable.
    pub fn flushed(&mut self, scene: &mut Scene<'_>, &Flushed { end, .. }: &Flushed) {
        let (slot, node) = (self.speaker(scene), scene.name());
        let mirror = &mut self.replicas[slot].mirror;
        let written = mirror.end();
        mirror.flushed = end.min(written);
        if end > written {
            scene.violation(Check::R2, "a flushed end passed its log's end", &self.notes, || {
                format!(
                    "{node} flushed {} up to {end}, but its log ends at {written}",
                    self.label
                )
            });
        }
    }

    /// The log takes no part any more.
    pub fn went_offline(&mut self, scene: &mut Scene<'_>) {
        let slot = self.speaker(scene);
        self.replicas[slot].mirror.offline = true;
        self.notes.add(scene.at, scene.node, Noted::WentOffline);
    }

    /// At the end: live replicas agree on everything that all of them take for committed.
    pub fn check_divergence(&mut self, scene: &mut Scene<'_>) {
        let live: Vec<usize> = (0..self.replicas.len())
            .filter(|slot| self.is_live(*slot, scene.nodes))
            .collect();
        let members: Vec<usize> = match &self.state {
            Some(state) => live.into_iter().filter(|slot| state.replicas.contains(*slot)).collect(),
            None => live,
        };
        let Some(common) = members.iter().map(|slot| self.replicas[*slot].high_watermark).min() else {
            return;
        };
        let count = self.ledger.count_below(common);
        for slot in members {
            let replica = &self.replicas[slot];
            let at = replica.mirror.common(&self.ledger.batches);
            let Some(other) = replica.mirror.batches().get(at) else {
                continue;
            };
            if at >= count || self.ledger.was_committed(at, other) {
                continue;
            }
            let node = scene.nodes.named(replica.node);
            scene.violation(
                Check::ReplicaDivergence,
                "replicas differ below the high watermark",
                &self.notes,
                || {
                    format!(
                        "{node} ends with other records at offset {} of {} than were committed",
                        other.base, self.label
                    )
                },
            );
        }
    }

    /// The place of the replica whose node states a fact now. A node that was restarted and says nothing of a log
    /// has none on its disk.
    pub fn speaker(&mut self, scene: &mut Scene<'_>) -> usize {
        let slot = self.slot(scene.node);
        if self.replicas[slot].mirror.life != scene.nodes.life(scene.node) {
            self.restarted(scene, &[], 0);
        }
        slot
    }
}

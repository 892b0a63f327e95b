//! Who leads and who is in sync: R3 and R9. Here a loss of committed records comes to light.

use broker_core::trace::{BecameFollower, BecameLeader, PartitionChanged};
use broker_core::types::LeaderEpoch;

use super::blame;
use super::model::{ControllerState, Leading, Partition, Scene};
use super::witness::Noted;
use crate::verdict::{Check, Ruling};

impl Partition {
    /// The controller committed a state. R9.
    pub fn state_changed(&mut self, scene: &mut Scene<'_>, stated: &PartitionChanged) {
        let offset = stated.offset;
        let (replicas, isr) = (self.set(&stated.replicas), self.set(&stated.isr));
        let leader = stated.leader.map(|leader| self.slot(leader));
        let (leader_epoch, partition_epoch) = (stated.leader_epoch, stated.partition_epoch);
        let next = ControllerState {
            replicas,
            isr,
            leader,
            leader_epoch,
            partition_epoch,
        };
        let before = self.state.replace(next);
        if let Some(leader) = leader {
            self.claim(scene, leader, leader_epoch);
        }
        let names = self.names(isr);
        let elected = before.as_ref().is_none_or(|before| before.leader_epoch != leader_epoch);
        let noted = match elected {
            true => Noted::Elected {
                leader: stated.leader,
                epoch: leader_epoch,
                isr: names,
            },
            false => Noted::IsrCommitted { isr: names },
        };
        self.notes.add(scene.at, scene.node, noted);
        let Some(before) = before else { return };
        let leader_kept = before.leader == leader;
        if partition_epoch <= before.partition_epoch || leader_epoch < before.leader_epoch || !elected && !leader_kept {
            scene.violation(Check::R9, "a committed epoch did not rise", &self.notes, || {
                format!(
                    "metadata offset {offset} set {} to leader epoch {leader_epoch} and partition epoch {partition_epoch}, after {} and {}",
                    self.label, before.leader_epoch, before.partition_epoch
                )
            });
        }
        if elected {
            self.unclean_pending |= leader.is_some_and(|leader| !before.isr.contains(leader));
        } else {
            for member in isr.without(before.isr).iter() {
                self.check_holds_all(scene, member);
            }
        }
    }

    /// A replica began to lead.
    pub fn became_leader(&mut self, scene: &mut Scene<'_>, fact: &BecameLeader) {
        let (epoch, start, high_watermark) = (fact.leader_epoch, fact.epoch_start_offset, fact.high_watermark);
        let slot = self.speaker(scene);
        let node = scene.name();
        self.claim(scene, slot, epoch);
        let isr = self.set(&fact.isr);
        let replica = &mut self.replicas[slot];
        let end = replica.mirror.end();
        self.notes.add(
            scene.at,
            scene.node,
            Noted::BecameLeader {
                epoch,
                end,
                high_watermark,
            },
        );
        let begins = replica.leading.is_none() || replica.epoch != epoch;
        if replica.epoch > epoch {
            scene.violation(Check::R9, "a replica's leader epoch fell", &self.notes, || {
                format!(
                    "{node} began to lead {} in epoch {epoch} after epoch {}",
                    self.label, replica.epoch
                )
            });
        }
        if begins && start != end || high_watermark > end {
            scene.violation(Check::R2, "a new leader's offsets are not those of its log", &self.notes, || {
                format!("{node} began to lead {} at {start} with high watermark {high_watermark}, but its log ends at {end}", self.label)
            });
        }
        replica.epoch = epoch;
        replica.high_watermark = high_watermark;
        replica.leading = Some(Leading {
            isr,
            maximal_isr: isr,
            fetched: Vec::new(),
        });
        if epoch >= self.newest_epoch() {
            self.judge_new_leader(scene, slot, epoch);
            self.unclean_pending = false;
        }
        self.check_prefix(scene, slot);
        self.check_beginning(scene, slot, epoch);
    }

    /// R3 for a new leader. What it lacks is not committed any more: from now on other records may take those offsets.
    fn judge_new_leader(&mut self, scene: &mut Scene<'_>, slot: usize, epoch: LeaderEpoch) {
        let held = self.replicas[slot].mirror.common(&self.ledger.batches);
        if held == self.ledger.batches.len() {
            return;
        }
        let lost = self.ledger.batches[held..].iter().zip(&self.ledger.commits[held..]);
        let rulings: Vec<Ruling> = lost
            .map(|(batch, commit)| blame::committed_loss(self, scene.nodes, slot, batch, commit))
            .collect();
        let (from, to) = (self.ledger.batches[held].base, self.ledger.end());
        let node = scene.name();
        let worst = rulings
            .iter()
            .find(|ruling| **ruling == Ruling::Violation)
            .unwrap_or(&rulings[0])
            .clone();
        scene.rule(
            Check::R3,
            worst,
            "a new leader lacks committed records",
            &self.notes,
            || {
                format!(
                    "{node} began to lead {} in epoch {epoch} without the committed offsets {from}..{to}",
                    self.label
                )
            },
        );
        let since = self.ledger.commits[held].at;
        let notes = self.notes.since(since).cloned().collect();
        self.ledger.lose(held, rulings, scene.at, notes, epoch);
        for replica in &mut self.replicas {
            // What is not committed any more cannot be missing in any log.
            if let Some(lost) = replica.mirror.lost.take() {
                let still = lost.start..lost.end.min(from);
                replica.mirror.lost = (!still.is_empty()).then_some(still);
            }
        }
    }

    /// A new leader's high watermark cannot lie beyond what is committed, unless it was once.
    fn check_beginning(&mut self, scene: &mut Scene<'_>, slot: usize, epoch: LeaderEpoch) {
        let high_watermark = self.replicas[slot].high_watermark;
        if high_watermark <= self.ledger.end() {
            return;
        }
        if high_watermark > self.ledger.ever_end {
            let node = scene.name();
            scene.violation(
                Check::R6,
                "a leader began with a high watermark beyond the committed log",
                &self.notes,
                || {
                    format!(
                        "{node} began to lead {} with high watermark {high_watermark}, committed were {}",
                        self.label,
                        self.ledger.end()
                    )
                },
            );
        }
        self.commit(scene, slot, epoch, high_watermark);
    }

    /// A replica began to follow.
    pub fn became_follower(&mut self, scene: &mut Scene<'_>, fact: &BecameFollower) {
        let (epoch, end, high_watermark) = (fact.leader_epoch, fact.log_end_offset, fact.high_watermark);
        let slot = self.speaker(scene);
        let node = scene.name();
        let replica = &mut self.replicas[slot];
        if replica.epoch > epoch {
            scene.violation(Check::R9, "a replica's leader epoch fell", &self.notes, || {
                format!(
                    "{node} followed {} in epoch {epoch} after epoch {}",
                    self.label, replica.epoch
                )
            });
        }
        let mirrored = replica.mirror.end();
        if end != mirrored || high_watermark > end {
            scene.violation(Check::R2, "a new follower's offsets are not those of its log", &self.notes, || {
                format!("{node} began to follow {} with log end {end} and high watermark {high_watermark}, but its log ends at {mirrored}", self.label)
            });
        }
        replica.epoch = epoch;
        replica.high_watermark = high_watermark;
        replica.leading = None;
        self.check_follower(scene, slot);
        self.check_prefix(scene, slot);
    }

    /// R9: an epoch has one leader.
    pub fn claim(&mut self, scene: &mut Scene<'_>, slot: usize, epoch: LeaderEpoch) {
        let leader = *self.leaders.entry(epoch).or_insert(slot);
        if leader != slot {
            scene.violation(Check::R9, "two leaders in one epoch", &self.notes, || {
                let name = |slot: usize| scene.nodes.named(self.replicas[slot].node);
                let (one, other) = (name(leader), name(slot));
                format!("{one} and {other} both led {} in epoch {epoch}", self.label)
            });
        }
    }

    /// R3: a running replica has every committed record, except those that a power loss took while others have them.
    pub fn check_holds_all(&mut self, scene: &mut Scene<'_>, slot: usize) {
        if self.is_giving_up() || !self.is_live(slot, scene.nodes) {
            return;
        }
        let replica = &mut self.replicas[slot];
        let complete = replica.mirror.shares(&self.ledger.batches, self.ledger.batches.len());
        let reported = core::mem::replace(&mut replica.lacking, !complete);
        if complete || reported {
            return;
        }
        let replica = &self.replicas[slot];
        let missing = &self.ledger.batches[replica.mirror.common(&self.ledger.batches)];
        if replica.mirror.has_lost(missing.base) {
            return;
        }
        let name = scene.nodes.named(replica.node);
        scene.violation(
            Check::R3,
            "a running in-sync replica lacks committed records",
            &self.notes,
            || {
                format!(
                    "{} is in sync for {} but lacks committed offset {}",
                    name, self.label, missing.base
                )
            },
        );
    }

    pub fn is_in_sync(&self, slot: usize) -> bool {
        self.state.as_ref().is_some_and(|state| state.isr.contains(slot))
    }

    /// The controller elected a replica outside the ISR, as the topic allows, and that has not begun yet: what the new
    /// leader lacks is given up from now on.
    pub fn is_giving_up(&self) -> bool {
        self.unclean_pending && self.promise.unclean_election
    }
}

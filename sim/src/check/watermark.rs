//! What replicas take for committed: R1, R2, R6 and R13. Here the ledger grows.

use broker_core::protocol::{Acks, ErrorCode};
use broker_core::trace::{FollowerFetched, HighWatermarkChanged, IsrProposed, ProduceAnswered, ReplicaRole};
use broker_core::types::{LeaderEpoch, NodeId, Offset};

use super::ledger::Commit;
use super::mirror::count_below;
use super::model::{LeaderAck, Partition, Replica, Scene};
use super::replica_set::ReplicaSet;
use super::witness::Noted;
use crate::verdict::Check;

impl Partition {
    /// A replica's high watermark changed.
    pub fn high_watermark_changed(&mut self, scene: &mut Scene<'_>, fact: &HighWatermarkChanged) {
        let (role, epoch, from, to) = (fact.role, fact.leader_epoch, fact.from, fact.to);
        let slot = self.speaker(scene);
        let node = scene.name();
        let replica = &mut self.replicas[slot];
        let end = replica.mirror.end();
        if to > end {
            scene.violation(Check::R2, "a high watermark passed its log's end", &self.notes, || {
                format!(
                    "{node}'s high watermark of {} rose to {to}, but its log ends at {end}",
                    self.label
                )
            });
        }
        let before = from.max(replica.high_watermark);
        replica.high_watermark = to;
        if to < before {
            self.notes.add(
                scene.at,
                scene.node,
                Noted::HighWatermarkFell { role, from: before, to },
            );
            if role == ReplicaRole::Leader {
                scene.violation(
                    Check::R2,
                    "a leader's high watermark fell within its epoch",
                    &self.notes,
                    || {
                        format!(
                            "{node}'s high watermark of {} fell from {before} to {to} in epoch {epoch}",
                            self.label
                        )
                    },
                );
            }
            return;
        }
        match role {
            ReplicaRole::Leader => self.advance(scene, slot, epoch, to),
            ReplicaRole::Follower => self.check_follower(scene, slot),
        }
        self.check_prefix(scene, slot);
    }

    /// A leader's high watermark rose. R6.
    fn advance(&mut self, scene: &mut Scene<'_>, slot: usize, epoch: LeaderEpoch, to: Offset) {
        let (node, min) = (scene.name(), self.effective_min_isr());
        let replica = &self.replicas[slot];
        let (mirror, leading) = (&replica.mirror, replica.leading.as_ref());
        let leading = leading.filter(|_| replica.epoch == epoch);
        let Some(leading) = leading else {
            scene.violation(
                Check::R6,
                "a replica that does not lead moved the high watermark",
                &self.notes,
                || {
                    format!(
                        "{node} moved the high watermark of {} to {to} in epoch {epoch} without leading it",
                        self.label
                    )
                },
            );
            return self.commit(scene, slot, epoch, to);
        };
        if leading.isr.len() < min {
            scene.violation(Check::R6, "a high watermark advanced under min.insync.replicas", &self.notes, || {
                format!("{node} moved the high watermark of {} to {to} with in-sync replicas {} but min.insync.replicas={min}", self.label, self.names(leading.isr))
            });
        }
        let newest = self.state.as_ref().filter(|state| state.leader_epoch == epoch);
        let unasked = newest.map_or_else(ReplicaSet::default, |state| state.isr.without(leading.maximal_isr));
        if unasked.len() > 0 {
            let shape = "a high watermark advanced without regard to a committed in-sync replica";
            scene.violation(Check::R6, shape, &self.notes, || {
                format!(
                    "{node} moved the high watermark of {} to {to} and left out in-sync {}",
                    self.label,
                    self.names(unasked)
                )
            });
        }
        let count = count_below(mirror.batches(), to);
        // Where records were given up, a follower may have cut what it had fetched before.
        let given_up = self.is_giving_up() || epoch < self.ledger.floor;
        for member in leading.maximal_isr.iter().filter(|member| *member != slot) {
            let fetched = leading.fetched.get(member).copied().flatten();
            let follower = &self.replicas[member];
            let has = follower.mirror.shares(mirror.batches(), count);
            // A member may lose power between its fetch and the leader's taking note of it.
            let struck = follower.mirror.has_lost(to.plus(-1))
                || scene
                    .nodes
                    .crashes_since(follower.node, follower.mirror.life)
                    .iter()
                    .any(|crash| crash.is_some());
            let shape = if fetched.is_none_or(|fetched| fetched < to) {
                "a high watermark advanced beyond what an in-sync replica had fetched in the epoch"
            } else if !has && !struck && !given_up {
                "a high watermark advanced beyond what an in-sync replica holds"
            } else {
                continue;
            };
            scene.violation(Check::R6, shape, &self.notes, || {
                let (member, end) = (scene.nodes.named(follower.node), follower.mirror.end());
                let fetched = fetched.map_or_else(|| "nothing in this epoch".to_owned(), |to| format!("up to {to}"));
                format!("{node} moved the high watermark of {} to {to}; in-sync {member} ends at {end} and was known to have fetched {fetched}", self.label)
            });
        }
        if !given_up && epoch < self.newest_epoch() && !self.heirs_hold(scene, slot, to) {
            return;
        }
        self.commit(scene, slot, epoch, to);
    }

    /// Whether those who decide now have what a deposed leader takes for committed: a leader that was in sync with it
    /// does, or the commit could not have come about.
    fn heirs_hold(&self, scene: &mut Scene<'_>, slot: usize, to: Offset) -> bool {
        let Some(state) = &self.state else { return true };
        let log = &self.replicas[slot].mirror;
        let count = count_below(log.batches(), to);
        let mut heirs = state
            .isr
            .iter()
            .filter(|heir| state.leader.is_none_or(|leader| leader == *heir));
        let Some(lacks) = heirs.find(|heir| !self.replicas[*heir].mirror.shares(log.batches(), count)) else {
            return true;
        };
        if !self.replicas[lacks].mirror.has_lost(to.plus(-1)) {
            scene.violation(Check::R6, "a deposed leader moved the high watermark alone", &self.notes, || {
                let name = |slot: usize| scene.nodes.named(self.replicas[slot].node);
                let (node, heir) = (name(slot), name(lacks));
                format!("{node}, leader of {} in an earlier epoch than {}, moved its high watermark to {to}, but {heir}, which is in sync now, has other records or none", self.label, state.leader_epoch)
            });
        }
        false
    }

    /// Freezes what the leader's high watermark passed for the first time.
    pub fn commit(&mut self, scene: &mut Scene<'_>, slot: usize, epoch: LeaderEpoch, to: Offset) {
        let before = self.ledger.batches.len();
        let replica = &self.replicas[slot];
        let isr = replica
            .leading
            .as_ref()
            .map_or_else(Default::default, |leading| leading.maximal_isr);
        if epoch < self.ledger.floor {
            return self.commit_lost(slot, to);
        }
        if !replica.mirror.shares(&self.ledger.batches, before) {
            return;
        }
        let log = replica.mirror.batches();
        for (index, batch) in log
            .iter()
            .enumerate()
            .skip(before)
            .take_while(|(_, batch)| batch.next <= to)
        {
            let content = replica.mirror.records(index);
            let idempotent = content.is_none_or(|content| content.producer_id().0 >= 0);
            self.ledger.freeze(
                *batch,
                Commit {
                    at: scene.at,
                    isr,
                    idempotent,
                },
                content,
            );
        }
        if self.ledger.batches.len() == before {
            return;
        }
        for replica in &mut self.replicas {
            replica.mirror.forget_records(&self.ledger.batches);
        }
        let Some(state) = self.state.as_ref().filter(|state| state.leader_epoch == epoch) else {
            return;
        };
        for member in state.isr.iter() {
            self.check_holds_all(scene, member);
        }
    }

    /// A leader that does not know yet that it was deposed with a loss goes on committing what is lost already.
    fn commit_lost(&mut self, slot: usize, to: Offset) {
        let mirror = &self.replicas[slot].mirror;
        for (index, batch) in mirror.batches().iter().enumerate().skip(self.ledger.batches.len()) {
            if batch.next > to {
                break;
            }
            if !self.ledger.was_committed(index, batch) {
                self.ledger.freeze_lost(index, *batch, mirror.records(index));
            }
        }
    }

    /// R6 for a follower: some leader's high watermark was there before its own.
    pub fn check_follower(&mut self, scene: &mut Scene<'_>, slot: usize) {
        let Replica {
            node,
            high_watermark: to,
            ..
        } = &self.replicas[slot];
        let node = scene.nodes.named(*node);
        let committed = self.ledger.ever_end;
        if *to > committed {
            scene.violation(
                Check::R6,
                "a follower's high watermark is beyond every leader's",
                &self.notes,
                || {
                    format!(
                        "{node}'s high watermark of {} is {to}, committed were {committed}",
                        self.label
                    )
                },
            );
        }
    }

    /// R1: what a replica takes for committed is.
    pub fn check_prefix(&mut self, scene: &mut Scene<'_>, slot: usize) {
        let replica = &self.replicas[slot];
        let count = self.ledger.count_below(replica.high_watermark.min(self.ledger.end()));
        if replica.mirror.shares(&self.ledger.batches, count) {
            return;
        }
        let at = replica.mirror.common(&self.ledger.batches);
        let Some(other) = replica.mirror.batches().get(at) else {
            return;
        };
        // It may still have what was committed and then lost.
        if self.ledger.was_committed(at, other) {
            return;
        }
        let node = scene.nodes.named(replica.node);
        scene.violation(
            Check::R1,
            "an entry below the high watermark is not the committed one",
            &self.notes,
            || {
                format!(
                    "{node} has other records at offset {} of {} than were committed, below its high watermark {}",
                    other.base, self.label, replica.high_watermark
                )
            },
        );
    }

    /// A leader learnt a follower's log end.
    pub fn follower_fetched(&mut self, scene: &mut Scene<'_>, fact: &FollowerFetched) {
        let slot = self.speaker(scene);
        let follower = self.slot(fact.follower);
        let replica = &mut self.replicas[slot];
        if replica.epoch != fact.leader_epoch {
            return;
        }
        let Some(leading) = &mut replica.leading else { return };
        if leading.fetched.len() <= follower {
            leading.fetched.resize(follower + 1, None);
        }
        leading.fetched[follower] = Some(fact.fetch_offset);
    }

    /// A leader asked for another ISR.
    pub fn isr_proposed(&mut self, scene: &mut Scene<'_>, fact: &IsrProposed) {
        let slot = self.speaker(scene);
        let maximal = self.set(&fact.maximal_isr);
        if let Some(leading) = &mut self.replicas[slot].leading {
            leading.maximal_isr = maximal;
        }
    }

    /// A leader took over a committed ISR, or gave a proposal up.
    pub fn isr_settled(&mut self, scene: &mut Scene<'_>, committed: Option<&[NodeId]>) {
        let slot = self.speaker(scene);
        let committed = committed.map(|isr| self.set(isr));
        if let Some(leading) = &mut self.replicas[slot].leading {
            leading.isr = committed.unwrap_or(leading.isr);
            leading.maximal_isr = leading.isr;
        }
    }

    /// A leader answered a producer. R13.
    pub fn produce_answered(&mut self, scene: &mut Scene<'_>, answer: &ProduceAnswered) {
        let slot = self.speaker(scene);
        let node = scene.name();
        let Some((first, last)) = answer.offsets else { return };
        if answer.acks == Acks::Leader && answer.error.is_ok() {
            let ack = LeaderAck {
                at: scene.at,
                slot,
                epoch: answer.leader_epoch,
                first,
                last,
            };
            self.leader_acks.push(ack);
        }
        if answer.acks != Acks::All {
            return;
        }
        let known = self.replicas[slot]
            .high_watermark
            .min(answer.high_watermark)
            .min(self.ledger.ever_end);
        let min = self.effective_min_isr();
        let leads = self.replicas[slot].leading.is_some();
        let shape = match answer.error {
            ErrorCode::None if !leads => "acks=all was answered by a replica that does not lead",
            ErrorCode::None if last >= known => "acks=all was answered before the record was committed",
            ErrorCode::None if answer.isr_at_append < min => "acks=all was accepted under min.insync.replicas",
            ErrorCode::NotEnoughReplicas => "a refused record was appended",
            _ => return,
        };
        scene.violation(Check::R13, shape, &self.notes, || {
            format!(
                "{node} answered {:?} for {} offsets {first}..={last} with high watermark {known}, {} in-sync replicas at the append and min.insync.replicas={min}",
                answer.error, self.label, answer.isr_at_append
            )
        });
    }
}

//! R1, R2, R3, R6, R9, R11, R13: what replicas may do, checked at each step and only for what changed.

use broker_core::protocol::{Acks, ErrorCode, RecordBatch};
use broker_core::trace::{ReplicaRole, TruncationCause};
use broker_core::types::{LeaderEpoch, NodeId, Offset, PartitionEpoch};

use super::blame;
use super::ledger::Commit;
use super::mirror::count_below;
use super::model::{ControllerState, LeaderAck, Leading, Loss, Partition, Replica, ReplicaSet, Scene};
use super::storage;
use super::witness::Noted;
use crate::verdict::{Check, Ruling};

impl Partition {
    /// The place of the replica whose node states a fact now. A node that was restarted and says nothing of a log
    /// has none on its disk.
    fn speaker(&mut self, scene: &mut Scene<'_>) -> usize {
        let slot = self.slot(scene.node);
        if self.replicas[slot].mirror.life != scene.nodes.life(scene.node) {
            self.recovered(scene, &[], 0);
        }
        slot
    }

    /// A log was recovered.
    pub fn recovered(&mut self, scene: &mut Scene<'_>, found: &[RecordBatch], cut_bytes: u64) {
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
    pub fn appended(&mut self, scene: &mut Scene<'_>, role: ReplicaRole, batch: &RecordBatch) {
        let slot = self.speaker(scene);
        let node = scene.node;
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
                        "node {node} appended {batch:?} to {} whose log ended at {end}",
                        self.label
                    )
                },
            );
        }
        if last.is_some_and(|last| last > batch.leader_epoch()) {
            scene.violation(Check::R9, "epochs fall along a log", &self.notes, || {
                format!(
                    "node {node} appended {batch:?} to {} after a batch of a later epoch",
                    self.label
                )
            });
        }
        match role {
            ReplicaRole::Leader => self.claim(scene, slot, batch.leader_epoch()),
            ReplicaRole::Follower => self.replicas[slot].mirror.forget_records(&self.ledger.batches),
        }
    }

    /// R9: an epoch has one leader.
    fn claim(&mut self, scene: &mut Scene<'_>, slot: usize, epoch: LeaderEpoch) {
        let leader = *self.leaders.entry(epoch).or_insert(slot);
        if leader != slot {
            scene.violation(Check::R9, "two leaders in one epoch", &self.notes, || {
                let (one, other) = (self.replicas[leader].node, self.replicas[slot].node);
                format!("nodes {one} and {other} both led {} in epoch {epoch}", self.label)
            });
        }
    }

    /// A log was cut. R11.
    pub fn truncated(&mut self, scene: &mut Scene<'_>, to: Offset, epoch: LeaderEpoch, cause: TruncationCause) {
        let slot = self.speaker(scene);
        let node = scene.node;
        let replica = &mut self.replicas[slot];
        let from = replica.mirror.end();
        let held = replica.mirror.common(&self.ledger.batches);
        let stay = replica.mirror.truncate(to);
        replica.high_watermark = replica.high_watermark.min(to);
        self.notes
            .add(scene.at, node, Noted::Truncated { from, to, epoch, cause });
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
                "node {node} cut {} from {from} to {to} in epoch {epoch}; committed up to {committed}",
                self.label
            )
        });
        if self.is_in_sync(slot) {
            self.check_holds_all(scene, slot);
        }
    }

    fn is_in_sync(&self, slot: usize) -> bool {
        self.state.as_ref().is_some_and(|state| state.isr.contains(slot))
    }

    /// The controller elected a replica outside the ISR, as the topic allows, and that has not begun yet: what the new
    /// leader lacks is given up from now on.
    fn is_giving_up(&self) -> bool {
        self.unclean_pending && self.promise.unclean_election
    }

    /// R3: a running replica has every committed record, except those that a power loss took while others have them.
    fn check_holds_all(&mut self, scene: &mut Scene<'_>, slot: usize) {
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
        scene.violation(
            Check::R3,
            "a running in-sync replica lacks committed records",
            &self.notes,
            || {
                format!(
                    "node {} is in sync for {} but lacks committed offset {}",
                    replica.node, self.label, missing.base
                )
            },
        );
    }

    /// Part of the log is durable.
    pub fn flushed(&mut self, scene: &mut Scene<'_>, end: Offset) {
        let (slot, node) = (self.speaker(scene), scene.node);
        let mirror = &mut self.replicas[slot].mirror;
        let written = mirror.end();
        mirror.flushed = end.min(written);
        if end > written {
            scene.violation(Check::R2, "a flushed end passed its log's end", &self.notes, || {
                format!(
                    "node {node} flushed {} up to {end}, but its log ends at {written}",
                    self.label
                )
            });
        }
    }

    /// The log takes no part any more.
    pub fn went_offline(&mut self, scene: &mut Scene<'_>) {
        let slot = self.speaker(scene);
        self.replicas[slot].mirror.offline = true;
    }

    /// A replica began to lead.
    pub fn became_leader(
        &mut self,
        scene: &mut Scene<'_>,
        epoch: LeaderEpoch,
        start: Offset,
        high_watermark: Offset,
        isr: &[NodeId],
    ) {
        let slot = self.speaker(scene);
        let node = scene.node;
        self.claim(scene, slot, epoch);
        let isr = self.set(isr);
        let replica = &mut self.replicas[slot];
        let end = replica.mirror.end();
        self.notes.add(
            scene.at,
            node,
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
                    "node {node} began to lead {} in epoch {epoch} after epoch {}",
                    self.label, replica.epoch
                )
            });
        }
        if begins && start != end || high_watermark > end {
            scene.violation(Check::R2, "a new leader's offsets are not those of its log", &self.notes, || {
                format!("node {node} began to lead {} at {start} with high watermark {high_watermark}, but its log ends at {end}", self.label)
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
        let node = scene.node;
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
                    "node {node} began to lead {} in epoch {epoch} without the committed offsets {from}..{to}",
                    self.label
                )
            },
        );
        self.ledger.lose(held, rulings, scene.at, self.notes.last(), epoch);
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
            let node = scene.node;
            scene.violation(
                Check::R6,
                "a leader began with a high watermark beyond the committed log",
                &self.notes,
                || {
                    format!(
                        "node {node} began to lead {} with high watermark {high_watermark}, committed were {}",
                        self.label,
                        self.ledger.end()
                    )
                },
            );
        }
        self.commit(scene, slot, epoch, high_watermark);
    }

    /// A replica began to follow.
    pub fn became_follower(&mut self, scene: &mut Scene<'_>, epoch: LeaderEpoch, end: Offset, high_watermark: Offset) {
        let slot = self.speaker(scene);
        let node = scene.node;
        let replica = &mut self.replicas[slot];
        if replica.epoch > epoch {
            scene.violation(Check::R9, "a replica's leader epoch fell", &self.notes, || {
                format!(
                    "node {node} followed {} in epoch {epoch} after epoch {}",
                    self.label, replica.epoch
                )
            });
        }
        let mirrored = replica.mirror.end();
        if end != mirrored || high_watermark > end {
            scene.violation(Check::R2, "a new follower's offsets are not those of its log", &self.notes, || {
                format!("node {node} began to follow {} with log end {end} and high watermark {high_watermark}, but its log ends at {mirrored}", self.label)
            });
        }
        replica.epoch = epoch;
        replica.high_watermark = high_watermark;
        replica.leading = None;
        self.check_follower(scene, slot);
        self.check_prefix(scene, slot);
    }

    /// R6 for a follower: some leader's high watermark was there before its own.
    fn check_follower(&mut self, scene: &mut Scene<'_>, slot: usize) {
        let Replica {
            node,
            high_watermark: to,
            ..
        } = &self.replicas[slot];
        let committed = self.ledger.ever_end;
        if *to > committed {
            scene.violation(
                Check::R6,
                "a follower's high watermark is beyond every leader's",
                &self.notes,
                || {
                    format!(
                        "node {node}'s high watermark of {} is {to}, committed were {committed}",
                        self.label
                    )
                },
            );
        }
    }

    /// R1: what a replica takes for committed is.
    fn check_prefix(&mut self, scene: &mut Scene<'_>, slot: usize) {
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
        let node = replica.node;
        scene.violation(
            Check::R1,
            "an entry below the high watermark is not the committed one",
            &self.notes,
            || {
                format!(
                    "node {node} has other records at offset {} of {} than were committed, below its high watermark {}",
                    other.base, self.label, replica.high_watermark
                )
            },
        );
    }

    /// A replica's high watermark changed.
    pub fn high_watermark_changed(
        &mut self,
        scene: &mut Scene<'_>,
        role: ReplicaRole,
        epoch: LeaderEpoch,
        from: Offset,
        to: Offset,
    ) {
        let slot = self.speaker(scene);
        let node = scene.node;
        let replica = &mut self.replicas[slot];
        let end = replica.mirror.end();
        if to > end {
            scene.violation(Check::R2, "a high watermark passed its log's end", &self.notes, || {
                format!(
                    "node {node}'s high watermark of {} rose to {to}, but its log ends at {end}",
                    self.label
                )
            });
        }
        let before = from.max(replica.high_watermark);
        replica.high_watermark = to;
        if to < before {
            self.notes
                .add(scene.at, node, Noted::HighWatermarkFell { role, from: before, to });
            if role == ReplicaRole::Leader {
                scene.violation(
                    Check::R2,
                    "a leader's high watermark fell within its epoch",
                    &self.notes,
                    || {
                        format!(
                            "node {node}'s high watermark of {} fell from {before} to {to} in epoch {epoch}",
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
        let (node, min) = (scene.node, self.effective_min_isr());
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
                        "node {node} moved the high watermark of {} to {to} in epoch {epoch} without leading it",
                        self.label
                    )
                },
            );
            return self.commit(scene, slot, epoch, to);
        };
        if leading.isr.len() < min {
            scene.violation(Check::R6, "a high watermark advanced under min.insync.replicas", &self.notes, || {
                format!("node {node} moved the high watermark of {} to {to} with in-sync replicas {} but min.insync.replicas={min}", self.label, self.names(leading.isr))
            });
        }
        let newest = self.state.as_ref().filter(|state| state.leader_epoch == epoch);
        let unasked = newest.map_or_else(ReplicaSet::default, |state| state.isr.without(leading.maximal_isr));
        if unasked.len() > 0 {
            let shape = "a high watermark advanced without regard to a committed in-sync replica";
            scene.violation(Check::R6, shape, &self.notes, || {
                format!(
                    "node {node} moved the high watermark of {} to {to} and left out in-sync {}",
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
                let (member, end) = (follower.node, follower.mirror.end());
                format!("node {node} moved the high watermark of {} to {to}; in-sync node {member} ends at {end} and was known to have fetched up to {fetched:?}", self.label)
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
                let (node, heir) = (self.replicas[slot].node, self.replicas[lacks].node);
                format!("node {node}, leader of {} in an earlier epoch than {}, moved its high watermark to {to}, but node {heir}, which is in sync now, has other records or none", self.label, state.leader_epoch)
            });
        }
        false
    }

    /// Freezes what the leader's high watermark passed for the first time.
    fn commit(&mut self, scene: &mut Scene<'_>, slot: usize, epoch: LeaderEpoch, to: Offset) {
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

    /// A leader learnt a follower's log end.
    pub fn follower_fetched(&mut self, scene: &mut Scene<'_>, follower: NodeId, epoch: LeaderEpoch, to: Offset) {
        let slot = self.speaker(scene);
        let follower = self.slot(follower);
        let replica = &mut self.replicas[slot];
        if replica.epoch != epoch {
            return;
        }
        let Some(leading) = &mut replica.leading else { return };
        if leading.fetched.len() <= follower {
            leading.fetched.resize(follower + 1, None);
        }
        leading.fetched[follower] = Some(to);
    }

    /// A leader asked for another ISR.
    pub fn isr_proposed(&mut self, scene: &mut Scene<'_>, maximal_isr: &[NodeId]) {
        let slot = self.speaker(scene);
        let maximal = self.set(maximal_isr);
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
    pub fn produce_answered(&mut self, scene: &mut Scene<'_>, answer: &Answer) {
        let slot = self.speaker(scene);
        let node = scene.node;
        let Some((first, last)) = answer.offsets else { return };
        if answer.acks == Acks::Leader && answer.error.is_ok() {
            let ack = LeaderAck {
                at: scene.at,
                slot,
                epoch: answer.epoch,
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
                "node {node} answered {:?} for {} offsets {first}..={last} with high watermark {known}, {} in-sync replicas at the append and min.insync.replicas={min}",
                answer.error, self.label, answer.isr_at_append
            )
        });
    }

    /// The controller committed a state. R9.
    pub fn state_changed(&mut self, scene: &mut Scene<'_>, offset: Offset, stated: &StatedPartition<'_>) {
        let (replicas, isr) = (self.set(stated.replicas), self.set(stated.isr));
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
            let node = replica.node;
            scene.violation(
                Check::ReplicaDivergence,
                "replicas differ below the high watermark",
                &self.notes,
                || {
                    format!(
                        "node {node} ends with other records at offset {} of {} than were committed",
                        other.base, self.label
                    )
                },
            );
        }
    }
}

/// A leader's answer to a producer.
pub(super) struct Answer {
    pub acks: Acks,
    pub error: ErrorCode,
    pub offsets: Option<(Offset, Offset)>,
    pub epoch: LeaderEpoch,
    pub high_watermark: Offset,
    pub isr_at_append: u32,
}

/// A partition's state as a metadata record has it.
#[derive(Hash)]
pub(super) struct StatedPartition<'a> {
    pub replicas: &'a [NodeId],
    pub isr: &'a [NodeId],
    pub leader: Option<NodeId>,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: PartitionEpoch,
}

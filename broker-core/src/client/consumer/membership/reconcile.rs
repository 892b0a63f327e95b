//! From what a member owns to its target, in steps: what must go is released, and then what has come is taken over.

use alloc::vec::Vec;

use super::super::assignment::Assigned;
use super::super::commits::Occasion;
use super::super::{CommitId, Consumer, ConsumerNotice, Rebalance};
use super::{Membership, Protocol, Release, Standing, Target};
use crate::machine::Instant;
use crate::protocol::ErrorCode;
use crate::trace::{self, Event};
use crate::types::{PartitionIndex, TopicName, TopicPartition};

impl Consumer {
    /// Begins the next step towards the target; false if there is none: the member owns what it should, as far as
    /// metadata says.
    pub(super) fn reconcile(&mut self) -> bool {
        let Some(membership) = &mut self.membership else {
            return false;
        };
        if !membership.is_idle() {
            return true;
        }
        if !core::mem::take(&mut membership.is_dirty) {
            return false;
        }
        let target = membership.target();
        let surplus = self.assigned.iter().filter(|partition| !target.has(partition));
        let surplus: Vec<_> = surplus.filter_map(Assigned::id).collect();
        if !surplus.is_empty() {
            self.begin_release(surplus);
            return true;
        }
        let missing = self.missing();
        if missing.is_empty() {
            return false;
        }
        let mut come = Vec::new();
        let first_stage = self.first_stage();
        for (topic, partition, id) in missing {
            let partition = self.assigned.new_partition(topic, partition, first_stage);
            self.assigned.add_coming(partition, id, self.metadata.leader(id));
            come.push(id);
        }
        if let Some(membership) = &mut self.membership {
            membership.notices.push_back(Rebalance::Assigned(come));
        }
        true
    }

    /// What is in the target, is known by name and id, and is not owned.
    fn missing(&mut self) -> Vec<(TopicName, PartitionIndex, TopicPartition)> {
        let Some(membership) = &self.membership else {
            return Vec::new();
        };
        let mut missing = Vec::new();
        let mut is_unknown = false;
        let mut resolved = |name: Option<&TopicName>, index: PartitionIndex| {
            let topic = name.and_then(|name| Some((name.clone(), self.metadata.topic(name)?)));
            let Some((name, topic)) = topic else {
                is_unknown = true;
                return;
            };
            let id = TopicPartition {
                topic: topic.id,
                partition: index,
            };
            if self.assigned.place(id).is_none() {
                missing.push((name, index, id));
            }
        };
        match membership.target() {
            Target::Named(target) => target.iter().for_each(|(name, index)| resolved(Some(name), *index)),
            Target::Ids(target) => {
                for id in target {
                    resolved(self.metadata.name(id.topic), id.partition);
                }
            }
        }
        if is_unknown {
            self.metadata.request_update();
        }
        missing
    }

    /// These are to go: from now on they are neither fetched nor returned.
    pub(super) fn begin_release(&mut self, partitions: Vec<TopicPartition>) {
        self.assigned.begin_release(&partitions);
        if let Some(membership) = &mut self.membership {
            membership.release = Release::Waiting(partitions);
        }
    }

    pub(super) fn advance_release(&mut self, now: Instant) {
        let Some(Membership {
            release: Release::Waiting(partitions),
            ..
        }) = &self.membership
        else {
            return;
        };
        let commits = self.config.enable_auto_commit && self.committer().is_ok();
        if commits && self.is_busy {
            return;
        }
        let partitions = partitions.clone();
        let going = |partition: &Assigned| partition.id().is_some_and(|id| partitions.contains(&id));
        let offsets = if commits {
            self.auto_committed(going)
        } else {
            Vec::new()
        };
        let release = if offsets.is_empty() {
            self.tell_release(partitions)
        } else {
            Release::Committing(partitions, self.begin_commit(now, offsets, Occasion::Parting))
        };
        if let Some(membership) = &mut self.membership {
            membership.release = release;
        }
    }

    /// The positions of what is to go are committed, or cannot be.
    pub(in super::super) fn parting_commit_ended(&mut self, id: CommitId) {
        let Some(membership) = &mut self.membership else {
            return;
        };
        match core::mem::replace(&mut membership.release, Release::None) {
            Release::Committing(partitions, awaited) if awaited == id => {
                let release = self.tell_release(partitions);
                if let Some(membership) = &mut self.membership {
                    membership.release = release;
                }
            }
            other => membership.release = other,
        }
    }

    fn tell_release(&mut self, partitions: Vec<TopicPartition>) -> Release {
        if let Some(membership) = &mut self.membership {
            membership.notices.push_back(Rebalance::Revoked(partitions));
        }
        Release::Announced
    }

    /// The application has given these up.
    pub(super) fn released(&mut self, partitions: &[TopicPartition]) {
        let (Some(membership), Some(group)) = (&mut self.membership, &mut self.group) else {
            return;
        };
        let (Some((member, epoch)), Release::Announced | Release::None) = (membership.member(), &membership.release)
        else {
            return;
        };
        // Unless they were lost in the meantime.
        let gone = self.assigned.remove(partitions);
        if gone.is_empty() {
            return;
        }
        membership.release = Release::None;
        if let Protocol::Classic(classic) = &mut membership.protocol {
            classic.released();
        }
        group.term += 1;
        self.out.trace(Event::PartitionsRevoked(trace::PartitionsRevoked {
            group: group.id.clone(),
            member,
            epoch,
            partitions: gone,
        }));
    }

    /// The application has been notified that these have come.
    pub(super) fn taken_over(&mut self, partitions: &[TopicPartition]) {
        let (Some(membership), Some(group)) = (&self.membership, &self.group) else {
            return;
        };
        // Unless they were lost in the meantime.
        let taken = self.assigned.take_over(partitions);
        if let (Some((member, epoch)), false) = (membership.member(), taken.is_empty()) {
            self.out.trace(Event::PartitionsAssigned(trace::PartitionsAssigned {
                group: group.id.clone(),
                member,
                epoch,
                partitions: taken,
            }));
        }
    }

    /// The member is none any more: all that it owned is lost.
    pub(super) fn lose_membership(&mut self, keeps_id: bool) {
        let (Some(membership), Some(group)) = (&mut self.membership, &mut self.group) else {
            return;
        };
        group.term += 1;
        let lost: Vec<_> = self.assigned.owned().collect();
        if let (Some((member, _)), false) = (membership.member(), lost.is_empty()) {
            self.out.trace(Event::PartitionsLost(trace::PartitionsLost {
                group: group.id.clone(),
                member,
                partitions: lost,
            }));
        }
        // What the application is notified of as revoked already it need not be notified of again.
        let is_told = |id: &TopicPartition| {
            let mut notices = membership.notices.iter();
            notices.any(|notice| matches!(notice, Rebalance::Revoked(revoked) if revoked.contains(id)))
        };
        let lost = self.assigned.ids();
        let lost: Vec<_> = lost.filter(|id| !is_told(id)).collect();
        if !lost.is_empty() {
            membership.notices.push_back(Rebalance::Lost(lost));
        }
        membership.release = Release::None;
        match &mut membership.protocol {
            Protocol::Classic(classic) => classic.reset(keeps_id),
            Protocol::Consumer(heartbeating) => heartbeating.reset(),
        }
        self.assigned.take_all();
    }

    /// The consumer cannot stay in its group.
    pub(super) fn fail_membership(&mut self, error: ErrorCode) {
        self.lose_membership(false);
        if let Some(membership) = &mut self.membership {
            membership.standing = Standing::Failed;
        }
        self.notices.push_back(ConsumerNotice::GroupFailed(error));
    }
}

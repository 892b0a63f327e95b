//! A decision about a consumer group in the making: the group as it will be once the records so far are replayed.

use alloc::borrow::Cow;

use super::reconcile::Reconciliation;
use super::*;
use crate::group::assignor::{self, Subscriber};

/// Each step of a decision builds on the one before, so every record goes into the draft as well as into the decision.
pub(super) struct Draft<'a, 't, 'c, 'x> {
    before: &'a ConsumerGroup,
    pub(super) group: Cow<'a, ConsumerGroup>,
    pub(super) turn: &'t mut Turn<'c, 'x>,
    /// The group is a classic one from now on, and states itself as such.
    pub(super) downgraded: bool,
}

impl<'a, 't, 'c, 'x> Draft<'a, 't, 'c, 'x> {
    pub(super) fn new(group: &'a ConsumerGroup, turn: &'t mut Turn<'c, 'x>) -> Draft<'a, 't, 'c, 'x> {
        Draft {
            before: group,
            group: Cow::Borrowed(group),
            turn,
            downgraded: false,
        }
    }

    fn record(&mut self, record: GroupRecord) {
        self.group.to_mut().replay(&record);
        self.turn.record(record);
    }

    /// Says what became of the group.
    pub(super) fn finish(self) {
        let Cow::Owned(group) = &self.group else { return };
        if self.downgraded {
            return;
        }
        let looks = |group: &ConsumerGroup| (group.state(), group.epoch, group.members.len() as u32);
        let (state, epoch, members) = looks(group);
        if looks(self.before) != (state, epoch, members) {
            self.turn.trace_when_written(Event::GroupChanged(trace::GroupChanged {
                group: self.turn.group.clone(),
                state,
                epoch,
                members,
            }));
        }
    }

    pub(super) fn set_wishes(&mut self, member: &MemberId, wishes: StoredConsumerMember) {
        let group = self.turn.group.clone();
        self.record(GroupRecord::ConsumerMember {
            group,
            member: member.clone(),
            value: Some(wishes),
        });
    }

    pub(super) fn set_current(&mut self, member: &MemberId, current: StoredCurrentAssignment) {
        let group = self.turn.group.clone();
        self.record(GroupRecord::CurrentAssignment {
            group,
            member: member.clone(),
            value: Some(current),
        });
    }

    fn set_target(&mut self, member: &MemberId, target: Vec<TopicPartition>) {
        let group = self.turn.group.clone();
        self.record(GroupRecord::TargetAssignment {
            group,
            member: member.clone(),
            value: Some(target),
        });
    }

    /// The next group epoch, with the topics as they are now.
    pub(super) fn bump_epoch(&mut self) {
        let epoch = self.group.epoch.next();
        let topics = self.group.subscribed_topics(self.turn.topics);
        let value = Some(StoredConsumerGroup { epoch, topics });
        self.record(GroupRecord::ConsumerGroup {
            group: self.turn.group.clone(),
            value,
        });
    }

    /// The member is none any more, and its partitions are free.
    pub(super) fn remove(&mut self, member: &MemberId, cause: RemovalCause) {
        for tombstone in GroupRecord::member_tombstones(&self.turn.group.clone(), member) {
            self.record(tombstone);
        }
        self.turn.stop(Timer::Session(member.clone()));
        self.turn.stop(Timer::Revocation(member.clone()));
        self.turn.stop(Timer::MemberJoin(member.clone()));
        self.turn.stop(Timer::MemberSync(member.clone()));
        self.turn.trace_when_written(Event::MemberRemoved(trace::MemberRemoved {
            group: self.turn.group.clone(),
            member: member.clone(),
            cause,
        }));
    }

    /// Removes a member; the others get its partitions as they send their heartbeats. If all of those speak the classic
    /// protocol, and it did not, the group goes back to that.
    pub(super) fn fence(&mut self, member: &MemberId, cause: RemovalCause) {
        let downgrades = self.group.may_downgrade_without(member, self.turn.config);
        self.remove(member, cause);
        if downgrades {
            self.downgrade();
        } else {
            self.bump_epoch();
        }
    }

    /// A static member comes back under another id, and goes on where its former self stood.
    pub(super) fn replace(&mut self, old: &MemberId, new: &MemberId) {
        let Member { wishes, current, .. } = self.group.members[old].clone();
        let target = self.group.targets.get(old).cloned().unwrap_or_default();
        self.remove(old, RemovalCause::Replaced);
        self.set_wishes(new, wishes);
        self.set_target(new, target);
        let (epoch, previous_epoch) = (GroupEpoch::ZERO, GroupEpoch::ZERO);
        // What it had still to release it has released: it comes with nothing.
        let (state, revoking) = (MemberState::Stable, Vec::new());
        let assigned = current.assigned;
        self.set_current(
            new,
            StoredCurrentAssignment {
                epoch,
                previous_epoch,
                state,
                assigned,
                revoking,
            },
        );
    }

    /// Computes the target assignment for the group epoch, if it is not there yet.
    pub(super) fn update_target(&mut self) {
        if self.group.epoch <= self.group.target_epoch {
            return;
        }
        let subscriber = |(id, member): (&MemberId, &Member)| {
            let topics = self.group.topics.iter();
            let topics = topics
                .filter(|(name, ..)| member.subscribes_to(name))
                .map(|(_, id, _)| *id);
            let subscriber = Subscriber {
                instance: member.wishes.instance.clone(),
                topics: topics.collect(),
                target: self.group.targets.get(id).cloned().unwrap_or_default(),
            };
            (id.clone(), subscriber)
        };
        let members = self.group.members.iter().map(subscriber).collect();
        let topics = self.group.topics.iter().map(|(_, id, count)| (*id, *count)).collect();
        for (member, target) in assignor::assign(&self.assignor(), &members, &topics) {
            if self.group.targets.get(&member) != Some(&target) {
                self.set_target(&member, target);
            }
        }
        let (group, value) = (self.turn.group.clone(), Some(self.group.epoch));
        self.record(GroupRecord::TargetAssignmentEpoch { group, value });
    }

    /// The assignor that most members ask for; the first name among equals.
    fn assignor(&self) -> AssignorName {
        let mut votes: BTreeMap<&AssignorName, usize> = BTreeMap::new();
        for name in self
            .group
            .members
            .values()
            .filter_map(|member| member.wishes.server_assignor.as_ref())
        {
            *votes.entry(name).or_default() += 1;
        }
        let most = votes.values().max().copied();
        let winner = votes
            .into_iter()
            .find(|(_, count)| Some(*count) == most)
            .map(|(name, _)| name.clone());
        winner.unwrap_or_else(|| AssignorName::from(assignor::DEFAULT))
    }

    /// Lets the member go a step towards its target, if it can.
    pub(super) fn reconcile(&mut self, id: &MemberId, owned: Option<&[TopicPartition]>) {
        let group = &*self.group;
        let member = &group.members[id];
        // The quirk gives a partition away on the new owner's word that it wants it, whoever still works on it.
        let trusting = self.turn.quirks.two_owners_one_epoch;
        let taken =
            |partition: TopicPartition| !trusting && group.owners.get(&partition).is_some_and(|owner| owner != id);
        let reconciliation = Reconciliation {
            target_epoch: group.target_epoch,
            target: group.targets.get(id).map_or(&[], Vec::as_slice),
            owned,
            taken: &taken,
        };
        let next = reconciliation.next(&member.current);
        if next == member.current {
            return;
        }
        let timer = Timer::Revocation(id.clone());
        // A classic member is given time when it is called to join.
        if next.state == MemberState::UnrevokedPartitions && member.wishes.classic.is_none() {
            let timeout = member.wishes.rebalance_timeout;
            self.turn.start(timer, timeout);
        } else {
            self.turn.stop(timer);
        }
        self.set_current(id, next);
    }

    /// States where the member stands, if that has changed.
    pub(super) fn state_member(&mut self, id: &MemberId) {
        let member = &self.group.members[id];
        let before = self.before.members.get(id).map(|member| &member.current);
        if before == Some(&member.current) {
            return;
        }
        let event = Event::MemberChanged(trace::MemberChanged {
            group: self.turn.group.clone(),
            member: id.clone(),
            instance: member.wishes.instance.clone(),
            epoch: member.current.epoch,
            assigned: member.current.assigned.clone(),
            revoking: member.current.revoking.clone(),
        });
        self.turn.trace_when_written(event);
    }
}

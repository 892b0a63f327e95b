//! A group changes its protocol while it has members (KIP-848; Kafka `GroupMetadataManager.convertToConsumerGroup` and
//! `convertToClassicGroup`). `group.consumer.migration.policy` says which way is open.
//!
//! | way | what calls for it | what becomes of the members |
//! |---|---|---|
//! | upgrade | the first member of the consumer protocol joins a classic group | they are members with what they have; joins and syncs that wait are answered that they must join again |
//! | downgrade | the last member of the consumer protocol goes | they are members of a classic group, and called to join |
//!
//! Either way one batch of records ends the one group and begins the other, so that the next coordinator finds the one or
//! the other. A classic group without a leader is one that has just come back: nobody has assigned since, so it begins
//! with a rebalance, whoever coordinates it by then.

use super::draft::Draft;
use super::*;
use crate::group::classic::{ClassicGroup, Unreadable};
use crate::group::records::{StoredClassicGroup, StoredClassicMember};
use crate::types::AssignorName;

impl ConsumerGroup {
    /// The group of the consumer protocol that a classic one becomes, with the records that say so and the facts that hold
    /// from then on.
    ///
    /// # Errors
    /// When a member's subscription or assignment cannot be read.
    pub(in crate::group) fn upgraded(
        id: &GroupId,
        classic: &ClassicGroup,
        topics: &dyn Topics,
    ) -> Result<(ConsumerGroup, Vec<GroupRecord>, Vec<Event>), Unreadable> {
        let epoch = classic.generation();
        let mut members = Vec::new();
        for (member, wishes, assigned) in classic.described_for_upgrade(topics)? {
            let current = StoredCurrentAssignment {
                epoch,
                previous_epoch: epoch,
                state: MemberState::Stable,
                assigned,
                revoking: Vec::new(),
            };
            members.push((member, wishes, current));
        }
        let group = || id.clone();
        let mut records = Vec::new();
        // Stated before what the members have, since from now on that is the coordinator's word.
        let mut facts = Vec::from([Event::GroupChanged(trace::GroupChanged {
            group: group(),
            state: GroupState::Assigning,
            epoch,
            members: members.len() as u32,
        })]);
        for (member, wishes, _) in &members {
            let (member, value) = (member.clone(), Some(wishes.clone()));
            records.push(GroupRecord::ConsumerMember {
                group: group(),
                member,
                value,
            });
        }
        // No topics yet: the heartbeat that calls for the upgrade brings the next epoch, with the topics as they are.
        let topics = Vec::new();
        records.push(GroupRecord::ConsumerGroup {
            group: group(),
            value: Some(StoredConsumerGroup { epoch, topics }),
        });
        for (member, _, current) in &members {
            let (member, value) = (member.clone(), Some(current.assigned.clone()));
            records.push(GroupRecord::TargetAssignment {
                group: group(),
                member,
                value,
            });
        }
        records.push(GroupRecord::TargetAssignmentEpoch {
            group: group(),
            value: Some(epoch),
        });
        for (member, wishes, current) in members {
            facts.push(Event::MemberChanged(trace::MemberChanged {
                group: group(),
                member: member.clone(),
                instance: wishes.instance,
                epoch,
                assigned: current.assigned.clone(),
                revoking: Vec::new(),
            }));
            let value = Some(current);
            records.push(GroupRecord::CurrentAssignment {
                group: group(),
                member,
                value,
            });
        }
        let mut upgraded = ConsumerGroup::new(epoch);
        for record in &records {
            upgraded.replay(record);
        }
        Ok((upgraded, records, facts))
    }

    /// Whether the group may become a classic one when this member, which speaks the consumer protocol, goes.
    pub(super) fn may_downgrade_without(&self, leaving: &MemberId, config: &BrokerConfig) -> bool {
        let is_classic = |member: &Member| member.wishes.classic.is_some();
        let (mut others, count) = (
            self.members.iter().filter(|(id, _)| *id != leaving),
            self.members.len() - 1,
        );
        config.group_consumer_migration_policy.allows_downgrade()
            && count > 0
            && count <= config.group_max_size as usize
            && self.members.get(leaving).is_some_and(|member| !is_classic(member))
            && others.all(|(_, member)| is_classic(member))
    }
}

impl Draft<'_, '_, '_, '_> {
    /// Ends the group, whose members all speak the classic protocol, and begins a classic one with them.
    pub(super) fn downgrade(&mut self) {
        let protocol = self.group.common_assignor();
        let stored = |(id, member): (&MemberId, &Member)| {
            let classic = member
                .wishes
                .classic
                .as_ref()
                .expect("all members speak the classic protocol");
            let supported = classic
                .protocols
                .iter()
                .find(|(name, _)| Some(name) == protocol.as_ref());
            StoredClassicMember {
                member: id.clone(),
                instance: member.wishes.instance.clone(),
                session_timeout: classic.session_timeout,
                rebalance_timeout: member.wishes.rebalance_timeout,
                subscription: supported
                    .map(|(_, subscription)| subscription.clone())
                    .unwrap_or_default(),
                assignment: super::classic::assignment_of(&member.current.assigned, self.turn.topics).to_vec(),
            }
        };
        let value = StoredClassicGroup {
            protocol_type: "consumer".into(),
            generation: self.group.epoch,
            protocol: protocol.clone(),
            leader: None,
            since: self.turn.ctx.wall,
            members: self.group.members.iter().map(stored).collect(),
        };
        let members: Vec<MemberId> = self.group.members.keys().cloned().collect();
        let group = self.turn.group.clone();
        for member in members {
            for tombstone in GroupRecord::member_tombstones(&group, &member) {
                self.turn.record(tombstone);
            }
            for timer in [
                Timer::Revocation(member.clone()),
                Timer::MemberJoin(member.clone()),
                Timer::MemberSync(member),
            ] {
                self.turn.stop(timer);
            }
        }
        for tombstone in self.group.tombstones(&group) {
            self.turn.record(tombstone);
        }
        let value = Some(value);
        self.turn.record(GroupRecord::ClassicGroup { group, value });
        self.turn.start(Timer::Downgraded, Duration::ZERO);
        self.downgraded = true;
    }
}

impl ConsumerGroup {
    /// An assignor that all classic members support: the first in the order of names.
    fn common_assignor(&self) -> Option<AssignorName> {
        let mut classic = self
            .members
            .values()
            .filter_map(|member| member.wishes.classic.as_ref());
        let names = |of: &StoredClassicProtocol| -> BTreeSet<AssignorName> {
            of.protocols.iter().map(|(name, _)| name.clone()).collect()
        };
        let mut common = names(classic.next()?);
        for member in classic {
            let others = names(member);
            common.retain(|name| others.contains(name));
        }
        common.into_iter().next()
    }
}

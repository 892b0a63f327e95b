//! A group of the consumer protocol (KIP-848): members send heartbeats, the coordinator assigns.
//!
//! Three epochs follow each other. The *group epoch* grows with every change that asks for another assignment; the
//! *target assignment* is computed for a group epoch; each *member epoch* follows when the member has released what it
//! is to lose. All of it is durable: only sessions and deadlines are in memory.
//!
//! While a group moves from the classic protocol to this one or back, members of both are in it (`classic`, `migration`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::records::{
    MemberState, StoredClassicProtocol, StoredConsumerGroup, StoredConsumerMember, StoredCurrentAssignment,
};
use super::turn::{Timer, Timers, Turn};
use super::{GroupRecord, Topics};
use crate::config::BrokerConfig;
use crate::machine::Instant;
use crate::protocol::{ErrorCode, OffsetCommitRequest, OffsetFetchRequest};
use crate::topic_pattern::TopicPattern;
use crate::trace::{self, Event, GroupState, RemovalCause};
use crate::types::{
    AssignorName, GroupEpoch, GroupId, GroupInstanceId, MemberId, PartitionIndex, Timestamp, TopicId, TopicName,
    TopicPartition,
};

mod classic;
mod draft;
mod heartbeat;
mod migration;
mod reconcile;

#[cfg(test)]
mod tests;

use draft::Draft;
pub(super) use heartbeat::refused;

/// A group of the consumer protocol.
#[derive(Clone, Default)]
pub(super) struct ConsumerGroup {
    epoch: GroupEpoch,
    /// The topics that the members subscribe to, as they were in that epoch.
    topics: Vec<(TopicName, TopicId, u32)>,
    members: BTreeMap<MemberId, Member>,
    target_epoch: GroupEpoch,
    targets: BTreeMap<MemberId, Vec<TopicPartition>>,
    /// Who owns a partition, or has still to release it. There is no other owner before it is gone from here.
    owners: BTreeMap<TopicPartition, MemberId>,
}

#[derive(Clone)]
struct Member {
    wishes: StoredConsumerMember,
    /// The pattern among its wishes, if it has one.
    pattern: Option<TopicPattern>,
    current: StoredCurrentAssignment,
}

/// Where a member stands that has just come.
const NEWCOMER: StoredCurrentAssignment = StoredCurrentAssignment {
    epoch: GroupEpoch::ZERO,
    previous_epoch: GroupEpoch::ZERO,
    state: MemberState::Stable,
    assigned: Vec::new(),
    revoking: Vec::new(),
};

/// What a member wants that has not said so yet.
const NO_WISHES: StoredConsumerMember = StoredConsumerMember {
    instance: None,
    rebalance_timeout: Duration::ZERO,
    subscribed_topics: Vec::new(),
    subscribed_topic_regex: None,
    server_assignor: None,
    classic: None,
};

impl ConsumerGroup {
    /// A group that nobody has joined; epochs count on from `epoch`.
    pub(super) fn new(epoch: GroupEpoch) -> ConsumerGroup {
        ConsumerGroup {
            epoch,
            target_epoch: epoch,
            ..ConsumerGroup::default()
        }
    }

    /// Takes over a record of the group.
    pub(super) fn replay(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::ConsumerGroup {
                value: Some(StoredConsumerGroup { epoch, topics }),
                ..
            } => {
                self.epoch = *epoch;
                self.topics.clone_from(topics);
            }
            GroupRecord::ConsumerMember {
                member,
                value: Some(wishes),
                ..
            } => {
                let member = self.members.entry(member.clone()).or_insert_with(Member::unknown);
                if member.wishes.subscribed_topic_regex != wishes.subscribed_topic_regex {
                    let pattern = wishes.subscribed_topic_regex.as_deref();
                    member.pattern = pattern.and_then(|pattern| TopicPattern::new(pattern).ok());
                }
                member.wishes = wishes.clone();
            }
            GroupRecord::ConsumerMember {
                member, value: None, ..
            } => {
                self.own(member, &[]);
                self.members.remove(member);
            }
            GroupRecord::TargetAssignmentEpoch { value: Some(epoch), .. } => self.target_epoch = *epoch,
            GroupRecord::TargetAssignment {
                member,
                value: Some(target),
                ..
            } => {
                self.targets.insert(member.clone(), target.clone());
            }
            GroupRecord::TargetAssignment {
                member, value: None, ..
            } => {
                self.targets.remove(member);
            }
            GroupRecord::CurrentAssignment {
                member,
                value: Some(current),
                ..
            } => {
                // A compacted log may have it before the member's wishes.
                self.members
                    .entry(member.clone())
                    .or_insert_with(Member::unknown)
                    .current = current.clone();
                self.own(member, &[&current.assigned[..], &current.revoking[..]].concat());
            }
            GroupRecord::CurrentAssignment {
                member, value: None, ..
            } => {
                self.own(member, &[]);
                if let Some(known) = self.members.get_mut(member) {
                    known.current = NEWCOMER;
                }
            }
            _ => {}
        }
    }

    /// The member owns these, and nothing else any more.
    fn own(&mut self, member: &MemberId, partitions: &[TopicPartition]) {
        self.owners.retain(|_, owner| owner != member);
        self.owners
            .extend(partitions.iter().map(|partition| (*partition, member.clone())));
    }

    /// Every member without a session gets one, and time to release what it has to.
    pub(super) fn start_sessions(&self, group: &GroupId, config: &BrokerConfig, timers: &mut Timers, now: Instant) {
        for (id, member) in &self.members {
            timers.ensure(group, Timer::Session(id.clone()), now + member.session_timeout(config));
            if member.current.state == MemberState::UnrevokedPartitions && member.wishes.classic.is_none() {
                timers.ensure(
                    group,
                    Timer::Revocation(id.clone()),
                    now + member.wishes.rebalance_timeout,
                );
            }
        }
    }

    /// The sessions of all members begin anew.
    pub(super) fn restart_sessions(&self, group: &GroupId, config: &BrokerConfig, timers: &mut Timers, now: Instant) {
        for (id, member) in &self.members {
            timers.start(group, Timer::Session(id.clone()), now + member.session_timeout(config));
        }
    }

    /// A member's session is over, or it has not released its partitions, joined or synced in time.
    pub(super) fn on_timer(&self, turn: &mut Turn<'_, '_>, timer: Timer) {
        let (member, cause) = match timer {
            Timer::Session(member) => (member, RemovalCause::SessionTimeout),
            Timer::Revocation(member) => {
                let known = self.members.get(&member);
                if known.is_some_and(|known| known.current.state != MemberState::UnrevokedPartitions) {
                    return;
                }
                (member, RemovalCause::RebalanceTimeout)
            }
            Timer::MemberJoin(member) | Timer::MemberSync(member) => (member, RemovalCause::RebalanceTimeout),
            Timer::Pending(_) | Timer::Join | Timer::Sync | Timer::Downgraded => return,
        };
        if self.members.contains_key(&member) {
            let mut draft = Draft::new(self, turn);
            draft.fence(&member, cause);
            draft.finish();
        }
    }

    /// Nothing of a decision is in memory before it is in the log, but for timers.
    pub(super) fn append_failed(&self, turn: &mut Turn<'_, '_>) {
        self.start_sessions(&turn.group, turn.config, turn.timers, turn.ctx.now);
    }

    pub(super) fn epoch(&self) -> GroupEpoch {
        self.epoch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The records that make the empty group be gone.
    pub(super) fn tombstones(&self, group: &GroupId) -> [GroupRecord; 2] {
        [
            GroupRecord::TargetAssignmentEpoch {
                group: group.clone(),
                value: None,
            },
            GroupRecord::ConsumerGroup {
                group: group.clone(),
                value: None,
            },
        ]
    }

    fn state(&self) -> GroupState {
        let settled =
            |member: &Member| member.current.state == MemberState::Stable && member.current.epoch == self.target_epoch;
        if self.members.is_empty() {
            GroupState::Empty
        } else if self.epoch > self.target_epoch {
            GroupState::Assigning
        } else if self.members.values().all(settled) {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    fn static_member(&self, instance: &GroupInstanceId) -> Option<&MemberId> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.wishes.instance.as_ref() == Some(instance))
            .map(|(id, _)| id)
    }

    /// The topics that the members subscribe to and that exist.
    fn subscribed_topics(&self, topics: &dyn Topics) -> Vec<(TopicName, TopicId, u32)> {
        let members = self.members.values();
        let mut names: BTreeSet<&TopicName> = members.flat_map(|member| &member.wishes.subscribed_topics).collect();
        let matching = self.matching_topics(topics);
        names.extend(&matching);
        let known = |name: &TopicName| topics.topic(name).map(|(id, count)| (name.clone(), id, count));
        names.into_iter().filter_map(known).collect()
    }

    /// The topics that match the members' patterns. Kafka looks for them in the background, and for those of changed metadata
    /// every ten seconds at most; here they are there at once.
    fn matching_topics(&self, topics: &dyn Topics) -> Vec<TopicName> {
        let patterns = self.members.values().filter_map(|member| {
            let pattern = member.pattern.as_ref()?;
            Some((member.wishes.subscribed_topic_regex.as_ref()?, pattern))
        });
        let patterns: BTreeMap<&String, &TopicPattern> = patterns.collect();
        patterns
            .into_values()
            .flat_map(|pattern| topics.matching(pattern))
            .collect()
    }

    /// See [`Groups::validate_commit`](super::Groups::validate_commit).
    pub(super) fn validate_commit(&self, request: &OffsetCommitRequest, relaxed: bool) -> Result<(), ErrorCode> {
        let epoch = request.generation_id_or_member_epoch;
        if epoch < GroupEpoch::ZERO && self.members.is_empty() {
            return Ok(());
        }
        let member = request.member.as_ref().and_then(|member| self.members.get(member));
        let member = member.ok_or(ErrorCode::UnknownMemberId)?;
        let current = member.current.epoch;
        let earlier = relaxed && epoch < current;
        if epoch != current && !earlier {
            Err(match member.wishes.classic {
                None => ErrorCode::StaleMemberEpoch,
                Some(_) => ErrorCode::IllegalGeneration,
            })
        } else {
            Ok(())
        }
    }

    /// See [`Groups::validate_fetch`](super::Groups::validate_fetch).
    pub(super) fn validate_fetch(&self, request: &OffsetFetchRequest) -> Result<(), ErrorCode> {
        let Some(member) = &request.member else { return Ok(()) };
        let member = self.members.get(member).ok_or(ErrorCode::UnknownMemberId)?;
        if request.member_epoch != member.current.epoch {
            Err(ErrorCode::StaleMemberEpoch)
        } else {
            Ok(())
        }
    }

    /// See [`Groups::unused_since`](super::Groups::unused_since); `topic` is the partition's, if it exists.
    pub(super) fn unused_since(&self, topic: Option<&TopicName>, committed: Timestamp) -> Option<Timestamp> {
        let subscribes = |member: &Member| topic.is_some_and(|topic| member.subscribes_to(topic));
        (!self.members.values().any(subscribes)).then_some(committed)
    }
}

impl Member {
    /// A member of which nothing is known yet.
    fn unknown() -> Member {
        Member {
            wishes: NO_WISHES,
            pattern: None,
            current: NEWCOMER,
        }
    }

    /// Whether it subscribes to a topic, by its name or by a pattern.
    fn subscribes_to(&self, topic: &TopicName) -> bool {
        self.wishes.subscribed_topics.contains(topic)
            || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(topic))
    }

    /// A classic member brings its own; for the others the coordinator decides.
    fn session_timeout(&self, config: &BrokerConfig) -> Duration {
        let own = self.wishes.classic.as_ref().map(|classic| classic.session_timeout);
        own.unwrap_or_else(|| session_timeout(config))
    }
}

fn session_timeout(config: &BrokerConfig) -> Duration {
    crate::config::millis(config.group_consumer_session_timeout_ms)
}

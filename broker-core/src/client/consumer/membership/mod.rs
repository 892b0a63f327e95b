//! A consumer as a member of its group: what both protocols have in common.
//!
//! A protocol says which partitions the member is to own (its target). [`Consumer::reconcile`] leads from what it owns
//! to the target in steps, one at a time: what must go is released (its records are kept back, its positions
//! committed, the application notified), then what has come is announced. Only when the application is done does the protocol
//! go on.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{GroupProtocol, millis};
use crate::machine::{Instant, Now};
use crate::protocol::ErrorCode;
use crate::topic_pattern::{InvalidPattern, TopicPattern};
use crate::types::{GroupEpoch, GroupInstanceId, MemberId, NodeId, PartitionIndex, TopicName, TopicPartition};

use super::assignment::Assigned;
use super::commits::Committer;
use super::{Closing, CommitId, Consumer, ConsumerNotice, Rebalance};

mod classic;
mod closing;
mod consumer;
mod next;
mod reconcile;

use classic::Classic;
use consumer::Heartbeating;

/// A consumer's part in its group.
pub(super) struct Membership {
    /// What it subscribes to, in order, each once; of a classic member with a pattern what matches.
    topics: Vec<TopicName>,
    /// The pattern that it subscribes by.
    pattern: Option<String>,
    protocol: Protocol,
    standing: Standing,
    /// What the application must be notified of, oldest first. It may be at work on the first.
    notices: VecDeque<Rebalance>,
    release: Release,
    /// The target or what is owned has changed: they may differ.
    is_dirty: bool,
    /// The application must poll before.
    poll_deadline: Instant,
}

enum Protocol {
    Classic(Classic),
    Consumer(Heartbeating),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    /// It is a member, or on its way to be one.
    Active,
    /// The application did not poll for `max.poll.interval.ms`: it is no member until the next poll.
    Silent,
    /// It met an error that no retry cures.
    Failed,
}

/// How far the release of some partitions has come. They are [`Tenure::Going`] until the application has been notified.
enum Release {
    None,
    /// Their positions wait until the application is done with the records that it has got.
    Waiting(Vec<TopicPartition>),
    /// Their positions are being committed.
    Committing(Vec<TopicPartition>, CommitId),
    /// The application is notified.
    Announced,
}

/// Which partitions a member is to own, by name or by id as its protocol names them.
enum Target<'a> {
    Named(&'a [(TopicName, PartitionIndex)]),
    Ids(&'a [TopicPartition]),
}

impl Target<'_> {
    fn has(&self, partition: &Assigned) -> bool {
        match self {
            Target::Named(target) => {
                let mut named = target.iter();
                named.any(|(topic, index)| *topic == partition.topic && *index == partition.partition)
            }
            Target::Ids(target) => partition.id().is_some_and(|id| target.contains(&id)),
        }
    }
}

impl Membership {
    /// Nothing is under way between the consumer and its application.
    fn is_idle(&self) -> bool {
        self.notices.is_empty() && matches!(self.release, Release::None)
    }

    fn target(&self) -> Target<'_> {
        match &self.protocol {
            Protocol::Classic(classic) => Target::Named(classic.target()),
            Protocol::Consumer(heartbeating) => Target::Ids(heartbeating.target()),
        }
    }

    fn member(&self) -> Option<(MemberId, GroupEpoch)> {
        match &self.protocol {
            Protocol::Classic(classic) => classic.member(),
            Protocol::Consumer(heartbeating) => heartbeating.member(),
        }
    }
}

impl Consumer {
    /// Shares the partitions of these topics with the other members of `group.id`. What was assigned by hand is given
    /// up; what was owned by an earlier subscription is handed over in good order. Topics that do not exist yet are
    /// waited for.
    pub fn subscribe(&mut self, now: Now, topics: Vec<TopicName>) {
        self.metadata.want_matching(None, false);
        let topics: BTreeSet<TopicName> = topics.into_iter().collect();
        self.begin_subscription(now, topics.into_iter().collect(), None);
    }

    /// Shares the partitions of the topics whose whole names match a regular expression. A classic member looks for them
    /// itself in each metadata answer, and leaves the cluster's own out; in the consumer protocol the coordinator does
    /// (KIP-848), and refuses what is no pattern (INVALID_REGULAR_EXPRESSION, as [`ConsumerNotice::GroupFailed`]).
    ///
    /// # Errors
    /// When a classic member's pattern is none.
    pub fn subscribe_pattern(&mut self, now: Now, pattern: &str) -> Result<(), InvalidPattern> {
        let is_looked_for_by_coordinator = self.config.group_protocol == GroupProtocol::Consumer;
        let compiled = match TopicPattern::new(pattern) {
            Ok(compiled) => Some(compiled),
            Err(_) if is_looked_for_by_coordinator => None,
            Err(error) => return Err(error),
        };
        self.metadata.want_matching(compiled, is_looked_for_by_coordinator);
        self.begin_subscription(now, Vec::new(), Some(pattern.into()));
        Ok(())
    }

    fn begin_subscription(&mut self, now: Now, topics: Vec<TopicName>, pattern: Option<String>) {
        let now = self.note(now);
        if self.closing != Closing::Open {
            return;
        }
        let Some(group) = &mut self.group else {
            self.notices
                .push_back(ConsumerNotice::GroupFailed(ErrorCode::InvalidGroupId));
            return;
        };
        match &mut self.membership {
            Some(membership) if membership.standing != Standing::Failed => {
                membership.topics = topics;
                membership.pattern = pattern;
                match &mut membership.protocol {
                    Protocol::Classic(classic) => classic.rejoin(),
                    Protocol::Consumer(heartbeating) => heartbeating.heartbeat_soon(),
                }
            }
            _ => {
                group.term += 1;
                self.assigned.take_all();
                let protocol = match self.config.group_protocol {
                    GroupProtocol::Classic => Protocol::Classic(Classic::new(&self.config)),
                    GroupProtocol::Consumer => Protocol::Consumer(Heartbeating::new(&mut self.rng)),
                };
                let notices = self.membership.take().map(|old| old.notices);
                self.membership = Some(Membership {
                    topics,
                    pattern,
                    protocol,
                    standing: Standing::Active,
                    notices: notices.unwrap_or_default(),
                    release: Release::None,
                    is_dirty: true,
                    poll_deadline: now + millis(self.config.max_poll_interval_ms),
                });
            }
        }
        self.watch_topics();
        self.pump(now);
    }

    /// An application that does not poll for longer than this is taken for dead (`max.poll.interval.ms`).
    #[must_use]
    pub fn max_poll_interval(&self) -> Duration {
        millis(self.config.max_poll_interval_ms)
    }

    /// The application polls: it is alive, takes part in rebalances, and is done with what it got before, so that
    /// positions may be committed by the way (`enable.auto.commit`). One that waits in its poll for longer than
    /// `max.poll.interval.ms` says so again in between.
    pub fn polled(&mut self, now: Now) {
        let now = self.note(now);
        self.is_busy = false;
        if self.group.is_none() {
            return;
        }
        if let Some(membership) = &mut self.membership {
            membership.poll_deadline = now + millis(self.config.max_poll_interval_ms);
            if membership.standing == Standing::Silent {
                membership.standing = Standing::Active;
            }
        }
        self.commit_by_the_way(now);
        self.pump(now);
    }

    /// What the application must be notified of next, before it gets more records.
    #[must_use]
    pub fn rebalance(&self) -> Option<&Rebalance> {
        self.membership.as_ref()?.notices.front()
    }

    /// The application is done with the rebalance that [`Consumer::rebalance`] announces.
    pub fn rebalance_done(&mut self, now: Now) {
        let now = self.note(now);
        let Some(membership) = &mut self.membership else {
            return;
        };
        membership.is_dirty = true;
        match membership.notices.pop_front() {
            Some(Rebalance::Revoked(partitions)) => self.released(&partitions),
            Some(Rebalance::Assigned(partitions)) => self.taken_over(&partitions),
            Some(Rebalance::Lost(_)) | None => {}
        }
        self.pump(now);
    }

    /// Its member id and epoch, while it is a member.
    #[must_use]
    pub fn group_metadata(&self) -> Option<(MemberId, GroupEpoch)> {
        self.membership.as_ref()?.member()
    }

    // ---- what drives it

    /// Does what is due about the group.
    pub(super) fn pump_group(&mut self, now: Instant) {
        if self.closing != Closing::Open {
            self.pump_closing(now);
        }
        if self.group.is_none() || self.closing == Closing::Closed {
            return;
        }
        self.mind_poll_interval(now);
        self.pump_membership(now);
        self.pump_commits(now);
        self.fetch_committed(now);
        self.find_coordinator(now);
    }

    fn mind_poll_interval(&mut self, now: Instant) {
        let Some(membership) = &mut self.membership else {
            return;
        };
        if membership.standing != Standing::Active || self.closing != Closing::Open {
            return;
        }
        let deadline = membership.poll_deadline;
        if deadline > now {
            return self.wake_at(deadline);
        }
        membership.standing = Standing::Silent;
        self.leave(now);
        self.lose_membership(false);
    }

    fn pump_membership(&mut self, now: Instant) {
        self.advance_release(now);
        match &self.membership {
            Some(membership) if membership.standing == Standing::Active => match membership.protocol {
                Protocol::Classic(_) => self.pump_classic(now),
                Protocol::Consumer(_) => self.pump_consumer(now),
            },
            _ => {}
        }
    }

    /// Ends a subscription because partitions are assigned by hand.
    pub(super) fn unsubscribe(&mut self, now: Instant) {
        if self.membership.is_none() {
            return;
        }
        self.leave(now);
        let owned = self.assigned.owned().collect::<Vec<_>>();
        self.released(&owned);
        self.membership = None;
        self.metadata.want_matching(None, false);
        self.assigned.take_all();
    }

    // ---- what others ask

    /// In whose name it commits now.
    pub(super) fn committer(&self) -> Result<Committer, ErrorCode> {
        let term = self.group.as_ref().ok_or(ErrorCode::InvalidGroupId)?.term;
        let (member, epoch) = match self.membership.as_ref().map(|membership| &membership.protocol) {
            None => (None, GroupEpoch::NONE),
            Some(Protocol::Classic(classic)) => {
                let (member, generation) = classic.committer()?;
                (Some(member), generation)
            }
            Some(Protocol::Consumer(heartbeating)) => {
                let (member, epoch) = heartbeating.member().ok_or(ErrorCode::UnknownMemberId)?;
                (Some(member), epoch)
            }
        };
        Ok(Committer { member, epoch, term })
    }

    /// As whom it asks for stored positions: only members of the consumer protocol have a name there.
    pub(super) fn offset_fetch_member(&self) -> Option<(Option<MemberId>, GroupEpoch)> {
        match &self.membership.as_ref()?.protocol {
            Protocol::Classic(_) => None,
            Protocol::Consumer(heartbeating) => {
                let (member, epoch) = heartbeating.member()?;
                Some((Some(member), epoch))
            }
        }
    }

    /// The coordinator refused a commit of the present member.
    pub(super) fn commit_refused(&mut self, now: Instant, from: NodeId, error: ErrorCode) {
        match self.membership.as_ref().map(|membership| &membership.protocol) {
            Some(Protocol::Classic(_)) => self.classic_commit_refused(now, from, error),
            Some(Protocol::Consumer(_)) if error == ErrorCode::UnknownMemberId => self.heartbeat_soon(),
            _ => {}
        }
    }

    /// Lets the coordinator say at once what has become of the membership (consumer protocol).
    pub(super) fn heartbeat_soon(&mut self) {
        if let Some(membership) = &mut self.membership
            && let Protocol::Consumer(heartbeating) = &mut membership.protocol
        {
            heartbeating.heartbeat_soon();
        }
    }

    pub(super) fn membership_lost_coordinator(&mut self) {
        if let Some(membership) = &mut self.membership
            && let Protocol::Consumer(heartbeating) = &mut membership.protocol
        {
            heartbeating.coordinator_lost();
        }
    }

    /// Whether it is a member or wants to be one.
    pub(super) fn is_active_member(&self) -> bool {
        let standing = self.membership.as_ref().map(|membership| membership.standing);
        standing == Some(Standing::Active)
    }

    pub(super) fn instance(&self) -> Option<GroupInstanceId> {
        self.config.group_instance_id.as_deref().map(GroupInstanceId::from)
    }

    /// Metadata has changed: the target may be known by now, or be another.
    pub(super) fn target_changed(&mut self) {
        if let Some(membership) = &mut self.membership {
            membership.is_dirty = true;
        }
    }

    /// Metadata may name more topics that match a classic member's pattern: then it joins again for them.
    pub(super) fn follow_pattern(&mut self) {
        let Some(membership) = self
            .membership
            .as_mut()
            .filter(|membership| membership.pattern.is_some())
        else {
            return;
        };
        if let Protocol::Classic(classic) = &mut membership.protocol
            && let Some(topics) = self.metadata.matching()
            && topics != membership.topics
        {
            membership.topics = topics;
            classic.rejoin();
        }
    }

    /// Asks for the metadata of all topics that matter, and of no others.
    pub(super) fn watch_topics(&mut self) {
        let mut wanted: BTreeSet<TopicName> = self.assigned.iter().map(|assigned| assigned.topic.clone()).collect();
        if let Some(membership) = &self.membership {
            wanted.extend(membership.topics.iter().cloned());
            if let Protocol::Classic(classic) = &membership.protocol {
                wanted.extend(classic.group_topics().cloned());
            }
        }
        for topic in &wanted {
            self.metadata.want(topic);
        }
        self.metadata.retain(|topic| wanted.contains(topic));
    }
}

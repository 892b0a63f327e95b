//! A consumer as a member of its group: what both protocols have in common.
//!
//! A protocol says which partitions the member is to own (its target). [`Consumer::reconcile`] leads from what it owns
//! to the target in steps, one at a time: what must go is released (its records are kept back, its positions
//! committed, the application told), then what has come is told. Only when the application has heard does the protocol
//! go on.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{GroupProtocol, millis};
use crate::machine::{Instant, Now};
use crate::protocol::ErrorCode;
use crate::topic_pattern::{InvalidPattern, TopicPattern};
use crate::trace::{self, Event};
use crate::types::{GroupEpoch, GroupInstanceId, MemberId, PartitionIndex, TopicName, TopicPartition};

use super::commits::{Committer, Occasion};
use super::partition::{Assigned, Tenure};
use super::{Closing, CommitId, Consumer, ConsumerNotice, Rebalance};

mod classic;
mod consumer;

use classic::Classic;
use consumer::Heartbeating;

/// How long [`Consumer::close`] takes at most (`ConsumerUtils.DEFAULT_CLOSE_TIMEOUT_MS`).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A consumer's part in its group.
pub(super) struct Membership {
    /// What it subscribes to, in order, each once; of a classic member with a pattern what matches.
    topics: Vec<TopicName>,
    /// The pattern that it subscribes by.
    pattern: Option<String>,
    protocol: Protocol,
    standing: Standing,
    /// What the application must hear, oldest first. It may be hearing the first.
    told: VecDeque<Rebalance>,
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

/// How far the release of some partitions has come. They are [`Tenure::Going`] until the application has heard.
enum Release {
    None,
    /// Their positions wait until the application is done with the records that it has got.
    Waiting(Vec<TopicPartition>),
    /// Their positions are being committed.
    Committing(Vec<TopicPartition>, CommitId),
    /// The application is told.
    Told,
}

/// Which partitions a member is to own, by name or by id as its protocol tells them.
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
            Target::Ids(target) => partition.id.is_some_and(|id| target.contains(&id)),
        }
    }
}

impl Membership {
    /// Nothing is under way between the consumer and its application.
    fn is_idle(&self) -> bool {
        self.told.is_empty() && matches!(self.release, Release::None)
    }

    fn target(&self) -> Target<'_> {
        match &self.protocol {
            Protocol::Classic(classic) => Target::Named(&classic.target),
            Protocol::Consumer(heartbeating) => Target::Ids(&heartbeating.target),
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
                self.assigned.clear();
                self.index_assigned();
                let protocol = match self.config.group_protocol {
                    GroupProtocol::Classic => Protocol::Classic(Classic::new(&self.config)),
                    GroupProtocol::Consumer => Protocol::Consumer(Heartbeating::new(&mut self.rng)),
                };
                let told = self.membership.take().map(|old| old.told);
                self.membership = Some(Membership {
                    topics,
                    pattern,
                    protocol,
                    standing: Standing::Active,
                    told: told.unwrap_or_default(),
                    release: Release::None,
                    is_dirty: true,
                    poll_deadline: now + millis(self.config.max_poll_interval_ms),
                });
            }
        }
        self.watch_topics();
        self.pump(now);
    }

    /// Commits if it commits by itself, gives up all partitions in good order, and leaves its group. A static member of
    /// the classic protocol does not leave: it may come back within its session timeout. Hear what
    /// [`Consumer::rebalance`] tells until [`Consumer::is_closed`]; after that nothing comes from it any more.
    pub fn close(&mut self, now: Now) {
        let now = self.note(now);
        if self.closing != Closing::Open {
            return;
        }
        self.closing = Closing::Releasing(now + CLOSE_TIMEOUT);
        // An application that closes is done with what it got.
        self.is_busy = false;
        if self.membership.is_none() && self.group.is_some() && self.config.enable_auto_commit {
            let offsets = self.auto_committed(|_| true);
            if !offsets.is_empty() {
                self.begin_commit(now, offsets, Occasion::Parting);
            }
        }
        self.pump(now);
    }

    /// Whether [`Consumer::close`] has come to its end: answered, or timed out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing == Closing::Closed
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

    /// What the application must hear next, before it gets more records.
    #[must_use]
    pub fn rebalance(&self) -> Option<&Rebalance> {
        self.membership.as_ref()?.told.front()
    }

    /// The application has heard the rebalance that [`Consumer::rebalance`] tells.
    pub fn rebalance_done(&mut self, now: Now) {
        let now = self.note(now);
        let Some(membership) = &mut self.membership else {
            return;
        };
        membership.is_dirty = true;
        match membership.told.pop_front() {
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

    fn pump_closing(&mut self, now: Instant) {
        let (Closing::Releasing(until) | Closing::Leaving(until)) = self.closing else {
            return;
        };
        if until <= now {
            return self.closed(now);
        }
        self.wake_at(until);
        if !matches!(self.closing, Closing::Releasing(_)) {
            return;
        }
        let has_commits = self.group.as_ref().is_some_and(|group| !group.commits.is_empty());
        let Some(membership) = &self.membership else {
            if !has_commits {
                self.closed(now);
            }
            return;
        };
        if !membership.is_idle() {
            return;
        }
        let owned = self.owned();
        if !owned.is_empty() {
            self.begin_release(owned);
        } else if !has_commits && self.can_leave(now) {
            self.closing = Closing::Leaving(until);
            if !self.leave(now) {
                self.closed(now);
            }
        }
    }

    fn closed(&mut self, now: Instant) {
        self.abandon_commits(now);
        self.closing = Closing::Closed;
        self.membership = None;
        self.assigned.clear();
        self.index_assigned();
        self.wake = None;
    }

    /// The answer to a farewell has come, or never will.
    pub(super) fn left(&mut self, now: Instant) {
        if matches!(self.closing, Closing::Leaving(_)) {
            self.closed(now);
        }
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

    /// A member waits for a coordinator to take leave of.
    fn can_leave(&mut self, now: Instant) -> bool {
        let is_member = self
            .membership
            .as_ref()
            .is_some_and(|membership| membership.member().is_some());
        !is_member || self.ready_coordinator(now).is_some()
    }

    /// Says farewell, as far as that is the custom; false if there is nobody to say it to.
    fn leave(&mut self, now: Instant) -> bool {
        match self.membership.as_ref().map(|membership| &membership.protocol) {
            Some(Protocol::Classic(_)) => self.leave_classic(now),
            Some(Protocol::Consumer(_)) => self.leave_consumer(now),
            None => false,
        }
    }

    /// Ends a subscription because partitions are assigned by hand.
    pub(super) fn unsubscribe(&mut self, now: Instant) {
        if self.membership.is_none() {
            return;
        }
        self.leave(now);
        let owned = self.owned();
        self.released(&owned);
        self.membership = None;
        self.metadata.want_matching(None, false);
        self.assigned.clear();
        self.index_assigned();
    }

    // ---- from what is owned to the target

    /// Begins the next step towards the target; false if there is none: the member owns what it should, as far as
    /// metadata tells.
    fn reconcile(&mut self) -> bool {
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
        let surplus: Vec<_> = surplus.filter_map(|partition| partition.id).collect();
        if !surplus.is_empty() {
            self.begin_release(surplus);
            return true;
        }
        let missing = self.missing();
        if missing.is_empty() {
            return false;
        }
        let mut come = Vec::new();
        for (topic, partition, id) in missing {
            let mut assigned = self.new_partition(topic, partition);
            assigned.tenure = Tenure::Coming;
            assigned.id = Some(id);
            assigned.follow(self.metadata.leader(id));
            self.by_id.insert(id, self.assigned.len());
            self.assigned.push(assigned);
            come.push(id);
        }
        if let Some(membership) = &mut self.membership {
            membership.told.push_back(Rebalance::Assigned(come));
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
            if !self.by_id.contains_key(&id) {
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
    fn begin_release(&mut self, partitions: Vec<TopicPartition>) {
        for id in &partitions {
            if let Some(index) = self.by_id.get(id).copied() {
                self.assigned[index].tenure = Tenure::Going;
                self.ready.retain(|ready| *ready != index);
            }
        }
        if let Some(membership) = &mut self.membership {
            membership.release = Release::Waiting(partitions);
        }
    }

    fn advance_release(&mut self, now: Instant) {
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
        let going = |partition: &Assigned| partition.id.is_some_and(|id| partitions.contains(&id));
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
    pub(super) fn parting_commit_ended(&mut self, id: CommitId) {
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
            membership.told.push_back(Rebalance::Revoked(partitions));
        }
        Release::Told
    }

    /// The application has given these up.
    fn released(&mut self, partitions: &[TopicPartition]) {
        let (Some(membership), Some(group)) = (&mut self.membership, &mut self.group) else {
            return;
        };
        let (Some((member, epoch)), Release::Told | Release::None) = (membership.member(), &membership.release) else {
            return;
        };
        // Unless they were lost in the meantime.
        let (gone, kept) = core::mem::take(&mut self.assigned)
            .into_iter()
            .partition(|partition| partition.id.is_some_and(|id| partitions.contains(&id)));
        let gone: Vec<Assigned> = gone;
        self.assigned = kept;
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
            partitions: gone.iter().filter_map(|partition| partition.id).collect(),
        }));
        self.index_assigned();
    }

    /// The application has heard that these have come.
    fn taken_over(&mut self, partitions: &[TopicPartition]) {
        let (Some(membership), Some(group)) = (&self.membership, &self.group) else {
            return;
        };
        let mut taken = Vec::new();
        for partition in &mut self.assigned {
            // Unless they were lost in the meantime.
            let id = partition.id.filter(|id| partitions.contains(id));
            if let (Some(id), Tenure::Coming) = (id, partition.tenure) {
                partition.tenure = Tenure::Owned;
                taken.push(id);
            }
        }
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
    fn lose_membership(&mut self, keeps_id: bool) {
        let (Some(membership), Some(group)) = (&mut self.membership, &mut self.group) else {
            return;
        };
        group.term += 1;
        let lost = self
            .assigned
            .iter()
            .filter(|partition| partition.tenure != Tenure::Coming);
        let lost: Vec<_> = lost.filter_map(|partition| partition.id).collect();
        if let (Some((member, _)), false) = (membership.member(), lost.is_empty()) {
            self.out.trace(Event::PartitionsLost(trace::PartitionsLost {
                group: group.id.clone(),
                member,
                partitions: lost,
            }));
        }
        // What the application hears as revoked already it need not hear again.
        let is_told = |id: &TopicPartition| {
            let mut told = membership.told.iter();
            told.any(|told| matches!(told, Rebalance::Revoked(revoked) if revoked.contains(id)))
        };
        let lost = self.assigned.iter().filter_map(|partition| partition.id);
        let lost: Vec<_> = lost.filter(|id| !is_told(id)).collect();
        if !lost.is_empty() {
            membership.told.push_back(Rebalance::Lost(lost));
        }
        membership.release = Release::None;
        match &mut membership.protocol {
            Protocol::Classic(classic) => classic.reset(keeps_id),
            Protocol::Consumer(heartbeating) => heartbeating.reset(),
        }
        self.assigned.clear();
        self.index_assigned();
    }

    /// The consumer cannot stay in its group.
    fn fail_membership(&mut self, error: ErrorCode) {
        self.lose_membership(false);
        if let Some(membership) = &mut self.membership {
            membership.standing = Standing::Failed;
        }
        self.notices.push_back(ConsumerNotice::GroupFailed(error));
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
    pub(super) fn commit_refused(&mut self, error: ErrorCode) {
        match self.membership.as_ref().map(|membership| &membership.protocol) {
            Some(Protocol::Classic(_)) => self.classic_commit_refused(error),
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

    /// Metadata may tell of more topics that match a classic member's pattern: then it joins again for them.
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

    /// What the application has.
    fn owned(&self) -> Vec<TopicPartition> {
        let owned = self
            .assigned
            .iter()
            .filter(|partition| partition.tenure != Tenure::Coming);
        owned.filter_map(|partition| partition.id).collect()
    }

    /// The same with what the application is about to hear of: the coordinator may not give it away meanwhile.
    fn held(&self) -> BTreeSet<TopicPartition> {
        self.assigned.iter().filter_map(|partition| partition.id).collect()
    }
}

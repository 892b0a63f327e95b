//! Commits: asked for by the application, by the way (`enable.auto.commit`), and before partitions are given up.
//!
//! They go out one after the other. A retry can therefore never undo a later commit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::client::network::Reply;
use crate::config::millis;
use crate::machine::{Instant, Now};
use crate::protocol::{ErrorCode, OffsetAndMetadata, OffsetCommitRequest, Response};
use crate::types::{GroupEpoch, MemberId, NodeId, Offset, TopicPartition};

use super::asked::GroupAsked;
use super::assignment::{Assigned, Tenure};
use super::{CommitId, Consumer, ConsumerNotice};

/// All commits that have not ended, and when the next one by the way is due.
#[derive(Default)]
pub(super) struct Commits {
    queue: VecDeque<Commit>,
    auto_due: Option<Instant>,
}

struct Commit {
    id: CommitId,
    occasion: Occasion,
    offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
    /// The term in which it was asked for: in another it is not sent any more.
    term: u64,
    expires: Instant,
    is_out: bool,
    retry_at: Instant,
    failures: u32,
    /// The last failure of an attempt that may have taken effect all the same.
    in_doubt: Option<ErrorCode>,
}

/// Why something is committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Occasion {
    /// The application wants it.
    Asked,
    /// `auto.commit.interval.ms` has passed. It is not tried again: the next one comes soon.
    Interval,
    /// Partitions are given up after it.
    Parting,
}

/// In whose name a commit is sent.
pub(super) struct Committer {
    pub member: Option<MemberId>,
    pub epoch: GroupEpoch,
    /// Counts what ends the right to commit positions of before: a new generation, a partition given up, a loss.
    pub term: u64,
}

impl Commits {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl Consumer {
    /// Sends a commit of these positions, or of all current ones. Its end comes as a notice. Retries what may be tried
    /// again, within `default.api.timeout.ms`, while the consumer remains the member that it was.
    pub fn commit(&mut self, now: Now, offsets: Option<Vec<(TopicPartition, OffsetAndMetadata)>>) -> CommitId {
        let now = self.note(now);
        let offsets = offsets.unwrap_or_else(|| self.consumed(|_| true));
        let id = self.begin_commit(now, offsets, Occasion::Asked);
        self.pump(now);
        id
    }

    /// The application has polled: commits by the way if it is time to.
    pub(super) fn commit_by_the_way(&mut self, now: Instant) {
        if !self.config.enable_auto_commit || self.committer().is_err() {
            return;
        }
        let interval = millis(self.config.auto_commit_interval_ms);
        let Some(group) = &mut self.group else {
            return;
        };
        if *group.commits.auto_due.get_or_insert(now + interval) > now {
            return;
        }
        group.commits.auto_due = Some(now + interval);
        if group
            .commits
            .queue
            .iter()
            .any(|commit| commit.occasion == Occasion::Interval)
        {
            return;
        }
        let offsets = self.auto_committed(|partition| partition.tenure() == Tenure::Owned);
        if !offsets.is_empty() {
            self.begin_commit(now, offsets, Occasion::Interval);
        }
    }

    /// The positions that `enable.auto.commit` stores.
    pub(super) fn auto_committed(&self, of: impl Fn(&Assigned) -> bool) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        let mut offsets = self.consumed(of);
        if self.quirks.prefetch_autocommit {
            for (id, position) in &mut offsets {
                let end = self.assigned.find(*id).and_then(Assigned::fetched_end);
                position.offset = end.unwrap_or(position.offset);
            }
        }
        offsets
    }

    /// Queues a commit. One that may not be sent at all has ended when this returns.
    pub(super) fn begin_commit(
        &mut self,
        now: Instant,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
        occasion: Occasion,
    ) -> CommitId {
        let id = CommitId(self.commits);
        self.commits += 1;
        self.notices.push_back(sent(id, &offsets));
        match (self.committer(), &mut self.group) {
            (Err(error), _) => self.notices.push_back(completed(id, &offsets, error)),
            (Ok(committer), Some(group)) if !offsets.is_empty() => group.commits.queue.push_back(Commit {
                id,
                occasion,
                offsets,
                term: committer.term,
                expires: now + millis(self.config.default_api_timeout_ms),
                is_out: false,
                retry_at: Instant(0),
                failures: 0,
                in_doubt: None,
            }),
            (Ok(_), _) => self.notices.push_back(completed(id, &offsets, ErrorCode::None)),
        }
        id
    }

    /// The consumer closes: what has not ended never will.
    pub(super) fn abandon_commits(&mut self, now: Instant) {
        while self.group.as_ref().is_some_and(|group| !group.commits.is_empty()) {
            self.end_commit(now, ErrorCode::RequestTimedOut);
        }
    }

    /// Sends the first commit, if it may be sent.
    pub(super) fn pump_commits(&mut self, now: Instant) {
        while let Some(group) = &self.group
            && let Some(commit) = group.commits.queue.front()
        {
            let (expires, retry_at) = (commit.expires, commit.retry_at);
            let (is_out, term) = (commit.is_out, commit.term);
            if expires <= now {
                self.end_commit(now, ErrorCode::RequestTimedOut);
                continue;
            }
            if is_out {
                return self.wake_at(expires);
            }
            let committer = match self.committer() {
                Ok(committer) if committer.term == term => committer,
                Ok(_) => {
                    self.end_commit(now, ErrorCode::RebalanceInProgress);
                    continue;
                }
                Err(error) => {
                    self.end_commit(now, error);
                    continue;
                }
            };
            self.wake_at(expires);
            if retry_at > now {
                return self.wake_at(retry_at);
            }
            if let Some(to) = self.ready_coordinator(now) {
                self.send_commit(now, to, committer);
            }
            return;
        }
    }

    /// A commit was answered, or its connection was lost.
    pub(super) fn commit_answered(&mut self, now: Instant, from: NodeId, id: CommitId, reply: Reply) {
        let error = match &reply {
            Reply::Answer(Response::OffsetCommit(answer)) => {
                let failed = answer.partitions.iter().find(|(_, error)| !error.is_ok());
                failed.map_or(ErrorCode::None, |(_, error)| *error)
            }
            Reply::Answer(_) => ErrorCode::UnknownServerError,
            Reply::Lost(error) => *error,
        };
        self.follow_coordinator_error(from, error);
        let committer = self.committer();
        let Some(group) = &mut self.group else {
            return;
        };
        // Else it has ended already, for want of time.
        let Some(commit) = group.commits.queue.front_mut().filter(|commit| commit.id == id) else {
            return;
        };
        commit.is_out = false;
        let is_current = committer.is_ok_and(|committer| committer.term == commit.term);
        if error.is_retriable() {
            commit.in_doubt = Some(error);
        }
        // Its member has reached another epoch in the meantime, and is the same (KIP-848).
        let may_retry = error.is_retriable() || error == ErrorCode::StaleMemberEpoch;
        if may_retry && is_current && commit.occasion != Occasion::Interval {
            commit.retry_at = now + self.retry_backoff.after(commit.failures, &mut self.rng);
            commit.failures += 1;
            return;
        }
        self.end_commit(now, error);
        if is_current {
            self.commit_refused(now, from, error);
        }
    }

    fn send_commit(&mut self, now: Instant, to: NodeId, committer: Committer) {
        let instance = self.instance();
        let is_member = committer.member.is_some();
        let Some(group) = &mut self.group else {
            return;
        };
        let Some(commit) = group.commits.queue.front_mut() else {
            return;
        };
        commit.is_out = true;
        let request = OffsetCommitRequest {
            group: group.id.clone(),
            generation_id_or_member_epoch: committer.epoch,
            member: committer.member,
            instance: instance.filter(|_| is_member),
            partitions: commit.offsets.clone(),
        };
        let what = GroupAsked::Commit(commit.id);
        self.ask_coordinator(now, to, request.into(), what);
    }

    fn end_commit(&mut self, now: Instant, error: ErrorCode) {
        let Some(commit) = self.group.as_mut().and_then(|group| group.commits.queue.pop_front()) else {
            return;
        };
        // What an earlier attempt did is not known: an error that excludes it would be a lie.
        let error = match commit.in_doubt {
            Some(in_doubt) if !error.is_ok() => in_doubt,
            _ => error,
        };
        self.notices.push_back(completed(commit.id, &commit.offsets, error));
        match commit.occasion {
            Occasion::Asked => {}
            Occasion::Interval if error.is_retriable() => {
                let retry_at = now + self.retry_backoff.after(0, &mut self.rng);
                if let Some(group) = &mut self.group {
                    group.commits.auto_due = group.commits.auto_due.map(|due| due.min(retry_at));
                }
            }
            Occasion::Interval => {}
            Occasion::Parting => self.parting_commit_ended(commit.id),
        }
    }

    /// All valid positions. The epoch is that of the record before, if that was read.
    fn consumed(&self, of: impl Fn(&Assigned) -> bool) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        let position = |partition: &Assigned| {
            let position = partition.valid_position()?;
            let stored = OffsetAndMetadata {
                leader_epoch: position.offset_epoch,
                ..OffsetAndMetadata::at(position.offset)
            };
            Some((partition.id()?, stored))
        };
        self.assigned
            .iter()
            .filter(|partition| of(partition))
            .filter_map(position)
            .collect()
    }
}

fn offsets_of(offsets: &[(TopicPartition, OffsetAndMetadata)]) -> Vec<(TopicPartition, Offset)> {
    offsets.iter().map(|(id, position)| (*id, position.offset)).collect()
}

fn sent(id: CommitId, offsets: &[(TopicPartition, OffsetAndMetadata)]) -> ConsumerNotice {
    ConsumerNotice::CommitSent {
        id,
        offsets: offsets_of(offsets),
    }
}

fn completed(id: CommitId, offsets: &[(TopicPartition, OffsetAndMetadata)], error: ErrorCode) -> ConsumerNotice {
    ConsumerNotice::CommitCompleted {
        id,
        offsets: offsets_of(offsets),
        error,
    }
}

//! What a leader knows about its followers, and what follows for ISR and high watermark. Pure: no effects.
//!
//! The ISR has three faces (KIP-497): the *committed* one, the *proposed* one while an AlterPartition is on its way, and
//! the *maximal* one, the union of both. The high watermark waits for the maximal ISR, so that whichever of the two the
//! controller has chosen, every member has all that is committed.

use alloc::vec::Vec;
use core::time::Duration;

use crate::machine::Instant;
use crate::protocol::{ErrorCode, FetchPartition, FetchingReplica};
use crate::replica::state::{PartitionState, View};
use crate::types::{BrokerEpoch, NodeId, Offset};

/// A leader's view of one epoch of its partition.
pub(super) struct Leader {
    /// Where the epoch begins: a follower must have everything below before it may join the ISR (KAFKA-7128).
    epoch_start_offset: Offset,
    isr: Vec<NodeId>,
    proposal: Option<Proposal>,
    followers: Vec<Follower>,
}

struct Proposal {
    isr: Vec<NodeId>,
    sent: bool,
}

struct Follower {
    id: NodeId,
    /// The registration in which it fetched last in this epoch.
    broker_epoch: Option<BrokerEpoch>,
    /// It has everything below; unknown until its first fetch in this epoch.
    end: Option<Offset>,
    /// When it last had all that the leader had.
    caught_up_at: Option<Instant>,
    last_fetch: Option<(Instant, Offset)>,
}

/// A follower's fetch, as far as the leader's bookkeeping needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FollowerFetch {
    pub follower: NodeId,
    pub broker_epoch: Option<BrokerEpoch>,
    pub fetch_offset: Offset,
}

impl FollowerFetch {
    /// What `replica` wants of one partition.
    pub fn new(replica: FetchingReplica, fetch: &FetchPartition) -> FollowerFetch {
        FollowerFetch {
            follower: replica.id,
            broker_epoch: replica.broker_epoch,
            fetch_offset: fetch.fetch_offset,
        }
    }
}

impl Follower {
    /// Kafka `Replica.isCaughtUp`: it has everything, or had everything not too long ago.
    fn is_caught_up(&self, now: Instant, lag_time_max: Duration, leader_end: Offset) -> bool {
        self.end == Some(leader_end) || self.caught_up_at.is_some_and(|at| now.since(at) <= lag_time_max)
    }
}

impl Leader {
    /// The members of the ISR count as caught up at the start; nobody's log end is known yet.
    pub fn new(id: NodeId, state: &PartitionState, epoch_start_offset: Offset, now: Instant) -> Leader {
        let others = state.replicas.iter().filter(|replica| **replica != id);
        Leader {
            epoch_start_offset,
            isr: state.isr.clone(),
            proposal: None,
            followers: others
                .map(|replica| Follower {
                    id: *replica,
                    broker_epoch: None,
                    end: None,
                    caught_up_at: state.isr.contains(replica).then_some(now),
                    last_fetch: None,
                })
                .collect(),
        }
    }

    /// Where this leader's epoch begins.
    pub fn epoch_start_offset(&self) -> Offset {
        self.epoch_start_offset
    }

    /// The proposed ISR, while one is on its way.
    pub fn proposal(&self) -> Option<&[NodeId]> {
        self.proposal.as_ref().map(|proposal| &*proposal.isr)
    }

    /// Whether there is a proposal that no request has carried yet.
    pub fn has_unsent_proposal(&self) -> bool {
        self.proposal.as_ref().is_some_and(|proposal| !proposal.sent)
    }

    /// Marks the proposal as carried by a request, or as to be carried again.
    pub fn set_proposal_sent(&mut self, sent: bool) {
        if let Some(proposal) = &mut self.proposal {
            proposal.sent = sent;
        }
    }

    /// Members of the proposal with the registrations in which they fetched (KIP-903).
    pub fn proposed_members(&self, own_epoch: BrokerEpoch) -> Vec<(NodeId, BrokerEpoch)> {
        let members = self.proposal().unwrap_or_default().iter();
        members
            .map(|member| {
                let follower = self.followers.iter().find(|follower| follower.id == *member);
                let epoch = match follower {
                    Some(follower) => follower.broker_epoch.unwrap_or(BrokerEpoch(-1)),
                    None => own_epoch,
                };
                (*member, epoch)
            })
            .collect()
    }

    /// Committed and proposed ISR together.
    pub fn maximal_isr(&self) -> impl Iterator<Item = NodeId> {
        let proposed = self.proposal().unwrap_or_default().iter();
        let added = proposed.filter(|member| !self.isr.contains(member));
        self.isr.iter().chain(added).copied()
    }

    fn is_in_maximal_isr(&self, replica: NodeId) -> bool {
        self.isr.contains(&replica) || self.proposal().is_some_and(|isr| isr.contains(&replica))
    }

    /// Notes a fetch. True if the follower's end or registration is news.
    ///
    /// # Errors
    /// For a node that is no replica, and for a registration older than one that fetched already.
    pub fn note_fetch(&mut self, now: Instant, fetch: FollowerFetch, leader_end: Offset) -> Result<bool, ErrorCode> {
        let follower = self.followers.iter_mut().find(|follower| follower.id == fetch.follower);
        let follower = follower.ok_or(ErrorCode::UnknownTopicOrPartition)?;
        if follower.broker_epoch > fetch.broker_epoch {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if fetch.fetch_offset >= leader_end {
            follower.caught_up_at = Some(now);
        } else if let Some((at, end_then)) = follower.last_fetch
            && fetch.fetch_offset >= end_then
        {
            // It has all that was there at its previous fetch, so it was caught up then.
            follower.caught_up_at = follower.caught_up_at.max(Some(at));
        }
        follower.last_fetch = Some((now, leader_end));
        let news = follower.end != Some(fetch.fetch_offset) || follower.broker_epoch != fetch.broker_epoch;
        follower.end = Some(fetch.fetch_offset);
        follower.broker_epoch = fetch.broker_epoch;
        Ok(news)
    }

    /// Notes for a follower at the log's end what its latest fetch, at `at`, did not have to say again.
    pub fn follower_had_all(&mut self, at: Instant, fetch: FollowerFetch) {
        let follower = self.followers.iter_mut().find(|follower| follower.id == fetch.follower);
        let known = follower.filter(|follower| follower.end == Some(fetch.fetch_offset));
        if let Some(follower) = known {
            follower.caught_up_at = follower.caught_up_at.max(Some(at));
            follower.last_fetch = Some((at, fetch.fetch_offset));
        }
    }

    /// The ISR with `follower` added, if it has earned that: it has all committed records and everything below the
    /// epoch's start, and it is registered as it fetched, unfenced (KIP-841, KIP-903). One proposal at a time.
    pub fn wants_to_add(&self, follower: NodeId, high_watermark: Offset, view: View<'_>) -> Option<Vec<NodeId>> {
        if self.proposal.is_some() || self.isr.contains(&follower) {
            return None;
        }
        let state = self.followers.iter().find(|state| state.id == follower)?;
        let end = state.end?;
        let registered = view.unfenced.get(&follower)?;
        let is_current = state.broker_epoch == Some(*registered);
        if end < high_watermark || end < self.epoch_start_offset || !is_current {
            return None;
        }
        let mut isr = self.isr.clone();
        isr.push(follower);
        isr.sort();
        Some(isr)
    }

    /// The ISR without those who have not caught up for too long, if there are any. One proposal at a time.
    pub fn wants_to_drop(&self, now: Instant, lag_time_max: Duration, leader_end: Offset) -> Option<Vec<NodeId>> {
        if self.proposal.is_some() {
            return None;
        }
        let stays = |member: &NodeId| {
            let follower = self.followers.iter().find(|follower| follower.id == *member);
            follower.is_none_or(|follower| follower.is_caught_up(now, lag_time_max, leader_end))
        };
        let kept: Vec<NodeId> = self.isr.iter().copied().filter(stays).collect();
        (kept.len() < self.isr.len()).then_some(kept)
    }

    /// Records a proposal; it counts for the maximal ISR at once.
    pub fn propose(&mut self, isr: Vec<NodeId>) {
        self.proposal = Some(Proposal { isr, sent: false });
    }

    /// Drops the proposal.
    pub fn withdraw_proposal(&mut self) {
        self.proposal = None;
    }

    /// Takes over a committed ISR; whatever was proposed is decided.
    pub fn commit_isr(&mut self, state: &PartitionState) {
        self.isr.clone_from(&state.isr);
        self.proposal = None;
    }

    /// The offset below which every member of the maximal ISR has everything. It waits also for replicas that are
    /// about to join (Kafka `shouldWaitForReplicaToJoinIsr`), or they never would under steady load.
    pub fn replicated_to_all(&self, now: Instant, view: View<'_>, ackable_end: Offset, leader_end: Offset) -> Offset {
        let mut reached = ackable_end;
        for follower in &self.followers {
            let end = follower.end.unwrap_or(Offset(-1));
            let about_to_join = || {
                view.unfenced.get(&follower.id).copied() == follower.broker_epoch
                    && follower.end.is_some()
                    && follower.is_caught_up(now, view.lag_time_max, leader_end)
            };
            if end < reached && (self.is_in_maximal_isr(follower.id) || about_to_join()) {
                reached = end;
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec;

    use super::*;
    use crate::types::{LeaderEpoch, PartitionEpoch};

    const LEADER: NodeId = NodeId(1);
    const FOLLOWER: NodeId = NodeId(2);
    const LAG: Duration = Duration::from_millis(30_000);

    fn at(millis: u64) -> Instant {
        Instant(millis * 1_000_000)
    }

    fn leader(isr: &[u32], epoch_start: i64) -> Leader {
        let state = PartitionState {
            replicas: vec![LEADER, FOLLOWER],
            isr: isr.iter().map(|id| NodeId(*id)).collect(),
            leader: Some(LEADER),
            leader_epoch: LeaderEpoch(1),
            partition_epoch: PartitionEpoch(1),
        };
        Leader::new(LEADER, &state, Offset(epoch_start), at(0))
    }

    fn fetch(offset: i64, broker_epoch: i64) -> FollowerFetch {
        FollowerFetch {
            follower: FOLLOWER,
            broker_epoch: Some(BrokerEpoch(broker_epoch)),
            fetch_offset: Offset(offset),
        }
    }

    fn view(unfenced: &BTreeMap<NodeId, BrokerEpoch>) -> View<'_> {
        View {
            id: LEADER,
            lag_time_max: LAG,
            unfenced,
        }
    }

    fn unfenced(epoch: i64) -> BTreeMap<NodeId, BrokerEpoch> {
        [(FOLLOWER, BrokerEpoch(epoch))].into()
    }

    /// Kafka `PartitionTest`, expansion rows: fetch offset, epoch start, high watermark, fetch's and registered epoch.
    #[test]
    fn a_follower_joins_only_once_it_has_earned_it() {
        for (row, offset, epoch_start, high_watermark, fetched_as, registered, joins) in [
            ("behind the high watermark", 3, 0, 10, 5, Some(5), false),
            ("caught up", 10, 0, 10, 5, Some(5), true),
            (
                "at a stale high watermark, below the epoch's start",
                90,
                100,
                90,
                5,
                Some(5),
                false,
            ),
            ("at the epoch's start", 100, 100, 90, 5, Some(5), true),
            ("fenced", 10, 0, 10, 5, None, false),
            ("fetched under an older registration", 10, 0, 10, 5, Some(6), false),
        ] {
            let mut leader = leader(&[1], epoch_start);
            leader
                .note_fetch(at(1), fetch(offset, fetched_as), Offset(200))
                .unwrap();
            let brokers = registered.map(unfenced).unwrap_or_default();
            let wanted = leader.wants_to_add(FOLLOWER, Offset(high_watermark), view(&brokers));
            assert_eq!(wanted.is_some(), joins, "{row}");
        }
    }

    #[test]
    fn one_proposal_at_a_time_and_the_high_watermark_waits_for_it() {
        let brokers = unfenced(5);
        let view = view(&brokers);
        let mut leader = leader(&[1], 0);
        leader.note_fetch(at(1), fetch(10, 5), Offset(10)).unwrap();
        let isr = leader.wants_to_add(FOLLOWER, Offset(10), view).unwrap();
        leader.propose(isr);
        assert_eq!(leader.isr, [LEADER]);
        assert_eq!(leader.maximal_isr().collect::<Vec<_>>(), [LEADER, FOLLOWER]);
        assert!(leader.wants_to_add(FOLLOWER, Offset(10), view).is_none());
        assert!(leader.wants_to_drop(at(100_000), LAG, Offset(20)).is_none());
        assert_eq!(
            leader.replicated_to_all(at(60_000), view, Offset(20), Offset(20)),
            Offset(10)
        );
        leader.withdraw_proposal();
        assert_eq!(
            leader.replicated_to_all(at(60_000), view, Offset(20), Offset(20)),
            Offset(20)
        );
    }

    /// Kafka `PartitionTest`, shrink rows: fetches as (time, offset, leader end), then the check.
    #[test]
    fn a_follower_leaves_after_it_has_lagged_for_too_long() {
        for (row, fetches, check_at, leader_end, drops) in [
            ("silent since the start", vec![], 30_001, 10, true),
            ("silent, but not for long", vec![], 30_000, 10, false),
            (
                "caught up to the end of the previous fetch",
                vec![(5_000, 5, 5), (10_001, 5, 10)],
                35_000,
                10,
                false,
            ),
            (
                "the same, later",
                vec![(5_000, 5, 5), (10_001, 5, 10)],
                40_002,
                10,
                true,
            ),
            ("silent at the leader's end", vec![(5_000, 10, 10)], 90_000, 10, false),
            (
                "fetches, but never reaches the previous end",
                vec![(1_000, 1, 5), (20_000, 2, 9)],
                30_001,
                12,
                true,
            ),
        ] {
            let mut leader = leader(&[1, 2], 0);
            for (millis, offset, end) in fetches {
                leader.note_fetch(at(millis), fetch(offset, 5), Offset(end)).unwrap();
            }
            let wanted = leader.wants_to_drop(at(check_at), LAG, Offset(leader_end));
            assert_eq!(wanted.is_some(), drops, "{row}");
        }
    }

    #[test]
    fn a_fetch_of_an_older_registration_is_refused() {
        let mut leader = leader(&[1, 2], 0);
        leader.note_fetch(at(1), fetch(10, 5), Offset(10)).unwrap();
        assert_eq!(
            leader.note_fetch(at(2), fetch(10, 4), Offset(10)),
            Err(ErrorCode::NotLeaderOrFollower)
        );
        let stranger = FollowerFetch {
            follower: NodeId(9),
            ..fetch(10, 5)
        };
        assert_eq!(
            leader.note_fetch(at(2), stranger, Offset(10)),
            Err(ErrorCode::UnknownTopicOrPartition)
        );
    }

    #[test]
    fn nobody_is_known_to_have_anything_before_the_first_fetch() {
        let leader = leader(&[1, 2], 7);
        let brokers = unfenced(5);
        assert_eq!(
            leader.replicated_to_all(at(0), view(&brokers), Offset(7), Offset(7)),
            Offset(-1)
        );
    }
}

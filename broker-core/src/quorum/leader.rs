//! What a leader knows of its voters: how far they are, and whether they still listen.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use super::majority::majority;
use crate::machine::{Instant, ReplyTo};
use crate::types::{NodeId, Offset};

/// The leader of one epoch. Pure bookkeeping: `Quorum` feeds it and acts on what it says.
pub(super) struct LeaderState {
    /// Where the epoch's own entries begin: with the leader change.
    pub epoch_start_offset: Offset,
    /// The leader resigns then. Pushed on whenever a majority has fetched since it was pushed last.
    pub check_quorum_timeout: Instant,
    check_quorum_interval: Duration,
    fetched_since: BTreeSet<NodeId>,
    /// The other voters.
    voters: BTreeMap<NodeId, VoterState>,
    /// Fetches that wait for entries or for news of the high watermark; at most one of each replica.
    pub parked: Vec<ParkedFetch>,
    /// The high watermark that each replica was last sent.
    sent: BTreeMap<NodeId, Offset>,
}

/// Another voter, as its fetches show it.
struct VoterState {
    /// It holds everything below durably; `None` before its first fetch in this epoch.
    end: Option<Offset>,
    /// When it is to be notified (again) of who leads: it has not fetched for a while.
    begin_due: Instant,
}

/// A fetch whose answer waits.
#[derive(Clone, Debug)]
pub(super) struct ParkedFetch {
    pub reply_to: ReplyTo,
    pub replica: NodeId,
    pub fetch_offset: Offset,
    pub max_bytes: u64,
    /// Answered then even without entries.
    pub until: Instant,
}

impl LeaderState {
    /// The leader of an epoch that starts at `epoch_start_offset`; `others` are the voters besides itself.
    pub fn new(now: Instant, epoch_start_offset: Offset, others: &[NodeId], fetch_timeout: Duration) -> LeaderState {
        let check_quorum_interval = fetch_timeout * 3 / 2;
        let voters = others.iter().map(|voter| {
            let state = VoterState {
                end: None,
                begin_due: now,
            };
            (*voter, state)
        });
        LeaderState {
            epoch_start_offset,
            check_quorum_timeout: check_quorum_timeout(now, check_quorum_interval, others.len()),
            check_quorum_interval,
            fetched_since: BTreeSet::new(),
            voters: voters.collect(),
            parked: Vec::new(),
            sent: BTreeMap::new(),
        }
    }

    /// A voter fetched: it is alive and knows the leader. `silent_after` later it is notified again.
    pub fn voter_fetched(&mut self, now: Instant, voter: NodeId, silent_after: Duration) {
        let others = self.voters.len();
        let Some(state) = self.voters.get_mut(&voter) else {
            return;
        };
        state.begin_due = now + silent_after;
        self.fetched_since.insert(voter);
        if self.fetched_since.len() >= majority(others + 1) - 1 {
            self.fetched_since.clear();
            self.check_quorum_timeout = check_quorum_timeout(now, self.check_quorum_interval, others);
        }
    }

    /// A voter holds everything below `end` durably, and it agrees with this log.
    pub fn voter_holds(&mut self, voter: NodeId, end: Offset) {
        if let Some(state) = self.voters.get_mut(&voter) {
            state.end = Some(end);
        }
    }

    /// When `voter` is to be notified of who leads.
    pub fn begin_due(&self, voter: NodeId) -> Option<Instant> {
        self.voters.get(&voter).map(|state| state.begin_due)
    }

    /// `voter` was notified.
    pub fn defer_begin(&mut self, voter: NodeId, until: Instant) {
        if let Some(state) = self.voters.get_mut(&voter) {
            state.begin_due = state.begin_due.max(until);
        }
    }

    /// The largest offset below which a majority holds everything, `own_end` being this node's durable end;
    /// `None` while that shows no entry of the own epoch (Raft, section 5.4.2).
    pub fn high_watermark(&self, own_end: Offset) -> Option<Offset> {
        let mut ends: Vec<Option<Offset>> = self.voters.values().map(|state| state.end).collect();
        ends.push(Some(own_end));
        // Descending: the majority-th largest end is held by a majority.
        ends.sort_unstable_by(|a, b| b.cmp(a));
        // The leader's log never runs ahead of its disk in what it calls committed.
        let held = ends[majority(ends.len()) - 1]?.min(own_end);
        (held > self.epoch_start_offset).then_some(held)
    }

    /// The other voters, the longest log first: who should stand when this leader resigns.
    pub fn successors(&self) -> Vec<NodeId> {
        let mut voters: Vec<NodeId> = self.voters.keys().copied().collect();
        voters.sort_by_key(|voter| core::cmp::Reverse(self.voters[voter].end));
        voters
    }

    /// Parks a fetch, and returns the one of the same replica that was parked before.
    pub fn park(&mut self, fetch: ParkedFetch) -> Option<ParkedFetch> {
        let earlier = self.parked.iter().position(|parked| parked.replica == fetch.replica);
        let earlier = earlier.map(|index| self.parked.remove(index));
        self.parked.push(fetch);
        earlier
    }

    /// Whether `replica` knows of `high_watermark`.
    pub fn has_been_sent(&self, replica: NodeId, high_watermark: Offset) -> bool {
        self.sent.get(&replica).is_some_and(|sent| *sent >= high_watermark)
    }

    /// `replica` is sent `high_watermark` now.
    pub fn note_sent(&mut self, replica: NodeId, high_watermark: Offset) {
        self.sent.insert(replica, high_watermark);
    }
}

/// A leader without other voters has its majority always.
fn check_quorum_timeout(now: Instant, interval: Duration, others: usize) -> Instant {
    if others == 0 { Instant::NEVER } else { now + interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn leader_of(voters: u32, epoch_start: i64) -> LeaderState {
        let others: Vec<NodeId> = (1..voters).map(NodeId).collect();
        LeaderState::new(Instant(0), Offset(epoch_start), &others, Duration::from_secs(2))
    }

    #[test]
    fn high_watermark_is_a_majority_past_the_epoch_start() {
        // Voters, epoch start, own end, then fetches (voter, end) one after the other with the outcome of each.
        type Step = (u32, i64, Option<i64>);
        type Case<'a> = (&'a str, u32, i64, i64, Option<i64>, &'a [Step]);
        let cases: &[Case<'_>] = &[
            ("alone, at the start", 1, 15, 15, None, &[]),
            ("alone, past the start", 1, 15, 16, Some(16), &[]),
            (
                "three voters must pass the start of the epoch",
                3,
                10,
                15,
                None,
                &[(1, 10, None), (2, 10, None), (2, 15, Some(15))],
            ),
            (
                "the second largest of three",
                3,
                10,
                20,
                None,
                &[(1, 12, Some(12)), (2, 18, Some(18)), (1, 19, Some(19))],
            ),
            (
                "never past the own disk",
                3,
                10,
                12,
                None,
                &[(1, 15, Some(12)), (2, 15, Some(12))],
            ),
            (
                "two voters need both",
                2,
                0,
                9,
                None,
                &[(1, 0, None), (1, 1, Some(1)), (1, 9, Some(9))],
            ),
            (
                "five voters need three",
                5,
                0,
                9,
                None,
                &[(1, 9, None), (2, 5, Some(5)), (3, 7, Some(7)), (4, 9, Some(9))],
            ),
            (
                "nobody of another epoch's length",
                3,
                10,
                11,
                None,
                &[(1, 9, None), (2, 3, None)],
            ),
        ];
        for (name, voters, epoch_start, own_end, alone, steps) in cases {
            let mut leader = leader_of(*voters, *epoch_start);
            assert_eq!(leader.high_watermark(Offset(*own_end)), alone.map(Offset), "{name}");
            for (voter, end, expected) in *steps {
                leader.voter_holds(NodeId(*voter), Offset(*end));
                let actual = leader.high_watermark(Offset(*own_end));
                assert_eq!(actual, expected.map(Offset), "{name}: voter {voter} at {end}");
            }
        }
    }

    #[test]
    fn check_quorum_wants_a_majority_in_every_interval() {
        // Fetches (second, voter) among five voters, and the second when the leader resigns: 3 s after a majority.
        for (fetches, resigns_at) in [
            (&[][..], 3),
            (&[(1, 1)][..], 3),
            (&[(1, 1), (1, 1), (2, 1)][..], 3),
            (&[(1, 1), (2, 2)][..], 5),
            (&[(1, 1), (2, 2), (4, 3)][..], 5),
            (&[(1, 1), (2, 2), (4, 3), (4, 4)][..], 7),
        ] {
            let mut leader = leader_of(5, 0);
            for (second, voter) in fetches {
                leader.voter_fetched(Instant(second * SECOND), NodeId(*voter), Duration::from_secs(1));
            }
            assert_eq!(leader.check_quorum_timeout, Instant(resigns_at * SECOND), "{fetches:?}");
        }
        let mut alone = leader_of(1, 0);
        assert_eq!(alone.check_quorum_timeout, Instant::NEVER);
        alone.voter_fetched(Instant(SECOND), NodeId(9), Duration::from_secs(1));
        assert_eq!(alone.check_quorum_timeout, Instant::NEVER);
    }

    #[test]
    fn observers_do_not_count() {
        let mut leader = leader_of(3, 0);
        leader.voter_holds(NodeId(7), Offset(5));
        leader.voter_fetched(Instant(SECOND), NodeId(7), Duration::from_secs(1));
        assert_eq!(leader.high_watermark(Offset(5)), None);
        assert_eq!(leader.check_quorum_timeout, Instant(3 * SECOND));
    }

    #[test]
    fn the_longest_log_succeeds() {
        let mut leader = leader_of(4, 0);
        leader.voter_holds(NodeId(2), Offset(9));
        leader.voter_holds(NodeId(3), Offset(5));
        assert_eq!(leader.successors(), [NodeId(2), NodeId(3), NodeId(1)]);
    }
}

//! The parts that a node can play, and which may follow which.

use alloc::collections::BTreeSet;
use core::cmp::Ordering;

use super::leader::LeaderState;
use super::majority::majority;
use crate::machine::Instant;
use crate::trace::QuorumRole;
use crate::types::{NodeId, Offset};

/// A node's part, with what only this part needs. Epoch and vote are kept beside it, since they outlive it.
pub(super) enum Role {
    /// No leader is known. A voter stands at `election_timeout`; an observer never does.
    Unattached { election_timeout: Instant },
    /// A leader is known and fetched from.
    Follower(Follower),
    /// Asks whether it would be elected, before it disturbs anybody with a new epoch (KIP-996).
    Prospective {
        /// The leader that fell silent, if there was one: back to it when the others still get its answers.
        leader: Option<NodeId>,
        ballot: Ballot,
    },
    /// Stands in its own epoch.
    Candidate { ballot: Ballot },
    /// Leads.
    Leader(LeaderState),
    /// Led this epoch and gave it up. It waits for the next epoch, and stands in it if nobody else does.
    Resigned {
        election_timeout: Instant,
        /// Voters that have not answered its EndQuorumEpoch.
        unnotified: BTreeSet<NodeId>,
        /// All voters, the best log first.
        successors: alloc::vec::Vec<NodeId>,
    },
}

/// What a follower knows of its leader.
pub(super) struct Follower {
    pub leader: NodeId,
    /// Pushed on by every successful fetch; a voter that reaches it stands.
    pub fetch_timeout: Instant,
    /// The leader has answered a fetch in this epoch: it lives, and pre-votes against it are denied.
    pub has_fetched: bool,
    /// The leader's high watermark, as far as this log is known to be a prefix of the leader's.
    pub leader_high_watermark: Offset,
}

/// The votes of one election or pre-election.
pub(super) struct Ballot {
    /// Nobody is asked before.
    pub start: Instant,
    /// Lost unless won before.
    pub timeout: Instant,
    granted: BTreeSet<NodeId>,
    rejected: BTreeSet<NodeId>,
}

impl Ballot {
    pub fn new(start: Instant, timeout: Instant) -> Ballot {
        Ballot {
            start,
            timeout,
            granted: BTreeSet::new(),
            rejected: BTreeSet::new(),
        }
    }

    /// Records an answer; the first of each voter counts.
    pub fn record(&mut self, voter: NodeId, granted: bool) {
        if self.has_answer_of(voter) {
            return;
        }
        match granted {
            true => self.granted.insert(voter),
            false => self.rejected.insert(voter),
        };
    }

    pub fn has_answer_of(&self, voter: NodeId) -> bool {
        self.granted.contains(&voter) || self.rejected.contains(&voter)
    }

    pub fn is_won(&self, voters: usize) -> bool {
        self.granted.len() >= majority(voters)
    }

    /// So many rejections that no majority is left.
    pub fn is_lost(&self, voters: usize) -> bool {
        voters - self.rejected.len() < majority(voters)
    }
}

impl Role {
    pub fn kind(&self) -> QuorumRole {
        match self {
            Role::Unattached { .. } => QuorumRole::Unattached,
            Role::Follower(_) => QuorumRole::Follower,
            Role::Prospective { .. } => QuorumRole::Prospective,
            Role::Candidate { .. } => QuorumRole::Candidate,
            Role::Leader(_) => QuorumRole::Leader,
            Role::Resigned { .. } => QuorumRole::Resigned,
        }
    }

    /// When the role ends by itself.
    pub fn timeout(&self) -> Instant {
        match self {
            Role::Unattached { election_timeout } | Role::Resigned { election_timeout, .. } => *election_timeout,
            Role::Follower(follower) => follower.fetch_timeout,
            Role::Prospective { ballot, .. } | Role::Candidate { ballot } => ballot.timeout,
            Role::Leader(leader) => leader.check_quorum_timeout,
        }
    }
}

/// Whether a voter in `from` may become `to`, in an epoch that compares to the present one as `epoch` says
/// (Kafka's `QuorumState`). An observer is only ever unattached or a follower, in any order.
pub(super) fn is_allowed(is_voter: bool, from: QuorumRole, to: QuorumRole, epoch: Ordering) -> bool {
    use Ordering::{Equal, Greater, Less};
    use QuorumRole::{Candidate, Follower, Leader, Prospective, Resigned, Unattached};
    if !is_voter {
        return epoch != Less && matches!(from, Unattached | Follower) && matches!(to, Unattached | Follower);
    }
    match (from, to, epoch) {
        (_, _, Less) => false,
        // Another node's epoch is followed from anywhere.
        (_, Unattached | Follower, Greater) => true,
        // In the present epoch: a leader became known, or a vote was given or denied.
        (Unattached | Prospective, Unattached | Follower, Equal) => true,
        (Candidate | Resigned, Follower, Equal) => true,
        // The way to leadership: ask, stand in an epoch of one's own, win or ask again.
        (Unattached | Follower | Candidate, Prospective, Equal) => true,
        (Prospective, Candidate, Greater) => true,
        (Candidate, Leader, Equal) => true,
        (Leader, Resigned, Equal) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use QuorumRole::{Candidate, Follower, Leader, Prospective, Resigned, Unattached};

    use super::*;

    /// Every pair of roles: `=` allowed in the same epoch, `>` in a higher one, `*` in both, `.` never.
    const TRANSITIONS: &str = "
                    Unattached Follower Prospective Candidate Leader Resigned
        Unattached  *          *        =           .         .      .
        Follower    >          >        =           .         .      .
        Prospective *          *        .           >         .      .
        Candidate   >          *        =           .         =      .
        Leader      >          >        .           .         .      =
        Resigned    >          *        .           .         .      .
    ";

    #[test]
    fn transitions_are_those_of_the_table() {
        let roles = [Unattached, Follower, Prospective, Candidate, Leader, Resigned];
        let mut rows = TRANSITIONS.lines().filter(|line| !line.trim().is_empty()).skip(1);
        for from in roles {
            let row = rows.next().expect("a row for each role");
            let cells: alloc::vec::Vec<&str> = row.split_whitespace().collect();
            assert_eq!(cells[0], alloc::format!("{from:?}"));
            for (to, cell) in roles.into_iter().zip(&cells[1..]) {
                let same = is_allowed(true, from, to, Ordering::Equal);
                let higher = is_allowed(true, from, to, Ordering::Greater);
                let actual = match (same, higher) {
                    (true, true) => "*",
                    (true, false) => "=",
                    (false, true) => ">",
                    (false, false) => ".",
                };
                assert_eq!(actual, *cell, "{from:?} to {to:?}");
                assert!(!is_allowed(true, from, to, Ordering::Less), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn observers_never_stand() {
        let roles = [Unattached, Follower, Prospective, Candidate, Leader, Resigned];
        for from in [Unattached, Follower] {
            for to in roles {
                for epoch in [Ordering::Equal, Ordering::Greater] {
                    let expected = matches!(to, Unattached | Follower);
                    assert_eq!(is_allowed(false, from, to, epoch), expected, "{from:?} to {to:?}");
                }
            }
        }
    }

    #[test]
    fn ballots_are_won_and_lost_by_majorities() {
        for (voters, granted, rejected, expected) in [
            (1, 0, 0, "open"),
            (1, 1, 0, "won"),
            (2, 1, 0, "open"),
            (2, 1, 1, "lost"),
            (2, 2, 0, "won"),
            (3, 1, 1, "open"),
            (3, 2, 1, "won"),
            (3, 1, 2, "lost"),
            (5, 2, 2, "open"),
            (5, 3, 0, "won"),
            (5, 2, 3, "lost"),
        ] {
            let mut ballot = Ballot::new(Instant(0), Instant(0));
            for voter in 0..granted {
                ballot.record(NodeId(voter), true);
                // A second answer changes nothing.
                ballot.record(NodeId(voter), false);
            }
            for voter in 0..rejected {
                ballot.record(NodeId(100 + voter), false);
            }
            let actual: String = match (ballot.is_won(voters), ballot.is_lost(voters)) {
                (true, false) => "won".into(),
                (false, true) => "lost".into(),
                (false, false) => "open".into(),
                (true, true) => "both".into(),
            };
            assert_eq!(actual, expected, "{voters} voters, {granted} for, {rejected} against");
        }
    }
}

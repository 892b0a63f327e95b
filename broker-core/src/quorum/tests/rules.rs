//! What must hold after every step, under any faults. The names are those of the catalogue of invariants:
//! Q1 one leader and one vote an epoch, Q2 leaders only append, Q3 log matching, Q4 leader completeness, Q6 durable
//! epochs never fall, Q7 high watermarks rise, by an entry of the leader's own epoch, Q8 majorities really hold what
//! is committed, Q9 nothing committed is cut, Q11 votes only for logs at least as long, and: acknowledged is durable.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use super::disk::Entry;
use crate::protocol::VoteRequest;
use crate::quorum::majority::majority;
use crate::quorum::stored::ElectionState;
use crate::trace::{self, Event, QuorumRole};
use crate::types::{LeaderEpoch, NodeId, Offset};

#[derive(Default)]
pub(super) struct Rules {
    voters: usize,
    leaders: BTreeMap<LeaderEpoch, NodeId>,
    votes: BTreeMap<(NodeId, LeaderEpoch), NodeId>,
    durable_epochs: BTreeMap<NodeId, LeaderEpoch>,
    /// Every entry that any log ever had, with the one before it: epoch and offset name it.
    entries: BTreeMap<(LeaderEpoch, Offset), (Entry, Option<LeaderEpoch>)>,
    /// By base offset; without gaps.
    committed: Vec<Entry>,
    values: BTreeMap<Offset, Bytes>,
    nodes: BTreeMap<NodeId, Observed>,
}

#[derive(Default)]
struct Observed {
    role: Option<QuorumRole>,
    epoch: LeaderEpoch,
    log: Vec<Entry>,
    high_watermark: Offset,
    told: Offset,
}

impl Rules {
    pub fn new(voters: usize) -> Rules {
        Rules {
            voters,
            ..Rules::default()
        }
    }

    /// The end of what is committed.
    pub fn committed_end(&self) -> Offset {
        end_of(&self.committed)
    }

    /// The committed values in order.
    pub fn committed_values(&self) -> Vec<Bytes> {
        self.values.values().cloned().collect()
    }

    /// A node starts: what it had in memory is gone.
    pub fn on_start(&mut self, node: NodeId) {
        self.nodes.insert(node, Observed::default());
    }

    /// `durable` gives what a node's disk holds for certain at this moment.
    pub fn on_event(&mut self, node: NodeId, event: &Event, durable: impl Fn(NodeId) -> Vec<Entry>) {
        let observed = self.nodes.entry(node).or_default();
        match event {
            Event::LogRecovered(trace::LogRecovered { batches, .. }) => {
                observed.log.clear();
                for batch in batches {
                    self.append(node, Entry::of(batch));
                }
            }
            Event::Appended(trace::Appended { batch, .. }) => self.append(node, Entry::of(batch)),
            Event::Truncated(trace::Truncated { to, .. }) => {
                assert_ne!(observed.role, Some(QuorumRole::Leader), "Q2: leader {node} cut its log");
                assert!(
                    *to >= observed.high_watermark,
                    "Q9: {node} cut below its high watermark"
                );
                let kept = observed.log.partition_point(|entry| entry.next <= *to);
                for cut in &observed.log[kept..] {
                    assert!(!self.committed.contains(cut), "Q9: {node} cut the committed {cut:?}");
                }
                observed.log.truncate(kept);
                assert_eq!(end_of(&observed.log), *to, "{node} cut within a batch");
            }
            Event::QuorumRoleChanged(trace::QuorumRoleChanged { role, epoch, .. }) => {
                observed.role = Some(*role);
                observed.epoch = *epoch;
                if *role == QuorumRole::Leader {
                    let leader = self.leaders.insert(*epoch, node);
                    assert!(
                        leader.is_none_or(|leader| leader == node),
                        "Q1: {leader:?} and {node} lead {epoch}"
                    );
                    let missing = self.committed.iter().find(|entry| !observed.log.contains(entry));
                    assert_eq!(missing, None, "Q4: leader {node} of {epoch} lacks a committed entry");
                }
            }
            Event::VoteStored(trace::VoteStored { epoch, voted_for }) => {
                let before = self.durable_epochs.insert(node, *epoch);
                assert!(
                    before.is_none_or(|before| before <= *epoch),
                    "Q6: {node} fell from {before:?} to {epoch}"
                );
                if let Some(candidate) = voted_for {
                    let vote = self.votes.insert((node, *epoch), *candidate);
                    assert!(
                        vote.is_none_or(|vote| vote == *candidate),
                        "Q1: {node} voted twice in {epoch}"
                    );
                }
            }
            Event::HighWatermarkChanged(trace::HighWatermarkChanged {
                role,
                leader_epoch,
                from,
                to,
                ..
            }) => {
                assert_eq!(*from, observed.high_watermark, "Q7: {node}'s high watermark");
                assert!(to > from, "Q7: {node}'s high watermark fell from {from} to {to}");
                observed.high_watermark = *to;
                let below = &observed.log[..observed.log.partition_point(|entry| entry.next <= *to)];
                assert_eq!(
                    end_of(below),
                    *to,
                    "{node}'s high watermark is within a batch or past the log"
                );
                for (index, entry) in below.iter().enumerate() {
                    match self.committed.get(index) {
                        Some(committed) => assert_eq!(entry, committed, "Q4: {node} commits another entry"),
                        None => self.committed.push(*entry),
                    }
                }
                if *role == crate::trace::ReplicaRole::Leader {
                    let last = *below.last().expect("the high watermark rose");
                    assert_eq!(
                        last.epoch, *leader_epoch,
                        "Q7: {node} commits past no entry of its own epoch"
                    );
                    let holders = self.nodes.keys().filter(|voter| (voter.0 as usize) <= self.voters);
                    let holders = holders.filter(|voter| durable(**voter).contains(&last)).count();
                    assert!(holders >= majority(self.voters), "Q8: {holders} voters hold {last:?}");
                }
            }
            _ => {}
        }
    }

    fn append(&mut self, node: NodeId, entry: Entry) {
        let observed = self.nodes.entry(node).or_default();
        assert_eq!(entry.base, end_of(&observed.log), "{node} appends a gap");
        let before = observed.log.last().map(|before| before.epoch);
        let known = self.entries.entry((entry.epoch, entry.base)).or_insert((entry, before));
        assert_eq!(
            *known,
            (entry, before),
            "Q3: two entries of one epoch and offset, {node} has one of them"
        );
        observed.log.push(entry);
    }

    /// A granted vote leaves `voter`: the disk knows it, and the candidate's log is not the shorter one.
    pub fn on_vote_granted(&mut self, voter: NodeId, request: &VoteRequest, stored: &Bytes) {
        let stored = ElectionState::decode(stored).expect("an intact file");
        if !request.pre_vote {
            let is_stored = stored.epoch > request.epoch
                || (stored.epoch == request.epoch && stored.voted_for == Some(request.candidate));
            assert!(is_stored, "Q1: {voter} gives {request:?} with {stored:?} on its disk");
        }
        let own = self.nodes[&voter].log.last();
        let own = (
            own.map_or(LeaderEpoch::NONE, |last| last.epoch),
            own.map_or(Offset::ZERO, |last| last.next),
        );
        let candidate = (request.last_epoch, request.last_epoch_end_offset);
        assert!(candidate >= own, "Q11: {voter} with {own:?} gives {request:?}");
    }

    /// A fetch leaves `node`: it acknowledges only what its disk has.
    pub fn on_fetch(&self, node: NodeId, fetch_offset: Offset, epoch: LeaderEpoch, disk: &[Entry], stored: &Bytes) {
        assert!(
            end_of(disk) >= fetch_offset,
            "{node} acknowledges {fetch_offset}, its disk has {}",
            end_of(disk)
        );
        let stored = ElectionState::decode(stored).expect("an intact file");
        let of_log = disk.last().map_or(LeaderEpoch(0), |last| last.epoch);
        assert!(
            stored.epoch.max(of_log) >= epoch,
            "{node} fetches in {epoch} with {stored:?} on its disk"
        );
    }

    /// A node says that values are committed.
    pub fn on_committed(&mut self, node: NodeId, entries: &[(Offset, Bytes)], end: Offset) {
        let observed = self.nodes.entry(node).or_default();
        assert!(
            end > observed.told && end <= observed.high_watermark,
            "{node} tells {end}"
        );
        for (offset, value) in entries {
            assert!(
                *offset >= observed.told && *offset < end,
                "{node} tells {offset} in ..{end}"
            );
            let known = self.values.entry(*offset).or_insert_with(|| value.clone());
            assert_eq!(known, value, "Q5: {node} tells another value at {offset}");
        }
        let told = self.values.range(observed.told..end).count();
        assert_eq!(told, entries.len(), "Q5: {node} leaves values out before {end}");
        observed.told = end;
    }
}

fn end_of(log: &[Entry]) -> Offset {
    log.last().map_or(Offset::ZERO, |last| last.next)
}

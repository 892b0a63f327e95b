//! Q1, Q3, Q4, Q5, Q6, Q7 and, for the metadata log, R11 and D2: what the controllers' quorum may do.

use core::hash::{Hash, Hasher};
use std::collections::BTreeMap;

use broker_core::protocol::RecordBatch;
use broker_core::trace::{
    Appended, Flushed, HighWatermarkChanged, LogRecovered, MetadataApplied, QuorumRole, QuorumRoleChanged, ReplicaRole,
    Truncated, VoteStored,
};
use broker_core::types::{LeaderEpoch, NodeId, Offset};

use super::mirror::{Batch, Mirror, count_below, span};
use super::model::Scene;
use super::storage;
use super::witness::{Noted, Notes};
use crate::history::At;
use crate::verdict::Check;

/// The metadata log's name for people.
const LABEL: &str = "__cluster_metadata/0";

/// What is known of the quorum.
#[derive(Default)]
pub(super) struct Quorum {
    nodes: BTreeMap<NodeId, Voter>,
    leaders: BTreeMap<LeaderEpoch, NodeId>,
    votes: BTreeMap<(NodeId, LeaderEpoch), NodeId>,
    /// The chain behind each entry that any log ever had: logs that share an entry share all before it.
    chains: BTreeMap<(LeaderEpoch, Offset), u64>,
    committed: Vec<Batch>,
    /// The digest of the applied state at each offset.
    digests: BTreeMap<Offset, u64>,
    /// The digest of each metadata record that nodes state, by its offset.
    stated: BTreeMap<Offset, u64>,
    notes: Notes,
}

/// One node's part in the quorum, voter or observer.
struct Voter {
    mirror: Mirror,
    role: QuorumRole,
    epoch: LeaderEpoch,
    durable_epoch: LeaderEpoch,
    high_watermark: Offset,
}

impl Quorum {
    /// The node that states a fact; a restarted one that does not speak of its log has none on its disk.
    fn speaker(&mut self, scene: &mut Scene<'_>) -> &mut Voter {
        let life = scene.nodes.life(scene.node);
        if self
            .nodes
            .get(&scene.node)
            .is_some_and(|voter| voter.mirror.life != life)
        {
            self.restarted(scene, &[], 0);
        }
        self.nodes.entry(scene.node).or_insert_with(|| Voter::new(life))
    }

    /// A node's metadata log was recovered.
    pub fn recovered(&mut self, scene: &mut Scene<'_>, fact: &LogRecovered) {
        self.restarted(scene, &fact.batches, fact.cut_bytes);
    }

    fn restarted(&mut self, scene: &mut Scene<'_>, found: &[RecordBatch], cut_bytes: u64) {
        let voter = self.nodes.entry(scene.node).or_insert_with(|| Voter::new(0));
        storage::recovered(scene, LABEL, &mut self.notes, &mut voter.mirror, found, cut_bytes);
        voter.role = QuorumRole::Unattached;
        voter.epoch = voter.durable_epoch;
        voter.high_watermark = Offset::ZERO;
    }

    /// A batch was appended. Q3.
    pub fn appended(&mut self, scene: &mut Scene<'_>, Appended { batch, .. }: &Appended) {
        let node = scene.name();
        let voter = self.speaker(scene);
        let end = voter.mirror.end();
        let last = voter.mirror.batches().last().map(|last| last.epoch);
        let contiguous = voter.mirror.append(batch);
        let chain = super::mirror::chain(voter.mirror.batches());
        if !contiguous {
            scene.violation(
                Check::R2,
                "a batch was not appended at the log's end",
                &self.notes,
                || format!("{node} appended {} to {LABEL} whose log ended at {end}", span(batch)),
            );
        }
        if last.is_some_and(|last| last > batch.leader_epoch()) {
            scene.violation(Check::R9, "epochs fall along a log", &self.notes, || {
                format!(
                    "{node} appended {} to {LABEL} after a batch of a later epoch",
                    span(batch)
                )
            });
        }
        let known = *self
            .chains
            .entry((batch.leader_epoch(), batch.base_offset()))
            .or_insert(chain);
        if known != chain {
            scene.violation(
                Check::Q3,
                "logs differ below an entry that they share",
                &self.notes,
                || {
                    format!(
                        "{node} appended {} to {LABEL} behind other entries, or with other content, than another node",
                        span(batch)
                    )
                },
            );
        }
    }

    /// A metadata log was cut. R11.
    pub fn truncated(&mut self, scene: &mut Scene<'_>, fact: &Truncated) {
        let (to, epoch, cause) = (fact.to, fact.leader_epoch, fact.cause);
        let node = scene.name();
        self.speaker(scene);
        let Some(voter) = self.nodes.get_mut(&scene.node) else {
            return;
        };
        let from = voter.mirror.end();
        let held = voter.mirror.common(&self.committed);
        let stay = voter.mirror.truncate(to);
        self.notes
            .add(scene.at, scene.node, Noted::Truncated { from, to, epoch, cause });
        let shape = if voter.role == QuorumRole::Leader {
            "a quorum leader cut its own log"
        } else if stay < held {
            "committed metadata was cut"
        } else if voter.mirror.end() != to {
            "a log was cut to an end that it does not have"
        } else {
            return;
        };
        let committed = self.committed.last().map_or(Offset::ZERO, |batch| batch.next);
        scene.violation(Check::R11, shape, &self.notes, || {
            format!("{node} cut {LABEL} from {from} to {to} in epoch {epoch}; committed up to {committed}")
        });
    }

    /// Part of the metadata log is durable.
    pub fn flushed(&mut self, scene: &mut Scene<'_>, &Flushed { end, .. }: &Flushed) {
        let node = scene.name();
        let voter = self.speaker(scene);
        let written = voter.mirror.end();
        voter.mirror.flushed = end.min(written);
        if end > written {
            scene.violation(Check::R2, "a flushed end passed its log's end", &self.notes, || {
                format!("{node} flushed {LABEL} up to {end}, but its log ends at {written}")
            });
        }
    }

    /// A node's part changed. Q1, Q4.
    pub fn role_changed(&mut self, scene: &mut Scene<'_>, fact: &QuorumRoleChanged) {
        let &QuorumRoleChanged { role, epoch, leader } = fact;
        let node = scene.name();
        let voter = self.speaker(scene);
        let before = voter.epoch;
        voter.role = role;
        voter.epoch = epoch;
        if epoch < before {
            scene.violation(Check::Q6, "a node's quorum epoch fell", &self.notes, || {
                format!("{node} became {role:?} in epoch {epoch} after epoch {before}")
            });
        }
        let leads = (role == QuorumRole::Leader).then_some(scene.node);
        let Some(leader) = leads.or(leader) else { return };
        let known = *self.leaders.entry(epoch).or_insert(leader);
        if known != leader {
            scene.violation(Check::Q1, "two quorum leaders in one epoch", &self.notes, || {
                let (known, leader) = (scene.nodes.named(known), scene.nodes.named(leader));
                format!("{known} and {leader} both were the quorum's leader in epoch {epoch}")
            });
        }
        if role != QuorumRole::Leader {
            return;
        }
        let mirror = &self.nodes[&scene.node].mirror;
        let (end, high_watermark) = (mirror.end(), self.nodes[&scene.node].high_watermark);
        self.notes.add(
            scene.at,
            scene.node,
            Noted::BecameLeader {
                epoch,
                end,
                high_watermark,
            },
        );
        if !mirror.shares(&self.committed, self.committed.len()) {
            let missing = self.committed[mirror.common(&self.committed)].base;
            scene.violation(
                Check::Q4,
                "a quorum leader lacks committed metadata",
                &self.notes,
                || format!("{node} leads the quorum in epoch {epoch} without the committed metadata offset {missing}"),
            );
            // It decides from now on.
            self.committed.truncate(mirror.common(&self.committed));
        }
    }

    /// Epoch and vote are durable. Q1, Q6.
    pub fn vote_stored(&mut self, scene: &mut Scene<'_>, &VoteStored { epoch, voted_for }: &VoteStored) {
        let node = scene.name();
        let voter = self.speaker(scene);
        let before = voter.durable_epoch;
        voter.durable_epoch = epoch;
        if epoch < before {
            scene.violation(Check::Q6, "a durable epoch fell", &self.notes, || {
                format!("{node} stored epoch {epoch} after epoch {before}")
            });
        }
        if let Some(candidate) = voted_for {
            self.vote_granted(scene, epoch, candidate);
        }
    }

    /// A vote was given. Q1.
    pub fn vote_granted(&mut self, scene: &mut Scene<'_>, epoch: LeaderEpoch, candidate: NodeId) {
        let node = scene.name();
        let first = *self.votes.entry((scene.node, epoch)).or_insert(candidate);
        if first != candidate {
            scene.violation(Check::Q1, "a voter voted twice in one epoch", &self.notes, || {
                let (first, candidate) = (scene.nodes.named(first), scene.nodes.named(candidate));
                format!("{node} voted for {first} and for {candidate} in epoch {epoch}")
            });
        }
    }

    /// A high watermark of the metadata log changed. Q7.
    pub fn high_watermark_changed(&mut self, scene: &mut Scene<'_>, fact: &HighWatermarkChanged) {
        let (role, epoch, from, to) = (fact.role, fact.leader_epoch, fact.from, fact.to);
        let node = scene.name();
        let voter = self.speaker(scene);
        let before = from.max(voter.high_watermark);
        voter.high_watermark = to;
        let end = voter.mirror.end();
        let last = count_below(voter.mirror.batches(), to)
            .checked_sub(1)
            .map(|last| voter.mirror.batches()[last].epoch);
        if to > end {
            scene.violation(Check::R2, "a high watermark passed its log's end", &self.notes, || {
                format!("{node}'s high watermark of {LABEL} rose to {to}, but its log ends at {end}")
            });
        }
        if role == ReplicaRole::Follower {
            return;
        }
        if to == before {
            return;
        }
        let shape = if to < before {
            "the quorum leader's high watermark fell"
        } else if last != Some(epoch) {
            "the quorum's high watermark moved without an entry of the leader's epoch"
        } else {
            return self.commit(scene, to);
        };
        scene.violation(Check::Q7, shape, &self.notes, || {
            format!("{node}, leader in epoch {epoch}, moved the high watermark of {LABEL} from {before} to {to}, whose last entry is of epoch {last:?}")
        });
        self.commit(scene, to);
    }

    /// A node applied committed metadata. Q5.
    pub fn applied(&mut self, scene: &mut Scene<'_>, &MetadataApplied { end, digest }: &MetadataApplied) {
        let node = scene.name();
        self.speaker(scene);
        self.commit(scene, end);
        let known = *self.digests.entry(end).or_insert(digest);
        if known != digest {
            scene.violation(
                Check::Q5,
                "two nodes applied the same metadata to different states",
                &self.notes,
                || format!("{node}'s state at metadata offset {end} has digest {digest:016x}, not {known:016x}"),
            );
        }
    }

    /// Whether another node has stated the metadata record at `offset` before. Both must have read the same. Q5.
    pub fn is_stated(&mut self, scene: &mut Scene<'_>, offset: Offset, fact: &impl Hash) -> bool {
        let digest = digest(fact);
        let Some(known) = self.stated.get(&offset) else {
            self.stated.insert(offset, digest);
            return false;
        };
        if *known != digest {
            let node = scene.name();
            let shape = "two nodes applied different metadata at one offset";
            scene.violation(Check::Q5, shape, &self.notes, || {
                format!("{node} applied another record at metadata offset {offset} than the first node that got there")
            });
        }
        true
    }

    /// What a node takes for committed is frozen, or must be what is frozen. Q3.
    fn commit(&mut self, scene: &mut Scene<'_>, to: Offset) {
        let node = scene.name();
        let mirror = &self.nodes[&scene.node].mirror;
        let shared = count_below(&self.committed, to);
        if !mirror.shares(&self.committed, shared) {
            scene.violation(
                Check::Q3,
                "an applied entry is not the committed one",
                &self.notes,
                || format!("{node} took other entries of {LABEL} below offset {to} for committed than were"),
            );
            return;
        }
        let more = mirror
            .batches()
            .iter()
            .skip(self.committed.len())
            .take_while(|batch| batch.next <= to);
        if shared == self.committed.len() {
            self.committed.extend(more);
        }
    }

    /// L1: why there is no single controller, or `None` if there is.
    pub fn waits_for(&self, nodes: &super::nodes::Nodes) -> Option<String> {
        let up = self
            .nodes
            .iter()
            .filter(|(id, voter)| nodes.is_up(**id) && voter.mirror.life == nodes.life(**id));
        let leaders: Vec<NodeId> = up
            .filter(|(_, voter)| voter.role == QuorumRole::Leader)
            .map(|(node, _)| *node)
            .collect();
        match leaders.as_slice() {
            [_] => None,
            [] => Some("no node leads the metadata quorum".to_owned()),
            several => {
                let names: Vec<String> = several.iter().map(|node| nodes.named(*node).to_string()).collect();
                Some(format!(
                    "{} nodes lead the metadata quorum: {}",
                    several.len(),
                    names.join(", ")
                ))
            }
        }
    }

    /// Something happened to a node that may be of interest.
    pub fn note(&mut self, at: At, node: NodeId, what: Noted) {
        if self.nodes.contains_key(&node) {
            self.notes.add(at, node, what);
        }
    }

    /// What a person may want to see.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }
}

impl Voter {
    fn new(life: usize) -> Voter {
        Voter {
            mirror: Mirror::outline(life),
            role: QuorumRole::Unattached,
            epoch: LeaderEpoch::NONE,
            durable_epoch: LeaderEpoch::NONE,
            high_watermark: Offset::ZERO,
        }
    }
}

/// A digest that is the same on every machine: FNV-1a over what `what` hashes.
fn digest(what: &impl Hash) -> u64 {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    what.hash(&mut hasher);
    hasher.finish()
}

//! The partitions that a consumer reads: by hand or as a member, each with its position and what was fetched of it
//! (Kafka's `SubscriptionState` and `FetchBuffer`).
//!
//! Partitions are named by their places, which hold until one is added or removed. What depends on several of them is
//! kept here alone: which id stands where, and in which order the application gets their records.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::ConsumerRecord;
use crate::protocol::RecordBatch;
use crate::types::{LeaderEpoch, NodeId, PartitionIndex, TopicName, TopicPartition};

mod partition;
mod places;
mod positions;

pub(super) use partition::{Assigned, Position, Stage, Tenure};
use places::Places;
pub(super) use positions::{Change, Outcome};

/// The partitions that a consumer reads.
#[derive(Default)]
pub(super) struct Assignment {
    partitions: Places,
    /// The place of each partition whose id is known.
    by_id: BTreeMap<TopicPartition, usize>,
    /// The places of those whose records the application gets, in the order in which these came.
    ready: VecDeque<usize>,
    /// How many partitions were ever assigned.
    assignments: u64,
    /// How many answers had records: the latest turn of a partition.
    answers: u64,
    /// Partitions have left, or have other ids, since somebody asked.
    some_left: bool,
}

impl Assignment {
    // ---- which they are

    /// A partition that begins with `stage`. It is assigned with [`Assignment::set`] or [`Assignment::add`].
    pub fn new_partition(&mut self, topic: TopicName, partition: PartitionIndex, stage: Stage) -> Assigned {
        self.assignments += 1;
        Assigned::new(topic, partition, stage, self.assignments)
    }

    /// These and no others.
    pub fn set(&mut self, partitions: Vec<Assigned>) {
        self.partitions = partitions.into();
        self.by_id.clear();
        self.ready.clear();
        for (place, partition) in self.partitions.iter().enumerate() {
            self.by_id.extend(partition.id().map(|id| (id, place)));
            if partition.is_readable() {
                self.ready.push_back(place);
            }
        }
        let partitions = &self.partitions;
        self.ready
            .make_contiguous()
            .sort_by_key(|place| partitions[*place].served);
    }

    /// None any more. What they were.
    pub fn take_all(&mut self) -> Vec<Assigned> {
        self.by_id.clear();
        self.ready.clear();
        self.some_left = true;
        core::mem::take(&mut self.partitions).into_iter().collect()
    }

    /// One more, of which the application has still to be notified.
    pub fn add_coming(&mut self, mut partition: Assigned, id: TopicPartition, leader: Option<(NodeId, LeaderEpoch)>) {
        partition.tenure = Tenure::Coming;
        partition.id = Some(id);
        partition.follow(leader);
        self.by_id.insert(id, self.partitions.len());
        self.partitions.push(partition);
    }

    /// The application has been notified that these have come. Those of which that is true: the others were lost.
    pub fn take_over(&mut self, ids: &[TopicPartition]) -> Vec<TopicPartition> {
        let mut taken = Vec::new();
        for place in 0..self.partitions.len() {
            let partition = &self.partitions[place];
            let id = partition.id.filter(|id| ids.contains(id));
            if let (Some(id), Tenure::Coming) = (id, partition.tenure) {
                self.partitions[place].tenure = Tenure::Owned;
                taken.push(id);
            }
        }
        taken
    }

    /// These are to go: from now on they are neither fetched nor returned.
    pub fn begin_release(&mut self, ids: &[TopicPartition]) {
        for id in ids {
            if let Some(place) = self.place(*id) {
                self.partitions[place].tenure = Tenure::Going;
                self.ready.retain(|ready| *ready != place);
            }
        }
    }

    /// Removes these. Those that were there, in their order.
    pub fn remove(&mut self, ids: &[TopicPartition]) -> Vec<TopicPartition> {
        let is_meant = |partition: &Assigned| partition.id.is_some_and(|id| ids.contains(&id));
        if !self.partitions.iter().any(is_meant) {
            return Vec::new();
        }
        let (gone, kept): (Vec<Assigned>, Vec<Assigned>) = self.take_all().into_iter().partition(is_meant);
        self.set(kept);
        gone.iter().filter_map(Assigned::id).collect()
    }

    /// The topic of a partition has this id. True if that is news: the id was not known before, or the topic was deleted and
    /// created again. Such a topic has another log, with which the partition begins anew in `first_stage`.
    pub fn identify(&mut self, place: usize, id: TopicPartition, first_stage: Stage) -> bool {
        if self.partitions[place].id == Some(id) {
            return false;
        }
        let partition = &mut self.partitions[place];
        if let Some(old) = partition.id.replace(id) {
            partition.leader = None;
            partition.fetched = None;
            self.some_left = true;
            self.by_id.remove(&old);
            self.enter(place, first_stage);
        }
        self.by_id.insert(id, place);
        true
    }

    // ---- single ones

    /// How many there are: places are below that.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// All, by their places.
    pub fn iter(&self) -> impl Iterator<Item = &Assigned> {
        self.partitions.iter()
    }

    /// The ids that are known.
    pub fn ids(&self) -> impl Iterator<Item = TopicPartition> {
        self.partitions.iter().filter_map(Assigned::id)
    }

    /// The ids of those that the application has.
    pub fn owned(&self) -> impl Iterator<Item = TopicPartition> {
        let owned = self.partitions.iter();
        let owned = owned.filter(|partition| partition.tenure != Tenure::Coming);
        owned.filter_map(Assigned::id)
    }

    /// The place of a partition.
    pub fn place(&self, id: TopicPartition) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// The partition with this id.
    pub fn find(&self, id: TopicPartition) -> Option<&Assigned> {
        Some(&self.partitions[self.place(id)?])
    }

    /// The place of a partition for which the answer of this broker to a fetch still counts.
    pub fn awaiting(&self, id: TopicPartition, from: NodeId) -> Option<usize> {
        self.place(id)
            .filter(|place| self.partitions[*place].awaits_records(from))
    }

    /// The partition in a place.
    pub fn at(&self, place: usize) -> &Assigned {
        &self.partitions[place]
    }

    /// The same, to change what concerns it alone.
    pub fn at_mut(&mut self, place: usize) -> &mut Assigned {
        &mut self.partitions[place]
    }

    // ---- what they wait for

    /// Begins a stage; answers to earlier requests are void. Records are kept in [`Stage::Fetch`] alone.
    pub fn enter(&mut self, place: usize, stage: Stage) {
        self.partitions[place].enter(stage);
        if stage != Stage::Fetch {
            self.drop_records(place);
        }
    }

    /// Goes on at another position.
    pub fn go_to(&mut self, place: usize, position: Position, stage: Stage) {
        self.drop_records(place);
        self.partitions[place].position = Some(position);
        self.partitions[place].enter(stage);
    }

    /// Takes a leader over. A position whose epoch is known is first validated with a leader of another epoch.
    pub fn follow(&mut self, place: usize, leader: Option<(NodeId, LeaderEpoch)>) {
        if self.partitions[place].leader != leader && self.partitions[place].follow(leader) {
            self.drop_records(place);
        }
    }

    /// The places of those that have changed or wait for something, ascending: the others have nothing to do.
    pub fn unsettled(&self) -> impl Iterator<Item = usize> {
        self.partitions.unsettled()
    }

    /// Nothing is to be done about a partition until it changes.
    pub fn settle(&mut self, place: usize) {
        self.partitions.settle(place);
    }

    /// From now on a partition is fetched from this broker, or from none.
    pub fn set_fetched(&mut self, place: usize, from: Option<NodeId>) {
        let partition = &mut self.partitions[place];
        partition.fetched = from.map(|from| (from, partition.turn));
    }

    /// Whether partitions have left, or have other ids, since this was last asked.
    pub fn take_some_left(&mut self) -> bool {
        core::mem::take(&mut self.some_left)
    }

    /// A request about these goes out: what its answer will be compared with.
    pub fn begin_turns(&mut self, places: &[usize]) -> Vec<(TopicPartition, u64)> {
        let mut turns = Vec::with_capacity(places.len());
        for place in places {
            let partition = &mut self.partitions[*place];
            partition.is_asked = true;
            turns.extend(partition.id.map(|id| (id, partition.turn)));
        }
        turns
    }

    /// A request has ended. The partitions for which its answer still counts, with their places.
    pub fn end_turns(&mut self, turns: Vec<(TopicPartition, u64)>) -> BTreeMap<TopicPartition, usize> {
        let mut current = BTreeMap::new();
        for (id, turn) in turns {
            if let Some(place) = self.place(id)
                && self.partitions[place].turn == turn
            {
                self.partitions[place].is_asked = false;
                current.insert(id, place);
            }
        }
        current
    }

    // ---- their records

    /// Whether the application wants no records of a partition for now.
    pub fn set_paused(&mut self, id: TopicPartition, is_paused: bool) {
        let Some(place) = self.place(id) else { return };
        let partition = &mut self.partitions[place];
        if core::mem::replace(&mut partition.is_paused, is_paused) == is_paused {
            return;
        }
        self.ready.retain(|ready| *ready != place);
        if self.partitions[place].is_readable() {
            self.ready.push_back(place);
        }
    }

    /// Keeps what was fetched, behind the records of other partitions.
    pub fn buffer(&mut self, place: usize, batches: Vec<RecordBatch>) {
        if batches.is_empty() {
            return;
        }
        self.answers += 1;
        let partition = &mut self.partitions[place];
        partition.served = self.answers;
        partition.buffer(batches);
        if partition.is_readable() {
            self.ready.push_back(place);
        }
    }

    fn drop_records(&mut self, place: usize) {
        self.partitions[place].drop_records();
        self.ready.retain(|ready| *ready != place);
    }

    /// Whether the application can get records.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next records, at most `limit`; moves the positions past them. Whether a partition has none left.
    pub fn take(&mut self, limit: usize) -> (Vec<ConsumerRecord>, bool) {
        let mut records = Vec::new();
        let mut is_some_empty = false;
        while records.len() < limit
            && let Some(place) = self.ready.front()
        {
            let partition = &mut self.partitions[*place];
            partition.take(limit, &mut records);
            if !partition.has_records() {
                self.ready.pop_front();
                is_some_empty = true;
            }
        }
        (records, is_some_empty)
    }

    /// The leaders of the partitions whose records the application can get.
    pub fn ready_leaders(&self) -> BTreeSet<NodeId> {
        let leaders = self.ready.iter().filter_map(|place| self.partitions[*place].leader);
        leaders.map(|(node, _)| node).collect()
    }
}

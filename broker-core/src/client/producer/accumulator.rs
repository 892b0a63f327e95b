//! The batches of every partition, from the first record until nobody waits for them any more; and which of them may
//! be sent to whom, and when (Kafka's `RecordAccumulator`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::machine::Instant;
use crate::types::{LeaderEpoch, NodeId, Timestamp, TopicPartition};

use super::batch::{Batch, OpenBatch};
use super::partition::Partition;
use super::sequence::{Ordinal, ProducerIdentity};
use super::{ProducerRecord, SendId};

/// The settings that decide about batches.
pub(super) struct Rules {
    pub batch_size: u64,
    pub linger: Duration,
    pub delivery_timeout: Duration,
    pub max_request_size: u64,
    /// One request at a time: a partition waits for the end of its request.
    pub one_in_flight: bool,
    pub idempotent: bool,
}

/// All batches. After every change of a partition [`Accumulator::update`] lists it anew, so that nothing is ever
/// searched: each node has the list of its partitions that may be sent, and one timer per partition stands for the
/// end of its linger or back-off and for the expiry of its oldest batch.
pub(super) struct Accumulator {
    rules: Rules,
    partitions: Vec<Partition>,
    by_id: BTreeMap<TopicPartition, usize>,
    nodes: BTreeMap<NodeId, NodeQueue>,
    timers: BTreeSet<(Instant, usize)>,
    open: BTreeSet<usize>,
    /// The producer's identity, once it has one.
    identity: Option<ProducerIdentity>,
    /// Some partition cannot go on under the present identity.
    needs_new_epoch: bool,
}

/// The partitions that one node leads and that have a batch which nothing but time keeps back.
#[derive(Default)]
struct NodeQueue {
    /// All of them.
    sendable: BTreeSet<usize>,
    /// Those whose time has come: any of them makes the node send.
    due: BTreeSet<usize>,
    /// Where the next request begins, so that a full request does not starve the same partitions each time.
    cursor: usize,
    /// When a batch was last sent to it, or first waited for it (Kafka's `NodeLatencyStats.drainTimeMs`).
    drained_at: Option<Instant>,
}

impl Accumulator {
    pub fn new(rules: Rules) -> Accumulator {
        Accumulator {
            rules,
            partitions: Vec::new(),
            by_id: BTreeMap::new(),
            nodes: BTreeMap::new(),
            timers: BTreeSet::new(),
            open: BTreeSet::new(),
            identity: None,
            needs_new_epoch: false,
        }
    }

    /// The index of a partition, which is made known if it was not.
    pub fn index(&mut self, id: TopicPartition) -> usize {
        *self.by_id.entry(id).or_insert_with(|| {
            self.partitions.push(Partition::new(id));
            self.partitions.len() - 1
        })
    }

    /// How many records of a partition have not ended.
    pub fn queued(&self, id: TopicPartition) -> u64 {
        let index = self.by_id.get(&id);
        index.map_or(0, |index| self.partitions[*index].queued())
    }

    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    pub fn partition(&self, index: usize) -> &Partition {
        &self.partitions[index]
    }

    pub fn partition_mut(&mut self, index: usize) -> &mut Partition {
        &mut self.partitions[index]
    }

    /// Whether no batch of the partition takes records, so that a sticky partition may be left (KIP-794).
    pub fn all_batches_full(&self, index: usize) -> bool {
        self.partitions[index].open.is_none()
    }

    /// Adds a record, stamped with `timestamp`, to the partition's open batch; returns the bytes that it takes there, and whether something may
    /// have become due.
    pub fn append(
        &mut self,
        now: Instant,
        index: usize,
        record: &ProducerRecord,
        timestamp: Timestamp,
        send: SendId,
    ) -> (u64, bool) {
        let mut is_changed = self.make_room(index, record);
        let partition = &mut self.partitions[index];
        let mut before = 0;
        let open = match &mut partition.open {
            Some(open) => {
                before = open.builder.size();
                open
            }
            none => {
                is_changed = true;
                self.open.insert(index);
                none.insert(OpenBatch::new(now))
            }
        };
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        open.builder.push(timestamp, key, value, &record.headers);
        open.sends.push(send);
        let size = open.builder.size();
        if size >= self.rules.batch_size {
            partition.close();
            is_changed = true;
        }
        if is_changed {
            self.update(now, index);
        }
        (size - before, is_changed)
    }

    /// Closes the partition's open batch if the record does not fit into it; true if so.
    pub fn make_room(&mut self, index: usize, record: &ProducerRecord) -> bool {
        let partition = &mut self.partitions[index];
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let size_with = |open: &OpenBatch| open.builder.size_with(key, value, &record.headers);
        let is_full = partition.open.as_ref().map(size_with) > Some(self.rules.batch_size);
        if is_full {
            partition.close();
        }
        is_full
    }

    /// Whether any batch still takes records.
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Closes every open batch, so that none lingers.
    pub fn close_all(&mut self, now: Instant) {
        while let Some(index) = self.open.pop_first() {
            self.partitions[index].close();
            self.update(now, index);
        }
    }

    /// Who leads the partition. A leader of a later epoch than the one that a batch failed at is tried without
    /// back-off (KIP-951).
    pub fn set_leader(&mut self, now: Instant, index: usize, leader: Option<(NodeId, LeaderEpoch)>) {
        let partition = &mut self.partitions[index];
        if partition.leader == leader {
            return;
        }
        partition.leader = leader;
        if let Some((_, epoch)) = leader {
            for batch in partition.queue.iter_mut().take_while(|batch| batch.attempts > 0) {
                if batch.sent_epoch < epoch {
                    batch.retry_at = Instant(0);
                }
            }
        }
        self.update(now, index);
    }

    /// The producer's identity changed; `None` stops all sending.
    pub fn set_identity(&mut self, now: Instant, identity: Option<ProducerIdentity>) {
        self.identity = identity;
        for index in 0..self.partitions.len() {
            self.update(now, index);
        }
    }

    /// The record with this ordinal of the partition will never be in the log: what is behind it needs a new epoch.
    pub fn leave_gap(&mut self, index: usize, ordinal: Ordinal) {
        let sequence = &mut self.partitions[index].sequence;
        sequence.leave_gap(ordinal);
        self.needs_new_epoch |= sequence.identity == self.identity;
    }

    /// Whether a new epoch has been asked for since the last call.
    pub fn take_needs_new_epoch(&mut self) -> bool {
        core::mem::take(&mut self.needs_new_epoch)
    }

    /// A node with something due for which `is_ready` says yes.
    pub fn next_due_node(&self, is_ready: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let due = self.nodes.iter().filter(|(_, queue)| !queue.due.is_empty());
        due.map(|(node, _)| *node).find(|node| is_ready(*node))
    }

    /// The nodes with something due.
    pub fn due_nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let due = self.nodes.iter().filter(|(_, queue)| !queue.due.is_empty());
        due.map(|(node, _)| *node)
    }

    /// What is due now waits for its node: the time counts from the last batch that the node took.
    pub fn note_waiting(&mut self, now: Instant) {
        let due = self.nodes.values_mut().filter(|queue| !queue.due.is_empty());
        for queue in due {
            queue.drained_at.get_or_insert(now);
        }
    }

    /// Since when the node has taken no batch, if some are due.
    pub fn waits_since(&self, node: NodeId) -> Option<Instant> {
        let queue = self.nodes.get(&node).filter(|queue| !queue.due.is_empty());
        queue.and_then(|queue| queue.drained_at)
    }

    /// Puts one batch of each of the node's partitions in flight, up to `max.request.size`, also batches that would
    /// still linger: they travel for nothing. Returns the partitions; the batch is the last in flight of each.
    pub fn drain(&mut self, now: Instant, node: NodeId) -> Vec<usize> {
        let Some(queue) = self.nodes.get(&node) else {
            return Vec::new();
        };
        let from_cursor = queue
            .sendable
            .range(queue.cursor..)
            .chain(queue.sendable.range(..queue.cursor));
        let (mut size, mut cursor) = (0, 0);
        let (mut drained, mut held_back) = (Vec::new(), Vec::new());
        for index in from_cursor.copied() {
            let partition = &mut self.partitions[index];
            let Some(next) = partition.next_size(now) else {
                held_back.push(index);
                continue;
            };
            if size + next > self.rules.max_request_size && !drained.is_empty() {
                cursor = index;
                break;
            }
            size += next;
            partition.put_in_flight(self.identity.filter(|_| self.rules.idempotent));
            drained.push(index);
        }
        if let Some(queue) = self.nodes.get_mut(&node) {
            queue.cursor = cursor;
            queue.drained_at = Some(now);
        }
        // Also those held back by their back-off: they are due no more if the clock was set back.
        for index in drained.iter().chain(&held_back) {
            self.update(now, *index);
        }
        drained
    }

    /// The request with this batch has ended. The batch, unless it has expired.
    pub fn take_in_flight(&mut self, index: usize, position: u64) -> Option<Batch> {
        let partition = &mut self.partitions[index];
        partition.on_wire -= 1;
        let at = partition
            .in_flight
            .iter()
            .position(|batch| batch.position == position)?;
        Some(partition.in_flight.remove(at))
    }

    /// Takes a batch back that is to be sent again.
    pub fn requeue(&mut self, index: usize, batch: Batch) {
        let queue = &mut self.partitions[index].queue;
        if self.rules.idempotent {
            let at = queue.partition_point(|other| other.position < batch.position);
            queue.insert(at, batch);
        } else {
            queue.push_front(batch);
        }
    }

    /// The partitions whose timer has come; [`Accumulator::update`] sets the next.
    pub fn next_timer(&mut self, now: Instant) -> Option<usize> {
        let (at, index) = *self.timers.first()?;
        if at > now {
            return None;
        }
        self.timers.pop_first();
        self.partitions[index].timer = None;
        Some(index)
    }

    /// When the next timer comes.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes the batches out that have not ended within `delivery.timeout.ms`.
    pub fn take_expired(&mut self, now: Instant, index: usize) -> Vec<Batch> {
        let timeout = self.rules.delivery_timeout;
        let partition = &mut self.partitions[index];
        if partition.oldest().is_none_or(|oldest| oldest + timeout > now) {
            return Vec::new();
        }
        if partition
            .open
            .as_ref()
            .is_some_and(|open| open.created + timeout <= now)
        {
            partition.close();
            self.open.remove(&index);
        }
        partition.take_where(|batch| batch.created + timeout <= now)
    }

    /// Takes all batches out.
    pub fn take_all(&mut self, now: Instant, index: usize) -> Vec<Batch> {
        let partition = &mut self.partitions[index];
        partition.close();
        self.open.remove(&index);
        let batches = partition.take_where(|_| true);
        self.update(now, index);
        batches
    }

    /// Lists a partition anew after something about it has changed.
    pub fn update(&mut self, now: Instant, index: usize) {
        self.settle_sequence(index);
        let ready_at = self.ready_at(index);
        let partition = &mut self.partitions[index];
        if partition.open.is_none() {
            self.open.remove(&index);
        }

        let node = ready_at.and(partition.leader).map(|(leader, _)| leader);
        if let Some(old) = partition.listed_at.filter(|old| node != Some(*old))
            && let Some(queue) = self.nodes.get_mut(&old)
        {
            queue.sendable.remove(&index);
            queue.due.remove(&index);
        }
        partition.listed_at = node;
        if let (Some(node), Some(ready_at)) = (node, ready_at) {
            let queue = self.nodes.entry(node).or_default();
            queue.sendable.insert(index);
            if ready_at <= now {
                queue.due.insert(index);
            } else {
                queue.due.remove(&index);
            }
        }

        let expires = partition.oldest().map(|oldest| oldest + self.rules.delivery_timeout);
        let wait = ready_at.filter(|at| *at > now);
        let timer = expires.into_iter().chain(wait).min().filter(|at| *at < Instant::NEVER);
        if timer != partition.timer {
            if let Some(old) = partition.timer {
                self.timers.remove(&(old, index));
            }
            self.timers.extend(timer.map(|at| (at, index)));
            partition.timer = timer;
        }
    }

    /// Resolves what can be resolved, and gives the partition the producer's new identity as soon as no numbered batch
    /// stands against it (`TransactionManager.maybeResolveSequences`, `startSequencesAtBeginning`).
    ///
    /// Kafka numbers all waiting batches anew, also those before the gap, which may be in the log. Here those keep
    /// their numbers until they have ended.
    fn settle_sequence(&mut self, index: usize) {
        let partition = &mut self.partitions[index];
        let oldest = partition.oldest_numbered();
        let sequence = &mut partition.sequence;
        if sequence.unresolved.is_some() && sequence.gap.is_none() && oldest.is_none() {
            // Nothing is left to show whether the last batches are in the log; later ones must not depend on it.
            sequence.leave_gap(sequence.next);
            self.needs_new_epoch |= sequence.identity == self.identity;
        }
        let Some(identity) = self.identity.filter(|identity| sequence.identity != Some(*identity)) else {
            return;
        };
        let may_begin = match (oldest, sequence.gap) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(oldest), Some(gap)) => oldest >= gap && partition.on_wire == 0,
        };
        if may_begin {
            for batch in partition.queue.iter_mut().take_while(|batch| batch.sequence.is_some()) {
                batch.sequence = None;
            }
            sequence.begin(identity);
        }
    }

    /// From when on the partition's first batch may be sent; `None` while something other than time keeps it back.
    fn ready_at(&self, index: usize) -> Option<Instant> {
        let partition = &self.partitions[index];
        let at = match (partition.queue.front(), &partition.open) {
            (Some(batch), _) => batch.retry_at,
            (None, Some(open)) => open.created + self.rules.linger,
            (None, None) => return None,
        };
        let is_muted = self.rules.one_in_flight && partition.on_wire > 0;
        let may_send =
            partition.leader.is_some() && !is_muted && (!self.rules.idempotent || self.is_in_sequence(partition));
        may_send.then_some(at)
    }

    /// `RecordAccumulator.shouldStopDrainBatchesForPartition`: what keeps the order of an idempotent producer.
    fn is_in_sequence(&self, partition: &Partition) -> bool {
        let sequence = &partition.sequence;
        if self.identity.is_none() {
            return false;
        }
        match partition.queue.front().map(|batch| (batch, batch.sequence)) {
            // A retry waits until it is the oldest that has not ended; until then nothing behind it is sent either.
            Some((retry, Some((_, ordinal)))) => {
                partition.in_flight.iter().all(|batch| batch.position > retry.position)
                    && sequence.gap.is_none_or(|gap| ordinal < gap)
            }
            _ => {
                sequence.identity == self.identity
                    && sequence.gap.is_none()
                    && sequence.unresolved.is_none()
                    && partition.in_flight.len() < sequence.window()
            }
        }
    }
}

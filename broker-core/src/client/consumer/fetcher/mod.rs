//! What is fetched from which broker (Kafka's `Fetcher`).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::client::network::Reply;
use crate::config::ConsumerConfig;
use crate::machine::Instant;
use crate::protocol::{FetchPartition, FetchPartitionResponse, Response};
use crate::types::{NodeId, Offset};

use super::assignment::{Assigned, Assignment, Stage};

mod source;

use source::{Idle, Source};

/// What is fetched from which broker: a fetch session (KIP-227) for each.
#[derive(Default)]
pub(super) struct Fetcher {
    sources: BTreeMap<NodeId, Source>,
}

/// What the end of a fetch calls for.
#[must_use]
pub(super) enum Fetched {
    /// These are to be taken over, as far as they are still [awaited](Assignment::awaiting).
    Partitions(Vec<FetchPartitionResponse>),
    /// The partitions in these places are to be asked for again after a back-off.
    Failed(Vec<usize>),
}

impl Fetcher {
    /// Sees that the next fetch asks for a partition what it should. While a fetch is out, what it asked stands. When to look
    /// at the partition again, if that is a matter of time. The metadata may be older than the partition
    /// (`is_unknown`).
    pub fn follow(
        &mut self,
        assigned: &mut Assignment,
        place: usize,
        is_unknown: bool,
        config: &ConsumerConfig,
        now: Instant,
    ) -> Option<Instant> {
        let partition = assigned.at(place);
        if partition.is_readable() {
            // Nothing is fetched from its leader until the records are taken, and then the partition is looked at again.
            let leader = partition.leader().map(|(node, _)| node);
            let is_from_leader = partition.fetched_from().is_none_or(|from| Some(from) == leader);
            if is_from_leader || self.stop(assigned, place) {
                assigned.settle(place);
            }
            return None;
        }
        let is_fetched = partition.stage() == Stage::Fetch && partition.wants_request();
        let Some((node, epoch)) = partition.leader().filter(|_| is_fetched) else {
            let is_settled = self.stop(assigned, place);
            // The group is asked about a partition that waits for its committed position.
            let waits = assigned.at(place).stage() == Stage::Committed || is_unknown;
            if is_settled && !waits {
                assigned.settle(place);
            }
            return None;
        };
        if partition.retry_at > now {
            let at = partition.retry_at;
            self.stop(assigned, place);
            return Some(at);
        }
        if partition.fetched_from().is_some_and(|from| from != node) && !self.stop(assigned, place) {
            return None;
        }
        let mut source = self.sources.entry(node).or_default().idle()?;
        let partition = assigned.at(place);
        if let (Some(id), Some(position)) = (partition.id(), partition.position()) {
            source.set(FetchPartition {
                partition: id,
                current_leader_epoch: Some(epoch),
                fetch_offset: position.offset,
                // A follower lets its leader compare logs with each fetch; a consumer asks when the leader changes.
                last_fetched_epoch: None,
                log_start_offset: Offset(-1),
                max_bytes: config.max_partition_fetch_bytes,
            });
            assigned.set_fetched(place, Some(node));
        }
        assigned.settle(place);
        None
    }

    /// The next fetch asks nothing for a partition. False while one is out that does.
    pub fn stop(&mut self, assigned: &mut Assignment, place: usize) -> bool {
        let partition = assigned.at(place);
        let (Some(from), Some(id)) = (partition.fetched_from(), partition.id()) else {
            return true;
        };
        if let Some(source) = self.sources.get_mut(&from) {
            let Some(mut source) = source.idle() else {
                return false;
            };
            source.forget(id);
        }
        assigned.set_fetched(place, None);
        true
    }

    /// The brokers that have partitions to fetch and no fetch to answer.
    pub fn due<'a>(&'a mut self, assigned: &'a mut Assignment) -> impl Iterator<Item = (NodeId, Idle<'a>)> {
        if assigned.take_some_left() {
            self.sources.values_mut().for_each(Source::suspect_strangers);
        }
        // Nothing is fetched from these until the application has taken what they gave (KAFKA-17182). A fetch without the
        // partitions that have records buffered would be parked for `fetch.max.wait.ms` if the others are idle, and the
        // busy ones would wait behind it. What the application does not get for now, as of paused partitions, stops nobody.
        let buffered = assigned.ready_leaders();
        let assigned = &*assigned;
        self.sources.iter_mut().filter_map(move |(node, source)| {
            let mut source = source.idle().filter(|_| !buffered.contains(node))?;
            source.drop_strangers(|id| assigned.find(id).and_then(Assigned::fetched_from) == Some(*node));
            (!source.is_empty()).then_some((*node, source))
        })
    }

    /// A fetch from this broker was answered, or its connection was lost.
    pub fn replied(&mut self, assigned: &Assignment, from: NodeId, reply: Reply) -> Fetched {
        let session = self.sources.entry(from).or_default().ended();
        let Reply::Answer(Response::Fetch(answer)) = reply else {
            session.on_lost();
            // The back-off of the connection is enough.
            return Fetched::Failed(Vec::new());
        };
        if session.on_response(&answer) {
            return Fetched::Partitions(answer.partitions);
        }
        if answer.error.is_lost_session() {
            return Fetched::Failed(Vec::new());
        }
        let asked = |place: &usize| assigned.at(*place).fetched_from() == Some(from);
        Fetched::Failed((0..assigned.len()).filter(asked).collect())
    }
}

//! How busy the workers of a group are since the heal, how far they get, and who leaves because a poll takes too long.
//!
//! Behind are two kinds of groups: those whose workers have nothing to do, because something keeps the records from
//! them, and those whose workers have too much. Only the first is a fault of the cluster.

use std::collections::BTreeMap;

use broker_core::types::{NodeId, TopicPartition};

use crate::history::SimTime;

/// The work of a group.
#[derive(Default)]
pub(super) struct Busy {
    nodes: BTreeMap<NodeId, Shift>,
    lanes: BTreeMap<TopicPartition, Lane>,
    healed: Option<SimTime>,
    has_begun: bool,
    /// How often a member lost its place since the heal while its program worked on what its last poll had brought.
    pub late: u64,
}

/// The work of one program.
#[derive(Default)]
struct Shift {
    /// Records in work.
    open: u32,
    /// Since when there are some.
    since: SimTime,
    /// Nanoseconds of work that are over, since the heal.
    worked: u64,
    /// When it last polled records.
    polled: SimTime,
}

/// The work on one partition since the heal.
struct Lane {
    /// Records on which work ended for good.
    ended: u64,
    /// When it last did.
    last: SimTime,
}

impl Busy {
    /// A program got records.
    pub fn polled(&mut self, node: NodeId, now: SimTime) {
        self.nodes.entry(node).or_default().polled = now;
    }

    /// A program began to work on a record.
    pub fn begun(&mut self, node: NodeId, now: SimTime) {
        self.has_begun = true;
        let shift = self.nodes.entry(node).or_default();
        if shift.open == 0 {
            shift.since = now;
        }
        shift.open += 1;
    }

    /// It ended that work: for good, or to try again later.
    pub fn ended(&mut self, node: NodeId, partition: TopicPartition, now: SimTime, for_good: bool) {
        let shift = self.nodes.entry(node).or_default();
        shift.open = shift.open.saturating_sub(1);
        if shift.open == 0 {
            shift.worked += now.0.saturating_sub(shift.since.0);
        }
        if for_good && self.healed.is_some() {
            let lane = self.lanes.entry(partition).or_insert(Lane { ended: 0, last: now });
            lane.ended += 1;
            lane.last = now;
        }
    }

    /// The process of a program ended, and its work with it.
    pub fn died(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// A running member lost its place in the group; `poll_interval` is its `max.poll.interval.ms`, in nanoseconds. It
    /// counts from the beginning of a poll, which may wait for its records for half of that time.
    pub fn lost_place(&mut self, node: NodeId, poll_interval: u64, now: SimTime) {
        let Some(shift) = self.nodes.get(&node) else { return };
        if self.healed.is_some() && shift.open > 0 && now.0.saturating_sub(shift.polled.0) >= poll_interval / 2 {
            self.late += 1;
        }
    }

    /// Everything is healed: from here on it counts.
    pub fn healed(&mut self, now: SimTime) {
        self.healed = Some(now);
        for shift in self.nodes.values_mut() {
            shift.worked = 0;
            shift.since = shift.since.max(now);
        }
    }

    /// Whether any work on any record ever began.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The share of the time since the heal that a program worked, from 0 to 1.
    pub fn share(&self, node: NodeId, now: SimTime) -> f64 {
        let (Some(shift), Some(healed)) = (self.nodes.get(&node), self.healed) else {
            return 0.0;
        };
        let open = match shift.open {
            0 => 0,
            _ => now.0 - shift.since.0,
        };
        (shift.worked + open) as f64 / (now.0 - healed.0).max(1) as f64
    }

    /// Whether the work on a partition gets on: it has ended records since the heal, and the last not long ago for its
    /// pace.
    pub fn gets_on(&self, partition: TopicPartition, now: SimTime) -> bool {
        const FEW: u64 = 5;
        let (Some(lane), Some(healed)) = (self.lanes.get(&partition), self.healed) else {
            return false;
        };
        let each = (lane.last.0 - healed.0) / lane.ended.max(1);
        lane.ended >= FEW && now.0 - lane.last.0 <= (10 * each).max(1_000_000_000)
    }

    /// How many records of these partitions a second are worked off, since the heal.
    pub fn rate(&self, partitions: impl Iterator<Item = TopicPartition>, now: SimTime) -> f64 {
        let Some(healed) = self.healed else { return 0.0 };
        let lanes = partitions.filter_map(|partition| self.lanes.get(&partition));
        let ended: u64 = lanes.map(|lane| lane.ended).sum();
        ended as f64 / ((now.0 - healed.0).max(1) as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use broker_core::types::TopicId;

    use super::*;

    const NODE: NodeId = NodeId(301);

    fn at(seconds: u64) -> SimTime {
        SimTime(seconds * 1_000_000_000)
    }

    #[test]
    fn work_counts_from_the_heal_on() {
        let partition = TopicPartition::new(TopicId(100), 0);
        let mut busy = Busy::default();
        busy.begun(NODE, at(1));
        busy.ended(NODE, partition, at(5), true);
        busy.begun(NODE, at(8));
        busy.healed(at(10));
        busy.begun(NODE, at(11));
        busy.ended(NODE, partition, at(12), true);
        busy.ended(NODE, partition, at(14), true);
        busy.begun(NODE, at(18));
        assert!((busy.share(NODE, at(20)) - 0.6).abs() < 1e-9, "four seconds, then two");
        let rate = |partition| busy.rate(core::iter::once(partition), at(20));
        assert!((rate(partition) - 0.2).abs() < 1e-9);
        assert_eq!(rate(TopicPartition::new(TopicId(100), 1)), 0.0);
        assert_eq!(busy.lanes.get(&partition).map(|lane| lane.ended), Some(2));
        busy.ended(NODE, partition, at(20), false);
        assert_eq!(
            busy.lanes.get(&partition).map(|lane| lane.last),
            Some(at(14)),
            "it will be tried again"
        );
        busy.died(NODE);
        assert_eq!(busy.share(NODE, at(20)), 0.0);
    }

    #[test]
    fn who_loses_its_place_in_the_middle_of_long_work_is_late() {
        let lost = |healed: u64, begun: bool, now: u64| {
            let mut busy = Busy::default();
            busy.healed(at(healed));
            busy.polled(NODE, at(10));
            if begun {
                busy.begun(NODE, at(10));
            }
            busy.lost_place(NODE, at(5).0, at(now));
            busy.late
        };
        assert_eq!(lost(1, true, 15), 1);
        assert_eq!(lost(1, true, 12), 0, "it had time");
        assert_eq!(lost(1, false, 15), 0, "it does nothing");
    }
}

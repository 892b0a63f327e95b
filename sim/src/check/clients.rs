//! What affects clients for good: thrown-out and dead-worker, failed-sends.

use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::protocol::ErrorCode;
use broker_core::types::{NodeId, TopicPartition};

use super::flow::BUSY;
use super::model::{Model, Scene};
use super::nodes::{Named, Nodes};
use super::send_counts::{Bad, SendCounts};
use super::sends::Sends;
use super::witness::{Line, shown};
use crate::history::{At, ConsumerFailure, PolledRecord, SimTime};
use crate::verdict::{Check, Finding, Findings, Ruling, way_out_of, with_way_out};

/// So many sends whose end nobody knows, or since the heal, and none that came through, are no chance.
const MANY: u64 = 5;

/// The consumers that cannot go on, and how much plain consumers read.
#[derive(Default)]
pub(super) struct Clients {
    failed: BTreeMap<NodeId, (At, ConsumerFailure)>,
    /// Since the heal: how many records each consumer got of each partition, and when the last.
    read: BTreeMap<NodeId, BTreeMap<TopicPartition, (u64, SimTime)>>,
    healed: Option<SimTime>,
}

impl Clients {
    /// A consumer cannot go on by itself.
    pub fn failed(&mut self, scene: &Scene<'_>, failure: &ConsumerFailure) {
        let known = self.failed.get(&scene.node);
        if known.is_none() || matches!(failure, ConsumerFailure::NoPlace(..)) {
            self.failed.insert(scene.node, (scene.at, failure.clone()));
        }
    }

    /// It has a position in this partition.
    pub fn has_position(&mut self, node: NodeId, partition: TopicPartition) {
        let is_about = |failure: &ConsumerFailure| match failure {
            ConsumerFailure::NoPosition(of) | ConsumerFailure::LogCut(of, _) => *of == partition,
            ConsumerFailure::NoPlace(..) => false,
        };
        if self.failed.get(&node).is_some_and(|(_, failure)| is_about(failure)) {
            self.failed.remove(&node);
        }
    }

    /// A new process of this client starts with nothing.
    pub fn started(&mut self, node: NodeId) {
        self.failed.remove(&node);
    }

    /// A consumer got records.
    pub fn polled(&mut self, node: NodeId, records: &[PolledRecord], now: SimTime) {
        if self.healed.is_none() {
            return;
        }
        let read = self.read.entry(node).or_default();
        for of_one in records.chunk_by(|one, next| one.partition == next.partition) {
            let (count, last) = read.entry(of_one[0].partition).or_default();
            *count += of_one.len() as u64;
            *last = now;
        }
    }

    /// Everything is healed.
    pub fn healed(&mut self, now: SimTime) {
        self.healed = Some(now);
    }

    /// How many records a second a consumer reads since the heal, if it works on them for most of the time.
    pub fn busy_rate(&self, node: NodeId, processing: Duration, now: At) -> Option<f64> {
        let read = self.read.get(&node)?.values().map(|(count, _)| count).sum::<u64>() as f64;
        let seconds = (now.time.0 - self.healed?.0) as f64 / 1e9;
        (read * processing.as_secs_f64() >= BUSY * seconds).then_some(read / seconds)
    }

    /// Whether a consumer gets on in a partition: it has had records of it in the later half of the time since the heal.
    pub fn gets_on(&self, node: NodeId, partition: TopicPartition, now: At) -> bool {
        let last = self.read.get(&node).and_then(|read| read.get(&partition));
        let (Some((_, last)), Some(healed)) = (last, self.healed) else {
            return false;
        };
        last.0 - healed.0 >= (now.time.0 - healed.0) / 2
    }

    /// Whether there are some of these, and all have failed for reasons that are theirs. A group all of whose members are
    /// fenced may have a coordinator that forgot who they are.
    pub fn have_all_failed(&self, nodes: impl Iterator<Item = NodeId>) -> bool {
        let is_theirs = |node: NodeId| match self.failed.get(&node) {
            Some((_, ConsumerFailure::NoPlace(_, error))) => *error != ErrorCode::FencedInstanceId,
            Some(_) => true,
            None => false,
        };
        let mut nodes = nodes.peekable();
        nodes.peek().is_some() && nodes.all(is_theirs)
    }

    /// thrown-out, dead-worker and failed-sends, once nothing more will happen.
    pub fn finish(&self, sends: &Sends, model: &Model, nodes: &Nodes, findings: &mut Findings) {
        for (node, (at, failure)) in &self.failed {
            findings.add(gave_up(&nodes.named(*node), *at, failure, model));
        }
        for (node, (ever, since_heal)) in sends.counts() {
            let (counts, when) = match (ever, since_heal) {
                (ever, _) if ever.ok == 0 && (ever.failed > 0 || ever.unknown >= MANY) => (ever, ""),
                (_, since) if since.ok == 0 && since.failed + since.unknown >= MANY => (since, " since the heal"),
                _ => continue,
            };
            if let Some(bad) = counts.bad {
                findings.add(none_came_through(&nodes.named(node), (counts, bad), when, sends));
            }
        }
    }
}

/// thrown-out or dead-worker.
fn gave_up(name: &Named<'_>, at: At, failure: &ConsumerFailure, model: &Model) -> Finding {
    let label = |partition: TopicPartition| model.label(partition);
    let (check, shape, said) = match failure {
        ConsumerFailure::NoPosition(partition) => (
            Check::ThrownOut,
            "a consumer has no position and no way to get one".to_owned(),
            format!(
                "{name} has no position in {}, and auto.offset.reset=none names none: its poll ended with an error, and \
                 nobody sought",
                label(*partition)
            ),
        ),
        ConsumerFailure::LogCut(partition, position) => (
            Check::ThrownOut,
            "a consumer's log was cut below its position".to_owned(),
            format!(
                "{name} stood at {position} of {}, whose log was cut below that, and auto.offset.reset=none names no \
                 other position: its poll ended with an error, and nobody sought",
                label(*partition)
            ),
        ),
        ConsumerFailure::NoPlace(group, error) => (
            Check::DeadWorker,
            format!("a member has no place in its group ({error:?})"),
            format!("{name} has no place in group {group} any more ({error:?}), and does not come back by itself"),
        ),
    };
    let way_out = match failure {
        ConsumerFailure::NoPlace(_, error) => way_out_of(*error),
        _ => check.way_out(),
    };
    Finding {
        check,
        ruling: Ruling::Violation,
        shape,
        evidence: with_way_out(said.clone(), way_out),
        at,
        witness: shown(vec![Line { at, text: said }]),
    }
}

/// failed-sends.
fn none_came_through(name: &Named<'_>, (counts, bad): (SendCounts, Bad), when: &str, sends: &Sends) -> Finding {
    let Bad { first, last, error, .. } = bad;
    let to = bad.topic.map(|topic| format!(" to {}", sends.topic_at(topic)));
    let (to, SendCounts { failed, unknown, .. }) = (to.unwrap_or_default(), counts);
    let since = first.time.seconds();
    let evidence = format!(
        "no send of {name}{to}{when} came through: {failed} failed, {unknown} may be stored, the first at {since:.1} s; \
         the last ended with {error:?}"
    );
    let line = |at, which: &str| Line {
        at,
        text: format!("the {which} of these sends of {name} ended so"),
    };
    Finding {
        check: Check::FailedSends,
        ruling: Ruling::Violation,
        shape: format!("no send of a producer comes through ({error:?})"),
        evidence: with_way_out(evidence, way_out_of(error)),
        at: last,
        witness: shown(vec![line(first, "first"), line(last, "last")]),
    }
}

#[cfg(test)]
mod tests {
    use broker_core::types::{LeaderEpoch, Offset, TopicId};

    use super::*;

    #[test]
    fn a_consumer_gets_on_where_it_has_had_records_lately() {
        let node = NodeId(201);
        let of = |index| TopicPartition::new(TopicId(100), index);
        let record = |index| PolledRecord {
            partition: of(index),
            offset: Offset(0),
            leader_epoch: LeaderEpoch(0),
            uid: None,
            fingerprint: 0,
            is_probe: false,
        };
        let time = |seconds: u64| SimTime(seconds * 1_000_000_000);
        let now = At {
            step: 9,
            time: time(30),
        };
        let mut clients = Clients::default();
        clients.polled(node, &[record(0), record(1)], time(5));
        clients.healed(time(10));
        assert!(
            !clients.gets_on(node, of(0), now),
            "what was before the heal does not count"
        );
        clients.polled(node, &[record(0), record(0), record(1)], time(15));
        clients.polled(node, &[record(1)], time(22));
        assert!(!clients.gets_on(node, of(0), now) && clients.gets_on(node, of(1), now));
        let rate = |seconds| clients.busy_rate(node, Duration::from_secs(seconds), now);
        assert_eq!((rate(5), rate(1)), (Some(0.2), None), "four records in twenty seconds");
    }
}

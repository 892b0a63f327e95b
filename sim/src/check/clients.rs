//! What befalls clients for good: thrown-out and dead-worker, failed-sends.

use core::time::Duration;
use std::collections::BTreeMap;

use broker_core::protocol::ErrorCode;
use broker_core::types::{NodeId, TopicPartition};

use super::flow::BUSY;
use super::model::{Model, Nodes, Scene};
use super::sends::Sends;
use super::witness::{Line, shown};
use crate::history::{At, ConsumerFailure, SimTime};
use crate::verdict::{Check, Finding, Findings, Ruling};

/// So many sends that fail, and none that does not, are no chance.
const MANY: u64 = 5;

/// The consumers that cannot go on, and how much plain consumers read.
#[derive(Default)]
pub(super) struct Clients {
    failed: BTreeMap<NodeId, (At, ConsumerFailure)>,
    /// Records that consumers got since the heal.
    read: BTreeMap<NodeId, u64>,
    healed: Option<SimTime>,
}

/// The sends of one client, without those that close a trial.
#[derive(Clone, Copy, Default)]
pub(super) struct SendCounts {
    pub ok: u64,
    pub failed: u64,
    /// Those of a process that died apart.
    pub unknown: u64,
    /// The first and the last that did not end well, and how.
    pub bad: Option<(At, At, ErrorCode)>,
}

impl SendCounts {
    pub fn ended_badly(&mut self, at: At, error: ErrorCode) {
        let first = self.bad.map_or(at, |(first, ..)| first);
        self.bad = Some((first, at, error));
    }
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

    /// A new process of this client begins anew.
    pub fn started(&mut self, node: NodeId) {
        self.failed.remove(&node);
    }

    /// A consumer got so many records.
    pub fn polled(&mut self, node: NodeId, records: usize) {
        if self.healed.is_some() {
            *self.read.entry(node).or_default() += records as u64;
        }
    }

    /// Everything is healed.
    pub fn healed(&mut self, now: SimTime) {
        self.healed = Some(now);
    }

    /// How many records a second a consumer reads since the heal, if it works on them for most of the time.
    pub fn busy_rate(&self, node: NodeId, processing: Duration, now: At) -> Option<f64> {
        let read = *self.read.get(&node)? as f64;
        let seconds = (now.time.0 - self.healed?.0) as f64 / 1e9;
        (read * processing.as_secs_f64() >= BUSY * seconds).then_some(read / seconds)
    }

    /// Whether there are some of these, and all have failed.
    pub fn have_all_failed(&self, nodes: impl Iterator<Item = NodeId>) -> bool {
        let mut nodes = nodes.peekable();
        nodes.peek().is_some() && nodes.all(|node| self.failed.contains_key(&node))
    }

    /// thrown-out, dead-worker and failed-sends, once nothing more will happen.
    pub fn finish(&self, sends: &Sends, model: &Model, nodes: &Nodes, now: At, findings: &mut Findings) {
        for (node, (at, failure)) in &self.failed {
            let name = nodes.named(*node);
            let label = |partition: TopicPartition| super::groups::label(model, partition);
            let (check, shape, said) = match failure {
                ConsumerFailure::NoPosition(partition) => (
                    Check::ThrownOut,
                    "a consumer has no position and no way to get one".to_owned(),
                    format!(
                        "{name} has no position in {}, and auto.offset.reset=none names none: its poll ended with an \
                         error, and nobody sought",
                        label(*partition)
                    ),
                ),
                ConsumerFailure::LogCut(partition, position) => (
                    Check::ThrownOut,
                    "a consumer's log was cut below its position".to_owned(),
                    format!(
                        "{name} stood at {position} of {}, whose log was cut below that, and auto.offset.reset=none \
                         names no other position: its poll ended with an error, and nobody sought",
                        label(*partition)
                    ),
                ),
                ConsumerFailure::NoPlace(group, error) => (
                    Check::DeadWorker,
                    format!("a member has no place in its group ({error:?})"),
                    format!(
                        "{name} has no place in group {group} any more ({error:?}), and does not come back by itself"
                    ),
                ),
            };
            findings.add(Finding {
                check,
                ruling: Ruling::Violation,
                shape,
                evidence: said.clone(),
                at: *at,
                witness: shown(vec![Line { at: *at, text: said }]),
            });
        }
        for (node, ever, since_heal) in sends.counts() {
            let (counts, when) = match (ever, since_heal) {
                (ever, _) if ever.ok == 0 && ever.failed + ever.unknown >= MANY => (ever, ""),
                (_, since) if since.ok == 0 && since.failed + since.unknown >= MANY => (since, " since the heal"),
                _ => continue,
            };
            let Some((first, last, error)) = counts.bad else {
                continue;
            };
            let SendCounts { failed, unknown, .. } = counts;
            let name = nodes.named(node);
            let evidence = format!(
                "no send of {name}{when} came through: {failed} failed, {unknown} may be stored; the last ended with \
                 {error:?}"
            );
            let line = |at, which: &str| Line {
                at,
                text: format!("the {which} of these sends of {name} ended so"),
            };
            findings.add(Finding {
                check: Check::FailedSends,
                ruling: Ruling::Violation,
                shape: format!("no send of a producer comes through ({error:?})"),
                evidence,
                at: now.min(last),
                witness: shown(vec![line(first, "first"), line(last, "last")]),
            });
        }
    }
}

//! Why a healed group is not where it should be, when the cluster is not to blame: overload, slow-poll, idle-group. One
//! finding of these takes the place of the L7, L8 and L9 that it explains.

use core::time::Duration;
use std::collections::BTreeSet;

use broker_core::types::{GroupId, NodeId};

use super::{Group, Groups};
use crate::check::clients::Clients;
use crate::check::flow::{BUSY, Flow};
use crate::check::model::{Model, Partition, Scene};
use crate::check::nodes::Nodes;
use crate::check::wait::{On, Wait};
use crate::check::witness::Evidence;
use crate::history::{At, SimTime};
use crate::scenario::WorkerGroup;
use crate::units::show_duration;
use crate::verdict::{Check, Finding, Ruling, with_way_out};

/// What became of a group.
pub(in crate::check) enum Fate {
    /// None of its workers is there any more, which is a finding of its own.
    Gone,
    /// This finding says it all.
    Found(Box<Finding>),
    /// It would have caught up, at this rate in records a second.
    CatchingUp(f64),
}

impl Groups {
    /// Why what is waited for of this group has not come, if the cluster is not to blame. `waits` are of this group alone.
    pub fn fate(
        &self,
        id: &GroupId,
        waits: &[&Wait],
        clients: &Clients,
        (model, nodes): (&Model, &Nodes),
        now: At,
    ) -> Option<Fate> {
        let workers: Vec<&WorkerGroup> = self.contracts.of_group(id).collect();
        if clients.have_all_failed(self.contracts.nodes_of(id)) {
            return Some(Fate::Gone);
        }
        let group = &self.list[self.named(&id.0)?];
        let found = |check: Check, shape: &str, evidence: String| {
            Some(Fate::Found(Box::new(Finding {
                check,
                ruling: Ruling::Violation,
                shape: shape.to_owned(),
                evidence: with_way_out(evidence, check.way_out()),
                at: now,
                witness: group.notes.witness(Check::L7, now, &mut Evidence::default(), nodes),
            })))
        };
        let waits_for = waits.first().map_or(String::new(), |wait| wait.text.clone());
        if group.busy.late > 1 {
            let consumer = &workers.first()?.consumer;
            let interval = show_duration(Duration::from_millis(consumer.max_poll_interval_ms));
            let (late, most) = (group.busy.late, consumer.max_poll_records);
            let evidence = format!(
                "members of group {id} lost their place {late} times since the heal, because the work on a poll's \
                 records took longer than max.poll.interval.ms ({interval}; a poll brings up to {most}); {waits_for}"
            );
            let shape = "members lose their place because their polls come too late";
            return found(Check::SlowPoll, shape, evidence);
        }
        if !group.busy.has_begun() {
            let evidence = format!("no member of group {id} ever began to work on a record; {waits_for}");
            let shape = "a group processes nothing";
            return found(Check::IdleGroup, shape, evidence);
        }
        if !waits.iter().all(|wait| group.is_busy(wait, nodes, now.time)) {
            return None;
        }
        // Programs of one group may read the same topics.
        let topics: BTreeSet<&str> = workers.iter().flat_map(|workers| workers.subscription()).collect();
        let partitions: Vec<&Partition> = topics
            .into_iter()
            .flat_map(|topic| model.partitions_of(topic))
            .collect();
        let load = group.load(waits, &partitions, nodes);
        let work = group
            .busy
            .rate(load.partitions.iter().map(|partition| partition.id), now.time);
        let flow = Flow::to(load.partitions.iter().copied());
        if flow.rate() <= work {
            return Some(Fate::CatchingUp(work));
        }
        Some(Fate::Found(Box::new(flow.overload(&load.who, work, &waits_for, now))))
    }
}

/// A member that gets none of the records that come in for this long is judged to get none at all.
const LONG: Duration = Duration::from_secs(10);

impl Groups {
    /// idle-group, for groups of which nobody has said that they drain their topics: what has come in since the
    /// environment let go of everything, and after the member had its partition, would have been polled.
    pub fn check_idle(&self, scene: &mut Scene<'_>, model: &Model, quiet_since: At) {
        for group in &self.list {
            let is_reported = self.contracts.of_group(&group.id).next().is_some();
            if is_reported || group.has_polled || group.busy.has_begun() {
                continue;
            }
            let (mut count, mut first) = (0, None);
            for (partition, node, since) in group.owners.now(scene.nodes) {
                let Some(partition) = model.find(partition) else {
                    continue;
                };
                let (from, to) = (
                    since.max(quiet_since),
                    scene.at.time.0.saturating_sub(LONG.as_nanos() as u64),
                );
                let missed = Flow::between(partition, from, SimTime(to));
                if missed > 0 {
                    count += missed;
                    first.get_or_insert((node, &partition.label, since));
                }
            }
            let Some((node, label, since)) = first else { continue };
            let (id, name, since) = (&group.id, scene.nodes.named(node).to_string(), since.time.seconds());
            scene.violation(Check::IdleGroup, "a group processes nothing", &group.notes, || {
                let said = format!(
                    "no member of group {id} ever got a record, though {count} came in for it: {name} has owned {label} \
                     since {since:.1} s"
                );
                with_way_out(said, Check::IdleGroup.way_out())
            });
        }
    }
}

/// The members that have too much to do.
struct Load<'a> {
    /// As people call them: the group, if they have all of its partitions.
    who: String,
    /// All that they own.
    partitions: Vec<&'a Partition>,
}

impl Group {
    /// Whose work is waited for. A member shares its time between its partitions, so that all of them count; those of
    /// the other members do not.
    fn load<'a>(&self, waits: &[&Wait], partitions: &[&'a Partition], nodes: &Nodes) -> Load<'a> {
        let owner = |partition| self.owners.owner(nodes, partition);
        let late = waits.iter().filter_map(|wait| match &wait.on {
            On::Group(_, Some(partition)) => owner(*partition),
            _ => None,
        });
        let late: BTreeSet<NodeId> = late.collect();
        let is_theirs = |partition: &&&Partition| owner(partition.id).is_some_and(|owner| late.contains(&owner));
        let theirs: Vec<&Partition> = partitions.iter().filter(is_theirs).copied().collect();
        let who = match theirs.len() == partitions.len() {
            true => self.id.to_string(),
            false => {
                let names: Vec<String> = late.iter().map(|node| nodes.named(*node).to_string()).collect();
                names.join(", ")
            }
        };
        Load {
            who,
            partitions: theirs,
        }
    }

    /// Whether it waits for nothing but the work of a partition's owner, who works all the time and gets on.
    fn is_busy(&self, wait: &Wait, nodes: &Nodes, now: SimTime) -> bool {
        let On::Group(_, Some(partition)) = &wait.on else {
            return false;
        };
        if wait.check == Check::L7 {
            return false;
        }
        let owner = self.owners.owner(nodes, *partition);
        let busy = &self.busy;
        busy.gets_on(*partition, now) && owner.is_some_and(|owner| busy.share(owner, now) >= BUSY)
    }
}

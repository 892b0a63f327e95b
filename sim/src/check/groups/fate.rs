//! Why a healed group is not where it should be, when the cluster is not to blame: overload, slow-poll, idle-group. One
//! finding of these takes the place of the L7, L8 and L9 that it explains.

use broker_core::types::GroupId;

use super::{Group, Groups};
use crate::check::clients::Clients;
use crate::check::flow::{BUSY, Flow};
use crate::check::liveness::{On, Wait};
use crate::check::model::{Model, Nodes};
use crate::check::witness::Evidence;
use crate::history::{At, SimTime};
use crate::scenario::WorkerGroup;
use crate::scenario::units::show_duration;
use crate::verdict::{Check, Finding, Ruling};

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
        let found = |check, shape: &str, evidence: String| {
            Some(Fate::Found(Box::new(Finding {
                check,
                ruling: Ruling::Violation,
                shape: shape.to_owned(),
                evidence,
                at: now,
                witness: group.notes.witness(Check::L7, now, &mut Evidence::default(), nodes),
            })))
        };
        let waits_for = waits.first().map_or(String::new(), |wait| wait.text.clone());
        if group.busy.late > 1 {
            let consumer = &workers.first()?.consumer;
            let interval = show_duration(core::time::Duration::from_millis(consumer.max_poll_interval_ms));
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
        let work = group.busy.rate(now.time);
        let topics = workers.iter().flat_map(|workers| workers.subscription());
        let flow = Flow::to(topics.flat_map(|topic| model.partitions_of(topic)));
        if flow.rate() <= work {
            return Some(Fate::CatchingUp(work));
        }
        Some(Fate::Found(Box::new(flow.overload(&id.0, work, &waits_for, now))))
    }
}

impl Group {
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

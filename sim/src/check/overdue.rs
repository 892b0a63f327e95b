//! What never came after the heal: L1, L2, L5, L7, L8, L9, and what takes their place when clients are to blame.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_core::types::{GroupId, NodeId};

use super::groups::fate::Fate;
use super::wait::{On, Wait};
use super::{Checks, Finish};
use crate::verdict::{Check, Finding, Ruling};

/// What began less than this before the end is no sign that anything is wrong: a healthy cluster commits in milliseconds,
/// and a request that found its leader gone is answered within a few back-offs.
const RECENT: Duration = Duration::from_secs(2);

impl Checks {
    /// What never came after the heal: L1, L2, L5, L7, L8, L9, and what takes their place when the cluster is not to
    /// blame. True if that explains all of it.
    pub(super) fn judge_progress(&mut self, end: &Finish) -> bool {
        if !self.sends.are_healed() {
            return false;
        }
        let mut waits = self.waits();
        waits.retain(|wait| !end.settled || wait.check == Check::L5);
        if !end.settled && end.cut_off.is_none() && !self.set_recent_apart(&mut waits) {
            return false;
        }
        let mut is_explained = !waits.is_empty();
        if end.cut_off.is_none() {
            is_explained &= self.explain(&mut waits);
        }
        let ruling = match &end.cut_off {
            None => Ruling::Violation,
            Some(limit) => Ruling::Unknown(format!("the trial was cut off: {limit}")),
        };
        for wait in &waits {
            self.waited(wait, ruling.clone());
        }
        is_explained && waits.is_empty()
    }

    /// Takes out what began only just before the end: the cluster was given no time for it. False if there is nothing else,
    /// so that nothing says why the trial did not settle.
    fn set_recent_apart(&mut self, waits: &mut Vec<Wait>) -> bool {
        let is_recent = |wait: &Wait| self.now.time.0.saturating_sub(wait.since.time.0) < RECENT.as_nanos() as u64;
        let (recent, old): (Vec<Wait>, Vec<Wait>) =
            waits.drain(..).partition(|wait| wait.since.step > 0 && is_recent(wait));
        *waits = old;
        if recent.is_empty() || !waits.is_empty() {
            return true;
        }
        for wait in &recent {
            let reason = "it began just before the end: raise `settle`".to_owned();
            self.waited(wait, Ruling::Unknown(reason));
        }
        false
    }

    /// Takes out what is waited for in vain because of clients, and says so. False if some of them were only slow.
    fn explain(&mut self, waits: &mut Vec<Wait>) -> bool {
        // Whatever is wrong with the cluster comes first.
        let of_clients = |wait: &Wait| matches!(wait.on, On::Group(..) | On::Reader(_));
        if !waits.iter().all(of_clients) {
            return false;
        }
        let mut is_all = true;
        let mut fates: BTreeMap<GroupId, Option<Fate>> = BTreeMap::new();
        for wait in waits.iter() {
            if let On::Group(id, _) = &wait.on
                && !fates.contains_key(id)
            {
                let of_group = |wait: &&Wait| matches!(&wait.on, On::Group(of, _) if of == id);
                let of_group: Vec<&Wait> = waits.iter().filter(of_group).collect();
                let seen = (&self.model, &self.nodes);
                let fate = self.groups.fate(id, &of_group, &self.clients, seen, self.now);
                fates.insert(id.clone(), fate);
            }
        }
        // One consumer may be behind in several partitions.
        let mut behind: BTreeMap<usize, NodeId> = BTreeMap::new();
        let mut of_readers: BTreeMap<NodeId, Fate> = BTreeMap::new();
        for wait in waits.iter() {
            if let On::Reader(place) = wait.on
                && let Some((node, fate)) = self.fate_of_reader(place, &wait.text)
            {
                behind.insert(place, node);
                of_readers.entry(node).or_insert(fate);
            }
        }
        let explained = |wait: &Wait| match &wait.on {
            On::Group(id, _) => fates.get(id).and_then(Option::as_ref),
            On::Reader(place) => of_readers.get(behind.get(place)?),
            _ => None,
        };
        for wait in waits.iter() {
            if let Some(Fate::CatchingUp(rate)) = explained(wait) {
                is_all = false;
                let reason = format!("it was still catching up, at {rate:.0} records/s: raise `settle`");
                self.waited(wait, Ruling::Unknown(reason));
            }
        }
        waits.retain(|wait| explained(wait).is_none());
        for fate in fates.into_values().flatten().chain(of_readers.into_values()) {
            if let Fate::Found(finding) = fate {
                self.findings.add(*finding);
            }
        }
        is_all
    }

    /// Something is still waited for.
    fn waited(&mut self, wait: &Wait, ruling: Ruling) {
        let shape = match wait.check {
            Check::L1 => "no single controller after the heal",
            Check::L2 => "a partition does not work after the heal",
            Check::L5 => "a send did not end well after the heal",
            Check::L7 => "a group did not become stable after the heal",
            Check::L9 => "a retry topic was not drained after the heal",
            _ => "a replica or a consumer did not catch up after the heal",
        };
        let finding = Finding {
            check: wait.check,
            ruling,
            shape: shape.to_owned(),
            witness: self.why(wait),
            evidence: wait.text.clone(),
            at: self.now,
        };
        self.findings.add(finding);
    }
}

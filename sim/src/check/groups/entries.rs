//! What programs of groups did, as the history has it.

use broker_core::types::TopicPartition;

use super::processing::Ends;
use super::{Groups, commits, ownership, processing};
use crate::check::model::{Model, Scene};
use crate::check::sends::Sends;
use crate::check::witness::OfGroup;
use crate::history::{CommitEnded, CommitInvoked, PolledRecord, ProcessEnded, ProcessOutcome, Processing, Sought};

impl Groups {
    /// A program began to work on a record.
    pub fn process_begun(&mut self, scene: &mut Scene<'_>, model: &Model, processing: &Processing) {
        let Some(id) = &processing.group else { return };
        let place = self.place(id);
        let group = &mut self.list[place];
        let contract = self.contracts.of(scene.node);
        group.busy.begun(scene.node, scene.at.time);
        processing::begun(scene, model, group, contract, processing);
        self.hops.check_time(scene, &group.notes, processing);
    }

    /// It ended that work.
    pub fn process_ended(&mut self, scene: &mut Scene<'_>, model: &Model, sends: &Sends, ended: &ProcessEnded) {
        let ProcessEnded { processing, outcome } = ended;
        let Some(id) = &processing.group else { return };
        match outcome {
            ProcessOutcome::WillRetry => {}
            ProcessOutcome::Processed => self.totals.processed += 1,
            ProcessOutcome::Retried(_) => self.totals.retried += 1,
            ProcessOutcome::DeadLettered(_) => self.totals.dead_lettered += 1,
            ProcessOutcome::Skipped => self.totals.skipped += 1,
        }
        let place = self.place(id);
        let group = &mut self.list[place];
        let is_for_good = *outcome != ProcessOutcome::WillRetry;
        group
            .busy
            .ended(scene.node, processing.partition, scene.at.time, is_for_good);
        let Some((before, after)) = group.lanes.ended(scene, model, processing, *outcome) else {
            return;
        };
        let Some(uid) = processing.uid else { return };
        let root = self.hops.root(uid, (processing.partition, processing.offset));
        let has = |ends: Ends| ends.has(Ends::PROCESSED);
        let of_root = group.lanes.get(root.place.0);
        let of_root = of_root.and_then(|lane| lane.mark_of(root.place.1, root.uid));
        let was_processed = has(before)
            || has(self.hops.ends(place, root.uid))
            || root.uid != uid && of_root.is_some_and(|mark| has(mark.ends));
        self.hops.ended(place, uid, after);
        if was_processed || !has(after) {
            return;
        }
        if let Some((send, number)) = sends.numbered(root.uid) {
            let contract = self.contracts.of(scene.node);
            let root = (root, group.lanes.stint(root.place.0));
            group
                .keys
                .processed(scene, model, contract, &group.notes, (send, number), root);
        }
    }

    /// A program, or its consumer for it, asked to commit positions.
    pub fn commit_invoked(&mut self, scene: &Scene<'_>, model: &Model, commit: &CommitInvoked) {
        let place = self.place(&commit.group);
        let group = &mut self.list[place];
        group.positions.asked(&commit.offsets);
        group.lanes.commit_invoked(scene.at, model, &commit.offsets);
    }

    /// A commit ended.
    pub fn commit_ended(&mut self, scene: &mut Scene<'_>, model: &Model, commit: &CommitEnded) {
        let CommitEnded { group, offsets, error } = commit;
        let place = self.place(group);
        let group = &mut self.list[place];
        if !error.is_ok() {
            let positions = offsets
                .iter()
                .map(|(partition, offset)| format!("{} {offset}", model.label(*partition)));
            let positions = positions.collect::<Vec<_>>().join(", ");
            let words = format!("a commit of {} was not taken ({error:?}): {positions}", scene.name());
            let partitions: Vec<TopicPartition> = offsets.iter().map(|(partition, _)| *partition).collect();
            group.note(scene, OfGroup::Refused, &partitions, words);
            return;
        }
        group.lanes.commit_acked(offsets);
        commits::check_acked(scene, model, group, offsets);
    }

    /// A poll returned records.
    pub fn polled(&mut self, scene: &mut Scene<'_>, model: &Model, records: &[PolledRecord]) {
        if let Some(place) = self.of_node.get(&scene.node)
            && records.iter().any(|record| !record.is_probe)
        {
            self.list[*place].has_polled = true;
        }
        // Other programs than workers may leave their group, and read on without one.
        let Some(workers) = self.contracts.of(scene.node) else {
            return;
        };
        let place = match self.of_node.get(&scene.node) {
            Some(place) => *place,
            None => {
                let id = workers.group.as_str().into();
                self.place(&id)
            }
        };
        self.list[place].busy.polled(scene.node, scene.at.time);
        ownership::check_polled(scene, model, &self.list[place], records);
    }

    /// A program moved its position by itself.
    pub fn sought(&mut self, scene: &Scene<'_>, model: &Model, &Sought { partition, to }: &Sought) {
        let Some(place) = self.of_node.get(&scene.node) else {
            return;
        };
        let group = &mut self.list[*place];
        group.lanes.moved(partition, to, true);
        let (node, label) = (scene.name(), model.label(partition));
        let words = format!("the program of {node} moved its position in {label} to {to}");
        group.note(scene, OfGroup::Sought, &[partition], words);
    }

    /// The process of a node ended.
    pub fn died(&mut self, scene: &Scene<'_>) {
        if let Some(place) = self.of_node.get(&scene.node) {
            let words = format!("the process of {} ended", scene.name());
            let group = &mut self.list[*place];
            group.note(scene, OfGroup::Died, &[], words);
            group.busy.died(scene.node);
        }
    }
}

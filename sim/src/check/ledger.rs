//! The ledger of one partition: what was committed, in the order of offsets, as no replica can change it any more.
//!
//! When a leader's high watermark first passes a batch, the batch is frozen here. It is never changed. If a new
//! leader begins without it, the batch moves to a [`Version`] together with the ruling on that loss, and what is
//! committed from then on is compared with what is true then.

use broker_core::protocol::RecordBatch;
use broker_core::types::{LeaderEpoch, Offset};

use super::mirror::{Batch, count_below};
use super::replica_set::ReplicaSet;
use super::witness::Note;
use crate::history::{At, Uid, fingerprint};
use crate::mark;
use crate::verdict::Ruling;

/// What is committed, and what was.
#[derive(Default)]
pub(super) struct Ledger {
    /// The committed batches, oldest first.
    pub batches: Vec<Batch>,
    /// How each of them was committed.
    pub commits: Vec<Commit>,
    /// The committed records; the index is the offset.
    pub records: Vec<Committed>,
    /// What was committed once and is not any more.
    pub versions: Vec<Version>,
    /// The largest end that it ever had.
    pub ever_end: Offset,
    /// Leaders of lower epochs do not decide any more: a later one began without what they had committed.
    pub floor: LeaderEpoch,
}

/// How a batch was committed.
#[derive(Clone, Copy)]
pub(super) struct Commit {
    /// When.
    pub at: At,
    /// The maximal ISR then: all of them had it.
    pub isr: ReplicaSet,
    /// Whether its producer was idempotent.
    pub idempotent: bool,
}

/// A committed record.
#[derive(Clone, Copy)]
pub(super) struct Committed {
    /// The record's name, if its value has one.
    pub uid: Option<Uid>,
    /// CRC-32C of key, value and headers.
    pub fingerprint: u32,
    /// The epoch of its batch.
    pub epoch: LeaderEpoch,
    /// Consumers may see it: it is no control record and no gap.
    pub visible: bool,
    /// Consumers get it and keep it from their programs.
    pub is_probe: bool,
    /// It was reported at this offset: to a consumer that read it, or to a producer in its ack.
    pub observed: bool,
}

/// Batches that were committed and then lost.
pub(super) struct Version {
    /// How many batches of the ledger came before its first.
    pub first: usize,
    /// The offset of its first record.
    pub base: Offset,
    /// Its batches.
    pub batches: Vec<Batch>,
    /// Whether each may be lost.
    pub rulings: Vec<Ruling>,
    /// Its records; the index is the offset less `base`.
    pub records: Vec<Committed>,
    /// How the first of them were committed; later ones only by a leader that was deposed already.
    pub commits: Vec<Commit>,
    /// When it was lost: a leader began without it.
    pub at: At,
    /// What happened to the logs that had it.
    pub notes: Vec<Note>,
}

impl Ledger {
    /// The offset after the last committed record.
    pub fn end(&self) -> Offset {
        self.batches.last().map_or(Offset::ZERO, |batch| batch.next)
    }

    /// How many committed batches lie wholly below `offset`.
    pub fn count_below(&self, offset: Offset) -> usize {
        count_below(&self.batches, offset)
    }

    /// The committed record at `offset`.
    pub fn at(&self, offset: Offset) -> Option<&Committed> {
        self.records.get(usize::try_from(offset.0).ok()?)
    }

    /// The committed record at `offset`, to mark it as observed.
    pub fn at_mut(&mut self, offset: Offset) -> Option<&mut Committed> {
        self.records.get_mut(usize::try_from(offset.0).ok()?)
    }

    /// Freezes the next batch. `content` is the batch with its records; without it an earlier version may know them.
    pub fn freeze(&mut self, batch: Batch, commit: Commit, content: Option<&RecordBatch>) {
        let mut records = core::mem::take(&mut self.records);
        records.resize(batch.base.0 as usize, Committed::gap(batch.epoch));
        match content {
            Some(content) => decode(content, &mut records),
            None => records.extend_from_slice(self.of_version(self.batches.len(), &batch)),
        }
        records.resize(batch.next.0 as usize, Committed::gap(batch.epoch));
        self.records = records;
        self.batches.push(batch);
        self.commits.push(commit);
        self.ever_end = self.ever_end.max(batch.next);
    }

    /// Takes all batches from index `first` on out of what is committed.
    pub fn lose(&mut self, first: usize, rulings: Vec<Ruling>, at: At, notes: Vec<Note>, epoch: LeaderEpoch) {
        let base = self.batches[first].base;
        self.versions.push(Version {
            first,
            base,
            batches: self.batches.split_off(first),
            rulings,
            records: self.records.split_off(base.0 as usize),
            commits: self.commits.split_off(first),
            at,
            notes,
        });
        self.floor = self.floor.max(epoch);
    }

    /// A deposed leader that does not know it yet committed the batch of this index after the loss: it belongs to
    /// what was lost, under the same ruling.
    pub fn freeze_lost(&mut self, index: usize, batch: Batch, content: Option<&RecordBatch>) {
        let Some(version) = self.versions.last_mut() else {
            return;
        };
        let Some(ruling) = version.rulings.last().cloned() else {
            return;
        };
        if index != version.first + version.batches.len() {
            return;
        }
        version
            .records
            .resize((batch.base.0 - version.base.0) as usize, Committed::gap(batch.epoch));
        if let Some(content) = content {
            decode(content, &mut version.records);
        }
        version
            .records
            .resize((batch.next.0 - version.base.0) as usize, Committed::gap(batch.epoch));
        version.batches.push(batch);
        version.rulings.push(ruling);
        self.ever_end = self.ever_end.max(batch.next);
    }

    /// Whether the batch at `index` was committed once, with all that came before it.
    pub fn was_committed(&self, index: usize, batch: &Batch) -> bool {
        self.versions.iter().any(|version| {
            let of_version = index.checked_sub(version.first).and_then(|at| version.batches.get(at));
            of_version.is_some_and(|lost| lost.chain == batch.chain)
        })
    }

    fn of_version(&self, index: usize, batch: &Batch) -> &[Committed] {
        for version in &self.versions {
            let at = index.checked_sub(version.first);
            if at
                .and_then(|at| version.batches.get(at))
                .is_some_and(|lost| lost.chain == batch.chain)
            {
                let from = (batch.base.0 - version.base.0) as usize;
                return &version.records[from..from + (batch.next.0 - batch.base.0) as usize];
            }
        }
        &[]
    }
}

impl Version {
    /// The record that it had at `offset`.
    pub fn at(&self, offset: Offset) -> Option<&Committed> {
        self.records.get(usize::try_from(offset.0 - self.base.0).ok()?)
    }

    /// The record that it had at `offset`, to mark it as observed.
    pub fn at_mut(&mut self, offset: Offset) -> Option<&mut Committed> {
        self.records.get_mut(usize::try_from(offset.0 - self.base.0).ok()?)
    }

    /// How the record that it had at `offset` was committed.
    pub fn commit(&self, offset: Offset) -> Option<&Commit> {
        self.commits.get(count_below(&self.batches, offset))
    }

    /// Whether the record that it had at `offset` may be lost.
    pub fn ruling(&self, offset: Offset) -> &Ruling {
        &self.rulings[count_below(&self.batches, offset).min(self.rulings.len() - 1)]
    }
}

impl Committed {
    /// Whether programs get it.
    pub fn is_for_programs(&self) -> bool {
        self.visible && !self.is_probe
    }

    /// An offset that no record has.
    fn gap(epoch: LeaderEpoch) -> Committed {
        Committed {
            uid: None,
            fingerprint: 0,
            epoch,
            visible: false,
            is_probe: false,
            observed: false,
        }
    }
}

/// Appends the records of `batch` as far as they can be read.
fn decode(batch: &RecordBatch, records: &mut Vec<Committed>) {
    let (epoch, visible) = (batch.leader_epoch(), !batch.is_control());
    let before = records.len() as i64 - batch.base_offset().0;
    for record in batch.views() {
        let Ok(record) = record else { return };
        records.resize((record.offset.0 + before) as usize, Committed::gap(epoch));
        records.push(Committed {
            uid: mark::uid_of(record.value, &record.headers),
            fingerprint: fingerprint(record.key, record.value, &record.headers),
            epoch,
            visible,
            is_probe: mark::is_probe(&record.headers),
            observed: false,
        });
    }
}

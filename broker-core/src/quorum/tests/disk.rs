//! The disk of one node: a page cache over what is durable, as `crate::disk` promises and no better.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::disk::{DiskOp, DiskReply, FileName, SECTOR};
use crate::machine::Instant;
use crate::protocol::RecordBatch;
use crate::random::Random;
use crate::types::{LeaderEpoch, Offset};

#[derive(Default)]
pub(super) struct Disk {
    files: BTreeMap<FileName, File>,
    /// Operations of earlier runs of the node are forgotten when it stops, those without effect so far undone.
    pending: BTreeMap<u64, (FileName, Effect)>,
    next: u64,
}

#[derive(Default)]
struct File {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Operations on one file end in order.
    busy_until: Instant,
}

enum Effect {
    Sync(Vec<u8>),
    Replace(Bytes),
    Read(Bytes),
}

/// One batch of a log, as far as agreement is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub base: Offset,
    pub next: Offset,
    pub epoch: LeaderEpoch,
    pub crc: u32,
}

impl Entry {
    pub fn of(batch: &RecordBatch) -> Entry {
        Entry {
            base: batch.base_offset(),
            next: batch.next_offset(),
            epoch: batch.leader_epoch(),
            crc: batch.crc(),
        }
    }
}

impl Disk {
    /// Takes an operation; returns when it is answered, and under which number, if it is.
    pub fn submit(&mut self, now: Instant, latency: Duration, what: DiskOp) -> Option<(Instant, u64)> {
        let (file, effect) = match what {
            DiskOp::Write { file, at, bytes } => {
                let cached = &mut self.files.entry(file).or_default().cached;
                assert!(at as usize <= cached.len(), "{file}: a write past the end");
                cached.truncate(at as usize);
                cached.extend_from_slice(&bytes);
                return None;
            }
            DiskOp::Truncate { file, len } => {
                self.files.entry(file).or_default().cached.truncate(len as usize);
                return None;
            }
            DiskOp::Remove { file } => {
                self.files.remove(&file);
                return None;
            }
            DiskOp::Sync { file } => (file, Effect::Sync(self.files.entry(file).or_default().cached.clone())),
            DiskOp::Replace { file, bytes } => (file, Effect::Replace(bytes)),
            DiskOp::Read { file, at, len } => {
                let cached = &self.files.entry(file).or_default().cached;
                let from = cached.len().min(at as usize);
                let to = cached.len().min((at + len) as usize);
                (file, Effect::Read(Bytes::copy_from_slice(&cached[from..to])))
            }
            DiskOp::List => unreachable!("the quorum lists no files"),
        };
        let state = self.files.entry(file).or_default();
        state.busy_until = state.busy_until.max(now + latency);
        let at = state.busy_until;
        self.next += 1;
        self.pending.insert(self.next, (file, effect));
        Some((at, self.next))
    }

    /// An operation ends. `None` if the node stopped meanwhile.
    pub fn complete(&mut self, number: u64) -> Option<(FileName, DiskReply)> {
        let (file, effect) = self.pending.remove(&number)?;
        let state = self.files.entry(file).or_default();
        let reply = match effect {
            Effect::Sync(content) => {
                state.durable = content;
                DiskReply::Done
            }
            Effect::Replace(bytes) => {
                state.cached = bytes.to_vec();
                state.durable = bytes.to_vec();
                DiskReply::Done
            }
            Effect::Read(bytes) => DiskReply::Data(bytes),
        };
        Some((file, reply))
    }

    /// The process is gone: the page cache stays, and a replacement on its way happens or not.
    pub fn kill(&mut self, rng: &mut Random) {
        for (_, (file, effect)) in core::mem::take(&mut self.pending) {
            if let Effect::Replace(bytes) = effect
                && rng.chance(0.5)
            {
                let state = self.files.entry(file).or_default();
                state.cached = bytes.to_vec();
                state.durable = bytes.to_vec();
            }
        }
        for state in self.files.values_mut() {
            state.busy_until = Instant(0);
        }
    }

    /// The power is gone: of what was not synced, any subset of sectors stays.
    pub fn lose_power(&mut self, rng: &mut Random) {
        self.kill(rng);
        for state in self.files.values_mut() {
            let (old, new) = (state.durable.len(), state.cached.len());
            let len = rng.within(old.min(new) as u64..=old.max(new) as u64) as usize;
            let mut content = alloc::vec![0; len];
            for (sector, bytes) in content.chunks_mut(SECTOR as usize).enumerate() {
                let source = match rng.chance(0.5) {
                    true => &state.durable,
                    false => &state.cached,
                };
                let from = sector * SECTOR as usize;
                let kept = source.len().saturating_sub(from).min(bytes.len());
                bytes[..kept].copy_from_slice(&source[from.min(source.len())..][..kept]);
            }
            state.cached.clone_from(&content);
            state.durable = content;
        }
    }

    /// What is in a file now.
    pub fn content(&self, file: FileName) -> Bytes {
        let state = self.files.get(&file);
        state
            .map(|state| Bytes::copy_from_slice(&state.cached))
            .unwrap_or_default()
    }

    /// What of a file is durable.
    pub fn durable(&self, file: FileName) -> Bytes {
        let state = self.files.get(&file);
        state
            .map(|state| Bytes::copy_from_slice(&state.durable))
            .unwrap_or_default()
    }

    /// The segments of the metadata log, by base offset.
    pub fn segments(&self) -> Vec<(Offset, Bytes)> {
        let segments = self.files.keys().filter_map(|file| match file {
            FileName::Segment { base_offset, .. } => Some((*base_offset, self.content(*file))),
            _ => None,
        });
        segments.collect()
    }

    /// The batches that would be there after a power loss that keeps nothing more than it must.
    pub fn durable_entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for file in self.files.keys() {
            if !matches!(file, FileName::Segment { .. }) {
                continue;
            }
            let mut rest = self.durable(*file);
            while let Ok(batch) = RecordBatch::parse(&rest) {
                let _read = rest.split_to(batch.bytes().len());
                let entry = Entry::of(&batch);
                if entry.base != entries.last().map_or(Offset::ZERO, |last| last.next) {
                    return entries;
                }
                entries.push(entry);
            }
        }
        entries
    }
}

//! Files that remember what was synced.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::disk::{DiskOp, FileName, OpId};
use crate::types::Offset;

/// Small, so that the small batches of the tests are torn.
pub(super) const SECTOR: usize = 32;

#[derive(Default)]
pub(super) struct TestDisk {
    files: BTreeMap<FileName, File>,
    syncs: Vec<OpenSync>,
    /// Durable content of files that were removed, until a later sync of any file succeeds.
    ghosts: Vec<Ghost>,
    /// How many operations were asked for so far.
    operations: u64,
    /// Every operation that was asked for, without the bytes.
    pub(super) asked: Vec<Asked>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct File {
    /// Tells a file from a removed one of the same name.
    generation: u64,
    pub(super) content: Vec<u8>,
    pub(super) durable: Vec<u8>,
}

struct Ghost {
    removed_at: u64,
    file: FileName,
    durable: Vec<u8>,
}

struct OpenSync {
    op: OpId,
    file: FileName,
    asked_at: u64,
    generation: Option<u64>,
    content: Vec<u8>,
}

/// An operation on the segment of this base offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// Position and length.
    Write(i64, u64, u64),
    Sync(i64),
    Truncate(i64, u64),
    Remove(i64),
}

impl TestDisk {
    /// Writes, cuts and removes at once; a sync waits for [`TestDisk::finish_sync`].
    pub(super) fn carry_out(&mut self, op: OpId, what: DiskOp) {
        self.operations += 1;
        match what {
            DiskOp::Write { file, at, bytes } => {
                self.asked.push(Asked::Write(base_offset(file), at, bytes.len() as u64));
                let created = File {
                    generation: self.operations,
                    content: Vec::new(),
                    durable: Vec::new(),
                };
                let content = &mut self.files.entry(file).or_insert(created).content;
                assert_eq!(content.len() as u64, at, "a log appends only");
                content.extend_from_slice(&bytes);
            }
            DiskOp::Sync { file } => {
                self.asked.push(Asked::Sync(base_offset(file)));
                let synced = self.files.get(&file);
                self.syncs.push(OpenSync {
                    op,
                    file,
                    asked_at: self.operations,
                    generation: synced.map(|file| file.generation),
                    content: synced.map(|file| file.content.clone()).unwrap_or_default(),
                });
                let generations: Vec<_> = self.syncs.iter().map(|sync| sync.generation).collect();
                let newest = generations.last().expect("one was pushed");
                let alike = generations.iter().filter(|generation| *generation == newest);
                assert_eq!(alike.count(), 1, "one sync a file is in flight at the most");
            }
            DiskOp::Truncate { file, len } => {
                self.asked.push(Asked::Truncate(base_offset(file), len));
                let content = &mut self.files.get_mut(&file).expect("it is there").content;
                assert!(len < content.len() as u64, "a truncation cuts");
                content.truncate(len as usize);
            }
            DiskOp::Remove { file } => {
                self.asked.push(Asked::Remove(base_offset(file)));
                if let Some(removed) = self.files.remove(&file)
                    && !removed.durable.is_empty()
                {
                    self.ghosts.push(Ghost {
                        removed_at: self.operations,
                        file,
                        durable: removed.durable,
                    });
                }
            }
            other => panic!("a log does not ask for {other:?}"),
        }
    }

    pub(super) fn open_syncs(&self) -> usize {
        self.syncs.len()
    }

    /// Ends the oldest sync of the file that the `which`-th open sync is about: operations on one file end in order.
    pub(super) fn finish_sync(&mut self, which: usize) -> OpId {
        let file = self.syncs[which].file;
        let oldest = self.syncs.iter().position(|sync| sync.file == file);
        let sync = self.syncs.remove(oldest.expect("it is one of them"));
        self.ghosts.retain(|ghost| ghost.removed_at > sync.asked_at);
        if let Some(file) = self.files.get_mut(&sync.file)
            && Some(file.generation) == sync.generation
        {
            file.durable = sync.content;
        }
        sync.op
    }

    pub(super) fn forget_syncs(&mut self) {
        self.syncs.clear();
    }

    pub(super) fn file(&self, file: FileName) -> Option<&File> {
        self.files.get(&file)
    }

    /// The segments as recovery wants them.
    pub(super) fn segments(&self) -> Vec<(Offset, Bytes)> {
        let segment = |(name, file): (&FileName, &File)| (Offset(base_offset(*name)), file.content.clone().into());
        self.files.iter().map(segment).collect()
    }

    /// All files one after the other.
    pub(super) fn content(&self) -> Vec<u8> {
        self.files.values().flat_map(|file| file.content.clone()).collect()
    }

    /// Loses any part of what was not synced: of each file, length and each sector are the durable or the current ones,
    /// and removed files may be back, also in place of new ones. `chance` decides each, given a probability.
    pub(super) fn lose_power(&mut self, mut chance: impl FnMut(f64) -> bool) {
        for file in self.files.values_mut() {
            let lengths = [file.durable.len(), file.content.len()];
            let length = lengths[usize::from(chance(0.5))];
            let mut survived = alloc::vec![0; length];
            for at in (0..length).step_by(SECTOR) {
                let versions = [&file.durable, &file.content];
                let version = versions[usize::from(chance(0.7))];
                let end = (at + SECTOR).min(length).min(version.len());
                if at < end {
                    survived[at..end].copy_from_slice(&version[at..end]);
                }
            }
            // What was synced and not overwritten since is there whatever the length.
            let kept = file
                .durable
                .iter()
                .zip(&file.content)
                .take_while(|(old, new)| old == new);
            let kept = kept.count();
            if survived.len() < kept {
                survived.resize(kept, 0);
            }
            survived[..kept].copy_from_slice(&file.durable[..kept]);
            file.content = survived.clone();
            file.durable = survived;
        }
        for ghost in core::mem::take(&mut self.ghosts) {
            self.operations += 1;
            if chance(0.5) {
                let back = File {
                    generation: self.operations,
                    content: ghost.durable.clone(),
                    durable: ghost.durable,
                };
                self.files.insert(ghost.file, back);
            }
        }
    }
}

fn base_offset(file: FileName) -> i64 {
    match file {
        FileName::Segment { base_offset, .. } => base_offset.0,
        other => panic!("a log has nothing to do with {other:?}"),
    }
}

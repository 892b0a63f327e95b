//! The disk of one node: what its processes see (the page cache), and what a power loss leaves.
//!
//! Implements the contract of [`broker_core::disk`]. Time is not its business: the world asks for an
//! operation when it is taken, and says when a sync or a replacement is done.

use std::collections::{BTreeMap, VecDeque};

use broker_core::disk::{FileName, SECTOR};
use broker_core::random::Random;
use broker_core::types::TopicPartition;
use bytes::Bytes;

use super::rope::Rope;

/// All files of a node.
#[derive(Default)]
pub(super) struct Disk {
    files: BTreeMap<FileName, File>,
    /// Counts operations; a sync covers those with a lower number.
    sequence: u64,
    /// Removals that no later sync has made durable yet, in order.
    removals: Vec<(u64, FileName)>,
}

/// One file, twice.
#[derive(Default)]
struct File {
    /// What processes see; none if there is no such file for them.
    cache: Option<Rope>,
    /// What is on the medium for certain; none if the name is not.
    durable: Option<Rope>,
    /// What leads from the durable content to the cached one, in order.
    pending: VecDeque<(u64, Pending)>,
    /// Bytes of the pending writes.
    dirty: u64,
}

/// A change that is not durable yet.
enum Pending {
    Write { at: u64, bytes: Bytes },
    Truncate { len: u64 },
    Replace { bytes: Bytes },
    Remove,
}

impl Pending {
    /// How many bytes it writes in place.
    fn written(&self) -> u64 {
        match self {
            Pending::Write { bytes, .. } => bytes.len() as u64,
            Pending::Truncate { .. } | Pending::Replace { .. } | Pending::Remove => 0,
        }
    }
}

/// Everything up to here is covered by a sync, once that is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SyncPoint(u64);

impl Disk {
    /// Every file with its length, by name.
    pub(super) fn list(&self) -> Vec<(FileName, u64)> {
        let seen = self.files.iter();
        seen.filter_map(|(name, file)| Some((*name, file.cache.as_ref()?.len())))
            .collect()
    }

    /// At most `len` bytes from `at`; a missing file is empty.
    pub(super) fn read(&self, name: FileName, at: u64, len: u64) -> Bytes {
        let cache = self.files.get(&name).and_then(|file| file.cache.as_ref());
        cache.map_or_else(Bytes::new, |cache| cache.read(at, len))
    }

    /// Puts `bytes` at `at` of the cached file.
    ///
    /// # Panics
    /// When `at` lies behind the end of the file: machines never leave holes.
    pub(super) fn write(&mut self, name: FileName, at: u64, bytes: Bytes) {
        self.sequence += 1;
        let file = self.files.entry(name).or_default();
        let cache = file.cache.get_or_insert_default();
        assert!(
            at <= cache.len(),
            "write at {at} of {name:?}, which ends at {}",
            cache.len()
        );
        cache.write(at, bytes.clone());
        file.dirty += bytes.len() as u64;
        file.pending.push_back((self.sequence, Pending::Write { at, bytes }));
    }

    /// Cuts the cached file, if it is there.
    pub(super) fn truncate(&mut self, name: FileName, len: u64) {
        self.sequence += 1;
        let Some(file) = self.files.get_mut(&name) else { return };
        let Some(cache) = &mut file.cache else { return };
        cache.truncate(len);
        file.pending.push_back((self.sequence, Pending::Truncate { len }));
    }

    /// Removes the cached file, if it is there.
    pub(super) fn remove(&mut self, name: FileName) {
        self.sequence += 1;
        let Some(file) = self.files.get_mut(&name) else { return };
        if file.cache.take().is_some() {
            file.pending.push_back((self.sequence, Pending::Remove));
            self.removals.push((self.sequence, name));
        }
    }

    /// Replaces the cached file; durable once [`Disk::done`] is called with the returned point.
    pub(super) fn replace(&mut self, name: FileName, bytes: Bytes) -> SyncPoint {
        self.sequence += 1;
        let file = self.files.entry(name).or_default();
        let mut cache = Rope::default();
        cache.write(0, bytes.clone());
        file.cache = Some(cache);
        file.pending.push_back((self.sequence, Pending::Replace { bytes }));
        SyncPoint(self.sequence)
    }

    /// Begins a sync: what it covers, and how many bytes it has to write.
    pub(super) fn sync(&mut self, name: FileName) -> (SyncPoint, u64) {
        let dirty = self
            .files
            .get_mut(&name)
            .map_or(0, |file| std::mem::take(&mut file.dirty));
        (SyncPoint(self.sequence), dirty)
    }

    /// A sync or replacement of `name` is done: what it covers is durable, and so is every earlier removal in its
    /// folder.
    pub(super) fn done(&mut self, name: FileName, point: SyncPoint) {
        if let Some(file) = self.files.get_mut(&name) {
            file.make_durable(point.0);
        }
        let is_covered =
            |(sequence, removed): &(u64, FileName)| *sequence <= point.0 && folder(*removed) == folder(name);
        for (sequence, removed) in self.removals.extract_if(.., |removal| is_covered(removal)) {
            // A file that was removed twice is forgotten with the first removal.
            if let Some(file) = self.files.get_mut(&removed) {
                file.make_durable(sequence);
                if file.is_gone() {
                    self.files.remove(&removed);
                }
            }
        }
    }

    /// Cuts the power: of what is not durable a random part survives. Returns how many written bytes are gone.
    pub(super) fn lose_power(&mut self, random: &mut Random) -> u64 {
        self.removals.clear();
        let lost = self.files.values_mut().map(|file| file.lose_power(random)).sum();
        self.files.retain(|_, file| !file.is_gone());
        lost
    }

    /// Bytes of all files as processes see them.
    #[cfg(test)]
    fn size(&self) -> u64 {
        self.list().iter().map(|(_, len)| len).sum()
    }
}

impl File {
    /// Carries everything up to `point` over to the durable image.
    fn make_durable(&mut self, point: u64) {
        while self.pending.front().is_some_and(|(sequence, _)| *sequence <= point) {
            let (_, change) = self.pending.pop_front().expect("just seen");
            match change {
                Pending::Write { at, bytes } => self.durable.get_or_insert_default().write(at, bytes),
                Pending::Truncate { len } => self.durable.get_or_insert_default().truncate(len),
                Pending::Replace { bytes } => {
                    let mut content = Rope::default();
                    content.write(0, bytes);
                    self.durable = Some(content);
                }
                Pending::Remove => self.durable = None,
            }
        }
    }

    /// See [`Disk::lose_power`]. How eager the device was to write is drawn once for the file: nothing, some sectors,
    /// or everything.
    fn lose_power(&mut self, random: &mut Random) -> u64 {
        let pending = std::mem::take(&mut self.pending);
        self.dirty = 0;
        let mut lost = 0;
        if pending.is_empty() {
            self.cache.clone_from(&self.durable);
            return lost;
        }
        let eagerness = match random.below(4) {
            0 => 0.0,
            1 => 1.0,
            _ => random.unit(),
        };
        let name_survives = self.durable.is_some() || random.chance(0.5);
        let mut pending = pending.into_iter().map(|(_, change)| change);
        while let Some(change) = pending.next() {
            match change {
                Pending::Write { at, bytes } if name_survives => {
                    lost += self.write_some_sectors(at, &bytes, eagerness, random);
                }
                Pending::Write { bytes, .. } => lost += bytes.len() as u64,
                Pending::Truncate { len } => {
                    if let Some(durable) = &mut self.durable
                        && random.chance(eagerness)
                    {
                        durable.truncate(len);
                    }
                }
                Pending::Replace { bytes } => {
                    if random.chance(eagerness) {
                        let mut content = Rope::default();
                        content.write(0, bytes);
                        self.durable = Some(content);
                    }
                }
                Pending::Remove => {
                    if random.chance(eagerness) {
                        self.durable = None;
                    } else if self.durable.is_some() {
                        // It has its name still, and whatever came later was done to other files.
                        lost += pending.by_ref().map(|change| change.written()).sum::<u64>();
                    }
                }
            }
        }
        self.cache.clone_from(&self.durable);
        lost
    }

    /// Writes a random part of the sectors that `bytes` at `at` touches. Returns the bytes left out.
    fn write_some_sectors(&mut self, at: u64, bytes: &Bytes, eagerness: f64, random: &mut Random) -> u64 {
        let mut lost = 0;
        let mut from = 0;
        while from < bytes.len() {
            let rest_of_sector = (SECTOR - (at + from as u64) % SECTOR) as usize;
            let to = bytes.len().min(from + rest_of_sector);
            if random.chance(eagerness) {
                let durable = self.durable.get_or_insert_default();
                durable.write(at + from as u64, bytes.slice(from..to));
            } else {
                lost += (to - from) as u64;
            }
            from = to;
        }
        lost
    }

    fn is_gone(&self) -> bool {
        self.cache.is_none() && self.durable.is_none() && self.pending.is_empty()
    }
}

/// The folder that a file lies in, below the node's own.
fn folder(name: FileName) -> Option<TopicPartition> {
    match name {
        FileName::Segment { partition, .. } => Some(partition),
        FileName::QuorumState | FileName::HighWatermarkCheckpoint => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Seek, SeekFrom, Write};
    use std::path::Path;

    use broker_core::types::{Offset, TopicId};
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write { file: u8, at: u64, len: usize },
        Truncate { file: u8, len: u64 },
        Replace { file: u8, len: usize },
        Remove { file: u8 },
        Sync { file: u8 },
        Read { file: u8, at: u64, len: u64 },
        Kill,
    }

    fn step() -> impl Strategy<Value = Step> {
        let file = 0u8..3;
        prop_oneof![
            4 => (file.clone(), 0u64..3000, 0usize..1500).prop_map(|(file, at, len)| Step::Write { file, at, len }),
            1 => (file.clone(), 0u64..3000).prop_map(|(file, len)| Step::Truncate { file, len }),
            1 => (file.clone(), 0usize..1500).prop_map(|(file, len)| Step::Replace { file, len }),
            1 => file.clone().prop_map(|file| Step::Remove { file }),
            1 => file.clone().prop_map(|file| Step::Sync { file }),
            2 => (file, 0u64..3000, 0u64..2000).prop_map(|(file, at, len)| Step::Read { file, at, len }),
            1 => Just(Step::Kill),
        ]
    }

    fn name(file: u8) -> FileName {
        match file {
            0 => FileName::QuorumState,
            _ => FileName::Segment {
                partition: TopicPartition::new(TopicId(100), 0),
                base_offset: Offset(i64::from(file)),
            },
        }
    }

    /// The same operation on a real folder.
    fn write_real(path: &Path, at: u64, bytes: &[u8]) {
        fs::create_dir_all(path.parent().expect("files lie in the folder")).unwrap();
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// A folder below the target folder that goes away again.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new() -> Folder {
            use std::sync::atomic::{AtomicU64, Ordering};
            static NEXT: AtomicU64 = AtomicU64::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("trial-disk-parity-{}-{number}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_simulated_disk_is_like_a_real_one(script in prop::collection::vec(step(), 1..40)) {
            let folder = Folder::new();
            let mut disk = Disk::default();
            for (number, step) in script.into_iter().enumerate() {
                let filling = |len: usize| (0..len).map(|i| (i * 7 + number) as u8).collect::<Vec<u8>>();
                let path = |file: u8| folder.0.join(name(file).to_string());
                match step {
                    Step::Write { file, at, len } => {
                        let end = disk.read(name(file), 0, u64::MAX).len() as u64;
                        let at = at.min(end);
                        disk.write(name(file), at, filling(len).into());
                        write_real(&path(file), at, &filling(len));
                    }
                    Step::Truncate { file, len } => {
                        disk.truncate(name(file), len);
                        if let Ok(real) = fs::OpenOptions::new().write(true).open(path(file)) {
                            let end = real.metadata().unwrap().len();
                            real.set_len(len.min(end)).unwrap();
                        }
                    }
                    Step::Replace { file, len } => {
                        let point = disk.replace(name(file), filling(len).into());
                        disk.done(name(file), point);
                        let temporary = folder.0.join("new");
                        fs::write(&temporary, filling(len)).unwrap();
                        fs::create_dir_all(path(file).parent().unwrap()).unwrap();
                        fs::rename(&temporary, path(file)).unwrap();
                    }
                    Step::Remove { file } => {
                        disk.remove(name(file));
                        let _ = fs::remove_file(path(file));
                    }
                    Step::Sync { file } => {
                        let (point, _) = disk.sync(name(file));
                        disk.done(name(file), point);
                    }
                    Step::Read { file, at, len } => {
                        let real = fs::read(path(file)).unwrap_or_default();
                        let from = real.len().min(at as usize);
                        let to = real.len().min((at + len) as usize);
                        prop_assert_eq!(&disk.read(name(file), at, len)[..], &real[from..to]);
                    }
                    // A new process finds the files as the old one left them.
                    Step::Kill => {}
                }
                let mut real: Vec<(FileName, u64)> = (0..3)
                    .filter_map(|file| Some((name(file), fs::metadata(path(file)).ok()?.len())))
                    .collect();
                real.sort();
                prop_assert_eq!(disk.list(), real);
            }
        }

        #[test]
        fn what_was_synced_survives_every_power_loss(
            script in prop::collection::vec(step(), 1..40), seed: u64, written in 1usize..3000, more in 0usize..3000,
        ) {
            let mut disk = Disk::default();
            let kept = FileName::HighWatermarkCheckpoint;
            disk.write(kept, 0, vec![1; written].into());
            let (point, dirty) = disk.sync(kept);
            prop_assert_eq!(dirty, written as u64);
            disk.done(kept, point);
            disk.write(kept, written as u64, vec![2; more].into());
            for step in script {
                match step {
                    Step::Write { file, len, .. } => disk.write(name(file), 0, vec![3; len].into()),
                    Step::Remove { file } => disk.remove(name(file)),
                    Step::Truncate { file, len } => disk.truncate(name(file), len),
                    _ => {}
                }
            }
            let before = disk.size();
            let lost = disk.lose_power(&mut Random::new(seed, "power"));
            let after = disk.read(kept, 0, u64::MAX);
            prop_assert_eq!(&after[..written], &vec![1; written][..]);
            prop_assert!(after[written..].iter().all(|byte| *byte == 2 || *byte == 0));
            prop_assert!(after.len() <= written + more);
            prop_assert!(lost <= before + 60_000);
        }
    }

    const FILE: FileName = FileName::QuorumState;

    /// All contents that `FILE` has after a power loss, over many seeds.
    fn outcomes(prepare: impl Fn(&mut Disk)) -> std::collections::BTreeSet<Option<Vec<u8>>> {
        (0..300)
            .map(|seed| {
                let mut disk = Disk::default();
                prepare(&mut disk);
                disk.lose_power(&mut Random::new(seed, "power"));
                let there = !disk.list().is_empty();
                there.then(|| disk.read(FILE, 0, u64::MAX).to_vec())
            })
            .collect()
    }

    fn write_synced(disk: &mut Disk, bytes: &[u8]) {
        disk.write(FILE, 0, bytes.to_vec().into());
        let (point, _) = disk.sync(FILE);
        disk.done(FILE, point);
    }

    #[test]
    fn a_power_loss_keeps_any_subset_of_unsynced_sectors() {
        let sectors = |pattern: &[u8]| pattern.iter().flat_map(|byte| [*byte; 512]).collect::<Vec<u8>>();
        let seen = outcomes(|disk| disk.write(FILE, 0, sectors(&[1, 2]).into()));
        // No name; a name without content needs an operation that wrote nothing, so it does not occur here.
        let all = [
            None,
            Some(sectors(&[1])),
            Some(sectors(&[0, 2])),
            Some(sectors(&[1, 2])),
        ];
        assert_eq!(seen, all.into_iter().collect());
    }

    #[test]
    fn a_replacement_is_old_or_new_and_never_a_mixture() {
        let seen = outcomes(|disk| {
            write_synced(disk, b"old content");
            disk.replace(FILE, Bytes::from_static(b"new"));
        });
        assert_eq!(seen, [Some(b"old content".to_vec()), Some(b"new".to_vec())].into());
        let seen = outcomes(|disk| {
            write_synced(disk, b"old content");
            let point = disk.replace(FILE, Bytes::from_static(b"new"));
            disk.done(FILE, point);
        });
        assert_eq!(seen, [Some(b"new".to_vec())].into());
    }

    #[test]
    fn a_truncation_is_durable_only_after_the_next_sync() {
        let cut = |synced: bool| {
            outcomes(move |disk| {
                write_synced(disk, b"0123456789");
                disk.truncate(FILE, 4);
                if synced {
                    let (point, _) = disk.sync(FILE);
                    disk.done(FILE, point);
                }
            })
        };
        assert_eq!(
            cut(false),
            [Some(b"0123456789".to_vec()), Some(b"0123".to_vec())].into()
        );
        assert_eq!(cut(true), [Some(b"0123".to_vec())].into());
    }

    #[test]
    fn a_removal_may_be_undone_until_a_file_of_its_folder_is_synced() {
        let removed = |synced: Option<FileName>| {
            outcomes(move |disk| {
                write_synced(disk, b"here");
                disk.remove(FILE);
                if let Some(other) = synced {
                    let (point, _) = disk.sync(other);
                    disk.done(other, point);
                }
            })
        };
        let both = [None, Some(b"here".to_vec())];
        assert_eq!(removed(None), both.clone().into());
        assert_eq!(removed(Some(name(1))), both.into(), "another folder");
        assert_eq!(removed(Some(FileName::HighWatermarkCheckpoint)), [None].into());
    }

    #[test]
    fn a_file_under_the_name_of_a_removed_one_has_none_of_its_bytes() {
        let seen = outcomes(|disk| {
            write_synced(disk, b"old content");
            disk.remove(FILE);
            disk.write(FILE, 0, Bytes::from_static(b"new"));
        });
        assert_eq!(
            seen,
            [None, Some(b"old content".to_vec()), Some(b"new".to_vec())].into()
        );
    }

    #[test]
    fn a_sync_covers_nothing_that_came_after_it() {
        let seen = outcomes(|disk| {
            disk.write(FILE, 0, Bytes::from_static(b"first"));
            let (point, _) = disk.sync(FILE);
            disk.write(FILE, 5, Bytes::from_static(b" second"));
            disk.done(FILE, point);
        });
        assert_eq!(seen, [Some(b"first".to_vec()), Some(b"first second".to_vec())].into());
    }

    #[test]
    fn a_write_copies_nothing() {
        let bytes = Bytes::from(vec![1; 4096]);
        let mut disk = Disk::default();
        disk.write(FILE, 0, bytes.clone());
        assert_eq!(disk.read(FILE, 0, 4096).as_ptr(), bytes.as_ptr());
    }
}

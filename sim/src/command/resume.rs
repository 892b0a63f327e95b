//! The progress of a sweep on disk, so that an interrupted one resumes.
//!
//! `sweep.jsonl` has one line for each stretch of seeds that is finished, with its counters. Lines are only ever
//! appended, each with one write, so that a sweep that is killed leaves whole lines and at most one torn one at the
//! end, which the next run cuts off. A line belongs to a key made of scenario, quirks and build
//! ([`super::identity::scenario_key`]); those of other keys are left alone.

use core::ops::Range;
use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::wall::Stopwatch;
use crate::sweep::tally::Tally;

/// How long, and for how many trials, finished seeds may wait until they are written.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
const FLUSH_TRIALS: u64 = 256;

/// A stretch of finished seeds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Stretch {
    key: String,
    from: u64,
    to: u64,
    tally: Tally,
}

/// The file, and what is not in it yet.
pub struct SweepFile {
    path: PathBuf,
    /// The folders that were made for it, the inner ones first.
    made: Vec<PathBuf>,
    file: File,
    before: Vec<Stretch>,
    pending: Option<Stretch>,
    flushed: Stopwatch,
}

/// What is left to do of a range of seeds, and the counters of what is done.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Remaining {
    /// The seeds that are not finished, in order.
    pub seeds: Vec<Range<u64>>,
    /// The finished ones.
    pub finished: Tally,
}

impl SweepFile {
    /// Opens the file in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(folder: &Path) -> io::Result<SweepFile> {
        let above = folder
            .ancestors()
            .take_while(|above| !above.as_os_str().is_empty() && !above.exists());
        let mut made: Vec<PathBuf> = above.map(Path::to_owned).collect();
        fs::create_dir_all(folder)?;
        let path = folder.join("sweep.jsonl");
        if path.exists() {
            // The sweep that was interrupted made its folder.
            made.push(folder.to_owned());
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        let lines = bytes[..whole].split(|byte| *byte == b'\n');
        // A line that says nothing means only that its seeds are run again.
        let before = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        Ok(SweepFile {
            path,
            made,
            file,
            before,
            pending: None,
            flushed: Stopwatch::start(),
        })
    }

    /// What of `seeds` is left to do under `key`.
    #[must_use]
    pub fn remaining(&self, key: &str, seeds: Range<u64>) -> Remaining {
        let inside = |stretch: &&Stretch| {
            stretch.key == key && stretch.from >= seeds.start && stretch.to <= seeds.end && stretch.from < stretch.to
        };
        let mut stretches: Vec<&Stretch> = self.before.iter().filter(inside).collect();
        stretches.sort_by_key(|stretch| (stretch.from, stretch.to));
        let mut remaining = Remaining::default();
        let mut next = seeds.start;
        for stretch in stretches {
            // Two commands in one folder may have run the same seeds.
            if stretch.from < next {
                continue;
            }
            if stretch.from > next {
                remaining.seeds.push(next..stretch.from);
            }
            remaining.finished.merge(stretch.tally.clone());
            next = stretch.to;
        }
        if next < seeds.end {
            remaining.seeds.push(next..seeds.end);
        }
        remaining
    }

    /// Notes that `seed` is finished. It may wait a moment for its neighbours before it is written.
    ///
    /// # Errors
    /// What the file system says.
    pub fn note(&mut self, key: &str, seed: u64, tally: Tally) -> io::Result<()> {
        let continues = self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.key == key && pending.to == seed);
        if !continues {
            self.flush()?;
        }
        let pending = self.pending.get_or_insert_with(|| Stretch {
            key: key.to_owned(),
            from: seed,
            to: seed,
            tally: Tally::default(),
        });
        pending.to = seed + 1;
        pending.tally.merge(tally);
        if pending.to - pending.from >= FLUSH_TRIALS || self.flushed.elapsed() >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what waits, as one line.
    ///
    /// # Errors
    /// What the file system says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flushed = Stopwatch::start();
        let Some(stretch) = self.pending.take() else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(&stretch)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// Removes the file, and of the folders that were made for it those with nothing else in them: the sweep is complete.
    /// Another command that swept into the same folder may have removed it before.
    ///
    /// # Errors
    /// What the file system says.
    pub fn complete(self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // A folder with results in it stays, which is what the error says.
        let _ = self.made.iter().try_for_each(fs::remove_dir);
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges are what is tested")]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("trial-resume-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn one() -> Tally {
        Tally {
            trials: 1,
            events: 10,
            ..Tally::default()
        }
    }

    #[test]
    fn finished_seeds_are_left_out_and_their_counters_kept() {
        let folder = scratch("finished");
        let mut file = SweepFile::open(&folder).expect("opens");
        assert_eq!(
            file.remaining("a", 0..10),
            Remaining {
                seeds: vec![0..10],
                finished: Tally::default()
            }
        );
        for seed in [0, 1, 2, 5, 6] {
            file.note("a", seed, one()).expect("is written");
        }
        file.note("b", 3, one()).expect("is written");
        file.flush().expect("is written");
        drop(file);
        let file = SweepFile::open(&folder).expect("opens again");
        let five = Tally {
            trials: 5,
            events: 50,
            ..Tally::default()
        };
        assert_eq!(
            file.remaining("a", 0..10),
            Remaining {
                seeds: vec![3..5, 7..10],
                finished: five.clone()
            }
        );
        assert_eq!(
            file.remaining("a", 0..7),
            Remaining {
                seeds: vec![3..5],
                finished: five
            }
        );
        // A stretch that is only partly asked for cannot be split: its counters are of all of it.
        assert_eq!(file.remaining("a", 1..7).seeds, [1..5]);
        assert_eq!(file.remaining("c", 0..2).seeds, [0..2]);
        file.complete().expect("is removed");
        assert!(!folder.exists(), "the interrupted sweep had made it");
        fs::create_dir(&folder).expect("is made");
        let inner = folder.join("a/b");
        SweepFile::open(&inner).expect("opens").complete().expect("is removed");
        assert!(folder.is_dir() && !folder.join("a").exists());
        fs::remove_dir(&folder).expect("is empty");
    }

    #[test]
    fn of_two_sweeps_in_one_folder_both_complete() {
        let folder = scratch("two");
        let mut fast = SweepFile::open(&folder).expect("opens");
        let mut slow = SweepFile::open(&folder).expect("opens too");
        fast.note("a", 0, one()).expect("is written");
        fast.complete().expect("is removed");
        slow.note("a", 0, one()).expect("is written");
        slow.flush().expect("is written");
        slow.complete().expect("has nothing left to remove");
        assert!(!folder.exists());
    }

    #[test]
    fn a_torn_line_is_cut_off_and_its_seeds_are_held_again() {
        let folder = scratch("torn");
        let mut file = SweepFile::open(&folder).expect("opens");
        file.note("a", 0, one()).expect("is written");
        file.flush().expect("is written");
        file.note("a", 1, one()).expect("is written");
        file.flush().expect("is written");
        drop(file);
        let path = folder.join("sweep.jsonl");
        let bytes = fs::read(&path).expect("is there");
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).expect("is written");
            let mut file = SweepFile::open(&folder).expect("opens");
            let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
            assert_eq!(file.remaining("a", 0..2).finished.trials, whole, "cut at {cut}");
            file.note("a", 1, one()).expect("is written");
            file.flush().expect("is written");
            drop(file);
            let after = SweepFile::open(&folder).expect("opens").remaining("a", 0..2);
            assert_eq!(after.finished.trials, whole + 1, "cut at {cut}");
        }
        fs::remove_dir_all(&folder).expect("is removed");
    }
}

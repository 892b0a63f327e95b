//! Which leader epoch begins at which offset of a log (KIP-101; `LeaderEpochFileCache.java`).
//!
//! It answers the question on which truncation rests: where does this epoch end in this log? It lies in memory
//! only and is rebuilt from the batches, which all carry their epoch.

use alloc::vec::Vec;

use crate::types::{EpochEndOffset, LeaderEpoch, Offset};

/// A leader epoch and the offset of its first record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEntry {
    /// The epoch.
    pub leader_epoch: LeaderEpoch,
    /// Its first offset.
    pub start_offset: Offset,
}

/// The epochs of a log, in order.
///
/// Invariant: both the epochs and their start offsets grow strictly from entry to entry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EpochCache {
    entries: Vec<EpochEntry>,
}

impl EpochCache {
    /// The entries in order.
    #[must_use]
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The newest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.leader_epoch)
    }

    /// `leader_epoch` starts at `start_offset`. An epoch that is the latest already keeps its earlier start. Entries
    /// that contradict the new one (a later or equal epoch, or a later or equal start) are removed.
    pub fn assign(&mut self, leader_epoch: LeaderEpoch, start_offset: Offset) {
        if let Some(last) = self.entries.last()
            && last.leader_epoch == leader_epoch
            && last.start_offset <= start_offset
        {
            return;
        }
        while let Some(last) = self.entries.last()
            && (last.leader_epoch >= leader_epoch || last.start_offset >= start_offset)
        {
            self.entries.pop();
        }
        self.entries.push(EpochEntry {
            leader_epoch,
            start_offset,
        });
    }

    /// Where `leader_epoch`, or the largest epoch below it that is here, ends in a log that ends at
    /// `log_end_offset`. `None` if the epoch is newer than all that are here. An epoch older than all that are here
    /// ends, empty, where the first of them starts.
    #[must_use]
    pub fn end_offset_for(&self, leader_epoch: LeaderEpoch, log_end_offset: Offset) -> Option<EpochEndOffset> {
        if leader_epoch < LeaderEpoch(0) {
            return None;
        }
        if self.latest() == Some(leader_epoch) {
            return Some(EpochEndOffset {
                leader_epoch,
                end_offset: log_end_offset,
            });
        }
        let higher = self.entries.partition_point(|entry| entry.leader_epoch <= leader_epoch);
        let end_offset = self.entries.get(higher)?.start_offset;
        let floor = higher.checked_sub(1).map(|index| self.entries[index].leader_epoch);
        Some(EpochEndOffset {
            leader_epoch: floor.unwrap_or(leader_epoch),
            end_offset,
        })
    }

    /// The epoch that holds `offset`, if the first one starts at or before it.
    #[must_use]
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        let index = after.checked_sub(1)?;
        Some(self.entries[index].leader_epoch)
    }

    /// The log ends at `end_offset` now: epochs that start there or later are gone.
    pub fn truncate_from_end(&mut self, end_offset: Offset) {
        let kept = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        self.entries.truncate(kept);
    }

    /// The log starts at `start_offset` now: the epoch that holds it starts there, earlier ones are gone.
    pub fn truncate_from_start(&mut self, start_offset: Offset) {
        let after = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        if let Some(holder) = after.checked_sub(1) {
            self.entries.drain(..holder);
            self.entries[0].start_offset = start_offset;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;

    /// Scripts of Kafka's `LeaderEpochFileCacheTest`, one row a case. Steps: `e@o` epoch e starts at offset o ·
    /// `cut o` the log ends at o · `start o` the log starts at o · `is` the entries · `latest` · `end e of o` where
    /// epoch e ends in a log that ends at o · `epoch of o` the epoch that holds offset o.
    const CASES: &[(&str, &str)] = &[
        (
            "the latest epoch ends at the log's end",
            "2@10; latest 2; end 2 of 11 = 2@11",
        ),
        (
            "an epoch keeps its first start",
            "2@11; 2@12; is 2@11; end 2 of 14 = 2@14",
        ),
        ("the same start replaces the older epoch", "2@9; 3@9; is 3@9"),
        ("a later assignment wins", "2@6; 3@5; is 3@5"),
        (
            "an epoch that goes back removes the later ones",
            "1@5; 2@6; 1@7; is 1@7; latest 1; end 1 of 8 = 1@8; end 2 of 8 = none",
        ),
        ("below the first epoch", "5@11; 6@12; 7@13; end 4 of 0 = 4@11"),
        (
            "a start that goes back removes later starts",
            "5@11; 6@12; 7@13; 7@12; is 5@11 7@12; end 5 of 20 = 5@12; end 6 of 20 = 5@12",
        ),
        (
            "an epoch ends where the next one starts",
            "1@11; 1@12; 2@13; 2@14; 3@15; 3@16; end 2 of 17 = 2@15",
        ),
        (
            "epochs that are not here end where the one below ends",
            "0@10; 2@13; 4@17; end 1 of 20 = 0@13; end 2 of 20 = 2@17; end 3 of 20 = 2@17",
        ),
        ("above all epochs", "2@100; end 3 of 100 = none"),
        ("of an empty cache", "latest none; end 7 of 0 = none; epoch of 0 = none"),
        ("no epoch", "2@10; end -1 of 20 = none"),
        (
            "epochs without records",
            "0@0; 1@0; latest 1; end 1 of 0 = 1@0; end 0 of 0 = 0@0; end 1 of 5 = 1@5; end 0 of 5 = 0@0; \
             2@5; end 2 of 10 = 2@10; end 1 of 10 = 1@5; end 0 of 10 = 0@0",
        ),
        ("a cut is inclusive", "2@6; 3@8; 4@11; cut 8; is 2@6"),
        ("a cut within an epoch", "2@6; 3@8; 4@11; cut 9; is 2@6 3@8; latest 3"),
        ("a start at an epoch's start", "2@6; 3@8; 4@11; start 8; is 3@8 4@11"),
        ("a start within an epoch", "2@6; 3@8; 4@11; start 9; is 3@9 4@11"),
        ("a start before all", "2@6; 3@8; 4@11; start 1; is 2@6 3@8 4@11"),
        ("a start at the first", "2@6; 3@8; 4@11; start 6; is 2@6 3@8 4@11"),
        ("a start at the last", "2@6; 3@8; 4@11; start 11; is 4@11"),
        ("a start behind all", "2@6; 3@8; 4@11; start 15; is 4@15"),
        (
            "a start within the first epoch",
            "0@0; 1@7; 2@10; start 5; is 0@5 1@7 2@10",
        ),
        (
            "epochs by offset",
            "0@10; 1@20; 5@30; epoch of 25 = 1; epoch of 20 = 1; epoch of 30 = 5; epoch of 50 = 5; epoch of 5 = none",
        ),
        ("cut at both sides", "2@6; 3@8; 4@11; cut 11; start 8; is 3@8"),
        (
            "cuts of a log",
            "0@0; 1@10; 2@16; cut 20; is 0@0 1@10 2@16; cut 11; is 0@0 1@10; cut 10; is 0@0; cut 0; is",
        ),
    ];

    #[test]
    fn behaves_as_in_kafka() {
        for (name, script) in CASES {
            let mut cache = EpochCache::default();
            for step in script.split(';').map(str::trim) {
                run(&mut cache, step).unwrap_or_else(|found| panic!("{name}: `{step}`, but it is {found}"));
            }
        }
    }

    fn run(cache: &mut EpochCache, step: &str) -> Result<(), String> {
        let words: Vec<&str> = step.split(' ').collect();
        let offset = |text: &str| Offset(text.parse().unwrap());
        let epoch = |text: &str| LeaderEpoch(text.parse().unwrap());
        let shown = |epoch: Option<LeaderEpoch>| epoch.map_or("none".to_string(), |epoch| epoch.to_string());
        let (found, expected) = match words[..] {
            ["cut", to] => {
                cache.truncate_from_end(offset(to));
                return Ok(());
            }
            ["start", to] => {
                cache.truncate_from_start(offset(to));
                return Ok(());
            }
            ["is", ..] => {
                let entries = cache.entries().iter();
                let entries: Vec<String> = entries
                    .map(|entry| alloc::format!("{}@{}", entry.leader_epoch, entry.start_offset))
                    .collect();
                (entries.join(" "), words[1..].join(" "))
            }
            ["latest", expected] => (shown(cache.latest()), expected.to_string()),
            ["end", asked, "of", end, "=", expected] => {
                let found = cache.end_offset_for(epoch(asked), offset(end));
                let found = found.map(|found| alloc::format!("{}@{}", found.leader_epoch, found.end_offset));
                (found.unwrap_or("none".to_string()), expected.to_string())
            }
            ["epoch", "of", at, "=", expected] => (shown(cache.epoch_for_offset(offset(at))), expected.to_string()),
            [assigned] => {
                let (of, start) = assigned.split_once('@').expect("epoch@offset");
                cache.assign(epoch(of), offset(start));
                return Ok(());
            }
            _ => panic!("unknown step `{step}`"),
        };
        if found == expected { Ok(()) } else { Err(found) }
    }
}

//! How far each partition and each group's positions in it have come, and the lag between the two.

use std::collections::BTreeSet;

use broker_core::types::Offset;

/// What is committed in one partition.
#[derive(Default)]
pub(super) struct Progress {
    /// The largest high watermark that a leader has had.
    end: Steps,
    /// Offsets of records that only probe.
    probes: BTreeSet<i64>,
}

/// Where a consumer group began in a partition, and where it came to stand.
pub(super) struct Position {
    pub begin: i64,
    pub steps: Steps,
}

/// A level that changes now and then: its last value in each bucket in which it was set, oldest first.
#[derive(Default)]
pub(super) struct Steps(Vec<(usize, i64)>);

impl Progress {
    /// A leader's high watermark came to `to`.
    pub fn reach(&mut self, bucket: usize, to: Offset) {
        // A new leader may begin with a lower high watermark than the old one had; nothing is committed twice.
        if to.0 > self.end.last() {
            self.end.set(bucket, to.0);
        }
    }

    /// The record at `offset` only probes.
    pub fn has_probe(&mut self, offset: Offset) {
        self.probes.insert(offset.0);
    }

    /// Two buckets become one.
    pub fn halve(&mut self) {
        self.end.halve();
    }

    /// How many records were committed in each bucket.
    pub fn advances(&self, mut add: impl FnMut(usize, u64)) {
        let mut from = 0;
        for (bucket, to) in &self.end.0 {
            add(*bucket, self.records(from, *to));
            from = *to;
        }
    }

    /// How many records that are for programs stand between two offsets.
    fn records(&self, from: i64, to: i64) -> u64 {
        if to <= from {
            return 0;
        }
        (to - from) as u64 - self.probes.range(from..to).count() as u64
    }
}

/// What is committed and not yet given to the group, at the end of each bucket. What was committed before the group
/// appeared counts from where it began: a consumer that starts late is behind from the first record on.
pub(super) fn lag(committed: Option<&Progress>, position: &Position, buckets: usize) -> Vec<u64> {
    let Some(committed) = committed else {
        return vec![0; buckets];
    };
    let mut end = committed.end.levels(0);
    let mut position = position.steps.levels(position.begin);
    (0..buckets)
        .map(|bucket| {
            let end = end.at(bucket);
            committed.records(position.at(bucket), end)
        })
        .collect()
}

impl Steps {
    fn last(&self) -> i64 {
        self.0.last().map_or(0, |(_, value)| *value)
    }

    /// The level is this in `bucket`.
    pub fn set(&mut self, bucket: usize, value: i64) {
        match self.0.last_mut() {
            Some((last, old)) if *last == bucket => *old = value,
            _ => self.0.push((bucket, value)),
        }
    }

    /// Two buckets become one.
    pub fn halve(&mut self) {
        let old = core::mem::take(&mut self.0);
        old.into_iter().for_each(|(bucket, value)| self.set(bucket / 2, value));
    }

    fn levels(&self, begin: i64) -> Levels<'_> {
        Levels {
            steps: &self.0,
            value: begin,
        }
    }
}

/// Walks the steps bucket by bucket.
struct Levels<'a> {
    steps: &'a [(usize, i64)],
    value: i64,
}

impl Levels<'_> {
    /// The level at the end of `bucket`; ask for buckets in order.
    fn at(&mut self, bucket: usize) -> i64 {
        while let [(changed, value), rest @ ..] = self.steps
            && *changed <= bucket
        {
            self.value = *value;
            self.steps = rest;
        }
        self.value
    }
}

//! What consumers get: uncommitted-read, poll-skip, nonmonotonic-poll, and what they observed for the end's checks.

use std::collections::BTreeMap;

use broker_core::trace::{FetchServed, PositionReset};
use broker_core::types::{NodeId, Offset, TopicPartition};

use super::model::{Model, Partition, Scene};
use crate::history::{At, Entry, PolledRecord, Sought, Uid};
use crate::verdict::Check;

/// Every consumer's way through every partition.
#[derive(Default)]
pub(super) struct Reads {
    streams: Vec<Stream>,
    places: BTreeMap<(NodeId, usize), usize>,
    last: Option<((NodeId, usize), usize)>,
    /// Records that were never committed where they were read.
    pub strange: Vec<Strange>,
    /// How many records programs got.
    pub consumed: u64,
}

/// One consumer's way through one partition.
pub(super) struct Stream {
    /// The consumer.
    pub node: NodeId,
    /// The partition's place in the model.
    pub partition: usize,
    /// The run of the consumer's process.
    pub life: usize,
    incarnation: Option<u32>,
    /// The offset after the last record that its program got, since its last seek.
    position: Option<Offset>,
    /// Where its machine moved to meanwhile, oldest first; records that it had fetched before may still come.
    resets: Vec<Offset>,
    /// Where its program moved to; its machine has not yet done so, and no record has come since.
    sought: Option<Offset>,
}

/// A record that was read where it was never committed.
pub(super) struct Strange {
    /// When.
    pub at: At,
    /// The partition's place in the model.
    pub partition: usize,
    /// Where.
    pub offset: Offset,
    /// Its name.
    pub uid: Option<Uid>,
    /// CRC-32C of key, value and headers.
    pub fingerprint: u32,
}

impl Stream {
    /// The offset of the next record that it wants.
    pub fn next(&self) -> Option<Offset> {
        self.resets.last().copied().or(self.position)
    }

    fn begin_again(&mut self) {
        self.position = None;
        self.resets.clear();
        self.sought = None;
    }
}

impl Reads {
    /// The way of one consumer through a partition.
    pub fn find(&self, node: NodeId, partition: usize) -> Option<&Stream> {
        Some(&self.streams[*self.places.get(&(node, partition))?])
    }

    /// Every way, in the order of beginning.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    fn stream(&mut self, node: NodeId, partition: usize, life: usize) -> &mut Stream {
        let key = (node, partition);
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => *self.places.entry(key).or_insert_with(|| {
                let (position, resets) = (None, Vec::new());
                self.streams.push(Stream {
                    node,
                    partition,
                    life,
                    incarnation: None,
                    position,
                    resets,
                    sought: None,
                });
                self.streams.len() - 1
            }),
        };
        self.last = Some((key, place));
        let stream = &mut self.streams[place];
        if stream.life != life {
            stream.life = life;
            stream.begin_again();
        }
        stream
    }

    /// A consumer's machine moved its position.
    pub fn reset(&mut self, scene: &Scene<'_>, model: &mut Model, fact: &PositionReset) {
        let &PositionReset { from, to, .. } = fact;
        let stream = self.stream(scene.node, model.place(fact.partition), scene.nodes.life(scene.node));
        if stream.sought == Some(to) {
            // The program has said so already.
            stream.sought = None;
            stream.resets.clear();
            return;
        }
        if from.is_none() {
            stream.begin_again();
        }
        stream.resets.push(to);
    }

    /// A member of a group owns these from now on, or owns them no longer: its reading of each starts over at the
    /// position that it takes.
    pub fn owner_changed(&mut self, scene: &Scene<'_>, model: &mut Model, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.stream(scene.node, model.place(*partition), scene.nodes.life(scene.node))
                .begin_again();
        }
    }

    /// A program moved its position.
    pub fn sought(&mut self, scene: &Scene<'_>, model: &mut Model, &Sought { partition, to }: &Sought) {
        let stream = self.stream(scene.node, model.place(partition), scene.nodes.life(scene.node));
        stream.begin_again();
        stream.position = Some(to);
        stream.sought = Some(to);
    }

    /// A poll returned records.
    pub fn polled(&mut self, scene: &mut Scene<'_>, model: &mut Model, entry: &Entry, records: &[PolledRecord]) {
        self.consumed += records.iter().filter(|record| !record.is_probe).count() as u64;
        for record in records {
            let place = model.place(record.partition);
            let partition = &mut model.partitions[place];
            let stream = self.stream(entry.process, place, scene.nodes.life(entry.process));
            if stream
                .incarnation
                .replace(entry.incarnation)
                .is_some_and(|before| before != entry.incarnation)
            {
                stream.position = None;
            }
            follow(scene, partition, stream, record);
            if !compare(scene, partition, record) {
                let PolledRecord {
                    offset,
                    uid,
                    fingerprint,
                    ..
                } = *record;
                self.strange.push(Strange {
                    at: scene.at,
                    partition: place,
                    offset,
                    uid,
                    fingerprint,
                });
            }
        }
    }
}

/// Whether the record is the next one of the stream: poll-skip and nonmonotonic-poll.
fn follow(scene: &mut Scene<'_>, partition: &Partition, stream: &mut Stream, record: &PolledRecord) {
    let expected = stream.position;
    stream.position = Some(record.offset.next());
    stream.sought = None;
    if stream.resets.is_empty() {
        // The plain case: the very next one, or the first that is known of this stream.
        if expected.is_none_or(|expected| expected == record.offset) {
            return;
        }
    }
    if expected.is_some_and(|expected| skipped(partition, expected, record.offset) == Some(0)) {
        return;
    }
    let reset = stream
        .resets
        .iter()
        .position(|reset| skipped(partition, *reset, record.offset) == Some(0));
    if let Some(reset) = reset {
        stream.resets.drain(..=reset);
        return;
    }
    let Some(from) = expected.or(stream.resets.first().copied()) else {
        return;
    };
    let node = scene.name();
    match skipped(partition, from, record.offset) {
        None => scene.violation(Check::NonmonotonicPoll, "a consumer went backwards", &partition.notes, || {
            format!("{node} got offset {} of {} when offset {from} was next", record.offset, partition.label)
        }),
        Some(skipped) => scene.violation(Check::PollSkip, "a consumer jumped over visible records", &partition.notes, || {
            format!(
                "{node} got offset {} of {} when offset {from} was next: {skipped} visible records were jumped over",
                record.offset, partition.label
            )
        }),
    }
}

/// How many visible records a step from position `from` to the record at `to` jumps over; `None` if it goes back.
fn skipped(partition: &Partition, from: Offset, to: Offset) -> Option<usize> {
    let records = &partition.ledger.records;
    let end = (to.0 as usize).min(records.len());
    match from.cmp(&to) {
        core::cmp::Ordering::Greater => None,
        core::cmp::Ordering::Equal => Some(0),
        core::cmp::Ordering::Less => {
            let between = records.get(from.0 as usize..end).unwrap_or(&[]);
            Some(between.iter().filter(|record| record.visible).count())
        }
    }
}

/// Whether the record is or was committed where it was read. uncommitted-read.
fn compare(scene: &mut Scene<'_>, partition: &mut Partition, record: &PolledRecord) -> bool {
    let same = |committed: &&mut super::ledger::Committed| {
        committed.visible
            && (committed.uid, committed.fingerprint, committed.epoch)
                == (record.uid, record.fingerprint, record.leader_epoch)
    };
    if let Some(committed) = partition.ledger.at_mut(record.offset).filter(same) {
        committed.observed = true;
        return true;
    }
    // A deposed leader may still serve what was committed and then lost.
    let versions = partition.ledger.versions.iter_mut();
    if let Some(committed) = versions
        .rev()
        .find_map(|version| version.at_mut(record.offset).filter(same))
    {
        committed.observed = true;
        return true;
    }
    let node = scene.name();
    let (shape, committed) = match partition.ledger.at(record.offset) {
        Some(_) => (
            "a consumer got another record than the committed one",
            "another record is committed there",
        ),
        None => (
            "a consumer got a record above the high watermark",
            "nothing is committed there",
        ),
    };
    scene.violation(Check::UncommittedRead, shape, &partition.notes, || {
        format!(
            "{node} got {} of leader epoch {} at {} offset {}, but {committed}",
            name(record.uid),
            record.leader_epoch,
            partition.label,
            record.offset
        )
    });
    false
}

/// A record's name for people.
pub(super) fn name(uid: Option<Uid>) -> String {
    uid.map_or_else(|| "a record without a uid".to_owned(), |uid| format!("uid {}", uid.0))
}

/// A leader gave records to a consumer: all must be committed. uncommitted-read.
pub(super) fn served(scene: &mut Scene<'_>, partition: &Partition, fact: &FetchServed) {
    let (from, to) = (fact.from, fact.to);
    let limit = fact.high_watermark.min(partition.ledger.ever_end);
    if to <= from || to <= limit {
        return;
    }
    let node = scene.name();
    scene.violation(
        Check::UncommittedRead,
        "a leader served records above the high watermark",
        &partition.notes,
        || {
            format!(
                "{node} served {} from {from} to {to}, but only offsets below {limit} are committed",
                partition.label
            )
        },
    );
}

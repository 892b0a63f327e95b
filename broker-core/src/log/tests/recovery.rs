//! A damaged log comes back as its longest intact prefix.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::disk::DiskOp;

type Segments = Vec<(Offset, Bytes)>;

/// A log of segments of so many batches of two records each; the epoch changes every third batch.
fn segments(start: i64, shape: &[usize]) -> (Segments, Vec<RecordBatch>) {
    let mut segments = Vec::new();
    let mut batches: Vec<RecordBatch> = Vec::new();
    for count in shape {
        let base = batches.last().map_or(Offset(start), RecordBatch::next_offset);
        let mut bytes = Vec::new();
        for _ in 0..*count {
            let next = batches.last().map_or(Offset(start), RecordBatch::next_offset);
            let index = batches.len() as i32;
            let batch = produced(7, 0, index * 2, 2).stamped(next, LeaderEpoch(index / 3));
            bytes.extend_from_slice(batch.bytes());
            batches.push(batch);
        }
        segments.push((base, bytes.into()));
    }
    (segments, batches)
}

fn shown(repairs: &[DiskOp]) -> Vec<(&'static str, i64, u64)> {
    let base = |file: &FileName| match file {
        FileName::Segment { base_offset, .. } => base_offset.0,
        other => panic!("{other:?}"),
    };
    let shown = |repair: &DiskOp| match repair {
        DiskOp::Truncate { file, len } => ("truncate", base(file), *len),
        DiskOp::Remove { file } => ("remove", base(file), 0),
        DiskOp::Sync { file } => ("sync", base(file), 0),
        other => panic!("{other:?}"),
    };
    repairs.iter().map(shown).collect()
}

#[test]
fn an_intact_log_only_needs_syncs() {
    let (files, batches) = segments(10, &[2, 1]);
    let recovered = Log::recover(PARTITION, LAZY, files);
    assert_eq!(recovered.batches, batches);
    assert_eq!(recovered.cut_bytes, 0);
    assert_eq!(shown(&recovered.repairs), [("sync", 10, 0), ("sync", 14, 0)]);
    let log = recovered.log;
    let ends = (log.log_start_offset(), log.flushed_end(), log.log_end_offset());
    assert_eq!(ends, (Offset(10), Offset(10), Offset(16)));
    assert_eq!(log.read(Offset(10), Offset(16), u64::MAX), Ok(Read::Batches(batches)));
    assert_eq!(
        log.producers().get(ProducerId(7)).map(|entry| entry.last_sequence()),
        Some(Sequence(5))
    );
}

#[test]
fn no_files_are_an_empty_log() {
    let recovered = Log::recover(PARTITION, LAZY, vec![]);
    assert_eq!(recovered.log.log_end_offset(), Offset(0));
    assert!(recovered.repairs.is_empty() && recovered.batches.is_empty());
}

/// Three segments of two batches each, at 0, 4 and 8, with one thing wrong.
#[test]
fn the_first_bad_batch_cuts() {
    let (files, batches) = segments(0, &[2, 2, 2]);
    let size = batches[0].size();
    let total = 6 * size;
    let with = |index: usize, bytes: Vec<u8>| {
        let mut files = files.clone();
        files[index].1 = bytes.into();
        files
    };
    let bytes = |batches: &[RecordBatch]| {
        batches
            .iter()
            .flat_map(|batch| batch.bytes().to_vec())
            .collect::<Vec<_>>()
    };
    let damaged = |index: usize, at: usize| {
        let mut bytes = files[index].1.to_vec();
        bytes[at] ^= 1;
        with(index, bytes)
    };
    let again = |batch: &RecordBatch, base: i64, epoch: i32| batch.stamped(Offset(base), LeaderEpoch(epoch));
    let size_at = size as usize;
    type Row = (&'static str, Segments, usize, u64, Vec<(&'static str, i64, u64)>);
    let rows: Vec<Row> = vec![
        (
            "a flipped bit in a record",
            damaged(1, size_at - 1),
            2,
            total - 2 * size,
            vec![("remove", 4, 0), ("remove", 8, 0), ("sync", 0, 0)],
        ),
        (
            "another magic",
            damaged(1, size_at + 16),
            3,
            total - 3 * size,
            vec![("truncate", 4, size), ("remove", 8, 0), ("sync", 0, 0), ("sync", 4, 0)],
        ),
        (
            "a base offset that does not follow",
            with(1, bytes(&[batches[2].clone(), again(&batches[3], 7, 1)])),
            3,
            total - 3 * size,
            vec![("truncate", 4, size), ("remove", 8, 0), ("sync", 0, 0), ("sync", 4, 0)],
        ),
        (
            "an epoch that goes back",
            with(2, bytes(&[again(&batches[4], 8, 0), again(&batches[5], 10, 1)])),
            4,
            total - 4 * size,
            vec![("remove", 8, 0), ("sync", 0, 0), ("sync", 4, 0)],
        ),
        (
            "a torn end",
            with(2, files[2].1[..2 * size_at - 1].to_vec()),
            5,
            size - 1,
            vec![("truncate", 8, size), ("sync", 0, 0), ("sync", 4, 0), ("sync", 8, 0)],
        ),
        (
            "zeros at the end",
            with(2, [files[2].1.to_vec(), vec![0; 100]].concat()),
            6,
            100,
            vec![
                ("truncate", 8, 2 * size),
                ("sync", 0, 0),
                ("sync", 4, 0),
                ("sync", 8, 0),
            ],
        ),
        (
            "a missing segment",
            vec![files[0].clone(), files[2].clone()],
            2,
            2 * size,
            vec![("remove", 8, 0), ("sync", 0, 0)],
        ),
        (
            "a segment cut at a batch",
            with(1, bytes(&batches[2..3])),
            3,
            2 * size,
            vec![("remove", 8, 0), ("sync", 0, 0), ("sync", 4, 0)],
        ),
        (
            "an empty last segment",
            with(2, vec![]),
            4,
            0,
            vec![("remove", 8, 0), ("sync", 0, 0), ("sync", 4, 0)],
        ),
        (
            "a first segment under another name",
            vec![(Offset(3), files[1].1.clone())],
            0,
            2 * size,
            vec![("truncate", 3, 0)],
        ),
        ("an empty first segment", vec![(Offset(3), Bytes::new())], 0, 0, vec![]),
        (
            "garbage alone",
            vec![(Offset(0), Bytes::from_static(&[9; 77]))],
            0,
            77,
            vec![("truncate", 0, 0)],
        ),
    ];
    for (what, files, kept, cut_bytes, repairs) in rows {
        let start = files[0].0;
        let recovered = Log::recover(PARTITION, LAZY, files);
        assert_eq!(recovered.batches, batches[..kept], "{what}");
        assert_eq!(recovered.cut_bytes, cut_bytes, "{what}");
        assert_eq!(shown(&recovered.repairs), repairs, "{what}");
        assert_eq!(recovered.log.log_start_offset(), start, "{what}");
        assert_eq!(recovered.log.log_end_offset(), start.plus(2 * kept as i64), "{what}");
    }
}

#[test]
fn the_repairs_syncs_make_the_log_durable() {
    let mut rig = Rig::new(LogConfig {
        segment_bytes: 1,
        flush_messages: 1,
        ..LAZY
    });
    for _ in 0..3 {
        assert!(rig.lead(&batch(1, 1), 0).is_ok());
    }
    rig.restart();
    assert_eq!(rig.log.ackable_end(), Offset(0));
    assert!(matches!(
        rig.events.last(),
        Some(Event::LogRecovered(trace::LogRecovered {
            log_end_offset: Offset(3),
            cut_bytes: 0,
            ..
        }))
    ));
    rig.call(|log, ctx| log.flush(ctx));
    assert_eq!(rig.disk.open_syncs(), 3);
    rig.answer_all();
    assert_eq!(rig.log.ackable_end(), Offset(3));

    // Who carries the repairs out alone asks for a flush.
    let recovered = Log::recover(PARTITION, rig.config, rig.disk.segments());
    rig.log = recovered.log;
    rig.call(|log, ctx| log.flush(ctx));
    rig.answer_all();
    assert_eq!(rig.log.ackable_end(), Offset(3));
}

/// What the power losses of a story leave, a bit for each choice.
struct Choices {
    bits: u32,
    used: u32,
}

impl Choices {
    fn lose_power(&mut self, rig: &mut Rig) {
        rig.disk.lose_power(|_| {
            self.used += 1;
            self.bits >> (self.used - 1) & 1 == 1
        });
    }
}

/// Tells a story that ends with a power loss, once for each thing that may be left of the files. The log then has
/// batches that were appended, as they were: none with the offset or epoch of one and the records of another.
fn no_batch_is_made_of_two(config: LogConfig, story: impl Fn(&mut Rig, &mut Choices)) {
    let mut outcomes = 1;
    let mut bits = 0;
    while bits < outcomes {
        let mut rig = Rig::new(config);
        let mut choices = Choices { bits, used: 0 };
        story(&mut rig, &mut choices);
        let flushed = rig.log.flushed_end();
        choices.lose_power(&mut rig);
        assert!(
            choices.used <= 16,
            "{} choices are too many to try them all",
            choices.used
        );
        outcomes = outcomes.max(1 << choices.used);
        let found = rig.restart();
        let appended = |found: &RecordBatch| {
            let mut events = rig.events.iter();
            events.any(|event| matches!(event, Event::Appended(appended) if appended.batch == *found))
        };
        for batch in &found {
            assert!(
                appended(batch),
                "outcome {bits:b}: nobody appended {batch:?} of {found:?}"
            );
        }
        assert!(
            rig.log.log_end_offset() >= flushed,
            "outcome {bits:b}: flushed were {flushed}"
        );
        bits += 1;
    }
    assert!(outcomes > 1, "there was something to lose");
}

/// A batch whose records are this producer's; all have the same length.
fn of_producer(id: i64) -> RecordBatch {
    // Behind one such batch, what the CRC of the next one leaves out lies in one sector, and all else in those behind.
    let outside_crc = 16;
    let aligned = |value: &usize| (batch(1, *value).size() + outside_crc).is_multiple_of(disk::SECTOR as u64);
    let value = (0..).find(aligned).expect("a byte more is a byte more");
    batch(1, value).with_producer(ProducerId(id), ProducerEpoch(0), Sequence(0))
}

/// Two batches that are durable.
fn two_flushed(rig: &mut Rig) {
    for id in [1, 2] {
        assert!(rig.lead(&of_producer(id), 0).is_ok());
    }
    rig.call(|log, ctx| log.flush(ctx));
    rig.answer_all();
}

#[test]
fn a_power_loss_after_an_append_behind_a_cut() {
    for flush_messages in [1, u64::MAX] {
        no_batch_is_made_of_two(LogConfig { flush_messages, ..LAZY }, |rig, _| {
            two_flushed(rig);
            rig.truncate(1);
            assert!(rig.lead(&of_producer(3), 1).is_ok());
        });
    }
}

#[test]
fn a_power_loss_after_an_append_to_a_log_that_was_cut_to_nothing() {
    no_batch_is_made_of_two(LAZY, |rig, _| {
        two_flushed(rig);
        rig.truncate(0);
        for id in [3, 4] {
            assert!(rig.lead(&of_producer(id), 1).is_ok());
        }
    });
}

/// The new process does not know whether the cut is durable.
#[test]
fn a_power_loss_after_a_cut_a_restart_and_an_append() {
    for to in [0, 1] {
        no_batch_is_made_of_two(LAZY, |rig, _| {
            two_flushed(rig);
            rig.truncate(to);
            rig.restart();
            for id in 3 + to..5 {
                assert!(rig.lead(&of_producer(id), 1).is_ok());
            }
        });
    }
}

/// The first power loss leaves parts of batches, which the repair cuts.
#[test]
fn a_power_loss_after_an_append_behind_a_repair() {
    no_batch_is_made_of_two(LAZY, |rig, choices| {
        assert!(rig.lead(&of_producer(1), 0).is_ok());
        rig.call(|log, ctx| log.flush(ctx));
        rig.answer_all();
        assert!(rig.lead(&of_producer(2), 0).is_ok());
        choices.lose_power(rig);
        rig.restart();
        rig.truncate(1);
        assert!(rig.lead(&of_producer(3), 1).is_ok());
    });
}

/// A segment under the name of one that the cut removed.
#[test]
fn a_power_loss_after_a_segment_was_made_anew() {
    let segment_bytes = 2 * of_producer(0).size();
    no_batch_is_made_of_two(LogConfig { segment_bytes, ..LAZY }, |rig, _| {
        two_flushed(rig);
        two_flushed(rig);
        rig.truncate(2);
        for id in [3, 4] {
            assert!(rig.lead(&of_producer(id), 1).is_ok());
        }
    });
}

/// Once a cut is durable, the file goes on.
#[test]
fn an_append_behind_a_durable_cut_needs_no_segment() {
    let mut rig = Rig::new(LAZY);
    two_flushed(&mut rig);
    rig.truncate(1);
    rig.answer_all();
    assert!(rig.lead(&of_producer(3), 1).is_ok());
    assert_eq!(rig.log.segments.len(), 1);
    rig.restart();
    rig.answer_all();
    assert!(rig.lead(&of_producer(4), 1).is_ok());
    assert_eq!(rig.log.segments.len(), 1);
}

/// How many of the batches stand, whole and where they belong, at the front of the files.
fn intact_prefix(files: &Segments, batches: &[RecordBatch]) -> usize {
    let mut kept = 0;
    for (index, (base, bytes)) in files.iter().enumerate() {
        let expected = batches.get(kept).map(RecordBatch::base_offset);
        if index > 0 && Some(*base) != expected {
            break;
        }
        let mut rest: &[u8] = bytes;
        while let Some(batch) = batches.get(kept)
            && rest.starts_with(batch.bytes())
        {
            rest = &rest[batch.bytes().len()..];
            kept += 1;
        }
        if !rest.is_empty() {
            break;
        }
    }
    kept
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, Index, u8),
    Cut(Index, Index),
    Zero(Index, Index, usize),
    Append(Index, Vec<u8>),
    Lose(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let garbage = prop::collection::vec(any::<u8>(), 1..100);
    prop_oneof![
        (any::<Index>(), any::<Index>(), 0..8_u8).prop_map(|(file, at, bit)| Damage::Flip(file, at, bit)),
        (any::<Index>(), any::<Index>()).prop_map(|(file, at)| Damage::Cut(file, at)),
        (any::<Index>(), any::<Index>(), 1..100_usize).prop_map(|(file, at, len)| Damage::Zero(file, at, len)),
        (any::<Index>(), garbage).prop_map(|(file, bytes)| Damage::Append(file, bytes)),
        any::<Index>().prop_map(Damage::Lose),
    ]
}

fn harm(files: &mut Segments, damage: &Damage) {
    let file = match damage {
        // Without its first file a log begins later: another log, not a damaged one.
        Damage::Lose(_) if files.len() == 1 => return,
        Damage::Lose(file) => return drop(files.remove(1 + file.index(files.len() - 1))),
        Damage::Flip(file, ..) | Damage::Cut(file, _) | Damage::Zero(file, ..) | Damage::Append(file, _) => {
            file.index(files.len())
        }
    };
    let mut bytes = files[file].1.to_vec();
    let at = |at: &Index| at.index(bytes.len() + 1);
    match damage {
        Damage::Flip(_, position, bit) => {
            let position = at(position);
            if let Some(byte) = bytes.get_mut(position) {
                *byte ^= 1 << bit;
            }
        }
        Damage::Cut(_, position) => bytes.truncate(at(position)),
        Damage::Zero(_, position, len) => {
            let position = at(position);
            let end = (position + len).min(bytes.len());
            bytes[position..end].fill(0);
        }
        Damage::Append(_, more) => bytes.extend(more),
        Damage::Lose(_) => {}
    }
    files[file].1 = bytes.into();
}

proptest! {
    #[test]
    fn the_longest_intact_prefix_comes_back(
        shape in prop::collection::vec(1..5_usize, 1..5),
        damages in prop::collection::vec(damage(), 0..4),
    ) {
        let (mut files, batches) = segments(0, &shape);
        for damage in damages {
            harm(&mut files, &damage);
        }
        let recovered = Log::recover(PARTITION, LAZY, files.clone());
        let kept = intact_prefix(&files, &batches);
        // Only the leader epoch lies outside the CRC: a flip there that still grows is not to be seen.
        let seen: Vec<_> = recovered.batches.iter().map(|batch| (batch.base_offset(), batch.crc())).collect();
        let whole: Vec<_> = batches.iter().map(|batch| (batch.base_offset(), batch.crc())).collect();
        prop_assert!(whole.starts_with(&seen), "{:?}", seen);
        prop_assert!(seen.len() >= kept, "{} of {} batches", seen.len(), kept);
        if seen.len() > kept {
            prop_assert!(recovered.batches[kept].leader_epoch() != batches[kept].leader_epoch());
        }

        // Once repaired, the same log comes back, and nothing is left to repair.
        let mut repaired: alloc::collections::BTreeMap<_, _> = files.into_iter().collect();
        for (repair, base, len) in shown(&recovered.repairs) {
            match repair {
                "truncate" => {
                    let bytes = repaired[&Offset(base)].slice(..len as usize);
                    repaired.insert(Offset(base), bytes);
                }
                "remove" => drop(repaired.remove(&Offset(base)).expect("it is there")),
                _ => prop_assert!(!repaired[&Offset(base)].is_empty()),
            }
        }
        let again = Log::recover(PARTITION, LAZY, repaired.into_iter().collect());
        prop_assert_eq!(again.batches, recovered.batches);
        prop_assert_eq!(again.cut_bytes, 0);
        prop_assert!(shown(&again.repairs).iter().all(|(repair, ..)| *repair == "sync"));
        prop_assert_eq!(again.log.epochs(), recovered.log.epochs());
        prop_assert_eq!(again.log.producers(), recovered.log.producers());
    }
}

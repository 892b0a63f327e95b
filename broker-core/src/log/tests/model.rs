//! Random operations against a list of batches, which is what a log is.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::log::epoch_cache::EpochEntry;
use crate::log::producer_state::{BatchMetadata, ProducerStates};
use crate::protocol::ErrorCode;

#[derive(Clone, Debug)]
enum Step {
    Lead {
        records: usize,
        value: usize,
        producer: Option<Producer>,
        new_epoch: bool,
    },
    Follow {
        records: usize,
        value: usize,
        producer: Option<Producer>,
        epochs_later: i32,
    },
    BeginEpoch,
    Truncate(Index),
    StartOver(i64),
    Read {
        from: Index,
        limit: Index,
        max_bytes: u64,
    },
    Flush,
    Answer(Index),
    Kill,
    PowerLoss,
}

/// Which idempotent producer sends, and whether epoch and sequence number are the ones that follow.
#[derive(Clone, Copy, Debug)]
struct Producer {
    id: i64,
    epoch_later: i16,
    sequence_later: i32,
}

fn step() -> impl Strategy<Value = Step> {
    let producer = || {
        let epoch_later = prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(-1_i16)];
        let sequence_later = prop_oneof![8 => Just(0), 2 => -12..3_i32];
        let producer = (0..3_i64, epoch_later, sequence_later);
        prop::option::of(producer.prop_map(|(id, epoch_later, sequence_later)| Producer {
            id,
            epoch_later,
            sequence_later,
        }))
    };
    let sizes = || (1..4_usize, 0..40_usize);
    prop_oneof![
        10 => (sizes(), producer(), any::<bool>()).prop_map(|((records, value), producer, new_epoch)| {
            Step::Lead { records, value, producer, new_epoch }
        }),
        6 => (sizes(), producer(), 0..3_i32).prop_map(|((records, value), producer, epochs_later)| {
            Step::Follow { records, value, producer, epochs_later }
        }),
        1 => Just(Step::BeginEpoch),
        3 => any::<Index>().prop_map(Step::Truncate),
        1 => (0..30_i64).prop_map(Step::StartOver),
        5 => (any::<Index>(), any::<Index>(), 0..600_u64).prop_map(|(from, limit, max_bytes)| {
            Step::Read { from, limit, max_bytes }
        }),
        2 => Just(Step::Flush),
        8 => any::<Index>().prop_map(Step::Answer),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerLoss),
    ]
}

fn config() -> impl Strategy<Value = LogConfig> {
    let flush_messages = prop_oneof![Just(1), Just(7), Just(u64::MAX)];
    (100..900_u64, flush_messages, 0..600_u64).prop_map(|(segment_bytes, flush_messages, tail_cache_bytes)| LogConfig {
        segment_bytes,
        flush_messages,
        tail_cache_bytes,
    })
}

/// A log is a list of batches, where it starts, and perhaps an epoch that was begun at its end.
struct Model {
    start: Offset,
    batches: Vec<RecordBatch>,
    begun: Option<LeaderEpoch>,
    /// Every batch that the log ever had.
    ever: Vec<RecordBatch>,
}

impl Model {
    fn end(&self) -> Offset {
        self.batches.last().map_or(self.start, RecordBatch::next_offset)
    }

    fn last_epoch(&self) -> LeaderEpoch {
        self.batches.last().map_or(LeaderEpoch(0), RecordBatch::leader_epoch)
    }

    fn push(&mut self, batch: RecordBatch) {
        self.batches.push(batch.clone());
        self.ever.push(batch);
        self.begun = None;
    }

    /// The batches of a producer in its newest epoch, the newest five.
    fn recent(&self, id: i64) -> (Option<ProducerEpoch>, Vec<&RecordBatch>) {
        let mut batches: Vec<_> = self
            .batches
            .iter()
            .filter(|batch| batch.producer_id().0 == id)
            .collect();
        let epoch = batches.last().map(|batch| batch.producer_epoch());
        let older = batches.iter().rposition(|batch| Some(batch.producer_epoch()) != epoch);
        batches.drain(..older.map_or(0, |index| index + 1));
        let too_many = batches.len().saturating_sub(5);
        batches.drain(..too_many);
        (epoch, batches)
    }

    fn epochs(&self) -> Vec<EpochEntry> {
        let mut entries: Vec<EpochEntry> = Vec::new();
        for batch in &self.batches {
            if entries
                .last()
                .is_none_or(|entry| entry.leader_epoch != batch.leader_epoch())
            {
                entries.push(EpochEntry {
                    leader_epoch: batch.leader_epoch(),
                    start_offset: batch.base_offset(),
                });
            }
        }
        entries.extend(self.begun.map(|leader_epoch| EpochEntry {
            leader_epoch,
            start_offset: self.end(),
        }));
        entries
    }

    fn expected_outcome(&self, batch: &RecordBatch) -> Result<AppendOutcome, ErrorCode> {
        let appended = Ok(AppendOutcome::Appended {
            base_offset: self.end(),
            last_offset: self.end().plus(i64::from(batch.count()) - 1),
        });
        let (Some(epoch), recent) = self.recent(batch.producer_id().0) else {
            return appended;
        };
        let alike = |known: &&&RecordBatch| {
            (known.base_sequence(), known.last_sequence()) == (batch.base_sequence(), batch.last_sequence())
        };
        let newest = recent.last().expect("a producer is known by its batches");
        if batch.producer_id() == ProducerId::NONE {
            appended
        } else if batch.producer_epoch() < epoch {
            Err(ErrorCode::InvalidProducerEpoch)
        } else if batch.producer_epoch() > epoch {
            let fits = batch.base_sequence() == Sequence(0);
            if fits {
                appended
            } else {
                Err(ErrorCode::OutOfOrderSequenceNumber)
            }
        } else if let Some(known) = recent.iter().find(alike) {
            Ok(AppendOutcome::Duplicate {
                base_offset: known.base_offset(),
                last_offset: known.last_offset(),
            })
        } else if newest.last_sequence().plus(1) == batch.base_sequence() {
            appended
        } else {
            Err(ErrorCode::OutOfOrderSequenceNumber)
        }
    }

    fn read(&self, from: Offset, limit: Offset, max_bytes: u64) -> Vec<RecordBatch> {
        let mut read: Vec<RecordBatch> = Vec::new();
        let mut size = 0;
        for batch in self.batches.iter().filter(|batch| batch.last_offset() >= from) {
            size += batch.size();
            if from >= limit || batch.last_offset() >= limit || (size > max_bytes && !read.is_empty()) {
                break;
            }
            read.push(batch.clone());
        }
        read
    }

    fn batch(&self, records: usize, value: usize, producer: Option<Producer>) -> RecordBatch {
        let batch = batch(records, value);
        let Some(producer) = producer else { return batch };
        let (epoch, recent) = self.recent(producer.id);
        let epoch = ProducerEpoch((epoch.map_or(0, |epoch| epoch.0) + producer.epoch_later).max(0));
        let next = match recent.last() {
            Some(newest) if producer.epoch_later == 0 => newest.last_sequence().0 + 1,
            _ => 0,
        };
        let sequence = Sequence((next + producer.sequence_later).max(0));
        batch.with_producer(ProducerId(producer.id), epoch, sequence)
    }
}

fn run(rig: &mut Rig, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Lead {
            records,
            value,
            producer,
            new_epoch,
        } => {
            let latest = rig.log.latest_epoch().unwrap_or(LeaderEpoch(0));
            let epoch = LeaderEpoch(latest.0 + i32::from(new_epoch));
            let batch = model.batch(records, value, producer);
            let expected = model.expected_outcome(&batch);
            prop_assert_eq!(rig.lead(&batch, epoch.0), expected);
            if let Ok(AppendOutcome::Appended { base_offset, .. }) = expected {
                model.push(batch.stamped(base_offset, epoch));
            }
        }
        Step::Follow {
            records,
            value,
            producer,
            epochs_later,
        } => {
            let epoch = LeaderEpoch(model.last_epoch().0 + epochs_later);
            let batch = model.batch(records, value, producer).stamped(model.end(), epoch);
            prop_assert_eq!(rig.call(|log, ctx| log.append_as_follower(ctx, &batch)), Ok(()));
            model.push(batch);
        }
        Step::BeginEpoch => {
            let epoch = LeaderEpoch(rig.log.latest_epoch().map_or(0, |latest| latest.0 + 1));
            rig.log.begin_epoch(epoch);
            model.begun = Some(epoch);
        }
        Step::Truncate(to) => {
            let reach = model.end().0 - model.start.0 + 2;
            let to = model.start.plus(to.index(reach as usize) as i64);
            if to <= model.end() {
                model.begun = None;
            }
            model.batches.retain(|batch| batch.last_offset() < to);
            rig.truncate(to.0);
        }
        Step::StartOver(start) => {
            rig.call(|log, ctx| log.truncate_fully_and_start_at(ctx, Offset(start), LeaderEpoch(0)));
            model.start = Offset(start);
            model.batches.clear();
            model.begun = None;
        }
        Step::Read { from, limit, max_bytes } => {
            let reach = (model.end().0 - model.start.0 + 1) as usize;
            let from = model.start.plus(from.index(reach) as i64);
            let limit = model.start.plus(limit.index(reach + 1) as i64);
            let expected = model.read(from, limit, max_bytes);
            match rig.log.read(from, limit, max_bytes).expect("it is in range") {
                Read::Batches(batches) => prop_assert_eq!(batches, expected),
                Read::OnDisk(read) => {
                    let content = &rig.disk.file(read.file).expect("it is there").content;
                    let bytes = content[read.at as usize..(read.at + read.len) as usize].to_vec();
                    // A read from the disk ends with the segment.
                    let done = rig
                        .log
                        .read_done(&read, &Ok(crate::disk::DiskReply::Data(bytes.into())));
                    let batches = done.expect("nothing is damaged");
                    prop_assert!(!batches.is_empty() && expected.starts_with(&batches));
                    prop_assert_eq!(batches.iter().map(RecordBatch::size).sum::<u64>(), read.len);
                }
            }
        }
        Step::Flush => rig.call(|log, ctx| log.flush(ctx)),
        Step::Answer(which) => {
            if rig.disk.open_syncs() > 0 {
                let before = rig.log.flushed_end();
                let progress = rig.answer(which.index(rig.disk.open_syncs()));
                prop_assert_eq!(progress == DiskProgress::Flushed, rig.log.flushed_end() > before);
            }
        }
        Step::Kill => {
            let found = rig.restart();
            prop_assert_eq!(&found, &model.batches);
            model.begun = None;
            if found.is_empty() {
                model.start = rig.log.log_start_offset();
            }
        }
        Step::PowerLoss => {
            let promised = rig.log.flushed_end();
            let mut rng = rig.rng.clone();
            rig.disk.lose_power(|probability| rng.chance(probability));
            rig.rng.next_u64();
            let found = rig.restart();
            let kept: Vec<_> = model
                .batches
                .iter()
                .filter(|batch| batch.last_offset() < promised)
                .cloned()
                .collect();
            prop_assert!(
                found.starts_with(&kept),
                "{:?} lost of what was flushed: {:?}",
                found,
                kept
            );
            prop_assert!(found.iter().all(|batch| model.ever.contains(batch)));
            model.begun = None;
            model.start = rig.log.log_start_offset();
            model.batches = found;
        }
    }
    Ok(())
}

fn check(rig: &Rig, model: &Model) -> Result<(), TestCaseError> {
    let log = &rig.log;
    prop_assert_eq!(
        (log.log_start_offset(), log.log_end_offset()),
        (model.start, model.end())
    );
    prop_assert!(log.log_start_offset() <= log.flushed_end() && log.flushed_end() <= log.log_end_offset());
    let ackable = if rig.config.flush_messages == 1 {
        log.flushed_end()
    } else {
        model.end()
    };
    prop_assert_eq!(log.ackable_end(), ackable);

    // The files are the log, and what counts as flushed is durable.
    let bytes: Vec<u8> = model.batches.iter().flat_map(|batch| batch.bytes().to_vec()).collect();
    prop_assert_eq!(rig.disk.content(), bytes);
    for segment in &log.segments {
        let timestamps = segment.batches.iter().map(|entry| entry.max_timestamp);
        prop_assert_eq!(segment.max_timestamp, timestamps.max().unwrap_or(Timestamp::NONE));
        prop_assert!(segment.size <= rig.config.segment_bytes || segment.batches.len() == 1);
        prop_assert!(segment.base_offset <= segment.flushed_end && segment.flushed_end <= segment.asked_end);
        prop_assert!(segment.asked_end <= segment.end);
        for entry in segment
            .batches
            .iter()
            .filter(|entry| entry.last_offset < log.flushed_end())
        {
            let file = rig.disk.file(segment.file(PARTITION)).expect("it is there");
            let range = entry.position as usize..entry.end_position() as usize;
            prop_assert_eq!(file.durable.get(range.clone()), file.content.get(range));
        }
    }

    // Epochs and producers are those of the batches.
    prop_assert_eq!(log.epochs().entries(), model.epochs());
    for id in 0..3 {
        let (epoch, recent) = model.recent(id);
        let entry = log.producers().get(ProducerId(id));
        prop_assert_eq!(entry.map(|entry| entry.producer_epoch()), epoch);
        let recent: Vec<_> = recent
            .iter()
            .map(|batch| BatchMetadata {
                base_sequence: batch.base_sequence(),
                last_sequence: batch.last_sequence(),
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset(),
            })
            .collect();
        prop_assert_eq!(entry.map_or(vec![], |entry| entry.batches().to_vec()), recent);
    }
    prop_assert!(log.producers() != &ProducerStates::default() || (0..3).all(|id| model.recent(id).0.is_none()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_a_list_of_batches(config in config(), steps in prop::collection::vec(step(), 1..80)) {
        let mut rig = Rig::new(config);
        let mut model = Model { start: Offset(0), batches: vec![], begun: None, ever: vec![] };
        for step in steps {
            run(&mut rig, &mut model, step)?;
            check(&rig, &model)?;
        }
        // In the end everything becomes durable.
        rig.call(|log, ctx| log.flush(ctx));
        rig.answer_all();
        prop_assert_eq!(rig.log.flushed_end(), model.end());
    }
}

//! The way back from the disk: the longest prefix of intact, contiguous batches, and what the disk needs to agree.
//!
//! A power loss may leave any part of what was not synced: whole batches missing, torn ones, or batches that were cut.
//! Nothing was written over these, so a batch that looks intact is one that was appended: base offset and leader epoch
//! lie outside the CRC. What was synced is a prefix of the log, and intact batches that continue it are the log's own,
//! so keeping the longest such prefix keeps everything that was ever promised.

use alloc::vec::Vec;

use bytes::Bytes;

use super::segment::Segment;
use super::{Log, LogConfig};
use crate::disk::{DiskOp, FileName};
use crate::machine::Context;
use crate::protocol::RecordBatch;
use crate::trace::{self, Event};
use crate::types::{LeaderEpoch, Offset, TopicPartition};

/// A log rebuilt from its files, and what the disk needs to agree with it.
pub struct Recovered {
    /// The log.
    pub log: Log,
    /// Files to cut and remove, in order, then syncs of those that are kept and not empty.
    pub repairs: Vec<DiskOp>,
    /// Bytes behind the last intact batch that the repairs cut.
    pub cut_bytes: u64,
    /// The batches that it has, oldest first.
    pub batches: Vec<RecordBatch>,
}

impl Recovered {
    /// Asks the disk for the repairs, states `LogRecovered`, and returns the log, which waits for the answers to the
    /// repairs' own syncs. (Who asks for the repairs without this must `flush` the log for `flushed_end` to move.)
    pub fn repair(mut self, ctx: &mut Context<'_>) -> Log {
        for repair in self.repairs {
            let synced = match repair {
                DiskOp::Sync { file } => Some(file),
                _ => None,
            };
            let op = ctx.out.disk(repair);
            if let Some(FileName::Segment { base_offset, .. }) = synced {
                let index = self.log.segment_of(base_offset);
                self.log.note_sync(op, index);
            }
        }
        self.log.asked_end = self.log.log_end_offset();
        ctx.out.trace(Event::LogRecovered(trace::LogRecovered {
            partition: self.log.partition,
            log_start_offset: self.log.log_start_offset(),
            log_end_offset: self.log.log_end_offset(),
            cut_bytes: self.cut_bytes,
            batches: self.batches,
        }));
        self.log
    }
}

impl Log {
    /// Rebuilds a log from the bytes of its segments (by base offset, ascending): keeps the longest prefix of
    /// intact, contiguous batches and drops everything behind it. A pure function; the caller carries the repairs
    /// out before anything else and states `LogRecovered`, or lets [`Recovered::repair`] do both. All that is kept
    /// counts as flushed only after the first sync, so `flushed_end` starts at the log start and syncs are among the
    /// repairs.
    ///
    /// A batch is cut, and all behind it, when its length, magic or CRC is wrong, when its base offset does not follow
    /// the batch before it (or is not its segment's, for the first), and when its leader epoch is below the one before.
    #[must_use]
    pub fn recover(partition: TopicPartition, config: LogConfig, segments: Vec<(Offset, Bytes)>) -> Recovered {
        let start = segments.first().map_or(Offset::ZERO, |(base_offset, _)| *base_offset);
        let mut recovered = Recovered {
            log: Log::new(partition, config, start),
            repairs: Vec::new(),
            cut_bytes: 0,
            batches: Vec::new(),
        };
        let mut intact = true;
        for (index, (base_offset, bytes)) in segments.into_iter().enumerate() {
            if index > 0 {
                intact = intact && base_offset == recovered.log.log_end_offset();
            }
            let kept = if intact {
                recovered.take_in_segment(base_offset, &bytes)
            } else {
                0
            };
            let cut = bytes.len() as u64 - kept;
            recovered.cut_bytes += cut;
            intact = intact && cut == 0;
            let file = FileName::Segment { partition, base_offset };
            if kept == 0 && index > 0 {
                recovered.repairs.push(DiskOp::Remove { file });
            } else if cut > 0 {
                recovered.repairs.push(DiskOp::Truncate { file, len: kept });
            }
        }
        // Any file may have been cut, here or by the process before.
        for segment in &mut recovered.log.segments {
            segment.may_have_cut_bytes = true;
        }
        let kept = recovered.log.segments.iter().filter(|segment| segment.size > 0);
        let syncs = kept.map(|segment| DiskOp::Sync {
            file: segment.file(partition),
        });
        recovered.repairs.extend(syncs);
        recovered
    }
}

impl Recovered {
    /// Takes in the intact batches that continue the log, and returns how many bytes they take.
    fn take_in_segment(&mut self, base_offset: Offset, bytes: &Bytes) -> u64 {
        let mut rest = bytes.clone();
        let mut kept = 0;
        while let Ok(batch) = RecordBatch::parse(&rest) {
            let epoch = self.batches.last().map_or(LeaderEpoch::NONE, RecordBatch::leader_epoch);
            if batch.base_offset() != self.log.log_end_offset() || batch.leader_epoch() < epoch {
                break;
            }
            // A segment without a batch of the log is not part of it, except the first.
            if kept == 0 && base_offset != self.log.active().base_offset {
                self.log.segments.push(Segment::new(base_offset));
            }
            let _read = rest.split_to(batch.bytes().len());
            kept += batch.size();
            self.batches.push(batch.clone());
            self.log.take_in(batch);
        }
        kept
    }
}

//! A node's start: list the files, read them all, then begin.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::disk::{DiskError, DiskOp, DiskReply, FileName, OpId};
use crate::machine::Context;
use crate::types::{Offset, TopicPartition};

/// The reading of a disk.
pub(super) struct Boot {
    listing: OpId,
    reading: BTreeMap<OpId, FileName>,
    disk: Disk,
}

/// What a node's disk holds.
#[derive(Default)]
pub(super) struct Disk {
    pub quorum_state: Bytes,
    pub checkpoint: Bytes,
    /// Segments of the metadata log, by base offset.
    pub metadata_segments: Vec<(Offset, Bytes)>,
    /// Segments of all other logs, by base offset.
    pub segments: BTreeMap<TopicPartition, Vec<(Offset, Bytes)>>,
}

impl Boot {
    pub fn begin(ctx: &mut Context<'_>) -> Boot {
        Boot {
            listing: ctx.out.disk(DiskOp::List),
            reading: BTreeMap::new(),
            disk: Disk::default(),
        }
    }

    /// Takes a disk answer; gives the whole disk once all is read.
    pub fn on_disk(
        &mut self,
        ctx: &mut Context<'_>,
        op: OpId,
        file: Option<FileName>,
        result: Result<DiskReply, DiskError>,
    ) -> Result<Option<Disk>, DiskError> {
        match (result?, file) {
            (DiskReply::Files(files), _) if op == self.listing => {
                for (file, len) in files {
                    let op = ctx.out.disk(DiskOp::Read { file, at: 0, len });
                    self.reading.insert(op, file);
                }
            }
            (DiskReply::Data(bytes), _) => {
                if let Some(file) = self.reading.remove(&op) {
                    self.disk.put(file, bytes);
                }
            }
            _ => {}
        }
        let is_done = self.reading.is_empty();
        Ok(is_done.then(|| core::mem::take(&mut self.disk).sorted()))
    }
}

impl Disk {
    fn put(&mut self, file: FileName, bytes: Bytes) {
        match file {
            FileName::QuorumState => self.quorum_state = bytes,
            FileName::HighWatermarkCheckpoint => self.checkpoint = bytes,
            FileName::Segment {
                partition: TopicPartition::CLUSTER_METADATA,
                base_offset,
            } => self.metadata_segments.push((base_offset, bytes)),
            FileName::Segment { partition, base_offset } => {
                self.segments.entry(partition).or_default().push((base_offset, bytes));
            }
        }
    }

    /// Reads may end in any order.
    fn sorted(mut self) -> Disk {
        self.metadata_segments.sort_by_key(|(base, _)| *base);
        for segments in self.segments.values_mut() {
            segments.sort_by_key(|(base, _)| *base);
        }
        self
    }
}

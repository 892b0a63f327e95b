//! How a new coordinator comes to its state: it reads its partition from the first record to the last.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::shard::{Loading, Shard};
use super::{Cluster, Settings};
use crate::group::GroupRecord;
use crate::machine::{Context, HaltReason};
use crate::protocol::{Compacted, RecordBatch};
use crate::trace::{self, Event};
use crate::types::Offset;

/// The pause before a read is tried again that the disk failed.
const RETRY: Duration = Duration::from_secs(1);

/// How long the quirk `group-load-partial-state` puts off the reading: trials have short logs, and the defect needs a
/// long one to show.
const LONG_LOAD: Duration = Duration::from_secs(5);

impl Shard {
    /// Begins to read the log, from `start` to its end.
    pub fn load(&mut self, ctx: &mut Context<'_>, settings: &Settings, cluster: &mut Cluster<'_>, start: Offset) {
        ctx.out.trace(Event::CoordinatorLoading(trace::CoordinatorLoading {
            partition: self.partition,
            leader_epoch: self.leader_epoch,
        }));
        let answers = settings.quirks.group_load_partial_state;
        let mut loading = Loading {
            next: start,
            until: self.end,
            read: Compacted::default(),
            retry_at: None,
            answers,
        };
        if answers && start < self.end {
            self.groups.loaded(ctx.now);
            loading.retry_at = Some(ctx.now + LONG_LOAD);
            self.loading = Some(loading);
            return;
        }
        self.load_further(ctx, settings, cluster, loading);
    }

    fn load_further(
        &mut self,
        ctx: &mut Context<'_>,
        settings: &Settings,
        cluster: &mut Cluster<'_>,
        loading: Loading,
    ) {
        if loading.next < loading.until {
            cluster.replicas.read_for_coordinator(ctx, self.partition, loading.next);
            self.loading = Some(loading);
            return;
        }
        ctx.out.trace(Event::CoordinatorLoaded(trace::CoordinatorLoaded {
            partition: self.partition,
            leader_epoch: self.leader_epoch,
            end: loading.until,
            digest: loading.read.digest(),
        }));
        self.groups.loaded(ctx.now);
        // What changed while nobody looked.
        self.topics_changed(ctx, settings, cluster);
    }

    /// Takes batches from the log, from the end of what was read on; none if the read failed. (What the quirk lets it append
    /// meanwhile is replayed already.)
    ///
    /// # Errors
    /// When a record is not one that a coordinator writes.
    pub fn on_read(
        &mut self,
        ctx: &mut Context<'_>,
        settings: &Settings,
        cluster: &mut Cluster<'_>,
        batches: &[RecordBatch],
    ) -> Result<(), HaltReason> {
        let Some(mut loading) = self.loading.take() else {
            return Ok(());
        };
        if batches.is_empty() {
            loading.retry_at = Some(ctx.now + RETRY);
            self.loading = Some(loading);
            return Ok(());
        }
        for batch in batches.iter().filter(|batch| batch.next_offset() <= loading.until) {
            self.replay_batch(batch).map_err(HaltReason::CorruptState)?;
            loading.next = batch.next_offset();
            let taken_in = loading.read.take_in(batch);
            taken_in.expect("its records were just read");
        }
        self.load_further(ctx, settings, cluster, loading);
        Ok(())
    }

    /// Reads again, if it is time to.
    pub fn retry_loading(&mut self, ctx: &mut Context<'_>, cluster: &mut Cluster<'_>) {
        if let Some(loading) = &mut self.loading
            && loading.retry_at.take_if(|at| *at <= ctx.now).is_some()
        {
            cluster.replicas.read_for_coordinator(ctx, self.partition, loading.next);
        }
    }

    fn replay_batch(&mut self, batch: &RecordBatch) -> Result<(), String> {
        if !batch.is_control() {
            for record in batch.records() {
                let record =
                    record.map_err(|error| format!("{} of {}: {error}", batch.base_offset(), self.partition))?;
                let decoded = GroupRecord::decode(record.key.as_deref().unwrap_or_default(), record.value.as_deref());
                let decoded = decoded.map_err(|error| format!("{} of {}: {error}", record.offset, self.partition))?;
                self.replay(&decoded);
            }
        }
        Ok(())
    }
}

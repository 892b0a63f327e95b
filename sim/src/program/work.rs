//! A program's work on one record, as the history has it.

use core::ops::Range;

use super::hop;
use super::received::ConsumerRecord;
use super::station::Shared;
use crate::history::{ProcessEnded, ProcessOutcome, Processing, What};

/// The work on one record, from [`super::Env::process`] to [`Work::done`] or [`Work::end`].
#[must_use = "say how the work ended"]
pub struct Work {
    shared: Shared,
    client: usize,
    processing: Processing,
}

impl Work {
    /// Work of the program with these endpoints. It is reported for the one on which the record was read.
    pub(super) fn begin(shared: &Shared, endpoints: Range<usize>, record: &ConsumerRecord, attempt: u32) -> Work {
        let mut station = shared.lock();
        let has_read = |client: &usize| station.clients[*client].consuming.read.contains(&record.partition_id());
        let client = endpoints.clone().find(has_read).unwrap_or(endpoints.start);
        let before = hop::read(record.headers()).map_or(0, |hop| hop.attempts);
        let processing = Processing {
            group: station.clients[client].consuming.group.clone(),
            partition: record.partition_id(),
            offset: record.offset(),
            uid: record.uid(),
            attempt: before + attempt,
        };
        station.write(client, What::ProcessBegun(processing.clone()));
        drop(station);
        Work {
            shared: shared.clone(),
            client,
            processing,
        }
    }

    /// The record is processed.
    pub fn done(self) {
        self.end(ProcessOutcome::Processed);
    }

    /// The work ended like this.
    pub fn end(self, outcome: ProcessOutcome) {
        let processing = self.processing;
        let what = What::ProcessEnded(ProcessEnded { processing, outcome });
        self.shared.lock().write(self.client, what);
    }

    /// Which attempt at the record it is, through all topics that it passed, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.processing.attempt
    }
}
